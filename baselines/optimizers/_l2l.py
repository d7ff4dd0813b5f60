"""Learning to learn by gradient descent by gradient descent, as a torch optimizer: Andrychowicz et al., NeurIPS 2016, arXiv:1606.04474.

theta <- theta + scale * m(gradient, hidden state; weights), equation 3 of the paper, every coordinate on its own. The
update has no learning rate: whatever it does it has learned in meta-training (`nasbench/meta_training_l2l.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, overload

import torch
from torch import Tensor

from ._lstm import Preprocessing, initial_state, propose


class LSTMOptimizer(torch.optim.Optimizer):
    """Updates every coordinate by what the shared LSTM says of its gradient.

    Its state is one tensor a parameter, "hidden" (80, coordinates). The LSTM's weights are constants, not part of `state_dict`.

    Args:
        parameters: as of every torch optimizer.
        weights: of `_lstm.initial_weights`' names and shapes.
        preprocessing: the one that the weights were made for.
        scale: factor of the network's output.
        gradient_factor: the gradient is multiplied by it first (identity preprocessing sees its unit).
    """

    def __init__(
        self,
        parameters: Iterable[Any],
        weights: Mapping[str, Tensor],
        *,
        preprocessing: Preprocessing,
        scale: float,
        gradient_factor: float = 1.0,
    ) -> None:
        super().__init__(parameters, {"scale": scale, "gradient_factor": gradient_factor})
        self.preprocessing: Preprocessing = preprocessing
        self._weights = {torch.float32: dict(weights)}

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy or a pickle holds: torch's own, and the network."""
        return {**super().__getstate__(), "preprocessing": self.preprocessing, "_weights": self._weights}

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
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if "hidden" not in state:
                    state["hidden"] = initial_state(parameter.numel(), parameter)
                gradient = parameter.grad.reshape(-1) * group["gradient_factor"]
                update, state["hidden"] = propose(
                    self._weights_as(parameter), gradient, state["hidden"], self.preprocessing
                )
                parameter.add_(update.view_as(parameter), alpha=group["scale"])
        return loss
