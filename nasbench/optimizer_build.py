"""Build the optimizer table: processes that take units, journal every finished run, and may be killed at any moment.

Running again goes on: a run whose fingerprint (task, data, code, settings, seed, environment) stands in a journal is not made again.
One process or many give the same bits, since a run uses one thread and draws from its own generators alone.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.queues import Queue
from pathlib import Path
from queue import Empty
from typing import Any

import msgspec
import torch

from nasbench.journal import Examples, JournalWriter, new_header, read_journal
from nasbench.optimizer_plan import Plan, make_plan
from nasbench.optimizer_protocol import OptimizerEntrant, OptimizerProtocol
from nasbench.optimizer_run import environment, train
from nasbench.optimizer_table import RunKey, RunResult

RECIPE = "optimizers"
"""Stands where the journal of a training pipeline has its recipe's digest; every run carries its own fingerprint."""

Report = Callable[[str], None]
Unit = tuple[str, str]


class _Record(msgspec.Struct, frozen=True):
    fingerprint: str
    result: RunResult


def read_results(plan: Plan, folder: Path) -> dict[RunKey, RunResult]:
    """Return the finished runs of a plan that stand in a folder's journals; runs of other code or tasks are passed over.

    Raises:
        JournalError: a file is no journal.
    """
    found: dict[RunKey, RunResult] = {}
    prints: dict[RunKey, str] = {}
    for path in sorted(folder.glob("*.journal")):
        for payload in read_journal(path).payloads:
            record = msgspec.msgpack.decode(payload, type=_Record)
            key = record.result.key
            if key.task not in plan.tasks or key.optimizer not in plan.optimizers:
                continue
            if key.trial >= len(plan.trials[key.optimizer]):
                continue
            if key not in prints:
                prints[key] = plan.fingerprint(key)
            if record.fingerprint == prints[key]:
                found[key] = record.result
    return found


def build_optimizers(
    protocol: OptimizerProtocol,
    folder: Path,
    workers: int,
    *,
    further: Sequence[OptimizerEntrant] = (),
    only: Sequence[str] = (),
    seconds: float | None = None,
    report: Report = print,
) -> tuple[Plan, dict[RunKey, RunResult]]:
    """Make all runs that are missing.

    Args:
        protocol: what is asked for.
        folder: where the journals are; made if need be.
        workers: processes; moves no bit.
        further: entrants besides the protocol's.
        only: names of the entrants that are run; all if empty.
        seconds: no unit is begun after this long.
        report: takes a line of progress.

    Returns:
        The plan, and all finished runs.

    Raises:
        ValueError: fewer than one worker.
        RuntimeError: a worker process died; what it had finished is kept.
    """
    if workers < 1:
        raise ValueError(f"workers is {workers}, must be at least 1")
    torch.set_num_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    plan = make_plan(protocol, further)
    for name, reason in plan.refused.items():
        report(f"left out: {name}: {reason}")
    results = read_results(plan, folder)
    units = [unit for unit in plan.units if (not only or unit[1] in only) and plan.missing(*unit, results)]
    report(f"{len(results)} runs were there already; {len(units)} of {len(plan.units)} units to go")
    if units:
        _supervise(protocol, further, folder, units, min(workers, len(units)), seconds, report)
        results = read_results(plan, folder)
    return plan, results


def make_runs(plan: Plan, unit: Unit, results: dict[RunKey, RunResult], writer: JournalWriter) -> None:
    """Make the missing runs of one unit, tuning first, and journal each; `results` grows."""
    task, name = unit
    while missing := plan.missing(task, name, results):
        for key in missing:
            result = train(plan.tasks[task], plan.optimizers[name], plan.trials[name][key.trial], key)
            writer.append(msgspec.msgpack.encode(_Record(plan.fingerprint(key), result)))
            results[key] = result


def _supervise(
    protocol: OptimizerProtocol,
    further: Sequence[OptimizerEntrant],
    folder: Path,
    units: Sequence[Unit],
    workers: int,
    seconds: float | None,
    report: Report,
) -> None:
    context = multiprocessing.get_context("spawn")
    tasks: Queue[Unit | None] = context.Queue()
    done: Queue[tuple[Unit, float]] = context.Queue()
    stop = None if seconds is None else time.time() + seconds
    for unit in [*units, *[None] * workers]:
        tasks.put(unit)
    processes = [
        context.Process(target=_serve, args=(protocol, tuple(further), folder, number, tasks, done, stop), daemon=True)
        for number in range(workers)
    ]
    for process in processes:
        process.start()
    finished = 0
    while any(process.is_alive() for process in processes) or not done.empty():
        try:
            unit, spent = done.get(timeout=0.5)
        except Empty:
            continue
        finished += 1
        report(f"{finished} of {len(units)}: {unit[1]} on {unit[0]}, {spent:.1f} s")
    died = [process.exitcode for process in processes if process.exitcode]
    if died:
        raise RuntimeError(
            f"a worker ended with code {died[0]}; its finished runs are kept: run the same command again"
        )


def _serve(
    protocol: OptimizerProtocol,
    further: tuple[OptimizerEntrant, ...],
    folder: Path,
    number: int,
    tasks: Queue[Unit | None],
    done: Queue[tuple[Unit, float]],
    stop: float | None,
) -> None:
    """Take units until there are none, the time is up, or the supervisor is gone."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    plan = make_plan(protocol, further)
    results = read_results(plan, folder)
    examples = Examples((1, 1, 1), 1, {name: (task.horizon, "") for name, task in plan.tasks.items()})
    name = f"{time.strftime('%Y%m%dT%H%M%S')}-w{number}-{os.getpid()}"
    header = new_header(RECIPE, environment(), examples, name)
    with JournalWriter(folder / f"{name}.journal", header, sync="close") as writer:
        while (unit := tasks.get()) is not None:
            if stop is not None and time.time() > stop:
                return
            start = time.perf_counter()
            make_runs(plan, unit, results, writer)
            done.put((unit, time.perf_counter() - start))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # what is journalled is safe; nobody waits for the rest


def describe_build(protocol: OptimizerProtocol) -> Mapping[str, Any]:
    """Return the metadata of a table that is sealed now: protocol, environment, versions."""
    import numpy
    import scipy

    from nasbench import __version__

    return {
        "protocol": msgspec.to_builtins(protocol),
        "environment": environment(),
        "versions": {"nasbench-live": __version__, "numpy": numpy.__version__, "scipy": scipy.__version__},
    }
