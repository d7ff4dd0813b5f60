"""AdamW, warm-up and linear decay: Loshchilov & Hutter, ICLR 2019, arXiv:1711.05101, algorithm 2, in a row of its own.

A schedule is never mixed with another one when results are compared.

The rule is `adamw.py`'s, the schedule 5 % of linear warm-up and then linear decay to zero; warm-up and decay are
tuned no further. The search space is that of `adamw`.

Departures: none.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

from nasbench.optimizer_method import OptimizerMethod

from . import adamw as constant

METHOD = OptimizerMethod(
    title="AdamW, warm-up and linear decay",
    paper=constant.METHOD.paper,
    year=constant.METHOD.year,
    family="hand-designed",
    horizon_aware=True,
    ruleset="tuned",
    search_space=constant.METHOD.search_space,
)


def adamw_linear(
    parameters: Iterable[torch.nn.Parameter],
    total_steps: int,
    *,
    learning_rate: float = 1e-3,
    one_minus_beta1: float = 0.1,
    one_minus_beta2: float = 1e-3,
    epsilon: float = 1e-8,
    weight_decay: float = 1e-2,
) -> torch.optim.Optimizer:
    """Return AdamW whose learning rate follows the schedule "warmup-linear"; settings as of `adamw`."""
    return constant.adamw(
        parameters,
        total_steps,
        learning_rate=learning_rate,
        one_minus_beta1=one_minus_beta1,
        one_minus_beta2=one_minus_beta2,
        epsilon=epsilon,
        weight_decay=weight_decay,
        schedule="warmup-linear",
    )
