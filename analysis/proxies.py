"""How well zero-cost proxies rank the cells of a table: overall, among the best tenth, and beyond what the size says.

After NAS-Bench-Suite-Zero (Krishnakumar et al., NeurIPS 2022, arXiv:2210.03230) and Ning et al. (NeurIPS 2021, arXiv:2008.03064):
a proxy that ranks a whole space well may only count parameters, and may say nothing among the cells that matter.

- *All cells*, *best tenth*: rank correlation of proxy and score over all cells, and over the tenth with the best scores.
- *Given parameters*: partial rank correlation over all cells with the number of parameters held fixed.

A cell for which a proxy is not defined ranks last, as a search would have it. Intervals are percentile bootstraps over cells;
the best tenth is chosen anew in every sample. The cells are the whole space: an interval says what another space of such cells
would give, not what another run would.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nasbench.measures import Column, columns_of
from nasbench.proxy_beside import proxy_columns, proxy_path
from nasbench.proxy_table import ProxyTable, open_proxies
from nasbench.sealed import open_table
from nasbench.table import TableError

from . import style
from .captions import dataset_title
from .correlations import best_rows, kendall, partial_spearman, spearman
from .describe_markdown import table as markdown_table
from .effects import FloatArray, IntArray
from .statistics import LEVEL, Estimate, percentile_interval
from .tables import csv_text

SIZE = "parameters"
"""What is held fixed, and the baseline that a proxy has to beat."""

SHARE = 0.1
RESAMPLES = 500
SEED = 20260101
KINDS = ("spearman", "kendall", "spearman_best", "kendall_best", "partial")


@dataclass(frozen=True)
class Ranking:
    """How a proxy ranks the cells of one data set; larger values of all proxies are better by definition.

    Attributes:
        name: the proxy.
        cells: number of cells with a score.
        undefined: cells for which it has no value.
        spearman, kendall: over all cells.
        spearman_best, kendall_best: over the best tenth by score.
        partial: Spearman's, given parameters; NaN for parameters themselves.
        above_size: Spearman's minus that of parameters, over all cells, in the same bootstrap samples.
        repeatability: mean Spearman's between two initialisations; NaN where there is one.
        milliseconds: mean processor time of a cell.
    """

    name: str
    cells: int
    undefined: int
    spearman: Estimate
    kendall: Estimate
    spearman_best: Estimate
    kendall_best: Estimate
    partial: Estimate
    above_size: Estimate
    repeatability: float
    milliseconds: float


def rank_proxies(
    columns: Mapping[str, Column],
    scores: FloatArray,
    rng: np.random.Generator,
    *,
    repeatability: Mapping[str, float] | None = None,
    resamples: int = RESAMPLES,
) -> list[Ranking]:
    """Correlate proxies with scores.

    Args:
        columns: by name, shape (cells,); `parameters` must be among them.
        scores: shape (cells,), fractions, NaN unknown.
        rng: source of the bootstrap samples, which all proxies share.
        repeatability: by name, where known.
        resamples: bootstrap samples.

    Returns:
        Best first, by Spearman's over all cells.

    Raises:
        ValueError: no parameters, fewer than 30 scores, or columns of another length.
    """
    if SIZE not in columns:
        raise ValueError(f"columns are {sorted(columns)}; {SIZE!r} must be among them: it is held fixed")
    lengths = {len(column.values) for column in columns.values()} | {len(scores)}
    known = ~np.isnan(scores)
    if len(lengths) > 1 or known.sum() < 30:
        raise ValueError(
            f"columns and scores have lengths {sorted(lengths)}, of which {known.sum()} scores are known; need 30"
        )
    target = scores[known]
    values = {name: last_where_unknown(column.values[known]) for name, column in columns.items()}
    points = {name: correlations_of(value, target, values[SIZE]) for name, value in values.items()}
    samples: dict[str, list[FloatArray]] = {name: [] for name in values}
    for _ in range(resamples):
        drawn = rng.integers(len(target), size=len(target))
        for name, value in values.items():
            samples[name].append(correlations_of(value[drawn], target[drawn], values[SIZE][drawn]))
    found = []
    for name, column in columns.items():
        drawn_values, size_values = np.array(samples[name]), np.array(samples[SIZE])
        estimates = {kind: _estimate(points[name][place], drawn_values[:, place]) for place, kind in enumerate(KINDS)}
        above = _estimate(points[name][0] - points[SIZE][0], drawn_values[:, 0] - size_values[:, 0])
        found.append(
            Ranking(
                name=name,
                cells=len(target),
                undefined=int(np.isnan(column.values[known]).sum()),
                above_size=above,
                repeatability=(repeatability or {}).get(name, float("nan")),
                milliseconds=1000 * float(column.seconds[known].mean()),
                **estimates,
            )
        )
    return sorted(found, key=lambda ranking: -np.nan_to_num(ranking.spearman.value, nan=-2.0))


def correlations_of(values: FloatArray, scores: FloatArray, sizes: FloatArray) -> FloatArray:
    """Return the correlations of `KINDS`, shape (5,), for columns without NaN."""
    best: IntArray = best_rows(scores, SHARE)
    return np.array(
        [
            spearman(values, scores),
            kendall(values, scores),
            spearman(values[best], scores[best]),
            kendall(values[best], scores[best]),
            float("nan")
            if values is sizes or np.array_equal(values, sizes)
            else partial_spearman(values, scores, sizes),
        ]
    )


def last_where_unknown(values: FloatArray) -> FloatArray:
    """Return values with NaN replaced by something below all others; zeros if nothing is known."""
    known = ~np.isnan(values)
    lowest = float(values[known].min()) if known.any() else 0.0
    return np.where(known, values, lowest - 1.0 - abs(lowest))


def repeatability_of(proxies: ProxyTable) -> dict[str, float]:
    """Return the mean Spearman correlation between two initialisations over all classes, by proxy that needs a network."""
    found = {}
    for place, name in enumerate(proxies.names):
        values = proxies.values[:, place]
        if not proxies.seconds[:, place].any() or values.shape[1] < 2:
            continue
        pairs = [
            spearman(values[:, one], values[:, other])
            for one in range(values.shape[1])
            for other in range(one + 1, values.shape[1])
        ]
        found[name] = float(np.mean(pairs))
    return found


def _estimate(value: float, replicates: FloatArray) -> Estimate:
    low, high = percentile_interval(replicates)
    return Estimate(float(value), float(low), float(high))


# The report -----------------------------------------------------------------------------------------------------------


def proxy_report(table_path: Path, proxies_path: Path | None, folder: Path) -> list[Path]:
    """Write `proxies.md`, `proxies.csv` and the figure `proxy-correlations`; return the files.

    Args:
        table_path: the table whose scores are to be ranked.
        proxies_path: its proxies; default: those beside it; if there are none, the table's sizes alone.
        folder: where to write.

    Raises:
        TableError: the proxies are not the table's, or the table does not know its sizes.
        FileNotFoundError: `proxies_path` is not there.
    """
    table = open_table(table_path)
    beside = proxy_path(table_path)
    path = proxies_path or (beside if beside.is_file() else None)
    proxies = None if path is None else open_proxies(path)
    more = {} if proxies is None else proxy_columns(proxies, table)
    repeatability = {} if proxies is None else repeatability_of(proxies)
    rankings, labels = {}, []
    for name, data in table.datasets.items():
        columns = {**columns_of(data), **more}
        if SIZE not in columns:
            raise TableError(
                f"data set {name} does not know the parameters of its networks, which proxies are held against"
            )
        scores = data.mean_accuracy(data.score_split)
        rng = np.random.default_rng(SEED)
        rankings[name] = rank_proxies(columns, scores, rng, repeatability=repeatability)
        labels.append(f"{dataset_title(name)}: {data.score_label}, n = {rankings[name][0].cells:,} cells")
    source = f"Table {table.metadata.get('title', table_path.stem)}, digest {table.digest[:12]}"
    if proxies is not None:
        source += f"; proxies {proxies.digest[:12]}, {proxies.origin.initialisations} initialisations of {proxies.origin.batch} examples"
    return write_report(rankings, f"{'; '.join(labels)}. {source}.", folder)


def write_report(rankings: Mapping[str, Sequence[Ranking]], source: str, folder: Path) -> list[Path]:
    """Write the page, the numbers and the figure of rankings by data set; `source` says what was ranked."""
    from .proxy_figures import proxy_correlations

    folder.mkdir(parents=True, exist_ok=True)
    text = caption(source)
    parts = ["# How zero-cost proxies rank the cells\n", f"![proxy-correlations](proxy-correlations.png)\n\n{text}\n"]
    lines = []
    for dataset, found in rankings.items():
        parts.append(f"## {dataset_title(dataset)}\n\n{to_markdown(found)}")
        lines += [_line(dataset, ranking) for ranking in found]
    files = [folder / "proxies.md", folder / "proxies.csv", folder / "proxy-correlations.txt"]
    for file, content in zip(files, ("\n".join(parts), csv_text(lines), text + "\n"), strict=True):
        file.write_text(content, encoding="utf-8", newline="\n")
    with style.styled():
        files += style.save(proxy_correlations(rankings), folder / "proxy-correlations")
    return files


def caption(source: str) -> str:
    """Return the caption of the figure."""
    return (
        f"Spearman's rank correlation of proxies with the score: over all cells, over the tenth of the cells with the best "
        f"scores, and over all cells given the number of parameters (partial). Bars: {100 * LEVEL:g} % percentile bootstrap over "
        f"cells, {RESAMPLES} samples. Dashed: parameters alone. A cell for which a proxy is not defined ranks last. {source}"
    )


def to_markdown(rankings: Sequence[Ranking]) -> str:
    """Return a table of rankings as Markdown."""
    heads = ["proxy", "Spearman", "Kendall", "best tenth: Spearman", "Kendall", "given parameters", "minus parameters"]
    heads += ["between initialisations", "ms a cell", "not defined"]
    lines = []
    for one in rankings:
        kinds = (one.spearman, one.kendall, one.spearman_best, one.kendall_best, one.partial, one.above_size)
        cells = [_text(kind) for kind in kinds]
        if one.name == SIZE:
            cells[-2:] = ["", ""]
        again = "" if np.isnan(one.repeatability) else f"{one.repeatability:.3f}"
        lines.append([f"`{one.name}`", *cells, again, f"{one.milliseconds:.2f}", str(one.undefined)])
    return markdown_table(heads, lines)


def _text(estimate: Estimate) -> str:
    if np.isnan(estimate.value):
        return ""
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def _line(dataset: str, ranking: Ranking) -> dict[str, object]:
    line: dict[str, object] = {
        "dataset": dataset,
        "proxy": ranking.name,
        "cells": ranking.cells,
        "undefined": ranking.undefined,
    }
    for kind in (*KINDS, "above_size"):
        estimate: Estimate = getattr(ranking, kind)
        line |= {kind: estimate.value, f"{kind}_low": estimate.low, f"{kind}_high": estimate.high}
    return line | {"repeatability": ranking.repeatability, "milliseconds": ranking.milliseconds}
