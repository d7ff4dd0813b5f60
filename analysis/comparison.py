"""Compare the entrants of an experiment: every number that the tables, figures and the summary print is computed here.

One pass over the records, one entrant on one problem at a time, so that the memory needed is that of the largest pair.
Random numbers (bootstrap) come from generators keyed by data set and entrant: one more entrant changes no other's interval. All
intervals of an entrant on a problem rest on the same bootstrap samples of its runs (`resamples.py`).
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from . import resamples, scores, statistics
from .chunks import read_runs, stray_faults
from .pairwise import PairwiseTests, pairwise_tests
from .records import BUDGET_REACHED, Experiment, Fault, Problem, RecordError, Runs, read_experiment

FloatArray: TypeAlias = NDArray[np.float64]

ALPHA = 0.05  # probability of any false difference on one data set at one checkpoint
MEDIAN_QUARTILES = (0.5, 0.25, 0.75)
TARGET_POINTS = (1.0, 0.5, 0.2, 0.1, 0.05)  # regrets in percentage points whose expected running times are given
REFERENCE = "random_search"  # the strategy that every comparison needs (Lindauer & Hutter 2020, item 7)
FEW_RUNS = 20  # fewer make percentile intervals of a mean noticeably too short


@dataclass(frozen=True, eq=False)
class Summary:
    """Runs summarised at each point, arrays (points,); NaN where some run has no incumbent, so none is averaged away.

    Attributes:
        runs: number of runs.
        active: share of runs that have an incumbent.
        mean: mean over runs.
        low: lower end of the 95 % bootstrap interval of the mean, pointwise; NaN for a single run.
        high: its upper end.
        median: median over runs.
        lower_quartile: first quartile.
        upper_quartile: third quartile.
    """

    runs: int
    active: FloatArray
    mean: FloatArray
    low: FloatArray
    high: FloatArray
    median: FloatArray
    lower_quartile: FloatArray
    upper_quartile: FloatArray

    @property
    def half_width(self) -> FloatArray:
        """Half the width of the interval of the mean."""
        return (self.high - self.low) / 2.0


class Curve(NamedTuple):
    """Regret against time or queries: `x` (points,) and the regret there, a fraction; `tail` is where most runs had ended."""

    x: FloatArray
    regret: Summary
    tail: float


@dataclass(frozen=True, eq=False)
class Scores:
    """One entrant on one problem. Arrays are (runs, checkpoints) unless said otherwise; the last checkpoint is the budget.

    Attributes:
        run: run numbers, (runs,).
        score: score of the incumbent, fraction.
        regret: best score minus that, fraction.
        validation_gap: observed validation accuracy of the incumbent minus its score, fraction.
        relative_improvement: score over the random mean, minus 1.
        queries: queries answered.
        distinct: distinct cells among them.
        duplicates: trainings asked for again.
        spent: simulated seconds used, (runs,).
        overhead: measured seconds of the strategy's own computation, (runs,), NaN where not measured.
        ended: runs that the strategy ended before the budget did.
        targets: regrets of the runtime profile, (targets,), fraction, falling.
        hits: simulated seconds to each of them, (runs, targets), infinity where never.
        point_hits: the same for the round regrets of `TARGET_POINTS`.
        area: mean regret over log time from the first checkpoint on, (runs,), fraction.
        log_area: mean log10 regret over log time from the first checkpoint on, (runs,).
        summary: the regret summarised at the checkpoints.
        seconds: regret against simulated seconds.
        by_queries: regret against the number of queries.
        recent: observed validation accuracy (not regret) of the last `scores.WINDOW` trainings against the number of queries;
            without points where a run trained a cell for fewer than the most epochs.
        counts: the bootstrap samples of the runs that all intervals rest on, (resamples, runs).
        replicates: mean, median and interquartile mean of the regret at full budget in each of them, (resamples, 3); NaN where
            a run has no incumbent.
    """

    run: NDArray[np.int32]
    score: FloatArray
    regret: FloatArray
    validation_gap: FloatArray
    relative_improvement: FloatArray
    queries: FloatArray
    distinct: FloatArray
    duplicates: FloatArray
    spent: FloatArray
    overhead: FloatArray
    ended: int
    targets: FloatArray
    hits: FloatArray
    point_hits: FloatArray
    area: FloatArray
    log_area: FloatArray
    summary: Summary
    seconds: Curve
    by_queries: Curve
    recent: Curve
    counts: resamples.Counts
    replicates: FloatArray


class Average(NamedTuple):
    """Mean regret at the full budget averaged over all problems, a fraction, with its stratified bootstrap interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Comparison:
    """Everything that is reported.

    Attributes:
        experiment: what was compared.
        scores: by (data set, entrant), where there are runs.
        tests: by data set, for each checkpoint all pairs of the entrants in `tested[data set]` at regrets with the sign
            turned, so that larger is better; NaN where an entrant has runs without an incumbent.
        tested: by data set, the entrants with runs, in the protocol's order.
        improvement: by (data set, entrant), the probability that a run at the full budget beats one of random search in each
            bootstrap sample of both, (resamples,); where both have an incumbent in every run, and not random search itself.
        average: by entrant, where it has runs on all problems.
        order: entrants with any runs, best average first, those without an average last.
        faults: what is missing or was left out.
    """

    experiment: Experiment
    scores: dict[tuple[str, str], Scores]
    tests: dict[str, list[PairwiseTests]]
    tested: dict[str, tuple[str, ...]]
    improvement: dict[tuple[str, str], FloatArray]
    average: dict[str, Average]
    order: tuple[str, ...]
    faults: tuple[Fault, ...]

    @property
    def reference(self) -> str | None:
        """The entrant that is random search, the first if there are several, None if there is none."""
        return _reference(self.experiment, self.order)

    def improvement_estimate(self, datasets: Sequence[str], entrant: str) -> statistics.Estimate | None:
        """Return the probability that a run beats one of random search, averaged over data sets, None if one lacks it."""
        if not all((dataset, entrant) in self.improvement for dataset in datasets):
            return None
        values = []
        for dataset in datasets:
            places = map(self.tested[dataset].index, (entrant, self.reference or ""))
            values.append(self.tests[dataset][-1].a12[tuple(places)])
        replicates = np.mean([self.improvement[dataset, entrant] for dataset in datasets], axis=0)
        runs = [len(self.scores[dataset, name].run) for dataset in datasets for name in (entrant, self.reference or "")]
        low, high = resamples.interval(replicates, min(runs))
        return statistics.Estimate(float(np.mean(values)), float(low), float(high))

    def best(self, dataset: str, checkpoint: int = -1) -> str | None:
        """Return the entrant with the lowest mean regret, None if at that checkpoint none has an incumbent in every run."""
        means = [self.scores[dataset, entrant].summary.mean[checkpoint] for entrant in self.tested[dataset]]
        return None if np.isnan(means).all() else self.tested[dataset][int(np.nanargmin(means))]

    def not_worse(self, dataset: str, checkpoint: int = -1) -> tuple[str, ...]:
        """Return the entrants that can't be told from the best one, without it.

        Either the difference is not significant (Mann-Whitney, Holm over all pairs of this data set and checkpoint, 5 %), or
        the means differ by less than the smallest effect worth naming.
        """
        best = self.best(dataset, checkpoint)
        if best is None:
            return ()
        entrants, tests = self.tested[dataset], self.tests[dataset][checkpoint]
        row = entrants.index(best)
        ahead, p_holm = tests.difference[row], tests.p_holm[row]
        level = [
            place for place in range(len(entrants)) if ahead[place] >= 0.0 and not _worse(ahead[place], p_holm[place])
        ]
        return tuple(entrants[place] for place in sorted(level, key=lambda place: ahead[place]) if place != row)

    def beats(self, dataset: str, entrant: str, other: str) -> bool:
        """Tell whether `entrant` is better than `other` at the full budget: significantly, and by enough to name."""
        entrants, tests = self.tested[dataset], self.tests[dataset][-1]
        if entrant not in entrants or other not in entrants:
            return False
        pair = entrants.index(entrant), entrants.index(other)
        return _worse(tests.difference[pair], tests.p_holm[pair])


