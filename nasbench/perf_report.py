"""Speed and memory of `nasbench report` on many records, beside pandas and scipy used pair by pair, in the same run.

`python -m nasbench.perf_report` makes records of 500 runs of 30 made-up entrants on 4 problems, some hundred trainings a run, with
fixed seeds, and analyses them in processes of their own, whose processor seconds and largest resident memory are printed: the
whole report (tables, figures, page), and the statistics alone of a fortieth of it beside `by_hand`, what a user would write
instead. Both read the same files and give the same means and p values (tests/test_perf_report.py).
"""

from __future__ import annotations

import io
import itertools
import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float64]

RUNS, ENTRANTS, PROBLEMS = 500, 30, 4
FEW_RUNS = 50  # of all entrants on one problem: a fortieth of the runs
CHUNK = 25  # runs a file
CELLS = 4000
BUDGET = 100.0  # seconds; a training takes about one
CHECKPOINTS = (0.1, 0.3, 1.0)
FAMILIES = ("evolution", "local search", "model-based", "multi-fidelity", "reinforcement")
GOAL_SECONDS, GOAL_MEGABYTES = 60.0, 1000.0
RESAMPLES = 2000
DIGEST = "0" * 64


@dataclass(frozen=True)
class Measured:
    """One process: what it did, on how many runs, its processor seconds and its largest resident memory in MB."""

    what: str
    runs: int
    seconds: float
    megabytes: float


