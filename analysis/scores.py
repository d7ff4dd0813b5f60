"""What a run was worth, as arrays of shape (runs, points): regret over time, counts, targets, areas, gaps.

The incumbent of a run is a right-continuous step function of simulated seconds: it changes when a training has finished
and holds until the next one. Values between are the previous value, never interpolated, and NaN before the first
(Lindauer & Hutter, JMLR 21(243), 2020, ask for performance over time; the reference scripts of NAS-Bench-101 interpolate
linearly and start at accuracy 0). A run that its strategy ended keeps its last incumbent to the end of the budget.

Targets and their running times: Hansen et al., COCO performance assessment, 2016, arXiv 1605.03560 (expected running time,
empirical runtime distributions). Relative improvement: Yang, Esperanca & Carlucci, ICLR 2020, arXiv 1912.12522, eq. 1.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from .records import BUDGET_REACHED, Problem, Runs

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]

# Below it differences are not worth naming, whatever their p value: 0.1 points (fractions here). With 500 runs trifles
# become significant.
SMALLEST_EFFECT = 0.001
FLOOR = (
    SMALLEST_EFFECT / 10
)  # regrets below count as this where a logarithm is taken; a run at the optimum has regret 0

WINDOW = 10  # trainings that count as recent: a tenth of a run on NAS-Bench-201's budget


def observed_by(runs: Runs, seconds: FloatArray) -> IntArray:
    """Return the last observation of each run that had finished by each time.

    Args:
        runs: the runs.
        seconds: simulated seconds, shape (points,).

    Returns:
        Shape (runs, points): positions in the flat arrays, -1 where nothing had finished. An observation counts from
        the very second at which it finished.
    """
    order = np.argsort(seconds, kind="stable")
    points = len(seconds) + 1  # the last one is for what no point has seen
    seen = np.searchsorted(seconds[order], runs.finished, side="left")  # the first point at which it had finished
    number = np.bincount(owners(runs) * points + seen, minlength=len(runs) * points).reshape(len(runs), points)
    known = np.cumsum(number[:, :-1], axis=1)  # observations of the run that had finished by each point
    result = np.empty_like(known)
    result[:, order] = np.where(known > 0, runs.start[:-1, None] + known - 1, -1)
    return result


def owners(runs: Runs) -> IntArray:
    """Return the place of the run, from 0, that each observation belongs to: (observations,)."""
    return np.repeat(np.arange(len(runs)), runs.queries)


def observed_after(runs: Runs, queries: IntArray) -> IntArray:
    """Return the observation that made it so many queries.

    Args:
        runs: the runs.
        queries: numbers of queries from 1, shape (points,).

    Returns:
        Shape (runs, points): positions in the flat arrays; -1 where the run's budget allowed fewer queries. A run that
        its strategy ended stays at its last observation, since it would never have asked more.
    """
    made = runs.queries[:, None]
    held = np.where((runs.ended != BUDGET_REACHED)[:, None], np.minimum(queries, made), queries)
    return np.where((held <= made) & (held >= 1), runs.start[:-1, None] + held - 1, -1)


def take(values: NDArray[np.generic], observation: IntArray) -> FloatArray:
    """Return the values at the given observations, float64 of their shape, NaN where the observation is -1."""
    if not values.size:
        return np.full(observation.shape, np.nan)
    return np.where(observation >= 0, values[np.maximum(observation, 0)].astype(np.float64), np.nan)


def regret(runs: Runs, problem: Problem, observation: IntArray) -> FloatArray:
    """Return the best score minus the incumbent's at the given observations: fractions in [0, 1], NaN without incumbent.

    Rounding of means may leave a hair below the optimum's own score; that is 0.
    """
    return np.maximum(problem.best_score - take(runs.score, observation), 0.0)


def validation_gap(runs: Runs, observation: IntArray) -> FloatArray:
    """Return the incumbent's observed validation accuracy minus its score: the winner's curse where it is positive.

    The incumbent was chosen for its observed value, so that value flatters it. Fractions. Where the score is on the test
    split, the gap also holds the difference between the two splits.
    """
    return take(runs.incumbent_validation, observation) - take(runs.score, observation)


def relative_improvement(score: FloatArray, problem: Problem) -> FloatArray:
    """Return (score - random mean) / random mean, a fraction: what the search gained over drawing one cell blindly."""
    return (score - problem.random_score_mean) / problem.random_score_mean


def counts(runs: Runs) -> tuple[IntArray, IntArray]:
    """Return the cells seen so far and the trainings asked for again so far, after each observation.

    Returns:
        Two flat arrays (observations,): distinct cells of the run, and observations of a cell at a fidelity at which
        the run had observed it before. Taking a cell from few to more epochs is no duplicate.
    """
    owner = owners(runs)
    new = _first_occurrence(owner, runs.cell, runs.epochs)
    several = bool(runs.epochs.size and (runs.epochs != runs.epochs[0]).any())  # with one fidelity it is one question
    fresh = _first_occurrence(owner, runs.cell, np.zeros_like(runs.epochs)) if several else new
    return _running_count(fresh, runs), _running_count(~new, runs)


def first_hits(runs: Runs, problem: Problem, targets: FloatArray) -> FloatArray:
    """Return when each run first had an incumbent of at most the target's regret.

    Args:
        runs: the runs.
        problem: gives the best score.
        targets: regrets, shape (targets,).

    Returns:
        Simulated seconds, shape (runs, targets); infinity where it never had. An incumbent that is later replaced by a
        worse one (it only looked better) has reached the target all the same.
    """
    values = np.maximum(problem.best_score - runs.score, 0.0)
    order = np.argsort(-targets, kind="stable")  # the easiest first
    met = np.searchsorted(-targets[order], -values, side="right")  # targets that this incumbent reaches
    # The largest number so far of each run: a run's numbers begin where those of the run before it ended.
    offset = np.arange(len(runs)) * (len(targets) + 1)
    reached = np.maximum.accumulate(met + offset[owners(runs)])
    position = np.searchsorted(reached, offset[:, None] + np.arange(1, len(targets) + 1), side="left")
    hits = np.append(runs.finished, np.inf)[position]
    result = np.empty_like(hits)
    result[:, order] = np.where(position < runs.start[1:, None], hits, np.inf)
    return result


def spent(runs: Runs, problem: Problem) -> FloatArray:
    """Return the simulated seconds that each run took: the budget, or the last answer of a run that its strategy ended."""
    last = take(runs.finished, np.where(runs.queries > 0, runs.start[1:] - 1, -1))
    return np.where(runs.ended == BUDGET_REACHED, problem.budget, np.nan_to_num(last))


def expected_running_time(hits: FloatArray, seconds_spent: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the expected time to reach each target when a run that ends without it is started anew.

    Hansen et al. 2016, eq. for ERT: seconds of all runs up to success or end, divided by the number of successes.

    Args:
        hits: from `first_hits`, shape (runs, targets).
        seconds_spent: from `spent`, shape (runs,).

    Returns:
        Expected seconds, shape (targets,), infinity where no run succeeded; and the share of runs that succeeded.
    """
    success = np.isfinite(hits)
    used = np.where(success, hits, seconds_spent[:, None]).sum(axis=0)
    successes = success.sum(axis=0)
    expected = np.full(hits.shape[1], np.inf)
    np.divide(used, successes, out=expected, where=successes > 0)
    return expected, successes / len(hits)


