"""What stands below a table or beside a figure: what it shows, what the error bars are, n, budget, digest, versions."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from typing import Protocol

import nasbench

from . import scores, statistics
from .comparison import ALPHA, FEW_RUNS, Comparison
from .records import Experiment

DATASET_TITLES = {
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "imagenet": "ImageNet16-120",  # the one of that name in NAS-Bench-201
    "imagenet16-120": "ImageNet16-120",
    "mnist1d": "MNIST-1D",
}
LEVEL = f"{100 * statistics.LEVEL:g} %"
POINTS = f"{100 * scores.SMALLEST_EFFECT:g} points"


class Compared(Protocol):
    """What was compared, run by run or set by set."""

    @property
    def experiment(self) -> Experiment:
        """The experiment."""


def dataset_title(dataset: str) -> str:
    """Return a data set's name as the field writes it."""
    return DATASET_TITLES.get(dataset, dataset)


def quantity(value: float) -> str:
    """Write seconds: whole from a thousand on, with thousands apart.

    >>> quantity(182799.0), quantity(200.0), quantity(7.25)
    ('182,799', '200', '7.25')
    """
    return f"{value:,.0f}" if value >= 1000 else f"{value:g}"


def budgets(comparison: Compared) -> str:
    """Say the budget of each data set and the rules that runs were charged by."""
    problems, protocol = comparison.experiment.problems, comparison.experiment.protocol
    values = [quantity(problem.budget) for problem in problems.values()]
    if len(set(values)) == 1:
        text = f"Budget: {values[0]} simulated seconds a run"
    else:
        names = ", ".join(map(dataset_title, problems))
        text = f"Budget: {', '.join(values[:-1])} and {values[-1]} simulated seconds a run ({names})"
    workers = max(problem.workers for problem in problems.values())
    rules = [] if workers == 1 else [f"{workers} trainings at the same time"]
    rules += ["a cell asked for again is charged again" if protocol.duplicates == "charge" else "asking again is free"]
    if max(len(problem.epochs) for problem in problems.values()) > 1:
        rules += [
            "further epochs of a cell cost the difference"
            if protocol.promotion == "continue"
            else "further epochs of a cell cost a training from scratch"
        ]
    if protocol.charge_overhead:
        rules += ["the strategy's own seconds count"]
    return f"{text}; {', '.join(rules)}."


def sample(comparison: Comparison) -> str:
    """Say how many runs each number rests on."""
    numbers: dict[str, set[int]] = {}
    for (_, entrant), found in comparison.scores.items():
        numbers.setdefault(entrant, set()).add(found.summary.runs)
    by_number: dict[str, list[str]] = {}
    for entrant in comparison.order:
        low, high = min(numbers[entrant]), max(numbers[entrant])
        text = str(low) if low == high else f"{low} to {high}"
        by_number.setdefault(text, []).append(comparison.experiment.titles[entrant])
    if len(by_number) == 1:
        text = f"n = {next(iter(by_number))} independent runs of each entrant on each data set"
    else:
        parts = (f"{number} ({', '.join(names)})" for number, names in by_number.items())
        text = f"Independent runs on each data set: n = {'; '.join(parts)}"
    return f"{text}{few(min(found.summary.runs for found in comparison.scores.values()))}."


def few(runs: int) -> str:
    """Say that there are too few runs for the intervals, or nothing."""
    return f" (with fewer than {FEW_RUNS} the intervals are too short)" if runs < FEW_RUNS else ""


def marks() -> str:
    """Say when an entrant counts as not worse than the best."""
    return (
        f"not distinguishable from it: Mann-Whitney U test, two-sided, Holm-corrected over all pairs of entrants of the "
        f"data set and checkpoint, p >= {ALPHA:g}, or means less than {POINTS} apart."
    )


def interval(of: str) -> str:
    """Say what the error bars are."""
    return f"{LEVEL} percentile bootstrap interval of {of} over runs ({statistics.RESAMPLES:,} resamples)"


def score_kind(comparison: Comparison) -> str:
    """Return what a score is: "mean test accuracy" or "mean validation accuracy" over all repeats."""
    labels = sorted({problem.score_label for problem in comparison.experiment.problems.values()})
    return " or ".join(labels)


def endings(comparison: Comparison) -> str:
    """Say which entrants stopped before the budget did, or nothing."""
    stopped = []
    for entrant in comparison.order:
        runs = sum(comparison.scores[key].ended for key in comparison.scores if key[1] == entrant)
        if runs:
            stopped.append(f"{comparison.experiment.titles[entrant]} ({runs} runs)")
    return f" Ended before the budget, last incumbent kept: {', '.join(stopped)}." if stopped else ""


