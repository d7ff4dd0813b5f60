"""Numbers in the words of the page of findings about optimizers: how much was tuned, trained and run, read from the table."""

from __future__ import annotations

from collections.abc import Collection

from nasbench.optimizer_table import OptimizerTable

UNKNOWN = "an unknown number of"


def facts(table: OptimizerTable) -> dict[str, str]:
    """Return what the page's words ask for by name.

    `trials`, `quadratic_trials`, `digits_trials`: trials of tuned optimizers on all tasks, the quadratics, the digits tasks;
    `tuning_seeds`, `quadratic_tuning_seeds`, `digits_tuning_seeds`: seeds of the search, on the same;
    `further_seeds`: seeds of runs beyond the tasks' own horizons; `episodes`, `outer_steps`, `minutes`: of the meta-trainings of L2L
    (all that there are) and the small MLP optimizer.
    """
    quadratics = [task for task in table.tasks if task.startswith("quadratic")]
    digits = [task for task in table.tasks if task.startswith("digits")]
    further = {
        len(table.curves(task, name, horizon).seeds)
        for task, name in _tuned(table, table.tasks)
        for horizon in table.horizons(task)
        if horizon > 1
    }
    records = {name: entry.trained_on for name, entry in table.optimizers.items() if entry.trained_on is not None}
    l2l = [record for name, record in records.items() if name.startswith("l2l")]
    mlp = [record for name, record in records.items() if name == "mlp-lopt"]
    return {
        "trials": _range(_trials(table, table.tasks)),
        "quadratic_trials": _range(_trials(table, quadratics)),
        "digits_trials": _range(_trials(table, digits)),
        "tuning_seeds": _range(_seeds(table, table.tasks)),
        "quadratic_tuning_seeds": _range(_seeds(table, quadratics)),
        "digits_tuning_seeds": _range(_seeds(table, digits)),
        "further_seeds": _range(further),
        "episodes": _range({record["settings"]["episodes"] for record in l2l if "settings" in record}),
        "outer_steps": _range({record["settings"]["outer_steps"] for record in mlp if "settings" in record}),
        "minutes": _range({max(1, round(record["cpu_seconds"] / 60)) for record in mlp if "cpu_seconds" in record}),
    }


def _tuned(table: OptimizerTable, tasks: Collection[str]) -> list[tuple[str, str]]:
    tuned = [name for name, entry in table.optimizers.items() if entry.ruleset == "tuned" and entry.search_space]
    return [(task, name) for task in tasks for name in tuned if task in table.optimizers[name].best]


def _trials(table: OptimizerTable, tasks: Collection[str]) -> set[int]:
    return {len(table.curves(task, name, scored=False).trials) for task, name in _tuned(table, tasks)}


def _seeds(table: OptimizerTable, tasks: Collection[str]) -> set[int]:
    return {len(table.curves(task, name, scored=False).seeds) for task, name in _tuned(table, tasks)}


def _range(found: Collection[int]) -> str:
    """Return `2`, `4 to 12`, or words for nothing.

    >>> _range({4, 12, 8}), _range([2])
    ('4 to 12', '2')
    """
    low, high = min(found, default=0), max(found, default=0)
    return UNKNOWN if not found else f"{low:,}" if low == high else f"{low:,} to {high:,}"
