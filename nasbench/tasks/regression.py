"""Logistic and robust linear regression on drawn data: two problem families of Li & Malik, ICLR 2017, arXiv:1606.01885, section 4.

Every seed is another problem with data of its own: the four splits are drawn from the same distribution, 100 examples each. The whole
training split is one batch, so the problem is deterministic, and a run has 40 steps, as in the paper.

*Logistic* (convex): three dimensions, two classes, each from a Gaussian with a random mean and covariance; l2 penalty 5e-4 / 2 on
the weights. *Robust* (not convex): three dimensions, four Gaussian clusters of 25, each with a random linear function plus noise; the
loss of a residual r is Geman and McClure's r^2 / (c^2 + r^2) with c = 1.

*Departures:* the paper does not give the constants of the draws that we could check; here means are from N(0, I), covariances are
A A^T / 3 with A standard normal, linear functions are from N(0, I), noise is from N(0, 0.1^2), and the start is from N(0, I).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch.nn import functional

from nasbench.tasks.task import SPLITS, Examples, NetworkTask, Parameters, normal

DIMENSIONS = 3
EXAMPLES = 100
PENALTY = 5e-4
CLUSTERS = 4
NOISE = 0.1


def _start(rng: np.random.Generator) -> dict[str, torch.Tensor]:
    return {"weight": normal(rng, DIMENSIONS), "bias": normal(rng, 1)}


def _gaussian(rng: np.random.Generator, count: int, mean: np.ndarray, factor: np.ndarray) -> np.ndarray:
    points: np.ndarray = mean + rng.standard_normal((count, DIMENSIONS)) @ factor.T / math.sqrt(DIMENSIONS)
    return points


def _draw_logistic(rng: np.random.Generator) -> Examples:
    means, factors = rng.standard_normal((2, DIMENSIONS)), rng.standard_normal((2, DIMENSIONS, DIMENSIONS))
    labels = np.arange(EXAMPLES) % 2
    inputs, targets = {}, {}
    for split in SPLITS:
        points = np.empty((EXAMPLES, DIMENSIONS))
        for label in (0, 1):
            points[labels == label] = _gaussian(rng, EXAMPLES // 2, means[label], factors[label])
        inputs[split] = torch.from_numpy(points.astype(np.float32))
        targets[split] = torch.from_numpy(labels.astype(np.float32))
    return Examples(inputs, targets, None)


def _draw_robust(rng: np.random.Generator) -> Examples:
    size = EXAMPLES // CLUSTERS
    means = rng.standard_normal((CLUSTERS, DIMENSIONS))
    factors = rng.standard_normal((CLUSTERS, DIMENSIONS, DIMENSIONS))
    slopes, offsets = rng.standard_normal((CLUSTERS, DIMENSIONS)), rng.standard_normal(CLUSTERS)
    inputs, targets = {}, {}
    for split in SPLITS:
        points = [_gaussian(rng, size, means[number], factors[number]) for number in range(CLUSTERS)]
        values = [points[n] @ slopes[n] + offsets[n] + NOISE * rng.standard_normal(size) for n in range(CLUSTERS)]
        inputs[split] = torch.from_numpy(np.concatenate(points).astype(np.float32))
        targets[split] = torch.from_numpy(np.concatenate(values).astype(np.float32))
    return Examples(inputs, targets, None)


def _linear(parameters: Parameters, inputs: torch.Tensor) -> torch.Tensor:
    return inputs @ parameters["weight"] + parameters["bias"]  # (examples,)


def _penalised(parameters: Parameters, inputs: torch.Tensor) -> torch.Tensor:
    """Return the logits with the penalty as a further column, (examples, 2), so that the loss can add it."""
    penalty = PENALTY / 2 * parameters["weight"].square().sum()
    return torch.stack([_linear(parameters, inputs), penalty.expand(len(inputs))], 1)


def _logistic_loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return functional.binary_cross_entropy_with_logits(outputs[:, 0], targets) + outputs[:, 1].mean()


def _robust_loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    squares = (outputs - targets).square()
    return (squares / (1 + squares)).mean()


TASKS = (
    # A logistic loss has no bound at a random start; 10 is far above all starts that were drawn.
    NetworkTask(
        "logistic-regression",
        "regression",
        1,
        40,
        EXAMPLES,
        10.0,
        1,
        None,
        _start,
        _penalised,
        _logistic_loss,
        _draw_logistic,
    ),
    NetworkTask(
        "robust-regression", "regression", 1, 40, EXAMPLES, 1.0, 1, None, _start, _linear, _robust_loss, _draw_robust
    ),
)
