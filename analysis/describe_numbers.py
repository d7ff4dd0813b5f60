"""The summary of `nasbench describe` for machines: JSON, in fractions and seconds; what is unknown is null."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from nasbench.space import CellSpace

from .description import GAPS, QUANTILES, DatasetDescription, Description
from .description_steps import Landscape
from .optima import Basins

Row = dict[str, Any]


def to_json(description: Description) -> str:
    """Return the summary as JSON: table, and for every data set its key figures."""
    table = description.table
    summary = {
        "table": str(table.metadata.get("title", "")),
        "digest": table.digest,
        "cost_digest": table.cost_digest,
        "space": table.space.name,
        "architectures": table.space.size,
        "classes": len(table.space.classes),
        "rows": len(table.architectures),
        "datasets": {name: _summary(table.space, each) for name, each in description.datasets.items()},
        "transfer": [dataclasses.asdict(each) for each in description.transfer],
        "best_on_other_data_sets": [dataclasses.asdict(each) for each in description.carried],
    }
    return json.dumps(_plain(summary), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _summary(space: CellSpace, found: DatasetDescription) -> Row:
    known = found.known
    some = len(known) > 0
    return {
        "score": found.data.score_label,
        "epochs": list(found.data.epochs),
        "cells": len(known),
        "trainings": int((~np.isnan(found.final)).sum()),
        "mean": known.mean() if some else None,
        "standard_deviation": known.std() if some else None,
        "quantiles": {f"{q:g}": np.quantile(known, q) for q in QUANTILES} if some else {},
        "cells_within": {f"{gap:g}": int((known >= known.max() - gap).sum()) for gap in GAPS} if some else {},
        "level_with_best": found.level if found.level >= 0 else None,
        "best": [each._asdict() for each in found.best[:10]],
        "seed_noise": [dataclasses.asdict(each) for each in found.noise],
        "fidelities": [dataclasses.asdict(each) for each in found.fidelities],
        "validation_and_test": [dataclasses.asdict(each) for each in found.splits],
        "proxies": [dataclasses.asdict(each) for each in found.proxies],
        "landscape": found.no_landscape if found.landscape is None else _landscape(space, found.landscape),
    }


def _landscape(space: CellSpace, found: Landscape) -> Row:
    distance = found.distance
    return {
        "variance_shares_by_order": found.effects.by_order,
        "variance_shares_by_order_of_ranks": found.effects.by_order_of_ranks,
        "walk_autocorrelation": found.walk,
        "correlation_length": found.correlation_length,
        "mean_difference_by_distance": found.locality.mean_difference,
        "correlation_by_distance": found.locality.correlation,
        "best_architectures": [space.format(space.architecture(number)) for number in distance.best.tolist()],
        "fitness_distance": {name: getattr(distance, name) for name in ("pearson", "spearman", "kendall")},
        "strict_local_optima": len(found.optima.strict),
        "weak_local_optima": len(found.optima.weak),
        "local_optima": len(found.optima.peaks),
        "climbs": [_climb(each) for each in found.climbs],
        "neutrality": dataclasses.asdict(found.neutrality),
        "single_trainings": [
            {
                "repeat": each.repeat,
                "strict_local_optima": each.strict,
                "weak_local_optima": each.weak,
                "local_optima": each.peaks,
                "climbs": [_climb(each.best), _climb(each.first)],
            }
            for each in found.singles
        ],
    }


def _climb(found: Basins) -> Row:
    names = ("rule", "steps", "queries", "end", "success")
    return {name: getattr(found, name) for name in names} | {"stranded_starts": found.stranded}


def _plain(value: Any) -> Any:
    """Turn arrays and numpy's numbers into Python's, and what is not finite into null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(each) for each in value]
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(f"{value:.12g}") if math.isfinite(value) else None
    return value
