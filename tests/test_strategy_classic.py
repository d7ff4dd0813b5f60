"""Simulated annealing, tournament evolution, differential evolution and TPE against what their papers say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from scipy import stats

from nasbench.baselines.strategies import _differential as differential
from nasbench.baselines.strategies import tpe as tpe_module
from nasbench.baselines.strategies.differential_evolution import differential_evolution
from nasbench.baselines.strategies.random_search import random_search
from nasbench.baselines.strategies.simulated_annealing import FROZEN, acceptance, simulated_annealing
from nasbench.baselines.strategies.tournament_evolution import tournament_evolution
from nasbench.baselines.strategies.tpe import tpe
from nasbench.query import Observation, Query
from nasbench.space import CELL201, Architecture, CellSpace, space_by_name
from nasbench.synthetic import EPOCHS, SyntheticBenchmark, Trace, drive, quality
from nasbench.testing import check_strategy

SMALL = space_by_name("cell201-3node")  # 125 cells
MIDDLE = space_by_name("cell201-3op")  # 729 cells


def uneven(architecture: Architecture) -> float:
    """A quality without ties on CELL201: 15649 is prime, so no two cells are equal."""
    return (
        0.99 * quality((5,) * len(architecture), architecture)
        + 0.01 * ((CELL201.index(architecture) * 7919) % 15649) / 15649
    )


def run(
    strategy: Any,
    space: Any,
    queries: int,
    accuracy: Callable[[Architecture], float] = uneven,
    seed: int | Any = 0,
    workers: int = 1,
    **settings: Any,
) -> Trace:
    rng = np.random.default_rng(seed) if isinstance(seed, int) else seed
    search = strategy(space, rng, EPOCHS, **settings)

    def evaluate(query: Query) -> Observation:
        return Observation(query, accuracy(query.architecture), 1.0 + sum(query.architecture) % 3)

    trace = drive(search, evaluate, queries, workers)
    assert {query.epochs for query in trace.queries} == {108}
    return trace


def cells_of(trace: Trace) -> list[Architecture]:
    return [query.architecture for query in trace.queries]


def distance(first: Architecture, second: Architecture) -> int:
    return sum(a != b for a, b in zip(first, second, strict=True))


# Simulated annealing --------------------------------------------------------------------------------------------------


def test_acceptance_is_metropolis() -> None:
    assert acceptance(-0.1, 0.05) == acceptance(0.0, 0.05) == acceptance(0.0, 0.0) == 1.0
    assert acceptance(0.1, 0.05) == pytest.approx(np.exp(-2.0))
    assert acceptance(1e-12, 0.0) == 0.0
    assert acceptance(1.0, 1e-5) == 0.0  # no overflow, no warning


def test_without_heat_it_climbs_and_begins_anew_after_three_stages_without_a_move() -> None:
    cells = cells_of(run(simulated_annealing, MIDDLE, 600, heat=0.0, initial=4))
    place = starts = 0
    while place < len(cells):
        starts += 1
        current = max(cells[place : place + 4], key=uneven)
        place += 4
        still = 0
        while still < FROZEN and place < len(cells):
            moved = False
            for cell in cells[place : place + 6]:  # a stage: as many trainings as decisions
                assert distance(cell, current) == 1
                if uneven(cell) >= uneven(current):
                    current, moved = cell, True
            still = 0 if moved else still + 1
            place += 6
    assert starts > 5


def test_at_constant_temperature_it_visits_as_boltzmann_says() -> None:
    """Queries are one random step from where the search is, which is distributed as exp(accuracy / T).

    Compared over ten groups of cells by accuracy. With six decisions and this much heat it never freezes.
    """
    accuracies = np.array([uneven(cell) for cell in MIDDLE])
    trace = run(simulated_annealing, MIDDLE, 60_010, heat=3.0, cooling=1.0, initial=10)
    temperature = 3.0 * float(np.std([uneven(cell) for cell in cells_of(trace)[:10]]))
    cells = np.array(list(MIDDLE))
    step = ((cells[:, None, :] != cells[None, :, :]).sum(axis=2) == 1) / 12
    boltzmann = np.exp((accuracies - accuracies.max()) / temperature)
    expected = boltzmann / boltzmann.sum() @ step
    visited = np.bincount([MIDDLE.index(cell) for cell in cells_of(trace)[10:]], minlength=729) / 60_000
    group = np.argsort(np.argsort(accuracies)) * 10 // 729
    expected, visited, uniform = (
        np.bincount(group, weights=share) for share in (expected, visited, np.full(729, 1 / 729))
    )
    assert 0.5 * np.abs(visited - expected).sum() < 0.02
    assert 0.5 * np.abs(uniform - expected).sum() > 0.1  # uniform visits would be told apart


def test_temperature_follows_the_spread_of_the_accuracies() -> None:
    """Halving every accuracy halves the temperature: the same run."""
    whole = cells_of(run(simulated_annealing, MIDDLE, 300))
    halved = cells_of(run(simulated_annealing, MIDDLE, 300, accuracy=lambda cell: uneven(cell) / 2))
    assert whole == halved


# Tournament evolution -------------------------------------------------------------------------------------------------


class SpySpace:
    """A space that notes every parent."""

    def __init__(self, space: CellSpace) -> None:
        self.space, self.parents = space, []
        self.sample = space.sample

    def mutate(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        self.parents.append(architecture)
        return self.space.mutate(architecture, np.random.default_rng(len(self.parents)))


class SpyGenerator:
    """A generator that notes every pair drawn."""

    def __init__(self, seed: int) -> None:
        self.generator, self.pairs = np.random.default_rng(seed), []
        self.integers = self.generator.integers

    def choice(self, number: int, size: int, replace: bool) -> Any:
        pair = self.generator.choice(number, size=size, replace=replace)
        self.pairs.append((number, pair.tolist()))
        return pair


@pytest.mark.parametrize("workers", [1, 4])
def test_tournaments_kill_the_worse_and_breed_the_better(workers: int) -> None:
    space, generator = SpySpace(CELL201), SpyGenerator(0)
    trace = run(tournament_evolution, space, 2000, seed=generator, workers=workers, population=10)
    alive: list[Architecture] = []
    pairs, parents = iter(generator.pairs), iter(space.parents)
    training = 0
    for submitted, (_, answers) in enumerate(trace.steps[:-1]):
        if submitted >= 10:
            number, pair = next(pairs)
            assert number == len(alive)
            worse, better = sorted(pair, key=lambda place: uneven(alive[place]))
            assert next(parents) == alive[better]
            del alive[worse]
        training += 1
        for answer in answers:  # type: ignore[union-attr]
            alive.append(answer.query.architecture)
            training -= 1
        # Those alive and those in training are ten, once ten have begun.
        assert len(alive) + training == min(submitted + 1, 10)
    sizes = Counter(number for number, _ in generator.pairs)
    usual = max(sizes, key=sizes.__getitem__)
    places = Counter(tuple(sorted(pair)) for number, pair in generator.pairs if number == usual)
    assert stats.chisquare([places[a, b] for a in range(usual) for b in range(a + 1, usual)]).pvalue > 1e-3


def test_population_of_two_is_a_climber_on_one_worker() -> None:
    space = SpySpace(MIDDLE)
    cells = cells_of(run(tournament_evolution, space, 100, population=2))
    survivor = cells[0]
    for child, parent in zip(cells[1:], space.parents, strict=False):
        survivor = max(survivor, child, key=uneven)
        assert parent == survivor


def test_more_workers_than_members() -> None:
    trace = run(tournament_evolution, MIDDLE, 200, workers=50, population=4)
    assert len(trace.queries) == 200


# Differential evolution -----------------------------------------------------------------------------------------------


def test_options_are_equal_bins() -> None:
    points = np.random.default_rng(0).random((30_000, 3))
    cells = np.array([differential.to_architecture(point, (5, 3, 2)) for point in points])
    for column, count in enumerate((5, 3, 2)):
        assert stats.chisquare(np.bincount(cells[:, column], minlength=count)).pvalue > 1e-3
    assert differential.to_architecture(np.array([0.0, 1.0, 0.5]), (5, 3, 2)) == (0, 2, 1)


def test_mutants_are_made_of_three_different_members() -> None:
    pool = np.array([[0.0], [0.1], [0.4]])
    rng = np.random.default_rng(0)
    made = Counter(round(float(differential.mutant(pool, 0.5, rng)[0]), 9) for _ in range(6000))
    expected = {
        round(a + 0.5 * (b - c), 9)
        for a in (0, 0.1, 0.4)
        for b in (0, 0.1, 0.4)
        for c in (0, 0.1, 0.4)
        if len({a, b, c}) == 3
    }
    assert set(made) == expected and len(expected) == 6
    assert stats.chisquare(list(made.values())).pvalue > 1e-3


@pytest.mark.parametrize("probability", [0.0, 0.5, 1.0])
def test_crossover_takes_one_coordinate_always_and_others_by_chance(probability: float) -> None:
    rng = np.random.default_rng(0)
    taken = [int(differential.cross(np.zeros(6), np.ones(6), probability, rng).sum()) for _ in range(6000)]
    observed = np.bincount(taken, minlength=7)
    assert observed.sum() == 6000
    if probability in (0.0, 1.0):
        assert observed[1 + 5 * int(probability)] == 6000
    else:  # one is forced, the other five by chance
        assert observed[0] == 0
        assert stats.chisquare(observed[1:], stats.binom(5, probability).pmf(np.arange(6)) * 6000).pvalue > 1e-3


def test_repair_touches_only_what_is_outside() -> None:
    point = np.array([-0.2, 0.0, 0.3, 1.0, 1.5])
    rng = np.random.default_rng(0)
    assert differential.repair(point, "clip", rng).tolist() == [0.0, 0.0, 0.3, 1.0, 1.0]
    repaired = np.array([differential.repair(point, "random", rng) for _ in range(3000)])
    assert (repaired[:, 1:4] == point[1:4]).all()
    for column in (0, 4):
        assert stats.kstest(repaired[:, column], "uniform").pvalue > 1e-3


def test_pool_without_a_member() -> None:
    pool = np.array([[0.1, 0.2], [0.3, 0.4], [0.1, 0.2]])
    assert differential.without(pool, np.array([0.1, 0.2])).tolist() == [[0.3, 0.4], [0.1, 0.2]]
    assert differential.without(pool, np.array([0.1, 0.3])).tolist() == pool.tolist()


def test_trials_challenge_their_member_and_win_ties() -> None:
    """With CR = 0 a trial differs from the member it challenges in at most one decision; members never get worse."""

    def coarse(cell: Architecture) -> float:
        return round(uneven(cell), 1)  # many ties

    trace = run(differential_evolution, CELL201, 600, accuracy=coarse, population=20, crossover=0.0)
    assert all(isinstance(batch, tuple) and len(batch) == 20 for batch, _ in trace.steps)
    members = [query.architecture for query in trace.queries[:20]]
    for start in range(20, 600, 20):
        for slot, query in enumerate(trace.queries[start : start + 20]):
            assert distance(query.architecture, members[slot]) <= 1
            if coarse(query.architecture) >= coarse(members[slot]):
                members[slot] = query.architecture
    mean = np.mean([coarse(cell) for cell in members])
    assert mean > np.mean([coarse(query.architecture) for query in trace.queries[:20]]) + 0.1


# TPE ------------------------------------------------------------------------------------------------------------------


def test_split_by_hand() -> None:
    # ceil(0.25 sqrt(20)) = 2 of 20; the best two are numbers 7 and 3, in order 3, 7.
    accuracies = [0.1] * 20
    accuracies[7], accuracies[3] = 0.9, 0.8
    good, bad = tpe_module.split(accuracies, 0.25, 25)
    assert good == [3, 7] and bad == [place for place in range(20) if place not in (3, 7)]
    # ceil(0.25 sqrt(65)) = 3; all equal: the earliest are good.
    assert tpe_module.split([0.5] * 65, 0.25, 25)[0] == [0, 1, 2]
    # ceil(0.25 sqrt(12000)) = 28, at most 25.
    assert len(tpe_module.split([0.5] * 12_000, 0.25, 25)[0]) == 25


def test_forgetting_by_hand() -> None:
    assert tpe_module.weights(24, 25).tolist() == [1.0] * 24
    assert tpe_module.weights(25, 25).tolist() == [1.0] * 25
    assert tpe_module.weights(26, 25).tolist() == [1 / 26] + [1.0] * 25
    assert tpe_module.weights(28, 25) == pytest.approx([1 / 28, (1 / 28 + 1) / 2, 1.0] + [1.0] * 25)


def test_densities_are_smoothed_shares() -> None:
    cells = np.array([(0, 1), (0, 0), (2, 1)])
    first, second = tpe_module.densities(cells, (4, 2), prior_weight=1.0, limit=25)
    assert [Fraction(value).limit_denominator(100) for value in first] == [Fraction(n, 7) for n in (3, 1, 2, 1)]
    assert [Fraction(value).limit_denominator(100) for value in second] == [Fraction(2, 5), Fraction(3, 5)]
    # The prior alone; and twice as strong a prior.
    assert tpe_module.densities(cells[:0], (4, 2), 1.0, 25)[0] == pytest.approx([0.25] * 4)
    assert tpe_module.densities(cells, (4, 2), 2.0, 25)[0] == pytest.approx([4 / 11, 2 / 11, 3 / 11, 2 / 11])


def proposal_shares(joint: bool, candidates: int, number: int = 20_000) -> Counter[Architecture]:
    likely = [np.array([0.5, 0.3, 0.2]), np.array([0.6, 0.4])]
    unlikely = [np.array([0.7, 0.2, 0.1]), np.array([0.5, 0.5])]
    rng = np.random.default_rng(0)
    return Counter(tpe_module.propose(likely, unlikely, candidates, joint, rng) for _ in range(number))


def test_proposals_maximise_the_ratio_decision_by_decision() -> None:
    """Of 3 draws the option with the best ratio that occurs: ratios 5/7, 3/2, 2/1 on the first decision, 6/5, 4/5 on the second."""
    shares = proposal_shares(joint=False, candidates=3)
    first = [0.5**3, 0.8**3 - 0.5**3, 1 - 0.8**3]  # only option 0 drawn; 1 but not 2; any 2
    second = [1 - 0.4**3, 0.4**3]
    expected = {(a, b): 20_000 * first[a] * second[b] for a in range(3) for b in range(2)}
    assert stats.chisquare([shares[cell] for cell in expected], list(expected.values())).pvalue > 1e-3


def test_proposals_maximise_the_product_of_ratios() -> None:
    shares = proposal_shares(joint=True, candidates=2)
    likely = {(a, b): p * q for a, p in enumerate((0.5, 0.3, 0.2)) for b, q in enumerate((0.6, 0.4))}
    ratio = {(a, b): p * q for a, p in enumerate((5 / 7, 3 / 2, 2.0)) for b, q in enumerate((6 / 5, 4 / 5))}
    expected = dict.fromkeys(likely, 0.0)
    for one in likely:
        for other in likely:
            expected[max(one, other, key=ratio.__getitem__)] += 20_000 * likely[one] * likely[other]
    assert stats.chisquare([shares[cell] for cell in expected], list(expected.values())).pvalue > 1e-3


def test_the_ratio_orders_as_the_expected_improvement_does() -> None:
    """Bergstra et al. 2011, equation 2: EI is proportional to 1 / (gamma + (1 - gamma) g / l); checked by summation.

    The model says p(x | y) = l(x) for y above the threshold and g(x) below, with p(above) = gamma. Then
    EI(x) = E[max(y - threshold, 0) | x] = gamma l(x) / (gamma l(x) + (1 - gamma) g(x)) * E[y - threshold | above].
    """
    rng = np.random.default_rng(0)
    good, bad = rng.dirichlet(np.ones(6)), rng.dirichlet(np.ones(6))
    values = np.sort(rng.random(10_000))
    threshold = np.quantile(values, 0.8)
    above = values > threshold
    gamma = above.mean()
    joint = np.where(above[:, None], good, bad) / len(values)  # p(y, x)
    improvement = (np.maximum(values - threshold, 0.0)[:, None] * joint).sum(axis=0) / joint.sum(axis=0)
    assert np.argsort(improvement).tolist() == np.argsort(good / bad).tolist()
    assert improvement == pytest.approx(
        1 / (gamma + (1 - gamma) * bad / good) * (values[above] - threshold).sum() / len(values)
    )


def test_startup_is_random_search() -> None:
    assert cells_of(run(tpe, CELL201, 20)) == cells_of(run(random_search, CELL201, 20))


def test_tpe_keeps_the_contract_with_joint_proposals() -> None:
    outcomes = check_strategy("tpe", settings={"joint": True})
    assert set(outcomes.values()) == {"passed"}


# All of them ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "settings", "queries"),
    [
        (simulated_annealing, {}, 150),
        (tournament_evolution, {"population": 10}, 150),
        (differential_evolution, {}, 300),  # fifteen generations
        (tpe, {}, 250),
        (tpe, {"joint": True}, 150),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_searching_beats_chance_on_a_smooth_landscape(strategy: Any, settings: dict[str, Any], queries: int) -> None:
    """Best true quality, 30 runs each on CELL201: a Mann-Whitney test, one-sided, at 1 in 1,000."""
    benchmark = SyntheticBenchmark(CELL201)

    def best(method: Any, seed: int, **chosen: Any) -> float:
        def accuracy(architecture: Architecture) -> float:
            return benchmark.accuracy(Query(architecture, 108), seed)

        return max(
            quality(CELL201.choices, cell) for cell in cells_of(run(method, CELL201, queries, accuracy, seed, **chosen))
        )

    found = [best(strategy, seed, **settings) for seed in range(30)]
    chance = [best(random_search, seed) for seed in range(30)]
    assert stats.mannwhitneyu(found, chance, alternative="greater").pvalue < 1e-3
