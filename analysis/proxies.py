"""How well zero-cost proxies rank the cells of a table: overall, among the best tenth, and beyond what the size says.

After NAS-Bench-Suite-Zero (Krishnakumar et al., NeurIPS 2022, arXiv:2210.03230) and Ning et al. (NeurIPS 2021, arXiv:2008.03064):
a proxy that ranks a whole space well may only count parameters, and may say nothing among the cells that matter.

- *All cells*, *best tenth*: rank correlation of proxy and score over all cells, and over the tenth with the best scores.
- *Given parameters*: partial rank correlation over all cells with the ranks of the number of parameters held fixed. It takes away
  what is a straight line in those ranks; a proxy that bends with size otherwise keeps something. Not given for a proxy that is all
  but a function of them (correlation above 0.99, as multiply-adds can be): a few cells decide what is left.
- *Within equal parameters*: rank correlation of the cells of equal size, ranks centred and scaled in each group and pooled. No
  function of size, bent or not, scores above 0. It needs sizes that repeat, as those of cells from a few operations do.

A cell for which a proxy is not defined ranks last, as a search would have it. Intervals are percentile bootstraps over cells;
the best tenth is chosen anew in every sample. The cells are the whole space: an interval says what another space of such cells
would give, not what another run would.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy.stats

from nasbench.measures import Column
from nasbench.proxy_table import ProxyTable

from .correlations import best_rows, kendall, pearson, spearman
from .effects import FloatArray, IntArray
from .statistics import Estimate, percentile_interval

SIZE = "parameters"
"""What is held fixed, and the baseline that a proxy has to beat."""

SHARE = 0.1
RESAMPLES = 500
COLLINEAR = 0.99
"""Spearman's correlation with parameters above which nothing is said of what a proxy knows beside them."""

KINDS = ("spearman", "kendall", "spearman_best", "kendall_best", "partial", "within")


@dataclass(frozen=True)
class Ranking:
    """How a proxy ranks the cells of one data set; larger values of all proxies are better by definition.

    Attributes:
        name: the proxy.
        cells: number of cells with a score.
        undefined: cells for which it has no value.
        spearman, kendall: over all cells.
        spearman_best, kendall_best: over the best tenth by score.
        partial: Spearman's, given parameters; NaN for parameters themselves and what is all but a function of them.
        within: pooled over groups of cells with equal parameters; NaN where sizes don't repeat or the proxy is a function of them.
        above_size: Spearman's minus that of parameters, over all cells, in the same bootstrap samples.
        repeatability: mean Spearman's between two initialisations; NaN where there is one.
        milliseconds: mean processor time of a cell, all initialisations together: what a search is charged.
    """

    name: str
    cells: int
    undefined: int
    spearman: Estimate
    kendall: Estimate
    spearman_best: Estimate
    kendall_best: Estimate
    partial: Estimate
    within: Estimate
    above_size: Estimate
    repeatability: float
    milliseconds: float


def rank_proxies(
    columns: Mapping[str, Column],
    scores: FloatArray,
    rng: np.random.Generator,
    *,
    repeatability: Mapping[str, float] | None = None,
    resamples: int = RESAMPLES,
) -> list[Ranking]:
    """Correlate proxies with scores.

    Args:
        columns: by name, shape (cells,); `parameters` must be among them.
        scores: shape (cells,), fractions, NaN unknown.
        rng: source of the bootstrap samples, which all proxies share.
        repeatability: by name, where known.
        resamples: bootstrap samples.

    Returns:
        Best first, by Spearman's over all cells.

    Raises:
        ValueError: no parameters, fewer than 30 scores, or columns of another length.
    """
    if SIZE not in columns:
        raise ValueError(f"columns are {sorted(columns)}; {SIZE!r} must be among them: it is held fixed")
    lengths = {len(column.values) for column in columns.values()} | {len(scores)}
    known = ~np.isnan(scores)
    if len(lengths) > 1 or known.sum() < 30:
        raise ValueError(
            f"columns and scores have lengths {sorted(lengths)}, of which {known.sum()} scores are known; need 30"
        )
    target = scores[known]
    values = {name: last_where_unknown(column.values[known]) for name, column in columns.items()}
    whole = _Sample(target, values[SIZE])
    points = {name: whole.correlate(value) for name, value in values.items()}
    samples: dict[str, list[FloatArray]] = {name: [] for name in values}
    for _ in range(resamples):
        drawn = rng.integers(len(target), size=len(target))
        sample = _Sample(target[drawn], values[SIZE][drawn])
        for name, value in values.items():
            samples[name].append(sample.correlate(value[drawn]))
    found = []
    for name, column in columns.items():
        drawn_values, size_values = np.array(samples[name]), np.array(samples[SIZE])
        estimates = {kind: _estimate(points[name][place], drawn_values[:, place]) for place, kind in enumerate(KINDS)}
        above = _estimate(points[name][0] - points[SIZE][0], drawn_values[:, 0] - size_values[:, 0])
        found.append(
            Ranking(
                name=name,
                cells=len(target),
                undefined=int(np.isnan(column.values[known]).sum()),
                above_size=above,
                repeatability=(repeatability or {}).get(name, float("nan")),
                milliseconds=1000 * float(column.seconds[known].mean()),
                **estimates,
            )
        )
    return sorted(found, key=lambda ranking: -np.nan_to_num(ranking.spearman.value, nan=-2.0))


