"""The engine of one machine: a supervisor and spawn-ed worker processes, one a core or several a GPU.

The supervisor hands out groups, starts a new worker for one that died, and keeps nothing that is not in the journals: it
may be killed at any moment. `concurrent.futures` and joblib lose the whole pool when one process dies (2 of 10 and 0 of 10
tasks done in a trial).
"""

from __future__ import annotations

import contextlib
import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing import connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from nasbench.build_folder import BuildError
from nasbench.engine import Effort, Gate, Job, Ledger, Outcome, Progress, Reporter, Stop
from nasbench.journal import read_journal
from nasbench.results import decode
from nasbench.worker import BROKE, DONE, FATAL, JOURNAL, READY, work

TICK = 0.5
"""Seconds between looks at the clock when nothing happens."""


@dataclass(eq=False)
class _Worker:
    process: SpawnProcess
    channel: connection.Connection
    ready: bool = False
    task: tuple[int, int] | None = None  # group, attempt
    since: float = 0.0
    journal: Path | None = None
    ended: bool = False  # it said why it ends


@dataclass
class _Supervisor:
    job: Job
    effort: Effort
    progress: Progress
    report: Reporter
    stop: Stop
    ledger: Ledger
    gate: Gate
    outcome: Outcome = field(default_factory=Outcome)
    workers: list[_Worker] = field(default_factory=list)
    started: int = 0
    stillborn: int = 0  # workers in a row that died before they were ready


def run_local(
    job: Job, groups: Sequence[int], effort: Effort, progress: Progress, report: Reporter, stop: Stop
) -> Outcome:
    """Train groups on processes of this machine; see `Engine`."""
    state = _Supervisor(job, effort, progress, report, stop, Ledger(groups, effort.attempts), Gate(job))
    try:
        _supervise(state)
    finally:
        _end_all(state)
        progress.running = 0
    state.outcome.failed.update(state.ledger.failed)
    return state.outcome


def _supervise(state: _Supervisor) -> None:
    while True:
        running = sum(worker.task is not None for worker in state.workers)
        if state.stop.requests:
            if running == 0 or state.stop.due(state.effort.grace):
                state.outcome.stopped = running > 0 or state.ledger.waiting() > 0
                return
        else:
            if running == 0 and state.ledger.waiting() == 0:
                return
            _staff(state, running)
            _hand_out(state)
        state.progress.running = sum(worker.task is not None for worker in state.workers)
        state.report(state.progress)
        _listen(state)
        _check_clock(state)


def _staff(state: _Supervisor, running: int) -> None:
    """Start workers that are missing, end those that are of no more use."""
    wanted = state.ledger.wanted(running, state.effort.workers)
    while len(state.workers) < wanted:
        state.workers.append(_start(state))
    for worker in [worker for worker in state.workers if worker.task is None][: len(state.workers) - wanted]:
        _end(worker)
        state.workers.remove(worker)


def _start(state: _Supervisor) -> _Worker:
    here, there = multiprocessing.Pipe()
    number = state.started
    device = state.job.devices[number % len(state.job.devices)]
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=work, args=(state.job, f"w{number}", device, there), daemon=True)
    state.started += 1
    process.start()
    there.close()
    return _Worker(process, here)


def _hand_out(state: _Supervisor) -> None:
    for worker in state.workers:
        if not worker.ready or worker.task is not None:
            continue
        task = state.ledger.next(sum(other.task is not None for other in state.workers))
        if task is None:
            return
        worker.task, worker.since = task, time.monotonic()
        with contextlib.suppress(OSError):  # it has just died: its sentinel will say so
            worker.channel.send(task)


def _listen(state: _Supervisor) -> None:
    by_handle: dict[Any, _Worker] = {}
    for worker in state.workers:
        by_handle[worker.channel] = by_handle[worker.process.sentinel] = worker
    for worker in dict.fromkeys(by_handle[handle] for handle in connection.wait(list(by_handle), TICK)):
        alive = worker.process.is_alive()  # asked before the channel is emptied, so that no last word is missed
        with contextlib.suppress(EOFError, OSError):
            while worker.channel.poll():
                _hear(state, worker, worker.channel.recv())
        if not alive:
            _bury(state, worker)


def _hear(state: _Supervisor, worker: _Worker, message: tuple[Any, ...]) -> None:
    kind = message[0]
    if kind == READY:
        state.gate.admit(message[1], message[2])
        worker.ready, state.stillborn = True, 0
    elif kind == JOURNAL:
        worker.journal = Path(message[1])
    elif kind == FATAL:
        raise BuildError(message[1])
    elif kind == DONE:
        if message[2]:
            state.outcome.payloads[message[1]] = message[2]
        _finish(state, worker)
    elif kind == BROKE:
        worker.ended, worker.ready = True, False  # it gets no other group
        _retry(state, worker, message[2], error=True)


def _finish(state: _Supervisor, worker: _Worker) -> None:
    worker.task = None
    state.progress.done += 1
    state.ledger.succeeded()


def _retry(state: _Supervisor, worker: _Worker, reason: str, *, error: bool) -> None:
    if worker.task is None:
        return
    group, attempt = worker.task
    worker.task = None
    state.progress.failures += 1
    again = state.ledger.broke(group, attempt, reason, error=error)
    state.progress.notes.append(
        f"group {group}, attempt {attempt}: {reason}; " + ("will be tried again, alone" if again else "given up")
    )


def _bury(state: _Supervisor, worker: _Worker) -> None:
    state.workers.remove(worker)
    worker.process.join()
    worker.channel.close()
    if not worker.ready and not worker.ended:
        state.stillborn += 1
        if state.stillborn >= max(5, state.effort.attempts):
            raise BuildError(f"{state.stillborn} workers in a row died at their start: {_cause(worker)}")
    if worker.task is not None:
        # It may have been killed after its record was written and before it could say so.
        if worker.journal and worker.task[0] in _journalled(worker.journal):
            _finish(state, worker)
        else:
            _retry(state, worker, f"its worker {_cause(worker)}", error=False)


def _cause(worker: _Worker) -> str:
    code = worker.process.exitcode
    if code == -9:
        return "was killed (signal 9: by hand, or by the system for lack of memory)"
    return f"was ended by signal {-code}" if code is not None and code < 0 else f"ended with exit code {code}"


def _journalled(path: Path) -> set[int]:
    return {decode(payload).group for payload in read_journal(path).payloads}


def _check_clock(state: _Supervisor) -> None:
    if state.effort.timeout is None:
        return
    for worker in state.workers:
        if worker.task is not None and time.monotonic() - worker.since > state.effort.timeout:
            worker.ended, worker.ready = True, False
            _retry(state, worker, f"took longer than {state.effort.timeout:g} seconds", error=False)
            worker.process.kill()


def _end(worker: _Worker) -> None:
    """Ask an idle worker to end, and see to it."""
    with contextlib.suppress(OSError):
        worker.channel.send(None)
    worker.process.join(5.0)
    if worker.process.is_alive():
        worker.process.kill()
        worker.process.join()
    worker.channel.close()


def _end_all(state: _Supervisor) -> None:

    for worker in state.workers:
        if worker.task is not None or not worker.ready:
            worker.process.kill()  # a frame of its journal stands whole or not at all
    for worker in state.workers:
        _end(worker)
    state.workers.clear()
