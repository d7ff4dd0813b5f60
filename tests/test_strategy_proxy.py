"""Searches that follow a proxy: what they measure, whom they train first, what they pay."""

import itertools

import numpy as np
import pytest
from small_table import SPACE as THREE
from small_table import full_table

from nasbench.baselines.strategies._proxy import PROXIES, best_first
from nasbench.baselines.strategies.proxy_evolution import proxy_evolution
from nasbench.baselines.strategies.proxy_rank import proxy_rank
from nasbench.baselines.strategies.regularized_evolution import regularized_evolution
from nasbench.load import load_strategy
from nasbench.measures import Column
from nasbench.proxy_table import NAMES
from nasbench.query import Measure, Observation, Query, QueryError
from nasbench.search import run
from nasbench.settings import SettingError
from nasbench.space import space_by_name
from nasbench.synthetic import SyntheticBenchmark, drive
from nasbench.tabular import TabularBenchmark

SPACE = space_by_name("cell201-3op")
BENCHMARK = SyntheticBenchmark(SPACE)
VARIANTS = load_strategy("proxy_rank").method.variants


def traced(strategy, queries, seed=0, **settings):
    search = strategy(SPACE, np.random.default_rng(seed), BENCHMARK.epochs, **settings)
    return drive(search, lambda query: BENCHMARK.evaluate(query, 0), queries)


def scores(architectures, name):
    return BENCHMARK.measure(Measure(tuple(architectures), (name,)))[0][:, 0]


def distinct(space, architectures):
    """Return the first of each network, one by one."""
    kept = []
    for one in architectures:
        if all(space.canonical(one) != space.canonical(other) for other in kept):
            kept.append(one)
    return tuple(kept)


def test_names_are_those_of_the_table_of_proxies():
    assert PROXIES == NAMES
    chosen = {load_strategy("proxy_rank").configure(variant=name)["proxy"] for name in VARIANTS} | {"naswot"}
    assert chosen == set(NAMES)  # every proxy has a row, the sizes that all are held against among them


def test_order_is_descending_with_the_unknown_last():
    assert best_first(np.array([1.0, np.nan, 3.0, 1.0])) == [2, 0, 3, 1]
    assert best_first(np.array([-np.inf, np.nan, 0.0])) == [2, 0, 1]


@pytest.mark.parametrize("proxy", PROXIES)
def test_pool_is_trained_from_its_best(proxy):
    trace = traced(proxy_rank, 20, proxy=proxy, pool=60)
    (asked, values), *rest = trace.steps
    assert asked.names == (proxy,) and not any(isinstance(proposal, Measure) for proposal, _ in rest)
    rng = np.random.default_rng(0)
    assert asked.architectures == distinct(SPACE, [SPACE.sample(rng) for _ in range(60)])
    assert 20 <= len(asked.architectures) < 60
    trained = [query.architecture for query in trace.queries]
    assert scores(trained, proxy).tolist() == sorted(values[:, 0].tolist(), reverse=True)[:20]


def test_the_next_pool_follows_when_one_is_used_up():
    trace = traced(proxy_rank, 25, pool=10)
    pools = [proposal.architectures for proposal, _ in trace.steps if isinstance(proposal, Measure)]
    trained = [query.architecture for query in trace.queries]
    assert len(pools) == 3
    assert set(trained[: len(pools[0])]) == set(pools[0])
    assert set(trained[len(pools[0]) : len(pools[0]) + len(pools[1])]) == set(pools[1])


def test_network_without_a_value_is_trained_last():
    search = proxy_rank(SPACE, np.random.default_rng(1), (4,), pool=5)
    asked = next(search)
    last = len(asked.architectures) - 1
    assert last >= 2
    values = np.arange(last + 1.0)[:, None]
    values[last] = np.nan
    order = [search.send(values).architecture]
    order += [search.send(Observation(Query(order[0], 4), 0.5, 1.0)).architecture for _ in range(last)]
    assert order == [asked.architectures[number] for number in (*reversed(range(last)), last)]


def test_warm_up_is_the_initial_population():
    trace = traced(proxy_evolution, 30, proxy="zen", warm_up=60, population=8, sample=2)
    (asked, values), *_ = trace.steps
    best = [asked.architectures[number] for number in best_first(values[:, 0])[:8]]
    trained = [query.architecture for query in trace.queries]
    assert trained[:8] == best
    for place in range(8, 30):  # each child is a mutation of one of the eight before it
        parents = trained[place - 8 : place]
        assert any(sum(a != b for a, b in zip(trained[place], parent, strict=True)) == 1 for parent in parents)


def test_without_a_choice_it_is_regularized_evolution():
    """All drawn are the population, in the proxy's order; then both mutate the best of their samples by the same rule."""

    def drawn(seed):
        rng = np.random.default_rng(seed)
        return [SPACE.sample(rng) for _ in range(5)]

    seed = next(seed for seed in itertools.count() if len(distinct(SPACE, drawn(seed))) == 5)

    def followed(strategy, **settings):
        """Return what is proposed after an initial population whose architectures and answers are dictated."""
        search = strategy(SPACE, np.random.default_rng(seed), (4,), population=5, sample=2, **settings)
        proposal, first, answers = next(search), [], iter(np.linspace(0.1, 0.9, 40))
        if isinstance(proposal, Measure):
            proposal = search.send(-np.arange(len(proposal.architectures), dtype=float)[:, None])  # in the order drawn
        while len(first) < 30:
            first.append(proposal)
            proposal = search.send(Observation(proposal, next(answers), 1.0))
        return first

    warm = followed(proxy_evolution, warm_up=5)
    assert warm == followed(regularized_evolution)


