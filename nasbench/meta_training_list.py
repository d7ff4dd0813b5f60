"""An ordered list of NAdamW settings, learned greedily: the idea of TaskSet, Metz et al. 2020, arXiv:2002.11887, and its `opt_list`.

Candidates are run on tasks that are not among the scored ones; then the list takes, one after another, the candidate that
lowers most the mean over tasks of the best normalised loss in the list so far. Loss 0 is the best candidate's on that task, 1 the start's.

Departures: TaskSet has 1,000 candidates on over 1,000 tasks for 10,000 steps, and its list of 100 can't be had offline; this is a list
of 10 out of 48 candidates on 4 tasks for 150 or 200 steps, all with cosine decay, made here.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nasbench.optimizer_method import LoadedOptimizer, load_optimizer
from nasbench.tasks.images import digits, mnist1d
from nasbench.tasks.mlp import perceptron
from nasbench.tasks.task import Examples, NetworkTask, clip_loss, squared_error

CANDIDATES = 48
LENGTH = 10
SEEDS = (1_900_000, 1_900_001)
"""Instances; in the range of meta-training."""

FAMILY = "nadamw_cosine"


def _reconstruction() -> Examples:
    """Return the digits with themselves as targets."""
    flat = {split: values.flatten(1) for split, values in digits().inputs.items()}
    return Examples(flat, flat, None)


def _task(
    name: str, sizes: Sequence[int], activation: str, horizon: int, examples: Callable[[], Examples]
) -> NetworkTask:
    start, forward = perceptron(sizes, activation, "fan-in")
    ceiling = 1.5 * math.log(10)
    return NetworkTask(name, "list", 1, horizon, 64, ceiling, horizon, examples, start, forward)


def list_tasks() -> tuple[NetworkTask, ...]:
    """Return the tasks that the list is made on; none of them is scored, though the digits and MNIST-1D are those of tasks that are."""
    start, forward = perceptron((64, 8, 64), "tanh", "fan-in")
    coder = NetworkTask(
        "list-digits-coder", "list", 1, 200, 64, 1.0, 200, _reconstruction, start, forward, squared_error
    )
    return (
        _task("list-digits-tanh", (64, 32, 10), "tanh", 150, digits),
        _task("list-mnist1d-relu", (40, 64, 10), "relu", 200, mnist1d),
        _task("list-mnist1d-2-layers", (40, 32, 32, 10), "tanh", 200, mnist1d),
        coder,
    )


def final_loss(
    optimizer: LoadedOptimizer, settings: dict[str, Any], task: NetworkTask, seed: int
) -> tuple[float, float]:
    """Train one instance; return `outer_loss` at the start and at the end."""
    instance = task.instance(seed)
    parameters = instance.initialise()
    rule = optimizer.factory(list(parameters.values()), task.horizon, **settings)
    before = instance.evaluate(parameters)["outer_loss"]
    for step in range(task.horizon):
        rule.zero_grad()
        loss = instance.loss(parameters, instance.batch(step))
        if not torch.isfinite(loss):
            return before, task.ceiling
        loss.backward()  # type: ignore[no-untyped-call, unused-ignore]
        rule.step()
    return before, clip_loss(instance.evaluate(parameters)["outer_loss"], task.ceiling)


def greedy_order(losses: np.ndarray[Any, Any], starts: np.ndarray[Any, Any], length: int) -> list[int]:
    """Return `length` candidates, best list first.

    Args:
        losses: final losses, shape (candidates, tasks).
        starts: losses at the start, shape (tasks,).
        length: entries, at most the number of candidates.

    Raises:
        ValueError: `length` is below 1 or above the number of candidates.
    """
    if not 1 <= length <= len(losses):
        raise ValueError(f"length is {length}, must be from 1 to {len(losses)}")
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


def make_list(output: Path, report: Callable[[str], None] = print) -> dict[str, Any]:
    """Run all candidates, write `nadamw_list.json` into a folder and return what it holds."""
    begun = time.process_time()
    optimizer = load_optimizer(FAMILY)
    tasks = list_tasks()
    trials = optimizer.trials(CANDIDATES)
    losses, starts, work = np.zeros((CANDIDATES, len(tasks))), np.zeros(len(tasks)), 0
    for column, task in enumerate(tasks):
        for row, settings in enumerate(trials):
            pairs = [final_loss(optimizer, settings, task, seed) for seed in SEEDS]
            starts[column] = np.mean([before for before, _ in pairs])
            losses[row, column] = np.mean([after for _, after in pairs])
        work += CANDIDATES * len(SEEDS) * task.horizon * task.instance(SEEDS[0]).work_per_step
        report(f"{task.name}: start {starts[column]:.4f}, best {losses[:, column].min():.4f}")
    order = greedy_order(losses, starts, LENGTH)
    settings_list = [trials[number] for number in order]
    record = {
        "name": "nadamw_list",
        "format": 1,
        "algorithm": "greedy list",
        "family": FAMILY,
        "tasks": [{"name": task.name, "version": task.version, "splits": dict(task.digests)} for task in tasks],
        "instances": {"training": [SEEDS[0], SEEDS[-1] + 1]},
        "meta_work": {"training": work},
        "cpu_seconds": round(time.process_time() - begun, 1),
        "torch": torch.__version__,
        "candidates": order,
        "losses": [[round(float(loss), 6) for loss in losses[number]] for number in order],
        "list": settings_list,
        "list_digest": hashlib.sha256(json.dumps(settings_list, sort_keys=True).encode()).hexdigest(),
    }
    (output / "nadamw_list.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return record
