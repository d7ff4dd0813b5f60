"""The plan of an exhaustive build: which trainings make a group, and which groups make a shard. Functions of the recipe alone.

All trainings of a recipe stand in one line, cell by cell (canonical classes in the order of their numbers) and within a cell
repeat by repeat; a group is `recipe.group` consecutive ones. Since a training's last bits depend on its group, everything
that trains (build, shards, Ray, live queries, audits) trains whole groups of this plan and no others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from nasbench.recipe import Recipe
from nasbench.results import Key


def group_count(recipe: Recipe) -> int:
    """Return the number of groups of a recipe; they are numbered from 0."""
    return -(-_trainings(recipe) // recipe.group)


def group_members(recipe: Recipe, group: int) -> tuple[Key, ...]:
    """Return the (cell, repeat) of every training of a group.

    Raises:
        ValueError: there is no group of this number.
    """
    if not 0 <= group < group_count(recipe):
        raise ValueError(f"group {group} is not in 0..{group_count(recipe) - 1} of recipe {recipe.name}")
    first = group * recipe.group
    last = min(first + recipe.group, _trainings(recipe))
    return tuple(divmod(number, recipe.repeats) for number in range(first, last))


def group_of(recipe: Recipe, key: Key) -> int:
    """Return the number of the group that a training belongs to."""
    cell, repeat = key
    return (cell * recipe.repeats + repeat) // recipe.group


def groups_of_cells(recipe: Recipe, cells: Iterable[int]) -> tuple[int, ...]:
    """Return the groups that hold any repeat of the given cells, ascending.

    Raises:
        ValueError: a cell is not the number of a canonical class of the recipe's space.
    """
    count = len(recipe.cell_space.classes)
    found: set[int] = set()
    for cell in cells:
        if not 0 <= cell < count:
            raise ValueError(f"cell {cell} is not in 0..{count - 1}, the classes of space {recipe.space}")
        found.update(group_of(recipe, (cell, repeat)) for repeat in range(recipe.repeats))
    return tuple(sorted(found))


def parse_shard(text: str) -> tuple[int, int]:
    """Read a shard `i/N`, `i` from 0 to N - 1.

    Raises:
        ValueError: not of this form, or `i` is not below N.
    """
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if not match or not int(match[1]) < int(match[2]):
        raise ValueError(f"shard is {text!r}, must be i/N with i from 0 to N - 1, such as 0/8")
    return int(match[1]), int(match[2])


def in_shard(group: int, shard: tuple[int, int] | None) -> bool:
    """Return whether a group belongs to a shard: every N-th one, so that shards are of equal size and alike in their cells."""
    return shard is None or group % shard[1] == shard[0]


def _trainings(recipe: Recipe) -> int:
    return len(recipe.cell_space.classes) * recipe.repeats
