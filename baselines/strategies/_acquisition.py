"""Acquisition functions: how promising is a candidate, given a normal belief about its value; and how to climb on one.

Values are errors: lower is better. Acquisitions are maximised.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from nasbench.space import Architecture, SearchSpace

Floats = NDArray[np.float64]


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


def climb(
    space: SearchSpace, starts: Sequence[Architecture], score: Callable[[list[Architecture]], Floats]
) -> tuple[list[Architecture], Floats]:
    """Climb from every start at once to the best neighbour, as long as that is better (best improvement).

    Args:
        space: gives the neighbours.
        starts: where to begin, at least one.
        score: what to maximise, of many architectures in one call, shape (n,); every start's neighbours are one call.

    Returns:
        The local maxima, one for each start, and their scores.
    """
    points = list(starts)
    scores = np.array(score(points), dtype=np.float64)
    moving = list(range(len(points)))
    while moving:
        around = [space.neighbours(points[place]) for place in moving]
        found = score([architecture for group in around for architecture in group])
        ends = np.cumsum([len(group) for group in around])
        still = []
        for place, group, values in zip(moving, around, np.split(found, ends[:-1]), strict=True):
            best = int(values.argmax()) if len(group) else -1
            if best >= 0 and values[best] > scores[place]:
                points[place], scores[place] = group[best], values[best]
                still.append(place)
        moving = still
    return points, scores
