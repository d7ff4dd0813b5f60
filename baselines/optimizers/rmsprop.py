"""RMSProp: Tieleman & Hinton, lecture 6.5 of Neural networks for machine learning, 2012.

s <- alpha s + (1 - alpha) g^2; p <- p - learning rate x g / (sqrt(s) + epsilon), without momentum, not centred.
Departures: the default alpha is torch's .99 (.9 in the lecture and in TensorFlow); it is tuned.

Search space: learning rate log-uniform in [1e-4, 1] (the four decades around the tuned rates of DeepOBS and of our
notes), 1 - alpha log-uniform in [1e-3, .3]. It is the same for every task.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

from nasbench.optimizer_method import LogRange, OptimizerMethod

from ._schedule import Scheduled, follow

METHOD = OptimizerMethod(
    title="RMSProp",
    paper="Tieleman & Hinton: Lecture 6.5 - RMSProp, COURSERA: Neural networks for machine learning, 2012",
    year=2012,
    family="hand-designed",
    horizon_aware=False,
    ruleset="tuned",
    search_space={
        "learning_rate": LogRange(1e-4, 1.0),
        "one_minus_alpha": LogRange(1e-3, 0.3),
    },
)


class ScheduledRMSprop(Scheduled, torch.optim.RMSprop):
    """`torch.optim.RMSprop` whose learning rate follows a schedule."""


def rmsprop(
    parameters: Iterable[torch.nn.Parameter],
    total_steps: int,
    *,
    learning_rate: float = 1e-2,
    one_minus_alpha: float = 0.01,
    epsilon: float = 1e-8,
    schedule: str = "constant",
) -> torch.optim.Optimizer:
    """Return RMSProp.

    Args:
        parameters: what is trained.
        total_steps: the horizon; used by a schedule other than "constant".
        learning_rate: step size.
        one_minus_alpha: 1 - decay of the average of squared gradients.
        epsilon: added to the root of the second moment.
        schedule: "constant", "cosine" or "warmup-linear".
    """
    optimizer = ScheduledRMSprop(
        parameters,
        lr=learning_rate,
        alpha=1 - one_minus_alpha,
        eps=epsilon,
    )
    return follow(optimizer, schedule, total_steps)
