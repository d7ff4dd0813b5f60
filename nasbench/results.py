"""What a journal's records say: the results of finished trainings, packed; and many journals merged into one answer.

One record is one group: trainings that were made together, which finish together, so that a group is in the journals whole
or not at all. A training is named by (cell, repeat): the number of its canonical class in the space and the number of the
repeat. Curves are kept as the bits that the pipeline gave, counts as int32 and losses as float32 (16 epochs of three splits:
about 450 bytes a training), so that two records of one training can be compared bit for bit: they must be equal, or
something that the recipe does not fix has changed under the build.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from nasbench.journal import Journal, JournalError
from nasbench.table import DIVERGED, STATUSES

Key = tuple[int, int]
"""(cell, repeat): number of the canonical class in the space, number of the repeat."""


class ConflictError(JournalError):
    """The same training stands in the journals twice with different results."""


class Result(msgspec.Struct, frozen=True, array_like=True):
    """One finished training.

    Attributes:
        cell: number of its canonical class.
        repeat: number of the repeat.
        status: `table.OK` or `table.DIVERGED`.
        reason: why it diverged; empty if it did not.
        train_seconds: its share of its group's wall seconds of training.
        evaluation_seconds: its share of the wall seconds of evaluating.
        correct: counts of correct answers after each epoch by split, little-endian int32, -1 missing.
        loss: mean cross-entropy after each epoch by split, little-endian float32, NaN missing.
    """

    cell: int
    repeat: int
    status: int
    reason: str
    train_seconds: float
    evaluation_seconds: float
    correct: dict[str, bytes]
    loss: dict[str, bytes]

    @property
    def key(self) -> Key:
        """What names the training."""
        return self.cell, self.repeat

    @property
    def epochs(self) -> int:
        """Number of epochs that the curves hold."""
        return len(next(iter(self.correct.values()))) // 4

    @property
    def seconds(self) -> float:
        """Wall seconds of the training, evaluation included."""
        return self.train_seconds + self.evaluation_seconds

    def counts(self, split: str) -> NDArray[np.int32]:
        """Return the counts of correct answers on a split, shape (epochs,)."""
        return np.frombuffer(self.correct[split], dtype="<i4").astype(np.int32)

    def losses(self, split: str) -> NDArray[np.float32]:
        """Return the mean cross-entropy on a split, shape (epochs,)."""
        return np.frombuffer(self.loss[split], dtype="<f4").astype(np.float32)


class GroupResult(msgspec.Struct, frozen=True, array_like=True):
    """One record: trainings that were made together.

    Attributes:
        group: number of the group in the recipe's plan (see `groups.py`).
        attempt: 1 for the first attempt at the group in its run.
        started: seconds since 1970 when it began.
        seconds: wall seconds that the group took, beginning to end.
        processor_seconds: processor seconds of its process meanwhile: what it would have taken on one idle core.
        results: its members.
    """

    group: int
    attempt: int
    started: float
    seconds: float
    processor_seconds: float
    results: tuple[Result, ...]


def pack_curve(
    key: Key,
    correct: Mapping[str, NDArray[np.int32]],
    loss: Mapping[str, NDArray[np.float32]],
    *,
    status: str,
    reason: str,
    train_seconds: float,
    evaluation_seconds: float,
) -> Result:
    """Return a training's curves as a record holds them.

    Args:
        key: (cell, repeat).
        correct: counts of correct answers by split, shape (epochs,), integers.
        loss: mean cross-entropy by split, shape (epochs,).
        status: `ok` or `diverged`.
        reason: why it diverged.
        train_seconds: wall seconds of training.
        evaluation_seconds: wall seconds of evaluating.

    Raises:
        ValueError: another status, or curves of different lengths.
    """
    if status not in STATUSES[: DIVERGED + 1]:
        raise ValueError(f"training {key} has status {status!r}, must be one of {STATUSES[: DIVERGED + 1]}")
    lengths = {len(curve) for curve in (*correct.values(), *loss.values())}
    if len(lengths) != 1:
        raise ValueError(f"training {key} has curves of different lengths {sorted(lengths)}")
    return Result(
        cell=key[0],
        repeat=key[1],
        status=STATUSES.index(status),
        reason=reason,
        train_seconds=float(train_seconds),
        evaluation_seconds=float(evaluation_seconds),
        correct={split: np.asarray(curve, dtype="<i4").tobytes() for split, curve in correct.items()},
        loss={split: np.asarray(curve, dtype="<f4").tobytes() for split, curve in loss.items()},
    )


def encode(record: GroupResult) -> bytes:
    """Return a record as the payload of a frame."""
    return msgspec.msgpack.encode(record)


def decode(payload: bytes) -> GroupResult:
    """Return the record of a payload.

    Raises:
        JournalError: the payload is no record.
    """
    try:
        return msgspec.msgpack.decode(payload, type=GroupResult)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise JournalError(f"a sound frame holds no record: {error}") from None


@dataclass
class Merged:
    """All results of a set of journals.

    Attributes:
        results: every training once.
        sources: the journal that each one was taken from.
        doubled: trainings that stand in the journals more than once over the same epochs, with equal results.
    """

    results: dict[Key, Result] = field(default_factory=dict)
    sources: dict[Key, Path] = field(default_factory=dict)
    doubled: set[Key] = field(default_factory=set)


def merge(journals: Iterable[Journal]) -> Merged:
    """Merge journals; the order in which they are given does not change the results, only whose seconds are kept.

    A training that stands there twice must have equal bits; where one record has fewer epochs than the other (a live run
    that was asked for more later), the shorter must be the beginning of the longer, which is kept.

    Raises:
        ConflictError: two records of one training differ.
        JournalError: a payload is no record.
    """
    merged = Merged()
    for journal in sorted(journals, key=lambda journal: journal.path.name):
        for payload in journal.payloads:
            for result in decode(payload).results:
                _add(merged, result, journal.path)
    return merged


def _add(merged: Merged, result: Result, path: Path) -> None:
    known = merged.results.get(result.key)
    if known is not None:
        check_equal(known, result, merged.sources[result.key], path)
        if result.epochs == known.epochs:
            merged.doubled.add(result.key)
        if result.epochs <= known.epochs:
            return
    merged.results[result.key] = result
    merged.sources[result.key] = path


def check_equal(first: Result, second: Result, first_source: Path | str, second_source: Path | str) -> None:
    """Check that two results of one training agree bit for bit, as far as the shorter one goes.

    Raises:
        ConflictError: they differ; the message names the training, both sources, and the curve and epoch.
    """
    difference = first_difference(first, second)
    if difference:
        raise ConflictError(
            f"cell {first.cell}, repeat {first.repeat} was trained twice with different results ({difference}): "
            f"{first_source} and {second_source}. Something that the recipe does not fix has changed between them: "
            "the environment, the code, or the data"
        )


def first_difference(first: Result, second: Result) -> str:
    """Return in words where two results of one training differ first, or an empty string if they don't."""
    if set(first.correct) != set(second.correct) or set(first.loss) != set(second.loss):
        return f"splits {sorted(first.correct)} and {sorted(second.correct)}"
    epochs = min(first.epochs, second.epochs)
    for name, mine, other in (("count", first.correct, second.correct), ("loss", first.loss, second.loss)):
        for split in sorted(mine):
            kind = np.int32 if name == "count" else np.float32
            left, right = (np.frombuffer(curves[split][: 4 * epochs], dtype="<i4") for curves in (mine, other))
            unequal = np.flatnonzero(left != right)
            if len(unequal):
                epoch = int(unequal[0])
                values = left.view(kind)[epoch].item(), right.view(kind)[epoch].item()
                return f"{split} {name} after epoch {epoch + 1} is {values[0]!r} and {values[1]!r}"
    if first.epochs == second.epochs and (first.status, first.reason) != (second.status, second.reason):
        return f"status {STATUSES[first.status]} {first.reason!r} and {STATUSES[second.status]} {second.reason!r}"
    return ""
