"""Figures of `nasbench describe`: distribution of the scores, seed noise, data sets and splits, best cells.

`describe_fidelities.py`, `describe_effects.py` and `describe_landscape.py` draw the rest; the captions are in `describe_captions.py`. Every
function returns a figure, or None where the table has nothing to show; call them within `style.styled()`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import scipy.stats
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nasbench.space import Architecture

from . import (
    correlations,
    describe_captions,
    describe_effects,
    describe_fidelities,
    describe_landscape,
    drawing,
    style,
)
from .describe_panels import COUNTS, dataset_styles, legend_below, panels, percent
from .description import Description
from .effects import FloatArray
from .noise import SHARE_NAMES, SHARES
from .style import DASHES, TEXT_WIDTH, logarithmic

Draw = Callable[[Description], Figure | None]

SHOWN_BEST = 4


def figures(description: Description) -> dict[str, Figure]:
    """Make all figures that the table has something to show in, by their file names. Call it within `style.styled()`."""
    makers: Mapping[str, Draw] = {
        "scores": scores,
        "near-best": near_best,
        "best-cells": best_cells,
        "seed-noise": seed_noise,
        **describe_fidelities.FIGURES,
        "data-sets": data_sets,
        "validation-and-test": validation_and_test,
        **describe_effects.FIGURES,
        **describe_landscape.FIGURES,
    }
    made = {name: make(description) for name, make in makers.items()}
    return {name: figure for name, figure in made.items() if figure is not None}


def write(description: Description, folder: Path) -> list[Path]:
    """Write all figures as PDF, SVG and PNG, each with its caption; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    with style.styled():
        for name, figure in figures(description).items():
            files += style.save(figure, folder / name)
            caption = folder / f"{name}.txt"
            caption.write_text(describe_captions.caption(description, name) + "\n", encoding="utf-8", newline="\n")
            files.append(caption)
    return files


def scores(description: Description) -> Figure | None:
    """Draw the distribution of the mean scores of each data set."""
    shown = [found for found in description.datasets.values() if len(found.known)]
    if not shown:
        return None
    figure, grid = panels(len(shown), 1.45)
    for found, axes in zip(shown, grid, strict=True):
        colour = dataset_styles(description)[found.data.name].colour
        values = 100 * found.known
        weights = np.full(len(values), 100 / len(values))
        axes.hist(values, bins=60, weights=weights, color=colour, linewidth=0)
        axes.axvline(float(np.median(values)), color="#222222", linewidth=0.7, linestyle=DASHES[1])
        axes.set_title(found.title)
        axes.set_xlabel(f"{found.data.score_label} (%)")
        axes.grid(axis="x", visible=False)
    grid[0].set_ylabel("cells (%)")
    return figure


def near_best(description: Description) -> Figure | None:
    """Draw how many cells are within a distance of the best, with one seed deviation marked."""
    figure = Figure(figsize=(0.62 * TEXT_WIDTH, 2.0), layout="constrained")
    axes = figure.subplots()
    handles, most, widest = [], 1, 0.02
    for name, line in dataset_styles(description).items():
        found = description.datasets[name]
        if not len(found.known):
            continue
        gaps = np.sort(100 * (found.known.max() - found.known))
        counts = np.arange(1, len(gaps) + 1)
        x = np.concatenate([[0.01], np.maximum(gaps, 0.01)])
        axes.plot(x, [1, *counts], drawstyle="steps-post", color=line.colour, linestyle=line.dash)
        deviation = 100 * found.noise[2].seed_deviation
        if deviation > 0:
            inside = max(1, int((gaps <= deviation).sum()))
            axes.plot([deviation], [inside], "o", color=line.colour, markersize=4, markeredgecolor="white", zorder=4)
        handles.append(Line2D([], [], color=line.colour, linestyle=line.dash, label=found.title))
        most, widest = max(most, len(gaps)), max(widest, float(gaps[-1]))
    if not handles:
        return None
    axes.set_xlim(0.01, 1.2 * widest)
    axes.set_ylim(0.9, 1.5 * most)
    axes.set_xscale("log")
    axes.set_yscale("log")
    logarithmic(axes, "x")
    logarithmic(axes, "y")
    axes.set_xlabel("at most so many points below the best")
    axes.set_ylabel("number of cells")
    if len(handles) > 1:
        axes.legend(handles=handles, loc="upper left")
    return figure


