"""The recipe: everything that decides what one training is, read from TOML, with strict errors and a digest.

Two trainings of one architecture and one repeat are the same training exactly when their recipes have the same digest and
their data sets the same digests. A recipe holds values only; `pipeline.py` carries it out. This module knows no torch, so
that records and tables can read recipes without it.
"""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import msgspec

from nasbench.skeleton import Skeleton
from nasbench.space import CellSpace, SpaceError, space_by_name


class RecipeError(ValueError):
    """A recipe that can't be read or carried out; the message names the file, the key, the value and what is allowed."""


class SkeletonRecipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The macro skeleton apart from what the data set decides; the fields are those of `nasbench.skeleton.Skeleton`."""

    channels: int = 16
    stages: int = 3
    cells: int = 5
    stem: Literal["conv3x3", "conv1x1"] = "conv3x3"
    downsample: Literal["residual", "pool"] = "residual"


class DatasetRecipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which examples are learned from and judged on.

    Attributes:
        name: one of `nasbench.dataset.DATASETS`.
        train: number of training examples.
        validation: number of validation examples, which strategies are told about.
        test: number of test examples, which only the scorer reads.
        seed: seed of the fixed permutation that splits the examples, and of the generator of made data.
        root: folder of data that are read from disk; "" for data that a package makes or carries. Not part of the digest:
            the data set's own digests say what was read.
        size: height and width that a user's own images are resized to (`folder` only); 0 elsewhere.
    """

    name: str
    train: int
    validation: int
    test: int
    seed: int = 0
    root: str = ""
    size: int = 0


class OptimizerRecipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Stochastic gradient descent with momentum; weight decay is added to the gradient of every parameter.

    Attributes:
        learning_rate: of the first step.
        momentum: in [0, 1).
        nesterov: Nesterov's form of the momentum.
        weight_decay: coefficient of the squared norm's gradient.
        schedule: `cosine`: learning_rate * (1 + cos(pi * step / steps)) / 2, per step, to 0; `constant`.
    """

    learning_rate: float = 0.1
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 5e-4
    schedule: Literal["cosine", "constant"] = "cosine"


class AugmentationRecipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Random changes of training examples.

    Attributes:
        crop_padding: pad by this many zeros on each side, then crop to the old size at a uniform place; on signals along the
            width only, which is a random shift.
        flip: mirror left to right with probability 1/2.
    """

    crop_padding: int = 0
    flip: bool = False


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A fixed training pipeline.

    Attributes:
        name: what tables, records and the command line call the recipe.
        version: rises whenever a value changes.
        space: name of the search space in `nasbench.space.SPACES`.
        dataset: the examples.
        skeleton: the network around the cell.
        epochs: passes over the training examples; the schedule is laid out for this many.
        batch_size: examples per step; the last, incomplete batch of an epoch is dropped.
        optimizer: how weights are changed.
        augmentation: how training examples are changed.
        seed: the number that, with cell and repeat, all random draws of a training are derived from.
        repeats: trainings of every cell with different seeds.
        group: number of trainings that are carried out at once as one fused network. Rounding depends on it, so it is part
            of the recipe. A multiple of `repeats`, or a divisor.
        precision: `float32`, `float64` (for checks), or automatic mixed precision with a 16-bit type.
        channels_last: memory layout of images and activations; the values differ by rounding.
        threads: CPU threads of one training process; rounding depends on it.
        evaluate_every: epochs between evaluations; the last epoch is always evaluated.
        evaluation_batch: examples per evaluation batch.
    """

    name: str
    version: int
    space: str
    dataset: DatasetRecipe
    skeleton: SkeletonRecipe
    epochs: int
    batch_size: int
    optimizer: OptimizerRecipe = OptimizerRecipe()
    augmentation: AugmentationRecipe = AugmentationRecipe()
    seed: int = 0
    repeats: int = 3
    group: int = 3
    precision: Literal["float32", "float64", "amp-bfloat16", "amp-float16"] = "float32"
    channels_last: bool = True
    threads: int = 1
    evaluate_every: int = 1
    evaluation_batch: int = 250

    @property
    def digest(self) -> str:
        """SHA-256 over the canonical JSON of all values that are not the default, as 64 hexadecimal digits.

        `dataset.root` does not count. Since a default is left out, a field that a later version adds changes no digest as long
        as its default means what was done before; so the default of a field that exists never changes.
        """
        portable = msgspec.structs.replace(self, dataset=msgspec.structs.replace(self.dataset, root=""))
        return hashlib.sha256(msgspec.json.encode(_chosen(portable), order="sorted")).hexdigest()

    @property
    def cell_space(self) -> CellSpace:
        """The search space."""
        return space_by_name(self.space)

    @property
    def steps_per_epoch(self) -> int:
        """Number of complete batches in the training split."""
        return self.dataset.train // self.batch_size

    @property
    def evaluated_epochs(self) -> tuple[int, ...]:
        """Numbers of epochs after which validation and test are evaluated, ascending; the last one is `epochs`."""
        return tuple(
            epoch for epoch in range(1, self.epochs + 1) if epoch % self.evaluate_every == 0 or epoch == self.epochs
        )

    @property
    def split_sizes(self) -> dict[str, int]:
        """Number of examples that the counts of each split refer to; for `train` those of the epoch's complete batches."""
        return {
            "train": self.steps_per_epoch * self.batch_size,
            "validation": self.dataset.validation,
            "test": self.dataset.test,
        }

    def build_skeleton(self, input_shape: tuple[int, int, int], classes: int) -> Skeleton:
        """Return the skeleton for examples of this shape, (channels, height, width).

        Raises:
            ValueError: the size can't be halved between the stages.
        """
        return Skeleton(
            input_shape,
            classes,
            self.skeleton.channels,
            self.skeleton.stages,
            self.skeleton.cells,
            self.skeleton.stem,
            self.skeleton.downsample,
        )


