"""Regularized evolution guided by a zero-cost proxy. Abdelfattah, Mehrotra, Dudziak & Lane, ICLR 2021, arXiv:2101.08134.

Two ways of the paper (section 5) to use a proxy in aging evolution (Real et al., AAAI 2019, `regularized_evolution.py`):

- *Warm-up*: of N random architectures, scored untrained, the best P are the initial population instead of P random ones.
- *Move proposal*: of the mutations of a parent, the one with the best score is trained. The authors' example (repository
  zero-cost-nas, `notebooks/nas_examples.ipynb`) scores all of them, and trains a random one in a quarter of the steps.

`variants`: `notebook` and `notebook-move` are that example's settings (P 64, S 10; N 3,000, or no warm-up and moves); `move` has its
moves with the default population; `naswot`, `parameters`, `parameters-move` name another proxy: the last two cost nothing and are
what a proxy has to beat (`proxy_rank.py`).

Scoring is charged, where the paper counts trainings alone: the proxy's seconds (`nasbench.proxy_beside`), once in a run for each
network. A warm-up that does not fit into the budget ends the run before anything is trained. With `warm_up` 0 and one proposal
this is regularized evolution.

Departures: population and sample default to NATS-Bench's (10 and 3), since a budget of 100 trainings would be spent on a
larger population before anything evolves, and N to 1,000 for the same reason. Architectures of equal function, which have equal
scores, are one member of the initial population (the example keeps all); S are drawn with replacement, as by Real et al. (the
example: without). An architecture without a value (NaN) ranks last.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from nasbench.load import Method
from nasbench.query import Measure, Query, Search
from nasbench.settings import SettingError, check_choice, check_integer, check_number
from nasbench.space import Architecture, SearchSpace

from ._proxy import PROXIES, Proxy, best_first, draw_distinct

METHOD = Method(
    title="Evolution with a proxy",
    paper="Abdelfattah et al.: Zero-cost proxies for lightweight NAS, ICLR 2021, arXiv:2101.08134",
    year=2021,
    mode="table",
    family="proxy",
    variants={
        "move": {"warm_up": 0, "proposals": 0, "explore": 0.25},
        "naswot": {"proxy": "naswot"},
        "notebook": {"warm_up": 3000, "population": 64, "sample": 10},
        "notebook-move": {"warm_up": 0, "population": 64, "sample": 10, "proposals": 0, "explore": 0.25},
        "parameters": {"proxy": "parameters"},
        "parameters-move": {"proxy": "parameters", "warm_up": 0, "proposals": 0, "explore": 0.25},
    },
)


def proxy_evolution(
    space: SearchSpace,
    rng: np.random.Generator,
    epochs: tuple[int, ...],
    *,
    proxy: Proxy = "synflow",
    warm_up: int = 1000,
    population: int = 10,
    sample: int = 3,
    proposals: int = 1,
    explore: float = 0.0,
) -> Search:
    """Evolve a population that begins with the best of a proxy's ranking, without end.

    Args:
        space: the search space.
        rng: source of all randomness.
        epochs: the fidelities on offer; the last one is asked for.
        proxy: a measure that the benchmark must offer; larger is better.
        warm_up: architectures drawn and scored at the start (N), from `population`; 0: the first are random, unscored.
        population: number of architectures alive (P), from 1.
        sample: number drawn, with replacement, to find a parent (S), from 1 to `population`.
        proposals: random mutations scored for each one trained; 0: all that there are; 1: none is scored.
        explore: probability that a random mutation is trained, unscored.

    Raises:
        SettingError: a setting outside its range.
    """
    check_choice("proxy", proxy, PROXIES)
    check_integer("population", population, 1)
    check_integer("warm_up", warm_up, 0)
    if 0 < warm_up < population:
        raise SettingError(f"warm_up is {warm_up}, must be 0 or at least the population, {population}")
    check_integer("sample", sample, 1, population)
    check_integer("proposals", proposals, 0)
    check_number("explore", explore, 0.0, 1.0)
    first = [space.sample(rng) for _ in range(population)] if not warm_up else []
    if warm_up:
        distinct = draw_distinct(space, rng, warm_up)
        values = yield Measure(distinct, (proxy,))
        first = [distinct[number] for number in best_first(values[:, 0])[:population]]
    alive: deque[tuple[float, Architecture]] = deque()
    for architecture in first:
        observation = yield Query(architecture, epochs[-1])
        alive.append((observation.validation_accuracy, architecture))
    while True:
        chosen = [alive[number] for number in rng.integers(len(alive), size=sample).tolist()]
        _, parent = max(chosen, key=lambda member: member[0])
        if proposals == 1 or (explore > 0 and rng.random() < explore):
            child = space.mutate(parent, rng)
        else:
            drawn = [space.mutate(parent, rng) for _ in range(proposals)] or space.neighbours(parent)
            children = tuple(dict.fromkeys(drawn))
            values = yield Measure(children, (proxy,))
            child = children[best_first(values[:, 0])[0]]
        observation = yield Query(child, epochs[-1])
        alive.append((observation.validation_accuracy, child))
        alive.popleft()
