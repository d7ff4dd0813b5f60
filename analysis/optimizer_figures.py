"""Figures of optimizers: learning curves with bands, performance profiles, tuning curves.

At most six lines a panel: optimizers come in groups, each with the frozen baseline for reference in dotted black. Lines are named
directly, at their ends. The generalization study of learned optimizers is in `optimizer_study.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator
from scipy.optimize import isotonic_regression

from .optimizer_comparison import OptimizerComparison
from .optimizer_scores import LARGEST_RATIO, FloatArray, profile
from .style import BLACK, COLOURS, DASHES, TEXT_WIDTH, LineStyle, logarithmic

MOST_LINES = 6  # a panel
COLUMNS = 3
LABEL_SIZE = 5.0  # points
LABEL_ROOM = 0.64  # share of a panel's width, right of the last step, for names
SHORT = (
    (", cosine", ", cos."),
    (", warmup linear", ", lin."),
    ("PowerSign, cos.", "PowerS., cos."),
    ("meta-seed", "seed"),
    ("Schedule-Free AdamW", "Sched.-free"),
    (" (Gaussian quadratics)", ", Gauss."),
    (" (uniform quadratics)", ", uniform"),
    ("MLP learned optimizer", "MLP learned"),
    ("untrained", "untr."),
)
"""Parts of titles that are shortened beside panels."""


class Group(NamedTuple):
    """Optimizers that share a panel; `name` goes into the file's name."""

    name: str
    title: str
    optimizers: tuple[str, ...]


