"""The `experiment.json` of an experiment: all that an analysis needs to know and can't see in the chunks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from nasbench.pareto import non_dominated, reference_point
from nasbench.plan import prepare, rules_digest
from nasbench.protocol import Protocol
from nasbench.provenance import provenance
from nasbench.proxy_beside import describe_proxies, proxy_path
from nasbench.record import FORMAT
from nasbench.table import Table
from nasbench.tabular import Scorer, TabularBenchmark


def describe(protocol: Protocol, table: Table, table_path: Path | None = None) -> dict[str, Any]:
    """Return the content of `experiment.json`; arguments and errors are those of `plan.plan`."""
    prepared, proxies = prepare(protocol, table, table_path)
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
    entrants: dict[str, dict[str, Any]] = {}
    for one in prepared:
        entrant, method = one.entrant, one.loaded.method
        entrants[entrant.name] = {
            "strategy": one.loaded.name,
            "label": entrant.label or entrant.name,
            "settings": one.settings,
            "runs": protocol.runs_of(entrant),
            "entrant_digest": one.digest,
            "code": one.code,
            "title": method.title,
            "paper": method.paper,
            "family": method.family,
            "mode": method.mode,
        }
        if one.warm_start:
            entrants[entrant.name]["warm_start"] = one.warm_start
        if one.proxies:
            entrants[entrant.name]["proxies"] = list(one.proxies)
    used: dict[str, Any] = {}
    if proxies is not None and table_path is not None:
        names = [name for name in proxies.names if any(name in one.proxies for one in prepared)]
        used["proxies"] = describe_proxies(proxies, proxy_path(table_path), names, table)
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
        **used,
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
