"""One function that makes every table and figure of a results folder; `nasbench report RESULTS` calls it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import captions, figures, style, tables, wide
from .comparison import Comparison, compare
from .figures import Plot
from .summary import summary_markdown

FIGURES: dict[str, Callable[[Comparison], list[Plot]]] = {
    "regret-over-seconds": figures.regret_over_seconds,
    "median-regret-over-seconds": figures.median_regret_over_seconds,
    "regret-over-queries": figures.regret_over_queries,
    "regret-at-budget": figures.regret_at_budget,
    "targets-over-seconds": figures.targets_over_seconds,
}


@dataclass(frozen=True, eq=False)
class Report:
    """What was made.

    Attributes:
        comparison: the numbers, for `summary`.
        files: the files written, in order.
    """

    comparison: Comparison
    files: tuple[Path, ...]


def report(results: Path, out: Path | None = None) -> Report:
    """Compare the entrants of a results folder and write tables, figures and a summary.

    The same records give the same bytes in every file, with the same versions of numpy, scipy, pandas and matplotlib.

    Args:
        results: the folder, `results/<protocol>`.
        out: where to write, the folder itself if None: `summary.md`, `tables/*.md, *.tex, *.csv` and
            `figures/*.pdf, *.svg, *.png`, each figure with its caption (`.txt`).

    Raises:
        RecordError: the folder can't be analysed at all. Single faults are named in the comparison and the summary.
    """
    comparison = compare(results)
    out = results if out is None else out
    files = [_write(out / "summary.md", summary_markdown(comparison))]
    files += write_tables(comparison, out / "tables")
    files += write_figures(comparison, out / "figures")
    return Report(comparison, tuple(files))


def write_tables(comparison: Comparison, folder: Path) -> list[Path]:
    """Write the tables for print and the CSV files for machines; return the files."""
    files = []
    printed = [tables.comparison_table(comparison), tables.queries_table(comparison)]
    printed += [tables.checkpoint_table(comparison, dataset) for dataset in comparison.experiment.problems]
    for table in printed:
        files.append(_write(folder / f"{table.name}.md", tables.to_markdown(table)))
        files.append(_write(folder / f"{table.name}.tex", tables.to_latex(table)))
        files.append(_write(folder / f"{table.name}.csv", tables.to_csv(table)))
    for name, text in {
        "scores": wide.scores_csv(comparison),
        "wide": wide.wide_csv(comparison),
        "pairs": wide.pairs_csv(comparison),
        "targets": wide.targets_csv(comparison),
        "curves-seconds": wide.curves_csv(comparison, "seconds"),
        "curves-queries": wide.curves_csv(comparison, "by_queries"),
        "finals": wide.finals_csv(comparison),
    }.items():
        files.append(_write(folder / f"{name}.csv", text))
    return files


def write_figures(comparison: Comparison, folder: Path) -> list[Path]:
    """Write the figures, in pages where there are many entrants, each with its caption; return the files."""
    files = []
    texts = captions.figure_captions(comparison)
    folder.mkdir(parents=True, exist_ok=True)
    with style.styled():
        for name, draw in FIGURES.items():
            for page, plot in enumerate(draw(comparison)):
                stem = folder / (f"{name}-{page + 1}" if page else name)
                files += style.save(plot.figure, stem)
            files.append(_write(folder / f"{name}.txt", texts[name] + "\n"))
    return files


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
    return path
