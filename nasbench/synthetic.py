"""A made-up benchmark and a plain loop, for contract tests and examples: arithmetic only, no table, no training.

`SyntheticBenchmark` answers any space of decisions with several fidelities, noise by seed and learning curves that cross.
`drive` runs a strategy for a number of queries; it knows all kinds of proposal (`nasbench/query.py`) and nothing of budgets,
records or resuming, which belong to `nasbench/search.py`.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from nasbench.query import Answer, Measure, Observation, Proposal, Query, QueryError, Search, Submit
from nasbench.space import Architecture, SearchSpace

EPOCHS = (4, 12, 36, 108)
"""NAS-Bench-101's fidelities (Ying et al. 2019)."""

SIZES = ("parameters", "multiply_adds", "latency")
PROXIES = ("grad_norm", "snip", "grasp", "fisher", "synflow", "jacob_cov", "naswot", "zen")
MEASURES = (*SIZES, *PROXIES)
"""Cheap measures: free ones, and the zero-cost proxies of Abdelfattah et al. 2021 and its successors, at a price."""

PROXY_SECONDS = 0.01

MEASURES_IN_A_ROW = 10_000
"""Measures without a query between them after which a strategy under test can be taken never to train anything."""


def quality(choices: tuple[int, ...], architecture: Architecture) -> float:
    """Return how good an architecture is, in [0, 1]: a term for each decision, and a smaller one for each pair of neighbours.

    The terms are residues of small polynomials: irregular, equal on every machine, and not monotone in the option's number.
    """
    single = sum((7 * place + 3 * option + 5 * option * option) % 11 for place, option in enumerate(architecture))
    pairs = sum(
        (first + 2 * second + place) % 3 == 0 for place, (first, second) in enumerate(itertools.pairwise(architecture))
    )
    return 0.8 * single / (10 * len(choices)) + 0.2 * pairs / max(1, len(choices) - 1)


def inverted_quality(choices: tuple[int, ...], architecture: Architecture) -> float:
    """Return one minus `quality`: what is good becomes bad."""
    return 1.0 - quality(choices, architecture)


def synthetic_measures(asked: Measure) -> NDArray[np.float64]:
    """Return made-up measures of any architectures, shape (architectures, names).

    Sizes grow with the sum of the options, each with a weight of its own; a proxy is that sum with a bit of disorder.

    Raises:
        QueryError: a name that is not among `MEASURES`.
    """
    values = np.empty((len(asked.architectures), len(asked.names)))
    for column, name in enumerate(asked.names):
        if name not in MEASURES:
            raise QueryError(f"there is no measure {name!r} for a synthetic benchmark; it has {list(MEASURES)}")
        number = MEASURES.index(name)
        for row, architecture in enumerate(asked.architectures):
            disorder = sum((place + 1) * (option + number) for place, option in enumerate(architecture)) % 7
            total = sum(option * (1 + (place * number) % 3) for place, option in enumerate(architecture))
            values[row, column] = 10.0 * (1 + total) + (disorder if name in PROXIES else 0)
    return values


