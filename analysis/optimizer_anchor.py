"""Adam on the uniform quadratics, computed here in numpy: the number of the literature that needs no table.

The problems are those of `nasbench.tasks.quadratics` (Andrychowicz et al., NeurIPS 2016, arXiv:1606.04474, section 3.1, as DeepMind
released them: W and y from U(0, 1), start from N(0, 0.01^2), ten dimensions), drawn anew; Adam is that of Kingma & Ba, ICLR 2015,
arXiv:1412.6980, algorithm 1. `tests/test_optimizer_findings.py` holds it to torch's Adam on the task's own instances.
"""

from __future__ import annotations

import numpy as np

from . import statistics
from .optimizer_scores import FloatArray
from .statistics import Estimate

DIMENSIONS, STEPS = 10, 100
PROBLEMS = 4096
GROUP = 128  # problems whose mean is one loss of the task: a gradient is 1/128 of that of a problem
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8  # of the paper, and of torch


def draw_uniform(problems: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return matrices (problems, 10, 10), offsets and starts (problems, 10) of the uniform family."""
    matrix = rng.random((problems, DIMENSIONS, DIMENSIONS))
    return matrix, rng.random((problems, DIMENSIONS)), 0.01 * rng.standard_normal((problems, DIMENSIONS))


def adam_losses(
    matrix: FloatArray, offset: FloatArray, start: FloatArray, learning_rate: float, steps: int = STEPS
) -> FloatArray:
    """Return |W x - y|^2 of each problem after steps of Adam on x, shape (problems,).

    Args:
        matrix: W, (problems, dimensions, dimensions).
        offset: y, (problems, dimensions).
        start: x before the first step, (problems, dimensions).
        learning_rate: of Adam; nothing else is set.
        steps: number of steps.
    """
    x, first, second = start.copy(), np.zeros_like(start), np.zeros_like(start)
    for step in range(1, steps + 1):
        residual = np.einsum("pij,pj->pi", matrix, x) - offset
        gradient = 2.0 * np.einsum("pij,pi->pj", matrix, residual) / GROUP
        first = BETA_1 * first + (1.0 - BETA_1) * gradient
        second = BETA_2 * second + (1.0 - BETA_2) * gradient**2
        x -= learning_rate * (first / (1.0 - BETA_1**step)) / (np.sqrt(second / (1.0 - BETA_2**step)) + EPSILON)
    return np.asarray(((np.einsum("pij,pj->pi", matrix, x) - offset) ** 2).sum(axis=1))


def final_log_loss(learning_rate: float, rng: np.random.Generator, problems: int = PROBLEMS) -> Estimate:
    """Return log10 of the mean final loss of Adam on fresh problems, with its 95 % bootstrap interval over problems."""
    final = adam_losses(*draw_uniform(problems, rng), learning_rate)
    low, high = statistics.percentile_interval(np.log10(statistics.bootstrap_means(final, rng)))
    return Estimate(float(np.log10(final.mean())), float(low), float(high))
