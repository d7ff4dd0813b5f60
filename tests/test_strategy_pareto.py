"""Parts of NSGA-II, LEMONADE and MnasNet against counting, distributions and an oracle; the strategies against random search."""

import collections
import warnings

import numpy as np
import pytest
from scipy import stats

from nasbench.baselines.strategies.lemonade import draw, front, inverse_density, lemonade
from nasbench.baselines.strategies.mnasnet import mnasnet, reward
from nasbench.baselines.strategies.nsga2 import cross, mutate_each, nsga2, ranked, survivors, tournament
from nasbench.baselines.strategies.random_search import random_search
from nasbench.pareto import hypervolume
from nasbench.query import Measure, Query
from nasbench.settings import SettingError
from nasbench.space import CELL201
from nasbench.synthetic import SyntheticBenchmark, drive, synthetic_measures

# NSGA-II ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_survivors_agree_with_the_oracle(seed):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("pymoo")
        from pymoo.core.population import Population
        from pymoo.core.problem import Problem
        from pymoo.operators.survival.rank_and_crowding import RankAndCrowding
    points = np.random.default_rng(seed).random((40, 2))
    people = Population.new("X", np.arange(40)[:, None].astype(float), "F", points)
    for one in people:
        one.F, one.G, one.H = one.F, np.zeros(0), np.zeros(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        chosen = RankAndCrowding().do(Problem(n_var=1, n_obj=2, xl=0.0, xu=40.0), people, n_survive=15)
    theirs, ours = chosen.get("X")[:, 0].astype(int), survivors(points, 15)
    # Of members with equal room, such as the two ends of a front, the oracle draws one.
    ranks, room = ranked(points)
    assert sorted(zip(ranks[theirs], room[theirs], strict=True)) == sorted(zip(ranks[ours], room[ours], strict=True))


def test_ranked_by_hand():
    points = np.array([[0.0, 10.0], [1.0, 6.0], [4.0, 5.0], [10.0, 0.0], [5.0, 6.0]])
    ranks, room = ranked(points)
    assert ranks.tolist() == [0, 0, 0, 0, 1]
    assert room.tolist() == [np.inf, 0.9, 1.5, np.inf, np.inf]
    assert survivors(points, 3).tolist() == [0, 3, 2]


def test_tournament_prefers_the_front_then_room():
    rng = np.random.default_rng(0)
    ranks, room = np.array([0, 0, 1]), np.array([1.0, 2.0, np.inf])
    won = collections.Counter(tournament(ranks, room, rng) for _ in range(9000))
    # Of nine pairs the second wins 5, the first 3, the third 1.
    assert stats.chisquare([won[0], won[1], won[2]], [3000, 5000, 1000]).pvalue > 1e-3


def test_crossover_joins_a_beginning_and_a_rest():
    rng = np.random.default_rng(0)
    points = collections.Counter(sum(cross((0,) * 6, (1,) * 6, rng)) for _ in range(5000))
    assert sorted(points) == [1, 2, 3, 4, 5]
    assert stats.chisquare([points[one] for one in sorted(points)]).pvalue > 1e-3
    child = cross((0, 1, 2, 3), (4, 5, 6, 7), rng)
    assert any(child == (0, 1, 2, 3)[:cut] + (4, 5, 6, 7)[cut:] for cut in (1, 2, 3))
    assert cross((3,), (4,), rng) == (3,)


def test_mutation_changes_each_decision_with_its_probability_to_any_other_option():
    rng = np.random.default_rng(0)
    children = [mutate_each((2, 0, 1), (5, 1, 2), 0.3, rng) for _ in range(20_000)]
    first = collections.Counter(child[0] for child in children)
    assert stats.chisquare([first[i] for i in range(5)], [1500, 1500, 14_000, 1500, 1500]).pvalue > 1e-3
    assert {child[1] for child in children} == {0}
    assert np.mean([child[2] == 0 for child in children]) == pytest.approx(0.3, abs=0.015)


# LEMONADE ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("measures", [1, 2])
def test_density_is_a_product_of_normal_kernels_over_logarithms(measures):
    rng = np.random.default_rng(measures)
    centres, points = np.exp(rng.normal(size=(15, measures))), np.exp(rng.normal(size=(6, measures)))
    width = np.log(centres).std(axis=0) * 15 ** (-1 / (measures + 4))
    density = np.array(
        [
            np.mean([np.prod(stats.norm.pdf(np.log(point), np.log(centre), width)) for centre in centres])
            for point in points
        ]
    )
    expected = (1 / density) / (1 / density).max()
    assert inverse_density(centres, points) == pytest.approx(np.maximum(expected, 0), rel=1e-9)


def test_density_agrees_with_scipy_in_one_dimension():
    centres = np.exp(np.random.default_rng(0).normal(size=20))
    scott = stats.gaussian_kde(np.log(centres), bw_method=lambda kde: kde.n ** (-1 / 5) * np.sqrt((kde.n - 1) / kde.n))
    weights = inverse_density(centres[:, None], centres[:, None])
    assert weights * scott(np.log(centres)) == pytest.approx(np.full(20, scott(np.log(centres)).min()), rel=1e-9)


def test_density_without_spread_is_even_and_a_far_point_is_bearable():
    same = np.full((4, 2), 7.0)
    assert inverse_density(same, np.array([[1.0, 2.0], [7.0, 7.0]])).tolist() == [1.0, 1.0]
    weights = inverse_density(np.array([[1.0], [1.1], [1.2]]), np.array([[1.1], [1e30]]))
    assert np.isfinite(weights).all()
    assert weights[1] == 1.0
    with pytest.raises(ValueError, match=r"measures go down to 0\.0; they must be positive"):
        inverse_density(np.array([[0.0]]), np.array([[1.0]]))


def test_draws_follow_the_inverse_density():
    rng = np.random.default_rng(0)
    centres = np.array([[1.0], [1.01], [1.02], [1.03], [9.0]])
    weights = inverse_density(centres, centres)
    drawn = draw(centres, centres, 20_000, rng, "density", replace=True)
    expected = 20_000 * weights / weights.sum()
    assert stats.chisquare(np.bincount(drawn, minlength=5), expected).pvalue > 1e-3
    assert weights[4] > 2 * weights[0]  # alone in its place
    even = draw(centres, centres, 20_000, rng, "uniform", replace=True)
    assert stats.chisquare(np.bincount(even, minlength=5)).pvalue > 1e-3
    assert sorted(draw(centres, centres, 5, rng, "density", replace=False).tolist()) == [0, 1, 2, 3, 4]


def test_front_is_capped_by_room():
    points = np.array([[0.0, 10.0], [1.0, 6.0], [4.0, 5.0], [10.0, 0.0], [5.0, 6.0]])
    assert front(points, 9).tolist() == [0, 1, 2, 3]
    assert front(points, 3).tolist() == [0, 2, 3]


def test_lemonade_measures_many_and_trains_few():
    benchmark = SyntheticBenchmark(CELL201)
    search = lemonade(CELL201, np.random.default_rng(0), benchmark.epochs, proposed=30, accepted=4, initial_size=5)
    trace = drive(search, lambda query: benchmark.evaluate(query, 0), 60)
    kinds = [(type(proposal), len(getattr(proposal, "architectures", proposal))) for proposal, _ in trace.steps]
    assert kinds[:2] == [(Measure, 5), (tuple, 5)]
    trained = set()
    for proposal, _ in trace.steps:
        if isinstance(proposal, Measure):
            candidates = proposal.architectures
            assert len(candidates) <= 30
        else:
            assert {query.architecture for query in proposal} <= set(candidates)
            assert len(proposal) <= 5
            assert not trained & {query.architecture for query in proposal}
            trained |= {query.architecture for query in proposal}


# MnasNet ----------------------------------------------------------------------------------------------------------------


def test_reward_is_equation_two():
    accuracy, sizes = np.array([0.9, 0.8, 0.7]), np.array([[50.0], [100.0], [200.0]])
    target = np.array([100.0])
    soft = reward(accuracy, sizes, target, 0.07, 0.07)
    assert soft == pytest.approx([0.9 * 0.5**-0.07, 0.8, 0.7 * 2**-0.07])
    hard = reward(accuracy, sizes, target, 0.0, 1.0)
    assert hard == pytest.approx([0.9, 0.8, 0.35])
    # The paper's reading of 0.07 (section 3): twice the latency must buy about 5 % in relative accuracy.
    assert soft[2] / 0.7 == pytest.approx(1 / 1.05, abs=0.001)
    two = reward(accuracy, np.column_stack([sizes, sizes]), np.array([100.0, 100.0]), 0.07, 0.07)
    assert two == pytest.approx(soft**2 / accuracy)
    with pytest.raises(ValueError, match=r"measures go down to 0\.0"):
        reward(accuracy, sizes * 0, target, 0.07, 0.07)


def test_target_is_the_median_unless_given():
    asked = []

    def measure(proposal):
        asked.append(len(proposal.architectures))
        return synthetic_measures(proposal)

    benchmark = SyntheticBenchmark(CELL201)
    for targets, expected in (((), [1000, 20]), ((80.0,), [20])):
        asked.clear()
        search = mnasnet(CELL201, np.random.default_rng(0), benchmark.epochs, targets=targets)
        drive(search, lambda query: benchmark.evaluate(query, 0), 20, measure=measure)
        assert asked[: len(expected)] == expected


def test_hard_constraint_moves_the_policy_towards_small_cells():
    benchmark = SyntheticBenchmark(CELL201)

    def sizes(**settings):
        search = mnasnet(CELL201, np.random.default_rng(1), benchmark.epochs, learning_rate=0.01, hidden=20, **settings)
        asked = drive(search, lambda query: benchmark.evaluate(query, 0), 500).queries[-100:]
        return np.mean(synthetic_measures(Measure(tuple(query.architecture for query in asked), ("parameters",))))

    assert sizes(exponent_below=1.0, exponent_above=1.0) < sizes(exponent_below=0.0, exponent_above=0.0) - 10


# All ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", [nsga2, lemonade])
def test_sets_are_larger_than_those_of_random_search(strategy):
    benchmark = SyntheticBenchmark(CELL201, objectives=("parameters",), noise=0.0)
    reference = np.array([1.0, 310.0])

    def volume(strategy, seed):
        search = strategy(CELL201, np.random.default_rng(seed), benchmark.epochs)
        asked = drive(search, lambda query: benchmark.evaluate(query, 0), 400).queries
        points = [benchmark.evaluate(Query(one.architecture, 108), 0).objectives for one in asked]
        return hypervolume(np.array(points) / reference, np.ones(2))

    ours, theirs = ([volume(one, seed) for seed in range(4)] for one in (strategy, random_search))
    assert min(ours) > max(theirs)


@pytest.mark.parametrize(
    ("strategy", "settings", "words"),
    [
        (lemonade, {"objectives": ()}, r"objectives is \(\)"),
        (lemonade, {"accepted": 101}, "accepted is 101"),
        (mnasnet, {"objectives": ()}, r"objectives is \(\)"),
        (mnasnet, {"targets": (1.0, 2.0)}, r"with targets \(1\.0, 2\.0\)"),
        (mnasnet, {"targets": (0.0,)}, r"targets is 0\.0"),
        (nsga2, {"crossover": 1.1}, r"crossover is 1\.1"),
        (nsga2, {"mutations": 7.0}, r"mutations is 7\.0"),
    ],
)
def test_settings_out_of_range(strategy, settings, words):
    with pytest.raises(SettingError, match=words):
        next(strategy(CELL201, np.random.default_rng(0), (4, 12), **settings))
