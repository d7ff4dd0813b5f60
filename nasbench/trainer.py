"""What turns a group of trainings into results: the seam between the machine that builds tables and the pipeline.

A worker is told a trainer by name, `module:class`, since a process that starts afresh must import it. `LiveTrainer` is
the real one; tests of the machine name a stand-in (see `rehearsal.py`). The name is pinned in the build's folder.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from nasbench.journal import Examples
from nasbench.recipe import Recipe
from nasbench.results import Key, Result

LIVE = "nasbench.live_trainer:LiveTrainer"
"""The trainer that trains."""


Watch = Callable[[int, list[Result]], None]
"""Told, after every evaluated epoch, how many epochs are done and the results so far, one for each member of the group."""


class Trainer(Protocol):
    """Carries out trainings of one recipe on one device.

    Attributes:
        environment: what the bits of its results depend on, as plain values.
        examples: what it trains on.
    """

    environment: Mapping[str, Any]
    examples: Examples

    def train(self, keys: Sequence[Key], epochs: int | None = None, watch: Watch | None = None) -> list[Result]:
        """Train one group.

        Args:
            keys: (cell, repeat) of each member: a whole group of the recipe's plan (`groups.py`), in its order.
            epochs: stop after this many; the curves are the beginning of the full ones. None: all.
            watch: is told how the curves grow.

        Returns:
            One result for each key, in order.
        """


class TrainerFactory(Protocol):
    """Makes a trainer; it may load the data set and compile what it needs."""

    def __call__(self, recipe: Recipe, device: str) -> Trainer:
        """Return a trainer for a recipe on a device such as `cpu` or `cuda:1`."""


def load_trainer(name: str) -> TrainerFactory:
    """Import a trainer by name.

    Raises:
        ValueError: the name is not `module:class`, or there is no such thing.
    """
    module, colon, attribute = name.partition(":")
    if not colon:
        raise ValueError(f"trainer is {name!r}, must be 'module:class', such as {LIVE!r}")
    try:
        factory: TrainerFactory = getattr(importlib.import_module(module), attribute)
    except (ModuleNotFoundError, AttributeError) as error:
        raise ValueError(f"trainer {name!r} can't be imported: {error}") from error
    return factory
