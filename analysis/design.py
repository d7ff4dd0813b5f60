"""Two samples of runs compared as the design of their seeds asks: paired runs by Wilcoxon, independent ones by Mann-Whitney.

Runs are *paired* if run i of both samples began with the same random stream, so that chance moves both alike; a test that
ignores the pairs wastes that, and one that pairs independent runs invents pairs where there are none. In a comparison of
entrants the seeds are keyed by the entrant (nasbench/plan.py), so runs of different entrants are independent; the same entrant
carried out twice under one protocol, with two versions of the code, is paired.

Signed ranks: Wilcoxon, Biometrics Bulletin 1(6), 1945; zero differences after Pratt, JASA 54, 1959: they are ranked, then
dropped, so that many equal pairs speak against a difference. Intervals: percentile bootstrap, of pairs or of both samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from . import statistics

FloatArray: TypeAlias = NDArray[np.float64]
Design: TypeAlias = Literal["paired", "independent"]
TESTS: dict[Design, str] = {"paired": "Wilcoxon signed-rank", "independent": "Mann-Whitney U"}
MOST_ENUMERATED = 13  # pairs with ties or zeros whose 8,192 patterns of signs are gone through
MOST_EXACT = 50  # pairs; scipy's own limit for the exact distribution of signed ranks


@dataclass(frozen=True, slots=True)
class Difference:
    """How two samples differ; larger values are better.

    Attributes:
        design: "paired" or "independent".
        runs: runs of the first and of the second sample.
        difference: mean of the first minus mean of the second.
        low: lower end of its 95 % bootstrap interval; NaN below two runs.
        high: the upper end.
        p_value: two-sided, of `TESTS[design]`, not corrected.
        superiority: probability that a run of the first beats one of the second (of its own pair, if paired), ties half.
    """

    design: Design
    runs: tuple[int, int]
    difference: float
    low: float
    high: float
    p_value: float
    superiority: float


def wilcoxon(first: FloatArray, second: FloatArray) -> float:
    """Return the two-sided p value of the Wilcoxon signed-rank test for paired samples.

    Exact without ties and zeros among at most 50 differences, and with them among at most 13 (all signs of the ranks, zeros ranked
    and dropped); else the normal approximation (Pratt's zeros, correction for ties). Samples that are equal pair by pair give 1;
    a missing value gives NaN.

    Raises:
        ValueError: samples of different length, empty, or not one-dimensional.
    """
    first, second = _pairs(first, second)
    difference = first - second
    if np.isnan(difference).any():
        return float("nan")
    if not difference.any():
        return 1.0
    sizes = np.abs(difference)
    exact = len(sizes) <= MOST_EXACT and len(np.unique(sizes)) == len(sizes) and bool((sizes > 0).all())
    if not exact and len(sizes) <= MOST_ENUMERATED:
        ranks = stats.rankdata(sizes)[sizes > 0]
        signs = 1 - 2 * (np.arange(2 ** len(ranks))[:, np.newaxis] >> np.arange(len(ranks)) & 1)
        seen = abs(float(np.sign(difference[sizes > 0]) @ ranks))
        return float(np.mean(np.abs(signs @ ranks) >= seen - 1e-9))
    method: Literal["exact", "approx"] = "exact" if exact else "approx"
    zeros: Literal["wilcox", "pratt"] = "wilcox" if exact else "pratt"
    return float(stats.wilcoxon(difference, zero_method=zeros, method=method).pvalue)


def compare_samples(first: FloatArray, second: FloatArray, design: Design, rng: np.random.Generator) -> Difference:
    """Compare two samples.

    Args:
        first: shape (runs,), larger is better.
        second: shape (runs,); of the same length and in the same order of runs if paired.
        design: how the seeds of the two hang together.
        rng: for the bootstrap.

    Raises:
        ValueError: an empty sample, paired samples of different length, or another design.
    """
    if design not in TESTS:
        raise ValueError(f"design is {design!r}, must be one of {', '.join(TESTS)}")
    first, second = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if design == "paired":
        first, second = _pairs(first, second)
        p_value = wilcoxon(first, second)
        ahead = first - second
        superiority = float(np.mean((ahead > 0) + 0.5 * (ahead == 0))) if not np.isnan(ahead).any() else float("nan")
        replicates = statistics.bootstrap_means(ahead, rng)
    else:
        p_value = statistics.mann_whitney(first, second)
        superiority = statistics.vargha_delaney_a12(first, second)
        replicates = statistics.bootstrap_means(first, rng) - statistics.bootstrap_means(second, rng)
    low = high = float("nan")
    if min(len(first), len(second)) > 1:
        low, high = map(float, statistics.percentile_interval(replicates))
    mean = float(first.mean() - second.mean())
    return Difference(design, (len(first), len(second)), mean, low, high, p_value, superiority)


def _pairs(first: FloatArray, second: FloatArray) -> tuple[FloatArray, FloatArray]:
    first, second = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if first.ndim != 1 or first.shape != second.shape or not first.size:
        raise ValueError(f"paired samples need one common length, at least 1; got shapes {first.shape}, {second.shape}")
    return first, second
