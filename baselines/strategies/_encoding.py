"""Encodings and candidate lists that several model-based strategies share."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Hashable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from nasbench.space import Architecture, Canonical, CellSpace, SearchSpace, SpaceError

PATIENCE = 100
"""Draws in a row that may all be known before a known architecture is accepted; keeps a search alive in a small space."""


@runtime_checkable
class PathSpace(SearchSpace, Protocol):
    """A space whose architectures can be written as the set of their operation paths, short paths first."""

    def path_encoding(self, architectures: Sequence[Architecture]) -> NDArray[np.float64]:
        """Return indicators, shape (len(architectures), paths)."""


def require_paths(space: SearchSpace, method: str) -> PathSpace:
    """Return `space` if it has a path encoding.

    Raises:
        SpaceError: it has none; the message names method and space.
    """
    if not isinstance(space, PathSpace):
        raise SpaceError(f"{method} needs a space of cells with a path encoding; space {space.name} has none")
    return space


def is_product(space: SearchSpace) -> bool:
    """Return whether every combination of options is an architecture of the space."""
    return math.prod(space.choices) == space.size


def numbers_of(choices: Sequence[int], architectures: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the places of architectures in the order of `itertools.product`, shape (n,), for input of shape (n, decisions)."""
    strides = np.append(np.cumprod(choices[:0:-1])[::-1], 1).astype(np.int64)
    return np.asarray(architectures @ strides)


def neighbours_of(space: SearchSpace, architectures: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return all architectures that differ in exactly one decision, shape (n, neighbours, decisions).

    In a product space they stand in order of decision, then option. In another one they stand as `space.neighbours` has
    them, and an architecture with fewer neighbours than another one of these is its own neighbour for the rest.
    """
    if is_product(space):
        decision, rank = _moves(tuple(space.choices))
        around = np.repeat(architectures[:, None, :], len(decision), axis=1)
        around[:, np.arange(len(decision)), decision] = rank + (rank >= architectures[:, decision])
        return around
    groups = [space.neighbours(tuple(architecture)) for architecture in architectures.tolist()]
    around = np.repeat(architectures[:, None, :], max(map(len, groups)), axis=1)
    for place, group in enumerate(groups):
        if group:
            around[place, : len(group)] = group
    return around


@functools.lru_cache(maxsize=16)
def _moves(choices: tuple[int, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return for each neighbour the decision that differs, and its option's rank among those that differ."""
    decision = np.repeat(np.arange(len(choices)), np.array(choices) - 1)
    rank = np.concatenate([np.arange(options - 1) for options in choices])
    return decision, rank


def one_hot(choices: Sequence[int], architectures: Sequence[Architecture] | NDArray[np.int64]) -> NDArray[np.float64]:
    """Encode as indicators, decision by decision, shape (len(architectures), sum(choices))."""
    numbers = np.asarray(architectures, dtype=np.int64).reshape(len(architectures), len(choices))
    offsets = np.concatenate([[0], np.cumsum(choices)[:-1]]).astype(np.int64)
    encoding = np.zeros((len(numbers), int(sum(choices))))
    encoding[np.arange(len(numbers))[:, None], numbers + offsets] = 1.0
    return encoding


def mutate_each(
    space: SearchSpace, architecture: Architecture, rng: np.random.Generator, probability: float
) -> Architecture:
    """Return a copy in which each decision is replaced, with `probability`, by another option drawn uniformly.

    A decision with a single option stays. The result may equal `architecture`.
    """
    changed = list(architecture)
    for decision, options in enumerate(space.choices):
        if options > 1 and rng.random() < probability:
            changed[decision] = (architecture[decision] + 1 + int(rng.integers(options - 1))) % options
    return tuple(changed)


def mutate_many(
    space: CellSpace, cells: NDArray[np.int64], steps: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return what `space.mutate`, `steps` times in a row for one cell after the other, would: the same draws in one call.

    Args:
        space: where to mutate.
        cells: shape (n, edges), not changed.
        steps: shape (n,), each from 0.
        rng: draws the mutations.

    Raises:
        SpaceError: the space has a single operation.
    """
    others = len(space.operations) - 1
    if not others:
        raise SpaceError(f"space {space.name} has one operation: nothing to mutate to")
    moves = rng.integers(cells.shape[1] * others, size=int(steps.sum()))
    first = np.cumsum(steps) - steps
    mutated = cells.copy()
    for step in range(int(steps.max(initial=0))):
        rows = np.flatnonzero(steps > step)
        edge, shift = np.divmod(moves[first[rows] + step], others)
        mutated[rows, edge] = (mutated[rows, edge] + 1 + shift) % (others + 1)
    return mutated


@functools.lru_cache(maxsize=4)
def remembered_canonical(space: CellSpace) -> Callable[[Architecture], Canonical]:
    """Return `space.canonical` with a memory, which all runs of a process share: they meet the same cells again and again."""
    return functools.lru_cache(maxsize=32_768)(space.canonical)


def draw_unseen(
    space: SearchSpace, rng: np.random.Generator, seen: set[Hashable], count: int
) -> tuple[Architecture, ...]:
    """Draw `count` architectures uniformly, of different classes that are not in `seen`, and enter them there.

    After `PATIENCE` known ones in a row a known one is taken, so that a search in a nearly exhausted space goes on.
    """
    drawn: list[Architecture] = []
    while len(drawn) < count:
        for _ in range(PATIENCE):
            architecture = space.sample(rng)
            if space.canonical(architecture) not in seen:
                break
        seen.add(space.canonical(architecture))
        drawn.append(architecture)
    return tuple(drawn)


def draw_many(space: SearchSpace, rng: np.random.Generator, count: int) -> NDArray[np.int64]:
    """Draw `count` architectures uniformly, repetitions allowed, shape (count, decisions); in one call where that is possible."""
    if is_product(space):
        options = (
            space.choices if len(set(space.choices)) > 1 else space.choices[0]
        )  # one bound: same draws, a third of the time
        return rng.integers(options, size=(count, len(space.choices)))
    return np.array([space.sample(rng) for _ in range(count)], dtype=np.int64)
