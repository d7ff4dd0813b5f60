"""The loop against timelines computed by hand: clock, budget, charges, workers, the strategy's own seconds."""

import itertools
import types

import numpy as np
import pytest
from clockwork import A, B, C, Clockwork, D, E, accuracy, carry_out, names, script, submits, times, who

import nasbench.search
from nasbench.query import Observation, Query, Submit
from nasbench.search import BUDGET, STRATEGY, run

# One worker -----------------------------------------------------------------------------------------------------------


def test_clock_runs_from_one_training_to_the_next():
    benchmark = Clockwork({A: 2.0, B: 3.0, C: 1.25})
    result = carry_out(script(Query(A, 1), Query(B, 1), Query(C, 4)), benchmark=benchmark)
    assert times(result) == [(0, 2), (2, 5), (5, 10)]
    assert [entry.observation.cost for entry in result.log] == [2, 3, 5]
    assert result.ended == STRATEGY


@pytest.mark.parametrize(("budget", "taken"), [(10.0, 3), (10.5, 3), (9.999999, 2), (5.0, 2), (1.0, 0)])
def test_budget_takes_what_ends_on_it_and_refuses_what_crosses_it(budget, taken):
    benchmark = Clockwork({A: 2.0, B: 3.0, C: 1.25, D: 0.001})
    result = carry_out(script(Query(A, 1), Query(B, 1), Query(C, 4), Query(D, 4)), budget, benchmark)
    expected = [2.0, 5.0, 10.0, 10.004]
    taken_at_all = taken + (budget >= 10.004)
    assert [finished for _, finished in times(result)] == pytest.approx(expected[:taken_at_all])
    assert result.ended == (STRATEGY if taken_at_all == 4 else BUDGET)


def test_run_ends_at_the_first_refused_query_even_if_a_cheaper_one_would_fit():
    closed = []

    def strategy(space, rng, epochs):
        try:
            yield Query(A, 1)
            yield Query(B, 4)  # crosses the budget
            yield Query(A, 1)  # would fit
        finally:
            closed.append(True)

    result = carry_out(strategy, budget=4.5)
    assert who(result) == [A]
    assert result.ended == BUDGET
    assert closed == [True]


def test_refused_query_leaves_no_trace_in_the_log_or_the_clock():
    seen = []
    result = run(
        script(Query(A, 1), Query(B, 4)),
        Clockwork(),
        4.5,
        np.random.SeedSequence(0),
        on_finish=seen.append,
    )
    assert seen == result.log
    assert len(seen) == 1


def test_duplicates_are_trained_again_from_the_next_seed():
    told = []
    result = carry_out(script(*[Query(A, 2)] * 3, told=told))
    seeds = [entry.seed for entry in result.log]
    assert seeds == [seeds[0], seeds[0] + 1, seeds[0] + 2]
    assert [answer.cost for answer in told] == [2, 2, 2]
    assert [answer.validation_accuracy for answer in told] == [accuracy(Query(A, 2), seed) for seed in seeds]


def test_duplicates_free_are_answered_from_the_paid_training():
    told = []
    result = carry_out(script(*[Query(A, 2)] * 3, Query(B, 1), Query(A, 2), told=told), duplicates="free")
    seeds = [entry.seed for entry in result.log]
    assert len({*seeds[:3], seeds[4]}) == 1
    assert [answer.cost for answer in told] == [2, 0, 0, 1, 0]
    assert len({answer.validation_accuracy for answer in [*told[:3], told[4]]}) == 1
    assert times(result) == [(0, 2), (2, 2), (2, 2), (2, 3), (3, 3)]


def test_free_duplicate_fits_on_the_budget_line():
    result = carry_out(script(Query(A, 4), Query(A, 4), Query(B, 1)), budget=4.0, duplicates="free")
    assert who(result) == [A, A]
    assert result.ended == BUDGET


def test_cells_not_architectures_are_duplicates():
    result = carry_out(script(Query(A, 1), Query(B, 1)), benchmark=Clockwork(same={B: A}))
    assert result.log[1].seed == result.log[0].seed + 1


@pytest.mark.parametrize(
    ("promotion", "duplicates", "costs", "steps"),
    [
        # epochs asked for: 1, 4, 2, 4 of one cell at 1 second an epoch; steps of the seed from the first one
        ("continue", "charge", [1, 3, 2, 2], [0, 0, 1, 1]),
        ("continue", "free", [1, 3, 0, 0], [0, 0, 0, 0]),
        ("from_scratch", "charge", [1, 4, 2, 4], [0, 1, 2, 3]),
        ("from_scratch", "free", [1, 4, 0, 0], [0, 1, 1, 1]),
    ],
)
def test_promotion(promotion, duplicates, costs, steps):
    result = carry_out(script(*[Query(A, n) for n in (1, 4, 2, 4)]), promotion=promotion, duplicates=duplicates)
    assert [entry.observation.cost for entry in result.log] == costs
    assert [entry.seed - result.log[0].seed for entry in result.log] == steps
    assert [entry.finished for entry in result.log] == list(itertools.accumulate(costs))


