"""BANANAS: the ensemble against torch and finite differences, the acquisition, the candidates, the search."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from synthetic_search import BareSpace, drive, landscape

from nasbench.baselines.strategies._adam import Adam
from nasbench.baselines.strategies._encoding import draw_unseen, mutate_each, one_hot
from nasbench.baselines.strategies._ensemble import (
    absolute_error_gradient,
    initial_ensemble,
    parameter_count,
    predict,
    shape_ensemble,
    train_ensemble,
)
from nasbench.baselines.strategies.bananas import bananas, independent_thompson_sampling, mutations_of_best
from nasbench.query import Observation, Query
from nasbench.settings import SettingError
from nasbench.space import CELL201, SPACES, SpaceError

TRAINING = {"epochs": 150, "batch_size": 32, "learning_rate": 0.01, "betas": (0.9, 0.99)}


def random_ensemble(members, widths, seed=0):
    rng = np.random.default_rng(seed)
    return shape_ensemble(rng.normal(size=parameter_count(members, widths)), members, widths)


def test_ensemble_predicts_what_each_member_computes_alone():
    ensemble = random_ensemble(3, (4, 5, 2, 1))
    inputs = np.random.default_rng(1).normal(size=(7, 4))
    for member, row in enumerate(predict(ensemble, inputs)):
        value = inputs
        for layer in range(3):
            value = value @ ensemble.weights[layer][member] + ensemble.biases[layer][member]
            value = np.where(value > 0, value, 0) if layer < 2 else value
        np.testing.assert_allclose(row, value[:, 0], rtol=1e-12)


@pytest.mark.parametrize("kind", [{}, {"embedding": True, "sigmoid": True}])
def test_gradient_is_the_finite_difference_of_the_mean_absolute_error(kind):
    widths = (4, 6, 5, 1)
    ensemble = shape_ensemble(random_ensemble(2, widths).parameters, 2, widths, **kind)
    gradient = shape_ensemble(np.zeros_like(ensemble.parameters), 2, widths)
    rng = np.random.default_rng(2)
    inputs, targets = rng.normal(size=(2, 9, 4)), rng.normal(size=(2, 9))
    absolute_error_gradient(ensemble, inputs, targets, gradient)

    def total_loss():
        return np.abs(predict(ensemble, inputs) - targets).mean(axis=1).sum()

    numeric = np.empty_like(ensemble.parameters)
    for place in range(len(numeric)):
        ensemble.parameters[place] += 1e-6
        above = total_loss()
        ensemble.parameters[place] -= 2e-6
        numeric[place] = (above - total_loss()) / 2e-6
        ensemble.parameters[place] += 1e-6
    np.testing.assert_allclose(gradient.parameters, numeric, atol=1e-7)


def test_an_embedding_is_linear_and_a_sigmoid_squashes():
    plain = random_ensemble(2, (3, 4, 1))
    ensemble = shape_ensemble(plain.parameters, 2, (3, 4, 1), embedding=True, sigmoid=True)
    inputs = np.random.default_rng(1).normal(size=(5, 3))
    for member, row in enumerate(predict(ensemble, inputs)):
        value = inputs @ plain.weights[0][member] + plain.biases[0][member]
        value = value @ plain.weights[1][member] + plain.biases[1][member]
        np.testing.assert_allclose(row, 1 / (1 + np.exp(-value[:, 0])), rtol=1e-12)


@pytest.mark.parametrize("kind", [{}, {"embedding": True, "sigmoid": True}])
def test_predictions_in_blocks_are_those_of_all_at_once(kind):
    ensemble = shape_ensemble(random_ensemble(2, (6, 5, 4, 1)).parameters, 2, (6, 5, 4, 1), **kind)
    inputs = np.random.default_rng(3).normal(size=(600, 6))
    repeated = np.repeat(inputs[None], 2, axis=0)  # (members, count, features): not cut
    np.testing.assert_allclose(predict(ensemble, inputs), predict(ensemble, repeated), rtol=1e-9, atol=1e-12)
    assert predict(ensemble, inputs[:0]).shape == (2, 0)


def test_members_see_only_their_rows():
    """One member is told 0 and the other one 1 for the same input."""
    ensemble = initial_ensemble(2, (1, 4, 1), np.random.default_rng(0))
    inputs, targets = np.ones((4, 1), dtype=np.float32), np.array([0, 0, 1, 1], dtype=np.float32)
    rows = np.array([[0, 1], [2, 3]])
    train_ensemble(
        ensemble, inputs, targets, np.random.default_rng(0), epochs=200, batch_size=2, learning_rate=0.01, rows=rows
    )
    np.testing.assert_allclose(predict(ensemble, inputs[:1])[:, 0], [0, 1], atol=0.05)


def test_adam_steps_by_hand():
    parameters = np.array([1.0, -2.0])
    optimizer = Adam(parameters, 0.1, (0.9, 0.99), epsilon=1e-3)
    optimizer.step(np.array([4.0, -0.5]))
    np.testing.assert_allclose(parameters, [1.0 - 0.1 * 4 / (4 + 1e-3), -2.0 + 0.1 * 0.5 / (0.5 + 1e-3)], rtol=1e-12)
    optimizer.step(np.array([2.0, 0.0]))
    mean = (0.9 * 0.1 * 4 + 0.1 * 2) / (1 - 0.81)
    square = (0.99 * 0.01 * 16 + 0.01 * 4) / (1 - 0.99**2)
    assert parameters[0] == pytest.approx(1.0 - 0.1 * 4 / (4 + 1e-3) - 0.1 * mean / (np.sqrt(square) + 1e-3), rel=1e-12)


@pytest.mark.live
def test_adam_steps_are_those_of_torch():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    ours = rng.normal(size=50)
    theirs = torch.tensor(ours.copy(), requires_grad=True)
    reference = torch.optim.Adam([theirs], lr=0.01, betas=(0.9, 0.99), eps=1e-7)
    optimizer = Adam(ours, 0.01, (0.9, 0.99), 1e-7)
    for _ in range(30):
        gradient = rng.normal(size=50)
        optimizer.step(gradient)
        theirs.grad = torch.tensor(gradient)
        reference.step()
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-10)


def test_initial_weights_fill_the_glorot_range_and_members_differ():
    ensemble = initial_ensemble(4, (30, 20, 1), np.random.default_rng(0))
    limit = np.sqrt(6 / 50)
    assert 0.95 * limit < np.abs(ensemble.weights[0]).max() <= limit
    assert not ensemble.biases[0].any()
    assert len({weight.tobytes() for weight in ensemble.weights[0]}) == 4


def test_predictor_ranks_unseen_cells_far_above_chance():
    rng = np.random.default_rng(0)
    accuracy = landscape(CELL201.choices)
    cells = [CELL201.sample(rng) for _ in range(400)]
    inputs = CELL201.path_encoding(cells)[:, :30].astype(np.float32)
    errors = np.array([100 * (1 - accuracy(cell)) for cell in cells], dtype=np.float32)
    ensemble = initial_ensemble(5, (30, *(20,) * 10, 1), rng)
    train_ensemble(ensemble, inputs[:100], errors[:100], rng, **TRAINING)
    # 0.17 is the 99.9th percentile of Spearman's coefficient of 300 unrelated pairs
    assert spearmanr(predict(ensemble, inputs[100:]).mean(axis=0), errors[100:])[0] > 0.4


def test_independent_thompson_sampling_draws_from_each_candidates_normal():
    predictions = np.array([[1.0, 10.0, 5.0], [3.0, 10.0, 9.0]])  # means 2, 10, 7; standard deviations 1, 0, 2
    rng = np.random.default_rng(0)
    draws = np.array([independent_thompson_sampling(predictions, rng) for _ in range(20_000)])
    np.testing.assert_allclose(draws.mean(axis=0), [2, 10, 7], atol=0.05)
    np.testing.assert_allclose(draws.std(axis=0), [1, 0, 2], atol=0.05)
    assert abs(np.corrcoef(draws[:, 0], draws[:, 2])[0, 1]) < 0.03  # independent, unlike Thompson sampling proper


def test_candidates_come_from_the_best_parent_until_there_are_enough():
    rng = np.random.default_rng(0)
    parents = [Observation(Query(cell, 1), 1.0, 1.0) for cell in ((3,) * 6, (2,) * 6)]
    seen = {CELL201.canonical((3,) * 6), CELL201.canonical((3, 3, 3, 3, 3, 2))}
    few = mutations_of_best(CELL201, rng, parents, seen, 20, 0.6)
    from_first = [cell for cell in few if cell.count(3) > 2]  # the parents share nothing: six changes apart
    assert few[: len(from_first)] == from_first
    assert 5 <= len(from_first) < 20 and len(few) > len(
        from_first
    )  # some draws are known, so that the second parent's turn comes
    many = mutations_of_best(CELL201, rng, parents, seen, 200, 0.1)
    forms = [CELL201.canonical(cell) for cell in many]
    assert len(set(forms)) == len(forms)
    assert not set(forms) & seen
    assert {cell.count(2) >= 4 for cell in many} == {True, False}  # the first parent alone has not 200 of them


def test_mutate_each_changes_decisions_at_the_given_rate():
    rng = np.random.default_rng(0)
    parent = (0, 1, 2, 3, 4, 0)
    mutants = np.array([mutate_each(CELL201, parent, rng, 0.25) for _ in range(20_000)])
    np.testing.assert_allclose((mutants != parent).mean(axis=0), 0.25, atol=0.015)
    values, counts = np.unique(mutants[mutants[:, 0] != 0, 0], return_counts=True)
    assert values.tolist() == [1, 2, 3, 4]
    np.testing.assert_allclose(counts / counts.sum(), 0.25, atol=0.03)


def test_one_hot_with_decisions_of_different_sizes():
    encoded = one_hot((2, 3, 4), [(1, 0, 2), (0, 2, 3)])
    assert encoded.tolist() == [[0, 1, 1, 0, 0, 0, 0, 1, 0], [1, 0, 0, 0, 1, 0, 0, 0, 1]]
    np.testing.assert_array_equal(one_hot(CELL201.choices, [(0, 1, 2, 3, 4, 0)]), CELL201.one_hot([(0, 1, 2, 3, 4, 0)]))


def test_draw_unseen_exhausts_a_space_before_it_repeats():
    seen = set()
    drawn = draw_unseen(BareSpace(), np.random.default_rng(0), seen, 24)
    assert len(set(drawn)) >= 22  # patience may run out on the last one or two
    assert len(draw_unseen(BareSpace(), np.random.default_rng(0), seen, 5)) == 5


def test_batches_are_new_classes_and_beat_random_batches():
    accuracy = landscape(CELL201.choices)
    settings = {"training_epochs": 50}
    best = []
    for seed in range(3):
        asked, told = drive(bananas, CELL201, accuracy, 60, seed=seed, **settings)
        assert len({CELL201.canonical(cell) for cell in asked}) == 60
        best.append(max(told))
    rng = np.random.default_rng(5)
    random_best = [max(accuracy(CELL201.sample(rng)) for _ in range(60)) for _ in range(200)]
    assert np.mean(best) > np.quantile(random_best, 0.9)


def test_random_scorer_asks_for_the_same_candidates_picked_blindly():
    accuracy = landscape(CELL201.choices)
    first, _ = drive(bananas, CELL201, accuracy, 40, scorer="random")
    again, _ = drive(bananas, CELL201, accuracy, 40, scorer="random")
    other, _ = drive(bananas, CELL201, accuracy, 40, scorer="thompson", training_epochs=5)
    assert first == again
    assert first[:10] == other[:10]
    assert first[10:] != other[10:]


def test_spaces_and_settings_that_do_not_fit_are_refused():
    with pytest.raises(SpaceError, match="bananas needs a space of cells with a path encoding; space bare"):
        drive(bananas, BareSpace(), landscape((2, 3, 4)), 1)
    asked, _ = drive(bananas, BareSpace(), landscape((2, 3, 4)), 40, encoding="one-hot", training_epochs=2)
    assert len(asked) == 40
    asked, _ = drive(bananas, SPACES["cell201-3node"], landscape((5, 5, 5)), 80, training_epochs=2)
    assert len(asked) == 80
    for wrong in ({"batch": 0}, {"expected_mutations": 0.0}, {"encoding": "graph"}, {"learning_rate": -1.0}):
        with pytest.raises(SettingError, match=next(iter(wrong))):
            drive(bananas, CELL201, accuracy := landscape(CELL201.choices), 1, **wrong)
    assert 0 < accuracy((0,) * 6) < 1
