"""The contract: every strategy on disk keeps it, and each broken strategy is caught by the check meant for it."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import broken_strategies
import numpy as np
import pytest

import nasbench.trial
from nasbench.load import LoadedStrategy, LoadError, load_strategy, strategy_names
from nasbench.query import Observation, Query, QueryError, Submit
from nasbench.space import CELL201, space_by_name
from nasbench.synthetic import SyntheticBenchmark, drive, inverted_quality, quality
from nasbench.testing import CheckFailed, StrategyCheck, check_strategy, strategy_checks

CHECKS = {check.id: check for check in strategy_checks()}
FILE = str(Path(broken_strategies.__file__))


def installed() -> list[Any]:
    """Every strategy on disk; 5,000 queries take those with a model of the answers more than ten seconds."""
    methods = {name: load_strategy(name).method for name in strategy_names()}
    heavy = {name for name, method in methods.items() if method.family == "model-based" or method.extra is not None}
    return [pytest.param(name, marks=[pytest.mark.slow] if name in heavy else []) for name in methods]


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
@pytest.mark.parametrize("name", installed())
def test_every_strategy_keeps_the_contract(name: str, check: StrategyCheck) -> None:
    strategy = load_strategy(name)
    if strategy.method.extra == "live":
        pytest.importorskip("torch")
    check.run(strategy)


def broken(name: str) -> LoadedStrategy:
    strategy = load_strategy(f"{FILE}:{name}")
    if name in broken_strategies.EVOLUTION:
        strategy = dataclasses.replace(strategy, method=dataclasses.replace(strategy.method, family="evolution"))
    return strategy


@pytest.mark.parametrize("name", broken_strategies.BREAKS)
def test_broken_strategy_is_caught_by_its_check(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = broken_strategies.BREAKS[name]
    if name == "seeks_the_unseen_forever":
        monkeypatch.setattr(nasbench.trial, "PROCESS_SECONDS", 3.0)
    with pytest.raises(CheckFailed, match=expected[0]) as failure:
        CHECKS[expected[0]].run(broken(name))
    assert failure.value.checks == (expected[0],)
    assert name in str(failure.value)


SPOILS_NEARLY_ALL = {
    "waits_for_an_answer",
    "proposes_an_empty_batch",
    "asks_for_fifty_epochs",
    "survives_closing",
    "swallows_closing",
    "seeks_the_unseen_forever",  # and takes its time
}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(broken_strategies.BREAKS) - SPOILS_NEARLY_ALL))
def test_broken_strategy_is_caught_by_no_other_check(name: str) -> None:
    with pytest.raises(CheckFailed) as failure:
        check_strategy(broken(name))
    assert set(failure.value.checks) == set(broken_strategies.BREAKS[name])


def test_every_check_has_something_to_catch() -> None:
    caught_from_files = {"describes_itself", "loads_lightly"}
    caught = {checks[0] for checks in broken_strategies.BREAKS.values()} | caught_from_files
    assert caught == set(CHECKS)
    assert len(CHECKS) >= 25


SOUND = '''"""Pure chance (Nobody et al. 2024)."""
import numpy as np
{imports}
from nasbench.load import Method
from nasbench.query import Query

METHOD = Method("Chance", {paper!r}, 2024, mode="table", family="random")


def chance(space, rng, epochs):
    while True:
        yield Query(space.sample(rng), epochs[-1])
'''


def write_strategy(folder: Path, *, paper: str = "Nobody et al.: Chance, 2024", imports: str = "") -> str:
    path = folder / "chance.py"
    path.write_text(SOUND.format(paper=paper, imports=imports))
    return str(path)


def test_strategy_in_a_file_of_ones_own_passes(tmp_path: Path) -> None:
    outcomes = check_strategy(write_strategy(tmp_path))
    assert set(outcomes.values()) == {"passed"}
    assert list(outcomes) == list(CHECKS)


@pytest.mark.parametrize("paper", ["Somebody: Chance, 2024", "Nobody et al.: Chance"])
def test_file_that_does_not_name_its_paper(tmp_path: Path, paper: str) -> None:
    with pytest.raises(CheckFailed, match="describes_itself"):
        CHECKS["describes_itself"].run(write_strategy(tmp_path, paper=paper))


def test_file_that_imports_a_heavy_library(tmp_path: Path) -> None:
    with pytest.raises(CheckFailed, match=r"loads_lightly: importing it loads \['pandas'\]"):
        CHECKS["loads_lightly"].run(write_strategy(tmp_path, imports="import pandas"))


def test_function_itself_is_accepted() -> None:
    with pytest.raises(CheckFailed, match="seeds_itself fails repeats_itself:"):
        CHECKS["repeats_itself"].run(broken_strategies.seeds_itself)
    with pytest.raises(LoadError, match="generator function"):
        CHECKS["repeats_itself"].run(lambda space, rng, epochs: iter(()))


def test_function_itself_is_found_by_the_other_process() -> None:
    with pytest.raises(CheckFailed, match="socket"):
        CHECKS["starts_nothing"].run(broken_strategies.opens_a_socket)


def test_expected_failures() -> None:
    strategy = broken("prints_progress")
    outcomes = check_strategy(strategy, expected_failures={"says_nothing": "it is a demonstration"})
    assert outcomes.pop("says_nothing") == "expected: it is a demonstration"
    assert set(outcomes.values()) == {"passed"}
    with pytest.raises(CheckFailed, match="passes closes, which was expected to fail"):
        check_strategy(strategy, expected_failures={"says_nothing": "a demonstration", "closes": "a mistake"})
    with pytest.raises(LoadError, match=r"unknown checks \['says_little'\]; there are"):
        check_strategy(strategy, expected_failures={"says_little": "a misspelling"})


def test_all_failures_are_told_at_once() -> None:
    with pytest.raises(CheckFailed) as failure:
        check_strategy(broken("accepts_a_negative_population"))
    assert failure.value.checks == ("refuses_bad_values", "refuses_bad_types")
    assert str(failure.value).count("accepts_a_negative_population fails") == 2


def test_space_and_settings_are_used() -> None:
    strategy = load_strategy("regularized_evolution")
    outcomes = check_strategy(strategy, CELL201, settings={"population": 10, "sample": 3})
    assert set(outcomes.values()) == {"passed"}


def test_contract_needs_neither_torch_nor_a_table() -> None:
    code = (
        "import sys; from nasbench.testing import strategy_checks;"
        "[check.run('random_search') for check in strategy_checks()];"
        "print(sorted({'torch', 'h5py', 'pandas', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# The synthetic benchmark and the plain loop ---------------------------------------------------------------------------


def test_synthetic_answers_by_hand() -> None:
    space = space_by_name("cell201-3node")
    # Terms (7 i + 3 o + 5 o^2) mod 11 of (1, 0, 4): 8, 7, (14 + 12 + 80) mod 11 = 7; sum 22 of 30.
    # Pairs (a + 2 b + i) mod 3: (1 + 0 + 0) mod 3 = 1, (0 + 8 + 1) mod 3 = 0: one of two.
    assert quality(space.choices, (1, 0, 4)) == pytest.approx(0.8 * 22 / 30 + 0.2 / 2)
    assert inverted_quality(space.choices, (1, 0, 4)) == pytest.approx(1 - 0.8 * 22 / 30 - 0.1)
    benchmark = SyntheticBenchmark(space, (10, 100), noise=0.0)
    # Slowness 1 + (1*1 + 2*0 + 3*4) mod 3 = 2; progress at 10 of 100 epochs: 10 / (10 + 0.1 * 2 * 100).
    answer = benchmark.evaluate(Query((1, 0, 4), 10), seed=3)
    assert answer.validation_accuracy == pytest.approx(0.05 + 0.9 * (0.8 * 22 / 30 + 0.1) * 10 / 30)
    assert answer.cost == 10 * (1 + 5 % 3)
    with pytest.raises(QueryError, match=r"epochs 50 is not among \(10, 100\)"):
        benchmark.evaluate(Query((1, 0, 4), 50), seed=0)


def test_synthetic_noise_belongs_to_the_training() -> None:
    benchmark = SyntheticBenchmark(CELL201)
    plain = dataclasses.replace(benchmark, noise=0.0)
    query = Query((1, 2, 3, 0, 1, 2), 108)
    noise = [benchmark.accuracy(query, seed) - plain.accuracy(query, seed) for seed in range(1000)]
    assert -0.01 <= min(noise) < -0.009 and 0.009 < max(noise) <= 0.01
    assert abs(np.mean(noise)) < 0.001
    assert benchmark.accuracy(query, 7) == benchmark.accuracy(query, 7)


def test_synthetic_curves_cross() -> None:
    benchmark = SyntheticBenchmark(space_by_name("cell201-3op"), noise=0.0)
    cells = list(benchmark.space)
    first, last = ([benchmark.accuracy(Query(cell, epochs), 0) for cell in cells] for epochs in (4, 108))
    correlation = np.corrcoef(np.argsort(np.argsort(first)), np.argsort(np.argsort(last)))[0, 1]
    assert 0.5 < correlation < 0.95


def answer_slowly(query: Query) -> Observation:
    return Observation(query, 0.5, float(query.epochs))


def test_loop_of_submissions_is_an_event_queue() -> None:
    told: list[tuple[int, ...]] = []

    def submitter():
        for epochs in (5, 1, 1, 4, 2):
            finished = yield Submit(Query((0,), epochs))
            told.append(tuple(observation.query.epochs for observation in finished))

    trace = drive(submitter(), answer_slowly, queries=100, workers=2)
    # By hand: 5 runs from 0 to 5 on one worker; on the other 1 from 0 to 1, 1 from 1 to 2, 4 from 2 to 6; at 5 the first
    # worker takes 2, and while both work until 6, the next free moment is 6 with 4, then 7.
    assert told == [(), (1,), (1,), (5,), (4,)]
    assert trace.ended and [query.epochs for query in trace.queries] == [5, 1, 1, 4, 2]


def test_loop_refuses_the_batch_that_exceeds_the_budget() -> None:
    answers: list[int] = []

    def batches():
        while True:
            answers.append(len((yield tuple(Query((number,), 1) for number in range(3)))))

    trace = drive(batches(), answer_slowly, queries=8)
    assert len(trace.queries) == 6 and answers == [3, 3] and not trace.ended
    assert trace.steps[-1][1] is None


@pytest.mark.parametrize("proposal", [None, (), (1,), "cell", Submit((0,))])  # type: ignore[arg-type]
def test_loop_refuses_what_is_no_proposal(proposal: object) -> None:
    def wrong():
        yield proposal

    with pytest.raises(TypeError, match="must be a Query, a tuple of one or more queries"):
        drive(wrong(), answer_slowly, queries=5)
