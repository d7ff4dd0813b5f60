"""Effect of each operation on each edge: the exact analysis of variance of a full factorial space.

A space whose every architecture has a score is a full factorial design with the edges as factors, so the functional analysis
of variance (Hoeffding 1948; for hyperparameters Hutter, Hoos & Leyton-Brown, ICML 2014) needs no model and no sample: the
scores are transformed with orthonormal contrasts along every edge, and the squared coefficients that belong to a set of
edges are the variance of its interaction. Summed by the size of the set they are the landscape's amplitude spectrum
(Stadler, J. Math. Chem. 1996), from which `landscape.py` has the autocorrelation of random walks in closed form.

Scores are arrays of shape (space.size,) in the order of `space.index`, finite throughout.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from nasbench.space import CellSpace

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]


def check_scores(space: CellSpace, scores: FloatArray) -> FloatArray:
    """Return scores as float64.

    Raises:
        ValueError: not one score for each architecture, or some are not finite; the message says how many.
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.shape != (space.size,):
        raise ValueError(f"scores have shape {values.shape}, space {space.name} needs ({space.size},)")
    unknown = int((~np.isfinite(values)).sum())
    if unknown:
        raise ValueError(f"{unknown} of {space.size} scores are not finite; the whole space is needed")
    return values


def grid(space: CellSpace, scores: FloatArray) -> FloatArray:
    """Return scores as an array with one axis for each edge, shape (operations,) * edges."""
    return scores.reshape(space.choices)


def contrasts(number: int) -> FloatArray:
    """Return an orthonormal basis of Helmert contrasts, shape (number, number); row 0 is constant.

    >>> np.round(contrasts(2), 4).tolist()
    [[0.7071, 0.7071], [0.7071, -0.7071]]
    """
    basis = np.zeros((number, number))
    basis[0] = 1.0 / np.sqrt(number)
    for row in range(1, number):
        basis[row, :row] = 1.0
        basis[row, row] = -row
        basis[row] /= np.sqrt(row * (row + 1.0))
    return basis


def variance_by_edges(space: CellSpace, scores: FloatArray) -> FloatArray:
    """Return the variance that belongs to each set of edges and to no smaller one.

    Returns:
        Shape (2 ** edges,), in squared units of the scores; bit `e` of the position says whether edge `e` is in the set.
        Position 0 is 0; all others add up to the population variance of the scores.
    """
    values = check_scores(space, scores)
    coefficients = grid(space, values - values.mean())
    basis = contrasts(len(space.operations))
    for edge in range(len(space.edges)):
        coefficients = np.moveaxis(np.tensordot(basis, coefficients, axes=(1, edge)), 0, edge)
    changing = np.indices(space.choices).reshape(len(space.edges), -1) > 0
    sets = (1 << np.arange(len(space.edges))) @ changing
    variances = np.bincount(sets, weights=coefficients.ravel() ** 2, minlength=1 << len(space.edges)) / space.size
    variances[0] = 0.0  # the mean was taken off; what is left of it is rounding
    return variances


def variance_by_order(space: CellSpace, scores: FloatArray) -> FloatArray:
    """Return the shares of the variance by the number of edges that act together.

    Returns:
        Shape (edges + 1,), fractions that add up to 1: position 1 the main effects, 2 the pairwise interactions, and so on;
        position 0 is 0. NaN throughout if all scores are equal.
    """
    variances = variance_by_edges(space, scores)
    sizes = np.array([int(number).bit_count() for number in range(len(variances))])
    by_order = np.bincount(sizes, weights=variances)
    total = by_order.sum()
    return by_order / total if total > 0 else np.full_like(by_order, np.nan)


def pairwise_shares(space: CellSpace, scores: FloatArray) -> FloatArray:
    """Return the shares of the variance of single edges and of pairs of edges.

    Returns:
        Shape (edges, edges), symmetric, fractions of the total variance: main effects on the diagonal, interactions of two
        edges beside it. NaN throughout if all scores are equal.
    """
    variances = variance_by_edges(space, scores)
    number = len(space.edges)
    total = variances.sum()
    shares = np.array([[variances[(1 << one) | (1 << two)] for two in range(number)] for one in range(number)])
    return shares / total if total > 0 else np.full_like(shares, np.nan)


def main_effects(space: CellSpace, scores: FloatArray) -> FloatArray:
    """Return how far the mean score of all cells with an operation on an edge lies from the mean of all cells.

    Returns:
        Shape (edges, operations), in units of the scores; every row adds up to 0.
    """
    values = grid(space, check_scores(space, scores))
    edges = range(len(space.edges))
    means = [values.mean(axis=tuple(other for other in edges if other != edge)) for edge in edges]
    return np.asarray(np.array(means) - values.mean())


def interaction(space: CellSpace, scores: FloatArray, first: int, second: int) -> FloatArray:
    """Return what two operations on two edges do together beyond the sum of their main effects.

    Returns:
        Shape (operations, operations), in units of the scores, operation of edge `first` by operation of edge `second`;
        every row and column adds up to 0.

    Raises:
        ValueError: the two edges are equal or not edges of the space.
    """
    number = len(space.edges)
    if first == second or not (0 <= first < number and 0 <= second < number):
        raise ValueError(f"edges are {first} and {second}, must be two different numbers of 0..{number - 1}")
    values = grid(space, check_scores(space, scores))
    means = values.mean(axis=tuple(edge for edge in range(number) if edge not in (first, second)))
    means = means if first < second else means.T
    return np.asarray(means - means.mean(axis=1, keepdims=True) - means.mean(axis=0) + means.mean())


def replacement_effects(
    space: CellSpace, scores: FloatArray, chosen: BoolArray | None = None
) -> tuple[FloatArray, IntArray]:
    """Return the mean change of score when one operation of a cell is replaced.

    Args:
        space: the search space.
        scores: of every architecture.
        chosen: boolean, shape (space.size,), the cells that are changed; all of them if None. What they turn into may be
            any cell.

    Returns:
        The mean change, shape (edges, operations, operations), in units of the scores: on this edge, from this operation to
        that one; NaN where no chosen cell has the first operation there. And the number of cells that each mean rests on,
        shape (edges, operations).
    """
    values = grid(space, check_scores(space, scores))
    mask = np.ones(space.choices, dtype=bool) if chosen is None else chosen.reshape(space.choices)
    count = len(space.operations)
    changes = np.full((len(space.edges), count, count), np.nan)
    cells = np.zeros((len(space.edges), count), dtype=np.int64)
    for edge in range(len(space.edges)):
        lines = np.moveaxis(values, edge, -1).reshape(-1, count)  # (rest of the cell, operation on this edge)
        picked = np.moveaxis(mask, edge, -1).reshape(-1, count)
        cells[edge] = picked.sum(axis=0)
        for operation in range(count):
            if cells[edge, operation]:
                rows = lines[picked[:, operation]]
                changes[edge, operation] = (rows - rows[:, operation : operation + 1]).mean(axis=0)
    return changes, cells
