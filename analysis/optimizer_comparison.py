"""All numbers of an optimizer comparison, from a table of curves: made once, read by tables, figures and summary.

Trials are chosen on the outer loss of the tuning seeds (by the table); what is printed is the test loss of the chosen trial on fresh
seeds. A run that failed has the task's ceiling as its loss from the failure on: nothing is left out because it went wrong.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nasbench.optimizer_table import OptimizerTable

from . import optimizer_scores as scores
from . import statistics
from .optimizer_ledger import Overlap, break_even, meta_work, nearest, overlap
from .optimizer_scores import FloatArray, Steps, Target
from .optimizer_targets import relative_to_baseline, scored_losses, seed_scales, set_target, setters_of, smooth
from .statistics import Estimate

BASELINE = "adam"
TRIALS = (1, 2, 5, 10, 15, 20, 50, 100, 200)
"""Numbers of trials that are printed, where tasks have so many: those of the shipped protocol, and 5, 10 and 15 on the way."""
SPEED_RESAMPLES = 400
SEED = 20161  # of the bootstrap; any number, always the same


class ComparisonError(ValueError):
    """A table that can't be compared; the message says what is missing."""


@dataclass(frozen=True, eq=False)
class Scored:
    """One optimizer on one task, its chosen trial on the fresh seeds.

    Attributes:
        steps: (evaluations,).
        curves: test loss, (seeds, evaluations), complete.
        train: training loss, the same.
        low, high: (evaluations,) 95 % bootstrap interval of the mean test loss over seeds; NaN with one seed.
        smooth: `curves`, smoothed.
        final, train_final, area: last test and training loss, and trajectory mean of the test loss, mean over seeds with interval.
        times: (seeds,) steps to the target, infinite where it is missed; where seeds draw problems, of losses over each seed's lowest.
        work_per_step: mean over seeds.
        seconds_per_step: median over seeds, measured, never ranked on.
        speed_up: over the baseline; NaN without one.
        equivalent: steps that the tuned baseline needs for the last loss; `saturated`: more than its run.
        diverged: seeds whose status is not `ok`.
        tuning: (trials,) expected test loss after 1, ..., N trials.
        overlap: of a learned optimizer's training with this task.
        distance: word of the ladder, "" if it was not learned.
    """

    steps: Steps
    curves: FloatArray
    train: FloatArray
    low: FloatArray
    high: FloatArray
    smooth: FloatArray
    final: Estimate
    train_final: Estimate
    area: Estimate
    times: FloatArray
    work_per_step: float
    seconds_per_step: float
    speed_up: float
    equivalent: scores.BaselineSteps
    diverged: int
    tuning: FloatArray
    overlap: Overlap
    distance: str


@dataclass(frozen=True)
class LedgerRow:
    """A learned optimizer on one task: what its training cost, and after how many tasks it has paid.

    Attributes:
        optimizer, task, horizon: which.
        distance, overlap: see `optimizer_ledger`.
        meta_work: of the meta-training.
        baseline_work: tuning and run of the tuned baseline.
        learned_work: of the run up to the baseline's last loss, median over seeds; infinite if it is missed.
        break_even: number of tasks; infinite: never.
        final: last test loss, mean over seeds; `baseline_final` of the baseline on the same seeds.
        baseline_final: see `final`.
    """

    optimizer: str
    task: str
    horizon: int
    distance: str
    overlap: Overlap
    meta_work: float
    baseline_work: float
    learned_work: float
    break_even: float
    final: float
    baseline_final: float


@dataclass(frozen=True)
class Ruleset:
    """A pool of optimizers that are ranked against each other.

    Attributes:
        name: `tuned` or `self-tuning`.
        optimizers: best profile score first.
        tasks: on which every optimizer of the pool was run, and which have a target.
        times: (optimizers, tasks) median steps to the target.
        ratios: (optimizers, tasks) over the fastest of the pool.
        score: by optimizer, integral of the profile with interval.
        speed_up: by optimizer, geometric mean over the tasks with interval; does not depend on the pool.
        pool: hash of the names of the optimizers and tasks, which profile scores depend on.
    """

    name: str
    optimizers: tuple[str, ...]
    tasks: tuple[str, ...]
    times: FloatArray
    ratios: FloatArray
    score: dict[str, Estimate]
    speed_up: dict[str, Estimate]
    pool: str


@dataclass(frozen=True, eq=False)
class OptimizerComparison:
    """Everything that is printed.

    Attributes:
        table: what it was made from.
        baseline: name of the frozen baseline, None if the table has none.
        targets: by task.
        scored: by (task, optimizer); refused pairs are not in it.
        rulesets: tuned and self-tuning, kept apart.
        ledger: learned optimizers.
        warnings: best settings on the edge of their space, refused pairs, tasks without target, diverged runs.
    """

    table: OptimizerTable
    baseline: str | None
    targets: dict[str, Target]
    scored: dict[tuple[str, str], Scored]
    rulesets: tuple[Ruleset, ...]
    ledger: tuple[LedgerRow, ...]
    warnings: tuple[str, ...]

    def title(self, optimizer: str) -> str:
        """Return the printed name of an optimizer: its title, with the entrant's name where two have the same title."""
        entry = self.table.optimizers[optimizer]
        twice = [each.title for each in self.table.optimizers.values()].count(entry.title) > 1
        return f"{entry.title} ({optimizer})" if twice else entry.title


