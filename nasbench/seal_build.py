"""From journals to a table: every training in its place, sizes by formula, calibrated costs, and what made it all."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from nasbench.cost import CostModel, cell_seconds, check_model, fit, measurements
from nasbench.groups import group_count
from nasbench.journal import Examples, Journal, JournalError
from nasbench.provenance import provenance
from nasbench.recipe import Recipe
from nasbench.results import GroupResult, Key, Merged, decode, merge
from nasbench.skeleton import multiply_adds, operation_counts, parameters
from nasbench.table import FAILED, OK, SPLITS, Dataset, Split, Table, canonical_json


@dataclass(frozen=True)
class Finished:
    """Everything that the journals of a build hold.

    Attributes:
        merged: every training once.
        records: every group once, by its number.
        examples: what the trainings were made on; None if there is none.
        environments: every environment that a record was made in, with the cells whose kept trainings were.
        damage: what the journals report as damaged, in words.
        tails: bytes that kills cut off, left out.
        journals: number of journals.
    """

    merged: Merged
    records: Mapping[int, GroupResult]
    examples: Examples | None
    environments: Sequence[tuple[Mapping[str, Any], tuple[int, ...]]]
    damage: tuple[str, ...]
    tails: int
    journals: int


def collect(recipe: Recipe, journals: Sequence[Journal]) -> Finished:
    """Merge the journals of a build.

    Args:
        recipe: the recipe; groups that were trained for fewer than its epochs (by a live run) do not count as finished.
        journals: what `read_journals` found.

    Raises:
        ConflictError: two records of one training differ.
        JournalError: journals of different data sets, or a frame that is no record.
    """
    merged = merge(journals)
    records: dict[int, GroupResult] = {}
    examples: Examples | None = None
    cells: dict[bytes, set[int]] = {}
    environments: dict[bytes, Mapping[str, Any]] = {}
    for journal in sorted(journals, key=lambda journal: journal.path.name):
        if journal.header is None or not journal.payloads:
            continue
        if examples is not None and journal.header.examples != examples:
            raise JournalError(f"{journal.path} was made with other data: {journal.header.examples}, not {examples}")
        examples = journal.header.examples
        name = canonical_json(journal.header.environment)
        environments[name] = journal.header.environment
        cells.setdefault(name, set())
        for payload in journal.payloads:
            record = decode(payload)
            whole = all(result.epochs == recipe.epochs for result in record.results)
            if whole and record.group not in records:
                records[record.group] = record
                cells[name].update(result.cell for result in record.results)
    return Finished(
        merged,
        records,
        examples,
        [(environments[name], tuple(sorted(found))) for name, found in cells.items()],
        tuple(str(damage) for journal in journals for damage in journal.damage),
        sum(journal.tail for journal in journals),
        len(journals),
    )


def own_cost_model(recipe: Recipe, finished: Finished) -> CostModel:
    """Fit a cost model to a build's own times.

    Raises:
        CostError: too few groups.
    """
    environment = max(finished.environments, key=lambda entry: len(entry[1]))[0]
    kind = str(environment.get("device", "unknown"))
    times = measurements(recipe, finished.records.values(), kind)
    return fit(recipe, device_name(environment), times)


def device_name(environment: Mapping[str, Any]) -> str:
    """Return the device of an environment in words."""
    kind = environment.get("device", "unknown")
    if kind == "cpu":
        threads = environment.get("threads", 1)
        return (
            f"one core of {environment.get('processor')}"
            if threads == 1
            else f"{threads} threads of {environment.get('processor')}"
        )
    return str(environment.get("gpu", kind))


def make_table(
    recipe: Recipe,
    finished: Finished,
    cost: CostModel,
    *,
    cells: Sequence[int] | None = None,
    failed: Mapping[Key, str] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Table:
    """Put all trainings in their places.

    Args:
        recipe: the recipe.
        finished: the results.
        cost: the calibrated cost.
        cells: canonical classes that the table is of; None: all.
        failed: why trainings failed that are in no journal.
        metadata: entries to add to the table's metadata, such as a licence.

    Returns:
        A table with one row for each cell, in the order of their numbers. The results in it depend on the recipe alone, not on
        how often, where and in which order the build ran.

    Raises:
        ValueError: a training is neither finished nor failed.
        CostError: the cost model is another recipe's.
    """
    check_model(cost, recipe)
    space = recipe.cell_space
    chosen = sorted(set(range(len(space.classes)) if cells is None else cells))
    if finished.examples is None:
        raise ValueError("no training is finished: nothing to make a table of")
    row_of_class = np.full(len(space.classes), -1, dtype=np.int32)
    row_of_class[chosen] = np.arange(len(chosen), dtype=np.int32)
    architectures = [space.architecture(space.classes[cell][0]) for cell in chosen]
    data = _dataset(recipe, finished, finished.examples, cost, chosen, failed or {})
    return Table(
        space,
        np.array(architectures, dtype=np.uint8),
        row_of_class[space.class_of],
        {data.name: data},
        _metadata(recipe, finished, cost, chosen) | dict(metadata or {}),
    )


def _dataset(
    recipe: Recipe,
    finished: Finished,
    examples: Examples,
    cost: CostModel,
    chosen: Sequence[int],
    failed: Mapping[Key, str],
) -> Dataset:
    space = recipe.cell_space
    evaluated = np.array(recipe.evaluated_epochs) - 1
    shape = (len(chosen), recipe.repeats, len(evaluated))
    correct = {split: np.full(shape, -1, dtype=np.int32) for split in SPLITS}
    losses = {split: np.full(shape, np.nan, dtype=np.float32) for split in SPLITS}
    status = np.full(shape[:2], FAILED, dtype=np.uint8)
    measured = np.full(shape[:2], np.nan, dtype=np.float32)
    reasons: dict[str, str] = {}
    for row, cell in enumerate(chosen):
        for repeat in range(recipe.repeats):
            result = finished.merged.results.get((cell, repeat))
            if result is None:
                if (cell, repeat) not in failed:
                    raise ValueError(
                        f"cell {cell}, repeat {repeat} is neither finished nor failed: the build is not done"
                    )
                reasons[f"{row}/{repeat}"] = failed[cell, repeat]
                continue
            status[row, repeat] = result.status
            measured[row, repeat] = result.seconds
            if result.status != OK:
                reasons[f"{row}/{repeat}"] = result.reason
            for split in SPLITS:
                correct[split][row, repeat] = result.counts(split)[evaluated]
                losses[split][row, repeat] = result.losses(split)[evaluated]
    seconds = np.array([cell_seconds(cost, space, cell) for cell in chosen], dtype=np.float64)
    sizes = network_sizes(recipe, examples, chosen)
    return Dataset(
        name=recipe.dataset.name,
        epochs=recipe.evaluated_epochs,
        splits={split: Split(*examples.splits[split]) for split in SPLITS},
        correct=correct,
        accuracies={},
        losses=losses,
        status=status,
        train_seconds=seconds[:, 0],
        validation_seconds=seconds[:, 1],
        measured_seconds=measured,
        parameters=sizes[:, 0],
        multiply_adds=sizes[:, 1],
        reasons=reasons,
    )


def network_sizes(recipe: Recipe, examples: Examples, chosen: Sequence[int]) -> NDArray[np.int64]:
    """Return trainable parameters and multiply-adds of each cell's network, shape (cells, 2)."""
    space = recipe.cell_space
    skeleton = recipe.build_skeleton(examples.input_shape, examples.classes)
    counts = [operation_counts(space, space.architecture(space.classes[cell][0])) for cell in chosen]
    return np.array([(parameters(skeleton, count), multiply_adds(skeleton, count)) for count in counts], dtype=np.int64)


