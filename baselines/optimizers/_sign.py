"""Update rules found by Neural Optimizer Search: Bello, Zoph, Vasudevan & Le, ICML 2017, arXiv:1709.07417, section 4.3 and appendix.

PowerSign: g x alpha^(f(t) sign(g) sign(m)); AddSign: g x (alpha + f(t) sign(g) sign(m)); m is the moving average of g, this
step's included; f is an internal decay: none (1), linear 1 - t/T, cosine (1 + cos(pi t / T)) / 2, restarts
(1 + cos(pi (n t mod T) / T)) / 2.

Departures: none. m is not corrected for its start at zero, which changes no sign.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, Literal

import torch
from torch import Tensor

Rule = Literal["power", "add"]

DECAYS = ("none", "linear", "cosine", "restarts")

VARIANTS = {decay: {"decay": decay} for decay in DECAYS if decay != "none"}
"""The rules with an internal decay, as variants of the undecayed ones; they have to know the horizon."""

RESTARTS = 20
"""Number of periods n of the restart decay (our choice)."""


def internal_decay(decay: str, step: int, total_steps: int) -> float:
    """Return f(t) in [0, 1] at a step counted from 0; beyond the horizon the value at its end.

    Raises:
        ValueError: an unknown decay, or a horizon below 1.
    """
    if total_steps < 1:
        raise ValueError(f"total_steps is {total_steps}, must be at least 1")
    if decay not in DECAYS:
        raise ValueError(f"decay is {decay!r}, must be one of {list(DECAYS)}")
    step = min(step, total_steps)
    if decay == "none":
        return 1.0
    if decay == "linear":
        return 1 - step / total_steps
    if decay == "cosine":
        return 0.5 * (1 + math.cos(math.pi * step / total_steps))
    return 0.5 * (1 + math.cos(math.pi * ((RESTARTS * step) % total_steps) / total_steps))


class SignOptimizer(torch.optim.Optimizer):
    """Either rule; state of a parameter: "step" (a number tensor) and "average", of its shape.

    Args:
        parameters: as of every torch optimizer.
        rule: "power" or "add".
        lr: learning rate.
        beta: decay of the average, in [0, 1).
        alpha: base of the power (above 0), or what is added.
        decay: one of `DECAYS`.
        total_steps: the horizon T of the decay.
    """

    def __init__(
        self,
        parameters: Iterable[Any],
        *,
        rule: Rule,
        lr: float,
        beta: float,
        alpha: float,
        decay: str,
        total_steps: int,
    ) -> None:
        if rule == "power" and not alpha > 0:
            raise ValueError(f"alpha is {alpha}, must be above 0")
        internal_decay(decay, 0, total_steps)
        defaults = {"rule": rule, "lr": lr, "beta": beta, "alpha": alpha, "decay": decay, "total_steps": total_steps}
        super().__init__(parameters, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """Make one update; call `closure` first, if there is one, and return its loss."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if "average" not in state:
                    state["step"] = torch.zeros((), dtype=torch.float32)
                    state["average"] = torch.zeros_like(parameter)
                gradient: Tensor = parameter.grad
                state["average"].lerp_(gradient, 1 - group["beta"])
                decay = internal_decay(group["decay"], int(state["step"]), group["total_steps"])
                agreement = gradient.sign() * state["average"].sign() * decay
                factor = group["alpha"] ** agreement if group["rule"] == "power" else group["alpha"] + agreement
                parameter.sub_(factor * gradient, alpha=group["lr"])
                state["step"] += 1
        return loss
