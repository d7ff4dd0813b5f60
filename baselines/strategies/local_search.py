"""Local search: White, Nolen & Savani, UAI 2021, arXiv:2005.02960, algorithm 1 and its variants (section 3).

Train a few random architectures and start from the best. Train its neighbours in random order and move to a better one; at
a local minimum (no neighbour is better) begin anew. Architectures that the run has trained are not asked for again. A
strong baseline on the small cell spaces, and sensitive to noise: a lucky training is a minimum that is none.

`naszilla` names the defaults of the authors' code: 10 initial architectures, first improvement, restart at the minimum.
`query-all` is its other scheme, best improvement; `continue` goes on from the best architecture not yet expanded.

Departures: when `at_minimum="continue"` has expanded all it has trained, it restarts; the authors' code fails there. When
every architecture of the space has been trained, the search ends. An architecture is its string, as in the authors' code on this
space: on a table of classes a neighbour can be the same network, trained again.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from nasbench.load import Method
from nasbench.query import Query, Search
from nasbench.settings import check_choice, check_integer
from nasbench.space import Architecture, SearchSpace

METHOD = Method(
    title="Local search",
    paper="White et al.: Exploring the loss landscape in neural architecture search, UAI 2021, arXiv:2005.02960",
    year=2021,
    mode="table",
    family="local",
    variants={
        "naszilla": {"initial": 10, "improvement": "first", "at_minimum": "restart"},
        "query-all": {"initial": 10, "improvement": "best", "at_minimum": "restart"},
        "continue": {"initial": 10, "improvement": "first", "at_minimum": "continue"},
    },
)


def local_search(
    space: SearchSpace,
    rng: np.random.Generator,
    epochs: tuple[int, ...],
    *,
    initial: int = 10,
    improvement: Literal["first", "best"] = "first",
    at_minimum: Literal["restart", "continue"] = "restart",
) -> Search:
    """Climb from random starts until the space is exhausted.

    Args:
        space: the search space.
        rng: source of all randomness.
        epochs: the fidelities on offer; the last one is asked for.
        initial: random architectures trained at each start, from 1; the best of them is the start.
        improvement: `first`: move to the first neighbour that is better; `best`: train all, move to the best if better.
        at_minimum: `restart` from new random architectures, or `continue`: always expand the best one that the run has
            trained and not expanded yet.

    Raises:
        SettingError: a setting outside its range.
    """
    check_integer("initial", initial, 1)
    check_choice("improvement", improvement, ("first", "best"))
    check_choice("at_minimum", at_minimum, ("restart", "continue"))
    trained: dict[Architecture, float] = {}
    expanded: set[Architecture] = set()

    while len(trained) < space.size:
        start: list[Architecture] = []
        while len(start) < initial and len(trained) < space.size:
            architecture = space.sample(rng)
            if architecture not in trained:
                observation = yield Query(architecture, epochs[-1])
                trained[architecture] = observation.validation_accuracy
                start.append(architecture)
        current: Architecture | None = max(start, key=trained.__getitem__)

        while current is not None:
            expanded.add(current)
            neighbours = space.neighbours(current)
            seen = []
            for number in rng.permutation(len(neighbours)).tolist():
                neighbour = neighbours[number]
                if neighbour in trained:
                    continue
                observation = yield Query(neighbour, epochs[-1])
                trained[neighbour] = observation.validation_accuracy
                seen.append(neighbour)
                if improvement == "first" and trained[neighbour] > trained[current]:
                    break
            candidates = seen if at_minimum == "restart" else [cell for cell in trained if cell not in expanded]
            best = max(candidates, key=trained.__getitem__, default=None)
            at_rest = best is None or (at_minimum == "restart" and trained[best] <= trained[current])
            current = None if at_rest else best
