"""The macro skeleton around a cell, and what a network costs: parameters and multiply-adds as closed formulas.

The skeleton is NAS-Bench-201's (Dong & Yang, ICLR 2020, arXiv:2001.00326, figure 1): stem, `stages` stages of `cells` equal
cells, a down-sampling step that doubles the channels between stages, global average pooling and a linear classifier. Its
published instance is `NASBENCH201`. `network.py` builds the same thing in torch, and a test compares the two counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from nasbench.space import Architecture, CellSpace, cell_graph

CONVOLUTIONS: dict[str, int] = {"nor_conv_1x1": 1, "nor_conv_3x3": 3}
"""Kernel width of the operations that have weights."""

WEIGHTLESS: frozenset[str] = frozenset({"none", "skip_connect", "avg_pool_3x3"})
"""Operations without weights; they count no multiply-adds either."""


@dataclass(frozen=True)
class Skeleton:
    """Everything of a network that is not the cell.

    Attributes:
        input_shape: (channels, height, width) of one example. A signal of length L is (1, 1, L); where the height is 1,
            kernels, pools and strides act along the width only, so that signals and images take the same operations.
        classes: number of classes.
        channels: channels of the first stage; each later stage has twice as many.
        stages: number of stages; height and width are halved between them.
        cells: cells per stage.
        stem: `conv3x3` (published) or `conv1x1` (pointwise: no neighbourhood is seen outside the cells), then batch norm.
        downsample: `residual` (published: a basic residual block of stride 2 with an average-pooled shortcut) or `pool`
            (2x average pooling, then a 1x1 convolution that doubles the channels, and batch norm).

    Raises:
        ValueError: a count below 1, an unknown stem or down-sampling, or a size that can't be halved between the stages.
    """

    input_shape: tuple[int, int, int]
    classes: int
    channels: int = 16
    stages: int = 3
    cells: int = 5
    stem: Literal["conv3x3", "conv1x1"] = "conv3x3"
    downsample: Literal["residual", "pool"] = "residual"

    def __post_init__(self) -> None:
        for field in ("classes", "channels", "stages", "cells"):
            if getattr(self, field) < 1:
                raise ValueError(f"skeleton: {field} is {getattr(self, field)}, must be at least 1")
        if len(self.input_shape) != 3 or min(self.input_shape) < 1:
            raise ValueError(
                f"skeleton: input_shape is {self.input_shape}, must be (channels, height, width), each at least 1"
            )
        if self.stem not in ("conv3x3", "conv1x1"):
            raise ValueError(f"skeleton: stem is {self.stem!r}, must be 'conv3x3' or 'conv1x1'")
        if self.downsample not in ("residual", "pool"):
            raise ValueError(f"skeleton: downsample is {self.downsample!r}, must be 'residual' or 'pool'")
        shrink = 2 ** (self.stages - 1)
        for side in self.input_shape[1:]:
            if side != 1 and side % shrink:
                raise ValueError(
                    f"skeleton: size {side} can't be halved {self.stages - 1} times; use a multiple of {shrink}"
                )

    def shape(self, stage: int) -> tuple[int, int, int]:
        """Return (channels, height, width) inside a stage."""
        _, height, width = self.input_shape
        halve = 2**stage
        return self.channels * halve, max(1, height // halve), max(1, width // halve)

    def kernel(self, width: int) -> tuple[int, int]:
        """Return (height, width) of a kernel of the given width: 1 x width on signals, width x width on images."""
        return (1 if self.input_shape[1] == 1 else width, width)

    def taps(self, width: int) -> int:
        """Return the number of weights of such a kernel for one pair of channels."""
        height, width = self.kernel(width)
        return height * width


NASBENCH201 = Skeleton(input_shape=(3, 32, 32), classes=10)
"""The published skeleton: 16-32-64 channels, 5 cells a stage, 3x3 stem, residual down-sampling; here for CIFAR-10."""


def operation_counts(space: CellSpace, architecture: Architecture, *, canonical: bool = True) -> dict[str, int]:
    """Return how often each convolution stands in the cell.

    Args:
        space: the search space.
        architecture: a cell.
        canonical: count the operations of the canonical cell, which is what this project trains; `False`: count every
            edge of the string, also those that reach no output, as NAS-Bench-201's model sizes do.
    """
    numbers = list(architecture)
    if canonical:
        numbers = [operation for operation, _ in cell_graph(space.canonical(architecture)).operations]
    counts = dict.fromkeys((name for name in space.operations if name in CONVOLUTIONS), 0)
    for number in numbers:
        name = space.operations[number]
        if name in counts:
            counts[name] += 1
        elif name not in WEIGHTLESS:
            raise ValueError(f"operation {name!r} has no known cost; known are {sorted([*CONVOLUTIONS, *WEIGHTLESS])}")
    return counts


def parameters(skeleton: Skeleton, counts: Mapping[str, int]) -> int:
    """Return the number of trainable parameters of the network with these convolutions in every cell.

    For the published skeleton this is 72,656 + 65 classes + 5 sum over c in (16, 32, 64) of
    [n3 (9 c^2 + 2 c) + n1 (c^2 + 2 c)].

    Example:
        >>> parameters(NASBENCH201, {"nor_conv_1x1": 2, "nor_conv_3x3": 0})
        129306
    """
    total = _stem_weights(skeleton) + 2 * skeleton.channels  # batch norm: scale and shift
    for stage in range(skeleton.stages):
        channels = skeleton.shape(stage)[0]
        for name, count in counts.items():
            total += skeleton.cells * count * (skeleton.taps(CONVOLUTIONS[name]) * channels**2 + 2 * channels)
        if stage + 1 < skeleton.stages:
            wide = 2 * channels
            if skeleton.downsample == "residual":
                total += skeleton.taps(3) * (channels * wide + wide**2) + 4 * wide + channels * wide
            else:
                total += channels * wide + 2 * wide
    last = skeleton.shape(skeleton.stages - 1)[0]
    return total + 2 * last + (last + 1) * skeleton.classes


def multiply_adds(skeleton: Skeleton, counts: Mapping[str, int]) -> int:
    """Return the multiply-adds of one forward pass of one example: convolutions and the classifier, nothing else."""
    _, height, width = skeleton.input_shape
    total = _stem_weights(skeleton) * height * width
    for stage in range(skeleton.stages):
        channels, height, width = skeleton.shape(stage)
        for name, count in counts.items():
            total += skeleton.cells * count * skeleton.taps(CONVOLUTIONS[name]) * channels**2 * height * width
        if stage + 1 < skeleton.stages:
            wide, height, width = skeleton.shape(stage + 1)
            weights = channels * wide
            if skeleton.downsample == "residual":
                weights += skeleton.taps(3) * (channels * wide + wide**2)
            total += weights * height * width
    return total + skeleton.shape(skeleton.stages - 1)[0] * skeleton.classes


def _stem_weights(skeleton: Skeleton) -> int:
    return skeleton.input_shape[0] * skeleton.channels * (skeleton.taps(3) if skeleton.stem == "conv3x3" else 1)
