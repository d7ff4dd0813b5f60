"""What an experiment consists of: its chunks, their keys and seeds; `experiment_json.py` says of it what an analysis must know.

Each run's seeds come from the protocol, the problem, the entrant and the run's number alone, so neither the number of workers
nor the order of the chunks moves a bit. A chunk's key names protocol, table, costs, code and entrant, and the proxies that it uses.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import nasbench
from nasbench.load import LoadedStrategy, load_strategy
from nasbench.measures import columns_of
from nasbench.protocol import Entrant, Problem, Protocol, digest
from nasbench.provenance import files_digest
from nasbench.proxy_beside import open_beside, proxies_asked, proxies_key
from nasbench.proxy_table import FREE, NAMES, ProxyTable
from nasbench.query import QueryError
from nasbench.settings import SettingError
from nasbench.sources import method_files
from nasbench.table import Table, TableError
from nasbench.tabular import TabularBenchmark
from nasbench.warm_start import resolve

CHUNK = 25  # runs: some seconds of a cheap strategy, some minutes of the dearest

CORE = (
    "space.py",
    "query.py",
    "search.py",
    "table.py",
    "measures.py",
    "pareto.py",
    "warm_start.py",
    "tabular.py",
    "record.py",
    "plan.py",
    "chunk_worker.py",
)
"""Library files that every recorded number rests on; a change in one of them makes recorded chunks stale."""

PROXY_CORE = ("proxy_table.py", "proxy_beside.py")
"""What the records of entrants that use proxies rest on besides."""


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
        proxies: zero-cost proxies that its benchmark has from the file beside the table; the key has the file's digests.
    """

    path: Path
    problem: Problem
    entrant: Entrant
    settings: Mapping[str, Any]
    first: int
    last: int
    key: Mapping[str, str]
    proxies: tuple[str, ...] = ()

    @property
    def numbers(self) -> range:
        """Numbers of its runs."""
        return range(self.first, self.last + 1)


def run_seed(protocol: Protocol, problem: Problem, entrant: Entrant, number: int) -> np.random.SeedSequence:
    """Return the root of all randomness of one run (decision 8): keyed by what it is for, never by worker or order."""
    what = f"{protocol.name} {protocol.version} {protocol.seed} {problem.dataset} {entrant.name}"
    return np.random.SeedSequence(int.from_bytes(hashlib.sha256(what.encode()).digest(), "big"), spawn_key=(number,))


@dataclass(frozen=True)
class Prepared:
    """An entrant as planning finds it.

    Attributes:
        entrant: the row of the comparison.
        loaded: its strategy.
        settings: its complete settings.
        warm_start: source of its warm start, or "".
        proxies: zero-cost proxies that it asks for and the table does not hold.
        digest: of strategy, settings and the proxies' file, where it is used.
        code: of the sources that its numbers rest on.
    """

    entrant: Entrant
    loaded: LoadedStrategy
    settings: Mapping[str, Any]
    warm_start: str
    proxies: tuple[str, ...]
    digest: str
    code: str


def plan(protocol: Protocol, table: Table, folder: Path, table_path: Path | None = None) -> list[Chunk]:
    """Return all chunks of a protocol, first chunks of every entrant first.

    Args:
        protocol: what to compute.
        table: the table.
        folder: where the records go.
        table_path: the table's file; proxies that entrants ask for are looked for beside it.

    Raises:
        LoadError, SettingError: an entrant's strategy or settings are wrong.
        TableError: the table lacks a data set, or the proxies beside it are wanted and are not there or not its own.
        QueryError: the table lacks an objective, or it is a zero-cost proxy.
        ProtocolError, ValueError: a warm start can't be resolved.
    """
    prepared, proxies = prepare(protocol, table, table_path)
    chunks = []
    for one in prepared:
        entrant = one.entrant
        for problem in protocol.problems:
            key = {
                "protocol": protocol.series,
                "protocol_digest": rules_digest(protocol),
                "budget": repr(problem.budget),
                "table_digest": table.digest,
                "cost_digest": table.cost_digest,
                "dataset": problem.dataset,
                "entrant": entrant.name,
                "entrant_digest": one.digest,
                "code": one.code,
            }
            if one.warm_start:
                key["warm_start"] = one.warm_start
            if one.proxies and proxies is not None:
                key["proxies"] = proxies_key(proxies)
            runs = protocol.runs_of(entrant)
            for first in range(0, runs, CHUNK):
                last = min(first + CHUNK, runs) - 1
                path = folder / "runs" / problem.dataset / entrant.name / f"{first:05d}-{last:05d}.npz"
                chunks.append(Chunk(path, problem, entrant, one.settings, first, last, key, one.proxies))
    return sorted(chunks, key=lambda chunk: chunk.first)


