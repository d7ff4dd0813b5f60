"""What an experiment consists of: its chunks, their keys and seeds, and the `experiment.json` that describes them.

Each run's seeds come from the protocol, the problem, the entrant and the run's number alone, so neither the number of workers
nor the order of the chunks moves a bit. A chunk's key names protocol, table, costs, code and entrant.
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
from nasbench.pareto import non_dominated, reference_point
from nasbench.protocol import Entrant, Problem, Protocol, digest
from nasbench.provenance import files_digest, provenance
from nasbench.record import FORMAT
from nasbench.settings import SettingError
from nasbench.sources import method_files
from nasbench.table import Table
from nasbench.tabular import Scorer, TabularBenchmark
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

    @property
    def numbers(self) -> range:
        """Numbers of its runs."""
        return range(self.first, self.last + 1)


def run_seed(protocol: Protocol, problem: Problem, entrant: Entrant, number: int) -> np.random.SeedSequence:
    """Return the root of all randomness of one run (decision 8): keyed by what it is for, never by worker or order."""
    what = f"{protocol.name} {protocol.version} {protocol.seed} {problem.dataset} {entrant.name}"
    return np.random.SeedSequence(int.from_bytes(hashlib.sha256(what.encode()).digest(), "big"), spawn_key=(number,))


def plan(protocol: Protocol, table: Table, folder: Path) -> list[Chunk]:
    """Return all chunks of a protocol, first chunks of every entrant first.

    Raises:
        LoadError, SettingError: an entrant's strategy or settings are wrong.
        TableError: the table lacks a data set.
        QueryError: the table lacks an objective.
        ProtocolError, ValueError: a warm start can't be resolved.
    """
    for problem in protocol.problems:
        TabularBenchmark(table, problem.dataset, protocol.objectives)  # refuses what the table does not hold
    chunks = []
    for entrant in protocol.entrants:
        loaded = load_strategy(entrant.strategy)
        settings, source = entrant_settings(protocol, entrant, loaded, table)
        code = code_digest(loaded)
        for problem in protocol.problems:
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
            if source:
                key["warm_start"] = source
            runs = protocol.runs_of(entrant)
            for first in range(0, runs, CHUNK):
                last = min(first + CHUNK, runs) - 1
                path = folder / "runs" / problem.dataset / entrant.name / f"{first:05d}-{last:05d}.npz"
                chunks.append(Chunk(path, problem, entrant, settings, first, last, key))
    return sorted(chunks, key=lambda chunk: chunk.first)


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


def code_digest(loaded: LoadedStrategy) -> str:
    """Return the digest of the sources of an entrant's numbers: the core, the strategy's file and what it imports beside it."""
    core = [Path(nasbench.__file__).with_name(name) for name in CORE]
    return files_digest([*core, *method_files(Path(loaded.function.__code__.co_filename))])


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
        if protocol.objectives:
            problems[problem.dataset]["pareto"] = true_front(table, problem.dataset, protocol.objectives)
    entrants = {}
    for entrant in protocol.entrants:
        loaded = load_strategy(entrant.strategy)
        method = loaded.method
        settings, source = entrant_settings(protocol, entrant, loaded, table)
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
        if source:
            entrants[entrant.name]["warm_start"] = source
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
            "objectives": list(protocol.objectives),
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


def true_front(table: Table, dataset: str, objectives: tuple[str, ...]) -> dict[str, Any]:
    """Return what runs with several objectives are scored against.

    Returns:
        `objectives`: names, `error` first (1 - score); `front`: the non-dominated points of the whole table, each once,
        ascending in the error; `reference`: the point that bounds the hypervolume.
    """
    benchmark, scorer = TabularBenchmark(table, dataset, objectives), Scorer(table, dataset)
    points = np.column_stack([1.0 - scorer.scores, *(benchmark.objective_column(name) for name in objectives)])
    points = points[~np.isnan(points).any(axis=1)]
    front = np.unique(points[non_dominated(points)], axis=0)
    return {
        "objectives": ["error", *objectives],
        "front": front.tolist(),
        "reference": reference_point(front).tolist(),
    }
