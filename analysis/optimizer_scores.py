"""Scores of optimizers: smoothed curves, targets, times to target, performance profiles, steps of a baseline, tuning curves.

Time to target, infinite times in medians, performance profiles integrated to a factor of 4: AlgoPerf (Dahl et al. 2023,
arXiv:2306.07179, section 4; Dolan & More, Math. Program. 91, 2002). Steps that a tuned baseline needs (mean, exponential moving average,
lower envelope over settings, cumulative minimum, inverted): google/learned_optimization (Metz et al. 2022, arXiv:2203.11860).
Expected score after n trials: Dodge et al., EMNLP 2019, arXiv:1909.03004, here exact and without replacement.

Departures:

- The moving average keeps a weight per *step*, not per evaluation (learned_optimization: .95), so that grids of different density are
  smoothed alike; its memory is a twentieth of the task's own horizon, exp(-1 / (.05 x horizon)) a step (.95 would be half of a run of
  40), and it is divided by the sum of its weights, so that it does not lean on the first loss. Tasks whose steps take all examples are
  not smoothed: their curves have no noise of batches.
- The baseline's curve is its tuned setting's on the same seeds, not an envelope over settings (`optimizer_comparison.py` says why).
- A target is the upper of the two middle values where seeds are even, so that the run that set it reaches it.
- Where a seed draws the problem itself, curves are divided by the lowest loss of any target setter on that seed first: a target in
  losses would be a target for the easy seeds.
- A baseline's steps saturate where a loss lies below all of its curve; `speed_up` compares the steps of both to a loss that both reach,
  and never does.

Smaller values are better everywhere here: all inputs are losses or times.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import comb, exp
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float64]
Steps: TypeAlias = NDArray[np.int64]

MEMORY = 0.05  # of the horizon: how far back the moving average looks
LARGEST_RATIO = 4.0  # AlgoPerf: beyond four times the fastest a task does not count
FEWEST_BASELINES = 4  # AlgoPerf sets its targets with four
SLOWEST = 0.05  # a speed-up in a geometric mean is at least this: one task can't make the mean zero


class ScoreError(ValueError):
    """Scores that can't be computed; the message says which value is wrong and what is allowed."""


def decay_of(horizon: int, *, deterministic: bool) -> float:
    """Return the weight that the moving average of a task's curves keeps per step; 0 is no average.

    Args:
        horizon: of the task, at 1x, whatever the run's.
        deterministic: every step takes the same examples, so that there is nothing to smooth.

    >>> decay_of(100, deterministic=True), round(decay_of(100, deterministic=False), 3)
    (0.0, 0.819)
    """
    return 0.0 if deterministic else exp(-1.0 / (MEMORY * horizon))


def smoothed(losses: FloatArray, steps: Steps, decay: float) -> FloatArray:
    """Return the exponential moving average of curves over the steps done, weights adding up to one everywhere.

    Args:
        losses: shape (..., evaluations).
        steps: shape (evaluations,), ascending; an evaluation k steps back has the weight decay^k.
        decay: weight kept per step, in [0, 1).

    Returns:
        The shape of `losses`. A NaN makes everything after it NaN.

    Raises:
        ScoreError: `decay` outside [0, 1), steps that don't ascend, or not one step an evaluation.
    """
    if not 0.0 <= decay < 1.0:
        raise ScoreError(f"decay is {decay}, must be in [0, 1)")
    if losses.shape[-1] != len(steps) or np.any(np.diff(steps) <= 0):
        raise ScoreError(f"{losses.shape[-1]} evaluations and {len(steps)} steps: must be as many, steps ascending")
    total, weight = np.zeros(losses.shape[:-1]), 0.0
    result = np.empty(losses.shape, dtype=np.float64)
    for position, kept in enumerate(decay ** np.diff(steps, prepend=steps[:1]).astype(np.float64)):
        total = total * kept + losses[..., position]
        weight = weight * float(kept) + 1.0
        result[..., position] = total / weight
    return result


def time_to_target(curves: FloatArray, steps: Steps, target: float) -> FloatArray:
    """Return the first evaluated step at which each curve is at or below the target, infinity where none is.

    Args:
        curves: smoothed, shape (..., evaluations); NaN never counts as reached.
        steps: shape (evaluations,).
        target: a loss.

    Returns:
        Shape (...), steps.
    """
    reached = curves <= target
    first = np.asarray(steps, dtype=np.float64)[np.argmax(reached, axis=-1)]
    return np.where(reached.any(axis=-1), first, np.inf)


