"""The fixed training pipeline: trains a group of networks from seeds by a recipe and returns their learning curves.

A training is an architecture and the number of a repeat. Its random draws (weights, order of the examples, augmentation) are
derived from the recipe's seed, the class of the architecture and the repeat, and from nothing else: not from the group,
the worker, the order or the time. The trainings of a group are carried out as one fused network (`network.py`). Beyond
rounding, a result does not depend on its group; its bits do, and on the number of threads, so that a recipe fixes both;
`groups.py` says which trainings are a group.

What a curve holds. Validation and test: the network at the end of the epoch, in evaluation mode (running statistics), on all
examples of the split. Train: the sum over the epoch's batches, each in training mode (batch statistics, augmented) before
its step; that is what training itself computes, and costs nothing more.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from nasbench.batches import Batches, member_streams
from nasbench.dataset import SPLITS, Dataset
from nasbench.descent import Descent
from nasbench.network import Network
from nasbench.recipe import Recipe
from nasbench.space import Architecture


class PipelineError(ValueError):
    """A training that can't be carried out as asked; the message names the value and what is allowed."""


@dataclass(frozen=True, slots=True)
class Training:
    """One training: `architecture` from the seeds of `repeat`, counted from 0."""

    architecture: Architecture
    repeat: int


@dataclass(frozen=True, eq=False, slots=True)
class Curve:
    """What became of one training.

    Attributes:
        training: which one.
        correct: by split, int32 (epochs,), correct answers among `recipe.split_sizes[split]`; -1 where not evaluated, and from
            the epoch on in which the training diverged.
        loss: by split, float32 (epochs,), mean cross-entropy in nats; NaN where `correct` is -1.
        status: `diverged` if a loss was not finite.
        reason: why a training diverged, or "".
        train_seconds: wall seconds of training, the group's divided by its size.
        evaluation_seconds: the same for evaluation on validation and test.
    """

    training: Training
    correct: dict[str, NDArray[np.int32]]
    loss: dict[str, NDArray[np.float32]]
    status: Literal["ok", "diverged"]
    reason: str
    train_seconds: float
    evaluation_seconds: float


def configure_process(recipe: Recipe, device: torch.device | str = "cpu") -> None:
    """Set what belongs to a whole process that trains by this recipe; call it once, before anything is trained.

    Sets the number of threads, on Linux tells the allocator to keep freed memory (a fifth of the time of small networks is
    otherwise spent on page faults; no bit depends on it), and for CUDA the workspace that deterministic algorithms need.
    """
    torch.set_num_threads(recipe.threads)
    if torch.device(device).type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # another C library: nothing to tune
            mallopt = ctypes.CDLL(None).mallopt
            mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD: no mapping of its own for an allocation
            mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD: give nothing back
            mallopt(-2, 64 << 20)  # M_TOP_PAD: grow in large steps


