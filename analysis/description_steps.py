"""What a data set says about steps from cell to cell: effects, walks, distances, optima, gathered for `description.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.stats

from nasbench.space import CellSpace
from nasbench.table import Table

from . import correlations, effects, landscape, optima
from .effects import FloatArray, IntArray
from .optima import Basins, Neutrality, Optima

WALK_STEPS = 20
BEST_SHARE = 0.1  # of the cells whose operations are replaced


class Effects(NamedTuple):
    """Effects of operations; see `effects.py` for shapes and units.

    Attributes:
        by_edges, by_order, by_order_of_ranks, pairwise: where the variance comes from.
        main: main effects.
        replaced, replaced_cells: mean change when an operation of any cell is replaced, and on how many cells it rests.
        replaced_best, replaced_best_cells: the same for the best tenth of the cells.
    """

    by_edges: FloatArray
    by_order: FloatArray
    by_order_of_ranks: FloatArray
    pairwise: FloatArray
    main: FloatArray
    replaced: FloatArray
    replaced_cells: IntArray
    replaced_best: FloatArray
    replaced_best_cells: IntArray


class SingleSeed(NamedTuple):
    """The landscape that one training of every cell gives; ends of climbers are judged by mean scores."""

    repeat: int
    strict: int
    weak: int
    peaks: int
    best: Basins
    first: Basins


@dataclass(frozen=True, eq=False)
class Landscape:
    """What concerns steps from cell to cell, over all architectures of the space; see `landscape.py` and `optima.py`."""

    scores: FloatArray
    effects: Effects
    walk: FloatArray
    correlation_length: float
    locality: landscape.Locality
    distance: landscape.FitnessDistance
    by_distance: list[landscape.ByDistance]
    optima: Optima
    climbs: tuple[Basins, Basins]
    weak_basins: IntArray
    strong_basins: IntArray
    neutrality: Neutrality
    singles: list[SingleSeed]


def describe_steps(
    table: Table, final: FloatArray, means: FloatArray, seed: float, single_seeds: bool = True
) -> tuple[Landscape | None, str]:
    """Gather everything about steps from cell to cell, or say why that can't be had.

    Args:
        table: the table.
        final: scores of trainings at full fidelity, shape (rows, repeats), NaN missing.
        means: mean scores, shape (rows,), NaN unknown.
        seed: standard deviation between seeds of a typical cell, fraction; NaN unknown.
        single_seeds: whether to look at the landscapes that single trainings give; `Landscape.singles` is empty without.

    Returns:
        The landscape and "", or None and why: the table does not answer for every architecture.
    """
    space, rows = table.space, table.row_of_index
    if len(space.operations) < 2:
        return None, "the space has one architecture"
    absent = int((rows < 0).sum() + np.isnan(means[rows[rows >= 0]]).sum())
    if absent:
        return None, f"{absent:,} of {space.size:,} architectures have no score"
    scores = means[rows]
    found = optima.local_optima(space, scores)
    weak, strong = optima.reachable_peaks(space, scores, found)
    distance = landscape.fitness_distance(space, scores)
    repeats = range(final.shape[1]) if single_seeds else ()
    complete = [repeat for repeat in repeats if not np.isnan(final[rows, repeat]).any()]
    return (
        Landscape(
            scores=scores,
            effects=_effects(space, scores),
            walk=landscape.walk_autocorrelation(space, scores, WALK_STEPS),
            correlation_length=landscape.correlation_length(space, scores),
            locality=landscape.locality(space, scores),
            distance=distance,
            by_distance=landscape.scores_by_distance(scores, distance.distance),
            optima=found,
            climbs=(
                optima.basins(space, scores, "best", found),
                optima.basins(space, scores, "first", found),
            ),
            weak_basins=weak,
            strong_basins=strong,
            neutrality=optima.neutrality(space, scores, seed),
            singles=[_single_seed(space, repeat, final[rows, repeat], scores) for repeat in complete],
        ),
        "",
    )


def _effects(space: CellSpace, scores: FloatArray) -> Effects:
    replaced = effects.replacement_effects(space, scores)
    best = effects.replacement_effects(space, scores, correlations.among_best(scores, BEST_SHARE))
    return Effects(
        effects.variance_by_edges(space, scores),
        effects.variance_by_order(space, scores),
        effects.variance_by_order(space, np.asarray(scipy.stats.rankdata(scores), dtype=np.float64)),
        effects.pairwise_shares(space, scores),
        effects.main_effects(space, scores),
        *replaced,
        *best,
    )


def _single_seed(space: CellSpace, repeat: int, seen: FloatArray, scores: FloatArray) -> SingleSeed:
    found = optima.local_optima(space, seen)
    best = optima.basins(space, seen, "best", found, scores)
    first = optima.basins(space, seen, "first", found, scores)
    return SingleSeed(repeat, len(found.strict), len(found.weak), len(found.peaks), best, first)
