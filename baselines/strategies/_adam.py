"""Adam (Kingma & Ba, ICLR 2015, arXiv:1412.6980, algorithm 1) on one vector of parameters, in place.

The learning rate is folded with both bias corrections as the paper's section 2 suggests, with epsilon kept where algorithm 1 has
it, so that the steps equal torch's and Keras's up to rounding.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Adam:
    """Optimizer state for `parameters`, which `step` changes in place.

    Attributes:
        parameters: shape (total,); any float type.
        learning_rate: step size; may be reassigned between steps.
    """

    def __init__(
        self,
        parameters: NDArray[Any],
        learning_rate: float,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
    ) -> None:
        self.parameters = parameters
        self.learning_rate = learning_rate
        self._betas = betas
        self._epsilon = epsilon
        self._steps = 0
        self._first = np.zeros_like(parameters)
        self._second = np.zeros_like(parameters)
        self._scratch = np.empty_like(parameters)

    def step(self, gradient: NDArray[Any]) -> None:
        """Move against `gradient`, shape (total,)."""
        decay1, decay2 = self._betas
        self._steps += 1
        correction1 = 1.0 - decay1**self._steps
        correction2 = 1.0 - decay2**self._steps
        scratch = self._scratch
        self._first *= decay1
        self._first += np.multiply(gradient, 1.0 - decay1, out=scratch)
        self._second *= decay2
        np.multiply(gradient, gradient, out=scratch)
        scratch *= 1.0 - decay2
        self._second += scratch
        # first / correction1 / (sqrt(second / correction2) + epsilon), written with one division
        np.sqrt(self._second, out=scratch)
        scratch += self._epsilon * math.sqrt(correction2)
        np.divide(self._first, scratch, out=scratch)
        scratch *= self.learning_rate * math.sqrt(correction2) / correction1
        self.parameters -= scratch
