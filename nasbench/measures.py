"""Cheap measures of architectures as columns: what a benchmark answers a `Measure` from, without training anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nasbench.query import QueryError
from nasbench.table import MISSING, Dataset


@dataclass(frozen=True, eq=False)
class Column:
    """One measure of every row of a table.

    Attributes:
        values: float64 (rows,); NaN where it is not defined.
        seconds: float64 (rows,), simulated seconds that finding the value takes; 0 for closed forms and stored latencies.
    """

    values: NDArray[np.float64]
    seconds: NDArray[np.float64]


def free_column(values: NDArray[np.float64] | NDArray[np.int64]) -> Column:
    """Return a measure that costs nothing."""
    return Column(values.astype(np.float64), np.zeros(len(values)))


def columns_of(data: Dataset) -> dict[str, Column]:
    """Return the measures that a data set of a table holds for each of its trained rows; none of them costs anything.

    Returns:
        `parameters` and `multiply_adds`, counts, and `latency`, seconds, as far as the table knows them for every row.
    """
    trained = (data.status != MISSING).any(axis=1)
    found = {}
    for name in ("parameters", "multiply_adds"):
        column = getattr(data, name)
        if trained.any() and (column[trained] >= 0).all():
            found[name] = free_column(np.where(trained, column, np.nan))
    latency = data.extra.get("latency_seconds")
    if latency is not None and trained.any() and np.isfinite(latency[trained]).all():
        found["latency"] = free_column(latency)
    return found


def check_names(names: Sequence[str], offered: Sequence[str], where: str) -> None:
    """Raise QueryError unless every name is on offer."""
    for name in names:
        if name not in offered:
            raise QueryError(
                f"there is no measure {name!r} for {where}; it has {list(offered)}, and zero-cost proxies where a strategy's setting "
                "proxy or proxies names them"
            )


def check_objectives(objectives: Sequence[str], columns: Mapping[str, Column], where: str) -> None:
    """Raise QueryError unless every objective is a measure on offer that costs nothing: it comes with each observation."""
    check_names(objectives, tuple(columns), where)
    for name in objectives:
        if columns[name].seconds.any():
            free = [other for other, column in columns.items() if not column.seconds.any()]
            raise QueryError(f"measure {name!r} of {where} costs seconds, so it can't be an objective; free are {free}")


def look_up(
    columns: Mapping[str, Column], rows: Sequence[int], names: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return values and seconds of some rows, both of shape (rows, names)."""
    chosen = np.asarray(rows, dtype=np.int64)
    values = np.stack([columns[name].values[chosen] for name in names], axis=1)
    return values, np.stack([columns[name].seconds[chosen] for name in names], axis=1)
