"""Figures of several objectives: the missing hypervolume over simulated time, and the fronts that runs attain."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from .captions import dataset_title
from .pareto import LEVELS, SetComparison, attained
from .style import BLACK, TEXT_WIDTH, LineStyle, line_styles, logarithmic

UNITS = {"parameters": (1e6, "parameters (millions)"), "multiply_adds": (1e6, "multiply-adds (millions)")}
UNITS["latency"] = (1e-3, "latency (milliseconds)")
FLOOR = 1e-5  # gaps below it are drawn there


def gap_over_seconds(found: SetComparison) -> Figure:
    """Draw mean missing hypervolume with its interval against simulated seconds, both logarithmic."""
    figure, panels = _panels(found)
    styles = line_styles(found.experiment.entrants)
    long = min(problem.budget for problem in found.experiment.problems.values()) >= 5 * 3600.0
    unit, divisor = ("hours", 3600.0) if long else ("seconds", 1.0)
    for dataset, axes in panels.items():
        starts, values = [], []
        for entrant in found.order:
            scored = found.scores.get((dataset, entrant))
            if scored is None or not len(scored.seconds):
                continue
            style, x = styles[entrant], scored.seconds / divisor
            low, mean, high = (
                100 * np.maximum(v, FLOOR) for v in (scored.curve.low, scored.curve.mean, scored.curve.high)
            )
            if not np.isnan(low).any():
                axes.fill_between(x, low, high, color=style.colour, alpha=0.18, linewidth=0)
            axes.plot(x, mean, color=style.colour, linestyle=style.dash)
            starts.append(x[0])
            values.append(mean)
        axes.set_xscale("log")
        axes.set_yscale("log")
        if starts:
            everything = np.concatenate(values)
            axes.set_xlim(min(starts), found.experiment.problems[dataset].budget / divisor)
            axes.set_ylim(everything.min() / 1.35, 1.2 * everything.max())
        logarithmic(axes, "x")
        logarithmic(axes, "y")
        axes.set_xlabel(f"simulated {unit}")
    next(iter(panels.values())).set_ylabel("missing hypervolume (%)")
    _legend(figure, found, styles)
    return figure


def attained_fronts(found: SetComparison) -> Figure | None:
    """Draw the front that half of the runs attain, the band between a quarter and three quarters, and the true front.

    Returns:
        None for more than two objectives, which a plane does not hold.
    """
    truth = next(iter(found.fronts.values()))
    if len(truth.objectives) != 2:
        return None
    divisor, label = UNITS.get(truth.objectives[1], (1.0, truth.objectives[1]))
    figure, panels = _panels(found)
    styles = line_styles(found.experiment.entrants)
    for dataset, axes in panels.items():
        front = found.fronts[dataset]
        low, high = front.front[:, 1].min(), front.reference[1]
        at = np.linspace(low, high, 400)
        for entrant in found.order:
            scored = found.scores.get((dataset, entrant))
            if scored is None:
                continue
            style = styles[entrant]
            often, half, seldom = (100 * attained(scored.finals, at, level) for level in LEVELS)
            top = 100 * front.reference[0]
            axes.fill_between(
                at / divisor,
                np.minimum(often, top),
                np.minimum(seldom, top),
                step="post",
                color=style.colour,
                alpha=0.15,
                linewidth=0,
            )
            shown = np.isfinite(half)
            axes.plot(
                at[shown] / divisor,
                half[shown],
                drawstyle="steps-post",
                color=style.colour,
                linestyle=style.dash,
                linewidth=0.9,
            )
        axes.plot(
            front.front[:, 1] / divisor,
            100 * front.front[:, 0],
            ".",
            color=BLACK,
            markersize=2.2,
            zorder=5,
            linestyle="none",
        )
        axes.set_yscale("log")
        axes.set_xlim(low / divisor, high / divisor)
        # The lower part is where searches differ; a cell that learns nothing is anybody's.
        errors = 100 * front.front[:, 0]
        axes.set_ylim(errors.min() / 1.05, min(100.0, 3.0 * float(np.median(errors))))
        logarithmic(axes, "y")
        axes.set_xlabel(label)
    next(iter(panels.values())).set_ylabel("error (%)")
    _legend(figure, found, styles, Line2D([], [], color=BLACK, marker=".", linestyle="none", label="true front"))
    return figure


def _panels(found: SetComparison) -> tuple[Figure, dict[str, Axes]]:
    count = len(found.fronts)
    rows = -(-len(found.order) // 3)
    width = TEXT_WIDTH if count > 1 else 0.62 * TEXT_WIDTH
    figure = Figure(figsize=(width, 1.9 + 0.16 * rows), layout="constrained")
    grid = figure.subplots(1, count, squeeze=False)
    panels = dict(zip(found.fronts, grid.flat, strict=True))
    for dataset, axes in panels.items():
        axes.set_title(dataset_title(dataset))
    return figure, panels


def _legend(figure: Figure, found: SetComparison, styles: dict[str, LineStyle], *more: Line2D) -> None:
    handles = [
        Line2D([], [], color=styles[one].colour, linestyle=styles[one].dash, label=found.experiment.titles[one])
        for one in found.order
    ]
    figure.legend(handles=[*handles, *more], loc="outside lower center", ncols=3, columnspacing=1.4)
