"""Stochastic gradient descent on fused networks: one flat vector of weights, a handful of operations a step.

The rule is torch's `SGD` with momentum, Nesterov's form (Sutskever et al., ICML 2013) and weight decay in the gradient; every
operation acts on each weight alone, so that members do not touch each other. In float16 each member has a loss scale of its
own (Micikevicius et al., ICLR 2018, arXiv:1710.03740, section 3.2), for the same reason.
"""

from __future__ import annotations

import math

import torch

from nasbench.network import Network, Unit
from nasbench.recipe import Recipe

FIRST_SCALE, GROWTH_INTERVAL = 65536.0, 2000
"""Loss scale at the start, and good steps before it is doubled: the defaults of `torch.amp.GradScaler`."""


class Descent:
    """Optimizer of a network whose parameters it moves into one flat vector."""

    def __init__(self, network: Network, recipe: Recipe) -> None:
        self.recipe = recipe.optimizer
        self.steps = recipe.epochs * recipe.steps_per_epoch
        self.parameters = list(network.parameters())
        self.weights = torch.cat([parameter.detach().reshape(-1) for parameter in self.parameters])
        start = 0
        for parameter in self.parameters:
            parameter.data = self.weights[start : start + parameter.numel()].view_as(parameter)
            start += parameter.numel()
        self.momentum = torch.zeros_like(self.weights)
        self.scale: torch.Tensor | None = None
        if recipe.precision == "amp-float16":
            device = self.weights.device
            self.owner = weight_owners(network).to(device)
            self.scale = torch.full((network.members,), FIRST_SCALE, device=device)
            self.good_steps = torch.zeros(network.members, device=device)

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0 over the whole training."""
        if self.recipe.schedule == "constant":
            return self.recipe.learning_rate
        return self.recipe.learning_rate * (1 + math.cos(math.pi * step / self.steps)) / 2

    def step(self, losses: torch.Tensor, step: int) -> None:
        """Take one step down the gradient of each member's loss, (members,)."""
        total = losses.sum() if self.scale is None else (losses * self.scale).sum()
        found = torch.autograd.grad(total, self.parameters, allow_unused=True)
        # A constant-zero cell cuts the network before it off from the loss: its gradient is zero.
        pairs = zip(found, self.parameters, strict=True)
        gradient = torch.cat([(torch.zeros_like(old) if new is None else new).reshape(-1) for new, old in pairs])
        with torch.no_grad():
            if self.scale is None:
                self._move(gradient, self.learning_rate(step), None)
            else:
                self._move(*self._unscale(gradient, self.learning_rate(step)))

    def _move(self, gradient: torch.Tensor, learning_rate: float, kept: torch.Tensor | None) -> None:
        """Change the weights; where `kept` is 1, neither weight nor momentum."""
        recipe = self.recipe
        gradient.add_(self.weights, alpha=recipe.weight_decay)
        if kept is None:
            self.momentum.mul_(recipe.momentum).add_(gradient)
        else:
            self.momentum.copy_(torch.where(kept, self.momentum, self.momentum * recipe.momentum + gradient))
        direction = gradient.add_(self.momentum, alpha=recipe.momentum) if recipe.nesterov else self.momentum
        if kept is not None:
            direction = torch.where(kept, 0.0, direction)
        self.weights.add_(direction, alpha=-learning_rate)

    def _unscale(self, gradient: torch.Tensor, learning_rate: float) -> tuple[torch.Tensor, float, torch.Tensor]:
        """Divide by the loss scales; members with an overflow skip the step and halve their scale."""
        assert self.scale is not None
        gradient = gradient / self.scale[self.owner]
        overflow = (
            torch.zeros_like(self.scale).index_put_((self.owner,), (~gradient.isfinite()).float(), accumulate=True) > 0
        )
        self.good_steps = torch.where(overflow, 0.0, self.good_steps + 1)
        grown = self.good_steps >= GROWTH_INTERVAL
        self.scale = torch.where(overflow, self.scale / 2, torch.where(grown, self.scale * 2, self.scale))
        self.good_steps = torch.where(grown, 0.0, self.good_steps)
        return gradient, learning_rate, overflow[self.owner]


def weight_owners(network: Network) -> torch.Tensor:
    """Return the number of the member that each weight belongs to, int64 (weights,), in the order of `parameters()`."""
    owners = []
    for unit in network.modules():
        if isinstance(unit, Unit):
            for parameter in unit.parameters(recurse=False):
                each = parameter.numel() // len(unit.members)
                owners.append(torch.tensor(unit.members).repeat_interleave(each))
    return torch.cat(owners)
