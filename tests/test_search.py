"""The loop against timelines computed by hand, naive re-implementations, and invariants under random strategies."""

import itertools
import math
import types
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_table import SPACE

import nasbench.search
from nasbench.query import Observation, Query, QueryError, Submit
from nasbench.search import BUDGET, STALLED, STRATEGY, Rules, StrategyError, incumbents, run
from nasbench.space import SpaceError

A, B, C, D, E = (0, 0, 0), (0, 0, 1), (0, 0, 2), (0, 1, 0), (0, 1, 1)


@dataclass
class Clockwork:
    """A benchmark whose seconds per epoch are given by architecture (others: 1); accuracy tells seed and epochs apart."""

    seconds: dict = field(default_factory=dict)
    same: dict = field(default_factory=dict)  # architecture -> the one that trains for it
    epochs: tuple = (1, 2, 4)
    space: object = SPACE
    asked: list = field(default_factory=list)

    def evaluate(self, query, seed):
        if query.epochs not in self.epochs:
            raise QueryError(f"no {query.epochs}")
        self.asked.append((query, seed))
        return Observation(query, accuracy(query, seed), self.seconds.get(query.architecture, 1.0) * query.epochs)

    def cell(self, architecture):
        return self.same.get(architecture, architecture)


def accuracy(query, seed):
    return ((seed * 31 + SPACE.index(query.architecture) * 7 + query.epochs) % 1000) / 1000


def script(*proposals, told=None):
    """Return a strategy that yields the given proposals and appends what it is sent to `told`."""

    def scripted(space, rng, epochs):
        for proposal in proposals:
            answer = yield proposal
            if told is not None:
                told.append(answer)

    return scripted


def carry_out(strategy, budget=1000.0, benchmark=None, seed=0, **rules):
    return run(strategy, benchmark or Clockwork(), budget, np.random.SeedSequence(seed), rules=Rules(**rules))


def times(result):
    return [(entry.started, entry.finished) for entry in result.log]


def who(result):
    return [entry.observation.query.architecture for entry in result.log]


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


def submits(*architectures):
    return [Submit(Query(architecture, 1)) for architecture in architectures]


def names(answers):
    return [tuple(answer.query.architecture for answer in answers) for answers in answers]


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


# Seeds ----------------------------------------------------------------------------------------------------------------


def draws(space, rng, epochs):
    while True:
        yield Query(space.sample(rng), epochs[int(rng.integers(3))])


def test_same_seed_same_log_and_another_seed_another():
    logs = [carry_out(draws, 200.0, seed=seed).log for seed in (3, 3, 4)]
    assert logs[0] == logs[1]
    assert logs[0] != logs[2]


def test_seed_object_is_not_used_up():
    seed = np.random.SeedSequence(5, spawn_key=(1, 2))
    before = repr(seed)
    logs = [run(draws, Clockwork(), 100.0, seed).log for _ in range(2)]
    assert logs[0] == logs[1]
    assert repr(seed) == before


def test_streams_are_the_two_children_that_numpy_spawns():
    strategy_seed, noise_seed = np.random.SeedSequence(6).spawn(2)
    drawn = []

    def strategy(space, rng, epochs):
        drawn.append(rng.random())
        yield Query(A, 1)

    result = carry_out(strategy, seed=6)
    assert drawn == [np.random.default_rng(strategy_seed).random()]
    assert result.log[0].seed == np.random.default_rng(noise_seed).integers(2**31, size=256)[0]


def test_streams_of_strategy_and_trainings_do_not_touch_each_other():
    def greedy(extra, architectures):
        drawn = []

        def strategy(space, rng, epochs):
            for architecture in architectures:
                drawn.append(rng.random(1 + extra)[0])
                yield Query(architecture, 1)

        return strategy, drawn

    one, _ = greedy(0, [A, B, C])
    two, _ = greedy(7, [A, B, C])
    assert [e.seed for e in carry_out(one).log] == [e.seed for e in carry_out(two).log]
    many, first = greedy(0, [A, B, C, D, E])
    few, second = greedy(0, [A, A, A, A, A])  # fewer cells, so that fewer seeds are drawn
    carry_out(many)
    carry_out(few)
    assert first == second


