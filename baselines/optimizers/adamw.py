"""AdamW: Loshchilov & Hutter, ICLR 2019, arXiv:1711.05101, algorithm 2.

Departures: decay is multiplied by the learning rate (torch), in the paper by the schedule's factor alone.

Search space: learning rate log-uniform in [1e-4, 10], 1 - beta1 in [4e-3, 1], 1 - beta2 in [1e-3, 1], weight decay in
[1e-4, 1], all log-uniform. Parametrised by 1 - beta, and with the upper ends, of TaskSet (Metz et al. 2020,
arXiv:2002.11887: rates to 10, both 1 - beta to 1, which is no average at all); lower ends: rates of Schmidt et al.
2021 (arXiv:2007.01547), 1 - beta1 and the upper end of weight decay of AlgoPerf's NAdamW (Dahl et al. 2023,
arXiv:2306.07179), 1 - beta2 of the default, because runs here have 100 to 500 steps, not 10,000. It is the same for
every task.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

from nasbench.optimizer_method import LogRange, OptimizerMethod

from ._schedule import VARIANTS, Scheduled, follow

METHOD = OptimizerMethod(
    title="AdamW",
    paper="Loshchilov & Hutter: Decoupled weight decay regularization, ICLR 2019, arXiv:1711.05101",
    year=2019,
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


class ScheduledAdamW(Scheduled, torch.optim.AdamW):
    """`torch.optim.AdamW` whose learning rate follows a schedule."""


def adamw(
    parameters: Iterable[torch.nn.Parameter],
    total_steps: int,
    *,
    learning_rate: float = 1e-3,
    one_minus_beta1: float = 0.1,
    one_minus_beta2: float = 1e-3,
    epsilon: float = 1e-8,
    weight_decay: float = 1e-2,
    schedule: str = "constant",
) -> torch.optim.Optimizer:
    """Return AdamW.

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
    optimizer = ScheduledAdamW(
        parameters,
        lr=learning_rate,
        betas=(1 - one_minus_beta1, 1 - one_minus_beta2),
        eps=epsilon,
        weight_decay=weight_decay,
    )
    return follow(optimizer, schedule, total_steps)
