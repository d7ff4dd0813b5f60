"""Meta-train a learned optimizer by one command: `python -m nasbench.meta_training NAME`.

Each name of `RUNS` makes `NAME.safetensors` (the weights) and `NAME.json` (what they were trained on, how long, on
which seeds, with which digests), which an optimizer's file loads. A run writes its state to a folder after every
check on the held-out instances and goes on from there when it is started again; it ends with the same bits whether or
not it was interrupted.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import math
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nasbench import meta_training_l2l, meta_training_pes
from nasbench.meta_training_l2l import L2LRun
from nasbench.meta_training_pes import PESRun

Run = L2LRun | PESRun

RUNS: dict[str, Run] = {
    "l2l_quadratic_uniform": L2LRun("quadratic-uniform", "identity", scale=0.1, gradient_factor=128.0, episodes=1000),
    "l2l_quadratic_gaussian": L2LRun("quadratic-gaussian", "identity", scale=0.1, gradient_factor=128.0, episodes=1000),
    "l2l": L2LRun("digits-sigmoid", "log-sign", scale=0.1, episodes=1000),
    "l2l_seed_1": L2LRun("digits-sigmoid", "log-sign", scale=0.1, episodes=1000, seed=1),
    "mlp_lopt": PESRun(("digits-sigmoid", "digits-relu"), outer_steps=12_000),
}
"""Settings were fixed before anything was scored: section 3.1 (e, f) of our notes on learned optimizers and the papers' own.
Two things were not given:
the gradient's factor on quadratics (1, 20 and 128 were tried for 60 episodes on training and held-out instances of a copy of the
families; 128 undoes the mean over problems and was best) and the lengths: what a CPU does in about ten minutes (L2L) and half an hour.
`--length` makes a run longer (a record says how long its run was, and how its held-out loss went).
`l2l_seed_1` is `l2l` from another meta-seed: other initial weights, other instances."""

CODE = ("_lstm.py", "_mlp_lopt.py", "_l2l.py")


class MetaTrainingError(ValueError):
    """A run that does not exist, or a folder that holds the state of another run."""


def _load_task(name: str) -> Any:
    return importlib.import_module("nasbench.tasks").load_task(name)


def tasks_of(run: Run) -> tuple[str, ...]:
    """Return the names of the tasks that a run trains on."""
    return (run.task,) if isinstance(run, L2LRun) else run.tasks


def run_digest(name: str, run: Run) -> str:
    """Return the SHA-256 of a run's name, settings and version of its algorithm, by which its state is known again.

    The number of episodes or outer steps is left out: nothing that happens before the last one depends on it, so a run can be made
    longer, or ended at what it has reached.
    """
    kept = {key: value for key, value in vars(run).items() if key not in ("episodes", "outer_steps")}
    version = f" version {meta_training_l2l.VERSION}" if isinstance(run, L2LRun) else ""
    return hashlib.sha256(f"{name} {kept!r} torch {torch.__version__}{version}".encode()).hexdigest()


def code_digest() -> str:
    """Return the SHA-256 of the source files that weights depend on, independent of any version control."""
    here = Path(__file__).parent
    optimizers = importlib.import_module("nasbench.baselines.optimizers")
    files = [here / "meta_training_l2l.py", here / "meta_training_pes.py"]
    files += [Path(str(optimizers.__file__)).parent / name for name in CODE]
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()


def flatten_state(state: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Divide a state into tensors with dotted names and the plain values that are left."""
    tensors: dict[str, Tensor] = {}

    def visit(prefix: str, value: Any) -> Any:
        if isinstance(value, Tensor):
            # A copy, because views that share memory can't be saved.
            tensors[prefix] = value.detach().clone().contiguous()
            return None
        if isinstance(value, Mapping):
            return {"keys": [[key, visit(f"{prefix}.{key}", inner)] for key, inner in value.items()]}
        if isinstance(value, list | tuple):
            return {"items": [visit(f"{prefix}.{index}", inner) for index, inner in enumerate(value)]}
        return {"value": value}

    plain = visit("state", state)
    return tensors, plain


def restore_state(tensors: Mapping[str, Tensor], plain: Any, prefix: str = "state") -> Any:
    """Undo `flatten_state`; tuples come back as lists."""
    if plain is None:
        return tensors[prefix]
    if "keys" in plain:
        return {key: restore_state(tensors, inner, f"{prefix}.{key}") for key, inner in plain["keys"]}
    if "items" in plain:
        return [restore_state(tensors, inner, f"{prefix}.{index}") for index, inner in enumerate(plain["items"])]
    return plain["value"]


def save_state(path: Path, state: Mapping[str, Any], digest: str, seconds: float) -> None:
    """Write a state whole or not at all."""
    import safetensors.torch

    tensors, plain = flatten_state(state)
    text = {"digest": digest, "seconds": repr(seconds), "plain": json.dumps(plain)}
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_bytes(safetensors.torch.save(tensors, metadata=text))
    unfinished.replace(path)


def read_state(path: Path, digest: str) -> tuple[Any, float]:
    """Return a written state and the seconds spent on it.

    Raises:
        MetaTrainingError: the state is of other settings or another version of torch.
    """
    import safetensors.torch

    data = path.read_bytes()
    text = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    if text["digest"] != digest:
        raise MetaTrainingError(f"{path} holds the state of other settings or another torch; choose another --folder")
    tensors = safetensors.torch.load(data)
    return restore_state(tensors, json.loads(text["plain"])), float(text["seconds"])