def test_each_of_a_cells_trainings_is_continued_before_a_new_one_begins():
    result = carry_out(script(*[Query(A, n) for n in (1, 1, 4, 4, 4, 2)]))
    assert [entry.observation.cost for entry in result.log] == [1, 1, 3, 3, 4, 2]
    assert [entry.seed - result.log[0].seed for entry in result.log] == [0, 1, 1, 0, 2, 3]


def test_continued_training_answers_from_its_own_curve():
    result = carry_out(script(Query(A, 1), Query(A, 4)))
    assert result.log[1].observation.validation_accuracy == accuracy(Query(A, 4), result.log[0].seed)


# Several workers ------------------------------------------------------------------------------------------------------

COSTS = {A: 3.0, B: 1.0, C: 1.0, D: 4.0}


def batch():
    return tuple(Query(architecture, 1) for architecture in (A, B, C, D))


@pytest.mark.parametrize(
    ("workers", "order", "timeline"),
    [
        (1, [A, B, C, D], [(0, 3), (3, 4), (4, 5), (5, 9)]),
        # worker 1: A 0-3; worker 2: B 0-1, C 1-2, D 2-6
        (2, [B, C, A, D], [(0, 1), (1, 2), (0, 3), (2, 6)]),
        # worker 1: A 0-3; worker 2: B 0-1, D 1-5; worker 3: C 0-1; B was submitted before C
        (3, [B, C, A, D], [(0, 1), (0, 1), (0, 3), (1, 5)]),
        (4, [B, C, A, D], [(0, 1), (0, 1), (0, 3), (0, 4)]),
        (9, [B, C, A, D], [(0, 1), (0, 1), (0, 3), (0, 4)]),
    ],
)
def test_batch_is_spread_over_the_workers_and_answered_in_its_own_order(workers, order, timeline):
    told = []
    result = carry_out(script(batch(), Query(E, 1), told=told), benchmark=Clockwork(COSTS), workers=workers)
    assert who(result)[:4] == order
    assert times(result)[:4] == timeline
    assert [answer.query.architecture for answer in told[0]] == [A, B, C, D]
    end = timeline[-1][1]  # the batch is awaited: the next query starts when its last training has finished
    assert times(result)[4] == (end, end + 1)
    assert isinstance(told[1], Observation)


def test_batch_that_crosses_the_budget_keeps_what_was_started():
    told = []
    result = carry_out(script(batch(), told=told), budget=5.5, benchmark=Clockwork(COSTS), workers=2)
    # D would run from 2 to 6; A, started before it, runs on to 3.
    assert who(result) == [B, C, A]
    assert times(result) == [(0, 1), (1, 2), (0, 3)]
    assert told == []
    assert result.ended == BUDGET


def test_submit_on_two_workers_with_ties():
    told = []
    benchmark = Clockwork({A: 3.0, B: 3.0, C: 1.0, D: 5.0, E: 4.0})
    result = carry_out(script(*submits(A, B, C, D, E), told=told), benchmark=benchmark, workers=2)
    # A 0-3 and B 0-3 tie: by order of submission. C 3-4, D 3-8; E 4-8 ties with D, which was submitted first.
    assert names(told) == [(), (A, B), (), (C,), (D, E)]
    assert who(result) == [A, B, C, D, E]
    assert times(result) == [(0, 3), (0, 3), (3, 4), (3, 8), (4, 8)]


def test_submit_on_one_worker_waits_for_each():
    told = []
    result = carry_out(script(*submits(A, B), told=told), benchmark=Clockwork({A: 2.0}), workers=1)
    assert names(told) == [(A,), (B,)]
    assert times(result) == [(0, 2), (2, 3)]


def test_submissions_that_run_when_the_strategy_returns_are_logged():
    told = []
    result = carry_out(script(*submits(A, B), told=told), benchmark=Clockwork({A: 9.0, B: 4.0}), workers=5)
    assert names(told) == [(), ()]
    assert who(result) == [B, A]
    assert times(result) == [(0, 4), (0, 9)]
    assert result.ended == STRATEGY


def test_submission_that_crosses_the_budget_lets_the_others_finish():
    result = carry_out(script(*submits(A, B, C)), budget=9.0, benchmark=Clockwork({A: 9.0, B: 4.0, C: 5.5}), workers=2)
    assert who(result) == [B, A]  # C would run from 4 to 9.5
    assert result.ended == BUDGET


