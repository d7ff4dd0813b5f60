"""What strategies that ask for a proxy share: the names that there are, and the order of its values."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Proxy = Literal[
    "parameters",
    "multiply_adds",
    "grad_norm",
    "snip",
    "grasp",
    "fisher",
    "synflow",
    "jacob_cov",
    "naswot",
    "zen",
]
"""Sizes and zero-cost proxies (`nasbench.proxies`); larger is better by definition, or by the baseline's assumption."""

PROXIES: tuple[str, ...] = get_args(Proxy)


def best_first(values: NDArray[np.float64]) -> list[int]:
    """Return the numbers of the values, largest first; NaN last, equals in their order.

    >>> best_first(np.array([1.0, np.nan, 3.0, 1.0]))
    [2, 0, 3, 1]
    """
    return [int(number) for number in np.argsort(-values, kind="stable")]
