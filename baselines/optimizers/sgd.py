"""Stochastic gradient descent: Robbins & Monro, Annals of Mathematical Statistics 22, 1951.

p <- p - learning rate x g. Departures: none.

Search space: the learning rates of DeepOBS (Schneider, Balles & Hennig, ICLR 2019, arXiv:1903.05499), log-uniform in
[1e-5, 1e2].
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

from nasbench.optimizer_method import LogRange, OptimizerMethod

from ._schedule import Scheduled, follow

METHOD = OptimizerMethod(
    title="SGD",
    paper="Robbins & Monro: A stochastic approximation method, Annals of Mathematical Statistics 22:400-407, 1951",
    year=1951,
    family="hand-designed",
    horizon_aware=False,
    ruleset="tuned",
    search_space={"learning_rate": LogRange(1e-5, 1e2)},
)


class ScheduledSGD(Scheduled, torch.optim.SGD):
    """`torch.optim.SGD` whose learning rate follows a schedule."""


def sgd(
    parameters: Iterable[torch.nn.Parameter],
    total_steps: int,
    *,
    learning_rate: float = 1e-2,
    schedule: str = "constant",
) -> torch.optim.Optimizer:
    """Return SGD without momentum.

    Args:
        parameters: what is trained.
        total_steps: the horizon; used by a schedule other than "constant".
        learning_rate: at most 1e2, at least 1e-5 in the search space.
        schedule: "constant", "cosine" or "warmup-linear".
    """
    return follow(ScheduledSGD(parameters, lr=learning_rate, momentum=0.0), schedule, total_steps)
