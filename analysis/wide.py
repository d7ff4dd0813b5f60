"""Everything that was computed, as CSV for machines: fractions, seconds, all digits, one row an entrant on a problem.

`scores` has the checkpoints, `wide` the full budget with every other measure, `pairs` all pairs of entrants, `curves`,
`targets` and `finals` the data behind the figures. Column names carry the unit; a column without one is a fraction.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from . import resamples, scores, statistics
from .comparison import TARGET_POINTS, Comparison, Curve, Scores
from .scores import FloatArray
from .tables import csv_text


def scores_csv(comparison: Comparison) -> str:
    """Write the scores at each checkpoint: mean with interval, median with quartiles, counts, gap, and the mark."""
    rows = []
    for dataset, entrant, found in _pairs(comparison):
        problem = comparison.experiment.problems[dataset]
        for point, share in enumerate(comparison.experiment.checkpoints):
            summary = found.summary
            rows.append(
                {
                    "dataset": dataset,
                    "entrant": entrant,
                    "checkpoint": share,
                    "seconds": share * problem.budget,
                    "runs": summary.runs,
                    "runs_with_incumbent": float(summary.active[point]),
                    "score": problem.best_score - float(summary.mean[point]),
                    "score_low": problem.best_score - float(summary.high[point]),
                    "score_high": problem.best_score - float(summary.low[point]),
                    "regret": float(summary.mean[point]),
                    "regret_low": float(summary.low[point]),
                    "regret_high": float(summary.high[point]),
                    "regret_median": float(summary.median[point]),
                    "regret_lower_quartile": float(summary.lower_quartile[point]),
                    "regret_upper_quartile": float(summary.upper_quartile[point]),
                    "relative_improvement": float(found.relative_improvement[:, point].mean()),
                    "validation_gap": float(found.validation_gap[:, point].mean()),
                    "queries": float(found.queries[:, point].mean()),
                    "distinct_cells": float(found.distinct[:, point].mean()),
                    "duplicates": float(found.duplicates[:, point].mean()),
                    "mark": mark(comparison, dataset, entrant, point),
                }
            )
    return csv_text(rows)


def wide_csv(comparison: Comparison) -> str:
    """Write every measure at the full budget, one row an entrant on a problem."""
    rows = []
    for dataset, entrant, found in _pairs(comparison):
        experiment = comparison.experiment
        problem, declared = experiment.problems[dataset], experiment.entrants[entrant]
        row: dict[str, Any] = {
            "dataset": dataset,
            "entrant": entrant,
            "title": experiment.titles[entrant],
            "strategy": declared.strategy,
            "family": declared.family,
            "runs": found.summary.runs,
            "runs_ended_before_budget": found.ended,
            "best_score": problem.best_score,
            "random_score": problem.random_score_mean,
        }
        row |= _estimates(
            found,
            {
                "score": found.score[:, -1],
                "regret": found.regret[:, -1],
                "relative_improvement": found.relative_improvement[:, -1],
                "validation_gap": found.validation_gap[:, -1],
                "area_under_curve": found.area,
                "log10_area_under_curve": found.log_area,
                "queries": found.queries[:, -1],
                "distinct_cells": found.distinct[:, -1],
                "duplicates": found.duplicates[:, -1],
                "simulated_seconds": found.spent,
            },
        )
        row |= _interquartile_mean(found)
        row["regret_median"] = float(found.summary.median[-1])
        row["overhead_seconds"] = float(np.mean(found.overhead))
        for share, threshold in problem.top_score.items():
            row[f"share_of_runs_in_top_{share}"] = scores.share_at_least(found.score[:, -1], threshold)
        row |= _running_times(found)
        row |= _improvement(comparison, dataset, entrant)
        row |= _against_best(comparison, dataset, entrant)
        rows.append(row)
    names = dict.fromkeys(name for row in rows for name in row)  # problems may know different top shares
    return csv_text([{name: row.get(name, float("nan")) for name in names} for row in rows])


def pairs_csv(comparison: Comparison) -> str:
    """Write the tests of all pairs of entrants on each problem at each checkpoint."""
    rows = []
    for dataset, entrants in comparison.tested.items():
        for share, tests in zip(comparison.experiment.checkpoints, comparison.tests[dataset], strict=True):
            for row, entrant in enumerate(entrants):
                for column in range(row + 1, len(entrants)):
                    rows.append(
                        {
                            "dataset": dataset,
                            "checkpoint": share,
                            "entrant": entrant,
                            "other": entrants[column],
                            "score_difference": float(tests.difference[row, column]),
                            "mann_whitney_p": float(tests.p_value[row, column]),
                            "holm_p": float(tests.p_holm[row, column]),
                            "a12": float(tests.a12[row, column]),
                        }
                    )
    return csv_text(rows)


def curves_csv(comparison: Comparison, which: str) -> str:
    """Write regret over `seconds` or `by_queries`, or validation accuracy of `recent` trainings: mean, median, intervals."""
    rows = []
    axis, name = "seconds" if which == "seconds" else "queries", "accuracy" if which == "recent" else "regret"
    for dataset, entrant, found in _pairs(comparison):
        curve: Curve = getattr(found, which)
        columns = {
            axis: curve.x,
            name: curve.regret.mean,
            f"{name}_low": curve.regret.low,
            f"{name}_high": curve.regret.high,
            f"{name}_median": curve.regret.median,
            f"{name}_lower_quartile": curve.regret.lower_quartile,
            f"{name}_upper_quartile": curve.regret.upper_quartile,
        }
        rows += [
            {"dataset": dataset, "entrant": entrant}
            | {column: float(values[point]) for column, values in columns.items()}
            for point in range(len(curve.x))
        ]
    return csv_text(rows)


def targets_csv(comparison: Comparison) -> str:
    """Write for each target regret: success share and expected running time in seconds (infinite without a success)."""
    rows = []
    for dataset, entrant, found in _pairs(comparison):
        expected, success = scores.expected_running_time(found.hits, found.spent)
        rows += [
            {
                "dataset": dataset,
                "entrant": entrant,
                "target_regret": float(target),
                "share_of_runs": float(success[point]),
                "expected_running_time_seconds": float(expected[point]),
            }
            for point, target in enumerate(found.targets)
        ]
    return csv_text(rows)


def finals_csv(comparison: Comparison) -> str:
    """Write the regret of every run at the full budget."""
    return csv_text(
        [
            {"dataset": dataset, "entrant": entrant, "run": int(run), "regret": float(regret)}
            for dataset, entrant, found in _pairs(comparison)
            for run, regret in zip(found.run, found.regret[:, -1], strict=True)
        ]
    )


def mark(comparison: Comparison, dataset: str, entrant: str, point: int = -1) -> str:
    """Return "best", "level" for an entrant that can't be told from it, or ""."""
    if entrant == comparison.best(dataset, point):
        return "best"
    return "level" if entrant in comparison.not_worse(dataset, point) else ""


