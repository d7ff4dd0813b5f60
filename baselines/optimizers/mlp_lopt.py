"""MLP learned optimizer of google/learned_optimization: Metz et al., CoLLAs 2022, arXiv:2203.11860; the rule is in `_mlp_lopt.py`.

Meta-trained here with persistent evolution strategies (Vicol et al., ICML 2021, arXiv:2112.13835) on two perceptrons
on digits, for minutes; the published ones had thousands of accelerator hours. Departures of meta-training are listed
in `nasbench/meta_training_pes.py`; what it was trained on is in `mlp_lopt.json`.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

from nasbench.optimizer_method import OptimizerMethod

from ._mlp_lopt import MLPOptimizer
from ._weights import load_weights

METHOD = OptimizerMethod(
    title="MLP learned optimizer",
    paper="Metz et al.: Practical tradeoffs between memory, compute, and performance in learned optimizers, CoLLAs 2022, arXiv:2203.11860",
    year=2022,
    family="learned",
    horizon_aware=False,
    extra="optimizers",
    ruleset="self-tuning",
    trained_on="mlp_lopt.json",
)


def mlp_lopt(parameters: Iterable[torch.nn.Parameter], total_steps: int) -> torch.optim.Optimizer:
    """Return the optimizer with the shipped weights.

    Args:
        parameters: what is trained.
        total_steps: not used.

    Raises:
        WeightsError: the weights are missing or are not what their record says.
    """
    return MLPOptimizer(parameters, load_weights("mlp_lopt"))
