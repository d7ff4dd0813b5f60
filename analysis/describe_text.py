"""`nasbench describe` in words and small tables, as Markdown: a section for each question, with its figures if they were drawn.

Every sentence is made of numbers of the description, or is absent. `describe_rankings.py` writes the sections about
rank correlations, `describe_steps.py` those about steps from cell to cell.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from . import describe_rankings, describe_steps
from .captions import listed
from .describe_captions import TITLES, caption, choice_words, score_words, source
from .describe_markdown import number, per_cent, points, table
from .description import Description
from .noise import SHARE_NAMES, SHARES

SHOWN_BEST = 5


class Section(NamedTuple):
    """A section: its name in a page's marks, its heading, what makes its text ("" if there is nothing to say), its figures."""

    name: str
    heading: str
    make: Callable[[Description], str]
    figures: tuple[str, ...]


def document(description: Description, figures: str | None = None) -> str:
    """Return the whole text as Markdown.

    Args:
        description: the table.
        figures: folder of the figures' PNG files, as it stands in links; no figures if None.
    """
    title = description.table.metadata.get("title") or description.table.space.name
    parts = [f"# {title}"]
    for section in SECTIONS:
        body = section_text(description, section, figures)
        if body:
            parts.append(f"## {section.heading}\n\n{body}")
    return "\n\n".join([*parts, source(description)]) + "\n"


def section_text(description: Description, section: Section, figures: str | None, prefix: str = "") -> str:
    """Return a section's text and, with a folder, its figures, each with its caption; "" if there is nothing to say."""
    text = section.make(description)
    if not text or figures is None:
        return text
    parts = [text]
    for name in section.figures:
        if name in drawn(description):
            whole = caption(description, name).removesuffix(f" {source(description)}")
            parts.append(f"![{TITLES[name]}]({figures}/{prefix}{name}.png)\n\n*{whole}*")
    return "\n\n".join(parts)


def drawn(description: Description) -> set[str]:
    """Return the names of the figures that this table has."""
    found = list(description.datasets.values())
    names = {"scores", "near-best", "best-cells"} if any(len(each.known) for each in found) else set()
    names |= {"seed-noise"} if any(each.bands for each in found) else set()
    if any(len(each.data.epochs) > 1 for each in found):
        names |= {"learning-curves", "fidelities", "fidelity-matrix"}
    names |= {"data-sets"} if any(not math.isnan(each.spearman) for each in description.transfer) else set()
    names |= {"validation-and-test"} if any(each.splits for each in found) else set()
    if any(each.landscape is not None for each in found):
        names |= {"variance", "main-effects", "replacements", "walks", "distances", "local-optima"}
        names |= {"interactions"} if len(description.table.space.edges) > 1 else set()
    return names


def _overview(description: Description) -> str:
    space = description.table.space
    empty = sum(not space.canonical(architecture) for architecture in space)
    classes = len(space.classes)
    rows = len(description.table.architectures)
    text = (
        f"{space.size:,} architectures: {space.nodes} nodes, {len(space.edges)} edges, each with one of {len(space.operations)} "
        f"operations ({', '.join(f'`{name}`' for name in space.operations)}). {classes:,} of them differ in function; {empty:,} have "
        f"no path from input to output. The table has {rows:,} rows. {score_words(description)}"
    )
    lines = []
    for found in description.datasets.values():
        known, epochs = found.known, found.data.epochs
        if not len(known):
            continue
        fidelities = str(epochs[-1]) if len(epochs) == 1 else f"{epochs[0]} to {epochs[-1]} ({len(epochs)})"
        values = (
            known.min(),
            np.quantile(known, 0.25),
            np.median(known),
            known.mean(),
            np.quantile(known, 0.75),
            known.max(),
        )
        trainings = int((~np.isnan(found.final)).sum())
        lines.append(
            [
                found.title,
                found.data.score_split,
                fidelities,
                f"{trainings:,}",
                *[per_cent(float(value)) for value in values],
            ]
        )
    heads = ["data set", "split", "epochs", "trainings", "lowest", "quartile", "median", "mean", "quartile", "highest"]
    return f"{text}\n\n{table(heads, lines)}" if lines else text


def _best(description: Description) -> str:
    lines, sentences = [], []
    for found in description.datasets.values():
        for each in found.best[:SHOWN_BEST]:
            score = f"{per_cent(each.score)} ± {points(each.seed_deviation)}"
            lines.append([found.title, str(each.place), f"`{each.architecture.replace('|', chr(92) + '|')}`", score])
        if found.level > 0:
            sentences.append(f"{found.title} {found.level:,}" if len(description.datasets) > 1 else f"{found.level:,}")
    if not lines:
        return ""
    heads = ["data set", "place", "architecture", "mean (%) ± seed deviation (points)"]
    level = (
        f"Cells whose mean is within two standard errors of the difference from the best (seed deviation of the top tenth), the "
        f"best included: {', '.join(sentences)}."
    )
    return "\n\n".join([table(heads, lines), *([level] if sentences else [])])


def _noise(description: Description) -> str:
    lines, sentences = [], []
    for found in description.datasets.values():
        if math.isnan(found.noise[0].seed_deviation):
            continue
        for each in found.noise:
            lines.append(
                [
                    found.title,
                    SHARE_NAMES[each.share],
                    f"{each.cells:,}",
                    points(each.between_deviation),
                    points(each.seed_deviation),
                    points(each.median_seed_deviation),
                    number(each.ratio, 1),
                    *[number(value, 3) for value in (each.spearman, each.kendall, each.ceiling_one, each.ceiling_mean)],
                ]
            )
        half = next(each for each in found.noise if each.share == SHARES[1])
        if math.isfinite(half.ratio):
            name = f" ({found.title})" if len(description.datasets) > 1 else ""
            sentences.append(f"{half.ratio:.1f}{name}")
    if not lines:
        return ""
    heads = ["data set", "cells", "number", "SD cells", "SD seeds", "median", "ratio", "Spearman", "Kendall"]
    heads += ["ceiling, one", "ceiling, mean"]
    note = (
        "SD cells: standard deviation of the cells' true means (points); SD seeds: between trainings of a cell, root mean "
        "square and median (each cell's scaled to be right for normal noise); ratio: of the two variances; Spearman, Kendall: of one "
        "training with another; ceilings: the highest "
        "Spearman correlation to be expected of anything, however good, with one training and with the table's mean. "
    )
    first = next(iter(description.datasets.values()))
    ratio = f"Among the better half the variance between cells is {listed(sentences)} times that between the seeds of a cell."
    return "\n\n".join([*([ratio] if sentences else []), table(heads, lines), note + choice_words(first)])


SECTIONS = (
    Section("overview", "What it holds", _overview, ("scores", "near-best")),
    Section("best", "Best cells", _best, ("best-cells",)),
    Section("noise", "Seed noise against differences between cells", _noise, ("seed-noise",)),
    Section(
        "fidelities",
        "What fewer epochs tell",
        describe_rankings.fidelities,
        ("learning-curves", "fidelities", "fidelity-matrix"),
    ),
    Section("splits", "Validation and test", describe_rankings.splits, ("validation-and-test",)),
    Section("data-sets", "One data set and another", describe_rankings.data_sets, ("data-sets",)),
    Section("proxies", "Sizes as predictors", describe_rankings.proxies, ()),
    Section(
        "effects",
        "Effect of operations",
        describe_steps.effects,
        ("variance", "main-effects", "interactions", "replacements"),
    ),
    Section("walks", "Steps and distances", describe_steps.walks, ("walks", "distances")),
    Section("optima", "Local optima", describe_steps.optima, ("local-optima",)),
)
