"""Kill a build again and again, at random moments, and see that nothing is lost: `python -m nasbench.killtest --kills 200`.

Workers and the supervisor get SIGKILL, which no program can prepare for. After every kill the journals must still hold
every training that they held before it; at the end no training may stand there twice, and the table must have the logical
digest of a build that nobody disturbed. A sealed table is either not there or sound. Linux only (it reads /proc).
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from nasbench.build import build
from nasbench.build_folder import read_journals
from nasbench.engine import Effort
from nasbench.recipe import Recipe, load_recipe
from nasbench.rehearsal import REHEARSAL
from nasbench.results import Key, decode, merge
from nasbench.sealed import open_table
from nasbench.trainer import LIVE

SECONDS = 0.004
"""How long a rehearsed training takes."""

LIVE_CELLS = tuple(range(0, 60, 5))
"""Cells that the live test trains."""

PATIENCE = 300.0
"""Seconds without a kill after which a build counts as stuck."""


@dataclass
class Tally:
    """What was done and found.

    Attributes:
        workers: kills of workers.
        supervisors: kills of supervisors.
        builds: builds that were finished meanwhile.
        lost: trainings that were in the journals before a kill and not after it.
        doubled: trainings that the journals hold twice.
        tails: bytes that kills cut off in the middle of a record.
        digests: logical digests of the tables.
        expected: the digest of the undisturbed build.
    """

    expected: str
    workers: int = 0
    supervisors: int = 0
    builds: int = 0
    lost: int = 0
    doubled: int = 0
    tails: int = 0
    digests: tuple[str, ...] = ()

    @property
    def kills(self) -> int:
        """Kills of either kind."""
        return self.workers + self.supervisors

    @property
    def ok(self) -> bool:
        """Whether nothing was lost, doubled or changed."""
        return not self.lost and not self.doubled and set(self.digests) == {self.expected}

    def to_text(self) -> str:
        """Return the findings in a few lines."""
        equal = sum(digest == self.expected for digest in self.digests)
        return (
            f"{self.kills} kills ({self.workers} of workers, {self.supervisors} of supervisors) during {self.builds} builds\n"
            f"{self.lost} finished trainings lost, {self.doubled} doubled, {self.tails} bytes of unfinished records left out\n"
            f"{equal} of {self.builds} tables have the digest of the undisturbed build, {self.expected[:16]}"
        )


def kill_test(
    folder: Path, kills: int, rng: np.random.Generator, *, live: bool = False, workers: int = 2, pause: float = 1.0
) -> Tally:
    """Build one table undisturbed, then build it again under kills until there were enough of them.

    Args:
        folder: an empty folder for the builds.
        kills: number of SIGKILLs.
        rng: draws moments and victims.
        live: train (recipe `digits-small`, a few cells); else rehearse.
        workers: worker processes.
        pause: mean seconds between kills.

    Raises:
        RuntimeError: a build does not end, or fails for another reason than a kill.
    """
    recipe = make_recipe(live=live)
    _run(folder / "undisturbed", live=live, workers=1, seconds=0.0).wait()
    tally = Tally(open_table(folder / "undisturbed.h5").digest)
    while tally.kills < kills:
        place = folder / f"build-{tally.builds}"
        _disturb(place, recipe, kills, rng, tally, live=live, workers=workers, pause=pause)
        merged = merge(journals := read_journals(place, recipe))
        tally.builds += 1
        tally.doubled += len(merged.doubled)
        tally.tails += sum(journal.tail for journal in journals)
        tally.digests = (*tally.digests, open_table(_table(place)).digest)
    return tally


def make_recipe(*, live: bool) -> Recipe:
    """Return the recipe of the test: real trainings of a second (`LIVE_CELLS`), or 871 cells whose curves are made up."""
    recipe = load_recipe("digits-small")
    if live:
        return msgspec.structs.replace(recipe, space="cell201-3node")
    return msgspec.structs.replace(recipe, space="cell201-4op")


def _disturb(
    place: Path,
    recipe: Recipe,
    kills: int,
    rng: np.random.Generator,
    tally: Tally,
    *,
    live: bool,
    workers: int,
    pause: float,
) -> None:
    """Run one build to its end, with kills while there are any left."""
    child = _run(place, live=live, workers=workers)
    deadline = time.monotonic() + PATIENCE
    moment: float | None = None
    early = False  # whether the next kill may come before there are workers
    try:
        while True:
            code = child.poll()
            if code == 0:
                return
            if code is not None and code != -signal.SIGKILL:
                raise RuntimeError(f"a build ended with code {code}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"a build did not end within {PATIENCE:g} seconds without a kill")
            if code is not None:
                child = _run(place, live=live, workers=workers)
                moment, early = None, rng.random() < 0.2
            elif moment is None:
                if early or worker_processes(child.pid):
                    moment = time.monotonic() + rng.exponential(pause)
            elif tally.kills < kills and time.monotonic() > moment:
                before = _finished(place, recipe)
                _kill_one(child, rng, tally)
                tally.lost += len(before - _finished(place, recipe))
                if _table(place).exists():
                    open_table(_table(place))  # sound, or this raises
                moment = time.monotonic() + rng.exponential(pause)
                deadline = time.monotonic() + PATIENCE
            time.sleep(0.002)
    finally:
        child.kill()
        child.wait()


def _kill_one(child: subprocess.Popen[bytes], rng: np.random.Generator, tally: Tally) -> None:
    victims = worker_processes(child.pid)
    if victims and rng.random() < 0.6:  # a little more often than a supervisor, which takes its workers with it
        victim = victims[int(rng.integers(len(victims)))]
        try:
            os.kill(victim, signal.SIGKILL)
        except ProcessLookupError:
            return
        tally.workers += 1
    else:
        child.kill()
        child.wait()
        tally.supervisors += 1


def worker_processes(supervisor: int) -> list[int]:
    """Return the process numbers of a supervisor's workers."""
    try:
        children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
        return [int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]
    except OSError:  # one of them ended meanwhile
        return []


