"""The optimizer table: every curve of every (task, optimizer, trial, horizon, seed), in a sealed file that is read without torch.

A run at 1x on a tuning seed is one point of the search. The best trial (smallest mean final `outer_loss` over the tuning seeds) is run
again on fresh seeds, at 1x and at the further horizons. `curves(task, optimizer)` returns the former, all trials;
`curves(task, optimizer, scored=True)` the latter, one trial. See `optimizer_seal.py` for the file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from nasbench.table import TableError, canonical_json

STATUSES = ("ok", "diverged", "failed", "missing")
LOSSES = ("train_loss", "outer_loss", "test_loss")
ACCURACIES = ("train_accuracy", "outer_accuracy", "test_accuracy")


class RunKey(msgspec.Struct, frozen=True, order=True):
    """Which run a row is.

    Attributes:
        task: name of the task.
        optimizer: name of the entrant.
        trial: number of its settings.
        horizon: multiple of the task's horizon.
        seed: of the task's instance.
    """

    task: str
    optimizer: str
    trial: int
    horizon: int
    seed: int


class RunResult(msgspec.Struct, frozen=True):
    """What one run gave.

    Attributes:
        key: which run.
        status: `ok`, `diverged` or `failed`.
        reason: why it is not `ok`.
        curves: by name (`LOSSES`, and `ACCURACIES` where there are classes), a value for each evaluation.
        seconds_per_step: measured, mean over the run's steps, without evaluations.
        work_per_step: (forward + backward passes) x examples x parameters.
    """

    key: RunKey
    status: str
    reason: str
    curves: dict[str, list[float]]
    seconds_per_step: float
    work_per_step: float


class TaskEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A task of the table; see `nasbench.tasks.task.Task`. `steps` are the evaluated steps by multiple of the horizon.

    `input_digests` are {} in tables that were made before there were any; left out then, so that their digests stay.
    """

    name: str
    family: str
    version: int
    horizon: int
    batch_size: int
    ceiling: float
    parameter_count: int
    work_per_step: int
    digests: dict[str, str]
    steps: dict[int, list[int]]
    curves: list[str]
    input_digests: dict[str, str] = {}


class OptimizerEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An optimizer of the table.

    Attributes:
        name, title, paper, year, family, horizon_aware, ruleset: see `nasbench.optimizer_method.OptimizerMethod`.
        optimizer: the installed optimizer, or the file, that it is.
        fixed: settings that are the same in all trials by the protocol's word.
        search_space: setting -> [kind, low, high].
        trials: complete settings of trial 0, 1, ...
        best: task -> number of the trial with the smallest mean final outer loss over the tuning seeds.
        on_edge: task -> settings of the best trial that lie on the edge of the search space.
        trained_on: of a learned optimizer: the record of its meta-training.
        source_digest: SHA-256 of the code.
        variant: which variant of the optimizer it is, None for the optimizer itself.
    """

    name: str
    title: str
    paper: str
    year: int
    family: str
    horizon_aware: bool
    ruleset: str
    optimizer: str
    fixed: dict[str, Any]
    search_space: dict[str, list[Any]]
    trials: list[dict[str, Any]]
    best: dict[str, int]
    on_edge: dict[str, list[str]]
    trained_on: dict[str, Any] | None
    source_digest: str
    variant: str | None = None

    @property
    def rule(self) -> str:
        """`optimizer`, or `optimizer:variant`: what sets a baseline with a schedule apart from the baseline."""
        return self.optimizer if self.variant is None else f"{self.optimizer}:{self.variant}"


@dataclass(frozen=True, eq=False)
class Rows:
    """All runs of one task at one horizon, sorted by optimizer, trial, seed.

    Attributes:
        optimizer: (rows,) position in the table's list of optimizers.
        trial: (rows,).
        seed: (rows,).
        status: (rows,) position in `STATUSES`.
        seconds_per_step: (rows,) measured.
        work_per_step: (rows,).
        curves: by name, float32 (rows, evaluations).
    """

    optimizer: NDArray[np.int64]
    trial: NDArray[np.int64]
    seed: NDArray[np.int64]
    status: NDArray[np.int64]
    seconds_per_step: NDArray[np.float64]
    work_per_step: NDArray[np.float64]
    curves: Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Curves:
    """Curves of one optimizer on one task.

    Attributes:
        steps: (evaluations,) steps done.
        trials: (trials,) numbers of the trials.
        seeds: (seeds,).
        train_loss, outer_loss, test_loss: (trials, seeds, evaluations), clipped; NaN where a run is missing.
        train_accuracy, outer_accuracy, test_accuracy: the same, fractions; None where there are no classes.
        status: (trials, seeds) of `STATUSES`.
        work_per_step: (trials, seeds).
        seconds_per_step: (trials, seeds), measured; never to be ranked on.
        settings: of each trial.
    """

    steps: NDArray[np.int64]
    trials: NDArray[np.int64]
    seeds: NDArray[np.int64]
    train_loss: NDArray[np.float64]
    outer_loss: NDArray[np.float64]
    test_loss: NDArray[np.float64]
    train_accuracy: NDArray[np.float64] | None
    outer_accuracy: NDArray[np.float64] | None
    test_accuracy: NDArray[np.float64] | None
    status: NDArray[np.str_]
    work_per_step: NDArray[np.float64]
    seconds_per_step: NDArray[np.float64]
    settings: tuple[dict[str, Any], ...]


@dataclass(frozen=True, eq=False)
class OptimizerTable:
    """A table of optimizers in memory.

    Attributes:
        tasks: by name.
        optimizers: by name, in the order of the protocol.
        rows: (task, horizon) -> runs.
        tuning_seeds: seeds that trials are chosen on.
        scored_seeds: seeds of the report.
        reasons: `task/horizon/optimizer/trial/seed` -> why that run is not `ok`.
        metadata: protocol, environment, versions.
    """

    tasks: Mapping[str, TaskEntry]
    optimizers: Mapping[str, OptimizerEntry]
    rows: Mapping[tuple[str, int], Rows]
    tuning_seeds: tuple[int, ...]
    scored_seeds: tuple[int, ...]
    reasons: Mapping[str, str]
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the results: everything but measured seconds and the metadata; what papers cite."""
        from nasbench.optimizer_seal import named_columns

        sha256 = hashlib.sha256(canonical_json(self.head))
        for name, array in sorted(named_columns(self).items()):
            if not name.endswith("/seconds_per_step"):
                little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
                sha256.update(f"{name} {little.dtype.str} {little.shape}".encode("ascii"))
                sha256.update(little.tobytes())
        return sha256.hexdigest()

    @cached_property
    def head(self) -> dict[str, Any]:
        """Everything that is neither an array nor metadata, as plain JSON."""
        return {
            "tasks": [msgspec.to_builtins(task, str_keys=True) for task in self.tasks.values()],
            "optimizers": [msgspec.to_builtins(entry) for entry in self.optimizers.values()],
            "tuning_seeds": list(self.tuning_seeds),
            "scored_seeds": list(self.scored_seeds),
            "reasons": dict(self.reasons),
        }

    def horizons(self, task: str) -> tuple[int, ...]:
        """Return the multiples of a task's horizon of which there are runs."""
        return tuple(sorted(horizon for name, horizon in self.rows if name == task))

    def curves(self, task: str, optimizer: str, horizon: int = 1, *, scored: bool | None = None) -> Curves:
        """Return the curves of one optimizer on one task.

        Args:
            task: name of the task.
            optimizer: name of the optimizer.
            horizon: multiple of the task's horizon.
            scored: False: all trials on the tuning seeds (1x only). True: the best trial on the scored seeds. None: False at 1x,
                True beyond.

        Raises:
            TableError: no such task, optimizer or horizon; the message lists those there are.
        """
        if task not in self.tasks:
            raise TableError(f"the table has no task {task!r}; it has {list(self.tasks)}")
        if optimizer not in self.optimizers:
            raise TableError(f"the table has no optimizer {optimizer!r}; it has {list(self.optimizers)}")
        if (task, horizon) not in self.rows:
            raise TableError(f"task {task} has no runs at {horizon} x its horizon; it has {list(self.horizons(task))}")
        rows, entry = self.rows[task, horizon], self.optimizers[optimizer]
        final = horizon != 1 if scored is None else scored
        here = rows.optimizer == list(self.optimizers).index(optimizer)
        here &= np.isin(rows.seed, self.scored_seeds if final else self.tuning_seeds)
        chosen = np.flatnonzero(here)
        trials, place = np.unique(rows.trial[chosen], return_inverse=True)
        seeds, column = np.unique(rows.seed[chosen], return_inverse=True)
        shape = (len(trials), len(seeds))

        def spread(values: NDArray[Any]) -> NDArray[np.float64]:
            whole = np.full((*shape, *values.shape[1:]), np.nan)
            whole[place, column] = values[chosen]
            return whole

        status = np.full(shape, "missing", dtype="U8")
        status[place, column] = np.array(STATUSES)[rows.status[chosen]]
        known = {name: spread(values) for name, values in rows.curves.items()}
        # Where a task has no data the splits are one number, which is stored once.
        train_loss, outer_loss, test_loss = (known.get(name, known["train_loss"]) for name in LOSSES)
        train_accuracy, outer_accuracy, test_accuracy = (known.get(name) for name in ACCURACIES)
        return Curves(
            steps=np.array(self.tasks[task].steps[horizon]),
            trials=trials,
            seeds=seeds,
            train_loss=train_loss,
            outer_loss=outer_loss,
            test_loss=test_loss,
            train_accuracy=train_accuracy,
            outer_accuracy=outer_accuracy,
            test_accuracy=test_accuracy,
            status=status,
            work_per_step=spread(rows.work_per_step),
            seconds_per_step=spread(rows.seconds_per_step),
            settings=tuple(entry.trials[trial] for trial in trials),
        )


def open_optimizer_table(path: Path | str) -> OptimizerTable:
    """Read a sealed optimizer table into memory, proving it first.

    Raises:
        FileNotFoundError: there is no such file.
        TableError: not a sealed optimizer table, damaged, of another schema version, or not of the strict schema.
    """
    from nasbench.optimizer_seal import read_optimizer_table

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no optimizer table {path}")
    return read_optimizer_table(path.read_bytes(), str(path))
