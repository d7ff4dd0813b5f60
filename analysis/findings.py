"""Claims of the literature held against recorded runs: what was found, with n and intervals, and whether it agrees.

A claim is a contrast of two entrants, or a number of one, computed here from the records and judged by one rule for all:

- *contrast* ("A is better than B"): the difference of mean regrets, averaged over data sets, in points. Agrees where its 95 %
  interval is above 0 and the difference at least 0.1 points; disagrees where it is below 0 by as much; else it can't be told.
- *not worse* ("A is no worse than B"): agrees where the interval of A's disadvantage ends below 0.1 points; disagrees where
  it begins above 0 and the disadvantage is at least 0.1; else it can't be told.
- *ratio* of seconds: agrees where the interval is above 1 and the ratio at least 1.1, disagrees where it is below by as much.
- *amount* ("there is so much of it"): as a contrast with nothing.
- *correlation* (of predicted and true scores; of two predictors or of one): agrees where the interval is above 0 and the difference,
  or the correlation of one, at least 0.05; disagrees where it is below by as much.
- *hypervolume* ("A finds better sets of trade-offs than B"): the share of the true front's hypervolume that A covers beyond B,
  averaged over data sets; agrees where the interval is above 0 and the difference at least 0.005; disagrees where it is below by as much.

Bootstrap intervals over runs, drawn within each data set: they hold for these data sets and say nothing about others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from . import scores, statistics
from .chunks import read_runs
from .comparison import generator
from .records import Experiment, Problem, Runs, read_experiment
from .scores import SMALLEST_EFFECT
from .statistics import Estimate

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
Verdict: TypeAlias = Literal["agrees", "disagrees", "can't be told here"]
Kind: TypeAlias = Literal["contrast", "not worse", "ratio", "amount", "correlation", "hypervolume"]

SMALLEST_RATIO = 1.1  # of seconds: a tenth is worth naming
SMALLEST_CORRELATION = 0.05  # difference of rank correlations that is worth naming
SMALLEST_VOLUME = 0.005  # difference of covered hypervolume that is worth naming: half a per cent of the true front's


@dataclass(frozen=True, slots=True)
class Claim:
    """What a paper says, and the entrants that can speak to it.

    Attributes:
        text: the claim.
        source: who says so.
        kind: how it is judged.
        first: entrant that is to be better (of a ratio: the one that saves time), or whose amount is looked at; of a correlation
            a predictor.
        second: the one it is held against; "" for an amount or a single correlation.
        share: share of the budget at which regrets are read.
        differs: what is different here from the paper, said where the verdict is no agreement.
        measure: of an amount: `gap` (observed minus true accuracy of the incumbent), `told` (the same with the mean of the
            incumbent's trainings in the run) or `repeats` (share of trainings spent on cells trained before); of a
            proxy's correlation: `within` equal parameters, or in the `best` tenth; else over all cells.
        cells: of a correlation: number of cells that the predictors were trained on.
        fidelities: what is claimed is about cheap fidelities, so that data sets with one alone can't speak to it.
    """

    text: str
    source: str
    kind: Kind
    first: str
    second: str = ""
    share: float = 1.0
    differs: str = ""
    measure: Literal["", "gap", "told", "repeats", "within", "best"] = ""
    cells: int = 0
    fidelities: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """A claim with what was found.

    Attributes:
        claim: the claim.
        estimate: difference or amount in fractions, or a ratio, with its 95 % interval; None where no records speak to it.
        verdict: by the rule of its kind.
        runs: smallest number of runs of the entrants on a data set; of a correlation, draws of cells.
        datasets: data sets averaged over.
        series: protocol and version of the records and the state of the code that made them, "" without any.
        reason: why nothing can be told, where there are no records.
        names: titles of the entrants.
        table: name of the table that the records are of, of trade-offs that of the protocol; "" where they don't say it.
    """

    claim: Claim
    estimate: Estimate | None
    verdict: Verdict
    runs: int
    datasets: tuple[str, ...]
    series: str
    reason: str
    names: tuple[str, ...]
    table: str = ""


def judge(kind: Kind, estimate: Estimate) -> Verdict:
    """Return what follows from a value and its interval; see the head of this file.

    >>> judge("contrast", Estimate(0.004, 0.001, 0.007)), judge("contrast", Estimate(0.0005, 0.0001, 0.0009))
    ('agrees', "can't be told here")
    >>> judge("not worse", Estimate(-0.002, -0.005, 0.0004)), judge("not worse", Estimate(0.003, 0.001, 0.005))
    ('agrees', 'disagrees')
    >>> judge("ratio", Estimate(0.5, 0.4, 0.7)), judge("correlation", Estimate(0.04, 0.02, 0.06))
    ('disagrees', "can't be told here")
    """
    value, low, high = estimate
    if not np.isfinite([value, low, high]).all():
        return "can't be told here"
    if kind == "not worse":
        if high < SMALLEST_EFFECT:
            return "agrees"
        return "disagrees" if low > 0.0 and value >= SMALLEST_EFFECT else "can't be told here"
    if kind == "ratio":
        if low > 1.0 and value >= SMALLEST_RATIO:
            return "agrees"
        return "disagrees" if high < 1.0 and value <= 1.0 / SMALLEST_RATIO else "can't be told here"
    smallest = {"correlation": SMALLEST_CORRELATION, "hypervolume": SMALLEST_VOLUME}.get(kind, SMALLEST_EFFECT)
    if low > 0.0 and value >= smallest:
        return "agrees"
    return "disagrees" if high < 0.0 and value <= -smallest else "can't be told here"


def find(claims: Sequence[Claim], folders: Sequence[Path]) -> list[Finding]:
    """Hold claims about searches with one objective against the records of several results folders.

    Those with several objectives: `findings_pareto.py`; those about predictors: `findings_predictors.py`; about proxies:
    `findings_proxies.py`.

    Each table speaks for itself: of its folders with both entrants the one with most data sets, of these the one with most runs.

    Returns:
        In the order of the claims one for each table that can speak, in the order of the folders; one without an estimate where
        none can.

    Raises:
        RecordError: a folder is none of results.
    """
    tables: dict[str, list[Experiment]] = {}
    for experiment in map(read_experiment, folders):
        tables.setdefault(experiment.table.digest, []).append(experiment)
    findings: list[Finding] = []
    for claim in claims:
        spoken = [_find_one(claim, experiments) for experiments in tables.values() or [[]]]
        findings += [each for each in spoken if each.estimate is not None] or spoken[:1]
    return findings


def _find_one(claim: Claim, experiments: Sequence[Experiment]) -> Finding:
    wanted = [name for name in (claim.first, claim.second) if name]
    able = [each for each in experiments if all(name in each.entrants for name in wanted)]
    able.sort(key=lambda each: (-len(each.problems), -min(each.entrants[name].runs for name in wanted)))
    for experiment in able:
        runs: dict[str, list[Runs]] = {}
        for dataset, problem in experiment.problems.items():
            if claim.fidelities and len(problem.epochs) < 2:
                continue
            if claim.measure in ("gap", "told") and "validation" not in problem.score_label:
                continue  # it would hold the difference of the splits too
            found = [read_runs(experiment, dataset, name)[0] for name in wanted]
            present = [each for each in found if each is not None]
            if len(present) == len(wanted) and min(len(each) for each in present) > 1:
                runs[dataset] = present
        if runs:
            return _speak(claim, experiment, runs)
    missing = f"no recorded runs of {' and '.join(wanted)} in the folders given"
    if claim.fidelities:
        missing += " on a data set with several fidelities"
    if claim.measure in ("gap", "told"):
        missing += " on a data set scored on its validation split"
    return Finding(claim, None, "can't be told here", 0, (), "", missing, ())


def _speak(claim: Claim, experiment: Experiment, runs: dict[str, list[Runs]]) -> Finding:
    rng = generator("findings", claim.text)
    problems = experiment.problems
    if claim.kind == "ratio":
        estimate = saving([(problems[name], *pair) for name, pair in runs.items()], rng)  # type: ignore[misc]
    else:
        samples = [tuple(_values(claim, problems[name], each) for each in found) for name, found in runs.items()]
        estimate = mean_difference(samples, rng)
    number = min(len(each) for found in runs.values() for each in found)
    return finding_of(claim, experiment, estimate, number, tuple(runs))


def finding_of(
    claim: Claim, experiment: Experiment, estimate: Estimate, runs: int, datasets: tuple[str, ...]
) -> Finding:
    """Return a claim with what an experiment says of it; arguments as in `Finding`."""
    names = tuple(experiment.titles[name] for name in (claim.first, claim.second) if name)
    verdict = judge(claim.kind, estimate)
    commit = str((experiment.provenance.get("code") or {}).get("commit", "unknown"))[:10]
    series = f"{experiment.series}, recorded at commit {commit}"
    return Finding(claim, estimate, verdict, runs, datasets, series, "", names, experiment.table.name)


def _values(claim: Claim, problem: Problem, runs: Runs) -> FloatArray:
    """Return one number a run: its regret (what a contrast subtracts), gap or share of repeats; fractions."""
    at = scores.observed_by(runs, np.array([claim.share * problem.budget]))
    if claim.measure == "gap":
        return scores.validation_gap(runs, at)[:, 0]
    if claim.measure == "told":
        return told(runs, at[:, 0]) - scores.take(runs.score, at[:, 0])
    if claim.measure == "repeats":
        repeated = scores.counts(runs)[1]
        return scores.take(repeated, runs.start[1:] - 1) / runs.queries
    sign = 1.0 if claim.kind == "not worse" else -1.0
    return sign * scores.regret(runs, problem, at)[:, 0]


def told(runs: Runs, last: IntArray) -> FloatArray:
    """Return the mean validation accuracy of all trainings of the incumbent that its run had made by then.

    Args:
        runs: runs of one entrant on one problem.
        last: shape (runs,), the observation after which to look, -1 for none.

    Returns:
        Shape (runs,), fractions, over the incumbent's trainings at the highest fidelity seen; NaN without an incumbent.
    """
    owner = scores.owners(runs)
    seen = np.arange(len(owner)) <= last[owner]
    highest = np.zeros(len(runs), runs.epochs.dtype)
    np.maximum.at(highest, owner[seen], runs.epochs[seen])
    incumbent = runs.incumbent[np.maximum(last, 0)][owner]
    own = seen & (runs.architecture == incumbent) & (runs.epochs == highest[owner])
    number = np.bincount(owner, own, len(runs))
    mean = np.bincount(owner, runs.validation_accuracy * own, len(runs)) / np.maximum(number, 1)
    return np.where((last >= 0) & (number > 0), mean, np.nan)


def mean_difference(samples: Sequence[tuple[FloatArray, ...]], rng: np.random.Generator) -> Estimate:
    """Return mean of the first minus mean of the second sample (or the first's alone), averaged over data sets.

    Args:
        samples: for each data set one or two arrays of shape (runs,). NaN (a run without an incumbent) makes all of it NaN.
        rng: of the bootstrap.
    """
    signs = (1.0, -1.0)
    value, replicates = 0.0, np.zeros(statistics.RESAMPLES)
    for arrays in samples:
        for sign, array in zip(signs, arrays, strict=False):
            value += sign * float(array.mean())
            replicates += sign * statistics.bootstrap_means(array, rng)
    low, high = statistics.percentile_interval(replicates / len(samples))
    return Estimate(value / len(samples), float(low), float(high))


def saving(pairs: Sequence[tuple[Problem, Runs, Runs]], rng: np.random.Generator) -> Estimate:
    """Return how many times longer the second takes to the second's own median final regret: geometric mean over data sets.

    Expected running times (Hansen et al. 2016): seconds of all runs to success or end, over successes, so that runs that never
    arrive are censored at the seconds they spent and not left out. The target is held fixed in the bootstrap.

    Args:
        pairs: problem, runs of the one that is to save time, runs of the other.
        rng: of the bootstrap over runs.
    """
    total, replicates = 0.0, np.zeros(statistics.RESAMPLES)
    for problem, first, second in pairs:
        last = scores.observed_by(second, np.array([problem.budget]))
        target = np.array([np.median(scores.regret(second, problem, last))])
        parts = []
        for runs in (first, second):
            hits, spent = scores.first_hits(runs, problem, target)[:, 0], scores.spent(runs, problem)
            success = np.isfinite(hits).astype(np.float64)
            used = np.where(success > 0, hits, spent)
            means = statistics.bootstrap_means(np.stack([used, success], axis=1), rng)
            with np.errstate(divide="ignore"):
                parts.append((np.log(used.mean() / success.mean()), np.log(means[:, 0] / means[:, 1])))
        total += float(parts[1][0] - parts[0][0])
        replicates += parts[1][1] - parts[0][1]
    low, high = statistics.percentile_interval(np.exp(replicates / len(pairs)))
    return Estimate(float(np.exp(total / len(pairs))), float(low), float(high))