def best_cells(description: Description) -> Figure | None:
    """Draw the best cells of each data set, one of each class."""
    space = description.table.space
    most = SHOWN_BEST if len(description.datasets) > 1 else 2 * SHOWN_BEST
    cells: list[Architecture | None] = []
    titles: list[str] = []
    headings: list[str] = []
    for found in description.datasets.values():
        distinct = {each.class_number: each for each in reversed(found.best)}
        chosen = sorted(distinct.values(), key=lambda each: each.place)[:most]
        if not chosen:
            continue
        headings.append(found.title)
        for each in chosen:
            cells.append(space.parse(each.architecture))
            error = f" ± {100 * each.seed_deviation:.2f}" if each.seed_deviation >= 0 else ""
            titles.append(f"{each.place}.  {100 * each.score:.2f}{error} %")
        missing = -len(chosen) % SHOWN_BEST
        cells += [None] * missing
        titles += [""] * missing
    if not headings:
        return None
    several = headings if len(headings) > 1 else ()
    return drawing.contact_sheet(space, cells, titles, columns=SHOWN_BEST, headings=several)


def seed_noise(description: Description) -> Figure | None:
    """Draw the seed deviation by score, the ratio of variances and the correlation between seeds by share of the cells."""
    lines = dataset_styles(description)
    shown = [found for found in description.datasets.values() if found.bands]
    if not shown:
        return None
    figure, grid = panels(3, 1.65)
    positions = range(len(SHARES))
    for found in shown:
        line = lines[found.data.name]
        middles = (np.arange(len(found.bands)) + 0.5) * 100 / len(found.bands)
        median = [100 * max(band.median_seed_deviation, 1e-5) for band in found.bands]
        root = [100 * max(band.seed_deviation, 1e-5) for band in found.bands]
        grid[0].plot(middles, median, color=line.colour, linestyle=line.dash)
        grid[0].plot(middles, root, color=line.colour, linewidth=0.5)
        marked: dict[str, Any] = {"color": line.colour, "linestyle": line.dash, "marker": "o", "markersize": 3}
        grid[1].plot(positions, [each.ratio for each in found.noise], **marked)
        grid[2].plot(positions, [each.spearman for each in found.noise], **marked)
    grid[0].set_xlim(0, 100)
    grid[0].set_xlabel("cells, worst to best (%)")
    grid[0].set_ylabel("seed deviation (points)")
    grid[1].axhline(1.0, color="#222222", linewidth=0.6)
    grid[1].set_ylabel("variance cells / seeds")
    grid[2].set_ylabel("rank correlation")
    for axes in grid[:2]:
        axes.set_yscale("log")
        logarithmic(axes, "y")
    grid[2].set_ylim(min(0.0, *[each.spearman for found in shown for each in found.noise]), 1.02)
    for axes in grid[1:]:
        axes.set_xticks(positions, [SHARE_NAMES[share].replace(" ", "\n", 1) for share in SHARES])
        axes.set_xlim(-0.3, len(SHARES) - 0.7)
    legend_below(figure, [(found.title, lines[found.data.name]) for found in shown])
    return figure


def data_sets(description: Description) -> Figure | None:
    """Draw the ranks of the cells on each pair of data sets."""
    pairs = [
        (one, two)
        for one, two in itertools.combinations(description.datasets.values(), 2)
        if (~np.isnan(one.scores + two.scores)).sum() >= correlations.FEWEST_PAIRS
    ]
    entries = [(one.scores, two.scores, one.title, two.title, "") for one, two in pairs[:6]]
    return _rank_panels(entries) if entries else None


def validation_and_test(description: Description) -> Figure | None:
    """Draw the ranks of the cells by mean validation and by mean test accuracy."""
    entries = []
    for found in description.datasets.values():
        if found.splits:
            validation = correlations.row_means(found.data.answers("validation")[:, :, -1])
            entries.append((validation, found.scores, "validation", "test", found.title))
    return _rank_panels(entries) if entries else None


def _rank_panels(entries: Iterable[tuple[FloatArray, FloatArray, str, str, str]]) -> Figure:
    """Draw one panel for each (columns, names, title): cells counted on a grid of per cent ranks."""
    entries = list(entries)
    figure, grid = panels(len(entries), 1.72)
    for axes, (one, two, first, second, title) in zip(grid, entries, strict=True):
        known = ~np.isnan(one + two)
        across, up = (100 * scipy.stats.rankdata(column[known]) / known.sum() for column in (one, two))
        edges = np.linspace(0.0, 100.0, 51)
        counts, _, _ = np.histogram2d(across, up, bins=(edges, edges))
        shown = np.ma.masked_equal(counts.T, 0)
        axes.pcolormesh(edges, edges, shown, cmap=COUNTS, norm=LogNorm(1, max(2.0, counts.max())), rasterized=True)
        rank, tau = correlations.spearman(one, two), correlations.kendall(one, two)
        label = f"Spearman {rank:.3f}\nKendall {tau:.3f}"
        axes.text(0.05, 0.95, label, transform=axes.transAxes, va="top", fontsize=6)
        percent(axes)
        axes.set_aspect("equal")
        axes.set_xlabel(f"rank, {first} (%)")
        axes.set_ylabel(f"rank, {second} (%)")
        if title:
            axes.set_title(title)
    return figure
