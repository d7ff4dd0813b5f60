"""L2L meta-trained on `quadratic-uniform`: Andrychowicz et al., NeurIPS 2016, arXiv:1606.04474; the rule is in `_l2l.py`.

Departures: output scale .1 (.01 for networks and 1 for quadratics in the released code); no preprocessing, as in the
released code for quadratics; the gradient is multiplied by 128 first, because the loss is a mean over 128 problems.
Those of meta-training are in `nasbench/meta_training_l2l.py`; what it was trained on is in
`l2l_quadratic_uniform.json`.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

from nasbench.optimizer_method import OptimizerMethod

from ._l2l import LSTMOptimizer
from ._weights import load_weights

METHOD = OptimizerMethod(
    title="L2L (uniform quadratics)",
    paper="Andrychowicz et al.: Learning to learn by gradient descent by gradient descent, NeurIPS 2016, arXiv:1606.04474",
    year=2016,
    family="learned",
    horizon_aware=False,
    extra="optimizers",
    ruleset="self-tuning",
    trained_on="l2l_quadratic_uniform.json",
)


def l2l_quadratic_uniform(parameters: Iterable[torch.nn.Parameter], total_steps: int) -> torch.optim.Optimizer:
    """Return the optimizer with the shipped weights.

    Args:
        parameters: what is trained.
        total_steps: not used.

    Raises:
        WeightsError: the weights are missing or are not what their record says.
    """
    return LSTMOptimizer(
        parameters, load_weights("l2l_quadratic_uniform"), preprocessing="identity", scale=0.1, gradient_factor=128.0
    )
