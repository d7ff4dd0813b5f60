"""SMAC3: Lindauer et al., JMLR 23(54), 2022, arXiv:2109.09831; an opponent, through the library itself.

`HyperparameterOptimizationFacade`, the library's choice for categorical spaces, with its defaults: a random forest on
logarithms of the cost, expected improvement, 20 % random challengers, at most 3 trainings of an architecture, a Sobol design of
10 architectures per decision, capped at a quarter of `trials`. `no-race` trains each architecture once.

Departures: `trials` is what the facade plans for; the run goes on after them, as long as the loop asks. Nothing is saved to disk.
When every architecture of a small space has been trained, the search ends.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np

from nasbench.load import Method, installed_version
from nasbench.query import Observation, Search
from nasbench.settings import check_integer, check_number
from nasbench.space import Architecture, SearchSpace

from ._opponent import SEEDS, Fence, ask_and_tell, needed

VERSION = installed_version("smac")

NOWHERE = Path("/dev/null/smac3")  # can't exist, so that no run of somebody else's is found and continued

METHOD = Method(
    title=f"SMAC3 {VERSION}",
    paper="Lindauer et al.: SMAC3: A versatile Bayesian optimization package for hyperparameter optimization, JMLR 23(54), 2022, "
    "arXiv:2109.09831",
    year=2022,
    mode="table",
    family="opponent",
    extra="opponents",
    variants={"no-race": {"max_repeats": 1}},
)


def smac3(
    space: SearchSpace,
    rng: np.random.Generator,
    epochs: tuple[int, ...],
    *,
    trials: int = 150,
    max_repeats: int = 3,
    random_share: float = 0.2,
    release: str = VERSION,
) -> Search:
    """Ask SMAC3 until it has no further architecture.

    Args:
        space: the search space.
        rng: source of the library's seed.
        epochs: the fidelities on offer; the last one is asked for.
        trials: planned trainings, which cap the initial design, from 4.
        max_repeats: most trainings of one architecture, from 1.
        random_share: probability that a challenger is drawn uniformly, in [0, 1].
        release: version of the library that must be installed.

    Raises:
        SettingError: a setting outside its range, or another version is installed.
        OpponentError: the library is not installed.
    """
    check_integer("trials", trials, 4)
    check_integer("max_repeats", max_repeats, 1)
    check_number("random_share", random_share, 0.0, 1.0)
    library = needed("smac", "smac", release)
    spaces = needed("ConfigSpace", "ConfigSpace", installed_version("ConfigSpace"))
    history = needed("smac.runhistory", "smac", release)
    optimisation = needed("smac.main.smbo", "smac", release)
    logging.getLogger("smac").setLevel(logging.ERROR)  # it warns of every architecture drawn at random
    facade = library.HyperparameterOptimizationFacade

    class Unsaved(optimisation.SMBO):  # type: ignore[misc, name-defined]  # its base has no types
        """The library's loop, that neither looks for an earlier run on disk nor writes one."""

        def _initialize_state(self) -> None:
            """Begin with nothing known."""

    class Facade(facade):  # type: ignore[misc, valid-type]
        """The library's facade around that loop."""

        def _get_optimizer(self) -> Any:
            return Unsaved(self._scenario, self._runner, self._runhistory, self._intensifier, self._overwrite)

    names = [f"{place:03d}" for place in range(len(space.choices))]
    fence = Fence(rng)
    with fence.inside():
        options = [
            spaces.CategoricalHyperparameter(name, list(range(count)))
            for name, count in zip(names, space.choices, strict=True)
        ]
        described = spaces.ConfigurationSpace(seed=int(rng.integers(SEEDS)))
        described.add(options)
        scenario = library.Scenario(
            described, output_directory=NOWHERE, n_trials=trials, seed=int(rng.integers(SEEDS)), deterministic=False
        )
        optimizer = Facade(
            scenario,
            intensifier=facade.get_intensifier(scenario, max_config_calls=max_repeats),
            random_design=facade.get_random_design(scenario, probability=random_share),
            logging_level=False,
        )
    asked: list[Any] = []

    def ask() -> Architecture:
        asked.append(optimizer.ask())
        return tuple(int(asked[-1].config[name]) for name in names)

    def tell(observation: Observation) -> None:
        value = history.TrialValue(cost=1.0 - observation.validation_accuracy, time=0.0)
        optimizer.tell(asked[-1], value, save=False)

    try:
        yield from ask_and_tell(ask, tell, fence, epochs[-1])
    except RuntimeError as error:  # its generator has ended: no new architecture is left
        if not isinstance(error.__cause__, StopIteration):
            raise
