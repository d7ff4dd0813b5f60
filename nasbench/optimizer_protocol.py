"""A protocol of optimizers: which tasks, optimizers, trials, seeds and horizons. A TOML file of values only, parsed strictly.

Its first key, `kind = "optimizers"`, tells it from a protocol of search strategies.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from nasbench.protocol import Count, Name, ProtocolError


class OptimizerEntrant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of the comparison.

    Attributes:
        name: what tables and figures call it.
        optimizer: name of an optimizer on disk, or a path to a file that defines one.
        variant: name of a variant that the optimizer's file defines.
        settings: fixed settings, on top of those of every trial.
        label: what the figures print, where it differs from the optimizer's title.
    """

    name: Name
    optimizer: str
    variant: str | None = None
    settings: dict[str, Any] = {}
    label: str | None = None


class TaskPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is done with one task.

    Attributes:
        name: of a task in `nasbench.tasks`.
        trials: settings that a tuned optimizer may try.
        tuning_seeds: where it differs from the protocol's; at most as many.
        scored_seeds: where it differs from the protocol's; may be more.
        horizons: multiples of the task's horizon at which the best settings are run, beside 1.
    """

    name: Name
    trials: Count
    tuning_seeds: Count | None = None
    scored_seeds: Count | None = None
    horizons: tuple[Count, ...] = ()


class OptimizerProtocol(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A protocol as read from its file.

    Attributes:
        kind: always `optimizers`.
        name: also the name of the results folder.
        version: `major.minor`.
        title: one line for captions.
        table: name of the table that comes with the package, or a path relative to the protocol's file.
        tuning_seeds: seeds on which every trial is run.
        scored_seeds: fresh seeds on which the best trial is run at 1x.
        horizon_seeds: the first of the scored seeds, on which it is run at the further horizons.
        tasks: the tasks, in the order in which they are built.
        entrants: rows of the comparison.
    """

    kind: Literal["optimizers"]
    name: Name
    version: Annotated[str, msgspec.Meta(pattern=r"^[0-9]+\.[0-9]+\Z")]
    title: str
    table: str
    tuning_seeds: Count
    scored_seeds: Count
    horizon_seeds: Count
    tasks: Annotated[tuple[TaskPlan, ...], msgspec.Meta(min_length=1)]
    entrants: Annotated[tuple[OptimizerEntrant, ...], msgspec.Meta(min_length=1)]


def read_optimizer_protocol(path: Path) -> OptimizerProtocol:
    """Read and check a protocol file.

    Raises:
        FileNotFoundError: there is no such file.
        ProtocolError: not TOML, of another kind, an unknown key, a wrong type or value, a name used twice.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no protocol {path}")
    try:
        protocol = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), OptimizerProtocol)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProtocolError(f"{path}: not a TOML file: {error}") from None
    except msgspec.ValidationError as error:
        raise ProtocolError(f"{path}: {error}") from None
    for place, names in (
        ("entrants", [entrant.name for entrant in protocol.entrants]),
        ("tasks", [task.name for task in protocol.tasks]),
    ):
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ProtocolError(f"{path}: $.{place}: {twice} stand there more than once")
    for task in protocol.tasks:
        if list(task.horizons) != sorted(set(task.horizons)) or 1 in task.horizons:
            raise ProtocolError(f"{path}: task {task.name}: horizons {list(task.horizons)} must ascend and be above 1")
        if task.tuning_seeds is not None and task.tuning_seeds > protocol.tuning_seeds:
            raise ProtocolError(
                f"{path}: task {task.name}: tuning_seeds is {task.tuning_seeds}, must be at most the protocol's, "
                f"{protocol.tuning_seeds}"
            )
    if protocol.horizon_seeds > protocol.scored_seeds:
        raise ProtocolError(
            f"{path}: horizon_seeds is {protocol.horizon_seeds}, must be at most scored_seeds, {protocol.scored_seeds}"
        )
    return protocol
