"""Nesterov with cosine decay: a row of its own, because a schedule is never mixed with another one when results are compared.

The rule is `nesterov.py`'s, the schedule of Loshchilov & Hutter, ICLR 2017 (arXiv:1608.03983), without restarts;
warm-up and decay are tuned no further. The search space is that of `nesterov`.

Departures: none.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

from nasbench.optimizer_method import OptimizerMethod

from . import nesterov as constant

METHOD = OptimizerMethod(
    title="Nesterov, cosine",
    paper=constant.METHOD.paper,
    year=constant.METHOD.year,
    family="hand-designed",
    horizon_aware=True,
    ruleset="tuned",
    search_space=constant.METHOD.search_space,
)


def nesterov_cosine(
    parameters: Iterable[torch.nn.Parameter],
    total_steps: int,
    *,
    learning_rate: float = 1e-2,
    one_minus_momentum: float = 0.1,
) -> torch.optim.Optimizer:
    """Return Nesterov whose learning rate follows the schedule "cosine"; settings as of `nesterov`."""
    return constant.nesterov(
        parameters,
        total_steps,
        learning_rate=learning_rate,
        one_minus_momentum=one_minus_momentum,
        schedule="cosine",
    )
