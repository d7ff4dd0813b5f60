"""The entrants over all problems: ranks, aggregates, profiles, and a test over problems where there are enough of them.

Only entrants with an incumbent at the end of every run on every problem take part; the others are named. Scores enter as
normalised regrets (`profiles.py`) with the sign turned where larger is to be better.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from . import captions, profiles, ranks
from .comparison import ALPHA, Comparison
from .profiles import Aggregate, Profile
from .ranks import RankTests
from .statistics import Estimate, Interval
from .tables import NOTHING, Column, Entry, PrintTable, csv_text

FloatArray: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Overall:
    """Numbers over all problems.

    Attributes:
        entrants: those that are complete, best average rank first.
        left_out: entrants without an incumbent in every run on every problem.
        problems: number of problems.
        rank: average rank over problems, (entrants,), 1 best.
        rank_interval: its 95 % interval over the seeds.
        aggregates: normalised regret, by entrant.
        improvement: probability that a run beats one of random search, averaged over problems; by entrant, not its own.
        thresholds: normalised regrets of the profiles, ascending.
        profiles: by entrant.
        tests: over problems, None with too few of them or fewer than two entrants.
        refusal: why there are none; "" otherwise.
    """

    entrants: tuple[str, ...]
    left_out: tuple[str, ...]
    problems: int
    rank: FloatArray
    rank_interval: Interval
    aggregates: dict[str, Aggregate]
    improvement: dict[str, Estimate]
    thresholds: FloatArray
    profiles: dict[str, Profile]
    tests: RankTests | None
    refusal: str

    @property
    def different(self) -> NDArray[np.bool_]:
        """Pairs told apart over problems, (entrants, entrants): Friedman first, then Wilcoxon-Holm or Nemenyi."""
        if self.tests is None or not self.tests.p_friedman < ALPHA:
            return np.zeros((len(self.entrants),) * 2, dtype=bool)
        holm = ranks.holm_can_reject(self.problems, len(self.entrants))
        return (self.tests.wilcoxon_holm if holm else self.tests.nemenyi) < ALPHA


def overall(comparison: Comparison) -> Overall:
    """Compute what is said over all problems."""
    problems = comparison.experiment.problems
    entrants = tuple(entrant for entrant in comparison.order if entrant in comparison.average)
    regrets = {
        entrant: [
            profiles.normalised_regret(comparison.scores[dataset, entrant].regret[:, -1], problem)
            for dataset, problem in problems.items()
        ]
        for entrant in entrants
    }
    rank, interval = np.ones(len(entrants)), Interval(*np.full((2, len(entrants)), np.nan))
    tests, refused = None, ranks.refusal(len(problems))
    if len(entrants) > 1:
        runs = {dataset: [-regrets[entrant][place] for entrant in entrants] for place, dataset in enumerate(problems)}
        rank = ranks.average_ranks(ranks.problem_means(runs))
        order = np.argsort(rank, kind="stable")  # equal ranks: the better average regret first
        entrants, rank = tuple(entrants[place] for place in order), rank[order]
        runs = {dataset: [samples[place] for place in order] for dataset, samples in runs.items()}
        if min(len(sample) for samples in runs.values() for sample in samples) > 1:
            means = [
                np.stack([-comparison.scores[dataset, entrant].replicates[:, 0] for entrant in entrants], axis=1)
                for dataset in problems
            ]
            interval = ranks.average_rank_intervals(np.stack(means, axis=1))
        tests = None if refused else ranks.rank_tests(runs)
    at = profiles.thresholds()
    return Overall(
        entrants,
        tuple(entrant for entrant in comparison.experiment.entrants if entrant not in comparison.average),
        len(problems),
        rank,
        interval,
        {entrant: _aggregate(comparison, entrant, regrets[entrant]) for entrant in entrants},
        _improvement(comparison, entrants),
        at,
        {
            entrant: profiles.performance_profile(
                regrets[entrant], at, [comparison.scores[dataset, entrant].counts for dataset in problems]
            )
            for entrant in entrants
        },
        tests,
        refused,
    )


def overall_table(comparison: Comparison, found: Overall) -> PrintTable:
    """Make the table over all problems: average rank, normalised regret, probability of improvement."""

    def entry(estimate: Estimate, scale: float, digits: int) -> Entry:
        return Entry(scale * estimate.value, scale * (estimate.high - estimate.low) / 2.0, digits)

    columns = (
        Column("", "Average rank", "average_rank"),
        Column("Normalised regret (%)", "mean", "normalised_regret_percent_mean"),
        Column("Normalised regret (%)", "median", "normalised_regret_percent_median"),
        Column("Normalised regret (%)", "IQM", "normalised_regret_percent_interquartile_mean"),
        Column("", "Beats random (%)", "probability_of_improvement_percent"),
    )
    rows = []
    for place, entrant in enumerate(found.entrants):
        entries = [Entry(float(found.rank[place]))]
        entries += [entry(each, 100.0, 2) for each in found.aggregates[entrant]]
        improvement = found.improvement.get(entrant)
        entries.append(NOTHING if improvement is None else entry(improvement, 100.0, 1))
        rows.append((comparison.experiment.titles[entrant], tuple(entries)))
    text = captions.caption(
        comparison,
        f"Entrants over all {found.problems} data sets at the full budget, ± half the width of the {captions.LEVEL} interval; runs "
        "are resampled within each data set, so the intervals hold for these data sets and say nothing about others. Average "
        "rank: of the mean regrets, 1 is best; its interval, which is not symmetric, stands in ranks.csv. "
        "Normalised regret: regret divided by best score minus mean of random sampling; "
        "mean, median and interquartile mean (IQM) over runs, each averaged over data sets. Beats random: probability that a run "
        "ends better than one of random search (ties count half), averaged over data sets.",
        verdict(comparison, found),
    )
    return PrintTable("overall", columns, (), tuple(rows), text, "Entrants over all data sets")


def verdict(comparison: Comparison, found: Overall) -> str:
    """Say what was tested over problems, or why nothing was."""
    titles = comparison.experiment.titles
    missing = [titles[entrant] for entrant in found.left_out]
    without = (
        f" Without {captions.listed(missing)}: not on all data sets, or runs without an incumbent." if missing else ""
    )
    if found.tests is None:
        return (found.refusal or "No test over problems: fewer than two entrants.") + without
    tests = found.tests
    how = (
        "Wilcoxon signed-rank tests of the means, Holm-corrected over all pairs"
        if ranks.holm_can_reject(tests.problems, len(found.entrants))
        else f"Nemenyi's test (critical difference {tests.critical_difference:.2f}; with so few data sets for so many pairs "
        "Wilcoxon tests with Holm's correction could not tell any apart)"
    )
    text = f"Friedman test over {tests.problems} data sets: chi-square {tests.friedman:.2f}, {p_text(tests.p_friedman)}; pairs by {how}"
    if not tests.p_friedman < ALPHA:
        return f"{text}, are not looked at: the entrants can't be told apart over data sets.{without}"
    pairs = int(np.triu(found.different, 1).sum())
    number = len(found.entrants) * (len(found.entrants) - 1) // 2
    return f"{text}: {pairs} of {number} pairs differ at {ALPHA:g}.{without}"


def p_text(value: float) -> str:
    """Write a p value as a reader wants it.

    >>> p_text(0.0312), p_text(2e-9)
    ('p = 0.031', 'p < 0.001')
    """
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def ranks_csv(found: Overall) -> str:
    """Write all numbers over problems with the ends of their intervals, one row an entrant."""
    rows = []
    for place, entrant in enumerate(found.entrants):
        rank = Estimate(*(float(each[place]) for each in (found.rank, *found.rank_interval)))
        measures = {"average_rank": rank} | {
            f"normalised_regret_{name}": value for name, value in found.aggregates[entrant]._asdict().items()
        }
        nothing = Estimate(float("nan"), float("nan"), float("nan"))
        measures["probability_of_improvement_over_random_search"] = found.improvement.get(entrant, nothing)
        row: dict[str, str | int | float] = {"entrant": entrant, "problems": found.problems}
        for name, value in measures.items():
            row |= {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high}
        rows.append(row)
    return csv_text(rows)


def profiles_csv(found: Overall) -> str:
    """Write the performance profiles with their bands."""
    return csv_text(
        [
            {
                "entrant": entrant,
                "normalised_regret": float(threshold),
                "share_of_runs": float(profile.share[place]),
                "share_low": float(profile.low[place]),
                "share_high": float(profile.high[place]),
            }
            for entrant, profile in found.profiles.items()
            for place, threshold in enumerate(found.thresholds)
        ]
    )


def rank_pairs_csv(found: Overall) -> str:
    """Write the tests over problems of all pairs; the heading alone where none was made."""
    heading = "entrant,other,problems,rank_difference,friedman_p,nemenyi_p,wilcoxon_p,holm_p\n"
    if found.tests is None:
        return heading
    tests = found.tests
    return csv_text(
        [
            {
                "entrant": found.entrants[row],
                "other": found.entrants[column],
                "problems": tests.problems,
                "rank_difference": float(found.rank[row] - found.rank[column]),
                "friedman_p": tests.p_friedman,
                "nemenyi_p": float(tests.nemenyi[row, column]),
                "wilcoxon_p": float(tests.wilcoxon[row, column]),
                "holm_p": float(tests.wilcoxon_holm[row, column]),
            }
            for row in range(len(found.entrants))
            for column in range(row + 1, len(found.entrants))
        ]
    )


def _aggregate(comparison: Comparison, entrant: str, regrets: list[FloatArray]) -> Aggregate:
    replicates = [
        profiles.normalised_regret(comparison.scores[dataset, entrant].replicates, problem)
        for dataset, problem in comparison.experiment.problems.items()
    ]
    return profiles.aggregate(regrets, replicates)


def _improvement(comparison: Comparison, entrants: tuple[str, ...]) -> dict[str, Estimate]:
    if comparison.reference not in entrants:
        return {}
    datasets = tuple(comparison.experiment.problems)
    found = {entrant: comparison.improvement_estimate(datasets, entrant) for entrant in entrants}
    return {entrant: estimate for entrant, estimate in found.items() if estimate is not None}
