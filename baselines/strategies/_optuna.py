"""What Optuna's samplers share as opponents: the space as its distributions, and a study as a search.

Akiba et al., KDD 2019, arXiv:1907.10902.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from nasbench.load import installed_version
from nasbench.query import Observation, Search
from nasbench.space import Architecture, SearchSpace

from ._opponent import Fence, ask_and_tell, needed

PAPER = "Akiba et al.: Optuna: A next-generation hyperparameter optimization framework, KDD 2019, arXiv:1907.10902"
VERSION = installed_version("optuna")


def quiet_optuna(release: str) -> ModuleType:
    """Import the library and let it print warnings alone.

    Raises:
        OpponentError, SettingError: see `needed`.
    """
    optuna = needed("optuna", "optuna", release)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def decisions(optuna: ModuleType, space: SearchSpace) -> dict[str, Any]:
    """Return the space's decisions as categorical distributions, by their places."""
    return {
        str(place): optuna.distributions.CategoricalDistribution(tuple(range(count)))
        for place, count in enumerate(space.choices)
    }


def study_search(
    study: Any, options: dict[str, Any], values: Callable[[Observation], Any], fence: Fence, epochs: int
) -> Search:
    """Search with a study, without end.

    Args:
        study: of Optuna.
        options: `decisions` of the space.
        values: what the study is told of an observation.
        fence: of the run.
        epochs: fidelity that is asked for.
    """
    numbers: list[int] = []

    def ask() -> Architecture:
        trial = study.ask(options)
        numbers.append(trial.number)
        return tuple(int(trial.params[name]) for name in options)

    def tell(observation: Observation) -> None:
        study.tell(numbers[-1], values(observation))

    yield from ask_and_tell(ask, tell, fence, epochs)
