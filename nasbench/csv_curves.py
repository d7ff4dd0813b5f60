"""The rows of a results CSV as dense arrays, and the checks that need several rows: whole curves, equal statuses, costs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from nasbench.csv_rows import FIRST_ROW, Rows, refuse
from nasbench.table import MISSING, OK

GRID_TOLERANCE = 1e-6  # of an accuracy as printed: six decimals are enough to name a count


@dataclass(frozen=True)
class Curves:
    """The lines of one data set with their place in the arrays; all arrays have shape (lines,).

    Attributes:
        lines: position of each line in `rows`, ascending.
        row: row of the table.
        training: row * repeats + repeat.
        place: position of the epoch.
        shape: (rows, repeats, epochs) of the table.
        epochs: the epochs of the data set.
    """

    path: Path
    rows: Rows
    lines: NDArray[np.int64]
    row: NDArray[np.int64]
    training: NDArray[np.int64]
    place: NDArray[np.int64]
    shape: tuple[int, int, int]
    epochs: NDArray[np.int64]

    def refuse(self, line: int, column: str, message: str) -> NoReturn:
        """Refuse the file for its row `lines[line]`."""
        refuse(self.path, int(self.lines[line]) + FIRST_ROW, column, message)

    def values(self, column: str) -> NDArray[np.float64] | None:
        """Return a numeric column, NaN where blank, or None if the file has no such column."""
        values = self.rows.values.get(column)
        return None if values is None else values[self.lines]

    def check_unique(self) -> None:
        """Refuse a reading that stands in the file twice."""
        cell = self.training * self.shape[2] + self.place
        first = self._first(cell, int(np.prod(self.shape)))
        again = np.flatnonzero(first[cell] != np.arange(len(cell)))
        if len(again):
            earlier = int(self.lines[first[cell[again[0]]]]) + FIRST_ROW
            self.refuse(int(again[0]), "epoch", f"the same training and epoch stand in row {earlier}")

    def statuses(self) -> tuple[NDArray[np.uint8], dict[str, str]]:
        """Return the status of each training, and why those that were lost were."""
        trainings = self.shape[0] * self.shape[1]
        given = self.rows.status[self.lines]
        status = np.full(trainings, MISSING, dtype=np.uint8)
        first = self._first(self.training, trainings)
        status[self.training] = given[first[self.training]]
        other = np.flatnonzero(status[self.training] != given)
        if len(other):
            row = int(self.lines[first[self.training[other[0]]]]) + FIRST_ROW
            self.refuse(int(other[0]), "status", f"differs from row {row} of the same training")
        reasons: dict[str, str] = {}
        for line in np.flatnonzero(given != OK).tolist():
            key = "{}/{}".format(*divmod(int(self.training[line]), self.shape[1]))
            reasons[key] = reasons.get(key) or self.rows.reasons.get(int(self.lines[line]), "")
        reasons = {key: reason or f"not stated in {self.path.name}" for key, reason in reasons.items()}
        return status.reshape(self.shape[:2]), reasons

    def check_whole(self, status: NDArray[np.uint8]) -> None:
        """Refuse a finished training that lacks an epoch."""
        read = np.bincount(self.training, minlength=status.size)
        short = np.flatnonzero((read < self.shape[2])[self.training] & (status.ravel() == OK)[self.training])
        if len(short):
            there = set(self.place[self.training == self.training[short[0]]].tolist())
            lacking = next(int(epoch) for place, epoch in enumerate(self.epochs) if place not in there)
            message = f"this training has no row for epoch {lacking}, which other trainings of its data set have"
            self.refuse(int(short[0]), "epoch", message)

    def check_test(self, status: NDArray[np.uint8], accuracy: NDArray[np.float64]) -> None:
        """Refuse a finished training without test accuracy at its end, in a data set that has some."""
        lacking = np.isnan(accuracy[:, :, -1]) & (status == OK)
        bad = np.flatnonzero(lacking.ravel()[self.training] & (self.place == self.shape[2] - 1))
        if len(bad):
            self.refuse(
                int(bad[0]), "test_accuracy", "blank at the last epoch; a data set with test results has it there"
            )

    def filled(self, column: str) -> NDArray[np.float64]:
        """Return a column as an array (rows, repeats, epochs), NaN where the file says nothing."""
        array = np.full(self.shape, np.nan)
        values = self.values(column)
        if values is not None:
            array.reshape(-1)[self.training * self.shape[2] + self.place] = values
        return array

    def counts(self, column: str, images: int) -> NDArray[np.int32]:
        """Return accuracies as counts of correct answers (rows, repeats, epochs), -1 where unknown."""
        values = self.values(column)
        if values is None:  # a split of which only losses are known
            return np.full(self.shape, -1, dtype=np.int32)
        exact = values * images
        counts = np.rint(exact)
        off = np.flatnonzero(np.abs(exact - counts) > min(0.25, GRID_TOLERANCE * images + 1e-9))
        if len(off):
            value = float(values[off[0]])
            self.refuse(int(off[0]), column, f"{value!r} is no multiple of 1/{images}; is that the number of images?")
        filled = self.filled(column)
        return np.where(np.isnan(filled), -1, np.rint(filled * images)).astype(np.int32)

    def per_cell(self, column: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return rows, ascending, and values of a column that has one value for an architecture; all given must be equal."""
        values = self.values(column)
        if values is None:
            return np.empty(0, dtype=np.int64), np.empty(0)
        given = np.flatnonzero(~np.isnan(values))
        cells, first, cell = np.unique(self.rows.index[self.lines[given]], return_index=True, return_inverse=True)
        value = values[given[first]]
        other = given[values[given] != value[cell]]
        if len(other):
            line = int(other[0])
            earlier = value[np.searchsorted(cells, self.rows.index[self.lines[line]])]
            self.refuse(line, column, f"{values[line]:.15g} here, {earlier:.15g} in an earlier row of this cell")
        order = np.argsort(self.row[given[first]], kind="stable")
        return self.row[given[first]][order], value[order]

    def whole(self, column: str) -> NDArray[np.int64]:
        """Return a size of the network by row, -1 unknown: of the row's own architecture, the first of its class."""
        row, value = self.per_cell(column)
        sizes = np.full(self.shape[0], -1, dtype=np.int64)
        sizes[row[::-1]] = value[::-1].astype(np.int64)
        return sizes

    def costs(self, status: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Return seconds per epoch (rows,) and the measured seconds of each training (rows, repeats), NaN unknown."""
        seconds = self.filled("seconds")
        values = self.values("seconds")
        latest = np.fmax.accumulate(seconds, axis=2)
        if values is not None:
            highest = latest.reshape(-1)[self.training * self.shape[2] + self.place]
            falling = np.flatnonzero(values < highest)
            if len(falling):
                line = int(falling[0])
                self.refuse(
                    line, "seconds", f"{values[line]:g}, but {highest[line]:g} at an earlier epoch of this training"
                )
        measured = latest[:, :, -1]
        known = ~np.isnan(seconds)
        last = self.epochs[self.shape[2] - 1 - known[:, :, ::-1].argmax(axis=2)]  # epoch of the last reading
        rate = measured / last
        finished = np.where(status == OK, rate, np.nan)
        rate = np.where(np.isnan(finished).all(axis=1, keepdims=True), rate, finished)
        number = np.maximum(1, (~np.isnan(rate)).sum(axis=1))
        fitted = np.where(np.isnan(rate).all(axis=1), np.nan, np.nansum(rate, axis=1) / number)
        row, given = self.per_cell("seconds_per_epoch")
        number = np.bincount(row, minlength=self.shape[0])
        charged = np.where(number > 0, np.bincount(row, given, self.shape[0]) / np.maximum(1, number), fitted)
        bad = np.flatnonzero(np.isnan(charged[self.row]))
        if len(bad):
            column = "seconds_per_epoch" if "seconds" not in self.rows.columns else "seconds"
            self.refuse(int(bad[0]), column, "no row of this cell and data set says how long its training takes")
        return charged, measured.astype(np.float32)

    @staticmethod
    def _first(keys: NDArray[np.int64], size: int) -> NDArray[np.int64]:
        """Return for each key in range(size) the first line that has it; -1: none."""
        first = np.full(size, -1, dtype=np.int64)
        first[keys[::-1]] = np.arange(len(keys) - 1, -1, -1)
        return first
