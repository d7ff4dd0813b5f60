"""How many times lower one optimizer's loss is than that of the strongest of others, on the same seeds, with an interval.

One number for every comparison of two or more optimizers on a task: mean loss of the strongest of the others over mean loss of the
one, above 1 where the one is better. Seeds are resampled as they are, for all optimizers together, since a seed is the same problem,
start and order of batches for all of them; which of the others is the strongest is found anew in each resample.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from nasbench.optimizer_table import OptimizerTable

from . import statistics
from .optimizer_scores import FloatArray, trajectory_mean
from .optimizer_targets import scored_losses
from .statistics import Estimate

Measure: TypeAlias = Literal["final", "mean"]
Split: TypeAlias = Literal["train", "test"]

FEWEST_SEEDS = 5
"""Below it a bootstrap interval says nothing: with two seeds there are three different resamples. Ranges are shown instead."""


class Advantage(NamedTuple):
    """How one optimizer compares with others.

    Attributes:
        ratio: mean loss of the strongest of the others over that of the one; with fewer than `FEWEST_SEEDS` seeds the ends are the
            smallest and the largest ratio of a single seed.
        strongest: which of the others has the lowest mean loss.
        seeds: number of seeds.
        ahead: on how many of them the one is below that strongest.
    """

    ratio: Estimate
    strongest: str
    seeds: int
    ahead: int


class Band(NamedTuple):
    """A mean curve with its band, each (evaluations,): a 95 % interval, or the range with fewer than `FEWEST_SEEDS` seeds."""

    mean: FloatArray
    low: FloatArray
    high: FloatArray


def losses(
    table: OptimizerTable, task: str, name: str, measure: Measure, split: Split = "test", horizon: int = 1
) -> FloatArray | None:
    """Return one number a scored seed: the last loss or the mean of the trajectory; None if the optimizer was not run there."""
    found = scored_losses(table, task, name, horizon, f"{split}_loss")
    if found is None:
        return None
    steps, curves = found
    return curves[:, -1] if measure == "final" else trajectory_mean(curves, steps)


def advantage(one: FloatArray, others: Mapping[str, FloatArray], rng: np.random.Generator) -> Advantage:
    """Compare one optimizer with the strongest of others.

    Args:
        one: its loss on each seed, (seeds,), positive.
        others: of at least one other, the same, on the same seeds in the same order.
        rng: of the bootstrap.

    Raises:
        ValueError: no others, or another number of seeds.
    """
    if not others or any(values.shape != one.shape for values in others.values()):
        shapes = {name: values.shape for name, values in others.items()}
        raise ValueError(f"others have shapes {shapes}, must be at least one, each {one.shape}")
    names = list(others)
    stacked = np.stack([one, *others.values()], axis=1)  # (seeds, 1 + others)
    means = stacked.mean(axis=0)
    strongest = 1 + int(np.argmin(means[1:]))
    single = stacked[:, strongest] / stacked[:, 0]
    if len(one) < FEWEST_SEEDS:
        low, high = float(single.min()), float(single.max())
    else:
        drawn = statistics.bootstrap_means(stacked, rng)
        ends = statistics.percentile_interval(drawn[:, 1:].min(axis=1) / drawn[:, 0])
        low, high = float(ends.low), float(ends.high)
    ratio = Estimate(float(means[strongest] / means[0]), low, high)
    return Advantage(ratio, names[strongest - 1], len(one), int(np.sum(single > 1.0)))


def band(curves: FloatArray, rng: np.random.Generator) -> Band:
    """Return the mean over seeds of curves (seeds, evaluations), with its band."""
    if len(curves) < FEWEST_SEEDS:
        return Band(curves.mean(axis=0), curves.min(axis=0), curves.max(axis=0))
    low, high = statistics.bootstrap_interval(curves, rng)
    return Band(curves.mean(axis=0), low, high)


def tuned(table: OptimizerTable, task: str, horizon: int = 1) -> list[str]:
    """Return the tuned optimizers that were run on a task at a horizon."""
    return [
        name
        for name, entry in table.optimizers.items()
        if entry.ruleset == "tuned" and losses(table, task, name, "final", "test", horizon) is not None
    ]
