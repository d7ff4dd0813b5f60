"""Train sampled rows of a table again and compare: does the table say what the pipeline does?

In the environment that a row was trained in, every count and loss of all its repeats must come out bit for bit. Elsewhere
(another processor, another version of torch) rounding differs, training amplifies it, and a training ends like one from
another seed. So there all final accuracies must be as near to the table's as so many pairs of repeats of one cell are in the
table in all but a thousandth of the cases, and the mean difference must be compatible with none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasbench.engine import Job, plain
from nasbench.groups import group_members, groups_of_cells
from nasbench.made_by import environment_of, recipe_of
from nasbench.recipe import Recipe
from nasbench.results import Result
from nasbench.table import OK, SPLITS, STATUSES, Dataset, Table, TableError
from nasbench.trainer import LIVE, Trainer
from nasbench.worker import run_group, start_trainer

JUDGED = ("validation", "test")
CHANCE = 0.001
"""Of a sound audit elsewhere to fail because one training differs too much: shared out among all its comparisons (Bonferroni), 120
for 20 rows with 3 repeats. A tolerance is never beyond the largest difference in the table, so that small tables fail more often."""
DEVIATIONS = 3.3
"""Standard errors that the mean difference may be from zero: one audit in a thousand would exceed them by chance."""


@dataclass(frozen=True)
class Comparison:
    """One training, in the table and now.

    Attributes:
        row: row of the table.
        repeat: number of the repeat.
        architecture: published string.
        same_environment: whether the row was trained in an environment like this one (code aside).
        difference: where the bits differ first, in words; empty if they don't.
        before: final accuracy in the table by split, fractions; NaN for a lost training.
        now: the same, trained now.
    """

    row: int
    repeat: int
    architecture: str
    same_environment: bool
    difference: str
    before: Mapping[str, float]
    now: Mapping[str, float]


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Attributes:
        comparisons: one for each training that was made again.
        environment: this environment.
        changes: how this environment differs from the ones that the rows were trained in; empty if it doesn't.
        tolerance: largest difference of final accuracies that is let through elsewhere, by split, fractions.
        mean_tolerance: the same for the mean difference over all trainings.
        problems: what is wrong, in words; empty: the audit is passed.
    """

    comparisons: tuple[Comparison, ...]
    environment: Mapping[str, Any]
    changes: tuple[str, ...]
    tolerance: Mapping[str, float]
    mean_tolerance: Mapping[str, float]
    problems: tuple[str, ...]

    @property
    def equal(self) -> int:
        """Number of trainings that came out bit for bit."""
        return sum(not comparison.difference for comparison in self.comparisons)

    @property
    def ok(self) -> bool:
        """Whether the audit is passed."""
        return not self.problems

    def to_text(self) -> str:
        """Return the report."""
        rows = len({comparison.row for comparison in self.comparisons})
        lines = [f"{self.equal} of {len(self.comparisons)} trainings ({rows} rows) are equal bit for bit"]
        if self.changes:
            lines.append("this environment is not the one that the table was built in: " + "; ".join(self.changes))
            for split in JUDGED:
                differences = self.differences(split)
                lines.append(
                    f"{split} accuracy: largest difference {_largest(differences):.4f} (tolerance {self.tolerance[split]:.4f}), "
                    f"mean {_mean(differences):+.5f} (tolerance {self.mean_tolerance[split]:.5f})"
                )
        lines += [f"PROBLEM: {problem}" for problem in self.problems]
        lines.append("audit passed" if self.ok else "audit NOT passed")
        return "\n".join(lines)

    def differences(self, split: str) -> NDArray[np.float64]:
        """Return final accuracy now minus in the table, shape (trainings,), without those that were lost in both."""
        return _differences(self.comparisons, split)


def audit(
    table: Table,
    sample: int,
    rng: np.random.Generator,
    *,
    dataset: str | None = None,
    root: str | Path = "",
    device: str = "cpu",
    trainer: str = LIVE,
    watch: Callable[[Comparison], None] | None = None,
) -> Audit:
    """Train rows of a table again and compare all their repeats.

    Args:
        table: a table that was built here.
        sample: number of rows, drawn without replacement.
        rng: draws them.
        dataset: name of the data set; None: the recipe's.
        root: folder of data that are read from disk.
        device: where to train.
        trainer: who trains.
        watch: is told each comparison as it is made.

    Raises:
        ValueError: a sample below 1.
        TableError: the table does not say how it was made, or its data are not those that can be had here.
    """
    if sample < 1:
        raise ValueError(f"sample is {sample}, must be at least 1")
    recipe = recipe_of(table, root)
    data = table.dataset(dataset or recipe.dataset.name)
    made = start_trainer(Job(recipe, Path(), trainer, (device,)), device)
    for split, (images, digest) in made.examples.splits.items():
        if (data.splits[split].images, data.splits[split].digest) != (images, digest):
            raise TableError(
                f"the {split} split here is not the table's: {images} examples, SHA-256 {digest[:12]}; the table has "
                f"{data.splits[split].images}, {data.splits[split].digest[:12]}"
            )
    rows = rng.choice(len(table.architectures), min(sample, len(table.architectures)), replace=False).tolist()
    found: list[Comparison] = []
    for row in rows:
        for comparison in _compare_row(table, data, recipe, made, row):
            found.append(comparison)
            if watch is not None:
                watch(comparison)
    return _judge(table, data, made, tuple(found))


