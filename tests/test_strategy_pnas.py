"""PNAS: levels counted by brute force, partial cells by hand, the beam, the predictor across levels."""

import itertools

import numpy as np
import pytest
from synthetic_search import BareSpace, drive, landscape

from nasbench.baselines.strategies.pnas import block_ends, expansions, features, first_new, pnas, subsets, whole
from nasbench.settings import SettingError
from nasbench.space import CELL201, SPACES, CellSpace

NO_NONE = CellSpace("no-none", 4, ("skip_connect", "conv"))
NO_SKIP = CellSpace("no-skip", 4, ("none", "conv", "pool"))


def test_levels_have_the_sizes_of_the_docstring():
    assert block_ends(CELL201) == [1, 3, 6]
    first = expansions(CELL201, [()], 1)
    second = expansions(CELL201, first, 3)
    third = expansions(CELL201, second, 6)
    assert [len(level) for level in (first, second, third)] == [5, 125, 15_625]
    assert set(third) == set(CELL201)  # the last level is the whole space
    assert len(expansions(CELL201, second[:64], 6)) == 64 * 125
    assert [cell[:3] for cell in expansions(CELL201, [(1, 2, 3)], 6)] == [(1, 2, 3)] * 125
    assert block_ends(BareSpace()) == [1, 2, 3]
    assert len(expansions(BareSpace(), [(0,), (1,)], 2)) == 6


def test_partial_cells_by_hand():
    """Operations none 0, skip 1, 1x1 2, 3x3 3, pool 4; edges (0,1) (0,2) (1,2) (0,3) (1,3) (2,3)."""
    assert whole(CELL201, (3,)) == (3, 0, 0, 0, 1, 0)  # node 1 goes to the output
    assert whole(CELL201, (3, 2, 4)) == (3, 2, 4, 0, 0, 1)  # node 2 uses node 1, so node 2 alone goes to the output
    assert whole(CELL201, (3, 2, 0)) == (3, 2, 0, 0, 1, 1)  # nothing uses node 1: both go
    assert whole(CELL201, (3, 2, 0, 1, 2, 3)) == (3, 2, 0, 1, 2, 3)
    assert whole(NO_NONE, (1,)) == (1, 0, 0, 0, 0, 0)
    assert whole(NO_SKIP, (2,)) == (2, 0, 0, 0, 1, 0)
    assert whole(BareSpace(), (1, 2)) == (1, 2, 0)


def test_first_level_computes_single_operations():
    forms = [CELL201.canonical(whole(CELL201, cell)) for cell in expansions(CELL201, [()], 1)]
    assert forms[0] == ()
    assert [form[0][0] for form in forms[1:]] == [-1, 2, 3, 4]  # skip is the input itself
    assert all(len(form) == 1 for form in forms[1:])


def test_every_inner_node_of_a_partial_cell_reaches_the_output():
    for cell in expansions(CELL201, [()], 3):
        built = whole(CELL201, cell)
        edges = dict(zip(CELL201.edges, built, strict=True))
        reaches = {3}
        for source, target in reversed(CELL201.edges):
            if target in reaches and edges[source, target] != 0:
                reaches.add(source)
        assert {1, 2} <= reaches
        assert built[:3] == cell


def test_walking_down_takes_one_cell_for_each_new_class_and_keeps_what_it_passes():
    ranked = [(3, 0, 0), (3, 1, 0), (2, 0, 0), (0, 3, 0), (2, 1, 0), (4, 4, 4)]
    # (0, 3, 0): node 2 computes what node 1 does in (3, 0, 0)
    new, passed = first_new(CELL201, ranked, {CELL201.canonical(whole(CELL201, (3, 1, 0)))}, 3)
    assert new == [(3, 0, 0), (2, 0, 0), (2, 1, 0)]
    assert passed == ranked[:5]
    assert first_new(CELL201, ranked[:1], set(), 5) == ([(3, 0, 0)], [(3, 0, 0)])


def test_features_are_the_mean_of_the_tokens():
    rows = features(BareSpace(), [(1,), (0, 2), (1, 0, 3)])
    expected = [
        [0, 1, 0, 0, 0, 0, 0, 0, 0],
        [1 / 2, 0, 0, 0, 1 / 2, 0, 0, 0, 0],
        [0, 1 / 3, 1 / 3, 0, 0, 0, 0, 0, 1 / 3],
    ]
    np.testing.assert_allclose(rows, expected, rtol=1e-6)


def test_members_are_trained_on_four_fifths():
    drawn = subsets(20, 5, np.random.default_rng(0))
    assert drawn.shape == (5, 16)
    assert all(len(set(row)) == 16 for row in drawn.tolist())
    assert len({tuple(sorted(row)) for row in drawn.tolist()}) == 5
    assert subsets(1, 3, np.random.default_rng(0)).tolist() == [[0], [0], [0]]


def test_levels_are_trained_in_order_each_class_once():
    asked, _ = drive(pnas, CELL201, landscape(CELL201.choices), 60, beam=20, training_epochs=10)
    first = {whole(CELL201, cell) for cell in expansions(CELL201, [()], 1)}
    second = {whole(CELL201, cell) for cell in expansions(CELL201, [()], 3)}
    assert set(asked[:5]) == first
    assert set(asked[5:25]) <= second
    assert not set(asked[25:]) <= second
    assert len({CELL201.canonical(cell) for cell in asked}) == 60


def test_the_second_level_is_led_by_what_the_first_one_taught():
    """Operation 3 is good and all else bad: the beam must hold more of it than chance would."""
    shares = []
    for seed in range(5):
        asked, _ = drive(pnas, CELL201, lambda cell: 0.2 + 0.1 * cell.count(3), 15, seed=seed, beam=10)
        shares.append(np.mean([cell[:3].count(3) for cell in asked[5:]]))
    assert np.mean(shares) > 0.9  # chance: 3 / 5


def test_beats_random_search():
    accuracy = landscape(CELL201.choices)
    best = [max(drive(pnas, CELL201, accuracy, 80, seed=seed, beam=32)[1]) for seed in range(3)]
    rng = np.random.default_rng(5)
    random_best = [max(accuracy(CELL201.sample(rng)) for _ in range(80)) for _ in range(200)]
    assert np.mean(best) > np.quantile(random_best, 0.9)


@pytest.mark.parametrize("space", [BareSpace(), NO_NONE, NO_SKIP, SPACES["cell201-3node"]])
def test_other_spaces_reproducibly_and_past_exhaustion(space):
    accuracy = landscape(space.choices)
    first = drive(pnas, space, accuracy, 130, beam=16, training_epochs=5)
    assert first == drive(pnas, space, accuracy, 130, beam=16, training_epochs=5)
    assert len(first[0]) == 130
    every = {space.canonical(cell) for cell in itertools.product(*map(range, space.choices))}
    if len(every) < 60:
        assert {space.canonical(cell) for cell in first[0]} == every


def test_settings_out_of_range_are_refused():
    for wrong in ({"beam": 0}, {"members": 0}, {"learning_rate": 0.0}, {"layers": 0}, {"training_epochs": 0}):
        with pytest.raises(SettingError, match=next(iter(wrong))):
            drive(pnas, CELL201, landscape(CELL201.choices), 1, **wrong)
