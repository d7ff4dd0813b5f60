"""The page of an optimizer report: one HTML file that opens without a network, `report.html` beside tables and figures.

As the page of strategies (`page.py`), whose style and shared script it uses: Jinja2 writes text and tables, which can be read without
JavaScript, Plotly draws, `templates/optimizers.js` is the rest. The same table gives the same bytes, with the same versions of both.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from . import optimizer_output as output
from . import optimizer_page_data as page_data
from . import page
from .optimizer_advantage import FEWEST_SEEDS, Advantage
from .optimizer_comparison import OptimizerComparison
from .optimizer_figures import task_title
from .optimizer_findings import unfinished
from .optimizer_ladder import Rung, ladder
from .optimizer_ledger import DISTANCES, meta_work
from .page_parts import filled, flat_lines, printed
from .statistics import Estimate
from .tables import DASH, NOTHING, Column, Entry, Mark, PrintTable, write_text

SCRIPTS = ("page.js", "optimizers.js", "page_shell.js", "optimizers_start.js")
STYLES = ("page.css", "optimizers.css")


def write_page(comparison: OptimizerComparison, out: Path) -> Path:
    """Write `report.html` into a folder.

    Raises:
        ImportError: Plotly or Jinja2 is not installed; `page.missing` says so beforehand.
    """
    rungs, table = ladder(comparison), comparison.table
    data = {
        "optimizers": page_data.optimizers(comparison),
        "tasks": page_data.tasks(comparison),
        "curves": page_data.curves(comparison),
        "profiles": page_data.profiles(comparison),
        "tuning": page_data.tuning(comparison),
        "ladder": page_data.ladder_points(rungs, comparison),
    }
    text = filled(
        "optimizers.html",
        SCRIPTS,
        STYLES,
        data,
        title=table.metadata.get("protocol", {}).get("title", "Optimizers"),
        protocol=table.metadata.get("protocol", {}),
        digest=table.digest,
        counts=output.counts(comparison),
        sentences=[output.sentences(comparison, ruleset) for ruleset in comparison.rulesets],
        overall=[printed(output.overall_table(comparison, ruleset), {}) for ruleset in comparison.rulesets],
        leaderboards={
            task: [printed(task_table(comparison, word, task), {}) for word in output.RULESET_WORDS]
            for task in table.tasks
        },
        trials=printed(output.trials_table(comparison), {}),
        rungs=_with_distances(printed(rungs_table(comparison, rungs), {}), rungs) if rungs else None,
        learned=_learned(comparison),
        warnings=comparison.warnings,
        optimizers=data["optimizers"],
        tasks=data["tasks"],
        baseline=comparison.title(comparison.baseline) if comparison.baseline else "",
        provenance=_provenance(comparison),
    )
    return write_text(out / page.PAGE, text)


def task_table(comparison: OptimizerComparison, word: str, task: str) -> PrintTable:
    """Make the leaderboard of one task and ruleset, lowest final test loss first."""
    columns = (
        Column("", "Final test loss", "final_test_loss"),
        Column("", "Mean of the trajectory", "mean_test_loss"),
        Column("", "Final training loss", "final_train_loss"),
        Column("", "Steps to target", "steps_to_target"),
        Column("", "Runs at target (%)", "runs_at_target"),
        Column("", "Speed-up", "speed_up"),
        Column("", "Gradients a step", "gradients_per_step"),
        Column("", "ms a step", "milliseconds_per_step"),
    )
    found = {
        name: comparison.scored[task, name]
        for name, entry in comparison.table.optimizers.items()
        if entry.ruleset == word and (task, name) in comparison.scored
    }
    order = sorted(found, key=lambda name: (found[name].final.value, name))
    base = comparison.table.tasks[task].work_per_step
    rows = []
    for name in order:
        one = found[name]
        median = float(np.median(one.times))
        mark: Mark = "best" if name == order[0] else ""
        rows.append(
            (
                comparison.title(name),
                (
                    _estimate(one.final, mark),
                    _estimate(one.area),
                    _estimate(one.train_final),
                    Entry(median, digits=0) if np.isfinite(median) else NOTHING,
                    NOTHING
                    if np.isnan(one.times).any()
                    else Entry(100 * float(np.isfinite(one.times).mean()), digits=0),
                    Entry(one.speed_up, digits=2),
                    Entry(one.work_per_step / base, digits=2),
                    Entry(1000 * one.seconds_per_step, digits=2),
                ),
            )
        )
    target = comparison.targets.get(task)
    seeds = sorted({len(one.curves) for one in found.values()})
    said = "" if target is None else f" Target {target.words}, set by {comparison.title(target.baseline)}."
    caption = (
        f"{task_title(task)}, optimizers {output.RULESET_WORDS[word]}: mean over "
        f"{' or '.join(map(str, seeds)) or 'no'} fresh seeds ± half the width of the 95 % bootstrap interval.{said} "
        f"Steps to target: of the median run, on the smoothed test loss; {DASH}: it misses it. Speed-up: how many "
        "times fewer steps than the tuned baseline to the smoothed loss at which the worse of the two ends. ms a step: measured on a "
        "busy machine, never ranked on."
    )
    return PrintTable(f"task-{task}-{word}", columns, (), tuple(rows), caption, task_title(task))


def rungs_table(comparison: OptimizerComparison, rungs: list[Rung]) -> PrintTable:
    """Make the ladder of distance with its ledger, a row a rung."""
    frozen = comparison.title(comparison.baseline) if comparison.baseline else "the baseline"
    columns = (
        Column("", f"Over tuned {frozen}", "over_baseline"),
        Column("", "Over the strongest tuned", "over_strongest"),
        Column("", "Seeds", "seeds"),
        Column("", "Pays after tasks", "break_even_tasks"),
    )
    rows = []
    for rung in rungs:
        row = rung.row
        where = f"{task_title(row.task)}, {row.horizon}x"
        pays = Entry(float(np.ceil(rung.pays.value)), digits=0) if np.isfinite(rung.pays.value) else NOTHING
        rows.append(
            (
                f"{comparison.title(row.optimizer)}: {where}",
                (
                    _ratio(rung.over_baseline),
                    _ratio(rung.over_strongest),
                    Entry(float(rung.over_baseline.seeds), digits=0),
                    pays,
                ),
            )
        )
    caption = (
        "Last test loss of the tuned optimizer over that of the learned one: above 1 the learned one is better; ± "
        "half the width of the 95 % bootstrap interval over seeds, or of the range where there are fewer than "
        "five. Pays after: number of tasks after which meta-training has paid for itself against tuning and "
        f"running {frozen}; {DASH}: never. Work: (forward + backward passes) x examples x parameters of the task, "
        "without the learned optimizer's own network."
    )
    return PrintTable("ladder", columns, (), tuple(rows), caption, "Ladder of distance")


def _ratio(found: Advantage) -> Entry:
    value, low, high = found.ratio
    return Entry(value, (high - low) / 2, 2, "best" if low > 1.0 and found.seeds >= FEWEST_SEEDS else "")


def _with_distances(table: dict[str, Any], rungs: list[Rung]) -> dict[str, Any]:
    """Return the ladder's table with the words for distance and overlap before its numbers; they sort from near to far."""
    rows = []
    for (name, cells), rung in zip(table["rows"], rungs, strict=True):
        distance, overlap = rung.row.distance, rung.row.overlap.verdict
        step = DISTANCES.index(distance) if distance in DISTANCES else len(DISTANCES)
        words = ((distance or "unknown", step), (DASH if overlap == "none" else overlap, int(overlap != "none")))
        rows.append(
            (name, [*({"text": text, "value": str(value), "mark": "", "said": ""} for text, value in words), *cells])
        )
    heads = [{"group": "", "name": "Distance"}, {"group": "", "name": "Overlap"}]
    return {**table, "columns": [*heads, *table["columns"]], "rows": rows}


