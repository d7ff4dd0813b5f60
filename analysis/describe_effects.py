"""Figures of `nasbench describe` about effects of operations: variance shares, main effects, interactions, replacements."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from nasbench.space import CellSpace

from .describe_panels import heat_map, panels
from .description import DatasetDescription, Description
from .description_steps import Landscape
from .drawing import operation_label
from .effects import FloatArray, IntArray
from .style import TEXT_WIDTH

ORDER_COLOURS = ("#0B3C5D", "#328CC1", "#A9D1EA", "#D9D9D9")  # dark to light: readable in grey
ORDER_NAMES = ("single edges", "pairs of edges", "three edges", "four or more")


def edge_labels(space: CellSpace) -> list[str]:
    """Return the edges as their ends: `in` and `out` for the cell's own, numbers for the nodes between."""
    names = {0: "in", space.nodes - 1: "out"}
    return [f"{names.get(one, one)}\N{RIGHTWARDS ARROW}{names.get(two, two)}" for one, two in space.edges]


def variance(description: Description) -> Figure | None:
    """Draw the shares of the variance by the number of edges that act together, for scores and for ranks."""
    shown = description.landscapes
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
        description.landscapes,
        [operation_label(name) for name in space.operations],
        edge_labels(space),
        lambda near: 100 * near.effects.main,
    )


def interactions(description: Description) -> Figure | None:
    """Draw the shares of the variance of single edges (diagonal) and of pairs of edges."""
    shown = description.landscapes
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
    figure = _maps(description.landscapes, labels, labels, _mean_replacement)
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


FIGURES: Mapping[str, Callable[[Description], Figure | None]] = {
    "variance": variance,
    "main-effects": main_effects,
    "interactions": interactions,
    "replacements": replacements,
}
