"""Variance components against known mixtures, statsmodels and the formula for balanced data; correlations against scipy."""

import math

import numpy as np
import pytest
import scipy.stats

from nasbench.analysis import agreement, correlations, noise


def mixture(rng, cells, repeats, between, within, missing=0.0):
    """Return scores of cells with normal true means and normal noise, and the true means."""
    true = rng.normal(0.8, between, size=cells)
    scores = true[:, None] + rng.normal(0.0, within, size=(cells, repeats))
    lost = rng.random((cells, repeats)) < missing
    lost[:, 0] = False
    return np.where(lost, np.nan, scores), true


# Components -----------------------------------------------------------------------------------------------------------


def test_components_of_balanced_data_are_those_of_the_textbook():
    scores = np.array([[1.0, 3.0], [5.0, 7.0], [2.0, 6.0]])
    within = (2.0 + 2.0 + 8.0) / 3  # mean of the rows' variances
    means_square = 2 * np.var([2.0, 6.0, 4.0], ddof=1)
    found = noise.variance_components(scores)
    assert found.within == pytest.approx(within)
    assert found.between == pytest.approx((means_square - within) / 2)
    assert (found.cells, found.trainings) == (3, 6)
    assert found.ratio == pytest.approx(found.between / within)
    assert found.reliability(3) == pytest.approx(found.between / (found.between + within / 3))


def test_components_agree_with_scipys_one_way_analysis_of_variance():
    scores, _ = mixture(np.random.default_rng(0), 40, 4, 0.02, 0.02)
    found = noise.variance_components(scores)
    statistic = scipy.stats.f_oneway(*scores).statistic
    assert (found.within + 4 * found.between) / found.within == pytest.approx(statistic)


@pytest.mark.parametrize("missing", [0.0, 0.4])
@pytest.mark.parametrize("between", [0.0, 0.01, 0.05])
def test_components_find_those_of_known_mixtures(between, missing):
    rng = np.random.default_rng(100)
    found = [noise.variance_components(mixture(rng, 300, 3, between, 0.02, missing)[0]) for _ in range(1000)]
    for name, truth in (("within", 0.02**2), ("between", between**2)):
        values = np.array([getattr(each, name) for each in found])
        error = values.std(ddof=1) / np.sqrt(len(values))
        slack = 1e-5 if name == "between" and between == 0 else 0.0  # negative estimates are cut at 0
        assert values.mean() == pytest.approx(truth, abs=4 * error + slack)


def test_components_do_not_lean_towards_cells_with_more_trainings():
    """Poor cells, far from the rest, have all trainings, the others two: NAS-Bench-201's own pattern."""
    rng = np.random.default_rng(7)
    scores, true = mixture(rng, 2000, 3, 0.02, 0.005)
    poor = np.arange(100)
    scores[poor] -= 0.5
    scores[100:, 2] = np.nan
    found = noise.variance_components(scores)
    true = true - 0.5 * (np.arange(2000) < 100)
    assert found.between == pytest.approx(true.var(ddof=1), rel=0.01)
    counts = np.where(np.arange(2000) < 100, 3, 2)
    grand = np.average(true, weights=counts)
    assert np.average((true - grand) ** 2, weights=counts) > 1.3 * true.var(
        ddof=1
    )  # what weighing by trainings would give


def test_components_without_repeats_are_unknown():
    found = noise.variance_components(np.array([[0.1, np.nan], [0.2, np.nan], [np.nan, np.nan]]))
    assert (found.cells, found.trainings) == (2, 2)
    assert math.isnan(found.within) and math.isnan(found.between) and math.isnan(found.ratio)
    assert math.isnan(noise.variance_components(np.empty((0, 3))).within)


def test_components_of_equal_trainings():
    found = noise.variance_components(np.array([[0.1, 0.1], [0.3, 0.3]]))
    assert found.within == 0
    assert found.ratio == math.inf
    assert found.reliability() == 1.0
    assert math.isnan(noise.variance_components(np.full((3, 2), 0.5)).ratio)


# Ceilings and better cells ---------------------------------------------------------------------------------------------


def test_spearman_brown():
    assert noise.spearman_brown(0.5, 1) == 0.5
    assert noise.spearman_brown(0.8, 3) == pytest.approx(2.4 / 2.6)


