"""Ten-dimensional quadratics f(x) = |W x - y|^2: Andrychowicz et al., NeurIPS 2016, arXiv:1606.04474, section 3.1.

An instance is a batch of 128 problems that are optimised at once; its loss is their mean, so a gradient is 1/128 of that of a
problem. `quadratic-uniform` is what DeepMind released (google-deepmind/learning-to-learn, problems.py): W and y from U(0, 1), start from
N(0, 0.01^2). `quadratic-gaussian` is what the paper says: W and y from N(0, 1); the start, which it does not give, is the same.

Parameters are one flat vector: the problems of a batch have nothing to do with each other, so that a rule that looks at the shape of a
tensor must not see a matrix of them (in version 1 Muon orthogonalised across the problems). Coordinatewise rules see no difference.

There are no data, so the four splits are the same number: a seed is the split, and seeds for scores, tuning and meta-training are
apart (`task.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from nasbench.tasks.task import SPLITS, Batch, Parameters, clip_loss, generator, leaf, normal

DIMENSIONS = 10
CEILING = 100.0
"""Ten times the expected loss of the Gaussian problems at their start (10); of the uniform ones it is 10/3."""


@dataclass(frozen=True)
class QuadraticTask:
    """A family of quadratics; the attributes are those of `Task`, `batch_size` being the number of problems."""

    name: str
    distribution: Literal["uniform", "gaussian"]
    family: str = "quadratic"
    version: int = 2
    horizon: int = 100
    batch_size: int = 128
    ceiling: float = CEILING
    evaluate_every: int = 1

    @property
    def digests(self) -> Mapping[str, str]:
        """No fixed data."""
        return {}

    @property
    def input_digests(self) -> Mapping[str, str]:
        """No fixed data."""
        return {}

    def instance(self, seed: int) -> QuadraticInstance:
        """Return the problems of a seed."""
        return QuadraticInstance(self, seed)


class QuadraticInstance:
    """128 quadratics; parameters are {"x": (problems x 10,)}, problem by problem."""

    def __init__(self, task: QuadraticTask, seed: int) -> None:
        self.task = task
        rng = generator(task.name, task.version, seed, "problem")
        draw = rng.random if task.distribution == "uniform" else rng.standard_normal
        self.matrix = torch.from_numpy(draw((task.batch_size, DIMENSIONS, DIMENSIONS)).astype(np.float32))
        self.offset = torch.from_numpy(draw((task.batch_size, DIMENSIONS)).astype(np.float32))
        start = generator(task.name, task.version, seed, "start")
        self._start = normal(start, task.batch_size * DIMENSIONS, deviation=0.01).detach()
        self.parameter_count = self._start.numel()
        # Each of the problems is one example of ten parameters.
        self.work_per_step = 2 * task.batch_size * DIMENSIONS

    def initialise(self) -> dict[str, torch.Tensor]:
        """Return a fresh leaf."""
        return {"x": leaf(self._start.clone())}

    def batch(self, step: int) -> Batch:
        """Return the empty batch: the problem is deterministic."""
        return ()

    def loss(self, parameters: Parameters, batch: Batch) -> torch.Tensor:
        """Return the mean of |W x - y|^2 over the problems."""
        points = parameters["x"].view(-1, DIMENSIONS)  # (problems, 10)
        product = (self.matrix @ points.unsqueeze(-1)).squeeze(-1)  # (problems, 10)
        return (product - self.offset).square().sum(-1).mean()

    @torch.no_grad()
    def evaluate(self, parameters: Parameters, splits: Sequence[str] = SPLITS) -> dict[str, float]:
        """Return the loss under the name of each split."""
        value = clip_loss(float(self.loss(parameters, ())), self.task.ceiling)
        return {f"{split}_loss": value for split in splits}


TASKS = (
    QuadraticTask("quadratic-uniform", "uniform"),
    QuadraticTask("quadratic-gaussian", "gaussian"),
)
