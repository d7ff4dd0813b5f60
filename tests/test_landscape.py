"""Effects, walks, distances, optima and basins against brute force on small spaces and against facts about NAS-Bench-201."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from nasbench.analysis import effects, landscape, optima
from nasbench.sealed import open_table
from nasbench.space import CELL201, SPACES, CellSpace

SMALL = SPACES["cell201-3node"]  # 125 cells
TINY = CellSpace("tiny", 3, ("none", "skip_connect", "a"))  # 27 cells
SINGLE = CellSpace("single", 2, ("none", "a", "b"))  # one edge
ROOT = Path(__file__).resolve().parent.parent


def random_scores(space, seed, levels=None):
    rng = np.random.default_rng(seed)
    return rng.normal(size=space.size) if levels is None else rng.integers(levels, size=space.size).astype(float)


@pytest.fixture(scope="module")
def published():
    table = open_table(ROOT / "data" / "nas-bench-201.h5")
    return {
        name: np.round(data.mean_accuracy("validation")[table.row_of_index], 12)
        for name, data in table.datasets.items()
    }


def transition(space):
    """Return the random walk's transition matrix, from the space's own neighbours."""
    rows = [[space.index(other) for other in space.neighbours(architecture)] for architecture in space]
    degree = len(rows[0])
    places = (np.repeat(np.arange(space.size), degree), np.concatenate(rows))
    return scipy.sparse.csr_array((np.full(space.size * degree, 1 / degree), places), shape=(space.size,) * 2)


# Effects --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("space", [SINGLE, TINY, SMALL, CELL201], ids=lambda space: space.name)
def test_variances_by_edges_add_up_to_the_total(space):
    scores = random_scores(space, 1) + 50.0
    variances = effects.variance_by_edges(space, scores)
    assert variances.shape == (2 ** len(space.edges),)
    assert (variances >= 0).all()
    assert variances.sum() == pytest.approx(scores.var(), rel=1e-12)
    assert effects.variance_by_order(space, scores).sum() == pytest.approx(1.0, rel=1e-12)


def anova_by_hand(space, scores):
    """Return the variance of every set of edges by means of means, subtracting what smaller sets explain."""
    values = scores.reshape(space.choices)
    edges = range(len(space.edges))
    components, variances = {}, {}
    for size in range(len(space.edges) + 1):
        for chosen in itertools.combinations(edges, size):
            others = tuple(edge for edge in edges if edge not in chosen)
            component = np.broadcast_to(values.mean(axis=others, keepdims=True), values.shape).copy()
            for smaller in components:
                if set(smaller) < set(chosen):
                    component -= components[smaller]
            components[chosen] = component
            variances[chosen] = (component**2).mean() if size else 0.0
    return variances


@pytest.mark.parametrize("space", [TINY, SMALL], ids=lambda space: space.name)
def test_variances_agree_with_an_analysis_of_variance_by_hand(space):
    scores = random_scores(space, 2)
    found = effects.variance_by_edges(space, scores)
    for chosen, variance in anova_by_hand(space, scores).items():
        assert found[sum(1 << edge for edge in chosen)] == pytest.approx(variance, abs=1e-13)


def test_variances_of_the_published_scores_agree_with_the_analysis_by_hand(published):
    scores = published["cifar10"]
    found = effects.variance_by_edges(CELL201, scores)
    by_hand = anova_by_hand(CELL201, scores)
    assert [found[sum(1 << edge for edge in chosen)] for chosen in by_hand] == pytest.approx(
        list(by_hand.values()), abs=1e-13
    )


def test_known_effects_are_found_where_they_are():
    operations = landscape.all_operations(SMALL).astype(float)
    first, second, third = operations.T
    scores = 2.0 * first + (second - 2.0) * (third - 2.0)  # one main effect, one pure interaction of two centred edges
    variances = effects.variance_by_edges(SMALL, scores)
    assert variances[0b001] == pytest.approx(4 * 2.0)  # variance of 0..4 is 2
    assert variances[0b110] == pytest.approx(2.0 * 2.0)
    assert variances.sum() == pytest.approx(variances[0b001] + variances[0b110])
    assert effects.main_effects(SMALL, scores)[0].tolist() == pytest.approx([-4, -2, 0, 2, 4])
    assert effects.main_effects(SMALL, scores)[1:] == pytest.approx(np.zeros((2, 5)), abs=1e-12)
    expected = np.outer(np.arange(5) - 2.0, np.arange(5) - 2.0)
    assert effects.interaction(SMALL, scores, 1, 2) == pytest.approx(expected, abs=1e-12)
    assert effects.interaction(SMALL, scores, 0, 1) == pytest.approx(np.zeros((5, 5)), abs=1e-12)
    shares = effects.pairwise_shares(SMALL, scores)
    assert shares[1, 2] == shares[2, 1] == pytest.approx(4 / 12)
    assert shares.diagonal() == pytest.approx([8 / 12, 0, 0], abs=1e-12)


def test_interaction_knows_which_edge_comes_first():
    scores = random_scores(SMALL, 3)
    assert effects.interaction(SMALL, scores, 2, 0) == pytest.approx(effects.interaction(SMALL, scores, 0, 2).T)
    with pytest.raises(ValueError, match=r"edges are 1 and 1, must be two different numbers of 0..2"):
        effects.interaction(SMALL, scores, 1, 1)
    with pytest.raises(ValueError, match="edges are 0 and 3"):
        effects.interaction(SMALL, scores, 0, 3)


def test_replacement_effects_by_brute_force():
    scores = random_scores(SMALL, 4)
    chosen = scores > np.quantile(scores, 0.8)
    for mask in (None, chosen):
        changes, cells = effects.replacement_effects(SMALL, scores, mask)
        for edge, present, new in itertools.product(range(3), range(5), range(5)):
            differences = []
            for index, architecture in enumerate(SMALL):
                if architecture[edge] == present and (mask is None or mask[index]):
                    other = (*architecture[:edge], new, *architecture[edge + 1 :])
                    differences.append(scores[SMALL.index(other)] - scores[index])
            assert cells[edge, present] == len(differences)
            if differences:
                assert changes[edge, present, new] == pytest.approx(np.mean(differences), abs=1e-13)
            else:
                assert np.isnan(changes[edge, present, new])


def test_replacement_of_all_cells_is_the_difference_of_main_effects():
    scores = random_scores(CELL201, 5)
    main = effects.main_effects(CELL201, scores)
    changes, cells = effects.replacement_effects(CELL201, scores)
    assert changes == pytest.approx(main[:, None, :] - main[:, :, None], abs=1e-12)
    assert (cells == 5**5).all()


def test_equal_scores_have_no_shares():
    scores = np.full(TINY.size, 0.3)
    assert np.isnan(effects.variance_by_order(TINY, scores)).all()
    assert np.isnan(effects.pairwise_shares(TINY, scores)).all()
    assert np.isnan(landscape.walk_autocorrelation(TINY, scores, 3)).all()
    assert np.isnan(landscape.correlation_length(TINY, scores))
    assert np.isnan(landscape.fitness_distance(TINY, scores).pearson)
    assert (landscape.locality(TINY, scores).mean_difference == 0).all()


def test_scores_must_be_whole_and_finite():
    with pytest.raises(ValueError, match=r"shape \(26,\), space tiny needs \(27,\)"):
        effects.variance_by_order(TINY, np.zeros(26))
    with pytest.raises(ValueError, match="2 of 27 scores are not finite"):
        landscape.locality(TINY, np.array([np.nan, np.inf] + [0.0] * 25))


# Walks and distances --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("space", [SINGLE, TINY, SMALL, CELL201], ids=lambda space: space.name)
def test_neighbours_are_the_spaces_own(space):
    found = landscape.all_neighbours(space)
    rng = np.random.default_rng(0)
    for index in rng.integers(space.size, size=30).tolist():
        assert found[index].tolist() == [space.index(other) for other in space.neighbours(space.architecture(index))]
        assert tuple(landscape.all_operations(space)[index].tolist()) == space.architecture(index)


@pytest.mark.parametrize("space", [SINGLE, TINY, SMALL], ids=lambda space: space.name)
def test_autocorrelation_agrees_with_powers_of_the_transition_matrix(space):
    scores = random_scores(space, 6)
    walk, moved = transition(space), scores - scores.mean()
    for step, found in enumerate(landscape.walk_autocorrelation(space, scores, 8)):
        expected = (scores - scores.mean()) @ moved / (space.size * scores.var())
        assert found == pytest.approx(expected, abs=1e-12), step
        moved = walk @ moved


def test_autocorrelation_of_the_published_scores_agrees_with_the_transition_matrix(published):
    walk = transition(CELL201)
    for scores in published.values():
        found = landscape.walk_autocorrelation(CELL201, scores, 5)
        centred = scores - scores.mean()
        moved = centred
        for step in range(6):
            assert found[step] == pytest.approx(centred @ moved / (centred @ centred), abs=1e-12)
            moved = walk @ moved


def test_autocorrelation_agrees_with_simulated_walks(published):
    scores = published["cifar10"]
    rng = np.random.default_rng(7)
    number = 200_000
    place = rng.integers(CELL201.size, size=number)
    values = [scores[place]]
    for _ in range(3):
        place = landscape.all_neighbours(CELL201)[place, rng.integers(24, size=number)]
        values.append(scores[place])
    found = landscape.walk_autocorrelation(CELL201, scores, 3)
    for step in range(1, 4):
        assert np.corrcoef(values[0], values[step])[0, 1] == pytest.approx(found[step], abs=0.01)


def test_autocorrelation_is_about_what_was_published_for_sampled_walks(published):
    # Tao & Bang (EXPLAINS 2024), v-tao/nats-bench-landscape, CIFAR10/autocorrelations.json: 200 walks of 100 steps over test
    # accuracies, .520 and .306; means over short walks are too low.
    found = landscape.walk_autocorrelation(CELL201, published["cifar10"], 2)
    assert found[1:] == pytest.approx([0.520, 0.306], abs=0.05)


def test_correlation_length():
    scores = (
        landscape.all_operations(CELL201).astype(float).sum(axis=1)
    )  # additive: r(1) is the first eigenvalue, 19/24
    assert landscape.walk_autocorrelation(CELL201, scores, 1)[1] == pytest.approx(19 / 24)
    assert landscape.correlation_length(CELL201, scores) == pytest.approx(-1 / np.log(19 / 24))
    alternating = np.array([1.0, -1.0])  # two cells on one edge: each step changes the sign
    two = CellSpace("two", 2, ("none", "a"))
    assert landscape.walk_autocorrelation(two, alternating, 3).tolist() == pytest.approx([1, -1, 1, -1])
    assert landscape.correlation_length(two, alternating) == 0
    with pytest.raises(ValueError, match="one operation"):
        landscape.walk_eigenvalues(CellSpace("one", 3, ("a",)))


@pytest.mark.parametrize("space", [SINGLE, TINY, SMALL], ids=lambda space: space.name)
@pytest.mark.parametrize("levels", [None, 3])
def test_locality_by_brute_force_over_all_pairs(space, levels):
    scores = random_scores(space, 8, levels)
    operations = landscape.all_operations(space)
    distance = (operations[:, None] != operations[None]).sum(axis=2)
    difference = np.abs(scores[:, None] - scores[None])
    found = landscape.locality(space, scores)
    for far in range(len(space.edges) + 1):
        pairs = distance == far
        assert found.pairs[far] == pairs.sum()
        assert found.mean_difference[far] == pytest.approx(difference[pairs].mean(), abs=1e-12)
        one, two = np.nonzero(pairs)
        expected = np.mean((scores[one] - scores.mean()) * (scores[two] - scores.mean())) / scores.var()
        assert found.correlation[far] == pytest.approx(expected, abs=1e-12)


def test_locality_agrees_with_sampled_pairs_and_with_the_walk(published):
    rng = np.random.default_rng(9)
    operations = landscape.all_operations(CELL201)
    one, two = rng.integers(CELL201.size, size=(2, 400_000))
    distance = (operations[one] != operations[two]).sum(axis=1)
    for scores in published.values():
        found = landscape.locality(CELL201, scores)
        for far in (4, 5, 6):
            difference = np.abs(scores[one] - scores[two])[distance == far]
            error = difference.std() / np.sqrt(len(difference))
            assert found.mean_difference[far] == pytest.approx(difference.mean(), abs=5 * error)
        neighbours = landscape.all_neighbours(CELL201)
        assert found.mean_difference[1] == pytest.approx(np.abs(scores[neighbours] - scores[:, None]).mean(), abs=1e-12)
        assert found.correlation[1] == pytest.approx(landscape.walk_autocorrelation(CELL201, scores, 1)[1], abs=1e-12)


def test_fitness_distance_correlation_against_scipy_on_explicit_distances(published):
    for scores in published.values():
        found = landscape.fitness_distance(CELL201, scores)
        best = CELL201.architecture(int(np.argmax(scores)))
        distance = [sum(one != two for one, two in zip(best, other, strict=True)) for other in CELL201]
        assert found.distance.tolist() == distance
        assert found.pearson == pytest.approx(scipy.stats.pearsonr(scores, distance).statistic, abs=1e-12)
        assert found.spearman == pytest.approx(scipy.stats.spearmanr(scores, distance).statistic, abs=1e-12)
        assert found.kendall == pytest.approx(scipy.stats.kendalltau(scores, distance).statistic, abs=1e-12)


def test_fitness_distance_correlation_is_about_what_was_published(published):
    # Tao & Bang (EXPLAINS 2024), summary.json of each data set, on test accuracies; ImageNet16-120's best cell is another.
    expected = {"cifar10": -0.2199, "cifar100": -0.3090, "imagenet16-120": -0.3163}
    for name, value in expected.items():
        assert landscape.fitness_distance(CELL201, published[name]).pearson == pytest.approx(value, abs=0.02)


def test_distance_is_to_the_nearest_of_several_best():
    scores = np.zeros(SMALL.size)
    best = [(0, 0, 0), (4, 4, 4)]
    scores[[SMALL.index(each) for each in best]] = 1.0
    found = landscape.fitness_distance(SMALL, scores)
    assert found.best.tolist() == [0, 124]
    assert found.distance[SMALL.index((0, 4, 4))] == 1
    assert found.distance[SMALL.index((0, 0, 4))] == 1
    assert found.distance[SMALL.index((1, 2, 3))] == 3


def test_scores_by_distance():
    distance = np.array([0, 1, 1, 3])
    found = landscape.scores_by_distance(np.array([1.0, 0.2, 0.4, 0.0]), distance, (0.0, 0.5, 1.0))
    assert [(each.distance, each.cells, each.mean) for each in found] == [
        (0, 1, 1.0),
        (1, 2, pytest.approx(0.3)),
        (3, 1, 0.0),
    ]
    assert found[1].quantiles == pytest.approx((0.2, 0.3, 0.4))


# Optima and basins ----------------------------------------------------------------------------------------------------


def brute_networks(space, scores):
    """Return the connected sets of equal scores, by flooding."""
    seen, sets = set(), []
    for start in range(space.size):
        if start in seen:
            continue
        group, waiting = {start}, [start]
        while waiting:
            for other in space.neighbours(space.architecture(waiting.pop())):
                index = space.index(other)
                if index not in group and scores[index] == scores[start]:
                    group.add(index)
                    waiting.append(index)
        seen |= group
        sets.append(sorted(group))
    return sets


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), levels=st.sampled_from([2, 3, 5, 20, None]))
def test_local_optima_and_networks_by_brute_force(seed, levels):
    scores = random_scores(SMALL, seed, levels)
    around = [[scores[SMALL.index(other)] for other in SMALL.neighbours(architecture)] for architecture in SMALL]
    found = optima.local_optima(SMALL, scores)
    assert found.strict.tolist() == [cell for cell in range(SMALL.size) if scores[cell] > max(around[cell])]
    weak = [cell for cell in range(SMALL.size) if scores[cell] >= max(around[cell])]
    assert found.weak.tolist() == weak
    sets = brute_networks(SMALL, scores)
    numbers = optima.networks(SMALL, scores)
    assert [np.flatnonzero(numbers == number).tolist() for number in range(len(sets))] == sets
    closed = [group for group in sets if all(cell in set(weak) for cell in group)]
    closed.sort(key=lambda group: (-scores[group[0]], group[0]))
    assert found.peaks.tolist() == [group[0] for group in closed]
    assert found.sizes.tolist() == [len(group) for group in closed]
    for cell, peak in zip(found.weak.tolist(), found.peak_of.tolist(), strict=True):
        expected = [place for place, group in enumerate(closed) if cell in group]
        assert peak == (expected[0] if expected else -1)


def simulate(space, scores, rule, start, rng):
    """Climb as the rule says, with the space's own neighbours; return where it ends, steps and queries."""
    cell, steps, queries = start, 0, 1
    while True:
        neighbours = [space.index(other) for other in space.neighbours(space.architecture(cell))]
        if rule == "best":
            queries += len(neighbours)
            highest = max(scores[other] for other in neighbours)
            better = [other for other in neighbours if scores[other] == highest] if highest > scores[cell] else []
            onward = better[rng.integers(len(better))] if better else None
        else:
            onward = None
            for other in rng.permutation(neighbours).tolist():
                queries += 1
                if scores[other] > scores[cell]:
                    onward = other
                    break
        if onward is None:
            return cell, steps, queries
        cell, steps = onward, steps + 1


