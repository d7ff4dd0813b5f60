"""An ordered list of NAdamW settings as a baseline of few trials: TaskSet's `opt_list`, Metz et al. 2020, arXiv:2002.11887, by look-up.

Candidates are the stored trials of NAdamW (the rule of TaskSet's list, see `nadamw.py`) and of its variants. For each task the list is
made greedily on all *other* tasks of the table (leave one task out), so that no run on a task has a say in the list that is scored
there: one after another, the candidate that lowers most the mean over tasks of the best normalised loss in the list so far. Loss 0 is
the best candidate's on a task, 1 the start's. The list is a virtual entrant: trials are taken in its order from the table, nothing is
trained, and only its tuning curve is its own (with all candidates tried it is NAdamW tuned over both rows).

Departures: TaskSet has 1,000 candidates on over 1,000 tasks for 10,000 steps and a list of 100; here are as many candidates as the rows
of NAdamW have trials on every task, as many tasks as the table has, and a list of `LENGTH`. Tasks that share their data with
the scored one (digits) stay among the others.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nasbench.optimizer_table import OptimizerTable

from . import optimizer_scores as scores
from .optimizer_scores import FloatArray, ScoreError

RULE = "nadamw"
NAME, TITLE = "nadamw-list", "NAdamW, ordered list of the other tasks"
LENGTH = 10  # TaskSet's first 10 settings bring most of what 100 bring


class Candidates(NamedTuple):
    """Final losses of all candidates on all tasks.

    Attributes:
        names: (entrant, trial) of each candidate.
        tasks: names of the tasks.
        outer, test: mean over the tuning seeds of the last losses, (candidates, tasks); failed runs have the ceiling.
        starts: mean outer loss before the first step, (tasks,).
    """

    names: tuple[tuple[str, int], ...]
    tasks: tuple[str, ...]
    outer: FloatArray
    test: FloatArray
    starts: FloatArray


def greedy_order(losses: FloatArray, starts: FloatArray, length: int) -> list[int]:
    """Return `length` candidates, best list first.

    Args:
        losses: final losses, shape (candidates, tasks).
        starts: losses at the start, shape (tasks,).
        length: entries, at most the number of candidates.

    Raises:
        ScoreError: `length` is below 1 or above the number of candidates.
    """
    if not 1 <= length <= len(losses):
        raise ScoreError(f"length is {length}, must be from 1 to {len(losses)}")
    best = losses.min(axis=0)
    normalised = np.clip((losses - best) / np.maximum(starts - best, 1e-12), 0, 1)
    reached = np.ones(losses.shape[1])
    chosen: list[int] = []
    for _ in range(length):
        means = np.minimum(normalised, reached).mean(axis=1)
        # Where nothing improves the list any more, what is best by itself comes first.
        rest = [number for number in range(len(losses)) if number not in chosen]
        chosen.append(min(rest, key=lambda number: (means[number], normalised[number].mean(), number)))
        reached = np.minimum(reached, normalised[chosen[-1]])
    return chosen


def candidates(table: OptimizerTable) -> Candidates | None:
    """Return the trials of NAdamW and its variants that were run on every task that they were run on at all; None without any."""
    rows = [name for name, entry in table.optimizers.items() if entry.optimizer == RULE and entry.ruleset == "tuned"]
    tasks = tuple(task for task in table.tasks if rows and all(task in table.optimizers[name].best for name in rows))
    if not tasks:
        return None
    names: list[tuple[str, int]] = []
    outer: list[FloatArray] = []
    test: list[FloatArray] = []
    starts: FloatArray = np.zeros(len(tasks))
    for name in rows:
        found = [table.curves(task, name, scored=False) for task in tasks]
        count = min(len(each.trials) for each in found)
        names += [(name, trial) for trial in range(count)]
        for losses, kind in ((outer, "outer_loss"), (test, "test_loss")):
            columns = []
            for task, each in zip(tasks, found, strict=True):
                last = getattr(each, kind)[:count, :, -1]
                columns.append(np.where(np.isfinite(last), last, table.tasks[task].ceiling).mean(axis=1))
            losses.append(np.stack(columns, axis=1))
        # Every run begins where its seed says, whatever the optimizer: one row tells the starts of all.
        starts = np.array([float(np.nanmean(each.outer_loss[..., 0])) for each in found])
    return Candidates(tuple(names), tasks, np.concatenate(outer), np.concatenate(test), starts)


def list_of(found: Candidates, task: str, length: int = LENGTH) -> list[int]:
    """Return the list that is scored on a task: candidates in their order, chosen on all other tasks.

    Raises:
        ScoreError: no such task, or there is no other one.
    """
    if task not in found.tasks or len(found.tasks) < 2:
        raise ScoreError(f"no list for {task!r}: it must be one of at least two tasks, there are {list(found.tasks)}")
    others = [place for place, name in enumerate(found.tasks) if name != task]
    return greedy_order(found.outer[:, others], found.starts[others], min(length, len(found.names)))


def list_curves(table: OptimizerTable, length: int = LENGTH) -> dict[str, FloatArray]:
    """Return by task the test loss after 1, ..., `length` entries of its list, the best chosen on the outer loss of the tuning seeds."""
    found = candidates(table)
    if found is None or len(found.tasks) < 2:
        return {}
    curves = {}
    for place, task in enumerate(found.tasks):
        order = list_of(found, task, length)
        curves[task] = scores.tuning_curve(found.outer[order, place], found.test[order, place], ordered=True)
    return curves
