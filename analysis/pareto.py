"""Score searches with several objectives: hypervolume and IGD+ over simulated time, and the fronts that runs attain.

What a run holds at a moment is the set of cells, among those it trained at full fidelity, that none of them beats in the
observed validation error (the mean over its trainings) and the named measures at once: chosen by what the run saw. It is
scored by the table's mean error of those cells. So a lucky training costs, as it does with one objective.

Each objective is scaled so that the true front of the table spans 0 to its best and 1 to the reference point, which is printed with every
result: a tenth of the front's range beyond its worst values (`nasbench.pareto.reference_point`). Hypervolume is given as the
share of the true front's (Zitzler & Thiele 1999), IGD+ in scaled units (Ishibuchi et al. 2015). Attained fronts are levels of the
empirical attainment function (Fonseca & Fleming 1996): what at least so many of the runs attain.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from nasbench.pareto import hypervolume, igd_plus, non_dominated

from . import scores
from .chunks import CHUNK_NAME, read_runs
from .comparison import Summary, generator, summarise
from .pairwise import pairwise_tests
from .records import Experiment, Fault, RecordError, Runs
from .resamples import draw

FloatArray = NDArray[np.float64]
LEVELS = (0.25, 0.5, 0.75)  # shares of runs whose attained fronts are drawn


@dataclass(frozen=True, eq=False)
class TrueFront:
    """What runs on one data set are scored against.

    Attributes:
        objectives: names, `error` first.
        front: shape (points, objectives), the table's non-dominated points in their own units.
        reference: shape (objectives,), the reference point.
        volume: hypervolume of the scaled front, at most 1.
    """

    objectives: tuple[str, ...]
    front: FloatArray
    reference: FloatArray
    volume: float

    def scaled(self, points: FloatArray) -> FloatArray:
        """Return points with the front's best at 0 and the reference at 1, in every objective."""
        best = self.front.min(axis=0)
        return np.asarray((points - best) / (self.reference - best))


class _Stored(msgspec.Struct):
    objectives: tuple[str, ...]
    front: list[list[float]]
    reference: list[float]


def true_fronts(experiment: Experiment) -> dict[str, TrueFront]:
    """Return what `experiment.json` says of each data set; empty for an experiment with one objective.

    Raises:
        RecordError: the file says it in another form.
    """
    path = experiment.folder / "experiment.json"
    content: Any = json.loads(path.read_bytes())
    result = {}
    for dataset in experiment.problems:
        stored = content["problems"][dataset].get("pareto")
        if stored is None:
            return {}
        try:
            read = msgspec.convert(stored, _Stored)
        except msgspec.ValidationError as error:
            raise RecordError(f"{path}: problems.{dataset}.pareto: {error}") from error
        front, reference = np.array(read.front), np.array(read.reference)
        if front.ndim != 2 or front.shape[1] != len(reference) or not (front < reference).all():
            raise RecordError(f"{path}: problems.{dataset}.pareto: the front must lie below the reference point")
        best = front.min(axis=0)
        volume = hypervolume((front - best) / (reference - best), np.ones(len(reference)))
        result[dataset] = TrueFront(read.objectives, front, reference, volume)
    return result


@dataclass(frozen=True, eq=False)
class SetScores:
    """One entrant on one data set.

    Attributes:
        gap: 1 - share of the true front's hypervolume, shape (runs, checkpoints).
        distance: IGD+ in scaled units, shape (runs, checkpoints).
        size: cells in the set, shape (runs, checkpoints).
        summary: `gap` summarised at the checkpoints.
        distances: `distance` summarised at the checkpoints.
        seconds: times of the curve, shape (points,).
        curve: gap summarised at them.
        finals: for each run the scored points of its final set, shape (cells, objectives), in their own units.
    """

    gap: FloatArray
    distance: FloatArray
    size: FloatArray
    summary: Summary
    distances: Summary
    seconds: FloatArray
    curve: Summary
    finals: list[FloatArray]