@pytest.mark.parametrize("within", [0.005, 0.01, 0.02])
def test_ceilings_are_what_the_true_means_reach(within):
    rng = np.random.default_rng(2)
    scores, true = mixture(rng, 20_000, 3, 0.01, within)
    found = noise.seed_noise(scores, [1.0])[0]
    assert found.chosen_by == "all"
    assert found.spearman == pytest.approx(scipy.stats.spearmanr(scores[:, 0], scores[:, 1]).statistic, abs=0.01)
    reached_one = np.mean([scipy.stats.spearmanr(true, scores[:, repeat]).statistic for repeat in range(3)])
    assert found.ceiling_one == pytest.approx(reached_one, abs=0.01)
    assert found.ceiling_mean == pytest.approx(scipy.stats.spearmanr(true, scores.mean(axis=1)).statistic, abs=0.01)


def test_better_cells_chosen_by_another_training_have_the_variances_that_they_truly_have():
    rng = np.random.default_rng(3)
    scores, true = mixture(rng, 60_000, 3, 0.02, 0.02)
    found = {each.share: each for each in noise.seed_noise(scores)}
    for share in (0.5, 0.1):
        chosen = true[scores[:, 0] >= np.quantile(scores[:, 0], 1 - share)]
        assert found[share].chosen_by == "another training"
        assert found[share].between_deviation == pytest.approx(chosen.std(), rel=0.02)
        assert found[share].seed_deviation == pytest.approx(0.02, rel=0.02)
        assert found[share].ratio == pytest.approx(chosen.var() / 0.02**2, rel=0.06)
        assert found[share].cells == pytest.approx(share * 60_000, abs=1)
        pearson = chosen.var() / (chosen.var() + 0.02**2)  # correlation of two trainings of the chosen cells
        assert found[share].spearman == pytest.approx(pearson, abs=0.03)


def test_choosing_by_the_mean_would_bend_the_correlation():
    """The reason for leaving the chooser out: pure noise would look as if seeds contradicted each other."""
    scores = np.random.default_rng(4).normal(size=(20_000, 3))
    found = noise.seed_noise(scores, [0.1])[0]
    assert abs(found.spearman) < 0.05
    best = scores[correlations.best_rows(scores.mean(axis=1), 0.1)]
    assert scipy.stats.spearmanr(best[:, 0], best[:, 1]).statistic < -0.3


def test_with_two_trainings_the_mean_chooses_and_correlations_stay_open():
    scores, _ = mixture(np.random.default_rng(5), 20_000, 2, 0.02, 0.01)
    every, half = noise.seed_noise(scores, [1.0, 0.5])
    assert every.spearman > 0.7
    assert half.chosen_by == "mean"
    assert math.isnan(half.spearman) and math.isnan(half.ceiling_one)
    assert half.cells == 10_000
    true_half = 0.02**2 * (1 - 2 / math.pi)  # variance of a half normal
    assert 0.7 * true_half < half.between_deviation**2 < true_half  # too low, as documented


def test_a_table_with_one_training_a_cell_knows_no_noise():
    for each in noise.seed_noise(np.random.default_rng(6).random((50, 1))):
        assert math.isnan(each.seed_deviation) and math.isnan(each.spearman) and math.isnan(each.ratio)
    assert noise.noise_by_score(np.random.default_rng(6).random((50, 1))) == []


def test_noise_by_score_finds_where_it_is_loud():
    rng = np.random.default_rng(7)
    true = np.linspace(0, 1, 10_000)
    scores = true[:, None] + rng.normal(size=(10_000, 3)) * (0.001 + 0.02 * (true < 0.25))[:, None]
    bands = noise.noise_by_score(scores, 4)
    assert [band.cells for band in bands] == [2500] * 4
    assert [band.score for band in bands] == pytest.approx([0.125, 0.375, 0.625, 0.875], abs=0.005)
    assert bands[0].seed_deviation == pytest.approx(0.021, rel=0.03)
    assert [band.seed_deviation for band in bands[2:]] == pytest.approx(
        [0.001, 0.001], rel=0.03
    )  # band 1 has stragglers
    assert bands[3].median_seed_deviation == pytest.approx(0.001, rel=0.05)


def test_median_of_the_seed_deviations_is_right_whatever_the_number_of_trainings():
    rng = np.random.default_rng(8)
    scores = rng.normal(size=(20_000, 1)) + 0.01 * rng.normal(size=(20_000, 3))
    scores[:10_000, 2] = np.nan
    medians = [each.median_seed_deviation for each in noise.seed_noise(scores)]
    assert medians[:3] == pytest.approx(
        [0.01] * 3, rel=0.05
    )  # cells with two and three, and two of three for the better ones
    assert medians[3] == pytest.approx(0.01, rel=0.2)  # a hundred cells