def _worse(difference: float, p_holm: float) -> bool:
    """Tell whether the second of a pair is worse; `difference` is first minus second, larger is better. NaN gives no."""
    return bool(difference >= scores.SMALLEST_EFFECT and p_holm < ALPHA)


def compare(results: Path | Experiment) -> Comparison:
    """Read the records of a results folder and compare its entrants.

    Raises:
        RecordError: the folder has no usable `experiment.json`, or not a single usable run.
    """
    experiment = results if isinstance(results, Experiment) else read_experiment(results)
    measured: dict[tuple[str, str], Scores] = {}
    faults = stray_faults(experiment)
    for dataset, problem in experiment.problems.items():
        for entrant in experiment.entrants:
            runs, wrong = read_runs(experiment, dataset, entrant)
            faults += wrong
            if runs is not None:
                rng = generator(dataset, entrant)
                measured[dataset, entrant] = measure(runs, problem, experiment.checkpoints, rng)
    if not measured:
        reasons = "; ".join(map(str, faults[:3]))
        raise RecordError(f"{experiment.folder} holds not a single usable run: {reasons}")
    tested = {
        dataset: tuple(entrant for entrant in experiment.entrants if (dataset, entrant) in measured)
        for dataset in experiment.problems
    }
    tests = {
        dataset: [
            pairwise_tests([-measured[dataset, entrant].regret[:, point] for entrant in entrants])
            for point in range(len(experiment.checkpoints))
        ]
        for dataset, entrants in tested.items()
    }
    average = _averages(experiment, measured)
    improvement = _improvements(measured, _reference(experiment, [entrant for _, entrant in measured]))
    known = [entrant for entrant in experiment.entrants if any(entrant in names for names in tested.values())]
    order = sorted(known, key=lambda entrant: average[entrant].mean if entrant in average else np.inf)
    return Comparison(experiment, measured, tests, tested, improvement, average, tuple(order), tuple(faults))


