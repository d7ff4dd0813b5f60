"""Encodings and candidate lists that several model-based strategies share."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from nasbench.space import Architecture, SearchSpace, SpaceError

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
    if math.prod(space.choices) == space.size:  # every combination of options is an architecture
        return rng.integers(space.choices, size=(count, len(space.choices)))
    return np.array([space.sample(rng) for _ in range(count)], dtype=np.int64)
