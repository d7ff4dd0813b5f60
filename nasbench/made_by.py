"""What a table that was built here says about how it was made: recipe, cost model, environments. Enough to train its rows again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from nasbench.cost import CostModel
from nasbench.recipe import Recipe, check_recipe
from nasbench.table import Table, TableError


def recipe_of(table: Table, root: str | Path = "") -> Recipe:
    """Return the recipe that a table was built with.

    Args:
        table: the table.
        root: folder of data that are read from disk, which tables don't carry.

    Raises:
        TableError: the table carries no recipe (it was imported, not built), or one that this version would read otherwise.
        RecipeError: a value of it is out of range.
    """
    found = table.metadata.get("recipe")
    if found is None:
        raise TableError("the table was not built from a recipe (an imported one can't be trained again)")
    try:
        recipe = msgspec.convert(found, Recipe)
    except msgspec.ValidationError as error:
        raise TableError(f"the table's recipe can't be read by this version of nasbench: {error}") from None
    check_recipe(recipe, "the table's recipe")
    digest = table.metadata.get("recipe_digest")
    if recipe.digest != digest:
        raise TableError(
            f"the table's recipe has digest {recipe.digest[:12]} in this version of nasbench, not {str(digest)[:12]} as when "
            "the table was built: the version reads it differently"
        )
    return msgspec.structs.replace(recipe, dataset=msgspec.structs.replace(recipe.dataset, root=str(root)))


def cost_model_of(table: Table) -> CostModel:
    """Return the cost model of a table.

    Raises:
        TableError: it has none.
    """
    try:
        return msgspec.convert(table.metadata["cost_model"], CostModel)
    except (KeyError, msgspec.ValidationError) as error:
        raise TableError(f"the table carries no cost model: {error}") from None


def environment_of(table: Table, row: int) -> Mapping[str, Any]:
    """Return the environment that a row was trained in.

    Raises:
        TableError: the table does not say.
    """
    for entry in table.metadata.get("environments", ()):
        if row in parse_ranges(entry["rows"]):
            environment: Mapping[str, Any] = entry["environment"]
            return environment
    raise TableError(f"the table does not say in which environment row {row} was trained")


def parse_ranges(text: str) -> frozenset[int]:
    """Return the numbers in a text that `seal_build.ranges` made.

    Example:
        >>> sorted(parse_ranges("0-2,7"))
        [0, 1, 2, 7]
    """
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)
