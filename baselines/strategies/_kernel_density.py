"""Kernel density of categorical vectors: product of Aitchison & Aitken kernels (Biometrika 63, 1976), as BOHB uses them.

The kernel of one decision with k options and bandwidth h is 1 - h where the options are equal and h / (k - 1) where they
differ. The bandwidths are the normal reference rule, 1.06 s n^(-1 / (4 + d)) with s the standard deviation of the option
numbers, which is what statsmodels' `KDEMultivariate(bw="normal_reference")` gives to BOHB's code for categorical variables
too; it depends on how the options are numbered.

Departures from statsmodels: k is the number of options in the space, not of those that occur in the data (one that occurs
alone divides by zero there, HpBandSter issue 100); and the kernel's bandwidth is at most (k - 1) / k, where it is flat: beyond
that it would call equal options less alike than different ones, and beyond 1 be negative.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nasbench.space import Architecture


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


def fit_density(architectures: list[Architecture], choices: tuple[int, ...], least_bandwidth: float) -> KernelDensity:
    """Fit a density to observed architectures.

    Args:
        architectures: at least one.
        choices: number of options of each decision.
        least_bandwidth: lower limit of every bandwidth.
    """
    data = np.array(architectures, dtype=np.int64)
    number, decisions = data.shape
    rule = 1.06 * data.std(axis=0) * number ** (-1.0 / (4 + decisions))
    return KernelDensity(data, choices, np.maximum(rule, least_bandwidth))
