"""Regularized evolution warmed up by a zero-cost proxy. Abdelfattah, Mehrotra, Dudziak & Lane, ICLR 2021, arXiv:2101.08134.

Two ways of the paper (section 5) to use a proxy in aging evolution (Real et al., AAAI 2019, `regularized_evolution.py`):

- *Warm-up*: of N random architectures, scored untrained, the best P are the initial population instead of P random ones.
- *Move proposal*: of R mutations of a parent, only the one with the best score is trained. R = 1 is ordinary evolution.

Scoring is charged: the proxy's seconds, once for each network of a run. With `warm_up` equal to `population` and one
proposal this is regularized evolution.

Departures: population and sample default to NATS-Bench's (10 and 3), since a budget of 100 trainings would be spent on a
larger population before anything evolves; N = 1,000; the paper's own sizes were not re-checked. `variants` name the proxy;
`move` adds move proposal. An architecture without a value (NaN) ranks last.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from nasbench.load import Method
from nasbench.query import Measure, Query, Search
from nasbench.settings import check_choice, check_integer
from nasbench.space import Architecture, SearchSpace

from ._proxy import PROXIES, Proxy, best_first

METHOD = Method(
    title="Evolution with a proxy's warm-up",
    paper="Abdelfattah et al.: Zero-cost proxies for lightweight NAS, ICLR 2021, arXiv:2101.08134",
    year=2021,
    mode="table",
    family="proxy",
    variants={
        "move": {"proposals": 10},
        "naswot": {"proxy": "naswot"},
        "parameters": {"proxy": "parameters"},
        "parameters-move": {"proxy": "parameters", "proposals": 10},
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
) -> Search:
    """Evolve a population that begins with the best of a proxy's ranking, without end.

    Args:
        space: the search space.
        rng: source of all randomness.
        epochs: the fidelities on offer; the last one is asked for.
        proxy: a measure that the benchmark must offer; larger is better.
        warm_up: architectures drawn and scored at the start (N), from `population`.
        population: number of architectures alive (P), from 1.
        sample: number drawn, with replacement, to find a parent (S), from 1 to `population`.
        proposals: mutations scored for each one trained (R), from 1.

    Raises:
        SettingError: a setting outside its range.
    """
    check_choice("proxy", proxy, PROXIES)
    check_integer("population", population, 1)
    check_integer("warm_up", warm_up, population)
    check_integer("sample", sample, 1, population)
    check_integer("proposals", proposals, 1)
    drawn = tuple(space.sample(rng) for _ in range(warm_up))
    distinct = tuple(dict.fromkeys(drawn))
    values = yield Measure(distinct, (proxy,))
    first = [distinct[number] for number in best_first(values[:, 0])[:population]]
    alive: deque[tuple[float, Architecture]] = deque()
    for architecture in first:
        observation = yield Query(architecture, epochs[-1])
        alive.append((observation.validation_accuracy, architecture))
    while True:
        chosen = [alive[number] for number in rng.integers(len(alive), size=sample).tolist()]
        _, parent = max(chosen, key=lambda member: member[0])
        children = tuple(dict.fromkeys(space.mutate(parent, rng) for _ in range(proposals)))
        child = children[0]
        if len(children) > 1:
            values = yield Measure(children, (proxy,))
            child = children[best_first(values[:, 0])[0]]
        observation = yield Query(child, epochs[-1])
        alive.append((observation.validation_accuracy, child))
        alive.popleft()
