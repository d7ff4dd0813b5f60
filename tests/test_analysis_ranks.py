"""Ranks and tests over problems against scikit-posthocs, autorank, statsmodels, scipy and Demsar's tables; pseudo-replication."""

import itertools

import numpy as np
import pytest
from scipy import integrate, stats

from nasbench.analysis import ranks, statistics


def rng(*key):
    return np.random.default_rng([31, *key])


def as_runs(means):
    """Return each number of (problems, strategies) as the single run of its strategy."""
    return {
        f"problem-{number}": [np.array([value]) for value in row] for number, row in enumerate(np.asarray(means, float))
    }


@pytest.fixture(scope="module")
def scores():
    return rng(1).normal(size=(12, 5)) + 0.4 * np.arange(5)


def test_friedman_agrees_with_scipy_with_and_without_ties(scores):
    for values in (scores, np.round(scores), np.round(scores / 2)):
        theirs = stats.friedmanchisquare(*values.T)
        statistic, p_value = ranks.friedman(values)
        assert statistic == pytest.approx(theirs.statistic, abs=1e-10)
        assert p_value == pytest.approx(theirs.pvalue, abs=1e-10)
    assert ranks.friedman(np.ones((7, 3))) == (0.0, 1.0)


def test_nemenyi_agrees_with_scikit_posthocs(scores):
    posthocs = pytest.importorskip("scikit_posthocs")
    theirs = posthocs.posthoc_nemenyi_friedman(scores).to_numpy()
    np.testing.assert_allclose(ranks.rank_tests(as_runs(scores)).nemenyi, theirs, atol=1e-10)


def test_wilcoxon_with_holm_agrees_with_scipy_and_statsmodels(scores):
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    found = ranks.rank_tests(as_runs(scores))
    pairs = list(itertools.combinations(range(5), 2))
    raw = [stats.wilcoxon(scores[:, one], scores[:, two], method="exact").pvalue for one, two in pairs]
    corrected = multitest.multipletests(raw, method="holm")[1]
    for (one, two), p_value, p_holm in zip(pairs, raw, corrected, strict=True):
        assert found.wilcoxon[one, two] == found.wilcoxon[two, one] == pytest.approx(p_value, abs=1e-10)
        assert found.wilcoxon_holm[one, two] == found.wilcoxon_holm[two, one] == pytest.approx(p_holm, abs=1e-10)


def test_wilcoxon_with_holm_agrees_with_scikit_posthocs(scores):
    posthocs = pytest.importorskip("scikit_posthocs")
    long = {"value": scores.T.ravel(), "strategy": np.repeat(np.arange(5), 12)}
    pandas = pytest.importorskip("pandas")
    theirs = posthocs.posthoc_wilcoxon(pandas.DataFrame(long), val_col="value", group_col="strategy", p_adjust="holm")
    found = ranks.rank_tests(as_runs(scores)).wilcoxon_holm
    np.testing.assert_allclose(found, theirs.to_numpy(), atol=1e-10)


@pytest.mark.parametrize(
    ("strategies", "alpha", "q"), [(2, 0.05, 1.960), (5, 0.05, 2.728), (10, 0.05, 3.164), (10, 0.1, 2.920)]
)
def test_critical_difference_is_that_of_demsars_table_5(strategies, alpha, q):
    expected = q * np.sqrt(strategies * (strategies + 1) / (6 * 20))
    assert ranks.critical_difference(strategies, 20, alpha) == pytest.approx(expected, rel=2e-4)


def test_critical_difference_leaves_alpha_to_the_range_of_normal_variables():
    """P(range of k standard normal variables <= q) = k * integral of phi(z) (Phi(z) - Phi(z - q))^(k - 1) dz."""
    for strategies in (2, 5, 30):
        q = ranks.critical_difference(strategies, 9) / np.sqrt(strategies * (strategies + 1) / (12 * 9))
        inside, _ = integrate.quad(
            lambda z, k=strategies, q=q: k * stats.norm.pdf(z) * (stats.norm.cdf(z) - stats.norm.cdf(z - q)) ** (k - 1),
            -9, 9 + q, epsabs=1e-13, epsrel=1e-13, limit=400,
        )  # fmt: skip
        assert inside == pytest.approx(0.95, abs=1e-10)


@pytest.mark.filterwarnings("ignore")  # autorank's own
def test_critical_difference_and_ranks_agree_with_autorank(scores):
    autorank = pytest.importorskip("autorank")
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(scores, columns=list("abcde"))
    result = autorank.autorank(frame, alpha=0.05, force_mode="nonparametric")
    assert result.omnibus == "friedman" and result.posthoc == "nemenyi"
    assert ranks.critical_difference(5, 12) == pytest.approx(
        result.cd, rel=2e-5
    )  # its quantiles are Gleason's approximation
    assert ranks.rank_tests(as_runs(scores)).p_friedman == pytest.approx(result.pvalue, abs=1e-10)
    theirs = result.rankdf["meanrank"].reindex(list("abcde")).to_numpy()
    np.testing.assert_allclose(ranks.average_ranks(scores), theirs, atol=1e-10)


def test_average_ranks_by_hand():
    np.testing.assert_allclose(ranks.average_ranks([[3.0, 1.0, 2.0], [5.0, 5.0, 1.0]]), [1.25, 2.25, 2.5])


def resampled(runs, source, resamples):
    """Return means of bootstrap samples: (resamples, problems, strategies)."""
    return np.stack(
        [
            np.stack([statistics.bootstrap_means(sample, source, resamples) for sample in samples], axis=1)
            for samples in runs.values()
        ],
        axis=1,
    )


