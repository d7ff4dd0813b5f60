"""Heavy-ball momentum: Polyak, USSR Computational Mathematics and Mathematical Physics 4(5), 1964.

v <- mu v + g; p <- p - learning rate x v: torch's form, not damped by 1 - mu. Departures: none.

Search space: learning rate log-uniform in [1e-4, 100], 1 - momentum log-uniform in [5e-3, 1], the parametrisation of Choi et al. 2019
(arXiv:1910.05446), who ask that a space hold the special cases of its rule: at 1 - momentum = 1 this is SGD. Lower ends: Schmidt et
al. 2021 (arXiv:2007.01547; rates from 1e-4) and AlgoPerf's Nesterov baseline (5e-3 to .3, Dahl et al. 2023, arXiv:2306.07179); upper
rate: DeepOBS (arXiv:1903.05499). It is the same for every task.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

from nasbench.optimizer_method import LogRange, OptimizerMethod

from ._schedule import Scheduled, follow

METHOD = OptimizerMethod(
    title="Heavy ball",
    paper="Polyak: Some methods of speeding up the convergence of iteration methods, USSR Comp. Math. and Math. Phys. 4(5):1-17, 1964",
    year=1964,
    family="hand-designed",
    horizon_aware=False,
    ruleset="tuned",
    search_space={
        "learning_rate": LogRange(1e-4, 1e2),
        "one_minus_momentum": LogRange(5e-3, 1.0, natural=("high",)),
    },
)


class ScheduledSGD(Scheduled, torch.optim.SGD):
    """`torch.optim.SGD` whose learning rate follows a schedule."""


def heavy_ball(
    parameters: Iterable[torch.nn.Parameter],
    total_steps: int,
    *,
    learning_rate: float = 1e-2,
    one_minus_momentum: float = 0.1,
    schedule: str = "constant",
) -> torch.optim.Optimizer:
    """Return SGD with heavy-ball momentum.

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
    )
    return follow(optimizer, schedule, total_steps)
