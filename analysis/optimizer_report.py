"""One function that makes every table and figure of an optimizer table; `nasbench run protocols/optimizers.toml` calls it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from nasbench.optimizer_table import OptimizerTable, open_optimizer_table

from . import optimizer_figures as figures
from . import optimizer_output as output
from . import stamp, style, tables
from .optimizer_comparison import OptimizerComparison, compare_optimizers

TABLE = "optimizers.h5"


@dataclass(frozen=True, eq=False)
class OptimizerReport:
    """What was made.

    Attributes:
        comparison: all numbers.
        files: the files of the report, in order.
        kept: whether they were there, made from the same table by the same code, and were left alone.
    """

    comparison: OptimizerComparison
    files: tuple[Path, ...]
    kept: bool = False


def optimizer_report(source: OptimizerTable | Path | str, out: Path | None = None) -> OptimizerReport:
    """Compare the optimizers of a table and write tables, figures and a summary; the same table gives the same bytes.

    A report that stands there, whole, made from the same table by the same code, is left alone (`stamp.py`).

    Args:
        source: a table, its file, or a folder that holds it as `optimizers.h5`.
        out: where to write; the folder of the file if None: `summary.md`, `tables/*.md, *.tex, *.csv`, `figures/*.pdf, *.svg, *.png`,
            each figure with its caption (`.txt`), and `report-stamp.json`.

    Raises:
        FileNotFoundError: there is no table.
        ValueError: a table in memory without `out`, or nothing in it can be compared.
    """
    if isinstance(source, OptimizerTable):
        table = source
        if out is None:
            raise ValueError("out is None: a table in memory has no folder to write to")
    else:
        path = Path(source) / TABLE if Path(source).is_dir() else Path(source)
        table, out = open_optimizer_table(path), path.parent if out is None else out
    comparison = compare_optimizers(table)
    inputs = hashlib.sha256(f"{table.digest} {stamp.input_digest(out)}".encode()).hexdigest()
    standing = stamp.up_to_date(out, inputs)
    if standing is not None:
        return OptimizerReport(comparison, standing, kept=True)
    files = [tables.write_text(out / "summary.md", output.summary_markdown(comparison))]
    files += write_tables(comparison, out / "tables")
    files += write_figures(comparison, out / "figures")
    stamp.remove_stale(out, files)
    stamp.write_stamp(out, inputs, files)
    return OptimizerReport(comparison, tuple(files))


report = optimizer_report
"""The name by which the command finds it."""


def write_tables(comparison: OptimizerComparison, folder: Path) -> list[Path]:
    """Write the tables for print and the CSV files for machines; return the files."""
    files = []
    for table in output.printed_tables(comparison):
        files += tables.write_table(table, folder)
    for name, text in {
        "optimizer-scores": output.scores_csv(comparison),
        "tuning-curves": output.tuning_csv(comparison),
        "learning-curves": output.curves_csv(comparison),
    }.items():
        files.append(tables.write_text(folder / f"{name}.csv", text))
    return files


def write_figures(comparison: OptimizerComparison, folder: Path) -> list[Path]:
    """Write the figures, each with its caption; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    with style.styled():
        for name, (figure, caption) in _drawn(comparison).items():
            files += style.save(figure, folder / name)
            files.append(tables.write_text(folder / f"{name}.txt", caption + "\n"))
    return files


def _drawn(comparison: OptimizerComparison) -> Mapping[str, tuple[Figure, str]]:
    """Return every figure with its caption, by file name."""
    found: dict[str, tuple[Figure, str]] = {}
    end = f" Table {comparison.table.digest[:16]}."
    seeds = len(comparison.table.scored_seeds)
    for group in figures.groups_of(comparison):
        found[f"learning-curves-{group.name}"] = (
            figures.learning_curves(comparison, group),
            f"Test loss over steps, optimizers {group.title}, with the baseline: the setting chosen on "
            f"the tuning seeds, mean over at most {seeds} "
            "fresh seeds, bands: 95 % bootstrap interval of the mean. Grey line: target, which holds "
            "on the smoothed curve. Losses above the "
            f"panel are cut off.{end}",
        )
        found[f"tuning-curves-{group.name}"] = (
            figures.tuning_figure(comparison, group),
            f"Expected final test loss after n trials of tuning, optimizers {group.title}: exact mean "
            "over all choices of n of the trials, the best "
            f"chosen on the outer loss, tuning seeds. Level lines: no tuning.{end}",
        )
    for ruleset in comparison.rulesets:
        drawn = figures.profile_figure(comparison, ruleset)
        if drawn is not None:
            none = [comparison.title(name) for name in ruleset.optimizers if ruleset.score[name].value == 0]
            found[f"performance-profiles-{ruleset.name}"] = (
                drawn,
                f"Performance profiles of the {ruleset.name} ruleset: share of {len(ruleset.tasks)} "
                "tasks whose target the median run reaches within a "
                f"factor of the fewest steps of any optimizer of the pool ({ruleset.pool}). Lines that "
                "coincide are drawn a hair apart. "
                f"Score 0, not drawn: {', '.join(none) or 'none'}.{end}",
            )
    general = figures.generalization_group(comparison)
    if general is not None:
        found["generalization"] = (
            figures.generalization_figure(comparison, general),
            "Training loss of optimizers meta-trained on a perceptron with 20 sigmoid units (thick) "
            "and of tuned hand-designed ones, on networks "
            f"unlike that one; after Andrychowicz et al. 2016, figure 5.{end}",
        )
    return found
