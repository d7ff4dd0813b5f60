"""Simulated annealing: Kirkpatrick, Gelatt & Vecchi, Science 220, 1983, with Metropolis' acceptance (J. Chem. Phys. 21, 1953).

Train a random neighbour of the current architecture. Move if it is at least as good, else with probability exp(-loss / T).
The temperature T falls by a factor after each stage; when three stages in a row bring no move, the search is frozen and
begins anew.

From the paper: the factor 0.9, the three stages, a start that is hot enough to move freely. The paper's temperatures are in
units of its problem. Ours is the standard deviation of the accuracies of the initial random architectures, the scale of White
(Concepts of scale in simulated annealing, ICCD 1984), so that one setting serves every data set; the paper begins hotter and
stays longer (10 accepted moves for each of its circuits a stage), which no budget of a few hundred trainings could cool down.
A scale that failed trainings don't enlarge and cooler starts did better on nas-bench-201 in a trial; a setting chosen by the
table that judges would be no result, so the one written down before stays.

Departures (ours, no published setting for NAS benchmarks is known to us): T begins at `heat` standard deviations; a stage is
as many trainings as the space has decisions; the start is the best of `initial` architectures.
"""

from __future__ import annotations

import math

import numpy as np

from nasbench.load import Method
from nasbench.query import Query, Search
from nasbench.settings import check_integer, check_number
from nasbench.space import SearchSpace

METHOD = Method(
    title="Simulated annealing",
    paper="Kirkpatrick et al.: Optimization by simulated annealing, Science 220:671-680, 1983",
    year=1983,
    mode="table",
    family="local",
)

FROZEN = 3  # stages without a move (Kirkpatrick et al. 1983)


def simulated_annealing(
    space: SearchSpace,
    rng: np.random.Generator,
    epochs: tuple[int, ...],
    *,
    initial: int = 10,
    heat: float = 1.0,
    cooling: float = 0.9,
) -> Search:
    """Anneal, and begin anew when frozen, without end.

    Args:
        space: the search space.
        rng: source of all randomness.
        epochs: the fidelities on offer; the last one is asked for.
        initial: random architectures trained at each start, from 1; the best is the start. With fewer than 2, T is 0.
        heat: first temperature in standard deviations of the initial accuracies, at least 0; 0 accepts no loss.
        cooling: factor of the temperature from stage to stage, above 0 and at most 1.

    Raises:
        SettingError: a setting outside its range.
    """
    check_integer("initial", initial, 1)
    check_number("heat", heat, 0.0)
    check_number("cooling", cooling, 0.0, 1.0, above=True)
    while True:
        observations = []
        for _ in range(initial):
            observations.append((yield Query(space.sample(rng), epochs[-1])))
        temperature = heat * float(np.std([observation.validation_accuracy for observation in observations]))
        best = max(observations, key=lambda observation: observation.validation_accuracy)
        current, accuracy = best.query.architecture, best.validation_accuracy
        still = 0
        while still < FROZEN:
            moved = False
            for _ in space.choices:
                neighbour = space.mutate(current, rng)
                observation = yield Query(neighbour, epochs[-1])
                loss = accuracy - observation.validation_accuracy
                if rng.random() < acceptance(loss, temperature):
                    current, accuracy = neighbour, observation.validation_accuracy
                    moved = True
            still = 0 if moved else still + 1
            temperature *= cooling


def acceptance(loss: float, temperature: float) -> float:
    """Return the probability of a move that loses `loss` of accuracy: min(1, exp(-loss / temperature))."""
    if loss <= 0.0:
        return 1.0
    return math.exp(-loss / temperature) if temperature > 0.0 else 0.0
