"""Search as it goes on: expected running times, area under the curve, the chance of a top cell; and RL, evolution and random.

Expected running time and targets: Hansen et al., COCO performance assessment, 2016, arXiv 1605.03560. The comparison of
reinforcement learning, evolution and random search over time: Real, Aggarwal, Huang & Le, AAAI 2019, arXiv 1802.01548
(figure 3 and its supplement: accuracy of the recent trainings and of the best model against the number of models trained).

Departures from Real et al.: recent means the last `WINDOW` trainings, not those of a time window; the best model is scored by
its mean over all repeats in the table instead of one retraining; model sizes are not drawn, since records hold none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from . import captions, resamples, scores, statistics
from .comparison import TARGET_POINTS, Comparison, Scores
from .figures import Plot, data_set_pages, line_handles, time_unit
from .records import Problem
from .statistics import Estimate
from .style import line_styles, logarithmic, text_width
from .tables import NOTHING, Column, Entry, PrintTable, csv_text

FloatArray: TypeAlias = NDArray[np.float64]

PRINTED_POINTS = (1.0, 0.5, 0.1)  # target regrets whose running times are printed
TOP = "0.001"  # the best 0.1 % of the cells
REAL_FAMILIES = ("reinforcement", "evolution", "random")
MOST_OF_A_FAMILY = 2  # the best ones; more lines than six are no comparison of three ideas


def running_time_intervals(
    hits: FloatArray, seconds_spent: FloatArray, counts: resamples.Counts
) -> tuple[list[Estimate], list[Estimate]]:
    """Return expected running times and shares of successful runs, each with its 95 % bootstrap interval, for each target.

    Args:
        hits: from `scores.first_hits`, shape (runs, targets).
        seconds_spent: from `scores.spent`, shape (runs,).
        counts: bootstrap samples of the runs, shape (resamples, runs).

    Returns:
        Seconds and shares. An end is infinite where so many samples hold no success; NaN for a single run.
    """
    expected, share = scores.expected_running_time(hits, seconds_spent)
    if len(hits) < 2:
        return [Estimate(float(value), np.nan, np.nan) for value in expected], [
            Estimate(float(value), np.nan, np.nan) for value in share
        ]
    success = np.isfinite(hits)
    weights = counts.astype(np.float64)
    used = weights @ np.where(success, hits, seconds_spent[:, None])
    successes = weights @ success.astype(np.float64)
    drawn = np.full(used.shape, np.inf)
    np.divide(used, successes, out=drawn, where=successes > 0)
    levels = [(1.0 - statistics.LEVEL) / 2.0, (1.0 + statistics.LEVEL) / 2.0]
    # An order statistic, not a value between two: between a number and infinity there is none.
    low, high = np.quantile(drawn, levels, axis=0, method="inverted_cdf")
    share_low, share_high = np.quantile(successes / len(hits), levels, axis=0)
    times = [Estimate(*map(float, each)) for each in zip(expected, low, high, strict=True)]
    return times, [Estimate(*map(float, each)) for each in zip(share, share_low, share_high, strict=True)]


def anytime_table(comparison: Comparison, dataset: str) -> PrintTable:
    """Make the table of one data set: area under the curve, expected running times to targets, share in the top 0.1 %."""
    experiment, title = comparison.experiment, captions.dataset_title(dataset)
    unit, divisor = time_unit(comparison)
    columns = [Column("", "Area (points)", "area_points")]
    for points in PRINTED_POINTS:
        heading = f"Regret of {points:g} point{'s' if points != 1 else ''}"
        columns += [
            Column(heading, unit, f"expected_{unit}_to_{points:g}_points"),
            Column(heading, "runs (%)", f"percent_of_runs_reaching_{points:g}_points"),
        ]
    known = TOP in experiment.problems[dataset].top_score
    if known:
        columns.append(Column("", "Top 0.1 % (%)", "percent_of_runs_in_top_0.1_percent"))
    rows = []
    for entrant in comparison.order:
        found = comparison.scores.get((dataset, entrant))
        entries = [NOTHING] * len(columns)
        if found is not None:
            entries = _entries(comparison, dataset, entrant, found, divisor)
        rows.append((experiment.titles[entrant], tuple(entries)))
    top = (
        " Top 0.1 %: share of runs whose final incumbent is among the best 0.1 % of the architectures by score."
        if known
        else ""
    )
    text = captions.caption(
        comparison,
        f"Search over time on {title}. Area: mean regret over the logarithm of time, from a tenth of the budget or the first "
        f"checkpoint, whichever is earlier, to the budget. Regret of so many points: expected running time (Hansen et al. "
        "2016), the simulated time of all runs until success or their end, divided by the number of successes; and the share "
        f"of runs that had such an incumbent. A dash: no run had.{top} ± half the width of the {captions.LEVEL} bootstrap "
        "interval over runs; intervals of the running times stand in anytime.csv.",
    )
    return PrintTable(f"anytime-{dataset}", tuple(columns), (), tuple(rows), text, f"Search over time on {title}")


def anytime_csv(comparison: Comparison) -> str:
    """Write expected running times and shares of successful runs for each round target, with intervals."""
    rows = []
    for dataset in comparison.experiment.problems:
        for entrant in comparison.order:
            found = comparison.scores.get((dataset, entrant))
            if found is None:
                continue
            times, shares = running_time_intervals(found.point_hits, found.spent, found.counts)
            rows += [
                {
                    "dataset": dataset,
                    "entrant": entrant,
                    "target_regret": points / 100.0,
                    "expected_running_time_seconds": time.value,
                    "expected_running_time_seconds_low": time.low,
                    "expected_running_time_seconds_high": time.high,
                    "share_of_runs": share.value,
                    "share_of_runs_low": share.low,
                    "share_of_runs_high": share.high,
                }
                for points, time, share in zip(TARGET_POINTS, times, shares, strict=True)
            ]
    return csv_text(rows)


def three_ideas(comparison: Comparison) -> tuple[str, ...]:
    """Return the entrants of the figure after Real et al.: random search and the best ones of RL and of evolution.

    Empty unless all three families took part and have recent trainings to show.
    """
    entrants = comparison.experiment.entrants
    chosen = []
    for family in REAL_FAMILIES:
        names = [
            name
            for name in comparison.order
            if entrants[name].family == family and any(_recent(comparison, dataset, name) for dataset in comparison.experiment.problems)
        ]  # fmt: skip
        if not names:
            return ()
        chosen += names[:MOST_OF_A_FAMILY]
    return tuple(name for name in comparison.order if name in chosen)


def three_ideas_figure(comparison: Comparison) -> list[Plot]:
    """Draw, against the number of trainings, validation accuracy of the recent ones above, regret of the incumbent below."""
    entrants = three_ideas(comparison)
    return [_page(comparison, entrants, datasets) for datasets in data_set_pages(comparison)] if entrants else []


def _page(comparison: Comparison, entrants: tuple[str, ...], datasets: list[str]) -> Plot:
    figure = Figure(figsize=(text_width(), 3.3), layout="constrained")
    grid = figure.subplots(2, len(datasets), squeeze=False, sharex="col")
    for column, dataset in enumerate(datasets):
        upper, lower = grid[:, column]
        _draw(upper, comparison, dataset, entrants, recent=True)
        _draw(lower, comparison, dataset, entrants, recent=False)
        upper.set_title(captions.dataset_title(dataset))
        lower.set_xlabel("trainings")
        longest = max(
            float(comparison.scores[dataset, name].by_queries.x[-1])
            for name in entrants
            if (dataset, name) in comparison.scores
        )
        for axes in (upper, lower):
            axes.set_xscale("log")
            axes.set_xlim(1, 1.05 * longest)
        lower.set_yscale("log")
        logarithmic(lower, "x")
        logarithmic(lower, "y")
    grid[0, 0].set_ylabel("recent validation\naccuracy (%)")
    grid[1, 0].set_ylabel("regret of the\nincumbent (points)")
    longest_title = max(len(comparison.experiment.titles[name]) for name in entrants)
    columns = 3 if longest_title <= 28 else 2
    figure.legend(
        handles=line_handles(comparison, entrants), loc="outside lower center", ncols=columns, columnspacing=1.6
    )
    return Plot(figure, [("", entrants)])


def three_ideas_caption(comparison: Comparison) -> str:
    """Return its caption."""
    return captions.caption(
        comparison,
        "Reinforcement learning, evolution and random search over time, after Real et al. (AAAI 2019). Above: observed "
        f"validation accuracy of the last {scores.WINDOW} trainings, what the search has learnt to propose. Below: regret of the "
        f"incumbent. Of each family at most {MOST_OF_A_FAMILY} entrants, those with the lowest average regret.",
        f"Lines: mean over runs; bands: pointwise {captions.interval('the mean')}. Curves end with the run that could afford the "
        "fewest trainings.",
    )


def _draw(axes: Axes, comparison: Comparison, dataset: str, entrants: Sequence[str], recent: bool) -> None:
    styles = line_styles(comparison.experiment.entrants)
    for entrant in reversed(entrants):
        if (dataset, entrant) not in comparison.scores:
            continue
        found, style = comparison.scores[dataset, entrant], styles[entrant]
        curve = found.recent if recent else found.by_queries
        floor = 0.0 if recent else 1e-9
        low, high, mean = (
            np.maximum(100 * each, floor) for each in (curve.regret.low, curve.regret.high, curve.regret.mean)
        )
        axes.fill_between(curve.x, low, high, color=style.colour, alpha=0.18, linewidth=0)
        axes.plot(curve.x, mean, color=style.colour, linestyle=style.dash)


def _entries(comparison: Comparison, dataset: str, entrant: str, found: Scores, divisor: float) -> list[Entry]:
    problem: Problem = comparison.experiment.problems[dataset]
    area = NOTHING if np.isnan(found.area).any() else _mean_entry(found, found.area, 3)
    entries = [area]
    expected, share = scores.expected_running_time(found.point_hits, found.spent)
    for points in PRINTED_POINTS:
        place = TARGET_POINTS.index(points)
        seconds = float(expected[place]) / divisor
        entries.append(Entry(seconds, digits=1) if np.isfinite(seconds) else NOTHING)
        entries.append(Entry(100.0 * float(share[place]), digits=1))
    if TOP in problem.top_score:
        at_top = (found.score[:, -1] >= problem.top_score[TOP] - 1e-12).astype(np.float64)
        entries.append(_mean_entry(found, at_top, 1))
    return entries


def _mean_entry(found: Scores, values: FloatArray, digits: int) -> Entry:
    """Return the mean over runs of fractions, in per cent, with half the width of its interval."""
    low, high = resamples.interval(resamples.means(found.counts, values), len(values))
    return Entry(100.0 * float(values.mean()), 50.0 * float(high - low), digits)


def _recent(comparison: Comparison, dataset: str, entrant: str) -> bool:
    found = comparison.scores.get((dataset, entrant))
    return found is not None and len(found.recent.x) > 1
