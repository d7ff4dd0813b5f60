"""Read the runs of an experiment, chunk by chunk: `runs/<data set>/<entrant>/<first>-<last>.npz`.

Nothing is repaired or guessed. A chunk that can't be read, that was made under another protocol, table or cost model, that
stands in the wrong place, or whose numbers contradict each other is left out and named as a `Fault`; so are runs that the
protocol asks for and that are not there. What is left belongs together.
"""

from __future__ import annotations

import functools
import io
import json
import math
import re
import zipfile
from dataclasses import fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .records import Experiment, Fault, Problem, Runs

CHUNK_NAME = re.compile(r"(\d+)-(\d+)\.npz")
ROUNDING = 1e-9  # sums of float64 costs and means of fractions agree far better than this

_PER_RUN = {"run": np.int32, "start": np.int64, "overhead": np.float64, "ended": np.uint8}
_PER_OBSERVATION = {
    "architecture": np.int32,
    "epochs": np.int32,
    "repeat": np.int32,
    "validation_accuracy": np.float64,
    "cost": np.float64,
    "finished": np.float64,
    "score": np.float64,
    "incumbent": np.int32,
    "incumbent_validation": np.float64,
    "cell": np.int32,
}


class ChunkError(ValueError):
    """A chunk that is left out; the message is the reason."""


def read_runs(experiment: Experiment, dataset: str, entrant: str) -> tuple[Runs | None, list[Fault]]:
    """Read the runs of one entrant on one problem.

    Args:
        experiment: what was compared.
        dataset: name of the problem.
        entrant: name of the entrant.

    Returns:
        The runs of all sound chunks, in ascending order, or None if there are none; and what is missing or was left out.
    """
    wanted = experiment.entrants[entrant].runs
    where = f"runs/{dataset}/{entrant}"
    folder = experiment.folder / "runs" / dataset / entrant
    if not folder.is_dir():
        return None, [Fault(where, f"missing: none of {wanted} runs")]
    chunks: dict[int, Runs] = {}
    faults = []
    taken: set[int] = set()
    for path in sorted(folder.iterdir(), key=_chunk_order):
        try:
            runs = _read_chunk(path, experiment, dataset, entrant)
            shared = sorted(taken.intersection(runs.run.tolist()))
            if shared:
                raise ChunkError(f"repeats runs {ranges(shared)}, which another chunk holds already")
        except ChunkError as error:
            faults.append(Fault(f"{where}/{path.name}", f"left out: {error}"))
            continue
        taken.update(runs.run.tolist())
        chunks[int(runs.run[0])] = runs
    missing = sorted(set(range(wanted)) - taken)
    if missing:
        faults.append(Fault(where, f"missing: {len(missing)} of {wanted} runs ({ranges(missing)})"))
    return (join(list(chunks.values())) if chunks else None), faults


def stray_faults(experiment: Experiment) -> list[Fault]:
    """Name the files and folders below `runs/` that belong to no problem or entrant of the experiment."""
    root = experiment.folder / "runs"
    if not root.is_dir():
        return [Fault("runs", "missing: the results folder has no runs")]
    faults = []
    for dataset in sorted(root.iterdir()):
        if dataset.name not in experiment.problems or not dataset.is_dir():
            faults.append(Fault(f"runs/{dataset.name}", "left out: not a problem of this experiment"))
            continue
        faults += [
            Fault(f"runs/{dataset.name}/{entrant.name}", "left out: not an entrant of this experiment")
            for entrant in sorted(dataset.iterdir())
            if entrant.name not in experiment.entrants or not entrant.is_dir()
        ]
    return faults


def join(chunks: list[Runs]) -> Runs:
    """Concatenate chunks in the given order."""
    if len(chunks) == 1:
        return chunks[0]
    arrays = {
        field.name: np.concatenate([getattr(chunk, field.name) for chunk in chunks])
        for field in fields(Runs)
        if field.name != "start"
    }
    lengths = np.concatenate([chunk.queries for chunk in chunks])
    return Runs(start=np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)]), **arrays)


def ranges(numbers: list[int]) -> str:
    """Write ascending numbers as ranges.

    >>> ranges([0, 1, 2, 5, 7, 8])
    '0-2, 5, 7-8'
    """
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1][1:] = [number]
        else:
            parts.append([number])
    shown = ["-".join(map(str, part)) for part in parts]
    return ", ".join(shown if len(shown) <= 8 else [*shown[:8], f"and {len(shown) - 8} more ranges"])


def _chunk_order(path: Path) -> tuple[int, str]:
    match = CHUNK_NAME.fullmatch(path.name)
    return (int(match[1]) if match else -1, path.name)


def _read_chunk(path: Path, experiment: Experiment, dataset: str, entrant: str) -> Runs:
    match = CHUNK_NAME.fullmatch(path.name)
    if match is None:
        raise ChunkError("not a chunk of runs (<first>-<last>.npz); perhaps the rest of a killed run")
    arrays, key = _load(path)
    problem, declared = experiment.problems[dataset], experiment.entrants[entrant]
    expected = {
        "protocol": experiment.series,
        "protocol_digest": experiment.protocol_digest,
        "budget": repr(problem.budget),
        "table_digest": experiment.table.digest,
        "cost_digest": experiment.table.cost_digest,
        "dataset": dataset,
        "entrant": entrant,
        "entrant_digest": declared.entrant_digest,
        "code": declared.code,
    }
    for name, value in expected.items():
        found = key.get(name, "")
        if found != value:
            raise ChunkError(f"its {name.replace('_', ' ')} is {_short(found)}, the experiment's is {_short(value)}")
    runs = Runs(**arrays)  # type: ignore[arg-type]
    if not np.array_equal(runs.run, np.arange(int(match[1]), int(match[2]) + 1)):
        raise ChunkError(f"holds runs {ranges(runs.run.tolist()[:1000])}, not those that its name says")
    if runs.run[-1] >= declared.runs:
        raise ChunkError(f"holds run {runs.run[-1]}; the protocol has runs 0 to {declared.runs - 1}")
    _check_values(runs, problem)
    return runs


