"""Scores of optimizers against brute force, closed forms and hand-counted cases."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasbench.analysis import optimizer_scores as scores


def test_average_is_the_weighted_mean_written_out():
    steps = np.array([0, 10, 20, 25])
    losses = np.array([[4.0, 3.0, 1.0, 2.0]])
    for position in range(4):
        weights = 0.9 ** (steps[position] - steps[: position + 1])
        expected = np.average(losses[0, : position + 1], weights=weights)
        assert scores.smoothed(losses, steps, 0.9)[0, position] == pytest.approx(expected)


def test_average_does_not_depend_on_how_dense_the_grid_is_for_a_constant():
    for steps in (np.arange(5), np.array([0, 7, 50])):
        assert scores.smoothed(np.full(len(steps), 3.0), steps, 0.95) == pytest.approx(3.0)


@pytest.mark.parametrize("decay", [-0.1, 1.0, 2.0])
def test_decay_out_of_range(decay):
    with pytest.raises(scores.ScoreError, match=r"must be in \[0, 1\)"):
        scores.smoothed(np.ones(3), np.arange(3), decay)


def test_steps_must_ascend():
    with pytest.raises(scores.ScoreError, match="ascending"):
        scores.smoothed(np.ones(3), np.array([0, 2, 2]), 0.95)


def test_time_to_target_and_censoring():
    curves = np.array([[3.0, 2.0, 1.0], [3.0, 1.0, 2.0], [3.0, 3.0, 3.0], [np.nan] * 3])
    times = scores.time_to_target(curves, np.array([0, 10, 20]), 1.5)
    assert times.tolist() == [20.0, 10.0, np.inf, np.inf]
    assert scores.censored_median(times) == np.inf
    assert scores.censored_median(times[:3]) == 20.0


def test_target_is_the_median_of_the_strongest():
    curves = {
        name: np.array([[9.0, level], [9.0, level + 1], [9.0, level + 5]])
        for name, level in zip("abcd", (3, 1, 2, 4), strict=True)
    }
    assert scores.choose_target(curves) == scores.Target(2.0, "b")
    del curves["a"]
    with pytest.raises(scores.ScoreError, match="at least 4"):
        scores.choose_target(curves)


def test_the_setter_of_a_target_reaches_it_with_an_even_number_of_seeds():
    """The mean of the two middle values would be below one of them, and the median run of the setter would miss it."""
    falling = np.linspace(1.0, 0.0, 11)
    curves = {
        name: slow + np.array([1, 2, 4, 8])[:, None] * falling for name, slow in zip("abcd", (1, 2, 3, 4), strict=True)
    }
    curves["a"] = curves["a"] + np.array([0.0, 0.1, 0.2, 0.3])[:, None]
    target = scores.choose_target(curves)
    assert target == scores.Target(1.2, "a")
    times = scores.time_to_target(curves["a"], np.arange(11), target.loss)
    assert np.isfinite(times).sum() == 3 and np.isfinite(scores.censored_median(times))


def test_memory_is_a_twentieth_of_the_horizon():
    """The weight of an evaluation .05 horizons back is 1/e, whatever the horizon; nothing is smoothed where nothing is noise."""
    for horizon in (40, 100, 200):
        assert scores.decay_of(horizon, deterministic=False) ** (0.05 * horizon) == pytest.approx(np.exp(-1))
        assert scores.decay_of(horizon, deterministic=True) == 0.0
    losses = np.array([[4.0, 3.0, 1.0, 2.0]])
    assert np.array_equal(scores.smoothed(losses, np.array([0, 10, 20, 25]), 0.0), losses)


def test_profile_by_hand():
    times = np.array([[10.0, 20.0, np.inf], [20.0, np.inf, np.inf]])
    ratios = scores.performance_ratios(times)
    assert ratios.tolist() == [[1.0, 1.0, np.inf], [2.0, np.inf, np.inf]]
    assert scores.profile(ratios, np.array([1.0, 2.0])).tolist() == [[2 / 3, 2 / 3], [0.0, 1 / 3]]
    # The first is fastest on two of three tasks; the second finishes one from a factor of 2 on: (4 - 2) / 3 / 3.
    assert scores.profile_score(ratios) == pytest.approx([2 / 3, 2 / 9])


@given(st.lists(st.floats(1, 8), min_size=1, max_size=6))
def test_score_is_the_integral_of_the_profile(ratios):
    ratios = np.array([ratios])
    at = np.linspace(1, 4, 30_001)
    area = np.trapezoid(scores.profile(ratios, at)[0], at) / 3
    assert scores.profile_score(ratios)[0] == pytest.approx(area, abs=1e-4)


def test_baseline_steps_inverts_and_saturates():
    steps, curve = np.array([0, 10, 20, 30]), np.array([4.0, 2.0, 3.0, 1.0])
    assert scores.baseline_steps(3.0, curve, steps) == (5.0, False)
    assert scores.baseline_steps(1.5, curve, steps) == (25.0, False)  # halfway from the lowest loss so far, 2
    assert scores.baseline_steps(9.0, curve, steps) == (0.0, False)
    assert scores.baseline_steps(0.5, curve, steps) == (30.0, True)


def test_lowest_so_far():
    curves = np.array([[4.0, 3.0, 3.5], [4.0, 5.0, 1.0]])
    assert scores.lowest_so_far(curves).tolist() == [[4.0, 3.0, 3.0], [4.0, 4.0, 1.0]]


@pytest.mark.parametrize("factor", [0.25, 0.5, 1.0, 2.0, 4.0])
def test_speed_up_of_a_curve_that_runs_faster_by_a_factor(factor):
    steps = np.arange(401)
    baseline, curve = np.exp(-steps / 100.0), np.exp(-factor * steps / 100.0)
    assert scores.speed_up(curve, baseline, steps) == pytest.approx(factor, rel=1e-4)


def test_speed_up_of_a_curve_over_itself_is_one_where_it_rises_again():
    steps = np.array([0, 10, 20, 30, 40])
    curve = np.array([5.0, 2.0, 1.0, 3.0, 4.0])
    assert scores.speed_up(curve, curve, steps) == 1.0
    other = np.array([5.0, 1.0, 0.5, 0.5, 0.5])  # reaches 1 at step 10, the baseline at 20
    assert scores.speed_up(other, curve, steps) == 2.0
    assert scores.speed_up(curve, other, steps) == 0.5
    both = scores.speed_up(np.stack([other, curve]), np.stack([curve, other]), steps)
    assert both.tolist() == [2.0, 0.5]


def test_geometric_mean_has_a_floor():
    assert scores.geometric_mean(np.array([4.0, 1.0])) == pytest.approx(2.0)
    assert scores.geometric_mean(np.array([0.0, 1.0])) == pytest.approx(scores.SLOWEST**0.5)


def test_trajectory_mean_on_an_uneven_grid():
    assert scores.trajectory_mean(np.array([2.0, 1.0, 0.0]), np.array([0, 10, 20])) == pytest.approx(1.0)
    assert scores.trajectory_mean(np.array([3.0, 3.0, 0.0]), np.array([0, 10, 12])) == pytest.approx(33 / 12)


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(-5, 5)), min_size=1, max_size=7))
def test_tuning_curve_against_every_subset(pairs):
    selected_on, reported = (np.array(values, dtype=float) for values in zip(*pairs, strict=True))
    found = scores.tuning_curve(selected_on, reported)
    for count in range(1, len(pairs) + 1):
        subsets = itertools.combinations(range(len(pairs)), count)
        expected = np.mean([reported[min(subset, key=lambda trial: (selected_on[trial], trial))] for subset in subsets])
        assert found[count - 1] == pytest.approx(expected, abs=1e-12)


def test_tuning_curve_of_a_list_takes_its_first_entries():
    found = scores.tuning_curve(np.array([2.0, 3.0, 1.0]), np.array([20.0, 30.0, 10.0]), ordered=True)
    assert found.tolist() == [20.0, 20.0, 10.0]
    assert scores.after_trials(found, (1, 3)) == [20.0, 10.0]
    assert np.isnan(scores.after_trials(found, (5,))[0])


@pytest.mark.parametrize(("first", "second"), [([], []), ([1.0], [1.0, 2.0]), ([np.nan], [1.0])])
def test_tuning_curve_refuses(first, second):
    with pytest.raises(scores.ScoreError):
        scores.tuning_curve(np.array(first), np.array(second))
