"""NSGA-II of Optuna: Akiba et al., KDD 2019, arXiv:1907.10902, after Deb et al. 2002; an opponent, through the library itself.

Minimises the objectives that observations carry (the error first), or the error alone. The library's defaults: population 50,
uniform crossover with probability 0.9, each decision drawn anew with probability 1 over their number. `small` has a population
of 20, as our own `nsga2` for budgets of some hundred trainings.

Departures: the number of objectives is known with the first answer, so the first architecture is drawn by us, uniformly, and
given to the sampler as its first trial.
"""

from __future__ import annotations

import numpy as np

from nasbench.load import Method, installed_version
from nasbench.query import Observation, Query, Search
from nasbench.settings import check_integer, check_number
from nasbench.space import Architecture, SearchSpace

from ._opponent import SEEDS, Fence, ask_and_tell, needed

VERSION = installed_version("optuna")

METHOD = Method(
    title=f"Optuna {VERSION} NSGA-II",
    paper="Akiba et al.: Optuna: A next-generation hyperparameter optimization framework, KDD 2019, arXiv:1907.10902",
    year=2019,
    mode="table",
    family="opponent",
    extra="opponents",
    variants={"small": {"population": 20}},
)


def optuna_nsga2(
    space: SearchSpace,
    rng: np.random.Generator,
    epochs: tuple[int, ...],
    *,
    population: int = 50,
    crossover: float = 0.9,
    release: str = VERSION,
) -> Search:
    """Ask Optuna's NSGA-II sampler, without end.

    Args:
        space: the search space.
        rng: source of the sampler's seed.
        epochs: the fidelities on offer; the last one is asked for.
        population: size of a generation, from 2.
        crossover: probability that a child has two parents, in [0, 1].
        release: version of the library that must be installed.

    Raises:
        SettingError: a setting outside its range, or another version is installed.
        OpponentError: the library is not installed.
    """
    check_integer("population", population, 2)
    check_number("crossover", crossover, 0.0, 1.0)
    optuna = needed("optuna", "optuna", release)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    options = {
        str(place): optuna.distributions.CategoricalDistribution(tuple(range(count)))
        for place, count in enumerate(space.choices)
    }
    first = yield Query(space.sample(rng), epochs[-1])
    fence = Fence(rng)
    with fence.inside():
        sampler = optuna.samplers.NSGAIISampler(
            population_size=population, crossover_prob=crossover, seed=int(rng.integers(SEEDS))
        )
        study = optuna.create_study(sampler=sampler, directions=["minimize"] * len(minimised(first)))
        study.enqueue_trial(dict(zip(options, first.query.architecture, strict=True)))
        study.tell(study.ask(options).number, minimised(first))
    numbers: list[int] = []

    def ask() -> Architecture:
        trial = study.ask(options)
        numbers.append(trial.number)
        return tuple(int(trial.params[name]) for name in options)

    def tell(observation: Observation) -> None:
        study.tell(numbers[-1], minimised(observation))

    yield from ask_and_tell(ask, tell, fence, epochs[-1])


def minimised(observation: Observation) -> list[float]:
    """Return what is minimised: the objectives of the observation, or its error alone."""
    return list(observation.objectives or (1.0 - observation.validation_accuracy,))
