"""Ask and tell: the same search as the loop's, for strategies of all three kinds, and clear words on misuse."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from nasbench.asktell import AskTell, AskTellError, SearchEnded
from nasbench.load import LoadError, load_strategy, strategy_names
from nasbench.query import Measure, Observation, Query, Search, Submit
from nasbench.settings import SettingError
from nasbench.space import SearchSpace, space_by_name
from nasbench.synthetic import SyntheticBenchmark, drive

SPACE = space_by_name("cell201-3op")
BENCHMARK = SyntheticBenchmark(SPACE)

SYNCHRONOUS = [
    name
    for name in strategy_names()
    if not (method := load_strategy(name).method).asynchronous
    and method.family != "model-based"
    and method.extra is None
]


def batches(space: SearchSpace, rng: np.random.Generator, epochs: tuple[int, ...]) -> Search:
    """Batches of 3 whose second and third are neighbours of the best so far; ends after 4."""
    best = space.sample(rng)
    for _ in range(4):
        queries = (Query(space.sample(rng), epochs[-1]), *(Query(space.mutate(best, rng), epochs[0]) for _ in range(2)))
        observations = yield queries
        assert [observation.query for observation in observations] == list(queries)
        best = max(observations, key=lambda observation: observation.validation_accuracy).query.architecture


def submitter(space: SearchSpace, rng: np.random.Generator, epochs: tuple[int, ...]) -> Search:
    """Submits 5 queries; each later one mutates the last that finished."""
    last = None
    for _ in range(5):
        architecture = space.sample(rng) if last is None else space.mutate(last, rng)
        finished = yield Submit(Query(architecture, epochs[-1]))
        last = finished[-1].query.architecture if finished else last


def ask_tell(strategy: str | Callable[..., Search], **settings: object) -> AskTell:
    return AskTell(strategy, SPACE, np.random.default_rng(5), BENCHMARK.epochs, measure=measure, **settings)


def measure(asked: Measure) -> np.ndarray:
    return BENCHMARK.measure(asked)[0]


def answer(query: Query) -> Observation:
    return BENCHMARK.evaluate(query, 0)


@pytest.mark.parametrize("strategy", [*SYNCHRONOUS, batches])
def test_same_search_as_the_loop(strategy: str | Callable[..., Search]) -> None:
    function = load_strategy(strategy).function if isinstance(strategy, str) else strategy
    expected = drive(function(SPACE, np.random.default_rng(5), BENCHMARK.epochs), answer, 12, measure=measure).queries
    search = ask_tell(strategy)
    asked = []
    while len(asked) < 12:
        query = search.ask()
        search.tell(answer(query))
        asked.append(query)
    assert asked[: len(expected)] == expected
    assert [observation.query for observation in search.told] == asked


def test_batch_may_be_answered_in_any_order() -> None:
    search, in_order = ask_tell(batches), ask_tell(batches)
    for _ in range(4):
        first, second, third = search.ask_batch()
        assert search.pending == [first, second, third] and not search.ready
        with pytest.raises(AskTellError, match=r"tell the answer to .* first"):
            search.ask()
        for query in (third, first, second):
            search.tell(answer(query))
        for query in in_order.ask_batch():
            in_order.tell(answer(query))
    assert search.ended and in_order.ended
    assert sorted(map(str, search.told)) == sorted(map(str, in_order.told))
    with pytest.raises(SearchEnded, match="ended after 12 observations"):
        search.ask()


def test_asynchronous_strategy_needs_no_waiting() -> None:
    search = ask_tell(submitter)
    first, second = search.ask(), search.ask()
    assert search.pending == [first, second] and search.ready
    search.tell(answer(second))
    search.tell(answer(first))
    # `ready` has already drawn the third query, before the answers; the fourth is a neighbour of the last one told.
    search.ask()
    fourth = search.ask()
    assert fourth.architecture in SPACE.neighbours(first.architecture)
    assert search.ask_batch() and search.ended
    for query in list(search.pending):
        search.tell(answer(query))
    assert len(search.told) == 5


def test_equal_queries_are_answered_in_the_order_asked() -> None:
    seen = []

    def twice(space: SearchSpace, rng: np.random.Generator, epochs: tuple[int, ...]) -> Search:
        query = Query(space.sample(rng), epochs[-1])
        seen.extend((yield (query, query)))

    search = ask_tell(twice)
    query, _ = search.ask_batch()
    for accuracy in (0.1, 0.2):
        search.tell(Observation(query, accuracy, 1.0))
    assert search.ended and [observation.validation_accuracy for observation in seen] == [0.1, 0.2]


def test_misuse() -> None:
    search = ask_tell("random_search")
    stranger = Observation(Query((0,) * 6, 108), 0.5, 1.0)
    with pytest.raises(AskTellError, match="no query is pending, ask first"):
        search.tell(stranger)
    query = search.ask()
    with pytest.raises(AskTellError, match=r"was not asked for or has been answered; pending are \[Query"):
        search.tell(Observation(Query(query.architecture, 4), 0.5, 1.0))
    with pytest.raises(TypeError, match="tell takes an Observation"):
        search.tell(0.5)  # type: ignore[arg-type]
    search.tell(answer(query))
    with pytest.raises(AskTellError, match="has been answered"):
        search.tell(answer(query))
    search.close()
    assert search.ended and not search.ready
    with pytest.raises(SearchEnded):
        search.ask()


def test_settings() -> None:
    with pytest.raises(SettingError, match="unknown setting 'size'"):
        ask_tell("regularized_evolution", size=3)
    with pytest.raises(SettingError, match="setting population is 0, must be an integer of at least 1"):
        ask_tell("regularized_evolution", population=0).ask()
    with pytest.raises(LoadError, match="no strategy 'evolution'"):
        ask_tell("evolution")


@pytest.mark.parametrize("strategy", ["regularized_evolution", "local_search", "reinforce", batches])
@pytest.mark.parametrize("length", [0, 1, 3, 7])
def test_replay_brings_a_search_back(strategy: str | Callable[..., Search], length: int) -> None:
    whole = ask_tell(strategy)
    for _ in range(4):
        for query in whole.ask_batch():
            whole.tell(answer(query))
    if strategy is not batches:
        for _ in range(8):
            whole.tell(answer(whole.ask()))
    resumed = ask_tell(strategy)
    resumed.replay(whole.told[:length])
    while len(resumed.told) < len(whole.told):
        for query in resumed.pending or [resumed.ask()]:
            resumed.tell(answer(query))
    assert resumed.told == whole.told


def test_replay_of_another_record() -> None:
    recorded = [answer(Query((0,) * 6, 108))]
    with pytest.raises(AskTellError, match=r"recorded observation 0 answers .* the search asks"):
        ask_tell("random_search").replay(recorded)
    with pytest.raises(AskTellError, match="an asynchronous strategy can't be replayed"):
        ask_tell(submitter).replay(recorded)
    search = ask_tell(batches)
    for _ in range(4):
        for query in search.ask_batch():
            search.tell(answer(query))
    with pytest.raises(SearchEnded, match="ends after 12 of the recorded"):
        ask_tell(batches).replay([*search.told, search.told[0]])