def _pairs(comparison: Comparison) -> Iterator[tuple[str, str, Scores]]:
    for dataset in comparison.experiment.problems:
        for entrant in comparison.order:
            found = comparison.scores.get((dataset, entrant))
            if found is not None:
                yield dataset, entrant, found


def _estimates(found: Scores, measures: dict[str, FloatArray]) -> dict[str, float]:
    """Return the mean over runs of each measure with its interval, all from the same bootstrap samples."""
    values = np.stack(list(measures.values()), axis=1)  # (runs, measures)
    low, high = resamples.interval(resamples.means(found.counts, values), len(values))
    result: dict[str, float] = {}
    for position, (name, mean) in enumerate(zip(measures, values.mean(axis=0), strict=True)):
        result |= {name: float(mean), f"{name}_low": float(low[position]), f"{name}_high": float(high[position])}
    return result


def _interquartile_mean(found: Scores) -> dict[str, float]:
    name, value = "regret_interquartile_mean", statistics.interquartile_mean(found.regret[:, -1])
    low, high = map(float, resamples.interval(found.replicates[:, 2], found.summary.runs))
    return {name: float(value), f"{name}_low": low, f"{name}_high": high}


def _running_times(found: Scores) -> dict[str, float]:
    expected, success = scores.expected_running_time(found.point_hits, found.spent)
    result = {}
    for position, points in enumerate(TARGET_POINTS):
        result[f"share_of_runs_reaching_{points:g}_points"] = float(success[position])
        result[f"expected_seconds_to_{points:g}_points"] = float(expected[position])
    return result


def _improvement(comparison: Comparison, dataset: str, entrant: str) -> dict[str, float]:
    name = "probability_of_improvement_over_random_search"
    nothing = statistics.Estimate(float("nan"), float("nan"), float("nan"))
    estimate = comparison.improvement_estimate((dataset,), entrant) or nothing
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def _against_best(comparison: Comparison, dataset: str, entrant: str) -> dict[str, float | str]:
    best, entrants, tests = comparison.best(dataset), comparison.tested[dataset], comparison.tests[dataset][-1]
    row, column = entrants.index(entrant), entrants.index(best) if best is not None else entrants.index(entrant)
    return {
        "score_minus_best_entrant": float(tests.difference[row, column]),
        "holm_p_against_best_entrant": float(tests.p_holm[row, column]),
        "a12_against_best_entrant": float(tests.a12[row, column]),
        "mark": mark(comparison, dataset, entrant),
    }
