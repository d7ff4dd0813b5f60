"""Tables and summary of an optimizer comparison, for print (Markdown, LaTeX, CSV) and for machines (CSV).

The two rulesets stand in tables of their own: numbers with N trials of tuning don't belong beside numbers with none.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import optimizer_scores as scores
from .optimizer_comparison import TRIALS, OptimizerComparison, Ruleset
from .optimizer_figures import task_title
from .optimizer_list import NAME as LIST_NAME
from .optimizer_list import TITLE as LIST_TITLE
from .optimizer_list import list_curves
from .optimizer_scores import FloatArray
from .optimizer_work import step_cost, work_profile
from .statistics import Estimate
from .tables import DASH, NOTHING, Column, Entry, Mark, PrintTable, csv_text

LISTED = (
    " The ordered list takes stored trials of NAdamW and its variants in an order that was chosen greedily on the other tasks (leave one "
    "task out); it is looked up, not trained."
)
RULESET_WORDS = {"tuned": "tuned from a search space", "self-tuning": "without tuning (self-tuning and learned)"}


def printed_tables(comparison: OptimizerComparison) -> list[PrintTable]:
    """Return all tables for print: overall and final losses for each ruleset, trials, ledger."""
    found = []
    for ruleset in comparison.rulesets:
        found += [
            overall_table(comparison, ruleset),
            losses_table(comparison, ruleset),
            times_table(comparison, ruleset),
        ]
    found.append(trials_table(comparison))
    if comparison.ledger:
        found.append(ledger_table(comparison))
    return found


def overall_table(comparison: OptimizerComparison, ruleset: Ruleset) -> PrintTable:
    """Make the table over tasks of one ruleset: profile score, speed-up, targets reached, what a step costs."""
    frozen = _frozen(comparison)
    columns = (
        Column("", "Profile score", "profile_score"),
        Column("", "Profile score, by work", "profile_score_by_work"),
        Column("", f"Speed-up over {frozen}", "speed_up"),
        Column("", "Targets reached", "targets_reached"),
        Column("A step", "gradients", "gradients_per_step"),
        Column("A step", "ms", "milliseconds_per_step"),
        Column("A step", "over SGD's", "step_over_sgd"),
    )
    rows = []
    work = work_profile(comparison, ruleset)
    best, least = (max(each.value for each in found.values()) for found in (ruleset.score, work.score))
    fastest = max(each.value for each in ruleset.speed_up.values())
    for place, name in enumerate(ruleset.optimizers):
        cost = step_cost(comparison, name, ruleset.tasks)
        score, speed = ruleset.score[name], ruleset.speed_up[name]
        rows.append(
            (
                comparison.title(name),
                (
                    _entry(score, mark="best" if score.value == best > 0 else ""),
                    _entry(work.score[name], mark="best" if work.score[name].value == least > 0 else ""),
                    _entry(speed, mark="best" if speed.value == fastest else ""),
                    Entry(float(np.isfinite(ruleset.times[place]).sum()), digits=0),
                    Entry(cost.gradients, digits=2),
                    Entry(cost.milliseconds, digits=2),
                    Entry(cost.times_lightest, digits=1),
                ),
            )
        )
    text = (
        f"Optimizers {RULESET_WORDS[ruleset.name]}, over {len(ruleset.tasks)} tasks. Profile score: performance "
        "profile of the median steps to target, integrated to four times the fastest of this pool (optimizers: "
        f"{len(ruleset.optimizers)}, pool {ruleset.pool}); it changes with the pool. Speed-up: how many times fewer "
        f"steps than tuned {frozen} to the smoothed loss at which the worse of the two ends, geometric mean over tasks; "
        "it does not change with the pool. ± half the width of the 95 % bootstrap interval, seeds resampled within each "
        "task, targets held. Targets reached: tasks whose target the median run reaches. A step: gradients computed, as "
        "counted; milliseconds, measured with the gradient on a busy machine, median over tasks, not ranked on; the same "
        "over SGD's on the same task, median. By work: "
        f"{'the same as by steps, since each computes one gradient a step' if work.same else 'as counted'}. Bold: "
        f"best of the column.{_stamp(comparison)}"
    )
    return PrintTable(
        f"optimizers-{ruleset.name}", columns, (), tuple(rows), text, f"Optimizers {RULESET_WORDS[ruleset.name]}"
    )


def losses_table(comparison: OptimizerComparison, ruleset: Ruleset) -> PrintTable:
    """Make the table of final test losses of one ruleset, a column a task."""
    tasks = [
        task for task in comparison.table.tasks if any((task, name) in comparison.scored for name in ruleset.optimizers)
    ]
    columns = tuple(Column("Final test loss", task_title(task), f"final_test_loss_{task}") for task in tasks)
    finals = {
        (task, name): comparison.scored[task, name].final
        for task in tasks
        for name in ruleset.optimizers
        if (task, name) in comparison.scored
    }
    rows = []
    for name in ruleset.optimizers:
        entries = []
        for task in tasks:
            least = min(value.value for (other, _), value in finals.items() if other == task)
            value = finals.get((task, name))
            mark: Mark = "best" if value is not None and value.value == least else ""
            entries.append(NOTHING if value is None else _entry(value, digits=3, mark=mark))
        stamped = {
            comparison.scored[task, name].overlap.verdict for task in tasks if (task, name) in comparison.scored
        } - {"none"}
        rows.append((comparison.title(name) + (" *" if stamped else ""), tuple(entries)))
    text = (
        f"Final test loss of optimizers {RULESET_WORDS[ruleset.name]}: chosen on the outer loss of the tuning "
        "seeds, mean over fresh seeds ± half the width of the 95 % bootstrap interval. A run that failed has the "
        "task's ceiling as its loss. Bold: best mean. *: meta-trained on one of these tasks or on its training "
        f"data; the ledger says which.{_stamp(comparison)}"
    )
    return PrintTable(f"losses-{ruleset.name}", columns, (), tuple(rows), text, f"Final losses, {ruleset.name}")


def times_table(comparison: OptimizerComparison, ruleset: Ruleset) -> PrintTable:
    """Make the table of median steps to target of one ruleset, a column a task."""
    columns = tuple(Column("Steps to target", task_title(task), f"steps_to_target_{task}") for task in ruleset.tasks)
    rows = []
    for place, name in enumerate(ruleset.optimizers):
        times = ruleset.times[place]
        fastest = np.min(ruleset.times, axis=0)
        rows.append(
            (
                comparison.title(name),
                tuple(
                    Entry(float(time), digits=0, mark="best" if time == least else "") if np.isfinite(time) else NOTHING
                    for time, least in zip(times, fastest, strict=True)
                ),
            )
        )
    targets = "; ".join(
        f"{task_title(task)} {comparison.targets[task].words} ({comparison.title(comparison.targets[task].baseline)})"
        for task in ruleset.tasks
    )
    text = (
        f"Median steps to target of optimizers {RULESET_WORDS[ruleset.name]}, on the smoothed test loss; {DASH}: "
        "the median run misses it (missed targets count as infinite). Targets, each the upper median of what the "
        f"strongest tuned baseline reaches: {targets}.{_stamp(comparison)}"
    )
    return PrintTable(
        f"steps-to-target-{ruleset.name}", columns, (), tuple(rows), text, f"Steps to target, {ruleset.name}"
    )


def trials_table(comparison: OptimizerComparison) -> PrintTable:
    """Make the table of tuning curves over tasks: expected final loss after n trials, over the baseline's with all trials.

    A column is over the tasks with at least so many trials; columns for which there is none are left out.
    """
    base = {
        task: comparison.scored[task, comparison.baseline or ""].tuning
        for task in comparison.table.tasks
        if (task, comparison.baseline or "") in comparison.scored
    }
    tasks = {count: [task for task, curve in base.items() if len(curve) >= count] for count in TRIALS}
    counts = [count for count in TRIALS if tasks[count]]
    columns = tuple(
        Column("Expected loss after trials", f"{count} ({len(tasks[count])} tasks)", f"relative_loss_after_{count}")
        for count in counts
    )
    listed = list_curves(comparison.table)

    def row(curves: dict[str, FloatArray], tuned: bool) -> tuple[Entry, ...]:
        entries = []
        for count in counts:
            found = {task: curves[task] for task in tasks[count] if task in curves}
            after = count if tuned else 1
            ratios = [scores.after_trials(curve, [after])[0] / base[task][-1] for task, curve in found.items()]
            whole = len(ratios) == len(tasks[count]) and not np.isnan(ratios).any()
            entries.append(Entry(float(np.exp(np.mean(np.log(ratios)))), digits=2) if whole else NOTHING)
        return tuple(entries)

    rows = []
    for name, entry in comparison.table.optimizers.items():
        curves = {task: one.tuning for (task, each), one in comparison.scored.items() if each == name}
        rows.append((comparison.title(name), row(curves, entry.ruleset == "tuned")))
    if listed:
        rows.append((LIST_TITLE, row(listed, True)))
    text = (
        f"Expected final test loss after so many trials, over that of {_frozen(comparison)} with all its trials; "
        "geometric mean over the tasks that have so many trials: compare along a column, not along a row. Exact "
        f"expectation over all choices of n of the trials; the best is chosen on the outer loss, which on quadratics (no data, no "
        f"splits) is the loss that is reported. {DASH}: not run on "
        "all of them, or fewer trials there; nothing is extrapolated. Rows without tuning have one "
        f"trial.{LISTED if listed else ''}{_stamp(comparison)}"
    )
    return PrintTable("trials", columns, (), tuple(rows), text, "Expected loss after n trials")


def ledger_table(comparison: OptimizerComparison) -> PrintTable:
    """Make the ledger of learned optimizers: a row for each optimizer, task and horizon, by distance."""
    columns = (
        Column("Final test loss", "learned", "final_test_loss"),
        Column("Final test loss", f"tuned {_frozen(comparison)}", "baseline_final_test_loss"),
        Column("Work", "meta-training", "meta_work"),
        Column("Work", "baseline, a task", "baseline_work"),
        Column("Work", "learned, a task", "learned_work"),
        Column("", "Pays after tasks", "break_even_tasks"),
    )
    rows = []
    for row in comparison.ledger:
        stamp = "" if row.overlap.verdict == "none" else f"; overlap: {row.overlap.verdict}"
        name = f"{comparison.title(row.optimizer)}, {task_title(row.task)}, {row.horizon}x ({row.distance or 'unknown'}{stamp})"
        millions = [
            value / 1e6 if np.isfinite(value) else float("nan")
            for value in (row.meta_work, row.baseline_work, row.learned_work)
        ]
        after = float(np.ceil(row.break_even)) if np.isfinite(row.break_even) else float("nan")
        rows.append(
            (
                name,
                (
                    Entry(row.final, digits=3),
                    Entry(row.baseline_final, digits=3),
                    *[Entry(value, digits=1) for value in millions],
                    Entry(after, digits=0),
                ),
            )
        )
    text = (
        "Ledger of learned optimizers. Work in millions of (forward + backward passes) x examples x parameters: of "
        f"the meta-training, of the tuned {_frozen(comparison)} (all trials, then one run), and of the learned "
        f"optimizer until the median run reaches the same smoothed loss ({DASH}: it does not). Pays after: number "
        f"of tasks after which meta-training has paid for itself ({DASH}: never). In brackets: distance from the "
        f"nearest task of meta-training, and overlap by hash.{_stamp(comparison)}"
    )
    return PrintTable("ledger", columns, (), tuple(rows), text, "Ledger of learned optimizers")


def scores_csv(comparison: OptimizerComparison) -> str:
    """Return every score of every (task, optimizer) as CSV: losses, steps, work as counted; `inf` where a target is missed."""
    rows: list[dict[str, Any]] = []
    for (task, name), one in comparison.scored.items():
        entry, target = comparison.table.optimizers[name], comparison.targets.get(task)
        median = float(scores.censored_median(one.times))
        rows.append(
            {
                "task": task, "optimizer": name, "ruleset": entry.ruleset, "family": entry.family, "seeds": len(one.curves),
                "not_ok": one.diverged, "target": float("nan") if target is None else target.loss,
                "target_is_relative": target is not None and target.relative, "target_set_by": "" if target is None else target.baseline,
                "median_steps_to_target": median, "median_work_to_target": median * one.work_per_step,
                "share_of_runs_at_target": float(np.isfinite(one.times).mean()) if target is not None else float("nan"),
                **_ends("final_test_loss", one.final), **_ends("final_train_loss", one.train_final), **_ends("mean_test_loss", one.area),
                "speed_up": one.speed_up, "steps_of_baseline": one.equivalent.steps, "saturated": one.equivalent.saturated,
                "work_per_step": one.work_per_step, "seconds_per_step": one.seconds_per_step,
                "overlap": one.overlap.verdict, "distance": one.distance,
            }
        )  # fmt: skip
    return csv_text(rows)


def tuning_csv(comparison: OptimizerComparison) -> str:
    """Return all tuning curves as CSV."""
    return csv_text(
        [
            {"task": task, "optimizer": name, "trials": count, "expected_test_loss": float(value)}
            for (task, name), one in comparison.scored.items()
            for count, value in enumerate(one.tuning, 1)
        ]
        + [
            {"task": task, "optimizer": LIST_NAME, "trials": count, "expected_test_loss": float(value)}
            for task, curve in list_curves(comparison.table).items()
            for count, value in enumerate(curve, 1)
        ]
    )


def curves_csv(comparison: OptimizerComparison) -> str:
    """Return mean learning curves with their intervals as CSV."""
    return csv_text(
        [
            {
                "task": task,
                "optimizer": name,
                "step": int(step),
                "mean_test_loss": float(mean),
                "low": float(low),
                "high": float(high),
            }
            for (task, name), one in comparison.scored.items()
            for step, mean, low, high in zip(one.steps, one.curves.mean(axis=0), one.low, one.high, strict=True)
        ]
    )


def counts(comparison: OptimizerComparison) -> str:
    """Say how much is compared."""
    table = comparison.table
    return (
        f"{len(table.optimizers)} optimizers on {len(table.tasks)} tasks; {len(table.scored_seeds)} scored seeds at "
        f"most, {len(table.tuning_seeds)} tuning seeds; table {table.digest[:16]}."
    )


def sentences(comparison: OptimizerComparison, ruleset: Ruleset) -> list[str]:
    """Say what leads in a ruleset, by profile score and by speed-up."""
    first = ruleset.optimizers[0]
    fast = max(ruleset.speed_up, key=lambda name: (ruleset.speed_up[name].value, name))
    score, speed = ruleset.score[first], ruleset.speed_up[fast]
    return [
        f"Profile score: {comparison.title(first)} {score.value:.2f} [{score.low:.2f}, {score.high:.2f}].",
        f"Speed-up over tuned {_frozen(comparison)}: {comparison.title(fast)} {speed.value:.2f} [{speed.low:.2f}, "
        f"{speed.high:.2f}].",
    ]


def summary_markdown(comparison: OptimizerComparison) -> str:
    """Return the summary: what leads in each ruleset, learned optimizers, everything that needs a reader's caution."""
    lines = ["# Optimizers", "", counts(comparison), ""]
    for ruleset in comparison.rulesets:
        lines += [
            f"## {ruleset.name.capitalize()}: {len(ruleset.optimizers)} optimizers, {len(ruleset.tasks)} tasks "
            f"(pool {ruleset.pool})",
            "",
            *[f"- {sentence}" for sentence in sentences(comparison, ruleset)],
            "",
        ]
    if comparison.ledger:
        lines += [
            "## Learned optimizers",
            "",
            "Final test loss on each task and horizon (in brackets: how it differs from what was meta-trained on), and after how many "
            f"tasks the work that is saved, beside tuned {_frozen(comparison)} with its tuning, makes good for the meta-training.",
            "",
        ]
        for row in comparison.ledger:
            better = "below" if row.final < row.baseline_final else "not below"
            lines.append(
                f"- {comparison.title(row.optimizer)} on {task_title(row.task)} at {row.horizon}x "
                f"({row.distance or 'distance unknown'}): final loss {row.final:.3g}, {better} tuned "
                f"{_frozen(comparison)} ({row.baseline_final:.3g}); {_pays(row.break_even)}."
            )
        lines.append("")
    lines += [
        "## To be read with caution",
        "",
        *[f"- {warning}" for warning in comparison.warnings or ("nothing",)],
        "",
    ]
    return "\n".join(lines)


def _pays(tasks: float) -> str:
    """Say after how many tasks meta-training pays; NaN where its work is not known."""
    if np.isnan(tasks):
        return "work of meta-training unknown"
    if np.isinf(tasks):
        return "never pays"
    number = int(np.ceil(tasks))
    return f"pays after {number:,} task{'' if number == 1 else 's'}"


def _entry(value: Estimate, digits: int = 2, mark: Mark = "") -> Entry:
    return Entry(value.value, (value.high - value.low) / 2, digits, mark)


def _ends(name: str, value: Estimate) -> dict[str, float]:
    return {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high}


def _frozen(comparison: OptimizerComparison) -> str:
    return "(no baseline)" if comparison.baseline is None else comparison.title(comparison.baseline)


def _stamp(comparison: OptimizerComparison) -> str:
    return f" Table {comparison.table.digest[:16]}."
