"""Kernel density of categorical vectors: product of Aitchison & Aitken kernels (Biometrika 63, 1976), as BOHB uses them.

The kernel of one decision with k options and bandwidth h is 1 - h where the options are equal and h / (k - 1) where they
differ. Two rules give the bandwidths:

`normal-reference`: 1.06 s n^(-1 / (4 + d)), s the standard deviation of the option numbers; what statsmodels' `KDEMultivariate`
gives to BOHB's code for categorical variables too. It takes numbers for sizes: it depends on how the options are numbered,
and for well-mixed options and fewer than some hundred observations it exceeds (k - 1) / k.

`shrinkage`: (k - 1) / k times the James-Stein intensity of Hausser & Strimmer (JMLR 10, 2009), with which the shares
of the options, smoothed towards equal ones, have the least expected squared error; the same for every numbering.

Departures from statsmodels: k is the number of options in the space, not of those that occur in the data (one that occurs
alone divides by zero there, HpBandSter issue 100); and the kernel's bandwidth is at most (k - 1) / k, where it is flat. Beyond
that it would call equal options less alike than different ones, and beyond 1 be negative.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nasbench.space import Architecture

Rule = Literal["normal-reference", "shrinkage"]


@dataclass(frozen=True)
class KernelDensity:
    """A density over architectures.

    Attributes:
        data: shape (observations, decisions), option numbers.
        choices: number of options of each decision.
        bandwidth: shape (decisions,), by the rule, not below the given minimum; may exceed what the kernel uses.
    """

    data: NDArray[np.int64]
    choices: tuple[int, ...]
    bandwidth: NDArray[np.float64]

    def density(self, points: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the density at each point; shape of points (points, decisions), of the result (points,)."""
        counts = np.array(self.choices, dtype=np.float64)
        width = np.minimum(self.bandwidth, (counts - 1) / counts)
        other = width / np.maximum(counts - 1, 1)  # a decision with a single option is always equal
        equal = points[:, None, :] == self.data[None, :, :]  # (points, observations, decisions)
        return np.asarray(np.where(equal, 1.0 - width, other).prod(axis=2).mean(axis=1))

    def draw(self, number: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw `number` points near observations, shape (number, decisions).

        Each keeps an observation's option with probability 1 - bandwidth and else takes any option, as in BOHB's code; that
        is not quite a draw from `density`.
        """
        points = self.data[rng.integers(len(self.data), size=number)]
        anew = rng.random(points.shape) < self.bandwidth
        options = (rng.random(points.shape) * np.array(self.choices)).astype(np.int64)
        return np.where(anew, options, points)


def fit_density(
    architectures: list[Architecture], choices: tuple[int, ...], rule: Rule, least_bandwidth: float
) -> KernelDensity:
    """Fit a density to observed architectures.

    Args:
        architectures: at least two.
        choices: number of options of each decision.
        rule: see the module's text.
        least_bandwidth: lower limit of every bandwidth.
    """
    data = np.array(architectures, dtype=np.int64)
    number, decisions = data.shape
    if rule == "normal-reference":
        width = 1.06 * data.std(axis=0) * number ** (-1.0 / (4 + decisions))
    else:
        counts = np.array(choices)
        width = (
            (counts - 1) / counts * [shrinkage(column, count) for column, count in zip(data.T, choices, strict=True)]
        )
    return KernelDensity(data, choices, np.maximum(width, least_bandwidth))


def shrinkage(options: NDArray[np.int64], count: int) -> float:
    """Return the James-Stein intensity towards equal shares, in [0, 1]: (1 - sum p^2) / ((n - 1) sum (1/k - p)^2).

    Args:
        options: shape (observations,), at least two.
        count: number of options (k).
    """
    share = np.bincount(options, minlength=count) / len(options)
    spread = float(((1.0 / count - share) ** 2).sum())
    if spread == 0.0:
        return 1.0
    return min(1.0, (1.0 - float((share**2).sum())) / ((len(options) - 1) * spread))
