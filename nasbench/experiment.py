"""Carry out a protocol: every entrant on every problem, `runs` times, over worker processes, resumable, same bits.

The work is cut into chunks of consecutive runs (`plan.py`). A finished chunk whose key (protocol, table, costs, code, entrant)
is this one's is kept; all others are computed (`chunk_worker.py`). A chunk is the unit of resuming: a killed experiment loses
the chunks that were under way.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import multiprocessing
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nasbench.chunk_worker import EntrantError, LiveTraining, compute_chunk, prepare_worker
from nasbench.experiment_json import describe
from nasbench.plan import Chunk, plan
from nasbench.protocol import Protocol
from nasbench.record import chunk_matches, write_json
from nasbench.sealed import open_table


class ExperimentError(RuntimeError):
    """An experiment that can't go on; the message says why and what to do. What is finished is kept."""


@dataclass(frozen=True)
class Outcome:
    """What `carry_out` did.

    Attributes:
        computed: runs computed now.
        kept: runs found finished.
        stale: runs found that were of another protocol, table or code, or damaged, and had to be computed again.
        failed: entrants that raised, with the reason; their missing runs are named by the report.
        seconds: wall seconds.
    """

    computed: int
    kept: int
    stale: int
    failed: Mapping[str, str]
    seconds: float


@dataclass(frozen=True)
class Progress:
    """State of a running experiment, for whoever shows it.

    Attributes:
        done: runs finished, kept ones included.
        total: runs of the protocol.
        latest: what finished last, `entrant on dataset`.
        seconds_left: estimate from the mean seconds of each entrant's runs so far; None before there is one.
    """

    done: int
    total: int
    latest: str
    seconds_left: float | None


def carry_out(
    protocol: Protocol,
    table_path: Path,
    folder: Path,
    workers: int,
    on_progress: Callable[[Progress], None] | None = None,
    live: LiveTraining | None = None,
) -> Outcome:
    """Compute what is missing of a protocol's runs.

    Args:
        protocol: what to compute.
        table_path: the sealed table.
        folder: results folder, made if needed; finished chunks in it are kept.
        workers: processes, each with one thread.
        on_progress: called after every chunk.
        live: answer by training now with the table's recipe; takes one worker, since its folder has one owner.

    Returns:
        What was done. An entrant that raises is reported there and does not stop the others.

    Raises:
        ValueError: fewer than one worker.
        LoadError, SettingError, TableError: before anything is computed.
        ExperimentError: another process works on the folder, or a worker process died.
        OSError: a record can't be written (disk full, no permission).
    """
    if workers < 1:
        raise ValueError(f"workers is {workers}, must be at least 1")
    if live is not None and workers != 1:
        raise ValueError(f"workers is {workers}, must be 1 for live training")
    began = time.perf_counter()
    table = open_table(table_path)
    chunks = plan(protocol, table, folder, table_path)
    failed: dict[str, str] = {}
    with _locked(folder):
        missing = [chunk for chunk in chunks if not chunk_matches(chunk.path, chunk.numbers, chunk.key)]
        stale = sum(len(chunk.numbers) for chunk in missing if chunk.path.exists())
        description = describe(protocol, table, table_path)
        _write_description(description, folder, kept=len(missing) < len(chunks), changed=bool(missing))
        remove_leftovers(folder, chunks)
        total = sum(len(chunk.numbers) for chunk in chunks)
        done = kept = total - sum(len(chunk.numbers) for chunk in missing)
        estimate = _Estimate(missing, workers)
        if on_progress is not None:
            on_progress(Progress(done, total, "", None))
        with _pool(workers) as pool:
            futures = {pool.submit(compute_chunk, chunk, protocol, table_path, live): chunk for chunk in missing}
            for future in as_completed(futures):
                chunk = futures[future]
                if future.cancelled():
                    continue
                error = future.exception()
                if isinstance(error, EntrantError):
                    failed.setdefault(chunk.entrant.name, f"{chunk.problem.dataset}: {error}")
                    _give_up(chunk.entrant.name, futures, estimate)
                    continue
                if error is not None:
                    raise _said_better(error)
                done += len(chunk.numbers)
                estimate.add(chunk, future.result())
                if on_progress is not None:
                    latest = f"{chunk.entrant.name} on {chunk.problem.dataset}"
                    on_progress(Progress(done, total, latest, estimate.seconds_left()))
    return Outcome(done - kept, kept, stale, failed, time.perf_counter() - began)


