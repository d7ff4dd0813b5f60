"""Optimal transport distance between cells: OTMANN (Kandasamy et al., NeurIPS 2018, arXiv:1802.07191, section 3).

Every layer has a mass, about what it computes. The distance is the least cost of carrying the mass of one network's layers to
those of the other: a unit costs what the layers' labels differ plus nu times what their places in the network differ; a unit
that finds no match costs 1, in either network. `d` is that cost, `normalised` is it divided by the sum of the two total masses.

A layer's place is given by its path lengths to the input and to the output, shortest, longest, and mean over a random walk, counting
all layers, convolutions alone or poolings alone on the way; the cost is the mean absolute difference.

Masses and label costs are those of the authors' code (`nn/neural_network.py`, `nn/nn_comparators.py`): a convolution has the product
of its input and output channels, a pooling layer its channels, input and output a tenth of the sum of all others and at
least 100. With the same number of channels everywhere (16 here, the first stage of NAS-Bench-201), all convolutions have equal
mass and so have all poolings, and layers of different kinds never match. The transport problem then falls into one
assignment problem for each kind, whose solution is that of the linear program (Birkhoff 1946), and is solved exactly for many
pairs of cells at once by dynamic programming over subsets. No transport library is needed; tests compare with scipy's linear
program of the full problem.

Departures: a 1x1 convolution costs sqrt(2) / 10 sqrt(|1 - 3|) = 0.2 against a 3x3 one, by the code's formula, though its networks have
no 1x1; distances to a cell without any path take the length `edges + 1`; the fully connected group and the decision
layer are absent, since cells have neither.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from nasbench.space import Canonical, CellSpace, cell_graph

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CHANNELS = 16
POOL_MASS = 1.0 / CHANNELS  # masses are in units of a convolution's, CHANNELS ** 2
END_SHARE, LEAST_END = 0.1, 100.0 / CHANNELS**2  # of input and of output
UNMATCHED = 1.0
FORBIDDEN = np.inf
LARGEST_PROGRAM = 8  # layers of one kind up to which subsets are enumerated


@dataclass(frozen=True)
class Layers:
    """A cell as layers, the input first and the output last.

    Attributes:
        labels: names of the operations; `input` and `output` at the ends.
        kinds: what matches what: `conv`, `pool`, `input`, `output`, or the label of any other operation.
        masses: shape (layers,), in units of a convolution's mass.
        lengths: shape (layers, 18): to the input, then to the output, of all, conv and pool, shortest, longest, walk.
    """

    labels: tuple[str, ...]
    kinds: tuple[str, ...]
    masses: Floats
    lengths: Floats


@functools.cache
def kind_of(label: str) -> str:
    """Return the group of layers that an operation belongs to."""
    return next((kind for kind in ("conv", "pool") if kind in label), label)


def label_cost(left: str, right: str) -> float:
    """Return the cost of matching a unit of mass between two labels; infinity where they never match."""
    if left == right:
        return 0.0
    if kind_of(left) == kind_of(right) == "conv":
        return float(np.sqrt(2.0) / 10.0 * np.sqrt(abs(kernel_size(left) - kernel_size(right))))
    if kind_of(left) == kind_of(right) == "pool":
        return 0.5
    return FORBIDDEN


@functools.cache
def kernel_size(label: str) -> int:
    """Return the number that an operation's name ends with, such as 3 of `nor_conv_3x3`; 1 if it has none."""
    sizes = re.findall(r"\d+", label)
    return int(sizes[-1]) if sizes else 1


@functools.lru_cache(maxsize=8192)  # a pure function; runs that share a process meet the same cells again and again
def cell_layers(space: CellSpace, canonical: Canonical) -> Layers:
    """Return the layers of a canonical cell; skip connections and sums are no layers but paths."""
    cell = cell_graph(canonical)
    labels = ("input", *(space.operations[operation] for operation, _ in cell.operations), "output")
    kinds = tuple(kind_of(label) for label in labels)
    # parents[layer]: layers that feed it, as often as they do; layer 0 is the input.
    sources = [cell.nodes[source - 1] if source else ((-1, 1),) for _, source in cell.operations] + [cell.nodes[-1]]
    parents: list[list[int]] = [[]] + [[term + 1 for term, times in terms for _ in range(times)] for terms in sources]
    children: list[list[int]] = [[] for _ in labels]
    for layer, feeding in enumerate(parents):
        for parent in feeding:
            children[parent].append(layer)
    masses = np.array([mass_of(kind) for kind in kinds])
    masses[[0, -1]] = max(END_SHARE * float(masses.sum()), LEAST_END)
    groups = [[1.0] * len(labels)] + [[float(kind == group) for kind in kinds] for group in ("conv", "pool")]
    missing = float(len(space.edges) + 1)
    count = len(labels)
    lengths = [_lengths(parents, group, range(count), missing) for group in groups]
    lengths += [_lengths(children, group, range(count - 1, -1, -1), missing) for group in groups]
    return Layers(labels, kinds, masses, np.array(lengths).transpose(1, 0, 2).reshape(count, -1))


