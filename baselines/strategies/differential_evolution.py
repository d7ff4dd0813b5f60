"""Differential evolution for NAS: Awad, Mallik & Hutter, 2020, arXiv:2012.06400, after Storn & Price, J. Glob. Opt. 11, 1997.

Each member of the population is challenged once a generation by a trial: a + F (b - c) of three other members, crossed with
the member itself. The trial takes the place if it is at least as good, so that plateaus are crossed.

Defaults are Awad et al.'s: rand/1/bin, population 20, F 0.5, CR 0.5, coordinates outside [0, 1] drawn anew.

Departures: a, b, c differ from the target, and one coordinate always comes from the mutant, as in Storn & Price; the authors'
code draws from all members and forces a coordinate only when none was taken.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from nasbench.load import Method
from nasbench.query import Query, Search
from nasbench.settings import check_choice, check_integer, check_number
from nasbench.space import SearchSpace

from ._differential import cross, mutant, repair, to_architecture

METHOD = Method(
    title="Differential evolution",
    paper="Awad et al.: Differential evolution for neural architecture search, NAS workshop at ICLR 2020, arXiv:2012.06400",
    year=2020,
    mode="table",
    family="evolution",
    variants={"paper": {"population": 20, "factor": 0.5, "crossover": 0.5, "boundary": "random"}},
)


def differential_evolution(
    space: SearchSpace,
    rng: np.random.Generator,
    epochs: tuple[int, ...],
    *,
    population: int = 20,
    factor: float = 0.5,
    crossover: float = 0.5,
    boundary: Literal["random", "clip"] = "random",
) -> Search:
    """Evolve generation after generation, without end; a generation is a batch.

    Args:
        space: the search space.
        rng: source of all randomness.
        epochs: the fidelities on offer; the last one is asked for.
        population: number of members, from 4.
        factor: weight of the difference (F), above 0 and at most 2.
        crossover: probability that a coordinate comes from the mutant (CR), in [0, 1].
        boundary: what becomes of coordinates outside [0, 1]: drawn anew at `random`, or `clip` to the nearest end.

    Raises:
        SettingError: a setting outside its range.
    """
    check_integer("population", population, 4)
    check_number("factor", factor, 0.0, 2.0, above=True)
    check_number("crossover", crossover, 0.0, 1.0)
    check_choice("boundary", boundary, ("random", "clip"))
    choices = space.choices
    members = rng.random((population, len(choices)))  # (members, decisions)
    fitness = np.full(population, -np.inf)
    trials = members.copy()
    while True:
        observations = yield tuple(Query(to_architecture(trial, choices), epochs[-1]) for trial in trials)
        found = np.array([observation.validation_accuracy for observation in observations])
        better = found >= fitness
        members[better], fitness[better] = trials[better], found[better]
        for place in range(population):
            others = np.delete(members, place, axis=0)
            donor = mutant(others, factor, rng)
            trials[place] = repair(cross(members[place], donor, crossover, rng), boundary, rng)
