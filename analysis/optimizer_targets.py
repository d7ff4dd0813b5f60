"""The curves that targets are set and reached on: losses of the chosen trial on fresh seeds, smoothed, and scaled where problems differ.

Targets are set by named optimizers, all tuned: what the strongest of at least four reaches in the median (AlgoPerf, Dahl et al. 2023,
arXiv:2306.07179, section 4). What is different from there is listed in `optimizer_scores.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from nasbench.optimizer_table import OptimizerTable, TaskEntry

from . import optimizer_scores as scores
from .optimizer_scores import FloatArray, Steps, Target

TARGET_SETTERS = ("sgd", "heavy_ball", "nesterov", "adam", "adamw", "nadamw")
"""Optimizers whose tuned runs set targets: named, so that an entrant that joins later moves no target."""


def scored_losses(
    table: OptimizerTable, task: str, name: str, horizon: int = 1, curve: str = "test_loss"
) -> tuple[Steps, FloatArray] | None:
    """Return steps and losses (seeds, evaluations) of the chosen trial; None if it was not run. Failed runs have the ceiling."""
    if (task, horizon) not in table.rows:
        return None
    found = table.curves(task, name, horizon, scored=True)
    if not found.trials.size or not found.seeds.size:
        return None
    losses = getattr(found, curve)[0]
    return found.steps, np.where(np.isfinite(losses), losses, table.tasks[task].ceiling)


def draws_problems(task: TaskEntry) -> bool:
    """Return whether a seed draws the problem itself, not a training on fixed data.

    The tasks of which this is true (quadratics, regressions) are also those whose steps take all examples, so that their curves have no
    noise of batches.
    """
    return not task.digests


def smooth(task: TaskEntry, losses: FloatArray, steps: Steps) -> FloatArray:
    """Return the curves of a task, (seeds, evaluations), as targets and speed-ups see them."""
    return scores.smoothed(losses, steps, scores.decay_of(task.horizon, deterministic=draws_problems(task)))


def seed_scales(task: TaskEntry, setters: Iterable[FloatArray]) -> FloatArray:
    """Return what the losses of each seed are divided by before they are held against a target, (seeds, 1).

    Where a seed draws the problem, the lowest loss of any of the setters on that seed: problems differ in difficulty. Else 1.

    Args:
        task: whose curves.
        setters: smoothed curves, each (seeds, evaluations) on the same seeds.
    """
    least = [curves.min(axis=1, keepdims=True) for curves in setters]
    if not draws_problems(task) or not least:
        return np.ones((1, 1))
    return np.asarray(np.maximum(np.min(least, axis=0), np.finfo(np.float32).tiny), dtype=np.float64)


def setters_of(table: OptimizerTable, task: str, present: Iterable[str]) -> dict[str, FloatArray]:
    """Return the smoothed losses of the optimizers that set targets, (seeds, evaluations) each."""
    curves = {}
    for name in present:
        entry, found = table.optimizers[name], scored_losses(table, task, name)
        if entry.rule in TARGET_SETTERS and entry.ruleset == "tuned" and found is not None:
            curves[name] = smooth(table.tasks[task], found[1], found[0])
    return curves


def set_target(task: TaskEntry, setters: Mapping[str, FloatArray]) -> Target | None:
    """Return the target of a task; None with too few setters.

    Args:
        task: of which.
        setters: their smoothed curves, as `setters_of` returns them.
    """
    if len(setters) < scores.FEWEST_BASELINES:
        return None
    scales = seed_scales(task, setters.values())
    return scores.choose_target(
        {name: curves / scales for name, curves in setters.items()}, relative=draws_problems(task)
    )


def relative_to_baseline(
    task: TaskEntry, ours: FloatArray, theirs: FloatArray, steps: Steps
) -> tuple[FloatArray, FloatArray]:
    """Return smoothed curves of an optimizer and of the baseline, (seeds, evaluations), scaled as for a target that the latter sets."""
    mine, base = smooth(task, ours, steps), smooth(task, theirs, steps)
    scales = seed_scales(task, [base])
    return mine / scales, base / scales