def measure(runs: Runs, problem: Problem, checkpoints: tuple[float, ...], rng: np.random.Generator) -> Scores:
    """Score one entrant's runs on one problem.

    Args:
        runs: its runs, at least one.
        problem: the problem.
        checkpoints: shares of the budget, ascending, the last one 1.
        rng: where the bootstrap samples are drawn from.
    """
    counts = resamples.draw(len(runs), rng)
    at = np.array(checkpoints) * problem.budget
    observation = scores.observed_by(runs, at)
    score = scores.take(runs.score, observation)
    regret = scores.regret(runs, problem, observation)
    distinct, duplicates = scores.counts(runs)
    targets = scores.default_targets(problem)
    start = float(min(at[0], problem.budget / 10.0))
    seconds, by_seconds, seconds_tail = _over_seconds(runs, problem)
    queries, by_queries, queries_tail = _over_queries(runs, problem)
    numbers, accuracy = _recent(runs, problem)
    at_checkpoints, over_seconds, over_queries, over_recent = summarise(
        [regret, by_seconds, by_queries, accuracy], counts
    )
    return Scores(
        run=runs.run,
        score=score,
        regret=regret,
        validation_gap=scores.validation_gap(runs, observation),
        relative_improvement=scores.relative_improvement(score, problem),
        queries=np.where(observation >= 0, observation - runs.start[:-1, None] + 1, 0).astype(np.float64),
        distinct=np.nan_to_num(scores.take(distinct, observation)),
        duplicates=np.nan_to_num(scores.take(duplicates, observation)),
        spent=scores.spent(runs, problem),
        overhead=runs.overhead,
        ended=int(np.sum(runs.ended != BUDGET_REACHED)),
        targets=targets,
        hits=scores.first_hits(runs, problem, targets),
        point_hits=scores.first_hits(runs, problem, np.array(TARGET_POINTS) / 100.0),
        area=scores.area_under_curve(runs, problem, start),
        log_area=scores.area_under_curve(runs, problem, start, logarithm=True),
        summary=at_checkpoints,
        seconds=Curve(seconds, over_seconds, seconds_tail),
        by_queries=Curve(queries, over_queries, queries_tail),
        recent=Curve(numbers, over_recent, float(numbers[-1]) if len(numbers) else 0.0),
        counts=counts,
        replicates=resamples.summaries(counts, regret[:, -1]),
    )