def test_cells_draw_their_seeds_uniformly():
    """Seed modulo 3 chooses among three repeats: 27 cells x 40 runs, chi-square with 2 degrees of freedom below 13.8 (0.1 %)."""
    strategy = script(*[Query(SPACE.architecture(number), 1) for number in range(27)])
    seeds = [entry.seed for number in range(40) for entry in carry_out(strategy, seed=number).log]
    found = np.bincount(np.array(seeds) % 3, minlength=3)
    assert ((found - 360) ** 2 / 360).sum() < 13.8
    assert len(set(seeds)) == len(seeds)


def test_more_than_256_cells_get_different_seeds():
    benchmark = Clockwork()
    benchmark.cell = lambda architecture: len(benchmark.asked)  # every query is another cell
    result = carry_out(script(*[Query(A, 1)] * 700), benchmark=benchmark)
    assert len({entry.seed for entry in result.log}) == 700


# Ends and errors ------------------------------------------------------------------------------------------------------


def circles(space, rng, epochs):
    while True:
        yield Query(A, 1)


def test_run_that_goes_round_in_circles_is_ended(monkeypatch):
    monkeypatch.setattr(nasbench.search, "STALL", 50)
    result = carry_out(circles, duplicates="free")
    assert result.ended == STALLED
    assert len(result.log) == 51  # one paid, fifty free


def test_stall_counts_only_answers_in_a_row(monkeypatch):
    monkeypatch.setattr(nasbench.search, "STALL", 3)
    result = carry_out(script(*[Query(a, 1) for a in (A, A, A, B, A, A, C, C, C, C, D)]), duplicates="free")
    assert who(result) == [A, A, A, B, A, A, C, C, C, C]
    assert result.ended == STALLED


def test_benchmark_that_charges_nothing_is_ended_too(monkeypatch):
    monkeypatch.setattr(nasbench.search, "STALL", 50)
    result = carry_out(circles, benchmark=Clockwork({A: 0.0}))
    assert (result.ended, len(result.log)) == (STALLED, 50)


def test_default_stall_is_ten_thousand():
    result = carry_out(circles, duplicates="free")
    assert (result.ended, len(result.log)) == (STALLED, 10_001)


@pytest.mark.parametrize("seconds", [-1.0, math.nan, -math.inf])
def test_benchmark_that_charges_less_than_nothing_is_refused(seconds):
    with pytest.raises(ValueError, match=rf"charges {seconds} seconds .* must be 0 or more"):
        carry_out(circles, benchmark=Clockwork({A: seconds}))


def test_infinite_cost_does_not_fit():
    assert carry_out(circles, benchmark=Clockwork({A: math.inf})).ended == BUDGET


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        (),
        [Query(A, 1)],
        (Query(A, 1), 3),
        (Submit(Query(A, 1)),),
        Submit(A),
        A,
        "Query",
        Observation(Query(A, 1), 0, 0),
    ],
)
def test_wrong_proposal_is_shown_and_the_generator_closed(wrong):
    closed = []

    def strategy(space, rng, epochs):
        try:
            yield Query(A, 1)
            yield wrong
        finally:
            closed.append(True)

    with pytest.raises(StrategyError, match="must yield a Query, a non-empty tuple of them, or Submit") as caught:
        carry_out(strategy)
    assert repr(wrong) in str(caught.value)
    assert closed == [True]


def test_strategy_that_is_no_generator_is_refused():
    with pytest.raises(StrategyError, match="must be a generator function"):
        carry_out(lambda space, rng, epochs: [Query(A, 1)])


@pytest.mark.parametrize(("query", "error"), [(Query(A, 3), QueryError), (Query((9, 9, 9), 1), SpaceError)])
def test_query_outside_the_benchmark_raises_and_closes(query, error):
    closed = []

    class Checked(Clockwork):
        def cell(self, architecture):
            return self.space.check(architecture)

    def strategy(space, rng, epochs):
        try:
            yield query
        finally:
            closed.append(True)

    with pytest.raises(error):
        carry_out(strategy, benchmark=Checked())
    assert closed == [True]


