"""Sections of `nasbench describe` about rank correlations: fidelities, splits, data sets, sizes."""

from __future__ import annotations

from .correlations import thinned
from .describe_markdown import number, points, table
from .description import Description
from .noise import SHARE_NAMES

SHOWN_EPOCHS = 6


def fidelities(description: Description) -> str:
    """Say how well fewer epochs rank the cells."""
    lines = []
    for found in description.datasets.values():
        epochs = sorted({each.epochs for each in found.fidelities})
        for shown in [epochs[place] for place in thinned(epochs, SHOWN_EPOCHS)] if epochs else []:
            entries = {each.share: each for each in found.fidelities if each.epochs == shown}
            every = entries[1.0]
            others = [number(entries[share].other, 3) for share in sorted(entries, reverse=True)]
            line = [found.title, str(shown), *others, number(every.kendall_other, 3), number(every.same, 3)]
            lines.append([*line, number(every.mean, 3)])
    if not lines:
        return ""
    heads = ["data set", "epochs", "all", "better half", "top tenth", "all, Kendall", "same training", "means"]
    note = (
        "Spearman correlation of one training after so many epochs with the mean score of the cell's other trainings at the end, for all "
        "cells and for the better ones; with the end of the same training; and of mean with mean."
    )
    return f"{note}\n\n{table(heads, lines)}"


def data_sets(description: Description) -> str:
    """Say what scores on one data set tell about another."""
    titles = {name: found.title for name, found in description.datasets.items()}
    lines = []
    for carried in description.carried:
        entries = [
            each for each in description.transfer if (each.source, each.target) == (carried.source, carried.target)
        ]
        correlations = {each.share: each for each in entries}
        lines.append(
            [
                f"{titles[carried.source]} \N{RIGHTWARDS ARROW} {titles[carried.target]}",
                number(correlations[1.0].spearman, 3),
                number(correlations[1.0].kendall, 3),
                number(correlations[1.0].corrected, 3),
                number(correlations[0.1].spearman, 3),
                f"{points(carried.loss)} (place {carried.rank:,})",
                f"{carried.common} of {carried.of}",
            ]
        )
    if not lines:
        return ""
    heads = ["from, to", "Spearman", "Kendall", "without noise", "top tenth", "best cell loses (points)", "common best"]
    note = (
        "Correlations of mean scores; without noise: Spearman's corrected for the seeds (an estimate); top tenth: among the best tenth of "
        "the second data set; then what the best cell of the first is worth on the second, and how many of the best are the same rows."
    )
    return f"{note}\n\n{table(heads, lines)}"


def splits(description: Description) -> str:
    """Say how well validation ranks the cells by test accuracy."""
    lines = [
        [
            found.title,
            SHARE_NAMES[each.share],
            *[number(value, 3) for value in (each.mean, each.same, each.other, each.kendall_mean)],
            points(each.difference),
        ]
        for found in description.datasets.values()
        for each in found.splits
    ]
    if not lines:
        return ""
    heads = ["data set", "cells", "means", "same training", "other trainings", "means, Kendall", "test - validation"]
    note = (
        "Spearman correlation of validation with test accuracy at the end: of means; within one training; of one training's validation "
        "with the mean test accuracy of the cell's other trainings, which is what a search can hope for."
    )
    return f"{note}\n\n{table(heads, lines)}"


def proxies(description: Description) -> str:
    """Say how well sizes and times rank the cells."""
    lines = []
    for found in description.datasets.values():
        for name in dict.fromkeys(each.column for each in found.proxies):
            entries = {each.share: each for each in found.proxies if each.column == name}
            ranks = [number(entries[share].spearman, 3) for share in sorted(entries, reverse=True)]
            lines.append([found.title, name.replace("_", " "), *ranks, number(entries[1.0].partial, 3)])
    if not lines:
        return ""
    heads = ["data set", "column", "all", "better half", "top tenth", "all, given parameters"]
    note = "Spearman correlation with the mean score: what a search gets without training anything."
    return f"{note}\n\n{table(heads, lines)}"