def _compare_row(table: Table, data: Dataset, recipe: Recipe, made: Trainer, row: int) -> list[Comparison]:
    space = recipe.cell_space
    architecture = tuple(table.architectures[row].tolist())
    cell = int(space.class_of[space.index(architecture)])
    same = not _changes(environment_of(table, row), made.environment)
    found = []
    for group in groups_of_cells(recipe, [cell]):
        for key, result in zip(group_members(recipe, group), run_group(recipe, made, group).results, strict=True):
            if key[0] == cell:
                found.append(_compare(data, recipe, row, space.format(architecture), result, same=same))
    return found


def _compare(data: Dataset, recipe: Recipe, row: int, architecture: str, result: Result, *, same: bool) -> Comparison:
    evaluated = np.array(recipe.evaluated_epochs) - 1
    repeat = result.repeat
    difference = ""
    before, now = {}, {}
    for split in SPLITS:
        counts, losses = result.counts(split)[evaluated], result.losses(split)[evaluated]
        for kind, old, new in (
            ("count", data.correct[split][row, repeat], counts),
            ("loss", data.losses[split][row, repeat], losses),
        ):
            unequal = np.flatnonzero((old != new) & ~((old != old) & (new != new)))  # NaN equals NaN
            if len(unequal) and not difference:
                epoch = recipe.evaluated_epochs[int(unequal[0])]
                difference = f"{split} {kind} after epoch {epoch} is {new[unequal[0]]}, in the table {old[unequal[0]]}"
        images = recipe.split_sizes[split]
        before[split], now[split] = (
            float(values[-1]) / images if values[-1] >= 0 else math.nan
            for values in (data.correct[split][row, repeat], counts)
        )
    if data.status[row, repeat] != result.status and not difference:
        difference = f"status is {STATUSES[result.status]}, in the table {STATUSES[data.status[row, repeat]]}"
    return Comparison(row, repeat, architecture, same, difference, before, now)


# Judging ----------------------------------------------------------------------------------------------------------------


def _judge(table: Table, data: Dataset, made: Trainer, found: tuple[Comparison, ...]) -> Audit:
    changes = dict.fromkeys(
        change for comparison in found for change in _changes(environment_of(table, comparison.row), made.environment)
    )
    tolerance, mean_tolerance, problems = {}, {}, []
    elsewhere = [comparison for comparison in found if not comparison.same_environment]
    quantile = 1 - CHANCE / max(1, len(elsewhere) * len(JUDGED))
    for split in JUDGED:
        spread = repeat_differences(data, split)
        tolerance[split] = float(np.quantile(spread, quantile)) if len(spread) else 0.0
        deviation = math.sqrt(float(np.mean(spread**2))) if len(spread) else 0.0
        mean_tolerance[split] = DEVIATIONS * deviation / math.sqrt(max(1, len(elsewhere)))
        for comparison in elsewhere:
            difference = comparison.now[split] - comparison.before[split]
            if abs(difference) > tolerance[split] or math.isnan(comparison.now[split]) != math.isnan(
                comparison.before[split]
            ):
                problems.append(
                    f"row {comparison.row}, repeat {comparison.repeat}: final {split} accuracy is {comparison.now[split]:.4f}, "
                    f"in the table {comparison.before[split]:.4f}: further apart than repeats are"
                )
        mean = _mean(_differences(elsewhere, split))
        if abs(mean) > mean_tolerance[split]:
            problems.append(
                f"{split} accuracies differ by {mean:+.5f} in the mean, tolerance {mean_tolerance[split]:.5f}"
            )
    problems += [
        f"row {comparison.row}, repeat {comparison.repeat} ({comparison.architecture}): {comparison.difference}"
        for comparison in found
        if comparison.same_environment and comparison.difference
    ]
    return Audit(found, plain(made.environment), tuple(changes), tolerance, mean_tolerance, tuple(problems))


def repeat_differences(data: Dataset, split: str) -> NDArray[np.float64]:
    """Return |final accuracy of one repeat - that of another| for all pairs of finished repeats of all rows, fractions."""
    final = np.where(data.status == OK, data.accuracy(split)[:, :, -1], np.nan)
    one, other = np.triu_indices(final.shape[1], 1)
    differences = np.abs(final[:, one] - final[:, other]).ravel()
    return np.asarray(differences[~np.isnan(differences)])


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, ...]:
    """How environments differ; the code may change as long as the bits don't, and is not among it."""
    old, new = plain(before), plain(now)
    names = sorted({*old, *new} - {"code"})
    return tuple(f"{name}: {old.get(name)!r} -> {new.get(name)!r}" for name in names if old.get(name) != new.get(name))


def _differences(comparisons: list[Comparison] | tuple[Comparison, ...], split: str) -> NDArray[np.float64]:
    found = np.array([comparison.now[split] - comparison.before[split] for comparison in comparisons], dtype=np.float64)
    return found[~np.isnan(found)]


def _largest(values: NDArray[np.float64]) -> float:
    return float(np.abs(values).max(initial=0.0))


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else 0.0
