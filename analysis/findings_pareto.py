"""Claims about searches with several objectives, held against the hypervolume that their sets of trade-offs cover."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from . import scores
from .chunks import read_runs
from .comparison import generator
from .findings import Claim, Finding, finding_of, mean_difference
from .pareto import TrueFront, follow, read_points, true_fronts
from .records import Experiment, Runs, read_experiment

FloatArray = NDArray[np.float64]


def find_in_sets(claims: Sequence[Claim], folders: Sequence[Path]) -> list[Finding]:
    """Hold claims of kind `hypervolume` against results folders; those of protocols with one objective have no say.

    Each protocol speaks for itself, since another one has other objectives: of its folders with both entrants the one with most runs.

    Returns:
        In the order of the claims one for each protocol that can speak, in the order of the folders; one without an estimate where
        none can.

    Raises:
        RecordError: a folder is none of results, or lacks what several objectives need.
    """
    experiments = [(each, true_fronts(each)) for each in map(read_experiment, folders)]
    protocols: dict[str, list[tuple[int, Experiment, dict[str, TrueFront]]]] = {}
    for number, (experiment, fronts) in enumerate(experiments):
        if fronts:
            protocols.setdefault(experiment.protocol.name, []).append((number, experiment, fronts))
    covered: dict[tuple[int, str, str, float], FloatArray | None] = {}
    findings: list[Finding] = []
    for claim in claims:
        spoken = [_find_one(claim, several, covered) for several in protocols.values() or [[]]]
        findings += [each for each in spoken if each.estimate is not None] or spoken[:1]
    return findings


def _find_one(
    claim: Claim,
    experiments: Sequence[tuple[int, Experiment, dict[str, TrueFront]]],
    covered: dict[tuple[int, str, str, float], FloatArray | None],
) -> Finding:
    wanted = (claim.first, claim.second)
    able = [each for each in experiments if all(name in each[1].entrants for name in wanted)]
    able.sort(key=lambda each: -min(each[1].entrants[name].runs for name in wanted))
    for number, experiment, fronts in able:
        samples = {}
        for dataset, truth in fronts.items():
            for name in wanted:
                key = (number, dataset, name, claim.share)
                if key not in covered:
                    covered[key] = _covered(experiment, dataset, name, truth, claim.share)
            pair = [covered[number, dataset, name, claim.share] for name in wanted]
            present = [each for each in pair if each is not None]
            if len(present) == len(wanted) and min(map(len, present)) > 1:
                samples[dataset] = tuple(present)
        if samples:
            estimate = mean_difference(list(samples.values()), generator("findings", claim.text))
            runs = min(len(each) for pair in samples.values() for each in pair)
            found = finding_of(claim, experiment, estimate, runs, tuple(samples))
            return replace(found, table=experiment.protocol.name)
    missing = f"no recorded runs of {' and '.join(wanted)} with several objectives in the folders given"
    return Finding(claim, None, "can't be told here", 0, (), "", missing, ())


def _covered(experiment: Experiment, dataset: str, entrant: str, truth: TrueFront, share: float) -> FloatArray | None:
    """Return for each run the share of the true hypervolume that its set covers at a share of the budget; None without runs."""
    runs, _ = read_runs(experiment, dataset, entrant)
    if runs is None:
        return None
    points = read_points(experiment, dataset, entrant, runs, truth)
    at = scores.observed_by(runs, np.array([share * experiment.problems[dataset].budget]))[:, 0]
    longest = experiment.problems[dataset].epochs[-1]
    return np.array([_until(runs, number, int(last), points, longest, truth) for number, last in enumerate(at)])


def _until(runs: Runs, number: int, last: int, points: FloatArray, longest: int, truth: TrueFront) -> float:
    """Return what a run's set covers after an observation, -1 for none; a run without a set covers nothing."""
    part = slice(runs.start[number], max(last + 1, int(runs.start[number])))
    full = runs.epochs[part] == longest
    shares, _, size, _ = follow(runs.cell[part], 1.0 - runs.validation_accuracy[part], points[part], full, truth)
    return float(shares[-1]) if len(size) and size[-1] else 0.0
