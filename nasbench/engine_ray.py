"""The engine of a cluster: long-lived Ray actors that train the groups they are told (extra `ray`).

Ray Core, not Tune, and actors, not tasks: Ray restarts the process of a GPU task after each one (0.4 s in a trial), an actor
keeps its process, its data set and its device. An actor hands its records back and the driver journals them, so that
machines need no common file system; a driver that is killed loses what was in progress and nothing else. Each machine needs
the same installation, and data that are read from disk at the same path.

GPUs can be shared: `gpus=0.25` puts four actors on one. Ray only keeps count of it and sets `CUDA_VISIBLE_DEVICES`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from nasbench.build_folder import BuildError, new_journal
from nasbench.engine import Effort, Engine, Gate, Job, Ledger, Outcome, Progress, Reporter, Stop, plain
from nasbench.journal import Examples, JournalError, JournalWriter, new_header
from nasbench.results import encode
from nasbench.table import canonical_json
from nasbench.trainer import Trainer
from nasbench.worker import run_group, start_trainer

TICK = 0.5
"""Seconds between looks at the clock when nothing happens."""


class GroupActor:
    """What runs on a node; `ray.remote` makes an actor class of it."""

    def __init__(self, job: Job, device: str) -> None:
        self._job = job
        self._trainer: Trainer = start_trainer(job, device)

    def ready(self) -> tuple[dict[str, Any], Examples]:
        """Return environment and data set."""
        return plain(self._trainer.environment), self._trainer.examples

    def train(self, group: int, attempt: int) -> bytes:
        """Train one group and return its encoded record."""
        return encode(run_group(self._job.recipe, self._trainer, group, attempt=attempt))


@dataclass(eq=False)
class _Member:
    actor: Any
    environment: dict[str, Any] = field(default_factory=dict)
    ready: bool = False
    task: tuple[int, int] | None = None
    since: float = 0.0


@dataclass
class _Driver:
    ray: Any
    make: Any
    job: Job
    effort: Effort
    progress: Progress
    report: Reporter
    stop: Stop
    ledger: Ledger
    gate: Gate
    journals: contextlib.ExitStack
    outcome: Outcome = field(default_factory=Outcome)
    members: dict[Any, _Member] = field(
        default_factory=dict
    )  # by the reference that each one's next word comes through
    idle: list[_Member] = field(default_factory=list)
    writers: dict[bytes, JournalWriter] = field(default_factory=dict)  # by environment
    examples: Examples | None = None
    stillborn: int = 0


def ray_engine(address: str | None = None, *, gpus: float = 0.0, cpus: int | None = None) -> Engine:
    """Return an engine that trains on a Ray cluster.

    Args:
        address: address of a running cluster, or `auto`; None: the one this process is connected to, or else a cluster of this
            machine alone, which ends with the run.
        gpus: GPUs of each actor, a fraction if they share; 0: train on the CPU.
        cpus: cores of a cluster of this machine alone; None: all.

    Raises:
        ImportError: Ray is not installed.
        ValueError: a negative number of GPUs.
    """
    if gpus < 0:
        raise ValueError(f"gpus is {gpus}, must be 0 or more")
    ray = import_ray()

    def run_ray(
        job: Job, groups: Sequence[int], effort: Effort, progress: Progress, report: Reporter, stop: Stop
    ) -> Outcome:
        with _connected(ray, address, cpus), contextlib.ExitStack() as journals:
            remote = ray.remote(num_cpus=job.recipe.threads, num_gpus=gpus, max_restarts=0)(GroupActor)

            def make() -> Any:
                return remote.remote(job, "cuda" if gpus else job.devices[0])

            ledger = Ledger(groups, effort.attempts)
            driver = _Driver(ray, make, job, effort, progress, report, stop, ledger, Gate(job), journals)
            try:
                _drive(driver)
            finally:
                for member in (*driver.members.values(), *driver.idle):
                    ray.kill(member.actor)
                progress.running = 0
            driver.outcome.failed.update(ledger.failed)
            return driver.outcome

    return run_ray


def import_ray() -> Any:
    """Import Ray without its usage reports.

    Raises:
        ImportError: it is not installed; the message says how to get it.
    """
    # Ray reads both when it is imported: no reports to its makers, and GPU masks of CPU actors left alone.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError as error:
        raise ImportError(f"the Ray engine needs Ray ({error}): pip install '.[ray]' in the checkout") from error
    return ray


@contextlib.contextmanager
def _connected(ray: Any, address: str | None, cpus: int | None) -> Iterator[None]:
    if ray.is_initialized():
        yield
        return
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    options: dict[str, Any] = {"address": address or "local"}  # not whatever RAY_ADDRESS says
    if not address:
        options |= {"num_cpus": cpus, "include_dashboard": False}
    try:
        ray.init(log_to_driver=False, logging_level="ERROR", **options)
    except (ConnectionError, RuntimeError) as error:
        raise BuildError(f"no Ray cluster at {address or 'this machine'}: {error}") from error
    with contextlib.suppress(ValueError):  # not the main thread
        for number, handler in handlers.items():
            signal.signal(number, handler)  # Ray puts its own there, which would end the driver
    try:
        yield
    finally:
        ray.shutdown()


def _drive(driver: _Driver) -> None:
    while True:
        running = sum(member.task is not None for member in driver.members.values())
        if driver.stop.requests:
            if running == 0 or driver.stop.due(driver.effort.grace):
                driver.outcome.stopped = running > 0 or driver.ledger.waiting() > 0
                return
        else:
            if running == 0 and driver.ledger.waiting() == 0:
                return
            _staff(driver, running)
            running = _hand_out(driver, running)
        driver.progress.running = running
        driver.report(driver.progress)
        if not driver.members:
            time.sleep(TICK)
            continue
        heard, _ = driver.ray.wait(list(driver.members), num_returns=1, timeout=TICK)
        for reference in heard:
            _hear(driver, driver.members.pop(reference), reference)
        _check_clock(driver)


def _staff(driver: _Driver, running: int) -> None:
    wanted = driver.ledger.wanted(running, driver.effort.workers)
    while len(driver.members) + len(driver.idle) < wanted:
        member = _Member(driver.make())
        driver.members[member.actor.ready.remote()] = member
    while driver.idle and len(driver.members) + len(driver.idle) > wanted:
        driver.ray.kill(driver.idle.pop().actor)


def _hand_out(driver: _Driver, running: int) -> int:
    while driver.idle:
        task = driver.ledger.next(running)
        if task is None:
            break
        member = driver.idle.pop()
        member.task, member.since = task, time.monotonic()
        driver.members[member.actor.train.remote(*task)] = member
        running += 1
    return running


def _hear(driver: _Driver, member: _Member, reference: Any) -> None:
    try:
        answer = driver.ray.get(reference)
    except Exception as error:  # what the trainer raised, or that the actor is gone
        _lost(driver, member, error)
        return
    if not member.ready:
        member.environment, driver.examples = answer
        driver.gate.admit(*answer)
        member.ready, driver.stillborn = True, 0
    elif member.task is not None:
        group, member.task = member.task[0], None
        if driver.job.journal:
            _journal(driver, member, answer)
        else:
            driver.outcome.payloads[group] = answer
        driver.progress.done += 1
        driver.ledger.succeeded()
    driver.idle.append(member)


def _journal(driver: _Driver, member: _Member, payload: bytes) -> None:
    name = canonical_json(member.environment)
    if name not in driver.writers:
        if driver.examples is None:
            raise AssertionError("an actor answered before it was ready")
        header = new_header(driver.job.recipe.digest, member.environment, driver.examples, "ray")
        writer = driver.journals.enter_context(new_journal(driver.job.folder, header))
        driver.writers[name] = writer
    try:
        driver.writers[name].append(payload)
    except JournalError as error:
        raise BuildError(str(error)) from error


def _lost(driver: _Driver, member: _Member, error: Exception) -> None:
    raised = isinstance(error, driver.ray.exceptions.RayTaskError)
    with contextlib.suppress(Exception):
        driver.ray.kill(member.actor)
    reason = str(getattr(error, "cause", None) or error).strip().splitlines()[-1]
    if not member.ready:
        driver.stillborn += 1
        if raised or driver.stillborn >= max(5, driver.effort.attempts):
            raise BuildError(f"a Ray actor can't start: {reason}")
        return
    if member.task is not None:
        group, attempt = member.task
        driver.progress.failures += 1
        reason = f"{type(error).__name__}: {reason}"
        again = driver.ledger.broke(group, attempt, reason, error=raised)
        driver.progress.notes.append(
            f"group {group}, attempt {attempt}: {reason}; " + ("will be tried again, alone" if again else "given up")
        )


def _check_clock(driver: _Driver) -> None:
    if driver.effort.timeout is None:
        return
    for member in driver.members.values():
        if member.task is not None and time.monotonic() - member.since > driver.effort.timeout:
            driver.ray.kill(member.actor)  # its reference answers with an error, which counts as an attempt
