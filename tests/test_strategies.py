"""Random search, regularized evolution, local search and REINFORCE against what their papers say, by independent means."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from scipy import stats

from nasbench.baselines.strategies import reinforce as reinforce_module
from nasbench.baselines.strategies.local_search import local_search
from nasbench.baselines.strategies.random_search import random_search
from nasbench.baselines.strategies.regularized_evolution import regularized_evolution
from nasbench.baselines.strategies.reinforce import reinforce
from nasbench.query import Observation, Query
from nasbench.settings import SettingError
from nasbench.space import CELL201, Architecture, CellSpace, space_by_name
from nasbench.synthetic import SyntheticBenchmark, drive, quality

SMALL = space_by_name("cell201-3node")  # 125 cells, 60 classes
MIDDLE = space_by_name("cell201-3op")  # 729 cells
EPOCHS = (12, 200)

Accuracy = Callable[[Architecture], float]


def search(
    strategy: Any, space: CellSpace, queries: int, accuracy: Accuracy, seed: int = 0, **settings: Any
) -> list[Architecture]:
    """Return the architectures that a strategy asks for; all must be at full fidelity."""
    generator = strategy(space, np.random.default_rng(seed), EPOCHS, **settings)
    trace = drive(generator, lambda query: Observation(query, accuracy(query.architecture), 1.0), queries)
    assert {query.epochs for query in trace.queries} == {200}
    return [query.architecture for query in trace.queries]


def uneven(architecture: Architecture) -> float:
    """A quality without ties: no two of the 729 or 125 cells are equal."""
    weights = np.sqrt(np.array([2.0, 3.0, 5.0, 7.0, 11.0, 13.0]))[: len(architecture)]
    return quality((3,) * len(architecture), architecture) + 0.001 * float(
        np.mod(weights @ np.array(architecture), 1.0)
    )


def chi_square(counts: Sequence[int], probabilities: Sequence[float]) -> float:
    """Return the p-value of counts under probabilities."""
    expected = np.array(probabilities) * sum(counts)
    return float(stats.chisquare(counts, expected * sum(counts) / expected.sum()).pvalue)


# Random search --------------------------------------------------------------------------------------------------------


def test_random_search_is_uniform_over_strings() -> None:
    drawn = Counter(search(random_search, SMALL, 12_500, uneven))
    assert len(drawn) == 125
    assert chi_square(list(drawn.values()), [1 / 125] * 125) > 1e-3


def test_random_search_can_be_uniform_over_classes() -> None:
    cells = search(random_search, SMALL, 12_000, uneven, sampler="classes")
    drawn = Counter(int(SMALL.class_of[SMALL.index(cell)]) for cell in cells)
    assert len(drawn) == 60
    assert chi_square(list(drawn.values()), [1 / 60] * 60) > 1e-3


@pytest.mark.parametrize(("sampler", "share"), [("strings", 341 / 15625), ("classes", 1 / 4930)])
def test_share_of_cells_without_a_path_depends_on_the_sampler(sampler: str, share: float) -> None:
    cells = search(random_search, CELL201, 20_000, uneven, sampler=sampler)
    zeros = sum(CELL201.canonical(cell) == () for cell in cells)
    assert stats.binomtest(zeros, len(cells), share).pvalue > 1e-3


def test_random_search_in_a_space_that_draws_no_classes() -> None:
    class Plain:
        name = "plain"
        sample = staticmethod(SMALL.sample)

    rng = np.random.default_rng(0)
    assert next(random_search(Plain(), rng, EPOCHS)).epochs == 200  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="setting sampler is 'classes', must be 'strings' in space plain"):
        next(random_search(Plain(), rng, EPOCHS, sampler="classes"))  # type: ignore[arg-type]


# Regularized evolution ------------------------------------------------------------------------------------------------


class Spy:
    """A space that notes every parent."""

    def __init__(self, space: CellSpace) -> None:
        self.space = space
        self.parents: list[Architecture] = []

    def sample(self, rng: np.random.Generator) -> Architecture:
        return self.space.sample(rng)

    def mutate(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        self.parents.append(architecture)
        return self.space.mutate(architecture, rng)


def evolve(queries: int, **settings: Any) -> tuple[list[Architecture], list[Architecture]]:
    """Return every architecture trained and the parent of each child."""
    spy = Spy(CELL201)
    cells = search(regularized_evolution, spy, queries, uneven_large, **settings)  # type: ignore[arg-type]
    return cells, spy.parents[: queries - settings["population"]]


def uneven_large(architecture: Architecture) -> float:
    return ((CELL201.index(architecture) * 7919) % 15649) / 15649  # 15649 is prime: no two cells are equal


def test_children_are_one_mutation_away_from_a_member_of_the_last_hundred() -> None:
    cells, parents = evolve(400, population=100, sample=25)
    assert len(parents) == 300
    for number, parent in enumerate(parents):
        assert parent in cells[number : number + 100]
        assert sum(a != b for a, b in zip(parent, cells[number + 100], strict=True)) == 1


@pytest.mark.parametrize(("population", "sample"), [(5, 2), (4, 4), (6, 1)])
def test_rank_of_the_parent_is_that_of_the_best_of_a_sample(population: int, sample: int) -> None:
    """The best of S draws with replacement out of P has rank k with probability ((P-k+1)/P)^S - ((P-k)/P)^S."""
    cells, parents = evolve(6000, population=population, sample=sample)
    ranks: Counter[int] = Counter()
    for number, parent in enumerate(parents):
        alive = sorted(set(cells[number : number + population]), key=uneven_large, reverse=True)
        if len(alive) == population:  # a population with a twin in it has other probabilities
            ranks[alive.index(parent) + 1] += 1
    size = population
    expected = [((size - k + 1) / size) ** sample - ((size - k) / size) ** sample for k in range(1, size + 1)]
    assert sum(ranks.values()) > 2000
    assert chi_square([ranks[k] for k in range(1, size + 1)], expected) > 1e-3


def test_aging_forgets_the_best_and_non_aging_never_does() -> None:
    cells, parents = evolve(1000, population=20, sample=5)
    alive_by_age = [cells[number : number + 20] for number in range(980)]
    assert any(uneven_large(max(cells[: number + 20], key=uneven_large)) > max(map(uneven_large, alive))
               for number, alive in enumerate(alive_by_age))  # fmt: skip

    cells, parents = evolve(1000, population=20, sample=5, removal="worst")
    alive = cells[:20]
    for parent, child in zip(parents, cells[20:], strict=True):
        assert parent in alive
        alive.append(child)
        alive.remove(min(alive, key=uneven_large))
    assert uneven_large(max(cells, key=uneven_large)) == max(map(uneven_large, alive))


def test_evolution_of_one_is_a_random_walk() -> None:
    cells = search(regularized_evolution, MIDDLE, 200, uneven, population=1, sample=1)
    assert all(second in MIDDLE.neighbours(first) for first, second in itertools.pairwise(cells))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"population": 0}, "setting population is 0"),
        ({"population": 10}, "setting sample is 25, must be an integer from 1 to 10"),
        ({"sample": 0}, "setting sample is 0"),
        ({"removal": "best"}, "setting removal is 'best'"),
    ],
)
def test_evolution_refuses(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        next(regularized_evolution(MIDDLE, np.random.default_rng(0), EPOCHS, **settings))


# Local search ---------------------------------------------------------------------------------------------------------


def verify_climb(
    cells: list[Architecture], space: CellSpace, initial: int, first: bool, proceed: bool
) -> tuple[int, int]:
    """Follow a search and assert that each query is one the rules allow; return the numbers of starts and of moves."""
    starts = moves = place = 0
    trained: list[Architecture] = []
    expanded: set[Architecture] = set()
    while place < len(cells):
        starts += 1
        start = cells[place : place + initial]
        place += len(start)
        trained += start
        current: Architecture | None = max(start, key=uneven)
        while current is not None and place < len(cells):
            expanded.add(current)
            unseen = set(space.neighbours(current)) - set(trained)
            tried: list[Architecture] = []
            while unseen and place < len(cells) and not (first and tried and uneven(tried[-1]) > uneven(current)):
                assert cells[place] in unseen
                unseen.remove(cells[place])
                tried.append(cells[place])
                place += 1
            trained += tried
            pool = [cell for cell in trained if cell not in expanded] if proceed else tried
            best = max(pool, key=uneven, default=None)
            improved = best is not None and (proceed or uneven(best) > uneven(current))
            moves += improved
            current = best if improved else None
    return starts, moves


@pytest.mark.parametrize("improvement", ["first", "best"])
@pytest.mark.parametrize("at_minimum", ["restart", "continue"])
@pytest.mark.parametrize("initial", [1, 10])
def test_every_query_of_local_search_is_allowed_by_its_rules(improvement: str, at_minimum: str, initial: int) -> None:
    settings = {"initial": initial, "improvement": improvement, "at_minimum": at_minimum}
    cells = search(local_search, MIDDLE, 500, uneven, **settings)
    assert len(set(cells)) == 500
    starts, moves = verify_climb(cells, MIDDLE, initial, improvement == "first", at_minimum == "continue")
    assert moves > 10
    assert (starts == 1) if at_minimum == "continue" else (starts > 1)


def test_founders_are_random_and_then_the_population_grows() -> None:
    """naszilla's start: 3 random architectures of a population of 6; from the fourth on every one is a mutation of a living one."""
    search = regularized_evolution(MIDDLE, np.random.default_rng(0), (1,), population=6, sample=2, founders=3)
    query, asked = next(search), []
    while len(asked) < 20:
        asked.append(query.architecture)
        query = search.send(Observation(query, 0.5, 1.0))
    rng = np.random.default_rng(0)
    assert asked[:3] == [MIDDLE.sample(rng) for _ in range(3)]
    for place in range(3, 20):
        alive = asked[max(0, place - 6) : place]
        assert min(sum(a != b for a, b in zip(asked[place], one, strict=True)) for one in alive) == 1


