"""What the opponents share: any ask/tell library as a strategy of ours, so that the loop owns clock, budget and log.

An adapter is about 20 lines: look the library up, seed it from the run's generator, say how it is asked and told.
`needed` gives the library or says how to install it. `Fence` keeps the global generators of `random` and numpy out of it:
within the fence they are a stream of the run's own, which is put back in place outside.
"""

from __future__ import annotations

import importlib
import random  # noqa: TID251 - to keep libraries that draw from it away from everybody else's
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType

import numpy as np

from nasbench.load import ABSENT, installed_version
from nasbench.query import Observation, Query, Search
from nasbench.settings import SettingError
from nasbench.space import Architecture

SEEDS = 2**31 - 1  # libraries take seeds that fit into 32 bits with a sign


class OpponentError(ImportError):
    """The library of an opponent is not installed; the message says what to install."""


def needed(module: str, distribution: str, release: str) -> ModuleType:
    """Import a library.

    Args:
        module: what to import.
        distribution: its name at the package index.
        release: the version that must be there.

    Raises:
        OpponentError: it is not installed.
        SettingError: another version is.
    """
    found = installed_version(distribution)
    if found == ABSENT:
        raise OpponentError(
            f"{distribution} is not installed; this opponent needs it: pip install '.[opponents]' in the checkout"
        )
    if release != found:
        raise SettingError(
            f"setting release is {release!r}, must be {found!r}, the installed version of {distribution}"
        )
    return importlib.import_module(module)


class Fence:
    """Global generators of a run's own."""

    def __init__(self, rng: np.random.Generator) -> None:
        """Draw the seeds of the run's global generators."""
        ours, numpys = rng.integers(SEEDS, size=2).tolist()
        self._python = random.Random(ours).getstate()
        self._numpy = np.random.RandomState(numpys).get_state()

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Exchange the global generators for the run's for the time of a `with` block."""
        python, numpys = random.getstate(), np.random.get_state()  # noqa: NPY002
        random.setstate(self._python)
        np.random.set_state(self._numpy)  # noqa: NPY002
        try:
            yield
        finally:
            self._python, self._numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
            random.setstate(python)
            np.random.set_state(numpys)  # noqa: NPY002


def ask_and_tell(
    ask: Callable[[], Architecture | None], tell: Callable[[Observation], None], fence: Fence, epochs: int
) -> Search:
    """Search with a library, as long as it has something to ask.

    Args:
        ask: the library's next architecture; None: it has no further one.
        tell: gives it the answer to what it was asked last.
        fence: of the run.
        epochs: fidelity that is asked for.
    """
    while True:
        with fence.inside():
            architecture = ask()
        if architecture is None:
            return
        observation = yield Query(architecture, epochs)
        with fence.inside():
            tell(observation)