def test_submissions_and_queries_share_workers_and_clock():
    told = []
    proposals = [Submit(Query(A, 1)), Query(B, 1), Query(C, 1), Submit(Query(D, 1)), Query(E, 1)]
    benchmark = Clockwork({A: 5.0, B: 2.0, C: 3.0, D: 4.0, E: 1.0})
    result = carry_out(script(*proposals, told=told), benchmark=benchmark, workers=2)
    # A 0-5 | B 0-2, C 2-5 (tie with A, submitted later) | D 5-9 | E 5-6. A is delivered with the next submission.
    assert who(result) == [B, A, C, E, D]
    assert times(result) == [(0, 2), (0, 5), (2, 5), (5, 6), (5, 9)]
    assert told[0] == ()
    assert [answer.query.architecture for answer in (told[1], told[2], told[4])] == [B, C, E]
    assert [answer.query.architecture for answer in told[3]] == [A]


def test_running_training_is_neither_continued_nor_quoted():
    # Two workers: A for 1 epoch runs 0-10. Meanwhile A for 4 epochs can't go on from it, and A for 1 can't be quoted.
    benchmark = Clockwork({A: 10.0})
    result = carry_out(
        script(Submit(Query(A, 1)), Submit(Query(A, 4))), benchmark=benchmark, workers=3, duplicates="free"
    )
    first, second = sorted(result.log, key=lambda entry: entry.seed)
    assert (second.seed, second.observation.cost) == (first.seed + 1, 40.0)
    result = carry_out(script(*submits(A, A)), benchmark=benchmark, workers=3, duplicates="free")
    assert [entry.observation.cost for entry in result.log] == [10.0, 10.0]
    assert result.log[1].seed == result.log[0].seed + 1


def test_free_duplicates_quote_any_paid_training_not_only_the_latest():
    # A for 4 epochs runs 0-40 while A for 1 epoch, a second training, runs 0-10 and is quoted. B carries the clock to 50.
    told = []
    proposals = (Submit(Query(A, 4)), Query(A, 1), Query(A, 1), Query(B, 2), Query(A, 4), Query(A, 2))
    benchmark = Clockwork({A: 10.0, B: 20.0})
    result = carry_out(script(*proposals, told=told), benchmark=benchmark, workers=2, duplicates="free")
    assert times(result) == [(0, 10), (10, 10), (0, 40), (10, 50), (50, 50), (50, 50)]
    short, quoted, long, _, *quotes = result.log
    assert short.seed == quoted.seed == long.seed + 1
    assert [entry.seed for entry in quotes] == [long.seed, long.seed]
    assert told[4].validation_accuracy == long.observation.validation_accuracy


# The strategy's own seconds -------------------------------------------------------------------------------------------


@pytest.fixture
def stopwatch(monkeypatch):
    """A clock that only the strategy moves: `stopwatch.now += 2.0`."""
    watch = types.SimpleNamespace(now=100.0)
    monkeypatch.setattr(nasbench.search, "time", types.SimpleNamespace(perf_counter=lambda: watch.now))
    return watch


def thinks(stopwatch, seconds):
    def strategy(space, rng, epochs):
        for pause in seconds:
            stopwatch.now += pause
            yield Query(A, 1)
        stopwatch.now += 0.5  # after the last answer

    return strategy


def test_overhead_is_measured_but_not_charged(stopwatch):
    result = carry_out(thinks(stopwatch, [2.0, 0.0, 3.0]))
    assert result.overhead == 5.5
    assert times(result) == [(0, 1), (1, 2), (2, 3)]


def test_overhead_is_charged_on_demand(stopwatch):
    result = carry_out(thinks(stopwatch, [2.0, 0.0, 3.0]), charge_overhead=True)
    assert result.overhead == 5.5
    assert times(result) == [(2, 3), (3, 4), (7, 8)]
    assert [entry.observation.cost for entry in result.log] == [1, 1, 1]


def test_charged_overhead_uses_up_the_budget(stopwatch):
    result = carry_out(thinks(stopwatch, [2.0, 0.0, 3.0]), budget=7.5, charge_overhead=True)
    assert times(result) == [(2, 3), (3, 4)]
    assert result.ended == BUDGET


def test_trainings_that_finish_while_the_strategy_thinks_keep_their_time(stopwatch):
    told = []

    def strategy(space, rng, epochs):
        told.append((yield Submit(Query(A, 1))))
        stopwatch.now += 10.0
        told.append((yield Submit(Query(B, 1))))

    result = carry_out(strategy, charge_overhead=True, workers=2)
    assert names(told) == [(), (A,)]
    assert times(result) == [(0, 1), (10, 11)]