def compare_optimizers(table: OptimizerTable, baseline: str = BASELINE) -> OptimizerComparison:
    """Compute every score of a table.

    Args:
        table: curves of optimizers.
        baseline: function name of the frozen baseline of speed-ups.

    Raises:
        ComparisonError: the table holds no complete run.
    """
    rng = np.random.default_rng(SEED)
    frozen = next((name for name, entry in table.optimizers.items() if entry.rule == baseline), None)
    warnings: list[str] = []
    targets: dict[str, Target] = {}
    scored: dict[tuple[str, str], Scored] = {}
    for task in table.tasks:
        present = [
            name
            for name in table.optimizers
            if (task, 1) in table.rows and scored_losses(table, task, name) is not None
        ]
        setters = setters_of(table, task, present)
        scales = seed_scales(table.tasks[task], setters.values())
        target = set_target(table.tasks[task], setters)
        if target is None:
            warnings.append(f"{task}: no target, fewer than {scores.FEWEST_BASELINES} of its baselines were run")
        else:
            targets[task] = target
        envelope = _envelope(table, task, frozen) if frozen in present else None
        for name in present:
            entry = table.optimizers[name]
            found = overlap(entry, table.tasks[task], table.scored_seeds)
            if found.verdict == "refused":
                warnings.append(f"{task}: {name} is not scored: {found.reason}")
                continue
            scored[task, name] = one = _score(table, task, name, target, scales, envelope, found, rng)
            if one.diverged:
                warnings.append(
                    f"{task}: {one.diverged} of {len(one.curves)} runs of {name} diverged or failed; they count"
                )
            warnings += [
                f"{task}: best setting of {name} on the edge of its search space: {edge}"
                for edge in entry.on_edge.get(task, [])
            ]
    if not scored:
        raise ComparisonError("the table holds no optimizer with runs on the scored seeds")
    rulesets = [_ruleset(table, word, targets, scored, frozen, rng) for word in ("tuned", "self-tuning")]
    ledger = _ledger(table, frozen, scored)
    return OptimizerComparison(
        table,
        frozen,
        targets,
        scored,
        tuple(each for each in rulesets if each is not None),
        tuple(ledger),
        tuple(warnings),
    )


def _envelope(table: OptimizerTable, task: str, name: str) -> FloatArray:
    """Return the smoothed losses of the tuned baseline on the scored seeds, (seeds, evaluations).

    Not the envelope over its trials, which ran on the tuning seeds: where a seed draws the problem itself the two differ in
    difficulty, and Adam came out 15 times faster than itself (robust regression).
    """
    found = scored_losses(table, task, name)
    assert found is not None, "the caller has seen its runs"
    return smooth(table.tasks[task], found[1], found[0])


def _score(
    table: OptimizerTable,
    task: str,
    name: str,
    target: Target | None,
    scales: FloatArray,
    envelope: FloatArray | None,
    seen: Overlap,
    rng: np.random.Generator,
) -> Scored:
    entry, runs = table.optimizers[name], table.curves(task, name, scored=True)
    steps, curves = scored_losses(table, task, name) or (runs.steps, runs.test_loss[0])
    _, train = scored_losses(table, task, name, curve="train_loss") or (steps, curves)
    smoothed = smooth(table.tasks[task], curves, steps)
    columns = np.column_stack([curves, train[:, -1], scores.trajectory_mean(curves, steps)])
    if len(curves) > 1:
        low, high = statistics.bootstrap_interval(columns, rng)
    else:
        low = high = np.full(columns.shape[1], np.nan)
    mean, last = columns.mean(axis=0), len(steps) - 1
    final, train_final, area = (
        Estimate(float(mean[at]), float(low[at]), float(high[at])) for at in (last, last + 1, last + 2)
    )
    mean_curve = smoothed.mean(axis=0)
    missing = scores.BaselineSteps(float("nan"), False)
    return Scored(
        steps, curves, train, low[: last + 1], high[: last + 1], smoothed, final, train_final, area,
        times=np.full(len(curves), np.nan) if target is None else scores.time_to_target(smoothed / scales, steps, target.loss),
        work_per_step=float(np.nanmean(runs.work_per_step)),
        seconds_per_step=float(np.nanmedian(runs.seconds_per_step)),
        speed_up=float("nan") if envelope is None else float(scores.speed_up(mean_curve, envelope.mean(axis=0), steps)),
        equivalent=missing if envelope is None else scores.baseline_steps(float(mean_curve.min()), envelope.mean(axis=0), steps),
        diverged=int(np.sum(runs.status != "ok")),
        tuning=_tuning(table, task, name),
        overlap=seen,
        distance=nearest(entry, task),
    )  # fmt: skip


