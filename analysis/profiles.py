"""Strategies summarised over problems: performance profiles with bands, interquartile means, how far from the optimum.

Agarwal et al., NeurIPS 2021, arXiv 2108.13264: performance profiles (section 4.2; Dolan & More, Math. Program. 91, 2002),
interquartile mean, stratified bootstrap. Scores of different problems are made comparable as *normalised regret*: best score
minus score, divided by best score minus the random mean. 1 is what drawing one cell blindly gives on average, 0 the optimum.

Departures: the paper takes the interquartile mean of all runs of all problems together; with a handful of problems that can cut
away a whole problem, always the hardest for some strategy. Here it is taken within each problem, then averaged. Profiles are of
regrets (at most), not of scores (more than): near the optimum only a logarithmic axis shows anything. Intervals and bands
resample the runs of each problem: they hold for *these* problems.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from . import resamples, statistics
from .records import Problem

FloatArray: TypeAlias = NDArray[np.float64]


class Profile(NamedTuple):
    """Share of runs with at most each threshold's normalised regret, averaged over problems; each array (thresholds,)."""

    share: FloatArray
    low: FloatArray
    high: FloatArray


def normalised_regret(regret: FloatArray, problem: Problem) -> FloatArray:
    """Return regret in units of the gap between the best score and the random mean, of the same shape.

    A table in which all cells are equal has no gap: every regret is 0 there.
    """
    gap = problem.best_score - problem.random_score_mean
    return regret / gap if gap > 0.0 else np.zeros_like(regret)


def thresholds(number: int = 181, smallest: float = 1e-3, largest: float = 1.0) -> FloatArray:
    """Return normalised regrets at which profiles are taken, ascending, evenly spaced in the logarithm."""
    return np.geomspace(smallest, largest, number)


def performance_profile(strata: Sequence[FloatArray], at: FloatArray, counts: Sequence[resamples.Counts]) -> Profile:
    """Return the share of runs with a value of at most each threshold, averaged over problems, with pointwise 95 % bands.

    Args:
        strata: normalised regrets, one array (runs,) a problem, complete.
        at: thresholds, shape (thresholds,).
        counts: bootstrap samples of the runs of each problem.

    Raises:
        ValueError: no problem, or a missing value: a run without incumbent is no regret of any size.
    """
    if not strata or any(np.isnan(values).any() or not values.size for values in strata):
        raise ValueError("a profile needs at least one problem, and a value for each run")
    reached = [(np.asarray(values)[:, None] <= at).astype(np.float64) for values in strata]  # (runs, thresholds)
    share = np.mean([each.mean(axis=0) for each in reached], axis=0)
    replicates = np.zeros((len(counts[0]), len(at)))
    for drawn, each in zip(counts, reached, strict=True):
        replicates += resamples.means(drawn, each)
    return Profile(share, *resamples.interval(replicates / len(strata), min(map(len, strata))))


class Aggregate(NamedTuple):
    """A number over problems with its 95 % interval, for several measures at once."""

    mean: statistics.Estimate
    median: statistics.Estimate
    interquartile_mean: statistics.Estimate


def aggregate(strata: Sequence[FloatArray], replicates: Sequence[FloatArray]) -> Aggregate:
    """Return mean, median and interquartile mean over runs, each averaged over problems, with stratified intervals.

    Args:
        strata: one array (runs,) a problem, complete.
        replicates: mean, median and interquartile mean in bootstrap samples of each (`resamples.summaries`), (resamples, 3).

    Raises:
        ValueError: no problem.
    """
    if not strata:
        raise ValueError("an aggregate needs at least one problem")
    every = [(values.mean(), np.median(values), statistics.interquartile_mean(values)) for values in strata]
    value = np.mean(every, axis=0)
    low, high = resamples.interval(np.mean(replicates, axis=0), min(map(len, strata)))
    return Aggregate(*(statistics.Estimate(*map(float, each)) for each in zip(value, low, high, strict=True)))
