"""The report's part on several objectives: a table, two figures, the numbers for machines, and what they show."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from . import captions, pareto_figures, statistics, style
from .pareto import SetComparison, compare_sets
from .records import Experiment
from .tables import NOTHING, Column, Entry, Mark, PrintTable, csv_text, to_markdown, write_table, write_text
from .venues import Venue


def pareto_report(experiment: Experiment, out: Path) -> list[Path]:
    """Write `pareto.md`, `tables/pareto.*` and `figures/pareto-*`; nothing for an experiment with one objective.

    Args:
        experiment: what was compared.
        out: the report's folder.

    Returns:
        The files written, in order.

    Raises:
        RecordError: the records lack what several objectives need.
    """
    found = compare_sets(experiment)
    return [] if found is None else sets_report(found, out)


def sets_report(found: SetComparison, out: Path, venue: Venue | None = None) -> list[Path]:
    """Write the files of `pareto_report` from what was compared, in a venue's style; nothing where no runs were found."""
    if not found.scores:
        return []
    experiment = found.experiment
    table = gap_table(found)
    files = [
        *write_table(table, out / "tables"),
        write_text(out / "tables" / "pareto-wide.csv", wide_csv(found)),
    ]
    folder = out / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    texts = []
    with style.styled(venue):
        for name, figure, text in (
            ("pareto-over-seconds", pareto_figures.gap_over_seconds(found), gap_caption(found)),
            ("pareto-fronts", pareto_figures.attained_fronts(found), front_caption(found)),
        ):
            if figure is not None:
                files += style.save(figure, folder / name)
                files.append(write_text(folder / f"{name}.txt", text + "\n"))
                texts.append(f"![{name}](figures/{name}.png)\n\n{text}\n")
    title = f"# Several objectives: {experiment.protocol.title or experiment.series}\n"
    page = "\n".join([title, to_markdown(table), *texts])
    return [*files, write_text(out / "pareto.md", page)]


def gap_table(found: SetComparison) -> PrintTable:
    """Make the table: missing hypervolume and IGD+ at the full budget by data set, marked by the former."""
    columns, rows = [], []
    for dataset in found.fronts:
        title = captions.dataset_title(dataset)
        columns += [
            Column(title, "missing HV (%)", f"missing_hypervolume_percent_{dataset}"),
            Column(title, "IGD+", f"igd_plus_{dataset}"),
            Column(title, "cells", f"cells_{dataset}"),
        ]
    last = len(found.experiment.checkpoints) - 1
    for entrant in found.order:
        entries: list[Entry] = []
        for dataset in found.fronts:
            scored = found.scores.get((dataset, entrant))
            if scored is None:
                entries += [NOTHING] * 3
                continue
            mark: Mark = "best" if found.best.get((dataset, last)) == entrant else ""
            mark = "level" if entrant in found.level.get((dataset, last), ()) else mark
            gap, distance = scored.summary, scored.distances
            entries += [
                Entry(100 * float(gap.mean[-1]), 100 * float(gap.half_width[-1]), 2, mark),
                Entry(float(distance.mean[-1]), float("nan"), 4),
                Entry(float(scored.size[:, -1].mean()), float("nan"), 1),
            ]
        rows.append((found.experiment.titles[entrant], tuple(entries)))
    text = (
        f"{sets(found)} Missing HV: 1 - hypervolume over that of the true front, mean ± half the width of the "
        f"{captions.interval('the mean')}. IGD+: mean distance of the true front's points to the set, scaled. Cells: size of "
        f"the set. Bold: best mean of the column; italic: not distinguishable from it, Mann-Whitney U test, two-sided, Holm-"
        f"corrected over all pairs of entrants of the data set, p >= 0.05. {sample(found)}"
    )
    return PrintTable("pareto", tuple(columns), (), tuple(rows), text, "Sets of trade-offs at the full budget")


def sets(found: SetComparison) -> str:
    """Say what is scored, against which front and reference point."""
    truth = next(iter(found.fronts.values()))
    names = " and ".join(name.replace("_", "-") for name in truth.objectives)
    points = "; ".join(
        f"{captions.dataset_title(dataset)} ({', '.join(f'{value:.6g}' for value in front.reference)}), "
        f"{len(front.front)} points on the true front"
        for dataset, front in found.fronts.items()
    )
    labels = " or ".join(sorted({problem.score_label for problem in found.experiment.problems.values()}))
    return (
        f"Objectives: {names}, all to be minimised. A run's set: of the cells that it trained, those that no other dominates, by "
        f"the validation error that it observed and the other objectives; scored by the table's {labels}. Each objective is scaled "
        f"from the true front's best (0) to the reference point (1), which is a tenth of the front's range beyond its worst: {points}."
    )


def sample(found: SetComparison) -> str:
    """Say n, budget, table, protocol and versions."""
    runs = sorted({one.summary.runs for one in found.scores.values()})
    number = " to ".join(map(str, dict.fromkeys((runs[0], runs[-1]))))
    faults = f" Records missing or left out: {len(found.faults)}, named in summary.md." if found.faults else ""
    return (
        f"n = {number} independent runs of each entrant on each data set{captions.few(runs[0])}. {captions.budgets(found)}{faults} "
        f"{captions.source(found)}"
    )


def gap_caption(found: SetComparison) -> str:
    """Return the caption of the missing hypervolume over time."""
    return (
        f"Share of the true front's hypervolume that a run's set still misses, mean over runs with its "
        f"{100 * statistics.LEVEL:g} % bootstrap interval (pointwise). {sets(found)} {sample(found)}"
    )


def front_caption(found: SetComparison) -> str:
    """Return the caption of the attained fronts."""
    return (
        f"Fronts attained at the full budget, as error above the true front at each size: the line by half of the runs, the "
        f"band between a quarter and three quarters (levels of the empirical attainment function). A line begins where so "
        f"many runs have a cell of at most that size. Ticks: the true front's points. {sets(found)} {sample(found)}"
    )


def wide_csv(found: SetComparison) -> str:
    """Write every number of every checkpoint as CSV, in fractions."""
    rows = []
    for (dataset, entrant), scored in found.scores.items():
        for number, share in enumerate(found.experiment.checkpoints):
            rows.append(
                {
                    "dataset": dataset,
                    "entrant": entrant,
                    "share_of_budget": share,
                    "runs": scored.summary.runs,
                    "missing_hypervolume": float(scored.summary.mean[number]),
                    "low": float(scored.summary.low[number]),
                    "high": float(scored.summary.high[number]),
                    "median": float(scored.summary.median[number]),
                    "igd_plus": float(scored.distances.mean[number]),
                    "cells": float(np.mean(scored.size[:, number])),
                }
            )
    return csv_text(rows)
