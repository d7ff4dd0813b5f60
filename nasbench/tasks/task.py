"""A task: something that an optimizer trains, with every random draw fixed by a seed. Functional: initialise, loss, evaluate.

`Task.instance(seed)` is one training problem: its start, its order of batches, and where the problem itself is drawn, the problem.
All draws follow from (task name, task version, seed) and what they are for, so that optimizers are compared on the same ones,
and a longer run continues the same stream of batches.

Seeds are cut in ranges, so that what a learned optimizer was trained on is never what it is scored on: `SCORED` for reports,
`TUNING` for the choice of settings, `META_VALIDATION` and `META_TRAINING` for learned optimizers.

Where there are data there are four splits: `train` is trained on, `inner` may be looked at by an optimizer, tuning selects on
`outer`, and `test` is for the report alone. Losses are clipped to the task's ceiling, and a loss that is no number is the ceiling,
so that a training that diverges has a score (the convention of google/learned_optimization, tasks/fixed/image_mlp.py).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from torch.nn import functional

SPLITS = ("train", "inner", "outer", "test")

SCORED = range(0, 400_000)
TUNING = range(400_000, 500_000)
META_VALIDATION = range(500_000, 1_000_000)
META_TRAINING = range(1_000_000, 2**31)

EVALUATED = 500
"""Examples of a split that a loss is reported on, at most: enough for the curve, and an evaluation stays cheap beside the steps."""

Parameters = Mapping[str, torch.Tensor]
Batch = tuple[torch.Tensor, ...]
"""What a loss is computed on: (inputs, targets); empty where there are no data."""


class TaskError(ValueError):
    """A task that is not there or can't be made; the message says why and what there is."""


class Instance(Protocol):
    """One training problem.

    Attributes:
        parameter_count: number of coordinates.
        work_per_step: (forward + backward passes) x examples x parameters of one gradient.
        shares_loss: the loss is a function of parameters and batch alone, the same for all instances of the task, so that several
            instances can be computed in one vectorised call. May be left out: then it is not.
    """

    parameter_count: int
    work_per_step: int

    def initialise(self) -> dict[str, torch.Tensor]:
        """Return fresh leaf tensors that require gradients; the same values at each call."""
        ...

    def batch(self, step: int) -> Batch:
        """Return the batch of a step >= 0: a function of the seed and the step alone."""
        ...

    def loss(self, parameters: Parameters, batch: Batch) -> torch.Tensor:
        """Return the differentiable scalar loss, not clipped."""
        ...

    def evaluate(self, parameters: Parameters, splits: Sequence[str] = SPLITS) -> dict[str, float]:
        """Return `train_loss`, `inner_loss`, `outer_loss`, `test_loss`, clipped, and `*_accuracy` where there are classes."""
        ...


class Task(Protocol):
    """What is trained, for how long.

    Attributes:
        name: names the task in tables.
        family: kind of problem.
        version: rises whenever a number of the task could change.
        horizon: steps of a run.
        batch_size: examples of a step; for quadratics the number of problems.
        ceiling: largest loss that is reported.
        evaluate_every: steps between evaluations; step 0 and the last one are evaluated, too.
        digests: by split, SHA-256 over the examples; {} where there are no fixed data.
        input_digests: by split, SHA-256 over the inputs alone, whatever their shape and targets, by which tasks that share their
            images are known; {} where there are no fixed data.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - described above
    @property
    def family(self) -> str: ...  # noqa: D102
    @property
    def version(self) -> int: ...  # noqa: D102
    @property
    def horizon(self) -> int: ...  # noqa: D102
    @property
    def batch_size(self) -> int: ...  # noqa: D102
    @property
    def ceiling(self) -> float: ...  # noqa: D102
    @property
    def evaluate_every(self) -> int: ...  # noqa: D102
    @property
    def digests(self) -> Mapping[str, str]: ...  # noqa: D102
    @property
    def input_digests(self) -> Mapping[str, str]: ...  # noqa: D102

    def instance(self, seed: int) -> Instance:
        """Return the problem of a seed >= 0."""
        ...


def generator(task: str, version: int, seed: int, purpose: str, number: int = 0) -> np.random.Generator:
    """Return the generator of one purpose (`problem`, `start`, `order`), keyed by task, version, seed and a number.

    Raises:
        TaskError: the seed is negative.
    """
    if seed < 0:
        raise TaskError(f"seed is {seed}, must be at least 0")
    key = hashlib.sha256(f"{task}\0{version}\0{purpose}".encode()).digest()
    words = np.frombuffer(key, dtype=np.uint32)
    return np.random.default_rng(np.random.SeedSequence([*map(int, words), seed, number]))


def clip_loss(value: float, ceiling: float) -> float:
    """Return a loss as it is reported: at most `ceiling`, which also stands for NaN and infinity of either sign."""
    return min(value, ceiling) if math.isfinite(value) else ceiling


def normal(rng: np.random.Generator, *shape: int, deviation: float = 1.0) -> torch.Tensor:
    """Return a float32 leaf that requires gradients, drawn from N(0, deviation^2)."""
    return leaf(torch.from_numpy((rng.standard_normal(shape) * deviation).astype(np.float32)))


def uniform(rng: np.random.Generator, *shape: int, fan_in: int) -> torch.Tensor:
    """Return a float32 leaf, drawn uniformly from +-1/sqrt(fan_in), torch's default for linear and convolution layers."""
    bound = 1 / math.sqrt(fan_in)
    return leaf(torch.from_numpy(rng.uniform(-bound, bound, shape).astype(np.float32)))


def zeros(*shape: int) -> torch.Tensor:
    """Return a float32 leaf of zeros."""
    return leaf(torch.zeros(shape))


