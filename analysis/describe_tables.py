"""All numbers of `nasbench describe` as CSV, in fractions and seconds; what is unknown is an empty field."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from nasbench.space import CellSpace

from .description import DatasetDescription, Description
from .effects import interaction
from .tables import csv_text

Row = dict[str, Any]


def to_csv(description: Description) -> dict[str, str]:
    """Return every CSV file by its name, those that would be empty left out."""
    table = description.table
    makers: dict[str, Callable[[CellSpace, DatasetDescription], Iterator[Row]]] = {
        "best-cells": lambda _, found: (each._asdict() for each in found.best),
        "seed-noise": lambda _, found: map(dataclasses.asdict, found.noise),
        "seed-noise-by-score": lambda _, found: map(dataclasses.asdict, found.bands),
        "fidelities": lambda _, found: map(dataclasses.asdict, found.fidelities),
        "fidelity-matrix": _epoch_matrix,
        "validation-and-test": lambda _, found: map(dataclasses.asdict, found.splits),
        "proxies": lambda _, found: map(dataclasses.asdict, found.proxies),
        "variance": _variance,
        "main-effects": _main_effects,
        "interactions": _interactions,
        "replacements": _replacements,
        "walks": _walks,
        "locality": _locality,
        "distance": _distance,
        "local-optima": _optima,
    }
    files = {"cells": list(_cells(description))}
    for name, make in makers.items():
        rows = [
            {"dataset": dataset} | row
            for dataset, found in description.datasets.items()
            for row in make(table.space, found)
        ]
        files[name] = rows
    files["transfer"] = [dataclasses.asdict(each) for each in description.transfer]
    files["best-on-other-data-sets"] = [dataclasses.asdict(each) for each in description.carried]
    return {name: csv_text(rows) for name, rows in files.items() if rows}


def _cells(description: Description) -> Iterator[Row]:
    """One line for each row of the table: what a spreadsheet needs."""
    table = description.table
    classes = table.space.class_of
    for row, architecture in enumerate(map(tuple, table.architectures.tolist())):
        line: Row = {
            "row": row,
            "architecture": table.space.format(architecture),
            "class": int(classes[table.space.index(architecture)]),
        }
        for name, found in description.datasets.items():
            line[f"score_{name}"] = found.scores[row]
            line[f"trainings_{name}"] = int((~np.isnan(found.final[row])).sum())
        yield line


def _epoch_matrix(_: CellSpace, found: DatasetDescription) -> Iterator[Row]:
    for one, first in enumerate(found.data.epochs):
        for two, second in enumerate(found.data.epochs):
            if found.epoch_matrix.size:
                yield {"first_epochs": first, "second_epochs": second, "spearman": found.epoch_matrix[one, two]}


def edge_name(space: CellSpace, edge: int) -> str:
    """Return an edge as its ends, such as `0-2`."""
    source, target = space.edges[edge]
    return f"{source}-{target}"


def _variance(space: CellSpace, found: DatasetDescription) -> Iterator[Row]:
    if found.landscape is None:
        return
    variances = found.landscape.effects.by_edges
    total = variances.sum()
    sets = [[edge for edge in range(len(space.edges)) if number >> edge & 1] for number in range(len(variances))]
    for number, edges in sorted(enumerate(sets), key=lambda pair: (len(pair[1]), pair[1])):
        if edges:
            yield {
                "edges": " ".join(edge_name(space, edge) for edge in edges),
                "order": len(edges),
                "variance": float(variances[number]),
                "share": float(variances[number] / total) if total > 0 else math.nan,
            }


def _main_effects(space: CellSpace, found: DatasetDescription) -> Iterator[Row]:
    for (edge, operation), effect in _each(found, "main"):
        yield {"edge": edge_name(space, edge), "operation": space.operations[operation], "effect": effect}


def _interactions(space: CellSpace, found: DatasetDescription) -> Iterator[Row]:
    if found.landscape is None:
        return
    for second in range(len(space.edges)):
        for first in range(second):
            for (one, two), effect in np.ndenumerate(interaction(space, found.landscape.scores, first, second)):
                yield {
                    "first_edge": edge_name(space, first),
                    "second_edge": edge_name(space, second),
                    "first_operation": space.operations[one],
                    "second_operation": space.operations[two],
                    "effect": float(effect),
                }


def _replacements(space: CellSpace, found: DatasetDescription) -> Iterator[Row]:
    for cells, name in (("all", "replaced"), ("best tenth", "replaced_best")):
        for (edge, present, new), change in _each(found, name):
            if present != new and found.landscape is not None:
                yield {
                    "cells": cells,
                    "edge": edge_name(space, edge),
                    "operation": space.operations[present],
                    "replaced_by": space.operations[new],
                    "mean_change": change,
                    "number": int(getattr(found.landscape.effects, f"{name}_cells")[edge, present]),
                }


def _each(found: DatasetDescription, name: str) -> Iterator[tuple[tuple[int, ...], float]]:
    if found.landscape is not None:
        for place, value in np.ndenumerate(getattr(found.landscape.effects, name)):
            yield place, float(value)


def _walks(_: CellSpace, found: DatasetDescription) -> Iterator[Row]:
    if found.landscape is not None:
        for step, value in enumerate(found.landscape.walk.tolist()):
            yield {"steps": step, "autocorrelation": value}


def _locality(_: CellSpace, found: DatasetDescription) -> Iterator[Row]:
    if found.landscape is not None:
        near = found.landscape.locality
        columns = (near.pairs.tolist(), near.mean_difference.tolist(), near.correlation.tolist())
        for distance, (pairs, difference, correlation) in enumerate(zip(*columns, strict=True)):
            yield {
                "distance": distance,
                "ordered_pairs": pairs,
                "mean_difference": difference,
                "correlation": correlation,
            }


def _distance(_: CellSpace, found: DatasetDescription) -> Iterator[Row]:
    if found.landscape is not None:
        for each in found.landscape.by_distance:
            names = ("lowest", "decile_1", "quartile_1", "median", "quartile_3", "decile_9", "highest")
            quantiles = dict(zip(names, each.quantiles, strict=True))
            yield {"distance": each.distance, "cells": each.cells, "mean": each.mean, **quantiles}


def _optima(space: CellSpace, found: DatasetDescription) -> Iterator[Row]:
    if found.landscape is None:
        return
    near, (best, first) = found.landscape, found.landscape.climbs
    for place, number in enumerate(near.optima.peaks.tolist()):
        yield {
            "place": place + 1,
            "architecture": space.format(space.architecture(number)),
            "score": float(near.scores[number]),
            "cells": int(near.optima.sizes[place]),
            "distance_to_best": int(near.distance.distance[number]),
            "basin_best_improvement": float(best.size[place]),
            "basin_first_improvement": float(first.size[place]),
            "weak_basin": int(near.weak_basins[place]),
            "strong_basin": int(near.strong_basins[place]),
        }
