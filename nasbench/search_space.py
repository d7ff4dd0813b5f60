"""What any search space is: the interface that strategies, benchmarks and tables rely on; `space.py` holds the spaces themselves."""

from __future__ import annotations

from typing import Protocol

import numpy as np

Architecture = tuple[int, ...]
"""One operation number per edge, in the order of the published string: edges (0,1), (0,2), (1,2), (0,3), (1,3), (2,3)."""

Term = tuple[int, tuple["Term", ...]]
"""`(operation, operand)`: an operation applied to the sum of the terms in `operand`; `INPUT` is the cell's input."""

Canonical = tuple[Term, ...]
"""The cell's output as a sorted multiset of terms; the empty tuple is the constant zero."""


class SpaceError(ValueError):
    """An architecture, string or index that is not in the search space; the message names the value and what is allowed."""


class SearchSpace(Protocol):
    """What a search strategy may know of a space. An architecture is a tuple with one choice per decision."""

    @property
    def name(self) -> str:
        """What tables, records and the command line call the space."""

    @property
    def choices(self) -> tuple[int, ...]:
        """Number of options of each decision; decision `i` takes a value in `range(choices[i])`."""

    @property
    def size(self) -> int:
        """Number of architectures."""

    def sample(self, rng: np.random.Generator) -> Architecture:
        """Draw one architecture uniformly."""

    def mutate(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        """Return a copy that differs in exactly one decision."""

    def neighbours(self, architecture: Architecture) -> list[Architecture]:
        """Return all architectures that differ in exactly one decision."""

    def index(self, architecture: Architecture) -> int:
        """Return the number of an architecture, in `range(size)`."""

    def architecture(self, index: int) -> Architecture:
        """Return the architecture of a number."""

    def canonical(self, architecture: Architecture) -> Canonical:
        """Return a value that is equal for two architectures exactly when they are one class."""

    def format(self, architecture: Architecture) -> str:
        """Return the published string."""

    def parse(self, text: str) -> Architecture:
        """Return the architecture of a published string."""
