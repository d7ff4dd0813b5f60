"""Nesterov's accelerated gradient, as stochastic momentum: Nesterov 1983; Sutskever et al., ICML 2013.

v <- mu v + g; p <- p - learning rate x (g + mu v). Departures: constant mu (Sutskever et al. raise it over time).

Search space: learning rate log-uniform in [1e-4, 100], 1 - momentum log-uniform in [5e-3, 1], the parametrisation of Choi et al. 2019
(arXiv:1910.05446), who ask that a space hold the special cases of its rule: at 1 - momentum = 1 this is SGD. Lower ends: Schmidt et
al. 2021 (arXiv:2007.01547; rates from 1e-4) and AlgoPerf's Nesterov baseline (5e-3 to .3, Dahl et al. 2023, arXiv:2306.07179); upper
rate: DeepOBS (arXiv:1903.05499). It is the same for every task.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

from nasbench.optimizer_method import LogRange, OptimizerMethod

from ._schedule import VARIANTS, Scheduled, follow

METHOD = OptimizerMethod(
    title="Nesterov",
    paper="Nesterov: A method for convex programming with convergence rate O(1/k^2), Soviet Mathematics Doklady 27(2):372-376, 1983",
    year=1983,
    family="hand-designed",
    horizon_aware=False,
    ruleset="tuned",
    search_space={
        "learning_rate": LogRange(1e-4, 1e2),
        "one_minus_momentum": LogRange(5e-3, 1.0, natural=("high",)),
    },
    variants=VARIANTS,
    horizon_variants=tuple(VARIANTS),
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
