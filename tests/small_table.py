"""Small tables built by hand, whose every number is known, and protocols that use them.

`small_table` has five rows, two data sets and every kind of training; `full_table` answers for all 27 architectures of the
same space, so that any strategy can search it.
"""

from pathlib import Path

import numpy as np

from nasbench.sealed import seal
from nasbench.space import CellSpace
from nasbench.table import DIVERGED, FAILED, MISSING, OK, Dataset, Split, Table

SPACE = CellSpace("three", nodes=3, operations=("none", "skip_connect", "conv"))

ROWS = ((0, 0, 0), (1, 2, 0), (2, 2, 2), (0, 1, 2), (2, 0, 1))
"""Architectures of `small_table`, by row. The others are answered by the row of their number modulo 5, but `NOWHERE` by none."""

NOWHERE = (2, 2, 1)

EPOCHS = (1, 2, 4)

STATUS = [
    [OK, OK, OK],
    [OK, MISSING, OK],
    [OK, DIVERGED, FAILED],
    [OK, OK, OK],
    [MISSING, MISSING, MISSING],
]

VALIDATION = [  # correct answers of 100, (row, repeat, epoch)
    [[10, 20, 30], [11, 21, 31], [12, 22, 32]],
    [[40, 50, 60], [-1, -1, -1], [42, 52, 62]],
    [[5, 6, 7], [15, -1, -1], [-1, -1, -1]],
    [[70, 80, 90], [71, 81, 91], [72, 82, 92]],
    [[-1, -1, -1], [-1, -1, -1], [-1, -1, -1]],
]

TEST = [  # correct answers of 1,000; no fraction of them is one of 100
    [[101, 201, 301], [111, 211, 311], [121, 221, 323]],
    [[401, 501, 601], [-1, -1, -1], [421, 521, 623]],
    [[51, 61, 71], [151, -1, -1], [-1, -1, -1]],
    [[701, 801, 901], [711, 811, 911], [721, 821, 923]],
    [[-1, -1, -1], [-1, -1, -1], [-1, -1, -1]],
]

TRAIN_SECONDS = [1.0, 2.0, 0.5, 4.0, 7.0]  # of one epoch
VALIDATION_SECONDS = [0.25, 0.5, 0.125, 0.0, 1.0]

PLAIN_SCORES = [(0.301 + 0.311 + 0.323) / 3, (0.601 + 0.623) / 2, 0.071 / 3, (0.901 + 0.911 + 0.923) / 3, float("nan")]

ACCURACY = [[0.5, 0.25], [0.125, 0.75], [0.375, 0.0], [0.0625, 0.1875], [0.875, 0.625]]  # data set `scoreless`


def counts(values):
    return np.array(values, dtype=np.int32)


def row_of_index():
    rows = np.arange(SPACE.size, dtype=np.int32) % len(ROWS)
    for row, architecture in enumerate(ROWS):
        rows[SPACE.index(architecture)] = row
    rows[SPACE.index(NOWHERE)] = -1
    return rows


