"""Warm starts: the best architectures of another data set, by its validation results, as a strategy's first proposals.

"Avoid running NAS from scratch for every task" (Elsken & Feurer's tutorial): what was found on one task begins the search on
the next. An entrant names the source; it is resolved when the experiment is planned, into the setting `initial`. Only the
source's validation results are read, and a data set can't be its own source. What finding them once cost is not charged.
"""

from __future__ import annotations

import numpy as np

from nasbench.protocol import Problem, ProtocolError, WarmStart
from nasbench.sealed import open_table
from nasbench.table import Table
from nasbench.table_file import shipped_tables, table_file


def best_architectures(table: Table, dataset: str, count: int) -> tuple[str, ...]:
    """Return the best rows' architectures as strings, best first.

    Args:
        table: the source.
        dataset: its data set; rows are ranked by validation accuracy at full fidelity, averaged over repeats, equal ones
            by row number. A table without validation results is refused.
        count: how many.

    Raises:
        TableError: no such data set, or no validation split.
        ValueError: fewer trained rows than `count`.
    """
    accuracy = table.dataset(dataset).mean_accuracy("validation")
    trained = int((~np.isnan(accuracy)).sum())
    if count > trained:
        raise ValueError(f"count is {count}, must be at most {trained}, the trained rows of {dataset}")
    # Rounded, since means of equal counts differ in their last bit with the order of the summands.
    order = np.argsort(-np.nan_to_num(accuracy, nan=-1.0).round(12), kind="stable")[:count]
    return tuple(table.space.format(tuple(table.architectures[row].tolist())) for row in order)


def source_table(start: WarmStart, target: Table) -> Table:
    """Open the table that a warm start names; without a name it is the protocol's own."""
    if not start.table:
        return target
    path = table_file(start.table)
    if path is None:
        raise ProtocolError(
            f"warm_start.table: {start.table!r} is neither a table that comes with the package ({list(shipped_tables())}) "
            "nor a file beside the protocol"
        )
    return open_table(path)


def resolve(start: WarmStart, target: Table, problems: tuple[Problem, ...]) -> tuple[tuple[str, ...], str]:
    """Return the first proposals that a warm start stands for, and what they came from.

    Args:
        start: the entrant's `warm_start`.
        target: the protocol's table.
        problems: what the entrant runs on.

    Returns:
        Architectures as strings, best first; and `DIGEST of table, data set, count` for the chunk's key.

    Raises:
        ProtocolError: no such table, the source is one of the problems, or holds another space.
        TableError: the source has no such data set or no validation results, or the target lacks one of the architectures.
        ValueError: it has fewer architectures.
    """
    source = source_table(start, target)
    if source.space.operations != target.space.operations or source.space.nodes != target.space.nodes:
        raise ProtocolError(
            f"warm_start.table: {start.table!r} holds space {source.space.name}, the protocol's table {target.space.name}"
        )
    for problem in problems:
        if problem.dataset == start.dataset and source.digest == target.digest:
            raise ProtocolError(
                f"warm_start.dataset: {start.dataset!r} is itself a problem of the protocol; a search can't start from its "
                "own answers"
            )
    initial = best_architectures(source, start.dataset, start.count)
    for text in initial:
        target.row(target.space.parse(text))
    return initial, f"{source.digest} {start.dataset} {start.count}"
