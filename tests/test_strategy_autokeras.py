"""Auto-Keras: edit distance by brute force, the embedding and its process, the morphs, the tree search."""

import itertools
import math

import numpy as np
import pytest
from synthetic_search import BareSpace, drive, landscape

from nasbench.baselines.strategies._edit_distance import connection_cost, edit_costs, edit_distances, layer_cost
from nasbench.baselines.strategies.autokeras import (
    Model,
    accepted,
    autokeras,
    draw_morphs,
    growth,
    landmark_subsets,
    possible_morphs,
    smallest_chain,
    tree_search,
)
from nasbench.settings import SettingError
from nasbench.space import CELL201, SPACES, CellSpace, SpaceError

FIVE = CellSpace("five", 5, ("none", "skip_connect", "conv_3x3", "conv_5x5", "max_pool"))
NO_NONE = CellSpace("no-none", 4, ("skip_connect", "conv_3x3"))


def cells(count, seed=0, space=CELL201):
    rng = np.random.default_rng(seed)
    return [space.sample(rng) for _ in range(count)]


def alignments(left, right):
    """Yield the costs of all ways to turn one chain into another by deleting, inserting and replacing."""
    if not left or not right:
        yield float(len(left) + len(right))
        return
    for rest in alignments(left[1:], right):
        yield 1 + rest
    for rest in alignments(left, right[1:]):
        yield 1 + rest
    for rest in alignments(left[1:], right[1:]):
        yield layer_cost(left[0], right[0]) + rest


def brute_distance(space, left, right, weight):
    def parts(cell):
        chain, skips = [], []
        for (source, target), operation in zip(space.edges, cell, strict=True):
            if target == source + 1:
                chain.append(space.operations[operation])
            elif space.operations[operation] != "none":
                skips.append((source, target, space.operations[operation]))
        return chain, skips

    (chain, skips), (other_chain, other_skips) = parts(left), parts(right)
    few, many = sorted((skips, other_skips), key=len)
    assigned = [
        sum(1.0 if a[2] != b[2] else connection_cost(a[:2], b[:2]) for a, b in zip(few, chosen, strict=True))
        for chosen in itertools.permutations(many, len(few))
    ]
    return min(alignments(chain, other_chain)) + weight * (min(assigned) + len(many) - len(few))


@pytest.mark.parametrize("space", [CELL201, FIVE, SPACES["cell201-3node"]])
def test_edit_distances_are_those_of_brute_force(space):
    left, right = cells(12, 1, space), cells(9, 2, space)
    found = edit_distances(edit_costs(space), np.array(left), np.array(right), 0.1)
    for i, j in itertools.product(range(12), range(9)):
        assert found[i, j] == pytest.approx(brute_distance(space, left[i], right[j], 0.1), abs=1e-12)


def test_edit_distance_by_hand():
    """Edges (0,1) (0,2) (1,2) (0,3) (1,3) (2,3); the chain is the first, third and last of them."""
    costs = edit_costs(CELL201)
    assert costs.chain == (0, 2, 5)
    assert costs.skips == (1, 3, 4)

    def distance(left, right):
        return edit_distances(costs, np.array([left]), np.array([right]), 0.1)[0, 0]

    base = (3, 0, 3, 0, 0, 3)
    assert distance(base, (2, 0, 3, 0, 0, 3)) == pytest.approx((3 - 1) / 3 / 3)  # kernel, one of three attributes
    assert distance(base, (4, 0, 3, 0, 0, 3)) == 1.0
    assert distance(base, (3, 1, 3, 0, 0, 3)) == pytest.approx(0.1)
    assert distance((3, 1, 3, 0, 0, 3), (3, 0, 3, 1, 0, 3)) == pytest.approx(0.1 * 1 / 3)  # (0,2) against (0,3)
    assert distance((3, 1, 3, 0, 0, 3), (3, 0, 3, 2, 0, 3)) == pytest.approx(0.1)  # another type
    # (pool, 3x3, 3x3) against (3x3, 3x3, 1x1): shifted by one, 1 + 1, is dearer than replacing, 1 + 0 + 2/9
    assert distance((4, 0, 3, 0, 0, 3), (3, 0, 3, 0, 0, 2)) == pytest.approx(1 + 2 / 9)


