"""Gaussian processes against scikit-learn, the Arc kernel by hand, its activity by brute force, and the search."""

import itertools

import numpy as np
import pytest
from scipy import integrate, stats
from synthetic_search import BareSpace, drive, landscape

from nasbench.baselines.strategies import arc_gp as module
from nasbench.baselines.strategies._gaussian_process import (
    cholesky,
    condition,
    extend,
    log_marginal_likelihood,
    maximise_likelihood,
    predict,
)
from nasbench.baselines.strategies.arc_gp import (
    active_decisions,
    arc_gp,
    begin_process,
    embed,
    extend_process,
    fit,
    improvement_function,
    matern,
    matern_and_slope,
    propose,
    squared_distances,
    standardise,
)
from nasbench.settings import SettingError
from nasbench.space import CELL201, SPACES, CellSpace


def example(count=40, new=15, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, 3)), rng.normal(size=count), rng.normal(size=(new, 3))


def rbf(left, right, amplitude=1.7, length=0.8):
    return amplitude * np.exp(-0.5 * squared_distances(left, right) / length**2)


def test_posterior_is_that_of_scikit_learn():
    gaussian_process = pytest.importorskip("sklearn.gaussian_process")
    kernels = gaussian_process.kernels
    points, targets, new = example()
    kernel = kernels.ConstantKernel(1.7, "fixed") * kernels.RBF(0.8, "fixed")
    reference = gaussian_process.GaussianProcessRegressor(kernel, alpha=0.05).fit(points, targets)
    mean, deviation = reference.predict(new, return_std=True)
    ours, variance = predict(condition(rbf(points, points), 0.05, targets), rbf(new, points), 1.7)
    np.testing.assert_allclose(ours, mean, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(np.sqrt(variance), deviation, rtol=1e-8)


def test_marginal_likelihood_and_gradient_are_those_of_scikit_learn():
    gaussian_process = pytest.importorskip("sklearn.gaussian_process")
    kernels = gaussian_process.kernels
    points, targets, _ = example()
    kernel = kernels.ConstantKernel(1.7) * kernels.RBF(0.8) + kernels.WhiteKernel(0.05)
    reference = gaussian_process.GaussianProcessRegressor(kernel, alpha=0.0, optimizer=None).fit(points, targets)
    value, gradient = reference.log_marginal_likelihood(reference.kernel_.theta, eval_gradient=True)
    matrix = rbf(points, points)
    slopes = [matrix, matrix * squared_distances(points, points) / 0.8**2, 0.05 * np.eye(len(points))]
    ours, our_gradient = log_marginal_likelihood(matrix, 0.05, targets, slopes)
    assert ours == pytest.approx(value, rel=1e-10)
    np.testing.assert_allclose(our_gradient, gradient, rtol=1e-8)
    assert log_marginal_likelihood(matrix, 0.05, targets)[0] == ours


def test_marginal_likelihood_is_the_multivariate_normals_density():
    points, targets, _ = example(8)
    covariance = rbf(points, points) + 0.1 * np.eye(8)
    expected = stats.multivariate_normal(np.zeros(8), covariance).logpdf(targets)
    assert log_marginal_likelihood(rbf(points, points), 0.1, targets)[0] == pytest.approx(expected, rel=1e-10)


def test_extending_equals_conditioning_anew():
    points, targets, new = example(25)
    posterior = condition(rbf(points[:20], points[:20]), 0.01, targets[:20])
    for place in range(20, 25):
        cross = rbf(points[place : place + 1], points[:place])[0]
        posterior = extend(posterior, cross, 1.7, 0.01, targets[: place + 1])
    whole = condition(rbf(points, points), 0.01, targets)
    np.testing.assert_allclose(posterior.factor, whole.factor, atol=1e-10)
    for ours, expected in zip(*(predict(p, rbf(new, points), 1.7) for p in (posterior, whole)), strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-9)


def test_extending_by_a_known_point_without_noise_stays_finite():
    points, targets, _ = example(6)
    posterior = condition(rbf(points, points), 0.0, targets)
    again = extend(posterior, rbf(points[:1], points)[0], 1.7, 0.0, np.append(targets, targets[0]))
    assert np.isfinite(again.weights).all()


def test_cholesky_repairs_what_is_nearly_positive_and_refuses_what_is_not():
    matrix = np.ones((4, 4))  # rank one
    factor, jitter = cholesky(matrix)
    assert 0 < jitter <= 1e-6
    np.testing.assert_allclose(factor @ factor.T, matrix, atol=1e-5)
    assert cholesky(np.diag([1.0, 2.0]))[1] == 0.0
    with pytest.raises(np.linalg.LinAlgError):
        cholesky(np.array([[1.0, 2.0], [2.0, 1.0]]))


def test_likelihood_is_maximised_where_a_grid_says():
    points, _, _ = example(60)
    rng = np.random.default_rng(1)
    targets = np.linalg.cholesky(rbf(points, points, 1.0, 1.2) + 0.01 * np.eye(60)) @ rng.normal(size=60)

    def likelihood(point):
        length = np.exp(point[0])
        matrix = rbf(points, points, 1.0, length)
        slope = matrix * squared_distances(points, points) / length**2
        return log_marginal_likelihood(matrix, 0.01, targets, [slope])

    found = maximise_likelihood(likelihood, [np.array([-2.0]), np.array([2.0])], [(-4.0, 4.0)], 50)
    grid = np.linspace(-2, 2, 401)
    values = [likelihood(np.array([place]))[0] for place in grid]
    assert found[0] == pytest.approx(grid[int(np.argmax(values))], abs=0.011)


def test_matern_is_that_of_scikit_learn_and_its_slope_the_difference():
    kernels = pytest.importorskip("sklearn.gaussian_process.kernels")
    points, _, new = example()
    np.testing.assert_allclose(
        matern(squared_distances(points, new)), kernels.Matern(1.0, nu=2.5)(points, new), rtol=1e-9
    )
    squared = np.linspace(0.01, 9, 50)
    numeric = (matern(squared + 1e-6) - matern(squared - 1e-6)) / 2e-6
    np.testing.assert_allclose(matern_and_slope(squared)[1], numeric, rtol=1e-6)


@pytest.mark.parametrize("space", [CELL201, SPACES["cell201-3op"], CellSpace("no-none", 4, ("skip_connect", "conv"))])
def test_an_edge_is_active_when_a_path_without_none_uses_it(space):
    rng = np.random.default_rng(0)
    cells = [space.sample(rng) for _ in range(200)]
    none = space.operations.index("none") if "none" in space.operations else -1
    for cell, active in zip(cells, active_decisions(space, cells), strict=True):
        used = {edge for path in space.paths if all(cell[edge] != none for edge in path) for edge in path}
        assert set(np.flatnonzero(active)) == used


def test_arc_distances_by_hand():
    """Edges (0,1) (0,2) (1,2) (0,3) (1,3) (2,3); operations none, skip, 1x1, 3x3, pool; weight of edge i is i + 1."""
    weights = np.arange(1.0, 7.0)
    cells = [
        (0, 0, 0, 3, 0, 0),  # one active edge: (0,3), weight 4
        (0, 0, 0, 2, 0, 0),  # the same edge with another operation
        (3, 0, 0, 3, 0, 0),  # a dead end at (0,1): not active, so equal to the first
        (3, 0, 0, 3, 2, 0),  # (0,1) and (1,3) active beside (0,3): weights 1 and 5
        (0, 0, 0, 0, 0, 0),  # nothing active
    ]
    features = embed(CELL201, cells, weights)
    squared = squared_distances(features, features)
    expected = {(0, 1): 2 * 16, (0, 2): 0, (0, 3): 1 + 25, (1, 3): 2 * 16 + 1 + 25, (0, 4): 16, (3, 4): 1 + 25 + 16}
    for (left, right), value in expected.items():
        assert squared[left, right] == squared[right, left] == pytest.approx(value)


def test_kernel_matrix_of_the_whole_space_is_positive():
    space = SPACES["cell201-3node"]
    features = embed(space, list(space), np.array([0.5, 1.0, 2.0]))
    assert np.linalg.eigvalsh(matern(squared_distances(features, features))).min() > -1e-10


def test_equal_observations_are_zeros():
    np.testing.assert_array_equal(standardise(np.full(4, 0.3)), np.zeros(4))
    np.testing.assert_allclose(standardise(np.array([1.0, 3.0])), [-1, 1])


def test_fitting_finds_the_decision_that_matters():
    rng = np.random.default_rng(0)
    space = BareSpace()
    known = [space.sample(rng) for _ in range(60)]
    targets = standardise(np.array([cell[2] in (0, 3) for cell in known], dtype=float) + 0.05 * rng.normal(size=60))
    start = np.log(np.array([0.5, 0.5, 0.5, 1.0, 0.1]))
    found = np.exp(fit(space, known, targets, [start], 100))
    assert found[2] > 5 * max(found[0], found[1])


@pytest.mark.parametrize("space", [CELL201, BareSpace()])
def test_likelihood_that_is_climbed_is_the_normal_density_and_its_slope_the_difference(space, monkeypatch):
    rng = np.random.default_rng(1)
    known = [space.sample(rng) for _ in range(15)]
    targets = standardise(rng.normal(size=15))
    caught = []
    monkeypatch.setattr(module, "maximise_likelihood", lambda likelihood, *_: caught.append(likelihood))
    fit(space, known, targets, [], 1)
    decisions = len(space.choices)
    point = rng.normal(-0.5, 0.5, size=decisions + 2)

    def density(at):
        features = embed(space, known, np.exp(at[:decisions]))
        covariance = np.exp(at[-2]) * matern(squared_distances(features, features)) + np.exp(at[-1]) * np.eye(15)
        return stats.multivariate_normal(np.zeros(15), covariance).logpdf(targets)

    value, gradient = caught[0](point)
    assert value == pytest.approx(density(point), rel=1e-9)
    numeric = [(density(point + step) - density(point - step)) / 2e-5 for step in 1e-5 * np.eye(decisions + 2)]
    np.testing.assert_allclose(gradient, numeric, rtol=1e-5, atol=1e-7)


def test_improvement_is_the_integral_over_the_posterior():
    rng = np.random.default_rng(0)
    known = [CELL201.sample(rng) for _ in range(20)]
    targets = standardise(rng.normal(size=20))
    parameters = np.log(np.array([0.4] * 6 + [1.3, 0.1]))
    cell = CELL201.sample(rng)
    features = embed(CELL201, [*known, cell], np.full(6, 0.4))
    joint = 1.3 * matern(squared_distances(features, features))
    inverse = np.linalg.inv(joint[:20, :20] + 0.1 * np.eye(20))
    mean = joint[20, :20] @ inverse @ targets
    deviation = np.sqrt(1.3 - joint[20, :20] @ inverse @ joint[20, :20])
    best = targets.min()
    integral, _ = integrate.quad(
        lambda f: (best - f) * stats.norm.pdf(f, mean, deviation), mean - 12 * deviation, best, epsabs=1e-13
    )
    value = improvement_function(CELL201, begin_process(CELL201, known, targets, parameters))([cell])[0]
    assert value == pytest.approx(integral, rel=1e-7)


def test_a_process_that_learns_one_by_one_is_that_of_all():
    rng = np.random.default_rng(0)
    known = [CELL201.sample(rng) for _ in range(20)]
    new = [CELL201.sample(rng) for _ in range(30)]
    values = rng.normal(size=20)
    parameters = np.log(np.array([0.4] * 6 + [1.3, 0.1]))
    process = begin_process(CELL201, known[:15], standardise(values[:15]), parameters)
    for count in range(16, 21):
        process = extend_process(CELL201, process, known[count - 1], standardise(values[:count]))
    whole = begin_process(CELL201, known, standardise(values), parameters)
    found, expected = (improvement_function(CELL201, one)(new) for one in (process, whole))
    np.testing.assert_allclose(found, expected, rtol=1e-8)
    assert process.fitted == 15


def test_proposal_is_the_best_unseen_one():
    space = BareSpace()
    every = [space.architecture(number) for number in range(24)]

    def improvement(architectures):
        return np.array([float(np.prod(np.asarray(cell) + 1.0)) for cell in architectures])

    ranked = sorted(every, key=lambda cell: -np.prod(np.array(cell) + 1.0))
    rng = np.random.default_rng(0)
    assert propose(space, rng, improvement, [every[0]], {every[0]}, 500, 3) == ranked[0]
    assert propose(space, rng, improvement, [every[0]], set(ranked[:2]), 500, 3) == ranked[2]
    assert propose(space, rng, improvement, [every[0]], set(every), 50, 3) in every


def test_beats_random_search_and_asks_for_different_classes():
    accuracy = landscape(CELL201.choices)
    best = []
    for seed in range(3):
        asked, told = drive(arc_gp, CELL201, accuracy, 50, seed=seed, noise=0.01)
        assert len({CELL201.canonical(cell) for cell in asked}) == 50
        best.append(max(map(accuracy, asked)))
        assert len(told) == 50
    rng = np.random.default_rng(5)
    random_best = [max(accuracy(CELL201.sample(rng)) for _ in range(50)) for _ in range(200)]
    assert np.mean(best) > np.quantile(random_best, 0.9)


def test_any_space_reproducibly_past_exhaustion_and_with_equal_answers():
    accuracy = landscape((2, 3, 4))
    first = drive(arc_gp, BareSpace(), accuracy, 40)
    assert first == drive(arc_gp, BareSpace(), accuracy, 40)
    assert len(set(first[0][:23])) >= 22
    rarely = drive(arc_gp, BareSpace(), accuracy, 40, refit_every=7)
    assert len(rarely[0]) == 40
    assert rarely != first
    counter = itertools.count()
    asked, _ = drive(arc_gp, CELL201, lambda cell: 0.1 * (next(counter) > 1e9), 30)
    assert len(asked) == 30


def test_settings_out_of_range_are_refused():
    for wrong in ({"initial": 1}, {"candidates": 0}, {"starts": 0}, {"iterations": 0}, {"refit_every": 0}):
        with pytest.raises(SettingError, match=next(iter(wrong))):
            drive(arc_gp, CELL201, landscape(CELL201.choices), 1, **wrong)
