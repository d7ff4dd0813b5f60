"""Two results folders compared: which entrants differ between two versions or two settings, beyond chance.

For each data set and entrant that both folders hold, the final scores are compared as the design of their seeds asks
(`design.py`). The seeds of a run are keyed by protocol, version, seed, data set, entrant and number: if the first five agree the
runs of equal number began with the same random stream and are paired, else they are independent. All tests of a comparison share
one Holm correction. A difference is *real* if it is significant after that and at least the smallest effect worth naming.

Folders of different tables or with different budgets have no common scale: they are refused, as is a data set whose budgets differ.
What else differs (protocol, charging rules, costs, settings, code) is what one wants to compare; it is named, never assumed away.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from . import captions, chunks, records, scores, statistics
from .comparison import ALPHA, generator
from .design import Design, Difference, compare_samples
from .records import Experiment, Fault, Problem, RecordError, Runs

Verdict = Literal["better", "worse", "trifle", "not distinguishable", "identical"]


class FoldersError(RecordError):
    """Two folders that can't be compared; the message says why."""


@dataclass(frozen=True, slots=True)
class Row:
    """One entrant on one data set: the second folder against the first.

    Attributes:
        dataset: name of the data set.
        entrant: name of the entrant.
        first: mean final score in the first folder, fraction.
        second: in the second.
        difference: of the scores, second minus first.
        p_holm: p value corrected over all rows; NaN where none was computed.
        verdict: "better" or "worse" if real; "trifle" if significant but below the smallest effect worth naming;
            "identical" if all runs agree in every bit.
    """

    dataset: str
    entrant: str
    first: float
    second: float
    difference: Difference
    p_holm: float
    verdict: Verdict


@dataclass(frozen=True)
class FolderComparison:
    """Everything that is said about two folders.

    Attributes:
        first: the first folder's experiment.
        second: the second one's.
        rows: by data set, then entrant, in the first protocol's order.
        notes: what differs between the two besides the results.
        left_out: what only one of them holds or what could not be compared, with the reason.
        faults: what is missing or was left out, of both; paths begin with the folder.
    """

    first: Experiment
    second: Experiment
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    left_out: tuple[str, ...]
    faults: tuple[Fault, ...]


def compare_folders(first: Path, second: Path) -> FolderComparison:
    """Compare the final scores of the entrants that two results folders have in common.

    Raises:
        RecordError: a folder has no usable `experiment.json`.
        FoldersError: the tables differ, or there is no data set and entrant with usable runs in both and equal budgets.
    """
    one, two = records.read_experiment(first), records.read_experiment(second)
    if one.table.digest != two.table.digest:
        raise FoldersError(
            f"{first} was answered by table {one.table.title!r} (digest {one.table.digest[:16]}), {second} by "
            f"{two.table.title!r} (digest {two.table.digest[:16]}): scores of different tables have no common scale"
        )
    left_out, faults, pairs = _absent(one, two), [], []
    for experiment in (one, two):
        faults += [_placed(experiment, fault) for fault in chunks.stray_faults(experiment)]
    for dataset, problem in one.problems.items():
        if dataset not in two.problems:
            continue
        reason = _unlike(problem, two.problems[dataset])
        if reason:
            left_out.append(f"data set {dataset}: {reason}")
            continue
        for entrant in (name for name in one.entrants if name in two.entrants):
            found = [chunks.read_runs(experiment, dataset, entrant) for experiment in (one, two)]
            for experiment, (_, wrong) in zip((one, two), found, strict=True):
                faults += [_placed(experiment, fault) for fault in wrong]
            runs = [each for each, _ in found]
            if runs[0] is None or runs[1] is None:
                left_out.append(f"{entrant} on {dataset}: no usable runs in {_listed_folders(one, two, runs)}")
                continue
            pairs.append((dataset, entrant, problem, runs[0], runs[1]))
    if not pairs:
        reasons = "; ".join([*left_out, *map(str, faults[:3])]) or "they name no common data set or entrant"
        raise FoldersError(f"{first} and {second} have nothing to compare: {reasons}")
    rows = _rows(one, two, pairs)
    return FolderComparison(one, two, rows, tuple(differing(one, two)), tuple(left_out), tuple(faults))


def seed_design(first: Experiment, second: Experiment) -> Design:
    """Return how the seeds of equal run numbers hang together: nasbench/plan.py keys them by name, version and seed."""
    keys = [(each.protocol.name, each.protocol.version, each.protocol.seed) for each in (first, second)]
    return "paired" if keys[0] == keys[1] and keys[0][2] is not None else "independent"


