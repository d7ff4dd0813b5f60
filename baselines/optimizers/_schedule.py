"""Learning-rate schedules inside an optimizer, because the benchmark hands the horizon to the optimizer and calls `step` alone.

Constant; cosine to zero without restarts (Loshchilov & Hutter, ICLR 2017, arXiv:1608.03983); linear warm-up over 5 %
of the steps, then linear decay to zero. What a schedule needs is kept in the parameter groups, so `state_dict`,
copies and pickles carry it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import torch

SCHEDULES = ("constant", "cosine", "warmup-linear")

VARIANTS = {schedule: {"schedule": schedule} for schedule in SCHEDULES if schedule != "constant"}
"""Variants of an optimizer that has a setting `schedule`: rows of their own, because schedules are never mixed in a comparison."""

WARMUP_FRACTION = 0.05
"""Of the horizon: AlgoPerf's baselines warm up over 2 to 10 % (Dahl et al. 2023, arXiv:2306.07179)."""


def schedule_factor(schedule: str, step: int, total_steps: int) -> float:
    """Return the factor of the learning rate at a step, in [0, 1].

    Args:
        schedule: one of `SCHEDULES`.
        step: counted from 0; beyond the horizon the last value stays.
        total_steps: the horizon, at least 1.

    Raises:
        ValueError: an unknown schedule, or a horizon below 1.
    """
    if total_steps < 1:
        raise ValueError(f"total_steps is {total_steps}, must be at least 1")
    step = min(step, total_steps)
    if schedule == "constant":
        return 1.0
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * step / total_steps))
    if schedule == "warmup-linear":
        warmup = max(1, round(WARMUP_FRACTION * total_steps))
        if step < warmup:
            return (step + 1) / warmup
        return (total_steps - step) / max(1, total_steps - warmup)
    raise ValueError(f"schedule is {schedule!r}, must be one of {list(SCHEDULES)}")


class Scheduled(torch.optim.Optimizer):
    """Mixin that sets the learning rates before each step: `class ScheduledAdam(Scheduled, torch.optim.Adam)`."""

    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """Set each group's learning rate, then make the step of the optimizer that this is mixed with."""
        model = self.param_groups[0]
        for group in self.param_groups:
            if "schedule" not in group:  # added by `add_param_group` later
                group.update(
                    {key: model[key] for key in ("schedule", "total_steps", "elapsed")}, initial_lr=group["lr"]
                )
            factor = schedule_factor(group["schedule"], group["elapsed"], group["total_steps"])
            group["lr"] = group["initial_lr"] * factor
        # Groups added just now took the count of the first one, so all are counted on together.
        for group in self.param_groups:
            group["elapsed"] += 1
        return super().step(closure)  # type: ignore[func-returns-value, safe-super, unused-ignore]


AnyScheduled = TypeVar("AnyScheduled", bound=Scheduled)


def follow(optimizer: AnyScheduled, schedule: str, total_steps: int) -> AnyScheduled:
    """Let a new optimizer follow a schedule, and return it.

    Raises:
        ValueError: an unknown schedule, or a horizon below 1.
    """
    schedule_factor(schedule, 0, total_steps)
    for group in optimizer.param_groups:
        group.update(schedule=schedule, total_steps=total_steps, elapsed=0, initial_lr=group["lr"])
    return optimizer
