"""Training batches of several members: each member has its own order of the examples and its own augmentation.

All random numbers of an epoch are drawn at its start, on the CPU, from numpy generators that belong to one member: they
depend neither on the device nor on who is trained beside it. Cropping and flipping happen on the device, in the one gather
that fetches a batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from nasbench.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Streams:
    """The random generators of one training, one for each purpose, so that none depends on how much another has drawn."""

    weights: np.random.Generator
    order: np.random.Generator
    augmentation: np.random.Generator


def member_streams(recipe: Recipe, index: int, repeat: int) -> Streams:
    """Return the generators of one training.

    Args:
        recipe: its `seed` is the entropy.
        index: number of the smallest architecture of the class, so that all members of a class get the same training.
        repeat: number of the repeat.
    """
    seeds = np.random.SeedSequence(recipe.seed, spawn_key=(index, repeat)).spawn(3)
    return Streams(*(np.random.default_rng(seed) for seed in seeds))


class Batches:
    """The training split as an endless sequence of epochs of fused batches.

    Args:
        inputs: float (examples, channels, height, width).
        labels: int64 (examples,).
        recipe: batch size, augmentation and memory layout.
        streams: one for each member; only `order` and `augmentation` are drawn from.
    """

    def __init__(self, inputs: torch.Tensor, labels: torch.Tensor, recipe: Recipe, streams: Sequence[Streams]) -> None:
        self.labels = labels
        self.recipe = recipe
        self.streams = streams
        self.shape = inputs.shape[1:]
        padding = recipe.augmentation.crop_padding
        self.padding = (padding if inputs.shape[2] > 1 else 0, padding)  # (height, width)
        self.augmented = bool(padding or recipe.augmentation.flip)
        vertical, horizontal = self.padding
        self.inputs = functional.pad(inputs, (horizontal, horizontal, vertical, vertical)) if padding else inputs

    def epoch(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield the batches of the next epoch.

        Yields:
            inputs (batch, members * channels, height, width) and labels (members, batch).
        """
        used = self.recipe.split_sizes["train"]
        device = self.inputs.device
        order = np.stack([stream.order.permutation(len(self.labels))[:used] for stream in self.streams])
        chosen = torch.from_numpy(order).to(device)  # (members, used)
        labels = self.labels[chosen]
        rows, columns = self._places(used) if self.augmented else (None, None)
        for start in range(0, used, self.recipe.batch_size):
            batch = slice(start, start + self.recipe.batch_size)
            if rows is None or columns is None:
                inputs = self.inputs[chosen[:, batch].T]  # (batch, members, channels, height, width)
            else:
                index = chosen[:, batch].T[:, :, None, None]
                inputs = self.inputs[index, :, rows[:, batch].transpose(0, 1), columns[:, batch].transpose(0, 1)]
                inputs = inputs.permute(0, 1, 4, 2, 3)  # the gather puts channels last
            inputs = inputs.flatten(1, 2)
            if self.recipe.channels_last:
                inputs = inputs.contiguous(memory_format=torch.channels_last)
            yield inputs, labels[:, batch]

    def _places(self, used: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw where in the padded example each row and column of an augmented one comes from.

        Returns:
            rows (members, used, height, 1) and columns (members, used, 1, width), int64.
        """
        _, height, width = self.shape
        vertical, horizontal = self.padding
        rows, columns = [], []
        for stream in self.streams:
            top = stream.augmentation.integers(0, 2 * vertical + 1, (used, 1, 1))
            left = stream.augmentation.integers(0, 2 * horizontal + 1, (used, 1, 1))
            across = np.broadcast_to(np.arange(width), (used, 1, width))
            if self.recipe.augmentation.flip:
                mirrored = stream.augmentation.random((used, 1, 1)) < 0.5
                across = np.where(mirrored, width - 1 - across, across)
            rows.append(top + np.arange(height)[:, None])
            columns.append(left + across)
        device = self.inputs.device
        return torch.from_numpy(np.stack(rows)).to(device), torch.from_numpy(np.stack(columns)).to(device)
