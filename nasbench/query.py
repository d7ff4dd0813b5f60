"""What a search strategy may ask and is told: `Query`, `Observation`, `Benchmark`, `Search`.

A strategy is a generator. It yields a `Query` and is sent its `Observation`; or it yields a tuple of queries, a batch, and
is sent the tuple of observations in the same order; or it yields `Submit(query)`, which starts a training without waiting
for it, and is sent, as soon as a worker is free, the tuple of observations that have finished since (which may be empty).
The loop in `search.py` owns clock, budget, log and seeds. An observation has no test accuracy, so a strategy can't select
on it. A generator that returns has ended its search; one whose query is refused for lack of budget is closed.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable
from dataclasses import dataclass
from typing import Any, Concatenate, Protocol, TypeAlias

import numpy as np

from nasbench.space import Architecture, SearchSpace


class QueryError(ValueError):
    """A query outside what the benchmark holds; the message lists what there is."""


@dataclass(frozen=True, slots=True)
class Query:
    """Train `architecture` for `epochs` epochs."""

    architecture: Architecture
    epochs: int


@dataclass(frozen=True, slots=True)
class Observation:
    """The answer to a query.

    Attributes:
        query: the query.
        validation_accuracy: fraction in [0, 1] of one training; a training that diverged or failed answers 0.0, since it
            leaves no network that could be used.
        cost: simulated seconds on the reference device that this answer was charged.
    """

    query: Query
    validation_accuracy: float
    cost: float


@dataclass(frozen=True, slots=True)
class Submit:
    """Start `query` and go on; yielded by asynchronous strategies."""

    query: Query


class Benchmark(Protocol):
    """Answers queries, from a table (`tabular.py`) or by training now (`live.py`)."""

    @property
    def space(self) -> SearchSpace:
        """The search space."""

    @property
    def epochs(self) -> tuple[int, ...]:
        """The numbers of epochs that may be asked for, ascending; the last one is full fidelity."""

    def evaluate(self, query: Query, seed: int) -> Observation:
        """Train the query's architecture once, from the given seed.

        Args:
            query: what to train and for how long.
            seed: any integer >= 0; it chooses the repeat: equal seeds mean the same training, whose longer runs continue
                its shorter ones, and consecutive seeds mean different trainings, as far as the benchmark holds repeats.

        Returns:
            Validation accuracy of that training after `query.epochs` epochs and its full cost from epoch 0, in seconds.

        Raises:
            QueryError: the epochs are not among `self.epochs`.
            SpaceError: the architecture is not in the space.
        """

    def cell(self, architecture: Architecture) -> Hashable:
        """Return what identifies the trained network: equal for architectures that are answered by the same trainings."""


Proposal: TypeAlias = "Query | tuple[Query, ...] | Submit"
Answer: TypeAlias = "Observation | tuple[Observation, ...]"
Search: TypeAlias = Generator[Any, Any, None]
"""Yields `Proposal`s and is sent the matching `Answer`s. Typed loosely: which answer follows depends on the proposal."""

Strategy: TypeAlias = Callable[Concatenate[SearchSpace, np.random.Generator, tuple[int, ...], ...], Search]
"""`strategy(space, rng, epochs, **settings)`: `epochs` are the fidelities that may be asked for, ascending, the last one
full; a strategy that uses a single fidelity asks for `epochs[-1]`. Settings are keywords with the literature's defaults."""
