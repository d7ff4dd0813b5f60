"""Finished runs on disk: chunks of runs as plain arrays, and one `experiment.json` that says what they are.

A chunk `runs/DATASET/ENTRANT/FIRST-LAST.npz` holds consecutive run numbers of one entrant on one problem. It is written
under a temporary name and renamed, so it is whole or absent; equal runs give equal bytes. Its `key` names protocol, table
and code, so that records of different things can't be averaged by accident. Arrays (analysis/records.py reads them):

- `run` int32 (runs,), `start` int64 (runs + 1,): run numbers, and where each run begins in the flat arrays;
- `overhead` float64 (runs,): measured seconds of the strategy's own computation; `ended` uint8 (runs,): see `search.py`;
- flat, one entry per observation in order of finishing: `architecture` int32 (number in the space), `cell` int32 (what was
  trained: the table's row), `epochs` int32, `repeat` int32, `validation_accuracy` float64, `cost` and `finished` float64
  simulated seconds, `incumbent` int32 (architecture after this observation), `incumbent_validation` float64, `score` float64
  (the incumbent's, see `tabular.Scorer`).

Where a protocol names several objectives: `cell_score` float64, score of what was trained (not of the incumbent), and
`objective_NAME` float64 for each. Where measures cost something: `measuring` float64 (runs,), simulated seconds charged for
them. Neither is written otherwise.

Measured overhead differs from run to run; all other arrays are the same bits again for the same seeds.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nasbench.query import Benchmark
from nasbench.sealed import write_at_once
from nasbench.search import Run, incumbents
from nasbench.space import Architecture, CellSpace
from nasbench.tabular import Scorer

FORMAT = 1

COLUMNS = {"run", "start", "ended", "overhead", "architecture", "cell", "epochs", "repeat", "validation_accuracy"} | {
    "cost",
    "finished",
    "incumbent",
    "incumbent_validation",
    "score",
}
"""Arrays of a chunk, beside its `key`."""


class RecordedBenchmark(Benchmark, Protocol):
    """A benchmark whose cells are the rows of a table, so that its answers can be recorded and scored."""

    @property
    def space(self) -> CellSpace:
        """The search space of the table."""

    @property
    def objectives(self) -> tuple[str, ...]:
        """Names of the measures that its observations carry behind the error."""

    def cell(self, architecture: Architecture) -> int:
        """Return the row that answers for an architecture."""

    def repeat(self, architecture: Architecture, seed: int) -> int:
        """Return the number of the repeat that `seed` chooses."""


class RecordError(ValueError):
    """A record that can't be used; the message names the file and why."""


def trajectory(run: Run, benchmark: RecordedBenchmark, scorer: Scorer) -> dict[str, NDArray[Any]]:
    """Turn one run into arrays, and score its incumbents now that the search is over.

    Returns:
        The flat arrays listed above, all of the same length; empty if no training fitted into the budget.
    """
    space = benchmark.space
    asked = [entry.observation.query.architecture for entry in run.log]
    index = np.array([space.index(architecture) for architecture in asked], dtype=np.int32)
    cell = np.array([benchmark.cell(architecture) for architecture in asked], dtype=np.int32)
    epochs = np.array([entry.observation.query.epochs for entry in run.log], dtype=np.int32)
    accuracy = np.array([entry.observation.validation_accuracy for entry in run.log], dtype=np.float64)
    best = incumbents(epochs, accuracy)
    arrays: dict[str, NDArray[Any]] = {
        "architecture": index,
        "cell": cell,
        "epochs": epochs,
        "repeat": np.array(
            [benchmark.repeat(entry.observation.query.architecture, entry.seed) for entry in run.log], np.int32
        ),
        "validation_accuracy": accuracy,
        "cost": np.array([entry.observation.cost for entry in run.log], dtype=np.float64),
        "finished": np.array([entry.finished for entry in run.log], dtype=np.float64),
        "incumbent": index[best],
        "incumbent_validation": accuracy[best],
        "score": scorer.scores[cell[best]],
    }
    if benchmark.objectives:
        arrays["cell_score"] = scorer.scores[cell]
        told = np.array([entry.observation.objectives for entry in run.log], dtype=np.float64)
        told = told.reshape(len(run.log), 1 + len(benchmark.objectives))
        arrays |= {f"objective_{name}": told[:, number] for number, name in enumerate(benchmark.objectives, start=1)}
    return arrays


def write_chunk(
    path: Path,
    numbers: Sequence[int],
    runs: Sequence[Run],
    trajectories: Sequence[Mapping[str, NDArray[Any]]],
    key: Mapping[str, str],
) -> None:
    """Write consecutive runs as one chunk, whole or not at all.

    Args:
        path: the file to make.
        numbers: run numbers, ascending.
        runs: the runs.
        trajectories: their arrays, as `trajectory` makes them.
        key: what the runs are runs of; see `chunk_key` in `experiment.py`.
    """
    lengths = [len(arrays["epochs"]) for arrays in trajectories]
    columns: dict[str, NDArray[Any]] = {
        "run": np.array(numbers, dtype=np.int32),
        "start": np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        "ended": np.array([run.ended for run in runs], dtype=np.uint8),
        "overhead": np.array([run.overhead for run in runs], dtype=np.float64),
        "key": np.array(json.dumps(dict(key), sort_keys=True)),
    }
    measuring = [sum(one.seconds for one in run.measured) for run in runs]
    if any(measuring):
        columns["measuring"] = np.array(measuring, dtype=np.float64)
    columns |= {name: np.concatenate([arrays[name] for arrays in trajectories]) for name in trajectories[0]}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **columns)  # type: ignore[arg-type]  # numpy's stub takes no mapping of arrays
    replace_file(path, buffer.getvalue())


def chunk_matches(path: Path, numbers: Sequence[int], key: Mapping[str, str]) -> bool:
    """Return whether a chunk is there, whole (every array is read and its checksum held), and a record of exactly this.

    Args:
        path: the file.
        numbers: run numbers, ascending.
        key: what the runs are runs of.
    """
    if not path.is_file():
        return False
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as chunk:
            arrays = {name: chunk[name] for name in chunk.files}
        found: Any = json.loads(str(arrays["key"]))
    except Exception:  # nobody lists what a damaged file makes zipfile, zlib and numpy raise
        return False
    return bool(found == dict(key) and arrays.keys() >= COLUMNS and arrays["run"].tolist() == list(numbers))


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file for people to read, whole or not at all."""
    replace_file(path, (json.dumps(content, indent=2, sort_keys=False, allow_nan=False) + "\n").encode())


def replace_file(path: Path, content: bytes) -> None:
    """Put `content` at `path` in one step, whole or not at all; the folder is made if it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_at_once(path, content)
