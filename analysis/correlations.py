"""Rank correlations, and how well cheap readings of a training rank the cells: fidelities of a table.

Every correlation leaves out pairs with a missing value (NaN) and is NaN where fewer than three pairs are left or one side
is constant. A share of the cells is always chosen by what is predicted, never by the predictor. Arrays of accuracies have
shape (rows, repeats, epochs) or (rows, repeats), fractions, NaN missing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.stats

from .effects import BoolArray, FloatArray, IntArray

SHARES = (1.0, 0.5, 0.1)
"""All cells, the better half, the top tenth."""

FEWEST_PAIRS = 3

Correlation = Callable[[FloatArray, FloatArray], float]


def _both(first: FloatArray, second: FloatArray) -> tuple[FloatArray, FloatArray] | None:
    known = ~(np.isnan(first) | np.isnan(second))
    first, second = first[known], second[known]
    if len(first) < FEWEST_PAIRS or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return first, second


def pearson(first: FloatArray, second: FloatArray) -> float:
    """Return Pearson's correlation."""
    pair = _both(first, second)
    return float("nan") if pair is None else float(np.corrcoef(pair[0], pair[1])[0, 1])


def spearman(first: FloatArray, second: FloatArray) -> float:
    """Return Spearman's rank correlation, with mean ranks for ties."""
    pair = _both(first, second)
    if pair is None:
        return float("nan")
    return float(np.corrcoef(scipy.stats.rankdata(pair[0]), scipy.stats.rankdata(pair[1]))[0, 1])


def kendall(first: FloatArray, second: FloatArray) -> float:
    """Return Kendall's tau-b."""
    pair = _both(first, second)
    if pair is None:
        return float("nan")
    return float(scipy.stats.kendalltau(pair[0], pair[1], method="asymptotic").statistic)


def partial_spearman(first: FloatArray, second: FloatArray, given: FloatArray) -> float:
    """Return Spearman's rank correlation of two columns with the ranks of a third held fixed."""
    known = ~(np.isnan(first) | np.isnan(second) | np.isnan(given))
    one, two, three = first[known], second[known], given[known]
    with_given = spearman(one, three), spearman(two, three)
    rest = (1.0 - with_given[0] ** 2) * (1.0 - with_given[1] ** 2)
    if not rest > 1e-12:
        return float("nan")
    return float((spearman(one, two) - with_given[0] * with_given[1]) / np.sqrt(rest))


def row_means(values: FloatArray) -> FloatArray:
    """Return the mean over axis 1 of what is known; NaN where nothing is."""
    known = ~np.isnan(values)
    counts = known.sum(axis=1)
    sums = np.where(known, values, 0.0).sum(axis=1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def best_rows(scores: FloatArray, share: float) -> IntArray:
    """Return the rows of the best share of known scores, best first; ties in row order.

    Args:
        scores: shape (rows,), NaN unknown.
        share: fraction in (0, 1]; the number of rows is rounded up.

    Raises:
        ValueError: the share is outside (0, 1].
    """
    if not 0 < share <= 1:
        raise ValueError(f"share is {share}, must be in (0, 1]")
    known = int((~np.isnan(scores)).sum())
    order = np.argsort(-scores, kind="stable")  # NaN stands last
    return order[: int(np.ceil(share * known - 1e-9))]


def among_best(scores: FloatArray, share: float) -> BoolArray:
    """Return which rows are in the best share of known scores, shape (rows,)."""
    chosen = np.zeros(len(scores), dtype=bool)
    chosen[best_rows(scores, share)] = True
    return chosen


def known_mean(values: Sequence[float]) -> float:
    """Return the mean of the values that are not NaN; NaN if there are none."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


@dataclass(frozen=True)
class Fidelity:
    """How well a reading after some epochs ranks the cells.

    Attributes:
        epochs: epochs after which validation accuracy was read.
        share: the best share of the cells, by what is predicted.
        cells: cells in it.
        same: with the end of the same training (validation).
        other: of one training with the mean score of the cell's *other* trainings at the end: no noise is shared.
        mean: of the mean over trainings with the mean score at the end.
        kendall_same, kendall_other, kendall_mean: the same as Kendall's tau-b; the others are Spearman's.
    """

    epochs: int
    share: float
    cells: int
    same: float
    other: float
    mean: float
    kendall_same: float
    kendall_other: float
    kendall_mean: float


def thinned(epochs: Sequence[int], most: int) -> list[int]:
    """Return positions of at most so many epochs, evenly spread, first and last included.

    >>> thinned(range(1, 201), 5), thinned([1, 2, 4], 5)
    ([0, 50, 100, 149, 199], [0, 1, 2])
    """
    number = len(epochs)
    return sorted({round(place) for place in np.linspace(0, number - 1, min(most, number)).tolist()})


def fidelity_correlations(
    validation: FloatArray, final: FloatArray, epochs: Sequence[int], shares: Sequence[float] = SHARES, most: int = 24
) -> list[Fidelity]:
    """Correlate validation accuracy after some epochs with the score at the end.

    Args:
        validation: shape (rows, repeats, epochs).
        final: score at full fidelity, shape (rows, repeats).
        epochs: the fidelities, shape (epochs,).
        shares: shares of the cells.
        most: at most so many epochs are looked at, evenly spread.

    Returns:
        One entry for each share and epoch; means over repeats.
    """
    repeats = range(validation.shape[1])
    others = [row_means(np.delete(final, repeat, axis=1)) if len(repeats) > 1 else None for repeat in repeats]
    means = row_means(final)
    result = []
    for share in shares:
        by_same = [among_best(validation[:, repeat, -1], share) for repeat in repeats]
        by_other = [None if other is None else among_best(other, share) for other in others]
        by_mean = among_best(means, share)
        for place in thinned(epochs, most):
            reading = validation[:, :, place]
            found: list[float] = []
            for measure in (spearman, kendall):
                same = [measure(reading[by_same[r], r], validation[by_same[r], r, -1]) for r in repeats]
                other = [
                    measure(reading[chosen, r], target[chosen])
                    for r, (target, chosen) in enumerate(zip(others, by_other, strict=True))
                    if target is not None and chosen is not None
                ]
                found += [known_mean(same), known_mean(other), measure(row_means(reading)[by_mean], means[by_mean])]
            result.append(Fidelity(int(epochs[place]), share, int(by_mean.sum()), *found))
    return result


def epoch_matrix(validation: FloatArray) -> FloatArray:
    """Return Spearman's correlation of mean validation accuracy between all epochs, shape (epochs, epochs).

    Over the rows that are known at every epoch.
    """
    means = np.stack([row_means(validation[:, :, place]) for place in range(validation.shape[2])], axis=1)
    means = means[~np.isnan(means).any(axis=1)]
    if len(means) < FEWEST_PAIRS:
        return np.full((validation.shape[2],) * 2, np.nan)
    ranks = scipy.stats.rankdata(means, axis=0)
    ranks -= ranks.mean(axis=0)
    lengths = np.sqrt((ranks**2).sum(axis=0))
    ranks /= np.where(lengths > 0, lengths, np.nan)
    return np.asarray(ranks.T @ ranks)
