"""Intervals, robust means, effect sizes and tests for repeated searches, on arrays whose first axis is the run.

Bootstrap: Efron & Tibshirani, An Introduction to the Bootstrap, 1993 (percentile interval, section 13.3). Interquartile mean
for comparisons of learning systems: Agarwal et al., NeurIPS 2021, arXiv 2108.13264. Effect size: Vargha & Delaney, J. Educ.
Behav. Stat. 25(2), 2000. Step-down correction: Holm, Scand. J. Stat. 6(2), 1979. scipy computes the tests. `resamples.py` shares
bootstrap samples between statistics, `pairwise.py` tests all pairs at once.

Everywhere: larger values are better where two samples are compared; pass scores, or negated regrets. A NaN in a column
makes that column's result NaN and no other's. Nothing here pools runs of different problems: a stratum is a problem.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import stats

FloatArray: TypeAlias = NDArray[np.float64]
Statistic: TypeAlias = Callable[[FloatArray, int], FloatArray]
"""`statistic(values, axis)` reduces that axis."""

LEVEL = 0.95  # the interval that the field prints
RESAMPLES = 2000  # Monte Carlo error of a 2.5 % quantile of means is then about 5 % of the interval's half-width
_BLOCK = 8_000_000  # resampled values held at once: 64 MB
_FEW = 50_000  # draws made at once: 400 kB


class Interval(NamedTuple):
    """Lower and upper end, each of the statistic's shape and unit."""

    low: FloatArray
    high: FloatArray


class Estimate(NamedTuple):
    """A value with its interval."""

    value: float
    low: float
    high: float


def resample_counts(runs: int, resamples: int, rng: np.random.Generator) -> FloatArray:
    """Draw how often each run appears in each bootstrap sample: shape (resamples, runs); each row adds up to `runs`.

    Raises:
        ValueError: fewer than one run or resample.
    """
    return whole_counts(runs, resamples, rng).astype(np.float64)


