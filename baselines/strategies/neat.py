"""NEAT for cells: Stanley & Miikkulainen, Evolutionary Computation 10(2), 2002 ("Evolving neural networks through augmenting topologies").

Networks start minimal and become more complex only where that pays: a population of cells with the single connection from
input to output, whose genomes (`_genome.py`) grow by added nodes and connections; crossover aligned by innovation numbers;
species that share their fitness, so that a new structure has time to be improved. The paper evolves weights and topology of small
networks; here a connection carries an operation in place of a weight, and the operations of a trained cell have weights of their own.

Settings of the paper (section 4.1): c1 = c2 = 1, c3 = 0.4, threshold 3, stagnation after 15 generations, a champion of every
species with more than five members kept unchanged, 25 % of offspring without crossover, interspecies mating 0.001, genes disabled in a
parent disabled in the child with probability 0.75, weights mutated with probability 0.8. The fifth of a species that may reproduce,
and one more, is that of the author's code (`survival_thresh`).

Not the paper's, but scaled to a few hundred queries: a population of 20 (paper: 150, which would spend 150 queries on the four cells with
one connection), probabilities of 0.2 for a new node and 0.5 for a new connection, those of neat-python's example for XOR
(paper: 0.03 and 0.05). `variants` has `paper`.

Departures:
- Mutating weights means that one connection gets another operation.
- A cell whose function has been trained keeps its first accuracy; it is not trained again. An offspring that is no new cell is
  drawn again, up to 10 times: since a new node changes no function, 7 % of the offspring have one, not a fifth. Only when a whole
  generation is known is the best cell trained once more.
- The paper lets only the two best species reproduce when the whole population has not improved for 20 generations: more than a
  run of a few hundred queries has. Of equally fit parents the smaller genome hands on what the other lacks, as in the author's code.
- Innovation numbers are remembered over the run, not over a generation.
- A genome has at most as many inner nodes as the space. Without `none`, absent connections carry the first operation.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from nasbench.load import Method
from nasbench.query import Query, Search
from nasbench.settings import check_integer, check_number
from nasbench.space import Architecture, Canonical, CellSpace, SearchSpace, SpaceError

from ._genome import (
    Genome,
    History,
    add_connection,
    add_node,
    build,
    change_operation,
    crossover,
    distance,
    minimal,
)

METHOD = Method(
    title="NEAT for cells",
    paper="Stanley & Miikkulainen: Evolving neural networks through augmenting topologies, Evolutionary Computation 10(2), 2002",
    year=2002,
    mode="table",
    family="evolution",
    variants={"paper": {"population": 150, "node_probability": 0.03, "connection_probability": 0.05}},
)

CHAMPION_SIZE = 5  # a species with more members than this keeps its champion
ATTEMPTS = 10


@dataclass(frozen=True)
class Member:
    """A genome with the cell that it builds and that cell's class."""

    genome: Genome
    cell: Architecture
    form: Canonical


@dataclass
class Species:
    """Genomes that are alike.

    Attributes:
        representative: a genome of the previous generation, to which newcomers are compared.
        members: this generation's.
        best: highest accuracy that it ever had.
        stale: generations since that rose.
    """

    representative: Genome
    members: list[Member] = field(default_factory=list)
    best: float = -1.0
    stale: int = 0


@dataclass(frozen=True)
class Rates:
    """Settings of reproduction, named as those of `neat`."""

    node_probability: float
    connection_probability: float
    operation_probability: float
    keep_disabled: float
    asexual_share: float
    interspecies: float
    survival: float


