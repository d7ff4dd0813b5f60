"""Whether a table's content is sound: dtypes, shapes, ranges and the meaning of every array, on writing and on reading."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasbench.table import COLUMNS, MISSING, OK, SPLITS, STATUSES, Dataset, Table, TableError


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
        if not name or "/" in name or name.startswith("."):
            raise TableError(f"data set name {name!r} can't stand in a file")
        _check_dataset(data, rows)


def _indices(table: Table) -> NDArray[np.int64]:
    powers = len(table.space.operations) ** np.arange(len(table.space.edges) - 1, -1, -1)
    return np.asarray(table.architectures.astype(np.int64) @ powers)


def _check_dataset(data: Dataset, rows: int) -> None:
    place = f"data set {data.name}"
    epochs = data.epochs
    if (
        not epochs
        or any(not isinstance(epoch, int) for epoch in epochs)
        or epochs[0] < 1
        or sorted(set(epochs)) != list(epochs)
    ):
        raise TableError(f"{place}: epochs {epochs} must be positive integers in ascending order")
    if "validation" not in data.splits or not set(data.splits) <= set(SPLITS):
        raise TableError(
            f"{place}: splits are {sorted(data.splits)}; there must be 'validation', and 'train' and 'test' may be"
        )
    if data.status.ndim != 2 or not 1 <= data.status.shape[1] <= 10_000:
        raise TableError(f"{place}: status has shape {data.status.shape}, must be ({rows}, repeats)")
    repeats = data.status.shape[1]
    shape = (rows, repeats, len(epochs))
    _need(f"{place}: status", data.status, "uint8", (rows, repeats))
    if data.status.max() > MISSING:
        raise TableError(f"{place}: status {data.status.max()} is unknown; there are {STATUSES}")
    finished = data.status == OK
    for split, part in data.splits.items():
        if part.images is None:
            accuracy = data.accuracies[split]
            _need(f"{place}: accuracy/{split}", accuracy, "float64", shape)
            if np.nanmin(accuracy, initial=0.0) < 0 or np.nanmax(accuracy, initial=0.0) > 1 or np.isinf(accuracy).any():
                raise TableError(f"{place}: accuracy/{split} leaves [0, 1]")
            unknown = np.isnan(accuracy)
        else:
            if not isinstance(part.images, int) or part.images < 1:
                raise TableError(f"{place}: split {split} has {part.images!r} images, must be at least 1")
            counts = data.correct[split]
            _need(f"{place}: correct/{split}", counts, "int32", shape)
            if counts.min() < -1 or counts.max() > part.images:
                raise TableError(f"{place}: correct/{split} leaves -1..{part.images}")
            unknown = counts < 0
        if split != "train" and unknown[finished].any():
            row, repeat = np.argwhere(unknown.any(axis=2) & finished)[0]
            raise TableError(f"{place}: row {row}, repeat {repeat} is marked ok but lacks {split} accuracy")
        if not unknown[data.status == MISSING].all():
            raise TableError(f"{place}: a training marked missing has {split} accuracy")
    for split, array in data.losses.items():
        _need(f"{place}: loss/{split}", array, "float32", shape)
    for column, dtype in COLUMNS.items():
        if column != "status":
            wide = (rows, repeats) if column == "measured_seconds" else (rows,)
            _need(f"{place}: {column}", getattr(data, column), dtype, wide)
    for column, extra in data.extra.items():
        _need(f"{place}: extra/{column}", extra, "float64", (rows,))
    answered = finished.any(axis=1)
    if not (np.isfinite(data.train_seconds) & (data.train_seconds > 0))[answered].all():
        raise TableError(f"{place}: train_seconds must be positive and finite in every row with a finished training")
    if not (np.isfinite(data.validation_seconds) & (data.validation_seconds >= 0))[answered].all():
        raise TableError(
            f"{place}: validation_seconds must be 0 or more and finite in every row with a finished training"
        )


def _need(name: str, array: NDArray[Any], dtype: str, shape: tuple[int, ...]) -> None:
    if array.dtype != np.dtype(dtype) or array.shape != shape:
        raise TableError(f"{name} is {array.dtype} {array.shape}, must be {dtype} {shape}")
