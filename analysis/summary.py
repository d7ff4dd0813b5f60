"""The comparison in one screen: a table for the terminal and plain sentences, which are right or absent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from . import captions
from .comparison import Comparison, compare
from .overall import Overall, overall, verdict
from .records import Experiment
from .tables import DASH, Entry, comparison_table

SIGNS = {"best": "*", "level": "≈", "": " "}
MOST_FAULTS = 10


def summary(results: Path | Experiment | Comparison) -> Group:
    """Return table and sentences for `rich.print`.

    Args:
        results: a results folder, or what was read or computed from it.

    Raises:
        RecordError: the folder can't be analysed.
    """
    comparison = results if isinstance(results, Comparison) else compare(results)
    lines = [Text(sentence) for sentence in (*sentences(comparison), *fault_lines(comparison, MOST_FAULTS))]
    return Group(summary_table(comparison), *lines)


def summary_table(comparison: Comparison) -> Table:
    """Return the scores at the full budget, best average first."""
    source = comparison_table(comparison)
    number = len(comparison.experiment.problems) + 1  # scores and their average regret
    table = Table(
        title=f"{comparison.experiment.series}: {captions.score_kind(comparison)} at full budget, %",
        caption=f"* best   ≈ {captions.marks()}\n{captions.sample(comparison)}",
        caption_justify="left",
        box=SIMPLE_HEAD,
        padding=0,
    )
    table.add_column("", min_width=16)
    for column in source.columns[:number]:
        table.add_column(column.name, justify="right", no_wrap=True)
    for name, entries in source.references:
        scores, regret = entries[: number - 1], entries[number - 1]
        table.add_row(name, *[_cell(entry) for entry in scores], _cell(regret, marked=False), style="dim")
    table.add_section()
    for name, entries in source.rows:
        scores, regret = entries[: number - 1], entries[number - 1]
        table.add_row(name, *[_cell(entry) for entry in scores], _cell(regret, marked=False))
    return table


def _cell(entry: Entry, marked: bool = True) -> Text:
    text = f"{entry.text('±', DASH)} {SIGNS[entry.mark]}"
    return Text(text if marked else text.rstrip(), style="bold" if entry.mark == "best" else "")


def sentences(comparison: Comparison) -> list[str]:
    """Say which entrant is best, which can't be told from it, and which beat random search."""
    experiment, titles = comparison.experiment, comparison.experiment.titles
    result = []
    ranked = [entrant for entrant in comparison.order if entrant in comparison.average]
    if len(ranked) > 1 and len(experiment.problems) > 1:
        first = comparison.average[ranked[0]]
        interval = "" if np.isnan(first.low) else f" (95 % interval {_points(first.low)} to {_points(first.high)})"
        result.append(
            f"Lowest regret averaged over {len(experiment.problems)} data sets: {titles[ranked[0]]}, "
            f"{_points(first.mean)} points{interval}."
        )
    for dataset, problem in experiment.problems.items():
        best = comparison.best(dataset)
        if best is None:
            result.append(f"{captions.dataset_title(dataset)}: no entrant has an incumbent in every run.")
            continue
        regret = comparison.scores[dataset, best].summary.mean[-1]
        level = [titles[entrant] for entrant in comparison.not_worse(dataset)]
        others = f"not distinguishable from it: {captions.listed(level)}" if level else "all others are worse"
        if len(comparison.tested[dataset]) == 1:
            others = "there is no other entrant"
        result.append(
            f"{captions.dataset_title(dataset)}: best is {titles[best]}, {100 * (problem.best_score - regret):.2f} %, "
            f"{_points(regret)} points below the best in the table; {others}."
        )
    return [*result, *_against_random_search(comparison)]


def _against_random_search(comparison: Comparison) -> list[str]:
    reference, titles = comparison.reference, comparison.experiment.titles
    rivals = [entrant for entrant in comparison.order if entrant != reference]
    if reference is None or not rivals:
        return []
    groups: dict[str, list[str]] = {}
    for entrant in rivals:
        common = [name for name, entrants in comparison.tested.items() if {entrant, reference} <= set(entrants)]
        better = sum(comparison.beats(name, entrant, reference) for name in common)
        worse = sum(comparison.beats(name, reference, entrant) for name in common)
        level = len(common) - better - worse
        parts = [
            f"{word} on {number} of {len(common)} data sets" if len(common) > 1 else word
            for word, number in (("better", better), ("worse", worse), ("not distinguishable", level))
            if number
        ]
        if parts:
            groups.setdefault(captions.listed(parts), []).append(titles[entrant])
    name = titles[reference]
    return [f"Against {name}: {captions.listed(entrants)} {verdict}." for verdict, entrants in groups.items()]


def fault_lines(comparison: Comparison, most: int | None = None) -> list[str]:
    """Name what is missing or was left out, at most so many lines and the number of the rest."""
    faults = comparison.faults
    if not faults:
        return []
    shown = [f"  {fault}" for fault in faults[:most]]
    if len(faults) > len(shown):
        shown.append(f"  and {len(faults) - len(shown)} more (summary.md)")
    return [f"Records missing or left out: {len(faults)}", *shown]


def summary_markdown(comparison: Comparison, found: Overall | None = None) -> str:
    """Return the summary with all faults and the provenance, as Markdown; `found` is computed if it is not given."""
    found = overall(comparison) if found is None else found
    experiment = comparison.experiment
    lines = [f"# {experiment.series}", "", experiment.protocol.title, ""] if experiment.protocol.title else []
    lines = lines or [f"# {experiment.series}", ""]
    lines += [f"- {sentence}" for sentence in sentences(comparison)]
    lines.append(f"- {verdict(comparison, found)}")
    faults = fault_lines(comparison)
    if faults:
        lines += ["", f"## {faults[0]}", "", *[f"- `{fault.path}`: {fault.reason}" for fault in comparison.faults]]
    lines += [
        "",
        "## How to read this",
        "",
        f"Score: {captions.score_kind(comparison)} of the incumbent, the cell with the best observed validation accuracy at the "
        f"highest fidelity seen. Best in the table: the highest score of any cell. Best: highest mean over runs; {captions.marks()} "
        f"Better, worse: the same test tells them apart, and the means are at least {captions.POINTS} apart."
        f"{captions.endings(comparison)}{captions.emulations(comparison)}",
    ]
    lines += ["", "## What made these numbers", "", captions.sample(comparison), captions.budgets(comparison)]
    lines += [captions.source(comparison), "", f"- table digest: {experiment.table.digest}"]
    lines += [f"- cost digest: {experiment.table.cost_digest}", f"- protocol digest: {experiment.protocol_digest}"]
    lines += [f"- {name}: {_flat(value)}" for name, value in experiment.provenance.items()]
    return "\n".join(lines) + "\n"


def _flat(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {each}" for name, each in value.items())
    return str(value)


def _points(fraction: float) -> str:
    return f"{100 * fraction:.3f}"
