"""Cells as torch networks: one, or several fused into one, built from the canonical form in the skeleton of `skeleton.py`.

A network has `members`: independent networks that are trained side by side, each with its own weights. Their channels stand
side by side in every tensor (member 0's channels first), so that one grouped convolution, one batch norm and one pooling
serve them all. Members may have different cells: then each kind of operation is applied once to the gathered inputs of all
members that have it at the same node, since the skeleton gives every edge of a stage the same shape. With one member this
is the plain network. Operations are NAS-Bench-201's (Dong & Yang, ICLR 2020, arXiv:2001.00326, section 2.1): ReLU,
convolution without bias, batch norm; 3x3 average pooling of stride 1 that does not count padding.

Departure: equal operations on equal inputs are one operation with one set of weights, and a node that adds its result k
times multiplies it by k (see `space.py`); NAS-Bench-201 trains two sets of weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from nasbench.skeleton import CONVOLUTIONS, Skeleton
from nasbench.space import Architecture, Cell, CellSpace, cell_graph

MOMENTUM = 0.1
"""Share of a batch's statistics in the running ones, and `EPSILON` in the variance: torch's defaults, as NAS-Bench-201's."""
EPSILON = 1e-5


class Unit(nn.Module):
    """Weights that some members of a network have at one place.

    Attributes:
        members: numbers of the members that have them, ascending; the first axis of each parameter is `members` blocks.
    """

    def __init__(self, members: Sequence[int]) -> None:
        super().__init__()
        self.members = tuple(members)

    def initialise(self, draw: Sequence[np.random.Generator]) -> None:
        """Draw the weights of each member from its own generator; `draw` has one for each member of the network."""
        raise NotImplementedError


