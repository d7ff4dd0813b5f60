"""Calibrated cost: what an epoch of training and a validation pass of each cell take, in seconds on a named device.

Strategies are charged these seconds, not the wall seconds that happened to be measured (design, decision 5): the same table
on any day gives the same costs. They come from a linear model of what a network's cell holds,

    seconds = sum over features of (non-negative coefficient) * (feature of the cell),

fitted to measured group times by non-negative least squares on relative errors (Lawson & Hanson 1974, ch. 23, as
`scipy.optimize.nnls`). Features: 1 (everything outside the cells), whether the cell passes anything on, each operation
at each place (applied to the cell's input, or to an inner node), and the number of additions. The fit's relative errors are
kept with the coefficients.

A coefficient file (TOML; `nasbench calibrate RECIPE`) makes rebuilt tables and live runs charge the same seconds.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from nasbench.recipe import Recipe
from nasbench.record import replace_file
from nasbench.results import GroupResult
from nasbench.space import CellSpace, cell_graph
from nasbench.table import OK

FORMAT_VERSION = 1


class CostError(ValueError):
    """A cost model that can't be fitted, read or used; the message says why."""


class FitError(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far fitted seconds are from measured ones, as fractions of the measured.

    Attributes:
        median: median of the absolute relative errors.
        percentile95: their 95th percentile.
    """

    median: float
    percentile95: float


class CostModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Coefficients of one recipe on one device.

    Attributes:
        version: `FORMAT_VERSION`.
        recipe: name of the recipe.
        recipe_digest: its digest.
        device: where the times were measured: processor or GPU, and how it was used.
        groups: number of group times that the coefficients were fitted to.
        train: seconds of one epoch of training of one network, by feature.
        validation: seconds of one pass over the validation split, by feature.
        train_error: how far off the fit of training is, over groups.
        validation_error: the same for validation passes.
    """

    version: int
    recipe: str
    recipe_digest: str
    device: str
    groups: int
    train: dict[str, float]
    validation: dict[str, float]
    train_error: FitError
    validation_error: FitError


class Measurement(msgspec.Struct, frozen=True):
    """Measured times of one group.

    Attributes:
        cells: canonical class of each member.
        train_seconds: wall seconds of one epoch of training of the whole group.
        validation_seconds: wall seconds of one validation pass of the whole group.
    """

    cells: tuple[int, ...]
    train_seconds: float
    validation_seconds: float


# What a cell holds ------------------------------------------------------------------------------------------------------


def feature_names(space: CellSpace) -> tuple[str, ...]:
    """Return the names of the features of a space's cells, in order."""
    working = [name for name in space.operations if name not in ("none", "skip_connect")]
    places = [f"{name}_on_{place}" for name in working for place in ("input", "node")]
    return ("network", "passing", *places, "additions")


def cell_features(space: CellSpace, cell: int) -> NDArray[np.float64]:
    """Return the features of a canonical cell, shape (len(feature_names(space)),)."""
    graph = cell_graph(space.canonical(space.architecture(space.classes[cell][0])))
    counts = dict.fromkeys(feature_names(space), 0)
    counts["network"] = 1
    counts["passing"] = int(bool(graph.nodes[-1]))  # nothing before a constant zero gets a gradient
    for operation, source in graph.operations:
        counts[f"{space.operations[operation]}_on_{'node' if source else 'input'}"] += 1
    counts["additions"] = sum(max(0, len(terms) - 1) for terms in graph.nodes)
    return np.array(list(counts.values()), dtype=np.float64)


# Fitting ----------------------------------------------------------------------------------------------------------------


def measurements(
    recipe: Recipe, records: Iterable[GroupResult], device: str, epochs: int | None = None
) -> list[Measurement]:
    """Take group times out of records; groups in which a training diverged are left out, since they may have ended early.

    A training of one thread on a CPU is timed by the processor seconds of its process, not by the clock: what it takes on
    an idle core, whoever else used the machine meanwhile. (Two rounds over 51 groups on a machine with a load of 3 to 5 on 2
    cores differed by up to 79 % on the clock and 18 % in processor seconds.)

    Args:
        recipe: the recipe.
        records: finished groups.
        device: `cpu` or another kind of device.
        epochs: how many epochs they were trained for; None: the recipe's.
    """
    epochs = recipe.epochs if epochs is None else epochs
    passes = len({epoch for epoch in (*recipe.evaluated_epochs, epochs) if epoch <= epochs})  # the last one always is
    share = recipe.dataset.validation / (recipe.dataset.validation + recipe.dataset.test)
    found = []
    for record in records:
        if any(result.status != OK for result in record.results):
            continue
        busy = 1.0
        if device == "cpu" and recipe.threads == 1 and record.seconds > 0:
            busy = min(1.0, record.processor_seconds / record.seconds)
        found.append(
            Measurement(
                tuple(result.cell for result in record.results),
                busy * math.fsum(result.train_seconds for result in record.results) / epochs,
                busy * math.fsum(result.evaluation_seconds for result in record.results) * share / passes,
            )
        )
    return found


def fit(recipe: Recipe, device: str, times: Sequence[Measurement]) -> CostModel:
    """Fit a cost model to measured group times. The same measurements, in whatever order, give the same model.

    Raises:
        CostError: fewer measurements than features, or a time that is not above 0.
    """
    space = recipe.cell_space
    names = feature_names(space)
    times = sorted(times, key=lambda time: (time.cells, time.train_seconds, time.validation_seconds))
    if len(times) < len(names):
        raise CostError(
            f"{len(times)} group times can't be fitted, {len(names)} features need at least as many: train more groups, "
            "or give a calibrated cost model (`nasbench calibrate`, `--cost-model`)"
        )
    features = np.array([sum(cell_features(space, cell) for cell in time.cells) for time in times])
    train, train_error = _fit(features, np.array([time.train_seconds for time in times]), "training")
    validation, validation_error = _fit(features, np.array([time.validation_seconds for time in times]), "validation")
    return CostModel(
        FORMAT_VERSION,
        recipe.name,
        recipe.digest,
        device,
        len(times),
        dict(zip(names, train, strict=True)),
        dict(zip(names, validation, strict=True)),
        train_error,
        validation_error,
    )


def _fit(features: NDArray[np.float64], seconds: NDArray[np.float64], what: str) -> tuple[list[float], FitError]:
    from scipy.optimize import nnls  # half of the start of everything that only uses a model

    if not (np.isfinite(seconds) & (seconds > 0)).all():
        raise CostError(f"{what} seconds must be above 0, got {seconds.min()}")
    coefficients, _ = nnls(features / seconds[:, None], np.ones(len(seconds)))
    coefficients[coefficients < 1e-9 * coefficients.max()] = 0.0  # rounding, not seconds
    error = np.abs(features @ coefficients / seconds - 1)
    # Seven digits are far beyond the fit's precision and keep files readable; rounding hides no libraries' last bits.
    rounded = [float(f"{coefficient:.7g}") for coefficient in coefficients]
    return rounded, FitError(_rounded(np.median(error)), _rounded(np.percentile(error, 95)))


def _rounded(value: Any) -> float:
    return float(f"{float(value):.4g}")


# Using ------------------------------------------------------------------------------------------------------------------


def check_model(model: CostModel, recipe: Recipe) -> None:
    """Check that a cost model is one of a recipe.

    Raises:
        CostError: it is another recipe's, lacks features, or would give a cell no cost.
    """
    if model.recipe_digest != recipe.digest:
        raise CostError(
            f"the cost model is of recipe {model.recipe} (digest {model.recipe_digest[:12]}), not of {recipe.name} "
            f"({recipe.digest[:12]}); make one with `nasbench calibrate {recipe.name}`"
        )
    names = feature_names(recipe.cell_space)
    for kind, coefficients in (("train", model.train), ("validation", model.validation)):
        if set(coefficients) != set(names):
            raise CostError(f"the cost model's {kind} features are {sorted(coefficients)}, must be {sorted(names)}")
        for name, value in coefficients.items():
            if not math.isfinite(value) or value < 0:
                raise CostError(f"the cost model's {kind} coefficient {name} is {value}, must be 0 or more")
        if coefficients["network"] <= 0:
            raise CostError(f"the cost model's {kind} coefficient network is 0: an empty cell would cost nothing")


def cell_seconds(model: CostModel, space: CellSpace, cell: int) -> tuple[float, float]:
    """Return (seconds of one epoch of training, seconds of one validation pass) of a canonical cell; exactly rounded sums."""
    features = dict(zip(feature_names(space), cell_features(space, cell).tolist(), strict=True))
    train, validation = (
        math.fsum(part[name] * feature for name, feature in features.items())
        for part in (model.train, model.validation)
    )
    return train, validation


def write_model(model: CostModel, path: Path) -> None:
    """Write a cost model as TOML, whole or not at all."""
    replace_file(path, model_text(model).encode())


def model_text(model: CostModel) -> str:
    """Return a cost model as TOML."""
    built = msgspec.to_builtins(model)
    tables = {name: value for name, value in built.items() if isinstance(value, dict)}
    lines = ["# Written by `nasbench calibrate`: seconds of one network, by what its cell holds (nasbench/cost.py)."]
    lines += [f"{name} = {_toml(value)}" for name, value in built.items() if name not in tables]
    for name, table in tables.items():
        lines += ["", f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in table.items())]
    return "\n".join(lines) + "\n"


def _toml(value: str | float) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return repr(value)


def read_model(path: Path) -> CostModel:
    """Read a cost model.

    Raises:
        CostError: no such file, not TOML, or not a cost model of this version.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CostError(f"cost model {path} can't be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CostError(f"cost model {path} is not TOML: {error}") from None
    if values.get("version") != FORMAT_VERSION:
        raise CostError(
            f"cost model {path} has version {values.get('version')!r}, this nasbench reads {FORMAT_VERSION}"
        )
    try:
        return msgspec.convert(values, CostModel)
    except msgspec.ValidationError as error:
        raise CostError(f"cost model {path}: {error}") from None
