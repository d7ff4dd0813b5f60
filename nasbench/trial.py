"""A strategy under test: how the contract's checks run it (part of `nasbench.testing`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nasbench.isolated import run_isolated
from nasbench.load import LoadedStrategy
from nasbench.query import Search
from nasbench.space import Architecture, SearchSpace
from nasbench.synthetic import EPOCHS, SyntheticBenchmark, Trace, drive

OBJECTIVES = ("parameters",)
"""Measures that the contract's observations carry; a strategy of one objective passes them by."""

SHORT, LONG = 40, 150
"""Queries of a run: enough for initial populations of 10 to 30; enough for the 100 of Real et al. 2019."""

PROCESS_SECONDS = 120.0
"""Time limit of a run in another process; the long ones take a fraction of a second with cheap strategies."""


@dataclass(frozen=True)
class Trial:
    """A strategy under test.

    Attributes:
        strategy: as loaded.
        space: where most checks run it.
        settings: over its defaults.
    """

    strategy: LoadedStrategy
    space: SearchSpace
    settings: Mapping[str, Any] = field(default_factory=dict)

    def start(
        self,
        seed: int = 0,
        space: SearchSpace | None = None,
        epochs: tuple[int, ...] = EPOCHS,
        changed: Mapping[str, Any] | None = None,
    ) -> Search:
        """Return the strategy's generator, not yet begun; `changed` settings are passed unchecked."""
        settings = {**self.strategy.configure(self.settings), **(changed or {})}
        return self.strategy.function(space or self.space, np.random.default_rng(seed), epochs, **settings)

    def run(
        self,
        queries: int,
        seed: int = 0,
        space: SearchSpace | None = None,
        epochs: tuple[int, ...] = EPOCHS,
        **benchmark: Any,
    ) -> Trace:
        """Run it on a synthetic benchmark with the given fields."""
        answers = SyntheticBenchmark(space or self.space, epochs, objectives=OBJECTIVES, **benchmark)
        return drive(self.start(seed, space, epochs), lambda query: answers.evaluate(query, 0), queries)

    def isolated(self, queries: int = LONG, space: SearchSpace | None = None) -> dict[str, Any]:
        """Run it in another process; see `run_isolated`."""
        settings = self.strategy.configure(self.settings)
        return run_isolated(
            self.strategy, space or self.space, EPOCHS, settings, 0, queries, PROCESS_SECONDS, OBJECTIVES
        )


def outside(space: SearchSpace, architecture: Architecture) -> str | None:
    """Return what keeps an architecture from being one of the space, or None."""
    if type(architecture) is not tuple or any(type(value) is not int for value in architecture):
        return f"architecture {architecture!r} is not a tuple of Python integers"
    inside = len(architecture) == len(space.choices) and all(
        0 <= value < count for value, count in zip(architecture, space.choices, strict=True)
    )
    return None if inside else f"architecture {architecture} is not in space {space.name} with choices {space.choices}"
