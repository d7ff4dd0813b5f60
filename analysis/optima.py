"""Local optima, their basins, and neutral networks, exactly on the whole graph of a space.

Neighbours differ on one edge. Climbers start at every architecture alike and know no noise:

- *Best improvement* asks for all neighbours and goes to the best, if it is better; among equals it draws.
- *First improvement* asks for the neighbours in random order and goes to the first that is better.

Both stop where no neighbour is better. Their expectations are sums over a graph without cycles (a step leads to a higher
score), so basins, steps and queries are exact and nothing is drawn. Weak and strong basins are those of Tao & Bang (Fitness
Landscape Analysis of a Cell-Based Neural Architecture Search Space, EXPLAINS 2024): a climber by first improvement *may*, or *must*,
end there. Cells of equal score that are connected form a neutral network; an optimum that is one counts once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.sparse
import scipy.sparse.csgraph

from nasbench.space import CellSpace

from .effects import BoolArray, FloatArray, IntArray, check_scores
from .landscape import all_neighbours

Rule = Literal["best", "first"]


def networks(space: CellSpace, scores: FloatArray) -> IntArray:
    """Return the number of the connected set of equally scored cells that each architecture belongs to, shape (space.size,).

    Sets are numbered by their first member.
    """
    values, neighbours = check_scores(space, scores), all_neighbours(space)
    one, place = np.nonzero(values[neighbours] == values[:, None])
    two = neighbours[one, place]
    graph = scipy.sparse.coo_array((np.ones(len(one), dtype=np.int8), (one, two)), shape=(space.size, space.size))
    _, labels = scipy.sparse.csgraph.connected_components(graph, directed=False)
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    order = np.empty(len(first), dtype=np.int64)
    order[np.argsort(first)] = np.arange(len(first))
    return order[inverse]


@dataclass(frozen=True)
class Optima:
    """Where a climber ends.

    Attributes:
        strict: numbers of the architectures that are better than every neighbour.
        weak: numbers of those that have no better neighbour.
        peaks: numbers of the first members of the local optima, best first: neutral networks, often of one cell, without a
            better neighbour anywhere.
        peak_of: for each architecture in `weak`, the position in `peaks`; -1 where its network has a way up elsewhere.
        sizes: cells in each peak, shape (len(peaks),).
    """

    strict: IntArray
    weak: IntArray
    peaks: IntArray
    peak_of: IntArray
    sizes: IntArray


def local_optima(space: CellSpace, scores: FloatArray) -> Optima:
    """Find all local optima."""
    values, neighbours = check_scores(space, scores), all_neighbours(space)
    highest = values[neighbours].max(axis=1)
    weak = np.flatnonzero(highest <= values)
    network = networks(space, values)
    cells = np.bincount(network)
    stuck = np.bincount(network[weak], minlength=len(cells))
    _, first = np.unique(network, return_index=True)
    closed = np.flatnonzero(stuck == cells)
    closed = closed[np.lexsort((first[closed], -values[first[closed]]))]
    position = np.full(len(cells), -1, dtype=np.int64)
    position[closed] = np.arange(len(closed))
    strict = np.flatnonzero(highest < values)
    return Optima(strict, weak, first[closed].astype(np.int64), position[network[weak]], cells[closed])


@dataclass(frozen=True)
class Basins:
    """What climbers from all architectures come to.

    Attributes:
        rule: how they climb.
        size: expected number of starts that end in each of `Optima.peaks`, shape (peaks,).
        stranded: expected number of starts that end on a neutral network that has a way up elsewhere.
        steps: expected steps of a climber from a uniform start.
        queries: expected number of scores it asks for, its start and repetitions included.
        end: expected score where it ends, of the scores that judge it.
        success: probability that it ends at an architecture that is best by the scores that judge it.
    """

    rule: Rule
    size: FloatArray
    stranded: float
    steps: float
    queries: float
    end: float
    success: float


def basins(
    space: CellSpace, scores: FloatArray, rule: Rule, optima: Optima, judged: FloatArray | None = None
) -> Basins:
    """Follow climbers from every architecture at once, in ascending order of score.

    Args:
        space: the search space.
        scores: what the climbers see.
        rule: how they climb.
        optima: those of `scores`.
        judged: scores by which their ends are judged; `scores` if None.
    """
    values, neighbours = check_scores(space, scores), all_neighbours(space)
    judges = values if judged is None else check_scores(space, judged)
    degree = neighbours.shape[1]
    mass = np.ones(space.size)
    steps = queries = 0.0
    around = values[neighbours]
    improving = around > values[:, None]
    numbers = improving.sum(axis=1)
    if rule == "best":
        improving &= around == around.max(axis=1, keepdims=True)
        examined = np.full(space.size, float(degree))
    else:  # neighbours seen until the first of `numbers` better ones among `degree` in random order
        examined = np.where(numbers > 0, (degree + 1.0) / (numbers + 1.0), float(degree))
    for cell in np.argsort(values, kind="stable").tolist():
        queries += mass[cell] * examined[cell]
        if numbers[cell]:
            steps += mass[cell]
            onward = neighbours[cell, improving[cell]]
            mass[onward] += mass[cell] / len(onward)
            mass[cell] = 0.0
    ended = mass[optima.weak]
    size = np.zeros(len(optima.peaks))
    np.add.at(size, optima.peak_of[optima.peak_of >= 0], ended[optima.peak_of >= 0])
    best = judges[optima.weak] == judges.max()
    return Basins(
        rule=rule,
        size=size,
        stranded=float(ended[optima.peak_of < 0].sum()),
        steps=float(steps) / space.size,
        queries=1.0 + float(queries) / space.size,
        end=float((ended * judges[optima.weak]).sum() / space.size),
        success=float(ended[best].sum() / space.size),
    )


def reachable_peaks(space: CellSpace, scores: FloatArray, optima: Optima) -> tuple[IntArray, IntArray]:
    """Return weak and strong basin of every peak: starts from which first improvement may, or must, end there.

    Returns:
        Two arrays of shape (len(optima.peaks),), numbers of architectures, the peak's own included.
    """
    values, neighbours = check_scores(space, scores), all_neighbours(space)
    goals = len(optima.peaks) + 1  # the last one: stranded
    reach = np.zeros((space.size, -(-goals // 8)), dtype=np.uint8)
    for cell, peak in zip(optima.weak.tolist(), optima.peak_of.tolist(), strict=True):
        goal = peak if peak >= 0 else goals - 1
        reach[cell, goal // 8] |= 1 << (7 - goal % 8)
    improving = values[neighbours] > values[:, None]
    for cell in np.argsort(-values, kind="stable").tolist():
        if improving[cell].any():
            reach[cell] = np.bitwise_or.reduce(reach[neighbours[cell, improving[cell]]], axis=0)
    weak, strong = np.zeros(goals, dtype=np.int64), np.zeros(goals, dtype=np.int64)
    for rows in np.array_split(np.arange(space.size), max(1, space.size * goals // 10_000_000)):
        bits = np.unpackbits(reach[rows], axis=1, count=goals)
        weak += bits.sum(axis=0, dtype=np.int64)
        strong += bits[bits.sum(axis=1) == 1].sum(axis=0, dtype=np.int64)
    return weak[:-1], strong[:-1]


@dataclass(frozen=True)
class Neutrality:
    """Steps that change nothing.

    Attributes:
        same_class: share of all steps between cells that compute the same function.
        equal: share of steps between cells of equal score.
        within_noise: share of steps that change the score by less than the seed deviation; NaN if that is unknown.
        networks: neutral networks of two cells or more.
        cells: cells in them.
        largest: cells in the largest.
    """

    same_class: float
    equal: float
    within_noise: float
    networks: int
    cells: int
    largest: int


def neutrality(space: CellSpace, scores: FloatArray, seed_deviation: float) -> Neutrality:
    """Count steps and networks on which the score does not change."""
    values, neighbours = check_scores(space, scores), all_neighbours(space)
    classes = space.class_of
    change = np.abs(values[neighbours] - values[:, None])
    sizes = np.bincount(networks(space, values))
    several = sizes[sizes > 1]
    noisy: BoolArray = change < seed_deviation
    return Neutrality(
        same_class=float((classes[neighbours] == classes[:, None]).mean()),
        equal=float((change == 0).mean()),
        within_noise=float("nan") if np.isnan(seed_deviation) else float(noisy.mean()),
        networks=len(several),
        cells=int(several.sum()),
        largest=int(several.max()) if len(several) else 1,
    )
