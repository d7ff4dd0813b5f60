"""A made-up optimizer table whose results follow from its construction: losses fall as exponentials of known rates."""

import hashlib
from types import MappingProxyType

import numpy as np

from nasbench.optimizer_table import OptimizerEntry, OptimizerTable, Rows, TaskEntry

STEPS = list(range(0, 101, 5))
# How fast the loss of the best trial falls, as exp(-rate * step / 100); trial k is slower by a factor of k + 1.
RATES = {"sgd": 1.0, "heavy_ball": 1.5, "nesterov": 1.8, "adam": 2.0, "fast": 4.0, "learned": 3.0}
TASKS = ("digits-sigmoid", "digits-relu", "digits-sigmoid-40", "digits-sigmoid-2-layers")
HOME = TASKS[0]
MILLISECONDS = {"sgd": 1.0, "heavy_ball": 1.0, "nesterov": 1.0, "adam": 1.5, "fast": 4.0, "learned": 6.0}
TUNING, SCORED, TRIALS = (400_000, 400_001), (0, 1, 2), 3


def task_entry(name, horizons=(1,)):
    digests = {
        split: hashlib.sha256(f"digits {split}".encode()).hexdigest() for split in ("train", "inner", "outer", "test")
    }
    curves = ["train_loss", "outer_loss", "test_loss"]
    return TaskEntry(
        name,
        "mlp",
        1,
        100,
        128,
        3.0,
        1510,
        1000,
        digests,
        {many: [many * step for step in STEPS] for many in horizons},
        curves,
    )


def optimizer_entry(name, **changes):
    learned = name == "learned"
    record = {
        "tasks": [{"name": "digits-sigmoid", "version": 1, "splits": dict(task_entry("x").digests)}],
        "instances": {"training": [1_000_000, 1_000_300]},
        "meta_work": {"training": 9_000_000, "held_out": 1_000_000},
    }
    fields = {
        "name": name.replace("_", "-"), "title": name.title(), "paper": "Nobody", "year": 2026,
        "family": "learned" if learned else "hand-designed",
        "horizon_aware": False, "ruleset": "self-tuning" if learned else "tuned", "optimizer": name, "fixed": {},
        "search_space": {} if learned else {"learning_rate": ["log", 1e-4, 1.0]},
        "trials": [{"learning_rate": 0.1}] * (1 if learned else TRIALS), "best": dict.fromkeys(TASKS, 0),
        "on_edge": {"digits-relu": ["learning_rate at its high end (1)"]} if name == "sgd" else {},
        "trained_on": record if learned else None, "source_digest": "0" * 64,
    }  # fmt: skip
    return OptimizerEntry(**fields | changes)


def make_table(changes=None, broken=None, gradients=None, horizons=(1,), seeds=SCORED):
    """Return the table.

    Args:
        changes: by optimizer, fields of its entry.
        broken: (task, optimizer, seed) of a run that failed.
        gradients: by optimizer, how many it computes a step.
        horizons: multiples of the home task's horizon.
        seeds: scored ones.
    """
    entries = {
        entry.name: entry for entry in (optimizer_entry(name, **(changes or {}).get(name, {})) for name in RATES)
    }
    many = {task: horizons if task == HOME else (1,) for task in TASKS}
    rows = {
        (task, horizon): task_rows(task, horizon, broken, gradients or {}, seeds)
        for task in TASKS
        for horizon in many[task]
    }
    tasks = {task: task_entry(task, many[task]) for task in TASKS}
    return OptimizerTable(MappingProxyType(tasks), MappingProxyType(entries), MappingProxyType(rows), TUNING, seeds, {})


def task_rows(task, horizon, broken, gradients, seeds):
    """Return the runs of one task at one horizon; the best trial alone beyond the first."""
    runs = []
    steps = horizon * np.array(STEPS)
    for place, name in enumerate(RATES):
        for trial in range(1 if name == "learned" else TRIALS):
            tuning = TUNING if horizon == 1 else ()
            for seed in tuning if trial else (*seeds, *tuning):
                loss = np.exp(-RATES[name] / (trial + 1) * steps / 100) * (1 + 0.01 * (seed % 400_000))
                bad = broken == (task, name, seed)
                work = 1000.0 * gradients.get(name, 1)
                curve = np.full(len(steps), np.nan) if bad else loss
                runs.append((place, trial, seed, 2 if bad else 0, MILLISECONDS[name] / 1000, work, curve))
    *columns, curves = zip(*runs, strict=True)
    curve = np.array(curves, dtype=np.float32)
    return Rows(*map(np.array, columns), dict.fromkeys(("train_loss", "outer_loss", "test_loss"), curve))
