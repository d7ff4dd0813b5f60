"""Figures of the page of findings about optimizers: claims, the quadratics, the ladder of distance, the course of meta-training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

from .comparison import generator
from .findings import SMALLEST_RATIO
from .optimizer_advantage import Measure, losses
from .optimizer_comparison import OptimizerComparison
from .optimizer_figures import short_title
from .optimizer_findings import Finding
from .optimizer_ladder import Rung
from .optimizer_ledger import DISTANCES
from .statistics import bootstrap_interval
from .style import BLACK, COLOURS, DASHES, TEXT_WIDTH, logarithmic, plain

MARKERS = {"agrees": ("o", COLOURS[0]), "disagrees": ("X", COLOURS[1])}
QUADRATICS = (("quadratic-gaussian", "Gaussian quadratics"), ("quadratic-uniform", "Uniform quadratics"))
MEASURES: tuple[tuple[Measure, str, str], ...] = (("final", "o", "final loss"), ("mean", "d", "mean of the trajectory"))


def claims_figure(findings: Sequence[Finding]) -> Figure | None:
    """Draw the ratio of every claim with its interval on a logarithmic axis; None without any."""
    rows = [each for each in findings if each.found is not None]
    if not rows:
        return None
    figure = Figure(figsize=(TEXT_WIDTH, 0.6 + 0.17 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    ends: list[float] = []
    for place, each in enumerate(rows):
        assert each.found is not None
        value, low, high = each.found.ratio
        marker, colour = MARKERS.get(each.verdict, ("d", BLACK))
        axes.plot([low, high], [place, place], color=colour, linewidth=1.2)
        axes.plot([value], [place], color=colour, marker=marker, markersize=4, linestyle="none")
        ends += [low, value, high]
    axes.set_xscale("log")
    axes.set_xlim(min(ends) / 1.15, max(ends) * 1.15)
    axes.axvline(1.0, color=BLACK, linewidth=0.6)
    axes.axvspan(1 / SMALLEST_RATIO, SMALLEST_RATIO, color="0.92", linewidth=0.0)
    _ratios(axes, "x")
    axes.set_yticks(range(len(rows)), [each.claim.text for each in rows], fontsize=5.5)
    axes.invert_yaxis()
    axes.set_xlabel("advantage: ratio of losses")
    return figure


def quadratics_figure(comparison: OptimizerComparison) -> Figure | None:
    """Draw final loss and trajectory mean of all optimizers on both families, ordered by the final loss; None without runs."""
    table = comparison.table
    shown = [(task, title) for task, title in QUADRATICS if task in table.tasks]
    if not shown:
        return None
    most = max(sum(1 for key in comparison.scored if key[0] == task) for task, _ in shown)
    figure = Figure(figsize=(TEXT_WIDTH, 0.8 + 0.135 * most), layout="constrained")
    for axes, (task, title) in zip(figure.subplots(1, len(shown), squeeze=False).flat, shown, strict=True):
        names = sorted(
            (name for of, name in comparison.scored if of == task), key=lambda name: _final(comparison, task, name)
        )
        names = [name for name in names if _final(comparison, task, name) < table.tasks[task].ceiling / 4]
        for measure, marker, label in MEASURES:
            for place, name in enumerate(names):
                values = losses(table, task, name, measure)
                assert values is not None, "it was scored"
                low, high = bootstrap_interval(values, generator("optimizer quadratics", task, name, measure))
                colour = COLOURS[1] if table.optimizers[name].family == "learned" else COLOURS[0]
                axes.plot([float(low), float(high)], [place, place], color=colour, linewidth=1.0)
                axes.plot(
                    [values.mean()], [place], color=colour, marker=marker, markersize=3.2, linestyle="none",
                    markerfacecolor=colour if measure == "final" else "white", markeredgewidth=0.7,
                    label=label if place == 0 else None,
                )  # fmt: skip
        axes.set_xscale("log")
        axes.set_xlim(*axes.get_xlim())
        logarithmic(axes, "x")
        axes.set_yticks(range(len(names)), [short_title(comparison.title(name)) for name in names], fontsize=5.5)
        axes.invert_yaxis()
        axes.set_title(title, loc="left")
        axes.set_xlabel("loss")
        axes.legend(loc="lower left", fontsize=5.5, handlelength=1.0)
    return figure


def ladder_figure(comparison: OptimizerComparison, rungs: Sequence[Rung]) -> Figure | None:
    """Draw the advantage of each learned optimizer by distance, a panel each; None without rungs.

    Filled: over the tuned baseline; hollow: over the strongest tuned optimizer. Bars: as in `Advantage`.
    """
    names = list(dict.fromkeys(rung.row.optimizer for rung in rungs))
    if not names:
        return None
    steps = [word for word in DISTANCES if any(rung.row.distance == word for rung in rungs)]
    columns = min(2, len(names))
    lines = -(-len(names) // columns)
    figure = Figure(figsize=(TEXT_WIDTH, 0.5 + 1.45 * lines), layout="constrained")
    panels = list(figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True).flat)
    values = [end for rung in rungs for found in (rung.over_baseline, rung.over_strongest) for end in found.ratio]
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    for axes, name in zip(panels, names, strict=False):
        mine = [rung for rung in rungs if rung.row.optimizer == name]
        for word in steps:
            here = [rung for rung in mine if rung.row.distance == word]
            for place, rung in enumerate(here):
                x = steps.index(word) + (0.7 * ((place + 0.5) / len(here) - 0.5))
                for shift, found, colour, face in (
                    (-0.02, rung.over_baseline, COLOURS[0], COLOURS[0]),
                    (0.02, rung.over_strongest, COLOURS[1], "white"),
                ):
                    axes.plot([x + shift] * 2, found.ratio[1:], color=colour, linewidth=0.8)
                    axes.plot(
                        [x + shift],
                        [found.ratio.value],
                        "o",
                        color=colour,
                        markerfacecolor=face,
                        markersize=3,
                        markeredgewidth=0.7,
                    )
        axes.set_yscale("log")
        axes.set_ylim(min(values) / 1.2, max(values) * 1.2)
        _ratios(axes, "y")
        axes.axhline(1.0, color=BLACK, linewidth=0.6)
        axes.set_xlim(-0.6, len(steps) - 0.4)
        axes.xaxis.set_major_locator(FixedLocator(list(range(len(steps)))))
        axes.set_xticklabels(steps, rotation=30, ha="right")
        axes.set_title(comparison.title(name), loc="left")
    for axes in panels[::columns]:
        axes.set_ylabel("loss of the tuned\nover the learned")
    return figure


def meta_training_figure(comparison: OptimizerComparison) -> Figure | None:
    """Draw the held-out loss of each learned optimizer's meta-training over its first check, against its course; None without any."""
    records = {
        name: entry.trained_on["history"]
        for name, entry in comparison.table.optimizers.items()
        if entry.trained_on is not None and len(entry.trained_on.get("history", [])) > 2
    }
    if not records:
        return None
    figure = Figure(figsize=(0.62 * TEXT_WIDTH, 1.9), layout="constrained")
    axes = figure.add_subplot()
    for place, (name, history) in enumerate(records.items()):
        at = np.array([step for step, *_ in history], dtype=np.float64)
        held_out = np.array([loss for *_, loss in history])
        axes.plot(at / at[-1], held_out / held_out[0], color=COLOURS[place], linestyle=DASHES[place % len(DASHES)],
                  label=short_title(comparison.title(name)))  # fmt: skip
    axes.set_yscale("log")
    axes.set_ylim(*axes.get_ylim())
    logarithmic(axes, "y")
    axes.set_xlabel("share of the meta-training")
    axes.set_ylabel("held-out loss, relative")
    axes.legend(loc="lower left", fontsize=5.5)
    return figure


def _final(comparison: OptimizerComparison, task: str, name: str) -> float:
    return comparison.scored[task, name].final.value


def _ratios(axes: Axes, which: str) -> None:
    """Put ticks at plain ratios on a logarithmic axis."""
    axis, (low, high) = (axes.xaxis, axes.get_xlim()) if which == "x" else (axes.yaxis, axes.get_ylim())
    ticks = [tick for tick in (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0) if low <= tick <= high]
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_major_formatter(lambda value, _: plain(value))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())