def test_error_of_the_strategy_passes_through():
    def strategy(space, rng, epochs):
        yield Query(A, 1)
        raise ArithmeticError("singular")

    with pytest.raises(ArithmeticError, match="singular"):
        carry_out(strategy)


def test_settings_reach_the_strategy():
    def strategy(space, rng, epochs, *, times):
        for _ in range(times):
            yield Query(A, epochs[-1])

    result = run(strategy, Clockwork(), 100.0, np.random.SeedSequence(0), settings={"times": 3})
    assert [entry.observation.query.epochs for entry in result.log] == [4, 4, 4]


@pytest.mark.parametrize("budget", [0, -1.0, math.nan])
def test_budget_must_be_above_zero(budget):
    with pytest.raises(ValueError, match=f"budget is {budget} seconds, must be above 0"):
        carry_out(circles, budget)


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"duplicates": "cheap"}, "duplicates is 'cheap', must be 'charge' or 'free'"),
        ({"promotion": "never"}, "promotion is 'never', must be 'continue' or 'from_scratch'"),
        ({"workers": 0}, "workers is 0, must be at least 1"),
    ],
)
def test_rules_name_the_wrong_word(rules, message):
    with pytest.raises(ValueError, match=message):
        Rules(**rules)


def test_rules_are_those_of_the_design():
    assert Rules() == Rules(duplicates="charge", promotion="continue", workers=1, charge_overhead=False)


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


# Incumbents -----------------------------------------------------------------------------------------------------------


def naive_incumbents(epochs, accuracies):
    best, found = 0, []
    for number, pair in enumerate(zip(epochs, accuracies, strict=True)):
        if pair > (epochs[best], accuracies[best]):  # fidelity first, then accuracy; a tie leaves the earlier one
            best = number
        found.append(best)
    return found


pairs = st.tuples(
    st.sampled_from([1, 2, 4, 200, 2**31 - 1]),
    st.floats(0, 1) | st.sampled_from([0.0, 0.5, math.nextafter(0.5, 1), 1.0]),
)


@given(st.lists(pairs, max_size=40))
def test_incumbents_equal_a_naive_loop(log):
    epochs = np.array([pair[0] for pair in log], dtype=np.int32)
    accuracies = np.array([pair[1] for pair in log], dtype=np.float64)
    assert incumbents(epochs, accuracies).tolist() == naive_incumbents(epochs.tolist(), accuracies.tolist())


# Random strategies ----------------------------------------------------------------------------------------------------

queries = st.builds(Query, st.sampled_from([A, B, C, D, E]), st.sampled_from([1, 2, 4]))
proposals = queries | st.lists(queries, min_size=1, max_size=5).map(tuple) | st.builds(Submit, queries)
rules = st.builds(
    Rules,
    duplicates=st.sampled_from(["charge", "free"]),
    promotion=st.sampled_from(["continue", "from_scratch"]),
    workers=st.integers(1, 4),
)
SECONDS = {A: 0.5, B: 1.0, C: 1.0, D: 2.0, E: 3.25}  # sums of these are exact


def asked_in(proposal):
    if isinstance(proposal, Query):
        return [proposal]
    return [proposal.query] if isinstance(proposal, Submit) else list(proposal)


