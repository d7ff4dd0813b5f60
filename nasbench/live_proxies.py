"""Zero-cost proxies computed now: the values of the file beside the table, found again, at that file's seconds.

The file says from which batches, initialisations and seed its values come; the same functions with the same draws give the same
bits in the same environment (`proxy_run.py`), whatever was asked before. Seconds on this machine's clock would differ from run to
run and from machine to machine, so that what is charged is what the file holds, as trainings are charged the cost model's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nasbench.measures import Column
from nasbench.proxy_table import ProxyTable
from nasbench.recipe import Recipe
from nasbench.table import TableError

if TYPE_CHECKING:
    from nasbench.proxy_run import Setup


class LiveProxies:
    """Computes proxies of a recipe's classes when they are asked for, each once.

    Attributes:
        table: the table of proxies whose draws are made again and whose seconds are charged.
        computed: pairs of class and proxy that were computed so far.
    """

    def __init__(self, recipe: Recipe, table: ProxyTable) -> None:
        """Nothing is loaded or computed yet.

        Args:
            recipe: whose networks; with the folder of data that are read from disk.
            table: proxies of this recipe.

        Raises:
            TableError: they are of another space or recipe.
        """
        origin = table.origin
        if (origin.space, origin.recipe_digest) != (recipe.space, recipe.digest):
            raise TableError(
                f"the proxies are of recipe {origin.recipe} ({origin.recipe_digest[:12]}) on {origin.space}, not of "
                f"{recipe.name} ({recipe.digest[:12]}) on {recipe.space}"
            )
        self.table = table
        self.computed = 0
        self._recipe = recipe
        self._setup: Setup | None = None
        self._columns: dict[str, Column] = {}
        self._known: dict[str, set[int]] = {}

    def columns(self, cells: Sequence[int], names: Sequence[str]) -> dict[str, Column]:
        """Return columns over all classes whose values are there for `cells` at least.

        Args:
            cells: numbers of classes.
            names: proxies of the table.

        Raises:
            TableError: the data that are there are not those that the table's values came from.
            DatasetError: they can't be loaded.
        """
        from nasbench.proxy_run import compute

        setup = self._started()
        for name in names:
            if name not in self._columns:
                seconds = self.table.column(name).seconds
                self._columns[name] = Column(np.full(len(seconds), np.nan), seconds)
                self._known[name] = set()
        for cell in dict.fromkeys(cells):
            missing = [name for name in names if cell not in self._known[name]]
            if missing:
                values, _ = compute(setup, cell, missing)
                means = np.where(np.isfinite(values), values, np.nan).mean(axis=1)  # as `ProxyTable.column` does
                for name, mean in zip(missing, means.tolist(), strict=True):
                    self._columns[name].values[cell] = mean
                    self._known[name].add(cell)
                    self.computed += 1
        return {name: self._columns[name] for name in names}

    def _started(self) -> Setup:
        if self._setup is None:
            from nasbench.proxy_run import setup_again

            self._setup = setup_again(self._recipe, self.table)
        return self._setup
