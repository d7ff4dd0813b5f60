"""Genomes of NEAT (Stanley & Miikkulainen, Evolutionary Computation 10, 2002, sections 3.1 to 3.3), for cells.

A genome is a set of connection genes. Each has an innovation number, which says where in history its connection appeared; genes
of equal number in two genomes are the same connection, and this alone is how genomes are aligned. A connection's weight is here its
operation.

Nodes have numbers that never change: 0 is the cell's input, 1 its output, others are inner nodes in order of invention. Which inner
node of the cell an inner node becomes is decided when the cell is built, by topological order; genomes are free of cycles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from nasbench.space import Architecture, CellSpace

INPUT_NODE, OUTPUT_NODE = 0, 1


@dataclass(frozen=True, slots=True)
class Gene:
    """A connection.

    Attributes:
        source: node number.
        target: node number.
        operation: operation number.
        enabled: whether the cell has it.
    """

    source: int
    target: int
    operation: int
    enabled: bool = True


Genome = Mapping[int, Gene]
"""Innovation number -> gene."""


@dataclass
class History:
    """The innovations so far: equal structural changes get equal numbers.

    Attributes:
        connections: (source, target) -> innovation number.
        splits: innovation number of a split connection -> number of the node put into it.
    """

    connections: dict[tuple[int, int], int] = field(default_factory=dict)
    splits: dict[int, int] = field(default_factory=dict)

    def connection(self, source: int, target: int) -> int:
        """Return the innovation number of a connection, a new one if it has never been."""
        return self.connections.setdefault((source, target), len(self.connections))

    def node(self, innovation: int) -> int:
        """Return the number of the node that splits a connection, a new one if it has never been split."""
        return self.splits.setdefault(innovation, OUTPUT_NODE + 1 + len(self.splits))


def minimal(history: History, operation: int) -> Genome:
    """Return the genome with which evolution starts: one connection from input to output."""
    return {history.connection(INPUT_NODE, OUTPUT_NODE): Gene(INPUT_NODE, OUTPUT_NODE, operation)}


def inner_nodes(genome: Genome) -> list[int]:
    """Return the numbers of a genome's inner nodes, ascending."""
    nodes = {node for gene in genome.values() for node in (gene.source, gene.target)}
    return sorted(nodes - {INPUT_NODE, OUTPUT_NODE})


def add_node(genome: Genome, history: History, rng: np.random.Generator, most: int, identity: int) -> Genome | None:
    """Split a random enabled connection by a node: into the node `identity`, out of it the old operation (figure 3).

    The old connection is disabled. With a skip connection as identity the cell computes what it did before, as the paper's
    weight of 1 nearly ensures.

    Returns:
        The new genome, or None if it has `most` inner nodes already or no enabled connection that it hasn't split before.
    """
    if len(inner_nodes(genome)) >= most:
        return None
    own = set(inner_nodes(genome))
    fresh = [number for number, gene in genome.items() if gene.enabled and history.splits.get(number) not in own]
    if not fresh:
        return None
    number = fresh[int(rng.integers(len(fresh)))]
    gene, node = genome[number], history.node(number)
    return {
        **genome,
        number: replace(gene, enabled=False),
        history.connection(gene.source, node): Gene(gene.source, node, identity),
        history.connection(node, gene.target): Gene(node, gene.target, gene.operation),
    }


def add_connection(genome: Genome, history: History, rng: np.random.Generator, operations: list[int]) -> Genome | None:
    """Connect two nodes that no enabled gene connects, by a random operation, without a cycle (figure 3).

    Returns:
        The new genome (where the two had a disabled gene, that one enabled and with the new operation), or None if all are
        connected.
    """
    nodes = [INPUT_NODE, *inner_nodes(genome), OUTPUT_NODE]
    place = {node: number for number, node in enumerate(ordered(genome))}
    enabled = {(gene.source, gene.target) for gene in genome.values() if gene.enabled}
    possible = [
        (source, target)
        for source in nodes
        for target in nodes
        if place[source] < place[target] and (source, target) not in enabled
    ]
    if not possible:
        return None
    source, target = possible[int(rng.integers(len(possible)))]
    operation = operations[int(rng.integers(len(operations)))]
    return {**genome, history.connection(source, target): Gene(source, target, operation)}


def change_operation(genome: Genome, rng: np.random.Generator, operations: list[int]) -> Genome | None:
    """Give a random enabled connection another operation; None if there is no other or no enabled connection."""
    enabled = [number for number, gene in genome.items() if gene.enabled]
    if not enabled or len(operations) < 2:
        return None
    number = enabled[int(rng.integers(len(enabled)))]
    others = [operation for operation in operations if operation != genome[number].operation]
    return {**genome, number: replace(genome[number], operation=others[int(rng.integers(len(others)))])}


def crossover(fitter: Genome, other: Genome, rng: np.random.Generator, keep_disabled: float) -> Genome:
    """Mate two genomes aligned by innovation number (figure 4).

    Matching genes come from either parent at random, disjoint and excess genes from the fitter one. A gene that is disabled in
    either parent is disabled in the child with probability `keep_disabled`, else enabled.
    """
    child: dict[int, Gene] = {}
    for number, gene in fitter.items():
        twin = other.get(number)
        chosen = twin if twin is not None and rng.random() < 0.5 else gene
        disabled = not gene.enabled or (twin is not None and not twin.enabled)
        child[number] = replace(chosen, enabled=not disabled or rng.random() >= keep_disabled)
    return child


def distance(left: Genome, right: Genome, excess: float, disjoint: float, mismatch: float) -> float:
    """Return how unlike two genomes are (equation 1), with N = 1 as the paper has it for genomes of fewer than 20 genes.

    Args:
        left: genome.
        right: genome.
        excess: weight of genes beyond the other genome's last one (c1).
        disjoint: weight of the other genes that only one genome has (c2).
        mismatch: weight of the share of matching genes whose operations differ (c3, there of the mean difference of weights).
    """
    numbers, others = set(left), set(right)
    matching = numbers & others
    limit = min(max(numbers), max(others))
    alone = numbers ^ others
    beyond = sum(number > limit for number in alone)
    different = sum(left[number].operation != right[number].operation for number in matching)
    share = different / len(matching) if matching else 0.0
    size = max(len(left), len(right))
    normaliser = 1 if size < 20 else size
    return excess * beyond / normaliser + disjoint * (len(alone) - beyond) / normaliser + mismatch * share


def ordered(genome: Genome) -> list[int]:
    """Return all nodes in topological order, the input first and the output last, smaller numbers first among free ones."""
    waiting = inner_nodes(genome)
    order = [INPUT_NODE]
    while waiting:
        blocked = {gene.target for gene in genome.values() if gene.source in waiting}
        free = next(node for node in waiting if node not in blocked)
        order.append(free)
        waiting.remove(free)
    return [*order, OUTPUT_NODE]


def build(space: CellSpace, genome: Genome, absent: int) -> Architecture:
    """Return the cell: enabled connections carry their operation, all other edges `absent`.

    Args:
        space: has at least as many inner nodes as the genome.
        genome: free of cycles.
        absent: operation number, that of `none` where there is one.
    """
    order = ordered(genome)
    slots = {node: slot for slot, node in enumerate(order[:-1])} | {OUTPUT_NODE: space.nodes - 1}
    number = {edge: place for place, edge in enumerate(space.edges)}
    cell = [absent] * len(space.edges)
    for gene in genome.values():
        if gene.enabled:
            cell[number[slots[gene.source], slots[gene.target]]] = gene.operation
    return tuple(cell)
