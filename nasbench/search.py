"""The one loop: strategy x benchmark x budget x seed -> observations. It owns clock, budget, log and seeds.

Time is simulated: a worker that is given a query is busy for the seconds that the benchmark charges, and the run's clock
jumps from one finished training to the next (the event queue of Syne Tune's simulator, Salinas et al., AutoML 2022, in its
smallest form). Ties are broken by the order of submission, so a run is a function of strategy, benchmark, budget, rules
and seed alone.

Decisions 2 to 4 and 6 of the design live here: one query is one training; continuing a training costs the difference; the
query that would cross the budget is refused and the run ends there; the incumbent is the best observation at the highest
fidelity seen.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Generator, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nasbench.query import Benchmark, Measure, Observation, Query, Search, Strategy, Submit

BUDGET, STRATEGY, STALLED = 0, 1, 2
"""Why a run ended: the next query did not fit; the strategy returned; `STALL` answers in a row cost nothing."""

STALL = 10_000  # free answers in a row after which a run can be taken to go round in circles
MEASURE_STALL = 1_000_000  # free answers in a row, measures that tell something new included: nothing was ever trained


@dataclass(frozen=True, slots=True)
class Rules:
    """What a query costs and who carries it out.

    Attributes:
        duplicates: `charge`: a cell asked for again is trained again, from the next seed, at full cost. `free`: it is
            answered from what the run has already paid for.
        promotion: `continue`: more epochs of a training of the cell, of those that have not come so far the one begun last, cost
            the difference. `from_scratch`: they are another training, from the next seed, at full cost.
        workers: trainings that run at the same time on the simulated clock.
        charge_overhead: add the strategy's own measured seconds to the clock; such runs are not reproducible to the bit.

    Raises:
        ValueError: an unknown word, or fewer than one worker.
    """

    duplicates: Literal["charge", "free"] = "charge"
    promotion: Literal["continue", "from_scratch"] = "continue"
    workers: int = 1
    charge_overhead: bool = False

    def __post_init__(self) -> None:
        if self.duplicates not in ("charge", "free"):
            raise ValueError(f"duplicates is {self.duplicates!r}, must be 'charge' or 'free'")
        if self.promotion not in ("continue", "from_scratch"):
            raise ValueError(f"promotion is {self.promotion!r}, must be 'continue' or 'from_scratch'")
        if self.workers < 1:
            raise ValueError(f"workers is {self.workers}, must be at least 1")


@dataclass(frozen=True, slots=True)
class Finished:
    """One line of a run's log, in the order in which answers became known.

    Attributes:
        observation: what the strategy was told; its `cost` is what was charged.
        seed: seed of the training, as given to `Benchmark.evaluate`.
        started: simulated seconds since the start of the run.
        finished: the same, when the answer was known.
    """

    observation: Observation
    seed: int
    started: float
    finished: float


@dataclass(frozen=True, slots=True)
class Measured:
    """One charged `Measure` of a run.

    Attributes:
        names: the measures.
        count: values that had not been paid for.
        seconds: what was charged.
        finished: simulated seconds since the start of the run, when the answer was known.
    """

    names: tuple[str, ...]
    count: int
    seconds: float
    finished: float


@dataclass(slots=True)
class Run:
    """What a search did.

    Attributes:
        log: finished trainings by time of finishing.
        ended: `BUDGET`, `STRATEGY` or `STALLED`.
        overhead: measured seconds that the strategy itself computed, outside trainings.
        measured: measures that were charged, in order; free ones are not logged.
    """

    log: list[Finished] = field(default_factory=list)
    ended: int = STRATEGY
    overhead: float = 0.0
    measured: list[Measured] = field(default_factory=list)


class StrategyError(RuntimeError):
    """A strategy broke the contract: it is no generator or yielded something that is no proposal. The message shows what."""


class _Refused(Exception):
    """The next query does not fit into the budget."""


@dataclass(slots=True)
class _Training:
    """What a run has paid for: a training of a cell up to some epoch."""

    seed: int
    epochs: int
    cost: float  # from epoch 0
    finished: float  # on the run's clock


def run(
    strategy: Strategy,
    benchmark: Benchmark,
    budget: float,
    seed: np.random.SeedSequence,
    *,
    settings: Mapping[str, Any] | None = None,
    rules: Rules | None = None,
    on_finish: Callable[[Finished], None] | None = None,
) -> Run:
    """Carry out one search.

    Args:
        strategy: generator function, called as `strategy(benchmark.space, rng, benchmark.epochs, **settings)`.
        benchmark: what answers.
        budget: simulated seconds; every logged training finished at or before it.
        seed: split into one stream for the strategy and one for the choice of trainings; it is not changed, so that the
            same object gives the same run again.
        settings: keyword settings of the strategy.
        rules: how queries are charged; default `Rules()`.
        on_finish: called with each line of the log as it is written (progress of live runs).

    Returns:
        The log, why the run ended, and the strategy's own seconds.

    Raises:
        ValueError: the budget is not positive, the strategy refuses a setting, or the benchmark charges less than nothing.
        StrategyError: the strategy is no generator function, or yielded something that is no proposal.
        QueryError, SpaceError: the strategy asked for what the benchmark does not hold (epochs, a measure, an architecture).

    Example:
        >>> def two_draws(space, rng, epochs):
        ...     for _ in range(2):
        ...         yield Query(space.sample(rng), epochs[-1])
    """
    if not budget > 0:
        raise ValueError(f"budget is {budget} seconds, must be above 0")
    rng, noise = (np.random.default_rng(_child(seed, number)) for number in range(2))
    search = strategy(benchmark.space, rng, benchmark.epochs, **dict(settings or {}))
    if not isinstance(search, Generator):
        raise StrategyError(f"the strategy returned {search!r}; it must be a generator function (one with `yield`)")
    return _Loop(benchmark, budget, noise, rules or Rules(), on_finish).carry_out(search)


def _child(seed: np.random.SeedSequence, number: int) -> np.random.SeedSequence:
    """Return what `seed.spawn` returns the first time, without the count of children that makes the second time differ."""
    return np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, number), pool_size=seed.pool_size)


def _training_seeds(noise: np.random.Generator) -> Iterator[int]:
    """Yield one seed for each cell that a run meets; drawn many at a time, which costs a tenth."""
    while True:
        yield from noise.integers(2**31, size=256).tolist()


class _Loop:
    """State of one run: the clock, the running trainings, and what each cell has been trained for."""

    def __init__(
        self,
        benchmark: Benchmark,
        budget: float,
        noise: np.random.Generator,
        rules: Rules,
        on_finish: Callable[[Finished], None] | None,
    ) -> None:
        self.benchmark = benchmark
        self.budget = budget
        self.seeds = _training_seeds(noise)
        self.rules = rules
        self.on_finish = on_finish
        self.now = 0.0
        self.running: list[tuple[float, int, Finished]] = []  # heap by (finish, order of submission)
        self.submitted = 0
        self.free_answers = 0  # in a row, that told nothing new
        self.free_measures = 0  # in a row, that did
        self.paid_measures: set[tuple[Hashable, str]] = set()  # (cell, measure)
        self.trainings: dict[Hashable, list[_Training]] = {}  # by cell, in order of starting
        self.asynchronous: set[int] = set()  # order numbers of running submissions
        self.undelivered: list[Observation] = []  # submissions that finished and were not sent to the strategy yet
        self.awaited: dict[int, Observation] = {}  # other answers, by order number
        self.result = Run()

    def carry_out(self, search: Search) -> Run:
        """Drive the generator until it returns or the budget ends, then let running trainings finish."""
        answer: Any = None
        clock = time.perf_counter
        try:
            while True:
                began = clock()
                try:
                    proposal = search.send(answer)
                except StopIteration:
                    break
                finally:
                    elapsed = clock() - began
                    self.result.overhead += elapsed
                if self.rules.charge_overhead:
                    self.now += elapsed
                answer = self.answer(proposal)
                if self.free_answers >= STALL or self.free_measures >= MEASURE_STALL:
                    self.result.ended = STALLED
                    break
        except _Refused:
            self.result.ended = BUDGET
        finally:
            search.close()
        while self.running:
            self.finish_next()
        return self.result

    def answer(self, proposal: Any) -> Any:
        """Carry out one proposal and return what the strategy is sent."""
        if isinstance(proposal, Query):
            return self.wait_for(self.start(proposal))
        if isinstance(proposal, Submit) and isinstance(proposal.query, Query):
            self.asynchronous.add(self.start(proposal.query))
            while self.running and (len(self.running) >= self.rules.workers or self.running[0][0] <= self.now):
                self.finish_next()
            delivered, self.undelivered = tuple(self.undelivered), []
            return delivered
        if isinstance(proposal, tuple) and proposal and all(isinstance(query, Query) for query in proposal):
            orders = [self.start(query) for query in proposal]
            return tuple([self.wait_for(order) for order in orders])
        if isinstance(proposal, Measure) and proposal.architectures and proposal.names:
            return self.measure(proposal)
        raise StrategyError(
            f"the strategy yielded {proposal!r}; it must yield a Query, a non-empty tuple of them, or Submit(query), "
            "or Measure(architectures, names) with at least one of each"
        )

    def measure(self, asked: Measure) -> NDArray[np.float64]:
        """Carry out a measurement: one worker does it, one value after the other, and the strategy waits for it.

        Raises:
            _Refused: it would finish after the budget.
        """
        values, seconds = self.benchmark.measure(asked)
        if not (seconds >= 0.0).all():
            raise ValueError(f"the benchmark charges {seconds.min()} seconds for {asked.names}, must be 0 or more")
        charge, new = 0.0, set()
        for architecture, row in zip(asked.architectures, seconds.tolist(), strict=True):
            cell = self.benchmark.cell(architecture)
            for name, spent in zip(asked.names, row, strict=True):
                if (cell, name) not in self.paid_measures and (cell, name) not in new:
                    new.add((cell, name))
                    charge += spent
        if charge > 0.0:  # a free answer takes no worker
            while len(self.running) >= self.rules.workers:
                self.finish_next()
        finish = self.now + charge
        if finish > self.budget:
            raise _Refused
        self.paid_measures |= new
        if charge > 0.0:
            self.free_answers = self.free_measures = 0
            while self.running and self.running[0][0] <= finish:
                self.finish_next()
            self.now = finish
            self.result.measured.append(Measured(asked.names, len(new), charge, finish))
        elif new:
            self.free_measures += 1
        else:
            self.free_answers += 1
        return values

    def wait_for(self, order: int) -> Observation:
        """Let trainings finish until this one has."""
        while order not in self.awaited:
            self.finish_next()
        return self.awaited.pop(order)

    def start(self, query: Query) -> int:
        """Give a query to the first free worker and return its order number.

        Raises:
            _Refused: it would finish after the budget.
        """
        while len(self.running) >= self.rules.workers:
            self.finish_next()
        made = self.trainings.setdefault(self.benchmark.cell(query.architecture), [])
        seed, base = self.choose(made, query.epochs)
        told = self.benchmark.evaluate(query, seed)
        if not told.cost >= 0.0:
            raise ValueError(f"the benchmark charges {told.cost} seconds for {query}, must be 0 or more")
        charge = told.cost if base is None else max(0.0, told.cost - base.cost)
        if charge > 0.0:
            self.free_answers = self.free_measures = 0
        else:
            self.free_answers += 1
        finish = self.now + charge
        if finish > self.budget:
            raise _Refused
        if base is None or base.epochs < query.epochs:
            made.append(_Training(seed, query.epochs, told.cost, finish))
        observation = told if charge == told.cost else _recharged(told, charge)
        self.submitted += 1
        heapq.heappush(self.running, (finish, self.submitted, Finished(observation, seed, self.now, finish)))
        return self.submitted

    def choose(self, made: list[_Training], epochs: int) -> tuple[int, _Training | None]:
        """Return the seed of the training that answers, and what the run has already paid for of that training.

        Args:
            made: the cell's trainings so far, in order of starting.
            epochs: what is asked for.
        """
        if not made:
            return next(self.seeds), None
        # A training that still runs can be neither quoted nor continued.
        if self.rules.duplicates == "free":
            for training in reversed(made):
                if training.epochs >= epochs and training.finished <= self.now:
                    return training.seed, training
        reached = {training.seed: training for training in made}  # how far each seed has come, or is on its way
        if self.rules.promotion == "continue":
            for training in reversed(reached.values()):
                if training.epochs < epochs and training.finished <= self.now:
                    return training.seed, training
        return max(reached) + 1, None

    def finish_next(self) -> None:
        """Advance the clock to the next finished training and log it."""
        finish, order, entry = heapq.heappop(self.running)
        if finish > self.now:  # charged overhead may have carried the clock past it
            self.now = finish
        self.result.log.append(entry)
        if self.on_finish is not None:
            self.on_finish(entry)
        if order in self.asynchronous:
            self.asynchronous.remove(order)
            self.undelivered.append(entry.observation)
        else:
            self.awaited[order] = entry.observation


def _recharged(told: Observation, charge: float) -> Observation:
    return Observation(told.query, told.validation_accuracy, charge, told.objectives)


def incumbents(epochs: NDArray[np.int32], validation_accuracy: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return for each line of a log which line holds the incumbent after it (decision 6).

    The highest fidelity seen wins, then validation accuracy; a tie leaves the earlier one in place.

    Args:
        epochs: shape (n,), epochs of each observation in order of finishing.
        validation_accuracy: shape (n,), fractions.

    Returns:
        Shape (n,), positions in the log.

    Example:
        >>> incumbents(np.array([4, 4, 12, 4]), np.array([0.5, 0.6, 0.4, 0.9])).tolist()
        [0, 1, 2, 2]
    """
    count = len(epochs)
    if count == 0:
        return np.zeros(0, dtype=np.int64)
    # Merit is the rank among the log's (epochs, accuracy) pairs, equal pairs sharing one.
    order = np.lexsort((validation_accuracy, epochs))
    ranked = np.stack([epochs, validation_accuracy])[:, order]
    merit = np.empty(count, dtype=np.int64)
    merit[order] = np.concatenate([[0], np.cumsum((np.diff(ranked) != 0).any(axis=0))])
    best = np.maximum.accumulate(merit)
    improves = np.concatenate([[True], merit[1:] > best[:-1]])
    return np.maximum.accumulate(np.where(improves, np.arange(count), 0))