def meta_train(
    name: str,
    folder: Path,
    output: Path,
    *,
    load_task: Callable[[str], Any] = _load_task,
    report: Callable[[str], None] = print,
    run: Run | None = None,
    length: int | None = None,
) -> dict[str, Any]:
    """Meta-train one learned optimizer, from its saved state if `folder` has one; return its record.

    Args:
        name: a key of `RUNS`; also the name of the two files.
        folder: where the state is kept meanwhile.
        output: folder of the weights and the record.
        load_task: finds a task by its name.
        report: called with a line of text after each check.
        run: other settings than `RUNS` has, for tests.
        length: episodes or outer steps, where they are not those of `RUNS`; a state must not have more.

    Raises:
        MetaTrainingError: an unknown name, a length below 1, or a state of other settings or that has more.
    """
    import safetensors.torch

    if run is None:
        if name not in RUNS:
            raise MetaTrainingError(f"no meta-training {name!r}; there are {sorted(RUNS)}")
        run = RUNS[name]
    if length is not None:
        if length < 1:
            raise MetaTrainingError(f"length is {length}, must be at least 1")
        run = replace(run, episodes=length) if isinstance(run, L2LRun) else replace(run, outer_steps=length)
    tasks = [load_task(task) for task in tasks_of(run)]
    digest = run_digest(name, run)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.state"
    if path.exists():
        state, before = read_state(path, digest)
    else:
        state = meta_training_l2l.start(run) if isinstance(run, L2LRun) else meta_training_pes.start(run, tasks)
        before = 0.0
    asked = run.episodes if isinstance(run, L2LRun) else run.outer_steps
    if state["done"] > asked:
        raise MetaTrainingError(
            f"{path} has {state['done']} episodes or steps, asked for are {asked}: choose another --folder"
        )
    begun = time.process_time()
    states = (
        meta_training_l2l.train(run, tasks[0], state)
        if isinstance(run, L2LRun)
        else meta_training_pes.train(run, tasks, state)
    )
    seconds = before
    for state in states:  # none, if the state is at its end already
        seconds = before + time.process_time() - begun
        save_state(path, state, digest, seconds)
        done, training, checked = state["history"][-1]
        report(
            f"{name} {done:5d}: training {training:.5f} held out {checked:.5f} best {state['best_loss']:.5f}, {seconds:.0f} s"
        )
    record = make_record(name, run, tasks, state, seconds)
    output.mkdir(parents=True, exist_ok=True)
    weights = {key: value.contiguous() for key, value in state["best"].items()}
    (output / f"{name}.safetensors").write_bytes(safetensors.torch.save(weights))
    (output / f"{name}.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return record


def make_record(name: str, run: Run, tasks: list[Any], state: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """Return what is written beside the weights.

    `meta_work` is counted as a task counts it, (forward + backward passes) x examples x parameters; the optimizer's own
    arithmetic is in `cpu_seconds` alone. `instances` are half-open ranges of instance seeds.
    """
    work = {task.name: int(task.instance(meta_training_l2l.HELD_OUT_SEEDS).work_per_step) for task in tasks}
    if isinstance(run, L2LRun):
        first = meta_training_l2l.TRAINING_SEEDS + 100_000 * run.seed
        trained, spent = [first, first + state["done"]], meta_training_l2l.meta_work(run, state, work[run.task])
    else:
        first = meta_training_l2l.TRAINING_SEEDS + 100_000 * run.seed
        trained, spent = [first, first + state["drawn"]], {key: int(value) for key, value in state["work"].items()}
    held_out = [meta_training_l2l.HELD_OUT_SEEDS, meta_training_l2l.HELD_OUT_SEEDS + run.held_out]
    weights = importlib.import_module("nasbench.baselines.optimizers._weights")
    return {
        "name": name,
        "format": 1,
        "algorithm": "truncated backpropagation" if isinstance(run, L2LRun) else "persistent evolution strategies",
        "settings": {key: list(value) if isinstance(value, tuple) else value for key, value in vars(run).items()},
        "tasks": [
            {
                "name": task.name,
                "version": task.version,
                "work_per_step": work[task.name],
                "splits": dict(task.digests),
                "inputs": dict(task.input_digests),
            }
            for task in tasks
        ],
        "instances": {"training": trained, "held_out": held_out},
        "meta_work": spent,
        "cpu_seconds": round(seconds, 1),
        "selected": {"after": state["best_done"], "held_out_loss": state["best_loss"]},
        "history": [[done, finite(a), finite(b)] for done, a, b in state["history"]],
        "torch": torch.__version__,
        "weights_digest": weights.weights_digest(state["best"]),
        "code_digest": code_digest(),
    }


def finite(value: float) -> float | None:
    """Return a number that JSON has, or None."""
    return value if math.isfinite(value) else None


def main(arguments: list[str] | None = None) -> int:
    """Read the command line and meta-train; return 0, or 2 with a word on what is wrong."""
    parser = argparse.ArgumentParser(prog="python -m nasbench.meta_training", description=__doc__.splitlines()[0])  # type: ignore[union-attr, unused-ignore]
    parser.add_argument("name", help=f"one of: {', '.join(RUNS)}")
    parser.add_argument("--folder", type=Path, default=Path("results/meta-training"), help="where the state is kept")
    parser.add_argument("--output", type=Path, help="folder of weights and record; default: beside the optimizers")
    parser.add_argument("--length", type=int, help="episodes (L2L) or outer steps; default: those of the name")
    chosen = parser.parse_args(arguments)
    beside = importlib.import_module("nasbench.baselines.optimizers").__file__
    torch.set_num_threads(1)
    name, output = chosen.name.replace("-", "_"), chosen.output or Path(str(beside)).parent
    try:
        meta_train(name, chosen.folder, output, length=chosen.length)
    except MetaTrainingError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
