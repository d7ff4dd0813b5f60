"""Schedule-Free AdamW: Defazio et al., NeurIPS 2024, arXiv:2405.15682; the authors' package `schedulefree` (Apache-2.0).

The gradient is taken at y = (1 - beta) z + beta x, z takes the AdamW step, x is the running mean of z and is what
counts: call `eval()` before the parameters are evaluated and `train()` before the next step. It returns in training
mode.

Departures: none in the rule. Warm-up over 5 % of the horizon, as the authors advise and AlgoPerf's entry did; this is
its only use.

Search space: learning rate log-uniform in [1e-4, 10] (the authors: 1 to 10 times AdamW's, whose best were below 1 here); 1 - beta1
log-uniform in [.01, .5]; weight decay log-uniform in [1e-4, 1], AdamW's. The same for every task.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

from nasbench.optimizer_method import LogRange, OptimizerMethod

METHOD = OptimizerMethod(
    title="Schedule-Free AdamW",
    paper="Defazio et al.: The road less scheduled, NeurIPS 2024, arXiv:2405.15682",
    year=2024,
    family="hand-designed",
    horizon_aware=True,
    extra="optimizers",
    ruleset="tuned",
    search_space={
        "learning_rate": LogRange(1e-4, 10.0),
        "one_minus_beta1": LogRange(0.01, 0.5),
        "weight_decay": LogRange(1e-4, 1.0, natural=("low",)),
    },
)

WARMUP_FRACTION = 0.05


def schedule_free(
    parameters: Iterable[torch.nn.Parameter],
    total_steps: int,
    *,
    learning_rate: float = 2.5e-3,
    one_minus_beta1: float = 0.1,
    one_minus_beta2: float = 1e-3,
    weight_decay: float = 0.0,
) -> torch.optim.Optimizer:
    """Return Schedule-Free AdamW, in training mode.

    Args:
        parameters: what is trained.
        total_steps: the horizon; 5 % of it are warm-up.
        learning_rate: step size after warm-up.
        one_minus_beta1: 1 - weight of the mean x in y.
        one_minus_beta2: 1 - decay of the average of squared gradients.
        weight_decay: decoupled, at y.

    Raises:
        ImportError: the package is not installed.
    """
    import schedulefree  # type: ignore[import-untyped, unused-ignore]

    optimizer = schedulefree.AdamWScheduleFree(
        parameters,
        lr=learning_rate,
        betas=(1 - one_minus_beta1, 1 - one_minus_beta2),
        weight_decay=weight_decay,
        warmup_steps=round(WARMUP_FRACTION * total_steps),
    )
    optimizer.train()
    result: torch.optim.Optimizer = optimizer
    return result
