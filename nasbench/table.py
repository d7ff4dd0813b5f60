"""The sealed table: one HDF5 file that proves itself before it is parsed, holds dense arrays, and never guesses.

File layout, schema version 1 (data/README.md documents every array):

- User block (4,096 bytes): magic, schema version, length and SHA-256 of everything behind it. They are checked on the raw
  bytes before libhdf5 sees them, so a damaged file is refused whatever the damage is.
- `/rows/architecture` (rows, decisions) uint8, one architecture per row, and `/rows/row_of_index` (space size,) int32, the
  map from the number of any architecture of the space to its row (-1: not in the table).
- `/datasets/NAME/...`: per data set the epochs that the curves hold, counts of correct answers (int32, -1 missing) or
  accuracies (float64, NaN missing) and losses (float32) of shape (rows, repeats, epochs) for each split there is, the status
  of each training (rows, repeats), calibrated seconds per epoch (rows,), measured seconds (rows, repeats), network sizes.
- `/metadata` uint8: the bytes of a canonical JSON text with space, splits, provenance, licence, citation. (An array, since an
  HDF5 attribute ends at 64 kB and the reasons of failed trainings need not.)

Two digests. `Table.digest` is the logical digest that a paper cites: space, splits, statuses, counts, losses and sizes, in
row order; a rebuild in the same environment gives the same one. `Table.cost_digest` covers the calibrated seconds that
strategies are charged. Measured seconds and provenance are in neither.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasbench.space import Architecture, CellSpace

SCHEMA_VERSION = 1

SPLITS = ("train", "validation", "test")
OK, DIVERGED, FAILED, MISSING = 0, 1, 2, 3
STATUSES = ("ok", "diverged", "failed", "missing")
"""What became of a training. `missing`: never made (NAS-Bench-201 has two or three repeats a row)."""


class TableError(ValueError):
    """A file that is not a sound table, or a question that the table can't answer; the message says why and what there is."""


@dataclass(frozen=True)
class Split:
    """One split of a data set.

    Attributes:
        images: number of examples, so that accuracies are exact multiples of 1/images; None where only accuracies are known.
        digest: SHA-256 over the split's examples and labels, or "" where the source does not say.
    """

    images: int | None
    digest: str = ""


@dataclass(frozen=True, eq=False)
class Dataset:
    """The results of one data set. All arrays are read-only; axes are (row, repeat, epoch) as far as they go.

    Attributes:
        name: name of the data set.
        epochs: numbers of epochs after which the curves were read, ascending; the last one is full fidelity.
        splits: the splits that have results, by name.
        correct: counts of correct answers by split, int32, -1 missing; for splits whose `images` is known.
        accuracies: fractions by split, float64, NaN missing; for splits whose `images` is None.
        losses: mean cross-entropy by split, float32, NaN missing; splits without recorded losses are absent.
        status: uint8 (rows, repeats), one of `OK`, `DIVERGED`, `FAILED`, `MISSING`.
        reasons: why a training diverged or failed, by "row/repeat".
        train_seconds: float64 (rows,), calibrated seconds of one epoch of training on the reference device.
        validation_seconds: float64 (rows,), the same for one pass over the validation split; 0 if not told apart.
        measured_seconds: float32 (rows, repeats), wall seconds of the whole training as measured; NaN unknown.
        parameters: int64 (rows,), trainable parameters; -1 unknown.
        multiply_adds: int64 (rows,), multiply-adds of one forward pass of one example; -1 unknown.
        extra: further float64 columns (rows,) by name, such as `latency_seconds`.
    """

    name: str
    epochs: tuple[int, ...]
    splits: Mapping[str, Split]
    correct: Mapping[str, NDArray[np.int32]]
    accuracies: Mapping[str, NDArray[np.float64]]
    losses: Mapping[str, NDArray[np.float32]]
    status: NDArray[np.uint8]
    train_seconds: NDArray[np.float64]
    validation_seconds: NDArray[np.float64]
    measured_seconds: NDArray[np.float32]
    parameters: NDArray[np.int64]
    multiply_adds: NDArray[np.int64]
    extra: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)

    def accuracy(self, split: str) -> NDArray[np.float64]:
        """Return accuracies as fractions, shape (rows, repeats, epochs), NaN where a training has no value.

        Raises:
            TableError: the data set has no such split; the message lists those there are.
        """
        if split not in self.splits:
            raise TableError(f"data set {self.name} has no {split!r} split; it has {sorted(self.splits)}")
        images = self.splits[split].images
        if images is None:
            return self.accuracies[split]
        counts = self.correct[split]
        return np.where(counts >= 0, counts / images, np.nan)

    def answers(self, split: str) -> NDArray[np.float64]:
        """Return accuracies as a search or a score counts them, shape (rows, repeats, epochs).

        A training that diverged or failed counts 0.0 from there on, since it left no network that could be used; a training
        that was never made is NaN and counts nowhere.
        """
        accuracy = self.accuracy(split)
        lost = (self.status == DIVERGED) | (self.status == FAILED)
        return np.where(np.isnan(accuracy) & lost[:, :, None], 0.0, accuracy)

    def mean_accuracy(self, split: str) -> NDArray[np.float64]:
        """Return each row's `answers` at full fidelity, averaged over its repeats, shape (rows,); NaN for a row without any."""
        final = self.answers(split)[:, :, -1]
        known = ~np.isnan(final)
        counts = known.sum(axis=1)
        sums = np.where(known, final, 0.0).sum(axis=1)
        return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)

    @property
    def score_split(self) -> str:
        """The split on which searches are scored: `test` where there is one, else `validation`."""
        return "test" if "test" in self.splits else "validation"

    @property
    def score_label(self) -> str:
        """What a score on this data set is, in words for captions: `mean test accuracy` or `mean validation accuracy`."""
        return f"mean {self.score_split} accuracy"


