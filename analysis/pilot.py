"""The pilot of a table: which recipes tell cells apart, from a few cells and seeds of each, as a table and a figure.

A recipe is fit for a benchmark where the best cell is not at a ceiling and where, among the better half of the cells, the
variance between cells is several times the variance between seeds (analysis of variance, `noise.py`). The better half is that by
the mean over the same trainings, which flatters the seeds' share a little: noise helps a cell into the half.

`python -m nasbench.analysis.pilot data/cell201-mnist1d-pilot.csv docs/images/cell201-mnist1d-pilot` prints the table and draws the figure.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .correlations import best_rows, row_means
from .describe_markdown import number, points, table
from .effects import FloatArray
from .noise import variance_components
from .style import BLACK, COLOURS, TEXT_WIDTH, logarithmic, save, styled

LEAST_ERROR, LEAST_RATIO = 0.02, 4.0  # what was asked of the recipe before the pilot
DRAWS = 2000


@dataclass(frozen=True)
class Study:
    """One recipe's trainings.

    Attributes:
        number: in the order in which the studies were made.
        name: the recipe in a few words.
        cells: number of cells.
        repeats: trainings of each.
        best_error: lowest mean test error of a cell, fraction.
        median_error: median over cells, fraction.
        seed_deviation: root mean variance between seeds in the better half, fraction.
        ratio: variance between cells over variance between seeds in the better half.
        ratio_interval: 95 % of it when the cells are drawn anew (percentile bootstrap).
        core_seconds: mean seconds of one core for a training, both evaluations included; NaN where it was not measured so.
        chosen: it is the recipe that the table was built with.
    """

    number: int
    name: str
    cells: int
    repeats: int
    best_error: float
    median_error: float
    seed_deviation: float
    ratio: float
    ratio_interval: tuple[float, float]
    core_seconds: float
    chosen: bool


def read_pilot(path: Path, rng: np.random.Generator) -> list[Study]:
    """Summarise each study of a pilot; the last one is the recipe that was chosen.

    Args:
        path: CSV with a row for each reading of a training: study, the recipe's values, number of test signals, class,
            repeat, epoch, correct answers.
        rng: draws the cells of the bootstrap.

    Raises:
        ValueError: a study lacks trainings of a cell.
    """
    readings = pd.read_csv(path)
    studies = []
    for name, rows in readings.groupby("study"):
        last = rows[rows["epoch"] == rows["epoch"].max()]
        wide = last.pivot(index="class", columns="repeat", values="test_correct")
        if wide.isna().to_numpy().any():
            raise ValueError(f"{path}: study {name} lacks trainings of some cell")
        scores = wide.to_numpy(dtype=np.float64) / float(last["test"].iloc[0])
        half = _half(scores)
        drawn = [
            variance_components(_half(scores[rng.integers(len(scores), size=len(scores))])).ratio for _ in range(DRAWS)
        ]
        parts = variance_components(half)
        means = row_means(scores)
        first = last.iloc[0]
        studies.append(
            Study(
                number=int(first["study"]),
                name=recipe_name(first),
                cells=scores.shape[0],
                repeats=scores.shape[1],
                best_error=1.0 - float(means.max()),
                median_error=1.0 - float(np.median(means)),
                seed_deviation=float(np.sqrt(parts.within)),
                ratio=parts.ratio,
                ratio_interval=(float(np.quantile(drawn, 0.025)), float(np.quantile(drawn, 0.975))),
                core_seconds=float(last["core_seconds"].mean()),
                chosen=bool(first["study"] == readings["study"].max()),
            )
        )
    return studies


def _half(scores: FloatArray) -> FloatArray:
    return scores[best_rows(row_means(scores), 0.5)]


def recipe_name(values: pd.Series) -> str:
    """Return a recipe in a few words: channels, stages, cells a stage, training signals, and what else is unusual."""
    channels, stages, cells, train = (int(values[name]) for name in ("channels", "stages", "cells", "train"))
    words = [f"{channels} channels", f"{stages} stage" + ("s" if stages > 1 else "")]
    words += [f"{cells} cells each"] if cells > 1 else []
    words += [f"{train:,} signals"] if train != 4000 else []
    words += [f"learning rate {values['learning_rate']}"] if values["learning_rate"] != 0.1 else []
    words += ["random shifts"] if values["shift"] else []
    return ", ".join(words)


def markdown(studies: list[Study]) -> str:
    """Return the studies as a Markdown table, in the order in which they were made."""
    heads = [
        "",
        "recipe",
        "cells x seeds",
        "best error",
        "median error",
        "seeds differ by",
        "ratio",
        "95 % of it",
        "core-seconds",
    ]
    lines = []
    for study in studies:
        low, high = study.ratio_interval
        name = f"**{study.name}** (chosen)" if study.chosen else study.name
        lines.append(
            [
                str(study.number),
                name,
                f"{study.cells} x {study.repeats}",
                f"{points(study.best_error)} %",
                f"{points(study.median_error)} %",
                points(study.seed_deviation),
                number(study.ratio, 1),
                f"{number(low, 1)} to {number(high, 1)}",
                "" if np.isnan(study.core_seconds) else number(study.core_seconds, 2),
            ]
        )
    return table(heads, lines)


def draw(studies: list[Study]) -> Figure:
    """Draw the ratio of variances against the error of the best cell; the corner that was asked for is white. Within `styled()`."""
    figure = Figure(figsize=(TEXT_WIDTH, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.set_yscale("log")
    axes.set_xlim(0.012, 0.082)
    axes.set_ylim(0.08, 80)
    axes.axvspan(0.0, LEAST_ERROR, color="#EFEFEF", zorder=0)
    axes.axhspan(0.01, LEAST_RATIO, color="#EFEFEF", zorder=0)
    for study in studies:
        colour = COLOURS[1] if study.chosen else BLACK
        low, high = (max(value, 0.01) for value in study.ratio_interval)
        axes.plot([study.best_error] * 2, [low, high], color=colour, linewidth=0.5, alpha=0.6)
        axes.plot(study.best_error, max(study.ratio, 0.09), "o", color=colour, markersize=4)
        axes.annotate(
            str(study.number),
            (study.best_error, max(study.ratio, 0.09)),
            (3.5, 2.0),
            textcoords="offset points",
            color=colour,
            fontsize=6.5,
        )
    logarithmic(axes, "y")
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
    axes.set_xlabel("mean test error of the best cell")
    axes.set_ylabel("variance between cells / between seeds,\nbetter half of the cells")
    return figure


def main() -> None:
    """Print the table and draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("csv", type=Path, help="readings of the pilot")
    parser.add_argument("figure", type=Path, help="path of the figure, without its ending")
    arguments = parser.parse_args()
    studies = read_pilot(arguments.csv, np.random.default_rng(0))
    print(markdown(studies))
    with styled():
        for path in save(draw(studies), arguments.figure):
            print(path)


if __name__ == "__main__":
    main()