def _finished(place: Path, recipe: Recipe) -> set[Key]:
    if not place.is_dir():
        return set()
    journals = read_journals(place, recipe)
    return {result.key for journal in journals for payload in journal.payloads for result in decode(payload).results}


def _table(place: Path) -> Path:
    return place.with_suffix(".h5")


def _run(place: Path, *, live: bool, workers: int, seconds: float = SECONDS) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "nasbench.killtest", "--child", str(place), "--workers", str(workers)]
    command += ["--seconds", str(seconds)]
    return subprocess.Popen([*command, "--live"] if live else command, stdout=subprocess.DEVNULL)


def _child(place: Path, *, live: bool, workers: int, seconds: float) -> int:
    """Build, as a process to be killed. A kill is not the group's fault, so attempts are not counted."""
    report = build(
        make_recipe(live=live),
        place,
        _table(place),
        effort=Effort(workers, attempts=10**6),
        devices=("cpu",) if live else (f"rehearsal:{seconds}",),
        cells=LIVE_CELLS if live else None,
        trainer=LIVE if live else REHEARSAL,
    )
    return 0 if report.table else 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the test and say what was found."""
    parser = argparse.ArgumentParser(prog="python -m nasbench.killtest", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=20, help="number of SIGKILLs (default: 20)")
    parser.add_argument("--seed", type=int, default=0, help="seed of moments and victims (default: 0)")
    parser.add_argument("--workers", type=int, default=2, help="worker processes (default: 2)")
    parser.add_argument("--live", action="store_true", help="train instead of rehearsing")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=argparse.SUPPRESS)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        return _child(options.child, live=options.live, workers=options.workers, seconds=options.seconds)
    with tempfile.TemporaryDirectory() as folder:
        rng = np.random.default_rng(options.seed)
        tally = kill_test(
            Path(folder),
            options.kills,
            rng,
            live=options.live,
            workers=options.workers,
            pause=5.0 if options.live else 1.0,
        )
    print(tally.to_text())
    return 0 if tally.ok else 1


if __name__ == "__main__":
    raise SystemExit(main())
