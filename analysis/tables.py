"""Tables of a comparison for print, as Markdown, LaTeX (booktabs) and CSV.

One row an entrant, best average first, below reference rows: the best that the table holds, and random *sampling*, which
trains a single cell drawn uniformly. Numbers are per cent, mean ± half the width of the 95 % interval; the best of a column
is bold, those not distinguishable from it are underlined (LaTeX) or in italics (Markdown). `wide.py` writes everything else
in fractions and seconds, for machines.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from . import captions, latex_table
from .comparison import Comparison

Mark = Literal["best", "level", ""]


@dataclass(frozen=True, slots=True)
class Entry:
    """One place of a table: a value in per cent or a count, its half width, and how it compares with its column."""

    value: float
    half_width: float = float("nan")
    digits: int = 2
    mark: Mark = ""

    def text(self, separator: str, missing: str) -> str:
        """Write value and half width; `missing` where there is no value."""
        if np.isnan(self.value):
            return missing
        value = f"{self.value:,.{self.digits}f}"
        return value if np.isnan(self.half_width) else f"{value}{separator}{self.half_width:.{self.digits}f}"


@dataclass(frozen=True)
class Column:
    """A column: `group`, a heading that spans columns ("" for none); `name`, its own; `key`, its name in CSV."""

    group: str
    name: str
    key: str


@dataclass(frozen=True)
class PrintTable:
    """A table for print.

    Attributes:
        name: file name and LaTeX label.
        columns: headings.
        references: rows above the rule: name and entries.
        rows: entrants: name and entries.
        caption: the whole caption.
        short_caption: for lists of tables.
    """

    name: str
    columns: tuple[Column, ...]
    references: tuple[tuple[str, tuple[Entry, ...]], ...]
    rows: tuple[tuple[str, tuple[Entry, ...]], ...]
    caption: str
    short_caption: str


NOTHING = Entry(float("nan"))
DASH = "\N{EN DASH}"  # where there is no value
BEST_ROW = "Best in the table"
SAMPLING_ROW = "Random sampling"


def comparison_table(comparison: Comparison) -> PrintTable:
    """Make the main table: scores at the full budget by data set, and the regret averaged over data sets."""
    problems = comparison.experiment.problems
    columns = [Column("Score (%)", captions.dataset_title(dataset), f"score_percent_{dataset}") for dataset in problems]
    columns.append(Column("", "Mean regret", "mean_regret_points"))
    gap = float(np.mean([problem.best_score - problem.random_score_mean for problem in problems.values()]))
    best = [Entry(100 * problem.best_score) for problem in problems.values()]
    sampling = [Entry(100 * problem.random_score_mean) for problem in problems.values()]
    references = (
        (BEST_ROW, (*best, Entry(0.0, digits=3))),
        (SAMPLING_ROW, (*sampling, Entry(100 * gap, digits=3))),
    )
    rows = []
    for entrant in comparison.order:
        entries = [score_entry(comparison, dataset, entrant, -1) for dataset in problems]
        average = comparison.average.get(entrant)
        entries.append(NOTHING if average is None else Entry(100 * average.mean, 50 * (average.high - average.low), 3))
        rows.append((comparison.experiment.titles[entrant], tuple(entries)))
    text = captions.caption(
        comparison,
        f"Entrants at the full budget. Score: {captions.score_kind(comparison)} of the incumbent (the cell with the best "
        f"observed validation accuracy at the highest fidelity seen), mean ± half the width of the "
        f"{captions.interval('the mean')}. Mean regret: best score in the table minus that, averaged over the data sets, "
        "in points, runs resampled within each data set. Random sampling: mean over all architectures, what one training "
        "of a cell drawn uniformly gives.",
        f"Bold: best mean of the column; italic: {captions.marks()}",
    )
    return PrintTable("comparison", tuple(columns), references, tuple(rows), text, "Entrants at the full budget")


def queries_table(comparison: Comparison) -> PrintTable:
    """Make the table of what was asked: queries, distinct cells and duplicates by data set."""
    columns = []
    for dataset in comparison.experiment.problems:
        title = captions.dataset_title(dataset)
        columns += [
            Column(title, name, f"{key}_{dataset}")
            for name, key in (("queries", "queries"), ("cells", "distinct_cells"), ("again", "duplicates"))
        ]
    rows = []
    for entrant in comparison.order:
        entries: list[Entry] = []
        for dataset in comparison.experiment.problems:
            found = comparison.scores.get((dataset, entrant))
            measured = () if found is None else (found.queries, found.distinct, found.duplicates)
            entries += [Entry(float(values[:, -1].mean()), digits=1) for values in measured] or [NOTHING] * 3
        rows.append((comparison.experiment.titles[entrant], tuple(entries)))
    text = captions.caption(
        comparison,
        "What was asked until the budget was used up: queries answered, distinct cells among them, and queries that asked "
        "again for a cell at a fidelity that the run knew already. Means over runs.",
    )
    return PrintTable("queries", tuple(columns), (), tuple(rows), text, "Queries, distinct cells and duplicates")


def checkpoint_table(comparison: Comparison, dataset: str) -> PrintTable:
    """Make the table over time of one data set: scores at each checkpoint."""
    experiment = comparison.experiment
    problem, title = experiment.problems[dataset], captions.dataset_title(dataset)
    shares = experiment.checkpoints
    columns = tuple(
        Column("Score (%) after a share of the budget", f"{100 * share:g} %", f"score_percent_at_{share:g}")
        for share in shares
    )
    rows = tuple(
        (
            experiment.titles[entrant],
            tuple(score_entry(comparison, dataset, entrant, point) for point in range(len(shares))),
        )
        for entrant in comparison.order
    )
    text = captions.caption(
        comparison,
        f"Scores over time on {title}: {captions.score_kind(comparison)} of the incumbent at that time, mean ± half the "
        f"width of the {captions.interval('the mean')}. A dash: some run had no incumbent yet.",
        f"Bold: best mean of the column; italic: {captions.marks()}",
    )
    references = (
        (BEST_ROW, (Entry(100 * problem.best_score),) * len(shares)),
        (SAMPLING_ROW, (Entry(100 * problem.random_score_mean),) * len(shares)),
    )
    return PrintTable(f"checkpoints-{dataset}", columns, references, rows, text, f"Scores over time on {title}")


def score_entry(comparison: Comparison, dataset: str, entrant: str, point: int) -> Entry:
    """Return an entrant's mean score at a checkpoint, in per cent, marked."""
    found = comparison.scores.get((dataset, entrant))
    if found is None:
        return NOTHING
    mark: Mark = ""
    if entrant == comparison.best(dataset, point):
        mark = "best"
    elif entrant in comparison.not_worse(dataset, point):
        mark = "level"
    best = comparison.experiment.problems[dataset].best_score
    return Entry(
        100 * (best - float(found.summary.mean[point])), 100 * float(found.summary.half_width[point]), mark=mark
    )


