"""Muon (momentum, orthogonalised by Newton-Schulz): Jordan et al. 2024, https://kellerjordan.github.io/posts/muon; in torch since 2.9.

Matrices take `torch.optim.Muon`'s update (Nesterov momentum, 5 Newton-Schulz steps in bfloat16), everything else
AdamW's. The update is scaled to AdamW's root mean square ("match_rms_adamw", Liu et al. 2025, arXiv:2502.16982), so
that both share one learning rate and decay.

Departures: all 2-d tensors are orthogonalised, first and last layer included (Jordan gives those to AdamW), because a
task does not say which they are; convolution kernels go to AdamW (Jordan flattens them). Parameters of the `cell-*`
tasks have 4, 3 or 1 dimensions, those of quadratics and regressions 1: on these tasks every one gets the AdamW part
(betas .9, .95) alone, and a row of Muon is a row of that.

Search space: learning rate log-uniform in [1e-4, 10] and weight decay log-uniform in [1e-4, 1], AdamW's, whose scale the update has;
1 - momentum log-uniform in [5e-3, 1], Nesterov's. The same for every task.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

from nasbench.optimizer_method import LogRange, OptimizerMethod

METHOD = OptimizerMethod(
    title="Muon",
    paper="Jordan et al.: Muon: An optimizer for hidden layers in neural networks, 2024",
    year=2024,
    family="hand-designed",
    horizon_aware=False,
    ruleset="tuned",
    search_space={
        "learning_rate": LogRange(1e-4, 10.0),
        "one_minus_momentum": LogRange(5e-3, 1.0, natural=("high",)),
        "weight_decay": LogRange(1e-4, 1.0, natural=("low",)),
    },
)


class MuonWithAdamW(torch.optim.Optimizer):
    """Muon on parameter groups with `matrices` true, AdamW on the others; one `state`, one `state_dict`.

    A group of the caller that holds both kinds is cut in two.

    Args:
        parameters: as of every torch optimizer.
        lr: learning rate of both.
        momentum: of Muon.
        weight_decay: decoupled, of both.
    """

    def __init__(self, parameters: Iterable[Any], *, lr: float, momentum: float, weight_decay: float) -> None:
        blank = [torch.zeros(1, 1)]
        muon = torch.optim.Muon(
            blank, lr=lr, momentum=momentum, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"
        )
        adamw = torch.optim.AdamW(blank, lr=lr, betas=(0.9, 0.95), weight_decay=weight_decay)
        # A group has the settings of both rules, so that either can read it after `load_state_dict`.
        super().__init__(_divided(parameters), {**adamw.defaults, **muon.defaults, "adamw_eps": 1e-8})

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add one group; a group that was not divided yet goes in as up to two."""
        for group in [param_group] if "matrices" in param_group else _divided([param_group]):
            super().add_param_group(group)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """Make one update; call `closure` first, if there is one, and return its loss."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for matrices, rule in ((True, torch.optim.Muon), (False, torch.optim.AdamW)):
            groups = [group for group in self.param_groups if group["matrices"] is matrices]
            if not groups:
                continue
            # A rule of torch's on our own groups and state: it keeps nothing else.
            inner = rule([group["params"][0] for group in groups])
            inner.param_groups = groups if matrices else [{**group, "eps": group["adamw_eps"]} for group in groups]
            inner.state = self.state
            inner.step()  # type: ignore[no-untyped-call, unused-ignore]
        return loss


def _divided(parameters: Iterable[Any]) -> list[dict[str, Any]]:
    """Return parameter groups of which each holds matrices alone or none."""
    given = list(parameters)
    groups = given if given and isinstance(given[0], dict) else [{"params": given}]
    found = []
    for group in groups:
        members = [group["params"]] if isinstance(group["params"], torch.Tensor) else list(group["params"])
        members = [member[1] if isinstance(member, tuple) else member for member in members]
        for matrices in (True, False):
            chosen = [member for member in members if (member.ndim == 2) is matrices]
            if chosen:
                found.append({**group, "params": chosen, "matrices": matrices})
    return found


def muon(
    parameters: Iterable[torch.nn.Parameter],
    total_steps: int,
    *,
    learning_rate: float = 0.02,
    one_minus_momentum: float = 0.05,
    weight_decay: float = 0.01,
) -> torch.optim.Optimizer:
    """Return Muon on matrices with AdamW (betas .9, .95) on the rest.

    Args:
        parameters: what is trained.
        total_steps: not used.
        learning_rate: of both rules.
        one_minus_momentum: 1 - Muon's momentum.
        weight_decay: decoupled: parameters shrink by learning rate x this each step.
    """
    return MuonWithAdamW(parameters, lr=learning_rate, momentum=1 - one_minus_momentum, weight_decay=weight_decay)
