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
from . import optimizer_page, page, stamp, style, tables
from .optimizer_advantage import FEWEST_SEEDS
from .optimizer_comparison import OptimizerComparison, Ruleset, compare_optimizers
from .optimizer_study import study_figure
from .optimizer_work import work_profile

TABLE = "optimizers.h5"
WORK = (
    "Work: (forward + backward passes) x examples x parameters, every call of the closure counted, without the "
    "optimizer's own arithmetic."
)


@dataclass(frozen=True, eq=False)
class OptimizerReport:
    """What was made.

    Attributes:
        comparison: all numbers.
        files: the files of the report, in order.
        kept: whether they were there, made from the same table by the same code, and were left alone.
        no_page: why there is no `report.html`, in one line; "" if there is one.
    """

    comparison: OptimizerComparison
    files: tuple[Path, ...]
    kept: bool = False
    no_page: str = ""


def optimizer_report(source: OptimizerTable | Path | str, out: Path | None = None) -> OptimizerReport:
    """Compare the optimizers of a table and write tables, figures and a summary; the same table gives the same bytes.

    A report that stands there, whole, made from the same table by the same code, is left alone (`stamp.py`).

    Args:
        source: a table, its file, or a folder that holds it as `optimizers.h5`.
        out: where to write; the folder of the file if None: `summary.md`, `tables/*.md, *.tex, *.csv`, `figures/*.pdf, *.svg, *.png`,
            each figure with its caption (`.txt`), `report.html` where the extra `report` is installed, and `report-stamp.json`.

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
        return OptimizerReport(comparison, standing, kept=True, no_page=page.missing())
    files = [tables.write_text(out / "summary.md", output.summary_markdown(comparison))]
    files += write_tables(comparison, out / "tables")
    files += write_figures(comparison, out / "figures")
    no_page = page.missing()
    if not no_page:
        files.append(optimizer_page.write_page(comparison, out))
    stamp.remove_stale(out, files)
    stamp.write_stamp(out, inputs, files)
    return OptimizerReport(comparison, tuple(files), no_page=no_page)


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
            f"Test loss over steps, optimizers {group.title}, with the baseline: the setting chosen on the tuning "
            f"seeds, mean over at most {seeds} fresh seeds, bands: 95 % bootstrap interval of the mean. Grey line: "
            f"target, which holds on the smoothed curve; there is none where it differs by seed. Losses above the panel are cut off.{end}",
        )
        found[f"tuning-curves-{group.name}"] = (
            figures.tuning_figure(comparison, group),
            f"Expected final test loss after n trials of tuning, optimizers {group.title}: exact mean over all "
            "choices of n of the trials, the best chosen on the outer loss, tuning seeds. Level lines: no "
            f"tuning.{end}",
        )
    for ruleset in comparison.rulesets:
        found |= _profiles(comparison, ruleset, end)
    study = study_figure(comparison)
    if study is not None:
        found["generalization"] = (
            study,
            "Training loss of the optimizer that was meta-trained on a perceptron with 20 sigmoid units for 100 "
            "steps (thick), of the tuned hand-designed ones of the paper, and of the strongest other tuned one at "
            "the end of each panel (grey), on that network and on others, and beyond that horizon (grey line); "
            "after Andrychowicz et al. 2016, figures 4 and 5. Mean over fresh seeds; bands: 95 % bootstrap "
            f"interval of the mean, range where there are fewer than {FEWEST_SEEDS} seeds.{end}",
        )
    return found


def _profiles(comparison: OptimizerComparison, ruleset: Ruleset, end: str) -> dict[str, tuple[Figure, str]]:
    """Return the performance profiles of a ruleset, by steps and by counted work, with captions."""
    found = {}
    work = work_profile(comparison, ruleset)
    same = (
        " Each of these optimizers computes one gradient a step, so that the profiles are those by steps."
        if work.same
        else ""
    )
    for suffix, unit, least, ratios, score, more in (
        ("", "steps", "fewest", ruleset.ratios, ruleset.score, ""),
        ("-work", "work", "least", work.ratios, work.score, f" {WORK}{same}"),
    ):
        drawn = figures.profile_figure(comparison, ruleset.optimizers, ratios, unit, least)
        if drawn is None:
            continue
        none = [comparison.title(name) for name in ruleset.optimizers if score[name].value == 0]
        found[f"performance-profiles-{ruleset.name}{suffix}"] = (
            drawn,
            f"Performance profiles of the {ruleset.name} ruleset: share of {len(ruleset.tasks)} tasks whose target "
            f"the median run reaches within a factor of the {least} {unit} of any optimizer of the pool "
            f"({ruleset.pool}).{more} Lines that coincide are drawn a hair apart. Score 0, not drawn: "
            f"{', '.join(none) or 'none'}.{end}",
        )
    return found
