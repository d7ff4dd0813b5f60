"""NASBOT: transport distances against a linear program, path lengths against enumeration, the projection, evolution."""

import itertools

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.optimize import linear_sum_assignment, linprog
from synthetic_search import BareSpace, drive, landscape

from nasbench.baselines.strategies import _transport_distances
from nasbench.baselines.strategies._acquisition import expected_improvement
from nasbench.baselines.strategies._encoding import mutate_many
from nasbench.baselines.strategies._gaussian_process import (
    condition,
    log_marginal_likelihood,
    nearest_positive,
    predict,
    projected_likelihood,
)
from nasbench.baselines.strategies._transport import cell_layers, kind_of, label_cost, least_assignment
from nasbench.baselines.strategies._transport_distances import TransportDistances, TransportTables, transport_tables
from nasbench.baselines.strategies.nasbot import (
    belief_function,
    evolve,
    fit,
    improvement_function,
    initial_parameters,
    kernel,
    nasbot,
    numbering,
    standardise,
)
from nasbench.settings import SettingError
from nasbench.space import CELL201, SPACES, CellSpace, SpaceError, cell_graph

STRUCTURE = (0.1, 0.25, 0.61, 1.5)


def cells(count, seed=0, space=CELL201):
    rng = np.random.default_rng(seed)
    return [space.sample(rng) for _ in range(count)]


def linear_program(left, right, nu):
    """Solve the transport problem of the paper's equation 3, with a dummy layer on either side, as it stands there."""
    rows, columns = len(left.labels) + 1, len(right.labels) + 1
    costs = np.ones((rows, columns))
    costs[-1, -1] = 0.0
    for i, j in itertools.product(range(rows - 1), range(columns - 1)):
        label = label_cost(left.labels[i], right.labels[j])
        costs[i, j] = (1e3 if np.isinf(label) else label) + nu * np.abs(left.lengths[i] - right.lengths[j]).sum() / 24
    supply = np.append(left.masses, right.masses.sum())
    demand = np.append(right.masses, left.masses.sum())
    equal = np.zeros((rows + columns, rows * columns))
    for i, j in itertools.product(range(rows), range(columns)):
        equal[i, i * columns + j] = equal[rows + j, i * columns + j] = 1.0
    return linprog(costs.ravel(), A_eq=equal, b_eq=np.concatenate([supply, demand]), bounds=(0, None)).fun


def test_distances_are_those_of_the_linear_program():
    chosen = cells(40)
    distances = TransportTables(CELL201, STRUCTURE)
    forms = [CELL201.canonical(cell) for cell in chosen]
    numbers = distances.add(forms)
    layers = [cell_layers(CELL201, form) for form in forms]
    found = distances.between(numbers[:20], numbers[20:])
    for place in range(20):
        for which, nu in enumerate(STRUCTURE):
            expected = linear_program(layers[place], layers[20 + place], nu)
            assert found[place, which] == pytest.approx(expected, abs=1e-9)


def test_distances_of_other_operations_and_five_nodes_too():
    space = CellSpace("other", 5, ("none", "skip_connect", "conv_5x5", "max_pool", "avg_pool", "squeeze"))
    chosen = cells(16, 3, space)
    distances = TransportTables(space, (0.3,))
    numbers = distances.add([space.canonical(cell) for cell in chosen])
    layers = [cell_layers(space, space.canonical(cell)) for cell in chosen]
    for place in range(8):
        found = distances.between(numbers[place : place + 1], numbers[8 + place : 9 + place])[0, 0]
        assert found == pytest.approx(linear_program(layers[place], layers[8 + place], 0.3), abs=1e-9)


def test_equal_cells_are_at_distance_zero_exactly_and_distances_are_symmetric():
    representatives = [CELL201.architecture(members[0]) for members in CELL201.classes[::50]]
    twins = [CELL201.architecture(members[-1]) for members in CELL201.classes[::50]]
    distances = TransportTables(CELL201, STRUCTURE)
    numbers = distances.add([CELL201.canonical(cell) for cell in representatives])
    again = distances.add([CELL201.canonical(cell) for cell in twins])
    assert not distances.between(numbers, again).any()
    left, right = np.array(list(itertools.product(numbers, numbers))).T
    one, other = distances.between(left, right), distances.between(right, left)
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)
    # The triangle inequality (theorem 2 of the paper), and some distance between most cells.
    matrix = one[:, 2].reshape(len(numbers), len(numbers))
    assert (matrix[:, :, None] <= matrix[:, None, :] + matrix.T[None, :, :] + 1e-9).all()
    assert np.mean(matrix == 0) < 0.03


