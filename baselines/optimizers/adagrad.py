"""AdaGrad: Duchi, Hazan & Singer, JMLR 12, 2011 (the diagonal form).

s <- s + g^2; p <- p - learning rate x g / (sqrt(s) + epsilon). Departures: the sum starts at 0 as in torch (.1 in
TensorFlow).

Search space: learning rate log-uniform in [1e-4, 100]: from the lower end of Schmidt et al. 2021 (arXiv:2007.01547) to the upper one of
DeepOBS (arXiv:1903.05499), because steps shrink as 1 / sqrt(step). It is the same for every task.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

from nasbench.optimizer_method import LogRange, OptimizerMethod

from ._schedule import Scheduled, follow

METHOD = OptimizerMethod(
    title="AdaGrad",
    paper="Duchi, Hazan & Singer: Adaptive subgradient methods for online learning and stochastic optimization, JMLR 12:2121-2159, 2011",
    year=2011,
    family="hand-designed",
    horizon_aware=False,
    ruleset="tuned",
    search_space={
        "learning_rate": LogRange(1e-4, 1e2),
    },
)


class ScheduledAdagrad(Scheduled, torch.optim.Adagrad):
    """`torch.optim.Adagrad` whose learning rate follows a schedule."""


def adagrad(
    parameters: Iterable[torch.nn.Parameter],
    total_steps: int,
    *,
    learning_rate: float = 1e-2,
    initial_accumulator: float = 0.0,
    epsilon: float = 1e-10,
    schedule: str = "constant",
) -> torch.optim.Optimizer:
    """Return AdaGrad.

    Args:
        parameters: what is trained.
        total_steps: the horizon; used by a schedule other than "constant".
        learning_rate: step size.
        initial_accumulator: the sum of squares starts here (torch 0, TensorFlow .1).
        epsilon: added to the root of the second moment.
        schedule: "constant", "cosine" or "warmup-linear".
    """
    optimizer = ScheduledAdagrad(
        parameters,
        lr=learning_rate,
        initial_accumulator_value=initial_accumulator,
        eps=epsilon,
    )
    return follow(optimizer, schedule, total_steps)
