"""SMAC: expected improvement against numerical integration, the forest against naive trees, the race by hand."""

import itertools

import numpy as np
import pytest
from scipy import integrate, stats
from synthetic_search import BareSpace, drive, landscape

from nasbench.baselines.strategies._acquisition import (
    climb,
    expected_improvement,
    log_expected_improvement,
    normal_density,
    normal_distribution,
)
from nasbench.baselines.strategies._encoding import draw_many, neighbours_of, numbers_of
from nasbench.baselines.strategies._forest import fit_forest, predict_forest, predict_product
from nasbench.baselines.strategies.smac import draw_untrained, most_promising, scale, smac
from nasbench.settings import SettingError
from nasbench.space import CELL201


def test_normal_functions_are_those_of_scipy():
    values = np.linspace(-6, 6, 41)
    np.testing.assert_allclose(normal_density(values), stats.norm.pdf(values), rtol=1e-12)
    np.testing.assert_allclose(normal_distribution(values), stats.norm.cdf(values), rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize(("mean", "deviation", "best"), [(0.3, 0.1, 0.25), (0.1, 0.02, 0.3), (2.0, 0.7, -1.0)])
def test_expected_improvement_is_the_integral(mean, deviation, best):
    integral, _ = integrate.quad(
        lambda f: (best - f) * stats.norm.pdf(f, mean, deviation), mean - 12 * deviation, best, epsabs=1e-14
    )
    computed = expected_improvement(np.array([mean]), np.array([deviation]), best)[0]
    assert computed == pytest.approx(integral, rel=1e-8, abs=1e-13)


@pytest.mark.parametrize(("mean", "deviation", "best"), [(-1.2, 0.3, 0.25), (-3.0, 0.05, 0.3), (0.5, 1.0, 0.1)])
def test_log_expected_improvement_is_the_integral(mean, deviation, best):
    integral, _ = integrate.quad(
        lambda g: (best - np.exp(g)) * stats.norm.pdf(g, mean, deviation),
        mean - 12 * deviation,
        np.log(best),
        epsabs=1e-14,
    )
    computed = log_expected_improvement(np.array([mean]), np.array([deviation]), best)[0]
    assert computed == pytest.approx(integral, rel=1e-8, abs=1e-13)


def test_expected_improvement_without_doubt_is_the_improvement():
    means = np.array([0.1, 0.5])
    np.testing.assert_allclose(expected_improvement(means, np.zeros(2), 0.3), [0.2, 0.0], atol=1e-15)
    np.testing.assert_allclose(log_expected_improvement(np.log(means), np.zeros(2), 0.3), [0.2, 0.0], atol=1e-12)


def grow_naively(inputs, responses, minimum_split):
    """Return the training predictions of one tree: at each node, all ways to divide the options of all decisions."""
    if len(responses) < minimum_split or np.ptp(responses) == 0:
        return np.full(len(responses), responses.mean())
    best = (np.inf, None)
    for decision in range(inputs.shape[1]):
        present = np.unique(inputs[:, decision])
        for size in range(1, len(present)):
            for chosen in itertools.combinations(present, size):
                left = np.isin(inputs[:, decision], chosen)
                error = left.sum() * responses[left].var() + (~left).sum() * responses[~left].var()
                if error < best[0] - 1e-12:
                    best = (error, left)
    left = best[1]
    if left is None:
        return np.full(len(responses), responses.mean())
    predictions = np.empty(len(responses))
    predictions[left] = grow_naively(inputs[left], responses[left], minimum_split)
    predictions[~left] = grow_naively(inputs[~left], responses[~left], minimum_split)
    return predictions


@pytest.mark.parametrize(("choices", "minimum_split"), [((5,) * 6, 2), ((5,) * 6, 15), ((2, 3, 4), 6)])
def test_a_tree_finds_the_splits_of_exhaustive_search(choices, minimum_split):
    rng = np.random.default_rng(minimum_split)
    inputs = rng.integers(choices, size=(60, len(choices)))
    responses = rng.normal(size=60)
    forest = fit_forest(inputs, responses, choices, rng, trees=3, bootstrap=False, minimum_split=minimum_split)
    mean, variance = predict_forest(forest, inputs)
    np.testing.assert_allclose(mean, grow_naively(inputs, responses, minimum_split), atol=1e-12)
    np.testing.assert_allclose(variance, 0.0, atol=1e-20)  # without bootstrap the trees agree on what they have seen


def test_binary_trees_equal_those_of_scikit_learn():
    tree = pytest.importorskip("sklearn.tree")
    rng = np.random.default_rng(0)
    inputs = rng.integers(2, size=(200, 8))
    responses = rng.normal(size=200)
    forest = fit_forest(inputs, responses, (2,) * 8, rng, trees=1, bootstrap=False, minimum_split=12, minimum_leaf=5)
    reference = tree.DecisionTreeRegressor(min_samples_split=12, min_samples_leaf=5).fit(inputs, responses)
    new = rng.integers(2, size=(300, 8))
    np.testing.assert_allclose(predict_forest(forest, new)[0], reference.predict(new), atol=1e-12)


def test_mean_and_variance_are_those_of_the_trees_walked_one_by_one():
    rng = np.random.default_rng(3)
    inputs = rng.integers(5, size=(80, 6))
    forest = fit_forest(inputs, rng.normal(size=80), (5,) * 6, rng, trees=7, feature_ratio=0.5, minimum_leaf=3)
    new = rng.integers(5, size=(50, 6))
    walked = np.empty((50, 7))
    for place, architecture in enumerate(new):
        for root in range(7):
            node = root
            while (following := forest.child[node, architecture[forest.feature[node]]]) != node:
                node = following
            walked[place, root] = forest.value[node]
    mean, variance = predict_forest(forest, new)
    np.testing.assert_allclose(mean, walked.mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(variance, walked.var(axis=1), rtol=1e-9, atol=1e-18)
    assert variance.max() > 0


@pytest.mark.parametrize("choices", [(5,) * 6, (2, 3, 4), (3,)])
def test_predictions_of_all_combinations_are_those_of_each(choices):
    rng = np.random.default_rng(5)
    inputs = rng.integers(choices, size=(70, len(choices)))
    forest = fit_forest(inputs, rng.normal(size=70), choices, rng, trees=7, feature_ratio=0.6, minimum_leaf=2)
    every = np.array(list(itertools.product(*map(range, choices))))
    for ours, expected in zip(predict_product(forest, choices), predict_forest(forest, every), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(numbers_of(choices, every), np.arange(len(every)))
    stump = fit_forest(inputs[:1], np.array([0.3]), choices, rng, trees=2)
    np.testing.assert_allclose(predict_product(stump, choices)[0], 0.3)


def test_neighbours_are_those_of_the_space():
    class Holed(BareSpace):
        """One architecture is missing, so that it is no product, and some have fewer neighbours."""

        size = 23

        def neighbours(self, architecture):
            return [near for near in super().neighbours(architecture) if near != (0, 0, 0)]

    for space in (CELL201, BareSpace(), Holed()):
        rng = np.random.default_rng(0)
        chosen = [(1, 0, 0) if space is not CELL201 else CELL201.sample(rng), space.sample(rng), space.sample(rng)]
        for cell, found in zip(chosen, neighbours_of(space, np.array(chosen)).tolist(), strict=True):
            expected = space.neighbours(cell)
            assert [tuple(near) for near in found] == expected + [cell] * (len(found) - len(expected))


def test_one_bound_draws_what_many_equal_ones_do():
    ours, theirs = np.random.default_rng(1), np.random.default_rng(1)
    np.testing.assert_array_equal(draw_many(CELL201, ours, 501), theirs.integers(CELL201.choices, size=(501, 6)))
    assert ours.bit_generator.state == theirs.bit_generator.state


def test_leaves_hold_the_least_number_of_examples_and_their_mean():
    rng = np.random.default_rng(4)
    inputs, responses = rng.integers(3, size=(70, 4)), rng.normal(size=70)
    forest = fit_forest(inputs, responses, (3,) * 4, rng, trees=1, bootstrap=False, minimum_leaf=6, minimum_split=12)
    predictions = predict_forest(forest, inputs)[0]
    for value in np.unique(predictions.round(12)):
        members = np.isclose(predictions, value)
        assert members.sum() >= 6
        assert value == pytest.approx(responses[members].mean())


def test_equal_responses_make_one_leaf_and_one_example_is_enough():
    rng = np.random.default_rng(0)
    forest = fit_forest(np.array([[0, 1], [1, 0], [1, 1]]), np.full(3, 0.1), (2, 2), rng)
    assert forest.depth == 0
    mean, variance = predict_forest(forest, np.array([[0, 0]]))
    assert mean[0] == pytest.approx(0.1)
    assert variance[0] == pytest.approx(0.0, abs=1e-30)
    assert fit_forest(np.array([[0, 1]]), np.array([0.3]), (2, 2), rng).value.tolist() == [0.3] * 10


def test_a_decision_subset_hides_the_best_decision_from_some_trees():
    rng = np.random.default_rng(0)
    inputs = rng.integers(2, size=(100, 4))
    responses = inputs[:, 0] + 0.01 * rng.normal(size=100)
    roots = fit_forest(inputs, responses, (2,) * 4, rng, trees=400, feature_ratio=0.5).feature[:400]
    assert np.mean(roots == 0) == pytest.approx(0.5, abs=0.08)  # two of four decisions tried: in half of the trees


def test_options_never_seen_go_to_either_side():
    rng = np.random.default_rng(0)
    inputs = np.array([[0], [1]] * 10)
    forest = fit_forest(inputs, inputs[:, 0].astype(float), (3,), rng, trees=500, bootstrap=False)
    mean, variance = predict_forest(forest, np.array([[2]]))
    assert mean[0] == pytest.approx(0.5, abs=0.08)
    assert variance[0] == pytest.approx(0.25, abs=0.02)


def test_climbing_ends_where_no_neighbour_is_better_and_goes_steepest():
    accuracy = landscape(CELL201.choices)

    def score(architectures):
        return np.array([accuracy(architecture) for architecture in architectures])

    rng = np.random.default_rng(0)
    starts = [CELL201.sample(rng) for _ in range(5)]
    points, scores = climb(CELL201, starts, score)
    for start, row, value in zip(starts, points.tolist(), scores, strict=True):
        point = tuple(row)
        assert value == accuracy(point) >= accuracy(start)
        assert max(score(CELL201.neighbours(point))) <= value
        walker = start
        while max(score(CELL201.neighbours(walker))) > accuracy(walker):
            walker = max(CELL201.neighbours(walker), key=accuracy)
        assert walker == point


def test_most_promising_is_the_best_of_the_whole_space_when_candidates_cover_it():
    space = BareSpace()
    accuracy = landscape(space.choices, seed=3)
    rng = np.random.default_rng(1)
    runs = {space.architecture(number): [1 - accuracy(space.architecture(number))] for number in range(0, 24, 2)}
    inputs, responses = np.array(list(runs)), np.array([errors[0] for errors in runs.values()])
    forest = fit_forest(inputs, responses, space.choices, rng)
    every = [space.architecture(number) for number in range(24)]
    mean, variance = predict_forest(forest, np.array(every))
    value = expected_improvement(mean, np.sqrt(np.maximum(variance, 1e-10)), responses.min())
    value[::2] = -1
    chosen = most_promising(space, rng, forest, responses.min(), runs, 2000, 10, False)
    assert value[space.index(chosen)] == value.max()


def test_draw_many_is_uniform_over_decisions_of_different_sizes():
    drawn = draw_many(BareSpace(), np.random.default_rng(0), 12_000)
    assert drawn.shape == (12_000, 3)
    counts = np.bincount([BareSpace().index(tuple(row)) for row in drawn], minlength=24)
    assert stats.chisquare(counts).pvalue > 1e-3


def test_the_race_by_hand():
    """Every architecture after the first is better: each must be trained as often as the incumbent to replace it."""
    counter = itertools.count()
    accuracies = {}

    def better_and_better(architecture):
        return accuracies.setdefault(architecture, 0.5 + 0.001 * next(counter))

    asked, _ = drive(smac, CELL201, better_and_better, 12, random_share=1.0, max_repeats=4)
    first, second, third, fourth = list(dict.fromkeys(asked))[:4]
    # The incumbent is trained once more before each challenger, up to four times; the challenger until it has as many.
    expected = [first, *[first], *[second] * 2, *[second], *[third] * 3, *[third], *[fourth] * 3]
    assert asked == expected


def test_a_worse_challenger_is_given_up_after_one_training():
    values = iter([0.9] + [0.1] * 50)
    accuracies = {}

    def first_is_best(architecture):
        return accuracies.setdefault(architecture, next(values))

    asked, _ = drive(smac, CELL201, first_is_best, 20, random_share=1.0, max_repeats=4)
    first = asked[0]
    assert asked.count(first) == 4
    assert all(asked.count(architecture) == 1 for architecture in set(asked) - {first})


def test_a_challenger_is_held_against_as_many_of_the_incumbents_trainings():
    answers = iter([0.9, 0.5, 0.8] + [0.1] * 20)  # the incumbent's two trainings, a challenger's first one

    def noisy(architecture):
        return next(answers)

    asked, _ = drive(smac, CELL201, noisy, 6, random_share=1.0, max_repeats=2, held_against="first")
    first, challenger = list(dict.fromkeys(asked))[:2]
    assert asked[:2] == [first] * 2
    assert asked.count(challenger) == 1  # worse than the first training, though better than the mean of both


def test_errors_are_scaled_as_smac3_does():
    encoders = pytest.importorskip("smac.runhistory.encoder.log_scaled_encoder")
    errors = np.random.default_rng(0).uniform(0.1, 0.9, 50)
    encoder = encoders.RunHistoryLogScaledEncoder.__new__(encoders.RunHistoryLogScaledEncoder)
    encoder._min_y, encoder._max_y = errors.min(keepdims=True), errors.max(keepdims=True)
    encoder._percentile = np.percentile(errors, 5.0, keepdims=True)
    expected = encoder.transform_response_values(errors[:, None].copy())[:, 0]
    np.testing.assert_allclose(np.log(scale(errors, errors)), expected, atol=1e-9)
    assert scale(np.full(3, 0.5), np.full(3, 0.5)) == pytest.approx(1.0)  # all alike


def test_improvement_is_expected_on_what_the_forest_predicts(monkeypatch):
    told = []

    def keep(space, rng, forest, best, runs, *others):
        told.append((best, min(predict_forest(forest, np.array([point]))[0][0] for point in runs)))
        return draw_untrained(space, rng, runs)

    monkeypatch.setattr("nasbench.baselines.strategies.smac.most_promising", keep)
    rng = np.random.default_rng(3)
    drive(smac, CELL201, lambda architecture: rng.uniform(0.1, 0.9), 30, random_share=0.0, improve_on="predicted")
    assert len(told) > 10 and all(best == pytest.approx(lowest, abs=1e-12) for best, lowest in told)
    told.clear()
    settings = {"random_share": 0.0, "improve_on": "predicted", "log_errors": True}
    drive(smac, CELL201, lambda architecture: rng.uniform(0.1, 0.9), 30, **settings)
    assert told and all(best == pytest.approx(np.exp(lowest), rel=1e-12) for best, lowest in told)


def test_no_racing_means_no_second_training():
    asked, _ = drive(smac, CELL201, landscape(CELL201.choices), 50, max_repeats=1)
    assert len(set(asked)) == 50


def test_model_beats_blind_challengers():
    accuracy = landscape(CELL201.choices)
    settings = {"candidates": 500}
    model = [max(drive(smac, CELL201, accuracy, 60, seed=seed, noise=0.01, **settings)[1]) for seed in range(5)]
    blind = [max(drive(smac, CELL201, accuracy, 60, seed=s, noise=0.01, random_share=1.0)[1]) for s in range(30)]
    assert np.mean(model) > np.quantile(blind, 0.9)


@pytest.mark.parametrize("log_errors", [False, True])
def test_searches_any_space_reproducibly_and_past_exhaustion(log_errors):
    accuracy = landscape((2, 3, 4))
    first = drive(smac, BareSpace(), accuracy, 60, noise=0.05, log_errors=log_errors, candidates=20)
    assert first == drive(smac, BareSpace(), accuracy, 60, noise=0.05, log_errors=log_errors, candidates=20)
    assert len(first[0]) == 60


def test_perfect_and_diverged_answers_are_survived():
    asked, _ = drive(smac, CELL201, lambda cell: float(cell[0] % 2), 30, log_errors=True, candidates=20)
    assert len(asked) == 30


def test_settings_out_of_range_are_refused():
    for wrong in (
        {"trees": 0},
        {"random_share": 1.5},
        {"minimum_split": 1},
        {"feature_ratio": 0.0},
        {"max_repeats": 0},
    ):
        with pytest.raises(SettingError, match=next(iter(wrong))):
            drive(smac, CELL201, landscape(CELL201.choices), 1, **wrong)
