"""Carry out a protocol: every entrant on every problem, `runs` times, over worker processes, resumable, same bits.

The work is cut into chunks of consecutive runs. A finished chunk whose key (protocol, table, costs, code, entrant) is this
one's is kept; all others are computed. Each run's seeds come from the protocol, the problem, the entrant and the run's
number alone, so neither the number of workers nor the order of the chunks moves a bit. A chunk is the unit of resuming:
a killed experiment loses the chunks that were under way.
"""

from __future__ import annotations

import functools
import hashlib
import multiprocessing
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import nasbench
from nasbench.load import LoadedStrategy, load_strategy
from nasbench.protocol import Entrant, Problem, Protocol, digest
from nasbench.provenance import files_digest, provenance
from nasbench.record import FORMAT, chunk_matches, trajectory, write_chunk, write_json
from nasbench.sealed import open_table
from nasbench.search import Rules, run
from nasbench.table import Table
from nasbench.tabular import Scorer, TabularBenchmark

CHUNK = 25  # runs: some seconds of a cheap strategy, some minutes of the dearest

CORE = ("space.py", "query.py", "search.py", "tabular.py", "record.py", "experiment.py")
"""Library files that every recorded number rests on; a change in one of them makes recorded chunks stale."""


@dataclass(frozen=True)
class Chunk:
    """Consecutive runs of one entrant on one problem.

    Attributes:
        path: file of the record.
        problem: data set and budget.
        entrant: the row of the comparison.
        settings: the entrant's complete settings.
        first: number of the first run.
        last: number of the last run, included.
        key: what the record is a record of.
    """

    path: Path
    problem: Problem
    entrant: Entrant
    settings: Mapping[str, Any]
    first: int
    last: int
    key: Mapping[str, str]


