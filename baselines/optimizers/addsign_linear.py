"""AddSign, linear decay: Bello et al., ICML 2017, arXiv:1709.07417; the rule is in `_sign.py`.

`addsign.py` with the internal decay f(t) = 1 - t/T: the preference fades over the run, so the horizon must be
known. Search space and the paper's settings are those of `addsign`. Departures: none in the rule.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import torch

from . import addsign as undecayed

METHOD = replace(undecayed.METHOD, title="AddSign, linear decay", horizon_aware=True)


def addsign_linear(
    parameters: Iterable[torch.nn.Parameter],
    total_steps: int,
    *,
    learning_rate: float = 0.1,
    one_minus_beta: float = 0.1,
    alpha: float = 1.0,
    decay: str = "linear",
) -> torch.optim.Optimizer:
    """Return AddSign with internal decay; settings as of `addsign`."""
    return undecayed.addsign(
        parameters,
        total_steps,
        learning_rate=learning_rate,
        one_minus_beta=one_minus_beta,
        alpha=alpha,
        decay=decay,
    )
