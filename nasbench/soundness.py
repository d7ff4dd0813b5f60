"""Whether a table's content is sound: dtypes, shapes, ranges and the meaning of every array, on writing and on reading."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasbench.table import COLUMNS, MISSING, OK, SPLITS, STATUSES, Dataset, Split, Table, TableError


def check_content(table: Table) -> None:
    """Check dtypes, shapes, ranges and the meaning of every array of a table.

    Raises:
        TableError: names the array and the first fault.
    """
    rows = len(table.architectures)
    _need("rows/architecture", table.architectures, "uint8", (rows, len(table.space.edges)))
    _need("rows/row_of_index", table.row_of_index, "int32", (table.space.size,))
    if rows == 0 or not table.datasets:
        raise TableError(
            f"the table has {rows} rows and {len(table.datasets)} data sets; it needs at least one of each"
        )
    if table.architectures.max() >= len(table.space.operations):
        raise TableError(
            f"rows/architecture holds operation {table.architectures.max()}, the space has {len(table.space.operations)}"
        )
    if table.row_of_index.min() < -1 or table.row_of_index.max() >= rows:
        raise TableError(f"rows/row_of_index leads outside the {rows} rows")
    own = table.row_of_index[_indices(table)]
    if not np.array_equal(own, np.arange(rows)):
        row = int(np.flatnonzero(own != np.arange(rows))[0])
        raise TableError(f"rows/row_of_index sends the architecture of row {row} to row {own[row]}")
    for name, data in table.datasets.items():
        _check_name("data set", name)
        if name != data.name:
            raise TableError(f"data set {name!r} calls itself {data.name!r}")
        _check_dataset(data, rows)


NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
MOST = 2**31 - 1  # epochs and images; counts are int32


def _check_name(what: str, name: str) -> None:
    if not NAME.fullmatch(name):
        raise TableError(
            f"{what} name {name!r} can't stand in a file: letters, digits and '._+-', a letter or digit first"
        )


def _indices(table: Table) -> NDArray[np.int64]:
    powers = len(table.space.operations) ** np.arange(len(table.space.edges) - 1, -1, -1)
    return np.asarray(table.architectures.astype(np.int64) @ powers)


def _check_dataset(data: Dataset, rows: int) -> None:
    place = f"data set {data.name}"
    epochs = data.epochs
    whole = all(isinstance(epoch, int) and not isinstance(epoch, bool) and 1 <= epoch <= MOST for epoch in epochs)
    if not epochs or not whole or sorted(set(epochs)) != list(epochs):
        raise TableError(f"{place}: epochs {epochs} must be integers from 1 to {MOST} in ascending order")
    if "validation" not in data.splits or not set(data.splits) <= set(SPLITS):
        raise TableError(
            f"{place}: splits are {sorted(data.splits)}; there must be 'validation', and 'train' and 'test' may be"
        )
    if data.status.ndim != 2 or not 1 <= data.status.shape[1] <= 10_000:
        raise TableError(f"{place}: status has shape {data.status.shape}, must be ({rows}, repeats)")
    _need(f"{place}: status", data.status, "uint8", (rows, data.status.shape[1]))
    if data.status.max() > MISSING:
        raise TableError(f"{place}: status {data.status.max()} is unknown; there are {STATUSES}")
    for split, part in data.splits.items():
        _check_split(data, split, part)
    _check_reasons(data)
    _check_columns(data, rows)


def _check_split(data: Dataset, split: str, part: Split) -> None:
    place = f"data set {data.name}"
    shape = (*data.status.shape, len(data.epochs))
    if part.images is None:
        accuracy = data.accuracies[split]
        _need(f"{place}: accuracy/{split}", accuracy, "float64", shape)
        unknown = np.isnan(accuracy)
        if not ((accuracy >= 0) & (accuracy <= 1) | unknown).all():
            raise TableError(f"{place}: accuracy/{split} leaves [0, 1]")
    else:
        if not isinstance(part.images, int) or isinstance(part.images, bool) or not 1 <= part.images <= MOST:
            raise TableError(f"{place}: split {split} has {part.images!r} images, must be 1..{MOST}")
        counts = data.correct[split]
        _need(f"{place}: correct/{split}", counts, "int32", shape)
        if counts.min() < -1 or counts.max() > part.images:
            raise TableError(f"{place}: correct/{split} leaves -1..{part.images}")
        unknown = counts < 0
    # Searches read the whole validation curve; scores read the test accuracy at full fidelity; nothing relies on the rest.
    needed = {"validation": unknown.any(axis=2), "test": unknown[:, :, -1]}.get(split)
    if needed is not None and (needed & (data.status == OK)).any():
        row, repeat = np.argwhere(needed & (data.status == OK))[0]
        raise TableError(f"{place}: row {row}, repeat {repeat} is marked ok but lacks {split} accuracy")
    if not unknown[data.status == MISSING].all():
        raise TableError(f"{place}: a training marked missing has {split} accuracy")


def _check_reasons(data: Dataset) -> None:
    rows, repeats = data.status.shape
    for key, reason in data.reasons.items():
        match = re.fullmatch(r"(0|[1-9]\d{0,9})/(0|[1-9]\d{0,9})", key)
        row, repeat = (int(part) for part in match.groups()) if match else (rows, repeats)
        if row >= rows or repeat >= repeats or data.status[row, repeat] == OK:
            raise TableError(f"data set {data.name}: reason {reason!r} for {key!r}, which is no training that was lost")


def _check_columns(data: Dataset, rows: int) -> None:
    place = f"data set {data.name}"
    shape = (*data.status.shape, len(data.epochs))
    if not set(data.losses) <= set(data.splits):
        raise TableError(f"{place}: losses for {sorted(data.losses)}, splits are {sorted(data.splits)}")
    for split, array in data.losses.items():
        _need(f"{place}: loss/{split}", array, "float32", shape)
        if (array < 0).any():
            raise TableError(f"{place}: loss/{split} holds {array[array < 0][0]}; a cross-entropy is 0 or more")
        if np.isinf(array[data.status == OK]).any():
            raise TableError(f"{place}: loss/{split} is infinite in a training marked ok")
        if not np.isnan(array[data.status == MISSING]).all():
            raise TableError(f"{place}: a training marked missing has {split} loss")
    for column, dtype in COLUMNS.items():
        if column != "status":
            wide = data.status.shape if column == "measured_seconds" else (rows,)
            _need(f"{place}: {column}", getattr(data, column), dtype, wide)
    for column, extra in data.extra.items():
        _check_name("extra column", column)
        if column in COLUMNS:
            raise TableError(f"{place}: extra column {column!r} has the name of a column that every table has")
        _need(f"{place}: extra/{column}", extra, "float64", (rows,))
    # Every training that was made is charged for, whatever became of it; a row without one is never asked.
    made = (data.status != MISSING).any(axis=1)
    if not (np.isfinite(data.train_seconds) & (data.train_seconds > 0))[made].all():
        raise TableError(f"{place}: train_seconds must be positive and finite in every row with a training")
    if not (np.isfinite(data.validation_seconds) & (data.validation_seconds >= 0))[made].all():
        raise TableError(f"{place}: validation_seconds must be 0 or more and finite in every row with a training")
    seconds = data.measured_seconds
    if not ((seconds >= 0) & np.isfinite(seconds) | np.isnan(seconds)).all():
        raise TableError(f"{place}: measured_seconds must be 0 or more and finite, or NaN where they were not measured")
    for column in ("parameters", "multiply_adds"):
        if getattr(data, column).min() < -1:
            raise TableError(
                f"{place}: {column} holds {getattr(data, column).min()}; must be 0 or more, or -1 for unknown"
            )


def _need(name: str, array: NDArray[Any], dtype: str, shape: tuple[int, ...]) -> None:
    if array.dtype != np.dtype(dtype) or array.shape != shape:
        raise TableError(f"{name} is {array.dtype} {array.shape}, must be {dtype} {shape}")
