"""All pairs of several samples at once: Mann-Whitney U tests with Holm's correction, and Vargha-Delaney effect sizes.

The same numbers as `statistics.mann_whitney` and `statistics.vargha_delaney_a12` of each pair, which the tests compare. But 30
entrants at 3 checkpoints of 4 problems are 5,220 pairs, and a call of scipy for each takes most of a report's time. Here how
often each value occurs in each sample is counted once; what a pair needs are then products of those counts, which are whole
numbers and therefore exact: how many runs of one sample lie below each value of the other (U), and the ties of both together,
sum of t**3 - t over their values with t = a + b, from a**3, a**2 b, a b**2 and b**3 (Mann & Whitney, Ann. Math. Stat. 18(1),
1947; correction for ties as in scipy).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import special

from .statistics import holm

FloatArray: TypeAlias = NDArray[np.float64]


class PairwiseTests(NamedTuple):
    """All pairs of k samples, each array (k, k), row against column; NaN where one of the two holds a NaN.

    Attributes:
        difference: mean of the row minus mean of the column.
        p_value: two-sided Mann-Whitney, one on the diagonal.
        p_holm: the same, Holm-corrected over the k (k - 1) / 2 pairs.
        a12: Vargha-Delaney effect size of the row against the column.
    """

    difference: FloatArray
    p_value: FloatArray
    p_holm: FloatArray
    a12: FloatArray


def pairwise_tests(samples: Sequence[FloatArray]) -> PairwiseTests:
    """Test every pair of independent samples, each of shape (runs,), larger values are better.

    The correction spans all pairs, not only those with the best: which sample is the best is read off the same data, and
    the k - 1 tests against a winner picked that way reject too often (tests/test_analysis_statistics.py shows it).

    Raises:
        ValueError: a sample that is empty or not one-dimensional.
    """
    samples = [np.asarray(sample, dtype=np.float64) for sample in samples]
    for sample in samples:
        if sample.ndim != 1 or not sample.size:
            raise ValueError(f"samples must be one-dimensional and not empty; got shape {sample.shape}")
    size = len(samples)
    means = np.array([np.mean(sample) for sample in samples])
    p_value, p_holm, a12 = np.ones((size, size)), np.ones((size, size)), np.full((size, size), 0.5)
    complete = np.flatnonzero(~np.isnan(means))
    within = np.ix_(complete, complete)
    missing = np.ones((size, size), dtype=bool)
    missing[within] = False
    np.fill_diagonal(missing, False)
    p_value[missing] = a12[missing] = np.nan
    if len(complete) > 1:
        p_value[within], a12[within] = _tests([samples[place] for place in complete])
    rows, columns = np.triu_indices(size, 1)
    p_holm[rows, columns] = p_holm[columns, rows] = holm(p_value[rows, columns])
    return PairwiseTests(means[:, None] - means[None, :], p_value, p_holm, a12)


def _tests(samples: Sequence[FloatArray]) -> tuple[FloatArray, FloatArray]:
    """Return p values and effect sizes of all pairs of complete samples, each (samples, samples)."""
    values, place = np.unique(np.concatenate(samples), return_inverse=True)
    owner = np.repeat(np.arange(len(samples)), [len(sample) for sample in samples])
    counts = np.bincount(owner * len(values) + place, minlength=len(samples) * len(values)).astype(np.float64)
    counts = counts.reshape(len(samples), len(values))  # (samples, values)
    below = np.cumsum(counts, axis=1) - counts
    wins = counts @ (below + counts / 2.0).T  # U of the row: pairs of runs that it wins, ties count half
    runs = counts.sum(axis=1)
    pairs = runs[:, None] * runs
    both = runs[:, None] + runs
    crossed = (counts**2) @ counts.T
    cubes = (counts**3).sum(axis=1)
    ties = cubes[:, None] + cubes + 3.0 * (crossed + crossed.T) - both
    spread = np.sqrt(np.maximum(pairs / 12.0 * (both + 1.0 - ties / (both * (both - 1.0))), 0.0))
    equal = ties == both**3 - both  # a single value in both samples: no evidence, p = 1
    distance = np.maximum(wins, wins.T) - pairs / 2.0 - 0.5  # with the correction for continuity
    p_value = np.ones_like(wins)
    np.divide(distance, spread, out=p_value, where=~equal)
    p_value = np.where(equal, 1.0, np.clip(2.0 * special.ndtr(-p_value), 0.0, 1.0))
    a12 = wins / pairs
    np.fill_diagonal(p_value, 1.0)
    return p_value, a12