def targets_reached(hits: FloatArray, seconds: FloatArray) -> FloatArray:
    """Return the share of pairs of run and target reached by each time, shape (points,): COCO's runtime profile."""
    ordered = np.sort(hits, axis=None)
    return np.searchsorted(ordered, seconds, side="right") / hits.size


def default_targets(problem: Problem, number: int = 31) -> FloatArray:
    """Return regrets from that of random sampling down to half the smallest effect, evenly spaced in the logarithm.

    Args:
        problem: gives best score and random mean.
        number: how many.

    Returns:
        Shape (number,), falling.
    """
    start = max(problem.best_score - problem.random_score_mean, SMALLEST_EFFECT)
    return np.geomspace(start, SMALLEST_EFFECT / 2, number)


def area_under_curve(
    runs: Runs, problem: Problem, from_seconds: float, logarithm: bool = False, floor: float = FLOOR
) -> FloatArray:
    """Return the mean of each run's regret over the logarithm of time, from `from_seconds` to the budget.

    The step function is integrated exactly, each step weighted by the logarithm of the ratio of its ends: doubling the
    time is worth the same early and late.

    Args:
        runs: the runs.
        problem: gives best score and budget.
        from_seconds: where the area begins, in (0, budget).
        logarithm: average log10(max(regret, floor)) instead of the regret: the area of the log-log figure.
        floor: the regret that counts for less.

    Returns:
        Shape (runs,), fraction, or its log10; NaN where a run had no incumbent at `from_seconds`.

    Raises:
        ValueError: `from_seconds` outside (0, budget).
    """
    if not 0.0 < from_seconds < problem.budget:
        raise ValueError(f"the area must begin within (0, {problem.budget}) seconds, not at {from_seconds}")
    values = np.maximum(problem.best_score - runs.score, 0.0)
    if logarithm:
        values = np.log10(np.maximum(values, floor))
    begins = np.log(
        np.maximum(runs.finished, from_seconds)
    )  # of each step; those that end before `from_seconds` are empty
    ends = np.append(begins[1:], 0.0)
    ends[runs.start[1:][runs.queries > 0] - 1] = np.log(problem.budget)
    area = np.bincount(owners(runs), weights=values * (ends - begins), minlength=len(runs))
    known = observed_by(runs, np.array([from_seconds]))[:, 0] >= 0
    return np.where(known, area / (np.log(problem.budget) - np.log(from_seconds)), np.nan)


