"""NSGA-II of Optuna: Akiba et al., KDD 2019, arXiv:1907.10902, after Deb et al. 2002; an opponent, through the library itself.

Minimises the objectives that observations carry (the error first), or the error alone. The library's defaults: population 50,
uniform crossover with probability 0.9, each decision drawn anew with probability 1 over their number. `small` has a population
of 20, as our own `nsga2` for budgets of some hundred trainings.

Departures: the number of objectives is known with the first answer, so the first architecture is drawn by us, uniformly, and
given to the sampler as its first trial.
"""

from __future__ import annotations

import numpy as np

from nasbench.load import Method
from nasbench.query import Observation, Query, Search
from nasbench.settings import check_integer, check_number
from nasbench.space import SearchSpace

from ._opponent import SEEDS, Fence
from ._optuna import PAPER, VERSION, decisions, quiet_optuna, study_search

METHOD = Method(
    title=f"Optuna {VERSION} NSGA-II",
    paper=PAPER,
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
    optuna = quiet_optuna(release)
    options = decisions(optuna, space)
    first = yield Query(space.sample(rng), epochs[-1])
    fence = Fence(rng)
    with fence.inside():
        sampler = optuna.samplers.NSGAIISampler(
            population_size=population, crossover_prob=crossover, seed=int(rng.integers(SEEDS))
        )
        study = optuna.create_study(sampler=sampler, directions=["minimize"] * len(minimised(first)))
        study.enqueue_trial(dict(zip(options, first.query.architecture, strict=True)))
        trial = study.ask(options)
        # Enqueued trials belong to no generation unless the sampler is asked for theirs.
        sampler.get_trial_generation(study, study._storage.get_trial(trial._trial_id))
        study.tell(trial.number, minimised(first))
    yield from study_search(study, options, minimised, fence, epochs[-1])


def minimised(observation: Observation) -> list[float]:
    """Return what is minimised: the objectives of the observation, or its error alone."""
    return list(observation.objectives or (1.0 - observation.validation_accuracy,))
