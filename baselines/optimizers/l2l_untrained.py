"""Control: L2L with the weights that it has before meta-training. Whatever it scores, L2L has not learned.

The network is that of `l2l.py` (Andrychowicz et al., NeurIPS 2016, arXiv:1606.04474), with the very weights its
meta-training starts from.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

from nasbench.optimizer_method import OptimizerMethod

from ._l2l import LSTMOptimizer
from ._lstm import initial_weights

METHOD = OptimizerMethod(
    title="L2L, untrained",
    paper="Andrychowicz et al.: Learning to learn by gradient descent by gradient descent, NeurIPS 2016, arXiv:1606.04474",
    year=2016,
    family="control",
    horizon_aware=False,
    ruleset="self-tuning",
)


def l2l_untrained(
    parameters: Iterable[torch.nn.Parameter], total_steps: int, *, seed: int = 0
) -> torch.optim.Optimizer:
    """Return the optimizer with random weights.

    Args:
        parameters: what is trained.
        total_steps: not used.
        seed: of the weights; 0 is that of the shipped L2L's meta-training.
    """
    weights = initial_weights("log-sign", torch.Generator().manual_seed(seed))
    return LSTMOptimizer(parameters, weights, preprocessing="log-sign", scale=0.1)
