"""Sections of `nasbench describe` about steps from cell to cell: effects of operations, walks and distances, local optima."""

from __future__ import annotations

import numpy as np

from .describe_markdown import number, per_cent, points, table
from .description import Description

SHOWN_STEPS = (1, 2, 3, 5, 10)


def without_landscape(description: Description) -> list[str]:
    """Say for which data sets steps from cell to cell are left out, and why."""
    every = description.datasets.values()
    return [f"{found.title}: left out, {found.no_landscape}." for found in every if found.landscape is None]


def effects(description: Description) -> str:
    """Say where the variance comes from and which operations help and harm."""
    space = description.table.space
    names = {0: "in", space.nodes - 1: "out"}
    lines, sentences = [], []
    for found, near in description.landscapes:
        orders = near.effects.by_order, near.effects.by_order_of_ranks
        for kind, shares in zip(("scores", "ranks"), orders, strict=True):
            parts = [float(share) for share in shares[1:4]]
            parts += [float(shares[4:].sum())] if len(shares) > 4 else []
            lines.append([found.title, kind, *[number(100 * part, 1) for part in parts]])
        if np.isnan(near.effects.by_order).any():
            continue
        by_edge = near.effects.pairwise.diagonal()
        one, two = space.edges[int(np.argmax(by_edge))]
        mean = near.effects.main.mean(axis=0)
        best, worst = int(np.argmax(mean)), int(np.argmin(mean))
        sentences.append(
            f"{found.title}: the edge that matters most by itself is {names.get(one, one)}\N{RIGHTWARDS ARROW}{names.get(two, two)} "
            f"({100 * by_edge.max():.0f} % of the variance); averaged over edges, `{space.operations[best]}` adds "
            f"{points(float(mean[best]))} points to the mean score, `{space.operations[worst]}` takes {points(-float(mean[worst]))}."
        )
    if not lines:
        return " ".join(without_landscape(description))
    heads = ["data set", "of", *("single edges", "pairs", "three", "four or more")[: len(space.edges)]]
    note = "Shares (%) of the variance between cells by the number of edges that act together:"
    return "\n\n".join([" ".join([*sentences, *without_landscape(description)]), note, table(heads, lines)])


def walks(description: Description) -> str:
    """Say how fast scores change along random walks and with distance."""
    lines, near_lines = [], []
    for found, near in description.landscapes:
        shown = [step for step in SHOWN_STEPS if step < len(near.walk)]
        lines.append([found.title, *[number(float(near.walk[step]), 3) for step in shown]])
        fit = near.distance
        lines[-1] += [
            number(near.correlation_length, 2),
            *[number(v, 3) for v in (fit.pearson, fit.spearman, fit.kendall)],
        ]
        differences = near.locality.mean_difference[1:].tolist()
        noise = 2 / np.sqrt(np.pi) * found.noise[0].median_seed_deviation
        near_lines.append([found.title, *[points(value) for value in differences], points(float(noise))])
    if not lines:
        return ""
    edges = len(description.table.space.edges)
    steps = [step for step in SHOWN_STEPS if step < len(description.landscapes[0][1].walk)]
    heads = ["data set", *[f"r({step})" for step in steps], "length", "FDC", "FDC, Spearman", "FDC, Kendall"]
    near_heads = [
        "data set",
        *[f"{distance} edges" if distance > 1 else "1 edge" for distance in range(1, edges + 1)],
        "two seeds",
    ]
    note = (
        "Autocorrelation of the score after so many steps of a random walk, the correlation length -1 / ln r(1), and the "
        "correlation of the score with the distance to the nearest best cell (FDC, fitness-distance correlation; -1 would be "
        "a straight way up):"
    )
    other = "Mean difference of score, in points, between cells that differ on so many edges, and between two seeds of a typical cell:"
    return "\n\n".join([note, table(heads, lines), other, table(near_heads, near_lines)])


def optima(description: Description) -> str:
    """Say how many local optima there are, how climbers fare, and what one training a cell makes of it."""
    lines, sentences = [], []
    for found, near in description.landscapes:
        top = float(near.scores.max())
        kinds = [("means", len(near.optima.strict), len(near.optima.weak), len(near.optima.peaks), near.climbs)]
        kinds += [
            (f"training {each.repeat + 1}", each.strict, each.weak, each.peaks, (each.best, each.first))
            for each in near.singles
        ]
        for kind, strict, weak, peaks, climbs in kinds:
            line = [found.title, kind, f"{strict:,}", f"{weak:,}", f"{peaks:,}"]
            for climb in climbs:
                line += [number(100 * climb.success, 1), points(top - climb.end), number(climb.queries, 0)]
            lines.append(line)
        still = near.neutrality
        noise = (
            ""
            if np.isnan(still.within_noise)
            else f"{per_cent(still.within_noise)} % change it by less than the median seed deviation, "
        )
        sentences.append(
            f"{found.title}: {per_cent(still.same_class)} % of all steps lead to a cell of the same function, "
            f"{per_cent(still.equal)} % leave the mean score as it is, {noise}and the largest connected set of cells with "
            f"equal scores has {still.largest:,}."
        )
    if not lines:
        return ""
    heads = ["data set", "scores", "strict", "weak", "optima"]
    for rule in ("best", "first"):
        heads += [f"{rule}: reaches the best (%)", "below it (points)", "queries"]
    note = (
        "Strict: better than all neighbours; weak: none better; optima: sets of connected cells of equal score, usually of one "
        "cell, without a way up. Climbers start everywhere alike and go to the *best* neighbour or to the *first* better one in "
        "random order: how often they end at the cell with the best mean, how far below it (mean scores) on average, and after "
        "how many queries"
    )
    note += (
        ". With one training a cell instead of means they climb noise:"
        if any(near.singles for _, near in description.landscapes)
        else ":"
    )
    return "\n\n".join([note, table(heads, lines), " ".join(sentences)])
