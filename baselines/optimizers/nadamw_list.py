"""NAdamW with an ordered list of settings: the idea of TaskSet's `opt_list`, Metz et al. 2020, arXiv:2002.11887.

Try the first setting, then the second, as far as the budget goes: a tuned default that needs no search space. The published
list can't be had offline; this one was made greedily by `nasbench/meta_training_list.py` on four tasks that are not scored (on
digits and MNIST-1D, whose examples are in tasks that are; `nadamw_list.json` has the digests). All settings have cosine decay,
as TaskSet's have.
"""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Iterable

import torch

from nasbench.optimizer_method import OptimizerMethod

from . import nadamw

FILE = "nadamw_list.json"

METHOD = OptimizerMethod(
    title="NAdamW, ordered list",
    paper="Metz et al.: Using a thousand optimization tasks to learn hyperparameter search strategies, 2020, arXiv:2002.11887",
    year=2020,
    family="hand-designed",
    horizon_aware=True,
    ruleset="tuned",
    trained_on=FILE,
    trial_list=tuple(
        json.loads((importlib.resources.files("nasbench.baselines.optimizers") / FILE).read_text(encoding="utf-8"))[
            "list"
        ]
    ),
)


def nadamw_list(
    parameters: Iterable[torch.nn.Parameter],
    total_steps: int,
    *,
    learning_rate: float = 2e-3,
    one_minus_beta1: float = 0.1,
    one_minus_beta2: float = 1e-3,
    epsilon: float = 1e-8,
    weight_decay: float = 1e-2,
) -> torch.optim.Optimizer:
    """Return NAdamW with cosine decay; settings as of `nadamw`, to be taken from the list."""
    return nadamw.nadamw(
        parameters,
        total_steps,
        learning_rate=learning_rate,
        one_minus_beta1=one_minus_beta1,
        one_minus_beta2=one_minus_beta2,
        epsilon=epsilon,
        weight_decay=weight_decay,
        schedule="cosine",
    )
