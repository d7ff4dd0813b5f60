"""What every engine is given and gives back: a `Job`, and the `Outcome` of running groups of it.

An engine carries out groups of trainings on workers of its kind (`engine_local.py`: processes of this machine;
`engine_ray.py`: actors of a Ray cluster), journals what is finished, retries what broke, and stops when it is asked to. It
decides nothing that a result depends on, so the same groups give the same bits on any engine.
"""

from __future__ import annotations

import contextlib
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

from nasbench.build_folder import BuildError
from nasbench.journal import Examples
from nasbench.recipe import Recipe

GRACE = 25.0
"""Seconds that groups in progress are given to finish after a first SIGTERM or SIGINT; SLURM kills 30 seconds after it."""


@dataclass(frozen=True)
class Job:
    """What to build and where.

    Attributes:
        recipe: the recipe.
        folder: the build's folder, where journals go.
        trainer: name of the trainer (`trainer.py`).
        devices: a device for each worker, taken in turn, such as `cpu` or `cuda:0`.
        environments: environments that are known to give the bits of what is finished; empty: nothing is finished, the first
            worker's is taken; None: any is accepted.
        examples: what the trainings in the folder were made on; None: there are none yet.
        workers_lock: lock file that workers share; None: no lock is kept (another machine's workers).
        journal: write results to journals; False: hand them back in `Outcome.payloads` (to prove an environment).
    """

    recipe: Recipe
    folder: Path
    trainer: str
    devices: tuple[str, ...] = ("cpu",)
    environments: tuple[Mapping[str, Any], ...] | None = ()
    examples: Examples | None = None
    workers_lock: Path | None = None
    journal: bool = True


