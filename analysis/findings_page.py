"""Write findings as a page in Markdown with a figure; every verdict on it is computed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from .findings import Finding
from .predictors import written
from .style import BLACK, COLOURS, TEXT_WIDTH, save, styled

RULES = (
    "Verdicts are computed, by one rule for all. *A is better than B*: the difference of mean regrets (best score in the table "
    "minus the incumbent's), averaged over data sets, has a 95 % bootstrap interval above 0 and is at least 0.1 points: agrees; below 0 "
    "by as much: disagrees; else it can't be told here. *A is no worse than B*: agrees where the interval of A's disadvantage "
    "ends below 0.1 points, disagrees where it begins above 0 and the disadvantage is at least 0.1. *Seconds*: ratio of expected running "
    "times to the median final regret of the search from scratch, runs that never arrive censored at the seconds they spent; "
    "agrees where the interval is above 1 and the ratio at least 1.1. *Correlation*: Spearman's, of predicted and true scores of held-out "
    "cells (proxies: of all cells, or pooled over groups of equal size), or its difference "
    "between two predictors, or to that of the number of parameters; agrees where the interval is above 0 and the value at least "
    "0.05, disagrees where it is below by as much. *Trade-offs*: difference of the shares of the true front's hypervolume that the "
    "sets found cover, averaged over data sets; agrees where the interval is above 0 and the difference at least half a per cent. "
    "Intervals are over seeds (of predictors: over draws of cells; of proxies: over cells), for these data sets; each stands by "
    "itself, so that of many claims a few may be judged wrongly by chance. Each table speaks for itself, of "
    "trade-offs each protocol: scores are mean validation accuracies on nas-bench-201, which has no test split, and mean test accuracies "
    "on tables that have one."
)


def to_markdown(findings: Sequence[Finding], figure: str, pages: Sequence[str] = ()) -> str:
    """Return the page.

    Args:
        findings: what it tells of.
        figure: path of the figure's PNG as seen from the page; "" for none.
        pages: paths of pages that show all predictors, as seen from this page.
    """
    lines = ["# Findings", "", "Made by `nasbench findings`; do not edit.", "", RULES, ""]
    if figure:
        text = (
            "Advantage of the first over the second, with its 95 % interval, at a share of the budget; circle: agrees; cross: disagrees; "
            "diamond: can't be told; grey: too small to name."
        )
        lines += [f"![Differences of regrets with their intervals]({figure})", "", text, ""]
    lines += ["| claim | source | on | found | n | verdict |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {each.claim.text} | {each.claim.source} | {each.table} | {found(each)} | {each.runs or ''} | {_verdict(each)} |"
        for each in findings
    ]
    lines += [
        "",
        "n: runs on each data set of the entrant with fewer; of predictors, draws of cells; of proxies, cells. Compared were:",
        "",
    ]
    for each in findings:
        if each.estimate is not None:
            made = "measured on" if each.claim.kind == "correlation" else "records of"
            where = f"{' against '.join(each.names)}; {', '.join(each.datasets)}; {made} {each.series}"
            lines.append(f"- {each.claim.text}: {where}.")
    lines += [*([""] if pages else []), *(f"All predictors, with a figure: [{page}]({page})." for page in pages)]
    against = [each for each in findings if each.estimate is not None and each.verdict == "disagrees"]
    lines += ["", "## Where it contradicts", ""]
    lines += [
        f"- {each.claim.text} ({each.claim.source}){_on(each)}. {each.claim.differs}".rstrip() for each in against
    ]
    if not against:
        lines.append("Nowhere.")
    lines.append("")
    return "\n".join(lines)


def _on(finding: Finding) -> str:
    return f", on {finding.table}" if finding.table else ""


def _verdict(finding: Finding) -> str:
    return "not looked at" if finding.estimate is None else f"**{finding.verdict}**"


def found(finding: Finding) -> str:
    """Write a value with its interval in the unit of its kind, or why there is none."""
    if finding.estimate is None:
        return finding.reason
    value, low, high = finding.estimate
    if finding.claim.kind == "ratio":
        return f"{value:.2f} times [{low:.2f}, {high:.2f}]"
    if finding.claim.kind == "correlation":
        return f"{'difference ' if finding.claim.second else ''}{written(finding.estimate)}"
    if finding.claim.kind == "hypervolume":
        return f"{100 * value:.2f} % of the true hypervolume [{100 * low:.2f}, {100 * high:.2f}]"
    if finding.claim.measure == "repeats":
        return f"{100 * value:.1f} % of trainings [{100 * low:.1f}, {100 * high:.1f}]"
    if finding.claim.kind == "not worse":
        return f"disadvantage {100 * value:.2f} points [{100 * low:.2f}, {100 * high:.2f}]"
    return f"{100 * value:.2f} points [{100 * low:.2f}, {100 * high:.2f}]"


def draw(findings: Sequence[Finding], stem: Path) -> list[Path]:
    """Draw the advantages of contrasts and of claims of being no worse, in points with 95 % intervals; return the files."""
    rows = [each for each in findings if each.estimate is not None and each.claim.kind in ("contrast", "not worse")]
    if not rows:
        return []
    with styled():
        figure = Figure(figsize=(TEXT_WIDTH, 0.6 + 0.19 * len(rows)), layout="constrained")
        axes = figure.add_subplot()
        for place, each in enumerate(rows):
            assert each.estimate is not None
            value, low, high = (100.0 * end for end in each.estimate)
            if each.claim.kind == "not worse":
                value, low, high = -value, -high, -low
            colour = {"agrees": COLOURS[0], "disagrees": COLOURS[1]}.get(each.verdict, BLACK)
            marker = {"agrees": "o", "disagrees": "X"}.get(each.verdict, "d")
            axes.plot([low, high], [place, place], color=colour, linewidth=1.2)
            axes.plot([value], [place], color=colour, marker=marker, markersize=4, linestyle="none")
        axes.axvline(0.0, color=BLACK, linewidth=0.6)
        axes.axvspan(-0.1, 0.1, color="0.92", linewidth=0.0)
        labels = [f"{each.names[0]} over {each.names[1]} ({each.claim.share:.0%}){_on(each)}" for each in rows]
        axes.set_yticks(range(len(rows)), labels, fontsize=6)
        axes.invert_yaxis()
        axes.set_xlabel("advantage in regret (points)")
        return save(figure, stem)
