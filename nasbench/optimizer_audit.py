"""Train a sample of the runs of an optimizer table again and compare every bit.

In another environment (torch, processor, threads) bits may differ without anything being wrong, and rounding grows along a run. There
every run must begin with the stored losses, within `START`, and all but a quarter must end no further from the stored losses than the
seeds of their trial are apart: a run that is unstable may end anywhere. It says less than equal bits, and names each run.
A task or an optimizer whose code has changed since can't be compared, and is named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from nasbench.load import LoadError
from nasbench.optimizer_method import load_optimizer
from nasbench.optimizer_run import environment, train
from nasbench.optimizer_table import LOSSES, OptimizerTable, Rows, RunKey
from nasbench.tasks import load_task
from nasbench.tasks.task import TaskError

START = 1e-5  # relative: one loss before the first step, summed in another order
ASTRAY = 0.25  # of the runs elsewhere; 2 to 4 of 60 were on a processor of another generation (three samples, none began otherwise)


@dataclass(frozen=True)
class AuditReport:
    """What an audit found.

    Attributes:
        equal: runs that came out bit for bit.
        different: runs that did not, with the largest difference of a curve.
        skipped: runs that can't be compared, with the reason.
        same_environment: the table was made in an environment like this one.
        close: of another environment: runs that came out otherwise, but end where a seed might; not among the different ones.
        begun: of the different ones, those that begin otherwise.
    """

    equal: tuple[RunKey, ...]
    different: tuple[tuple[RunKey, float], ...]
    skipped: tuple[tuple[RunKey, str], ...]
    same_environment: bool
    close: tuple[tuple[RunKey, float], ...] = ()
    begun: tuple[RunKey, ...] = ()

    @property
    def passed(self) -> bool:
        """Every run that could be compared is equal, and there was one; of another environment see the head of this file."""
        count = len(self.equal) + len(self.close) + len(self.different)
        allowed = 0.0 if self.same_environment else ASTRAY * count
        return count > 0 and not self.begun and len(self.different) <= allowed

    def __str__(self) -> str:
        """Say what was found, one line a finding."""
        count = len(self.equal) + len(self.different) + len(self.close)
        lines = [f"{len(self.equal)} of {count} runs came out bit for bit"]
        if not self.same_environment:
            lines.append("the table was made in another environment, where bits may differ")
        lines += [f"close: {_name(key)}, otherwise by at most {gap:.3g}" for key, gap in self.close]
        for key, gap in self.different:
            lines.append(
                f"different{' from the start' if key in self.begun else ''}: {_name(key)}, by at most {gap:.3g}"
            )
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
    equal, different, close, begun, skipped = [], [], [], [], []
    same = table.metadata.get("environment") == environment()
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
            continue
        begins, ends = _compared(again.curves, rows, row)
        if not begins:
            begun.append(key)
        if begins and ends and not same:
            close.append((key, gap))
        else:
            different.append((key, gap))
    return AuditReport(tuple(equal), tuple(different), tuple(skipped), same, tuple(close), tuple(begun))


def _compared(again: Mapping[str, Sequence[float]], rows: Rows, row: int) -> tuple[bool, bool]:
    """Return whether losses begin as those of a row, and whether they end within what its trial's seeds are apart."""
    seeds = (rows.optimizer == rows.optimizer[row]) & (rows.trial == rows.trial[row])
    begins = ends = True
    for name in set(LOSSES) & set(rows.curves):
        values = rows.curves[name]
        first, last = float(values[row, 0]), float(values[row, -1])
        begins &= abs(again[name][0] - first) <= START * max(1.0, abs(first))
        found = values[seeds, -1].astype(np.float64)
        # Apart with the one or with the other: an end that is far off must not widen what it is judged by.
        apart = min(np.ptp(found), np.ptp(np.where(np.flatnonzero(seeds) == row, again[name][-1], found)))
        ends &= abs(again[name][-1] - last) <= apart
    return bool(begins), bool(ends)


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