def test_rows_are_filled_in_as_observations_come():
    forms = [CELL201.canonical(cell) for cell in cells(30)]
    tables = TransportTables(CELL201, STRUCTURE)
    tables.add(forms[::-1])  # other numbers than those of the run
    distances = TransportDistances(tables)
    numbers = distances.add(forms[:10])
    for number in numbers[:5].tolist():
        distances.observe(number)
    distances.rows(numbers[3:8])
    everything = distances.add(forms)
    for number in everything[12:20].tolist():
        distances.observe(number)
    found = distances.rows(everything)
    assert found.shape == (30, 13, 4)
    fresh = TransportTables(CELL201, STRUCTURE)
    observed = fresh.add(forms[:5] + forms[12:20])
    for place, number in enumerate(fresh.add(forms)):
        np.testing.assert_array_equal(found[place], fresh.between(np.full(13, number), observed))
    np.testing.assert_array_equal(distances.totals[everything], fresh.totals[fresh.add(forms)])


def test_what_a_process_computed_before_moves_no_bit(monkeypatch):
    """Tables that have met other cells, in another order, hold the same distances; those grown too large are given up."""
    accuracy = landscape(CELL201.choices)
    settings = {"iterations": 5, "most_evaluations": 100}
    shared = transport_tables(CELL201, STRUCTURE)
    shared.add([CELL201.canonical(cell) for cell in cells(300, 9)])
    warm = drive(nasbot, CELL201, accuracy, 40, **settings)
    assert transport_tables(CELL201, STRUCTURE) is shared
    monkeypatch.setattr(_transport_distances, "MOST_GROUPS", shared.largest - 1)
    assert transport_tables(CELL201, STRUCTURE) is not shared
    assert drive(nasbot, CELL201, accuracy, 40, **settings) == warm


def test_many_mutations_are_those_of_the_space_one_by_one():
    chosen, steps = cells(40, 2), np.random.default_rng(3).integers(0, 6, size=40)
    ours, theirs = np.random.default_rng(4), np.random.default_rng(4)
    found = mutate_many(CELL201, np.array(chosen), steps, ours)
    for cell, taken, mutant in zip(chosen, steps.tolist(), found.tolist(), strict=True):
        expected = cell
        for _ in range(taken):
            expected = CELL201.mutate(expected, theirs)
        assert tuple(mutant) == expected
    assert ours.bit_generator.state == theirs.bit_generator.state
    with pytest.raises(SpaceError, match="one operation"):
        mutate_many(CellSpace("one", 3, ("conv",)), np.zeros((1, 3), dtype=int), np.ones(1, dtype=int), ours)


def test_path_lengths_are_those_of_all_paths():
    """Enumerate all paths of the layer graph; a random walk takes each connection with equal probability."""
    for cell in cells(60, 1):
        form = CELL201.canonical(cell)
        if not form:
            continue
        layers, graph = cell_layers(CELL201, form), cell_graph(form)
        count = len(layers.labels)
        parents = {0: []}
        for layer, (_, source) in enumerate(graph.operations, start=1):
            parents[layer] = [0] if source == 0 else [t + 1 for t, n in graph.nodes[source - 1] for _ in range(n)]
        parents[count - 1] = [term + 1 for term, times in graph.nodes[-1] for _ in range(times)]

        def walks(layer, parents=parents):
            """Yield (layers on the way to the input, probability), the start included, the input excluded."""
            if layer == 0:
                yield [], 1.0
            for parent in parents[layer]:
                for path, probability in walks(parent):
                    yield [layer, *path], probability / len(parents[layer])

        for layer in range(1, count):
            for group, column in (("all", 0), ("conv", 3), ("pool", 6)):
                lengths, chances = [], []
                for path, probability in walks(layer):
                    lengths.append(sum(group in ("all", layers.kinds[step]) for step in path))
                    chances.append(probability)
                expected = [min(lengths), max(lengths), np.dot(lengths, chances)]
                np.testing.assert_allclose(layers.lengths[layer, column : column + 3], expected, atol=1e-12)


