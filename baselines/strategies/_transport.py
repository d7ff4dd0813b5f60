"""Optimal transport distance between cells: OTMANN (Kandasamy et al., NeurIPS 2018, arXiv:1802.07191, section 3).

Every layer has a mass, about what it computes. The distance is the least cost of carrying the mass of one network's layers to
those of the other: a unit costs what the layers' labels differ plus nu times what their places in the network differ; a unit
that finds no match costs 1, in either network. `d` is that cost, `normalised` is it divided by the sum of the two total masses.

A layer's place is given by its path lengths to the input and to the output, shortest, longest, and mean over a random walk, counting
all layers, convolutions alone, poolings alone or fully connected layers alone on the way; the cost is the mean absolute difference.
Networks of one skeleton have the same fully connected layers, so that their lengths add nothing to the sum.

Masses and label costs are those of the authors' code (`nn/neural_network.py`, `nn/nn_comparators.py`): a convolution has the product
of its input and output channels, a pooling layer its channels, input and output a tenth of the sum of all others and at
least 100. With the same number of channels everywhere (16 here, the first stage of NAS-Bench-201), all convolutions have equal
mass and so have all poolings, and layers of different kinds never match. The transport problem then falls into one
assignment problem for each kind, whose solution is that of the linear program (Birkhoff 1946), and is solved exactly for many
pairs at once by dynamic programming over subsets. No transport library is needed; tests compare with scipy's linear
program of the full problem. `_transport_distances.py` keeps what has been computed.

Departures: a 1x1 convolution costs sqrt(2) / 10 sqrt(|1 - 3|) = 0.2 against a 3x3 one, by the code's formula, though its networks have
no 1x1; distances to a cell without any path take the length `edges + 1`; the fully connected and the decision layers have no mass here,
since cells have neither.
"""

from __future__ import annotations

import functools
import itertools
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
LENGTHS = 24  # path lengths of a layer, of which those of the fully connected group never differ
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
    best = np.zeros((1, *costs.shape[2:]))  # (sets of columns used, ...): least cost of the rows so far
    for row, (before, column) in enumerate(column_sets(size)):
        longer = best[before]  # (sets, which of their columns came last, ...)
        longer += costs[row][column]
        best = longer.min(axis=1)
    return np.asarray(best[0])


@functools.cache
def column_sets(size: int) -> list[tuple[Ints, Ints]]:
    """Return, for each number of columns used from 1, how each such set comes about: the set before, and the column added.

    Sets of equally many columns are numbered in the order of `itertools.combinations`; both arrays have shape (sets, columns
    in the set).
    """
    levels = []
    earlier: dict[tuple[int, ...], int] = {(): 0}
    for used in range(1, size + 1):
        sets = list(itertools.combinations(range(size), used))
        before = [[earlier[group[:place] + group[place + 1 :]] for place in range(used)] for group in sets]
        levels.append((np.array(before), np.array(sets)))
        earlier = {group: number for number, group in enumerate(sets)}
    return levels
