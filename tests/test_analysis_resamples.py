"""Bootstrap samples as counts and tests of all pairs at once: equal to what the plain way gives, sample by sample, pair by pair."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from synthetic_records import write_walks

from nasbench.analysis import pairwise, resamples, statistics
from nasbench.analysis.comparison import compare, generator

VALUES = st.lists(st.integers(-5, 5).map(lambda value: value / 4), min_size=1, max_size=30)


def rng(*key):
    return np.random.default_rng(key)


def written_out(counts, values):
    """Return the samples themselves, (resamples, runs)."""
    return np.array([np.repeat(values, row) for row in counts])


def test_samples_are_those_of_resample_counts_in_few_bytes():
    counts = resamples.draw(40, rng(1), 300)
    np.testing.assert_array_equal(counts, statistics.resample_counts(40, 300, rng(1)))
    assert counts.dtype == np.uint8 and (counts.sum(axis=1) == 40).all()
    with pytest.raises(ValueError, match="at least 1, not 0 and 2000"):
        resamples.draw(0, rng(1))


@given(VALUES, st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_summaries_are_those_of_the_samples_written_out(values, seed):
    values = np.array(values)
    counts = resamples.draw(len(values), rng(seed), 50)
    samples = written_out(counts, values)
    found = resamples.summaries(counts, values)
    np.testing.assert_allclose(found[:, 0], samples.mean(axis=1), atol=1e-12)
    np.testing.assert_array_equal(found[:, 1], np.median(samples, axis=1))
    np.testing.assert_allclose(found[:, 2], stats.trim_mean(samples, 0.25, axis=1), atol=1e-12)
    np.testing.assert_allclose(resamples.means(counts, values), samples.mean(axis=1), atol=1e-12)


def test_more_runs_than_a_byte_counts():
    values = rng(2).normal(size=70_001)
    counts = resamples.draw(len(values), rng(3), 3)
    samples = written_out(counts, values)
    expected = [samples.mean(axis=1), np.median(samples, axis=1), stats.trim_mean(samples, 0.25, axis=1)]
    np.testing.assert_allclose(resamples.summaries(counts, values), np.stack(expected, axis=1), atol=1e-12)


def test_a_missing_value_makes_its_own_column_missing():
    counts = resamples.draw(3, rng(4), 10)
    assert np.isnan(resamples.summaries(counts, np.array([1.0, np.nan, 2.0]))).all()
    means = resamples.means(counts, np.array([[1.0, np.nan], [1.0, 2.0], [1.0, 3.0]]))
    assert (means[:, 0] == 1.0).all() and np.isnan(means[:, 1]).all()


@given(VALUES, VALUES, st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_improvement_is_a12_of_the_samples_written_out(ours, theirs, seed):
    source, ours, theirs = rng(seed), np.array(ours), np.array(theirs)
    drawn = resamples.draw(len(ours), source, 20), resamples.draw(len(theirs), source, 20)
    expected = [
        statistics.vargha_delaney_a12(one, other)
        for one, other in zip(written_out(drawn[0], ours), written_out(drawn[1], theirs), strict=True)
    ]
    np.testing.assert_allclose(resamples.improvement(ours, theirs, *drawn), expected, atol=1e-12)


def test_interval_of_an_average_over_problems_adds_their_variances():
    strata = [rng(17, place).normal(place, 1.0 + place, size=200 * (place + 1)) for place in range(3)]
    replicates = [
        resamples.means(resamples.draw(len(values), rng(18, place), 20_000), values)
        for place, values in enumerate(strata)
    ]
    low, high = resamples.interval(np.mean(replicates, axis=0), 200)
    variance = sum(values.var() / len(values) for values in strata) / 9
    assert low == pytest.approx(np.mean([values.mean() for values in strata]) - 1.96 * np.sqrt(variance), abs=0.005)
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(variance), rel=0.03)
    assert np.isnan(resamples.interval(np.zeros((5, 2)), 1)).all()


def test_comparison_gives_improvement_and_averages_with_intervals_of_the_naive_bootstrap(tmp_path):
    rates = {"random_search": 0.0, "local_search": 0.03}
    found = compare(write_walks(tmp_path, rates=rates, datasets=("cifar10", "cifar100"), runs=30))
    datasets = ("cifar10", "cifar100")
    ours, theirs = (
        [-found.scores[dataset, entrant].regret[:, -1] for dataset in datasets]
        for entrant in ("local_search", "random_search")
    )
    estimate = found.improvement_estimate(datasets, "local_search")
    assert estimate.value == pytest.approx(np.mean(list(map(statistics.vargha_delaney_a12, ours, theirs))), abs=1e-12)
    assert found.improvement_estimate(datasets, "random_search") is None
    naive, means, source = [], [], rng(22)
    for _ in range(3000):
        drawn = [(source.choice(x, 30), source.choice(y, 30)) for x, y in zip(ours, theirs, strict=True)]
        naive.append(np.mean([statistics.vargha_delaney_a12(*pair) for pair in drawn]))
        means.append(np.mean([-one.mean() for one, _ in drawn]))
    assert estimate[1:] == pytest.approx(np.quantile(naive, [0.025, 0.975]), abs=0.012)
    average = found.average["local_search"]
    assert average[1:] == pytest.approx(np.quantile(means, [0.025, 0.975]), rel=0.03)
    scores = found.scores["cifar10", "local_search"]
    low, high = statistics.bootstrap_interval(scores.regret[:, -1], generator("cifar10", "local_search"))
    assert (scores.summary.low[-1], scores.summary.high[-1]) == pytest.approx((float(low), float(high)), rel=1e-12)


@given(st.lists(VALUES, min_size=2, max_size=5))
@settings(max_examples=60, deadline=None)
def test_all_pairs_at_once_are_those_one_by_one(samples):
    samples = [np.array(sample) for sample in samples]
    found = pairwise.pairwise_tests(samples)
    for first, second in itertools.permutations(range(len(samples)), 2):
        p_value = statistics.mann_whitney(samples[first], samples[second])
        assert found.p_value[first, second] == pytest.approx(p_value, abs=1e-10)
        a12 = statistics.vargha_delaney_a12(samples[first], samples[second])
        assert found.a12[first, second] == pytest.approx(a12, abs=1e-12)
    assert (np.diag(found.p_value) == 1.0).all() and (np.diag(found.a12) == 0.5).all()


def test_pairs_with_a_missing_value_are_missing_and_uncounted():
    samples = [rng(5, place).normal(place, size=12) for place in range(3)]
    alone = pairwise.pairwise_tests(samples)
    spoilt = pairwise.pairwise_tests([*samples, np.array([1.0, np.nan])])
    for name in ("difference", "p_value", "p_holm", "a12"):
        np.testing.assert_array_equal(getattr(spoilt, name)[:3, :3], getattr(alone, name))
        assert np.isnan(getattr(spoilt, name)[3, :3]).all() and np.isnan(getattr(spoilt, name)[:3, 3]).all()
    with pytest.raises(ValueError, match="not empty"):
        pairwise.pairwise_tests([samples[0], np.array([])])