def test_ceiling_of_a_mean_counts_the_trainings_of_the_cells_it_is_about():
    rng = np.random.default_rng(9)
    scores = rng.normal(size=(4000, 1)) + 0.5 * rng.normal(size=(4000, 3))
    some = scores.copy()
    some[2000:, 1:] = np.nan
    half = noise.seed_noise(some)[1]
    assert half.chosen_by == "another training"
    assert half.ceiling_mean == pytest.approx(math.sqrt(noise.spearman_brown(half.spearman, 3)))


# Correlations ---------------------------------------------------------------------------------------------------------


def test_correlations_agree_with_scipy_with_ties_and_gaps():
    rng = np.random.default_rng(8)
    first = rng.integers(10, size=300).astype(float)
    second = first + rng.integers(8, size=300)
    first[:20], second[10:30] = np.nan, np.nan
    kept = slice(30, None)
    for ours, theirs in (
        (correlations.pearson, scipy.stats.pearsonr),
        (correlations.spearman, scipy.stats.spearmanr),
        (correlations.kendall, scipy.stats.kendalltau),
    ):
        assert ours(first, second) == pytest.approx(theirs(first[kept], second[kept]).statistic, abs=1e-12)


def test_correlations_of_nothing_are_unknown():
    for measure in (correlations.pearson, correlations.spearman, correlations.kendall):
        assert math.isnan(measure(np.ones(5), np.arange(5.0)))
        assert math.isnan(measure(np.arange(2.0), np.arange(2.0)))
        assert math.isnan(measure(np.full(5, np.nan), np.arange(5.0)))


def test_partial_correlation_is_that_of_the_residuals():
    rng = np.random.default_rng(9)
    given = rng.permutation(500).astype(float)
    first = np.argsort(np.argsort(given + rng.normal(size=500) * 100)).astype(float)
    second = np.argsort(np.argsort(given + first + rng.normal(size=500) * 200)).astype(float)
    residuals = [np.polyval(np.polyfit(given, each, 1), given) - each for each in (first, second)]
    expected = np.corrcoef(*residuals)[0, 1]
    assert correlations.partial_spearman(first, second, given) == pytest.approx(expected, abs=1e-10)
    assert math.isnan(correlations.partial_spearman(first, second, first))


def test_best_rows():
    scores = np.array([0.3, np.nan, 0.9, 0.5, 0.9])
    assert correlations.best_rows(scores, 1.0).tolist() == [2, 4, 3, 0]
    assert correlations.best_rows(scores, 0.5).tolist() == [2, 4]
    assert correlations.among_best(scores, 0.1).tolist() == [False, False, True, False, False]
    for share in (0.0, -0.1, 1.1):
        with pytest.raises(ValueError, match=rf"share is {share}, must be in \(0, 1\]"):
            correlations.best_rows(scores, share)


def curves(rng):
    """Return validation curves of 400 cells whose order settles at the last of three epochs, and test scores."""
    true = rng.normal(size=400)
    early = rng.normal(size=400)
    mixed = np.stack([early, 0.5 * early + true, true], axis=1)
    validation = mixed[:, None, :] + 0.3 * rng.normal(size=(400, 3, 3))
    final = true[:, None] + 0.2 * rng.normal(size=(400, 3))
    return validation, final


def test_fidelity_correlations_by_hand():
    validation, final = curves(np.random.default_rng(10))
    found = {
        (each.share, each.epochs): each for each in correlations.fidelity_correlations(validation, final, (2, 4, 8))
    }
    assert set(found) == {(share, epochs) for share in correlations.SHARES for epochs in (2, 4, 8)}
    spearman = lambda one, two: scipy.stats.spearmanr(one, two).statistic  # noqa: E731
    for share in correlations.SHARES:
        number = round(400 * share)
        for place, epochs in enumerate((2, 4, 8)):
            each = found[share, epochs]
            same, other = [], []
            for repeat in range(3):
                rest = np.delete(final, repeat, axis=1).mean(axis=1)
                best = np.argsort(-rest)[:number]
                other.append(spearman(validation[best, repeat, place], rest[best]))
                best = np.argsort(-validation[:, repeat, 2])[:number]
                same.append(spearman(validation[best, repeat, place], validation[best, repeat, 2]))
            assert each.other == pytest.approx(np.mean(other))
            assert each.same == pytest.approx(np.mean(same))
            best = np.argsort(-final.mean(axis=1))[:number]
            assert each.mean == pytest.approx(
                spearman(validation[best, :, place].mean(axis=1), final[best].mean(axis=1))
            )
            assert each.cells == number
    assert found[1.0, 8].same == pytest.approx(1.0)
    assert found[1.0, 2].other < 0.1 < found[1.0, 4].other < found[1.0, 8].other
    kendall = scipy.stats.kendalltau(validation[:, :, 1].mean(axis=1), final.mean(axis=1)).statistic
    assert found[1.0, 4].kendall_mean == pytest.approx(kendall)