def _tuning(table: OptimizerTable, task: str, name: str) -> FloatArray:
    """Return the expected test loss after 1, ..., N trials; a list of settings is tried in its order.

    Both losses are of the tuning seeds. On quadratics, which have no data and so no splits, they are one number: the loss that the trial
    was chosen by is the loss that is reported, and the more trials there are the more it flatters.
    """
    entry, runs = table.optimizers[name], table.curves(task, name, scored=False)
    ceiling = table.tasks[task].ceiling
    outer, test = (
        np.where(np.isfinite(loss[..., -1]), loss[..., -1], ceiling) for loss in (runs.outer_loss, runs.test_loss)
    )
    ordered = entry.ruleset == "tuned" and not entry.search_space
    return scores.tuning_curve(outer.mean(axis=1), test.mean(axis=1), ordered=ordered)


def _ruleset(
    table: OptimizerTable,
    word: str,
    targets: dict[str, Target],
    scored: dict[tuple[str, str], Scored],
    frozen: str | None,
    rng: np.random.Generator,
) -> Ruleset | None:
    pool = [
        name
        for name, entry in table.optimizers.items()
        if entry.ruleset == word and any(key[1] == name for key in scored)
    ]
    tasks = [task for task in targets if all((task, name) in scored for name in pool)]
    if not pool or not tasks:
        return None
    every = [np.array([scored[task, name].times for name in pool]) for task in tasks]  # (optimizers, seeds) each
    times = np.stack([scores.censored_median(each) for each in every], axis=1)
    ratios = scores.performance_ratios(times)
    value = scores.profile_score(ratios)
    drawn = [
        rng.integers(each.shape[1], size=(statistics.RESAMPLES, each.shape[1])) for each in every
    ]  # seeds stay paired
    medians = np.stack([scores.censored_median(each[:, rows]) for each, rows in zip(every, drawn, strict=True)], axis=1)
    low, high = statistics.percentile_interval(scores.profile_score(scores.performance_ratios(medians)).T)
    order = sorted(range(len(pool)), key=lambda place: (-value[place], pool[place]))
    digest = hashlib.sha256("\n".join([*sorted(pool), "", *sorted(tasks)]).encode()).hexdigest()[:8]
    speeds = {name: _speed(scored, tasks, name, frozen, drawn) for name in pool}
    return Ruleset(
        word,
        tuple(pool[place] for place in order),
        tuple(tasks),
        times[order],
        ratios[order],
        {pool[place]: Estimate(float(value[place]), float(low[place]), float(high[place])) for place in order},
        speeds,
        digest,
    )


def _speed(
    scored: dict[tuple[str, str], Scored],
    tasks: list[str],
    name: str,
    frozen: str | None,
    drawn: list[NDArray[np.int64]],
) -> Estimate:
    """Return the geometric mean over tasks of the speed-up, with an interval: seeds resampled, the baseline's with them."""
    value = float(scores.geometric_mean(np.array([scored[task, name].speed_up for task in tasks])))
    if frozen is None or any((task, frozen) not in scored for task in tasks):
        return Estimate(value, float("nan"), float("nan"))
    replicates = np.empty((SPEED_RESAMPLES, len(tasks)))
    for column, (task, rows) in enumerate(zip(tasks, drawn, strict=True)):
        steps = scored[task, name].steps
        ours, theirs = (scored[task, each].smooth[rows[:SPEED_RESAMPLES]].mean(axis=1) for each in (name, frozen))
        replicates[:, column] = scores.speed_up(ours, theirs, steps)
    low, high = statistics.percentile_interval(scores.geometric_mean(replicates, axis=1))
    return Estimate(value, float(low), float(high))


def _ledger(table: OptimizerTable, frozen: str | None, scored: dict[tuple[str, str], Scored]) -> list[LedgerRow]:
    """Return what learned optimizers cost and reach, beside the tuned baseline, at every horizon."""
    rows = []
    for name, entry in table.optimizers.items():
        if entry.family != "learned" or frozen is None:
            continue
        for task in table.tasks:
            if (task, name) not in scored or (task, frozen) not in scored:
                continue
            for horizon in table.horizons(task):
                ours, theirs = scored_losses(table, task, name, horizon), scored_losses(table, task, frozen, horizon)
                if ours is None or theirs is None:
                    continue
                steps = ours[0]
                mine, base = relative_to_baseline(table.tasks[task], ours[1], theirs[1], steps)
                loss = float(scores.upper_median(base.min(axis=-1)))
                reached = scores.censored_median(scores.time_to_target(mine, steps, loss))
                tuning = table.curves(task, frozen, scored=False)
                trained = float(np.nansum(tuning.work_per_step)) * table.tasks[task].horizon
                baseline_work = trained + scored[task, frozen].work_per_step * float(steps[-1])
                learned_work = float(reached) * scored[task, name].work_per_step
                spent = meta_work(entry)
                rows.append(
                    LedgerRow(
                        name, task, horizon, nearest(entry, task, horizon), scored[task, name].overlap, spent, baseline_work,
                        learned_work, break_even(spent, baseline_work, learned_work),
                        float(ours[1][:, -1].mean()), float(theirs[1][:, -1].mean()),
                    )
                )  # fmt: skip
    return rows