def write_text(path: Path, text: str) -> Path:
    """Write a file, its folder too if need be, with the same bytes on every system; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
    return path


def write_table(table: PrintTable, folder: Path) -> list[Path]:
    """Write a table as Markdown, LaTeX and CSV under its name; return the files."""
    return [
        write_text(folder / f"{table.name}.md", to_markdown(table)),
        write_text(folder / f"{table.name}.tex", to_latex(table)),
        write_text(folder / f"{table.name}.csv", to_csv(table)),
    ]


def to_markdown(table: PrintTable) -> str:
    """Write a table in Markdown: spanning headings go into each column's own, the caption below."""
    heads = [f"{column.name}: {column.group}" if column.group else column.name for column in table.columns]
    lines = [["", *heads], ["---", *["---:"] * len(heads)]]
    wrap = {"best": "**", "level": "*", "": ""}
    for name, entries in (*table.references, *table.rows):
        lines.append([name, *[f"{wrap[each.mark]}{each.text(' ± ', DASH)}{wrap[each.mark]}" for each in entries]])
    body = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
    return f"{body}\n\n{table.caption}\n"


def to_latex(table: PrintTable) -> str:
    """Write a table as LaTeX floats with booktabs rules that fit a page 5.5 inches wide (`latex_table.py`)."""

    def row(name: str, entries: Sequence[Entry]) -> latex_table.Row:
        texts = [(entry.text(" ", "--").partition(" "), entry.mark) for entry in entries]
        return latex_table.Row(
            name, tuple(latex_table.cell(value, half_width, mark) for (value, _, half_width), mark in texts)
        )

    return latex_table.float_text(
        table.name,
        [latex_table.Heading(column.group, column.name) for column in table.columns],
        [row(*each) for each in table.references],
        [row(*each) for each in table.rows],
        table.caption.replace("; italic: ", "; underlined: "),
        table.short_caption,
    )


def to_csv(table: PrintTable) -> str:
    """Write what a table shows as CSV, in its units, all digits; half widths and marks in columns of their own."""
    every = (*table.references, *table.rows)
    rows: list[dict[str, Any]] = []
    for name, entries in every:
        row: dict[str, Any] = {"entrant": name}
        for position, (column, entry) in enumerate(zip(table.columns, entries, strict=True)):
            row[column.key] = entry.value
            if any(not np.isnan(each[position].half_width) for _, each in every):
                row[f"{column.key}_half_width"] = entry.half_width
            if any(each[position].mark for _, each in every):
                row[f"{column.key}_mark"] = entry.mark
        rows.append(row)
    return csv_text(rows)


def csv_text(rows: Sequence[dict[str, Any]]) -> str:
    """Write rows with equal keys as CSV: floats with ten significant digits, an empty field for NaN."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    if rows:
        writer.writerow(rows[0].keys())
    for row in rows:
        writer.writerow([_field(value) for value in row.values()])
    return stream.getvalue()


def _field(value: object) -> str:
    if isinstance(value, float | np.floating):
        return "" if np.isnan(value) else f"{value:.10g}"
    return str(value)