@settings(max_examples=300)
@given(st.lists(proposals, max_size=25), rules, st.sampled_from([1.0, 7.5, 20.0, 60.0, 1e6]))
def test_random_mixtures_keep_the_invariants(plan, rules, budget):
    told = []
    benchmark = Clockwork(SECONDS)
    result = run(script(*plan, told=told), benchmark, budget, np.random.SeedSequence(1), rules=rules)
    log = result.log

    # Every line fits between 0 and the budget, takes what it was charged, and they stand in order of finishing.
    assert all(0 <= entry.started <= entry.finished <= budget for entry in log)
    assert all(entry.started + entry.observation.cost == entry.finished for entry in log)
    assert [entry.finished for entry in log] == sorted(entry.finished for entry in log)

    # No more trainings at a time than workers: +1 where one starts, -1 where one ends, ends first.
    moments = sorted(
        moment for entry in log if entry.observation.cost for moment in ((entry.started, 1), (entry.finished, -1))
    )
    assert max(itertools.accumulate(step for _, step in moments), default=0) <= rules.workers

    # What was started is what was asked, in order, up to the refused query; nothing is lost or doubled.
    planned = [query for proposal in plan for query in asked_in(proposal)]
    started = benchmark.asked
    assert [query for query, _ in started] == planned[: len(started)]
    refused = result.ended == BUDGET
    assert len(log) == len(started) - refused
    assert refused or len(started) == len(planned)
    paid = started[: len(log)]
    assert sorted((e.observation.query.architecture, e.observation.query.epochs, e.seed) for e in log) == sorted(
        (query.architecture, query.epochs, seed) for query, seed in paid
    )

    # The strategy is told what the log says, each line at most once, awaited ones in the order asked.
    lines = [entry.observation for entry in log]
    heard = []
    for proposal, answer in zip(plan, told, strict=False):
        heard.extend(answer if isinstance(answer, tuple) else [answer])
        if not isinstance(proposal, Submit):
            answers = answer if isinstance(proposal, tuple) else (answer,)
            assert [told_one.query for told_one in answers] == asked_in(proposal)
    for observation in heard:
        lines.remove(observation)  # raises if it was never logged, or told twice
    if rules.workers == 1:
        assert log == [] or log[-1].finished == sum(entry.observation.cost for entry in log)

    again = run(script(*plan), Clockwork(SECONDS), budget, np.random.SeedSequence(1), rules=rules)
    assert again.log == log


def ledger(planned, rules, budget, seed_of):
    """Charge queries one after the other, as the rules say it in words: [(seed, cost)] until the budget is crossed."""
    cells, clock, lines = {}, 0.0, []
    for query in planned:
        trainings = cells.setdefault(query.architecture, [])  # of (seed, epochs reached)
        full = SECONDS[query.architecture] * query.epochs
        reach = [seed for seed, epochs in trainings if epochs >= query.epochs]
        if rules.duplicates == "free" and reach:
            seed, cost = reach[-1], 0.0
        elif trainings and rules.promotion == "continue" and trainings[-1][1] < query.epochs:
            seed, done = trainings[-1]
            cost = full - SECONDS[query.architecture] * done
            trainings[-1] = (seed, query.epochs)
        else:
            seed, cost = (trainings[-1][0] + 1 if trainings else seed_of[query.architecture]), full
            trainings.append((seed, query.epochs))
        if clock + cost > budget:
            break
        clock += cost
        lines.append((seed, cost))
    return lines


@settings(max_examples=300)
@given(st.lists(queries, max_size=30), rules, st.sampled_from([7.5, 20.0, 60.0, 1e6]))
def test_one_worker_charges_as_a_naive_ledger(planned, rules, budget):
    one = Rules(rules.duplicates, rules.promotion)
    result = run(script(*planned), Clockwork(SECONDS), budget, np.random.SeedSequence(2), rules=one)
    cells = list(dict.fromkeys(query.architecture for query in planned))
    fresh = np.random.default_rng(np.random.SeedSequence(2).spawn(2)[1]).integers(2**31, size=256).tolist()
    expected = ledger(planned, one, budget, dict(zip(cells, fresh, strict=False)))
    assert [(entry.seed, entry.observation.cost) for entry in result.log] == expected


@settings(max_examples=200)
@given(st.lists(queries.map(Submit), max_size=25), st.integers(1, 4))
def test_submissions_alone_are_list_scheduling(plan, workers):
    """Each submission goes to the worker that is free first: Graham's list scheduling, by its textbook definition."""
    rules = Rules(promotion="from_scratch", workers=workers)
    result = run(script(*plan), Clockwork(SECONDS), 1e6, np.random.SeedSequence(3), rules=rules)
    free = [0.0] * workers
    expected = []
    for number, submission in enumerate(plan):
        worker = free.index(min(free))
        start = free[worker]
        free[worker] += SECONDS[submission.query.architecture] * submission.query.epochs
        expected.append((free[worker], number, start))
    expected.sort()
    assert [(entry.finished, entry.started) for entry in result.log] == [(end, start) for end, _, start in expected]