def correlations_of(values: FloatArray, scores: FloatArray, sizes: FloatArray) -> FloatArray:
    """Return the correlations of `KINDS`, shape (6,), for columns without NaN."""
    return _Sample(scores, sizes).correlate(values)


class _Sample:
    """Cells that proxies are correlated on; what all proxies share, ranks above all, is worked out once."""

    def __init__(self, scores: FloatArray, sizes: FloatArray) -> None:
        self.scores = scores
        self.best: IntArray = best_rows(scores, SHARE)
        self.ranks, self.size_ranks = scipy.stats.rankdata(scores), scipy.stats.rankdata(sizes)
        self.with_size = pearson(self.ranks, self.size_ranks)
        self.codes, self.counts = np.unique(sizes, return_inverse=True, return_counts=True)[1:]
        self.relative = _relative_ranks(self.ranks, self.codes, self.counts)

    def correlate(self, values: FloatArray) -> FloatArray:
        """Return the correlations of `KINDS`, shape (6,)."""
        ranks = scipy.stats.rankdata(values)
        overall, with_size = pearson(ranks, self.ranks), pearson(ranks, self.size_ranks)
        partial = float("nan")
        if abs(with_size) <= COLLINEAR and abs(self.with_size) < 1.0:
            rest = (1.0 - with_size**2) * (1.0 - self.with_size**2)
            partial = (overall - with_size * self.with_size) / np.sqrt(rest)
        chosen, scores = values[self.best], self.scores[self.best]
        return np.array(
            [
                overall,
                kendall(values, self.scores),
                spearman(chosen, scores),
                kendall(chosen, scores),
                partial,
                _cosine(_relative_ranks(ranks, self.codes, self.counts), self.relative),
            ]
        )


def within_groups(first: FloatArray, second: FloatArray, groups: FloatArray) -> float:
    """Return the rank correlation of two columns within groups, pooled; NaN if one of them is constant in every group.

    Ranks (mean ranks for ties) are taken within each group, centred and divided by the group's size, so that every cell counts
    the same whatever group it is in.

    Args:
        first: shape (cells,).
        second: shape (cells,).
        groups: shape (cells,); cells with equal values are one group.
    """
    codes, counts = np.unique(groups, return_inverse=True, return_counts=True)[1:]
    one, two = (_relative_ranks(scipy.stats.rankdata(values), codes, counts) for values in (first, second))
    return _cosine(one, two)


def _relative_ranks(ranks: FloatArray, codes: IntArray, counts: IntArray) -> FloatArray:
    """Return ranks within groups, centred and divided by the group's count, from ranks over all."""
    grouped = scipy.stats.rankdata(codes * (len(ranks) + 1.0) + ranks)  # group after group
    means = np.bincount(codes, weights=grouped) / counts
    relative: FloatArray = (grouped - means[codes]) / counts[codes]
    return relative


def _cosine(one: FloatArray, two: FloatArray) -> float:
    length = float(np.sqrt((one**2).sum() * (two**2).sum()))
    return float((one * two).sum()) / length if length > 0 else float("nan")


def last_where_unknown(values: FloatArray) -> FloatArray:
    """Return values with NaN replaced by something below all others; zeros if nothing is known."""
    known = ~np.isnan(values)
    lowest = float(values[known].min()) if known.any() else 0.0
    return np.where(known, values, lowest - 1.0 - abs(lowest))


def repeatability_of(proxies: ProxyTable) -> dict[str, float]:
    """Return the mean Spearman correlation between two initialisations over all classes, by proxy that needs a network."""
    found = {}
    for place, name in enumerate(proxies.names):
        values = proxies.values[:, place]
        if not proxies.seconds[:, place].any() or values.shape[1] < 2:
            continue
        pairs = [
            spearman(values[:, one], values[:, other])
            for one in range(values.shape[1])
            for other in range(one + 1, values.shape[1])
        ]
        found[name] = float(np.mean(pairs))
    return found


def _estimate(value: float, replicates: FloatArray) -> Estimate:
    low, high = percentile_interval(replicates)
    return Estimate(float(value), float(low), float(high))