def make_records(folder: Path, runs: int, entrants: int = ENTRANTS, problems: int = PROBLEMS) -> Path:
    """Write a results folder as `nasbench run` does; equal arguments, equal bytes.

    Entrant i draws each cell uniformly from the best share exp(-i k / 1000) of a made-up landscape, k the trainings before: entrant
    0 is random search, later ones are better.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = ["random_search", *(f"entrant-{number:02d}" for number in range(1, entrants))]
    scores = {
        f"problem-{number}": np.sort(0.9 - 0.02 * np.random.default_rng(number).gamma(1.5, 1.0, CELLS))[::-1].clip(0.0)
        for number in range(problems)
    }
    (folder / "experiment.json").write_text(json.dumps(_experiment(names, scores, runs)), encoding="utf-8")
    for (place, (problem, landscape)), (number, name) in itertools.product(enumerate(scores.items()), enumerate(names)):
        key = {
            "protocol": "many-records 1.0",
            "protocol_digest": DIGEST,
            "budget": repr(BUDGET),
            "table_digest": DIGEST,
            "cost_digest": DIGEST,
            "dataset": problem,
            "entrant": name,
            "entrant_digest": name,
            "code": DIGEST,
        }
        for first in range(0, runs, CHUNK):
            rng = np.random.default_rng([place, number, first])
            arrays = _chunk(landscape, number / 1000.0, np.arange(first, min(first + CHUNK, runs)), rng)
            path = folder / "runs" / problem / name / f"{first:05d}-{arrays['run'][-1]:05d}.npz"
            _save(path, arrays | {"key": np.asarray(json.dumps(key))})
    return folder


def _experiment(names: Sequence[str], scores: dict[str, FloatArray], runs: int) -> dict[str, Any]:
    return {
        "format": 1,
        "protocol_digest": DIGEST,
        "protocol": {"name": "many-records", "version": "1.0", "checkpoints": CHECKPOINTS, "seed": 0},
        "table": {"title": "Made-up landscapes", "digest": DIGEST, "cost_digest": DIGEST},
        "problems": {
            problem: {
                "score_label": "mean test accuracy",
                "best_score": float(landscape[0]),
                "random_score_mean": float(landscape.mean()),
                "top_score": {"0.001": float(landscape[CELLS // 1000 - 1])},
                "budget": BUDGET,
                "epochs": [200],
            }
            for problem, landscape in scores.items()
        },
        "entrants": {
            name: {
                "strategy": name,
                "runs": runs,
                "title": name.replace("_", " ").capitalize(),
                "family": FAMILIES[place % len(FAMILIES)] if place else "random",
                "entrant_digest": name,
                "code": DIGEST,
            }
            for place, name in enumerate(names)
        },
    }


def _chunk(landscape: FloatArray, rate: float, run: NDArray[np.int64], rng: np.random.Generator) -> dict[str, Any]:
    """Return the arrays of some runs, as in `analysis/records.py`."""
    shape = len(run), int(1.3 * BUDGET)  # trainings of 0.7 to 1.3 seconds: more than can finish are cut off below
    share = np.exp(-rate * np.arange(shape[1]))
    cell = rng.integers(np.maximum(1, share * len(landscape)).astype(np.int64), size=shape)
    validation = np.clip(landscape[cell] + 0.002 * rng.normal(size=shape), 0.0, 1.0)
    cost = rng.uniform(0.7, 1.3, size=shape)
    finished = np.cumsum(cost, axis=1)
    best = np.maximum.accumulate(validation, axis=1)
    place = np.maximum.accumulate(np.where(validation == best, np.arange(shape[1]), 0), axis=1)
    made = finished <= BUDGET
    incumbent = np.take_along_axis(cell, place, axis=1)
    owner = np.nonzero(made)[0]
    flat = cell[made]
    order = np.lexsort((flat, owner))
    new = np.append(True, (np.diff(flat[order]) != 0) | (np.diff(owner[order]) != 0))
    repeat = np.empty(len(flat), dtype=np.int32)
    repeat[order] = np.arange(len(flat)) - np.maximum.accumulate(np.where(new, np.arange(len(flat)), 0))
    return {
        "run": run.astype(np.int32),
        "start": np.append(0, np.cumsum(made.sum(axis=1))),
        "overhead": np.full(len(run), 0.001),
        "ended": np.zeros(len(run), dtype=np.uint8),
        "architecture": flat.astype(np.int32),
        "epochs": np.full(len(flat), 200, dtype=np.int32),
        "repeat": repeat,
        "validation_accuracy": validation[made],
        "cost": cost[made],
        "finished": finished[made],
        "score": landscape[incumbent][made],
        "incumbent": incumbent[made].astype(np.int32),
        "incumbent_validation": best[made],
        "cell": flat.astype(np.int32),
    }


def _save(path: Path, arrays: dict[str, Any]) -> None:
    """Write a compressed .npz file; quicker than `numpy.savez_compressed`, and without the time of day."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for name, values in arrays.items():
            stream = io.BytesIO()
            np.save(stream, values)
            file.writestr(zipfile.ZipInfo(f"{name}.npy"), stream.getvalue(), zipfile.ZIP_DEFLATED, 1)