class Convolution(Unit):
    """Grouped convolution without bias, one group a member, optionally followed by batch norm over each member's channels.

    After `fold`, the batch norm stands in the convolution's weights with its running statistics, for evaluation.
    """

    def __init__(
        self,
        members: Sequence[int],
        channels: tuple[int, int],
        kernel: tuple[int, int],
        stride: tuple[int, int] = (1, 1),
        *,
        norm: bool = True,
    ) -> None:
        super().__init__(members)
        inputs, outputs = channels
        self.weight = nn.Parameter(torch.empty(len(self.members) * outputs, inputs, *kernel))
        self.norm = Norm(members, outputs) if norm else None
        self.stride = stride
        self.padding = (kernel[0] // 2, kernel[1] // 2)
        self.folded: tuple[torch.Tensor, torch.Tensor] | None = None

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Map (batch, members * inputs, height, width) to (batch, members * outputs, ...).

        `values` may also be (batch, inputs, height, width), the same for all members.
        """
        groups = values.shape[1] // self.weight.shape[1]
        if self.folded is not None:
            weight, bias = self.folded
            return functional.conv2d(values, weight, bias, self.stride, self.padding, 1, groups)
        values = functional.conv2d(values, self.weight, None, self.stride, self.padding, 1, groups)
        return values if self.norm is None else self.norm(values)

    def fold(self) -> None:
        """Put the batch norm into the weights, until `unfold`; changes of weights in between are not seen."""
        if self.norm is not None:
            scale, shift = self.norm.affine()
            self.folded = ((self.weight * scale[:, None, None, None]).detach(), shift.detach())

    def unfold(self) -> None:
        """Undo `fold`."""
        self.folded = None

    def initialise(self, draw: Sequence[np.random.Generator]) -> None:
        """Draw the weights uniformly from +-1 / sqrt(inputs * taps), torch's default and NAS-Bench-201's."""
        _fill(self.weight, [draw[member] for member in self.members], math.prod(self.weight.shape[1:]))


class Norm(Unit):
    """Batch norm over each member's channels; scale starts at 1 and shift at 0."""

    mean: torch.Tensor
    variance: torch.Tensor

    def __init__(self, members: Sequence[int], channels: int) -> None:
        super().__init__(members)
        self.scale = nn.Parameter(torch.ones(len(self.members) * channels))
        self.shift = nn.Parameter(torch.zeros(len(self.members) * channels))
        self.register_buffer("mean", torch.zeros(len(self.members) * channels))
        self.register_buffer("variance", torch.ones(len(self.members) * channels))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Normalise (batch, members * channels, height, width)."""
        return functional.batch_norm(
            values, self.mean, self.variance, self.scale, self.shift, self.training, MOMENTUM, EPSILON
        )

    def affine(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the factor and the summand, each (members * channels,), that this is in evaluation."""
        scale = self.scale * torch.rsqrt(self.variance + EPSILON)
        return scale, self.shift - self.mean * scale

    def initialise(self, draw: Sequence[np.random.Generator]) -> None:
        """Nothing is drawn."""


class Classifier(Unit):
    """A linear layer for each member."""

    def __init__(self, members: Sequence[int], channels: int, classes: int) -> None:
        super().__init__(members)
        self.weight = nn.Parameter(torch.empty(len(self.members), channels, classes))
        self.bias = nn.Parameter(torch.empty(len(self.members), 1, classes))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Map (batch, members * channels) to logits (members, batch, classes)."""
        members, channels, _ = self.weight.shape
        return torch.baddbmm(self.bias, values.view(-1, members, channels).transpose(0, 1), self.weight)

    def initialise(self, draw: Sequence[np.random.Generator]) -> None:
        """Draw weights and biases uniformly from +-1 / sqrt(channels), torch's default."""
        own = [draw[member] for member in self.members]
        _fill(self.weight, own, self.weight.shape[1])
        _fill(self.bias, own, self.weight.shape[1])


class CellBlock(nn.Module):
    """One cell of every member; `blocks` are runs of members with the same cell."""

    def __init__(
        self, space: CellSpace, blocks: Sequence[tuple[Cell, range]], channels: int, skeleton: Skeleton
    ) -> None:
        super().__init__()
        self.cells = [cell for cell, _ in blocks]
        self.widths = [len(members) * channels for _, members in blocks]
        self.pool_kernel = skeleton.kernel(3)
        # steps[source][name]: the operations of that name on that node, as (block, number in the block's cell).
        self.steps: list[dict[str, list[tuple[int, int]]]] = [
            {} for _ in range(max(len(cell.nodes) for cell in self.cells))
        ]
        for block, cell in enumerate(self.cells):
            for number, (operation, source) in enumerate(cell.operations):
                self.steps[source].setdefault(space.operations[operation], []).append((block, number))
        self.units = nn.ModuleDict()
        for source, step in enumerate(self.steps):
            for name in sorted(step):
                if name in CONVOLUTIONS:
                    members = [member for block, _ in step[name] for member in blocks[block][1]]
                    kernel = skeleton.kernel(CONVOLUTIONS[name])
                    self.units[f"{name}_{source}"] = Convolution(members, (channels, channels), kernel)
                elif name != "avg_pool_3x3":
                    known = sorted([*CONVOLUTIONS, "avg_pool_3x3", "none", "skip_connect"])
                    raise ValueError(f"operation {name!r} can't be built; there are {known}")

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Map (batch, members * channels, height, width) to the same shape."""
        inputs = self._split(values, range(len(self.cells)))
        results: list[dict[int, torch.Tensor]] = [
            {-1: value} for value in inputs
        ]  # by block and number of the operation
        for source, step in enumerate(self.steps):
            blocks = sorted({block for users in step.values() for block, _ in users})
            if source:
                nodes = {block: _sum(self.cells[block].nodes[source - 1], results[block]) for block in blocks}
            else:
                nodes = {block: inputs[block] for block in blocks}
            positive: dict[int, torch.Tensor] = {}
            for name, users in step.items():
                owners = [block for block, _ in users]
                if name in CONVOLUTIONS:
                    if not positive:  # one ReLU serves all convolutions of a node
                        found = functional.relu(_join([nodes[block] for block in blocks]))
                        positive = dict(zip(blocks, self._split(found, blocks), strict=True))
                    gathered = found if owners == blocks else _join([positive[block] for block in owners])
                    result = self.units[f"{name}_{source}"](gathered)
                else:
                    gathered = _join([nodes[block] for block in owners])
                    padding = (self.pool_kernel[0] // 2, self.pool_kernel[1] // 2)
                    result = functional.avg_pool2d(gathered, self.pool_kernel, 1, padding, count_include_pad=False)
                for (block, number), part in zip(users, self._split(result, owners), strict=True):
                    results[block][number] = part
        return _join(
            [
                _sum(cell.nodes[-1], found) if cell.nodes[-1] else torch.zeros_like(found[-1])
                for cell, found in zip(self.cells, results, strict=True)
            ]
        )

    def _split(self, values: torch.Tensor, blocks: Sequence[int]) -> Sequence[torch.Tensor]:
        if len(blocks) == 1:
            return (values,)
        return torch.split(values, [self.widths[block] for block in blocks], 1)


class ResidualStep(nn.Module):
    """NAS-Bench-201's step between stages: a basic residual block of stride 2 that doubles the channels."""

    def __init__(self, members: Sequence[int], channels: int, skeleton: Skeleton) -> None:
        super().__init__()
        self.halve = (1 if skeleton.input_shape[1] == 1 else 2, 2)
        wide = 2 * channels
        self.first = Convolution(members, (channels, wide), skeleton.kernel(3), self.halve)
        self.second = Convolution(members, (wide, wide), skeleton.kernel(3))
        self.shortcut = Convolution(members, (channels, wide), (1, 1), norm=False)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Map (batch, members * channels, height, width) to (batch, members * 2 channels, height / 2, width / 2)."""
        deep = self.second(functional.relu(self.first(functional.relu(values))))
        return deep + self.shortcut(functional.avg_pool2d(values, self.halve))  # type: ignore[no-any-return]


class PoolStep(nn.Module):
    """The plain step between stages: 2x average pooling, 1x1 convolution that doubles the channels, batch norm."""

    def __init__(self, members: Sequence[int], channels: int, skeleton: Skeleton) -> None:
        super().__init__()
        self.halve = (1 if skeleton.input_shape[1] == 1 else 2, 2)
        self.widen = Convolution(members, (channels, 2 * channels), (1, 1))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Map (batch, members * channels, height, width) to (batch, members * 2 channels, height / 2, width / 2)."""
        return self.widen(functional.avg_pool2d(values, self.halve))  # type: ignore[no-any-return]


class Network(nn.Module):
    """The networks of some architectures, fused.

    Args:
        space: the search space.
        architectures: one for each member; equal cells that stand side by side share operations without being gathered.
        skeleton: everything that is not the cell.
        channels_last: memory layout of all values behind the stem.

    The weights are uninitialised until `initialise`.
    """

    def __init__(
        self,
        space: CellSpace,
        architectures: Sequence[Architecture],
        skeleton: Skeleton,
        *,
        channels_last: bool = False,
    ) -> None:
        super().__init__()
        self.skeleton = skeleton
        self.channels_last = channels_last
        self.members = len(architectures)
        everyone = range(self.members)
        blocks: list[tuple[Cell, range]] = []
        for member, architecture in enumerate(architectures):
            cell = cell_graph(space.canonical(architecture))
            if blocks and blocks[-1][0] == cell:
                blocks[-1] = (cell, range(blocks[-1][1].start, member + 1))
            else:
                blocks.append((cell, range(member, member + 1)))
        width = 3 if skeleton.stem == "conv3x3" else 1
        self.stem = Convolution(everyone, (skeleton.input_shape[0], skeleton.channels), skeleton.kernel(width))
        body: list[nn.Module] = []
        for stage in range(skeleton.stages):
            channels = skeleton.shape(stage)[0]
            body += [CellBlock(space, blocks, channels, skeleton) for _ in range(skeleton.cells)]
            if stage + 1 < skeleton.stages:
                step = ResidualStep if skeleton.downsample == "residual" else PoolStep
                body.append(step(everyone, channels, skeleton))
        self.body = nn.Sequential(*body)
        last = skeleton.shape(skeleton.stages - 1)[0]
        self.norm = Norm(everyone, last)
        self.classifier = Classifier(everyone, last, skeleton.classes)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return logits (members, batch, classes).

        Args:
            inputs: (batch, members * channels, height, width), each member's own batch; or (batch, channels, height,
                width), the same for all.
        """
        values = self.stem(inputs)
        if self.channels_last:
            values = values.contiguous(memory_format=torch.channels_last)  # one input channel has no layout to hand on
        values = functional.relu(self.norm(self.body(values)))
        # The first form's gradient is channels last, too: a tenth of a training step.
        means = values.permute(0, 2, 3, 1).flatten(1, 2).mean(1) if self.channels_last else values.mean((2, 3))
        return self.classifier(means)  # type: ignore[no-any-return]

    def units(self) -> Iterator[Unit]:
        """Return everything that has weights, in an order that is the same for a member alone and among others."""
        return (module for module in self.modules() if isinstance(module, Unit))

    def initialise(self, draw: Sequence[np.random.Generator]) -> None:
        """Draw the weights of each member from its own generator, in the order of `units`."""
        if len(draw) != self.members:
            raise ValueError(f"got {len(draw)} generators for {self.members} members")
        for unit in self.units():
            unit.initialise(draw)

    def fold(self) -> None:
        """Put batch norms into the convolutions before them, for evaluation, until `unfold`."""
        for module in self.modules():
            if isinstance(module, Convolution):
                module.fold()

    def unfold(self) -> None:
        """Undo `fold`."""
        for module in self.modules():
            if isinstance(module, Convolution):
                module.unfold()


def _sum(terms: Sequence[tuple[int, int]], results: dict[int, torch.Tensor]) -> torch.Tensor:
    """Add results, each as often as it is written."""
    total: torch.Tensor | None = None
    for number, times in terms:
        value = results[number] if times == 1 else results[number] * times
        total = value if total is None else total + value
    assert total is not None  # only an output may be the empty sum
    return total


def _join(values: Sequence[torch.Tensor]) -> torch.Tensor:
    return values[0] if len(values) == 1 else torch.cat(list(values), 1)


def _fill(parameter: nn.Parameter, draw: Sequence[np.random.Generator], inputs: int) -> None:
    """Fill the block of each member from its generator, uniformly in +-1 / sqrt(inputs), at the parameter's precision."""
    bound = 1 / math.sqrt(inputs)
    blocks = parameter.detach().chunk(len(draw), 0)
    for block, rng in zip(blocks, draw, strict=True):
        block.copy_(torch.from_numpy(rng.uniform(-bound, bound, tuple(block.shape))))