def test_rank_intervals_are_exact_where_runs_do_not_vary_and_wide_where_two_are_equal():
    fixed = {f"p{n}": [np.full(20, 2.0), np.full(20, 1.0)] for n in range(3)}
    low, high = ranks.average_rank_intervals(resampled(fixed, rng(2), 300))
    assert low.tolist() == high.tolist() == [1.0, 2.0]
    equal = {f"p{n}": [rng(3, n).normal(size=30), rng(4, n).normal(size=30), np.full(30, 9.0)] for n in range(3)}
    low, high = ranks.average_rank_intervals(resampled(equal, rng(5), 1000))
    assert low[2] == high[2] == 1.0
    assert (low[:2] >= 2).all() and (high[:2] <= 3).all() and (high[:2] - low[:2] >= 2 / 3 - 1e-9).all()


def test_too_few_problems_are_refused_with_the_reason():
    assert ranks.refusal(ranks.FEWEST_PROBLEMS) == ""
    with pytest.raises(ranks.FewProblemsError, match="there are 5 problems, and below 6 such a test can't reach 5 %"):
        ranks.rank_tests(as_runs(np.arange(10.0).reshape(5, 2)))
    assert "there is 1 problem," in ranks.refusal(1)
    # The reason is true: the smallest p value over 5 problems is above 5 %, over 6 below.
    best = [stats.wilcoxon(np.arange(1.0, n + 1), method="exact").pvalue for n in (5, 6)]
    assert best[0] > 0.05 > best[1]


def test_what_is_no_comparison_is_refused():
    with pytest.raises(ValueError, match="the same strategies"):
        ranks.problem_means({"a": [np.ones(2)] * 2, "b": [np.ones(2)] * 3})
    with pytest.raises(ValueError, match="at least two"):
        ranks.problem_means({"a": [np.ones(2)]})
    with pytest.raises(ValueError, match="no runs"):
        ranks.problem_means({"a": [np.ones(2), np.ones(0)]})


@pytest.mark.parametrize(("problems", "strategies"), [(6, 2), (7, 3), (8, 5), (10, 8), (12, 14)])
def test_whether_holm_can_reject_at_all(problems, strategies):
    """Against the most extreme data there can be for one pair."""
    smallest = stats.wilcoxon(np.arange(1.0, problems + 1), method="exact").pvalue
    expected = smallest * strategies * (strategies - 1) / 2 < 0.05
    assert ranks.holm_can_reject(problems, strategies) == expected


def test_cliques_are_the_maximal_intervals_of_pairs_not_told_apart():
    average = np.array([1.0, 3.0, 2.0, 6.0])

    def different(threshold):
        return np.abs(average[:, None] - average) > threshold

    assert ranks.cliques(average, different(1.5)) == [(0, 2), (2, 1)]
    assert ranks.cliques(average, different(2.5)) == [(0, 2, 1)]
    assert ranks.cliques(average, different(3.5)) == [(0, 2, 1), (1, 3)]
    assert ranks.cliques(average, different(0.5)) == []
    assert ranks.cliques(average, different(9.0)) == [(0, 2, 1, 3)]


def test_pseudo_replication_misleads_and_is_refused():
    """Two strategies without any difference on average over problems, each better on some: 500 runs on 3 of them.

    Runs taken as problems say "different" nearly always. The tests here refuse; over 8 problems, whatever the number of
    runs, they are wrong in at most 5 %.
    """
    simulations, misled, wrong = 400, 0, 0
    for simulation in range(simulations):
        source = rng(6, simulation)
        effect = source.normal(0.0, 1.0, size=8)  # of the problem on the difference: its mean over problems is 0
        samples = {
            f"p{n}": [source.normal(0.0, 1.0, size=60), source.normal(each, 1.0, size=60)]
            for n, each in enumerate(effect)
        }
        three = dict(list(samples.items())[:3])
        pooled = [np.concatenate([sample[place] for sample in three.values()]) for place in range(2)]
        misled += stats.mannwhitneyu(*pooled).pvalue < 0.05
        with pytest.raises(ranks.FewProblemsError, match="runs on one problem are not further problems"):
            ranks.rank_tests(three)
        found = ranks.rank_tests(samples)
        wrong += found.p_friedman < 0.05 and found.wilcoxon_holm[0, 1] < 0.05
        assert found.problems == 8
    assert misled / simulations > 0.5
    assert wrong / simulations <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / simulations)


def test_more_runs_move_no_p_value_of_a_test_over_problems():
    means = rng(7).normal(size=(8, 3))
    once, often = (
        {f"p{n}": [np.full(runs, value) for value in row] for n, row in enumerate(means)} for runs in (1, 500)
    )
    one, many = ranks.rank_tests(once), ranks.rank_tests(often)
    assert one.p_friedman == many.p_friedman
    np.testing.assert_array_equal(one.wilcoxon, many.wilcoxon)


def test_equal_strategies_are_told_apart_over_problems_in_at_most_5_per_cent():
    false, simulations = {"holm": 0, "nemenyi": 0}, 300
    for simulation in range(simulations):
        found = ranks.rank_tests(as_runs(rng(8, simulation).normal(size=(10, 4))))
        false["holm"] += bool((found.wilcoxon_holm < 0.05).any())
        false["nemenyi"] += bool((found.nemenyi < 0.05).any())
    limit = 0.05 + 2 * np.sqrt(0.05 * 0.95 / simulations)
    assert false["holm"] / simulations <= limit and false["nemenyi"] / simulations <= limit
