"""Performance profiles by counted work, and what a step of each optimizer costs.

Work is (forward + backward passes) x examples x parameters, with every call of the closure counted: an optimizer that computes two
gradients a step pays for both. It does not hold the optimizer's own arithmetic; that is in the measured milliseconds, which were
taken on a busy machine and are never ranked on. They are printed as a multiple of SGD's step on the same task, whose own arithmetic is
next to nothing, so that gradients and machine cancel as far as they can.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import optimizer_scores as scores
from . import statistics
from .comparison import generator
from .optimizer_comparison import OptimizerComparison, Ruleset
from .optimizer_scores import FloatArray
from .statistics import Estimate

LIGHTEST = "sgd"


@dataclass(frozen=True, eq=False)
class WorkProfile:
    """A ruleset's profile by counted work.

    Attributes:
        optimizers: in the ruleset's order.
        work: (optimizers, tasks) median work to the target, infinite where it is missed.
        ratios: (optimizers, tasks) over the least work of the pool.
        score: by optimizer, integral of the profile with interval.
        same: whether the ratios are those of steps.
    """

    optimizers: tuple[str, ...]
    work: FloatArray
    ratios: FloatArray
    score: dict[str, Estimate]
    same: bool


@dataclass(frozen=True, slots=True)
class StepCost:
    """What a step costs.

    Attributes:
        milliseconds: measured, with the gradient, median over tasks.
        times_lightest: measured, over SGD's on the same task, median over tasks; NaN without SGD.
        gradients: forward and backward passes a step, as counted, mean over tasks.
    """

    milliseconds: float
    times_lightest: float
    gradients: float


def work_profile(comparison: OptimizerComparison, ruleset: Ruleset) -> WorkProfile:
    """Compute a ruleset's profile by work, seeds resampled within tasks."""
    rng = generator("optimizer work", ruleset.name, ruleset.pool)
    every = []
    for task in ruleset.tasks:
        found = [comparison.scored[task, name] for name in ruleset.optimizers]
        every.append(np.array([each.times * each.work_per_step for each in found]))  # (optimizers, seeds)
    work = np.stack([scores.censored_median(each) for each in every], axis=1)
    ratios = scores.performance_ratios(work)
    if np.allclose(ratios, ruleset.ratios):  # one gradient a step everywhere: the same numbers, so the same intervals
        return WorkProfile(ruleset.optimizers, work, ratios, dict(ruleset.score), same=True)
    medians = []
    for each in every:
        drawn = rng.integers(each.shape[1], size=(statistics.RESAMPLES, each.shape[1]))
        medians.append(scores.censored_median(each[:, drawn]))
    replicates = scores.profile_score(scores.performance_ratios(np.stack(medians, axis=1)))
    low, high = statistics.percentile_interval(replicates.T)
    value = scores.profile_score(ratios)
    score = {
        name: Estimate(float(value[place]), float(low[place]), float(high[place]))
        for place, name in enumerate(ruleset.optimizers)
    }
    return WorkProfile(ruleset.optimizers, work, ratios, score, same=False)


def step_cost(comparison: OptimizerComparison, name: str, tasks: tuple[str, ...]) -> StepCost:
    """Return what a step of an optimizer costs on these tasks, on each of which it was scored."""
    table = comparison.table
    light = next((each for each, entry in table.optimizers.items() if entry.rule == LIGHTEST), None)
    found = {task: comparison.scored[task, name] for task in tasks}
    both = [task for task in tasks if light is not None and (task, light) in comparison.scored]
    ratios = [found[task].seconds_per_step / comparison.scored[task, light or ""].seconds_per_step for task in both]
    return StepCost(
        1000.0 * float(np.median([one.seconds_per_step for one in found.values()])),
        float(np.median(ratios)) if ratios else float("nan"),
        float(np.mean([one.work_per_step / table.tasks[task].work_per_step for task, one in found.items()])),
    )
