"""What the page of an optimizer report shows, as plain values: everything is taken from the comparison, only bands are drawn anew.

Shapes are those of JSON: lists of numbers with five significant digits, None where there is no value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import style
from .comparison import generator
from .optimizer_advantage import Band, band
from .optimizer_comparison import OptimizerComparison
from .optimizer_figures import styles_of, task_title
from .optimizer_findings import unfinished
from .optimizer_ladder import Rung
from .optimizer_ledger import DISTANCES
from .optimizer_scores import LARGEST_RATIO, profile
from .optimizer_targets import scored_losses
from .optimizer_work import work_profile
from .page_data import DASH_NAMES, numbers

MOST_POINTS = 101  # of a curve beyond the first horizon; at the horizon all evaluations are shown
LEADERS = 3  # tuned ones that show at first, beside the baseline and the learned ones
FACTORS = np.linspace(1.0, LARGEST_RATIO, 151)


def optimizers(comparison: OptimizerComparison) -> list[dict[str, Any]]:
    """Return name, title, kind, colour and dash of each optimizer, in the table's order, and whether its line shows at first.

    The tuned ones with the highest speed-up show, the baseline, and the learned ones whose meta-training was finished.
    """
    styles = styles_of(comparison)
    first = {comparison.baseline}
    for ruleset in comparison.rulesets:
        ranked = sorted(ruleset.optimizers, key=lambda name: (-ruleset.speed_up[name].value, name))
        first |= set(ranked[:LEADERS] if ruleset.name == "tuned" else [])
    learned = {name: entry for name, entry in comparison.table.optimizers.items() if entry.family == "learned"}
    first |= {name for name, entry in learned.items() if not unfinished(entry)}
    found = []
    for name, entry in comparison.table.optimizers.items():
        if name not in styles:
            continue
        space = ", ".join(f"{setting} {' '.join(map(str, kind))}" for setting, kind in entry.search_space.items())
        found.append(
            {
                "name": name,
                "title": comparison.title(name),
                "ruleset": entry.ruleset,
                "family": entry.family,
                "paper": entry.paper,
                "space": space or ("an ordered list" if len(entry.trials) > 1 else "none"),
                "colour": styles[name].colour,
                "dash": DASH_NAMES[style.DASHES.index(styles[name].dash)],
                "shown": name in first,
            }
        )
    return found


def tasks(comparison: OptimizerComparison) -> dict[str, dict[str, Any]]:
    """Return title, horizon, multiples that were run, target (None: none that is one loss for all seeds) and seeds of each task."""
    table, found = comparison.table, {}
    for name, entry in table.tasks.items():
        target = comparison.targets.get(name)
        seeds = [len(one.curves) for (task, _), one in comparison.scored.items() if task == name]
        found[name] = {
            "title": task_title(name),
            "horizon": entry.horizon,
            "horizons": list(table.horizons(name)),
            "target": None if target is None or target.relative else float(f"{target.loss:.5g}"),
            "target_by": "" if target is None else comparison.title(target.baseline),
            "seeds": max(seeds, default=0),
            "split": len(entry.curves) > 1,
        }
    return found


def curves(comparison: OptimizerComparison) -> dict[str, dict[str, Any]]:
    """Return mean losses with bands by task and multiple of the horizon: steps, and by optimizer `test` and, with data, `train`."""
    found: dict[str, dict[str, Any]] = {}
    for task, entry in comparison.table.tasks.items():
        found[task] = {}
        for horizon in comparison.table.horizons(task):
            lines: dict[str, Any] = {}
            steps: Sequence[int] = []
            for name in comparison.table.optimizers:
                if (task, name) not in comparison.scored:
                    continue
                drawn = {
                    split: _band(comparison, task, name, horizon, split)
                    for split in ("test", "train")
                    if split == "test" or len(entry.curves) > 1
                }
                shown = {split: each for split, each in drawn.items() if each is not None}
                if "test" not in shown:
                    continue
                steps = shown["test"]["steps"]
                lines[name] = {
                    **{split: each["band"] for split, each in shown.items()},
                    "seeds": shown["test"]["seeds"],
                    "work": comparison.scored[task, name].work_per_step,
                }
            found[task][str(horizon)] = {"steps": list(steps), "optimizers": lines}
    return found


def _band(comparison: OptimizerComparison, task: str, name: str, horizon: int, split: str) -> dict[str, Any] | None:
    losses = scored_losses(comparison.table, task, name, horizon, f"{split}_loss")
    if losses is None:
        return None
    steps, values = losses
    if horizon > 1 and len(steps) > MOST_POINTS:
        kept = np.unique(np.linspace(0, len(steps) - 1, MOST_POINTS).round().astype(int))
        steps, values = steps[kept], values[:, kept]
    drawn = band(values, generator("optimizer page", task, name, str(horizon), split))
    return {"steps": steps.tolist(), "band": _numbers(drawn), "seeds": len(values)}


def _numbers(drawn: Band) -> dict[str, list[float | None]]:
    return {"mean": numbers(drawn.mean), "low": numbers(drawn.low), "high": numbers(drawn.high)}


def profiles(comparison: OptimizerComparison) -> dict[str, dict[str, Any]]:
    """Return performance profiles by ruleset, by steps and by counted work: shares of tasks within each factor of the least."""
    found = {}
    for ruleset in comparison.rulesets:
        work = work_profile(comparison, ruleset)
        found[ruleset.name] = {
            "tasks": len(ruleset.tasks),
            "pool": ruleset.pool,
            "same": work.same,
            "factors": numbers(FACTORS),
            **{
                unit: {
                    name: numbers(shares)
                    for name, shares in zip(ruleset.optimizers, profile(ratios, FACTORS), strict=True)
                }
                for unit, ratios in (("steps", ruleset.ratios), ("work", work.ratios))
            },
        }
    return found


def tuning(comparison: OptimizerComparison) -> dict[str, dict[str, list[float | None]]]:
    """Return tuning curves by task and optimizer; one number for those without tuning."""
    found: dict[str, dict[str, list[float | None]]] = {task: {} for task in comparison.table.tasks}
    for (task, name), one in comparison.scored.items():
        level = comparison.table.optimizers[name].ruleset != "tuned"
        found[task][name] = numbers(one.tuning[:1] if level else one.tuning)
    return found


def ladder_points(rungs: Sequence[Rung], comparison: OptimizerComparison) -> dict[str, Any]:
    """Return the rungs as points: distance, task, horizon, both advantages with their ends, seeds, break-even count."""
    points = [
        {
            "optimizer": rung.row.optimizer,
            "distance": rung.row.distance or "unknown",
            "task": task_title(rung.row.task),
            "horizon": rung.row.horizon,
            "baseline": numbers(rung.over_baseline.ratio),
            "strongest": numbers(rung.over_strongest.ratio),
            "name": comparison.title(rung.over_strongest.strongest),
            "seeds": rung.over_baseline.seeds,
            "pays": numbers([rung.pays.value])[0],
        }
        for rung in rungs
    ]
    there = {str(point["distance"]) for point in points}
    return {"points": points, "distances": [word for word in (*DISTANCES, "unknown") if word in there]}