def whole_counts(runs: int, resamples: int, rng: np.random.Generator) -> NDArray[np.unsignedinteger[Any]]:
    """Return the same as `resample_counts`, as whole numbers of a type that holds the number of runs."""
    if runs < 1 or resamples < 1:
        raise ValueError(f"runs and resamples must be at least 1, not {runs} and {resamples}")
    counts = np.empty((resamples, runs), dtype=np.min_scalar_type(runs))
    block = max(1, _FEW // runs)  # small pieces stay in the processor's cache; the draws are those of one piece
    for first in range(0, resamples, block):
        rows = min(block, resamples - first)
        drawn = rng.integers(runs, size=(rows, runs)) + np.arange(rows)[:, None] * runs
        counts[first : first + rows] = np.bincount(drawn.ravel(), minlength=rows * runs).reshape(rows, runs)
    return counts


def bootstrap_means(values: FloatArray, rng: np.random.Generator, resamples: int = RESAMPLES) -> FloatArray:
    """Return the means of bootstrap samples of the runs, (resamples, ...), for values of shape (runs, ...).

    All columns share one set of samples, so the columns of one call keep their correlation.
    """
    flat = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    counts = resample_counts(len(flat), resamples, rng)
    return (counts @ flat / len(flat)).reshape(resamples, *np.shape(values)[1:])


def bootstrap_replicates(
    values: FloatArray, rng: np.random.Generator, statistic: Statistic | None = None, resamples: int = RESAMPLES
) -> FloatArray:
    """Return a statistic of bootstrap samples of the runs.

    Args:
        values: shape (runs, ...).
        rng: where the samples are drawn from.
        statistic: reduces the given axis; the mean if None, which takes one matrix product instead of copies.
        resamples: number of samples.

    Returns:
        Shape (resamples, ...).
    """
    if statistic is None:
        return bootstrap_means(values, rng, resamples)
    values = np.asarray(values, dtype=np.float64)
    if values.shape[0] < 1 or resamples < 1:
        raise ValueError(f"runs and resamples must be at least 1, not {values.shape[0]} and {resamples}")
    block = max(1, _BLOCK // max(1, values.size))
    parts = []
    for first in range(0, resamples, block):
        drawn = rng.integers(values.shape[0], size=(min(block, resamples - first), values.shape[0]))
        parts.append(np.asarray(statistic(values[drawn], 1), dtype=np.float64))
    return np.concatenate(parts)


def percentile_interval(replicates: FloatArray, level: float = LEVEL) -> Interval:
    """Return the central `level` of the replicates, along axis 0, as an interval.

    Raises:
        ValueError: `level` outside (0, 1).
    """
    if not 0.0 < level < 1.0:
        raise ValueError(f"the level of an interval must be in (0, 1), not {level!r}")
    low, high = np.quantile(replicates, [(1.0 - level) / 2.0, (1.0 + level) / 2.0], axis=0)
    return Interval(np.asarray(low), np.asarray(high))


def bootstrap_interval(
    values: FloatArray,
    rng: np.random.Generator,
    statistic: Statistic | None = None,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
) -> Interval:
    """Return the percentile bootstrap interval of a statistic over runs.

    Args:
        values: shape (runs, ...).
        rng: where the samples are drawn from.
        statistic: reduces the given axis; the mean if None.
        level: probability of coverage that is aimed at, in (0, 1). With few runs (below about 20) the percentile
            interval of a mean is somewhat too short; the runs are the sample size, so report them.
        resamples: number of bootstrap samples.

    Returns:
        Ends of shape (...).
    """
    return percentile_interval(bootstrap_replicates(values, rng, statistic, resamples), level)


def interquartile_mean(values: FloatArray, axis: int = 0) -> FloatArray:
    """Return the mean of the middle half of the values: a quarter, rounded down, is cut off at each end."""
    return np.asarray(stats.trim_mean(values, 0.25, axis=axis), dtype=np.float64)


def vargha_delaney_a12(first: FloatArray, second: FloatArray) -> float:
    """Return P(X > Y) + P(X = Y) / 2 for one X of `first` and one Y of `second`: 0.5 if neither tends to be larger.

    Vargha & Delaney's words: 0.56 is a small, 0.64 a medium, 0.71 a large effect. NaN if a sample holds NaN.

    Raises:
        ValueError: an empty sample.
    """
    first, second = _samples(first, second)
    if np.isnan(first).any() or np.isnan(second).any():
        return float("nan")
    ordered = np.sort(second)
    below = np.searchsorted(ordered, first, side="left")
    not_above = np.searchsorted(ordered, first, side="right")
    return float((below.sum() + not_above.sum()) / (2.0 * len(first) * len(second)))


def mann_whitney(first: FloatArray, second: FloatArray) -> float:
    """Return the two-sided p value of the Mann-Whitney U test for independent samples.

    The normal approximation with correction for ties and continuity: runs that end at the same cell are ties, and the
    exact distribution holds for none. Two samples that are all one value give 1. NaN if a sample holds NaN.

    Raises:
        ValueError: an empty sample.
    """
    first, second = _samples(first, second)
    if np.isnan(first).any() or np.isnan(second).any():
        return float("nan")
    if np.ptp(np.concatenate([first, second])) == 0.0:
        return 1.0
    return float(stats.mannwhitneyu(first, second, alternative="two-sided", method="asymptotic").pvalue)


def holm(p_values: FloatArray) -> FloatArray:
    """Return p values adjusted for the number of tests, step-down after Holm 1979; NaN (no test) stays NaN, uncounted.

    Args:
        p_values: shape (tests,), each in [0, 1] or NaN.

    Returns:
        Shape (tests,): rejecting where it is below alpha keeps the probability of any false rejection below alpha.

    Raises:
        ValueError: a p value outside [0, 1].
    """
    p_values = np.asarray(p_values, dtype=np.float64)
    tested = ~np.isnan(p_values)
    known = p_values[tested]
    if known.size and (known.min() < 0.0 or known.max() > 1.0):
        raise ValueError(f"p values must be in [0, 1], not {known.min()} to {known.max()}")
    order = np.argsort(known, kind="stable")
    raised = np.maximum.accumulate(known[order] * np.arange(known.size, 0, -1))
    adjusted = np.empty_like(known)
    adjusted[order] = np.minimum(raised, 1.0)
    result = np.full_like(p_values, np.nan)
    result[tested] = adjusted
    return result


def _samples(first: FloatArray, second: FloatArray) -> tuple[FloatArray, FloatArray]:
    first, second = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if first.ndim != 1 or second.ndim != 1 or not first.size or not second.size:
        raise ValueError(f"samples must be one-dimensional and not empty; got shapes {first.shape} and {second.shape}")
    return first, second