@dataclass(frozen=True)
class Outcome:
    """What `carry_out` did.

    Attributes:
        computed: runs computed now.
        kept: runs found finished.
        stale: runs found that were of another protocol, table or code, and computed again.
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


def run_seed(protocol: Protocol, problem: Problem, entrant: Entrant, number: int) -> np.random.SeedSequence:
    """Return the root of all randomness of one run (decision 8): keyed by what it is for, never by worker or order."""
    what = f"{protocol.name} {protocol.version} {protocol.seed} {problem.dataset} {entrant.name}"
    return np.random.SeedSequence(int.from_bytes(hashlib.sha256(what.encode()).digest(), "big"), spawn_key=(number,))


def plan(protocol: Protocol, table: Table, folder: Path) -> list[Chunk]:
    """Return all chunks of a protocol, first chunks of every entrant first.

    Raises:
        LoadError, SettingError: an entrant's strategy or settings are wrong.
        TableError: the table lacks a data set.
    """
    chunks = []
    for entrant in protocol.entrants:
        loaded = load_strategy(entrant.strategy)
        settings = loaded.configure(entrant.settings, entrant.variant)
        code = code_digest(loaded)
        for problem in protocol.problems:
            table.dataset(problem.dataset)
            key = {
                "protocol": protocol.series,
                "protocol_digest": rules_digest(protocol),
                "budget": repr(problem.budget),
                "table_digest": table.digest,
                "cost_digest": table.cost_digest,
                "dataset": problem.dataset,
                "entrant": entrant.name,
                "entrant_digest": digest([loaded.name, settings]),
                "code": code,
            }
            runs = protocol.runs_of(entrant)
            for first in range(0, runs, CHUNK):
                last = min(first + CHUNK, runs) - 1
                path = folder / "runs" / problem.dataset / entrant.name / f"{first:05d}-{last:05d}.npz"
                chunks.append(Chunk(path, problem, entrant, settings, first, last, key))
    return sorted(chunks, key=lambda chunk: chunk.first)


def rules_digest(protocol: Protocol) -> str:
    """Return the digest of what holds for all chunks of a protocol: name, version, seed and charging rules."""
    rules = [protocol.duplicates, protocol.promotion, protocol.workers, protocol.charge_overhead]
    return digest([protocol.name, protocol.version, protocol.seed, *rules])


def code_digest(loaded: LoadedStrategy) -> str:
    """Return the digest of the sources that an entrant's numbers rest on: the core and the strategy's own files."""
    core = [Path(nasbench.__file__).with_name(name) for name in CORE]
    return files_digest([*core, *strategy_files(loaded)])


def strategy_files(loaded: LoadedStrategy) -> list[Path]:
    """Return the source files of a strategy: its own and the shared parts (`_*.py`) beside it."""
    own = Path(loaded.function.__code__.co_filename)
    return [own, *own.parent.glob("_*.py")]


def describe(protocol: Protocol, table: Table) -> dict[str, Any]:
    """Return the content of `experiment.json`: all that an analysis needs to know and can't see in the chunks."""
    problems = {}
    for problem in protocol.problems:
        scorer = Scorer(table, problem.dataset)
        data = table.dataset(problem.dataset)
        problems[problem.dataset] = {
            "score_label": scorer.label,
            "observed_label": "validation accuracy of one training",
            "best_score": scorer.best,
            "random_score_mean": scorer.random_mean,
            "random_score_spread": scorer.random_spread,
            "top_score": {str(share): scorer.top(share) for share in (0.001, 0.01, 0.1)},
            "budget": problem.budget,
            "workers": protocol.workers,
            "epochs": list(data.epochs),
        }
    entrants = {}
    for entrant in protocol.entrants:
        loaded = load_strategy(entrant.strategy)
        method = loaded.method
        settings = loaded.configure(entrant.settings, entrant.variant)
        entrants[entrant.name] = {
            "strategy": loaded.name,
            "label": entrant.label or entrant.name,
            "settings": settings,
            "runs": protocol.runs_of(entrant),
            "entrant_digest": digest([loaded.name, settings]),
            "code": code_digest(loaded),
            "title": method.title,
            "paper": method.paper,
            "family": method.family,
            "mode": method.mode,
        }
    return {
        "format": FORMAT,
        "protocol_digest": rules_digest(protocol),
        "protocol": {
            "name": protocol.name,
            "version": protocol.version,
            "title": protocol.title,
            "runs": protocol.runs,
            "seed": protocol.seed,
            "checkpoints": list(protocol.checkpoints),
            "duplicates": protocol.duplicates,
            "promotion": protocol.promotion,
            "workers": protocol.workers,
            "charge_overhead": protocol.charge_overhead,
        },
        "table": {
            "name": protocol.table,
            "title": table.metadata.get("title", protocol.table),
            "digest": table.digest,
            "cost_digest": table.cost_digest,
            "space": table.space.name,
        },
        "problems": problems,
        "entrants": entrants,
        "provenance": provenance(),
    }


def carry_out(
    protocol: Protocol,
    table_path: Path,
    folder: Path,
    workers: int,
    on_progress: Callable[[Progress], None] | None = None,
) -> Outcome:
    """Compute what is missing of a protocol's runs.

    Args:
        protocol: what to compute.
        table_path: the sealed table.
        folder: results folder, made if needed; finished chunks in it are kept.
        workers: processes, each with one thread.
        on_progress: called after every chunk.

    Returns:
        What was done. An entrant that raises is reported there and does not stop the others.

    Raises:
        ValueError: fewer than one worker.
        LoadError, SettingError, TableError: before anything is computed.
    """
    if workers < 1:
        raise ValueError(f"workers is {workers}, must be at least 1")
    began = time.perf_counter()
    table = open_table(table_path)
    chunks = plan(protocol, table, folder)
    write_json(folder / "experiment.json", describe(protocol, table))
    missing = [chunk for chunk in chunks if not chunk_matches(chunk.path, chunk.key)]
    stale = sum(_runs(chunk) for chunk in missing if chunk.path.exists())
    remove_leftovers(folder, chunks)
    done = total = sum(map(_runs, chunks))
    done -= sum(map(_runs, missing))
    failed: dict[str, str] = {}
    estimate = _Estimate(missing, workers)
    if on_progress is not None:
        on_progress(Progress(done, total, "", None))
    # Always in child processes, so that one thread a process holds whatever this process has loaded.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=workers, mp_context=context, initializer=_one_thread) as pool:
        futures: dict[Future[float], Chunk] = {
            pool.submit(compute_chunk, chunk, protocol, table_path): chunk for chunk in missing
        }
        for future in as_completed(futures):
            chunk = futures[future]
            if future.cancelled():
                continue
            error = future.exception()
            if error is not None:
                if isinstance(error, OSError):  # a full disk ends the experiment; what is finished stays
                    pool.shutdown(cancel_futures=True)
                    raise error
                failed.setdefault(chunk.entrant.name, f"{chunk.problem.dataset}: {type(error).__name__}: {error}")
                for other, its in futures.items():
                    if its.entrant == chunk.entrant:
                        other.cancel()
                continue
            done += _runs(chunk)
            estimate.add(chunk, future.result())
            if on_progress is not None:
                latest = f"{chunk.entrant.name} on {chunk.problem.dataset}"
                on_progress(Progress(done, total, latest, estimate.seconds_left()))
    computed = done - (total - sum(map(_runs, missing)))
    return Outcome(computed, total - sum(map(_runs, missing)), stale, failed, time.perf_counter() - began)


