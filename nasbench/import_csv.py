"""Own results in: a sealed table from a plain CSV.

One row of the CSV is one reading of one training: architecture, data set, repeat, epoch, validation accuracy, and where
known test accuracy, losses and seconds (`nasbench.csv_rows.CSV_COLUMNS` documents the columns). Nothing is imputed: a
training that is not in the file is `missing`, a blank cell is unknown, a finished training must have its whole curve.

Accuracies are stored as counts of correct answers where the number of images of a split is given (`--images
cifar10:validation=25000,test=10000`); then they must lie on that grid, to within a millionth. Otherwise as fractions.

What a search is charged per epoch is `seconds_per_epoch` where the file has it (the mean over the strings of a class),
else the mean over a row's finished repeats of seconds / epoch at the end of their curves. Measured seconds are kept beside it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nasbench.csv_curves import Curves
from nasbench.csv_rows import FIRST_ROW, Rows, read_rows, refuse
from nasbench.sealed import seal
from nasbench.space import CellSpace
from nasbench.table import OK, SPLITS, Dataset, Split, Table, TableError

Images = Mapping[str, Mapping[str, int]]
"""Number of images by data set and split."""

MAX_CELLS = 100_000_000  # rows x repeats x epochs of a data set: 0.8 GB a split while it is made


def import_csv(
    path: Path,
    output: Path,
    space: CellSpace,
    *,
    title: str = "",
    licence: str = "",
    citation: str = "",
    version: str = "",
    device: str = "",
    images: Images | None = None,
    row_rule: Literal["string", "class"] = "string",
) -> Table:
    """Make a sealed table from a CSV.

    Args:
        path: the CSV, or .csv.gz; see `nasbench.csv_rows`.
        output: the file to make.
        space: the search space of the architecture strings.
        title: what the table is; by default the CSV's name.
        licence: under which the results may be used.
        citation: BibTeX.
        version: of the table, such as 1.0.
        device: what the seconds were measured on.
        images: number of images by data set and split, for the splits whose accuracies are to be stored as counts.
        row_rule: `string`: a row for each architecture string in the file; `class`: a row for each canonical class,
            which answers for all its members; trainings of several members become repeats of the one row.

    Returns:
        The table, as sealed.

    Raises:
        FileNotFoundError: there is no such CSV.
        TableError: the first fault, by file row (the header is row 1) and column; or `images` names a data set or split
            that the file does not have.
    """
    if output.exists() and path.exists() and output.samefile(path):
        raise TableError(f"the output {output} is the CSV itself")
    rows = read_rows(path, space)
    images = images or {}
    unknown = sorted(set(images) - set(rows.names))
    if unknown:
        raise TableError(f"images are given for data set {unknown[0]!r}; {path.name} has {sorted(rows.names)}")
    plan = _plan_rows(rows, space, row_rule)
    datasets = {name: _dataset(path, rows, name, plan, images.get(name, {})) for name in sorted(rows.names)}
    metadata = {
        "title": title or path.name,
        "licence": licence,
        "citation": citation,
        "version": version,
        "device": device,
        "source": {"file": path.name, "sha256": _sha256(path)},
        "rows": _ROWS[row_rule],
        "repeats": {name: _labels(rows, name).tolist() for name in sorted(rows.names)},
        "cost": "seconds_per_epoch as given where it is, else mean over the row's repeats of seconds / epoch as given",
        "missing": f"trainings that are not in {path.name}",
    }
    table = Table(space, plan.architectures, plan.row_of_index, datasets, metadata)
    return replace(table, sha256=seal(table, output))


_ROWS = {
    "string": "one row for each architecture string",
    "class": "one row for each canonical class; the trainings of further strings of a class follow as further repeats",
}


def parse_images(texts: Iterable[str]) -> dict[str, dict[str, int]]:
    """Return the images per split that `--images cifar10:validation=25000,test=10000` asks for.

    Raises:
        TableError: a text of another form; the message shows an example.

    Example:
        >>> parse_images(["cifar10:validation=25000,test=10000"])
        {'cifar10': {'validation': 25000, 'test': 10000}}
    """
    images: dict[str, dict[str, int]] = {}
    for text in texts:
        name, colon, rest = text.partition(":")
        for item in rest.split(","):
            split, _, number = item.partition("=")
            if not name or not colon or split not in SPLITS or not number.isdecimal() or not 1 <= int(number) < 2**31:
                raise TableError(
                    f"--images {text!r}: must be DATASET:SPLIT=NUMBER[,SPLIT=NUMBER] with splits {', '.join(SPLITS)}, "
                    "such as cifar10:validation=25000"
                )
            images.setdefault(name, {})[split] = int(number)
    return images


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


# Which row and repeat a line of the file belongs to ---------------------------------------------------------------------


@dataclass(frozen=True)
class _Plan:
    """The rows of the table.

    Attributes:
        architectures: uint8 (rows, decisions), ascending by class or number.
        row_of_index: int32 (space size,).
        member: int64 (space size,), rank of an architecture among those in the file that share its row; -1: not there.
    """

    architectures: NDArray[np.uint8]
    row_of_index: NDArray[np.int32]
    member: NDArray[np.int64]


def _plan_rows(rows: Rows, space: CellSpace, row_rule: str) -> _Plan:
    present = np.unique(rows.index)
    if row_rule == "string":
        group_of = np.arange(space.size)
    elif row_rule == "class":
        group_of = space.class_of.astype(np.int64)
    else:
        raise TableError(f"row rule {row_rule!r} is unknown; there are 'string' and 'class'")
    groups = np.unique(group_of[present])
    row_of_group = np.full(int(group_of.max()) + 1, -1, dtype=np.int32)
    row_of_group[groups] = np.arange(len(groups), dtype=np.int32)
    row_of_index = row_of_group[group_of]
    order = present[np.argsort(row_of_index[present], kind="stable")]  # by row, then by number
    first = np.searchsorted(row_of_index[order], row_of_index[order])
    member = np.full(space.size, -1, dtype=np.int64)
    member[order] = np.arange(len(order)) - first
    representatives = [space.architecture(int(index)) for index in order[member[order] == 0]]
    return _Plan(np.array(representatives, dtype=np.uint8), row_of_index, member)


def _labels(rows: Rows, name: str) -> NDArray[np.int64]:
    """The repeats of a data set as the file numbers them, ascending."""
    return np.unique(rows.repeat[rows.dataset == rows.names.index(name)])


def _epochs(path: Path, rows: Rows, lines: NDArray[np.int64]) -> NDArray[np.int64]:
    """The epochs of a data set, ascending: those of its finished trainings, so that a lost one can't add any."""
    finished = lines[rows.status[lines] == OK]
    epochs = np.unique(rows.epoch[finished if len(finished) else lines])
    odd = lines[~np.isin(rows.epoch[lines], epochs)]
    if len(odd):
        message = (
            f"{rows.epoch[odd[0]]} is not among the epochs of finished trainings, {epochs.tolist()[:10]}; a training that "
            "was lost is told by its status and a blank accuracy at one of them"
        )
        refuse(path, int(odd[0]) + FIRST_ROW, "epoch", message)
    return epochs


