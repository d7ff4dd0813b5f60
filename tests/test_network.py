"""The networks against a plain implementation, each other, and the closed formulas of parameters and multiply-adds."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import plain_network  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from nasbench.network import Network  # noqa: E402
from nasbench.skeleton import Skeleton, multiply_adds, operation_counts, parameters  # noqa: E402
from nasbench.space import CELL201, CellSpace  # noqa: E402

pytestmark = pytest.mark.live

SIGNAL = Skeleton((1, 1, 8), 3, channels=2, stages=3, cells=1, stem="conv1x1", downsample="pool")
IMAGE = Skeleton((3, 8, 8), 4, channels=2, stages=2, cells=2, stem="conv3x3", downsample="residual")
MIXED = Skeleton((2, 4, 4), 3, channels=3, stages=2, cells=1, stem="conv3x3", downsample="pool")
SIGNAL_RESIDUAL = Skeleton((2, 1, 8), 3, channels=3, stages=2, cells=1, stem="conv3x3", downsample="residual")
SKELETONS = [SIGNAL, IMAGE, MIXED, SIGNAL_RESIDUAL]


def build(architectures, skeleton, seeds=None, dtype=torch.float64, **settings):
    network = Network(CELL201, architectures, skeleton, **settings).to(dtype)
    network.initialise([np.random.default_rng(seed) for seed in (seeds or range(len(architectures)))])
    for unit in network.units():  # batch norms that do something, the same for a member alone and among others
        for parameter in unit.parameters(recurse=False):
            if parameter.ndim == 1:
                for position, member in enumerate(unit.members):
                    rng = np.random.default_rng(
                        [7, (seeds or range(len(architectures)))[member], len(parameter) // len(unit.members)]
                    )
                    block = parameter.data.chunk(len(unit.members))[position]
                    block += torch.from_numpy(rng.normal(0, 0.3, len(block)))
    return network


def examples(skeleton, count, seed=0, members=1):
    channels, height, width = skeleton.input_shape
    values = np.random.default_rng(seed).normal(size=(count, members * channels, height, width))
    return torch.from_numpy(values)


def chosen_architectures(count, seed):
    rng = np.random.default_rng(seed)
    special = ["|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"]
    special += ["|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|skip_connect~2|"]
    special += ["|nor_conv_3x3~0|+|nor_conv_3x3~0|skip_connect~1|+|nor_conv_3x3~0|skip_connect~1|nor_conv_1x1~2|"]
    special += ["|avg_pool_3x3~0|+|avg_pool_3x3~0|avg_pool_3x3~1|+|avg_pool_3x3~0|avg_pool_3x3~1|avg_pool_3x3~2|"]
    return [CELL201.parse(text) for text in special] + [CELL201.sample_class(rng) for _ in range(count)]


@pytest.mark.parametrize("skeleton", SKELETONS)
def test_forward_and_backward_equal_the_plain_network(skeleton):
    for architecture in chosen_architectures(12, seed=1):
        network = build([architecture], skeleton)
        inputs = examples(skeleton, 5)
        weighting = torch.from_numpy(np.random.default_rng(3).normal(size=(5, skeleton.classes)))
        weights = list(network.parameters())
        found = network(inputs)[0]
        gradients = torch.autograd.grad((found * weighting).sum(), weights, allow_unused=True)
        truth = plain_network.run_network(CELL201, architecture, network, inputs)
        expected = torch.autograd.grad((truth * weighting).sum(), weights, allow_unused=True)
        torch.testing.assert_close(found, truth, rtol=1e-9, atol=1e-9)
        for one, other in zip(gradients, expected, strict=True):
            if one is None or other is None:  # cut off by a constant zero, which is no part of one of the two graphs
                assert one is None or not one.any()
                assert other is None or not other.any()
            else:
                torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-9)


def test_all_strings_of_a_class_compute_the_same_function():
    rng = np.random.default_rng(5)
    inputs = examples(MIXED, 4)
    for cell in rng.permutation(len(CELL201.classes))[:25]:
        members = CELL201.classes[cell]
        network = build([CELL201.architecture(members[0])], MIXED)
        for member in rng.choice(members, size=min(4, len(members)), replace=False):
            string = CELL201.architecture(int(member))
            truth = plain_network.run_network(CELL201, string, network, inputs)
            torch.testing.assert_close(network(inputs)[0], truth, rtol=1e-9, atol=1e-9)
            other = build([string], MIXED)
            torch.testing.assert_close(other(inputs), network(inputs), rtol=0, atol=0)


@pytest.mark.parametrize("skeleton", SKELETONS)
def test_fused_members_equal_networks_alone(skeleton):
    """Different cells side by side, some of them more than once: logits and gradients of each as if alone."""
    kinds = chosen_architectures(5, seed=2)
    architectures = [kinds[index] for index in (4, 4, 0, 5, 6, 6, 6, 1, 7, 8, 2, 5)]
    fused = build(architectures, skeleton)
    inputs = examples(skeleton, 6, members=len(architectures))
    logits = fused(inputs)
    gradient = torch.autograd.grad(logits.square().sum(), list(fused.parameters()), allow_unused=True)
    gradients = dict(zip(fused.parameters(), gradient, strict=True))
    channels = skeleton.input_shape[0]
    for member, architecture in enumerate(architectures):
        alone = build([architecture], skeleton, seeds=[member])
        own = inputs[:, member * channels : (member + 1) * channels]
        found = alone(own)[0]
        torch.testing.assert_close(logits[member], found, rtol=1e-10, atol=1e-10)
        expected = torch.autograd.grad(found.square().sum(), list(alone.parameters()), allow_unused=True)
        for (place, parameter), one in zip(member_blocks(fused, member), expected, strict=True):
            whole = gradients[parameter]
            part = None if whole is None else whole.chunk(parameter_owners(fused, parameter))[place]
            if part is None or one is None:
                assert part is None or not part.any()
                assert one is None or not one.any()
            else:
                torch.testing.assert_close(part, one, rtol=1e-8, atol=1e-9)


def member_blocks(network, member):
    """(place among the owners, parameter) of all parameters that a member has, in the network's order."""
    for unit in network.units():
        for parameter in unit.parameters(recurse=False):
            if member in unit.members:
                yield unit.members.index(member), parameter