def train_group(
    trainings: Sequence[Training],
    recipe: Recipe,
    dataset: Dataset,
    epochs: int | None = None,
    watch: Callable[[int, list[Curve]], None] | None = None,
) -> list[Curve]:
    """Carry out trainings as one fused network on the data set's device.

    No global generator is used or changed; the same call gives the same bits in any process with the same environment.

    Args:
        trainings: the members; for the bits of a table, exactly a group of `groups.py`, in its order.
        recipe: how to train.
        dataset: `load_dataset(recipe.dataset)`.
        epochs: stop after this many epochs, as a training that may go on would: the curve is the beginning of the full one.
        watch: is told, after every epoch that is evaluated, how many epochs are done and the curves so far.

    Returns:
        One curve for each training, of length `epochs`.

    Raises:
        PipelineError: no trainings, epochs out of range, a data set of other sizes than the recipe's, or another number of
            threads than the recipe's (call `configure_process`).
        SpaceError: an architecture that is not in the recipe's space.
    """
    epochs = recipe.epochs if epochs is None else epochs
    _check(trainings, recipe, dataset, epochs)
    space = recipe.cell_space
    architectures = [space.check(training.architecture) for training in trainings]
    firsts = [space.classes[space.class_of[space.index(architecture)]][0] for architecture in architectures]
    streams = [
        member_streams(recipe, first, training.repeat) for first, training in zip(firsts, trainings, strict=True)
    ]
    record = _Record(len(trainings), epochs)
    with deterministic():
        skeleton = recipe.build_skeleton(dataset.input_shape, dataset.classes)
        network = Network(space, architectures, skeleton, channels_last=recipe.channels_last)
        network.to(dataset.device, torch.float64 if recipe.precision == "float64" else torch.float32)
        network.initialise([stream.weights for stream in streams])
        descent = Descent(network, recipe)
        inputs = {split: dataset.inputs[split].to(descent.weights.dtype) for split in SPLITS}
        batches = Batches(inputs["train"], dataset.labels["train"], recipe, streams)
        judged = Evaluation(inputs, dataset.labels, recipe)
        for epoch in range(epochs):
            started = time.perf_counter()
            record.add("train", epoch, *train_epoch(network, descent, batches, recipe, epoch))
            record.train_seconds += time.perf_counter() - started
            if epoch + 1 in recipe.evaluated_epochs or epoch + 1 == epochs:
                started = time.perf_counter()
                for split, found in judged(network).items():
                    record.add(split, epoch, *found)
                record.evaluation_seconds += time.perf_counter() - started
                if watch is not None:
                    watch(epoch + 1, record.curves(trainings))
            if record.all_diverged:
                break
    return record.curves(trainings)