@pytest.mark.parametrize("rule", ["best", "first"])
@pytest.mark.parametrize("levels", [None, 6])
def test_basins_agree_with_simulated_climbers(rule, levels):
    scores = random_scores(SMALL, 10, levels)
    judged = random_scores(SMALL, 11)
    judged[optima.local_optima(SMALL, scores).peaks[0]] = 9.0
    found = optima.local_optima(SMALL, scores)
    result = optima.basins(SMALL, scores, rule, found, judged)
    rng = np.random.default_rng(12)
    rounds = 120
    ends, steps, queries = [], 0, 0
    for start in list(range(SMALL.size)) * rounds:
        end, more_steps, more_queries = simulate(SMALL, scores, rule, start, rng)
        ends.append(end)
        steps, queries = steps + more_steps, queries + more_queries
    number = SMALL.size * rounds
    peak_of = dict(zip(found.weak.tolist(), found.peak_of.tolist(), strict=True))
    counts = np.bincount([peak_of[end] + 1 for end in ends], minlength=len(found.peaks) + 1) / rounds
    assert np.concatenate([[result.stranded], result.size]) == pytest.approx(counts, abs=1.5)
    assert result.size.sum() + result.stranded == pytest.approx(SMALL.size)
    assert result.steps == pytest.approx(steps / number, abs=0.03)
    assert result.queries == pytest.approx(queries / number, abs=0.25)
    assert result.end == pytest.approx(judged[ends].mean(), abs=0.06)
    assert result.success == pytest.approx(np.mean([judged[end] == judged.max() for end in ends]), abs=0.02)


