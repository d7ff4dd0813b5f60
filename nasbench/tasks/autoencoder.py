"""An autoencoder on digits: 64-16-64 with tanh units, linear outputs, mean squared error of the centred pixels."""

from __future__ import annotations

from functools import cache

from nasbench.tasks.images import digits
from nasbench.tasks.mlp import perceptron
from nasbench.tasks.task import Examples, NetworkTask, squared_error

CEILING = 0.25
"""1.8 times the mean square of the centred pixels (0.141), which is the loss of an output of zeros."""


@cache
def _examples() -> Examples:
    images = digits().inputs
    flat = {split: values.flatten(1) for split, values in images.items()}
    return Examples(flat, flat, None)


_START, _FORWARD = perceptron((64, 16, 64), "tanh", "fan-in")

TASKS = (
    NetworkTask(
        "digits-autoencoder", "autoencoder", 1, 200, 64, CEILING, 8, _examples, _START, _FORWARD, squared_error
    ),
)
