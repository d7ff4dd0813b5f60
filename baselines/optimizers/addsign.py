"""AddSign: Bello et al., ICML 2017, arXiv:1709.07417; the rule is in `_sign.py`.

Gradients that agree in sign with their average take longer steps, the others shorter ones. Departures: none in the rule.

Search space: learning rate log-uniform in [1e-5, 1e2], as of SGD; 1 - beta log-uniform in [.01, 1], up to an average that is the
gradient itself (then signs always agree). The same for every task. The paper fixes beta = .9 and alpha = 1, the defaults here.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

from nasbench.optimizer_method import LogRange, OptimizerMethod

from ._sign import VARIANTS, SignOptimizer

METHOD = OptimizerMethod(
    title="AddSign",
    paper="Bello, Zoph, Vasudevan & Le: Neural optimizer search with reinforcement learning, ICML 2017, arXiv:1709.07417",
    year=2017,
    family="hand-designed",
    horizon_aware=False,
    ruleset="tuned",
    search_space={"learning_rate": LogRange(1e-5, 1e2), "one_minus_beta": LogRange(0.01, 1.0, natural=("high",))},
    variants=VARIANTS,
    horizon_variants=tuple(VARIANTS),
)


def addsign(
    parameters: Iterable[torch.nn.Parameter],
    total_steps: int,
    *,
    learning_rate: float = 0.1,
    one_minus_beta: float = 0.1,
    alpha: float = 1.0,
    decay: str = "none",
) -> torch.optim.Optimizer:
    """Return AddSign.

    Args:
        parameters: what is trained.
        total_steps: the horizon of the internal decay.
        learning_rate: factor of the update.
        one_minus_beta: 1 - decay of the average whose sign is compared with the gradient's.
        alpha: what the sign is added to.
        decay: internal decay f(t): "none", "linear", "cosine" or "restarts" (20 of them).
    """
    return SignOptimizer(
        parameters,
        rule="add",
        lr=learning_rate,
        beta=1 - one_minus_beta,
        alpha=alpha,
        decay=decay,
        total_steps=total_steps,
    )