def test_best_improvement_without_ties_is_a_plain_ascent(published):
    scores = random_scores(CELL201, 13)  # no two alike
    found = optima.local_optima(CELL201, scores)
    neighbours = landscape.all_neighbours(CELL201)
    best = neighbours[np.arange(CELL201.size), scores[neighbours].argmax(axis=1)]
    onward = np.where(scores[best] > scores, best, np.arange(CELL201.size))
    ends = np.arange(CELL201.size)
    for _ in range(40):
        ends = onward[ends]
    result = optima.basins(CELL201, scores, "best", found)
    assert result.size.tolist() == [int((ends == peak).sum()) for peak in found.peaks]
    assert result.end == pytest.approx(scores[ends].mean())
    assert result.success == pytest.approx((ends == scores.argmax()).mean())


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), levels=st.sampled_from([4, 30, None]))
def test_weak_and_strong_basins_by_brute_force(seed, levels):
    scores = random_scores(SMALL, seed, levels)
    found = optima.local_optima(SMALL, scores)
    peak_of = dict(zip(found.weak.tolist(), found.peak_of.tolist(), strict=True))

    def goals(cell, known):
        if cell not in known:
            others = [SMALL.index(other) for other in SMALL.neighbours(SMALL.architecture(cell))]
            better = [other for other in others if scores[other] > scores[cell]]
            known[cell] = frozenset().union(*[goals(other, known) for other in better]) if better else {peak_of[cell]}
        return known[cell]

    known = {}
    reached = [goals(cell, known) for cell in range(SMALL.size)]
    weak, strong = optima.reachable_peaks(SMALL, scores, found)
    for peak in range(len(found.peaks)):
        assert weak[peak] == sum(peak in each for each in reached)
        assert strong[peak] == sum(set(each) == {peak} for each in reached)