def groups_of(comparison: OptimizerComparison) -> list[Group]:
    """Return groups of at most `MOST_LINES` with the baseline in each: the leaders, all tuned ones in parts, then the rest."""
    others = {True: [], False: []}  # type: dict[bool, list[str]]
    for name, entry in comparison.table.optimizers.items():
        if name != comparison.baseline and any(key[1] == name for key in comparison.scored):
            others[entry.ruleset == "tuned"].append(name)
    base = (comparison.baseline,) if comparison.baseline else ()
    room = MOST_LINES - len(base)
    groups = []
    tuned = next((each for each in comparison.rulesets if each.name == "tuned"), None)
    if tuned is not None and len(others[True]) > room:
        ranked = sorted(tuned.optimizers, key=lambda name: (-tuned.speed_up[name].value, name))
        groups.append(Group("leaders", "fastest over all tasks", (*base, *[n for n in ranked if n not in base][:room])))
    for is_tuned, word, title in ((True, "tuned", "tuned"), (False, "self-tuning", "learned or without tuning")):
        names = others[is_tuned]
        pages = -(-len(names) // room)
        for page in range(pages):
            part = names[page * room : (page + 1) * room]
            suffix = f"-{page + 1}" if pages > 1 else ""
            groups.append(Group(word + suffix, title, (*base, *part)))
    return groups


def styles_of(comparison: OptimizerComparison) -> dict[str, LineStyle]:
    """Return a style for each optimizer, the same in all figures: no two in a group share a colour, the baseline is dotted black."""
    groups = groups_of(comparison)
    found = {} if comparison.baseline is None else {comparison.baseline: LineStyle(BLACK, DASHES[3])}
    dashes = [dash for dash in DASHES if dash != DASHES[3]]
    for group in groups:
        for place, name in enumerate(group.optimizers):
            if name in found:
                continue
            near = [
                found[other]
                for each in groups
                if name in each.optimizers
                for other in each.optimizers
                if other in found
            ]
            order = [
                LineStyle(colour, dashes[(place + turn) % len(dashes)])
                for turn in range(len(dashes))
                for colour in COLOURS
            ]
            free = [style for style in order if style.colour not in {each.colour for each in near}]
            unused = [style for style in free if style not in found.values()]
            found[name] = (unused or free or order)[0]
    return found


def learning_curves(comparison: OptimizerComparison, group: Group) -> Figure:
    """Draw mean test loss with its 95 % interval over seeds against steps, a panel a task, with the target as a grey line."""
    tasks = _tasks_of(comparison, group)
    figure, panels = grid(len(tasks))
    styles = styles_of(comparison)
    for place, (axes, task) in enumerate(zip(panels, tasks, strict=True)):
        ends: dict[str, float] = {}
        lowest, highest = np.inf, 0.0
        target = comparison.targets.get(task)
        if target is not None and not target.relative:
            axes.hlines(
                target.loss, 0, comparison.table.tasks[task].horizon, color="#9A9A9A", linewidth=0.7, zorder=1.5
            )
        for name in group.optimizers:
            found = comparison.scored.get((task, name))
            if found is None:
                continue
            mean = found.curves.mean(axis=0)
            style = styles[name]
            axes.fill_between(found.steps, found.low, found.high, color=style.colour, alpha=0.15, linewidth=0)
            axes.plot(found.steps, mean, color=style.colour, linestyle=style.dash, linewidth=1.0)
            ends[name] = float(mean[-1])
            lowest, highest = min(lowest, float(mean.min())), max(highest, float(mean[0]) * 1.15, float(mean[-1]) * 1.1)
        horizon = float(comparison.table.tasks[task].horizon)
        axes.set_yscale("log")
        axes.set_ylim(lowest * 0.85, highest)
        logarithmic(axes, "y")
        axes.minorticks_off()  # as in all small panels
        name_ends(axes, ends, comparison, styles, horizon, log=True)
        axes.set_title(task_title(task), loc="left")
        axes.xaxis.set_major_locator(FixedLocator([0, horizon / 2, horizon]))
        if place % COLUMNS == 0:
            axes.set_ylabel("test loss")
        if place >= len(tasks) - COLUMNS:
            axes.set_xlabel("steps")
    return figure


def _tasks_of(comparison: OptimizerComparison, group: Group) -> list[str]:
    """Return the tasks on which something of the group was run besides the baseline."""
    others = [name for name in group.optimizers if name != comparison.baseline] or list(group.optimizers)
    return [task for task in comparison.table.tasks if any((task, name) in comparison.scored for name in others)]


def profile_figure(
    comparison: OptimizerComparison,
    optimizers: Sequence[str],
    ratios: FloatArray,
    unit: str = "steps",
    least: str = "fewest",
) -> Figure | None:
    """Draw performance profiles, six lines a panel, best scores first; None if nobody reached a target within four times the least.

    Args:
        comparison: for names and styles.
        optimizers: best first.
        ratios: (optimizers, tasks) over the least of the pool.
        unit: of what the ratios compare.
        least: word for the smallest amount of it.
    """
    at = np.linspace(1.0, LARGEST_RATIO, 601)
    shares = dict(zip(optimizers, profile(ratios, at), strict=True))
    shown = [name for name in optimizers if shares[name][-1] > 0]
    if not shown:
        return None
    parts = [shown[first : first + MOST_LINES] for first in range(0, len(shown), MOST_LINES)]
    figure, panels = grid(len(parts), columns=2, height=2.0)
    styles = styles_of(comparison)
    top = max(0.5, float(np.ceil(10 * max(shares[name][-1] for name in shown) + 0.3) / 10))
    for place, (axes, part) in enumerate(zip(panels, parts, strict=True)):
        ends = {}
        for rank, name in enumerate(part):
            lift = 0.012 * top * ((len(part) - 1) / 2 - rank)  # lines that coincide stay apart by a hair
            ends[name] = float(shares[name][-1] + lift)
            axes.plot(
                at,
                shares[name] + lift,
                color=styles[name].colour,
                linestyle=styles[name].dash,
                drawstyle="steps-post",
                clip_on=False,
            )
        axes.set_ylim(-0.03 * top, top)
        name_ends(axes, ends, comparison, styles, LARGEST_RATIO, first=1.0)
        axes.set_xticks([1, 2, 3, 4])
        if len(parts) > 1:
            axes.set_title(f"places {place * MOST_LINES + 1} to {place * MOST_LINES + len(part)}", loc="left")
        axes.set_xlabel(f"{unit} to target, times the {least}")
        if place % 2 == 0:
            axes.set_ylabel("share of tasks")
    return figure


def tuning_figure(comparison: OptimizerComparison, group: Group) -> Figure:
    """Draw the expected test loss after 1, ..., N trials, a panel a task; an optimizer without settings is a level line."""
    tasks = _tasks_of(comparison, group)
    figure, panels = grid(len(tasks))
    styles = styles_of(comparison)
    for place, (axes, task) in enumerate(zip(panels, tasks, strict=True)):
        curves = {
            name: comparison.scored[task, name].tuning for name in group.optimizers if (task, name) in comparison.scored
        }
        most = max(2, *map(len, curves.values()))
        ends = {}
        for name, curve in curves.items():
            level = comparison.table.optimizers[name].ruleset != "tuned"
            shown: FloatArray = np.repeat(curve, most) if level else curve
            axes.plot(
                np.arange(1, len(shown) + 1),
                shown,
                color=styles[name].colour,
                linestyle=styles[name].dash,
                linewidth=1.0,
            )
            ends[name] = float(shown[-1])
        axes.set_yscale("log")
        low, high = axes.get_ylim()
        axes.set_ylim(low, high)
        logarithmic(axes, "y")
        axes.minorticks_off()  # as in all small panels
        name_ends(axes, ends, comparison, styles, float(most), first=1.0, log=True)
        axes.set_title(task_title(task), loc="left")
        axes.xaxis.set_major_locator(FixedLocator(sorted({1, most // 2, most})))
        if place % COLUMNS == 0:
            axes.set_ylabel("expected test loss")
        if place >= len(tasks) - COLUMNS:
            axes.set_xlabel("trials")
    return figure


def task_title(task: str) -> str:
    """Return a task's name as a panel's title.

    >>> task_title("digits-sigmoid-2-layers")
    'digits, sigmoid, 2 layers'
    """
    return (
        task.replace("-2-layers", ", 2 layers")
        .replace("-", ", ")
        .replace("logistic, ", "logistic ")
        .replace("robust, ", "robust ")
    )


def grid(number: int, columns: int = COLUMNS, height: float = 1.55) -> tuple[Figure, list[Axes]]:
    """Return a figure of text width with so many panels, `height` inches a row."""
    columns = min(columns, number)
    rows = -(-number // columns)
    figure = Figure(
        figsize=(TEXT_WIDTH if columns > 1 else 0.6 * TEXT_WIDTH, height * rows + 0.1), layout="constrained"
    )
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in panels[number:]:
        axes.set_axis_off()
    return figure, panels[:number]


def name_ends(
    axes: Axes,
    ends: Mapping[str, float],
    comparison: OptimizerComparison,
    styles: Mapping[str, LineStyle],
    last: float,
    *,
    first: float = 0.0,
    log: bool = False,
) -> None:
    """Write each line's name right of its end, apart from each other, with a thin leader; makes the room for it."""
    width = (last - first) * (1.0 + LABEL_ROOM)
    axes.set_xlim(first, first + width)
    axes.spines["bottom"].set_bounds(first, last)
    axes.grid(visible=False)
    low, high = axes.get_ylim()
    axes.hlines(
        [tick for tick in axes.get_yticks() if low <= tick <= high],
        first,
        last,
        color="#E4E4E4",
        linewidth=0.5,
        zorder=0.5,
    )

    def height(value: float) -> float:
        """Return a value's place, 0 at the bottom of the panel, 1 at its top."""
        place = np.log(value / low) / np.log(high / low) if log else (value - low) / (high - low)
        return float(np.clip(place, 0.0, 1.0))

    names = sorted(ends, key=lambda name: (height(ends[name]), name))
    places = spread([height(ends[name]) for name in names], 0.078)
    for name, place in zip(names, places, strict=True):
        colour = styles[name].colour
        left = (last - first) / width
        axes.plot(
            [left + 0.005, left + 0.035],
            [height(ends[name]), place],
            transform=axes.transAxes,
            color=colour,
            linewidth=0.5,
            clip_on=False,
        )
        label = axes.text(
            left + 0.045, place, short_title(comparison.title(name)), transform=axes.transAxes, color=colour,
            fontsize=LABEL_SIZE, va="center",
        )  # fmt: skip
        label.set_in_layout(False)  # the room is in the panel already


def short_title(title: str) -> str:
    """Return a title that fits beside a panel.

    >>> short_title("AdamW, cosine"), short_title("Schedule-Free AdamW")
    ('AdamW, cos.', 'Sched.-free')
    """
    for word, short in SHORT:
        title = title.replace(word, short)
    return title if len(title) <= 14 else title[:13] + "\N{HORIZONTAL ELLIPSIS}"


def spread(wanted: Sequence[float], gap: float) -> list[float]:
    """Return places in [0, 1], in the order of the wanted ones, at least `gap` apart, as near to the wanted as squares can tell.

    Isotonic regression of wanted place minus its rank times the gap; too many places shrink the gap.

    Args:
        wanted: ascending.
        gap: smallest distance.

    >>> [round(place, 2) for place in spread([0.5, 0.5], 0.1)], spread([0.2, 0.8], 0.1)
    ([0.45, 0.55], [0.2, 0.8])
    """
    if not wanted:
        return []
    gap = min(gap, 1.0 / max(1, len(wanted) - 1))
    ranks = gap * np.arange(len(wanted))
    level = np.clip(isotonic_regression(np.asarray(wanted) - ranks).x, 0.0, 1.0 - ranks[-1])
    return [float(place) for place in level + ranks]
