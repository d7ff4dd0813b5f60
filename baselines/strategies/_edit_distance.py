"""Auto-Keras's edit distance between networks (Jin, Song & Hu, KDD 2019, arXiv:1806.10282, section 3.1), for cells.

A network is a chain of layers and a set of skip connections. The distance is the edit distance of the chains, plus a weight
times the cost of the best assignment of the connections, where a layer or connection without a counterpart costs 1. Two layers of one
kind differ by the relative difference of their kernel sizes, averaged over the three attributes of a layer (filters and
stride are equal in a cell); two connections of one type by how far apart they begin and how much their lengths differ.

In a cell the chain is the edges (0,1), (1,2), ..., whatever they carry, and the connections are all other edges that carry
something, their operation being the type. Distances are then 0 exactly between equal cells.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nasbench.space import CellSpace

from ._transport import kernel_size, kind_of, least_assignment

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
LARGEST_TABLE = 1000  # chains, or sets of connections, between all of which distances are kept: 8 MB each


@dataclass(frozen=True, eq=False)
class EditCosts:
    """Costs in one space.

    Attributes:
        chain: edges of the chain, in order.
        skips: all other edges.
        layers: shape (operations, operations), between layers of the chain.
        connections: shape (tokens, tokens), between connections; token edge * operations + operation, the last one is none.
        operations: number of operations.
        none: number of the operation `none`, -1 if the space has none.
    """

    chain: tuple[int, ...]
    skips: tuple[int, ...]
    layers: Floats
    connections: Floats
    operations: int
    none: int

    @functools.cached_property
    def chain_table(self) -> Floats:
        """Edit distances between all chains, shape (chains, chains), in the order of `itertools.product`."""
        chains = self._every(len(self.chain))
        return _chain_distances(self, chains, chains)

    @functools.cached_property
    def skip_table(self) -> Floats:
        """Costs of the best assignment between all sets of connections, shape (sets, sets), in the order of `itertools.product`."""
        skips = self._every(len(self.skips))
        return _skip_distances(self, skips, skips)

    def _every(self, edges: int) -> Ints:
        return np.indices((self.operations,) * edges).reshape(edges, -1).T


@functools.lru_cache(maxsize=4)
def edit_costs(space: CellSpace) -> EditCosts:
    """Return the costs between all layers and between all connections that a space can have."""
    chain = tuple(edge for edge, (source, target) in enumerate(space.edges) if target == source + 1)
    skips = tuple(edge for edge in range(len(space.edges)) if edge not in chain)
    count = len(space.operations)
    layers = np.array([[layer_cost(left, right) for right in space.operations] for left in space.operations])
    connections = np.ones((len(skips) * count + 1, len(skips) * count + 1))
    for one, left in enumerate(skips):
        for other, right in enumerate(skips):
            for operation in range(count):
                cost = connection_cost(space.edges[left], space.edges[right])
                connections[one * count + operation, other * count + operation] = cost
    connections[-1, -1] = 0.0
    none = space.operations.index("none") if "none" in space.operations else -1
    return EditCosts(chain, skips, layers, connections, count, none)


def layer_cost(left: str, right: str) -> float:
    """Return the cost of replacing one layer by another, in [0, 1]."""
    if left == right:
        return 0.0
    if kind_of(left) != kind_of(right):
        return 1.0
    sizes = kernel_size(left), kernel_size(right)
    return abs(sizes[0] - sizes[1]) / max(sizes) / 3.0


def connection_cost(left: tuple[int, int], right: tuple[int, int]) -> float:
    """Return the cost between two connections of one type, given as (source, target), in [0, 1]."""
    lengths = left[1] - left[0], right[1] - right[0]
    apart = abs(left[0] - right[0]) + abs(lengths[0] - lengths[1])
    return apart / (max(left[0], right[0]) + max(lengths))


def edit_distances(costs: EditCosts, left: Ints, right: Ints, weight: float) -> Floats:
    """Return the distances between all cells of two lists.

    Args:
        costs: of their space.
        left: shape (n, edges), operation numbers.
        right: shape (m, edges).
        weight: of the connections against the chain (the paper's lambda).

    Returns:
        Shape (n, m).
    """
    chain = _part(costs, costs.chain, left, right)
    if not costs.skips:
        return chain
    return np.asarray(chain + weight * _part(costs, costs.skips, left, right))


def _part(costs: EditCosts, edges: tuple[int, ...], left: Ints, right: Ints) -> Floats:
    """Return what the chain or the skip edges cost, shape (n, m): looked up where there are few chains or sets of connections."""
    mine, theirs = left[:, edges], right[:, edges]
    if costs.operations ** len(edges) > LARGEST_TABLE:
        return (_chain_distances if edges == costs.chain else _skip_distances)(costs, mine, theirs)
    table = costs.chain_table if edges == costs.chain else costs.skip_table
    strides = costs.operations ** np.arange(len(edges) - 1, -1, -1)
    return np.asarray(table[(mine @ strides)[:, None], theirs @ strides])


def _chain_distances(costs: EditCosts, mine: Ints, theirs: Ints) -> Floats:
    """Return the edit distances of chains (Levenshtein 1966, with graded replacement), shape (n, m)."""
    length = len(costs.chain)
    shape = (len(mine), len(theirs))
    above = [np.full(shape, float(column)) for column in range(length + 1)]
    for row in range(length):
        current = [np.full(shape, row + 1.0)]
        for column in range(length):
            replaced = above[column] + costs.layers[mine[:, row, None], theirs[None, :, column]]
            current.append(np.minimum(np.minimum(current[column], above[column + 1]) + 1.0, replaced))
        above = current
    return above[length]


def _skip_distances(costs: EditCosts, mine: Ints, theirs: Ints) -> Floats:
    """Return the costs of the best assignment of connections, given the operations of all skip edges, shape (n, m)."""
    one, other = _tokens(costs, mine), _tokens(costs, theirs)
    return least_assignment(costs.connections[one.T[:, None, :, None], other.T[None, :, None, :]])


def _tokens(costs: EditCosts, operations: Ints) -> Ints:
    """Return each skip edge's connection, or the token of no connection, shape (cells, skips)."""
    count = len(costs.skips)
    tokens = np.arange(count) * costs.operations + operations
    return np.where(operations == costs.none, count * costs.operations, tokens)
