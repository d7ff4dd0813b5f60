"""Every operation and the whole skeleton once more, as obviously as possible: the truth that `test_network.py` checks against.

The cell is evaluated from its string, edge by edge, not from its canonical form. Weights are looked up by what a convolution
computes (its term), which is how two strings of one class come to the same weights.
"""

import torch

from nasbench.network import EPSILON, CellBlock, Network
from nasbench.space import INPUT, cell_graph


def convolve(values, weight, stride=(1, 1)):
    """Sum over the taps of a kernel, with zeros around the image."""
    _, _, tall, wide = weight.shape
    _, _, height, width = values.shape
    padded = torch.zeros(*values.shape[:2], height + tall - 1, width + wide - 1, dtype=values.dtype)
    padded[:, :, tall // 2 : tall // 2 + height, wide // 2 : wide // 2 + width] = values
    total = 0
    for row in range(tall):
        for column in range(wide):
            window = padded[:, :, row : row + height, column : column + width]
            total = total + torch.einsum("bihw,oi->bohw", window, weight[:, :, row, column])
    return total[:, :, :: stride[0], :: stride[1]]


def normalise(values, scale, shift):
    """Batch norm in training mode: by the batch's mean and biased variance."""
    mean = values.mean((0, 2, 3), keepdim=True)
    variance = ((values - mean) ** 2).mean((0, 2, 3), keepdim=True)
    return (values - mean) / torch.sqrt(variance + EPSILON) * scale[:, None, None] + shift[:, None, None]


def pool(values):
    """Mean over the up to nine neighbours that are inside the image."""
    _, _, height, width = values.shape
    rows = []
    for row in range(height):
        cells = []
        for column in range(width):
            near = values[:, :, max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
            cells.append(near.mean((2, 3)))
        rows.append(torch.stack(cells, 2))
    return torch.stack(rows, 2)


def halve(values):
    """Mean over 2 x 2 images pieces, 1 x 2 on signals."""
    left, right = values[..., ::2], values[..., 1::2]
    values = (left + right) / 2
    if values.shape[2] == 1:
        return values
    return (values[:, :, ::2] + values[:, :, 1::2]) / 2


def convolve_normalise(values, unit, stride=(1, 1)):
    return normalise(convolve(values, unit.weight, stride), unit.norm.scale, unit.norm.shift)


def run_cell(space, architecture, values, weights):
    """Evaluate the cell of a string; `weights` maps the term of a convolution to its unit."""
    nodes, terms, edge = [values], [(INPUT,)], 0
    for target in range(1, space.nodes):
        total, found = torch.zeros_like(values), []
        for source in range(target):
            number = architecture[edge]
            name, value = space.operations[number], nodes[source]
            edge += 1
            if name == "none" or not terms[source]:
                continue
            if name == "skip_connect":
                total = total + value
                found += terms[source]
                continue
            term = (number, terms[source])
            found.append(term)
            if name == "avg_pool_3x3":
                total = total + pool(value)
            elif term in weights:
                total = total + convolve_normalise(torch.clamp(value, min=0), weights[term])
            # else: the edge reaches no output, so that the network has no weights for it
        nodes.append(total)
        terms.append(tuple(sorted(found)))
    return nodes[-1]


def run_network(space, architecture, network: Network, values):
    """Return logits (batch, classes) of a network with one member in training mode, for any string of its class."""
    skeleton = network.skeleton
    step = (1 if skeleton.input_shape[1] == 1 else 2, 2)
    values = convolve_normalise(values, network.stem)
    for module in network.body:
        if isinstance(module, CellBlock):
            values = run_cell(space, architecture, values, cell_weights(space, architecture, module))
        elif skeleton.downsample == "residual":
            deep = convolve_normalise(torch.clamp(values, min=0), module.first, step)
            deep = convolve_normalise(torch.clamp(deep, min=0), module.second)
            values = deep + convolve(halve(values), module.shortcut.weight)
        else:
            values = convolve_normalise(halve(values), module.widen)
    values = torch.clamp(normalise(values, network.norm.scale, network.norm.shift), min=0).mean((2, 3))
    return values @ network.classifier.weight[0] + network.classifier.bias[0]


def cell_weights(space, architecture, block):
    """Return the units of a cell by term."""
    cell = cell_graph(space.canonical(architecture))
    operands = [(INPUT,)]
    terms, weights = [], {}
    for number, source in cell.operations:
        while len(operands) <= source:  # nodes stand after the operations that they add
            chosen = [(INPUT if index < 0 else terms[index], times) for index, times in cell.nodes[len(operands) - 1]]
            operands.append(tuple(sorted(term for term, times in chosen for _ in range(times))))
        term = (number, operands[source])
        terms.append(term)
        key = f"{space.operations[number]}_{source}"
        if key in block.units:
            weights[term] = block.units[key]
    return weights
