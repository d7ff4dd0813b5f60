"""A small convolutional network on digits.

Two 3x3 convolutions (8, 16 channels), each with ReLU and 2x2 max pooling, and a linear layer.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch
from torch.nn import functional

from nasbench.tasks.images import digits
from nasbench.tasks.task import NetworkTask, Parameters, uniform, zeros

CHANNELS = (1, 8, 16)


def _start(rng: np.random.Generator) -> dict[str, torch.Tensor]:
    found = {}
    for layer, (inputs, outputs) in enumerate(itertools.pairwise(CHANNELS)):
        found[f"kernel{layer}"] = uniform(rng, outputs, inputs, 3, 3, fan_in=9 * inputs)
        found[f"bias{layer}"] = zeros(outputs)
    found["weight"] = uniform(rng, CHANNELS[-1] * 4, 10, fan_in=CHANNELS[-1] * 4)
    return found | {"bias": zeros(10)}


def _forward(parameters: Parameters, inputs: torch.Tensor) -> torch.Tensor:
    values = inputs  # (examples, 1, 8, 8)
    for layer in range(len(CHANNELS) - 1):
        values = functional.conv2d(values, parameters[f"kernel{layer}"], parameters[f"bias{layer}"], padding=1)
        values = functional.max_pool2d(functional.relu(values), 2)
    return torch.addmm(parameters["bias"], values.flatten(1), parameters["weight"])  # (examples, 10)


TASKS = (NetworkTask("digits-convnet", "convnet", 1, 200, 64, 1.5 * math.log(10), 8, digits, _start, _forward),)
