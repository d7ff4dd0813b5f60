"""The table that answered, for the parts of the report page that show its cells: found, opened, or a sentence that says why not."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from nasbench.table import Table, TableError
from nasbench.table_file import table_file

from . import captions
from .drawing import edges_of
from .records import Experiment

LARGEST_SPACE = 60_000  # architectures; the explorer's numbers are two bytes wide


def find_table(experiment: Experiment) -> Path | None:
    """Return the table's file: one that comes with the package, or one that lies in the results folder; None for neither."""
    name = Path(experiment.table.name).name
    if not name:
        return None
    stem = name.removesuffix(".h5")
    return table_file(stem, experiment.folder) or table_file(f"{stem}.h5", experiment.folder)


def table_mark(experiment: Experiment) -> str:
    """Return the digest of the table's file, hexadecimal, "" for none: a page with a table differs from one without."""
    path = find_table(experiment)
    if path is None:
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def open_answering(experiment: Experiment) -> tuple[Table | None, str]:
    """Return the table that answered, if it is at hand and has the right digest; else None and why."""
    from nasbench.sealed import open_table  # h5py: the analysis does without it until a page is written

    declared, path = experiment.table, find_table(experiment)
    if path is None:
        name = Path(declared.name).name.removesuffix(".h5")
        help_ = f" Put {name}.h5 beside this page and make the report again to see them." if name else ""
        return None, (
            f"The table {declared.name or declared.title!r} does not come with the package, so its cells can't be shown here.{help_}"
        )
    try:
        table = open_table(path)
    except TableError as error:
        return None, f"The table could not be opened: {error}"
    if table.digest != declared.digest:
        return None, f"The table {declared.name!r} at hand is not the one that answered (digest {table.digest[:16]})."
    if table.space.size > LARGEST_SPACE:
        return None, (
            f"The space has {table.space.size:,} architectures; the explorer shows spaces of up to {LARGEST_SPACE:,}."
        )
    return table, ""


def best_cells(table: Table) -> list[dict[str, Any]]:
    """Return the best cell of each data set in words, for readers without JavaScript."""
    found = []
    for name, data in table.datasets.items():
        means = data.mean_accuracy(data.score_split)
        if np.isnan(means).all():
            continue
        row = int(np.nanargmax(means))
        architecture = tuple(table.architectures[row].tolist())
        live = sum(edge.live for edge in edges_of(table.space, architecture))
        found.append(
            {
                "dataset": captions.dataset_title(name),
                "architecture": table.space.format(architecture),
                "row": row,
                "score": f"{100 * float(means[row]):.2f}",
                "label": data.score_label,
                "edges": live,
            }
        )
    return found
