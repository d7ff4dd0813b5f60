"""Bootstrap samples of an entrant's runs, drawn once, and the statistics of each sample computed from how often a run is in it.

A report gives some ten numbers an entrant and problem with an interval each. All of them rest on the same samples: drawing
costs as much as a statistic, and numbers of the same runs keep their correlation (Efron & Tibshirani 1993, section 8: the
observation that is resampled is the run, with all that was measured of it). Samples of different entrants and problems are
independent of each other.

A sample is a row of counts; the values are never copied. Mean, median and interquartile mean of a sample follow from the
sorted values and the running sum of the counts, exactly as if the sample had been written out and sorted.

Numbers averaged over problems (strata) average the replicates of each: their runs are resampled apart (Efron & Tibshirani,
section 8.3; Agarwal et al., NeurIPS 2021, arXiv 2108.13264). The problems stay fixed: the interval says how the average over
*these* problems varies with the seeds, not what to expect on another problem.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from . import statistics

FloatArray: TypeAlias = NDArray[np.float64]
Counts: TypeAlias = NDArray[np.unsignedinteger[Any]]
"""Shape (resamples, runs): how often each run is in each sample; each row adds up to the number of runs."""


def draw(runs: int, rng: np.random.Generator, resamples: int = statistics.RESAMPLES) -> Counts:
    """Draw bootstrap samples of so many runs, kept in the smallest whole numbers that hold them.

    The same draws as `statistics.resample_counts`.

    Raises:
        ValueError: fewer than one run or resample.
    """
    counts = statistics.whole_counts(runs, resamples, rng)
    return counts.astype(np.min_scalar_type(int(counts.max())))


def means(counts: Counts, values: FloatArray) -> FloatArray:
    """Return the mean of each sample, shape (resamples, ...), for values of shape (runs, ...)."""
    flat = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    return (counts.astype(np.float64) @ flat / len(flat)).reshape(len(counts), *np.shape(values)[1:])


def summaries(counts: Counts, values: FloatArray) -> FloatArray:
    """Return mean, median and interquartile mean of each sample, shape (resamples, 3), for values of shape (runs,).

    The interquartile mean cuts a quarter of the runs, rounded down, off at each end (`statistics.interquartile_mean`). NaN
    where a value is NaN.
    """
    if np.isnan(values).any():
        return np.full((len(counts), 3), np.nan)
    size = len(values)
    ordered, order, first = _ties(values)
    drawn = np.add.reduceat(counts[:, order], first, axis=1, dtype=_whole(size))  # (resamples, distinct values)
    reached = np.cumsum(drawn, axis=1, dtype=_whole(size))  # values of the sample up to this one
    lower, upper = (np.count_nonzero(reached <= place, axis=1) for place in ((size - 1) // 2, size // 2))
    median = (ordered[lower] + ordered[upper]) / 2.0
    cut = int(0.25 * size)
    within = np.clip(reached, cut, size - cut, out=reached)  # of the middle half up to this value, and `cut`
    # The middle half is each value times how much of it there is, the difference of `within`: summed by parts.
    total = (size - cut) * ordered[-1] - cut * ordered[0] - within[:, :-1].astype(np.float64) @ np.diff(ordered)
    mean = counts.astype(np.float64) @ values / size
    return np.stack([mean, median, total / (size - 2 * cut)], axis=1)


def _ties(values: FloatArray) -> tuple[FloatArray, NDArray[np.int64], NDArray[np.int64]]:
    """Return the distinct values ascending, an order that sorts all, and where each distinct one begins in it.

    Many runs end at the same few cells.
    """
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    first = np.flatnonzero(np.append(True, ordered[1:] > ordered[:-1]))
    return ordered[first], order, first


def improvement(ours: FloatArray, theirs: FloatArray, our_counts: Counts, their_counts: Counts) -> FloatArray:
    """Return for each pair of samples how probably a run of ours beats one of theirs, ties counting half: (resamples,).

    Agarwal et al. 2021, section 4.3, with their bootstrap: both samples are resampled. Larger values are better.

    Args:
        ours: shape (our runs,), complete.
        theirs: shape (their runs,), complete.
        our_counts: samples of our runs.
        their_counts: samples of theirs, as many.
    """
    ordered, order, first = _ties(theirs)
    reached = np.zeros(
        (len(their_counts), len(ordered) + 1), dtype=_whole(2 * len(theirs))
    )  # below each distinct value
    np.cumsum(np.add.reduceat(their_counts[:, order], first, axis=1, dtype=reached.dtype), axis=1, out=reached[:, 1:])
    mine, my_order, my_first = _ties(ours)
    drawn = np.add.reduceat(our_counts[:, my_order], my_first, axis=1, dtype=_whole(len(ours)))
    below = np.searchsorted(ordered, mine, side="left")
    not_above = np.searchsorted(ordered, mine, side="right")
    wins = reached[:, below] + reached[:, not_above]  # (resamples, our distinct values), twice the number of wins
    total: NDArray[np.int64] = np.einsum("ij,ij->i", wins, drawn, dtype=np.int64)
    return total / (2.0 * len(ours) * len(theirs))


def interval(replicates: FloatArray, runs: int) -> statistics.Interval:
    """Return the 95 % percentile interval of replicates along their first axis; NaN for fewer than two runs."""
    if runs < 2:
        none = np.full(np.shape(replicates)[1:], np.nan)
        return statistics.Interval(none, none)
    return statistics.percentile_interval(replicates)


def _whole(largest: int) -> np.dtype[Any]:
    """Return the smallest type of whole numbers up to `largest`: half the memory is half the time."""
    return np.min_scalar_type(largest)
