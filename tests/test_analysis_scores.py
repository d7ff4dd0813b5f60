"""Scores against values worked out by hand and against slow, obvious implementations on random walks."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_records import chunk_arrays, landscape, walk

from nasbench.analysis import chunks, records, scores

PROBLEM = records.Problem(
    score_label="mean validation accuracy",
    best_score=0.916,
    random_score_mean=0.833,
    budget=100.0,
    epochs=(200,),
)
# finished, cell, validation accuracy, score of the cell
RUNS = [
    [(10.0, 3, 0.80, 0.816), (30.0, 5, 0.90, 0.866), (70.0, 3, 0.95, 0.816)],  # the last only looked better
    [(20.0, 7, 0.70, 0.716)],
    [],
    [(5.0, 1, 0.60, 0.616), (100.0, 2, 0.91, 0.916)],
]
NONE = float("nan")


def runs_of(walks=RUNS, **settings):
    arrays = chunk_arrays(walks, **settings)
    del arrays["key"]
    return records.Runs(**arrays)


def test_the_incumbent_is_a_right_continuous_step_function():
    seconds = np.array([4.9, 5.0, 10.0, 29.999, 30.0, 69.0, 70.0, 100.0])
    observed = scores.observed_by(runs_of(), seconds)
    assert observed.tolist() == [
        [-1, -1, 0, 0, 1, 1, 2, 2],
        [-1, -1, -1, 3, 3, 3, 3, 3],
        [-1] * 8,
        [-1, 4, 4, 4, 4, 4, 4, 5],
    ]
    np.testing.assert_allclose(
        scores.regret(runs_of(), PROBLEM, observed),
        [
            [NONE, NONE, 0.1, 0.1, 0.05, 0.05, 0.1, 0.1],
            [NONE, NONE, NONE, 0.2, 0.2, 0.2, 0.2, 0.2],
            [NONE] * 8,
            [NONE, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.0],
        ],
        atol=1e-12,
    )


def test_a_run_stops_at_the_queries_it_could_afford_unless_its_strategy_ended_it():
    queries = np.array([1, 2, 3, 4])
    assert scores.observed_after(runs_of(), queries).tolist() == [
        [0, 1, 2, -1],
        [3, -1, -1, -1],
        [-1, -1, -1, -1],
        [4, 5, -1, -1],
    ]
    ended = runs_of(ended=[0, 1, 2, 1])
    assert scores.observed_after(ended, queries).tolist() == [
        [0, 1, 2, -1],
        [3, 3, 3, 3],
        [-1, -1, -1, -1],
        [4, 5, 5, 5],
    ]


def test_take_of_no_observations_is_missing():
    empty = runs_of([[], []])
    assert np.isnan(scores.take(empty.score, scores.observed_by(empty, np.array([50.0])))).all()


def test_regret_is_never_below_zero_by_rounding():
    problem = records.Problem(
        score_label="", best_score=0.1 + 0.2 - 1e-16, random_score_mean=0.1, budget=1.0, epochs=(1,)
    )
    runs = runs_of([[(1.0, 0, 0.3, 0.30000000000000004)]])
    assert scores.regret(runs, problem, np.array([[0]])) == 0.0


def test_validation_gap_and_relative_improvement_by_hand():
    observed = scores.observed_by(runs_of(), np.array([30.0, 100.0]))
    np.testing.assert_allclose(
        scores.validation_gap(runs_of(), observed),
        [[0.034, 0.134], [-0.016, -0.016], [NONE, NONE], [-0.016, -0.006]],
        atol=1e-12,
    )
    assert scores.relative_improvement(np.array([0.833, 0.9163]), PROBLEM) == pytest.approx([0.0, 0.1])


def test_counts_of_distinct_cells_and_duplicates():
    runs = runs_of(
        [[(1.0, 4, 0.1, 0.1), (2.0, 4, 0.1, 0.1), (3.0, 5, 0.1, 0.1), (4.0, 4, 0.1, 0.1)], [(1.0, 4, 0.1, 0.1)]]
    )
    distinct, duplicates = scores.counts(runs)
    assert distinct.tolist() == [1, 1, 2, 2, 1]
    assert duplicates.tolist() == [0, 1, 1, 2, 0]


def test_more_epochs_of_a_cell_are_no_duplicate():
    arrays = chunk_arrays([[(1.0, 4, 0.1, 0.1), (2.0, 4, 0.1, 0.1), (3.0, 4, 0.1, 0.1)]])
    arrays["epochs"][:] = [4, 12, 4]
    del arrays["key"]
    distinct, duplicates = scores.counts(records.Runs(**arrays))
    assert distinct.tolist() == [1, 1, 1]
    assert duplicates.tolist() == [0, 0, 1]


@settings(max_examples=60)
@given(st.lists(st.lists(st.tuples(st.integers(0, 3), st.sampled_from([4, 12])), max_size=12), min_size=1, max_size=4))
def test_counts_agree_with_sets(plan):
    arrays = chunk_arrays([[(float(place + 1), cell, 0.5, 0.5) for place, (cell, _) in enumerate(run)] for run in plan])
    arrays["epochs"] = np.array([epochs for run in plan for _, epochs in run], dtype=np.int32)
    del arrays["key"]
    distinct, duplicates = scores.counts(records.Runs(**arrays))
    expected = []
    for run in plan:
        for size in range(1, len(run) + 1):
            seen = run[:size]
            expected.append((len({cell for cell, _ in seen}), size - len(set(seen))))
    assert list(zip(distinct.tolist(), duplicates.tolist(), strict=True)) == expected


def test_first_hits_and_expected_running_time_by_hand():
    targets = np.array([0.3, 0.1, 0.05, 0.0])
    hits = scores.first_hits(runs_of(), PROBLEM, targets + 1e-12)
    never = float("inf")
    np.testing.assert_array_equal(
        hits, [[10.0, 10.0, 30.0, never], [20.0, never, never, never], [never] * 4, [5.0, 100.0, 100.0, 100.0]]
    )
    spent = scores.spent(runs_of(ended=[0, 1, 1, 0]), PROBLEM)
    assert spent.tolist() == [100.0, 20.0, 0.0, 100.0]
    expected, success = scores.expected_running_time(hits, spent)
    # 0.3: 10 + 20 + 0 + 5 over 3 hits; 0.1: 10 + 20 + 0 + 100 over 2; 0.05: 30 + 20 + 0 + 100 over 2; 0: 220 over 1.
    assert expected.tolist() == pytest.approx([35 / 3, 65.0, 75.0, 220.0])
    assert success.tolist() == [0.75, 0.5, 0.5, 0.25]


def test_expected_running_time_without_a_success_is_infinite():
    expected, success = scores.expected_running_time(np.full((3, 1), np.inf), np.full(3, 100.0))
    assert expected.tolist() == [float("inf")] and success.tolist() == [0.0]


def test_targets_reached_counts_pairs_of_run_and_target():
    hits = np.array([[1.0, 5.0], [2.0, np.inf]])
    assert scores.targets_reached(hits, np.array([0.5, 1.0, 2.0, 5.0, 99.0])).tolist() == [0.0, 0.25, 0.5, 0.75, 0.75]


def test_area_under_the_curve_by_hand():
    runs = runs_of([[(10.0, 0, 0.5, 0.716), (50.0, 1, 0.6, 0.816)], [(30.0, 0, 0.5, 0.716)]])
    area = scores.area_under_curve(runs, PROBLEM, 20.0)
    # Regret 0.2 from 20 to 50 s, 0.1 from 50 to 100 s, in log time; the second run has no incumbent at 20 s.
    assert area[0] == pytest.approx((0.2 * np.log(50 / 20) + 0.1 * np.log(100 / 50)) / np.log(100 / 20))
    assert np.isnan(area[1])
    logarithm = scores.area_under_curve(runs, PROBLEM, 20.0, logarithm=True)
    assert logarithm[0] == pytest.approx(
        (np.log10(0.2) * np.log(50 / 20) + np.log10(0.1) * np.log(100 / 50)) / np.log(100 / 20)
    )
    at_optimum = runs_of([[(10.0, 0, 0.5, 0.916)]])
    assert scores.area_under_curve(at_optimum, PROBLEM, 20.0, logarithm=True)[0] == pytest.approx(
        np.log10(scores.FLOOR)
    )
    for outside in (0.0, 100.0, -1.0):
        with pytest.raises(ValueError, match="must begin within"):
            scores.area_under_curve(runs, PROBLEM, outside)


def test_share_at_least_a_threshold():
    assert scores.share_at_least(np.array([0.9, 0.91, 0.92]), 0.91) == pytest.approx(2 / 3)
    assert scores.share_at_least(np.array([0.1 + 0.2]), 0.3) == 1.0
    assert np.isnan(scores.share_at_least(np.array([0.9, NONE]), 0.5))


def test_grids():
    grid = scores.seconds_grid(100.0)
    assert grid[0] == pytest.approx(0.01) and grid[-1] == 100.0 and len(grid) == 241
    np.testing.assert_allclose(np.diff(np.log10(grid)), 1 / 60)
    assert scores.queries_grid(5).tolist() == [1, 2, 3, 4, 5]
    assert scores.queries_grid(1).tolist() == [1]
    assert scores.queries_grid(0).tolist() == []
    long = scores.queries_grid(997)
    assert long[0] == 1 and long[-1] == 997 and (np.diff(long) > 0).all() and len(long) < 130
    targets = scores.default_targets(PROBLEM)
    assert targets[0] == pytest.approx(0.083) and targets[-1] == pytest.approx(0.0005) and (np.diff(targets) < 0).all()


def test_agree_with_slow_definitions_on_walks():
    source = np.random.default_rng(26)
    table = landscape("cifar10", 300, source)
    walks = [walk(table, 0.03, source, cost=4.0, noise=0.02) for _ in range(15)]
    runs = runs_of(walks)
    seconds = np.sort(source.uniform(0, 100, 50))
    found = scores.regret(runs, PROBLEM, scores.observed_by(runs, seconds))
    targets = scores.default_targets(PROBLEM, 7)
    hits = scores.first_hits(runs, PROBLEM, targets)
    area = scores.area_under_curve(runs, PROBLEM, 20.0)
    fine = np.geomspace(20.0, 100.0, 20_001)
    for place, run in enumerate(walks):

        def regret_at(time, run=run):
            seen = [each for each in run if each[0] <= time]
            return 0.916 - max(seen, key=lambda each: each[2])[3] if seen else NONE

        np.testing.assert_allclose(found[place], [regret_at(time) for time in seconds], atol=1e-12)
        for column, target in enumerate(targets):
            reached = [time for time, *_ in run if regret_at(time) <= target]
            assert hits[place, column] == min(reached, default=float("inf"))
        middle = np.sqrt(fine[1:] * fine[:-1])[::10]
        assert area[place] == pytest.approx(np.mean([regret_at(time) for time in middle]), rel=2e-3)


def test_joined_chunks_score_as_one():
    source = np.random.default_rng(27)
    table = landscape("cifar10", 300, source)
    walks = [walk(table, 0.03, source, cost=4.0) for _ in range(9)]
    whole = runs_of(walks)
    parts = chunks.join([runs_of(walks[first : first + 4], first=first) for first in (0, 4, 8)])
    seconds = scores.seconds_grid(100.0)
    for name in ("run", "start", "score", "finished"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))
    np.testing.assert_array_equal(scores.observed_by(parts, seconds), scores.observed_by(whole, seconds))
    assert [each.tolist() for each in scores.counts(parts)] == [each.tolist() for each in scores.counts(whole)]


@pytest.mark.parametrize("walks", [[[], []], [[], RUNS[0], []]])
def test_runs_without_an_answer_have_no_incumbent_hit_or_area(walks):
    runs, seconds = runs_of(walks), np.array([50.0, 20.0, 100.0])  # in any order
    observed = scores.observed_by(runs, seconds)
    hits = scores.first_hits(runs, PROBLEM, np.array([0.06, 0.5, 0.11]))  # in any order
    area = scores.area_under_curve(runs, PROBLEM, 20.0)
    for place, run in enumerate(walks):
        if run:
            assert observed[place].tolist() == [1, 0, 2] and hits[place].tolist() == [30.0, 10.0, 10.0]
            steps = 0.1 * np.log(30 / 20) + 0.05 * np.log(70 / 30) + 0.1 * np.log(100 / 70)
            assert area[place] == pytest.approx(steps / np.log(5), abs=1e-12)
        else:
            assert observed[place].tolist() == [-1] * 3 and np.isinf(hits[place]).all() and np.isnan(area[place])


def test_arrays_are_read_as_numpy_reads_them():
    for values in (np.arange(7, dtype=np.int32), np.zeros(0), np.array("text"), np.arange(6.0).reshape(2, 3)):
        stream = io.BytesIO()
        np.save(stream, values)
        found = chunks._array(stream.getvalue())
        assert found.dtype == values.dtype and found.shape == values.shape
        np.testing.assert_array_equal(found, values)
        with pytest.raises(ValueError, match="an array of"):
            chunks._array(stream.getvalue() + b"\0")
    stream = io.BytesIO()
    np.save(stream, np.asfortranarray(np.arange(6.0).reshape(2, 3)))
    with pytest.raises(ValueError, match="stored by columns"):
        chunks._array(stream.getvalue())