@dataclass(frozen=True, eq=False)
class SetComparison:
    """Everything that is reported of several objectives.

    Attributes:
        experiment: what was compared.
        fronts: by data set.
        scores: by (data set, entrant), where there are runs.
        order: entrants with runs, smallest mean gap at the budget over the data sets first.
        best: by (data set, checkpoint) the entrant with the smallest mean gap.
        level: by (data set, checkpoint) those that can't be told from it (Mann-Whitney, Holm over all pairs, 5 %).
        faults: what is missing or was left out.
    """

    experiment: Experiment
    fronts: dict[str, TrueFront]
    scores: dict[tuple[str, str], SetScores]
    order: tuple[str, ...]
    best: dict[tuple[str, int], str]
    level: dict[tuple[str, int], tuple[str, ...]]
    faults: tuple[Fault, ...]


def compare_sets(experiment: Experiment) -> SetComparison | None:
    """Score every entrant's sets; None for an experiment with one objective.

    Raises:
        RecordError: `experiment.json` is wrong, or a sound chunk lacks the arrays of several objectives.
    """
    fronts = true_fronts(experiment)
    if not fronts:
        return None
    found: dict[tuple[str, str], SetScores] = {}
    faults: list[Fault] = []
    for dataset, truth in fronts.items():
        for entrant in experiment.entrants:
            runs, wrong = read_runs(experiment, dataset, entrant)
            faults += wrong
            if runs is not None:
                points = read_points(experiment, dataset, entrant, runs, truth)
                found[dataset, entrant] = score_sets(experiment, dataset, entrant, runs, points, truth)
    best, level = {}, {}
    for dataset in fronts:
        names = [entrant for entrant in experiment.entrants if (dataset, entrant) in found]
        for number in range(len(experiment.checkpoints)):
            samples = [-found[dataset, entrant].gap[:, number] for entrant in names]
            if not samples or any(np.isnan(sample).any() for sample in samples):
                continue
            tests = pairwise_tests(samples)
            first = int(np.argmax([sample.mean() for sample in samples]))
            best[dataset, number] = names[first]
            level[dataset, number] = tuple(
                name for place, name in enumerate(names) if place != first and tests.p_holm[first, place] >= 0.05
            )
    known = [entrant for entrant in experiment.entrants if any(name == entrant for _, name in found)]

    def average(entrant: str) -> float:
        mean = float(np.mean([one.summary.mean[-1] for (_, name), one in found.items() if name == entrant]))
        return np.inf if np.isnan(mean) else mean  # runs without a set come last

    return SetComparison(experiment, fronts, found, tuple(sorted(known, key=average)), best, level, tuple(faults))


def read_points(experiment: Experiment, dataset: str, entrant: str, runs: Runs, truth: TrueFront) -> FloatArray:
    """Return error by the table's score and objectives of each observation, shape (observations, objectives).

    Raises:
        RecordError: a chunk that `read_runs` took lacks the arrays.
    """
    folder = experiment.folder / "runs" / dataset / entrant
    wanted = set(runs.run.tolist())
    parts = []
    for path in sorted(folder.glob("*.npz")):
        match = CHUNK_NAME.fullmatch(path.name)
        if match is None or not wanted.issuperset(range(int(match[1]), int(match[2]) + 1)):
            continue
        with np.load(path, allow_pickle=False) as chunk:
            names = ["cell_score", *(f"objective_{name}" for name in truth.objectives[1:])]
            absent = [name for name in names if name not in chunk.files]
            if absent:
                raise RecordError(f"{path} lacks {', '.join(absent)}")
            arrays = [chunk[name] for name in names]
        parts.append(np.column_stack([1.0 - arrays[0], *arrays[1:]]))
    points = np.concatenate(parts)
    if len(points) != len(runs.cell) or not np.isfinite(points).all():
        raise RecordError(
            f"{folder}: the arrays of several objectives hold {len(points)} of {len(runs.cell)} observations"
        )
    return points


