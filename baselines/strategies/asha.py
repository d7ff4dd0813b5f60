"""ASHA, asynchronous successive halving: Li et al., MLSys 2020, arXiv:1810.05934, algorithm 2.

Whenever a worker is free, look from the top rung down for an architecture among the best 1/eta of its rung that has not been
promoted, and train it at the next rung; if there is none, train a new random one at the lowest. Nobody waits for a rung to
fill, and the first promotions come early and on little evidence.

The result depends on the number of workers (a rule of the protocol) and on ties: here the architecture that finished first
goes first, and the loop delivers trainings that end at the same moment in the order in which they were started.

Defaults: eta 4 and the lowest rung used (early-stopping rate 0), as in the paper's experiments. Fidelities that grow by a
factor of 3 (NAS-Bench-101's 4, 12, 36, 108) leave eta 4 with two rungs of four: `variants["three"]`.

Departures: rungs are taken from the fidelities on offer (`_brackets.ladder`).
"""

from __future__ import annotations

import numpy as np

from nasbench.load import Method
from nasbench.query import Query, Search, Submit
from nasbench.settings import check_integer
from nasbench.space import Architecture, SearchSpace

from ._brackets import ladder

METHOD = Method(
    title="ASHA",
    paper="Li et al.: A system for massively parallel hyperparameter tuning, MLSys 2020, arXiv:1810.05934",
    year=2020,
    mode="table",
    family="multi-fidelity",
    fidelities=True,
    asynchronous=True,
    variants={"paper": {"eta": 4, "skip": 0}, "three": {"eta": 3, "skip": 0}},
)


def asha(
    space: SearchSpace,
    rng: np.random.Generator,
    epochs: tuple[int, ...],
    *,
    eta: int = 4,
    skip: int = 0,
) -> Search:
    """Submit one training after another, without end.

    Args:
        space: the search space.
        rng: source of all randomness.
        epochs: the fidelities on offer.
        eta: one of how many is promoted, from 2; also the least factor between the epochs of two rungs.
        skip: lowest rungs left out (the early-stopping rate s), from 0; the top rung always stays.

    Raises:
        SettingError: a setting outside its range.
    """
    check_integer("eta", eta, 2)
    check_integer("skip", skip, 0)
    rungs = ladder(epochs, eta)[skip:] or epochs[-1:]
    finished: list[list[tuple[float, Architecture]]] = [[] for _ in rungs]
    promoted: list[set[int]] = [set() for _ in rungs]  # places in `finished`
    while True:
        job = next_promotion(finished, promoted, eta)
        if job is None:
            query = Query(space.sample(rng), rungs[0])
        else:
            rung, place = job
            promoted[rung].add(place)
            query = Query(finished[rung][place][1], rungs[rung + 1])
        for observation in (yield Submit(query)):
            done = observation.query
            finished[rungs.index(done.epochs)].append((observation.validation_accuracy, done.architecture))


def next_promotion(
    finished: list[list[tuple[float, Architecture]]], promoted: list[set[int]], eta: int
) -> tuple[int, int] | None:
    """Return (rung, place in `finished[rung]`) of the architecture to promote, or None if there is none.

    Args:
        finished: for each rung, lowest first, (validation accuracy, architecture) in the order finished.
        promoted: for each rung, the places of those already promoted.
        eta: the best floor(n / eta) of the n finished ones may rise.
    """
    for rung in range(len(finished) - 2, -1, -1):
        accuracies = [accuracy for accuracy, _ in finished[rung]]
        best = sorted(range(len(accuracies)), key=lambda place: -accuracies[place])[: len(accuracies) // eta]
        for place in best:
            if place not in promoted[rung]:
                return rung, place
    return None
