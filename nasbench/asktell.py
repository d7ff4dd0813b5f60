"""Use a search strategy from a loop of your own: ask for a query, train, tell the answer (as in Optuna, cma, nevergrad).

    >>> import numpy as np
    >>> from nasbench import CELL201
    >>> from nasbench.synthetic import SyntheticBenchmark
    >>> benchmark = SyntheticBenchmark(CELL201, epochs=(12, 200))
    >>> search = AskTell("regularized_evolution", CELL201, np.random.default_rng(0), benchmark.epochs, population=10, sample=3)
    >>> for _ in range(50):
    ...     query = search.ask()
    ...     search.tell(benchmark.evaluate(query, seed=0))
    >>> len(search.told), search.told[0].query.epochs
    (50, 200)

`ask` gives one query at a time, whatever the strategy: a strategy that proposes a batch can be asked once for each of its
queries before an answer is due, an asynchronous one any number of times. `ready` says whether `ask` has a query now, so
that parallel workers are served by `while search.ready: start(search.ask())`. There is no budget here; stop when you like.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasbench.load import load_strategy
from nasbench.query import Answer, Measure, Observation, Query, Strategy, Submit
from nasbench.space import SearchSpace


class AskTellError(RuntimeError):
    """`ask` or `tell` out of turn; the message says what is due."""


class SearchEnded(AskTellError):
    """The strategy has ended its search and has no further query."""


class AskTell:
    """A strategy's generator, turned inside out.

    Attributes:
        told: every observation told, in order.
        pending: queries asked and not yet answered, in order.
    """

    def __init__(
        self,
        strategy: str | Strategy,
        space: SearchSpace,
        rng: np.random.Generator,
        epochs: tuple[int, ...],
        measure: Callable[[Measure], NDArray[np.float64]] | None = None,
        **settings: Any,
    ) -> None:
        """Begin a search.

        Args:
            strategy: the generator function, or what `nasbench.load.load_strategy` takes (a name, a file).
            space: the search space.
            rng: source of all the strategy's randomness.
            epochs: the fidelities that may be asked for, ascending.
            measure: answers a `Measure` with an array of shape (architectures, names); needed by strategies that ask for
                sizes or proxies. `lambda asked: benchmark.measure(asked)[0]` asks a benchmark.
            settings: of the strategy; by default the literature's.

        Raises:
            LoadError: there is no such strategy.
            SettingError: a setting that it doesn't have, or of another type; one outside its range is refused by `ask`.
        """
        if isinstance(strategy, str):
            loaded = load_strategy(strategy)
            strategy, settings = loaded.function, loaded.configure(settings)
        self._search = strategy(space, rng, epochs, **settings)
        self._measure = measure
        self.told: list[Observation] = []
        self.pending: list[Query] = []
        self._waiting: list[Query] = []  # proposed, not yet asked for
        self._proposal: tuple[Query, ...] = ()
        self._kind: type = type(None)  # of the last proposal: Query, tuple, Submit; NoneType before the first
        self._answers: list[tuple[int, Observation]] = []  # (place in the batch, answer), or (0, answer) of Submit
        self._places: list[int] = []  # of `pending` in the batch
        self._ended = False

    @property
    def ended(self) -> bool:
        """Whether the strategy has returned. Known as soon as it has its answers; may make it compute its next proposal."""
        self._advance()
        return self._ended

    @property
    def ready(self) -> bool:
        """Whether `ask` has a query now, without another answer."""
        self._advance()
        return bool(self._waiting)

    def ask(self) -> Query:
        """Return the next query to train.

        Raises:
            AskTellError: the strategy needs an answer first (the message names the queries that wait for one), or measures
                architectures, and no `measure` was given.
            SearchEnded: the search is over.
            ValueError: a setting outside its range (raised by the strategy, at the first `ask`).
        """
        self._advance()
        if self._ended:
            raise SearchEnded(f"the search has ended after {len(self.told)} observations; begin a new AskTell")
        if not self._waiting:
            raise AskTellError(f"tell the answer to {self.pending} first: the strategy decides upon it")
        query = self._waiting.pop(0)
        self.pending.append(query)
        self._places.append(len(self._proposal) - len(self._waiting) - 1)
        return query

    def ask_batch(self) -> list[Query]:
        """Return every query that can be trained now: the rest of a batch, or a single one of an asynchronous strategy.

        Raises:
            AskTellError, SearchEnded: as for `ask`.
        """
        return [self.ask(), *(self.ask() for _ in range(len(self._waiting)))]

    def tell(self, observation: Observation) -> None:
        """Give the answer to one of the pending queries; of equal ones, the one asked first.

        Raises:
            AskTellError: its query is not pending; the message lists those that are.
            TypeError: not an Observation.
        """
        if not isinstance(observation, Observation):
            raise TypeError(f"tell takes an Observation(query, validation_accuracy, cost), got {observation!r}")
        if observation.query not in self.pending:
            due = f"; pending are {self.pending}" if self.pending else ": no query is pending, ask first"
            raise AskTellError(f"{observation.query} was not asked for or has been answered{due}")
        number = self.pending.index(observation.query)
        del self.pending[number]
        self._answers.append((self._places.pop(number), observation))
        self.told.append(observation)

    def replay(self, observations: Iterable[Observation]) -> None:
        """Bring a search with the same strategy, settings and seed to where recorded observations left it.

        The observations stand in the order in which they were told, each told before the next `ask` (a batch after its
        last), as a sequential loop does. That is not enough to replay an asynchronous strategy.

        Raises:
            AskTellError: the search asks for something else than the record holds.
            SearchEnded: it ends before the record does.
        """
        for number, observation in enumerate(observations):
            while self.ready and self._kind is not Submit:
                self.ask()
            if self._kind is Submit:
                raise AskTellError(
                    "an asynchronous strategy can't be replayed: the record doesn't say who was running when"
                )
            if self._ended:
                raise SearchEnded(f"the search ends after {number} of the recorded observations")
            if observation.query not in self.pending:
                raise AskTellError(
                    f"recorded observation {number} answers {observation.query}, the search asks {self.pending}"
                )
            self.tell(observation)

    def close(self) -> None:
        """End the search."""
        self._search.close()
        self._ended = True
        self._waiting.clear()

    def _advance(self) -> None:
        """Let the strategy go on to its next proposal if it has all it needs."""
        synchronous = self._kind in (Query, tuple)
        if self._ended or self._waiting or (synchronous and len(self._answers) < len(self._proposal)):
            return
        answers = tuple(observation for _, observation in sorted(self._answers, key=lambda item: item[0]))
        answer: Answer | None = answers
        if self._kind is Query:
            answer = answers[0]
        elif self._kind is type(None):
            answer = None
        self._answers.clear()
        try:
            proposal = self._search.send(answer)
            while isinstance(proposal, Measure):
                if self._measure is None:
                    raise AskTellError(
                        f"the strategy asks for the measures {proposal.names}; give AskTell a function `measure`"
                    )
                proposal = self._search.send(self._measure(proposal))
        except StopIteration:
            self._ended = True
            return
        self._kind = tuple if isinstance(proposal, tuple) else type(proposal)
        self._proposal = proposal if isinstance(proposal, tuple) else (getattr(proposal, "query", proposal),)
        self._waiting = list(self._proposal)