def _estimate(value: Estimate, mark: Mark = "") -> Entry:
    return Entry(value.value, (value.high - value.low) / 2, 4, mark)


def _learned(comparison: OptimizerComparison) -> list[dict[str, str]]:
    """Return what each learned optimizer was trained on, in words."""
    found = []
    for name, entry in comparison.table.optimizers.items():
        record = entry.trained_on
        if record is None or entry.family != "learned":
            continue
        trained = ", ".join(str(each.get("name")) for each in record.get("tasks", [])) or "unknown tasks"
        selected = record.get("selected", {})
        found.append(
            {
                "title": comparison.title(name),
                "text": f"{record.get('algorithm', 'unknown algorithm')} on {trained}; kept after "
                f"{selected.get('after', 'unknown')} episodes or outer steps; {record.get('cpu_seconds', 'unknown')} seconds "
                f"of processor time, work of {meta_work(entry) / 1e6:,.0f} millions",
                "unfinished": unfinished(entry),
            }
        )
    return found


def _provenance(comparison: OptimizerComparison) -> list[tuple[str, str]]:
    """Return what the table was made with, as (name, value) lines, without the protocol's lists."""
    metadata = dict(comparison.table.metadata)
    protocol = {
        key: value for key, value in metadata.pop("protocol", {}).items() if not isinstance(value, list | tuple)
    }
    lines = flat_lines({**metadata, "protocol": protocol})
    return [*lines, ("scored seeds", ", ".join(map(str, comparison.table.scored_seeds))),
            ("tuning seeds", ", ".join(map(str, comparison.table.tuning_seeds)))]  # fmt: skip
