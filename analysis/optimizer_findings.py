"""Claims about optimizers held against the table of curves: what was found, with n and intervals, and whether it agrees.

A claim compares one optimizer with one or more others on a task: mean loss of the strongest of the others over mean loss of the one
(`optimizer_advantage.py`). Judged by one rule for all, that of `findings.judge` for ratios:

- *better*: agrees where the 95 % interval of the ratio is above 1 and the ratio at least 1.1, disagrees where it is below by as much;
- *worse*: the other way round;
- *level*: agrees where the whole interval lies within 1/1.1 and 1.1, disagrees where better or worse can be told;
- anything else, or fewer than five seeds, or a learned optimizer whose meta-training was not finished: it can't be told here.

An *anchor* is a number of the literature: agrees where the value found is within a tolerance, disagrees where its whole interval is
outside of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from nasbench.optimizer_table import OptimizerEntry, OptimizerTable

from .comparison import generator
from .findings import SMALLEST_RATIO, Verdict, judge
from .optimizer_advantage import FEWEST_SEEDS, Advantage, Measure, Split, advantage, losses, tuned
from .optimizer_anchor import PROBLEMS, final_log_loss
from .statistics import Estimate

Expected: TypeAlias = Literal["better", "worse", "level"]
SWAPPED: dict[Verdict, Verdict] = {"agrees": "disagrees", "disagrees": "agrees"}


@dataclass(frozen=True, slots=True)
class Claim:
    """What is claimed, and the runs that can speak to it.

    Attributes:
        text: the claim.
        source: who says so.
        expected: how the first compares with the strongest of the others.
        task: name of the task.
        first: entrant of the table.
        others: entrants it is held against; empty: every tuned one of the table.
        measure: the last loss, or the mean of the trajectory.
        split: whose loss.
        horizon: multiple of the task's horizon.
        differs: what is different here from the source.
    """

    text: str
    source: str
    expected: Expected
    task: str
    first: str
    others: tuple[str, ...] = ()
    measure: Measure = "final"
    split: Split = "train"
    horizon: int = 1
    differs: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """A claim with what was found.

    Attributes:
        claim: the claim.
        found: the comparison; None where the table lacks its runs.
        verdict: by the rule.
        pool: how many others it was held against.
        reason: why nothing can be told, "" where something can.
    """

    claim: Claim
    found: Advantage | None
    verdict: Verdict
    pool: int
    reason: str


@dataclass(frozen=True, slots=True)
class Anchor:
    """A number that needs no table: log10 of Adam's mean final loss on the uniform quadratics after 100 steps.

    Attributes:
        text, source: the claim.
        learning_rate: of Adam.
        expected, tolerance: log10 of a loss.
        differs: what is different here.
    """

    text: str
    source: str
    learning_rate: float
    expected: float
    tolerance: float
    differs: str = ""


@dataclass(frozen=True, slots=True)
class AnchorFinding:
    """An anchor with the value found, over `problems` problems."""

    anchor: Anchor
    estimate: Estimate
    verdict: Verdict
    problems: int


def verdict_of(expected: Expected, ratio: Estimate) -> Verdict:
    """Return what follows from a ratio and its interval; see the head of this file.

    >>> verdict_of("better", Estimate(1.5, 1.2, 1.8)), verdict_of("worse", Estimate(1.5, 1.2, 1.8))
    ('agrees', 'disagrees')
    >>> verdict_of("level", Estimate(1.01, 0.95, 1.08)), verdict_of("level", Estimate(1.01, 0.8, 1.2))
    ('agrees', "can't be told here")
    """
    better = judge("ratio", ratio)
    if expected == "better":
        return better
    if expected == "worse":
        return SWAPPED.get(better, better)
    if ratio.low > 1.0 / SMALLEST_RATIO and ratio.high < SMALLEST_RATIO:
        return "agrees"
    return better if better not in SWAPPED else "disagrees"


def verdict_of_anchor(anchor: Anchor, estimate: Estimate) -> Verdict:
    """Return whether a value agrees with an anchor.

    >>> verdict_of_anchor(Anchor("", "", 0.01, -0.48, 0.01), Estimate(-0.475, -0.483, -0.467))
    'agrees'
    """
    least, most = anchor.expected - anchor.tolerance, anchor.expected + anchor.tolerance
    if least <= estimate.value <= most:
        return "agrees"
    return "disagrees" if estimate.low > most or estimate.high < least else "can't be told here"


def unfinished(entry: OptimizerEntry) -> str:
    """Return why a learned optimizer's meta-training was not finished, "" if it was, or if its record does not tell.

    Not finished: the last check on held-out instances was the best, and what the loss fell since the check before is at least its
    share of the whole fall: progress had not begun to slow down.
    """
    history = (entry.trained_on or {}).get("history", [])
    if len(history) < 3:
        return ""
    (before, _, previous), (end, _, last) = history[-2], history[-1]
    first_at, _, first = history[0]
    fall, share = first - last, (end - before) / (end - first_at)
    if last > min(loss for *_, loss in history) or previous - last < share * fall:
        return ""
    return (
        f"meta-training not finished: of the fall of its held-out loss from {first:.3f} to {last:.3f}, {(previous - last) / fall:.0%} "
        f"came in the last {share:.0%} of its {end} steps"
    )


def find(claims: Sequence[Claim], table: OptimizerTable) -> list[Finding]:
    """Hold claims against a table; one whose runs are missing can't be told."""
    return [_find_one(claim, table) for claim in claims]


def _find_one(claim: Claim, table: OptimizerTable) -> Finding:
    if claim.task not in table.tasks or claim.first not in table.optimizers:
        return Finding(claim, None, "can't be told here", 0, f"the table has no runs of {claim.first} on {claim.task}")
    names = claim.others or [name for name in tuned(table, claim.task, claim.horizon) if name != claim.first]
    every = {
        name: losses(table, claim.task, name, claim.measure, claim.split, claim.horizon)
        for name in (claim.first, *names)
        if name in table.optimizers
    }
    known = {name: values for name, values in every.items() if values is not None}
    missing = [name for name in (claim.first, *names) if name not in known]
    if missing or len(known) < 2:
        reason = f"the table has no runs of {', '.join(missing) or 'others'} on {claim.task} at {claim.horizon} x its horizon"
        return Finding(claim, None, "can't be told here", 0, reason)
    one = known.pop(claim.first)
    found = advantage(one, known, generator("optimizer findings", claim.text))
    reason = unfinished(table.optimizers[claim.first])
    if not reason and found.seeds < FEWEST_SEEDS:
        reason = f"{found.seeds} seeds: too few for an interval"
    verdict = verdict_of(claim.expected, found.ratio) if not reason else "can't be told here"
    return Finding(claim, found, verdict, len(known), reason)


def find_anchors(anchors: Sequence[Anchor]) -> list[AnchorFinding]:
    """Compute anchors, each on problems of its own."""
    found = []
    for anchor in anchors:
        estimate = final_log_loss(anchor.learning_rate, generator("optimizer findings", anchor.text))
        found.append(AnchorFinding(anchor, estimate, verdict_of_anchor(anchor, estimate), PROBLEMS))
    return found