@dataclass(frozen=True)
class Effort:
    """How hard to try.

    Attributes:
        workers: processes (or actors) that train at the same time.
        attempts: how often a group is tried before it counts as failed. All attempts after the first are made alone, when
            every other group is done and no other worker is there, so that a group that died for lack of memory has the
            whole machine's.
        grace: seconds that groups in progress are given after the first request to stop.
        timeout: seconds after which a worker that still has not finished a group is ended; None: never.

    Raises:
        ValueError: a value out of range.
    """

    workers: int = 1
    attempts: int = 3
    grace: float = GRACE
    timeout: float | None = None

    def __post_init__(self) -> None:
        for name in ("workers", "attempts"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, must be at least 1")
        if self.timeout is not None and self.timeout <= 0:
            raise ValueError(f"timeout is {self.timeout}, must be above 0 seconds, or None")


@dataclass
class Progress:
    """Where a build stands; an engine changes it and calls the reporter.

    Attributes:
        total: groups of this build (or shard).
        before: groups that were finished when it started.
        trainings: trainings in a group.
        done: groups finished since.
        running: groups in progress.
        failures: attempts that failed.
        started: clock (monotonic seconds) when work began.
        notes: messages for people that were not shown yet; the reporter takes them out.
    """

    total: int
    before: int
    trainings: int
    done: int = 0
    running: int = 0
    failures: int = 0
    started: float = field(default_factory=time.monotonic)
    notes: list[str] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Trainings per second since work began; 0 before the first is finished."""
        elapsed = time.monotonic() - self.started
        return self.done * self.trainings / elapsed if elapsed > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Estimate of the seconds to go; None before the first group is finished."""
        left = self.total - self.before - self.done
        return left * self.trainings / self.rate if self.rate else None


Reporter = Callable[[Progress], None]


@dataclass
class Outcome:
    """What came of a run of an engine.

    Attributes:
        failed: why each group that was given up failed.
        stopped: it was asked to stop before all groups were done.
        payloads: encoded records by group, if the job does not journal.
    """

    failed: dict[int, str] = field(default_factory=dict)
    stopped: bool = False
    payloads: dict[int, bytes] = field(default_factory=dict)


class Engine(Protocol):
    """Carries out groups of a job."""

    def __call__(
        self, job: Job, groups: Sequence[int], effort: Effort, progress: Progress, report: Reporter, stop: Stop
    ) -> Outcome:
        """Train groups, in about this order, and journal them.

        Raises:
            BuildError: it can't go on; what is finished is in the journals.
            EnvironmentChange: a worker's environment is not one of the job's.
        """


class EnvironmentChange(BuildError):
    """A worker runs in an environment that is not known to give the same bits.

    Attributes:
        environment: the worker's.
    """

    def __init__(self, environment: Mapping[str, Any], known: Sequence[Mapping[str, Any]]) -> None:
        self.environment = dict(environment)
        nearest = min(known, key=lambda other: len(_differences(other, environment)))
        changes = "; ".join(f"{name}: {old!r} -> {new!r}" for name, old, new in _differences(nearest, environment))
        super().__init__(f"the environment is not the one that the build began in ({changes})")


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    return [(name, old.get(name), new.get(name)) for name in sorted({*old, *new}) if old.get(name) != new.get(name)]


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping as it looks after a journey through a file: JSON's types only, so that equal means equal."""
    found: dict[str, Any] = json.loads(json.dumps(dict(values), sort_keys=True))
    return found


class Gate:
    """Lets workers in whose data and environment fit to what is finished; of two different first ones, only one."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._examples = job.examples
        self._environments = None if job.environments is None else [plain(known) for known in job.environments]

    def admit(self, environment: Mapping[str, Any], examples: Examples) -> None:
        """Check a worker that has started.

        Raises:
            BuildError: its data set is not the one that finished trainings were made with.
            EnvironmentChange: its environment is not known to give their bits.
        """
        if self._examples is None:
            self._examples = examples
        if examples != self._examples:
            raise BuildError(
                f"data set {self._job.recipe.dataset.name} is not the one that the build began with: it is {examples}, the "
                f"build's is {self._examples}"
            )
        if self._environments == []:
            self._environments.append(plain(environment))
        if self._environments is not None and plain(environment) not in self._environments:
            raise EnvironmentChange(environment, self._environments)


class Stop:
    """Whether the build was asked to stop, and how urgently: 1: finish what is in progress, 2: now."""

    def __init__(self) -> None:
        self.requests = 0
        self.since = 0.0

    def request(self) -> None:
        """Ask to stop; a second time: at once."""
        self.requests += 1
        if self.requests == 1:
            self.since = time.monotonic()

    def due(self, grace: float) -> bool:
        """Return whether what is in progress must be given up now."""
        return self.requests > 1 or (self.requests == 1 and time.monotonic() - self.since > grace)


@contextlib.contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Turn SIGINT and SIGTERM into requests to stop while the context lasts (in the main thread; elsewhere they are left)."""
    stop = Stop()

    def ask(number: int, frame: FrameType | None) -> None:
        stop.request()

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Ledger:
    """Which groups are to do, which are tried again, which are given up: the same rules for every engine.

    Attributes:
        failed: why each group that was given up failed.
    """

    def __init__(self, groups: Sequence[int], attempts: int) -> None:
        self.failed: dict[int, str] = {}
        self._attempts = attempts
        self._first = list(reversed(groups))
        self._again: list[tuple[int, int]] = []
        self._successes = 0
        self._errors: list[str] = []

    def next(self, running: int) -> tuple[int, int] | None:
        """Return (group, attempt) to start now, or None: first attempts side by side, later ones alone, at the end."""
        if self._first:
            return self._first.pop(), 1
        if self._again and running == 0:
            return self._again.pop(0)
        return None

    def waiting(self) -> int:
        """Return the number of groups that are still to be started."""
        return len(self._first) + len(self._again)

    def wanted(self, running: int, workers: int) -> int:
        """Return how many workers are of use now, those that run included."""
        return min(workers, running + len(self._first)) or min(1, len(self._again))

    def succeeded(self) -> None:
        """Count a finished group."""
        self._successes += 1

    def broke(self, group: int, attempt: int, reason: str, *, error: bool) -> bool:
        """Note that an attempt came to nothing; `error`: the trainer raised, rather than its process being ended.

        Returns:
            Whether the group is tried again.

        Raises:
            BuildError: nothing at all succeeds.
        """
        if error:
            self._errors.append(reason)
            if not self._successes and len(self._errors) >= self._attempts + 2:
                raise BuildError(f"the first {len(self._errors)} attempts at a group all failed; the last: {reason}")
        if attempt < self._attempts:
            self._again.append((group, attempt + 1))
            return True
        self.failed[group] = f"failed {attempt} times; the last: {reason}"
        return False