@dataclass(frozen=True, eq=False)
class Table:
    """An opened table.

    Attributes:
        space: the search space.
        architectures: uint8 (rows, decisions), the architecture that each row was trained with.
        row_of_index: int32 (space.size,), row of every architecture by its number in the space; -1: none.
        datasets: the data sets by name.
        metadata: title, licence, citation, device, provenance and whatever else the builder recorded.
        sha256: SHA-256 of the sealed file's payload, or "" for a table that was never sealed.
    """

    space: CellSpace
    architectures: NDArray[np.uint8]
    row_of_index: NDArray[np.int32]
    datasets: Mapping[str, Dataset]
    metadata: Mapping[str, Any]
    sha256: str = ""

    def row(self, architecture: Architecture) -> int:
        """Return the row that answers for an architecture.

        Raises:
            SpaceError: not an architecture of the space.
            TableError: the table has no row for it.
        """
        index = self.space.index(self.space.check(architecture))
        row = int(self.row_of_index[index])
        if row < 0:
            raise TableError(
                f"the table has no row for {self.space.format(architecture)!r}; it holds {len(self.architectures)} rows"
            )
        return row

    def dataset(self, name: str) -> Dataset:
        """Return a data set by name.

        Raises:
            TableError: no such data set; the message lists those there are.
        """
        if name not in self.datasets:
            raise TableError(f"the table has no data set {name!r}; it has {sorted(self.datasets)}")
        return self.datasets[name]

    @cached_property
    def digest(self) -> str:
        """Logical digest (SHA-256, hex) of all results: what a paper cites and what a rebuild must give again."""
        return _digest(self, costs=False)

    @cached_property
    def cost_digest(self) -> str:
        """SHA-256 (hex) of the calibrated seconds that strategies are charged."""
        return _digest(self, costs=True)


def table_head(table: Table) -> dict[str, Any]:
    """Return everything of a table that is not an array, as plain JSON values: what the file's `metadata` holds."""
    datasets = {
        name: {
            "epochs": list(data.epochs),
            "splits": {split: {"images": part.images, "digest": part.digest} for split, part in data.splits.items()},
            "reasons": dict(data.reasons),
            "extra": sorted(data.extra),
            "losses": sorted(data.losses),
        }
        for name, data in table.datasets.items()
    }
    space = {"name": table.space.name, "nodes": table.space.nodes, "operations": list(table.space.operations)}
    return {"schema_version": SCHEMA_VERSION, "space": space, "datasets": datasets, "metadata": dict(table.metadata)}


def named_arrays(table: Table) -> dict[str, NDArray[Any]]:
    """Return every array of a table by its place in the file."""
    arrays: dict[str, NDArray[Any]] = {
        "rows/architecture": table.architectures,
        "rows/row_of_index": table.row_of_index,
    }
    for name, data in table.datasets.items():
        place = f"datasets/{name}/"
        for split in data.splits:
            if data.splits[split].images is None:
                arrays[f"{place}accuracy/{split}"] = data.accuracies[split]
            else:
                arrays[f"{place}correct/{split}"] = data.correct[split]
        arrays |= {f"{place}loss/{split}": array for split, array in data.losses.items()}
        arrays |= {f"{place}extra/{column}": array for column, array in data.extra.items()}
        for column in COLUMNS:
            arrays[place + column] = getattr(data, column)
    return arrays


COLUMNS: dict[str, str] = {
    "status": "uint8",
    "train_seconds": "float64",
    "validation_seconds": "float64",
    "measured_seconds": "float32",
    "parameters": "int64",
    "multiply_adds": "int64",
}
_COST_COLUMNS = ("train_seconds", "validation_seconds")


def canonical_json(value: Any) -> bytes:
    """Return the one JSON text of a value: sorted keys, no spaces, ASCII; for digests."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode("ascii")


def _digest(table: Table, *, costs: bool) -> str:
    head = table_head(table)
    head.pop("metadata")
    sha256 = hashlib.sha256(canonical_json({"costs": costs, **head}))
    for name, array in sorted(named_arrays(table).items()):
        column = name.rsplit("/", 1)[-1]
        if column == "measured_seconds" or (column in _COST_COLUMNS) != costs:
            continue
        little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        if little.dtype.kind == "f":
            little = np.where(
                np.isnan(little), np.array(math.nan, dtype=little.dtype), little
            )  # one bit pattern for NaN
        sha256.update(f"{name} {little.dtype.str} {little.shape}".encode("ascii"))
        sha256.update(np.ascontiguousarray(little).tobytes())
    return sha256.hexdigest()
