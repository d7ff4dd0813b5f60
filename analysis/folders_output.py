"""What is said about two results folders: Markdown for people, CSV for machines, and the sentences of both."""

from __future__ import annotations

import numpy as np

from . import captions
from .comparison import ALPHA
from .design import TESTS
from .folders import FolderComparison, seed_design
from .tables import csv_text


def to_markdown(comparison: FolderComparison) -> str:
    """Write the comparison in Markdown: verdict first, table, then what it rests on."""
    one, two = comparison.first, comparison.second
    lines = [f"# {two.folder.name} against {one.folder.name}", "", *[f"- {line}" for line in sentences(comparison)], ""]
    lines += [
        "| data set | entrant | n | first (%) | second (%) | difference (points) | 95 % interval | p (Holm) | P(second better) | |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for row in comparison.rows:
        found = row.difference
        runs = str(found.runs[0]) if found.runs[0] == found.runs[1] else f"{found.runs[0]}, {found.runs[1]}"
        ends = "" if np.isnan(found.low) else f"{100 * found.low:+.3f} to {100 * found.high:+.3f}"
        p_value = "" if np.isnan(row.p_holm) else f"{row.p_holm:.2g}"
        lines.append(
            f"| {captions.dataset_title(row.dataset)} | {one.titles[row.entrant]} | {runs} | {100 * row.first:.2f} | "
            f"{100 * row.second:.2f} | {100 * found.difference:+.3f} | {ends} | {p_value} | {found.superiority:.3f} | {row.verdict} |"
        )
    lines += ["", _method(comparison)]
    headed = {
        "What differs between the two": comparison.notes,
        "Not compared": comparison.left_out,
        "Records missing or left out": comparison.faults,
    }
    for heading, entries in headed.items():
        if entries:
            lines += ["", f"## {heading}", "", *[f"- {entry}" for entry in entries]]
    lines += ["", "## Sources", ""]
    lines += [f"- {each.folder.name}: {each.series}, table digest {each.table.digest[:16]}" for each in (one, two)]
    return "\n".join(lines) + "\n"


def sentences(comparison: FolderComparison) -> list[str]:
    """Say what is real, in words."""
    rows, titles = comparison.rows, comparison.first.titles
    result = []
    for verdict in ("better", "worse"):
        names = [
            f"{titles[row.entrant]} on {captions.dataset_title(row.dataset)}" for row in rows if row.verdict == verdict
        ]
        if names:
            result.append(f"Really {verdict} in the second: {captions.listed(names)}.")
    if not result:
        result.append(f"No real difference among {len(rows)} comparisons.")
    same = sum(row.verdict == "identical" for row in rows)
    if same:
        result.append(f"Identical in every bit: {same} of {len(rows)}.")
    trifles = sum(row.verdict == "trifle" for row in rows)
    if trifles:
        result.append(f"Significant, but smaller than {captions.POINTS}: {trifles} of {len(rows)}.")
    if comparison.faults:
        result.append(f"Records missing or left out: {len(comparison.faults)}, named below.")
    return result


def to_csv(comparison: FolderComparison) -> str:
    """Write the comparison as CSV: fractions, all digits."""
    return csv_text(
        [
            {
                "dataset": row.dataset,
                "entrant": row.entrant,
                "design": row.difference.design,
                "runs_first": row.difference.runs[0],
                "runs_second": row.difference.runs[1],
                "score_first": row.first,
                "score_second": row.second,
                "score_difference": row.difference.difference,
                "score_difference_low": row.difference.low,
                "score_difference_high": row.difference.high,
                "p": row.difference.p_value,
                "holm_p": row.p_holm,
                "probability_second_better": row.difference.superiority,
                "verdict": row.verdict,
            }
            for row in comparison.rows
        ]
    )


def _method(comparison: FolderComparison) -> str:
    design = seed_design(comparison.first, comparison.second)
    why = (
        "runs of equal number began with the same random stream (protocol, version and seed agree) and are paired"
        if design == "paired"
        else "the seeds of the two folders differ (protocol, version or seed), so the runs are independent"
    )
    return (
        f"Final scores at the full budget, second minus first. Test: {TESTS[design]}, two-sided, because {why}; Holm-corrected over "
        f"all {len(comparison.rows)} rows. Better or worse: p < {ALPHA:g} and at least {captions.POINTS} apart; trifle: significant "
        f"but smaller. Interval of the difference: {captions.interval('the mean')}. P(second better): "
        f"{'in a pair of runs' if design == 'paired' else 'of two runs drawn at random'}, ties count half."
    )
