"""Regularized (aging) evolution: Real, Aggarwal, Huang & Le, AAAI 2019, arXiv:1802.01548, algorithm 1.

Keep a queue of the last P architectures. Draw S of it, mutate the best of these, train the child, append it, drop the
oldest. An architecture survives only by being found good again, which removes those that were lucky once.

Details that the paper leaves open, as in its published code: the S are drawn with replacement; of equally accurate ones the
first drawn is the parent. Published settings differ by an order of magnitude and decide the result; with P close to the
number of queries the method is random search. `variants` names them:

    ==============  ===  ===  ========================================================================================
    paper           100   25  Real et al. 2019
    nas-bench-101    50   10  Ying et al. 2019, notebook (there each bit of the cell mutates with its own probability, and the S
                              are drawn without replacement)
    nas-benchmarks  100   10  Klein et al., the comparison scripts of the NAS-Bench-101 paper
    naszilla         30   10  White et al. 2021; the first 10 are random, then the population grows as it evolves (there each
                              edge mutates with probability 1/4)
    nats             10    3  Dong et al. 2021, `regularized_ea.py`
    ==============  ===  ===  ========================================================================================

`non-aging` is the paper's control, which drops the worst of the population instead of the oldest.

Departures: the mutation is the space's (one decision, uniformly, takes another value). NATS-Bench draws first a node, then an
edge into it, so that its edges are not equally likely; NASNet's own mutations are those of another space.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

import numpy as np

from nasbench.load import Method
from nasbench.query import Query, Search
from nasbench.settings import check_choice, check_integer
from nasbench.space import Architecture, SearchSpace

METHOD = Method(
    title="Regularized evolution",
    paper="Real et al.: Regularized evolution for image classifier architecture search, AAAI 2019, arXiv:1802.01548",
    year=2019,
    mode="table",
    family="evolution",
    variants={
        "paper": {"population": 100, "sample": 25},
        "nas-bench-101": {"population": 50, "sample": 10},
        "nas-benchmarks": {"population": 100, "sample": 10},
        "naszilla": {"population": 30, "sample": 10, "founders": 10},
        "nats": {"population": 10, "sample": 3},
        "non-aging": {"population": 100, "sample": 25, "removal": "worst"},
    },
)


def regularized_evolution(
    space: SearchSpace,
    rng: np.random.Generator,
    epochs: tuple[int, ...],
    *,
    population: int = 100,
    sample: int = 25,
    removal: Literal["oldest", "worst"] = "oldest",
    founders: int = 0,
) -> Search:
    """Evolve a population by tournament selection and mutation, without end.

    Args:
        space: the search space.
        rng: source of all randomness.
        epochs: the fidelities on offer; the last one is asked for.
        population: number of architectures alive (P), from 1.
        sample: number drawn, with replacement, to find a parent (S), from 1 to `population`.
        removal: who makes room for a child: the `oldest` (aging) or the `worst`, the older of equals (non-aging).
        founders: random architectures before anything evolves, while the population grows, from 1 to `population`; 0: `population`.

    Raises:
        SettingError: a setting outside its range.
    """
    check_integer("population", population, 1)
    check_integer("sample", sample, 1, population)
    check_choice("removal", removal, ("oldest", "worst"))
    check_integer("founders", founders, 0, population)
    alive: deque[tuple[float, Architecture]] = deque()
    while True:
        if len(alive) < (founders or population):
            child = space.sample(rng)
        else:
            drawn = [alive[number] for number in rng.integers(len(alive), size=sample).tolist()]
            _, parent = max(drawn, key=lambda member: member[0])
            child = space.mutate(parent, rng)
        observation = yield Query(child, epochs[-1])
        alive.append((observation.validation_accuracy, child))
        if len(alive) > population:
            if removal == "oldest":
                alive.popleft()
            else:
                alive.remove(min(alive, key=lambda member: member[0]))