def test_local_search_ends_when_all_is_trained() -> None:
    for at_minimum in ("restart", "continue"):
        cells = search(local_search, SMALL, 1000, uneven, at_minimum=at_minimum)
        assert sorted(cells) == list(SMALL)


def test_local_search_climbs_a_single_hill_without_a_detour() -> None:
    """The accuracy counts right operations: from any start the best improvement reaches the top in as many moves as wrong ones."""
    top = (2, 0, 1, 2, 2, 0)

    def right(architecture: Architecture) -> float:
        return sum(a == b for a, b in zip(architecture, top, strict=True)) / 6

    cells = search(local_search, MIDDLE, 100, right, initial=1, improvement="best")
    wrong = 6 - round(6 * right(cells[0]))
    # Each move costs at most the 12 neighbours.
    assert top in cells[: 1 + 12 * wrong]


def test_local_search_visits_neighbours_in_random_order() -> None:
    """Under equal accuracies no neighbour is better: queries 2 to 13 are the 12 neighbours of the first, in any order."""
    firsts: Counter[int] = Counter()
    for seed in range(600):
        start, second = search(local_search, MIDDLE, 2, lambda cell: 0.5, seed=seed, initial=1)
        firsts[MIDDLE.neighbours(start).index(second)] += 1
    assert chi_square([firsts[place] for place in range(12)], [1 / 12] * 12) > 1e-3


