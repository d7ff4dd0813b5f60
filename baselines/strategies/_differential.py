"""The moves of differential evolution (Storn & Price, Journal of Global Optimization 11, 1997) on binned unit cubes.

Used by `differential_evolution.py` and `dehb.py`. A member is a point of the unit cube with one coordinate for each decision;
a coordinate names the option whose bin it falls into, as in Awad et al. (arXiv:2012.06400). The order of the options
therefore means something to the method that it doesn't mean in the space.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nasbench.space import Architecture

Points = NDArray[np.float64]
"""Shape (members, decisions), or (decisions,) for one, values in [0, 1]."""


def to_architecture(point: Points, choices: tuple[int, ...]) -> Architecture:
    """Return the architecture whose options' bins (equal parts of [0, 1]) a point lies in; 1 belongs to the last."""
    counts = np.array(choices)
    return tuple(np.minimum((point * counts).astype(np.int64), counts - 1).tolist())


def mutant(pool: Points, factor: float, rng: np.random.Generator) -> Points:
    """Return a + factor (b - c) of three different members of the pool, drawn without order (rand/1).

    Args:
        pool: at least three members.
        factor: F.
        rng: source of randomness.
    """
    first, second, third = pool[rng.choice(len(pool), size=3, replace=False)]
    return np.asarray(first + factor * (second - third))


def cross(target: Points, donor: Points, probability: float, rng: np.random.Generator) -> Points:
    """Return the target with each coordinate from the donor with the given probability, and one always (bin)."""
    taken = rng.random(len(target)) < probability
    taken[rng.integers(len(target))] = True
    return np.where(taken, donor, target)


def repair(point: Points, boundary: Literal["random", "clip"], rng: np.random.Generator) -> Points:
    """Return the point with coordinates outside [0, 1] drawn anew, or moved to the nearest end."""
    if boundary == "clip":
        return np.clip(point, 0.0, 1.0)
    return np.where((point < 0.0) | (point > 1.0), rng.random(len(point)), point)


def without(pool: Points, member: Points) -> Points:
    """Return the pool without one row equal to `member`, if there is one."""
    equal = np.flatnonzero((pool == member).all(axis=1))
    return pool if len(equal) == 0 else np.delete(pool, equal[0], axis=0)
