"""Paired and independent samples: oracles, what the pairs are worth, false positives and coverage."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from nasbench.analysis import design, pairwise, statistics


def rng(*key):
    return np.random.default_rng([32, *key])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=14, max_size=40))
def test_wilcoxon_with_ties_and_zeros_is_pratts_normal_approximation(pairs):
    first, second = np.array(pairs, dtype=float).T
    difference = first - second
    p_value = design.wilcoxon(first, second)
    if not difference.any():
        assert p_value == 1.0
        return
    sizes = np.abs(difference)
    if (sizes > 0).all() and len(set(sizes.tolist())) == len(sizes):
        return  # exact, below
    ranked = stats.rankdata(sizes)
    kept = difference != 0
    positive = ranked[difference > 0].sum()
    # Pratt: zeros are ranked with the others, then left out; mean and variance of a sum of signed ranks, ties as they are.
    expected, variance = ranked[kept].sum() / 2, (ranked[kept] ** 2).sum() / 4
    assert p_value == pytest.approx(2 * stats.norm.sf(abs(positive - expected) / np.sqrt(variance)), abs=1e-10)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-4, 4), min_size=1, max_size=8))
def test_wilcoxon_with_ties_and_zeros_among_few_pairs_goes_through_all_signs(differences):
    values = np.array(differences, dtype=float)
    if not values.any():
        assert design.wilcoxon(values, np.zeros(len(values))) == 1.0
        return
    kept = values != 0
    ranks = stats.rankdata(np.abs(values))[kept]
    sums = [abs(np.dot(signs, ranks)) for signs in itertools.product((-1, 1), repeat=len(ranks))]
    seen = abs(np.dot(np.sign(values[kept]), ranks))
    expected = np.mean([total >= seen - 1e-9 for total in sums])
    assert design.wilcoxon(values, np.zeros(len(values))) == pytest.approx(expected)


def test_five_wins_and_a_tie_are_no_more_than_five_wins():
    assert design.wilcoxon(np.array([1.0, 2, 3, 4, 5, 0]), np.zeros(6)) == pytest.approx(2 / 2**5)


def test_wilcoxon_is_exact_without_ties():
    """All 2**n signs are equally likely: enumerated."""
    difference = np.array([0.5, -1.0, 2.0, 3.5, 4.0, -0.25, 6.0, 7.0])
    sizes = stats.rankdata(np.abs(difference))
    signs = (np.arange(2**8)[:, None] >> np.arange(8)) & 1
    sums = signs @ sizes
    seen = sizes[difference > 0].sum()
    exact = min(1.0, 2 * min(np.mean(sums <= seen), np.mean(sums >= seen)))
    assert design.wilcoxon(difference, np.zeros(8)) == pytest.approx(exact, abs=1e-12)


def test_independent_samples_agree_with_scikit_posthocs():
    posthocs = pytest.importorskip("scikit_posthocs")
    samples = [rng(1, place).normal(0.4 * place, 1.0, size=30 + place) for place in range(4)]
    raw = posthocs.posthoc_mannwhitney(samples).to_numpy()
    corrected = posthocs.posthoc_mannwhitney(samples, p_adjust="holm").to_numpy()
    found = pairwise.pairwise_tests(samples)
    np.testing.assert_allclose(found.p_value, raw, atol=1e-10)
    np.testing.assert_allclose(found.p_holm, corrected, atol=1e-10)


def test_holm_agrees_with_statsmodels():
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    for number in (1, 2, 7, 40):
        p_values = rng(2, number).uniform(size=number) ** 2
        np.testing.assert_allclose(
            statistics.holm(p_values), multitest.multipletests(p_values, method="holm")[1], atol=1e-10
        )


@pytest.mark.filterwarnings("ignore")  # autorank's own
def test_vargha_delaney_agrees_with_autorank():
    autorank = pytest.importorskip("autorank._util")
    first, second = rng(3).integers(0, 9, size=50).astype(float), rng(4).integers(1, 10, size=40).astype(float)
    theirs = 0.5 + autorank._cliffs_delta(first, second) / 2
    assert statistics.vargha_delaney_a12(first, second) == pytest.approx(theirs, abs=1e-10)


def test_pairs_see_what_independent_samples_can_not():
    common = rng(5).normal(0.0, 1.0, size=60)  # what both runs of a pair share
    first, second = common + 0.1 + rng(6).normal(0, 0.05, size=60), common + rng(7).normal(0, 0.05, size=60)
    paired = design.compare_samples(first, second, "paired", rng(8))
    independent = design.compare_samples(first, second, "independent", rng(8))
    assert paired.p_value < 1e-6 < 0.05 < independent.p_value
    assert paired.difference == pytest.approx(independent.difference)
    assert 0.0 < paired.low < paired.high and independent.low < 0.0 < independent.high
    assert paired.superiority > 0.85 and independent.superiority < 0.6


def test_differences_by_hand():
    first, second = np.array([3.0, 2.0, 1.0, 4.0]), np.array([1.0, 2.0, 2.0, 1.0])
    paired = design.compare_samples(first, second, "paired", rng(9))
    assert paired.difference == 1.0 and paired.superiority == (2 + 0.5) / 4 and paired.runs == (4, 4)
    independent = design.compare_samples(first, second[:2], "independent", rng(9))
    assert independent.difference == 1.0 and independent.runs == (4, 2)
    assert independent.superiority == statistics.vargha_delaney_a12(first, second[:2])
    single = design.compare_samples(first[:1], second[:1], "independent", rng(9))
    assert np.isnan(single.low) and np.isnan(single.high)


def test_wrong_designs_are_refused():
    with pytest.raises(ValueError, match=r"got shapes \(2,\), \(3,\)"):
        design.compare_samples(np.ones(2), np.ones(3), "paired", rng(0))
    with pytest.raises(ValueError, match="'both', must be one of paired, independent"):
        design.compare_samples(np.ones(2), np.ones(2), "both", rng(0))
    assert np.isnan(design.wilcoxon(np.array([np.nan, 1.0]), np.ones(2)))


@pytest.mark.parametrize("kind", ["paired", "independent"])
def test_equal_strategies_differ_in_at_most_5_per_cent_and_intervals_cover_93_to_97(kind):
    simulations, false, covered = 2000, 0, 0
    for simulation in range(simulations):
        source = rng(10, simulation)
        common = source.normal(size=60) if kind == "paired" else 0.0
        first, second = common + source.gamma(2.0, size=60), common + source.gamma(2.0, size=60)
        p_value = design.wilcoxon(first, second) if kind == "paired" else statistics.mann_whitney(first, second)
        false += p_value < 0.05
    assert false / simulations <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / simulations)
    for batch in range(10):  # 2,000 simulations, 200 at a time, as columns
        source = rng(11, batch)
        common = source.normal(size=(60, 200)) if kind == "paired" else 0.0
        first, second = common + source.gamma(2.0, size=(60, 200)), common + source.gamma(2.0, size=(60, 200))
        if kind == "paired":
            replicates = statistics.bootstrap_means(first - second, source)
        else:
            replicates = statistics.bootstrap_means(first, source) - statistics.bootstrap_means(second, source)
        low, high = statistics.percentile_interval(replicates)
        covered += np.sum((low <= 0.0) & (high >= 0.0))
    assert 0.93 <= covered / simulations <= 0.97
