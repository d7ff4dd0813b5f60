"""Coordinatewise two-layer LSTM of learned optimizers: Andrychowicz et al., NeurIPS 2016, arXiv:1606.04474, section 2.1.

One small network is shared by all coordinates; every coordinate has a hidden state of its own. Matrices have one column
per coordinate, `(features, coordinates)`, so that the gates of a cell are contiguous blocks of rows: one matrix product,
one sigmoid over three gates, one tanh. The backward pass of a cell is written out by hand, which halves meta-training.

Departures: none in the cell (that of `torch.nn.LSTMCell`, with one bias instead of two, which is the same function).
The released code adds 1 to the forget gate's input in every step (`forget_bias` of nn/gated_rnn.py); here the bias begins
by so much higher, the same function with the same gradients. Initial weights are uniform (released code: truncated normal).
Order of the gates in our matrices is (input, forget, output, candidate); torch's is (input, forget, candidate,
output).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor

Preprocessing = Literal["identity", "log-sign"]

HIDDEN = 20
"""Units of each of the two layers: section 3 of the paper."""

INPUTS = {"identity": 1, "log-sign": 2}
"""Rows that each preprocessing makes of one gradient coordinate."""

P = 10.0
"""The `p` of the preprocessing: appendix A of the paper (the released code has 5 and a clamp)."""


FORGET_BIAS = 1.0
"""What the forget gate's bias begins higher by: `forget_bias` of the released code, nn/gated_rnn.py."""


class FusedCell(torch.autograd.Function):
    """One LSTM cell with a hand-written backward pass, to be called by `cell`."""

    @staticmethod
    def forward(context: Any, weight: Tensor, bias: Tensor, inputs: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the new output and memory; shapes as in `cell`."""
        hidden = memory.shape[0]
        gates = torch.addmm(bias[:, None], weight, inputs)  # (4 hidden, coordinates)
        gates[: 3 * hidden].sigmoid_()
        gates[3 * hidden :].tanh_()
        entering, forget, leaving, candidate = torch.split(gates, hidden)
        fresh = torch.addcmul(forget * memory, entering, candidate)
        squashed = fresh.tanh()
        context.save_for_backward(weight, inputs, memory, gates, squashed)
        return leaving * squashed, fresh

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the gradients of weight, bias, inputs and memory."""
        d_output, d_fresh = gradients
        weight, inputs, memory, gates, squashed = context.saved_tensors
        hidden = memory.shape[0]
        entering, forget, leaving, candidate = torch.split(gates, hidden)
        d_memory = torch.addcmul(d_fresh, d_output * leaving, 1 - squashed * squashed)
        before = torch.empty_like(gates)
        d_entering, d_forget, d_leaving, d_candidate = torch.split(before, hidden)
        torch.mul(d_memory, candidate, out=d_entering)
        torch.mul(d_memory, memory, out=d_forget)
        torch.mul(d_output, squashed, out=d_leaving)
        torch.mul(d_memory, entering, out=d_candidate)
        sigmoids, candidates = gates[: 3 * hidden], gates[3 * hidden :]
        before[: 3 * hidden] *= sigmoids * (1 - sigmoids)
        before[3 * hidden :] *= 1 - candidates * candidates
        return before @ inputs.T, before.sum(dim=1), weight.T @ before, d_memory * forget


def cell(weight: Tensor, bias: Tensor, inputs: Tensor, output: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
    """Return the new output and memory of one LSTM layer.

    Args:
        weight: shape (4 hidden, rows of `inputs` + hidden), gates in the order input, forget, output, candidate.
        bias: shape (4 hidden,).
        inputs: shape (features, coordinates).
        output: the layer's last output, shape (hidden, coordinates).
        memory: the layer's memory, shape (hidden, coordinates).
    """
    result: tuple[Tensor, Tensor] = FusedCell.apply(weight, bias, torch.cat([inputs, output]), memory)
    return result


def preprocess(gradient: Tensor, how: Preprocessing) -> Tensor:
    """Return what the network sees of a gradient: (1 or 2, coordinates) of a vector (coordinates,).

    "log-sign" (appendix A): (log|g| / p, sign g) where |g| >= e^-p, else (-1, e^p g).

    Raises:
        ValueError: an unknown preprocessing.
    """
    if how == "identity":
        return gradient[None]
    if how != "log-sign":
        raise ValueError(f"preprocessing is {how!r}, must be one of {sorted(INPUTS)}")
    size = gradient.abs()
    large = size >= math.exp(-P)
    logarithm = torch.where(large, size.clamp(min=math.exp(-P)).log() / P, -1.0)
    sign = torch.where(large, gradient.sign(), gradient * math.exp(P))
    return torch.stack([logarithm, sign])


def initial_weights(how: Preprocessing, generator: torch.Generator) -> dict[str, Tensor]:
    """Return untrained float32 weights, uniform within 1/sqrt(fan of the layer) as `torch.nn.LSTMCell` has them.

    The bias of the forget gates is `FORGET_BIAS` above that.

    Returns:
        "cell1.weight" (80, inputs + 20), "cell1.bias" (80,), "cell2.weight" (80, 40), "cell2.bias" (80,),
        "readout.weight" (1, 20), "readout.bias" (1,).

    Raises:
        ValueError: an unknown preprocessing.
    """
    if how not in INPUTS:
        raise ValueError(f"preprocessing is {how!r}, must be one of {sorted(INPUTS)}")
    bound = 1 / math.sqrt(HIDDEN)
    shapes = {
        "cell1.weight": (4 * HIDDEN, INPUTS[how] + HIDDEN),
        "cell1.bias": (4 * HIDDEN,),
        "cell2.weight": (4 * HIDDEN, 2 * HIDDEN),
        "cell2.bias": (4 * HIDDEN,),
        "readout.weight": (1, HIDDEN),
        "readout.bias": (1,),
    }
    weights = {name: torch.empty(shape).uniform_(-bound, bound, generator=generator) for name, shape in shapes.items()}
    for name in ("cell1.bias", "cell2.bias"):
        weights[name][HIDDEN : 2 * HIDDEN] += FORGET_BIAS  # gates in the order input, forget, output, candidate
    return weights


def initial_state(coordinates: int, like: Tensor) -> Tensor:
    """Return a zero hidden state, (4 x 20, coordinates): output and memory of layer one, then of layer two."""
    return torch.zeros(4 * HIDDEN, coordinates, dtype=like.dtype, device=like.device)


def propose(
    weights: Mapping[str, Tensor], gradient: Tensor, state: Tensor, how: Preprocessing
) -> tuple[Tensor, Tensor]:
    """Return the unscaled update of every coordinate and the new hidden state.

    Args:
        weights: as `initial_weights` returns them, of the gradient's dtype.
        gradient: shape (coordinates,).
        state: shape (80, coordinates).
        how: the preprocessing that the weights were made for.
    """
    output1, memory1, output2, memory2 = torch.split(state, HIDDEN)
    output1, memory1 = cell(weights["cell1.weight"], weights["cell1.bias"], preprocess(gradient, how), output1, memory1)
    output2, memory2 = cell(weights["cell2.weight"], weights["cell2.bias"], output1, output2, memory2)
    update = torch.addmm(weights["readout.bias"][:, None], weights["readout.weight"], output2)  # (1, coordinates)
    return update[0], torch.cat([output1, memory1, output2, memory2])
