"""Cells of NAS-Bench-201's space on MNIST-1D, in the skeleton of the recipe `mnist1d`: optimizers and architectures meet on the same cells.

The cells are fixed strings, taken from the published table `data/nas-bench-201.h5` (mean CIFAR-10 validation accuracy of three
trainings after 200 epochs, 15,625 strings): `best`, row 6111, rank 1 (.9161); `median`, row 3165, rank 7,813 (.8731); `odd`, every edge
an average pooling, so that all weights are in stem, batch norms and classifier. A row is not the number of a cell in the space
(`Table.row` maps one to the other): version 1 of `best` and `median` had taken it for that, and had cells of other ranks.

*Departure from the pipeline of the table:* 150 steps under the optimizer that is compared instead of 16 epochs of SGD, and batch norm
takes the statistics of the batch at hand in evaluation, too (a split is one batch), so that the loss is a function of parameters and
batch alone.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import torch

from nasbench.network import Network
from nasbench.recipe import load_recipe
from nasbench.tasks.images import mnist1d
from nasbench.tasks.task import Forward, Initialise, NetworkTask, Parameters, leaf

CELLS = {
    "best": "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|",
    "median": "|skip_connect~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|nor_conv_3x3~1|avg_pool_3x3~2|",
    "odd": "|avg_pool_3x3~0|+|avg_pool_3x3~0|avg_pool_3x3~1|+|avg_pool_3x3~0|avg_pool_3x3~1|avg_pool_3x3~2|",
}
VERSIONS = {"best": 2, "median": 2, "odd": 1}


@cache
def _network(cell: str) -> Network:
    """Return the network of one cell; its own weights stay uninitialised, since parameters are passed to it."""
    recipe = load_recipe("mnist1d")
    space = recipe.cell_space
    network = Network(space, [space.parse(cell)], recipe.build_skeleton((1, 1, 40), 10))
    for name, buffer in list(network.named_buffers()):
        owner = network.get_submodule(name.rpartition(".")[0])
        # Without running statistics batch norm takes the batch's own, and a forward pass changes nothing.
        setattr(owner, name.rpartition(".")[2], None)
        del buffer
    return network


def _cell(cell: str) -> tuple[Initialise, Forward]:
    def start(rng: np.random.Generator) -> dict[str, torch.Tensor]:
        network = _network(cell)
        network.initialise([rng])
        return {name: leaf(values.clone()) for name, values in network.named_parameters()}

    def forward(parameters: Parameters, inputs: torch.Tensor) -> torch.Tensor:
        logits = torch.func.functional_call(_network(cell), dict(parameters), (inputs,))  # (1, examples, classes)
        return logits[0]  # type: ignore[no-any-return]

    return start, forward


TASKS = tuple(
    NetworkTask(f"cell-{name}", "cell", VERSIONS[name], 150, 64, 1.5 * math.log(10), 15, mnist1d, *_cell(string))
    for name, string in CELLS.items()
)
