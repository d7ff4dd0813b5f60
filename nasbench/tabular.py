"""A `Benchmark` answered from a table, and the `Scorer` that reads the test column after a run is over.

The wall between the two is decision 7 of the design: `TabularBenchmark` copies validation answers and costs out of the
table and keeps no reference to it, so a strategy that is handed the benchmark can reach no test accuracy through it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from nasbench.measures import Column, check_names, check_objectives, columns_of, look_up
from nasbench.query import Measure, Observation, Query, QueryError
from nasbench.space import Architecture, CellSpace, SpaceError
from nasbench.table import MISSING, Table


class TabularBenchmark:
    """Answers queries from one data set of a table, a few microseconds each.

    One query is one training: `seed` chooses among the row's finished repeats (seed modulo their number), so consecutive
    seeds are different trainings until the repeats are used up. The cost of e epochs is e times the calibrated seconds of
    one epoch of training and one validation pass.

    Attributes:
        space: the search space of the table.
        dataset: name of the data set.
        epochs: numbers of epochs that may be asked for.
        measures: names of the cheap measures on offer.
        objectives: names of the measures that observations carry behind the error; none: observations carry none.
    """

    def __init__(
        self,
        table: Table,
        dataset: str,
        objectives: tuple[str, ...] = (),
        columns: Mapping[str, Column] | None = None,
    ) -> None:
        """Copy what searches may see out of the table.

        Args:
            table: the table.
            dataset: name of the data set.
            objectives: measures that every observation carries.
            columns: further measures of the table's rows, such as zero-cost proxies, by name.

        Raises:
            TableError: no such data set.
            QueryError: an objective that the table does not hold or that costs seconds.
        """
        data = table.dataset(dataset)
        self.space: CellSpace = table.space
        self.dataset = dataset
        self.epochs = data.epochs
        made = data.status != MISSING
        # Repeats that exist come first in each row, in their order, so that seed modulo their number finds one of them.
        order = np.argsort(~made, axis=1, kind="stable")
        answers = np.take_along_axis(data.answers("validation"), order[:, :, None], axis=1)
        self._answers: NDArray[np.float64] = np.ascontiguousarray(answers)  # (rows, repeats, epochs)
        self._repeat = order.astype(np.int64)  # (rows, repeats): number of the repeat in the table
        self._repeats: NDArray[np.int64] = made.sum(axis=1)  # (rows,)
        self._seconds: NDArray[np.float64] = data.train_seconds + data.validation_seconds  # (rows,), per epoch
        self._row_of_index = table.row_of_index
        self._position = {epochs: position for position, epochs in enumerate(data.epochs)}
        self._columns = {**columns_of(data), **(columns or {})}
        self.measures = tuple(self._columns)
        check_objectives(objectives, self._columns, dataset)
        self.objectives = objectives
        self._objectives: list[NDArray[np.float64]] = [self._columns[name].values for name in objectives]
        self._known: dict[Architecture, tuple[int, int, float]] = {}  # row, repeats, seconds per epoch

    def evaluate(self, query: Query, seed: int) -> Observation:
        """Answer a query; see `Benchmark.evaluate`.

        Raises:
            QueryError: the table holds no such number of epochs, or no training of this architecture.
            SpaceError: the architecture is not in the space.
        """
        row, repeats, seconds = self._known.get(query.architecture) or self._find(query.architecture)
        position = self._position.get(query.epochs)
        if position is None:
            raise QueryError(f"{query.epochs} epochs are not in the table for {self.dataset}; it has {self.epochs}")
        accuracy = self._answers.item(row, seed % repeats, position)
        if not self._objectives:
            return Observation(query, accuracy, seconds * query.epochs)
        objectives = (1.0 - accuracy, *(column.item(row) for column in self._objectives))
        return Observation(query, accuracy, seconds * query.epochs, objectives)

    def measure(self, asked: Measure) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Look measures up; see `Benchmark.measure`.

        Raises:
            QueryError: no such measure, or no training of an architecture.
            SpaceError: an architecture is not in the space.
        """
        check_names(asked.names, self.measures, self.dataset)
        return look_up(self._columns, [self.cell(architecture) for architecture in asked.architectures], asked.names)

    def evaluate_many(
        self, indices: NDArray[np.int64], seeds: NDArray[np.int64], epochs: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Answer many queries at one number of epochs at once.

        Args:
            indices: shape (n,), numbers of architectures in the space.
            seeds: shape (n,), as in `evaluate`.
            epochs: number of epochs of all of them.

        Returns:
            Validation accuracies (n,), fractions, and costs (n,), seconds; NaN where the table has no training.

        Raises:
            QueryError: the table holds no such number of epochs.
            SpaceError: an index is outside the space.
        """
        if epochs not in self._position:
            raise QueryError(f"{epochs} epochs are not in the table for {self.dataset}; it has {self.epochs}")
        if len(indices) and not 0 <= indices.min() <= indices.max() < self.space.size:  # -1 would be the last one
            raise SpaceError(
                f"indices from {indices.min()} to {indices.max()} leave 0..{self.space.size - 1} of space {self.space.name}"
            )
        rows = self._row_of_index[indices]
        repeats = self._repeats[rows]
        known = (rows >= 0) & (repeats > 0)
        answers = self._answers[rows, seeds % np.maximum(repeats, 1), self._position[epochs]]
        costs = self._seconds[rows] * epochs
        if known.all():
            return answers, costs
        return np.where(known, answers, np.nan), np.where(known, costs, np.nan)

    def objective_column(self, name: str) -> NDArray[np.float64]:
        """Return a measure of every row, shape (rows,); NaN for a row without trainings."""
        check_names([name], self.measures, self.dataset)
        return np.where(self._repeats > 0, self._columns[name].values, np.nan)

    def cell(self, architecture: Architecture) -> int:
        """Return the row that answers for an architecture."""
        return (self._known.get(architecture) or self._find(architecture))[0]

    def repeat(self, architecture: Architecture, seed: int) -> int:
        """Return the number in the table of the repeat that `seed` chooses."""
        row, repeats, _ = self._known.get(architecture) or self._find(architecture)
        return int(self._repeat[row, seed % repeats])

    def _find(self, architecture: Architecture) -> tuple[int, int, float]:
        index = self.space.index(self.space.check(architecture))
        row = int(self._row_of_index[index])
        if row < 0 or self._repeats[row] == 0:
            raise QueryError(f"the table has no training of {self.space.format(architecture)!r} on {self.dataset}")
        found = (row, int(self._repeats[row]), float(self._seconds[row]))
        self._known[architecture] = found
        return found


class Scorer:
    """Reads what searches are scored on; strategies never see one.

    The score of an architecture is its accuracy at full fidelity on the test split, averaged over all repeats (a diverged
    one counts 0); on a table without a test split it is the validation accuracy, and `label` says so.

    Attributes:
        label: `mean test accuracy` or `mean validation accuracy`.
        scores: shape (rows,), fractions; NaN for a row without trainings.
        best: the best score of any row: regret is measured against it.
        random_mean: mean score of an architecture drawn uniformly from those that the table answers for.
        random_spread: standard deviation of that score.
    """

    def __init__(self, table: Table, dataset: str) -> None:
        data = table.dataset(dataset)
        self.label = data.score_label
        self.scores = data.mean_accuracy(data.score_split)
        drawn = self.scores[table.row_of_index[table.row_of_index >= 0]]
        drawn = drawn[~np.isnan(drawn)]
        self.best = float(np.nanmax(self.scores))
        self.random_mean = float(drawn.mean())
        self.random_spread = float(drawn.std())
        self._quantiles = np.sort(drawn)

    def top(self, fraction: float) -> float:
        """Return the score that the given fraction of uniformly drawn architectures reaches."""
        count = len(self._quantiles)
        return float(self._quantiles[max(0, min(count - 1, count - int(np.ceil(fraction * count))))])
