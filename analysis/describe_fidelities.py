"""Figures of `nasbench describe` about fidelities: learning curves, and how well early readings rank the cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from matplotlib.figure import Figure

from . import correlations, style
from .describe_panels import COUNTS, dataset_styles, few_ticks, legend_below, panels
from .description import Description
from .noise import SHARE_NAMES
from .style import COLOURS, DASHES


def learning_curves(description: Description) -> Figure | None:
    """Draw quantiles over the cells of the mean validation accuracy after each epoch."""
    shown = [found for found in description.datasets.values() if len(found.data.epochs) > 1]
    if not shown:
        return None
    figure, grid = panels(len(shown), 1.5)
    for found, axes in zip(shown, grid, strict=True):
        colour = dataset_styles(description)[found.data.name].colour
        answers = 100 * found.data.answers("validation")
        means = np.stack([correlations.row_means(answers[:, :, place]) for place in range(answers.shape[2])], axis=1)
        means = means[~np.isnan(means).any(axis=1)]
        if not len(means):
            continue
        low, ten, first, middle, third, ninety, high = np.quantile(means, [0, 0.1, 0.25, 0.5, 0.75, 0.9, 1], axis=0)
        epochs = found.data.epochs
        axes.fill_between(epochs, ten, ninety, color=colour, alpha=0.15, linewidth=0)
        axes.fill_between(epochs, first, third, color=colour, alpha=0.3, linewidth=0)
        axes.plot(epochs, middle, color=colour)
        for edge in (low, high):
            axes.plot(epochs, edge, color=colour, linewidth=0.6, linestyle=DASHES[3])
        axes.set_xlim(epochs[0], epochs[-1])
        few_ticks(axes)
        axes.set_title(found.title)
        axes.set_xlabel("epochs")
    grid[0].set_ylabel("validation accuracy (%)")
    return figure


def fidelities(description: Description) -> Figure | None:
    """Draw how well a reading after some epochs ranks the cells: one training against the end of the others."""
    shown = [found for found in description.datasets.values() if found.fidelities]
    if not shown:
        return None
    figure, grid = panels(len(shown), 1.6)
    shares = sorted({each.share for found in shown for each in found.fidelities}, reverse=True)
    lines = {share: style.LineStyle(COLOURS[place], DASHES[place]) for place, share in enumerate(shares)}
    lowest = 0.0
    for found, axes in zip(shown, grid, strict=True):
        for share, line in lines.items():
            entries = [each for each in found.fidelities if each.share == share]
            epochs = [each.epochs for each in entries]
            other, same = ([getattr(each, name) for each in entries] for name in ("other", "same"))
            axes.plot(epochs, other, color=line.colour, linestyle=line.dash)
            axes.plot(epochs, same, color=line.colour, linewidth=0.5)
            lowest = min([lowest, *[value for value in (*other, *same) if not np.isnan(value)]])
        axes.set_xlim(found.data.epochs[0], found.data.epochs[-1])
        few_ticks(axes)
        axes.set_title(found.title)
        axes.set_xlabel("epochs")
    for axes in grid:
        axes.set_ylim(max(-1.0, lowest - 0.05), 1.02)
    grid[0].set_ylabel("rank correlation\nwith the end")
    legend_below(figure, [(SHARE_NAMES[share], line) for share, line in lines.items()])
    return figure


def fidelity_matrix(description: Description) -> Figure | None:
    """Draw the rank correlation of mean validation accuracy between all epochs."""
    shown = [found for found in description.datasets.values() if found.epoch_matrix.size]
    if not shown:
        return None
    figure, grid = panels(len(shown), 1.75)
    known = [found.epoch_matrix[~np.isnan(found.epoch_matrix)] for found in shown]
    lowest = min([float(each.min()) for each in known if len(each)], default=0.0)
    for found, axes in zip(shown, grid, strict=True):
        epochs = found.data.epochs
        image = axes.pcolormesh(found.epoch_matrix, cmap=COUNTS, vmin=max(-1.0, lowest), vmax=1.0, rasterized=True)
        ticks = correlations.thinned(epochs, 5)
        axes.set_xticks([place + 0.5 for place in ticks], [str(epochs[place]) for place in ticks])
        axes.set_yticks([place + 0.5 for place in ticks], [str(epochs[place]) for place in ticks])
        axes.set_aspect("equal")
        axes.grid(visible=False)
        axes.set_title(found.title)
        axes.set_xlabel("epochs")
    grid[0].set_ylabel("epochs")
    figure.colorbar(image, ax=grid, label="rank correlation", shrink=0.8, aspect=15)
    return figure


FIGURES: Mapping[str, Callable[[Description], Figure | None]] = {
    "learning-curves": learning_curves,
    "fidelities": fidelities,
    "fidelity-matrix": fidelity_matrix,
}
