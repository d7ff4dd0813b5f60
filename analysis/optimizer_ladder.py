"""The ladder of distance with its ledger: what a learned optimizer gains and what that cost, with intervals over seeds.

A rung is a learned optimizer on one task at one horizon, at a distance from what it was meta-trained on (`optimizer_ledger.py`). Beside
its advantage over the tuned baseline and over the strongest tuned optimizer stands the break-even count; where part of the resamples
never pays, the upper end of its interval is infinite.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from . import optimizer_scores as scores
from . import statistics
from .comparison import generator
from .optimizer_advantage import FEWEST_SEEDS, Advantage, advantage, losses, tuned
from .optimizer_comparison import LedgerRow, OptimizerComparison
from .optimizer_ledger import DISTANCES
from .optimizer_scores import FloatArray, Steps
from .optimizer_targets import relative_to_baseline, scored_losses
from .statistics import Estimate


@dataclass(frozen=True, slots=True)
class Rung:
    """One line of the ladder.

    Attributes:
        row: the ledger's row, with distance, work and overlap.
        over_baseline: last test loss of the tuned baseline over that of the learned optimizer.
        over_strongest: the same of the strongest tuned optimizer.
        pays: break-even count with its interval; infinite: never. Ends are NaN with fewer than `FEWEST_SEEDS` seeds.
        never: share of resamples that never pay; NaN with too few seeds.
    """

    row: LedgerRow
    over_baseline: Advantage
    over_strongest: Advantage
    pays: Estimate
    never: float


def ladder(comparison: OptimizerComparison) -> list[Rung]:
    """Return the rungs of all learned optimizers, each optimizer's by distance, then in the table's order."""
    table, frozen = comparison.table, comparison.baseline
    if frozen is None:
        return []
    rungs = []
    for row in comparison.ledger:
        names = [name for name in tuned(table, row.task, row.horizon) if name != row.optimizer]
        mine = losses(table, row.task, row.optimizer, "final", "test", row.horizon)
        others = {name: losses(table, row.task, name, "final", "test", row.horizon) for name in names}
        known = {name: values for name, values in others.items() if values is not None}
        if mine is None or frozen not in known:
            continue
        rng = generator("optimizer ladder", row.optimizer, row.task, str(row.horizon))
        base = advantage(mine, {frozen: known[frozen]}, rng)
        pays, never = _pays(comparison, row, rng)
        rungs.append(Rung(row, base, advantage(mine, known, rng), pays, never))
    places = {name: place for place, name in enumerate(table.optimizers)}
    return sorted(rungs, key=lambda rung: (places[rung.row.optimizer], _step(rung.row.distance)))


def _step(distance: str) -> int:
    return DISTANCES.index(distance) if distance in DISTANCES else len(DISTANCES)


def _pays(comparison: OptimizerComparison, row: LedgerRow, rng: np.random.Generator) -> tuple[Estimate, float]:
    """Return the break-even count with its interval and the share of resamples in which meta-training never pays."""
    found = [
        scored_losses(comparison.table, row.task, name, row.horizon)
        for name in (row.optimizer, comparison.baseline or "")
    ]
    assert found[0] is not None, "the ledger has its runs"
    assert found[1] is not None, "the ledger has its runs"
    steps = found[0][0]
    ours, theirs = relative_to_baseline(comparison.table.tasks[row.task], found[0][1], found[1][1], steps)
    if len(ours) < FEWEST_SEEDS:
        return Estimate(row.break_even, math.nan, math.nan), math.nan
    drawn = rng.integers(len(ours), size=(statistics.RESAMPLES, len(ours)))
    targets = scores.upper_median(theirs.min(axis=1)[drawn])  # (resamples,)
    times = times_to(ours, steps, targets)[drawn, np.arange(len(targets))[:, None]]  # (resamples, seeds)
    work = scores.censored_median(times) * comparison.scored[row.task, row.optimizer].work_per_step
    saved = row.baseline_work - work
    counts = np.where(saved > 0, row.meta_work / np.where(saved > 0, saved, 1.0), np.inf)
    low, high = np.quantile(counts, [0.025, 0.975], method="nearest")  # no mixing of a count with "never"
    return Estimate(row.break_even, float(low), float(high)), float(np.mean(np.isinf(counts)))


def times_to(curves: FloatArray, steps: Steps, targets: FloatArray) -> FloatArray:
    """Return the first evaluated step at which each curve is at or below each target, (curves, targets); infinity: never.

    Args:
        curves: (curves, evaluations), complete.
        steps: (evaluations,).
        targets: (targets,).
    """
    found = np.empty((len(curves), len(targets)))
    late = np.append(steps.astype(np.float64), np.inf)
    for place, curve in enumerate(np.minimum.accumulate(curves, axis=1)):
        found[place] = late[np.searchsorted(-curve, -targets, side="left")]
    return found