def mass_of(kind: str) -> float:
    """Return the mass of a layer by its kind; that of input and output depends on the others, and is 0 here."""
    return {"input": 0.0, "output": 0.0, "pool": POOL_MASS}.get(kind, 1.0)


def _lengths(
    following: list[list[int]], steps: list[float], order: Sequence[int], missing: float
) -> list[tuple[float, float, float]]:
    """Return shortest, longest and mean random-walk length from each layer to the first layer of `order`.

    Args:
        following: layers that can be stepped to, as often as there are connections.
        steps: what leaving a layer adds to the length.
        order: layers, each after all that it can step to.
        missing: length from a layer that has nowhere to go.
    """
    lengths = [(0.0, 0.0, 0.0)] * len(order)
    for layer in order[1:]:
        ahead = [lengths[place] for place in following[layer]]
        if ahead:
            shortest, longest, walks = zip(*ahead, strict=True)
            step = steps[layer]
            lengths[layer] = (step + min(shortest), step + max(longest), step + sum(walks) / len(walks))
        else:
            lengths[layer] = (missing, missing, missing)
    return lengths


def least_assignment(costs: Floats) -> Floats:
    """Return the least cost of giving every row a column of its own, for many problems at once.

    Args:
        costs: shape (size, size, ...), the problems last; size from 1.

    Returns:
        Shape (...,).
    """
    size = len(costs)
    if size > LARGEST_PROGRAM:
        flat = costs.reshape(size, size, -1)
        least = np.array(
            [flat[(*linear_sum_assignment(flat[..., place]), place)].sum() for place in range(flat.shape[2])]
        )
        return least.reshape(costs.shape[2:])
    best = {0: np.zeros(costs.shape[2:])}  # set of columns used, as bits -> least cost of the rows so far
    for row in range(size):
        following: dict[int, Floats] = {}
        for used, cost in best.items():
            for column in range(size):
                if not used >> column & 1:
                    key = used | 1 << column
                    longer = cost + costs[row, column]
                    if key in following:
                        np.minimum(following[key], longer, out=following[key])
                    else:
                        following[key] = longer
        best = following
    return best[2**size - 1]


