"""Nesterov, warm-up and linear decay: Nesterov 1983; Sutskever et al., ICML 2013; in a row of its own.

A schedule is never mixed with another one when results are compared.

The rule is `nesterov.py`'s, the schedule 5 % of linear warm-up and then linear decay to zero; warm-up and decay are
tuned no further. The search space is that of `nesterov`.

Departures: none.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

from nasbench.optimizer_method import OptimizerMethod

from . import nesterov as constant

METHOD = OptimizerMethod(
    title="Nesterov, warm-up and linear decay",
    paper=constant.METHOD.paper,
    year=constant.METHOD.year,
    family="hand-designed",
    horizon_aware=True,
    ruleset="tuned",
    search_space=constant.METHOD.search_space,
)


def nesterov_linear(
    parameters: Iterable[torch.nn.Parameter],
    total_steps: int,
    *,
    learning_rate: float = 1e-2,
    one_minus_momentum: float = 0.1,
) -> torch.optim.Optimizer:
    """Return Nesterov whose learning rate follows the schedule "warmup-linear"; settings as of `nesterov`."""
    return constant.nesterov(
        parameters,
        total_steps,
        learning_rate=learning_rate,
        one_minus_momentum=one_minus_momentum,
        schedule="warmup-linear",
    )
