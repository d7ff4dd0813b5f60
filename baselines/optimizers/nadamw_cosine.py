"""NAdamW with cosine decay: a row of its own, because a schedule is never mixed with another one when results are compared.

The rule is `nadamw.py`'s, the schedule of Loshchilov & Hutter, ICLR 2017 (arXiv:1608.03983), without restarts;
warm-up and decay are tuned no further. The search space is that of `nadamw`.

Departures: none.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

from nasbench.optimizer_method import OptimizerMethod

from . import nadamw as constant

METHOD = OptimizerMethod(
    title="NAdamW, cosine",
    paper=constant.METHOD.paper,
    year=constant.METHOD.year,
    family="hand-designed",
    horizon_aware=True,
    ruleset="tuned",
    search_space=constant.METHOD.search_space,
)


def nadamw_cosine(
    parameters: Iterable[torch.nn.Parameter],
    total_steps: int,
    *,
    learning_rate: float = 2e-3,
    one_minus_beta1: float = 0.1,
    one_minus_beta2: float = 1e-3,
    epsilon: float = 1e-8,
    weight_decay: float = 1e-2,
) -> torch.optim.Optimizer:
    """Return NAdamW whose learning rate follows the schedule "cosine"; settings as of `nadamw`."""
    return constant.nadamw(
        parameters,
        total_steps,
        learning_rate=learning_rate,
        one_minus_beta1=one_minus_beta1,
        one_minus_beta2=one_minus_beta2,
        epsilon=epsilon,
        weight_decay=weight_decay,
        schedule="cosine",
    )
