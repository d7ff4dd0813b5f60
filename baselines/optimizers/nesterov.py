"""Nesterov's accelerated gradient, as stochastic momentum: Nesterov 1983; Sutskever et al., ICML 2013.

v <- mu v + g; p <- p - learning rate x (g + mu v). Departures: constant mu (Sutskever et al. raise it over time).

Search space: learning rate log-uniform in [1e-5, 10], 1 - momentum log-uniform in [.01, .5], the parametrisation of
Choi et al. 2019 (arXiv:1910.05446). It is the same for every task.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

from nasbench.optimizer_method import LogRange, OptimizerMethod

from ._schedule import Scheduled, follow

METHOD = OptimizerMethod(
    title="Nesterov",
    paper="Nesterov: A method for convex programming with convergence rate O(1/k^2), Soviet Mathematics Doklady 27(2):372-376, 1983",
    year=1983,
    family="hand-designed",
    horizon_aware=False,
    ruleset="tuned",
    search_space={
        "learning_rate": LogRange(1e-5, 10.0),
        "one_minus_momentum": LogRange(0.01, 0.5),
    },
)


class ScheduledSGD(Scheduled, torch.optim.SGD):
    """`torch.optim.SGD` whose learning rate follows a schedule."""


def nesterov(
    parameters: Iterable[torch.nn.Parameter],
    total_steps: int,
    *,
    learning_rate: float = 1e-2,
    one_minus_momentum: float = 0.1,
    schedule: str = "constant",
) -> torch.optim.Optimizer:
    """Return SGD with Nesterov momentum.

    Args:
        parameters: what is trained.
        total_steps: the horizon; used by a schedule other than "constant".
        learning_rate: step size.
        one_minus_momentum: 1 - mu; the velocity is v <- mu v + g, so the step is up to 1 / (1 - mu) learning rates long.
        schedule: "constant", "cosine" or "warmup-linear".
    """
    optimizer = ScheduledSGD(
        parameters,
        lr=learning_rate,
        momentum=1 - one_minus_momentum,
        nesterov=True,
    )
    return follow(optimizer, schedule, total_steps)
