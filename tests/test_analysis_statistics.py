"""Intervals, effect sizes and tests against exact enumeration, textbook values, scipy and simulation."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from nasbench.analysis import pairwise, statistics

SMALL_SAMPLES = st.lists(st.integers(0, 5).map(float), min_size=1, max_size=12)


def rng(*key):
    return np.random.default_rng([20, *key])


def test_resample_counts_are_bootstrap_samples():
    counts = statistics.resample_counts(7, 20_000, rng(1))
    assert counts.shape == (20_000, 7)
    assert (counts.sum(axis=1) == 7).all()
    # Each run's count is binomial(7, 1/7): mean 1, variance 6/7.
    np.testing.assert_allclose(counts.mean(axis=0), 1.0, atol=0.03)
    np.testing.assert_allclose(counts.var(axis=0), 6 / 7, atol=0.04)


@pytest.mark.parametrize("statistic", [None, lambda values, axis: values.mean(axis=axis)])
def test_bootstrap_interval_is_that_of_the_enumerated_distribution(statistic):
    values = np.array([0.0, 1.0, 5.0, 6.5])
    every = np.sort([np.mean(drawn) for drawn in itertools.product(values, repeat=4)])  # 256 equally likely samples
    low, high = statistics.bootstrap_interval(values, rng(2), statistic, level=0.8, resamples=200_000)
    assert low == pytest.approx(every[int(0.1 * 256)])
    assert high == pytest.approx(every[int(0.9 * 256)])


def test_bootstrap_interval_agrees_with_scipy():
    values = rng(3).gamma(2.0, size=80)
    theirs = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=20_000, rng=rng(4))
    ours = statistics.bootstrap_interval(values, rng(5), resamples=20_000)
    width = theirs.confidence_interval.high - theirs.confidence_interval.low
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=0.02 * width)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=0.02 * width)
    medians = stats.bootstrap((values,), np.median, method="percentile", n_resamples=20_000, rng=rng(6))
    median = statistics.bootstrap_interval(
        values, rng(7), lambda drawn, axis: np.median(drawn, axis=axis), resamples=20_000
    )
    assert median.low == pytest.approx(medians.confidence_interval.low, abs=0.05 * width)
    assert median.high == pytest.approx(medians.confidence_interval.high, abs=0.05 * width)


def test_bootstrap_keeps_shape_and_a_missing_value_spoils_its_column_alone():
    values = rng(8).normal(size=(30, 2, 3))
    interval = statistics.bootstrap_interval(values, rng(9))
    assert interval.low.shape == interval.high.shape == (2, 3)
    spoilt = values.copy()
    spoilt[4, 1, 2] = np.nan
    again = statistics.bootstrap_interval(spoilt, rng(9))
    assert np.isnan(again.low[1, 2]) and np.isnan(again.high[1, 2])
    kept = np.ones((2, 3), dtype=bool)
    kept[1, 2] = False
    np.testing.assert_allclose(again.low[kept], interval.low[kept], rtol=1e-12)


def test_equal_generators_give_equal_intervals_and_others_do_not():
    values = rng(10).normal(size=50)
    assert statistics.bootstrap_interval(values, rng(11)) == statistics.bootstrap_interval(values, rng(11))
    assert statistics.bootstrap_interval(values, rng(11)) != statistics.bootstrap_interval(values, rng(12))


def test_general_statistic_in_blocks_has_the_spread_of_the_mean(monkeypatch):
    monkeypatch.setattr(statistics, "_BLOCK", 1000)  # forces many blocks
    values = rng(13).normal(size=(40, 3))
    replicates = statistics.bootstrap_replicates(values, rng(14), lambda drawn, axis: drawn.mean(axis=axis), 4000)
    assert replicates.shape == (4000, 3)
    np.testing.assert_allclose(replicates.std(axis=0), values.std(axis=0) / np.sqrt(40), rtol=0.05)


@pytest.mark.parametrize("draw", ["normal", "exponential"])
def test_coverage_of_the_mean_is_93_to_97_per_cent(draw):
    simulations, runs, truth = 2000, 100, {"normal": 0.0, "exponential": 1.0}[draw]
    covered = []
    for batch in range(10):  # fresh bootstrap samples for each tenth
        samples = getattr(rng(15, batch), draw)(size=(runs, simulations // 10))
        low, high = statistics.bootstrap_interval(samples, rng(16, batch))
        covered.append((low <= truth) & (truth <= high))
    assert 0.93 <= np.mean(covered) <= 0.97


@pytest.mark.parametrize("level", [0.0, 1.0, -0.5, 95])
def test_level_must_be_a_probability(level):
    with pytest.raises(ValueError, match=r"must be in \(0, 1\)"):
        statistics.percentile_interval(np.zeros(3), level)


def test_no_runs_or_resamples_are_refused():
    with pytest.raises(ValueError, match="at least 1, not 0 and 5"):
        statistics.resample_counts(0, 5, rng(0))
    with pytest.raises(ValueError, match="at least 1, not 5 and 0"):
        statistics.bootstrap_replicates(np.zeros(5), rng(0), lambda values, axis: values.mean(axis=axis), 0)


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=30))
def test_interquartile_mean_is_the_mean_of_the_middle(values):
    cut = len(values) // 4
    middle = sorted(values)[cut : len(values) - cut]
    assert float(statistics.interquartile_mean(np.array(values))) == pytest.approx(sum(middle) / len(middle), abs=1e-9)


def test_interquartile_mean_by_hand_and_axis():
    values = np.array([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 1000.0], [0.0] * 8])
    assert statistics.interquartile_mean(values, axis=1).tolist() == [4.5, 0.0]


@given(SMALL_SAMPLES, SMALL_SAMPLES)
def test_a12_counts_pairs(first, second):
    wins = sum((x > y) + 0.5 * (x == y) for x in first for y in second)
    found = statistics.vargha_delaney_a12(np.array(first), np.array(second))
    assert found == pytest.approx(wins / (len(first) * len(second)), abs=1e-12)
    statistic = stats.mannwhitneyu(first, second).statistic
    assert found == pytest.approx(statistic / (len(first) * len(second)), abs=1e-12)


def test_a12_of_a_missing_value_is_missing_and_an_empty_sample_refused():
    assert np.isnan(statistics.vargha_delaney_a12(np.array([1.0, np.nan]), np.array([1.0])))
    with pytest.raises(ValueError, match="not empty"):
        statistics.vargha_delaney_a12(np.array([]), np.array([1.0]))
    with pytest.raises(ValueError, match="one-dimensional"):
        statistics.mann_whitney(np.zeros((2, 2)), np.array([1.0]))


def test_holm_by_hand():
    # Ordered .005 x 4, .01 x 3, .03 x 2, .04 x 1, then never falling.
    np.testing.assert_allclose(statistics.holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(statistics.holm(np.array([0.6, np.nan, 0.7])), [1.0, np.nan, 1.0])
    assert statistics.holm(np.array([])).shape == (0,)
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        statistics.holm(np.array([0.5, 1.5]))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=10))
def test_holm_rejects_what_the_step_down_procedure_rejects(p_values):
    adjusted = statistics.holm(np.array(p_values))
    for alpha in (0.01, 0.05, 0.3):
        rejected = set()
        for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
            if p_values[place] > alpha / (len(p_values) - rank):
                break
            rejected.add(place)
        clear = [place for place in range(len(p_values)) if abs(adjusted[place] - alpha) > 1e-9]
        assert {place for place in clear if adjusted[place] <= alpha} == rejected.intersection(clear)


@settings(max_examples=50)
@given(st.lists(st.integers(0, 4), min_size=5, max_size=30), st.lists(st.integers(0, 4), min_size=5, max_size=30))
def test_mann_whitney_is_the_normal_approximation_with_ties(first, second):
    x, y = np.array(first, dtype=float), np.array(second, dtype=float)
    n, m, both = len(x), len(y), np.concatenate([x, y])
    if np.ptp(both) == 0:
        assert statistics.mann_whitney(x, y) == 1.0
        return
    u = sum((a > b) + 0.5 * (a == b) for a in x for b in y)
    _, ties = np.unique(both, return_counts=True)
    total = n + m
    variance = n * m / 12 * (total + 1 - (ties**3 - ties).sum() / (total * (total - 1)))
    z = (max(u, n * m - u) - n * m / 2 - 0.5) / np.sqrt(variance)
    assert statistics.mann_whitney(x, y) == pytest.approx(min(1.0, 2 * stats.norm.sf(z)), abs=1e-10)


def test_mann_whitney_of_a_missing_value_is_missing():
    assert np.isnan(statistics.mann_whitney(np.array([1.0, np.nan]), np.array([1.0, 2.0])))


def test_pairwise_tests_are_antisymmetric_and_corrected_over_all_pairs():
    samples = [rng(23, place).normal(0.3 * place, 1.0, size=40 + place) for place in range(4)]
    found = pairwise.pairwise_tests(samples)
    np.testing.assert_allclose(found.difference, -found.difference.T, atol=1e-15)
    np.testing.assert_allclose(found.a12, 1 - found.a12.T, atol=1e-15)
    pairs = list(itertools.combinations(range(4), 2))
    raw = np.array([stats.mannwhitneyu(samples[a], samples[b], method="asymptotic").pvalue for a, b in pairs])
    corrected = statistics.holm(raw)
    for place, (a, b) in enumerate(pairs):
        assert found.difference[b, a] == pytest.approx(samples[b].mean() - samples[a].mean())
        assert found.p_value[a, b] == found.p_value[b, a] == pytest.approx(raw[place], abs=1e-12)
        assert found.p_holm[a, b] == found.p_holm[b, a] == pytest.approx(corrected[place], abs=1e-12)


def test_equal_strategies_are_told_apart_in_at_most_5_per_cent_of_comparisons():
    """And testing against the observed best alone, corrected for those tests only, would not hold that."""
    simulations, false, naive_false = 300, 0, 0
    for simulation in range(simulations):
        source = rng(24, simulation)
        samples = [source.normal(size=30) for _ in range(6)]
        found = pairwise.pairwise_tests(samples)
        false += bool((found.p_holm < 0.05).any())
        best = int(np.argmax([sample.mean() for sample in samples]))
        naive_false += bool((statistics.holm(np.delete(found.p_value[best], best)) < 0.05).any())
    assert false / simulations <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / simulations)
    assert naive_false / simulations > 0.08