def test_without_warm_up_and_moves_it_is_regularized_evolution_bit_for_bit():
    for seed in range(3):
        plain = traced(regularized_evolution, 60, seed, population=10, sample=3)
        bare = traced(proxy_evolution, 60, seed, warm_up=0, population=10, sample=3)
        assert bare.queries == plain.queries and len(bare.queries) == 60
        assert not any(isinstance(proposal, Measure) for proposal, _ in bare.steps)


def test_example_of_the_authors_scores_every_neighbour_and_explores_in_a_quarter_of_the_steps():
    settings = load_strategy("proxy_evolution").configure(variant="notebook-move")
    trace = traced(proxy_evolution, 464, **settings)
    moves = trace.steps[64:]  # P = 64 random ones, unscored
    assert not any(isinstance(proposal, Measure) for proposal, _ in trace.steps[:64])
    trained = [query.architecture for query in trace.queries]
    scored = 0
    for (asked, values), (query, _) in itertools.pairwise(moves):
        if isinstance(asked, Measure):
            scored += 1
            assert asked.names == ("synflow",) and len(asked.architectures) == 12  # 6 edges, 2 other operations
            assert query.architecture == asked.architectures[int(np.argmax(values[:, 0]))]
            parents = [one for one in trained if set(SPACE.neighbours(one)) == set(asked.architectures)]
            assert parents
    explored = 400 - scored
    assert 70 <= explored <= 130  # binomial(400, 1/4): 100 +- 3.5 standard deviations


def test_evolution_listens_to_what_it_is_told():
    """The contract exempts followers of a proxy; evolution must still breed from what turned out well."""
    good = proxy_evolution(SPACE, np.random.default_rng(0), (4,), warm_up=20, population=20, sample=20)
    values = np.arange(20.0)[:, None]
    asked = next(good)
    proposal = good.send(values[: len(asked.architectures)])
    favourite = proposal.architecture
    for _ in range(len(asked.architectures) - 1):
        proposal = good.send(Observation(proposal, 0.9 if proposal.architecture == favourite else 0.1, 1.0))
    child = good.send(Observation(proposal, 0.1, 1.0)).architecture
    assert sum(one != other for one, other in zip(child, favourite, strict=True)) == 1


def test_move_proposal_trains_the_child_with_the_best_score():
    trace = traced(proxy_evolution, 40, proxy="snip", warm_up=10, population=10, sample=3, proposals=6)
    moves = trace.steps[11:]
    pairs = list(zip(moves[::2], moves[1::2], strict=False))
    assert len(pairs) >= 25
    for (asked, values), (query, _) in pairs:
        if isinstance(asked, Measure):
            assert query.architecture == asked.architectures[int(np.argmax(values[:, 0]))]
            distances = {
                sum(a != b for a, b in zip(one, asked.architectures[0], strict=True)) for one in asked.architectures
            }
            assert max(distances) <= 2  # children of one parent


def test_fewer_distinct_architectures_than_the_population():
    """Ten draws from 27 cells, some twice: the population is what was drawn."""
    search = proxy_evolution(THREE, np.random.default_rng(0), (4,), proxy="parameters", warm_up=10, population=10)
    trace = drive(search, lambda query: Observation(query, 0.5, 1.0), 60)
    assert len(trace.queries) == 60


def test_proxy_is_charged_once_a_network_and_the_search_pays_for_it():
    table = full_table()
    seconds = np.full(27, 0.5)
    columns = {"naswot": Column(np.arange(27.0), seconds)}
    benchmark = TabularBenchmark(table, "fast", columns=columns)
    seed = np.random.SeedSequence(4)
    found = run(proxy_rank, benchmark, 40.0, seed, settings={"pool": 20})
    (measured,) = found.measured
    assert measured.count == len({query.observation.query.architecture for query in found.log} | set(_drawn(seed, 20)))
    assert measured.seconds == pytest.approx(0.5 * measured.count)
    assert found.log[0].started == pytest.approx(measured.seconds)
    first = table.row(found.log[0].observation.query.architecture)
    assert first == max(table.row(one) for one in _drawn(seed, 20))


def _drawn(seed, pool):
    child = np.random.SeedSequence(seed.entropy, spawn_key=(0,))
    rng = np.random.default_rng(child)
    return distinct(THREE, [THREE.sample(rng) for _ in range(pool)])


def test_benchmark_without_the_proxy_says_what_it_has():
    benchmark = TabularBenchmark(full_table(), "fast")
    with pytest.raises(QueryError, match=r"there is no measure 'naswot' for fast; it has \[\]"):
        run(proxy_rank, benchmark, 40.0, np.random.SeedSequence(0))


@pytest.mark.parametrize(
    ("strategy", "settings", "said"),
    [
        (proxy_rank, {"pool": 0}, "pool is 0"),
        (proxy_rank, {"proxy": "luck"}, "proxy is 'luck', must be one of"),
        (proxy_evolution, {"warm_up": 9}, "warm_up is 9"),
        (proxy_evolution, {"population": 0}, "population is 0"),
        (proxy_evolution, {"sample": 11}, "sample is 11"),
        (proxy_evolution, {"warm_up": -1}, "warm_up is -1"),
        (proxy_evolution, {"proposals": -1}, "proposals is -1"),
        (proxy_evolution, {"explore": 1.5}, "explore is 1.5"),
        (proxy_evolution, {"proxy": "luck"}, "proxy is 'luck'"),
    ],
)
def test_settings_out_of_range(strategy, settings, said):
    with pytest.raises(SettingError, match=said):
        next(strategy(SPACE, np.random.default_rng(0), (4,), **settings))
