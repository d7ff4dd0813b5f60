"""Results folders without a search: runs written down by hand, or walked over a made-up landscape.

`write_experiment` and `write_chunk` put given runs on disk in the format of `nasbench/record.py`, so that expected values can
be computed by hand. `write_walks` simulates entrants of known strength: each observation draws a cell uniformly from the
best share of a landscape, and the share shrinks from 1 by an entrant's own rate, so that a larger rate is a better entrant
and rate 0 is random search.
"""

import json
from pathlib import Path

import numpy as np

BEST = {"cifar10": 0.916, "cifar100": 0.735, "imagenet": 0.467}
RANDOM = {"cifar10": 0.833, "cifar100": 0.610, "imagenet": 0.335}
MORE = tuple(f"problem-{number}" for number in range(1, 9))  # made-up data sets, where a test needs many
BEST |= {name: 0.9 - 0.05 * number for number, name in enumerate(MORE)}
RANDOM |= {name: 0.8 - 0.06 * number for number, name in enumerate(MORE)}
TITLES = {
    "random_search": ("Random search", "random"),
    "regularized_evolution": ("Regularized evolution", "evolution"),
    "local_search": ("Local search", "local search"),
    "reinforce": ("REINFORCE", "reinforcement learning"),
}
KEY = {
    "protocol": "synthetic 1.0",
    "protocol_digest": "b" * 64,
    "table_digest": "a" * 64,
    "cost_digest": "c" * 64,
    "code": "d" * 64,
}


def experiment_file(datasets=("cifar10",), entrants=("random_search",), runs=4, budget=100.0, **changes):
    """Return the content of experiment.json; `changes` replace top-level entries."""
    content = {
        "format": 1,
        "protocol_digest": KEY["protocol_digest"],
        "protocol": {
            "name": "synthetic",
            "version": "1.0",
            "title": "Walks over made-up landscapes",
            "runs": runs,
            "seed": 0,
            "checkpoints": [0.1, 0.3, 1.0],
            "duplicates": "charge",
            "promotion": "continue",
            "workers": 1,
            "charge_overhead": False,
        },
        "table": {
            "title": "Synthetic table",
            "digest": KEY["table_digest"],
            "cost_digest": KEY["cost_digest"],
            "name": "synthetic",
            "space": "cell201",
        },
        "problems": {
            dataset: {
                "score_label": "mean validation accuracy",
                "best_score": BEST[dataset],
                "random_score_mean": RANDOM[dataset],
                "random_score_spread": 0.05,
                "top_score": {"0.001": BEST[dataset] - 0.002},
                "budget": budget,
                "workers": 1,
                "epochs": [200],
                "observed_label": "validation accuracy of one training",
            }
            for dataset in datasets
        },
        "entrants": {
            name: {
                "strategy": name,
                "label": name,
                "settings": {},
                "runs": runs,
                "entrant_digest": name,
                "code": KEY["code"],
                "mode": "T",
                "title": TITLES.get(name, (name.replace("_", " ").capitalize(), ""))[0],
                "family": TITLES.get(name, ("", name.split("-")[0]))[1],
                "paper": "",
            }
            for name in entrants
        },
        "provenance": {
            "nasbench": "0.1.0",
            "code": {"commit": "0123456789abcdef0123456789abcdef01234567", "modified": False},
            "python": "3.11.7",
            "packages": {"numpy": "2.4.6", "scipy": "1.17.1"},
            "system": "Linux x86_64",
            "processor": "a processor",
            "cores": 2,
            "date": "2026-11-24T06:00:00+00:00",
        },
    }
    return content | changes


def write_experiment(folder: Path, **settings) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "experiment.json").write_text(json.dumps(experiment_file(**settings)))
    return folder


def chunk_key(entrant="random_search", dataset="cifar10", budget=100.0, **changes):
    return KEY | {"budget": repr(budget), "dataset": dataset, "entrant": entrant, "entrant_digest": entrant} | changes


