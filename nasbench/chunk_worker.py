"""One chunk of an experiment, computed in a worker process: what `experiment.py` sends to its pool."""

from __future__ import annotations

import atexit
import functools
import multiprocessing
import os
import signal
import threading
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nasbench.load import load_strategy
from nasbench.plan import Chunk, code_digest, run_seed
from nasbench.protocol import Protocol
from nasbench.proxy_beside import proxies_key, proxy_columns, proxy_path
from nasbench.proxy_table import ProxyTable, open_proxies
from nasbench.record import RecordedBenchmark, trajectory, write_chunk
from nasbench.sealed import open_table
from nasbench.search import Rules, run
from nasbench.table import Table, TableError
from nasbench.tabular import Scorer, TabularBenchmark

if TYPE_CHECKING:
    from nasbench.live import LiveBenchmark


class EntrantError(RuntimeError):
    """An entrant raised; the message says what and where, since its own exception may not survive the way between processes."""


@dataclass(frozen=True)
class LiveTraining:
    """Answer by training now instead of from the table.

    Attributes:
        folder: where trainings are kept, so that a run that was killed finds them again.
        device: where to train.
        root: folder of data that are read from disk.
        trainer: who trains (`trainer.py`).
    """

    folder: Path
    device: str = "cpu"
    root: str = ""
    trainer: str = "nasbench.live_trainer:LiveTrainer"


def compute_chunk(chunk: Chunk, protocol: Protocol, table_path: Path, live: LiveTraining | None = None) -> float:
    """Compute the runs of one chunk and write its record.

    With `live` given, queries are answered by training with the table's own recipe; the table only scores. Proxies are looked up
    in the file beside the table or, live, computed as that file's were and charged its seconds.

    Returns:
        Wall seconds it took.

    Raises:
        EntrantError: the strategy raised, whatever it raised, or its source is no longer what the chunk's key names.
        ValueError: the table, or the proxies beside it, are no longer what the chunk's key names.
        OSError: the record can't be written; nothing is left of it.
    """
    began = time.perf_counter()
    benchmark, scorer = _opened(chunk, protocol, table_path, live)
    rules = Rules(protocol.duplicates, protocol.promotion, protocol.workers, protocol.charge_overhead)
    source = chunk.entrant.strategy
    try:
        loaded = load_strategy(source)
        source = loaded.function.__code__.co_filename
        if code_digest(loaded, proxies=bool(chunk.proxies)) != chunk.key["code"]:
            raise RuntimeError("source files changed while the experiment ran; run the same command again")
        seeds = [run_seed(protocol, chunk.problem, chunk.entrant, number) for number in chunk.numbers]
        budget = chunk.problem.budget
        runs = [run(loaded.function, benchmark, budget, seed, settings=chunk.settings, rules=rules) for seed in seeds]
    except (Exception, SystemExit, GeneratorExit) as error:  # a method may raise anything; the others go on
        raise EntrantError(_what_and_where(error, source)) from None
    write_chunk(chunk.path, chunk.numbers, runs, [trajectory(one, benchmark, scorer) for one in runs], chunk.key)
    return time.perf_counter() - began


def _what_and_where(error: BaseException, source: str) -> str:
    """Return type and message of an error, and the line of the strategy's own file that led to it."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f" ({Path(source).name}, line {frame.lineno})" for frame in frames if frame.filename == source]
    return f"{type(error).__name__}: {error}{lines[-1] if lines else ''}"


def _opened(
    chunk: Chunk, protocol: Protocol, table_path: Path, live: LiveTraining | None
) -> tuple[RecordedBenchmark, Scorer]:
    digests = (chunk.key["table_digest"], chunk.key["cost_digest"])
    place = (table_path, chunk.problem.dataset, digests, protocol.objectives)
    key = chunk.key.get("proxies", "")
    if live is None:
        return _tabular(*place, key, chunk.proxies)
    benchmark, scorer = _live(*place, live)  # one for all entrants: its folder has one owner
    benchmark.offer(_proxies(table_path, key) if chunk.proxies else None, chunk.proxies)
    return benchmark, scorer


@functools.lru_cache(maxsize=32)  # data sets x proxies that entrants ask for
def _tabular(
    table_path: Path,
    dataset: str,
    digests: tuple[str, str],
    objectives: tuple[str, ...],
    key: str,
    names: tuple[str, ...],
) -> tuple[TabularBenchmark, Scorer]:
    table = _table(table_path, digests)
    found = proxy_columns(_proxies(table_path, key), table) if names else {}
    columns = {name: found[name] for name in names}
    return TabularBenchmark(table, dataset, objectives, columns), Scorer(table, dataset)


@functools.lru_cache(maxsize=8)
def _live(
    table_path: Path, dataset: str, digests: tuple[str, str], objectives: tuple[str, ...], live: LiveTraining
) -> tuple[LiveBenchmark, Scorer]:
    from nasbench.live import live_benchmark_of

    table = _table(table_path, digests)
    scorer = Scorer(table, dataset)
    benchmark = live_benchmark_of(
        table, live.folder, root=live.root, device=live.device, trainer=live.trainer, objectives=objectives
    )
    atexit.register(benchmark.close)  # the folder is this process's until it ends
    if benchmark.dataset != dataset:
        raise TableError(f"{dataset!r} can't be trained live: the table's recipe trains {benchmark.dataset!r}")
    return benchmark, scorer


def _table(table_path: Path, digests: tuple[str, str]) -> Table:
    table = open_table(table_path)
    for found, expected in zip((table.digest, table.cost_digest), digests, strict=True):
        if found != expected:
            raise ValueError(
                f"table {table_path.name} changed while the experiment ran: digest {found[:12]}, expected {expected[:12]}"
            )
    return table


@functools.lru_cache(maxsize=1)
def _proxies(table_path: Path, key: str) -> ProxyTable:
    path = proxy_path(table_path)
    proxies = open_proxies(path)
    if proxies_key(proxies) != key:
        raise ValueError(
            f"proxies {path.name} changed while the experiment ran: digest {proxies.digest[:12]}, expected {key[:12]}"
        )
    return proxies


def prepare_worker() -> None:
    """Make a worker process fit: one thread, no part in Ctrl-C (the parent ends it), and no life after its parent's.

    The number of threads moves bits (decision 12), and the workers share the cores. A worker whose parent was killed would
    wait for work for ever.
    """
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=1)
    # For libraries that are loaded later, such as torch.
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
