"""NAdamW: NAdam (Dozat, ICLR 2016 workshop track) with decoupled weight decay (Loshchilov & Hutter, ICLR 2019, arXiv:1711.05101).

The form of AlgoPerf's baseline (`scale_by_nadam`, followed by decay and learning rate) and of TaskSet's list (google-research,
`opt_list/torch_opt_list.py`): momentum is constant, the step is beta1 m + (1 - beta1) g, and both averages have Adam's
correction for their start at zero (Choi et al. 2019, arXiv:1910.05446, table 1). torch's NAdam, which `nadam.py` is, warms its
momentum up as Dozat's does, from about half of beta1, and in runs of 100 to 500 steps stays near it.

Departures: none from AlgoPerf's rule. TaskSet's adds epsilon before the correction of the second moment, and corrects the decay
as it corrects the step.

Search space: learning rate log-uniform in [1e-4, 10], 1 - beta1 in [4e-3, 1], 1 - beta2 in [1e-3, 1], weight decay in
[1e-4, 1], all log-uniform. Parametrised by 1 - beta, and with the upper ends, of TaskSet (Metz et al. 2020,
arXiv:2002.11887: rates to 10, both 1 - beta to 1, which is no average at all); lower ends: rates of Schmidt et al.
2021 (arXiv:2007.01547), 1 - beta1 and the upper end of weight decay of AlgoPerf's NAdamW (Dahl et al. 2023,
arXiv:2306.07179), 1 - beta2 of the default, because runs here have 100 to 500 steps, not 10,000. It is the same for
every task.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

from nasbench.optimizer_method import LogRange, OptimizerMethod

from ._schedule import VARIANTS, Scheduled, follow

METHOD = OptimizerMethod(
    title="NAdamW",
    paper="Dozat: Incorporating Nesterov momentum into Adam, ICLR 2016 workshop track; Loshchilov & Hutter, ICLR 2019, arXiv:1711.05101",
    year=2016,
    family="hand-designed",
    horizon_aware=False,
    ruleset="tuned",
    search_space={
        "learning_rate": LogRange(1e-4, 10.0),
        "one_minus_beta1": LogRange(4e-3, 1.0, natural=("high",)),
        "one_minus_beta2": LogRange(1e-3, 1.0, natural=("high",)),
        "weight_decay": LogRange(1e-4, 1.0, natural=("low",)),
    },
    variants=VARIANTS,
    horizon_variants=tuple(VARIANTS),
)


class NAdamW(torch.optim.Optimizer):
    """The rule; state of a parameter: "step" (a number tensor), "average" and "square" of its gradients, of its shape.

    Args:
        parameters: as of every torch optimizer.
        lr: learning rate.
        betas: decays of the averages of gradients and of squared gradients, in [0, 1).
        eps: added to the root of the second moment.
        weight_decay: decoupled.
    """

    def __init__(
        self, parameters: Iterable[Any], *, lr: float, betas: tuple[float, float], eps: float, weight_decay: float
    ) -> None:
        super().__init__(parameters, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """Make one update; call `closure` first, if there is one, and return its loss."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                gradient, state = parameter.grad, self.state[parameter]
                if "average" not in state:
                    state["step"] = torch.zeros((), dtype=torch.float32)
                    state["average"], state["square"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
                state["step"] += 1
                step = int(state["step"])
                average = state["average"].mul_(beta1).add_(gradient, alpha=1 - beta1)
                square = state["square"].mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
                ahead = (beta1 * average).add_(gradient, alpha=1 - beta1)
                root = (square / (1 - beta2**step)).sqrt_().add_(group["eps"])
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.addcdiv_(ahead, root, value=-group["lr"] / (1 - beta1**step))
        return loss


class ScheduledNAdamW(Scheduled, NAdamW):
    """`NAdamW` whose learning rate follows a schedule."""


def nadamw(
    parameters: Iterable[torch.nn.Parameter],
    total_steps: int,
    *,
    learning_rate: float = 2e-3,
    one_minus_beta1: float = 0.1,
    one_minus_beta2: float = 1e-3,
    epsilon: float = 1e-8,
    weight_decay: float = 1e-2,
    schedule: str = "constant",
) -> torch.optim.Optimizer:
    """Return NAdamW.

    Args:
        parameters: what is trained.
        total_steps: the horizon; used by a schedule other than "constant".
        learning_rate: step size.
        one_minus_beta1: 1 - decay of the average of gradients.
        one_minus_beta2: 1 - decay of the average of squared gradients.
        epsilon: added to the root of the second moment.
        weight_decay: decoupled: parameters shrink by learning rate x this each step.
        schedule: "constant", "cosine" or "warmup-linear".
    """
    optimizer = ScheduledNAdamW(
        parameters,
        lr=learning_rate,
        betas=(1 - one_minus_beta1, 1 - one_minus_beta2),
        eps=epsilon,
        weight_decay=weight_decay,
    )
    return follow(optimizer, schedule, total_steps)