def test_lengths_to_the_output_by_hand():
    """Input -> 3x3 -> output and input -> pool -> 1x1 -> output."""
    form = CELL201.canonical(
        CELL201.parse("|avg_pool_3x3~0|+|none~0|nor_conv_1x1~1|+|nor_conv_3x3~0|none~1|skip_connect~2|")
    )
    layers = cell_layers(CELL201, form)
    assert sorted(layers.labels) == ["avg_pool_3x3", "input", "nor_conv_1x1", "nor_conv_3x3", "output"]
    forward = dict(zip(layers.labels, layers.lengths[:, 9:].tolist(), strict=True))
    # all, conv, pool: shortest, longest, walk; the layer that is left counts, the input too
    assert forward["input"] == [2, 3, 2.5, 1, 1, 1, 0, 1, 0.5]
    assert forward["avg_pool_3x3"] == [2, 2, 2, 1, 1, 1, 1, 1, 1]
    assert forward["nor_conv_1x1"] == [1, 1, 1, 1, 1, 1, 0, 0, 0]
    assert forward["output"] == [0] * 9
    masses = dict(zip(layers.labels, layers.masses.tolist(), strict=True))
    assert masses["nor_conv_1x1"] == masses["nor_conv_3x3"] == 1.0
    assert masses["avg_pool_3x3"] == 1 / 16
    assert masses["input"] == masses["output"] == pytest.approx(max(0.1 * (2 + 1 / 16), 100 / 256))


def test_a_cell_without_a_path_is_far_from_all_others():
    layers = cell_layers(CELL201, ())
    assert layers.labels == ("input", "output")
    assert layers.lengths[0].tolist() == [0.0] * 9 + [7.0] * 9


def test_label_costs_are_those_of_the_code():
    assert label_cost("nor_conv_3x3", "nor_conv_1x1") == pytest.approx(0.2)
    assert label_cost("conv_7x7", "conv_3x3") == pytest.approx(np.sqrt(2) / 10 * 2)
    assert label_cost("avg_pool_3x3", "max_pool_3x3") == 0.5
    assert label_cost("avg_pool_3x3", "nor_conv_3x3") == np.inf
    assert label_cost("squeeze", "squeeze") == 0.0
    assert [kind_of(label) for label in ("nor_conv_3x3", "max_pool", "zoom")] == ["conv", "pool", "zoom"]


@pytest.mark.parametrize("size", [1, 2, 4, 6, 9])
def test_least_assignment_is_that_of_scipy(size):
    costs = np.random.default_rng(size).random((size, size, 5, 2))
    found = least_assignment(costs)
    for problem in np.ndindex(5, 2):
        matrix = costs[(..., *problem)]
        assert found[problem] == pytest.approx(matrix[linear_sum_assignment(matrix)].sum())


def indefinite(seed=0, count=12):
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(count, count))
    return 0.5 * (matrix + matrix.T), rng.normal(size=count)


def test_projection_keeps_the_positive_part():
    matrix, _ = indefinite()
    projected, projector = nearest_positive(matrix)
    assert np.linalg.eigvalsh(projected).min() > -1e-12
    np.testing.assert_allclose(projector @ matrix, projected, atol=1e-12)
    np.testing.assert_allclose(projector @ projector, projector, atol=1e-12)
    good = matrix @ matrix.T
    np.testing.assert_allclose(nearest_positive(good)[0], good, atol=1e-12)


def test_projected_likelihood_is_the_likelihood_of_the_projected_matrix():
    matrix, targets = indefinite()
    value, _, _ = projected_likelihood(matrix, 0.3, targets)
    expected = stats.multivariate_normal(np.zeros(12), nearest_positive(matrix)[0] + 0.3 * np.eye(12)).logpdf(targets)
    assert value == pytest.approx(expected, rel=1e-10)
    good = matrix @ matrix.T
    slopes = [np.eye(12), matrix]
    plain, gradient = log_marginal_likelihood(good, 0.3, targets, slopes)
    value, by_kernel, by_noise = projected_likelihood(good, 0.3, targets)
    assert value == pytest.approx(plain, rel=1e-10)
    np.testing.assert_allclose([by_noise, np.vdot(by_kernel, matrix)], gradient, rtol=1e-8)


