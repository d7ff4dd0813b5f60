"""`make perf` compares like with like: the alternatives give the same answers as the package."""

import numpy as np
import pytest

from nasbench import perf
from nasbench.cli import find_table
from nasbench.load import load_strategy
from nasbench.perf import Line, Sample, alternate, print_peak
from nasbench.perf_alternatives import (
    as_dictionary,
    as_frame,
    dictionary_look_up,
    evolution_by_hand,
    frame_look_up,
    numbered_frame,
    random_search_by_hand,
)
from nasbench.query import Observation, Query
from nasbench.sealed import open_table
from nasbench.search import run
from nasbench.space import CELL201
from nasbench.tabular import TabularBenchmark


@pytest.fixture(scope="module")
def published():
    return open_table(find_table("nas-bench-201"))


@pytest.fixture(scope="module")
def results(published):
    return as_dictionary(published, "cifar10")


def test_alternatives_hold_all_trainings(results):
    assert len(results) == 15_625
    assert sum(map(len, results.values())) == 39_419  # the published number of trainings of a data set
    assert {len(answers) for answers in results.values()} == {2, 3}


def test_alternatives_answer_as_the_benchmark(published, results):
    benchmark = TabularBenchmark(published, "cifar10")
    space = published.space
    frame = as_frame(results)
    numbered = numbered_frame(frame, space)
    look_ups = dictionary_look_up(results), frame_look_up(frame)
    rng = np.random.default_rng(0)
    numbers, repeats = rng.integers(space.size, size=200), rng.integers(2, size=200)
    many, costs = benchmark.evaluate_many(numbers, repeats, 200)
    for place, (number, repeat) in enumerate(zip(numbers.tolist(), repeats.tolist(), strict=True)):
        architecture = space.architecture(number)
        told = benchmark.evaluate(Query(architecture, 200), repeat)
        expected = (told.validation_accuracy, told.cost)
        assert expected == (many[place], costs[place])
        assert [look_up(space.format(architecture), repeat) for look_up in look_ups] == [expected, expected]
        assert tuple(numbered.loc[(number, repeat)]) == expected


@pytest.mark.parametrize("by_hand", [random_search_by_hand, evolution_by_hand])
def test_loops_by_hand_are_the_same_over_both(published, results, by_hand):
    budget = 30_000.0
    logs = [
        by_hand(published.space, look_up, np.random.default_rng(3), budget)
        for look_up in (dictionary_look_up(results), frame_look_up(as_frame(results)))
    ]
    assert logs[0] == logs[1]
    assert len(logs[0]) > 10
    assert logs[0][-1][2] <= budget
    assert [time for _, _, time in logs[0]] == sorted(time for _, _, time in logs[0])


def test_evolution_by_hand_searches_as_the_packaged_one():
    """Accuracy is the share of 3x3 convolutions: both climb from a fifth to the same level; random search stays there."""

    class Counting:
        space, epochs = CELL201, (1,)

        def evaluate(self, query, seed):
            return Observation(query, query.architecture.count(3) / 6, 1.0)

        def cell(self, architecture):
            return architecture

    def look_up(text, repeat):
        return text.count("nor_conv_3x3") / 6, 1.0

    rng = np.random.default_rng(0)
    by_hand = np.mean([accuracy for _, accuracy, _ in evolution_by_hand(CELL201, look_up, rng, 4000.0)[100:]])
    settings = {"population": 10, "sample": 3}
    strategy = load_strategy("regularized_evolution").function
    log = run(strategy, Counting(), 4000.0, np.random.SeedSequence(0), settings=settings).log[100:]
    packaged = np.mean([entry.observation.validation_accuracy for entry in log])
    drawn = np.mean([accuracy for _, accuracy, _ in random_search_by_hand(CELL201, look_up, rng, 4000.0)])
    assert by_hand == pytest.approx(packaged, abs=0.04)
    assert drawn == pytest.approx(0.2, abs=0.01)
    assert by_hand > drawn + 0.1


def test_alternate_takes_turns_and_drops_the_first_round():
    calls = []

    def returns(name, values):
        values = iter(values)

        def action():
            calls.append(name)
            return next(values)

        return action

    samples = alternate([returns("a", [99, 1, 5, 2]), returns("b", [99, 7, 7, 8])], repetitions=3)
    assert calls == ["a", "b"] * 4
    assert samples == [Sample(2, 1, 5), Sample(7, 7, 8)]


def test_ratio_says_how_many_times_better():
    two, eight = Sample(2, 2, 2), Sample(8, 8, 8)
    assert Line("time", "s", two, None, "other", eight).ratio == 4
    assert Line("rate", "1/s", two, None, "other", eight, more_is_better=True).ratio == 0.25


def test_peak_is_of_this_process(capsys):
    block = np.ones(10_000_000)  # 80 MB
    print_peak()
    assert block.nbytes / 1e6 < float(capsys.readouterr().out) < 4000


def test_whole_report(published, capsys, monkeypatch):
    for name, value in {"REPETITIONS": 1, "QUERIES": 200, "MANY": 2_000, "RUNS": 1, "BUDGET": 5_000.0}.items():
        monkeypatch.setattr(perf, name, value)
    perf.main()
    said = capsys.readouterr().out
    for word in ("one evaluate", "evaluate_many", "random_search, a query", "regularized_evolution, a query"):
        assert word in said
    assert "Median [smallest-largest] of 1 repetitions" in said
    assert "nested dictionaries" in said
    assert "peak memory of a worker" in said
