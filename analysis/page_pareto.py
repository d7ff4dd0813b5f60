"""Trade-offs on the report page: fronts that runs attain, and the hypervolume they miss, as plain values for the figures.

Everything is taken from `pareto.compare_sets`; the attained fronts are evaluated where one of them can change, so the steps are exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .captions import dataset_title
from .comparison import Comparison
from .figures import time_unit
from .page_data import numbers
from .pareto import LEVELS, FloatArray, SetComparison, SetScores, TrueFront, attained
from .pareto_figures import UNITS

MOST_STEPS = 400  # values of the second objective at which attained fronts are given


def trade_offs(found: SetComparison, comparison: Comparison) -> dict[str, Any]:
    """Return true front, attained fronts (two objectives) and missing hypervolume over time, by data set and entrant.

    Errors are percentage points, the second objective is in the unit that `label` names, times are in `unit`. Values that no
    run attains are None.
    """
    truth = next(iter(found.fronts.values()))
    plane = len(truth.objectives) == 2
    divisor, label = UNITS.get(truth.objectives[1], (1.0, truth.objectives[1].replace("_", " ")))
    unit, seconds = time_unit(comparison)
    datasets = {}
    for dataset, front in found.fronts.items():
        scored = {name: found.scores[dataset, name] for name in found.order if (dataset, name) in found.scores}
        at = steps(front, scored) if plane else np.empty(0)
        datasets[dataset] = {
            "title": dataset_title(dataset),
            "front": {
                "x": numbers(front.front[:, 1] / divisor),
                "y": numbers(front.front[:, 0], 100),
            },
            "reference": [numbers(front.reference[1:2] / divisor)[0], numbers(front.reference[:1], 100)[0]],
            "x": numbers(at / divisor),
            "true": numbers(attained([front.front], at, 1.0), 100) if plane else [],
            "attained": {name: _levels(each, at) for name, each in scored.items()} if plane else {},
            "volume": {
                name: {
                    "x": numbers(each.seconds / seconds),
                    "mean": numbers(each.curve.mean, 100),
                    "low": numbers(each.curve.low, 100),
                    "high": numbers(each.curve.high, 100),
                }
                for name, each in scored.items()
            },
        }
    return {"plane": plane, "label": label, "unit": unit, "datasets": datasets}


def steps(front: TrueFront, scored: dict[str, SetScores]) -> FloatArray:
    """Return the values of the second objective, up to the reference, at which an attained front can change, ascending.

    Where there are more than `MOST_STEPS` of them (latencies), evenly spaced values and those of the true front instead.
    """
    own = front.front[:, 1]
    every = np.unique(np.concatenate([own, *[final[:, 1] for each in scored.values() for final in each.finals]]))
    low, high = float(own.min()), float(front.reference[1])
    every = every[every < high]
    if len(every) > MOST_STEPS:
        every = np.union1d(np.linspace(low, high, MOST_STEPS - len(own))[:-1], own)
    return np.append(every, high)


def _levels(scored: SetScores, at: FloatArray) -> dict[str, list[float | None]]:
    """Return the errors that a quarter, half and three quarters of the runs attain."""
    names = ("quarter", "half", "most")
    return {name: numbers(attained(scored.finals, at, level), 100) for name, level in zip(names, LEVELS, strict=True)}
