"""What a search strategy may ask and is told: `Query`, `Observation`, `Benchmark`, `Search`.

A strategy is a generator. It yields a `Query` and is sent its `Observation`; or it yields a tuple of queries, a batch, and
is sent the tuple of observations in the same order; or it yields `Submit(query)`, which starts a training without waiting
for it, and is sent, as soon as a worker is free, the tuple of observations that have finished since (which may be empty);
or it yields `Measure(architectures, names)`, which trains nothing, and is sent an array of cheap measures (sizes, latency,
zero-cost proxies).
The loop in `search.py` owns clock, budget, log and seeds. An observation has no test accuracy, so a strategy can't select
on it. A generator that returns has ended its search; one whose query is refused for lack of budget is closed.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable
from dataclasses import dataclass
from typing import Any, Concatenate, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

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
        objectives: where the protocol names several: the validation error of this training, a fraction, and then the
            named measures in their own units, all to be minimised; empty where accuracy is all that counts.
    """

    query: Query
    validation_accuracy: float
    cost: float
    objectives: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Submit:
    """Start `query` and go on; yielded by asynchronous strategies."""

    query: Query


@dataclass(frozen=True, slots=True)
class Measure:
    """Measure architectures without training them; the answer is a float64 array, shape (architectures, names).

    Sizes by closed formula and stored latencies are free; a zero-cost proxy is charged the seconds that it takes, once in a
    run for each trained network (two architectures that are answered by the same trainings are one).

    Attributes:
        architectures: what to measure, one or more.
        names: which measures, one or more of `Benchmark.measures`.
    """

    architectures: tuple[Architecture, ...]
    names: tuple[str, ...]


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

    @property
    def measures(self) -> tuple[str, ...]:
        """Names of the cheap measures on offer, such as `parameters`, `multiply_adds`, `latency` (seconds)."""

    def measure(self, asked: Measure) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Measure architectures.

        Returns:
            Values and simulated seconds that finding each of them takes, both of shape (architectures, names); a value is
            NaN where the measure is not defined for an architecture.

        Raises:
            QueryError: a name that is not among `self.measures`; the message lists those.
            SpaceError: an architecture is not in the space.
        """

    def cell(self, architecture: Architecture) -> Hashable:
        """Return what identifies the trained network: equal for architectures that are answered by the same trainings."""


Proposal: TypeAlias = "Query | tuple[Query, ...] | Submit | Measure"
Answer: TypeAlias = "Observation | tuple[Observation, ...] | NDArray[np.float64]"
Search: TypeAlias = Generator[Any, Any, None]
"""Yields `Proposal`s and is sent the matching `Answer`s. Typed loosely: which answer follows depends on the proposal."""

Strategy: TypeAlias = Callable[Concatenate[SearchSpace, np.random.Generator, tuple[int, ...], ...], Search]
"""`strategy(space, rng, epochs, **settings)`: `epochs` are the fidelities that may be asked for, ascending, the last one
full; a strategy that uses a single fidelity asks for `epochs[-1]`. Settings are keywords with the literature's defaults."""
