"""Lion (evolved sign momentum): Chen et al., NeurIPS 2023, arXiv:2302.06675, algorithm 2.

u = sign(beta1 m + (1 - beta1) g); p <- p - learning rate x (u + weight decay x p); m <- beta2 m + (1 - beta2) g.
Departures: none.

Search space: AdamW's, moved as the paper's section 5 advises (rates 3 to 10 times smaller, decays 3 to 10 times larger): learning rate
log-uniform in [1e-5, 1], weight decay log-uniform in [1e-3, 10]; 1 - beta1 log-uniform in [4e-3, 1], AdamW's, up to the sign of the
gradient alone. The same for every task.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

from nasbench.optimizer_method import LogRange, OptimizerMethod

from ._schedule import Scheduled, follow

METHOD = OptimizerMethod(
    title="Lion",
    paper="Chen et al.: Symbolic discovery of optimization algorithms, NeurIPS 2023, arXiv:2302.06675",
    year=2023,
    family="hand-designed",
    horizon_aware=False,
    ruleset="tuned",
    search_space={
        "learning_rate": LogRange(1e-5, 1.0),
        "one_minus_beta1": LogRange(4e-3, 1.0, natural=("high",)),
        "weight_decay": LogRange(1e-3, 10.0, natural=("low",)),
    },
)


class Lion(torch.optim.Optimizer):
    """The rule; state of a parameter: "average", of its shape."""

    def __init__(
        self, parameters: Iterable[Any], *, lr: float, beta1: float, beta2: float, weight_decay: float
    ) -> None:
        super().__init__(parameters, {"lr": lr, "beta1": beta1, "beta2": beta2, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """Make one update; call `closure` first, if there is one, and return its loss."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if "average" not in state:
                    state["average"] = torch.zeros_like(parameter)
                average, gradient = state["average"], parameter.grad
                update = torch.lerp(gradient, average, group["beta1"]).sign_()
                parameter.mul_(1 - group["lr"] * group["weight_decay"]).sub_(update, alpha=group["lr"])
                average.lerp_(gradient, 1 - group["beta2"])
        return loss


class ScheduledLion(Scheduled, Lion):
    """Lion whose learning rate follows a schedule."""


def lion(
    parameters: Iterable[torch.nn.Parameter],
    total_steps: int,
    *,
    learning_rate: float = 1e-4,
    one_minus_beta1: float = 0.1,
    one_minus_beta2: float = 0.01,
    weight_decay: float = 0.0,
    schedule: str = "constant",
) -> torch.optim.Optimizer:
    """Return Lion.

    Args:
        parameters: what is trained.
        total_steps: the horizon; used by a schedule other than "constant".
        learning_rate: length of the step of every coordinate.
        one_minus_beta1: 1 - weight of the average in the update.
        one_minus_beta2: 1 - decay of the average.
        weight_decay: decoupled: parameters shrink by learning rate x this each step.
        schedule: "constant", "cosine" or "warmup-linear".
    """
    optimizer = ScheduledLion(
        parameters, lr=learning_rate, beta1=1 - one_minus_beta1, beta2=1 - one_minus_beta2, weight_decay=weight_decay
    )
    return follow(optimizer, schedule, total_steps)
