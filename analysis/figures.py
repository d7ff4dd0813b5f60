"""Figures of a comparison: regret over time and over queries, the spread at full budget, targets reached.

One panel a data set side by side. More lines than a reader can tell apart are split into rows by family, each with random
search for reference. Every function returns figures that `style.save` writes, made within `style.styled()`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from . import scores
from .captions import dataset_title
from .comparison import Comparison, Curve
from .scores import FloatArray
from .style import LineStyle, letters, line_styles, logarithmic, text_width

MOST_LINES = 8  # a panel
MOST_ROWS = 6  # a page
MOST_COLUMNS = 4  # a page
LETTERS_AN_INCH = 19  # in a legend, at 7 points

Draw = Callable[[Axes, str, str, LineStyle], None]
"""`draw(axes, data set, entrant, style)` puts one entrant into one panel."""


class Plot(NamedTuple):
    """A figure, with the lines it shows for its caption."""

    figure: Figure
    groups: list[tuple[str, tuple[str, ...]]]


def regret_over_seconds(comparison: Comparison) -> list[Plot]:
    """Draw mean regret with its interval against simulated seconds, both logarithmic."""
    return _regret(comparison, "seconds")


def median_regret_over_seconds(comparison: Comparison) -> list[Plot]:
    """Draw the median regret with the quartiles against simulated seconds: what a single run may expect."""
    return _regret(comparison, "seconds", median=True)


def regret_over_queries(comparison: Comparison) -> list[Plot]:
    """Draw mean regret with its interval against the number of queries, both logarithmic."""
    return _regret(comparison, "by_queries")


def regret_at_budget(comparison: Comparison) -> list[Plot]:
    """Draw the distribution over runs of the regret at the full budget: share of runs with at most so much.

    A curve begins at the left edge with the share of runs that ended below the axis, most of them at the optimum.
    """

    def draw(axes: Axes, dataset: str, entrant: str, style: LineStyle) -> None:
        regret = np.sort(comparison.scores[dataset, entrant].regret[:, -1])
        regret = regret[~np.isnan(regret)]
        if not len(regret):
            return  # no run had trained anything when the budget ended
        runs = comparison.scores[dataset, entrant].summary.runs
        share = np.arange(1, len(regret) + 1) / runs
        below = int(np.searchsorted(regret, low / 100, side="right"))
        x = np.concatenate([[low], 100 * regret[below:], [high]])
        y = np.concatenate([[below / runs], share[below:], share[-1:]])
        axes.plot(x, y, drawstyle="steps-post", color=style.colour, linestyle=style.dash)

    finals = [100 * found.regret[:, -1] for found in comparison.scores.values()]
    positive = np.concatenate([[0.1], *[final[final > 100 * scores.FLOOR] for final in finals]])
    low, high = float(positive.min() / 1.15), float(positive.max() * 1.15)

    def finish(axes: Axes, dataset: str, entrants: Sequence[str]) -> None:
        axes.set_xlim(low, high)
        axes.set_ylim(0, 1.02)
        axes.set_xscale("log")
        logarithmic(axes, "x")

    return _panels(comparison, draw, finish, "regret at full budget (points)", "share of runs")


def targets_over_seconds(comparison: Comparison) -> list[Plot]:
    """Draw the share of pairs of run and target reached by each time (COCO's runtime profiles, without its simulated restarts)."""
    starts: dict[str, float] = {}
    unit, divisor = time_unit(comparison)

    def draw(axes: Axes, dataset: str, entrant: str, style: LineStyle) -> None:
        found = comparison.scores[dataset, entrant]
        grid = scores.seconds_grid(comparison.experiment.problems[dataset].budget)
        share = scores.targets_reached(found.hits, grid)
        first = int(np.argmax(share >= min(0.005, share[-1])))
        starts[dataset] = min(starts.get(dataset, np.inf), float(grid[first]) / divisor)
        axes.plot(grid / divisor, share, color=style.colour, linestyle=style.dash)

    def finish(axes: Axes, dataset: str, entrants: Sequence[str]) -> None:
        budget = comparison.experiment.problems[dataset].budget / divisor
        axes.set_xlim(min(starts.get(dataset, budget), budget / 2), budget)
        axes.set_ylim(0, 1.02)
        axes.set_xscale("log")
        logarithmic(axes, "x")

    return _panels(comparison, draw, finish, f"simulated {unit}", "share of targets reached")


def time_unit(comparison: Comparison) -> tuple[str, float]:
    """Return the unit of the time axes, the same in all panels, and its seconds: hours where budgets are long."""
    shortest = min(problem.budget for problem in comparison.experiment.problems.values())
    return ("hours", 3600.0) if shortest >= 5 * 3600.0 else ("seconds", 1.0)


def _regret(comparison: Comparison, which: Literal["seconds", "by_queries"], median: bool = False) -> list[Plot]:
    unit, divisor = time_unit(comparison) if which == "seconds" else ("queries", 1.0)
    label = f"simulated {unit}" if which == "seconds" else unit

    # Between the points of the dense grid of seconds a line is as good as a step and keeps dashes clean.
    step: Literal["post"] | None = "post" if which == "by_queries" else None

    def curve(dataset: str, entrant: str) -> Curve:
        found: Curve = getattr(comparison.scores[dataset, entrant], which)
        return Curve(found.x / divisor, found.regret, found.tail / divisor)

    def draw(axes: Axes, dataset: str, entrant: str, style: LineStyle) -> None:
        x, regret, tail = curve(dataset, entrant)
        if not len(x):
            return
        ends = (regret.lower_quartile, regret.upper_quartile) if median else (regret.low, regret.high)
        low, high = (np.maximum(100 * end, 1e-9) for end in ends)  # zero has no place on a logarithmic axis
        centre = np.maximum(100 * (regret.median if median else regret.mean), 1e-9)
        if not np.isnan(low).any():
            opacity = 0.07 if median else 0.18
            axes.fill_between(x, low, high, step=step, color=style.colour, alpha=opacity, linewidth=0)
        if median:  # the quartiles of several entrants overlap: their edges must be seen
            for end in (low, high):
                axes.plot(x, end, color=style.colour, linestyle=style.dash, linewidth=0.4)
        for part, width in ((x <= tail, 1.2), (x >= tail, 0.5)):
            axes.plot(
                x[part],
                centre[part],
                drawstyle="steps-post" if step else "default",
                color=style.colour,
                linestyle=style.dash,
                linewidth=width,
            )

    def finish(axes: Axes, dataset: str, entrants: Sequence[str]) -> None:
        shown = [curve(dataset, entrant) for entrant in entrants if (dataset, entrant) in comparison.scores]
        shown = [each for each in shown if len(each.x)]
        axes.set_xscale("log")
        axes.set_yscale("log")
        if shown:
            first, last = min(each.x[0] for each in shown), max(each.x[-1] for each in shown)
            axes.set_xlim(first, max(last, 2.0 * first))
            lines = [each.regret.median if median else each.regret.mean for each in shown]
            axes.set_ylim(*_regret_limits(lines, [each.regret.upper_quartile for each in shown] if median else lines))
        logarithmic(axes, "x")
        logarithmic(axes, "y")

    return _panels(comparison, draw, finish, label, "regret (points)")


def _regret_limits(lines: Sequence[FloatArray], upper: Sequence[FloatArray]) -> tuple[float, float]:
    """Return limits in points that hold all lines; one that falls to zero, the optimum, leaves through the lower edge."""
    values = 100 * np.concatenate(lines)
    positive = values[values >= 100 * scores.FLOOR]
    if not positive.size:
        return 100 * scores.FLOOR, 1.0
    return float(positive.min()) / 1.35, max(120 * float(np.concatenate(upper).max()), 2 * float(positive.min()))


def groups_of(comparison: Comparison) -> list[tuple[str, tuple[str, ...]]]:
    """Split the entrants into groups of at most `MOST_LINES`: one if they are few, else by family with random search.

    Returns:
        Names of groups ("" for the only one) and their entrants, best average first; families by their best entrant.
    """
    order = comparison.order
    if len(order) <= MOST_LINES:
        return [("", order)]
    entrants = comparison.experiment.entrants
    reference = () if comparison.reference is None else (comparison.reference,)
    families: dict[str, list[str]] = {}
    for name in order:
        if name not in reference:
            families.setdefault(entrants[name].family or "other", []).append(name)
    groups = []
    most = MOST_LINES - len(reference)
    for family, names in families.items():
        parts = -(-len(names) // most)
        size = -(-len(names) // parts)
        for part in range(parts):
            chosen = {*names[part * size : (part + 1) * size], *reference}
            title = family if parts == 1 else f"{family} ({part + 1} of {parts})"
            groups.append((title, tuple(name for name in order if name in chosen)))
    return groups


def _panels(
    comparison: Comparison,
    draw: Draw,
    finish: Callable[[Axes, str, Sequence[str]], None],
    x_label: str,
    y_label: str,
) -> list[Plot]:
    groups = groups_of(comparison)
    if len(groups) == 1:
        return [_one_group(comparison, groups[0], draw, finish, x_label, y_label)]
    pages = -(-len(groups) // MOST_ROWS)
    rows = -(-len(groups) // pages)
    return [
        _many_groups(comparison, groups[first : first + rows], datasets, draw, finish, x_label, y_label)
        for datasets in data_set_pages(comparison)
        for first in range(0, len(groups), rows)
    ]


def data_set_pages(comparison: Comparison) -> list[list[str]]:
    """Split the data sets into pages of nearly equal length, at most `MOST_COLUMNS` each."""
    datasets = list(comparison.experiment.problems)
    pages = -(-len(datasets) // MOST_COLUMNS)
    size = -(-len(datasets) // pages)
    return [datasets[first : first + size] for first in range(0, len(datasets), size)]


def _one_group(
    comparison: Comparison,
    group: tuple[str, tuple[str, ...]],
    draw: Draw,
    finish: Callable[[Axes, str, Sequence[str]], None],
    x_label: str,
    y_label: str,
) -> Plot:
    """Lay the panels side by side, at most four in a row, with one legend below."""
    datasets = list(comparison.experiment.problems)
    columns = min(MOST_COLUMNS, len(datasets)) if len(datasets) != 5 else 3
    rows = -(-len(datasets) // columns)
    width = text_width() if columns > 1 else 0.62 * text_width()
    handles = line_handles(comparison, group[1])
    longest = max(len(str(handle.get_label())) for handle in handles)
    legend_columns = max(
        1, min(4, len(handles), int(width * LETTERS_AN_INCH * 7.0 / letters("legend.fontsize")) // (longest + 8))
    )
    legend_rows = -(-len(handles) // legend_columns)
    figure = Figure(figsize=(width, 1.75 * rows + 0.15 + 0.16 * legend_rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for position, axes in enumerate(grid.flat):
        if position >= len(datasets):
            axes.set_axis_off()
            continue
        _fill(axes, comparison, datasets[position], group[1], draw, finish)
        axes.set_title(dataset_title(datasets[position]))
        axes.set_xlabel(x_label)
        if position % columns == 0:
            axes.set_ylabel(y_label)
    figure.legend(handles=handles, loc="outside lower center", ncols=legend_columns, columnspacing=1.6)
    return Plot(figure, [group])


def _many_groups(
    comparison: Comparison,
    groups: list[tuple[str, tuple[str, ...]]],
    datasets: list[str],
    draw: Draw,
    finish: Callable[[Axes, str, Sequence[str]], None],
    x_label: str,
    y_label: str,
) -> Plot:
    """Lay one group a row, one data set a column, the legend of each row at its right."""
    figure = Figure(figsize=(text_width(), 1.15 * len(groups) + 0.5), layout="constrained")
    grid = figure.subplots(len(groups), len(datasets), squeeze=False)
    for row, (title, entrants) in enumerate(groups):
        for column, dataset in enumerate(datasets):
            axes = grid[row, column]
            _fill(axes, comparison, dataset, entrants, draw, finish)
            if row == 0:
                axes.set_title(dataset_title(dataset))
            axes.tick_params(labelbottom=row == len(groups) - 1)
        grid[row, -1].legend(
            handles=line_handles(comparison, entrants),
            title=title[:1].upper() + title[1:],
            title_fontproperties={"size": letters("legend.fontsize"), "weight": "bold"},
            loc="center left",
            bbox_to_anchor=(1.04, 0.5),
            alignment="left",
            borderaxespad=0.0,
            handlelength=2.2,
            labelspacing=0.3,
        )
    figure.supxlabel(x_label, fontsize=letters("axes.labelsize"))
    figure.supylabel(y_label, fontsize=letters("axes.labelsize"))
    for column in range(len(datasets)):  # rows can be compared: one scale for a data set
        limits = np.array([[*axes.get_xlim(), *axes.get_ylim()] for axes in grid[:, column]])
        for axes in grid[:, column]:
            axes.set_xlim(limits[:, 0].min(), limits[:, 1].max())
            axes.set_ylim(limits[:, 2].min(), limits[:, 3].max())
            logarithmic(axes, "x")
            if axes.get_yscale() == "log":
                logarithmic(axes, "y")
            axes.minorticks_off()  # small panels are calmer without, and half as long to draw
    return Plot(figure, groups)


def _fill(
    axes: Axes,
    comparison: Comparison,
    dataset: str,
    entrants: Sequence[str],
    draw: Draw,
    finish: Callable[[Axes, str, Sequence[str]], None],
) -> None:
    styles = line_styles(comparison.experiment.entrants)
    for entrant in reversed(entrants):  # the best on top
        if (dataset, entrant) in comparison.scores:
            draw(axes, dataset, entrant, styles[entrant])
    finish(axes, dataset, entrants)


def line_handles(comparison: Comparison, entrants: Sequence[str]) -> list[Line2D]:
    """Return legend entries of the entrants, in this order."""
    styles = line_styles(comparison.experiment.entrants)
    return [
        Line2D([], [], color=styles[name].colour, linestyle=styles[name].dash, label=comparison.experiment.titles[name])
        for name in entrants
    ]
