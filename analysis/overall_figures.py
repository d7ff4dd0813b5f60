"""Figures over all problems: performance profiles, and ranks as a critical-difference diagram or with intervals.

Diagrams: Demsar, JMLR 7, 2006, figure 1: best rank at the left, bars join entrants that the tests can't tell apart. Below
`ranks.FEWEST_PROBLEMS` problems there is no such diagram: ranks stand with intervals over the seeds, and the caption says why.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from . import captions
from .comparison import Comparison
from .figures import Plot, groups_of, line_handles
from .overall import Overall, verdict
from .ranks import cliques
from .style import letters, line_styles, logarithmic, text_width

LETTER = 0.053  # inches, the mean width of a letter of 7 points


def profile_figure(comparison: Comparison, found: Overall) -> list[Plot]:
    """Draw the share of runs with at most a normalised regret, averaged over problems, with bands; a panel a group."""
    groups = [
        (title, tuple(entrant for entrant in entrants if entrant in found.profiles))
        for title, entrants in groups_of(comparison)
    ]
    groups = [group for group in groups if group[1]]
    columns = min(2, len(groups))
    rows = -(-len(groups) // columns)
    figure = Figure(figsize=(text_width(), 2.1 * rows if len(groups) > 1 else 2.3), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    styles = line_styles(comparison.experiment.entrants)
    unfinished = np.min([profile.share for profile in found.profiles.values()], axis=0) < 1.0
    last = found.thresholds[min(int(unfinished.sum()) + 2, len(unfinished) - 1)]  # to where every run is in
    for position, axes in enumerate(grid.flat):
        if position >= len(groups):
            axes.set_axis_off()
            continue
        title, entrants = groups[position]
        for entrant in reversed(entrants):
            profile, style = found.profiles[entrant], styles[entrant]
            x = 100 * found.thresholds
            axes.fill_between(x, profile.low, profile.high, color=style.colour, alpha=0.18, linewidth=0)
            axes.plot(x, profile.share, color=style.colour, linestyle=style.dash)
        axes.set_xscale("log")
        axes.set_xlim(100 * found.thresholds[0], 100 * last)
        axes.set_ylim(0, 1.02)
        logarithmic(axes, "x")
        axes.tick_params(labelbottom=True)
        axes.set_xlabel("normalised regret (%)")
        if position % columns == 0:
            axes.set_ylabel("share of runs")
        beside = len(groups) == 1
        axes.legend(
            handles=line_handles(comparison, entrants),
            title=title[:1].upper() + title[1:] if title else None,
            title_fontproperties={"size": letters("legend.fontsize"), "weight": "bold"},
            loc="center left" if beside else "upper left",
            bbox_to_anchor=(1.02, 0.5) if beside else None,
            alignment="left",
            fontsize=letters("legend.fontsize") * (1.0 if beside else 6.0 / 7.0),
            labelspacing=0.3,
            handlelength=2.4,
        )
    return [Plot(figure, groups)]


def rank_figure(comparison: Comparison, found: Overall) -> list[Plot]:
    """Draw average ranks: a critical-difference diagram over enough problems, else points with intervals."""
    if not found.entrants:
        return []
    figure = Figure(figsize=(text_width(), 0.75 + 0.165 * len(found.entrants)), layout="constrained")
    axes = figure.subplots()
    (_intervals if found.tests is None else _diagram)(axes, comparison, found)
    return [Plot(figure, [("", found.entrants)])]


def _intervals(axes: Axes, comparison: Comparison, found: Overall) -> None:
    """One line an entrant, best at the top: point and 95 % interval over the seeds."""
    styles = line_styles(comparison.experiment.entrants)
    places = range(len(found.entrants))
    for place, entrant in enumerate(found.entrants):
        colour = styles[entrant].colour
        axes.plot([found.rank_interval.low[place], found.rank_interval.high[place]], [place, place], color=colour)
        axes.plot(found.rank[place], place, marker="o", markersize=3.5, color=colour, linestyle="none")
    axes.set_yticks(list(places), [comparison.experiment.titles[entrant] for entrant in found.entrants])
    axes.set_ylim(len(found.entrants) - 0.5, -0.5)
    axes.set_xlim(0.8, len(found.entrants) + 0.2)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(f"average rank over {found.problems} data set{'s' if found.problems > 1 else ''} (1 is best)")


def _diagram(axes: Axes, comparison: Comparison, found: Overall) -> None:
    """Demsar's diagram: a scale of ranks, entrants on leaders left and right, bars over what can't be told apart."""
    styles, titles = line_styles(comparison.experiment.entrants), comparison.experiment.titles
    number = len(found.entrants)
    bars = cliques(found.rank, found.different)
    left = (number + 1) // 2
    gap = 0.55  # between bars, in units of a line of names
    top = gap * (len(bars) + 1)
    lowest = top + max(left, number - left)
    for place, group in enumerate(bars):
        ends = found.rank[list(group)]
        axes.plot([ends.min() - 0.03, ends.max() + 0.03], [gap * (place + 1)] * 2, color="#222222", linewidth=2.4)
    reach = 0.12 * (number - 1)
    for place, entrant in enumerate(found.entrants):
        rank, at_left = float(found.rank[place]), place < left
        line = top + (place if at_left else number - 1 - place) + 0.5
        end = 1 - reach if at_left else number + reach
        axes.plot([rank, rank, end], [0, line, line], color=styles[entrant].colour, linewidth=0.8)
        axes.plot(rank, 0, marker="o", markersize=3.0, color=styles[entrant].colour, clip_on=False, zorder=3)
        label = f"{titles[entrant]}  {rank:.2f}" if at_left else f"{rank:.2f}  {titles[entrant]}"
        axes.annotate(
            label, (end, line), xytext=(-3 if at_left else 3, 0), textcoords="offset points", va="center",
            ha="right" if at_left else "left", annotation_clip=False,
        )  # fmt: skip
    widths = [
        LETTER * letters("font.size") / 7.0 * (len(titles[entrant]) + 7) / text_width() for entrant in found.entrants
    ]  # of names, share of the figure
    rooms = max(widths[:left]), max(widths[left:])
    span = (number - 1 + 2 * reach) / max(0.2, 1 - sum(rooms))
    axes.set_xlim(1 - reach - rooms[0] * span, number + reach + rooms[1] * span)
    axes.set_ylim(lowest + 0.3, 0)
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set_xticks([tick for tick in range(1, number + 1) if number <= 16 or tick % 5 == 0 or tick == 1])
    axes.set_xlabel(f"average rank over {found.problems} data sets (1 is best)")
    axes.spines[["left", "bottom", "right"]].set_visible(False)
    axes.spines["top"].set_visible(True)
    axes.spines["top"].set_bounds(1, number)
    axes.set_yticks([])
    axes.grid(visible=False)


def overall_captions(comparison: Comparison, found: Overall) -> dict[str, str]:
    """Return the captions of both figures by file name."""
    how = (
        "Bars join entrants that the tests below can't tell apart."
        if found.tests is not None
        else f"Lines: {captions.LEVEL} bootstrap interval, runs resampled within each data set; they hold for these data sets."
    )
    return {
        "average-ranks": captions.caption(
            comparison, "Average ranks of the mean regrets at the full budget.", how, verdict(comparison, found)
        ),
        "performance-profiles": captions.caption(
            comparison,
            "Performance profiles (Agarwal et al. 2021): share of runs that end with at most so much regret, in per cent of the "
            "gap between the best score and the mean of random sampling, averaged over data sets; higher and further left is better.",
            f"Bands: pointwise {captions.LEVEL} bootstrap interval, runs resampled within each data set.",
        ),
    }