class TransportDistances:
    """Distances from cells of one space to those observed so far; each pair of classes is computed once.

    A cell is known by its number, given by `add`. `observe` appends a column; `rows` fills in what is missing.
    """

    def __init__(self, space: CellSpace, structure: Sequence[float]) -> None:
        """Take the space and the weights nu of structural costs, one distance for each."""
        self._space = space
        self._structure = np.array(structure)
        self._numbers: dict[Canonical, int] = {}
        # Signatures of layers, label and path lengths, have numbers; 0 is the void that an unmatched layer is matched with.
        self._signatures: dict[tuple[str, bytes], int] = {}
        self._labels = ["void"]
        self._lengths = np.zeros((1, 18))  # (signatures, lengths)
        self._costs = np.zeros((1, 1, len(structure)))  # (signatures, signatures, nu), at most 2
        kinds = {kind_of(operation) for operation in space.operations if operation not in ("none", "skip_connect")}
        self._kinds = sorted(kinds)
        self._members = np.zeros((0, len(kinds), len(space.edges)), dtype=np.int64)  # signatures, then void
        self._counts = np.zeros((0, len(kinds)), dtype=np.int64)
        self._ends = np.zeros((0, 2), dtype=np.int64)  # (cells, input and output), signatures
        self._end_masses = np.zeros(0)
        self.totals = np.zeros(0)
        self.observed: list[int] = []
        self._table = np.zeros((0, 0, len(structure)))  # (cells, observations, nu)
        self._filled = np.zeros(0, dtype=np.int64)

    def add(self, canonicals: Sequence[Canonical]) -> Ints:
        """Return the numbers of classes, new ones for new classes."""
        fresh = [form for form in dict.fromkeys(canonicals) if form not in self._numbers]
        if fresh:
            self._add_new(fresh)
        return np.array([self._numbers[form] for form in canonicals], dtype=np.int64)

    def _add_new(self, canonicals: list[Canonical]) -> None:
        before = len(self._labels)
        lengths: list[Floats] = []
        members = np.zeros((len(canonicals), len(self._kinds), len(self._space.edges)), dtype=np.int64)
        counts = np.zeros((len(canonicals), len(self._kinds)), dtype=np.int64)
        ends, end_masses, totals = [], [], []
        for place, form in enumerate(canonicals):
            self._numbers[form] = len(self._numbers)
            layers = cell_layers(self._space, form)
            numbers = []
            for label, row in zip(layers.labels, layers.lengths, strict=True):
                key = (label, row.tobytes())
                if key not in self._signatures:
                    self._signatures[key] = len(self._labels)
                    self._labels.append(label)
                    lengths.append(row)
                numbers.append(self._signatures[key])
            for number, its in zip(numbers[1:-1], layers.kinds[1:-1], strict=True):
                kind = self._kinds.index(its)
                members[place, kind, counts[place, kind]] = number
                counts[place, kind] += 1
            ends.append((numbers[0], numbers[-1]))
            end_masses.append(layers.masses[0])
            totals.append(layers.masses.sum())
        if lengths:
            self._lengths = np.concatenate([self._lengths, np.array(lengths)])
            self._extend_costs(before)
        self._members = np.concatenate([self._members, members])
        self._counts = np.concatenate([self._counts, counts])
        self._ends = np.concatenate([self._ends, np.array(ends, dtype=np.int64)])
        self._end_masses = np.append(self._end_masses, end_masses)
        self.totals = np.append(self.totals, totals)
        self._filled = np.append(self._filled, np.zeros(len(canonicals), dtype=np.int64))
        self._table = _grown(self._table, len(self._filled), len(self.observed))

    def _extend_costs(self, before: int) -> None:
        """Compute costs from the signatures that follow the first `before` to all."""
        labels = sorted(set(self._labels))
        place = {label: number for number, label in enumerate(labels)}
        between = np.array([[label_cost(left, right) for right in labels] for left in labels])
        numbers = np.array([place[label] for label in self._labels])
        total = len(numbers)
        structural = np.abs(self._lengths[before:, None, :] - self._lengths[None, :, :]).mean(axis=2)
        new = between[numbers[before:, None], numbers][..., None] + structural[..., None] * self._structure
        new = np.minimum(new, 2.0 * UNMATCHED)  # two units without a match are never worse
        new[:, 0] = UNMATCHED
        self._costs = _grown(self._costs, total, total)
        self._costs[before:total, :total] = new
        self._costs[:total, before:total] = new.swapaxes(0, 1)

    def observe(self, number: int) -> None:
        """Append a column: the distances to this cell."""
        self.observed.append(number)
        self._table = _grown(self._table, len(self._filled), len(self.observed))

    def rows(self, numbers: Ints) -> Floats:
        """Return distances to the observed cells, in the order of observation, shape (len(numbers), observed, nu)."""
        wanted = np.unique(numbers)
        missing = len(self.observed) - self._filled[wanted]
        if missing.any():
            left = np.repeat(wanted, missing)
            column = np.arange(len(left)) - np.repeat(np.cumsum(missing), missing) + len(self.observed)
            self._table[left, column] = self.between(left, np.array(self.observed)[column])
            self._filled[wanted] = len(self.observed)
        return np.asarray(self._table[numbers, : len(self.observed)])

    def between(self, left: Ints, right: Ints) -> Floats:
        """Compute the distances of pairs of cells, shape (len(left), nu)."""
        mass, other = self._end_masses[left], self._end_masses[right]
        ends = self._costs[self._ends[left], self._ends[right]].sum(axis=1)
        total = ends * np.minimum(mass, other)[:, None] + 2.0 * UNMATCHED * np.abs(mass - other)[:, None]
        for number, kind in enumerate(self._kinds):
            size = int(max(self._counts[left, number].max(), self._counts[right, number].max()))
            if size:
                mine, theirs = self._members[left, number, :size], self._members[right, number, :size]
                costs = self._costs[mine.T[:, None], theirs.T[None]]  # (size, size, pairs, nu)
                total += mass_of(kind) * least_assignment(costs)
        return np.asarray(total)


def _grown(array: Floats, rows: int, columns: int) -> Floats:
    """Return `array` with room for rows and columns; room is doubled, so that growing is cheap on average."""
    if array.shape[0] >= rows and array.shape[1] >= columns:
        return array
    room = [
        max(need, 2 * have) if need > have else have for need, have in zip((rows, columns), array.shape, strict=False)
    ]
    larger = np.zeros((*room, array.shape[2]))
    larger[: array.shape[0], : array.shape[1]] = array
    return larger
