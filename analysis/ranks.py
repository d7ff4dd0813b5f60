"""Average ranks over problems, and the tests that may be made of them: Friedman, Nemenyi, Wilcoxon with Holm's correction.

The sample size of a statement about *problems* is the number of problems. 500 runs on one table are 500 looks at one problem:
taken as 500 problems they would make any difference significant (pseudo-replication; Hurlbert, Ecol. Monogr. 54(2), 1984).
So a strategy enters here with all its runs on a problem and leaves with one number, their mean; with fewer than
`FEWEST_PROBLEMS` problems no test is made, whatever the number of runs, and `refusal` says why.

Demsar, JMLR 7, 2006: Friedman test, Nemenyi's critical difference (eqs. in sections 3.2.2), diagrams. Benavoli, Corani &
Mangili, JMLR 17(5), 2016: Wilcoxon signed-rank tests with Holm's correction instead, since Nemenyi's verdict on a pair depends
on who else took part. Ranks: 1 is best, ties share their mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from . import statistics
from .design import wilcoxon

FloatArray: TypeAlias = NDArray[np.float64]
BoolArray: TypeAlias = NDArray[np.bool_]

FEWEST_PROBLEMS = 6  # with 5, the smallest two-sided p value of a Wilcoxon signed-rank test is 2 / 32 > 0.05


class FewProblemsError(ValueError):
    """A test over problems was asked for with fewer than `FEWEST_PROBLEMS` of them."""


@dataclass(frozen=True, eq=False)
class RankTests:
    """Tests over problems of k strategies.

    Attributes:
        problems: number of problems, the sample size.
        friedman: chi-square statistic of the Friedman test, corrected for ties.
        p_friedman: its p value: are all strategies alike?
        nemenyi: p values of all pairs, (k, k), one on the diagonal.
        critical_difference: of average ranks, at 5 %, after Nemenyi.
        wilcoxon: p values of all pairs, (k, k), not corrected.
        wilcoxon_holm: the same, Holm-corrected over all pairs.
    """

    problems: int
    friedman: float
    p_friedman: float
    nemenyi: FloatArray
    critical_difference: float
    wilcoxon: FloatArray
    wilcoxon_holm: FloatArray


def refusal(problems: int) -> str:
    """Say why no test over so many problems is made; nothing if one may be made."""
    if problems >= FEWEST_PROBLEMS:
        return ""
    number = "1 problem" if problems == 1 else f"{problems} problems"
    return (
        f"No test of ranks over problems and no critical-difference diagram: there {'is' if problems == 1 else 'are'} {number}, "
        f"and below {FEWEST_PROBLEMS} such a test can't reach 5 %. More runs do not change that: runs on one problem are "
        "not further problems."
    )


def holm_can_reject(problems: int, strategies: int, alpha: float = 0.05) -> bool:
    """Tell whether Wilcoxon tests with Holm's correction over all pairs could tell any pair apart, whatever the data.

    The smallest two-sided p value over n problems is 2 / 2**n. Where it is too large for so many pairs Nemenyi's test, which
    has no such limit, is used instead: the choice rests on the two numbers alone, never on the results.

    >>> holm_can_reject(6, 2), holm_can_reject(8, 14), holm_can_reject(12, 14)
    (True, False, True)
    """
    return 2.0 ** (1 - problems) * strategies * (strategies - 1) / 2.0 < alpha


def problem_means(runs: Mapping[str, Sequence[FloatArray]]) -> FloatArray:
    """Return one number a problem and strategy, the mean over runs: shape (problems, strategies).

    Args:
        runs: by problem, the scores of each strategy, each of shape (runs,), larger is better.

    Raises:
        ValueError: no problem, problems with different numbers of strategies, fewer than two strategies, or an empty sample.
    """
    sizes = {len(samples) for samples in runs.values()}
    if len(sizes) != 1 or sizes.pop() < 2:
        raise ValueError(
            f"each problem needs the same strategies, at least two; got {[len(each) for each in runs.values()]}"
        )
    if not all(len(sample) for samples in runs.values() for sample in samples):
        raise ValueError("a strategy has no runs on a problem")
    return np.array([[np.mean(sample) for sample in samples] for samples in runs.values()])


def average_ranks(scores: FloatArray) -> FloatArray:
    """Return the mean rank of each strategy, (..., strategies), for scores of shape (..., problems, strategies).

    The largest score has rank 1.
    """
    return np.asarray(stats.rankdata(-np.asarray(scores, dtype=np.float64), axis=-1).mean(axis=-2), dtype=np.float64)


def average_rank_intervals(replicates: FloatArray) -> statistics.Interval:
    """Return 95 % intervals of the average ranks over *these* problems, shape (strategies,).

    They say how the ranks vary with the seeds, and nothing about other problems.

    Args:
        replicates: means of bootstrap samples of the runs, shape (resamples, problems, strategies), larger is better.
    """
    return statistics.percentile_interval(average_ranks(replicates))


def critical_difference(strategies: int, problems: int, alpha: float = 0.05) -> float:
    """Return Nemenyi's critical difference of average ranks (Demsar 2006, section 3.2.2).

    >>> round(critical_difference(4, 14, 0.1), 2)  # Demsar's example in section 3.2.4 prints 1.12 = 2.291 * sqrt(20/84)
    1.12
    """
    quantile = stats.studentized_range.ppf(1.0 - alpha, strategies, np.inf) / np.sqrt(2.0)
    return float(quantile * np.sqrt(strategies * (strategies + 1) / (6.0 * problems)))


def rank_tests(runs: Mapping[str, Sequence[FloatArray]], alpha: float = 0.05) -> RankTests:
    """Test over problems whether strategies differ.

    Args:
        runs: by problem, the scores of each strategy, each of shape (runs,), complete, larger is better.
        alpha: of the critical difference.

    Raises:
        FewProblemsError: fewer than `FEWEST_PROBLEMS` problems.
        ValueError: as `problem_means`.
    """
    if refusal(len(runs)):
        raise FewProblemsError(refusal(len(runs)))
    means = problem_means(runs)
    problems, strategies = means.shape
    ranks = average_ranks(means)
    statistic, p_friedman = friedman(means)
    step = np.sqrt(strategies * (strategies + 1) / (6.0 * problems))
    gap = np.abs(ranks[:, None] - ranks) / step * np.sqrt(2.0)
    rows, columns = np.triu_indices(strategies, 1)
    nemenyi, raw, corrected = (np.ones((strategies, strategies)) for _ in range(3))
    found = np.asarray(stats.studentized_range.sf(gap[rows, columns], strategies, np.inf), dtype=np.float64)
    nemenyi[rows, columns] = nemenyi[columns, rows] = np.minimum(found, 1.0)
    pairs = [wilcoxon(means[:, row], means[:, column]) for row, column in zip(rows, columns, strict=True)]
    raw[rows, columns] = raw[columns, rows] = pairs
    corrected[rows, columns] = corrected[columns, rows] = statistics.holm(np.array(pairs))
    return RankTests(
        problems, statistic, p_friedman, nemenyi, critical_difference(strategies, problems, alpha), raw, corrected
    )


def friedman(scores: FloatArray) -> tuple[float, float]:
    """Return the Friedman statistic and its p value (chi-square, k - 1 degrees of freedom), corrected for ties.

    Args:
        scores: shape (problems, strategies).

    Returns:
        0 and 1 where all strategies are equal on every problem.
    """
    problems, strategies = scores.shape
    ranks = stats.rankdata(scores, axis=1)
    spread = float(np.sum((ranks - (strategies + 1) / 2.0) ** 2))  # without ties problems k (k**2 - 1) / 12
    if spread == 0.0:
        return 0.0, 1.0
    between = problems**2 * float(np.sum((ranks.mean(axis=0) - (strategies + 1) / 2.0) ** 2))
    statistic = (strategies - 1) * between / spread
    return statistic, float(stats.chi2.sf(statistic, strategies - 1))


def cliques(ranks: FloatArray, different: BoolArray) -> list[tuple[int, ...]]:
    """Return the largest groups of strategies next to each other in rank of which no two differ, for bars of a diagram.

    Args:
        ranks: average ranks, (strategies,).
        different: whether a pair was told apart, (strategies, strategies).

    Returns:
        Groups of at least two, positions best rank first, none within another.
    """
    order = np.argsort(ranks, kind="stable")
    found: list[tuple[int, ...]] = []
    reached = -1
    for first in range(len(order)):
        last = first
        while last + 1 < len(order) and not different[order[last + 1], order[first : last + 1]].any():
            last += 1
        if last > first and last > reached:
            found.append(tuple(order[first : last + 1].tolist()))
            reached = last
    return found
