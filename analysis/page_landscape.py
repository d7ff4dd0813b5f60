"""The landscape on the report page: how hard the searched space is, from what `nasbench describe` computes. Nothing anew.

Numbers for the two figures (fractions as percentage points), a table of one line for each data set, sentences, and the whole text
of `nasbench describe`, which is Markdown, as HTML.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import describe_text
from .correlations import SHARES
from .describe_captions import counts, score_words
from .describe_effects import edge_labels
from .describe_markdown import number, per_cent, points
from .describe_panels import dataset_styles
from .description import DatasetDescription, Description
from .description_steps import Landscape
from .drawing import operation_label
from .noise import SHARE_NAMES
from .page_data import numbers

BINS = 60  # of the distribution, as `describe_figures.scores` has it


def landscape(description: Description) -> dict[str, Any]:
    """Return the numbers of the figures, by data set; see `templates/page_landscape.js`."""
    space, lines = description.table.space, dataset_styles(description)
    return {
        "operations": [operation_label(name) for name in space.operations],
        "edges": edge_labels(space),
        "datasets": {
            name: {
                "title": found.title,
                "label": found.data.score_label,
                "colour": lines[name].colour,
                **_distribution(found),
                "fidelities": _fidelities(found),
                **({} if found.landscape is None else _steps(found.landscape)),
            }
            for name, found in description.datasets.items()
            if len(found.known)
        },
    }


def _distribution(found: DatasetDescription) -> dict[str, Any]:
    values = 100 * found.known
    counted, edges = np.histogram(values, bins=BINS)
    return {
        "bins": numbers(edges),
        "share": numbers(100 * counted / len(values)),
        "median": numbers([float(np.median(values))])[0],
    }


def _fidelities(found: DatasetDescription) -> list[dict[str, Any]]:
    """Return Spearman's correlation of one training's reading with the end of the cell's other trainings, by share of cells."""
    result = []
    for share in SHARES:
        entries = [each for each in found.fidelities if each.share == share]
        if entries:
            result.append(
                {
                    "share": SHARE_NAMES[share],
                    "epochs": [each.epochs for each in entries],
                    "other": numbers(each.other for each in entries),
                    "same": numbers(each.same for each in entries),
                }
            )
    return result


def _steps(near: Landscape) -> dict[str, Any]:
    size = len(near.scores)
    best, first = near.climbs
    return {
        "walk": numbers(near.walk),
        "difference": numbers(near.locality.mean_difference[1:], 100),
        "distances": {
            "distance": [each.distance for each in near.by_distance],
            "cells": [each.cells for each in near.by_distance],
            "quantiles": [numbers(each.quantiles, 100) for each in near.by_distance],
        },
        "optima": {
            "architecture": near.optima.peaks.tolist(),
            "below": numbers(near.scores.max() - near.scores[near.optima.peaks], 100),
            "best": numbers(best.size / size, 100),
            "first": numbers(first.size / size, 100),
        },
        "effects": [numbers(row, 100) for row in near.effects.main],
    }


def table(description: Description) -> tuple[list[str], list[list[str]]]:
    """Return headings and lines of the table: what a reader asks first, one line for each data set."""
    heads = ["data set", "median (%)", "best (%)", "level with the best", "r(1)", "length", "FDC", "local optima"]
    heads += ["climbs to the best (%)", "below it (points)", "queries"]
    lines = []
    for found in description.datasets.values():
        if not len(found.known):
            continue
        level = f"{found.level:,}" if found.level >= 0 else "\N{EN DASH}"
        line = [found.title, per_cent(float(np.median(found.known))), per_cent(float(found.known.max())), level]
        near = found.landscape
        if near is None:
            line += ["\N{EN DASH}"] * 7
        else:
            climb = near.climbs[0]
            line += [
                number(float(near.walk[1]), 3),
                number(near.correlation_length, 2),
                number(near.distance.pearson, 3),
                f"{len(near.optima.peaks):,}",
                number(100 * climb.success, 1),
                points(float(near.scores.max()) - climb.end),
                number(climb.queries, 0),
            ]
        lines.append(line)
    return heads, lines


def sentences(description: Description) -> list[str]:
    """Say in words what the table's numbers mean; a sentence is made of numbers of the description, or is absent."""
    every = [found for found in description.datasets.values() if len(found.known)]
    result = [sentence for found in every for sentence in (_in_words(found),) if sentence]
    result += [
        f"{found.title}: steps from cell to cell are left out, {found.no_landscape}."
        for found in every
        if found.no_landscape
    ]
    return result


def _in_words(found: DatasetDescription) -> str:
    parts = []
    half = next((each for each in found.noise if each.share == SHARES[1]), None)
    if half is not None and math.isfinite(half.ratio):
        parts.append(
            f"among the better half of the cells the variance between cells is {half.ratio:.1f} times that between the seeds of "
            "one cell"
            if half.ratio >= 0.05
            else "the better half of the cells don't differ beyond what their seeds do"
        )
    near = found.landscape
    if near is not None and not np.isnan(near.walk).any():
        climb, count = near.climbs[0], len(near.optima.peaks)
        parts.append(
            f"scores of cells that differ on one edge correlate with {near.walk[1]:.2f}; the mean scores have {count:,} local "
            f"{'optimum' if count == 1 else 'optima'}, and climbing to the best neighbour leads from {100 * climb.success:.0f} % "
            "of all starts to the best cell"
        )
    early = _early(found)
    if early:
        parts.append(early)
    return f"{found.title}: {'; '.join(parts)}." if parts else ""


def _early(found: DatasetDescription) -> str:
    """Say how well a quarter of the epochs ranks the cells."""
    every = [each for each in found.fidelities if each.share == SHARES[0]]
    if not every:
        return ""
    full = found.data.epochs[-1]
    early = min(every, key=lambda each: (abs(each.epochs - full / 4), each.epochs))
    if math.isnan(early.other):
        return ""
    return (
        f"one training read after {early.epochs} of {full} epochs ranks all cells with Spearman's {early.other:.2f} against the "
        "end of their other trainings"
    )


def caption(description: Description) -> str:
    """Say what the columns are, what a score is and on how many cells and trainings the numbers rest."""
    return (
        "Level with the best: cells within two standard errors of the difference from it. r(1): correlation of the scores of "
        "cells that differ on one edge (a step of a random walk); length: steps over which it falls to 1/e. FDC: correlation "
        "of score and distance to the nearest best cell; -1 would be a straight way up. Climbs: from all architectures alike, always to "
        f"the best neighbour. {score_words(description)} {counts(description)} Computed over the whole space, nothing sampled."
    )


def sections(description: Description) -> list[tuple[str, str]]:
    """Return heading and HTML of every section of `nasbench describe` that has something to say."""
    from markdown_it import MarkdownIt  # comes with rich

    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    found = []
    for section in describe_text.SECTIONS:
        text = describe_text.section_text(description, section, None)
        if text:
            html = markdown.render(text).replace("<table>", '<div class="wide" tabindex="0"><table class="text">')
            found.append((section.heading, html.replace("</table>", "</table></div>")))
    return found