def chunk_arrays(runs, first=0, ended=None, overhead=None, key=None):
    """Return the arrays of a chunk.

    `runs` is a list of runs, a run a list of (finished, cell, validation accuracy, score of that cell). The incumbent is the
    cell with the highest validation accuracy so far, the earlier one if equal.
    """
    flat = {name: [] for name in ("finished", "cell", "validation_accuracy", "cost")}
    incumbents = {name: [] for name in ("score", "incumbent", "incumbent_validation")}
    repeats = []
    for run in runs:
        best, before, seen = None, 0.0, {}
        for finished, cell, validation, score in run:
            best = (validation, cell, score) if best is None or validation > best[0] else best
            for name, value in zip(flat, (finished, cell, validation, finished - before), strict=True):
                flat[name].append(value)
            for name, value in zip(incumbents, (best[2], best[1], best[0]), strict=True):
                incumbents[name].append(value)
            repeats.append(seen.get(cell, 0))
            seen[cell] = repeats[-1] + 1
            before = finished
    integers = {"cell": flat["cell"], "architecture": flat["cell"], "incumbent": incumbents["incumbent"]}
    size = len(flat["finished"])
    return {
        "run": np.arange(first, first + len(runs), dtype=np.int32),
        "start": np.cumsum([0, *map(len, runs)], dtype=np.int64),
        "overhead": np.full(len(runs), np.nan) if overhead is None else np.asarray(overhead, dtype=np.float64),
        "ended": np.zeros(len(runs), np.uint8) if ended is None else np.asarray(ended, dtype=np.uint8),
        "epochs": np.full(size, 200, dtype=np.int32),
        "repeat": np.asarray(repeats, dtype=np.int32),
        "key": np.asarray(json.dumps(key or chunk_key())),
        **{name: np.asarray(values, dtype=np.int32) for name, values in integers.items()},
        **{
            name: np.asarray(values, dtype=np.float64)
            for name, values in (flat | incumbents).items()
            if name not in integers
        },
    }


def save_chunk(folder: Path, arrays, dataset="cifar10", entrant="random_search", name=None) -> Path:
    path = folder / "runs" / dataset / entrant / (name or f"{arrays['run'][0]:05d}-{arrays['run'][-1]:05d}.npz")
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)
    return path


def write_chunk(folder: Path, runs, dataset="cifar10", entrant="random_search", budget=100.0, **settings) -> Path:
    key = chunk_key(entrant, dataset, budget)
    return save_chunk(folder, chunk_arrays(runs, key=key, **settings), dataset, entrant)


def landscape(dataset: str, size: int, rng: np.random.Generator) -> np.ndarray:
    """Return scores of `size` cells, descending from the best, whose gaps grow like those of NAS-Bench-201."""
    spread = (BEST[dataset] - RANDOM[dataset]) * 1.2
    return BEST[dataset] - np.sort(np.concatenate([[0.0], spread * rng.gamma(1.5, 0.6, size=size - 1)])).clip(
        max=BEST[dataset] - 0.1
    )


def walk(scores, rate, rng, cost=1.0, budget=100.0, noise=0.002):
    """Return one run: cells from the best share exp(-rate * number of queries so far) of the landscape."""
    run, finished = [], 0.0
    while True:
        share = np.exp(-rate * len(run))
        cell = int(rng.integers(max(1, int(share * len(scores)))))
        finished += cost * rng.uniform(0.7, 1.3)
        if finished > budget:
            return run
        run.append((finished, cell, float(np.clip(scores[cell] + noise * rng.normal(), 0, 1)), float(scores[cell])))


def write_walks(
    folder: Path,
    rates=None,
    datasets=("cifar10",),
    runs=20,
    budget=100.0,
    seed=0,
    chunk=None,
    size=4000,
    ended=(),
    **changes,
) -> Path:
    """Write an experiment of walks: `rates` by entrant. Entrants in `ended` stop by themselves at a third of the budget."""
    rates = {"random_search": 0.0, "regularized_evolution": 0.05} if rates is None else rates
    write_experiment(folder, datasets=datasets, entrants=tuple(rates), runs=runs, budget=budget, **changes)
    for number, dataset in enumerate(datasets):
        scores = landscape(dataset, size, np.random.default_rng([seed, number]))
        for entrant, rate in rates.items():
            rng = np.random.default_rng([seed, number, *entrant.encode()])
            limit = budget / 3 if entrant in ended else budget
            walks = [walk(scores, rate, rng, budget=limit) for _ in range(runs)]
            for first in range(0, runs, chunk or runs):
                part = walks[first : first + (chunk or runs)]
                flags = [int(entrant in ended)] * len(part)
                write_chunk(
                    folder, part, dataset, entrant, budget, first=first, ended=flags, overhead=[0.001] * len(part)
                )
    return folder