def leaf(values: torch.Tensor) -> torch.Tensor:
    """Return a tensor that requires gradients."""
    return values.detach().requires_grad_()


@dataclass(frozen=True, eq=False)
class Examples:
    """Examples of the four splits.

    Attributes:
        inputs: by split, (examples, ...).
        targets: by split, (examples, ...).
        classes: number of classes; None for a regression.
    """

    inputs: Mapping[str, torch.Tensor]
    targets: Mapping[str, torch.Tensor]
    classes: int | None

    @cached_property
    def digests(self) -> dict[str, str]:
        """SHA-256 by split over shapes, inputs and targets."""
        found = {}
        for split, inputs in self.inputs.items():
            state = hashlib.sha256(f"{inputs.dtype} {tuple(inputs.shape)}".encode())
            state.update(inputs.contiguous().numpy().tobytes())
            state.update(self.targets[split].contiguous().numpy().tobytes())
            found[split] = state.hexdigest()
        return found

    @cached_property
    def input_digests(self) -> dict[str, str]:
        """SHA-256 by split over dtype, number and values of the inputs; flattened images have that of the images."""
        found = {}
        for split, inputs in self.inputs.items():
            state = hashlib.sha256(f"{inputs.dtype} {len(inputs)}".encode())
            state.update(inputs.contiguous().numpy().tobytes())
            found[split] = state.hexdigest()
        return found


Initialise = Callable[[np.random.Generator], dict[str, torch.Tensor]]
Forward = Callable[[Parameters, torch.Tensor], torch.Tensor]
Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def cross_entropy(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the mean cross-entropy, in nats; outputs (..., classes), targets (...) int64."""
    return functional.cross_entropy(outputs.flatten(0, -2), targets.flatten())


def squared_error(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the mean squared error over examples and outputs."""
    return functional.mse_loss(outputs, targets)


@dataclass(frozen=True, eq=False)
class NetworkTask:
    """A network on examples.

    Attributes:
        name, family, version, horizon, batch_size, ceiling, evaluate_every: see `Task`.
        examples: the data, loaded when first needed.
        start: generator -> fresh parameters.
        forward: (parameters, inputs) -> outputs.
        measure: (outputs, targets) -> scalar loss.
        draw: of a task whose data are drawn with the instance: generator -> examples.
    """

    name: str
    family: str
    version: int
    horizon: int
    batch_size: int
    ceiling: float
    evaluate_every: int
    examples: Callable[[], Examples] | None
    start: Initialise
    forward: Forward
    measure: Loss = cross_entropy
    draw: Callable[[np.random.Generator], Examples] | None = None

    @property
    def digests(self) -> Mapping[str, str]:
        """SHA-256 of the splits; {} where data are drawn with the instance."""
        return {} if self.examples is None else self.examples().digests

    @property
    def input_digests(self) -> Mapping[str, str]:
        """SHA-256 of the splits' inputs; {} where data are drawn with the instance."""
        return {} if self.examples is None else self.examples().input_digests

    def instance(self, seed: int) -> NetworkInstance:
        """Return the training of a seed: its start and its order of examples."""
        return NetworkInstance(self, seed)


class NetworkInstance:
    """A network on examples, as one training: batches are taken from a new permutation in every epoch.

    The last, incomplete batch of an epoch is dropped. A batch size of at least the number of examples means all, always.
    """

    shares_loss = True

    def __init__(self, task: NetworkTask, seed: int) -> None:
        self.task = task
        self.seed = seed
        if task.examples is not None:
            self.examples = task.examples()
        else:
            assert task.draw is not None
            self.examples = task.draw(generator(task.name, task.version, seed, "problem"))
        self._start = task.start(generator(task.name, task.version, seed, "start"))
        self._epoch: tuple[int, torch.Tensor] | None = None
        self.parameter_count = sum(values.numel() for values in self._start.values())
        used = min(task.batch_size, len(self.examples.inputs["train"]))
        self.work_per_step = 2 * used * self.parameter_count

    def initialise(self) -> dict[str, torch.Tensor]:
        """Return fresh leaves, the same values at each call."""
        return {name: leaf(values.clone()) for name, values in self._start.items()}

    def batch(self, step: int) -> Batch:
        """Return inputs and targets of a step >= 0."""
        inputs, targets = self.examples.inputs["train"], self.examples.targets["train"]
        if self.task.batch_size >= len(inputs):
            return inputs, targets
        steps = len(inputs) // self.task.batch_size
        epoch, place = divmod(step, steps)
        if self._epoch is None or self._epoch[0] != epoch:
            rng = generator(self.task.name, self.task.version, self.seed, "order", epoch)
            self._epoch = (epoch, torch.from_numpy(rng.permutation(len(inputs))))
        chosen = self._epoch[1][place * self.task.batch_size : (place + 1) * self.task.batch_size]
        return inputs[chosen], targets[chosen]

    def loss(self, parameters: Parameters, batch: Batch) -> torch.Tensor:
        """Return the mean loss of a batch."""
        inputs, targets = batch
        return self.task.measure(self.task.forward(parameters, inputs), targets)

    @torch.no_grad()
    def evaluate(self, parameters: Parameters, splits: Sequence[str] = SPLITS) -> dict[str, float]:
        """Return loss (clipped) and accuracy (fraction) of splits, each as one batch of at most its first `EVALUATED` examples."""
        found = {}
        for split in splits:
            targets = self.examples.targets[split][:EVALUATED]
            outputs = self.task.forward(parameters, self.examples.inputs[split][:EVALUATED])
            found[f"{split}_loss"] = clip_loss(float(self.task.measure(outputs, targets)), self.task.ceiling)
            if self.examples.classes is not None:
                found[f"{split}_accuracy"] = float((outputs.argmax(-1) == targets).double().mean())
        return found
