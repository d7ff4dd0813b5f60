"""What stands behind a learned optimizer's score: meta-training work, overlap with what it is scored on, break-even, distance.

Overlap is decided by the table's own entries: task names, instance seeds, and SHA-256 of the data splits and of their inputs alone (an
autoencoder has other targets than a classifier of the same images), never by a promise. Scores on instances or test examples that
meta-training has seen are refused; the same task on fresh instances, or the same training data, is stamped.

Break-even: after how many tasks the meta-training has paid for itself against a tuned baseline that reaches the same loss,
N* = meta-work / (baseline's tuning and run - learned optimizer's run). All work is (forward + backward passes) x examples x parameters.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from nasbench.optimizer_table import OptimizerEntry, TaskEntry

Verdict = Literal["none", "same data", "same task", "undeclared", "refused"]

DISTANCES = (
    "same",
    "longer horizon",
    "wider",
    "deeper",
    "other activation",
    "other data",
    "other family",
)
"""The ladder, nearest first."""
ACTIVATIONS = {"sigmoid", "relu", "tanh"}


@dataclass(frozen=True, slots=True)
class Overlap:
    """How what an optimizer was trained on meets a task.

    Attributes:
        verdict: `refused` must not be scored; `same task` and `same data` are stamped; `undeclared`: there is no record to judge by.
        reason: in words; "" for `none`.
    """

    verdict: Verdict
    reason: str = ""


def overlap(entry: OptimizerEntry, task: TaskEntry, scored_seeds: tuple[int, ...]) -> Overlap:
    """Compare the record of an optimizer's meta-training with a task of the table.

    Args:
        entry: any optimizer; a hand-designed one has no overlap.
        task: what it is scored on.
        scored_seeds: instances that it is scored on.
    """
    if entry.trained_on is None:
        return Overlap("undeclared", "no record of its meta-training") if entry.family == "learned" else Overlap("none")
    trained: list[dict[str, Any]] = entry.trained_on.get("tasks", [])
    instances: dict[str, list[int]] = entry.trained_on.get("instances", {})
    same = any(each.get("name") == task.name for each in trained)
    if same:
        for part, (first, end) in sorted(instances.items()):
            seen = [seed for seed in scored_seeds if first <= seed < end]
            if seen:
                return Overlap("refused", f"scored seeds {seen} are among its {part} instances [{first}, {end})")
    splits, inputs = _seen(trained, "splits"), _seen(trained, "inputs")
    seen_test = {name for name, digest in splits.items() if digest == task.digests.get("test")}
    seen_test |= {name for name, digest in inputs.items() if digest == task.input_digests.get("test")}
    if seen_test:
        return Overlap("refused", f"the test examples of {task.name} are those of {', '.join(sorted(seen_test))}")
    if same:
        return Overlap("same task", "meta-trained on other instances of this task")
    if set(splits.values()) & set(task.digests.values()):
        return Overlap("same data", "meta-trained on the same training examples, with another model")
    if set(inputs.values()) & set(task.input_digests.values()):
        return Overlap("same data", "meta-trained on the same inputs, with other targets")
    return Overlap("none")


def _seen(trained: list[dict[str, Any]], kind: str) -> dict[str, str]:
    """Return the digests that a record has of what was seen in meta-training: all splits but the test examples, by `task/split`."""
    return {
        f"{each.get('name')}/{name}": digest
        for each in trained
        for name, digest in each.get(kind, {}).items()
        if name != "test" and digest
    }


def distance(trained: str, scored: str, horizon: int = 1) -> str:
    """Return how far a task is from one that was trained on, a word of `DISTANCES`; names are read as data-activation-variant.

    >>> distance("digits-sigmoid", "digits-sigmoid-40"), distance("digits-sigmoid", "digits-sigmoid", 5)
    ('wider', 'longer horizon')
    >>> distance("digits-sigmoid", "digits-relu"), distance("digits-sigmoid", "mnist5k-sigmoid")
    ('other activation', 'other data')
    """
    if trained == scored:
        return "same" if horizon == 1 else "longer horizon"
    ours, theirs = trained.split("-"), scored.split("-")
    if ours[0] != theirs[0]:
        return "other data" if ours[1:] == theirs[1:] else "other family"
    if ours[0] == "quadratic":
        return "other data"
    first, second = set(ours) & ACTIVATIONS, set(theirs) & ACTIVATIONS
    if first and second and first != second:
        return "other activation"
    if first and first == second:
        return "deeper" if "layers" in theirs[2:] else "wider"
    return "other family"


def nearest(entry: OptimizerEntry, task: str, horizon: int = 1) -> str:
    """Return the smallest distance of a task from those that a learned optimizer was trained on; "" without a record."""
    trained = [] if entry.trained_on is None else entry.trained_on.get("tasks", [])
    found = [distance(str(each["name"]), task, horizon) for each in trained]
    return min(found, key=DISTANCES.index, default="")


def meta_work(entry: OptimizerEntry) -> float:
    """Return the counted work of an optimizer's meta-training, validation included; NaN where its record has none."""
    if entry.trained_on is None:
        return 0.0 if entry.family != "learned" else math.nan
    spent: Mapping[str, float] | float | None = entry.trained_on.get("meta_work")
    if spent is None:
        return math.nan
    return float(sum(spent.values())) if isinstance(spent, Mapping) else float(spent)


def break_even(spent: float, baseline: float, learned: float) -> float:
    """Return after how many tasks meta-training has paid for itself; infinity: never.

    Args:
        spent: work of meta-training.
        baseline: work on one task of the baseline, with its tuning, to reach the loss.
        learned: work on one task of the learned optimizer to reach the same loss; infinite if it does not.

    >>> break_even(600.0, 10.0, 4.0), break_even(600.0, 10.0, 10.0), break_even(600.0, 10.0, float("inf"))
    (100.0, inf, inf)
    """
    if math.isnan(spent):
        return math.nan
    return spent / (baseline - learned) if learned < baseline else math.inf
