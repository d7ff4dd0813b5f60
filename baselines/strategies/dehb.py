"""DEHB, evolutionary Hyperband: Awad, Mallik & Hutter, IJCAI 2021, arXiv:2105.09821.

Hyperband's brackets, with differential evolution in place of random sampling. Each fidelity owns a population, as large as
the largest rung at that fidelity. In the first round of brackets the best of a rung are promoted to the next, as in
successive halving, which fills the populations. After that each rung evolves: the next members in turn are challenged by a
trial whose a + F (b - c) comes from the best of the fidelity below (at a bracket's first rung, of its own).

Defaults are the paper's: eta 3, rand/1/bin, F 0.5, CR 0.5, coordinates outside [0, 1] drawn anew. Brackets begin with the
numbers of the authors' code (`floor` of `_brackets.hyperband_brackets`).

Details as in the authors' code: a parent pool of fewer than three is filled with mutants of all populations; an architecture
that is in the higher population already is not promoted again, unless there is no other; the trial wins a tie.

Departures: the first rung of the first bracket trains the random population itself, as the paper describes (the code evolves
it before anything has been trained); one coordinate always comes from the mutant, as in Storn & Price; rungs are taken from
the fidelities on offer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nasbench.load import Method
from nasbench.query import Query, Search
from nasbench.settings import check_choice, check_integer, check_number
from nasbench.space import SearchSpace

from ._brackets import hyperband_brackets, ladder
from ._differential import Points, cross, mutant, repair, to_architecture, without

METHOD = Method(
    title="DEHB",
    paper="Awad et al.: DEHB: Evolutionary Hyperband for scalable, robust and efficient hyperparameter optimization, IJCAI 2021, "
    "arXiv:2105.09821",
    year=2021,
    mode="table",
    family="multi-fidelity",
    fidelities=True,
    variants={"paper": {"eta": 3, "factor": 0.5, "crossover": 0.5, "boundary": "random"}},
)


@dataclass
class Population:
    """The population of one fidelity.

    Attributes:
        members: shape (members, decisions).
        fitness: shape (members,), validation accuracy; -infinity before the first training.
        turn: whose turn it is to be challenged.
    """

    members: Points
    fitness: NDArray[np.float64]
    turn: int = 0

    def next_turn(self) -> int:
        """Return the next member to be challenged, round and round."""
        place = self.turn
        self.turn = (place + 1) % len(self.members)
        return place

    def ranked(self) -> NDArray[np.intp]:
        """Return the members' places, the best first; ties stay in order."""
        return np.argsort(-self.fitness, kind="stable")


def dehb(
    space: SearchSpace,
    rng: np.random.Generator,
    epochs: tuple[int, ...],
    *,
    eta: int = 3,
    factor: float = 0.5,
    crossover: float = 0.5,
    boundary: Literal["random", "clip"] = "random",
) -> Search:
    """Run bracket after bracket, without end, one query at a time.

    Args:
        space: the search space.
        rng: source of all randomness.
        epochs: the fidelities on offer.
        eta: one of how many is kept from rung to rung, from 2; also the least factor between the epochs of two rungs.
        factor: weight of the difference (F), above 0 and at most 2.
        crossover: probability that a coordinate comes from the mutant (CR), in [0, 1].
        boundary: what becomes of coordinates outside [0, 1]: drawn anew at `random`, or `clip` to the nearest end.

    Raises:
        SettingError: a setting outside its range.
    """
    check_integer("eta", eta, 2)
    check_number("factor", factor, 0.0, 2.0, above=True)
    check_number("crossover", crossover, 0.0, 1.0)
    check_choice("boundary", boundary, ("random", "clip"))
    brackets = hyperband_brackets(ladder(epochs, eta), eta, "floor")
    populations: dict[int, Population] = {}
    for rung in brackets[0]:
        size = max(number for plan in brackets for number, fidelity in plan if fidelity == rung[1])
        populations[rung[1]] = Population(rng.random((size, len(space.choices))), np.full(size, -np.inf))

    bracket = 0
    while True:
        plan = brackets[bracket % len(brackets)]
        for place, (number, fidelity) in enumerate(plan):
            here, below = populations[fidelity], populations[plan[max(0, place - 1)][1]]
            promoted = promotions(below, here, number) if bracket < len(brackets) and place > 0 else None
            for job in range(number):
                turn = here.next_turn()
                if promoted is not None:
                    trial = promoted[job % len(promoted)]
                elif bracket == 0:
                    trial = here.members[turn]
                else:
                    pool = parent_pool(below, number, list(populations.values()), here.members[turn], factor, rng)
                    donor = mutant(pool, factor, rng)
                    trial = repair(cross(here.members[turn], donor, crossover, rng), boundary, rng)
                observation = yield Query(to_architecture(trial, space.choices), fidelity)
                if observation.validation_accuracy >= here.fitness[turn]:
                    here.members[turn], here.fitness[turn] = trial, observation.validation_accuracy
        bracket += 1


def promotions(below: Population, here: Population, number: int) -> Points:
    """Return the best trained members of the fidelity below that this one doesn't have yet; at most `number`, at least one."""
    trained = [place for place in below.ranked().tolist() if below.fitness[place] > -np.inf]
    new = [place for place in trained if not (here.members == below.members[place]).all(axis=1).any()]
    return below.members[new[:number] or trained[:1]].copy()


def parent_pool(
    below: Population,
    number: int,
    everybody: list[Population],
    target: Points,
    factor: float,
    rng: np.random.Generator,
) -> Points:
    """Return the points that a trial's parents are drawn from, at least three, without the target.

    Args:
        below: population of the fidelity below.
        number: of its best members.
        everybody: all populations; where the pool would be smaller than three, mutants of these fill it to four.
        target: the member that the trial will challenge.
        factor: weight of the difference in those mutants.
        rng: source of randomness.
    """
    pool = below.members[below.ranked()[:number]]
    if len(pool) < 3:
        everyone = np.concatenate([population.members for population in everybody])
        decisions = len(target)
        while len(everyone) < 3:  # a single fidelity with a single member
            everyone = np.concatenate([everyone, rng.random((1, decisions))])
        filling = [mutant(everyone, factor, rng) for _ in range(4 - len(pool))]
        pool = np.concatenate([pool, filling])
    pool = without(pool, target)
    while len(pool) < 3:
        pool = np.concatenate([pool, rng.random((1, len(target)))])
    return pool
