"""A character-level recurrent network: a GRU (Cho et al., EMNLP 2014, arXiv:1406.1078) of 32 units on a short text.

The text is the Declaration of Independence of the United States (1776, public domain; abridged and in ASCII, `declaration.txt`), cut
into pieces of 17 characters: 16 are read, each with the next one as its target. Capitals are lowered.
Pieces start every 4 characters; splits are consecutive parts of the text, so that no character is in two.
"""

from __future__ import annotations

import math
from functools import cache
from importlib import resources

import numpy as np
import torch

from nasbench.tasks.task import Examples, NetworkTask, Parameters, uniform

LENGTH = 16
STRIDE = 4
UNITS = 32
ALPHABET = "\n ',-.;abcdefghijklmnopqrstuvwxyz"
SHARES = {"train": (0.0, 0.7), "inner": (0.7, 0.8), "outer": (0.8, 0.9), "test": (0.9, 1.0)}


@cache
def _examples() -> Examples:
    text = (resources.files("nasbench.tasks") / "declaration.txt").read_text(encoding="ascii").lower()
    codes = torch.tensor([ALPHABET.index(character) for character in text])
    inputs, targets = {}, {}
    for split, (start, stop) in SHARES.items():
        part = codes[int(start * len(codes)) : int(stop * len(codes))]
        pieces = part.unfold(0, LENGTH + 1, STRIDE)  # (pieces, 17)
        inputs[split], targets[split] = pieces[:, :-1].contiguous(), pieces[:, 1:].contiguous()
    return Examples(inputs, targets, len(ALPHABET))


def _start(rng: np.random.Generator) -> dict[str, torch.Tensor]:
    letters = len(ALPHABET)
    return {
        "embedding": uniform(rng, letters, 3 * UNITS, fan_in=UNITS),
        "recurrent": uniform(rng, UNITS, 3 * UNITS, fan_in=UNITS),
        "bias": uniform(rng, 3 * UNITS, fan_in=UNITS),
        "weight": uniform(rng, UNITS, letters, fan_in=UNITS),
        "output_bias": uniform(rng, letters, fan_in=UNITS),
    }


def _forward(parameters: Parameters, inputs: torch.Tensor) -> torch.Tensor:
    """Map codes (pieces, 16) to logits (pieces, 16, letters); gates stand in the order reset, update, candidate."""
    driven = parameters["embedding"][inputs]  # (pieces, 16, 96): what the letters add to the gates
    state = torch.zeros(len(inputs), UNITS)
    states = []
    for place in range(inputs.shape[1]):
        own = torch.addmm(parameters["bias"], state, parameters["recurrent"])  # (pieces, 96)
        gates = torch.sigmoid(driven[:, place, : 2 * UNITS] + own[:, : 2 * UNITS])
        reset, update = gates.chunk(2, 1)
        candidate = torch.tanh(driven[:, place, 2 * UNITS :] + reset * own[:, 2 * UNITS :])
        state = torch.lerp(candidate, state, update)
        states.append(state)
    return torch.stack(states, 1) @ parameters["weight"] + parameters["output_bias"]


TASKS = (
    NetworkTask(
        "declaration-gru", "recurrent", 1, 200, 64, 1.5 * math.log(len(ALPHABET)), 8, _examples, _start, _forward
    ),
)
