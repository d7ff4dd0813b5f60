"""Dominance, sorting, crowding, hypervolume and IGD+ against an oracle library, against counting, and against their laws."""

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nasbench.pareto import crowding, dominance, front_ranks, hypervolume, igd_plus, non_dominated, reference_point

SETS = st.tuples(st.integers(1, 12), st.integers(1, 4)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.integers(0, 5).map(float))
)
"""Points on a small grid, so that ties and equal points are common."""


def plainly_dominates(first, second):
    return all(a <= b for a, b in zip(first, second, strict=True)) and any(
        a < b for a, b in zip(first, second, strict=True)
    )


@given(SETS)
def test_dominance_and_front_by_definition(points):
    beats = dominance(points)
    for i, j in itertools.product(range(len(points)), repeat=2):
        assert beats[i, j] == plainly_dominates(points[i], points[j])
    assert non_dominated(points).tolist() == [
        not any(plainly_dominates(other, point) for other in points) for point in points
    ]


@given(SETS)
def test_ranks_are_what_peeling_front_by_front_gives(points):
    ranks = front_ranks(points)
    left = list(range(len(points)))
    rank = 0
    while left:
        front = [i for i in left if not any(plainly_dominates(points[j], points[i]) for j in left)]
        assert [i for i in left if ranks[i] == rank] == front
        left = [i for i in left if i not in front]
        rank += 1


@given(SETS)
def test_hypervolume_counts_the_unit_boxes_below_the_reference(points):
    reference = np.full(points.shape[1], 6.0)
    boxes = itertools.product(range(6), repeat=points.shape[1])
    covered = sum(any((np.array(box) >= point).all() for point in points) for box in boxes)
    assert hypervolume(points, reference) == covered


@given(SETS, st.randoms(use_true_random=False))
def test_hypervolume_knows_no_order_and_ignores_the_dominated(points, shuffler):
    reference = np.full(points.shape[1], 4.5)
    order = list(range(len(points)))
    shuffler.shuffle(order)
    assert hypervolume(points[order], reference) == hypervolume(points, reference)
    assert hypervolume(points[non_dominated(points)], reference) == hypervolume(points, reference)


def test_no_point_within_the_reference_has_no_volume():
    assert hypervolume(np.array([[1.0, 3.0], [4.0, 0.0]]), np.array([2.0, 3.0])) == 0.0
    assert hypervolume(np.zeros((0, 2)), np.ones(2)) == 0.0
    assert non_dominated(np.zeros((0, 2))).tolist() == []


def test_igd_plus_of_the_authors_example():
    # Ishibuchi et al. 2015, example 1: the front z and two sets; IGD prefers A, IGD+ prefers B, which dominates it.
    front = np.array([[0.0, 10.0], [1.0, 6.0], [2.0, 2.0], [6.0, 1.0], [10.0, 0.0]])
    a = np.array([[2.0, 4.0], [3.0, 3.0], [4.0, 2.0]])
    b = np.array([[2.0, 8.0], [4.0, 4.0], [8.0, 2.0]])
    assert igd_plus(a, front) == pytest.approx((2 + 1 + np.sqrt(2) + 1 + 2) / 5)
    assert igd_plus(b, front) == pytest.approx((2 + np.sqrt(5) + np.sqrt(8) + np.sqrt(5) + 2) / 5)
    assert igd_plus(front, front) == 0.0
    assert igd_plus(np.zeros((1, 2)), front) == 0.0  # what dominates all of the front is at no distance
    assert igd_plus(np.zeros((0, 2)), front) == np.inf


def test_crowding_by_hand():
    points = np.array([[0.0, 10.0], [1.0, 6.0], [4.0, 5.0], [10.0, 0.0]])
    assert crowding(points).tolist() == [np.inf, 4 / 10 + 5 / 10, 9 / 10 + 6 / 10, np.inf]
    assert crowding(np.array([[1.0, 2.0]])).tolist() == [np.inf]
    assert crowding(np.array([[1.0, 2.0]] * 3)).tolist() == [np.inf, 0.0, np.inf]
    assert crowding(np.zeros((0, 2))).tolist() == []


def test_reference_point_is_a_tenth_of_the_range_beyond_the_worst():
    assert reference_point(np.array([[0.0, 30.0], [1.0, 10.0]])).tolist() == [1.1, 32.0]
    assert reference_point(np.array([[0.5, -2.0]])).tolist() == [0.55, -1.8]
    assert reference_point(np.array([[0.0, 0.0]])).tolist() == [0.1, 0.1]


# Oracle: pymoo (Blank and Deb 2020), only here --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pymoo():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("pymoo")


@pytest.mark.parametrize("objectives", [2, 3, 4])
@pytest.mark.parametrize("seed", range(10))
def test_oracle(pymoo, objectives, seed):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pymoo.indicators.hv import HV
        from pymoo.indicators.igd_plus import IGDPlus
        from pymoo.operators.survival.rank_and_crowding.metrics import calc_crowding_distance
        from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting
    rng = np.random.default_rng(seed)
    points = rng.random((60, objectives)) * 10.0 ** rng.integers(-3, 7, objectives)
    reference = points.max(axis=0) * rng.uniform(0.7, 1.2, objectives)
    front = rng.random((40, objectives)) * points.max(axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        volume, distance = HV(ref_point=reference)(points), IGDPlus(front)(points)
        fronts = NonDominatedSorting().do(points)
    assert hypervolume(points, reference) == pytest.approx(volume, rel=1e-10)
    assert igd_plus(points, front) == pytest.approx(distance, rel=1e-10)
    ranks = front_ranks(points)
    assert [sorted(one.tolist()) for one in fronts] == [
        np.flatnonzero(ranks == rank).tolist() for rank in range(ranks.max() + 1)
    ]
    assert np.flatnonzero(non_dominated(points)).tolist() == sorted(fronts[0].tolist())
    members = points[fronts[0]]
    # The oracle averages over the objectives where the paper sums.
    assert crowding(members) == pytest.approx(calc_crowding_distance(members) * objectives, rel=1e-10)


@settings(max_examples=30)
@given(st.integers(1, 200), st.integers(0, 2**32 - 1))
def test_two_objectives_agree_with_the_general_rule(count, seed):
    points = np.random.default_rng(seed).integers(0, 12, (count, 2)).astype(float)
    assert non_dominated(points).tolist() == (~dominance(points).any(axis=0)).tolist()
    thick = np.column_stack([points, np.zeros(count)])
    assert hypervolume(points, np.array([11.0, 9.0])) == hypervolume(thick, np.array([11.0, 9.0, 1.0]))
