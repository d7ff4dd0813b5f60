"""Measure what trainings cost on this device, for a cost model that rebuilt tables and live runs can share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from nasbench.cost import CostModel, Measurement, feature_names, fit, measurements
from nasbench.engine import Job
from nasbench.groups import group_count
from nasbench.recipe import Recipe
from nasbench.seal_build import device_name
from nasbench.trainer import LIVE
from nasbench.worker import run_group, start_trainer


def calibrate(
    recipe: Recipe,
    rng: np.random.Generator,
    *,
    sample: int = 60,
    rounds: int = 3,
    epochs: int = 1,
    device: str = "cpu",
    trainer: str = LIVE,
    watch: Callable[[int, int], None] | None = None,
) -> CostModel:
    """Time a random sample of groups and fit a cost model.

    The rounds go through the whole sample, so that a busy minute hits all groups alike, and each group's quickest round
    counts: what disturbs a measurement makes it longer, never shorter.

    Args:
        recipe: the recipe.
        rng: draws the sample.
        sample: number of groups, besides the first one (in spaces with `none`, the cell that passes nothing on).
        rounds: how often each is timed.
        epochs: epochs of each timing.
        device: where.
        trainer: who trains.
        watch: is told (timings made, timings in all) after each.

    Raises:
        ValueError: a number out of range.
        CostError: the fit needs more groups.
    """
    features = len(feature_names(recipe.cell_space))
    for name, value, low in (("sample", sample, features - 1), ("rounds", rounds, 1), ("epochs", epochs, 1)):
        if value < low:
            raise ValueError(f"{name} is {value}, must be at least {low}")
    if epochs > recipe.epochs:
        raise ValueError(f"epochs is {epochs}, must be at most {recipe.epochs}, the recipe's")
    made = start_trainer(Job(recipe, Path(), trainer, (device,)), device)
    count = group_count(recipe)
    groups = sorted({0, *(rng.choice(count - 1, min(sample, count - 1), replace=False) + 1).tolist()})
    run_group(recipe, made, groups[-1], epochs=epochs)  # what is done once per process is done now
    best: dict[int, Measurement] = {}
    for number in range(rounds):
        for place, group in enumerate(groups):
            record = run_group(recipe, made, group, epochs=epochs)
            for time in measurements(recipe, [record], str(made.environment.get("device")), epochs):
                best[group] = _quicker(best.get(group, time), time)
            if watch is not None:
                watch(number * len(groups) + place + 1, rounds * len(groups))
    return fit(recipe, device_name(made.environment), list(best.values()))


def _quicker(one: Measurement, other: Measurement) -> Measurement:
    return Measurement(
        one.cells,
        min(one.train_seconds, other.train_seconds),
        min(one.validation_seconds, other.validation_seconds),
    )
