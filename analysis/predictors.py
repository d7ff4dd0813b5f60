"""Predictors of model-based strategies: how they rank held-out cells, against the number of cells that they were trained on.

Reads what `nasbench predictors` measured (`predictors.csv`, one line for each predictor, number of training cells and
repetition, and `predictors.json`, what they were measured on). Intervals are percentile bootstraps of the mean over repetitions,
each with training and held-out cells of its own; two predictors are compared within repetitions, on the same cells.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from . import style
from .captions import dataset_title
from .comparison import generator
from .describe_markdown import table as markdown_table
from .statistics import LEVEL, Estimate, FloatArray, bootstrap_means, percentile_interval
from .tables import write_text

Measure: TypeAlias = Literal["spearman", "kendall", "spearman_best"]

CSV, JSON = "predictors.csv", "predictors.json"
TITLES = {
    "bananas-path": "BANANAS (path encoding)",
    "bananas-one-hot": "BANANAS (one-hot)",
    "pnas": "PNAS",
    "pnas-smaller": "PNAS, trained on smaller cells",
    "arc-gp": "GP with Arc kernel",
    "nasbot": "NASBOT's GP",
    "smac": "SMAC's forest",
}
HEADS: dict[Measure, str] = {
    "spearman": "Spearman",
    "kendall": "Kendall",
    "spearman_best": "Spearman, best tenth",
}


class PredictorError(ValueError):
    """A folder that holds no measurements of predictors, or broken ones; the message names the file and what is wrong."""


@dataclass(frozen=True)
class Measured:
    """Rank correlations by repetition.

    Attributes:
        values: (predictor, training cells) -> measure -> shape (repetitions,), in the order of `repetitions`.
        repetitions: (predictor, training cells) -> numbers of the draws of cells.
        facts: what `predictors.json` says: table, digest, data set, score, held_out, seed, provenance.
    """

    values: dict[tuple[str, int], dict[Measure, FloatArray]]
    repetitions: dict[tuple[str, int], tuple[int, ...]]
    facts: dict[str, Any]

    @property
    def predictors(self) -> tuple[str, ...]:
        """Predictors in order of measurement."""
        return tuple(dict.fromkeys(name for name, _ in self.values))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Numbers of training cells, ascending."""
        return tuple(sorted({cells for _, cells in self.values}))


def is_measured(folder: Path) -> bool:
    """Return whether a folder holds measurements of predictors."""
    return (folder / CSV).is_file()


def read_measured(folder: Path) -> Measured:
    """Read the measurements of a folder.

    Raises:
        PredictorError: a file is not there, lacks a column, or has a value that is no number.
    """
    lines: dict[tuple[str, int], list[tuple[int, dict[Measure, float]]]] = {}
    try:
        facts = json.loads((folder / JSON).read_text(encoding="utf-8"))
        with (folder / CSV).open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                numbers: dict[Measure, float] = {name: float(row[name] or "nan") for name in HEADS}
                lines.setdefault((row["predictor"], int(row["cells"])), []).append((int(row["repetition"]), numbers))
    except (OSError, KeyError, ValueError) as error:
        raise PredictorError(f"{folder}: no measurements of predictors ({type(error).__name__}: {error})") from error
    if not lines:
        raise PredictorError(f"{folder / CSV} has no line")
    values = {
        key: {name: np.array([numbers[name] for _, numbers in found]) for name in HEADS} for key, found in lines.items()
    }
    return Measured(values, {key: tuple(number for number, _ in found) for key, found in lines.items()}, facts)


def mean_correlation(measured: Measured, predictor: str, cells: int, measure: Measure = "spearman") -> Estimate:
    """Return the mean over repetitions with its interval; NaN if it is not known of some repetition."""
    return _mean(measured.values[predictor, cells][measure], measure, predictor, str(cells))


def difference(
    measured: Measured, first: tuple[str, int], second: tuple[str, int], measure: Measure = "spearman"
) -> Estimate:
    """Return the first's mean minus the second's, each given as (predictor, training cells), paired by repetition.

    Raises:
        PredictorError: they have no two repetitions in common.
    """
    both = sorted(set(measured.repetitions[first]) & set(measured.repetitions[second]))
    if len(both) < 2:
        raise PredictorError(f"{first} and {second} have {len(both)} repetitions in common; a comparison needs 2")
    one, other = (
        measured.values[key][measure][[measured.repetitions[key].index(number) for number in both]]
        for key in (first, second)
    )
    return _mean(one - other, measure, str(first), str(second))


