"""Do two columns of a table rank the cells alike: two data sets, validation and test, a size and the score.

Scores are means over repeats, shape (rows,), fractions, NaN unknown; correlations are over the table's rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .correlations import SHARES, among_best, best_rows, kendall, known_mean, partial_spearman, row_means, spearman
from .effects import FloatArray


@dataclass(frozen=True)
class Transfer:
    """What the scores on one data set say about those on another.

    Attributes:
        source, target: names of the data sets.
        share: the best share of the cells, by mean score on the target.
        cells: cells in it that both data sets know.
        spearman, kendall: correlations of mean scores.
        corrected: Spearman's divided by the square root of both reliabilities (Spearman 1904), at most 1: an estimate of what
            it would be without seed noise. For all cells only; NaN if a reliability is unknown.
    """

    source: str
    target: str
    share: float
    cells: int
    spearman: float
    kendall: float
    corrected: float


def transfer(
    scores: Mapping[str, FloatArray], reliability: Mapping[str, float], shares: Sequence[float] = SHARES
) -> list[Transfer]:
    """Correlate the mean scores of every ordered pair of data sets.

    Args:
        scores: by data set.
        reliability: rank correlation of a data set's mean scores with those of as many other trainings; NaN unknown.
        shares: shares of the cells.
    """
    result = []
    for source, one in scores.items():
        for target, two in scores.items():
            if source == target:
                continue
            noise = float(np.sqrt(max(reliability[source] * reliability[target], 0.0)))
            for share in shares:
                chosen = among_best(np.where(np.isnan(one), np.nan, two), share)
                found = spearman(one[chosen], two[chosen])
                corrected = min(1.0, found / noise) if share == 1 and noise > 0 else float("nan")
                tau = kendall(one[chosen], two[chosen])
                result.append(Transfer(source, target, share, int(chosen.sum()), found, tau, corrected))
    return result


@dataclass(frozen=True)
class Carried:
    """What becomes of the best cell of one data set on another.

    Attributes:
        source, target: names of the data sets.
        loss: best mean score on the target minus that of the source's best row, fraction.
        rank: place of the source's best row among the target's rows, from 1.
        common: how many of the source's best `of` rows are among the target's best `of`.
        of: number of rows looked at for `common`.
    """

    source: str
    target: str
    loss: float
    rank: int
    common: int
    of: int


def carry_best(scores: Mapping[str, FloatArray], of: int = 100) -> list[Carried]:
    """Look the best rows of every data set up on every other."""
    result = []
    for source, one in scores.items():
        for target, two in scores.items():
            known = ~(np.isnan(one) | np.isnan(two))
            if source == target or not known.any():
                continue
            first, second = one[known], two[known]
            most = min(of, len(first))
            best = int(np.argmax(first))
            common = np.intersect1d(best_rows(first, 1)[:most], best_rows(second, 1)[:most])
            loss = float(second.max() - second[best])
            result.append(Carried(source, target, loss, 1 + int((second > second[best]).sum()), len(common), most))
    return result


@dataclass(frozen=True)
class SplitAgreement:
    """Validation against test at full fidelity.

    Attributes:
        share: the best share of the cells, by mean test accuracy (for `other`: of the other trainings).
        cells: cells in it.
        mean: Spearman's correlation of both means.
        same: of validation and test of one training, mean over repeats.
        other: of validation of one training and the mean test accuracy of the cell's other trainings.
        kendall_mean, kendall_same, kendall_other: the same as Kendall's tau-b.
        difference: mean of test minus validation accuracy, fraction.
    """

    share: float
    cells: int
    mean: float
    same: float
    other: float
    kendall_mean: float
    kendall_same: float
    kendall_other: float
    difference: float


def split_agreement(validation: FloatArray, test: FloatArray, shares: Sequence[float] = SHARES) -> list[SplitAgreement]:
    """Correlate validation with test accuracy at full fidelity, arrays of shape (rows, repeats)."""
    means = row_means(validation), row_means(test)
    repeats = range(test.shape[1])
    result = []
    for share in shares:
        chosen = among_best(means[1], share)
        found: list[float] = []
        for measure in (spearman, kendall):
            same, other = [], []
            for repeat in repeats:
                best = among_best(test[:, repeat], share)
                same.append(measure(validation[best, repeat], test[best, repeat]))
                if len(repeats) > 1:
                    target = row_means(np.delete(test, repeat, axis=1))
                    best = among_best(target, share)
                    other.append(measure(validation[best, repeat], target[best]))
            found += [measure(means[0][chosen], means[1][chosen]), known_mean(same), known_mean(other)]
        found.append(known_mean((means[1] - means[0])[chosen].tolist()))
        result.append(SplitAgreement(share, int(chosen.sum()), *found))
    return result


@dataclass(frozen=True)
class Proxy:
    """How well a column that costs no training ranks the cells.

    Attributes:
        column: name.
        share: the best share of the cells, by mean score.
        cells: cells in it for which the column is known.
        spearman, kendall: correlations with the mean score.
        partial: Spearman's with the ranks of the number of parameters held fixed; NaN for the parameters themselves.
    """

    column: str
    share: float
    cells: int
    spearman: float
    kendall: float
    partial: float


def proxies(scores: FloatArray, columns: Mapping[str, FloatArray], shares: Sequence[float] = SHARES) -> list[Proxy]:
    """Correlate columns of the table with its mean scores.

    Args:
        scores: mean scores.
        columns: by name, shape (rows,), NaN unknown; `parameters` among them is what the others are held against.
        shares: shares of the cells.
    """
    parameters = columns.get("parameters")
    result = []
    for share in shares:
        chosen = among_best(scores, share)
        target = scores[chosen]
        for name, column in columns.items():
            values = column[chosen]
            known = int((~np.isnan(values)).sum())
            partial = float("nan")
            if parameters is not None and name != "parameters":
                partial = partial_spearman(values, target, parameters[chosen])
            result.append(Proxy(name, share, known, spearman(values, target), kendall(values, target), partial))
    return result