def test_derivatives_of_the_projected_likelihood_are_finite_differences():
    matrix, targets = indefinite(4)
    direction, _ = indefinite(5)
    _, by_kernel, by_noise = projected_likelihood(matrix, 0.3, targets)
    step = 1e-6
    numeric = projected_likelihood(matrix + step * direction, 0.3, targets)[0]
    numeric -= projected_likelihood(matrix - step * direction, 0.3, targets)[0]
    assert np.vdot(by_kernel, direction) == pytest.approx(numeric / (2 * step), rel=1e-5)
    numeric = (
        projected_likelihood(matrix, 0.3 + step, targets)[0] - projected_likelihood(matrix, 0.3 - step, targets)[0]
    )
    assert by_noise == pytest.approx(numeric / (2 * step), rel=1e-6)


def known_example(count=25):
    chosen = cells(count, 7)
    distances = TransportDistances(TransportTables(CELL201, STRUCTURE))
    numbers = distances.add([CELL201.canonical(cell) for cell in chosen])
    for number in numbers.tolist():
        distances.observe(number)
    plain = distances.rows(numbers)
    normalised = plain / (distances.totals[numbers, None] + distances.totals[numbers])[..., None]
    accuracy = landscape(CELL201.choices)
    targets = standardise(np.array([1 - accuracy(cell) for cell in chosen]))
    return chosen, distances, numbers, plain, normalised, targets


def test_kernel_by_hand():
    parameters = np.log([2.0, 3.0, 0.1, 0.5, 0.25, 1.0, 4.0])
    value = kernel(np.array([1.0, 2.0]), np.array([0.5, 0.1]), parameters)
    assert value == pytest.approx(2 * np.exp(-0.5 - 0.5) + 3 * np.exp(-0.25 - 0.04))
    assert kernel(np.zeros(2), np.zeros(2), parameters) == pytest.approx(5.0)


def test_normalised_distances_are_at_most_one():
    _, _, _, _, normalised, _ = known_example()
    assert 0 <= normalised.min() <= normalised.max() <= 1 + 1e-12


def test_fitting_raises_the_likelihood_within_bounds():
    _, _, _, plain, normalised, targets = known_example()
    start = initial_parameters(4)
    found = fit(plain, normalised, targets, start, 40)

    def value(parameters):
        return projected_likelihood(kernel(plain, normalised, parameters), np.exp(parameters[2]), targets)[0]

    assert value(found) > value(start)
    assert np.log(0.005) - 1e-9 <= found[2] <= np.log(0.2) + 1e-9


def test_improvement_is_the_integral_over_the_posterior():
    _, distances, numbers, plain, normalised, targets = known_example()
    parameters = initial_parameters(4)
    cell = (3, 1, 4, 2, 0, 3)
    number = numbering(distances, CELL201.canonical)
    belief = belief_function(number, distances, numbers, targets, parameters, True)
    value = improvement_function(belief, float(targets.min()))([cell])[0]
    matrix, projector = nearest_positive(kernel(plain, normalised, parameters))
    own = distances.add([CELL201.canonical(cell)])
    away = distances.rows(own)
    share = away / (distances.totals[own, None] + distances.totals[numbers])[..., None]
    cross = kernel(away, share, parameters) @ projector
    mean, variance = predict(condition(matrix, 0.05, targets), cross, 1.0)
    best, deviation = targets.min(), float(np.sqrt(variance[0]))
    integral, _ = integrate.quad(
        lambda f: (best - f) * stats.norm.pdf(f, mean[0], deviation), mean[0] - 12 * deviation, best, epsabs=1e-13
    )
    assert value == pytest.approx(integral, rel=1e-7)


def test_projected_covariances_agree_with_what_was_observed():
    """At the observed cells the mean must be the smoothed targets; with raw covariances it is not."""
    matrix, targets = indefinite(2, 30)
    projected, projector = nearest_positive(matrix)
    posterior = condition(projected, 0.05, targets)
    smoothed = projected @ np.linalg.solve(projected + 0.05 * np.eye(30), targets)
    np.testing.assert_allclose(predict(posterior, matrix @ projector, 9.0)[0], smoothed, atol=1e-9)
    assert np.abs(predict(posterior, matrix, 9.0)[0] - smoothed).max() > 10 * np.abs(targets).max()


