"""Run a strategy in a process of its own and report what it did besides searching (part of `nasbench.testing`).

The child has another hash seed, so that a strategy that depends on the order of a set of strings shows itself, and watches
what the strategy does beside searching (`nasbench/watch.py`).
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.util
import inspect
import io
import json
import os
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import numpy as np

from nasbench.load import STRATEGIES, LoadedStrategy, load_strategy
from nasbench.space import CellSpace, SearchSpace, space_by_name
from nasbench.synthetic import SyntheticBenchmark, drive
from nasbench.watch import Watch

HEAVY = ("torch", "torchvision", "pandas", "matplotlib", "sklearn")
"""What a strategy must not load before it runs: `nasbench list` reads all of them in a fraction of a second."""

FORBIDDEN = ("h5py", "nasbench.table", "nasbench.tabular", "nasbench.live", "nasbench.search")
"""What a strategy has no business with: whoever opens a table can read its test columns. h5py may be loaded by a library of the
strategy's for that library's own purposes (`nasbench/watch.py` tells the two apart)."""

START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from nasbench.isolated import main; main()"


class ProcessFailed(Exception):
    """The child ended without a report, or not within its time."""


def run_isolated(
    strategy: LoadedStrategy,
    space: SearchSpace,
    epochs: tuple[int, ...],
    settings: dict[str, Any],
    seed: int,
    queries: int,
    seconds: float,
    objectives: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Run a strategy on `SyntheticBenchmark` in another process.

    Args:
        strategy: found in the child by its `reference`.
        space: a space of `nasbench.space.SPACES` or any `CellSpace`.
        epochs: fidelities on offer.
        settings: the strategy's settings.
        seed: of the strategy's generator.
        queries: number of queries after which it is closed.
        seconds: time limit.
        objectives: measures that observations carry.

    Returns:
        `queries`: list of [architecture, epochs]; `ended`; `error`: traceback or None; `output`: what it printed; `loaded`:
        heavy modules that importing it loaded; `forbidden`: modules of `FORBIDDEN` that it loaded, and no library for itself;
        `acts`: kind -> list of what it did (kinds: files, environment, clock, network, frames).

    Raises:
        ProcessFailed: the child crashed or ran out of time.
    """
    request = {
        "reference": strategy.reference,
        "space": _name_space(space),
        "epochs": epochs,
        "settings": settings,
        "seed": seed,
        "queries": queries,
        "objectives": objectives,
    }
    # The digest makes an edited file a new request.
    source = Path(inspect.getfile(strategy.function)).read_bytes()
    return _run(json.dumps(request), hashlib.sha256(source).hexdigest(), seconds)


@functools.lru_cache(maxsize=64)
def _run(request: str, digest: str, seconds: float) -> dict[str, Any]:
    environment = {**os.environ, "PYTHONHASHSEED": "20190127", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", START, json.dumps(sys.path)]
    try:
        done = subprocess.run(
            command, input=request, capture_output=True, text=True, timeout=seconds, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        raise ProcessFailed(f"not done after {seconds:g} seconds") from None
    if done.returncode:
        raise ProcessFailed(f"exit code {done.returncode}: {done.stderr.strip()[-500:]}")
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def _name_space(space: SearchSpace) -> str | list[Any]:
    if isinstance(space, CellSpace):
        return [space.name, space.nodes, space.operations]
    return space.name


def main() -> None:
    """Serve one request from standard input; the report goes to standard output."""
    sys.dont_write_bytecode = True
    report = _serve(json.load(sys.stdin))
    print(json.dumps(report, default=int))  # NumPy integers in an architecture: other checks tell of them


def _serve(request: dict[str, Any]) -> dict[str, Any]:
    named = request["space"]
    space = space_by_name(named) if isinstance(named, str) else CellSpace(named[0], named[1], tuple(named[2]))
    epochs = tuple(request["epochs"])
    benchmark = SyntheticBenchmark(space, epochs, objectives=tuple(request["objectives"]))
    before = set(sys.modules)
    report: dict[str, Any] = {"queries": [], "ended": False, "error": None, "loaded": []}
    output = io.StringIO()
    watch = Watch()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        try:
            with watch.watching(_folder(request["reference"])):
                strategy = load_strategy(request["reference"])
                report["loaded"] = [name for name in HEAVY if name in sys.modules and name not in before]
                search = strategy.function(
                    space, np.random.default_rng(request["seed"]), epochs, **strategy.configure(request["settings"])
                )
                trace = drive(search, lambda query: benchmark.evaluate(query, 0), request["queries"])
            report["queries"] = [[query.architecture, query.epochs] for query in trace.queries]
            report["ended"] = trace.ended
        except BaseException:  # whatever a strategy raises is for the report
            report["error"] = traceback.format_exc()
    report["output"] = output.getvalue()
    loaded = [name for name in FORBIDDEN if name in sys.modules and name not in before]
    report["forbidden"] = [name for name in loaded if name.startswith("nasbench.") or name in watch.imported]
    report["acts"] = watch.acts
    return report


def _folder(reference: str) -> str:
    """Return the folder of the file that a reference names, without importing it."""
    if reference.endswith(".py") or ".py:" in reference:
        return str(Path(reference.rsplit(":", 1)[0] if ".py:" in reference else reference).absolute().parent)
    module = reference.split(":")[0] if ":" in reference else f"{STRATEGIES}.{reference}"
    specification = importlib.util.find_spec(module)
    if specification is None or specification.origin is None:
        raise ProcessFailed(f"module {module} has no source file")
    return str(Path(specification.origin).absolute().parent)
