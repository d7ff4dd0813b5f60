"""The report of `nasbench proxies TABLE --report`: how proxies rank a table's cells, as page, numbers and figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from nasbench.measures import columns_of
from nasbench.proxy_beside import proxy_columns, proxy_path
from nasbench.proxy_table import open_proxies
from nasbench.sealed import open_table
from nasbench.table import TableError

from . import style
from .captions import dataset_title
from .describe_markdown import table as markdown_table
from .proxies import KINDS, RESAMPLES, SIZE, Ranking, rank_proxies, repeatability_of
from .statistics import LEVEL, Estimate
from .tables import csv_text

SEED = 20260101
"""Of the bootstrap samples."""

READING = (
    "*Given parameters*: partial rank correlation. *Within equal parameters*: cells of the same size alone, pooled. *Minus parameters*: "
    "Spearman's less that of parameters, in the same bootstrap samples. *Between initialisations*: mean Spearman's between two draws of "
    "weights and batch. *ms a cell*: processor time of all initialisations, which is what a search is charged."
)


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
    return write_report(rankings, f"{'; '.join(labels)}. {source}.", folder, table_path.stem)


def write_report(rankings: Mapping[str, Sequence[Ranking]], source: str, folder: Path, table: str = "") -> list[Path]:
    """Write the page, the numbers and the figure of rankings by data set; `source` says what was ranked, `table` is its name."""
    from .proxy_figures import proxy_correlations

    folder.mkdir(parents=True, exist_ok=True)
    text = caption(source)
    parts = [
        "# How zero-cost proxies rank the cells\n",
        f"![proxy-correlations](proxy-correlations.png)\n\n{text}\n",
        f"{READING}\n",
    ]
    lines = []
    for dataset, found in rankings.items():
        parts.append(f"## {dataset_title(dataset)}\n\n{to_markdown(found)}")
        lines += [{"table": table, **_line(dataset, ranking)} for ranking in found]
    files = [folder / "proxies.md", folder / "proxies.csv", folder / "proxy-correlations.txt"]
    for file, content in zip(files, ("\n".join(parts), csv_text(lines), text + "\n"), strict=True):
        file.write_text(content, encoding="utf-8", newline="\n")
    with style.styled():
        files += style.save(proxy_correlations(rankings), folder / "proxy-correlations")
    return files


def caption(source: str) -> str:
    """Return the caption of the figure."""
    return (
        f"Rank correlation (Spearman) of proxies with the score: over all cells; over the tenth of the cells with the best scores; "
        f"over all cells given the number of parameters (partial; not for a proxy that is all but a function of them); and over cells "
        f"of equal parameters, pooled. Bars: {100 * LEVEL:g} % percentile bootstrap over cells, {RESAMPLES} samples. Dashed: "
        f"parameters alone. A cell for which a proxy is not defined ranks last. {source}"
    )


def to_markdown(rankings: Sequence[Ranking]) -> str:
    """Return a table of rankings as Markdown."""
    heads = ["proxy", "Spearman", "Kendall", "best tenth: Spearman", "Kendall", "given parameters"]
    heads += ["within equal parameters", "minus parameters", "between initialisations", "ms a cell", "not defined"]
    lines = []
    for one in rankings:
        kinds = (one.spearman, one.kendall, one.spearman_best, one.kendall_best, one.partial, one.within)
        cells = [*map(_text, kinds), "" if one.name == SIZE else _text(one.above_size)]
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