def _dataset(path: Path, rows: Rows, name: str, plan: _Plan, images: Mapping[str, int]) -> Dataset:
    lines = np.flatnonzero(rows.dataset == rows.names.index(name))
    row = plan.row_of_index[rows.index[lines]].astype(np.int64)
    labels, epochs = _labels(rows, name), _epochs(path, rows, lines)
    member = plan.member[rows.index[lines]]
    repeats = len(labels) * (int(member.max()) + 1)
    shape = (len(plan.architectures), repeats, len(epochs))
    if np.prod(shape, dtype=float) > MAX_CELLS or repeats > 10_000:
        raise TableError(
            f"{path.name}: data set {name} would need {' x '.join(map(str, shape))} (rows x repeats x epochs) cells, more "
            f"than {MAX_CELLS}, or has more than 10,000 repeats; are epochs and repeats what they should be?"
        )
    training = row * repeats + member * len(labels) + np.searchsorted(labels, rows.repeat[lines])
    curves = Curves(path, rows, lines, row, training, np.searchsorted(epochs, rows.epoch[lines]), shape, epochs)
    curves.check_unique()
    status, reasons = curves.statuses()
    curves.check_whole(status)
    train_seconds, measured = curves.costs(status)
    accuracies = {split: curves.filled(f"{split}_accuracy") for split in SPLITS}
    losses = {split: curves.filled(f"{split}_loss").astype(np.float32) for split in SPLITS}
    losses = {split: loss for split, loss in losses.items() if np.isfinite(loss).any()}
    known = {"validation", *losses, *(split for split in SPLITS if np.isfinite(accuracies[split]).any())}
    splits = {split: Split(images.get(split)) for split in SPLITS if split in known}
    for split in images:
        if split not in splits:
            raise TableError(f"images are given for split {split!r} of {name}; {path.name} has {sorted(splits)}")
    if "test" in splits:
        curves.check_test(status, accuracies["test"])
    return Dataset(
        name=name,
        epochs=tuple(epochs.tolist()),
        splits=splits,
        correct={s: curves.counts(f"{s}_accuracy", part.images) for s, part in splits.items() if part.images},
        accuracies={s: accuracies[s] for s, part in splits.items() if part.images is None},
        losses=losses,
        status=status,
        train_seconds=train_seconds,
        validation_seconds=np.zeros(shape[0]),
        measured_seconds=measured,
        parameters=curves.whole("parameters"),
        multiply_adds=curves.whole("multiply_adds"),
        reasons=reasons,
    )