def recent_accuracy(runs: Runs, queries: IntArray, window: int = WINDOW) -> FloatArray:
    """Return the mean observed validation accuracy of the last `window` trainings after so many queries.

    Args:
        runs: the runs.
        queries: numbers of queries, each at least `window` and at most the shortest run's, shape (points,).
        window: how many trainings.

    Returns:
        Shape (runs, points), fraction.

    Raises:
        ValueError: a number of queries outside its range.
    """
    if queries.size and (queries.min() < window or queries.max() > runs.queries.min()):
        raise ValueError(f"queries must be in [{window}, {runs.queries.min()}], not {queries.min()} to {queries.max()}")
    total = np.concatenate([[0.0], np.cumsum(runs.validation_accuracy)])
    last = runs.start[:-1, None] + queries  # (runs, points)
    return np.asarray((total[last] - total[last - window]) / window)


def share_at_least(score: FloatArray, threshold: float) -> float:
    """Return the share of runs whose score is at least the threshold (up to rounding); NaN if a run has none."""
    return float("nan") if np.isnan(score).any() else float(np.mean(score >= threshold - 1e-12))


def seconds_grid(budget: float, decades: float = 4.0, points_a_decade: int = 60) -> FloatArray:
    """Return the common grid of a problem: from budget / 10**decades to the budget, evenly spaced in the logarithm."""
    return np.geomspace(budget / 10.0**decades, budget, int(decades * points_a_decade) + 1)


def queries_grid(most: int, points_a_decade: int = 40) -> IntArray:
    """Return whole numbers from 1 to `most`, evenly spaced in the logarithm as far as whole numbers are."""
    if most < 1:
        return np.zeros(0, dtype=np.int64)
    steps = 10.0 ** np.arange(0.0, np.log10(most) + 1.0 / points_a_decade, 1.0 / points_a_decade)
    return np.unique(np.minimum(np.round(steps), most).astype(np.int64))


def _first_occurrence(owner: IntArray, cell: NDArray[np.int32], epochs: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Tell of each observation whether its run had none of the same cell and epochs before."""
    fidelity = np.unique(epochs, return_inverse=True)[1]
    key = (owner * (int(cell.max(initial=0)) + 1) + cell) * (int(fidelity.max(initial=0)) + 1) + fidelity
    first = np.zeros(len(key), dtype=bool)
    first[np.unique(key, return_index=True)[1]] = True
    return first


def _running_count(flag: NDArray[np.bool_], runs: Runs) -> IntArray:
    total: IntArray = np.concatenate([np.zeros(1, np.int64), np.cumsum(flag, dtype=np.int64)])
    before: IntArray = np.repeat(total[runs.start[:-1]], runs.queries)
    return total[1:] - before
