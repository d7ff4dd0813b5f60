"""`nasbench run` with a protocol of optimizers: stored curves from the table, new runs only for optimizers of one's own."""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np

from nasbench.load import find_protocol
from nasbench.optimizer_protocol import OptimizerEntrant, OptimizerProtocol, read_optimizer_protocol
from nasbench.optimizer_seal import seal_optimizers
from nasbench.optimizer_table import LOSSES, OptimizerTable, Rows, open_optimizer_table
from nasbench.protocol import ProtocolError
from nasbench.table import TableError
from nasbench.table_file import table_file

REPORT = "nasbench.analysis.optimizer_report"
"""Module with `report(table, folder)`, which makes tables and figures; found by name, since the library imports no analysis."""


def write_optimizer_findings(options: argparse.Namespace) -> None:
    """Hold claims about optimizers against a table of curves: the page and its figures."""
    from nasbench.analysis.optimizer_findings_page import write_findings

    for path in write_findings(open_optimizer_table(options.table), options.out):
        print(path)


def run_optimizers(options: argparse.Namespace) -> int:
    """Compare optimizers as the command line asks; return 1 if one could not be run."""
    path = Path(str(find_protocol(options.protocol)))
    protocol = read_optimizer_protocol(path)
    for name in ("strategy", "live", "runs"):
        if getattr(options, name):
            raise ProtocolError(f"--{name} is for a protocol of strategies; {path.name} is one of optimizers")
    table = open_optimizer_table(_find_table(protocol, path))
    folder = options.results / protocol.name
    folder.mkdir(parents=True, exist_ok=True)
    further = [_entrant(reference, protocol, table) for reference in options.optimizer]
    failed = 0
    if further:
        table, refused = with_own(table, protocol, further, folder / "journals", options.workers)
        for name, reason in refused.items():
            print(f"left out: {name}: {reason}")
        failed = len(refused)
        seal_optimizers(table, folder / "optimizers.h5")
    for line in summary(table):
        print(line)
    if not options.no_report and importlib.util.find_spec("nasbench.analysis") and importlib.util.find_spec(REPORT):
        made = importlib.import_module(REPORT).report(table, folder)
        print(
            f"\n{folder}/: {len(made.files)} files of the report{', up to date' if made.kept else ''}: summary.md, tables, figures"
        )
        print(made.no_page or f"{folder / 'report.html'}: all of it as one page that opens without a network")
    return 1 if failed else 0


def with_own(
    table: OptimizerTable,
    protocol: OptimizerProtocol,
    further: Sequence[OptimizerEntrant],
    folder: Path,
    workers: int,
) -> tuple[OptimizerTable, dict[str, str]]:
    """Return the table with further optimizers in it, making only their runs, and what was left out, with reasons.

    Args:
        table: stored curves; they stay as they are.
        protocol: how the new ones are run: on those of its tasks that are in the table.
        further: the new ones.
        folder: journals of their runs; what stands there is not run again.
        workers: processes.

    Raises:
        TableError: a task of the table is of another version than the task here, or its seeds are not the protocol's.
    """
    from nasbench.optimizer_build import build_optimizers
    from nasbench.optimizer_plan import assemble, make_plan
    from nasbench.tasks import load_task

    for name, entry in table.tasks.items():
        task = load_task(name)
        if (task.version, dict(task.digests)) != (entry.version, entry.digests):
            raise TableError(
                f"task {name} is version {entry.version} in the table and {task.version} here, or its data differ: "
                "new runs can't stand beside the stored ones; build the table anew (nasbench build-optimizers)"
            )
    own = tuple(plan for plan in protocol.tasks if plan.name in table.tasks)
    alone = msgspec.structs.replace(protocol, tasks=own, entrants=tuple(further))
    plan = make_plan(alone)
    if (plan.tuning_seeds, plan.scored_seeds) != (table.tuning_seeds, table.scored_seeds):
        raise TableError(
            f"the table was made with seeds {table.tuning_seeds} and {table.scored_seeds}, not the protocol's "
            f"{plan.tuning_seeds} and {plan.scored_seeds}: build it anew (nasbench build-optimizers)"
        )
    plan, results = build_optimizers(alone, folder, workers)
    made = assemble(plan, results, {})
    return merge(table, made), dict(plan.refused)


def merge(table: OptimizerTable, other: OptimizerTable) -> OptimizerTable:
    """Return one table of the optimizers of both; tasks and horizons are those of the first.

    Raises:
        TableError: an optimizer is in both.
    """
    twice = sorted(set(table.optimizers) & set(other.optimizers))
    if twice:
        raise TableError(f"{twice} are in the table already; rename the file")
    rows = {}
    for place, mine in table.rows.items():
        if place not in other.rows:
            rows[place] = mine
            continue
        more = other.rows[place]
        columns: dict[str, Any] = {
            column: np.concatenate([getattr(mine, column), getattr(more, column)])
            for column in ("trial", "seed", "status", "seconds_per_step", "work_per_step")
        }
        columns["optimizer"] = np.concatenate([mine.optimizer, more.optimizer + len(table.optimizers)])
        curves = {name: np.concatenate([values, more.curves[name]]) for name, values in mine.curves.items()}
        rows[place] = Rows(curves=MappingProxyType(curves), **columns)
    return OptimizerTable(
        table.tasks,
        MappingProxyType({**table.optimizers, **other.optimizers}),
        MappingProxyType(rows),
        table.tuning_seeds,
        table.scored_seeds,
        MappingProxyType({**table.reasons, **other.reasons}),
        MappingProxyType({**table.metadata, "merged": sorted(other.optimizers)}),
    )


def summary(table: OptimizerTable) -> list[str]:
    """Return a line for each optimizer: mean final test loss on fresh seeds, task by task; a dash where there are no runs."""
    width = max(len(name) for name in table.optimizers)
    lines = [
        f"Mean final {LOSSES[2]} of the best trial on fresh seeds, at 1x",
        " " * width + "  " + "  ".join(table.tasks),
    ]
    for name, entry in table.optimizers.items():
        cells = []
        for task in table.tasks:
            text = "-"
            if task in entry.best:
                text = f"{table.curves(task, name, scored=True).test_loss[0, :, -1].mean():.4f}"
            cells.append(text.rjust(len(task)))
        lines.append(name.ljust(width) + "  " + "  ".join(cells))
    return lines


def _find_table(protocol: OptimizerProtocol, path: Path) -> Path:
    found = table_file(protocol.table, path.parent)
    if found is None:
        raise ProtocolError(
            f"{path}: table {protocol.table!r} neither comes with the package nor lies beside the protocol; "
            f"make it: nasbench build-optimizers {path.stem} {protocol.table}.h5"
        )
    return found


def _entrant(reference: str, protocol: OptimizerProtocol, table: OptimizerTable) -> OptimizerEntrant:
    name = Path(reference.removesuffix(".py")).name.replace(":", ".").replace("_", "-").lower()
    if name in {entrant.name for entrant in protocol.entrants} | set(table.optimizers):
        raise ProtocolError(f"optimizer {reference}: there is an entrant {name!r} already; rename the file")
    try:
        return msgspec.convert({"name": name, "optimizer": reference}, OptimizerEntrant)
    except msgspec.ValidationError as error:
        raise ProtocolError(
            f"optimizer {reference}: {name!r} can't name an entrant: {error}; rename the file"
        ) from None