# REINFORCE ------------------------------------------------------------------------------------------------------------


def test_gradient_of_the_log_probability_is_right() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(3, 5))
    cell = (4, 0, 2)

    def log_probability(values: np.ndarray) -> float:
        return float(np.log(reinforce_module.softmax(values)[np.arange(3), cell]).sum())

    gradient = reinforce_module.log_probability_gradient(reinforce_module.softmax(logits), cell)
    for place in np.ndindex(3, 5):
        step = np.zeros((3, 5))
        step[place] = 1e-6
        numeric = (log_probability(logits + step) - log_probability(logits - step)) / 2e-6
        assert gradient[place] == pytest.approx(numeric, abs=1e-8)


def test_expected_step_is_the_gradient_of_the_expected_reward() -> None:
    """The policy-gradient theorem, with both sides as sums over all 125 cells."""
    logits = np.random.default_rng(1).normal(size=(3, 5))
    cells = np.array(list(SMALL))
    rewards = np.array([uneven(tuple(cell)) for cell in cells.tolist()])

    def value(values: np.ndarray) -> float:
        return float(reinforce_module.softmax(values)[np.arange(3), cells].prod(axis=1) @ rewards)

    probabilities = reinforce_module.softmax(logits)
    weights = probabilities[np.arange(3), cells].prod(axis=1)
    baseline = 0.7  # any constant: it has no effect on the expectation
    expected = sum(
        weight * (reward - baseline) * reinforce_module.log_probability_gradient(probabilities, tuple(cell))
        for weight, reward, cell in zip(weights, rewards, cells.tolist(), strict=True)
    )
    for place in np.ndindex(3, 5):
        step = np.zeros((3, 5))
        step[place] = 1e-6
        assert expected[place] == pytest.approx((value(logits + step) - value(logits - step)) / 2e-6, abs=1e-8)


