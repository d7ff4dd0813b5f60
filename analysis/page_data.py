"""What the report page shows, as plain values: everything is taken from the comparison, nothing is computed anew.

Shapes are those of JSON: lists of numbers, fractions as percentage points with five digits, None where there is no value.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasbench.table import OK, Table

from . import captions, figures, scores, style
from .comparison import Comparison, Curve
from .correlations import best_rows, row_means, thinned
from .drawing import operation_label, operation_styles

BEST_CURVES = 5  # cells whose learning curves stand beside one another
MOST_BYTES = 1_200_000  # of the trainings' accuracies in a page; tables with more are thinned to some of their epochs
SHOWN_AT_FIRST = 5  # lines beside random search; the others are a click away
DASH_NAMES = ("solid", "dash", "dashdot", "dot", "longdashdot")  # Plotly's, in the order of `style.DASHES`


def numbers(values: Iterable[float], factor: float = 1.0) -> list[float | None]:
    """Return floats with five significant digits; None for NaN and infinities, which JSON does not know."""
    return [float(f"{factor * value:.5g}") if math.isfinite(value) else None for value in values]


def entrants(comparison: Comparison) -> list[dict[str, Any]]:
    """Return name, title, family, colour and dash of each entrant, best average first, and whether its line shows at first."""
    styles = style.line_styles(comparison.experiment.entrants)
    first = {*comparison.order[:SHOWN_AT_FIRST], comparison.reference}
    found = []
    for name in comparison.order:
        declared = comparison.experiment.entrants[name]
        dash = style.DASHES.index(styles[name].dash)
        found.append(
            {
                "name": name,
                "title": comparison.experiment.titles[name],
                "family": declared.family,
                "paper": declared.paper,
                "settings": ", ".join(f"{key} = {value}" for key, value in declared.settings.items()) or "none",
                "colour": styles[name].colour,
                "dash": DASH_NAMES[dash],
                "shown": name in first,
            }
        )
    return found


def curves(comparison: Comparison) -> dict[str, dict[str, Any]]:
    """Return the regret curves and runtime profiles of every entrant, by data set and entrant."""
    unit, divisor = figures.time_unit(comparison)
    found: dict[str, dict[str, Any]] = {}
    for dataset, problem in comparison.experiment.problems.items():
        of_dataset: dict[str, Any] = {}
        grid = scores.seconds_grid(problem.budget)
        for name in comparison.order:
            each = comparison.scores.get((dataset, name))
            if each is None:
                continue
            of_dataset[name] = {
                "seconds": _curve(each.seconds, divisor),
                "queries": _curve(each.by_queries, 1.0),
                "targets": {
                    "x": numbers(grid / divisor),
                    "share": numbers(scores.targets_reached(each.hits, grid)),
                },
            }
        found[dataset] = {"unit": unit, "title": captions.dataset_title(dataset), "entrants": of_dataset}
    return found


def _curve(curve: Curve, divisor: float) -> dict[str, Any]:
    regret = curve.regret
    return {
        "x": numbers(curve.x / divisor),
        "mean": numbers(regret.mean, 100),
        "low": numbers(regret.low, 100),
        "high": numbers(regret.high, 100),
        "median": numbers(regret.median, 100),
        "lower": numbers(regret.lower_quartile, 100),
        "upper": numbers(regret.upper_quartile, 100),
    }


def pairs(comparison: Comparison) -> dict[str, Any]:
    """Return, by data set, for all pairs at the full budget: A12, difference of scores in points, and who is better."""
    found = {}
    for dataset, tested in comparison.tested.items():
        tests = comparison.tests[dataset][-1]
        order = [name for name in comparison.order if name in tested]
        places = [tested.index(name) for name in order]
        found[dataset] = {
            "entrants": order,
            "a12": [numbers(tests.a12[place, places]) for place in places],
            "difference": [numbers(tests.difference[place, places], 100) for place in places],
            "p": [numbers(tests.p_holm[place, places]) for place in places],
            "better": [[comparison.beats(dataset, one, other) for other in order] for one in order],
        }
    return found


def explorer(table: Table) -> dict[str, Any]:
    """Return a table's results for the search space explorer, as compact as a page needs them.

    Accuracies of every training are hundredths of a per cent, uint16 (rows, repeats, epochs), 65535 missing; arrays are base64 of
    little-endian bytes. Only what the score of the comparison is read from is shown: the test split, or validation without one.
    The best cells have all their epochs, the others at most as many as `MOST_BYTES` hold.
    """
    space = table.space
    datasets = {}
    room = MOST_BYTES // len(table.datasets)
    for name, data in table.datasets.items():
        split = data.score_split
        accuracy = np.where((data.status == OK)[:, :, None], data.accuracy(split), np.nan)
        means = row_means(accuracy[:, :, -1])
        if np.isnan(means).all():
            continue
        best = best_rows(means, 1.0)[:BEST_CURVES]
        shown = thinned(data.epochs, max(2, room // (2 * accuracy[:, :, 0].size)))
        datasets[name] = {
            "title": captions.dataset_title(name),
            "label": data.score_label,
            "split": split,
            "epochs": [data.epochs[place] for place in shown],
            "repeats": int(accuracy.shape[1]),
            "values": encode(_packed(accuracy[:, :, shown])),
            "rank": encode(_ranks(means).astype("<u2")),
            "best": int(best[0]),
            "curves": {"epochs": list(data.epochs), "rows": best.tolist(), "values": encode(_packed(accuracy[best]))},
            "parameters": encode(data.parameters.astype("<i4")),
        }
    styles = operation_styles(space.operations)
    return {
        "nodes": space.nodes,
        "edges": [list(edge) for edge in space.edges],
        "operations": list(space.operations),
        "labels": [operation_label(operation) for operation in space.operations],
        "colours": [styles[operation].colour if operation in styles else "#999999" for operation in space.operations],
        "palette": list(style.COLOURS),
        "rows": encode(_rows_by_operations(table)),
        "architectures": encode(table.architectures.astype("u1")),
        "datasets": datasets,
    }


def _packed(accuracy: NDArray[np.float64]) -> NDArray[Any]:
    """Return fractions as hundredths of a per cent, uint16, little-endian; 65535 for NaN."""
    return np.where(np.isnan(accuracy), 65535, np.round(1e4 * np.nan_to_num(accuracy))).astype("<u2")


def _rows_by_operations(table: Table) -> NDArray[Any]:
    """Return the row of each architecture, uint16, 65535 for none, by its operations read as a number, the first edge's place 1."""
    space = table.space
    base = len(space.operations)
    rows = np.full(base ** len(space.edges), 65535, dtype="<u2")
    for index in range(space.size):
        place = sum(operation * base**edge for edge, operation in enumerate(space.architecture(index)))
        if table.row_of_index[index] >= 0:
            rows[place] = table.row_of_index[index]
    return rows


def _ranks(means: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the place of each row, 1 the best; rows without a value come last."""
    order = np.argsort(-np.nan_to_num(means, nan=-1.0), kind="stable")
    ranks = np.empty(len(means), dtype=np.int64)
    ranks[order] = np.arange(1, len(means) + 1)
    return ranks


def encode(array: NDArray[Any]) -> str:
    """Return the bytes of an array as base64 text."""
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")