def summarise(parts: Sequence[FloatArray], counts: resamples.Counts) -> list[Summary]:
    """Summarise arrays of shape (runs, points) over the runs, all with the same bootstrap samples of them."""
    values = np.concatenate(parts, axis=1)
    runs = len(values)
    interval = resamples.interval(resamples.means(counts, values), runs)
    active = np.mean(~np.isnan(values), axis=0)
    rows = np.stack([active, values.mean(axis=0), *interval, *np.quantile(values, MEDIAN_QUARTILES, axis=0)])
    edges = np.cumsum([0, *[part.shape[1] for part in parts]])
    return [Summary(runs, *rows[:, first:last]) for first, last in itertools.pairwise(edges)]


def generator(*names: str) -> np.random.Generator:
    """Return the generator for a purpose that the names say; equal names, equal stream."""
    digest = hashlib.sha256(json.dumps(["nasbench.analysis", *names]).encode()).digest()
    return np.random.default_rng(np.random.SeedSequence(int.from_bytes(digest, "big")))


def _over_seconds(runs: Runs, problem: Problem) -> tuple[FloatArray, FloatArray, float]:
    """Return times, regrets (runs, times), and the time from which on half of the runs or more had ended."""
    grid = scores.seconds_grid(problem.budget)
    regret = scores.regret(runs, problem, scores.observed_by(runs, grid))
    stopped = float(np.median(scores.spent(runs, problem)))
    tail = stopped if np.mean(runs.ended != BUDGET_REACHED) >= 0.5 else problem.budget
    return *_complete(grid, regret), tail


def _over_queries(runs: Runs, problem: Problem) -> tuple[FloatArray, FloatArray, float]:
    """Return numbers of queries, regrets (runs, numbers), and the number from which on half of the runs had ended."""
    limited = runs.ended == BUDGET_REACHED
    most = int(runs.queries[limited].min() if limited.any() else runs.queries.max())
    grid = scores.queries_grid(most)
    regret = scores.regret(runs, problem, scores.observed_after(runs, grid))
    tail = float(np.median(runs.queries)) if limited.mean() <= 0.5 else float(most)
    return *_complete(grid.astype(np.float64), regret), tail


def _recent(runs: Runs, problem: Problem) -> tuple[FloatArray, FloatArray]:
    """Return numbers of queries and the mean validation accuracy of the last ones, (runs, numbers)."""
    most = int(runs.queries.min())
    grid = scores.queries_grid(most)
    grid = grid[grid >= scores.WINDOW]
    if np.any(runs.epochs != problem.epochs[-1]):
        grid = grid[:0]
    return grid.astype(np.float64), scores.recent_accuracy(runs, grid)


def _complete(x: FloatArray, regret: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Keep the points where all runs have an incumbent; a curve that averaged only the early ones would flatter them."""
    complete = ~np.isnan(regret).any(axis=0)
    return x[complete], regret[:, complete]


def _averages(experiment: Experiment, measured: dict[tuple[str, str], Scores]) -> dict[str, Average]:
    result = {}
    for entrant in experiment.entrants:
        strata = [measured[key] for key in ((name, entrant) for name in experiment.problems) if key in measured]
        if len(strata) == len(experiment.problems) and not any(np.isnan(each.regret[:, -1]).any() for each in strata):
            mean = float(np.mean([each.regret[:, -1].mean() for each in strata]))
            replicates = np.mean([each.replicates[:, 0] for each in strata], axis=0)
            low, high = map(float, resamples.interval(replicates, min(each.summary.runs for each in strata)))
            result[entrant] = Average(mean, low, high)
    return result


def _reference(experiment: Experiment, known: Sequence[str]) -> str | None:
    """Return the first entrant that is random search and has runs."""
    entrants = experiment.entrants
    return next((name for name in entrants if entrants[name].strategy == REFERENCE and name in known), None)


def _improvements(measured: dict[tuple[str, str], Scores], reference: str | None) -> dict[tuple[str, str], FloatArray]:
    result = {}
    for (dataset, entrant), ours in measured.items():
        theirs = measured.get((dataset, reference or ""))
        if theirs is None or entrant == reference:
            continue
        final, other = -ours.regret[:, -1], -theirs.regret[:, -1]
        if not np.isnan(final).any() and not np.isnan(other).any():
            result[dataset, entrant] = resamples.improvement(final, other, ours.counts, theirs.counts)
    return result
