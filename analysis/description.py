"""What a table says about its search space, as numbers: `describe(table)`. `describe.py` writes and prints them.

Every number is a sum over the whole table: nothing is drawn, and the same table gives the same bytes. What concerns steps from
cell to cell (effects, walks, optima) needs an answer for every architecture of the space; where a table has gaps these parts are
left out and the reason stands in `DatasetDescription.no_landscape`.

The score of a cell is the mean over its trainings of the accuracy on the table's score split at full fidelity. Scores are
rounded to 12 digits before they are compared, so that equal counts over unequal numbers of trainings are equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from nasbench.table import Dataset, Table

from . import agreement, captions, correlations, noise
from .description_steps import BEST_SHARE as BEST_SHARE
from .description_steps import Landscape, describe_steps
from .effects import FloatArray
from .noise import NoiseBand, SeedNoise

DIGITS = 12
QUANTILES = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)
GAPS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
MOST_BEST = 20


class BestCell(NamedTuple):
    """One of the best rows: place, architecture, class, mean score, standard deviation over seeds (NaN: one), trainings."""

    place: int
    row: int
    architecture: str
    class_number: int
    score: float
    seed_deviation: float
    trainings: int


@dataclass(frozen=True, eq=False)
class DatasetDescription:
    """One data set of a table.

    Attributes:
        data: the data set.
        title: its name as the field writes it.
        final: scores of trainings at full fidelity, shape (rows, repeats), NaN missing.
        scores: mean scores, shape (rows,), NaN unknown.
        best: the best rows.
        level: rows whose mean is within two standard errors of the difference from the best; -1 if the noise is unknown.
        noise, bands: seed noise.
        fidelities, epoch_matrix: correlations between fidelities (empty: one fidelity).
        splits: validation against test (empty: no test split).
        proxies: columns that cost no training.
        landscape: None where the table does not answer for every architecture.
        no_landscape: why.
    """

    data: Dataset
    title: str
    final: FloatArray
    scores: FloatArray
    best: list[BestCell]
    level: int
    noise: list[SeedNoise]
    bands: list[NoiseBand]
    fidelities: list[correlations.Fidelity]
    epoch_matrix: FloatArray
    splits: list[agreement.SplitAgreement]
    proxies: list[agreement.Proxy]
    landscape: Landscape | None
    no_landscape: str

    @property
    def known(self) -> FloatArray:
        """Mean scores of the rows that have one, in row order."""
        return self.scores[~np.isnan(self.scores)]


@dataclass(frozen=True, eq=False)
class Description:
    """A table described: the table, its data sets by name, and what they say about each other."""

    table: Table
    datasets: dict[str, DatasetDescription]
    transfer: list[agreement.Transfer]
    carried: list[agreement.Carried]

    @property
    def landscapes(self) -> list[tuple[DatasetDescription, Landscape]]:
        """The data sets that answer for every architecture, with their landscapes."""
        every = self.datasets.values()
        return [(found, found.landscape) for found in every if found.landscape is not None]


def describe(table: Table, single_seeds: bool = True) -> Description:
    """Compute everything that `nasbench describe` shows. 15,625 cells x 3 data sets take seconds.

    Args:
        table: the table.
        single_seeds: whether to follow climbers on one training of every cell, too, which is nearly half of the work.
    """
    found = {name: _describe(table, data, single_seeds) for name, data in table.datasets.items()}
    scores = {name: each.scores for name, each in found.items()}
    reliability = {name: each.noise[0].ceiling_mean ** 2 for name, each in found.items()}
    return Description(table, found, agreement.transfer(scores, reliability), agreement.carry_best(scores))


def _describe(table: Table, data: Dataset, single_seeds: bool) -> DatasetDescription:
    final = data.answers(data.score_split)[:, :, -1]
    validation = data.answers("validation")
    scores = np.round(correlations.row_means(final), DIGITS)
    columns = {"parameters": data.parameters, "multiply_adds": data.multiply_adds}
    sizes = {name: np.where(values < 0, np.nan, values).astype(np.float64) for name, values in columns.items()}
    sizes |= {"train_seconds": data.train_seconds, **data.extra}
    curves = len(data.epochs) > 1
    seeds = noise.seed_noise(final)
    found, why = describe_steps(table, final, scores, seeds[0].median_seed_deviation, single_seeds)
    return DatasetDescription(
        data=data,
        title=captions.dataset_title(data.name),
        final=final,
        scores=scores,
        best=_best_cells(table, final, scores),
        level=_level_with_best(final, scores, seeds),
        noise=seeds,
        bands=noise.noise_by_score(final),
        fidelities=correlations.fidelity_correlations(validation, final, data.epochs) if curves else [],
        epoch_matrix=correlations.epoch_matrix(validation) if curves else np.empty((0, 0)),
        splits=agreement.split_agreement(validation[:, :, -1], final) if "test" in data.splits else [],
        proxies=agreement.proxies(scores, {name: v for name, v in sizes.items() if not np.isnan(v).all()}),
        landscape=found,
        no_landscape=why,
    )


def _best_cells(table: Table, final: FloatArray, scores: FloatArray) -> list[BestCell]:
    result = []
    for place, row in enumerate(correlations.best_rows(scores, 1)[:MOST_BEST].tolist(), start=1):
        known = final[row][~np.isnan(final[row])]
        deviation = float(known.std(ddof=1)) if len(known) > 1 else float("nan")
        architecture = tuple(table.architectures[row].tolist())
        number = int(table.space.class_of[table.space.index(architecture)])
        text = table.space.format(architecture)
        result.append(BestCell(place, row, text, number, float(scores[row]), deviation, len(known)))
    return result


def _level_with_best(final: FloatArray, scores: FloatArray, seeds: list[SeedNoise]) -> int:
    """Count rows that two standard errors of the difference don't tell from the best; seed noise of the top tenth."""
    deviation = next(each.seed_deviation for each in seeds if each.share == BEST_SHARE)
    if np.isnan(deviation) or np.isnan(scores).all():
        return -1
    counts = np.maximum((~np.isnan(final)).sum(axis=1), 1)
    best = int(np.nanargmax(scores))
    error = deviation * np.sqrt(1.0 / counts + 1.0 / counts[best])
    return int((scores >= scores[best] - 2.0 * error).sum())
