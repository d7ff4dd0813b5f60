"""Large-scale evolution by pairwise tournaments: Real et al., ICML 2017, arXiv:1703.01041, section 3.1; emulated.

A worker that is free draws two members of the population at random, kills the worse one, and puts a mutated copy of the
better one in its place as soon as that is trained. There are no generations and no waiting.

Emulated: in the paper a child inherits every weight whose shape still fits, so that a lineage is trained for many times the
budget of one child. A table can't show that. What is kept is the moves: tournament, mutation, asynchronous workers; every
score is of a training from scratch.

Departures: the population is 100 instead of 1,000 (`variants["paper"]`), the size of Real et al.'s comparison in 2019, since
with 1,000 a budget of a few hundred trainings is random search; it begins with random architectures, not with trivial ones,
which a cell space doesn't single out; the mutation is the space's. Mutations of learning rate, weights and training time
have no meaning here.
"""

from __future__ import annotations

import numpy as np

from nasbench.load import Method
from nasbench.query import Query, Search, Submit
from nasbench.settings import check_integer
from nasbench.space import Architecture, SearchSpace

METHOD = Method(
    title="Large-scale evolution (emulated)",
    paper="Real et al.: Large-scale evolution of image classifiers, ICML 2017, arXiv:1703.01041",
    year=2017,
    mode="emulated",
    family="evolution",
    asynchronous=True,
    variants={"paper": {"population": 1000}, "hundred": {"population": 100}, "ten": {"population": 10}},
)


def tournament_evolution(
    space: SearchSpace,
    rng: np.random.Generator,
    epochs: tuple[int, ...],
    *,
    population: int = 100,
) -> Search:
    """Submit one child after another, without end.

    Args:
        space: the search space.
        rng: source of all randomness.
        epochs: the fidelities on offer; the last one is asked for.
        population: members alive or in training, from 2.

    Raises:
        SettingError: a setting outside its range.
    """
    check_integer("population", population, 2)
    alive: list[tuple[float, Architecture]] = []
    training = 0
    while True:
        if len(alive) + training < population or len(alive) < 2:
            child = space.sample(rng)  # with more workers than members, too few are alive for a tournament
        else:
            first, second = rng.choice(len(alive), size=2, replace=False).tolist()
            worse, better = sorted((first, second), key=lambda place: alive[place][0])
            child = space.mutate(alive[better][1], rng)
            del alive[worse]
        training += 1
        for observation in (yield Submit(Query(child, epochs[-1]))):
            training -= 1
            alive.append((observation.validation_accuracy, observation.query.architecture))
