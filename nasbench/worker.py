"""One worker of a build: it trains the groups that it is told, one after the other, and journals each before it says so.

`work` is what a process of `engine_local.py` runs; `run_group` is shared with `engine_ray.py`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from multiprocessing import connection, parent_process
from typing import Any

from nasbench.build_folder import new_journal, share_lock
from nasbench.engine import Job, plain
from nasbench.groups import group_members
from nasbench.journal import JournalError, JournalWriter, new_header
from nasbench.recipe import Recipe
from nasbench.results import GroupResult, encode
from nasbench.trainer import Trainer, Watch, load_trainer

READY, DONE, BROKE, FATAL, JOURNAL = "ready", "done", "broke", "fatal", "journal"
"""First field of every message of a worker. After READY (environment, examples) it takes (group, attempt) and answers with
DONE (group, payload or b"") or BROKE (group, reason); JOURNAL (path) comes before the first record stands in that file;
FATAL (reason) means that no worker can go on. After BROKE and FATAL the worker ends: memory and device are given back."""

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def work(job: Job, name: str, device: str, channel: connection.Connection) -> None:
    """Serve groups until None arrives or the supervisor is gone, then end the process.

    Args:
        job: what is built.
        name: the worker's name, for its journal.
        device: where to train.
        channel: where groups come from and messages go to.
    """
    # Ctrl-C and `kill` reach the whole process group; the supervisor decides what becomes of its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    lock = share_lock(job.workers_lock) if job.workers_lock else contextlib.nullcontext()
    with lock, contextlib.suppress(BrokenPipeError):  # the supervisor is gone, and so are we in a moment
        try:
            trainer = start_trainer(job, device)
        except Exception as error:
            channel.send((FATAL, f"{type(error).__name__}: {error}"))
        else:
            channel.send((READY, plain(trainer.environment), trainer.examples))
            with contextlib.ExitStack() as stack:
                _serve(job, name, channel, trainer, stack)
    channel.close()
    os._exit(0)  # the journal is closed; taking torch down properly would take two seconds


def start_trainer(job: Job, device: str) -> Trainer:
    """Make the job's trainer, after telling numeric libraries how many threads the recipe wants."""
    # Read once, when torch is imported, which the trainer does.
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, str(job.recipe.threads)))
    return load_trainer(job.trainer)(job.recipe, device)


def run_group(
    recipe: Recipe,
    trainer: Trainer,
    group: int,
    *,
    attempt: int = 1,
    epochs: int | None = None,
    watch: Watch | None = None,
) -> GroupResult:
    """Train one group, time it, and check that the answer is one.

    Args:
        recipe: the recipe.
        trainer: who trains.
        group: number of the group in the recipe's plan.
        attempt: for the record.
        epochs: stop after this many; None: all.
        watch: is told how the curves grow.

    Raises:
        ValueError: the trainer did not return one complete result for each member.
    """
    members = group_members(recipe, group)
    started, wall, processor = time.time(), time.perf_counter(), time.process_time()
    results = tuple(trainer.train(members, epochs, watch))
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    if tuple(result.key for result in results) != members:
        raise ValueError(
            f"the trainer answered {[result.key for result in results]} for group {group}, {list(members)}"
        )
    wanted = recipe.epochs if epochs is None else epochs
    for result in results:
        if result.epochs != wanted:
            raise ValueError(f"training {result.key} has curves of {result.epochs} epochs, {wanted} were asked for")
    return GroupResult(group, attempt, started, wall, processor, results)


def _serve(job: Job, name: str, channel: connection.Connection, trainer: Trainer, stack: contextlib.ExitStack) -> None:
    journal: JournalWriter | None = None
    while (task := _receive(channel)) is not None:
        group, attempt = task
        try:
            payload = encode(run_group(job.recipe, trainer, group, attempt=attempt))
        except Exception as error:
            channel.send((BROKE, group, f"{type(error).__name__}: {error}"))
            return
        if not job.journal:
            channel.send((DONE, group, payload))
            continue
        try:
            if journal is None:
                header = new_header(job.recipe.digest, plain(trainer.environment), trainer.examples, name)
                journal = stack.enter_context(new_journal(job.folder, header))
                channel.send((JOURNAL, str(journal.path)))
            journal.append(payload)
        except JournalError as error:
            channel.send((FATAL, str(error)))
            return
        channel.send((DONE, group, b""))


def _receive(channel: connection.Connection) -> Any:
    try:
        return channel.recv()
    except (EOFError, OSError):  # the supervisor is gone
        return None


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)  # at once, in the middle of a group: what counts is in the journal, whole