def differing(first: Experiment, second: Experiment) -> list[str]:
    """Name what differs between the two besides the results."""
    pairs = {
        "protocol": (first.series, second.series),
        "seed": (first.protocol.seed, second.protocol.seed),
        "repeated queries": (first.protocol.duplicates, second.protocol.duplicates),
        "further epochs": (first.protocol.promotion, second.protocol.promotion),
        "the strategy's own seconds count": (first.protocol.charge_overhead, second.protocol.charge_overhead),
        "cost digest": (first.table.cost_digest[:16], second.table.cost_digest[:16]),
        "nasbench-live": (first.provenance.get("nasbench"), second.provenance.get("nasbench")),
        "packages": (first.provenance.get("packages"), second.provenance.get("packages")),
        "kernels of numpy and BLAS": (first.provenance.get("kernels"), second.provenance.get("kernels")),
    }
    notes = [f"{name}: {one} and {two}" for name, (one, two) in pairs.items() if one != two]
    for name, declared in first.entrants.items():
        other = second.entrants.get(name)
        if other is None:
            continue
        if declared.strategy != other.strategy:
            notes.append(f"{name}: strategy {declared.strategy} and {other.strategy}")
        for setting in sorted(declared.settings.keys() | other.settings.keys()):
            values = declared.settings.get(setting, "not given"), other.settings.get(setting, "not given")
            if values[0] != values[1]:
                notes.append(f"{name}: {setting} {values[0]} and {values[1]}")
        if declared.code != other.code:
            notes.append(f"{name}: another state of its code ({declared.code[:10]} and {other.code[:10]})")
    return notes


def _rows(one: Experiment, two: Experiment, pairs: list[tuple[str, str, Problem, Runs, Runs]]) -> tuple[Row, ...]:
    design = seed_design(one, two)
    found: list[tuple[str, str, float, float, Difference, bool]] = []
    for dataset, entrant, problem, first, second in pairs:
        samples = [_finals(runs, problem) for runs in (first, second)]
        if design == "paired":  # runs that only one folder holds have no partner
            common = np.intersect1d(first.run, second.run)
            samples = [sample[np.isin(runs.run, common)] for sample, runs in zip(samples, (first, second), strict=True)]
        rng = generator("folders", dataset, entrant)
        if not samples[0].size:
            difference = Difference(design, (0, 0), *[float("nan")] * 5)
        else:
            difference = compare_samples(samples[1], samples[0], design, rng)
            difference = _turned(difference)
        means = [float(sample.mean()) if sample.size else float("nan") for sample in samples]
        found.append(
            (dataset, entrant, means[0], means[1], difference, design == "paired" and _identical(first, second))
        )
    corrected = statistics.holm(np.array([each[4].p_value for each in found]))
    return tuple(
        Row(dataset, entrant, first, second, difference, float(p_holm), _verdict(difference, float(p_holm), same))
        for (dataset, entrant, first, second, difference, same), p_holm in zip(found, corrected, strict=True)
    )


def _turned(difference: Difference) -> Difference:
    """Put the runs in the order of the folders; the difference stays second minus first."""
    return Difference(
        difference.design, difference.runs[::-1], difference.difference, difference.low, difference.high,
        difference.p_value, difference.superiority,
    )  # fmt: skip


def _verdict(difference: Difference, p_holm: float, identical: bool) -> Verdict:
    if identical:
        return "identical"
    if not p_holm < ALPHA:
        return "not distinguishable"
    if abs(difference.difference) < scores.SMALLEST_EFFECT:
        return "trifle"
    return "better" if difference.difference > 0 else "worse"


def _finals(runs: Runs, problem: Problem) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    at_end = scores.observed_by(runs, np.array([problem.budget]))
    return np.asarray(scores.take(runs.score, at_end)[:, 0])


def _identical(first: Runs, second: Runs) -> bool:
    names = ("run", "start", "architecture", "epochs", "repeat", "validation_accuracy", "finished", "score")
    return all(np.array_equal(getattr(first, name), getattr(second, name)) for name in names)


def _unlike(first: Problem, second: Problem) -> str:
    """Say why a data set can't be compared, or nothing."""
    for name in ("budget", "workers", "score_label"):
        one, two = getattr(first, name), getattr(second, name)
        if one != two:
            return f"{name.replace('_', ' ')} {one} in the first folder, {two} in the second"
    return ""


def _absent(one: Experiment, two: Experiment) -> list[str]:
    result = []
    for place, mine, other in (("first", one, two), ("second", two, one)):
        result += [
            f"data set {name}: only in the {place} folder" for name in mine.problems if name not in other.problems
        ]
        result += [
            f"entrant {name}: only in the {place} folder" for name in mine.entrants if name not in other.entrants
        ]
    return result


def _placed(experiment: Experiment, fault: Fault) -> Fault:
    return Fault(f"{experiment.folder.name}/{fault.path}", fault.reason)


def _listed_folders(one: Experiment, two: Experiment, runs: list[Runs | None]) -> str:
    return captions.listed([str(each.folder) for each, found in zip((one, two), runs, strict=True) if found is None])
