"""The loop's seeds, its ends and errors, and its incumbents."""

import math

import numpy as np
import pytest
from clockwork import A, B, C, Clockwork, D, E, carry_out, script, who
from hypothesis import given
from hypothesis import strategies as st
from small_table import SPACE

import nasbench.search
from nasbench.query import Observation, Query, QueryError, Submit
from nasbench.search import BUDGET, STALLED, Rules, StrategyError, incumbents, run
from nasbench.space import SpaceError

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
