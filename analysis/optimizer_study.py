"""The generalization study of L2L: curves on networks and horizons unlike those that it was meta-trained on.

After Andrychowicz et al. 2016, arXiv:1606.04474, figures 4 (home, twice the horizon) and 5 (40 hidden units, two layers, ReLU), with five
times the horizon besides. Drawn are the learned optimizer, the paper's four hand-designed ones, tuned, and the strongest other tuned
optimizer of the table at the end of each panel, named there.
"""

from __future__ import annotations

from typing import NamedTuple

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from .comparison import generator
from .optimizer_advantage import Band, band, losses, tuned
from .optimizer_comparison import OptimizerComparison
from .optimizer_figures import grid, name_ends
from .optimizer_findings_claims import CLASSICS
from .optimizer_targets import scored_losses
from .style import BLACK, COLOURS, DASHES, SOLID, LineStyle, logarithmic

HOME = "digits-sigmoid"
LEARNED = LineStyle(COLOURS[1], SOLID)
BASELINE = LineStyle(BLACK, DASHES[3])
OTHERS = (LineStyle(COLOURS[0], DASHES[1]), LineStyle(COLOURS[2], DASHES[2]), LineStyle(COLOURS[3], DASHES[4]))
STRONGEST = LineStyle("#8A8A8A", SOLID)
LEAST = 1e-4  # of the axis: below it training losses are told apart by nothing but rounding


class Panel(NamedTuple):
    """A panel: task, multiple of its horizon, title."""

    task: str
    horizon: int
    title: str


PANELS = (
    Panel(HOME, 1, "home: 20 sigmoid units"),
    Panel(HOME, 2, "2 times the horizon"),
    Panel(HOME, 5, "5 times the horizon"),
    Panel("digits-sigmoid-40", 1, "40 hidden units"),
    Panel("digits-sigmoid-2-layers", 1, "two hidden layers"),
    Panel("digits-relu", 1, "ReLU"),
)


def learned_at_home(comparison: OptimizerComparison) -> str | None:
    """Return the learned optimizer that was meta-trained on the home task alone; None if there is none."""
    for name, entry in comparison.table.optimizers.items():
        trained = [each.get("name") for each in (entry.trained_on or {}).get("tasks", [])]
        if entry.family == "learned" and trained == [HOME]:
            return name
    return None


def study_panels(comparison: OptimizerComparison) -> list[Panel]:
    """Return the panels of which the table has runs."""
    name = learned_at_home(comparison)
    if name is None:
        return []
    return [
        panel
        for panel in PANELS
        if losses(comparison.table, panel.task, name, "final", "train", panel.horizon) is not None
        if (panel.task, name) in comparison.scored
    ]


def study_names(comparison: OptimizerComparison, panel: Panel) -> tuple[list[str], str | None]:
    """Return the learned and the paper's optimizers of a panel, and the strongest other tuned one at its end, None if there is none."""
    table = comparison.table
    there = {
        name: found
        for name in tuned(table, panel.task, panel.horizon)
        if (found := losses(table, panel.task, name, "final", "train", panel.horizon)) is not None
    }
    classics = [name for name in there if table.optimizers[name].rule in CLASSICS]
    others = [name for name in there if name not in classics]
    strongest = min(others, key=lambda name: (float(there[name].mean()), name), default=None)
    learned = learned_at_home(comparison)
    return ([learned] if learned else []) + classics, strongest


def study_bands(comparison: OptimizerComparison, panel: Panel, name: str) -> tuple[list[int], Band]:
    """Return the evaluated steps of a panel and an optimizer's mean training loss there, with its band."""
    found = scored_losses(comparison.table, panel.task, name, panel.horizon, "train_loss")
    assert found is not None, "study_names has seen its runs"
    return found[0].tolist(), band(found[1], generator("optimizer study", panel.task, str(panel.horizon), name))


def study_figure(comparison: OptimizerComparison) -> Figure | None:
    """Draw mean training loss with its band, a panel a network or horizon; None without a learned optimizer or its runs."""
    panels = study_panels(comparison)
    if not panels:
        return None
    figure, drawn = grid(len(panels))
    learned = learned_at_home(comparison)
    for place, (axes, panel) in enumerate(zip(drawn, panels, strict=True)):
        names, strongest = study_names(comparison, panel)
        shown = _styles(comparison, names, strongest)
        ends, lows, highs = {}, [], []
        for name in [*([strongest] if strongest else []), *names]:
            steps, (mean, low, high) = study_bands(comparison, panel, name)
            style = shown[name]
            axes.fill_between(steps, low, high, color=style.colour, alpha=0.15, linewidth=0)
            axes.plot(
                steps, mean, color=style.colour, linestyle=style.dash, linewidth=1.6 if name == learned else 0.9,
                zorder=3 if name == learned else 2,
            )  # fmt: skip
            ends[name] = float(mean[-1])
            lows.append(float(mean.min()))
            highs.append(float(mean[0]))
        axes.set_yscale("log")
        axes.set_ylim(max(min(lows) * 0.8, LEAST), max(highs) * 1.2)
        logarithmic(axes, "y")
        last = float(comparison.table.tasks[panel.task].horizon * panel.horizon)
        if panel.horizon > 1:
            axes.axvline(last / panel.horizon, color="#9A9A9A", linewidth=0.7, zorder=1.5)
        name_ends(axes, ends, comparison, shown, last, log=True)
        axes.xaxis.set_major_locator(FixedLocator([0, last / 2, last]))
        axes.set_title(panel.title, loc="left")
        axes.set_xlabel("steps")
        if place % 3 == 0:
            axes.set_ylabel("training loss")
    return figure


def _styles(comparison: OptimizerComparison, names: list[str], strongest: str | None) -> dict[str, LineStyle]:
    """Return the styles of a panel; an optimizer has the same in all of them."""
    free = iter(OTHERS)
    found = {strongest: STRONGEST} if strongest else {}
    for name in names:
        if name == comparison.baseline:
            found[name] = BASELINE
        else:
            found[name] = LEARNED if comparison.table.optimizers[name].family == "learned" else next(free)
    return found
