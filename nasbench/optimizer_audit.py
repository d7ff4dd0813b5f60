"""Train a sample of the runs of an optimizer table again and compare every bit.

In another environment (torch, processor, threads) bits may differ without anything being wrong; the report says which environment
the table was made in. A task or an optimizer whose code has changed since can't be compared, and is named.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from nasbench.load import LoadError
from nasbench.optimizer_method import load_optimizer
from nasbench.optimizer_run import environment, train
from nasbench.optimizer_table import OptimizerTable, RunKey
from nasbench.tasks import load_task
from nasbench.tasks.task import TaskError


@dataclass(frozen=True)
class AuditReport:
    """What an audit found.

    Attributes:
        equal: runs that came out bit for bit.
        different: runs that did not, with the largest difference of a training loss.
        skipped: runs that can't be compared, with the reason.
        same_environment: the table was made in an environment like this one.
    """

    equal: tuple[RunKey, ...]
    different: tuple[tuple[RunKey, float], ...]
    skipped: tuple[tuple[RunKey, str], ...]
    same_environment: bool

    @property
    def passed(self) -> bool:
        """Every run that could be compared is equal, and there was one."""
        return bool(self.equal) and not self.different

    def __str__(self) -> str:
        """Say what was found, one line a finding."""
        count = len(self.equal) + len(self.different)
        lines = [f"{len(self.equal)} of {count} runs came out bit for bit"]
        if not self.same_environment:
            lines.append("the table was made in another environment, where bits may differ")
        lines += [f"different: {_name(key)}, by at most {gap:.3g}" for key, gap in self.different]
        lines += [f"not compared: {_name(key)}: {reason}" for key, reason in self.skipped]
        return "\n".join(lines)


def audit_optimizers(table: OptimizerTable, runs: int, rng: np.random.Generator) -> AuditReport:
    """Train a uniform sample of runs again.

    Args:
        table: what is audited.
        runs: size of the sample; at most all are taken.
        rng: draws the sample.

    Raises:
        ValueError: `runs` is below 1.
    """
    if runs < 1:
        raise ValueError(f"runs is {runs}, must be at least 1")
    torch.set_num_threads(1)
    everything = [(place, row) for place, rows in table.rows.items() for row in range(len(rows.trial))]
    chosen = rng.choice(len(everything), min(runs, len(everything)), replace=False)
    equal, different, skipped = [], [], []
    names = list(table.optimizers)
    for number in sorted(chosen):
        (task_name, horizon), row = everything[number]
        rows = table.rows[task_name, horizon]
        name = names[rows.optimizer[row]]
        key = RunKey(task_name, name, int(rows.trial[row]), horizon, int(rows.seed[row]))
        reason = changed(table, task_name, name)
        if reason:
            skipped.append((key, reason))
            continue
        entry = table.optimizers[name]
        again = train(load_task(task_name), load_optimizer(entry.optimizer), entry.trials[key.trial], key)
        gap = max(
            float(np.abs(np.array(again.curves[curve], dtype=np.float32) - values[row]).max())
            for curve, values in rows.curves.items()
        )
        if gap == 0.0:
            equal.append(key)
        else:
            different.append((key, gap))
    same = table.metadata.get("environment") == environment()
    return AuditReport(tuple(equal), tuple(different), tuple(skipped), same)


def changed(table: OptimizerTable, task_name: str, name: str) -> str:
    """Return why runs of a task and an optimizer can't be compared with code of now; "" if they can."""
    stored = table.tasks[task_name]
    try:
        task = load_task(task_name)
        if (task.version, dict(task.digests)) != (stored.version, stored.digests):
            return (
                f"task {task_name} is version {stored.version} in the table and {task.version} here, or its data differ"
            )
        loaded = load_optimizer(table.optimizers[name].optimizer)
    except (TaskError, LoadError) as error:
        return str(error)
    if loaded.source_digest != table.optimizers[name].source_digest:
        return f"optimizer {name} has changed since the table was made"
    return ""


def _name(key: RunKey) -> str:
    return f"{key.optimizer} on {key.task}, trial {key.trial}, seed {key.seed}, {key.horizon}x"