def test_cells_without_a_path_are_one_neutral_network_of_341(published):
    """The largest neutral network of Tao & Bang (2024): the 341 cells that compute nothing, connected by single changes."""
    empty = [index for index, architecture in enumerate(CELL201) if not CELL201.canonical(architecture)]
    assert len(empty) == 341
    numbers = optima.networks(CELL201, CELL201.class_of.astype(float))
    assert len(set(numbers[empty].tolist())) == 1
    assert np.bincount(numbers).max() == 341
    for name, scores in published.items():
        numbers = optima.networks(CELL201, scores)
        assert len(set(numbers[empty].tolist())) == 1
        assert optima.neutrality(CELL201, scores, 0.003).largest == (342 if name == "imagenet16-120" else 341)


def test_neutrality_by_brute_force():
    scores = random_scores(SMALL, 14, 8)
    found = optima.neutrality(SMALL, scores, 1.5)
    pairs = [
        (one, SMALL.index(other)) for one in range(SMALL.size) for other in SMALL.neighbours(SMALL.architecture(one))
    ]
    change = np.array([abs(scores[one] - scores[two]) for one, two in pairs])
    same = [SMALL.canonical(SMALL.architecture(one)) == SMALL.canonical(SMALL.architecture(two)) for one, two in pairs]
    assert found.same_class == pytest.approx(np.mean(same))
    assert found.equal == pytest.approx((change == 0).mean())
    assert found.within_noise == pytest.approx((change < 1.5).mean())
    sizes = [len(group) for group in brute_networks(SMALL, scores) if len(group) > 1]
    assert (found.networks, found.cells, found.largest) == (len(sizes), sum(sizes), max(sizes))
    assert np.isnan(optima.neutrality(SMALL, scores, float("nan")).within_noise)


def test_best_published_cell_of_cifar10_is_a_local_optimum(published):
    """Row 6111, which is also in Tao & Bang's list of local optima on CIFAR-10's test accuracies."""
    table = open_table(ROOT / "data" / "nas-bench-201.h5")
    found = optima.local_optima(CELL201, published["cifar10"])
    assert table.row_of_index[found.peaks[0]] == 6111
    assert len(found.strict) == 13
