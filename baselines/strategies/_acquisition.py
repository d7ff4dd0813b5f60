"""Acquisition functions: how promising is a candidate, given a normal belief about its value; and how to climb on one.

Values are errors: lower is better. Acquisitions are maximised.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from nasbench.space import Architecture, SearchSpace

from ._encoding import neighbours_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def normal_density(values: Floats) -> Floats:
    """Return the standard normal's density."""
    return np.asarray(np.exp(-0.5 * values * values) / np.sqrt(2.0 * np.pi))


def normal_distribution(values: Floats) -> Floats:
    """Return the standard normal's cumulative distribution."""
    return np.asarray(0.5 * (1.0 + erf(values / np.sqrt(2.0))))


def expected_improvement(mean: Floats, deviation: Floats, best: float) -> Floats:
    """Return E[max(best - f, 0)] for f normal (Jones, Schonlau & Welch, J. Global Optimization 1998, equation 15).

    Args:
        mean: shape (n,).
        deviation: shape (n,), standard deviation, at least 0.
        best: the value to improve on.

    Returns:
        Shape (n,), at least 0; where the deviation is 0, the improvement of the mean.
    """
    gain = best - mean
    safe = np.maximum(deviation, 1e-12)
    ratio = gain / safe
    value = gain * normal_distribution(ratio) + safe * normal_density(ratio)
    return np.maximum(np.where(deviation > 1e-12, value, gain), 0.0)


def log_expected_improvement(mean: Floats, deviation: Floats, best: float) -> Floats:
    """Return E[max(best - exp(g), 0)] for g normal (Hutter, Hoos, Leyton-Brown & Murphy, GECCO 2009, equation 4).

    Args:
        mean: shape (n,), of the logarithm.
        deviation: shape (n,), of the logarithm, at least 0.
        best: the value to improve on, above 0, not a logarithm.

    Returns:
        Shape (n,), at least 0, in units of `best`.
    """
    safe = np.maximum(deviation, 1e-12)
    ratio = (np.log(best) - mean) / safe
    value = best * normal_distribution(ratio) - np.exp(0.5 * safe**2 + mean) * normal_distribution(ratio - safe)
    return np.maximum(value, 0.0)


def climb(space: SearchSpace, starts: Sequence[Architecture], score: Callable[[Ints], Floats]) -> tuple[Ints, Floats]:
    """Climb from every start at once to the best neighbour, as long as that is better (best improvement).

    Args:
        space: gives the neighbours.
        starts: where to begin, at least one.
        score: what to maximise, of architectures of shape (n, decisions) in one call, shape (n,); a step is one call.

    Returns:
        The local maxima, one for each start, shape (starts, decisions), and their scores, shape (starts,).
    """
    points = np.array(starts, dtype=np.int64)
    scores = np.array(score(points), dtype=np.float64)
    moving = np.arange(len(points))
    while len(moving):
        # Climbs that have met go on together.
        places: dict[Architecture, int] = {}
        which = [places.setdefault(tuple(point), len(places)) for point in points[moving].tolist()]
        around = neighbours_of(
            space, np.array(list(places), dtype=np.int64)
        )  # (distinct points, neighbours, decisions)
        if not around.shape[1]:
            break
        found = score(around.reshape(-1, around.shape[2])).reshape(around.shape[:2])
        best = found.argmax(axis=1)
        tops = np.arange(len(best)), best
        heights, ends = found[tops][which], around[tops][which]
        better = heights > scores[moving]
        moving = moving[better]
        points[moving], scores[moving] = ends[better], heights[better]
    return points, scores