def by_hand(folder: Path) -> dict[str, Any]:
    """Compute mean regrets, curves with bootstrap intervals and tests of all pairs, with pandas and scipy, one after the other.

    Returns:
        `mean` by (problem, entrant), (checkpoints,); `curve` by the same, mean and ends of the interval over time, (3, points);
        `p_value` by (problem, checkpoint, entrant, other).
    """
    import pandas as pd
    from scipy import stats

    problems = json.loads((folder / "experiment.json").read_text(encoding="utf-8"))["problems"]
    frames = []
    for path in sorted(folder.glob("runs/*/*/*.npz")):
        with np.load(path) as chunk:
            run = np.repeat(chunk["run"], np.diff(chunk["start"]))
            columns = {"run": run, "finished": chunk["finished"], "score": chunk["score"]}
        frames.append(pd.DataFrame({"problem": path.parts[-3], "entrant": path.parts[-2], **columns}))
    mean, curve, finals = {}, {}, {}
    for (problem, entrant), part in pd.concat(frames).groupby(["problem", "entrant"]):
        budget, best = problems[problem]["budget"], problems[problem]["best_score"]
        checkpoints, grid = np.array(CHECKPOINTS) * budget, np.geomspace(budget / 1e4, budget, 241)
        steps = [run.set_index("finished")["score"] for _, run in part.groupby("run")]
        final = np.stack([best - run.reindex(checkpoints, method="ffill").to_numpy() for run in steps])
        over = np.stack([best - run.reindex(grid, method="ffill").to_numpy() for run in steps])
        over = over[:, ~np.isnan(over).any(axis=0)]
        interval = stats.bootstrap(
            (over,), np.mean, n_resamples=RESAMPLES, method="percentile", batch=100, rng=np.random.default_rng(0)
        ).confidence_interval
        mean[problem, entrant], finals[problem, entrant] = final.mean(axis=0), final
        curve[problem, entrant] = np.stack([over.mean(axis=0), *interval])
    p_value = {}
    for (problem, entrant), (other_problem, other) in itertools.combinations(finals, 2):
        if problem == other_problem:
            for place in range(len(CHECKPOINTS)):
                ours, theirs = (finals[problem, name][:, place] for name in (entrant, other))
                test = stats.mannwhitneyu(ours, theirs, method="asymptotic")
                p_value[problem, place, entrant, other] = float(test.pvalue)
    return {"mean": mean, "curve": curve, "p_value": p_value}


def measure(what: str, runs: int, code: str) -> Measured:
    """Run code in a Python process of its own and return its processor seconds, starting included, and its memory."""
    script = f"{code}\nimport time\nprint(time.process_time())\nfrom nasbench.perf import print_peak; print_peak()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    seconds, megabytes = map(float, done.stdout.split()[-2:])
    return Measured(what, runs, seconds, megabytes)


def show(lines: Sequence[Measured]) -> None:
    """Print what was measured, with what it was measured on."""
    from rich.console import Console
    from rich.table import Table

    from nasbench.provenance import provenance

    sheet = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("measured", "runs", "processor seconds", "peak memory, MB", "goal"):
        sheet.add_column(column, justify="left" if column in ("measured", "goal") else "right")
    for line in lines:
        whole = line.runs == RUNS * ENTRANTS * PROBLEMS
        goal = f"{GOAL_SECONDS:g} s, {GOAL_MEGABYTES:,.0f} MB" if whole else ""
        sheet.add_row(line.what, f"{line.runs:,}", f"{line.seconds:.1f}", f"{line.megabytes:.0f}", goal)
    console = Console(width=None if sys.stdout.isatty() else 150, highlight=False, markup=False)
    console.print(sheet)
    made = provenance()
    packages = ", ".join(f"{name} {made['packages'][name]}" for name in ("numpy", "pandas", "scipy"))
    console.print(
        f"\nEach once, in a process of its own. Records: {RUNS} runs of {ENTRANTS} entrants on {PROBLEMS} problems, and {FEW_RUNS} of as "
        f"many on one. Python {made['python']}, {packages}; {made['processor']}."
    )


def main() -> None:
    """Make the records, measure and print."""
    with tempfile.TemporaryDirectory() as place:
        many, few = make_records(Path(place) / "many", RUNS), make_records(Path(place) / "few", FEW_RUNS, problems=1)
        path = "from pathlib import Path\n"
        show(
            [
                measure(
                    "nasbench report: tables, figures, page",
                    RUNS * ENTRANTS * PROBLEMS,
                    f"{path}from nasbench.analysis.report import report; report(Path({str(many)!r}), Path({place!r}) / 'out')",
                ),
                measure(
                    "its statistics alone",
                    FEW_RUNS * ENTRANTS,
                    f"{path}from nasbench.analysis.comparison import compare; compare(Path({str(few)!r}))",
                ),
                measure(
                    "pandas and scipy, pair by pair: a part of them",
                    FEW_RUNS * ENTRANTS,
                    f"{path}from nasbench.perf_report import by_hand; by_hand(Path({str(few)!r}))",
                ),
            ]
        )


if __name__ == "__main__":
    main()
