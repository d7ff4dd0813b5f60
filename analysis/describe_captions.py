"""Captions of the figures of `nasbench describe`: what is shown, how many cells and trainings, which table, which versions."""

from __future__ import annotations

import importlib.metadata

import numpy as np

import nasbench

from .captions import listed
from .description import BEST_SHARE, DatasetDescription, Description
from .drawing import operation_label

TITLES = {
    "scores": "Distribution of scores",
    "near-best": "Cells near the best",
    "best-cells": "Best cells",
    "seed-noise": "Seed noise",
    "learning-curves": "Learning curves",
    "fidelities": "Correlation of fidelities with the end",
    "fidelity-matrix": "Correlation between fidelities",
    "data-sets": "Correlation between data sets",
    "validation-and-test": "Correlation of validation and test",
    "variance": "Where the differences come from",
    "main-effects": "Effect of each operation on each edge",
    "interactions": "Edges and pairs of edges",
    "replacements": "Replacing operations of good cells",
    "walks": "Random walks and distances",
    "distances": "Scores by distance from the best cell",
    "local-optima": "Local optima and their basins",
}

TEXTS = {
    "scores": "{score} Dashed: median.",
    "near-best": """Number of cells by the points that they lie below the best at most. {score} Circles: one standard deviation
        between seeds among the best {top} of the cells, which a single training can't resolve.""",
    "best-cells": """{score} Mean ± standard deviation between seeds. One cell for each class of equal function; numbers are places
        among all rows, so that a gap is a cell equal in function to one that is shown. {kinds} `none` is
        not drawn; grey: on no path from input to output.""",
    "seed-noise": """{score} Left: standard deviation between trainings of one cell, in bands of 5 % of the cells, median (thick) and
        root mean square (thin). Middle: variance between cells over variance between trainings; below 1 a training says less about
        the cell than about the seed. Right: Spearman correlation of one training with another. {choice}""",
    "learning-curves": """Mean validation accuracy of the cells after each epoch: median, quartiles and deciles (bands), lowest and
        highest (dotted). Lost trainings count 0.""",
    "fidelities": """{score} Spearman correlation of validation accuracy after so many epochs of one training with the mean score of
        the cell's other trainings at the end, which shares no noise with it (thick), and with the validation accuracy of the same
        training at the end (thin). Better cells are chosen by what is predicted. Means over trainings.""",
    "fidelity-matrix": "Spearman correlation over cells of the mean validation accuracy after so many epochs.",
    "data-sets": "{score} Per cent ranks, 100 the best; shade: number of cells, logarithmic.",
    "validation-and-test": """Per cent ranks of the cells by mean validation and by mean test accuracy at the end, 100 the best; shade:
        number of cells, logarithmic.""",
    "variance": """Shares of the variance between cells that belong to single edges (main effects), to pairs of edges, and to three or
        more edges together (functional analysis of variance), of the scores and of their ranks, which give the few very bad cells
        less weight. {exact} {score}""",
    "main-effects": """Mean score of all cells with an operation on an edge, minus the mean of all cells, in points. Replacing one
        operation by another changes the mean by the difference of two squares of a row. {exact} {score} Each data set has its own
        scale of colours.""",
    "interactions": """Shares (%) of the variance between cells that belong to single edges (diagonal) and to pairs of edges beyond
        these (below). {exact} {score}""",
    "replacements": """Mean change of score, in points, when an operation of a cell of the best {top} is replaced, over all edges that
        carry it. A change of a good cell can be expected to lose. {score} Each data set has its own scale of colours.""",
    "walks": """Left: autocorrelation of the score along random walks that change one edge a step. Right: mean difference of score
        between cells by number of differing edges; thin: between two trainings of a typical cell (2/√π of the median standard
        deviation between seeds). {exact} {score}""",
    "distances": """Scores by number of edges in which a cell differs from the nearest best cell: median, quartiles (box), deciles
        (bar), extremes (line). What is far below the deciles leaves through the lower edge. {exact} {score}""",
    "local-optima": """Each local optimum of the mean scores (their number in the title): how far it lies below the best, and which
        share of climbers from all architectures ends there, if they go to the best neighbour or to the first better one in random
        order. Expectations. {exact} {score}""",
}


def caption(description: Description, name: str) -> str:
    """Return the whole caption of a figure.

    Raises:
        KeyError: no figure of this name.
    """
    return f"{TITLES[name]}. {_text(description, name)} {counts(description)} {source(description)}"


def score_words(description: Description) -> str:
    """Say what a score is: mean over trainings of which accuracy, after how many epochs."""
    parts: dict[str, list[str]] = {}
    for found in description.datasets.values():
        words = f"{found.data.score_split} accuracy after {found.data.epochs[-1]} epochs"
        parts.setdefault(words, []).append(found.title)
    if len(parts) == 1:
        return f"Score: mean over a cell's trainings of the {next(iter(parts))}."
    each = (f"{words} ({listed(titles)})" for words, titles in parts.items())
    return f"Score: mean over a cell's trainings of the {', or '.join(each)}."


def counts(description: Description) -> str:
    """Say how many cells and trainings the numbers rest on."""
    parts: dict[str, list[str]] = {}
    for found in description.datasets.values():
        trainings = int((~np.isnan(found.final)).sum())
        parts.setdefault(f"n = {len(found.known):,} cells, {trainings:,} trainings", []).append(found.title)
    if len(parts) == 1:
        several = " on each data set" if len(description.datasets) > 1 else ""
        return f"{next(iter(parts))}{several}."
    return "; ".join(f"{listed(titles)}: {words}" for words, titles in parts.items()) + "."


def source(description: Description) -> str:
    """Say table, digest and versions."""
    here = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("numpy", "scipy"))
    title = description.table.metadata.get("title") or description.table.space.name
    return f"Table: {title} (digest {description.table.digest[:16]}); nasbench-live {nasbench.__version__}, {here}."


def choice_words(found: DatasetDescription) -> str:
    """Say how the better cells of the noise figures were chosen."""
    kinds = {each.chosen_by for each in found.noise if each.share < 1}
    if kinds == {"another training"}:
        return (
            "Better cells are chosen by one training and compared by the others, so that choosing bends nothing (cells with "
            "three trainings or more; mean over which training chooses)."
        )
    return "Better cells are chosen by their mean, which understates the variance between them a little."


def _text(description: Description, name: str) -> str:
    first = next(iter(description.datasets.values()))
    template = " ".join(TEXTS[name].split())
    return template.format(
        score=score_words(description),
        exact="Computed over the whole space, nothing sampled.",
        choice=choice_words(first),
        top=f"{100 * BEST_SHARE:g} %",
        kinds=_operation_words(description),
    )


def _operation_words(description: Description) -> str:
    """Say what the labels of a drawing mean, for the operations whose label is not their name."""
    names = {name: operation_label(name) for name in description.table.space.operations if name != "none"}
    return ", ".join(f"{label}: `{name}`" for name, label in names.items() if label != name) + ";"