def test_draws_follow_the_policy() -> None:
    probabilities = np.array([[0.5, 0.2, 0.2, 0.1], [0.05, 0.95, 0.0, 0.0]])  # the second decision has two options
    rng = np.random.default_rng(2)
    drawn = np.array([reinforce_module.draw(probabilities, (4, 2), rng) for _ in range(10_000)])
    assert chi_square(np.bincount(drawn[:, 0], minlength=4).tolist(), probabilities[0].tolist()) > 1e-3
    assert stats.binomtest(int(drawn[:, 1].sum()), 10_000, 0.95).pvalue > 1e-3
    assert drawn[:, 1].max() == 1


def test_decisions_may_differ_in_their_number_of_options() -> None:
    class Uneven:
        choices = (2, 5, 3)

    generator = reinforce(Uneven(), np.random.default_rng(0), EPOCHS, learning_rate=5.0)  # type: ignore[arg-type]
    trace = drive(generator, lambda query: Observation(query, query.architecture[1] / 4, 1.0), 500)
    cells = np.array([query.architecture for query in trace.queries])
    assert (cells.max(axis=0) == [1, 4, 2]).all() and cells.min() == 0
    assert (cells[-50:, 1] == 4).all()  # the rewarded option has been learnt


@pytest.mark.live
@pytest.mark.parametrize("optimizer", ["gradient", "adam"])
def test_same_run_as_with_automatic_differentiation(optimizer: str) -> None:
    """The whole search once more with torch: Categorical, autograd, torch.optim, a list of all rewards as baseline."""
    torch = pytest.importorskip("torch")
    benchmark = SyntheticBenchmark(CELL201, EPOCHS)
    rate, scale = (0.5, 10.0) if optimizer == "gradient" else (0.05, 100.0)
    generator = reinforce(
        CELL201, np.random.default_rng(3), EPOCHS, optimizer=optimizer, learning_rate=rate, reward_scale=scale
    )  # type: ignore[arg-type]
    trace = drive(generator, lambda query: benchmark.evaluate(query, 0), 300)

    rng = np.random.default_rng(3)
    logits = torch.zeros(6, 5, dtype=torch.float64, requires_grad=True)
    kind = torch.optim.SGD if optimizer == "gradient" else torch.optim.Adam
    steps = kind([logits], lr=rate)
    rewards: list[float] = []
    for query in trace.queries:
        policy = torch.distributions.Categorical(logits=logits)
        uniform = torch.tensor(rng.random((6, 1)))
        cell = (policy.probs.cumsum(dim=1) <= uniform).sum(dim=1)
        assert tuple(cell.tolist()) == query.architecture
        rewards.append(scale * benchmark.evaluate(query, 0).validation_accuracy)
        weights = 0.9 ** np.arange(len(rewards))[::-1]
        baseline = float(weights @ np.array(rewards) / weights.sum())
        loss = -(rewards[-1] - baseline) * policy.log_prob(cell).sum()
        steps.zero_grad()
        loss.backward()
        steps.step()
    assert len(set(trace.queries)) > 50


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learning_rate": 0.0}, "setting learning_rate is 0.0"),
        ({"baseline_decay": 1.0}, "setting baseline_decay is 1.0"),
        ({"reward_scale": -1.0}, "setting reward_scale is -1.0"),
        ({"optimizer": "sgd"}, "setting optimizer is 'sgd'"),
    ],
)
def test_reinforce_refuses(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        next(reinforce(SMALL, np.random.default_rng(0), EPOCHS, **settings))


# All of them ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "settings"),
    [
        (regularized_evolution, {"population": 10, "sample": 3}),
        (local_search, {}),
        (reinforce, {"optimizer": "adam", "learning_rate": 0.1}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_searching_beats_chance_on_a_smooth_landscape(strategy: Any, settings: dict[str, Any]) -> None:
    """Best true quality after 150 queries, 30 runs each on CELL201: a Mann-Whitney test, one-sided, at 1 in 1,000."""
    benchmark = SyntheticBenchmark(CELL201, EPOCHS)

    def best(method: Any, seed: int, **chosen: Any) -> float:
        def accuracy(architecture: Architecture) -> float:
            return benchmark.accuracy(Query(architecture, 200), seed)

        return max(quality(CELL201.choices, cell) for cell in search(method, CELL201, 150, accuracy, seed, **chosen))

    found = [best(strategy, seed, **settings) for seed in range(30)]
    chance = [best(random_search, seed) for seed in range(30)]
    assert stats.mannwhitneyu(found, chance, alternative="greater").pvalue < 1e-3