def parameter_owners(network, wanted):
    for unit in network.units():
        for parameter in unit.parameters(recurse=False):
            if parameter is wanted:
                return len(unit.members)
    raise AssertionError


def test_members_draw_the_same_weights_alone_and_fused():
    architectures = [chosen_architectures(6, seed=4)[index] for index in (4, 5, 5, 6, 7, 8)]
    fused = Network(CELL201, architectures, IMAGE)
    fused.initialise([np.random.default_rng(member) for member in range(6)])
    for member, architecture in enumerate(architectures):
        alone = Network(CELL201, [architecture], IMAGE)
        alone.initialise([np.random.default_rng(member)])
        blocks = [
            parameter.chunk(parameter_owners(fused, parameter))[place]
            for place, parameter in member_blocks(fused, member)
        ]
        for one, other in zip(blocks, alone.parameters(), strict=True):
            assert torch.equal(one, other)


def test_weights_are_drawn_from_torchs_default_distribution():
    skeleton = Skeleton((3, 8, 8), 10, channels=16, stages=1, cells=2)
    network = Network(CELL201, [(3,) * 6], skeleton)
    network.initialise([np.random.default_rng(0)])
    # torch draws kaiming_uniform with a = sqrt(5): uniform in +-1 / sqrt(16 channels * 9 taps).
    drawn = torch.cat([block.units["nor_conv_3x3_0"].weight.detach().flatten() for block in network.body])
    assert 1 / 12 - 1e-3 < float(drawn.abs().max()) <= 1 / 12
    assert abs(float(drawn.mean())) < 4 * (1 / 12) / 3**0.5 / len(drawn) ** 0.5
    assert float(drawn.std()) == pytest.approx(1 / 12 / 3**0.5, rel=0.05)


@pytest.mark.parametrize("channels_last", [False, True])
def test_folded_batch_norms_change_nothing_in_evaluation(channels_last):
    architectures = [chosen_architectures(3, seed=6)[index] for index in (4, 4, 5)]
    network = build(architectures, IMAGE, channels_last=channels_last)
    for _ in range(3):
        network(examples(IMAGE, 8, members=3))
    network.eval()
    shared = examples(IMAGE, 8)
    plain = network(shared)
    torch.testing.assert_close(network(shared.repeat(1, 3, 1, 1)), plain, rtol=1e-10, atol=1e-10)
    network.fold()
    torch.testing.assert_close(network(shared), plain, rtol=1e-9, atol=1e-9)
    network.unfold()
    torch.testing.assert_close(network(shared), plain, rtol=0, atol=0)


def test_running_statistics_follow_torchs_rule():
    network = build([(3, 1, 1, 1, 1, 1)], SIGNAL)
    inputs = examples(SIGNAL, 6)
    network(inputs)
    stem = torch.einsum("bchw,oc->bohw", inputs, network.stem.weight[:, :, 0, 0])
    torch.testing.assert_close(network.stem.norm.mean, 0.1 * stem.mean((0, 2, 3)))
    unbiased = stem.transpose(0, 1).flatten(1).var(1, correction=1)
    torch.testing.assert_close(network.stem.norm.variance, 0.9 + 0.1 * unbiased)


PUBLISHED = Skeleton((3, 32, 32), 10)


@pytest.mark.parametrize("skeleton", [*SKELETONS, Skeleton((1, 1, 40), 10, 8, 3, 1, "conv1x1", "pool"), PUBLISHED])
def test_parameters_and_multiply_adds_equal_the_formulas(skeleton):
    count = 3 if skeleton is PUBLISHED else 20
    for architecture in chosen_architectures(count, seed=8):
        network = Network(CELL201, [architecture], skeleton).eval()
        network.initialise([np.random.default_rng(0)])
        counts = operation_counts(CELL201, architecture)
        assert sum(parameter.numel() for parameter in network.parameters()) == parameters(skeleton, counts)
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            network(examples(skeleton, 1).float())
        assert counter.get_total_flops() == 2 * multiply_adds(skeleton, counts)


def test_parameters_of_the_published_skeleton():
    """The issue's formula, written out for 2 3x3 and 1 1x1 convolutions."""
    architecture = CELL201.parse("|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|nor_conv_1x1~0|none~1|skip_connect~2|")
    network = Network(CELL201, [architecture], PUBLISHED)
    expected = 72_656 + 65 * 10 + 5 * sum(2 * (9 * c**2 + 2 * c) + (c**2 + 2 * c) for c in (16, 32, 64))
    assert sum(parameter.numel() for parameter in network.parameters()) == expected


def test_unknown_operations_are_refused():
    space = CellSpace("other", 3, ("none", "skip_connect", "sep_conv_5x5"))
    with pytest.raises(ValueError, match="'sep_conv_5x5' can't be built; there are"):
        Network(space, [(2, 1, 1)], SIGNAL)


def test_initialise_wants_a_generator_for_each_member():
    with pytest.raises(ValueError, match="got 1 generators for 2 members"):
        Network(CELL201, [(3,) * 6] * 2, SIGNAL).initialise([np.random.default_rng(0)])