def test_one_repeat_has_no_other_trainings():
    validation, final = curves(np.random.default_rng(11))
    found = correlations.fidelity_correlations(validation[:, :1], final[:, :1], (1, 2, 3), [1.0])
    assert all(math.isnan(each.other) for each in found)
    assert found[2].same == pytest.approx(1.0)


def test_epoch_matrix_agrees_with_scipy():
    validation, _ = curves(np.random.default_rng(12))
    validation[5, :, 1] = np.nan  # left out: not known at every epoch
    matrix = correlations.epoch_matrix(validation)
    means = np.delete(validation, 5, axis=0).mean(axis=1)
    assert matrix == pytest.approx(scipy.stats.spearmanr(means).statistic, abs=1e-12)
    validation[:, :, 0] = 0.1
    assert np.isnan(correlations.epoch_matrix(validation)[0]).all()
    assert np.isnan(correlations.epoch_matrix(validation[:2])).all()


def test_transfer_corrects_for_seed_noise():
    rng = np.random.default_rng(13)
    true = rng.normal(size=(2, 8000))
    true[1] = 0.9 * true[0] + math.sqrt(1 - 0.81) * true[1]
    trainings = true[:, :, None] + rng.normal(size=(2, 8000, 3))
    scores = {"a": trainings[0].mean(axis=1), "b": trainings[1].mean(axis=1)}
    reliability = {
        name: noise.seed_noise(each, [1.0])[0].ceiling_mean ** 2 for name, each in zip("ab", trainings, strict=True)
    }
    found = {(each.source, each.target, each.share): each for each in agreement.transfer(scores, reliability)}
    every = found["a", "b", 1.0]
    assert every.spearman == pytest.approx(scipy.stats.spearmanr(scores["a"], scores["b"]).statistic)
    assert every.spearman < 0.75
    assert every.corrected == pytest.approx(scipy.stats.spearmanr(*true).statistic, abs=0.03)
    best = np.argsort(-scores["b"])[:800]
    tenth = found["a", "b", 0.1]
    assert tenth.cells == 800
    assert tenth.spearman == pytest.approx(scipy.stats.spearmanr(scores["a"][best], scores["b"][best]).statistic)
    assert math.isnan(tenth.corrected)
    assert found["b", "a", 0.1].spearman != tenth.spearman


def test_carry_best():
    scores = {"a": np.array([0.9, 0.8, 0.1, np.nan, 0.5]), "b": np.array([0.2, 0.6, 0.3, 0.99, 0.1])}
    first, second = agreement.carry_best(scores, of=2)
    assert (first.source, first.target) == ("a", "b")
    assert first.loss == pytest.approx(0.4)  # row 0 has 0.2, the best row that both know has 0.6
    assert (first.rank, first.common, first.of) == (3, 1, 2)
    assert second.loss == pytest.approx(0.1)
    assert second.rank == 2


def test_split_agreement_by_hand():
    rng = np.random.default_rng(14)
    test = rng.normal(size=(100, 2))
    validation = test + rng.normal(size=(100, 2))
    found = agreement.split_agreement(validation, test)[0]
    spearman = lambda one, two: scipy.stats.spearmanr(one, two).statistic  # noqa: E731
    assert found.mean == pytest.approx(spearman(validation.mean(axis=1), test.mean(axis=1)))
    assert found.same == pytest.approx(np.mean([spearman(validation[:, r], test[:, r]) for r in (0, 1)]))
    assert found.other == pytest.approx(np.mean([spearman(validation[:, r], test[:, 1 - r]) for r in (0, 1)]))
    assert found.kendall_mean == pytest.approx(
        scipy.stats.kendalltau(validation.mean(axis=1), test.mean(axis=1)).statistic
    )
    assert found.difference == pytest.approx((test - validation).mean())


def test_proxies():
    rng = np.random.default_rng(15)
    parameters = rng.random(1000)
    scores = parameters + 0.1 * rng.random(1000)
    columns = {"parameters": parameters, "copy": parameters + 0.001 * rng.random(1000), "noise": rng.random(1000)}
    columns["noise"][:100] = np.nan
    found = {(each.column, each.share): each for each in agreement.proxies(scores, columns)}
    assert found["parameters", 1.0].spearman == pytest.approx(scipy.stats.spearmanr(parameters, scores).statistic)
    assert math.isnan(found["parameters", 1.0].partial)
    assert found["copy", 1.0].spearman > 0.95
    assert abs(found["copy", 1.0].partial) < 0.1
    assert found["noise", 1.0].cells == 900
    assert found["copy", 0.1].spearman < found["copy", 1.0].spearman