def neat(
    space: SearchSpace,
    rng: np.random.Generator,
    epochs: tuple[int, ...],
    *,
    population: int = 20,
    node_probability: float = 0.2,
    connection_probability: float = 0.5,
    operation_probability: float = 0.8,
    excess: float = 1.0,
    disjoint: float = 1.0,
    mismatch: float = 0.4,
    threshold: float = 3.0,
    stagnation: int = 15,
    keep_disabled: float = 0.75,
    asexual_share: float = 0.25,
    interspecies: float = 0.001,
    survival: float = 0.2,
) -> Search:
    """Evolve growing cells in species, generation by generation, without end.

    Args:
        space: a space of cells.
        rng: source of all randomness.
        epochs: the fidelities on offer; the last one is asked for.
        population: genomes per generation, from 2; those that are new cells are trained together.
        node_probability: that an offspring gets a new node, in [0, 1].
        connection_probability: that one without new node gets a new connection, in [0, 1].
        operation_probability: that one without either gets another operation, in [0, 1].
        excess: weight c1 in the distance of genomes, from 0.
        disjoint: weight c2, from 0.
        mismatch: weight c3, from 0.
        threshold: distance from which on a genome is of another species, above 0.
        stagnation: generations without a better member after which a species may not reproduce, from 1.
        keep_disabled: that a gene disabled in a parent is disabled in the child, in [0, 1].
        asexual_share: share of offspring with one parent, in [0, 1].
        interspecies: share of other offspring whose second parent is of any species, in [0, 1].
        survival: best share of a species that reproduces, above 0, at most 1.

    Raises:
        SettingError: a setting outside its range.
        SpaceError: the space is none of cells.
    """
    check_integer("population", population, 2)
    check_integer("stagnation", stagnation, 1)
    for name, number in {"excess": excess, "disjoint": disjoint, "mismatch": mismatch}.items():
        check_number(name, number, 0.0)
    check_number("threshold", threshold, 0.0, above=True)
    check_number("survival", survival, 0.0, 1.0, above=True)
    shares = {"node_probability": node_probability, "connection_probability": connection_probability}
    shares |= {"operation_probability": operation_probability, "keep_disabled": keep_disabled}
    for name, number in {**shares, "asexual_share": asexual_share, "interspecies": interspecies}.items():
        check_number(name, number, 0.0, 1.0)
    if not isinstance(space, CellSpace):
        raise SpaceError(f"neat grows cells; space {space.name} is none of cells")

    rates = Rates(
        node_probability,
        connection_probability,
        operation_probability,
        keep_disabled,
        asexual_share,
        interspecies,
        survival,
    )
    nursery = Nursery(space, rates, rng)
    accuracies: dict[Hashable, float] = {}
    members = [nursery.first() for _ in range(population)]
    species: list[Species] = []
    while True:
        new = {member.form: member.cell for member in members if member.form not in accuracies}
        if new:
            observations = yield tuple(Query(cell, epochs[-1]) for cell in new.values())
            accuracies.update(zip(new, (told.validation_accuracy for told in observations), strict=True))
        else:
            yield Query(max(members, key=lambda member: accuracies[member.form]).cell, epochs[-1])
        species = speciate(species, members, rng, (excess, disjoint, mismatch), threshold)
        for kind in species:
            top = max(accuracies[member.form] for member in kind.members)
            kind.stale = 0 if top > kind.best else kind.stale + 1
            kind.best = max(kind.best, top)
        members = reproduce(species, accuracies, population, stagnation, nursery)


def speciate(
    species: list[Species],
    members: list[Member],
    rng: np.random.Generator,
    weights: tuple[float, float, float],
    threshold: float,
) -> list[Species]:
    """Sort a generation into the species of the last one, the first that fits, or new ones; drop those without members.

    Args:
        species: of the last generation, with its members, of which one at random represents it.
        members: the generation.
        rng: draws representatives.
        weights: c1, c2, c3 of the distance.
        threshold: distance from which on a genome doesn't fit.
    """
    sorted_in = [
        Species(kind.members[int(rng.integers(len(kind.members)))].genome, [], kind.best, kind.stale)
        for kind in species
    ]
    for member in members:
        for kind in sorted_in:
            if distance(member.genome, kind.representative, *weights) < threshold:
                kind.members.append(member)
                break
        else:
            sorted_in.append(Species(member.genome, [member]))
    return [kind for kind in sorted_in if kind.members]