def _metadata(recipe: Recipe, finished: Finished, cost: CostModel, chosen: Sequence[int]) -> dict[str, Any]:
    records = finished.records.values()
    row = {cell: number for number, cell in enumerate(chosen)}
    # Without the path of the builder's data, which no digest holds either.
    portable = msgspec.structs.replace(recipe, dataset=msgspec.structs.replace(recipe.dataset, root=""))
    return {
        "title": f"{recipe.space} on {recipe.dataset.name}: {len(chosen)} cells, {recipe.repeats} repeats, {recipe.epochs} epochs",
        "rows": "one row for each canonical class",
        "device": cost.device,
        "recipe": msgspec.to_builtins(portable),
        "recipe_digest": recipe.digest,
        "cost_model": msgspec.to_builtins(cost),
        "environments": [
            {"environment": dict(environment), "rows": ranges([row[cell] for cell in cells if cell in row])}
            for environment, cells in finished.environments
            if any(cell in row for cell in cells)
        ],
        "build": {
            "groups": len(finished.records),
            "groups_planned": group_count(recipe),
            "seconds": round(math.fsum(record.seconds for record in records), 1),
            "processor_seconds": round(math.fsum(record.processor_seconds for record in records), 1),
            "began": _time(min((record.started for record in records), default=0.0)),
            "ended": _time(max((record.started + record.seconds for record in records), default=0.0)),
            "journals": finished.journals,
            "trained_twice": len(finished.merged.doubled),
            "damage": list(finished.damage),
        },
        "provenance": provenance(),
    }


def _time(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="seconds")


def ranges(numbers: Iterable[int]) -> str:
    """Return ascending integers as text.

    Example:
        >>> ranges([0, 1, 2, 7, 9, 10])
        '0-2,7,9-10'
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
