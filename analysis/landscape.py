"""The landscape of a space: what a search that changes one edge at a time moves on, exactly on the whole graph.

Two cells are neighbours if they differ on one edge. With `n` edges and `q` operations this is the Hamming graph H(n, q), on
which nothing need be sampled:

- *Autocorrelation of random walks* (Weinberger, Biol. Cybern. 1990): the transition operator has eigenvalue
  1 - k q / (n (q - 1)) on interactions of `k` edges (Stadler, J. Math. Chem. 1996), whose shares of the variance
  `effects.variance_by_order` has.
- *Locality* (Ying et al., NAS-Bench-101, ICML 2019, section 4): differences of score by number of differing edges, over all
  pairs: pairs that agree on a given set of edges at least are counted within groups, and sets of exactly so many edges
  follow by inclusion and exclusion.
- *Fitness-distance correlation* (Jones & Forrest, ICGA 1995), with the distance to the nearest best cell.

Scores are arrays of shape (space.size,) in the order of `space.index`, finite throughout. Local optima and basins are in
`optima.py`.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from nasbench.space import CellSpace

from .correlations import kendall, pearson, spearman
from .effects import FloatArray, IntArray, check_scores, grid, variance_by_order


@lru_cache(maxsize=8)
def all_operations(space: CellSpace) -> NDArray[np.uint8]:
    """Return the operation of every architecture on every edge, shape (space.size, edges)."""
    numbers = np.indices(space.choices, dtype=np.uint8).reshape(len(space.edges), -1).T
    numbers.setflags(write=False)
    return numbers


@lru_cache(maxsize=8)
def all_neighbours(space: CellSpace) -> NDArray[np.int32]:
    """Return the numbers of the neighbours of every architecture, shape (space.size, edges * (operations - 1)).

    In the order of `space.neighbours`.
    """
    operations, count = all_operations(space).astype(np.int32), len(space.operations)
    columns = []
    for edge in range(len(space.edges)):
        weight = count ** (len(space.edges) - 1 - edge)
        base = np.arange(space.size, dtype=np.int32) - weight * operations[:, edge]
        others = np.arange(count - 1, dtype=np.int32)
        others = others + (others >= operations[:, edge : edge + 1])  # (size, operations - 1): all but the present one
        columns.append(base[:, None] + weight * others)
    neighbours = np.concatenate(columns, axis=1).astype(np.int32)
    neighbours.setflags(write=False)
    return neighbours


def walk_eigenvalues(space: CellSpace) -> FloatArray:
    """Return the eigenvalue of a step of the random walk on interactions of 0, 1, ... edges, shape (edges + 1,).

    >>> from nasbench.space import CELL201
    >>> walk_eigenvalues(CELL201).round(4).tolist()
    [1.0, 0.7917, 0.5833, 0.375, 0.1667, -0.0417, -0.25]
    """
    edges, count = len(space.edges), len(space.operations)
    if count < 2:
        raise ValueError(f"space {space.name} has one operation: there is no step to take")
    return 1.0 - np.arange(edges + 1) * count / (edges * (count - 1.0))


def walk_autocorrelation(space: CellSpace, scores: FloatArray, steps: int) -> FloatArray:
    """Return the autocorrelation of the scores along a random walk after 0, 1, ..., `steps` steps, exactly.

    A step puts another operation on one edge, both drawn uniformly (`space.mutate`). The walk starts anywhere: uniformly,
    which is its stationary distribution.

    Returns:
        Shape (steps + 1,), first value 1. NaN throughout if all scores are equal.
    """
    shares, eigenvalues = variance_by_order(space, scores), walk_eigenvalues(space)
    return np.asarray((shares * eigenvalues ** np.arange(steps + 1)[:, None]).sum(axis=1))


def correlation_length(space: CellSpace, scores: FloatArray) -> float:
    """Return the steps over which a walk's autocorrelation would fall to 1/e if it fell as in its first step: -1 / ln r(1).

    Weinberger's correlation length. NaN if all scores are equal; 0 if the first step's correlation is not positive.
    """
    first = float(walk_autocorrelation(space, scores, 1)[1])
    if math.isnan(first):
        return first
    return -1.0 / math.log(first) if first > 0 else 0.0


@dataclass(frozen=True)
class Locality:
    """Differences of score by number of differing edges, over all pairs of architectures.

    Attributes:
        pairs: ordered pairs at distance 0, 1, ..., shape (edges + 1,).
        mean_difference: mean absolute difference of score, shape (edges + 1,).
        correlation: correlation of the scores of such pairs, shape (edges + 1,); NaN if all scores are equal.
    """

    pairs: IntArray
    mean_difference: FloatArray
    correlation: FloatArray


def locality(space: CellSpace, scores: FloatArray) -> Locality:
    """Return how much scores differ between cells that differ on 0, 1, ... edges, exactly over all pairs."""
    values = check_scores(space, scores)
    edges, count = len(space.edges), len(space.operations)
    centred = values - values.mean()
    absolute, squared = np.zeros(edges + 1), np.zeros(edges + 1)  # by number of edges on which a pair agrees at least
    for agreeing in range(edges + 1):
        for kept in itertools.combinations(range(edges), agreeing):
            free = [edge for edge in range(edges) if edge not in kept]
            groups = np.transpose(grid(space, centred), (*kept, *free)).reshape(count**agreeing, -1)
            ordered = np.sort(groups, axis=1)
            size = ordered.shape[1]
            # Over ordered pairs of a sorted group: value i stands i times above and size - 1 - i times below another.
            absolute[agreeing] += 2.0 * (ordered @ (2.0 * np.arange(size) - size + 1.0)).sum()
            squared[agreeing] += 2.0 * (size * (groups**2).sum() - (groups.sum(axis=1) ** 2).sum())
    exactly = np.array(
        [[math.comb(row, column) for row in range(edges + 1)] for column in range(edges + 1)], dtype=float
    )
    absolute, squared = np.linalg.solve(exactly, absolute), np.linalg.solve(exactly, squared)
    distances = range(edges + 1)
    pairs = np.array([space.size * math.comb(edges, far) * (count - 1) ** far for far in distances], dtype=np.int64)
    counted = np.maximum(pairs, 1)
    difference = np.maximum(absolute[::-1], 0.0) / counted
    difference[0] = 0.0  # a cell does not differ from itself; what is left is rounding
    variance = float((centred**2).mean())
    mean_square = squared[::-1] / counted
    mean_square[0] = 0.0
    correlation = 1.0 - mean_square / (2.0 * variance) if variance > 0 else np.full(edges + 1, np.nan)
    return Locality(pairs, difference, correlation)


@dataclass(frozen=True)
class FitnessDistance:
    """Score and distance to the nearest best cell.

    Attributes:
        best: numbers of the best architectures (several if they tie), ascending.
        distance: edges in which each architecture differs from the nearest of them, shape (space.size,).
        pearson: the fitness-distance correlation of Jones & Forrest; -1 is the easiest landscape to climb.
        spearman: the same of ranks.
        kendall: Kendall's tau-b.
    """

    best: IntArray
    distance: IntArray
    pearson: float
    spearman: float
    kendall: float


def fitness_distance(space: CellSpace, scores: FloatArray) -> FitnessDistance:
    """Return the fitness-distance correlation over the whole space, best cells included."""
    values = check_scores(space, scores)
    best = np.flatnonzero(values == values.max())
    operations = all_operations(space)
    distance = np.full(space.size, len(space.edges), dtype=np.int64)
    for number in best:
        distance = np.minimum(distance, (operations != operations[number]).sum(axis=1))
    far = distance.astype(np.float64)
    return FitnessDistance(best, distance, pearson(values, far), spearman(values, far), kendall(values, far))


@dataclass(frozen=True)
class ByDistance:
    """Scores at one distance from the nearest best cell: number of cells, mean, and the quantiles asked for."""

    distance: int
    cells: int
    mean: float
    quantiles: tuple[float, ...]


def scores_by_distance(
    scores: FloatArray, distance: IntArray, quantiles: tuple[float, ...] = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
) -> list[ByDistance]:
    """Summarise scores by distance; distances that no cell has are left out."""
    result = []
    for far in np.unique(distance).tolist():
        there = scores[distance == far]
        values = tuple(float(value) for value in np.quantile(there, quantiles))
        result.append(ByDistance(int(far), len(there), float(there.mean()), values))
    return result
