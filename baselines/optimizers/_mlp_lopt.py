"""The small MLP optimizer of google/learned_optimization: Metz et al., CoLLAs 2022, arXiv:2203.11860.

For every coordinate a network of 19 inputs, two layers of 32 ReLU units and 2 outputs says direction and magnitude:
parameter <- parameter - 1e-3 x direction x exp(1e-3 x magnitude). Inputs: gradient, parameter, 6 momenta (decays .1
to .9999), each divided by its root mean square over the tensor, and 11 tanh features of the step number.

All functions work on a stack of particles (perturbed copies for evolution strategies): first axis = particle.

Departures: none known from the code's defaults (`mlp_lopt.MLPLOpt`: exp_mult = step_mult = 1e-3, compute_summary off).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, overload

import torch
from torch import Tensor

DECAYS = (0.1, 0.5, 0.9, 0.99, 0.999, 0.9999)
TIME_SCALES = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10_000.0, 30_000.0, 100_000.0)
FEATURES = 2 + len(DECAYS) + len(TIME_SCALES)
WIDTH = 32
STEP_FACTOR = 1e-3
EXPONENT_FACTOR = 1e-3
SMALLEST_MEAN_SQUARE = 1e-5

SHAPES = {
    "layer1.weight": (FEATURES, WIDTH),
    "layer1.bias": (WIDTH,),
    "layer2.weight": (WIDTH, WIDTH),
    "layer2.bias": (WIDTH,),
    "layer3.weight": (WIDTH, 2),
    "layer3.bias": (2,),
}


def initial_weights(generator: torch.Generator) -> dict[str, Tensor]:
    """Return untrained float32 weights: normal of variance 1 / inputs, cut at two deviations as Haiku does; biases 0."""
    weights = {}
    for name, shape in SHAPES.items():
        if name.endswith("bias"):
            weights[name] = torch.zeros(shape)
        else:
            deviation = 1 / math.sqrt(shape[0])
            weights[name] = torch.nn.init.trunc_normal_(
                torch.empty(shape), std=deviation, a=-2 * deviation, b=2 * deviation, generator=generator
            )
    return weights


def time_features(step: Tensor) -> Tensor:
    """Return tanh(step / scale - 1) for the 11 scales: (..., 11) of a tensor (...)."""
    scales = torch.tensor(TIME_SCALES, dtype=step.dtype, device=step.device)
    return torch.tanh(step[..., None] / scales - 1)


def new_momenta(momenta: Tensor, gradient: Tensor) -> Tensor:
    """Return the 6 averages after one more gradient: (particles, 6, coordinates) of gradient (particles, coordinates)."""
    decays = torch.tensor(DECAYS, dtype=gradient.dtype, device=gradient.device)[:, None]
    return momenta * decays + (1 - decays) * gradient[:, None]


def coordinate_features(parameter: Tensor, gradient: Tensor, momenta: Tensor) -> Tensor:
    """Return the 8 inputs that differ from coordinate to coordinate: (particles, 8, coordinates).

    Args:
        parameter: shape (particles, coordinates), one tensor of the network: root mean squares are taken over it.
        gradient: same shape.
        momenta: this step's gradient included, (particles, 6, coordinates).
    """
    moving = torch.cat([gradient[:, None], parameter[:, None], momenta], dim=1)  # (particles, 8, coordinates)
    return moving * torch.rsqrt(SMALLEST_MEAN_SQUARE + moving.square().mean(dim=2, keepdim=True))


def respond(weights: Mapping[str, Tensor], moving: Tensor, step: Tensor) -> Tensor:
    """Return what is subtracted from coordinates, of one tensor or of several: (particles, coordinates).

    Args:
        weights: `SHAPES` with the particle axis in front.
        moving: of `coordinate_features`, (particles, 8, coordinates).
        step: number of the step, from 0, of each particle, (particles,).
    """
    split = moving.shape[1]
    first, second, third = (weights[f"layer{layer}.weight"].transpose(1, 2) for layer in (1, 2, 3))
    # The time features are equal for all coordinates, so their part of the first product is part of the bias.
    time = first[:, :, split:] @ time_features(step)[..., None]  # (particles, 32, 1)
    # One column a coordinate, biases added in place: `baddbmm` would copy them out first, which took a third of the time.
    hidden = torch.bmm(first[:, :, :split], moving).add_(time + weights["layer1.bias"][..., None]).relu_()
    hidden = torch.bmm(second, hidden).add_(weights["layer2.bias"][..., None]).relu_()  # (particles, 32, coordinates)
    output = torch.bmm(third, hidden).add_(weights["layer3.bias"][..., None])  # (particles, 2, coordinates)
    return output[:, 0] * torch.exp(output[:, 1] * EXPONENT_FACTOR) * STEP_FACTOR


def propose(
    weights: Mapping[str, Tensor], parameter: Tensor, gradient: Tensor, momenta: Tensor, step: Tensor
) -> Tensor:
    """Return what is subtracted from one tensor's coordinates, (particles, coordinates); see the two functions above."""
    return respond(weights, coordinate_features(parameter, gradient, momenta), step)


class MLPOptimizer(torch.optim.Optimizer):
    """Updates every coordinate by what the shared MLP says of its features.

    State of a parameter: "step" (a number tensor) and "momenta" (6, coordinates).

    Args:
        parameters: as of every torch optimizer.
        weights: of `SHAPES`.
    """

    def __init__(self, parameters: Iterable[Any], weights: Mapping[str, Tensor]) -> None:
        super().__init__(parameters, {})
        self._weights = {torch.float32: {name: weight[None] for name, weight in weights.items()}}

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy or a pickle holds: torch's own, and the network."""
        return {**super().__getstate__(), "_weights": self._weights}

    def _weights_as(self, like: Tensor) -> dict[str, Tensor]:
        if like.dtype not in self._weights:
            base = self._weights[torch.float32]
            self._weights[like.dtype] = {name: weight.to(like.dtype) for name, weight in base.items()}
        return self._weights[like.dtype]

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Make one update; call `closure` first, if there is one, and return its loss."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None or parameter.numel() == 0:
                    continue
                state = self.state[parameter]
                gradient = parameter.grad.reshape(1, -1)
                if "momenta" not in state:
                    state["step"] = torch.zeros((), dtype=torch.float32)
                    state["momenta"] = gradient.new_zeros(len(DECAYS), parameter.numel())
                momenta = new_momenta(state["momenta"][None], gradient)
                step = state["step"].to(gradient)[None]
                change = propose(self._weights_as(parameter), parameter.reshape(1, -1), gradient, momenta, step)
                parameter.sub_(change.view_as(parameter))
                state["momenta"] = momenta[0]
                state["step"] += 1
        return loss
