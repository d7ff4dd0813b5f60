"""What a protocol of optimizers asks for, worked out: tasks, entrants, trials, runs; and the table that finished runs make.

A unit is one optimizer on one task: all trials on the tuning seeds, then the best of them on the scored seeds and at the further
horizons. Units know nothing of each other, so that a further optimizer moves no bit of the others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from nasbench.load import LoadError
from nasbench.optimizer_method import LoadedOptimizer, describe_space, edges, load_optimizer
from nasbench.optimizer_protocol import OptimizerEntrant, OptimizerProtocol, TaskPlan
from nasbench.optimizer_run import REPORTED, environment, evaluation_steps
from nasbench.optimizer_table import (
    ACCURACIES,
    LOSSES,
    STATUSES,
    OptimizerEntry,
    OptimizerTable,
    Rows,
    RunKey,
    RunResult,
    TaskEntry,
)
from nasbench.settings import SettingError
from nasbench.table import canonical_json
from nasbench.tasks import load_task
from nasbench.tasks.task import SCORED, TUNING, Task, TaskError

Results = Mapping[RunKey, RunResult]


@dataclass(frozen=True, eq=False)
class Plan:
    """A protocol, worked out.

    Attributes:
        protocol: as read.
        tasks: by name, in the protocol's order.
        optimizers: by entrant's name.
        trials: by entrant's name: complete settings of every trial.
        refused: task or entrant -> why it is left out; the rest goes on.
    """

    protocol: OptimizerProtocol
    tasks: Mapping[str, Task]
    optimizers: Mapping[str, LoadedOptimizer]
    trials: Mapping[str, list[dict[str, Any]]]
    refused: Mapping[str, str] = field(default_factory=dict)

    @property
    def units(self) -> list[tuple[str, str]]:
        """(task, entrant), task by task in the protocol's order."""
        return [(task, name) for task in self.tasks for name in self.optimizers]

    @property
    def tuning_seeds(self) -> tuple[int, ...]:
        """Seeds of the search."""
        return tuple(TUNING[: self.protocol.tuning_seeds])

    @property
    def scored_seeds(self) -> tuple[int, ...]:
        """Seeds of the report, as many as the task with the most has."""
        return tuple(SCORED[: max(task.scored_seeds or self.protocol.scored_seeds for task in self.protocol.tasks)])

    def tuning_runs(self, task: str, name: str) -> list[RunKey]:
        """Return every trial of a unit on every tuning seed."""
        asked = self._task_plan(task)
        trials = range(min(asked.trials, len(self.trials[name])))
        seeds = self.tuning_seeds[: asked.tuning_seeds or self.protocol.tuning_seeds]
        return [RunKey(task, name, trial, 1, seed) for trial in trials for seed in seeds]

    def scored_runs(self, task: str, name: str, best: int) -> list[RunKey]:
        """Return the runs of a unit's best trial on fresh seeds, at 1x and at the further horizons."""
        asked = self._task_plan(task)
        seeds = self.scored_seeds[: asked.scored_seeds or self.protocol.scored_seeds]
        runs = [RunKey(task, name, best, 1, seed) for seed in seeds]
        for horizon in asked.horizons:
            runs += [RunKey(task, name, best, horizon, seed) for seed in seeds[: self.protocol.horizon_seeds]]
        return runs

    def best_trial(self, task: str, name: str, results: Results) -> int | None:
        """Return the trial with the smallest mean final outer loss over the tuning seeds; None if a run is missing."""
        runs = self.tuning_runs(task, name)
        if any(key not in results for key in runs):
            return None
        scores: dict[int, list[float]] = {}
        for key in runs:
            curves = results[key].curves
            scores.setdefault(key.trial, []).append(curves.get("outer_loss", curves["train_loss"])[-1])
        return min(scores, key=lambda trial: (float(np.mean(scores[trial])), trial))

    def missing(self, task: str, name: str, results: Results) -> list[RunKey]:
        """Return the runs of a unit that are still to be made; those of the best trial come up when it is known."""
        best = self.best_trial(task, name, results)
        runs = self.tuning_runs(task, name) if best is None else self.scored_runs(task, name, best)
        return [key for key in runs if key not in results]

    def _task_plan(self, task: str) -> TaskPlan:
        return next(plan for plan in self.protocol.tasks if plan.name == task)

    def fingerprint(self, key: RunKey) -> str:
        """Return SHA-256 over all that a run's bits rest on: task, data, code of the optimizer, settings, seed, environment."""
        task, optimizer = self.tasks[key.task], self.optimizers[key.optimizer]
        parts = [task.name, task.version, dict(task.digests), task.horizon, task.evaluate_every, key.horizon, key.seed]
        parts += [optimizer.source_digest, self.trials[key.optimizer][key.trial], environment()]
        return hashlib.sha256(canonical_json(parts)).hexdigest()


