"""Rungs and brackets of Li et al. (Hyperband, JMLR 18, 2018) in integer arithmetic, and one run of successive halving.

The published formula for the number of rungs, floor(log(R / r) / log(eta)) + 1, suffers from floating point: 1 to 1,000 epochs
with eta 10 give 3 rungs instead of 4 in HpBandSter and DEHB. Here a rung is the largest fidelity on offer that is at most
1/eta of the next rung, so that any list of fidelities has its rungs.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, Literal

from nasbench.query import Observation, Query
from nasbench.space import Architecture

Rung = tuple[int, int]
"""(number of architectures, epochs)."""


def ladder(epochs: tuple[int, ...], eta: int) -> tuple[int, ...]:
    """Return the fidelities of the rungs, ascending: the highest on offer, and down by a factor of at least `eta` each.

    Example:
        >>> ladder((4, 12, 36, 108), 3), ladder(tuple(range(1, 26)), 3), ladder((12, 200), 3), ladder((200,), 3)
        ((4, 12, 36, 108), (2, 8, 25), (12, 200), (200,))
    """
    rungs = [epochs[-1]]
    while lower := [offered for offered in epochs if offered * eta <= rungs[0]]:
        rungs.insert(0, lower[-1])
    return tuple(rungs)


def bracket(rungs: Sequence[int], eta: int, number: int) -> tuple[Rung, ...]:
    """Return one run of successive halving that begins with `number` architectures at the first of `rungs`.

    Rung i keeps floor(number / eta ** i), at least one.
    """
    return tuple((max(1, number // eta**place), epochs) for place, epochs in enumerate(rungs))


def hyperband_brackets(
    rungs: Sequence[int], eta: int, rounding: Literal["ceil", "floor"]
) -> tuple[tuple[Rung, ...], ...]:
    """Return the brackets of one Hyperband iteration, the most exploring first.

    Bracket s begins s rungs below the top (S is the largest s) with this many architectures:
    `ceil`: ceil((S + 1) eta^s / (s + 1)), the formula of Li et al.'s algorithm 1;
    `floor`: floor((S + 1) / (s + 1)) eta^s, the numbers of their table 1 and the formula of HpBandSter and DEHB.

    Example:
        >>> [bracket[0] for bracket in hyperband_brackets((4, 12, 36, 108), 3, "ceil")]
        [(27, 4), (12, 12), (6, 36), (4, 108)]
    """
    largest = len(rungs) - 1
    brackets = []
    for below in range(largest, -1, -1):
        whole = (largest + 1) * eta**below
        number = -(-whole // (below + 1)) if rounding == "ceil" else (largest + 1) // (below + 1) * eta**below
        brackets.append(bracket(rungs[largest - below :], eta, number))
    return tuple(brackets)


def halve(first: Sequence[Architecture], rungs: Sequence[Rung]) -> Generator[Any, Any, None]:
    """Train `first` at the first rung and the best of each rung at the next, a batch each; ties go to the earlier one."""
    candidates = list(first)
    for number, epochs in rungs:
        observations = yield tuple(Query(architecture, epochs) for architecture in candidates[:number])
        candidates = best_first(observations)


def best_first(observations: Sequence[Observation]) -> list[Architecture]:
    """Return the architectures by falling validation accuracy; ties stay in order."""
    ranked = sorted(observations, key=lambda observation: -observation.validation_accuracy)
    return [observation.query.architecture for observation in ranked]