def reproduce(
    species: list[Species],
    accuracies: dict[Hashable, float],
    population: int,
    stagnation: int,
    nursery: Nursery,
) -> list[Member]:
    """Return the next generation: each species gets offspring in proportion to its shared fitness, its mean accuracy.

    Species that are stale don't reproduce, unless all are; then the best one does.
    """
    active = [kind for kind in species if kind.stale < stagnation] or [max(species, key=lambda kind: kind.best)]
    means = np.array([np.mean([accuracies[member.form] for member in kind.members]) for kind in active])
    everyone = [member for kind in species for member in kind.members]
    following: list[Member] = []
    known = set(accuracies)
    for kind, count in zip(active, apportion(means, population), strict=True):
        ranked = sorted(kind.members, key=lambda member: -accuracies[member.form])
        kept = ranked[:1] if count and len(ranked) > CHAMPION_SIZE else []
        following += kept
        parents = ranked[: math.floor(nursery.rates.survival * len(ranked) + 1.0)]
        for _ in range(count - len(kept)):
            child = nursery.offspring(parents, everyone, accuracies, known)
            known.add(child.form)
            following.append(child)
    return following


def apportion(weights: NDArray[np.float64], total: int) -> list[int]:
    """Divide `total` in proportion to weights at least 0, by largest remainders; equally if all are 0."""
    shares = weights / weights.sum() if weights.sum() > 0 else np.full(len(weights), 1.0 / len(weights))
    counts = np.floor(total * shares).astype(np.int64)
    remainders = total * shares - counts
    counts[np.argsort(-remainders, kind="stable")[: total - int(counts.sum())]] += 1
    return [int(count) for count in counts]


class Nursery:
    """Makes genomes: remembers the innovations of the run, and what the space allows."""

    def __init__(self, space: CellSpace, rates: Rates, rng: np.random.Generator) -> None:
        """Take the space, the rates of mutation and mating, and the source of randomness."""
        self.rates = rates
        self._space, self._rng = space, rng
        self._history = History()
        names = space.operations
        self._absent = names.index("none") if "none" in names else 0
        self._operations = [number for number, name in enumerate(names) if name != "none"] or [0]
        self._identity = names.index("skip_connect") if "skip_connect" in names else self._operations[0]

    def _member(self, genome: Genome) -> Member:
        cell = build(self._space, genome, self._absent)
        return Member(genome, cell, self._space.canonical(cell))

    def first(self) -> Member:
        """Return a minimal genome with a random operation."""
        return self._member(minimal(self._history, int(self._rng.choice(self._operations))))

    def offspring(
        self, parents: list[Member], everyone: list[Member], accuracies: dict[Hashable, float], known: set[Hashable]
    ) -> Member:
        """Return a child of one or two parents, mutated, that is a new cell if `ATTEMPTS` attempts find one."""
        rng, rates = self._rng, self.rates
        for _ in range(ATTEMPTS):
            one = parents[int(rng.integers(len(parents)))]
            genome = one.genome
            if rng.random() >= rates.asexual_share:
                pool = everyone if rng.random() < rates.interspecies else parents
                two = pool[int(rng.integers(len(pool)))]
                # Of two equally fit genomes the smaller one counts as the fitter, as in the author's code.
                ranks = [(accuracies[parent.form], -len(parent.genome)) for parent in (one, two)]
                fitter, other = (one, two) if ranks[0] >= ranks[1] else (two, one)
                genome = crossover(fitter.genome, other.genome, rng, rates.keep_disabled)
            child = self._member(self.mutate(genome))
            if child.form not in known:
                break
        return child

    def mutate(self, genome: Genome) -> Genome:
        """Return the genome with a new node, or a new connection, or another operation, or as it is."""
        rng, rates = self._rng, self.rates
        changed: Genome | None = None
        if rng.random() < rates.node_probability:
            changed = add_node(genome, self._history, rng, self._space.nodes - 2, self._identity)
        if changed is None and rng.random() < rates.connection_probability:
            changed = add_connection(genome, self._history, rng, self._operations)
        if changed is None and rng.random() < rates.operation_probability:
            changed = change_operation(genome, rng, self._operations)
        return genome if changed is None else changed
