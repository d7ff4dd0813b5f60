"""Figures of `nasbench describe` about steps from cell to cell: random walks, distances, local optima."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from .describe_panels import dataset_styles, few_ticks, legend_below, panels
from .description import Description
from .style import COLOURS, logarithmic


def walks(description: Description) -> Figure | None:
    """Draw the autocorrelation of random walks, and differences of score by number of differing edges."""
    shown = description.landscapes
    if not shown:
        return None
    lines = dataset_styles(description)
    figure, (left, right) = panels(2, 1.75)
    highest = 0.0
    for found, near in shown:
        line = lines[found.data.name]
        left.plot(near.walk, color=line.colour, linestyle=line.dash)
        distances = np.arange(1, len(near.locality.mean_difference))
        difference = 100 * near.locality.mean_difference[1:]
        right.plot(distances, difference, color=line.colour, linestyle=line.dash, marker="o", markersize=3)
        if found.noise[0].seed_deviation > 0:  # mean difference of two equal normal variables: 2 sd / sqrt(pi)
            noise = 200 * found.noise[0].median_seed_deviation / np.sqrt(np.pi)
            right.axhline(noise, color=line.colour, linestyle=line.dash, linewidth=0.6)
            highest = max(highest, noise)
    left.axhline(np.exp(-1), color="#222222", linewidth=0.6)
    left.text(len(shown[0][1].walk) - 1, np.exp(-1) + 0.02, "1/e", ha="right", fontsize=6.5)
    left.set_xlim(0, len(shown[0][1].walk) - 1)
    left.set_ylim(min(0.0, *[float(near.walk.min()) for _, near in shown]) - 0.02, 1.02)
    left.set_xlabel("steps of a random walk")
    left.set_ylabel("autocorrelation")
    right.set_xlabel("differing edges")
    right.set_ylabel("mean difference (points)")
    right.set_ylim(bottom=0)
    if highest:
        right.text(
            0.98, highest, "two seeds of one cell", transform=right.get_yaxis_transform(), ha="right", va="bottom"
        )
    few_ticks(left)
    right.set_xticks(range(1, len(shown[0][1].locality.pairs)))
    legend_below(figure, [(found.title, lines[found.data.name]) for found, _ in shown])
    return figure


def distances(description: Description) -> Figure | None:
    """Draw the scores by distance to the nearest best cell."""
    shown = description.landscapes
    if not shown:
        return None
    figure, grid = panels(len(shown), 1.6)
    for axes, (found, near) in zip(grid, shown, strict=True):
        colour = dataset_styles(description)[found.data.name].colour
        for each in near.by_distance:
            low, ten, first, middle, third, ninety, high = (100 * value for value in each.quantiles)
            at = [each.distance] * 2
            axes.plot(at, [low, high], color=colour, linewidth=0.6)
            axes.plot(at, [ten, ninety], color=colour, linewidth=2.2, solid_capstyle="butt")
            axes.bar(each.distance, third - first, bottom=first, width=0.5, color=colour, linewidth=0)
            axes.plot([at[0] - 0.25, at[0] + 0.25], [middle] * 2, color="#222222", linewidth=0.9, solid_capstyle="butt")
        deciles = [100 * each.quantiles[1] for each in near.by_distance]
        top = 100 * near.scores.max()
        axes.set_ylim(min(deciles) - 0.1 * (top - min(deciles)) - 1e-9, top + 0.06 * (top - min(deciles)) + 1e-9)
        axes.set_xlim(-0.5, len(description.table.space.edges) + 0.5)
        axes.set_xlabel("edges from the best cell")
        axes.set_title(found.title)
        few_ticks(axes)
        axes.grid(axis="x", visible=False)
    grid[0].set_ylabel(f"{shown[0][0].data.score_split} accuracy (%)")
    return figure


def local_optima(description: Description) -> Figure | None:
    """Draw every local optimum: how far below the best it is, and what share of the climbers end there."""
    shown = description.landscapes
    if not shown:
        return None
    figure, grid = panels(len(shown), 1.6)
    shares = [each.size / len(near.scores) for _, near in shown for each in near.climbs]
    smallest = min(float(share[share > 0].min(initial=1.0)) for share in shares)
    for axes, (found, near) in zip(grid, shown, strict=True):
        below = 100 * (near.scores.max() - near.scores[near.optima.peaks])
        axes.set_ylim(60 * smallest, 150)  # before anything is drawn: a single point has no range of its own
        axes.set_yscale("log")
        for basin, marker, colour, face in (
            (near.climbs[0], "o", COLOURS[0], COLOURS[0]),
            (near.climbs[1], "s", COLOURS[1], "none"),
        ):
            share = 100 * basin.size / len(near.scores)
            drawn = share > 0
            axes.plot(
                below[drawn],
                share[drawn],
                marker,
                markersize=3,
                markeredgecolor=colour,
                markerfacecolor=face,
                markeredgewidth=0.7,
                linestyle="none",
            )
        axes.set_xlim(-0.04 * max(float(below.max()), 1e-3), 1.06 * max(float(below.max()), 1e-3))
        logarithmic(axes, "y")
        axes.set_title(f"{found.title}: {len(below)}")
        axes.set_xlabel("points below the best")
    grid[0].set_ylabel("starts that end there (%)")
    handles = [
        Line2D([], [], color=COLOURS[0], marker="o", markersize=3, linestyle="none", label="best improvement"),
        Line2D([], [], color=COLOURS[1], marker="s", markersize=3, mfc="none", ls="none", label="first improvement"),
    ]
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + 0.17)
    figure.legend(handles=handles, loc="outside lower center", ncols=2, handletextpad=0.2)
    return figure


FIGURES: Mapping[str, Callable[[Description], Figure | None]] = {
    "walks": walks,
    "distances": distances,
    "local-optima": local_optima,
}