def censored_median(times: FloatArray, axis: int = -1) -> FloatArray:
    """Return the median along an axis; infinite times (targets that were missed) take part.

    >>> float(censored_median(np.array([30.0, np.inf, 10.0]))), float(censored_median(np.array([10.0, np.inf])))
    (30.0, inf)
    """
    return np.asarray(np.median(times, axis=axis), dtype=np.float64)


class Target(NamedTuple):
    """A loss to be reached, and the baseline that set it; `relative`: the loss over the lowest of the setters on the same seed."""

    loss: float
    baseline: str
    relative: bool = False

    @property
    def words(self) -> str:
        """The target for print."""
        return f"{self.loss:.3g}" + (" times the lowest of the setters on the same seed" if self.relative else "")


def upper_median(values: FloatArray, axis: int = -1) -> FloatArray:
    """Return the median along an axis, the upper of the two middle values where they are even in number, so that it is a value.

    >>> float(upper_median(np.array([4.0, 1.0, 3.0, 2.0]))), float(upper_median(np.array([4.0, 1.0, 3.0])))
    (3.0, 3.0)
    """
    return np.asarray(np.quantile(values, 0.5, axis=axis, method="higher"), dtype=np.float64)


def choose_target(curves: dict[str, FloatArray], *, relative: bool = False) -> Target:
    """Return the upper median of the smallest loss that the strongest of several tuned baselines reaches: at least half its runs do.

    Args:
        curves: by baseline, smoothed, shape (seeds, evaluations), complete.
        relative: they were divided by each seed's lowest loss.

    Raises:
        ScoreError: fewer than `FEWEST_BASELINES` baselines.
    """
    if len(curves) < FEWEST_BASELINES:
        raise ScoreError(f"{len(curves)} tuned baselines {sorted(curves)}: a target needs at least {FEWEST_BASELINES}")
    reached = {name: float(upper_median(np.min(values, axis=-1))) for name, values in curves.items()}
    strongest = min(reached, key=lambda name: (reached[name], name))
    return Target(reached[strongest], strongest, relative)


def performance_ratios(times: FloatArray) -> FloatArray:
    """Return each time over the shortest of its task; infinity where the target was missed, by all or by this one.

    Args:
        times: shape (optimizers, tasks, ...), positive or infinite.
    """
    fastest = np.min(times, axis=0)
    reached = np.isfinite(times)
    return np.where(reached, np.where(reached, times, 1.0) / np.where(np.isfinite(fastest), fastest, 1.0), np.inf)


def profile(ratios: FloatArray, at: FloatArray) -> FloatArray:
    """Return the share of tasks that each optimizer finishes within a factor of the fastest, shape (optimizers, factors).

    Args:
        ratios: shape (optimizers, tasks).
        at: factors, shape (factors,).
    """
    return np.asarray(np.mean(ratios[:, :, None] <= at, axis=1), dtype=np.float64)


def profile_score(ratios: FloatArray, largest: float = LARGEST_RATIO) -> FloatArray:
    """Return the exact integral of the profile from 1 to `largest`, divided by its length: 0 worst, 1 fastest everywhere.

    Args:
        ratios: shape (optimizers, tasks, ...).
        largest: where the integral ends, above 1.
    """
    return np.asarray(np.mean(np.clip(largest - ratios, 0.0, largest - 1.0), axis=1) / (largest - 1.0))


def lowest_so_far(curves: FloatArray) -> FloatArray:
    """Return the smallest loss of each curve, (..., evaluations), up to each evaluation."""
    return np.asarray(np.minimum.accumulate(curves, axis=-1), dtype=np.float64)


class BaselineSteps(NamedTuple):
    """Steps that a baseline needs for a loss; `saturated`: it never gets there, the steps are its whole run."""

    steps: float
    saturated: bool


def baseline_steps(loss: float, baseline: FloatArray, steps: Steps) -> BaselineSteps:
    """Return when a baseline first reaches a loss, linear between its lowest losses so far.

    Args:
        loss: what is to be reached.
        baseline: smoothed mean curve, shape (evaluations,).
        steps: shape (evaluations,).
    """
    falling = lowest_so_far(baseline)
    return BaselineSteps(float(_steps_to(np.asarray(loss), falling, steps)), bool(falling[-1] > loss))