@dataclass(frozen=True)
class SyntheticBenchmark:
    """A benchmark (`nasbench.query.Benchmark`) by formula.

    Attributes:
        space: any space whose architectures are tuples of options.
        epochs: the fidelities, ascending.
        rate: (choices, architecture) -> quality in [0, 1].
        noise: half width of the uniform noise on a training's accuracy.
        seconds: query -> cost in seconds; by default 1 to 3 seconds an epoch.
        objectives: measures that observations carry behind the error.
    """

    space: SearchSpace
    epochs: tuple[int, ...] = EPOCHS
    rate: Callable[[tuple[int, ...], Architecture], float] = quality
    noise: float = 0.01
    seconds: Callable[[Query], float] = field(default=lambda query: query.epochs * (1.0 + sum(query.architecture) % 3))
    objectives: tuple[str, ...] = ()

    @property
    def measures(self) -> tuple[str, ...]:
        """Every measure there is."""
        return MEASURES

    def evaluate(self, query: Query, seed: int) -> Observation:
        """Return the answer; see `nasbench.query.Benchmark.evaluate`."""
        if query.epochs not in self.epochs:
            raise QueryError(f"epochs {query.epochs} is not among {self.epochs}")
        accuracy = self.accuracy(query, seed)
        objectives: tuple[float, ...] = ()
        if self.objectives:
            values = synthetic_measures(Measure((query.architecture,), self.objectives))
            objectives = (1.0 - accuracy, *values[0].tolist())
        return Observation(query, accuracy, self.seconds(query), objectives)

    def measure(self, asked: Measure) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return made-up measures and their seconds; see `nasbench.query.Benchmark.measure`."""
        seconds = np.array([PROXY_SECONDS if name in PROXIES else 0.0 for name in asked.names])
        values = synthetic_measures(asked)
        return values, np.broadcast_to(seconds, values.shape)

    def accuracy(self, query: Query, seed: int) -> float:
        """Return the validation accuracy of one training, a fraction in [0, 1]."""
        architecture = query.architecture
        # One of three speeds, so that the order at few epochs is not the order at many.
        slowness = 1 + sum(place * option for place, option in enumerate(architecture, start=1)) % 3
        progress = query.epochs / (query.epochs + 0.1 * slowness * self.epochs[-1])
        key = (seed * 2654435761 + self.space.index(architecture) * 40503) % 2**32
        noise = self.noise * (2 * key / 2**32 - 1)
        return min(1.0, max(0.0, 0.05 + 0.9 * self.rate(self.space.choices, architecture) * progress + noise))

    def cell(self, architecture: Architecture) -> Architecture:
        """Return the architecture itself: no two share a training here."""
        return architecture


@dataclass
class Trace:
    """What a strategy asked and was told.

    Attributes:
        steps: (proposal, answer) in order; the last answer is None if the loop stopped there.
        queries: every query, in order.
        ended: the strategy returned by itself.
    """

    steps: list[tuple[Proposal, Answer | None]] = field(default_factory=list)
    queries: list[Query] = field(default_factory=list)
    ended: bool = False


def drive(
    search: Search,
    evaluate: Callable[[Query], Observation],
    queries: int,
    workers: int = 4,
    measure: Callable[[Measure], NDArray[np.float64]] = synthetic_measures,
) -> Trace:
    """Run a strategy until it has made `queries` queries or returns, then close it.

    A strategy that only measures, `MEASURES_IN_A_ROW` times in a row, is closed as well.

    A batch that would exceed `queries` is refused, as a budget refuses it. `Submit` runs on `workers` simulated workers: the
    strategy goes on at once while one is free, else at the time of the next finish; equal times finish in the order begun.

    Raises:
        TypeError: a proposal is not a query, a tuple of one or more queries, `Submit` or `Measure`.
    """
    trace = Trace()
    running: list[tuple[float, int, Observation]] = []
    now = 0.0
    answer: Answer | None = None
    measures = 0
    while True:
        try:
            proposal = search.send(answer)
        except StopIteration:
            trace.ended = True
            return trace
        if isinstance(proposal, Measure):
            measures += 1
            if measures > MEASURES_IN_A_ROW:
                search.close()
                return trace
            answer = measure(proposal)
            trace.steps.append((proposal, answer))
            continue
        measures = 0
        asked = _queries(proposal)
        if len(trace.queries) + len(asked) > queries:
            trace.steps.append((proposal, None))
            search.close()
            return trace
        trace.queries.extend(asked)
        observations = tuple(evaluate(query) for query in asked)
        if isinstance(proposal, Submit):
            heapq.heappush(running, (now + observations[0].cost, len(trace.queries), observations[0]))
            finished = []
            if len(running) >= workers:
                now = running[0][0]
                while running and running[0][0] <= now:
                    finished.append(heapq.heappop(running)[2])
            answer = tuple(finished)
        else:
            answer = observations if isinstance(proposal, tuple) else observations[0]
        trace.steps.append((proposal, answer))


def _queries(proposal: object) -> tuple[Query, ...]:
    if isinstance(proposal, Query):
        return (proposal,)
    if isinstance(proposal, Submit) and isinstance(proposal.query, Query):
        return (proposal.query,)
    if isinstance(proposal, tuple) and proposal and all(isinstance(query, Query) for query in proposal):
        return proposal
    raise TypeError(f"proposal {proposal!r} must be a Query, a tuple of one or more queries, Submit(query) or Measure")