def _mean(values: FloatArray, *purpose: str) -> Estimate:
    low, high = percentile_interval(bootstrap_means(values, generator("predictors", *purpose)))
    return Estimate(float(values.mean()), float(low), float(high))


# The report -----------------------------------------------------------------------------------------------------------


def predictor_report(folder: Path) -> list[Path]:
    """Write `predictors.md` and the figure `predictors` beside the measurements; return the files."""
    measured = read_measured(folder)
    text = caption(measured)
    page = (
        f"# How predictors rank held-out cells\n\n![predictors](predictors.png)\n\n{text}\n\n{to_markdown(measured)}\n"
    )
    files = [write_text(folder / "predictors.md", page)]
    with style.styled():
        files += style.save(draw(measured), folder / "predictors")
    return files


def caption(measured: Measured) -> str:
    """Return what the figure and the table show, on what, and how often."""
    facts = measured.facts
    repetitions = {len(numbers) for numbers in measured.repetitions.values()}
    least, most = min(repetitions), max(repetitions)
    return (
        f"Rank correlation of predicted and true {facts['score']} of {facts['held_out']:,} held-out cells of "
        f"{dataset_title(facts['dataset'])}, against the number of training cells, each trained once. Left: over all held-out cells; "
        f"right: over their best tenth by score. Mean and {100 * LEVEL:g} % bootstrap interval over "
        f"{least if least == most else f'{least} to {most}'} draws of training and held-out cells, the same for all predictors; "
        "PNAS, trained on smaller cells, has seen cells of one and two blocks alone. "
        f"Table {facts['table']}, digest {facts['digest'][:12]}; seed {facts['seed']}."
    )


def to_markdown(measured: Measured) -> str:
    """Return the means with their intervals, one line for each predictor and number of training cells."""
    lines = []
    for name in measured.predictors:
        for cells in measured.sizes:
            if (name, cells) in measured.values:
                means = [mean_correlation(measured, name, cells, measure) for measure in HEADS]
                number = str(len(measured.repetitions[name, cells]))
                lines.append([TITLES.get(name, name), str(cells), *map(written, means), number])
    return markdown_table(["predictor", "training cells", *HEADS.values(), "n"], lines)


def written(estimate: Estimate) -> str:
    """Write a correlation with its interval.

    >>> written(Estimate(0.5, 0.25, 0.625))
    '0.50 [0.25, 0.62]'
    """
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"


def draw(measured: Measured) -> Figure:
    """Draw the correlations against the number of training cells; call it within `style.styled()`."""
    figure = Figure(figsize=(style.TEXT_WIDTH, 2.9), layout="constrained")
    panels: Sequence[tuple[Measure, str]] = (
        ("spearman", "all held-out cells"),
        ("spearman_best", "best tenth of them"),
    )
    sizes = measured.sizes
    for axes, (measure, title) in zip(figure.subplots(1, 2), panels, strict=True):
        axes.axhline(0.0, color="#999999", linewidth=0.6, zorder=1)
        for place, name in enumerate(measured.predictors):
            known = [cells for cells in sizes if (name, cells) in measured.values]
            found = np.array([mean_correlation(measured, name, cells, measure) for cells in known])
            colour = style.COLOURS[place % len(style.COLOURS)] if place < len(style.COLOURS) else style.BLACK
            # Side by side, so that intervals do not hide each other; the axis is logarithmic.
            spread = np.array(known) * 1.025 ** (place - (len(measured.predictors) - 1) / 2)
            axes.plot(
                spread, found[:, 0], "o-", color=colour, markersize=3.0, linewidth=1.0, label=TITLES.get(name, name)
            )
            axes.vlines(spread, found[:, 1], found[:, 2], color=colour, linewidth=0.9)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(sizes))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xticks(sizes, [str(cells) for cells in sizes])
        axes.set_title(title)
        axes.set_xlabel("training cells")
    figure.axes[0].set_ylabel("Spearman's rank correlation")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure
