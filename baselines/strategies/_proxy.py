"""What strategies that ask for a proxy share: the names that there are, pools of networks, and the order of a proxy's values."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from nasbench.space import Architecture, SearchSpace

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


def draw_distinct(space: SearchSpace, rng: np.random.Generator, number: int) -> tuple[Architecture, ...]:
    """Draw so many architectures and return those of different function, of equal ones the first drawn."""
    forms: dict[Hashable, Architecture] = {}
    for _ in range(number):
        architecture = space.sample(rng)
        forms.setdefault(space.canonical(architecture), architecture)
    return tuple(forms.values())


def best_first(values: NDArray[np.float64]) -> list[int]:
    """Return the numbers of the values, largest first; NaN last, equals in their order.

    >>> best_first(np.array([1.0, np.nan, 3.0, 1.0]))
    [2, 0, 3, 1]
    """
    return [int(number) for number in np.argsort(-values, kind="stable")]
