"""CMA-ES of pycma: Hansen & Ostermeier, Evolutionary Computation 9(2), 2001; library Hansen et al., Zenodo 2593341; an opponent.

The covariance of a normal distribution is adapted to steps that have worked. It searches R^n; an architecture is made of
a vector by one block of coordinates a decision, one coordinate an option, and the largest of a block wins. The library's
defaults: population 4 + floor(3 ln n), start at 0 with step size `sigma`, 1.

Departures: the encoding, ours; the published method is for continuous spaces. The same decoded architecture asked for again is
trained again. The distribution is begun anew where the library says it has converged.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nasbench.load import Method, installed_version
from nasbench.query import Observation, Search
from nasbench.settings import check_number
from nasbench.space import Architecture, SearchSpace

from ._opponent import Fence, ask_and_tell, needed

VERSION = installed_version("cma")

METHOD = Method(
    title=f"CMA-ES (cma {VERSION})",
    paper="Hansen & Ostermeier: Completely derandomized self-adaptation in evolution strategies, Evolutionary Computation 9(2), 2001",
    year=2001,
    mode="table",
    family="opponent",
    extra="opponents",
)


def cma_es(
    space: SearchSpace, rng: np.random.Generator, epochs: tuple[int, ...], *, sigma: float = 1.0, release: str = VERSION
) -> Search:
    """Ask CMA-ES, without end.

    Args:
        space: the search space.
        rng: source of the library's seed.
        epochs: the fidelities on offer; the last one is asked for.
        sigma: first step size, above 0.
        release: version of the library that must be installed.

    Raises:
        SettingError: a setting outside its range, or another version is installed.
        OpponentError: the library is not installed.
    """
    check_number("sigma", sigma, 0.0, above=True)
    library = needed("cma", "cma", release)
    ends = np.cumsum(space.choices)[:-1]
    fence = Fence(rng)
    strategy: list[Any] = []
    waiting: list[Any] = []
    told: list[float] = []

    def begin() -> Any:
        # Seed NaN leaves numpy's generator as the fence has set it.
        options = {"seed": float("nan"), "verbose": -9, "verb_log": 0, "verb_disp": 0}
        return library.CMAEvolutionStrategy(np.zeros(sum(space.choices)), sigma, options)

    def ask() -> Architecture:
        if not strategy or strategy[-1].stop():
            strategy.append(begin())
            waiting[:], told[:] = [], []
        if not waiting:
            waiting[:] = strategy[-1].ask()
        blocks = np.split(np.asarray(waiting[len(told)]), ends)
        return tuple(int(block.argmax()) for block in blocks)

    def tell(observation: Observation) -> None:
        told.append(1.0 - observation.validation_accuracy)
        if len(told) == len(waiting):
            strategy[-1].tell(waiting, told)
            waiting[:], told[:] = [], []

    yield from ask_and_tell(ask, tell, fence, epochs[-1])
