"""Warm starts: Feurer, Springenberg & Hutter, AAAI 2015 ("Initializing Bayesian hyperparameter optimization via meta-learning").

The best architectures of another task are trained first, in the order given; then a search goes on from their answers: aging
evolution (their children join a queue that begins with them), local search (the best of them is the first start), or random
draws. Where no architectures are given, as many random ones take their place: the same search from scratch.

Departures: the paper's searcher is Bayesian optimisation, and its tasks are chosen by similarity; here the protocol names
the source (`[entrants.warm_start]`). Local search continues from the best architecture not yet expanded, and random draws are
without memory, as in `local_search.py` and `random_search.py`; evolution is that of `regularized_evolution.py`.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

import numpy as np

from nasbench.load import Method
from nasbench.query import Query, Search
from nasbench.settings import SettingError, check_choice, check_integer
from nasbench.space import Architecture, SearchSpace, SpaceError

METHOD = Method(
    title="Warm start",
    paper="Feurer et al.: Initializing Bayesian hyperparameter optimization via meta-learning, AAAI 2015",
    year=2015,
    mode="table",
    family="transfer",
    variants={"evolution": {}, "local": {"search": "local"}, "random": {"search": "random"}},
)


def warm_start(
    space: SearchSpace,
    rng: np.random.Generator,
    epochs: tuple[int, ...],
    *,
    initial: tuple[str, ...] = (),
    search: Literal["evolution", "local", "random"] = "evolution",
    scratch: int = 10,
    sample: int = 3,
) -> Search:
    """Train what is given, then search on from there.

    Args:
        space: the search space.
        rng: source of all randomness.
        epochs: the fidelities on offer; the last one is asked for.
        initial: architectures to begin with, as the space writes them; filled in from the protocol's `warm_start`.
        search: how to go on.
        scratch: random architectures instead where `initial` is empty, from 1.
        sample: evolution's tournament (S), drawn with replacement, from 1.

    Raises:
        SettingError: a setting outside its range, or an architecture that the space can't read.
    """
    check_choice("search", search, ("evolution", "local", "random"))
    check_integer("scratch", scratch, 1)
    check_integer("sample", sample, 1)
    try:
        first = [space.parse(text) for text in initial]
    except SpaceError as error:
        raise SettingError(f"setting initial is {initial!r}: {error}") from error
    first = first or [space.sample(rng) for _ in range(scratch)]
    trained: dict[Architecture, float] = {}
    alive: deque[tuple[float, Architecture]] = deque()
    for architecture in first:
        observation = yield Query(architecture, epochs[-1])
        trained[architecture] = observation.validation_accuracy
        alive.append((observation.validation_accuracy, architecture))
    if search == "local":
        yield from _climb(space, rng, epochs[-1], trained)
    while True:
        child = space.sample(rng)
        if search == "evolution":
            drawn = [alive[number] for number in rng.integers(len(alive), size=sample).tolist()]
            child = space.mutate(max(drawn, key=lambda member: member[0])[1], rng)
        observation = yield Query(child, epochs[-1])
        alive.append((observation.validation_accuracy, child))
        alive.popleft()


def _climb(space: SearchSpace, rng: np.random.Generator, epochs: int, trained: dict[Architecture, float]) -> Search:
    """Expand the best architecture that is not expanded yet, first improvement, until none is left."""
    waiting = set(trained)
    while waiting:
        current = max(sorted(waiting), key=trained.__getitem__)
        waiting.discard(current)
        neighbours = space.neighbours(current)
        for number in rng.permutation(len(neighbours)).tolist():
            neighbour = neighbours[number]
            if neighbour in trained:
                continue
            observation = yield Query(neighbour, epochs)
            trained[neighbour] = observation.validation_accuracy
            waiting.add(neighbour)
            if trained[neighbour] > trained[current]:
                break
