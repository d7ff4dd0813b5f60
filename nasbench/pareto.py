"""Several objectives, all minimised: dominance, non-dominated sorting, crowding, hypervolume, IGD+.

Sorting and crowding are those of NSGA-II (Deb et al., IEEE Transactions on Evolutionary Computation 6, 2002); hypervolume is
Zitzler and Thiele's measure (1999), by slicing one objective after the other; IGD+ is that of Ishibuchi et al. (EMO 2015).
Sets here have some hundred points and two or three objectives: plain numpy is fast enough, and exact.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def dominance(points: FloatArray) -> NDArray[np.bool_]:
    """Return shape (n, n): whether point i dominates point j, no worse in every objective and better in one.

    Args:
        points: shape (n, objectives), all minimised.
    """
    left, right = points[:, None, :], points[None, :, :]
    return np.asarray((left <= right).all(axis=2) & (left < right).any(axis=2))


def non_dominated(points: FloatArray) -> NDArray[np.bool_]:
    """Return shape (n,): whether no other point dominates a point; of equal points all are kept.

    Example:
        >>> non_dominated(np.array([[1.0, 4.0], [2.0, 2.0], [3.0, 3.0], [2.0, 2.0]])).tolist()
        [True, True, False, True]
    """
    if not len(points):
        return np.zeros(0, dtype=np.bool_)
    if points.shape[1] != 2:
        return np.asarray(~dominance(points).any(axis=0))
    # Two objectives: in order of the first, a point lives if its second is below all before it (equal points live together).
    order = np.lexsort((points[:, 1], points[:, 0]))
    second = points[order, 1]
    before = np.concatenate([[np.inf], np.minimum.accumulate(second)[:-1]])
    new = np.concatenate([[True], (np.diff(points[order], axis=0) != 0).any(axis=1)])
    lives = (second < before)[np.maximum.accumulate(np.where(new, np.arange(len(points)), 0))]
    result = np.empty(len(points), dtype=np.bool_)
    result[order] = lives
    return result


def front_ranks(points: FloatArray) -> NDArray[np.int64]:
    """Return shape (n,): 0 for the non-dominated points, 1 for those that are so without them, and so on.

    Example:
        >>> front_ranks(np.array([[1.0, 4.0], [2.0, 2.0], [3.0, 3.0], [4.0, 4.0]])).tolist()
        [0, 0, 1, 2]
    """
    beats = dominance(points)
    ranks = np.full(len(points), -1, dtype=np.int64)
    left = np.ones(len(points), dtype=np.bool_)
    rank = 0
    while left.any():
        best = left & ~beats[left].any(axis=0)
        ranks[best] = rank
        left &= ~best
        rank += 1
    return ranks


def crowding(points: FloatArray) -> FloatArray:
    """Return the crowding distance of each point of one front, shape (n,); infinite at the ends of each objective.

    For each objective a point gets the difference of its two neighbours' values over the front's range; an objective that
    does not vary adds nothing (Deb et al. 2002, section III-B). The paper sums; only the order matters.
    """
    count, objectives = points.shape
    distance = np.zeros(count)
    for number in range(objectives):
        order = np.argsort(points[:, number], kind="stable")
        values = points[order, number]
        span = values[-1] - values[0] if count else 0.0
        distance[order[[0, -1]] if count else order] = np.inf
        if span > 0.0:
            distance[order[1:-1]] += (values[2:] - values[:-2]) / span
    return distance


def hypervolume(points: FloatArray, reference: FloatArray) -> float:
    """Return the volume that is dominated by the points and bounded by the reference point.

    Args:
        points: shape (n, objectives); points that are not below the reference in every objective add nothing.
        reference: shape (objectives,).

    Example:
        >>> hypervolume(np.array([[1.0, 2.0], [2.0, 1.0]]), np.array([3.0, 3.0]))
        3.0
    """
    inside = points[(points < reference).all(axis=1)]
    return _volume(inside[non_dominated(inside)], reference) if len(inside) else 0.0


def _volume(points: FloatArray, reference: FloatArray) -> float:
    """Return the volume of points that lie below the reference; slices along the last objective (Knowles 2002)."""
    if points.shape[1] == 1:
        return float(reference[0] - points[:, 0].min())
    if points.shape[1] == 2:
        order = np.lexsort((points[:, 1], points[:, 0]))
        first, second = points[order, 0], np.minimum.accumulate(points[order, 1])
        widths = np.diff(np.append(first, reference[0]))
        return float(widths @ (reference[1] - second))
    total = 0.0
    levels = np.unique(points[:, -1])
    for low, high in zip(levels, [*levels[1:], reference[-1]], strict=True):
        slab = points[points[:, -1] <= low, :-1]
        total += float(high - low) * _volume(slab[non_dominated(slab)], reference[:-1])
    return total


def igd_plus(points: FloatArray, front: FloatArray) -> float:
    """Return the mean distance from the front's points to the nearest point, counting only what a point is worse by.

    Args:
        points: shape (n, objectives); infinity if there is none.
        front: shape (m, objectives), the reference front, at least one point.
    """
    if not len(points):
        return float("inf")
    worse = np.maximum(points[None, :, :] - front[:, None, :], 0.0)  # (front, points, objectives)
    return float(np.sqrt((worse**2).sum(axis=2)).min(axis=1).mean())


def reference_point(front: FloatArray) -> FloatArray:
    """Return the reference point that belongs to a true front: a tenth of its range beyond its worst values.

    Slightly worse than the nadir, as Ishibuchi et al. (Evolutionary Computation 26, 2018) advise, so that the ends of the
    front count for something. An objective that does not vary is given its value and a tenth of it.

    Args:
        front: shape (n, objectives), the non-dominated points.
    """
    worst, best = front.max(axis=0), front.min(axis=0)
    span = np.where(worst > best, worst - best, np.where(worst != 0.0, np.abs(worst), 1.0))
    return np.asarray(worst + 0.1 * span)
