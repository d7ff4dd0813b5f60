"""Figures of several objectives: the missing hypervolume over simulated time, and the fronts that runs attain."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from .captions import dataset_title
from .figures import LETTERS_AN_INCH
from .pareto import LEVELS, SetComparison, attained
from .style import BLACK, LineStyle, letters, line_styles, logarithmic, text_width

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
    """Draw how far above the true front the runs' attained fronts lie, at each value of the second objective.

    The line is what half of the runs attain, the band between a quarter and three quarters. The fronts themselves would lie on
    one another. Ticks at the lower edge: where the true front's points are.

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
        at = np.union1d(np.linspace(low, high, 400), front.front[:, 1])
        best = attained([front.front], at, 1.0)
        highest = 0.1
        for entrant in found.order:
            scored = found.scores.get((dataset, entrant))
            if scored is None:
                continue
            style = styles[entrant]
            often, half, seldom = (100 * (attained(scored.finals, at, level) - best) for level in LEVELS)
            often, seldom = np.minimum(often, 100.0), np.minimum(seldom, 100.0)
            half = np.where(np.isfinite(half), half, np.nan)
            if np.isfinite(half).any():
                highest = max(highest, float(np.nanquantile(half, 0.9)))
            axes.fill_between(at / divisor, often, seldom, step="post", color=style.colour, alpha=0.12, linewidth=0)
            axes.plot(
                at / divisor, half, drawstyle="steps-post", color=style.colour, linestyle=style.dash, linewidth=1.0
            )
        axes.plot(
            front.front[:, 1] / divisor, np.zeros(len(front.front)), "|", color=BLACK, markersize=5, clip_on=False
        )
        axes.set_xlim(low / divisor, high / divisor)
        axes.set_ylim(0.0, 1.6 * highest)
        axes.set_xlabel(label)
    next(iter(panels.values())).set_ylabel("error above front (points)")
    _legend(figure, found, styles, Line2D([], [], color=BLACK, marker="|", linestyle="none", label="true front"))
    return figure


def _panels(found: SetComparison) -> tuple[Figure, dict[str, Axes]]:
    count = len(found.fronts)
    rows = -(-(len(found.order) + 1) // _columns(found))
    figure = Figure(figsize=(_width(found), 1.9 + 0.16 * rows), layout="constrained")
    grid = figure.subplots(1, count, squeeze=False)
    panels = dict(zip(found.fronts, grid.flat, strict=True))
    for dataset, axes in panels.items():
        axes.set_title(dataset_title(dataset))
    return figure, panels


def _width(found: SetComparison) -> float:
    return text_width() if len(found.fronts) > 1 else 0.62 * text_width()


def _columns(found: SetComparison) -> int:
    """Return how many entries of the legend fit beside one another."""
    longest = max(len(found.experiment.titles[one]) for one in found.order)
    return max(1, min(4, int(_width(found) * LETTERS_AN_INCH * 7.0 / letters("legend.fontsize")) // (longest + 8)))


def _legend(figure: Figure, found: SetComparison, styles: dict[str, LineStyle], *more: Line2D) -> None:
    handles = [
        Line2D([], [], color=styles[one].colour, linestyle=styles[one].dash, label=found.experiment.titles[one])
        for one in found.order
    ]
    figure.legend(handles=[*handles, *more], loc="outside lower center", ncols=_columns(found), columnspacing=1.4)
