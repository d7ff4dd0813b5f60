"""Successive halving, Hyperband, ASHA, BOHB and DEHB: brackets of the papers, promotions, models, populations."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from nasbench.baselines.strategies import _kernel_density as kernels
from nasbench.baselines.strategies import bohb as bohb_module
from nasbench.baselines.strategies import dehb as dehb_module
from nasbench.baselines.strategies._brackets import bracket, hyperband_brackets, ladder
from nasbench.baselines.strategies._differential import to_architecture
from nasbench.baselines.strategies.asha import asha, next_promotion
from nasbench.baselines.strategies.bohb import bohb
from nasbench.baselines.strategies.dehb import Population, dehb, parent_pool, promotions
from nasbench.baselines.strategies.hyperband import hyperband
from nasbench.baselines.strategies.random_search import random_search
from nasbench.baselines.strategies.successive_halving import successive_halving
from nasbench.query import Observation, Query, Submit
from nasbench.space import CELL201, Architecture, space_by_name
from nasbench.synthetic import EPOCHS, SyntheticBenchmark, Trace, drive, quality

BENCHMARK = SyntheticBenchmark(CELL201, EPOCHS)
MIDDLE = space_by_name("cell201-3op")


def run(strategy: Any, queries: int, seed: int = 0, workers: int = 1, **settings: Any) -> Trace:
    search = strategy(CELL201, np.random.default_rng(seed), EPOCHS, **settings)
    return drive(search, lambda query: BENCHMARK.evaluate(query, seed), queries, workers)


# Rungs and brackets ---------------------------------------------------------------------------------------------------


def test_brackets_of_table_1() -> None:
    """Li et al. (JMLR 2018), table 1: R = 81, eta = 3."""
    table = [
        [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)],
        [(27, 3), (9, 9), (3, 27), (1, 81)],
        [(9, 9), (3, 27), (1, 81)],
        [(6, 27), (2, 81)],
        [(5, 81)],
    ]
    assert [list(plan) for plan in hyperband_brackets((1, 3, 9, 27, 81), 3, "floor")] == table


def test_brackets_of_algorithm_1() -> None:
    """n = ceil(5 / (s + 1) * 3^s) = 81, ceil(33.75), 15, ceil(7.5), 5."""
    brackets = hyperband_brackets((1, 3, 9, 27, 81), 3, "ceil")
    assert [plan[0][0] for plan in brackets] == [81, 34, 15, 8, 5]
    assert list(brackets[1]) == [(34, 3), (11, 9), (3, 27), (1, 81)]


def test_brackets_of_nas_bench_101() -> None:
    brackets = hyperband_brackets(ladder(EPOCHS, 3), 3, "ceil")
    assert [list(plan) for plan in brackets] == [
        [(27, 4), (9, 12), (3, 36), (1, 108)],
        [(12, 12), (4, 36), (1, 108)],
        [(6, 36), (2, 108)],
        [(4, 108)],
    ]
    assert sum(number * epochs for plan in brackets for number, epochs in plan) / 108 == pytest.approx(15.67, abs=0.005)
    floor = hyperband_brackets(ladder(EPOCHS, 3), 3, "floor")
    assert sum(number * epochs for plan in floor for number, epochs in plan) / 108 == 15.0


def test_rungs_are_counted_without_logarithms() -> None:
    """-int(log(1/1000) / log 10) + 1 is 3 in floating point; there are 4."""
    assert ladder(tuple(range(1, 1001)), 10) == (1, 10, 100, 1000)
    assert ladder((1, 3, 9, 27, 81, 243), 3) == (1, 3, 9, 27, 81, 243)


@given(st.sets(st.integers(1, 300), min_size=1, max_size=20), st.integers(2, 5))
def test_ladders_are_as_long_as_can_be(offered: set[int], eta: int) -> None:
    epochs = tuple(sorted(offered))
    rungs = ladder(epochs, eta)
    assert set(rungs) <= offered and rungs[-1] == epochs[-1]
    assert all(low * eta <= high for low, high in itertools.pairwise(rungs))
    # The longest chain that ends at the top, by dynamic programming.
    longest: dict[int, int] = {}
    for value in epochs:
        longest[value] = 1 + max((longest[lower] for lower in longest if lower * eta <= value), default=0)
    assert len(rungs) == longest[epochs[-1]]


def test_bracket_keeps_at_least_one() -> None:
    assert bracket((1, 3, 9), 3, 5) == ((5, 1), (1, 3), (1, 9))


# Successive halving and Hyperband -------------------------------------------------------------------------------------


def verify_rungs(trace: Trace, plans: list[tuple[tuple[int, int], ...]]) -> None:
    """Assert that the batches of a trace are the rungs of the plans, and each the best of the one before, best first."""
    steps = iter(trace.steps)
    for plan in plans:
        ranked: list[Architecture] | None = None
        for number, epochs in plan:
            batch, answers = next(steps)
            assert isinstance(batch, tuple) and isinstance(answers, tuple)
            assert [query.epochs for query in batch] == [epochs] * number
            if ranked is not None:
                assert [query.architecture for query in batch] == ranked[:number]
            order = np.argsort([-answer.validation_accuracy for answer in answers], kind="stable")
            ranked = [batch[place].architecture for place in order]


def test_successive_halving() -> None:
    verify_rungs(run(successive_halving, 80), [((27, 4), (9, 12), (3, 36), (1, 108))] * 2)
    verify_rungs(run(successive_halving, 30, eta=2, number=10), [((10, 4), (5, 12), (2, 36), (1, 108))])
    verify_rungs(run(successive_halving, 30, number=4), [((4, 4), (1, 12), (1, 36), (1, 108))] * 4)


@pytest.mark.parametrize("rounding", ["ceil", "floor"])
def test_hyperband(rounding: Any) -> None:
    brackets = list(hyperband_brackets(EPOCHS, 3, rounding))
    once = sum(number for plan in brackets for number, _ in plan)
    verify_rungs(run(hyperband, 2 * once, rounding=rounding), brackets * 2)


def test_new_brackets_are_random() -> None:
    steps = run(successive_halving, 4000).steps
    lowest = [query.architecture for batch, _ in steps for query in batch if query.epochs == 4]
    options = np.bincount(np.array(lowest).ravel(), minlength=5)
    assert stats.chisquare(options).pvalue > 1e-3


# ASHA -----------------------------------------------------------------------------------------------------------------


def test_promotions_by_hand() -> None:
    a, b, c, d = ((place,) for place in range(4))
    low = [(0.1, a), (0.3, b), (0.2, c), (0.3, d)]
    assert next_promotion([low[:1], []], [set(), set()], 2) is None  # floor(1 / 2) = 0 of one
    assert next_promotion([low[:2], []], [set(), set()], 2) == (0, 1)
    assert next_promotion([low[:3], []], [{1}, set()], 2) is None  # floor(3 / 2) = 1, and it has risen
    assert next_promotion([low, []], [set(), set()], 2) == (0, 1)  # b and d are equal, b was first
    assert next_promotion([low, []], [{1}, set()], 2) == (0, 3)
    # The upper rung is looked at first.
    assert next_promotion([low, [(0.5, b), (0.4, d)], []], [set(), set(), set()], 2) == (1, 0)
    # Nothing rises from the top rung.
    assert next_promotion([[], low], [set(), set()], 2) is None


@pytest.mark.parametrize("workers", [1, 3, 10])
@pytest.mark.parametrize(("eta", "skip"), [(3, 0), (2, 0), (4, 0), (3, 1), (3, 7)])
def test_asha_follows_its_pseudocode(workers: int, eta: int, skip: int) -> None:
    """Every job of a run, recomputed from the answers delivered so far by the paper's `get_job`, written anew."""
    rungs = list(ladder(EPOCHS, eta)[skip:]) or [108]
    trials: list[list[tuple[float, int, Architecture]]] = [[] for _ in rungs]  # (-accuracy, arrival, architecture)
    risen: list[list[int]] = [[] for _ in rungs]
    arrival = promoted = 0
    for proposal, answers in run(asha, 400, workers=workers, eta=eta, skip=skip).steps[:-1]:
        assert isinstance(proposal, Submit) and isinstance(answers, tuple)
        job = None
        for k in range(len(rungs) - 2, -1, -1):
            top = sorted(trials[k])[: len(trials[k]) // eta]
            promotable = [trial for trial in top if trial[1] not in risen[k]]
            if job is None and promotable:
                risen[k].append(promotable[0][1])
                job = Query(promotable[0][2], rungs[k + 1])
        if job is None:
            assert proposal.query.epochs == rungs[0]
        else:
            assert proposal.query == job
            promoted += 1
        for answer in answers:
            arrival += 1
            trials[rungs.index(answer.query.epochs)].append(
                (-answer.validation_accuracy, arrival, answer.query.architecture)
            )
    if len(rungs) > 1:
        assert promoted > 50


def test_asha_promotes_a_third_and_some_too_early() -> None:
    """At least floor(n / 3) of a rung rise; more do, since the best third of few is not the best third of many."""
    counts = Counter(query.epochs for query in run(asha, 3000, workers=4, eta=3).queries)
    for low, high in ((4, 12), (12, 36), (36, 108)):
        running = 4
        assert (counts[low] - running) // 3 <= counts[high] <= counts[low] / 3 + 2 * np.sqrt(counts[low])


# BOHB -----------------------------------------------------------------------------------------------------------------


def every_option(number: int, seed: int = 0) -> list[Architecture]:
    """Random cells among which every operation occurs on every edge."""
    rng = np.random.default_rng(seed)
    cells = [CELL201.sample(rng) for _ in range(number)]
    cells[:5] = [(operation,) * 6 for operation in range(5)]
    return cells


@pytest.mark.filterwarnings("ignore::FutureWarning")  # statsmodels' own, about its future generator
def test_density_is_that_of_statsmodels() -> None:
    nonparametric = pytest.importorskip("statsmodels.nonparametric.kernel_density")
    cells = every_option(400)
    oracle = nonparametric.KDEMultivariate(np.array(cells), var_type="u" * 6, bw="normal_reference")
    density = kernels.fit_density(cells, CELL201.choices, "normal-reference", 1e-3)
    assert density.bandwidth == pytest.approx(oracle.bw, rel=1e-12)
    # Few data, and the rule exceeds the widest meaningful kernel; give both the same smaller one.
    width = np.linspace(0.05, 0.75, 6)
    points = np.array(every_option(50, seed=1))
    oracle = nonparametric.KDEMultivariate(np.array(cells), var_type="u" * 6, bw=width)
    ours = kernels.KernelDensity(np.array(cells), CELL201.choices, width)
    assert ours.density(points) == pytest.approx(oracle.pdf(points), rel=1e-12)


@pytest.mark.parametrize("width", [0.001, 0.3, 0.8, 5.0])
def test_density_sums_to_one(width: float) -> None:
    cells = every_option(7)
    density = kernels.KernelDensity(np.array(cells), CELL201.choices, np.full(6, width))
    everywhere = density.density(np.array(list(CELL201)))
    assert everywhere.min() > 0
    assert everywhere.sum() == pytest.approx(1.0, rel=1e-12)
    if width >= 0.8:  # flat
        assert everywhere == pytest.approx(np.full(15_625, 1 / 15_625), rel=1e-9)


def test_draws_keep_an_option_with_one_minus_the_bandwidth() -> None:
    density = kernels.KernelDensity(np.array([(2, 0, 1)]), (5, 3, 2), np.array([0.5, 0.001, 2.0]))
    drawn = density.draw(20_000, np.random.default_rng(0))
    for column, count, kept in ((0, 5, 0.5 + 0.5 / 5), (1, 3, 0.999 + 0.001 / 3), (2, 2, 0.5)):
        observed = int((drawn[:, column] == density.data[0, column]).sum())
        assert stats.binomtest(observed, 20_000, kept).pvalue > 1e-3
        assert set(drawn[:, column].tolist()) <= set(range(count))


def observations(number: int, epochs: int, best: int = 0) -> list[Observation]:
    """`number` different cells; cell `best` is the most accurate, the others fall with their distance from it."""
    cells = [CELL201.architecture(place) for place in range(number)]
    return [Observation(Query(cell, epochs), 1.0 - abs(place - best) / 1000, 1.0) for place, cell in enumerate(cells)]


def test_model_begins_with_fourteen_observations_at_one_fidelity() -> None:
    assert (
        bohb_module.fit(
            {4: observations(13, 4), 12: observations(13, 12)}, CELL201.choices, 0.15, "normal-reference", 0.3
        )
        is None
    )
    model = bohb_module.fit(
        {4: observations(14, 4), 12: observations(13, 12)}, CELL201.choices, 0.15, "normal-reference", 0.3
    )
    assert model is not None
    assert (len(model[0].data), len(model[1].data)) == (7, 7)


def test_model_is_of_the_highest_fidelity_and_of_the_best_fifteen_per_cent() -> None:
    observed = {4: observations(300, 4), 12: observations(100, 12, best=50), 36: observations(5, 36)}
    model = bohb_module.fit(observed, CELL201.choices, 0.15, "normal-reference", 0.3)
    assert model is not None
    good = sorted(CELL201.index(tuple(cell)) for cell in model[0].data.tolist())
    assert good == list(range(43, 58))  # 15 of 100: the seven on each side of the best
    assert len(model[1].data) == 85


def test_proposal_is_the_draw_with_the_largest_ratio() -> None:
    """Two good options on the one decision, both equally likely among the good, one of them also among the bad."""
    good = kernels.KernelDensity(np.array([(0,), (1,)]), (3,), np.array([0.1]))
    bad = kernels.KernelDensity(np.array([(1,), (2,)]), (3,), np.array([0.1]))
    for seed in range(20):
        assert bohb_module.propose((good, bad), 64, np.random.default_rng(seed)) == (0,)


def test_bohb_is_hyperband_until_it_has_a_model_and_then_is_not() -> None:
    plan = [
        epochs
        for bracket in hyperband_brackets(EPOCHS, 3, "floor")
        for number, epochs in bracket
        for _ in range(number)
    ]
    trace = run(bohb, 2 * len(plan))
    assert [query.epochs for query in trace.queries] == plan * 2
    # Within the rungs it promotes as successive halving does.
    first = {query.architecture: place for place, query in enumerate(trace.queries[:27])}
    accuracies = {cell: BENCHMARK.accuracy(Query(cell, 4), 0) for cell in first}
    assert [query.architecture for query in trace.queries[27:36]] == sorted(first, key=lambda cell: -accuracies[cell])[
        :9
    ]
    # The first 14 are those of random sampling with the same generator.
    rng = np.random.default_rng(0)
    assert [query.architecture for query in trace.queries[:14]] == [CELL201.sample(rng) for _ in range(14)]


def lowest_rung(seed: int, **settings: Any) -> list[float]:
    """Return the true quality of what is proposed at the lowest rung after the first bracket."""
    cells = [query.architecture for query in run(bohb, 400, seed=seed, **settings).queries if query.epochs == 4]
    return [quality(CELL201.choices, cell) for cell in cells[27:]]


def test_model_finds_better_architectures_with_a_rule_that_does_not_number_them() -> None:
    """Mean quality of proposals over 20 runs, standard deviation over the space 0.112: what bohb.py says."""
    chance, rule, ours = (
        np.mean([np.mean(lowest_rung(seed, **settings)) for seed in range(20)])
        for settings in (
            {"random_fraction": 1.0},
            {"least_bandwidth": 0.3},
            {"bandwidth": "shrinkage", "least_bandwidth": 0.3},
        )
    )
    assert abs(rule - chance) < 0.02
    assert ours - chance > 0.1


def test_normal_reference_depends_on_the_numbering_and_shrinkage_does_not() -> None:
    cells = every_option(30)
    renumbered = [tuple((3 * option) % 5 for option in cell) for cell in cells]
    for rule, same in (("normal-reference", False), ("shrinkage", True)):
        first, second = (kernels.fit_density(some, CELL201.choices, rule, 1e-6) for some in (cells, renumbered))  # type: ignore[arg-type]
        assert (first.bandwidth == pytest.approx(second.bandwidth)) is same


def test_shrinkage_by_hand() -> None:
    # Shares 1/2, 1/4, 1/4 of 4 observations, k = 3: (1 - 6/16) / (3 * (1/36 + 1/144 + 1/144)) = 5.0, cut to 1.
    assert kernels.shrinkage(np.array([0, 0, 1, 2]), 3) == 1.0
    # Shares 9/10, 1/10 of 10, k = 2: (1 - 82/100) / (9 * 2 * 0.4^2) = 1/16.
    assert kernels.shrinkage(np.array([0] * 9 + [1]), 2) == pytest.approx(1 / 16)
    assert kernels.shrinkage(np.array([1, 1, 1]), 4) == 0.0
    assert kernels.shrinkage(np.array([0, 1, 2, 3]), 4) == 1.0  # equal shares already


def test_shrinkage_has_about_the_least_error() -> None:
    """Expected squared error of smoothed shares, exactly, over true shares and sample: shrinkage beats fixed intensities."""
    rng = np.random.default_rng(0)
    errors: dict[object, float] = Counter()
    for _ in range(4000):
        truth = rng.dirichlet(np.full(5, rng.choice([0.3, 3.0])))
        options = rng.choice(5, size=12, p=truth)
        share = np.bincount(options, minlength=5) / 12
        for name in ("none", 0.25, 0.5, 0.75, "james-stein"):
            weight = 0.0 if name == "none" else kernels.shrinkage(options, 5) if name == "james-stein" else float(name)
            errors[name] += float((((1 - weight) * share + weight / 5 - truth) ** 2).sum())
    assert min(errors, key=errors.__getitem__) == "james-stein"


def test_random_fraction() -> None:
    always = run(bohb, 27, random_fraction=1.0).queries
    rng = np.random.default_rng(0)
    expected = []
    for place in range(27):
        if place >= 14:
            rng.random()
        expected.append(CELL201.sample(rng))
    assert [query.architecture for query in always] == expected


# DEHB -----------------------------------------------------------------------------------------------------------------


def test_dehb_spends_as_hyperband_does() -> None:
    brackets = hyperband_brackets(EPOCHS, 3, "floor")
    plan = [fidelity for bracket in brackets for number, fidelity in bracket for _ in range(number)]
    assert [query.epochs for query in run(dehb, 3 * len(plan)).queries] == plan * 3


def test_first_bracket_is_successive_halving() -> None:
    queries = run(dehb, 40).queries
    lowest = [query.architecture for query in queries[:27]]
    for start, number, epochs, below in ((27, 9, 12, 4), (36, 3, 36, 12), (39, 1, 108, 36)):
        accuracies = [BENCHMARK.accuracy(Query(cell, below), 0) for cell in lowest]
        ranked = [lowest[place] for place in np.argsort(-np.array(accuracies), kind="stable")]
        rung = queries[start : start + number]
        assert [query.architecture for query in rung] == ranked[:number]
        assert {query.epochs for query in rung} == {epochs}
        lowest = ranked[:number]


def test_first_population_is_uniform() -> None:
    cells = [query.architecture for seed in range(200) for query in run(dehb, 27, seed=seed).queries]
    assert stats.chisquare(np.bincount(np.array(cells).ravel(), minlength=5)).pvalue > 1e-3


def test_members_only_improve_and_differ_from_their_trial_in_one_coordinate_without_crossover() -> None:
    """With CR = 0 a trial takes one coordinate from the mutant: whoever is challenged is known from the query alone."""
    brackets = hyperband_brackets(EPOCHS, 3, "floor")
    sizes = {4: 27, 12: 9, 36: 6, 108: 4}
    members: dict[int, list[Architecture | None]] = {epochs: [None] * size for epochs, size in sizes.items()}
    fitness = {epochs: [-1.0] * size for epochs, size in sizes.items()}
    turn = dict.fromkeys(sizes, 0)
    trace = run(dehb, 81 * 4, crossover=0.0)
    queries = iter(trace.queries)
    challenges = 0
    for number_of_bracket in range(16):
        for place, (number, epochs) in enumerate(brackets[number_of_bracket % 4]):
            for _ in range(number):
                query = next(queries, None)
                if query is None:
                    break
                slot, cell = turn[epochs], query.architecture
                turn[epochs] = (slot + 1) % sizes[epochs]
                evolves = number_of_bracket >= 4 or (place == 0 and number_of_bracket > 0)
                if evolves:
                    target = members[epochs][slot]
                    assert target is not None  # the first round has filled every population
                    assert sum(a != b for a, b in zip(cell, target, strict=True)) <= 1
                    challenges += 1
                accuracy = BENCHMARK.accuracy(query, 0)
                if accuracy >= fitness[epochs][slot]:
                    members[epochs][slot], fitness[epochs][slot] = cell, accuracy
    assert challenges > 200


def population(fitness: list[float], members: list[list[float]]) -> Population:
    return Population(np.array(members), np.array(fitness))


def test_promotions_are_the_best_that_the_higher_population_lacks() -> None:
    below = population([0.3, 0.9, -np.inf, 0.5], [[0.1], [0.2], [0.3], [0.4]])
    above = population([0.7, -np.inf], [[0.2], [0.8]])
    assert promotions(below, above, 2).tolist() == [[0.4], [0.1]]
    assert promotions(below, above, 1).tolist() == [[0.4]]
    # Nobody new: the best again.
    assert promotions(population([0.9, 0.8], [[0.2], [0.8]]), above, 2).tolist() == [[0.2]]


def test_parent_pool() -> None:
    rng = np.random.default_rng(0)
    below = population([0.3, 0.9, 0.1, 0.5, 0.7], [[0.1], [0.2], [0.3], [0.4], [0.5]])
    here = population([0.3], [[0.9]])
    pool = parent_pool(below, 4, [below, here], np.array([0.9]), 0.5, rng)
    assert pool.tolist() == [[0.2], [0.5], [0.4], [0.1]]
    # The target is no parent of its own trial.
    assert parent_pool(below, 4, [below, here], np.array([0.5]), 0.5, rng).tolist() == [[0.2], [0.4], [0.1]]
    # One alone is joined by three mutants of everybody.
    pool = parent_pool(below, 1, [below, here], np.array([0.9]), 0.5, rng)
    assert len(pool) == 4 and pool[0].tolist() == [0.2]
    everyone = [0.1, 0.2, 0.3, 0.4, 0.5, 0.9]
    mutants = {round(a + 0.5 * (b - c), 9) for a in everyone for b in everyone for c in everyone if len({a, b, c}) == 3}
    assert {round(float(value), 9) for value in pool[1:, 0]} <= mutants


def test_dehb_with_one_fidelity_and_one_decision() -> None:
    search = dehb(space_by_name("cell201-3node"), np.random.default_rng(0), (200,))
    trace = drive(search, lambda query: Observation(query, 0.5, 1.0), 50)
    assert len(trace.queries) == 50 and len(set(trace.queries)) > 10


# All of them ----------------------------------------------------------------------------------------------------------


def best_within(strategy: Any, seconds: float, seed: int, **settings: Any) -> float:
    """Return the true quality of the best architecture found at full fidelity, continued trainings paid by the difference."""
    paid: dict[Architecture, float] = {}
    spent = 0.0
    best = (-1.0, 0.0)
    search = strategy(CELL201, np.random.default_rng(seed), EPOCHS, **settings)

    class Exhausted(Exception):
        """The budget is spent."""

    def evaluate(query: Query) -> Observation:
        nonlocal spent, best
        cost = float(query.epochs)
        spent += cost - paid.get(query.architecture, 0.0) if paid.get(query.architecture, 0.0) < cost else cost
        paid[query.architecture] = cost
        if spent > seconds:
            raise Exhausted
        accuracy = BENCHMARK.accuracy(query, seed)
        if query.epochs == 108:
            best = max(best, (accuracy, quality(CELL201.choices, query.architecture)))
        return Observation(query, accuracy, cost)

    with pytest.raises(Exhausted):
        drive(search, evaluate, 100_000)
    return best[1]


@pytest.mark.parametrize(
    ("strategy", "settings", "trainings"),
    [
        (successive_halving, {}, 60),
        (hyperband, {}, 60),
        (asha, {"eta": 3}, 60),
        (bohb, {"candidates": 4, "random_fraction": 0.0, "least_bandwidth": 0.3}, 60),
        (dehb, {}, 200),  # evolution begins after the first round, which costs 15
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_cheap_fidelities_help_where_they_predict_the_dear_one(
    strategy: Any, settings: dict[str, Any], trainings: int
) -> None:
    """Best true quality for the price of so many full trainings, 30 runs each: Mann-Whitney, one-sided, at 1 in 1,000."""
    found = [best_within(strategy, trainings * 108.0, seed, **settings) for seed in range(30)]
    chance = [best_within(random_search, trainings * 108.0, seed) for seed in range(30)]
    assert stats.mannwhitneyu(found, chance, alternative="greater").pvalue < 1e-3


def test_points_of_the_unit_cube_and_architectures() -> None:
    assert to_architecture(np.array([0.0, 0.199, 0.2, 0.999, 1.0, 0.5]), (5,) * 6) == (0, 0, 1, 4, 4, 2)
    assert dehb_module.METHOD.fidelities