def remove_leftovers(folder: Path, chunks: Sequence[Chunk]) -> None:
    """Remove records of runs beyond the plan (fewer runs are wanted now) and half-written files of killed workers."""
    wanted = {chunk.path for chunk in chunks}
    for entrant in {chunk.path.parent for chunk in chunks}:
        for path in entrant.glob("*.npz"):
            if path not in wanted:
                path.unlink()
        for path in entrant.glob(".*.tmp"):
            path.unlink()


def compute_chunk(chunk: Chunk, protocol: Protocol, table_path: Path) -> float:
    """Compute the runs of one chunk and write its record; return the seconds it took."""
    began = time.perf_counter()
    benchmark, scorer = _opened(table_path, chunk.problem.dataset, chunk.key["table_digest"])
    strategy = load_strategy(chunk.entrant.strategy).function
    rules = Rules(protocol.duplicates, protocol.promotion, protocol.workers, protocol.charge_overhead)
    numbers = range(chunk.first, chunk.last + 1)
    runs = [
        run(
            strategy,
            benchmark,
            chunk.problem.budget,
            run_seed(protocol, chunk.problem, chunk.entrant, number),
            settings=chunk.settings,
            rules=rules,
        )
        for number in numbers
    ]
    write_chunk(chunk.path, numbers, runs, [trajectory(one, benchmark, scorer) for one in runs], chunk.key)
    return time.perf_counter() - began


@functools.lru_cache(maxsize=8)
def _opened(table_path: Path, dataset: str, table_digest: str) -> tuple[TabularBenchmark, Scorer]:
    table = open_table(table_path)
    if table.digest != table_digest:
        raise ValueError(
            f"table {table_path.name} changed while the experiment ran: digest {table.digest[:12]}, expected {table_digest[:12]}"
        )
    return TabularBenchmark(table, dataset), Scorer(table, dataset)


def _one_thread() -> None:
    """Hold a worker process to one thread: the number of threads moves bits (decision 12) and workers share the cores."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=1)
    os.environ |= dict.fromkeys(
        ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"
    )  # for torch, loaded later


def _runs(chunk: Chunk) -> int:
    return chunk.last - chunk.first + 1


class _Estimate:
    """Time left, from the mean seconds of a run of each entrant so far; an unseen entrant counts as the mean of all."""

    def __init__(self, missing: Sequence[Chunk], workers: int) -> None:
        self.workers = workers
        self.left: dict[str, int] = {}
        self.seen: dict[str, list[float]] = {}  # entrant -> seconds and runs
        for chunk in missing:
            self.left[chunk.entrant.name] = self.left.get(chunk.entrant.name, 0) + _runs(chunk)

    def add(self, chunk: Chunk, seconds: float) -> None:
        name = chunk.entrant.name
        self.left[name] -= _runs(chunk)
        total = self.seen.setdefault(name, [0.0, 0.0])
        total[0] += seconds
        total[1] += _runs(chunk)

    def seconds_left(self) -> float:
        means = {name: seconds / runs for name, (seconds, runs) in self.seen.items()}
        overall = sum(means.values()) / len(means)
        return sum(runs * means.get(name, overall) for name, runs in self.left.items()) / self.workers