def load_recipe(source: str | Path) -> Recipe:
    """Read a recipe.

    Args:
        source: a path that ends in `.toml`, or the name of a shipped recipe such as `mnist1d`.

    Raises:
        RecipeError: no such recipe, not TOML, an unknown or missing key, a value of the wrong type or out of range.
    """
    if str(source).endswith(".toml"):
        path = Path(source)
        if not path.is_file():
            raise RecipeError(f"no recipe file {path}; shipped recipes are {list(recipe_names())}")
        return parse_recipe(path.read_bytes(), str(source))
    if str(source) not in recipe_names():
        raise RecipeError(
            f"unknown recipe {str(source)!r}; there are {list(recipe_names())}, or give a path that ends in .toml"
        )
    return parse_recipe((resources.files("nasbench.recipes") / f"{source}.toml").read_bytes(), f"recipe {source}")


def recipe_names() -> tuple[str, ...]:
    """Return the names of the shipped recipes, sorted."""
    files = resources.files("nasbench.recipes").iterdir()
    return tuple(sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml")))


def parse_recipe(content: bytes | str, where: str) -> Recipe:
    """Read a recipe from TOML text; `where` names it in errors.

    Raises:
        RecipeError: see `load_recipe`.
    """
    try:
        recipe = msgspec.toml.decode(content, type=Recipe)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise RecipeError(f"{where}: {error}") from None
    check_recipe(recipe, where)
    return recipe


def check_recipe(recipe: Recipe, where: str) -> None:
    """Check the ranges of all values.

    Raises:
        RecipeError: a value out of range; `where` names the recipe in the message.
    """

    def require(condition: bool, key: str, value: Any, allowed: str) -> None:
        if not condition:
            raise RecipeError(f"{where}: {key} is {value!r}, must be {allowed}")

    try:
        space_by_name(recipe.space)
    except SpaceError as error:
        raise RecipeError(f"{where}: space: {error}") from None
    counts = ("version", "epochs", "batch_size", "repeats", "group", "threads", "evaluate_every", "evaluation_batch")
    for key in counts:
        require(getattr(recipe, key) >= 1, key, getattr(recipe, key), "at least 1")
    for key in ("train", "validation", "test"):
        require(getattr(recipe.dataset, key) >= 1, f"dataset.{key}", getattr(recipe.dataset, key), "at least 1")
    for key in ("channels", "stages", "cells"):
        require(getattr(recipe.skeleton, key) >= 1, f"skeleton.{key}", getattr(recipe.skeleton, key), "at least 1")
    require(recipe.dataset.seed >= 0, "dataset.seed", recipe.dataset.seed, "at least 0")
    require(recipe.dataset.size >= 0, "dataset.size", recipe.dataset.size, "at least 0")
    require(recipe.seed >= 0, "seed", recipe.seed, "at least 0")
    require(
        recipe.batch_size <= recipe.dataset.train,
        "batch_size",
        recipe.batch_size,
        f"at most dataset.train, {recipe.dataset.train}",
    )
    require(
        recipe.group % recipe.repeats == 0 or recipe.repeats % recipe.group == 0,
        "group",
        recipe.group,
        f"a multiple or a divisor of repeats, {recipe.repeats}",
    )
    optimizer = recipe.optimizer
    require(optimizer.learning_rate > 0, "optimizer.learning_rate", optimizer.learning_rate, "above 0")
    require(0 <= optimizer.momentum < 1, "optimizer.momentum", optimizer.momentum, "in [0, 1)")
    require(optimizer.weight_decay >= 0, "optimizer.weight_decay", optimizer.weight_decay, "at least 0")
    padding = recipe.augmentation.crop_padding
    require(padding >= 0, "augmentation.crop_padding", padding, "at least 0")


def _chosen(values: msgspec.Struct) -> dict[str, Any]:
    """Return the fields of a struct that differ from their defaults; structs inside as such dictionaries, unless empty."""
    chosen = {}
    for field in msgspec.structs.fields(type(values)):
        value = getattr(values, field.name)
        if isinstance(value, msgspec.Struct):
            value = _chosen(value) or field.default
        if value != field.default:
            chosen[field.encode_name] = value
    return chosen
