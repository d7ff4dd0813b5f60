"""Seed noise against differences between cells: what a single training can tell.

Variance components of the one-way random-effects model, score = cell + training, by the analysis of unweighted means: every cell
counts alike, however often it was trained. The usual analysis of variance with unequal numbers weighs cells by their
trainings, which is right only where these have nothing to do with the scores; in NAS-Bench-201 all cells without a path have three
trainings, and it makes the variance between cells a seventh too large. With equal numbers both are the same (Searle, Casella
& McCulloch, Variance Components, 1992, chapter 3). The ceilings
that noise sets on rank correlations follow from the correlation of two trainings (Spearman 1904; Spearman-Brown 1910); for ranks
they are approximations, good to about .01 in the simulations of tests/test_noise.py.

*The better half and the top tenth* are chosen by a training that is then left out: where the numbers that are compared
had a hand in the choice, their correlation and their variances would be bent. That needs three trainings of a cell. With two, the
choice is made by the mean, correlations are left open, and the variance between cells comes out a little too low.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from .correlations import among_best, best_rows, kendall, known_mean, row_means, spearman
from .effects import FloatArray

SHARES = (1.0, 0.5, 0.1, 0.01)
SHARE_NAMES = {1.0: "all", 0.5: "better half", 0.1: "top tenth", 0.01: "top 1 %"}


@dataclass(frozen=True)
class Components:
    """Variance components.

    Attributes:
        cells: rows with at least one training.
        trainings: trainings.
        between: variance of the cells' true means; 0 if the estimate is negative. NaN: fewer than two cells, or `within` NaN.
        within: variance between trainings of one cell, mean over the cells that have two. NaN: no cell has two.
    """

    cells: int
    trainings: int
    between: float
    within: float

    @property
    def ratio(self) -> float:
        """Variance between cells for each unit of variance between seeds."""
        return self.between / self.within if self.within > 0 else math.inf if self.between > 0 else math.nan

    def reliability(self, trainings: int = 1) -> float:
        """Return the share of the variance of means over so many trainings that is due to the cells."""
        total = self.between + self.within / trainings
        return self.between / total if total > 0 else math.nan


def variance_components(scores: FloatArray) -> Components:
    """Estimate the variance between cells and between trainings of one cell.

    Args:
        scores: shape (rows, repeats), NaN for trainings that were not made. Rows with one training count for the variance
            between cells alone.
    """
    known = ~np.isnan(scores)
    counts = known.sum(axis=1)
    scores, known, counts = scores[counts > 0], known[counts > 0], counts[counts > 0]
    cells, trainings = len(counts), int(counts.sum())
    if trainings == cells or cells < 2:
        return Components(cells, trainings, math.nan, math.nan)
    means = row_means(scores)
    several = counts >= 2
    own = np.where(known, (scores - means[:, None]) ** 2, 0.0).sum(axis=1)[several] / (counts[several] - 1)
    within = float(own.mean())
    of_means = np.full(cells, within)
    of_means[several] = own
    between = float(means.var(ddof=1) - (of_means / counts).mean())
    return Components(cells, trainings, max(0.0, between), within)


@dataclass(frozen=True)
class SeedNoise:
    """Seed noise within a share of the cells.

    Attributes:
        share: the best share of the cells.
        chosen_by: what chose them: `all`, `another training` or `mean`.
        cells: cells in it (mean over the trainings that choose).
        between_deviation: standard deviation of the cells' true means, fraction.
        seed_deviation: standard deviation between trainings of a cell, fraction; root of the mean variance.
        median_seed_deviation: median of the cells' own standard deviations, less swayed by few unstable cells; each is scaled so
            that its median is right for normal noise (raw ones of two trainings have .67 of it, of three .83).
        ratio: variance between cells over variance between trainings.
        spearman, kendall: correlation of one training with another of the same cells.
        ceiling_one: highest Spearman correlation to be expected of anything with a single training: of the true means.
        ceiling_mean: the same with the mean over as many trainings as the table has of such cells.
    """

    share: float
    chosen_by: str
    cells: int
    between_deviation: float
    seed_deviation: float
    median_seed_deviation: float
    ratio: float
    spearman: float
    kendall: float
    ceiling_one: float
    ceiling_mean: float


def spearman_brown(correlation: float, trainings: float) -> float:
    """Return the correlation of means over so many trainings from that of single ones.

    >>> round(spearman_brown(0.5, 2), 4)
    0.6667
    """
    return trainings * correlation / (1.0 + (trainings - 1.0) * correlation)


def seed_noise(scores: FloatArray, shares: Sequence[float] = SHARES) -> list[SeedNoise]:
    """Measure seed noise overall and among the better cells.

    Args:
        scores: at full fidelity, shape (rows, repeats), NaN for trainings that were not made.
        shares: shares of the cells, 1 for all of them.

    Returns:
        One entry for each share.
    """
    counts = (~np.isnan(scores)).sum(axis=1)
    result = []
    for share in shares:
        chosen_by, parts = _parts(scores, share)
        found = [variance_components(part) for part in parts]
        within = known_mean([each.within for each in found])
        between = known_mean([each.between for each in found])
        ratio = Components(0, 0, between, within).ratio
        medians = [float(np.median(deviations)) for deviations in map(_median_unbiased, parts) if len(deviations)]
        correlations = [_between_seeds(part) if chosen_by != "mean" else (math.nan, math.nan) for part in parts]
        rank, tau = (known_mean([pair[place] for pair in correlations]) for place in (0, 1))
        positive = rank if rank > 0 else math.nan
        made = counts[counts >= 3] if chosen_by == "another training" else counts[counts > 0]
        typical = float(made.mean()) if len(made) else 1.0
        result.append(
            SeedNoise(
                share=share,
                chosen_by=chosen_by,
                cells=round(known_mean([float(each.cells) for each in found])) if found else 0,
                between_deviation=math.sqrt(between),
                seed_deviation=math.sqrt(within),
                median_seed_deviation=known_mean(medians),
                ratio=ratio,
                spearman=rank,
                kendall=tau,
                ceiling_one=math.sqrt(positive),
                ceiling_mean=math.sqrt(spearman_brown(positive, typical)),
            )
        )
    return result


def _parts(scores: FloatArray, share: float) -> tuple[str, list[FloatArray]]:
    """Return how the cells were chosen, and the scores of the chosen ones that had no hand in it, once for each choice."""
    if share == 1:
        return "all", [scores]
    counts = (~np.isnan(scores)).sum(axis=1)
    if (counts >= 3).sum() >= 3:
        return "another training", list(_left_out(scores[counts >= 3], share))
    return "mean", [scores[best_rows(row_means(scores), share)]]


def _left_out(scores: FloatArray, share: float) -> Iterator[FloatArray]:
    for repeat in range(scores.shape[1]):
        chosen = among_best(scores[:, repeat], share)
        yield np.delete(scores[chosen], repeat, axis=1)


def _deviations(scores: FloatArray) -> FloatArray:
    """Return the standard deviation (n - 1) of every row with two trainings or more."""
    several = scores[(~np.isnan(scores)).sum(axis=1) >= 2]
    return np.nanstd(several, axis=1, ddof=1) if len(several) else np.empty(0)


def _median_unbiased(scores: FloatArray) -> FloatArray:
    """Return `_deviations`, each divided by the median that it has for normal noise of deviation 1."""
    counts = (~np.isnan(scores)).sum(axis=1)
    freedom = counts[counts >= 2] - 1
    return np.asarray(_deviations(scores) / np.sqrt(stats.chi2.ppf(0.5, freedom) / freedom))


def _between_seeds(scores: FloatArray) -> tuple[float, float]:
    """Return the mean correlation of one repeat with another, Spearman's and Kendall's."""
    pairs = list(itertools.combinations(range(scores.shape[1]), 2))
    ranks = known_mean([spearman(scores[:, one], scores[:, two]) for one, two in pairs])
    return ranks, known_mean([kendall(scores[:, one], scores[:, two]) for one, two in pairs])


@dataclass(frozen=True)
class NoiseBand:
    """Seed noise of cells with similar scores: mean score, number of cells, seed deviation and its median as in `SeedNoise`."""

    score: float
    cells: int
    seed_deviation: float
    median_seed_deviation: float


def noise_by_score(scores: FloatArray, bands: int = 20) -> list[NoiseBand]:
    """Summarise the deviation between trainings in bands of equally many cells, by mean score, worst first."""
    several = scores[(~np.isnan(scores)).sum(axis=1) >= 2]
    if not len(several):
        return []
    order = best_rows(row_means(several), 1)[::-1]
    result = []
    for rows in np.array_split(order, min(bands, len(order))):
        deviations = _deviations(several[rows])
        root = float(np.sqrt((deviations**2).mean()))
        median = float(np.median(_median_unbiased(several[rows])))
        result.append(NoiseBand(float(row_means(several[rows]).mean()), len(rows), root, median))
    return result