def test_distance_is_zero_for_equal_cells_alone_and_symmetric():
    space = SPACES["cell201-3node"]
    every = np.array(list(space))
    found = edit_distances(edit_costs(space), every, every, 0.1)
    np.testing.assert_array_equal(found == 0, np.eye(len(every), dtype=bool))
    np.testing.assert_allclose(found, found.T, atol=1e-12)


def test_costs_of_layers_and_connections():
    assert layer_cost("nor_conv_1x1", "nor_conv_3x3") == pytest.approx(2 / 9)
    assert layer_cost("avg_pool_3x3", "nor_conv_3x3") == 1.0
    assert layer_cost("none", "none") == 0.0
    assert connection_cost((0, 2), (1, 3)) == pytest.approx(1 / (1 + 2))
    assert connection_cost((0, 3), (0, 3)) == 0.0


def test_landmark_subsets_have_bourgains_sizes():
    subsets = landmark_subsets(100, np.random.default_rng(0))
    assert [len(subset) for subset in subsets] == [
        2**size for size in range(7) for _ in range(math.ceil(math.log(100)))
    ]
    assert all(0 <= subset.min() <= subset.max() < 100 for subset in subsets)
    assert [subset.tolist() for subset in landmark_subsets(1, np.random.default_rng(0))] == [[0]]