def prepare(
    protocol: Protocol, table: Table, table_path: Path | None = None
) -> tuple[list[Prepared], ProxyTable | None]:
    """Return the entrants of a protocol, and the proxies beside the table if one of them asks for some; see `plan`."""
    held = set(NAMES)
    for problem in protocol.problems:
        data = table.dataset(problem.dataset)
        measures = columns_of(data)
        for name in protocol.objectives:
            if name in NAMES and name not in FREE:
                raise QueryError(
                    f"objective {name!r} is a zero-cost proxy, which costs seconds, so it can't come with each observation of "
                    f"{problem.dataset}; objectives can be {list(measures)}"
                )
        TabularBenchmark(table, problem.dataset, protocol.objectives)  # refuses what the table does not hold
        held &= measures.keys()
    found = []
    for entrant in protocol.entrants:
        loaded = load_strategy(entrant.strategy)
        settings, source = entrant_settings(protocol, entrant, loaded, table)
        found.append((entrant, loaded, settings, source, proxies_asked(settings, held)))
    names = tuple(name for name in NAMES if any(name in asked for *_, asked in found))
    proxies = _open_proxies(names, table, table_path) if names else None
    prepared = []
    for entrant, loaded, settings, source, asked in found:
        more = [proxies_key(proxies)] if asked and proxies is not None else []
        code = code_digest(loaded, proxies=bool(asked))
        prepared.append(
            Prepared(entrant, loaded, settings, source, asked, digest([loaded.name, settings, *more]), code)
        )
    return prepared, proxies


def _open_proxies(names: tuple[str, ...], table: Table, table_path: Path | None) -> ProxyTable:
    if table_path is None:
        raise TableError(f"proxies {list(names)} are asked for, and it is not known in which file the table is")
    return open_beside(table_path, table, names)


def entrant_settings(
    protocol: Protocol, entrant: Entrant, loaded: LoadedStrategy, table: Table
) -> tuple[dict[str, Any], str]:
    """Return an entrant's complete settings, with what only planning knows, and the source of its warm start or "".

    A strategy with a setting `objectives` is given the protocol's; one with `initial` what its warm start stands for.

    Raises:
        LoadError, SettingError: a setting is wrong, not finite, set twice, or the strategy has no `initial` to fill.
        ProtocolError, TableError, ValueError: the warm start can't be resolved; see `warm_start.resolve`.
    """
    given, source = dict(entrant.settings), ""
    if protocol.objectives and "objectives" in loaded.settings:
        given.setdefault("objectives", protocol.objectives)
    if entrant.warm_start is not None:
        if "initial" not in loaded.settings or "initial" in given:
            fault = "is set as well" if "initial" in given else "is none of strategy " + loaded.name
            raise SettingError(f"entrant {entrant.name}: warm_start fills the setting initial, which {fault}")
        given["initial"], source = resolve(entrant.warm_start, table, protocol.problems)
    settings = loaded.configure(given, entrant.variant)
    for name, value in settings.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise SettingError(f"entrant {entrant.name}: setting {name} is {value}, must be finite: records are JSON")
    return settings, source


def rules_digest(protocol: Protocol) -> str:
    """Return the digest of what holds for all chunks of a protocol: name, version, seed and charging rules."""
    rules = [protocol.duplicates, protocol.promotion, protocol.workers, protocol.charge_overhead]
    several = [protocol.objectives] if protocol.objectives else []
    return digest([protocol.name, protocol.version, protocol.seed, *rules, *several])


def code_digest(loaded: LoadedStrategy, *, proxies: bool = False) -> str:
    """Return the digest of the sources of an entrant's numbers: the core, the strategy's file and what it imports beside it.

    Args:
        loaded: the strategy.
        proxies: whether it uses the proxies beside the table.
    """
    core = [Path(nasbench.__file__).with_name(name) for name in (*CORE, *(PROXY_CORE if proxies else ()))]
    return files_digest([*core, *method_files(Path(loaded.function.__code__.co_filename))])
