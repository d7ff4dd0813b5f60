"""Rank random architectures by a zero-cost proxy and train the best. Mellor, Turner, Storkey & Crowley, ICML 2021, arXiv:2006.04647.

The paper draws N architectures, scores each untrained, and returns the one with the highest score without training any
(algorithm 1). Here the drawn architectures are trained in the order of their scores, so that the search goes on as long as the
budget does; when all of them are trained, the next N are drawn. This is the warm-up of random search in Abdelfattah et al.,
ICLR 2021, arXiv:2101.08134, section 5, whose example (repository zero-cost-nas, `notebooks/nas_examples.ipynb`) has N = 3,000.

Scoring is charged: the proxy's seconds (`nasbench.proxy_beside`), once in a run for each network, before the first training,
as Mellor et al. report search times that are scoring alone; Abdelfattah et al. count trainings. A pool that does not fit into the
budget ends the run before anything is trained.

`variants`: the proxies by name. `parameters` and `multiply_adds` cost nothing and look at no data, and many proxies do not beat
them (Ning et al., NeurIPS 2021, arXiv:2008.03064): the row that every proxy is to be read beside.

Departures: N is 1,000, since a pool of 10 or 100, as in the paper, would be trained whole within one budget; architectures of equal
function, which have equal scores, are one and trained once in a pool; one without a value (NaN) ranks last.
"""

from __future__ import annotations

import numpy as np

from nasbench.load import Method
from nasbench.query import Measure, Query, Search
from nasbench.settings import check_choice, check_integer
from nasbench.space import SearchSpace

from ._proxy import PROXIES, Proxy, best_first, draw_distinct

METHOD = Method(
    title="Ranking by a proxy",
    paper="Mellor et al.: Neural architecture search without training, ICML 2021, arXiv:2006.04647",
    year=2021,
    mode="table",
    family="proxy",
    variants={
        "grad_norm": {"proxy": "grad_norm"},
        "snip": {"proxy": "snip"},
        "grasp": {"proxy": "grasp"},
        "fisher": {"proxy": "fisher"},
        "synflow": {"proxy": "synflow"},
        "zen": {"proxy": "zen"},
        "jacob_cov": {"proxy": "jacob_cov"},
        "parameters": {"proxy": "parameters"},
        "multiply_adds": {"proxy": "multiply_adds"},
    },
)


def proxy_rank(
    space: SearchSpace,
    rng: np.random.Generator,
    epochs: tuple[int, ...],
    *,
    proxy: Proxy = "naswot",
    pool: int = 1000,
) -> Search:
    """Draw a pool, measure the proxy, train the pool from its best; again without end.

    Args:
        space: the search space.
        rng: source of all randomness.
        epochs: the fidelities on offer; the last one is asked for.
        proxy: a measure that the benchmark must offer; the largest values come first.
        pool: architectures drawn at a time (N), from 1.

    Raises:
        SettingError: a setting outside its range.
    """
    check_choice("proxy", proxy, PROXIES)
    check_integer("pool", pool, 1)
    while True:
        drawn = draw_distinct(space, rng, pool)
        values = yield Measure(drawn, (proxy,))
        for number in best_first(values[:, 0]):
            yield Query(drawn[number], epochs[-1])