def _steps_to(losses: FloatArray, falling: FloatArray, steps: Steps) -> FloatArray:
    """Return when each falling curve, (..., evaluations), first reaches its loss, (...), linear between evaluations; at most its end."""
    reached = falling <= losses[..., None]
    place = np.argmax(reached, axis=-1)
    before = np.maximum(place - 1, 0)
    above, below = (np.take_along_axis(falling, at[..., None], axis=-1)[..., 0] for at in (before, place))
    fall = np.where(above > below, above - below, 1.0)  # at the first evaluation there is none to divide by
    share = (above - losses) / fall
    between = steps[before] + share * (steps[place] - steps[before])
    return np.asarray(np.where(reached[..., -1], between, steps[-1]), dtype=np.float64)


def speed_up(curve: FloatArray, baseline: FloatArray, steps: Steps) -> FloatArray:
    """Return how many times faster than the baseline a curve is, by the loss where the worse of the two ends.

    Steps that the baseline needs to that loss over steps that the curve needs. 1 for the baseline itself, also where its lowest loss is
    not its last; with the two exchanged it is one over it.

    Args:
        curve: smoothed mean curves, shape (..., evaluations).
        baseline: the baseline's on the same steps, the same shape.
        steps: shape (evaluations,).

    Returns:
        Shape (...).
    """
    best, base = lowest_so_far(curve), lowest_so_far(baseline)
    losses = np.maximum(best[..., -1], base[..., -1])
    theirs, own = (np.maximum(_steps_to(losses, each, steps), 1.0) for each in (base, best))
    return np.asarray(theirs / own)


def geometric_mean(values: FloatArray, axis: int = 0) -> FloatArray:
    """Return the geometric mean of speed-ups, each taken as at least `SLOWEST`."""
    return np.asarray(np.exp(np.mean(np.log(np.maximum(values, SLOWEST)), axis=axis)))


def trajectory_mean(losses: FloatArray, steps: Steps) -> FloatArray:
    """Return the area under curves divided by the steps, by the trapezoidal rule: shape (...) for (..., evaluations)."""
    return np.asarray(np.trapezoid(losses, steps, axis=-1) / float(steps[-1] - steps[0]))


def tuning_curve(selected_on: FloatArray, reported: FloatArray, *, ordered: bool = False) -> FloatArray:
    """Return the expected reported value after 1, ..., N trials, when the trial with the smallest selection value is kept.

    Exact: of all subsets of n of the N trials, each as likely, the trial of rank i (from 0) is the best of
    C(N - 1 - i, n - 1) / C(N, n). Ties go to the earlier trial.

    Args:
        selected_on: shape (trials,), what the choice is made on.
        reported: shape (trials,), what is reported of the chosen one.
        ordered: the trials come in a fixed order, of which the first n are taken; nothing is averaged.

    Returns:
        Shape (trials,), entry n - 1 is after n trials.

    Raises:
        ScoreError: no trial, other shapes, or a value that is no number.
    """
    if selected_on.ndim != 1 or selected_on.shape != reported.shape or not selected_on.size:
        raise ScoreError(f"shapes {selected_on.shape} and {reported.shape}: must be one (trials,), at least one trial")
    if np.isnan(selected_on).any() or np.isnan(reported).any():
        raise ScoreError("a trial's value is NaN: a failed trial has the task's ceiling as its loss")
    number = len(selected_on)
    if ordered:
        chosen = [int(np.argmin(selected_on[:count])) for count in range(1, number + 1)]
        return np.asarray(reported[chosen], dtype=np.float64)
    ranked = reported[np.argsort(selected_on, kind="stable")]
    return np.asarray(_chances(number) @ ranked, dtype=np.float64)


@lru_cache(maxsize=16)
def _chances(number: int) -> FloatArray:
    """Return how likely the trial of rank i is the best of n of `number`, shape (n from 1, ranks)."""
    chances = [
        [comb(number - 1 - rank, count - 1) / comb(number, count) for rank in range(number)]
        for count in range(1, number + 1)
    ]
    return np.array(chances)


def after_trials(curve: FloatArray, counts: Sequence[int]) -> list[float]:
    """Return a tuning curve's values after so many trials; NaN beyond its end, which is not extrapolated."""
    return [float(curve[count - 1]) if count <= len(curve) else float("nan") for count in counts]
