"""Figures of `nasbench describe` about steps from cell to cell: effects, walks, distances, local optima."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from nasbench.space import CellSpace

from .describe_panels import dataset_styles, few_ticks, heat_map, legend_below, panels
from .description import DatasetDescription, Description, Landscape
from .drawing import operation_label
from .effects import FloatArray, IntArray
from .style import COLOURS, TEXT_WIDTH, logarithmic

ORDER_COLOURS = ("#0B3C5D", "#328CC1", "#A9D1EA", "#D9D9D9")  # dark to light: readable in grey
ORDER_NAMES = ("single edges", "pairs of edges", "three edges", "four or more")


def with_landscape(description: Description) -> list[tuple[DatasetDescription, Landscape]]:
    """Return the data sets that answer for every architecture, with their landscapes."""
    every = description.datasets.values()
    return [(found, found.landscape) for found in every if found.landscape is not None]


def edge_labels(space: CellSpace) -> list[str]:
    """Return the edges as their ends: `in` and `out` for the cell's own, numbers for the nodes between."""
    names = {0: "in", space.nodes - 1: "out"}
    return [f"{names.get(one, one)}\N{RIGHTWARDS ARROW}{names.get(two, two)}" for one, two in space.edges]


def variance(description: Description) -> Figure | None:
    """Draw the shares of the variance by the number of edges that act together, for scores and for ranks."""
    shown = with_landscape(description)
    if not shown:
        return None
    bars = [(found.title, near.effects.by_order) for found, near in shown]
    bars += [(found.title, near.effects.by_order_of_ranks) for found, near in shown]
    height = 0.75 + 0.19 * len(bars)
    figure = Figure(figsize=(0.8 * TEXT_WIDTH, height), layout="constrained")
    axes = figure.subplots()
    gap = 0.0 if len(shown) == 1 else 0.5
    places = [place + (gap if place >= len(shown) else 0.0) for place in range(len(bars))]
    for place, (_, shares) in zip(places, bars, strict=True):
        parts = [*shares[1:4], shares[4:].sum()]
        left = 0.0
        for colour, part in zip(ORDER_COLOURS, parts, strict=False):
            axes.barh(place, 100 * part, left=left, height=0.78, color=colour, linewidth=0)
            if part >= 0.04:
                ink = "white" if colour in ORDER_COLOURS[:2] else "#222222"
                axes.text(left + 50 * part, place, f"{100 * part:.0f}", ha="center", va="center", color=ink, fontsize=6)
            left += 100 * float(part)
    alone = len(shown) == 1
    axes.set_yticks(places, ["scores", "ranks"] if alone else [title for title, _ in bars])
    axes.set_ylim(places[-1] + 0.6, -0.6)
    axes.set_xlim(0, 100)
    axes.set_xlabel("share of the variance between cells (%)")
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)
    for name, part in (("scores", places[: len(shown)]), ("ranks", places[len(shown) :])) if not alone else ():
        middle = np.mean(part)
        axes.text(1.02, float(middle), name, transform=axes.get_yaxis_transform(), rotation=270, va="center", ha="left")
    handles = [Patch(color=colour, label=name) for colour, name in zip(ORDER_COLOURS, ORDER_NAMES, strict=True)]
    figure.legend(
        handles=handles[: len(shown[0][1].effects.by_order) - 1], loc="outside upper center", ncols=4, handlelength=1.2
    )
    return figure


def main_effects(description: Description) -> Figure | None:
    """Draw the mean effect of each operation on each edge."""
    space = description.table.space
    return _maps(
        with_landscape(description),
        [operation_label(name) for name in space.operations],
        edge_labels(space),
        lambda near: 100 * near.effects.main,
    )


def interactions(description: Description) -> Figure | None:
    """Draw the shares of the variance of single edges (diagonal) and of pairs of edges."""
    shown = with_landscape(description)
    if not shown or len(description.table.space.edges) < 2:
        return None
    labels = edge_labels(description.table.space)
    high = max(float(np.nanmax(100 * near.effects.pairwise, initial=1.0)) for _, near in shown)
    figure, grid = panels(len(shown), 1.75)
    for place, (axes, (found, near)) in enumerate(zip(grid, shown, strict=True)):
        shares = 100 * near.effects.pairwise
        above = np.triu(np.ones_like(shares), 1) > 0
        heat_map(axes, shares, labels, labels if not place else [], cmap="Blues", low=0, high=high, hidden=above)
        axes.tick_params(axis="x", rotation=60)
        axes.set_title(found.title)
    return figure


def replacements(description: Description) -> Figure | None:
    """Draw what becomes of the best tenth of the cells when an operation is replaced, averaged over their edges."""
    labels = [operation_label(name) for name in description.table.space.operations]
    figure = _maps(with_landscape(description), labels, labels, _mean_replacement)
    if figure is not None:
        figure.supxlabel("replaced by", fontsize=7.5)
        figure.axes[0].set_ylabel("operation")
    return figure


def _mean_replacement(near: Landscape) -> FloatArray:
    """Return the mean change in points over the edges of the best cells, shape (operations, operations)."""
    return 100 * mean_over_edges(near.effects.replaced_best, near.effects.replaced_best_cells)


def mean_over_edges(changes: FloatArray, cells: IntArray) -> FloatArray:
    """Average changes of shape (edges, operations, operations) over edges, weighted by cells; NaN on the diagonal."""
    weights = np.broadcast_to(cells[:, :, None], changes.shape)
    total = weights.sum(axis=0)
    sums = np.where(weights > 0, changes * weights, 0.0).sum(axis=0)
    means = np.where(total > 0, sums / np.maximum(total, 1), np.nan)
    np.fill_diagonal(means, np.nan)
    return means


def _maps(
    shown: list[tuple[DatasetDescription, Landscape]],
    columns: list[str],
    rows: list[str],
    values_of: Callable[[Landscape], FloatArray],
) -> Figure | None:
    """Draw one matrix in points for each data set, blue above zero, red below, each on its own scale."""
    if not shown:
        return None
    figure, grid = panels(len(shown), 0.5 + 0.19 * len(rows))
    for place, (axes, (found, near)) in enumerate(zip(grid, shown, strict=True)):
        values = values_of(near)
        known = np.abs(values[~np.isnan(values)])
        high = max(float(np.quantile(known, 0.95)) if len(known) else 0.0, 1e-9)
        heat_map(axes, values, columns, rows if not place else [], cmap="RdBu", low=-high, high=high)
        axes.set_title(found.title)
    return figure


def walks(description: Description) -> Figure | None:
    """Draw the autocorrelation of random walks, and differences of score by number of differing edges."""
    shown = with_landscape(description)
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
    shown = with_landscape(description)
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
    shown = with_landscape(description)
    if not shown:
        return None
    figure, grid = panels(len(shown), 1.6)
    shares = [each.size / len(near.scores) for _, near in shown for each in near.climbs]
    smallest = min(float(share[share > 0].min(initial=1.0)) for share in shares)
    for axes, (found, near) in zip(grid, shown, strict=True):
        below = 100 * (near.scores.max() - near.scores[near.optima.peaks])
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
        axes.set_yscale("log")
        axes.set_ylim(60 * smallest, 150)
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
    "variance": variance,
    "main-effects": main_effects,
    "interactions": interactions,
    "replacements": replacements,
    "walks": walks,
    "distances": distances,
    "local-optima": local_optima,
}
