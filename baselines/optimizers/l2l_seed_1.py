"""L2L meta-trained on `digits-sigmoid` from meta-seed 1: Andrychowicz et al., NeurIPS 2016, arXiv:1606.04474; the rule is in `_l2l.py`.

Departures: output scale .1 (.01 for networks and 1 for quadratics in the released code); two-branch log/sign
preprocessing with p = 10, as in the paper. Those of meta-training are in `nasbench/meta_training_l2l.py`; what it was
trained on is in `l2l_seed_1.json`. Beside `l2l.py`, which differs in the meta-seed alone (initial weights, instances), it shows how
much another meta-training moves the result.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

from nasbench.optimizer_method import OptimizerMethod

from ._l2l import LSTMOptimizer
from ._weights import load_weights

METHOD = OptimizerMethod(
    title="L2L, meta-seed 1",
    paper="Andrychowicz et al.: Learning to learn by gradient descent by gradient descent, NeurIPS 2016, arXiv:1606.04474",
    year=2016,
    family="learned",
    horizon_aware=False,
    extra="optimizers",
    ruleset="self-tuning",
    trained_on="l2l_seed_1.json",
)


def l2l_seed_1(parameters: Iterable[torch.nn.Parameter], total_steps: int) -> torch.optim.Optimizer:
    """Return the optimizer with the shipped weights.

    Args:
        parameters: what is trained.
        total_steps: not used.

    Raises:
        WeightsError: the weights are missing or are not what their record says.
    """
    return LSTMOptimizer(parameters, load_weights("l2l_seed_1"), preprocessing="log-sign", scale=0.1)