def emulations(comparison: Comparison) -> str:
    """Say which entrants are emulated: the published method inherits weights, here every score is from scratch."""
    entrants, titles = comparison.experiment.entrants, comparison.experiment.titles
    names = [titles[entrant] for entrant in comparison.order if entrants[entrant].mode == "emulated"]
    return f" Emulated, without the inheritance of weights that the method has: {', '.join(names)}." if names else ""


def omissions(comparison: Comparison) -> str:
    """Say that records are missing or were left out, or nothing."""
    number = len(comparison.faults)
    return f" Records missing or left out: {number}, named in summary.md." if number else ""


def source(comparison: Compared) -> str:
    """Say table, digests, protocol and versions."""
    experiment = comparison.experiment
    code = experiment.provenance.get("code", {})
    commit = str(code.get("commit", ""))[:10] if isinstance(code, dict) else ""
    state = f", commit {commit}{' with changes' if code.get('modified') else ''}" if commit else ""
    packages = experiment.provenance.get("packages", {})
    numpy = f", numpy {packages['numpy']}" if isinstance(packages, dict) and "numpy" in packages else ""
    here = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("numpy", "scipy"))
    return (
        f"Table: {experiment.table.title} (digest {experiment.table.digest[:16]}, costs "
        f"{experiment.table.cost_digest[:16]}). Protocol: {experiment.series}. Recorded with nasbench-live "
        f"{experiment.provenance.get('nasbench', '?')}{state}{numpy}; analysed with nasbench-live "
        f"{nasbench.__version__}, {here}."
    )


def caption(comparison: Comparison, *sentences: str) -> str:
    """Join what is particular to a table or figure with what all of them say."""
    notes = f"{endings(comparison)}{emulations(comparison)}{omissions(comparison)}"
    common = f"{sample(comparison)} {budgets(comparison)}{notes} {source(comparison)}"
    return f"{' '.join(filter(None, sentences))} {common}"


def figure_captions(comparison: Comparison) -> dict[str, str]:
    """Return the caption of each figure by its file name."""
    kind = score_kind(comparison)
    regret = (
        f"Regret: highest {kind} in the table minus that of the incumbent (the cell with the best observed validation "
        "accuracy at the highest fidelity seen), in percentage points."
    )
    band = f"Lines: mean over runs; bands: pointwise {interval('the mean')}."
    steps = "Each run is a step function, never interpolated; curves begin where every run has an incumbent."
    stopped = any(found.ended for found in comparison.scores.values())
    tail = "Thin lines: half of the runs or more had ended before." if stopped else ""
    targets = scores.default_targets(next(iter(comparison.experiment.problems.values())))
    return {
        "regret-over-seconds": caption(comparison, "Regret against simulated time.", regret, band, steps, tail),
        "median-regret-over-seconds": caption(
            comparison,
            "Regret of the median run against simulated time.",
            regret,
            "Lines: median over runs; bands with thin edges: from the first to the third quartile of the runs (their spread, not an "
            "interval of the median). A line that falls to zero leaves through the lower edge.",
            steps,
            tail,
        ),
        "regret-over-queries": caption(
            comparison,
            "Regret against the number of queries, whatever each cost.",
            regret,
            band,
            steps,
            "They end with the run that could afford the fewest queries.",
            tail,
        ),
        "regret-at-budget": caption(
            comparison,
            "Distribution over runs of the regret at the full budget: share of runs with at most that regret; higher and "
            "further left is better. The left edge holds all runs below it, those at the optimum among them.",
            regret,
            "No error bars: the whole sample is shown.",
        ),
        "targets-over-seconds": caption(
            comparison,
            f"Share of pairs of run and target reached by each time (runtime profile, Hansen et al. 2016, without "
            f"the simulated restarts of COCO); "
            f"{len(targets)} target regrets, evenly spaced in the logarithm from that of random sampling to "
            f"{100 * targets[-1]:g} points.",
            regret,
            "No error bars: the whole sample is shown.",
        ),
    }


def listed(names: Sequence[str]) -> str:
    """Join names as in a sentence.

    >>> listed(["A"]), listed(["A", "B"]), listed(["A", "B", "C"])
    ('A', 'A and B', 'A, B and C')
    """
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
