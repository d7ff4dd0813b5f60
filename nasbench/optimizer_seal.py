"""The sealed file of an optimizer table: the same user block, proof and allow-list as a table of architectures (`sealed.py`).

For each task and horizon there is a group `runs/TASK/HORIZON` with the columns of `optimizer_table.Rows`, a row a run.
"""

from __future__ import annotations

import io
from pathlib import Path
from types import MappingProxyType
from typing import Any

import h5py
import msgspec
import numpy as np
from numpy.typing import NDArray

from nasbench.optimizer_table import (
    ACCURACIES,
    LOSSES,
    STATUSES,
    OptimizerEntry,
    OptimizerTable,
    Rows,
    TaskEntry,
)
from nasbench.sealed import (
    MAX_RATIO,
    check_user_block,
    read_array,
    sealed_arrays,
    walk_names,
    write_at_once,
)
from nasbench.table import TableError, canonical_json

MAGIC = b"NASBENCH-LIVE-OPTIM\n"
SCHEMA_VERSION = 1

COLUMNS: dict[str, np.dtype[Any]] = {
    "optimizer": np.dtype("<u2"),
    "trial": np.dtype("<u2"),
    "seed": np.dtype("<i8"),
    "status": np.dtype("u1"),
    "seconds_per_step": np.dtype("<f4"),
    "work_per_step": np.dtype("<f8"),
}


class _Head(msgspec.Struct, forbid_unknown_fields=True):
    tasks: list[TaskEntry]
    optimizers: list[OptimizerEntry]
    tuning_seeds: list[int]
    scored_seeds: list[int]
    reasons: dict[str, str]
    metadata: dict[str, Any]


def named_columns(table: OptimizerTable) -> dict[str, NDArray[Any]]:
    """Return all arrays of a table by their names in the file."""
    found: dict[str, NDArray[Any]] = {}
    for (task, horizon), rows in table.rows.items():
        place = f"runs/{task}/{horizon}/"
        for column, dtype in COLUMNS.items():
            found[place + column] = np.asarray(getattr(rows, column)).astype(dtype)
        for name, values in rows.curves.items():
            found[place + name] = values.astype("<f4")
    return found


def seal_optimizers(table: OptimizerTable, path: Path) -> str:
    """Write a table as a sealed file, under a temporary name, then renamed; return SHA-256 of the payload.

    Raises:
        TableError: the content is not sound, or can't be read back as it was.
        OSError: the file can't be written; an existing one is untouched.
    """
    try:
        head = canonical_json({**table.head, "metadata": dict(table.metadata)})
    except (TypeError, ValueError) as error:
        raise TableError(f"the table's metadata is not plain JSON: {error}") from None
    arrays = {"metadata": np.frombuffer(head, dtype=np.uint8), **named_columns(table)}
    content = sealed_arrays(arrays, SCHEMA_VERSION, MAGIC)
    if read_optimizer_table(content, "the sealed bytes").digest != table.digest:
        raise TableError("the sealed bytes do not hold the table that was given; nothing was written")
    write_at_once(path, content)
    return check_user_block(content, str(path), SCHEMA_VERSION, MAGIC)[1]


def is_optimizer_table(path: Path) -> bool:
    """Return whether a file begins as an optimizer table; it is not proved."""
    with path.open("rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC


def read_optimizer_table(content: bytes, name: str) -> OptimizerTable:
    """Read a sealed optimizer table from its bytes; see `open_optimizer_table`."""
    payload, _ = check_user_block(content, name, SCHEMA_VERSION, MAGIC)
    try:
        with h5py.File(io.BytesIO(payload), "r") as file:
            return _parse(file, len(payload))
    except TableError as error:
        raise TableError(f"{name}: {error}") from None
    except (OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError) as error:
        raise TableError(f"{name}: sealed, but not readable as an optimizer table: {error}") from error


def _parse(file: h5py.File, stored: int) -> OptimizerTable:
    if set(file.attrs) or not isinstance(file.get("metadata", getlink=True), h5py.HardLink):
        raise TableError("the root must have no attributes and an array 'metadata'")
    try:
        head = msgspec.json.decode(
            read_array(file["metadata"], "metadata", MAX_RATIO * stored).tobytes(), type=_Head, strict=False
        )
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise TableError(f"metadata is not what the schema asks for: {error}") from None
    expected = {"metadata"}
    for task in head.tasks:
        if not set(task.curves) <= {*LOSSES, *ACCURACIES} or "train_loss" not in task.curves:
            raise TableError(f"task {task.name} has curves {task.curves}")
        for horizon in task.steps:
            expected |= {f"runs/{task.name}/{horizon}/{column}" for column in (*COLUMNS, *task.curves)}
    found: set[str] = set()
    walk_names(file, "", expected, found)
    if found != expected:
        raise TableError(f"the table lacks {sorted(expected - found)}")
    rows = {}
    for task in head.tasks:
        for horizon, steps in task.steps.items():
            rows[task.name, horizon] = _rows(file, task, horizon, len(steps), stored, len(head.optimizers))
    return OptimizerTable(
        MappingProxyType({task.name: task for task in head.tasks}),
        MappingProxyType({entry.name: entry for entry in head.optimizers}),
        MappingProxyType(rows),
        tuple(head.tuning_seeds),
        tuple(head.scored_seeds),
        MappingProxyType(head.reasons),
        MappingProxyType(head.metadata),
    )


def _rows(file: h5py.File, task: TaskEntry, horizon: int, evaluations: int, stored: int, optimizers: int) -> Rows:
    place = f"runs/{task.name}/{horizon}/"
    columns: dict[str, NDArray[Any]] = {}
    for column, dtype in COLUMNS.items():
        array = read_array(file[place + column], place + column, MAX_RATIO * stored)
        if array.dtype != dtype or array.ndim != 1 or len(array) != len(columns.get("optimizer", array)):
            raise TableError(
                f"{place}{column} has dtype {array.dtype} and shape {array.shape}, must be {dtype}, one a row"
            )
        columns[column] = array
    count = len(columns["optimizer"])
    if count and (columns["optimizer"].max() >= optimizers or columns["status"].max() >= len(STATUSES)):
        raise TableError(f"{place}: a row of an optimizer or a status that there is not")
    curves = {}
    for name in task.curves:
        array = read_array(file[place + name], place + name, MAX_RATIO * stored)
        if array.dtype != np.dtype("<f4") or array.shape != (count, evaluations) or not np.isfinite(array).all():
            raise TableError(f"{place}{name} must be finite float32 of shape {(count, evaluations)}, is {array.shape}")
        if name in LOSSES and count and array.max() > np.float32(task.ceiling):
            raise TableError(f"{place}{name} has a loss of {array.max()}, above the task's ceiling {task.ceiling}")
        curves[name] = array
    return Rows(curves=MappingProxyType(curves), **columns)