def train_epoch(
    network: Network, descent: Descent, batches: Batches, recipe: Recipe, epoch: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Train for one epoch.

    Returns:
        Correct answers (members,) and mean loss (members,) over the epoch's batches, each before its step.
    """
    network.train()
    first = epoch * recipe.steps_per_epoch
    losses, correct = [], []
    for step, (inputs, labels) in enumerate(batches.epoch(), start=first):
        with autocast(recipe, inputs.device):
            logits = network(inputs)
        each = _cross_entropy(logits, labels)  # (members, batch)
        loss = each.mean(1)
        descent.step(loss, step)
        losses.append(loss.detach())
        correct.append((logits.detach().argmax(2) == labels).sum(1))
    return torch.stack(correct).sum(0).cpu().numpy(), torch.stack(losses).double().mean(0).cpu().numpy()


class Evaluation:
    """Validation and test examples, ready to be put through networks in one pass.

    Args:
        inputs: by split, (examples, channels, height, width).
        labels: by split, (examples,).
        recipe: batch size, precision and memory layout.
    """

    def __init__(self, inputs: dict[str, torch.Tensor], labels: dict[str, torch.Tensor], recipe: Recipe) -> None:
        self.recipe = recipe
        self.sizes = {split: len(labels[split]) for split in ("validation", "test")}
        joined = torch.cat([inputs[split] for split in self.sizes])
        self.inputs = joined.contiguous(memory_format=torch.channels_last) if recipe.channels_last else joined
        self.labels = torch.cat([labels[split] for split in self.sizes])

    def __call__(self, network: Network) -> dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]]:
        """Return correct answers (members,) and mean loss (members,) of each split, in evaluation mode."""
        network.eval()
        network.fold()
        try:
            with torch.inference_mode(), autocast(self.recipe, self.inputs.device):
                logits = torch.cat(
                    [network(batch) for batch in torch.split(self.inputs, self.recipe.evaluation_batch)], 1
                )
        finally:
            network.unfold()
        labels = self.labels.expand(network.members, -1)
        sizes = list(self.sizes.values())
        correct = torch.split(logits.argmax(2) == labels, sizes, 1)
        losses = torch.split(_cross_entropy(logits, labels).double(), sizes, 1)
        return {
            split: (hits.sum(1).cpu().numpy(), loss.mean(1).cpu().numpy())
            for split, hits, loss in zip(self.sizes, correct, losses, strict=True)
        }


@contextlib.contextmanager
def deterministic() -> Iterator[None]:
    """Ask torch for deterministic algorithms and full float32 products; afterwards everything is as it was."""
    # Not `torch.use_deterministic_algorithms`: the same switch, but it imports the compiler, 3 seconds in every new process.
    algorithms = torch.get_deterministic_debug_mode()
    memory: Any = torch.utils.deterministic
    fill = memory.fill_uninitialized_memory
    cudnn = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
    matmul = torch.backends.cuda.matmul.allow_tf32
    try:
        torch.set_deterministic_debug_mode("error")
        memory.fill_uninitialized_memory = False  # nothing here reads what it has not written
        torch.backends.cuda.matmul.allow_tf32 = False
        with cudnn:
            yield
    finally:
        torch.set_deterministic_debug_mode(algorithms)
        memory.fill_uninitialized_memory = fill
        torch.backends.cuda.matmul.allow_tf32 = matmul


def autocast(recipe: Recipe, device: torch.device) -> torch.autocast:
    """Return the recipe's mixed-precision context; it does nothing for float32 and float64."""
    dtype = torch.float16 if recipe.precision == "amp-float16" else torch.bfloat16
    return torch.autocast(device.type, dtype, enabled=recipe.precision.startswith("amp"))


def _cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the loss of each example, (members, examples), from logits (members, examples, classes), at least in float32."""
    logits = logits if logits.dtype == torch.float64 else logits.float()
    return functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none").view(labels.shape)


def _check(trainings: Sequence[Training], recipe: Recipe, dataset: Dataset, epochs: int) -> None:
    if not trainings:
        raise PipelineError("no trainings; a group has at least one")
    for training in trainings:
        if training.repeat < 0:
            raise PipelineError(f"repeat is {training.repeat}, must be at least 0")
    if not 1 <= epochs <= recipe.epochs:
        raise PipelineError(f"epochs is {epochs}, must be in 1..{recipe.epochs} for recipe {recipe.name}")
    for split in SPLITS:
        wanted, found = getattr(recipe.dataset, split), len(dataset.labels[split])
        if wanted != found:
            raise PipelineError(f"the data set has {found} {split} examples, recipe {recipe.name} says {wanted}")
    if dataset.device.type == "cpu" and torch.get_num_threads() != recipe.threads:
        raise PipelineError(
            f"torch uses {torch.get_num_threads()} threads, recipe {recipe.name} says {recipe.threads}, and results depend on "
            "it; call configure_process(recipe) first"
        )


class _Record:
    """The curves of a group as they grow."""

    def __init__(self, members: int, epochs: int) -> None:
        self.correct = {split: np.full((members, epochs), -1, dtype=np.int32) for split in SPLITS}
        self.loss = {split: np.full((members, epochs), np.nan, dtype=np.float32) for split in SPLITS}
        self.reasons = [""] * members
        self.train_seconds = 0.0
        self.evaluation_seconds = 0.0

    @property
    def all_diverged(self) -> bool:
        return all(self.reasons)

    def add(self, split: str, epoch: int, correct: NDArray[np.int64], loss: NDArray[np.float64]) -> None:
        for member, reason in enumerate(self.reasons):
            if not reason and not np.isfinite(loss[member]):
                self.reasons[member] = f"{split} loss is {loss[member]} in epoch {epoch + 1}"
                for array in self.correct.values():
                    array[member, epoch] = -1
                for values in self.loss.values():
                    values[member, epoch] = np.nan
            if not self.reasons[member]:
                self.correct[split][member, epoch] = correct[member]
                self.loss[split][member, epoch] = loss[member]

    def curves(self, trainings: Sequence[Training]) -> list[Curve]:
        return [
            Curve(
                training,
                {split: array[member] for split, array in self.correct.items()},
                {split: array[member] for split, array in self.loss.items()},
                "diverged" if self.reasons[member] else "ok",
                self.reasons[member],
                self.train_seconds / len(trainings),
                self.evaluation_seconds / len(trainings),
            )
            for member, training in enumerate(trainings)
        ]