def test_raw_covariances_matter_where_the_kernel_is_indefinite():
    _, distances, numbers, plain, normalised, targets = known_example(60)
    parameters = np.log([0.01, 10.0, 0.05] + [0.001] * 4 + [0.1] * 4)
    matrix = kernel(plain, normalised, parameters)
    assert np.linalg.eigvalsh(matrix).min() < -0.1
    projected, projector = nearest_positive(matrix)
    posterior, best = condition(projected, 0.05, targets), float(targets.min())
    chosen = cells(40, 11)
    own = distances.add([CELL201.canonical(cell) for cell in chosen])
    away = distances.rows(own)
    cross = kernel(away, away / (distances.totals[own, None] + distances.totals[numbers])[..., None], parameters)
    for project in (True, False):
        number = numbering(distances, CELL201.canonical)
        score = improvement_function(belief_function(number, distances, numbers, targets, parameters, project), best)
        mean, variance = predict(posterior, cross @ projector if project else cross, 10.01)
        np.testing.assert_allclose(
            score(chosen), expected_improvement(mean, np.sqrt(variance), best), rtol=1e-6, atol=1e-12
        )
    assert np.abs((cross - cross @ projector) @ posterior.weights).max() > 1.0


def test_evolution_climbs_the_acquisition_and_returns_what_is_new():
    accuracy = landscape(CELL201.choices)
    scored = []

    def score(chosen):
        scored.extend(chosen)
        return np.array([accuracy(cell) for cell in chosen])

    known = cells(10)
    best = evolve(CELL201, np.random.default_rng(0), known, score, CELL201.canonical, set(), 200)
    assert len(scored) == 10 + 200
    assert accuracy(best) == max(map(accuracy, scored)) > max(map(accuracy, known))
    seen = {CELL201.canonical(cell) for cell in scored}
    other = evolve(CELL201, np.random.default_rng(0), known, score, CELL201.canonical, seen, 200)
    assert CELL201.canonical(other) not in {CELL201.canonical(cell) for cell in scored[:210]}


@pytest.mark.parametrize(("count", "batches"), [(200, [42, 42, 42, 42, 32]), (2, [2]), (8, [8]), (1500, [100] * 15)])
def test_generations_of_evolution_are_those_of_the_authors_code(count, batches):
    """`opt/domains.py`: int(clip(3 sqrt(n), 5, 100)) mutants a generation."""
    sizes = []

    def score(chosen):
        sizes.append(len(chosen))
        return np.arange(len(chosen), dtype=float)

    evolve(CELL201, np.random.default_rng(0), cells(10), score, CELL201.canonical, set(), count)
    assert sizes == [10, *batches]


def test_beats_random_search():
    accuracy = landscape(CELL201.choices)
    best = []
    for seed in range(8):
        asked, told = drive(nasbot, CELL201, accuracy, 60, seed=seed, iterations=10)
        assert len({CELL201.canonical(cell) for cell in asked}) == 60
        best.append(max(told))
    rng = np.random.default_rng(5)
    random_best = [max(accuracy(CELL201.sample(rng)) for _ in range(60)) for _ in range(200)]
    assert np.mean(best) > np.mean(random_best) + 2 * np.std(random_best) / np.sqrt(8)


def test_small_spaces_reproducibly_past_exhaustion_and_with_equal_answers():
    space = SPACES["cell201-3node"]
    accuracy = landscape(space.choices)
    first = drive(nasbot, space, accuracy, 70, iterations=3)
    assert first == drive(nasbot, space, accuracy, 70, iterations=3)
    assert len(first[0]) == 70
    asked, _ = drive(nasbot, CELL201, lambda cell: 0.0, 30, iterations=3)
    assert len(asked) == 30


def test_spaces_and_settings_that_do_not_fit_are_refused():
    with pytest.raises(SpaceError, match="nasbot compares cells as graphs; space bare is none of cells"):
        drive(nasbot, BareSpace(), landscape((2, 3, 4)), 1)
    wrong_ones = (
        {"initial": 1},
        {"structure": ()},
        {"structure": (-1.0,)},
        {"most_evaluations": 20},
        {"refit_every": 0},
    )
    for wrong in wrong_ones:
        with pytest.raises(SettingError, match=next(iter(wrong))):
            drive(nasbot, CELL201, landscape(CELL201.choices), 1, **wrong)