def small_table(**metadata) -> Table:
    """Return the table of the constants above.

    `plain` has train, validation and test counts after 1, 2 and 4 epochs, three repeats. `scoreless` has validation
    accuracies after 4 epochs and no test split, two repeats, all ok, 3 seconds an epoch in every row.
    """
    rows = len(ROWS)
    plain = Dataset(
        name="plain",
        epochs=EPOCHS,
        splits={"train": Split(100), "validation": Split(100, "v" * 64), "test": Split(1000)},
        correct={
            "train": np.where(counts(VALIDATION) < 0, -1, counts(VALIDATION) + 1),
            "validation": counts(VALIDATION),
            "test": counts(TEST),
        },
        accuracies={},
        losses={},
        status=np.array(STATUS, dtype=np.uint8),
        train_seconds=np.array(TRAIN_SECONDS),
        validation_seconds=np.array(VALIDATION_SECONDS),
        measured_seconds=np.full((rows, 3), np.nan, dtype=np.float32),
        parameters=np.array([0, 100, 200, -1, 300], dtype=np.int64),
        multiply_adds=np.full(rows, -1, dtype=np.int64),
        reasons={"2/1": "loss is nan at epoch 2", "2/2": "killed"},
    )
    scoreless = Dataset(
        name="scoreless",
        epochs=(4,),
        splits={"validation": Split(None)},
        correct={},
        accuracies={"validation": np.array(ACCURACY)[:, :, None]},
        losses={},
        status=np.zeros((rows, 2), dtype=np.uint8),
        train_seconds=np.full(rows, 3.0),
        validation_seconds=np.zeros(rows),
        measured_seconds=np.full((rows, 2), np.nan, dtype=np.float32),
        parameters=np.full(rows, -1, dtype=np.int64),
        multiply_adds=np.full(rows, -1, dtype=np.int64),
    )
    head = {"title": "Small table", "licence": "CC0-1.0"} | metadata
    datasets = {data.name: data for data in (plain, scoreless)}
    return Table(SPACE, np.array(ROWS, dtype=np.uint8), row_of_index(), datasets, head)


def full_table(seed: int = 0, repeats: int = 3) -> Table:
    """Return a table of all 27 architectures; `fast` has epochs 1, 2, 4 and a test split, `slow` epoch 4 and none.

    One epoch costs 1 to 2 seconds. Accuracy grows with the number of `conv` edges, with noise from `seed`.
    """
    rng = np.random.default_rng(seed)
    architectures = np.array(list(SPACE), dtype=np.uint8)
    rows = len(architectures)
    quality = 0.3 + 0.2 * (architectures == 2).sum(axis=1)[:, None, None]  # (rows, 1, 1)
    datasets = {}
    for name, epochs, splits in (("fast", (1, 2, 4), ("validation", "test")), ("slow", (4,), ("validation",))):
        progress = np.array([epoch / (epoch + 0.5) for epoch in epochs])
        chances = (quality * progress).clip(0, 1) * np.ones((1, repeats, 1))
        datasets[name] = Dataset(
            name=name,
            epochs=epochs,
            splits={split: Split(200) for split in splits},
            correct={split: rng.binomial(200, chances).astype(np.int32) for split in splits},
            accuracies={},
            losses={},
            status=np.zeros((rows, repeats), dtype=np.uint8),
            train_seconds=rng.uniform(1.0, 2.0, size=rows),
            validation_seconds=np.zeros(rows),
            measured_seconds=np.full((rows, repeats), np.nan, dtype=np.float32),
            parameters=np.full(rows, -1, dtype=np.int64),
            multiply_adds=np.full(rows, -1, dtype=np.int64),
        )
    return Table(SPACE, architectures, np.arange(rows, dtype=np.int32), datasets, {"title": "Full table"})


def sealed(folder: Path, table: Table | None = None, name: str = "small") -> Path:
    """Seal a table (`small_table()` by default) as `folder/NAME.h5` and return the path."""
    path = folder / f"{name}.h5"
    seal(small_table() if table is None else table, path)
    return path


PROTOCOL = """\
name = "small"
version = "1.0"
title = "A small comparison"
table = "full.h5"
runs = 5
checkpoints = [0.5, 1.0]

[[problems]]
dataset = "fast"
budget = 60

[[problems]]
dataset = "slow"
budget = 40.5

[[entrants]]
name = "random"
strategy = "random_search"

[[entrants]]
name = "evolution"
strategy = "regularized_evolution"
settings = { population = 3, sample = 2 }
"""
"""A protocol over `full_table`, sealed as `full.h5` beside it."""


def write_protocol(folder: Path, text: str = PROTOCOL, table: Table | None = None) -> Path:
    """Write a protocol and its table into a folder and return the protocol's path."""
    sealed(folder, full_table() if table is None else table, "full")
    path = folder / "protocol.toml"
    path.write_text(text)
    return path