def _load(path: Path) -> tuple[dict[str, NDArray[np.generic]], dict[str, object]]:
    try:
        with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as file:
            stored = {name.removesuffix(".npy"): _array(file.read(name)) for name in file.namelist()}
    except Exception as error:  # zipfile, zlib and numpy raise a dozen kinds on damaged files
        raise ChunkError(f"can't be read ({type(error).__name__}: {error})") from error
    absent = sorted({*_PER_RUN, *_PER_OBSERVATION, "key"} - stored.keys())
    if absent:
        raise ChunkError(f"lacks {', '.join(absent)}")
    try:
        key = json.loads(str(stored["key"]))
    except json.JSONDecodeError as error:
        raise ChunkError(f"its key is not JSON ({error})") from error
    if not isinstance(key, dict):
        raise ChunkError(f"its key is a JSON {type(key).__name__}, not an object")
    arrays = {}
    for name, dtype in {**_PER_RUN, **_PER_OBSERVATION}.items():
        array = stored[name]
        if array.ndim != 1 or array.dtype != dtype:
            raise ChunkError(f"{name} is {array.dtype} of shape {array.shape}, not one-dimensional {np.dtype(dtype)}")
        arrays[name] = array
    _check_shapes(arrays)
    return arrays, key


def _array(content: bytes) -> NDArray[np.generic]:
    """Return an array from the bytes of an .npy file: as `numpy.load`, which reads every heading as Python anew.

    The array can't be written to.

    Raises:
        ValueError: not such a file, or too few or too many bytes.
    """
    size = 10 + int.from_bytes(content[8:10], "little")
    shape, dtype = _heading(content[:size])
    count = math.prod(shape)
    if len(content) != size + count * dtype.itemsize:
        raise ValueError(f"an array of {count} x {dtype} in {len(content) - size} bytes")
    return np.frombuffer(content, dtype, count, size).reshape(shape)


@functools.lru_cache(maxsize=4096)
def _heading(content: bytes) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    if version != (1, 0):
        raise ValueError(f"an array of format {version}, not (1, 0)")
    shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(stream)
    if dtype.hasobject:
        raise ValueError("objects, which only pickle reads, are refused")
    if fortran_order and len(shape) > 1:
        raise ValueError(f"an array of shape {shape} stored by columns")
    return shape, dtype


def _check_shapes(arrays: dict[str, NDArray[np.generic]]) -> None:
    runs, start = len(arrays["run"]), arrays["start"]
    if runs < 1:
        raise ChunkError("holds no run")
    for name, expected in (("start", runs + 1), ("overhead", runs), ("ended", runs)):
        if len(arrays[name]) != expected:
            raise ChunkError(f"{name} has {len(arrays[name])} entries for {runs} runs; expected {expected}")
    if start[0] != 0 or np.any(np.diff(start.astype(np.int64)) < 0):
        raise ChunkError("start must begin at 0 and never fall")
    for name in _PER_OBSERVATION:
        if len(arrays[name]) != start[-1]:
            raise ChunkError(f"{name} has {len(arrays[name])} entries; start promises {start[-1]}")


def _check_values(runs: Runs, problem: Problem) -> None:
    for name in ("validation_accuracy", "incumbent_validation", "score"):
        _check_range(runs, name, 0.0, 1.0)
    _check_range(runs, "score", 0.0, problem.best_score + ROUNDING)
    _check_range(runs, "cost", 0.0, np.inf)
    _check_range(runs, "finished", 0.0, problem.budget * (1.0 + ROUNDING))
    _check_range(runs, "ended", 0, 2)
    later = np.ones(len(runs.finished), dtype=bool)
    later[runs.start[:-1][runs.queries > 0]] = False
    falling = np.flatnonzero(np.diff(runs.finished, prepend=0.0) < 0.0)
    falling = falling[later[falling]]
    if falling.size:
        raise ChunkError(f"finished falls within run {_run_of(runs, int(falling[0]))}")
    strange = ~np.isin(runs.epochs, problem.epochs)
    if strange.any():
        raise ChunkError(
            f"epochs holds {runs.epochs[strange][0]}; the problem has {', '.join(map(str, problem.epochs))}"
        )


def _check_range(runs: Runs, name: str, low: float, high: float) -> None:
    values = getattr(runs, name)
    wrong = np.flatnonzero(~((values >= low) & (values <= high) & np.isfinite(values)))
    if wrong.size:
        run = int(runs.run[wrong[0]]) if name == "ended" else _run_of(runs, int(wrong[0]))
        raise ChunkError(f"{name} of run {run} is {values[wrong[0]]}, outside [{low:g}, {high:g}]")


def _run_of(runs: Runs, observation: int) -> int:
    return int(runs.run[np.searchsorted(runs.start, observation, side="right") - 1])


def _short(value: object) -> str:
    text = str(value)
    return f"{text[:16]!r}..." if len(text) > 20 else repr(text)