def score_sets(
    experiment: Experiment, dataset: str, entrant: str, runs: Runs, points: FloatArray, truth: TrueFront
) -> SetScores:
    """Score one entrant's runs on one data set.

    Args:
        experiment: for budget and checkpoints.
        dataset: the data set.
        entrant: the entrant, which keys the bootstrap.
        runs: its runs.
        points: shape (observations, objectives), scored.
        truth: the true front.
    """
    problem = experiment.problems[dataset]
    share, distance = np.full(len(points), np.nan), np.full(len(points), np.nan)
    size = np.zeros(len(points))
    finals = []
    for first, last in zip(runs.start[:-1], runs.start[1:], strict=True):
        part = slice(first, last)
        full = runs.epochs[part] == problem.epochs[-1]
        share[part], distance[part], size[part], final = follow(
            runs.cell[part], 1.0 - runs.validation_accuracy[part], points[part], full, truth
        )
        finals.append(final)
    grid = scores.seconds_grid(problem.budget)
    at, over = (scores.observed_by(runs, times) for times in (np.array(experiment.checkpoints) * problem.budget, grid))
    gap, distance_at = 1.0 - scores.take(share, at), scores.take(distance, at)
    curve = 1.0 - scores.take(share, over)
    complete = ~np.isnan(curve).any(axis=0)
    by_gap, by_distance, over_time = summarise(
        [gap, distance_at, curve[:, complete]], draw(len(runs), generator("pareto", dataset, entrant))
    )
    return SetScores(gap, distance_at, scores.take(size, at), by_gap, by_distance, grid[complete], over_time, finals)


def follow(
    cells: NDArray[np.int32], errors: FloatArray, points: FloatArray, full: NDArray[np.bool_], truth: TrueFront
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Follow one run's set from observation to observation.

    Args:
        cells: shape (n,), what was trained.
        errors: shape (n,), observed validation errors.
        points: shape (n, objectives), scored.
        full: shape (n,), whether the observation is of full fidelity; others change nothing.
        truth: the true front.

    Returns:
        Share of the true hypervolume, IGD+ and number of cells after each observation, shape (n,), NaN, NaN and 0 while
        the set is empty; and the scored points of the final set.
    """
    count = len(cells)
    share, distance, size = np.full(count, np.nan), np.full(count, np.nan), np.zeros(count)
    scored, origin, front = truth.scaled(points), np.ones(points.shape[1]), truth.scaled(truth.front)
    slots: dict[int, int] = {}  # cell -> its place, in order of first being trained
    first = np.zeros(count, dtype=np.int64)  # by place: an observation of it
    trainings = np.zeros(count)
    observed = points.copy()  # by place: mean observed error, and the other objectives
    held = np.zeros(0, dtype=np.int64)  # places in the set
    for now in range(count):
        before = held
        if full[now]:
            place = slots.setdefault(int(cells[now]), len(slots))
            if not trainings[place]:
                first[place], observed[place] = now, (errors[now], *points[now, 1:])
            trainings[place] += 1
            observed[place, 0] += (errors[now] - observed[place, 0]) / trainings[place]
            beaten = (observed[held] <= observed[place]).all(axis=1) & (observed[held] < observed[place]).any(axis=1)
            if trainings[place] > 1 or not beaten.any():  # else a new cell that changes nothing
                held = np.flatnonzero(non_dominated(observed[: len(slots)]))
        if not len(held):
            continue
        size[now] = len(held)
        if np.array_equal(held, before):
            share[now], distance[now] = share[now - 1], distance[now - 1]
        else:
            members = scored[first[held]]
            share[now] = hypervolume(members, origin) / truth.volume
            distance[now] = igd_plus(members, front)
    return share, distance, size, points[first[held]]


def attained(finals: list[FloatArray], at: FloatArray, level: float) -> FloatArray:
    """Return the error that at least a share of the runs attain with a second objective of at most so much.

    Args:
        finals: for each run the points of its set, two objectives, the error first.
        at: values of the second objective, shape (n,).
        level: share of the runs, in (0, 1].

    Returns:
        Shape (n,); infinity where fewer runs have any such point.
    """
    rank = max(1, int(np.ceil(level * len(finals) - 1e-9))) - 1
    reached = np.full((len(finals), len(at)), np.inf)
    for run, final in enumerate(finals):
        if len(final):
            reached[run] = np.where(final[:, 1, None] <= at, final[:, 0, None], np.inf).min(axis=0)
    return np.asarray(np.sort(reached, axis=0)[rank])