def test_model_is_the_process_on_the_embedding():
    trained, new = cells(15, 3), cells(6, 4)
    accuracies = np.random.default_rng(0).random(15)
    costs = edit_costs(CELL201)
    model = Model(costs, 0.1, trained, accuracies.tolist(), np.random.default_rng(5))
    subsets = landmark_subsets(15, np.random.default_rng(5))

    def embed(chosen):
        distances = edit_distances(costs, np.array(chosen), np.array(trained), 0.1)
        return np.array([[row[subset].min() for subset in subsets] for row in distances])

    points, others = embed(trained), embed(new)
    matrix = np.exp(-((points[:, None] - points[None]) ** 2).mean(axis=2)) + 1e-10 * np.eye(15)
    cross = np.exp(-((others[:, None] - points[None]) ** 2).mean(axis=2))
    mean = cross @ np.linalg.solve(matrix, accuracies)
    variance = 1 - np.einsum("ij,ji->i", cross, np.linalg.solve(matrix, cross.T))
    expected = mean + 2.576 * np.sqrt(np.maximum(variance, 0))
    np.testing.assert_allclose(model.bound(new, 2.576), expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(model.bound(trained, 0.0), accuracies, atol=1e-4)  # noise 1e-10: it interpolates


def test_morphs_by_hand():
    """Operations none 0, skip 1, 1x1 2, 3x3 3, pool 4."""
    deepen, widen, skip = possible_morphs(CELL201, (2, 0, 1, 3, 4, 0))
    assert deepen == [(2, 2), (2, 3), (5, 2), (5, 3)]  # chain edges that carry skip and none
    assert widen == [(0, 3)]  # the 3x3 on (0,3) is the largest already
    assert skip == [(1, operation) for operation in (1, 2, 3, 4)]  # (1,3) carries a pooling
    assert possible_morphs(CELL201, (3,) * 6) == [[], [], []]
    assert draw_morphs(CELL201, (3,) * 6, 8, np.random.default_rng(0)) == []


def test_morphs_only_grow_and_change_one_edge():
    rng = np.random.default_rng(0)
    for cell in cells(50):
        for morph in draw_morphs(CELL201, cell, 8, rng):
            (edge,) = [place for place in range(6) if morph[place] != cell[place]]
            assert growth(CELL201.operations[morph[edge]]) > growth(CELL201.operations[cell[edge]])
    assert len(draw_morphs(CELL201, (1,) * 6, 8, rng)) <= 8


def test_the_search_begins_with_the_smallest_chain():
    assert smallest_chain(CELL201) == (2, 0, 2, 0, 0, 2)
    assert smallest_chain(FIVE) == (2, 0, 2, 0, 0, 2, 0, 0, 0, 2)
    assert smallest_chain(NO_NONE) == (1, 0, 1, 0, 0, 1)
    assert smallest_chain(CellSpace("pool", 3, ("none", "pool"))) == (1, 0, 1)
    assert drive(autokeras, CELL201, landscape(CELL201.choices), 1)[0] == [(2, 0, 2, 0, 0, 2)]
    starts = {drive(autokeras, CELL201, landscape(CELL201.choices), 1, seed=s, start="random")[0][0] for s in range(9)}
    assert len(starts) > 5


def test_tree_search_returns_the_best_bound_it_saw():
    class Recorder:
        def __init__(self):
            self.bounds = {}

        def bound(self, chosen, confidence):
            assert confidence == 2.0
            values = [sum(cell) / 30 for cell in chosen]
            self.bounds.update(zip(chosen, values, strict=True))
            return values

    trained, model = [(2, 0, 2, 0, 0, 2), (1, 1, 1, 1, 1, 1)], Recorder()
    seen = {CELL201.canonical(cell) for cell in trained}
    rng = np.random.default_rng(0)
    target = tree_search(CELL201, model, trained, [0.5, 0.4], seen, rng, 2.0, 8, 0.9, 1e-4)
    assert model.bounds[target] == max(model.bounds.values())
    assert not set(model.bounds) & set(trained)
    assert (
        max(sum(a != b for a, b in zip(cell, trained[0], strict=True)) for cell in model.bounds) > 1
    )  # morphs of morphs
    assert tree_search(CELL201, model, [(3,) * 6], [0.5], set(), rng, 2.0, 8, 0.9, 1e-4) is None


def test_annealing_accepts_the_worse_with_its_probability():
    rng = np.random.default_rng(0)
    for value, temperature in ((0.5, 1.0), (0.5, 0.1), (0.95, 0.1), (1.2, 0.01)):
        share = np.mean([accepted(value, 1.0, temperature, rng) for _ in range(20_000)])
        assert share == pytest.approx(min(1.0, math.exp((value - 1.0) / temperature)), abs=0.012)
    assert accepted(0.0, -math.inf, 1e-4, rng)


def grown_is_better(cell):
    """A landscape on which growth pays: convolutions help, most in the chain, with an interaction."""
    return (
        0.3
        + 0.06 * sum(operation in (2, 3) for operation in cell)
        + 0.05 * (cell[0] == cell[2] == 3)
        + 0.04 * (cell[4] == 1)
    )


def test_finds_what_growth_leads_to_and_never_trains_a_class_twice():
    best = []
    for seed in range(5):
        asked, told = drive(autokeras, CELL201, grown_is_better, 60, seed=seed)
        assert len({CELL201.canonical(cell) for cell in asked}) == 60
        best.append(max(told))
    rng = np.random.default_rng(5)
    random_best = [max(grown_is_better(CELL201.sample(rng)) for _ in range(60)) for _ in range(200)]
    assert np.mean(best) > np.quantile(random_best, 0.9)


@pytest.mark.parametrize("space", [SPACES["cell201-3node"], NO_NONE, FIVE])
def test_other_spaces_reproducibly_past_exhaustion(space):
    accuracy = landscape(space.choices)
    first = drive(autokeras, space, accuracy, 75)
    assert first == drive(autokeras, space, accuracy, 75)
    assert len(first[0]) == 75


def test_spaces_and_settings_that_do_not_fit_are_refused():
    with pytest.raises(SpaceError, match="autokeras morphs cells; space bare is none of cells"):
        drive(autokeras, BareSpace(), landscape((2, 3, 4)), 1)
    for wrong in ({"morphs": 0}, {"cooling": 1.0}, {"confidence": -1.0}, {"final_temperature": 0.0}, {"start": "x"}):
        with pytest.raises(SettingError, match=next(iter(wrong))):
            drive(autokeras, CELL201, landscape(CELL201.choices), 1, **wrong)