def make_plan(protocol: OptimizerProtocol, further: Sequence[OptimizerEntrant] = ()) -> Plan:
    """Load the tasks and optimizers of a protocol; what can't be loaded is refused with a reason, and the rest goes on.

    Args:
        protocol: what is asked for.
        further: entrants besides the protocol's.
    """
    refused: dict[str, str] = {}
    tasks: dict[str, Task] = {}
    for plan in protocol.tasks:
        try:
            task = load_task(plan.name)
            _ = task.digests  # loads the data
            tasks[plan.name] = task
        except TaskError as error:
            refused[plan.name] = str(error)
    optimizers: dict[str, LoadedOptimizer] = {}
    trials: dict[str, list[dict[str, Any]]] = {}
    most = max(plan.trials for plan in protocol.tasks)
    for entrant in (*protocol.entrants, *further):
        try:
            loaded = load_optimizer(entrant.optimizer, entrant.variant)
            trials[entrant.name] = [loaded.configure({**values, **entrant.settings}) for values in loaded.trials(most)]
            optimizers[entrant.name] = loaded
        except (LoadError, SettingError) as error:
            refused[entrant.name] = str(error)
    return Plan(protocol, MappingProxyType(tasks), MappingProxyType(optimizers), MappingProxyType(trials), refused)


def assemble(plan: Plan, results: Results, metadata: Mapping[str, Any]) -> OptimizerTable:
    """Return the table of finished runs. A unit that lacks runs is left out; `metadata["incomplete"]` names it."""
    complete = {unit for unit in plan.units if not plan.missing(*unit, results)}
    names = [name for name in plan.optimizers if any(unit[1] == name for unit in complete)]
    tasks, rows = {}, {}
    reasons: dict[str, str] = {}
    for name, task in plan.tasks.items():
        done = [optimizer for optimizer in names if (name, optimizer) in complete]
        if not done:
            continue
        keys = []
        for optimizer in done:
            best = plan.best_trial(name, optimizer, results)
            assert best is not None
            keys += [*plan.tuning_runs(name, optimizer), *plan.scored_runs(name, optimizer, best)]
        tasks[name] = _task_entry(task, sorted({key.horizon for key in keys}))
        for horizon in tasks[name].steps:
            here = [results[key] for key in keys if key.horizon == horizon]
            here.sort(key=lambda result: (names.index(result.key.optimizer), result.key.trial, result.key.seed))
            rows[name, horizon] = _rows(here, names, tasks[name].curves)
            for result in here:
                if result.reason:
                    key = result.key
                    reasons[f"{name}/{horizon}/{key.optimizer}/{key.trial}/{key.seed}"] = result.reason
    entries = {name: _optimizer_entry(plan, name, results, complete) for name in names}
    left_out = sorted(f"{task}/{name}" for task, name in set(plan.units) - complete)
    return OptimizerTable(
        MappingProxyType(tasks),
        MappingProxyType(entries),
        MappingProxyType(rows),
        plan.tuning_seeds,
        plan.scored_seeds,
        MappingProxyType(reasons),
        MappingProxyType({**metadata, "incomplete": left_out, "refused": dict(plan.refused)}),
    )


def _task_entry(task: Task, horizons: Sequence[int]) -> TaskEntry:
    instance = task.instance(0)
    names = list(instance.evaluate(instance.initialise(), REPORTED))
    # Without data the three losses are one number.
    curves = (
        [name for name in (*LOSSES, *ACCURACIES) if name in names]
        if task.digests or task.family != "quadratic"
        else ["train_loss"]
    )
    return TaskEntry(
        task.name,
        task.family,
        task.version,
        task.horizon,
        task.batch_size,
        task.ceiling,
        instance.parameter_count,
        instance.work_per_step,
        dict(task.digests),
        {horizon: evaluation_steps(task, horizon) for horizon in horizons},
        curves,
        dict(task.input_digests),
    )


def _rows(results: Sequence[RunResult], names: Sequence[str], curves: Sequence[str]) -> Rows:
    return Rows(
        np.array([names.index(result.key.optimizer) for result in results]),
        np.array([result.key.trial for result in results]),
        np.array([result.key.seed for result in results]),
        np.array([STATUSES.index(result.status) for result in results]),
        np.array([result.seconds_per_step for result in results]),
        np.array([result.work_per_step for result in results]),
        {name: np.array([result.curves[name] for result in results], dtype=np.float32) for name in curves},
    )


def _optimizer_entry(plan: Plan, name: str, results: Results, complete: set[tuple[str, str]]) -> OptimizerEntry:
    loaded = plan.optimizers[name]
    method = loaded.method
    entrant = next((entrant for entrant in plan.protocol.entrants if entrant.name == name), None)
    best = {}
    for task in plan.tasks:
        trial = plan.best_trial(task, name, results) if (task, name) in complete else None
        if trial is not None:
            best[task] = trial
    on_edge = {task: edges(method.search_space, plan.trials[name][trial]) for task, trial in best.items()}
    return OptimizerEntry(
        name,
        entrant.label if entrant is not None and entrant.label else method.title,
        method.paper,
        method.year,
        method.family,
        method.horizon_aware,
        method.ruleset,
        loaded.name,
        {} if entrant is None else dict(entrant.settings),
        describe_space(method.search_space),
        plan.trials[name],
        best,
        {task: found for task, found in on_edge.items() if found},
        _trained_on(loaded),
        loaded.source_digest,
        loaded.variant,
    )


def _trained_on(loaded: LoadedOptimizer) -> dict[str, Any] | None:
    """Return the record of a learned optimizer's meta-training, which stands beside its file.

    Raises:
        LoadError: the method names a record that is not there or is not a JSON object.
    """
    if loaded.method.trained_on is None:
        return None
    path = Path(loaded.factory.__code__.co_filename).parent / loaded.method.trained_on
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LoadError(
            f"optimizer {loaded.name}: no readable record of its meta-training at {path.name}: {error}"
        ) from None
    if not isinstance(record, dict):
        raise LoadError(f"optimizer {loaded.name}: {path.name} is not a JSON object")
    return record
