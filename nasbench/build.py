"""The exhaustive build: a recipe becomes a sealed table, and every run of the same command continues the last one.

All state is in the folder: what is built (`build.json`), who works on it (kernel locks), what is finished (journals). A build
may be killed at any moment, supervisor included; the next run reads the journals and trains what is missing. When
everything is there, the table is sealed; nothing is deleted.

Beyond one machine: `shard=(i, N)` takes every N-th group, as a SLURM array does, and seals nothing; a last run without a
shard, on the same folder, finds everything done and seals. Or `engine=run_ray` (see `engine_ray.py`). The bits are the same.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nasbench.build_folder import BuildError, locked, pin, read_journals
from nasbench.build_progress import silent
from nasbench.cost import CostError, CostModel, feature_names
from nasbench.engine import Effort, Engine, EnvironmentChange, Job, Outcome, Progress, Reporter, Stop, stop_on_signals
from nasbench.engine_local import run_local
from nasbench.groups import group_count, group_members, groups_of_cells, in_shard
from nasbench.recipe import Recipe
from nasbench.results import check_equal, decode
from nasbench.seal_build import Finished, collect, make_table, own_cost_model
from nasbench.sealed import seal
from nasbench.trainer import LIVE


@dataclass(frozen=True)
class Report:
    """What a run of a build came to.

    Attributes:
        recipe: name of the recipe.
        groups: groups of this build, or of its shard.
        finished: how many of them are finished.
        trained: how many of those this run trained.
        failed: why each group that was given up failed.
        stopped: it was asked to stop (SIGINT, SIGTERM); run the same command again to go on.
        table: the sealed table, if it was sealed.
        digest: its logical digest, and `cost_digest` that of its costs.
        cost: the cost model in it.
        notes: what people should know about the journals.
    """

    recipe: str
    groups: int
    finished: int
    trained: int
    failed: Mapping[int, str] = field(default_factory=dict)
    stopped: bool = False
    table: Path | None = None
    digest: str = ""
    cost_digest: str = ""
    cost: CostModel | None = None
    notes: tuple[str, ...] = ()


def default_workers(recipe: Recipe, devices: Sequence[str]) -> int:
    """Return one worker for each core that this process may use (divided by the recipe's threads), or for each GPU."""
    if devices[0].startswith("cuda"):
        return len(devices)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // recipe.threads)


def build(
    recipe: Recipe,
    folder: Path,
    output: Path | None = None,
    *,
    effort: Effort | None = None,
    devices: Sequence[str] = ("cpu",),
    shard: tuple[int, int] | None = None,
    cells: Sequence[int] | None = None,
    cost_model: CostModel | None = None,
    accept_environment: bool = False,
    metadata: Mapping[str, Any] | None = None,
    engine: Engine = run_local,
    trainer: str = LIVE,
    rng: np.random.Generator | None = None,
    report: Reporter = silent,
) -> Report:
    """Train every cell of a recipe's space and seal the table; or go on where the last run ended.

    Args:
        recipe: the recipe.
        folder: where journals are kept; made if it is not there.
        output: the table to seal when everything is there; None: don't seal.
        effort: workers, attempts, patience; None: `default_workers` and three attempts.
        devices: devices that the workers take in turn: `cpu`, or `cuda:0`, `cuda:1`; several workers share a GPU.
        shard: (i, N): every N-th group from the i-th, for machines that share `folder`. A shard is not sealed.
        cells: train these canonical classes only (whole groups are trained); None: all.
        cost_model: the costs of the table; None: fitted to this build's own times.
        accept_environment: go on in an environment that gives other bits than the one the build began in.
        metadata: entries to add to the table's metadata.
        engine: who trains: `run_local`, `engine_ray.run_ray`.
        trainer: name of the trainer (`trainer.py`).
        rng: shuffles the order of the groups. None: an order that is fixed, and shuffled too, so that rate and time left
            are those of typical cells and an unfinished build holds a random sample. No result depends on it.
        report: is told how far the build is.

    Returns:
        What this run came to.

    Raises:
        BuildError: the folder is another build's, in use or can't be written; the environment gives other bits; nothing
            works. What is finished is in the journals.
        JournalError: a journal can't be read, or two of them disagree.
        CostError: the cost model is not of this recipe, or can't be fitted; or none is given and the table has fewer groups than
            a fit needs, which is said before anything is trained.
        OSError: the table can't be written.
    """
    effort = effort or Effort(default_workers(recipe, devices))
    wanted = range(group_count(recipe)) if cells is None else groups_of_cells(recipe, cells)
    if output is not None and shard is None and cost_model is None:
        _check_fit(recipe, len(wanted))
    pin(folder, recipe, trainer, cells)
    with locked(folder, shard) as workers_lock:
        planned = [group for group in wanted if in_shard(group, shard)]
        finished = collect(recipe, read_journals(folder, recipe))
        order = np.random.default_rng(0) if rng is None else rng
        planned = [planned[place] for place in order.permutation(len(planned))]
        job = Job(recipe, folder.resolve(), trainer, tuple(devices), workers_lock=workers_lock.resolve())
        before = sum(group in finished.records for group in planned)
        progress = Progress(len(planned), before, recipe.group, notes=_notes(finished))
        with stop_on_signals() as stop:
            run = _Run(engine, job, planned, effort, progress, report, stop)
            outcome = _train(run, finished, accept=accept_environment)
        if progress.done:
            finished = collect(recipe, read_journals(folder, recipe))
        report(progress)
        result = Report(
            recipe.name,
            len(planned),
            sum(group in finished.records for group in planned),
            progress.done,
            outcome.failed,
            outcome.stopped,
            notes=tuple(_notes(finished)),
        )
        if outcome.stopped or shard is not None or output is None:
            return result
        return _seal(recipe, finished, result, output, cells, cost_model, metadata)


def _check_fit(recipe: Recipe, groups: int) -> None:
    """Refuse a build whose table could not be sealed: it has fewer groups to time than the cost model has features."""
    least = len(feature_names(recipe.cell_space))
    if groups < least:
        raise CostError(
            f"groups (classes x repeats / group) are {groups}, must be at least {least}, the features of the cost model that is "
            f"fitted to their times: make the recipe's group, {recipe.group}, smaller, or give a cost model"
        )


@dataclass(frozen=True)
class _Run:
    engine: Engine
    job: Job
    planned: Sequence[int]
    effort: Effort
    progress: Progress
    report: Reporter
    stop: Stop


def _train(run: _Run, finished: Finished, *, accept: bool) -> Outcome:
    """Train what is missing. An environment that is not one of the finished trainings' proves itself, or is accepted."""
    proven: tuple[Mapping[str, Any], ...] = ()
    while True:
        missing = [group for group in run.planned if group not in finished.records]
        if not missing:
            return Outcome()
        known = (*(environment for environment, _ in finished.environments), *proven)
        job = dataclasses.replace(run.job, environments=None if accept else known, examples=finished.examples)
        try:
            return run.engine(job, missing, run.effort, run.progress, run.report, run.stop)
        except EnvironmentChange as change:
            finished = collect(job.recipe, read_journals(job.folder, job.recipe))
            if finished.records:
                if not _proves_itself(run, job, change, finished):
                    return Outcome(stopped=True)
                proven = (*proven, change.environment)


def _proves_itself(run: _Run, job: Job, change: EnvironmentChange, finished: Finished) -> bool:
    """Train a finished group again in the new environment and compare; the proof is not journalled.

    The quickest finished group of each kind would prove little: the longest one uses most operations.

    Returns:
        True; or False if the build was asked to stop meanwhile.

    Raises:
        BuildError: the bits differ.
    """
    group = max(finished.records, key=lambda group: (finished.records[group].processor_seconds, group))
    run.progress.notes.append(f"{change}; group {group} is trained again to see whether the bits are the same")
    probe = dataclasses.replace(job, environments=(change.environment,), journal=False)
    progress = Progress(1, 0, run.progress.trainings)
    outcome = run.engine(probe, [group], dataclasses.replace(run.effort, workers=1), progress, run.report, run.stop)
    if outcome.stopped:
        return False
    if group not in outcome.payloads:
        raise BuildError(f"{change}, and it can't be compared: group {group} {outcome.failed.get(group)}")
    for old, new in zip(finished.records[group].results, decode(outcome.payloads[group]).results, strict=True):
        try:
            check_equal(old, new, "the journals", "this environment")
        except RuntimeError as error:
            raise BuildError(
                f"{change}, and it gives other bits: {error}. Go on in the old environment, or accept a table of two "
                "environments (accept_environment; `--accept-environment`)"
            ) from None
    run.progress.notes.append("the bits are the same: the build goes on")
    return True


def _notes(finished: Finished) -> list[str]:
    notes = [f"{damage}. What was lost is trained again" for damage in finished.damage]
    if finished.tails:
        notes.append(f"{finished.tails} bytes at the ends of journals were cut off by kills and are left out")
    if finished.merged.doubled:
        notes.append(f"{len(finished.merged.doubled)} trainings were made twice, with equal results")
    return notes


def _seal(
    recipe: Recipe,
    finished: Finished,
    result: Report,
    output: Path,
    cells: Sequence[int] | None,
    cost_model: CostModel | None,
    metadata: Mapping[str, Any] | None,
) -> Report:
    failed = {key: reason for group, reason in result.failed.items() for key in group_members(recipe, group)}
    cost = cost_model or own_cost_model(recipe, finished)
    table = make_table(recipe, finished, cost, cells=cells, failed=failed, metadata=metadata)
    output.parent.mkdir(parents=True, exist_ok=True)
    seal(table, output)
    return dataclasses.replace(result, table=output, digest=table.digest, cost_digest=table.cost_digest, cost=cost)
