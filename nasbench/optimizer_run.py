"""One training of one task by one optimizer, as a row of the optimizer table: curves on the task's grid, a status, the work it took.

The loop is torch's: `optimizer.step(closure)`, where the closure computes loss and gradients; an optimizer that calls it several times a
step is charged for each call. Optimizers with a mode (schedule-free) are put in evaluation mode for evaluations. A loss that is no
finite number ends the run as `diverged`, an exception as `failed`; from there on losses are the task's ceiling, accuracies 0.
"""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from nasbench.optimizer_method import LoadedOptimizer
from nasbench.optimizer_table import RunKey, RunResult
from nasbench.tasks.task import Instance, Task

REPORTED = ("train", "outer", "test")
"""Splits of the table; `inner` belongs to optimizers that look at it while they train."""


def evaluation_steps(task: Task, horizon: int = 1) -> list[int]:
    """Return the steps after which a run is evaluated: 0, every `evaluate_every`, and the last."""
    total = task.horizon * horizon
    return sorted({*range(0, total, task.evaluate_every), total})


def environment() -> dict[str, Any]:
    """Return what the bits of a run depend on: torch, processor, instruction set, threads."""
    return {
        "torch": str(torch.__version__),
        "machine": platform.machine(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
    }


@dataclass
class _Counter:
    """The closure's memory: its calls, and the first loss that was no number."""

    calls: int = 0
    bad: float | None = None
    curve: dict[str, list[float]] = field(default_factory=dict)


def train(task: Task, loaded: LoadedOptimizer, settings: Mapping[str, Any], key: RunKey) -> RunResult:
    """Carry out one run.

    Args:
        task: what is trained.
        loaded: the optimizer.
        settings: its complete settings.
        key: which run it is; seed and horizon are taken from it.

    Returns:
        The row. An exception of the optimizer is in its status; one of the task is raised.
    """
    instance = task.instance(key.seed)
    parameters = instance.initialise()
    grid = evaluation_steps(task, key.horizon)
    total = grid[-1]
    counter = _Counter()
    status, reason, seconds = "ok", "", 0.0
    start = time.perf_counter()
    try:
        optimizer = loaded.factory(list(parameters.values()), total, **settings)
        _mode(optimizer, training=True)
        seconds = time.perf_counter() - start
        for step, stop in zip([0, *grid], grid, strict=False):
            start = time.perf_counter()
            _descend(instance, parameters, optimizer, range(step, stop), counter)
            _mode(optimizer, training=False)
            seconds += time.perf_counter() - start
            if counter.bad is not None:
                status, reason = "diverged", f"training loss is {counter.bad} at step {counter.calls}"
                break
            if not all(bool(torch.isfinite(values).all()) for values in parameters.values()):
                status, reason = "diverged", f"parameters are not finite after step {stop}"
                break
            for name, value in instance.evaluate(parameters, REPORTED).items():
                counter.curve.setdefault(name, []).append(value)
            _mode(optimizer, training=True)
    except Exception as error:  # whatever an optimizer raises is its result
        status, reason = "failed", f"{type(error).__name__}: {error}"[:300]
    names = counter.curve or {name: [] for name in instance.evaluate(instance.initialise(), REPORTED)}
    curves = {
        name: _fill(values, len(grid), 0.0 if name.endswith("accuracy") else task.ceiling)
        for name, values in names.items()
    }
    steps = total if status == "ok" else max(1, counter.calls)
    work = instance.work_per_step * (counter.calls / steps if counter.calls else 1.0)
    return RunResult(key, status, reason, curves, seconds / max(1, steps), work)


def _descend(
    instance: Instance,
    parameters: Mapping[str, torch.Tensor],
    optimizer: torch.optim.Optimizer,
    steps: Iterable[int],
    counter: _Counter,
) -> None:
    """Make steps until they are done or a loss is no finite number."""
    for step in steps:
        batch = instance.batch(step)

        def closure(batch: tuple[torch.Tensor, ...] = batch) -> torch.Tensor:
            optimizer.zero_grad()
            loss = instance.loss(parameters, batch)
            loss.backward()  # type: ignore[no-untyped-call, unused-ignore]
            counter.calls += 1
            value = float(loss.detach())
            if not math.isfinite(value) and counter.bad is None:
                counter.bad = value
            return loss

        optimizer.step(closure)  # type: ignore[arg-type, unused-ignore]
        if counter.bad is not None:
            return


def _mode(optimizer: Any, *, training: bool) -> None:
    mode = getattr(optimizer, "train" if training else "eval", None)
    if callable(mode):
        mode()


def _fill(values: Sequence[float], length: int, filler: float) -> list[float]:
    return [*values, *([filler] * (length - len(values)))]
