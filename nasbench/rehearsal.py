"""A stand-in for training, for tests and rehearsals of the build: made-up curves that are the same bits every time.

`RehearsalTrainer` draws counts and losses from (recipe seed, cell, repeat) and takes as long as its device says: device
`rehearsal:0.02` sleeps 0.02 seconds a training. Nothing is learned; its tables are marked by their environment.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from nasbench.journal import Examples
from nasbench.recipe import Recipe
from nasbench.results import Key, Result, pack_curve
from nasbench.trainer import Watch

REHEARSAL = "nasbench.rehearsal:RehearsalTrainer"


class RehearsalTrainer:
    """Makes curves up; see `Trainer`.

    Attributes:
        environment: says that nothing was trained.
        examples: split sizes of the recipe, with digests that say the same.

    Raises:
        ValueError: the device is not `rehearsal:SECONDS`.
    """

    def __init__(self, recipe: Recipe, device: str) -> None:
        kind, _, seconds = device.partition(":")
        if kind != "rehearsal":
            raise ValueError(f"device is {device!r}, must be 'rehearsal:SECONDS' for a rehearsal")
        self.recipe = recipe
        self.seconds = float(seconds or 0)
        self.environment = {"trainer": "rehearsal", "numpy": np.__version__}
        splits = {split: (size, "made up") for split, size in recipe.split_sizes.items()}
        self.examples = Examples((1, 8, 8), 10, splits)

    def train(self, keys: Sequence[Key], epochs: int | None = None, watch: Watch | None = None) -> list[Result]:
        """Make up one group; see `Trainer.train`."""
        epochs = self.recipe.epochs if epochs is None else epochs
        time.sleep(self.seconds * len(keys))
        if watch is not None:
            for done in self.recipe.evaluated_epochs:
                if done <= epochs:
                    watch(done, [self._make_up(key, done) for key in keys])
        return [self._make_up(key, epochs) for key in keys]

    def _make_up(self, key: Key, epochs: int) -> Result:
        rng = np.random.default_rng([self.recipe.seed, *key])
        full = self.recipe.epochs
        curves = {split: np.sort(rng.integers(0, size + 1, full)) for split, size in self.recipe.split_sizes.items()}
        losses = {split: np.sort(rng.random(full, dtype=np.float32))[::-1] for split in curves}
        lost = key[0] % 13 == 5 and key[1] == 1  # some trainings diverge half-way
        if lost:
            for split in curves:
                curves[split][full // 2 :] = -1
                losses[split] = np.where(curves[split] < 0, np.float32("nan"), losses[split])
        return pack_curve(
            key,
            {split: curve[:epochs].astype(np.int32) for split, curve in curves.items()},
            {split: curve[:epochs] for split, curve in losses.items()},
            status="diverged" if lost and epochs > full // 2 else "ok",
            reason=f"made up in epoch {full // 2 + 1}" if lost and epochs > full // 2 else "",
            train_seconds=self.seconds * 0.8 * epochs / full + 1e-6,
            evaluation_seconds=self.seconds * 0.2 * epochs / full + 1e-6,
        )
