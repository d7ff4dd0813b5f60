"""PowerSign, cosine decay: Bello et al., ICML 2017, arXiv:1709.07417; the rule is in `_sign.py`.

`powersign.py` with the internal decay f(t) = (1 + cos(pi t / T)) / 2: the preference fades over the run, so the horizon must be
known. Search space and the paper's settings are those of `powersign`. Departures: none in the rule.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import torch

from . import powersign as undecayed

METHOD = replace(undecayed.METHOD, title="PowerSign, cosine decay", horizon_aware=True)


def powersign_cosine(
    parameters: Iterable[torch.nn.Parameter],
    total_steps: int,
    *,
    learning_rate: float = 0.1,
    one_minus_beta: float = 0.1,
    alpha: float = math.e,
    decay: str = "cosine",
) -> torch.optim.Optimizer:
    """Return PowerSign with internal decay; settings as of `powersign`."""
    return undecayed.powersign(
        parameters,
        total_steps,
        learning_rate=learning_rate,
        one_minus_beta=one_minus_beta,
        alpha=alpha,
        decay=decay,
    )