def remove_leftovers(folder: Path, chunks: Sequence[Chunk]) -> None:
    """Remove records of runs beyond the plan (fewer runs are wanted now) and half-written files of killed workers."""
    wanted = {chunk.path for chunk in chunks}
    for entrant in {chunk.path.parent for chunk in chunks}:
        for path in entrant.glob("*.npz"):
            if path not in wanted:
                path.unlink()
        for path in entrant.glob(".*.tmp"):
            path.unlink()
    for path in folder.glob(".experiment.json.*.tmp"):
        path.unlink()


def _write_description(content: dict[str, Any], folder: Path, *, kept: bool, changed: bool) -> None:
    """Write `experiment.json`; its provenance is that of whoever computed the runs, not of whoever looked at them last.

    `provenance` is the latest session that computed something, `earlier_provenance` the sessions whose runs are kept, each
    once, dates apart.
    """
    path = folder / "experiment.json"
    before = _read_json(path) if kept else {}
    earlier = [*before.get("earlier_provenance", []), *([before["provenance"]] if "provenance" in before else [])]
    if not changed and earlier:
        content["provenance"] = earlier.pop()
    known = [_undated(content["provenance"])]
    content["earlier_provenance"] = [one for one in earlier if _undated(one) not in known]
    write_json(path, content)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _undated(provenance: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in provenance.items() if name != "date"}


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a results folder for one process: two would remove each other's half-written files."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ExperimentError(
                f"another process computes runs in {folder}; wait for it, or choose another results folder"
            ) from None
        yield


@contextlib.contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Give a pool of processes; on an error or Ctrl-C end them at once, since records are whole or absent.

    Always child processes, so that one thread a process holds whatever this process has loaded.
    """
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=prepare_worker)
    try:
        yield pool
        pool.shutdown()
    except BaseException:
        processes = list((pool._processes or {}).values())  # Python 3.14 has a public name for this
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()
        raise


def _give_up(entrant: str, futures: Mapping[Future[float], Chunk], estimate: _Estimate) -> None:
    """Cancel what is left of an entrant that raised."""
    estimate.left.pop(entrant, None)
    for future, chunk in futures.items():
        if chunk.entrant.name == entrant:
            future.cancel()


def _said_better(error: BaseException) -> BaseException:
    if not isinstance(error, BrokenProcessPool):
        return error
    return ExperimentError(
        "a worker process died (out of memory, or a crash in a compiled library); finished runs are kept: run the same "
        "command again, with fewer --workers if memory is short"
    )


class _Estimate:
    """Time left, from the mean seconds of a run of each entrant so far; an unseen entrant counts as the mean of all."""

    def __init__(self, missing: Sequence[Chunk], workers: int) -> None:
        self.workers = workers
        self.left: dict[str, int] = {}
        self.seen: dict[str, list[float]] = {}  # entrant -> seconds and runs
        for chunk in missing:
            self.left[chunk.entrant.name] = self.left.get(chunk.entrant.name, 0) + len(chunk.numbers)

    def add(self, chunk: Chunk, seconds: float) -> None:
        name = chunk.entrant.name
        if name in self.left:
            self.left[name] -= len(chunk.numbers)
        total = self.seen.setdefault(name, [0.0, 0.0])
        total[0] += seconds
        total[1] += len(chunk.numbers)

    def seconds_left(self) -> float:
        means = {name: seconds / runs for name, (seconds, runs) in self.seen.items()}
        overall = sum(means.values()) / len(means)
        return sum(runs * means.get(name, overall) for name, runs in self.left.items()) / self.workers
