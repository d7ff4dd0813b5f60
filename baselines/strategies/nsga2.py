"""NSGA-II: Deb, Pratap, Agarwal & Meyarivan, IEEE Transactions on Evolutionary Computation 6, 2002.

Parents and children are sorted together into non-dominated fronts; the best fronts survive, and of the front that does not
fit as a whole those with the most room around them (section III-C). Parents are winners of binary tournaments by front, then by room.

Settings: crossover with probability 0.9 and mutation of each decision with probability 1 over their number, as the paper's
binary-coded runs; population 40, that of NSGA-Net (Lu et al., GECCO 2019, arXiv:1810.03522), which brought the method to
architectures. `variants`: `paper` has the paper's 100, `small` 20, for budgets of some hundred trainings.

The objectives are those that the observations carry, the validation error first; where a protocol names none, the error alone,
and the method is an elitist genetic algorithm.

Departures:
- Architectures are strings of decisions: single-point crossover between decisions, and a mutated decision takes any other option.
- Children equal to known architectures are trained (again), as Deb et al. evaluate them (NSGA-Net drops them).
- Crowding of equal objective vectors is broken by the order of birth.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nasbench.load import Method
from nasbench.pareto import crowding, front_ranks
from nasbench.query import Observation, Query, Search
from nasbench.settings import check_integer, check_number
from nasbench.space import Architecture, SearchSpace

METHOD = Method(
    title="NSGA-II",
    paper="Deb et al.: A fast and elitist multiobjective genetic algorithm: NSGA-II, IEEE Trans. Evol. Comput. 6, 2002",
    year=2002,
    mode="table",
    family="multi-objective",
    variants={"paper": {"population": 100}, "small": {"population": 20}},
)


def nsga2(
    space: SearchSpace,
    rng: np.random.Generator,
    epochs: tuple[int, ...],
    *,
    population: int = 40,
    crossover: float = 0.9,
    mutations: float = 1.0,
) -> Search:
    """Evolve a set of trade-offs, without end.

    Args:
        space: the search space.
        rng: source of all randomness.
        epochs: the fidelities on offer; the last one is asked for.
        population: number of parents and of children of a generation (N), from 2.
        crossover: probability that a child has two parents, in [0, 1].
        mutations: expected number of mutated decisions of a child, from 0 to their number.

    Raises:
        SettingError: a setting outside its range.
    """
    check_integer("population", population, 2)
    check_number("crossover", crossover, 0.0, 1.0)
    check_number("mutations", mutations, 0.0, float(len(space.choices)))
    alive = tuple(space.sample(rng) for _ in range(population))
    points = _objectives((yield tuple(Query(one, epochs[-1]) for one in alive)))
    while True:
        ranks, room = ranked(points)
        children = []
        for _ in range(population):
            first, second = (alive[tournament(ranks, room, rng)] for _ in range(2))
            child = cross(first, second, rng) if rng.random() < crossover else first
            children.append(mutate_each(child, space.choices, mutations / len(space.choices), rng))
        told = _objectives((yield tuple(Query(one, epochs[-1]) for one in children)))
        everybody, points = (*alive, *children), np.concatenate([points, told])
        chosen = survivors(points, population)
        alive, points = tuple(everybody[number] for number in chosen), points[chosen]


def _objectives(observations: tuple[Observation, ...]) -> NDArray[np.float64]:
    """Return what is minimised, shape (n, objectives)."""
    return np.array([told.objectives or (1.0 - told.validation_accuracy,) for told in observations])


def ranked(points: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return front number and crowding distance within the front of each point, both of shape (n,)."""
    ranks = front_ranks(points)
    room = np.zeros(len(points))
    for rank in range(int(ranks.max()) + 1):
        room[ranks == rank] = crowding(points[ranks == rank])
    return ranks, room


def tournament(ranks: NDArray[np.int64], room: NDArray[np.float64], rng: np.random.Generator) -> int:
    """Return the better of two drawn members, by the crowded comparison: lower front, then more room, then the first."""
    first, second = rng.integers(len(ranks), size=2).tolist()
    return int(second if (ranks[second], -room[second]) < (ranks[first], -room[first]) else first)


def survivors(points: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Return the numbers of the `count` points that live on, best first."""
    ranks, room = ranked(points)
    return np.lexsort((-room, ranks))[:count]


def cross(first: Architecture, second: Architecture, rng: np.random.Generator) -> Architecture:
    """Return the beginning of one parent and the rest of the other; with a single decision, the first parent."""
    if len(first) < 2:
        return first
    point = int(rng.integers(1, len(first)))
    return (*first[:point], *second[point:])


def mutate_each(
    architecture: Architecture, choices: tuple[int, ...], probability: float, rng: np.random.Generator
) -> Architecture:
    """Return a copy in which each decision takes, with the given probability, any other of its options."""
    changed = (rng.random(len(choices)) < probability).tolist()
    steps = rng.random(len(choices)).tolist()
    return tuple(
        (option + 1 + int(step * (count - 1))) % count if change and count > 1 else option
        for option, count, change, step in zip(architecture, choices, changed, steps, strict=True)
    )
