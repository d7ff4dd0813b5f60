"""The figure of proxies: rank correlations with the score as points with intervals, one row of panels a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MultipleLocator

from .captions import dataset_title
from .proxies import SIZE, Ranking
from .style import BLACK, COLOURS, DASHES, TEXT_WIDTH

PANELS = {
    "spearman": "all cells",
    "spearman_best": "best tenth",
    "partial": "given parameters",
    "within": "equal parameters",
}
SIZES = (SIZE, "multiply_adds", "latency")
NAMES = {"multiply_adds": "multiply-adds", "grad_norm": "grad norm", "jacob_cov": "jacob cov", "latency": "latency"}


def proxy_correlations(rankings: Mapping[str, Sequence[Ranking]]) -> Figure:
    """Draw the correlations of every proxy on every data set; call it within `style.styled()`.

    A kind of correlation that is known of no proxy (no two cells of equal size) has no panel.
    """
    everything = [one for found in rankings.values() for one in found]
    panels = [kind for kind in PANELS if not all(np.isnan(getattr(one, kind).value) for one in everything)]
    first = next(iter(rankings))
    most = max(len(found) for found in rankings.values())
    figure = Figure(figsize=(TEXT_WIDTH, len(rankings) * max(1.0, 0.32 + 0.155 * most) + 0.6), layout="constrained")
    grid = figure.subplots(len(rankings), len(panels), squeeze=False, sharey="row", sharex=True)
    for row, (dataset, found) in zip(grid, rankings.items(), strict=True):
        places = np.arange(len(found))[::-1]
        for axes, kind in zip(row, panels, strict=True):
            axes.axvline(0.0, color="#999999", linewidth=0.6, zorder=1)
            size = next(one for one in found if one.name == SIZE)
            if not np.isnan(getattr(size, kind).value):
                axes.axvline(getattr(size, kind).value, color=BLACK, linestyle=DASHES[1], linewidth=0.7, zorder=1)
            for place, one in zip(places, found, strict=True):
                value, low, high = getattr(one, kind)
                if np.isnan(value):
                    continue
                colour = BLACK if one.name in SIZES else COLOURS[0]
                axes.plot([low, high], [place, place], color=colour, linewidth=1.1, zorder=2)
                axes.plot(value, place, "o", color=colour, markersize=3.2, zorder=3)
            axes.set_yticks(places, [NAMES.get(one.name, one.name) for one in found])
            axes.set_ylim(-0.6, len(found) - 0.4)
            axes.grid(visible=False, axis="y")
            axes.tick_params(axis="y", length=0)
            if dataset == first:
                axes.set_title(PANELS[kind])
        if len(rankings) > 1:
            row[0].set_ylabel(dataset_title(dataset), fontsize=7.0)
    grid[0, 0].set_xlim(right=1.03)  # shared by all
    for axes in grid[-1]:
        axes.set_xlabel("rank correlation")
        axes.xaxis.set_major_locator(MultipleLocator(0.5))
        axes.xaxis.set_minor_locator(MultipleLocator(0.25))
        axes.xaxis.set_major_formatter("{x:g}")
    alone = Line2D([], [], color=BLACK, linestyle=DASHES[1], linewidth=0.7, label="parameters alone")
    free = Line2D([], [], color=BLACK, marker="o", markersize=3.2, linewidth=1.1, label="free of cost")
    paid = Line2D([], [], color=COLOURS[0], marker="o", markersize=3.2, linewidth=1.1, label="needs a network")
    shown = {one.name for one in everything}
    figure.legend(handles=[free, *([paid] if shown - set(SIZES) else []), alone], loc="outside lower center", ncols=3)
    return figure
