"""A recurrent controller that writes an architecture decision by decision (Zoph & Le, ICLR 2017, arXiv:1611.01578, figure 2).

A stacked LSTM; at each step a softmax of that step's own gives the next decision, whose embedding is the next input.
Forward and backward pass are written out in numpy: at these sizes they take a fraction of torch's time, and need no import.
Log-probabilities and gradients are tested against `torch.nn.LSTM`. Gates stand in torch's order: input, forget, cell, output.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Taken = tuple[Floats | None, Floats, Floats, Floats, Floats]
"""What the backward pass of a layer at a step needs; `Trace` says what."""


@dataclass(frozen=True)
class Controller:
    """Views into one vector of parameters; H hidden units, T decisions, V options at most.

    Attributes:
        parameters: shape (total,).
        embedding: shape (T, V, H); row [t, v] is the input of step t after option v of step t - 1; [0, 0] begins.
        input_weights: per layer, shape (H, 4 H).
        hidden_weights: per layer, shape (H, 4 H).
        gate_biases: per layer, shape (4 H,).
        output_weights: shape (T, H, V).
        output_biases: shape (T, V).
        closed: shape (T, V), True where a decision has no such option.
    """

    parameters: Floats
    embedding: Floats
    input_weights: tuple[Floats, ...]
    hidden_weights: tuple[Floats, ...]
    gate_biases: tuple[Floats, ...]
    output_weights: Floats
    output_biases: Floats
    closed: NDArray[np.bool_]


@dataclass(frozen=True)
class Trace:
    """A forward pass over given architectures, with what the backward pass needs.

    Attributes:
        decisions: shape (n, T).
        log_probability: shape (n, T), of each decision given those before it.
        entropy: shape (n, T), of each step's distribution, in nats.
        log_softmax: per step, shape (n, V).
        steps: per step and layer: input (None for the first layer: a row of the embedding), previous hidden and cell state, gates,
            tanh of the new cell state.
        tops: per step, the last layer's output, shape (n, H).
    """

    decisions: Ints
    log_probability: Floats
    entropy: Floats
    log_softmax: list[Floats]
    steps: list[list[Taken]]
    tops: list[Floats]


def controller_size(choices: Sequence[int], hidden: int, layers: int) -> int:
    """Return the number of parameters."""
    decisions, options = len(choices), max(choices)
    return decisions * options * (2 * hidden + 1) + layers * 4 * hidden * (2 * hidden + 1)


def shape_controller(parameters: Floats, choices: Sequence[int], hidden: int, layers: int) -> Controller:
    """Cut a vector of length `controller_size` into a controller's arrays."""
    decisions, options = len(choices), max(choices)
    start = 0

    def cut(*shape: int) -> Floats:
        nonlocal start
        start += int(np.prod(shape))
        return parameters[start - int(np.prod(shape)) : start].reshape(shape)

    return Controller(
        parameters=parameters,
        embedding=cut(decisions, options, hidden),
        input_weights=tuple(cut(hidden, 4 * hidden) for _ in range(layers)),
        hidden_weights=tuple(cut(hidden, 4 * hidden) for _ in range(layers)),
        gate_biases=tuple(cut(4 * hidden) for _ in range(layers)),
        output_weights=cut(decisions, hidden, options),
        output_biases=cut(decisions, options),
        closed=np.arange(options) >= np.asarray(choices)[:, None],
    )


def initial_controller(
    choices: Sequence[int], hidden: int, layers: int, scale: float, rng: np.random.Generator
) -> Controller:
    """Draw all parameters uniformly from [-scale, scale]."""
    return shape_controller(
        rng.uniform(-scale, scale, size=controller_size(choices, hidden, layers)), choices, hidden, layers
    )


def draw(controller: Controller, count: int, rng: np.random.Generator) -> Trace:
    """Draw `count` architectures from the policy."""
    return _forward(controller, rng.random((count, len(controller.embedding))), None)


def follow(controller: Controller, decisions: Ints) -> Trace:
    """Compute the probabilities of given architectures, shape (n, T)."""
    return _forward(controller, None, decisions)


def _forward(controller: Controller, uniform: Floats | None, given: Ints | None) -> Trace:
    """Run the steps; decisions are `given` or drawn by inverting the cumulative distribution at `uniform`."""
    source = uniform if uniform is not None else given
    assert source is not None
    count, length = source.shape
    hidden, layers = controller.embedding.shape[2], len(controller.input_weights)
    rows = np.arange(count)
    decisions = np.zeros((count, length), dtype=np.int64)
    log_probability, entropy = np.zeros((count, length)), np.zeros((count, length))
    state = [(np.zeros((count, hidden)), np.zeros((count, hidden))) for _ in range(layers)]
    log_softmax: list[Floats] = []
    steps: list[list[Taken]] = []
    tops: list[Floats] = []
    # Few rows of the embedding, each entered by many architectures: their products with the weights are made once.
    entered = controller.embedding @ controller.input_weights[0]  # (T, V, 4 H)
    for step in range(length):
        value: Floats | None = None
        taken: list[Taken] = []
        for layer in range(layers):
            before, cell = state[layer]
            raw = entered[step, _before(decisions, step)] if value is None else value @ controller.input_weights[layer]
            gates = raw + before @ controller.hidden_weights[layer]
            gates += controller.gate_biases[layer]  # (n, 4 H)
            gates[:, 2 * hidden : 3 * hidden] *= 2.0  # tanh(x) = 2 sigmoid(2 x) - 1: one exponential for all gates
            gates = 1.0 / (1.0 + np.exp(-gates))
            gates[:, 2 * hidden : 3 * hidden] = 2.0 * gates[:, 2 * hidden : 3 * hidden] - 1.0
            inlet, forget, fresh, outlet = _quarters(gates)
            following = forget * cell + inlet * fresh
            tanh = np.tanh(following)
            taken.append((value, before, cell, gates, tanh))
            value = outlet * tanh
            state[layer] = (value, following)
        assert value is not None, "there is at least one layer"
        logits = value @ controller.output_weights[step] + controller.output_biases[step]
        logits[:, controller.closed[step]] = -np.inf
        logits -= logits.max(axis=1, keepdims=True)
        logarithm = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        probability = np.exp(logarithm)
        if given is not None:
            decisions[:, step] = given[:, step]
        elif uniform is not None:
            below = probability.cumsum(axis=1) <= uniform[:, step, None]
            last = len(controller.closed[step]) - 1 - int(controller.closed[step].sum())
            decisions[:, step] = np.minimum(below.sum(axis=1), last)  # rounding may leave the last sum just under 1
        log_probability[:, step] = logarithm[rows, decisions[:, step]]
        entropy[:, step] = -np.where(probability > 0, probability * np.maximum(logarithm, -1e300), 0.0).sum(axis=1)
        log_softmax.append(logarithm)
        steps.append(taken)
        tops.append(value)
    return Trace(decisions, log_probability, entropy, log_softmax, steps, tops)


def backward(controller: Controller, trace: Trace, by_log_probability: Floats, by_entropy: Floats) -> Floats:
    """Return the gradient of a sum over architectures and steps by the parameters, shape (total,).

    Args:
        controller: as it was in the forward pass.
        trace: the forward pass.
        by_log_probability: shape (n, T), derivative of the objective by each log-probability.
        by_entropy: shape (n, T), derivative by each entropy.
    """
    length, _, hidden = controller.embedding.shape
    layers = len(controller.input_weights)
    choices = (~controller.closed).sum(axis=1).tolist()
    gradient = shape_controller(np.zeros_like(controller.parameters), choices, hidden, layers)
    count = len(trace.decisions)
    rows = np.arange(count)
    by_hidden = [np.zeros((count, hidden)) for _ in range(layers)]
    by_cell = [np.zeros((count, hidden)) for _ in range(layers)]
    by_gates = np.empty((layers, length, count, 4 * hidden))
    by_entered = np.empty((length, len(controller.closed[0]), 4 * hidden))
    for step in range(length - 1, -1, -1):
        logarithm = trace.log_softmax[step]
        probability = np.exp(logarithm)
        finite = np.where(probability > 0, logarithm, 0.0)
        by_logits = -by_log_probability[:, step, None] * probability
        by_logits[rows, trace.decisions[:, step]] += by_log_probability[:, step]
        by_logits -= by_entropy[:, step, None] * probability * (finite + trace.entropy[:, step, None])
        gradient.output_weights[step] += trace.tops[step].T @ by_logits
        gradient.output_biases[step] += by_logits.sum(axis=0)
        by_value = by_logits @ controller.output_weights[step].T
        for layer in range(layers - 1, -1, -1):
            _, _, cell, gates, tanh = trace.steps[step][layer]
            inlet, forget, fresh, outlet = _quarters(gates)
            by_value = by_value + by_hidden[layer]
            by_following = by_cell[layer] + by_value * outlet * (1.0 - tanh**2)
            by_inlet, by_forget, by_fresh, by_outlet = _quarters(by_gates[layer, step])
            np.multiply(by_following * fresh * inlet, 1.0 - inlet, out=by_inlet)
            np.multiply(by_following * cell * forget, 1.0 - forget, out=by_forget)
            np.multiply(by_following * inlet, 1.0 - fresh**2, out=by_fresh)
            np.multiply(by_value * tanh * outlet, 1.0 - outlet, out=by_outlet)
            by_hidden[layer] = by_gates[layer, step] @ controller.hidden_weights[layer].T
            by_cell[layer] = by_following * forget
            if layer:
                by_value = by_gates[layer, step] @ controller.input_weights[layer].T
        chosen = _before(trace.decisions, step) == np.arange(len(controller.closed[step]))[:, None]  # (V, n)
        by_entered[step] = chosen.astype(np.float64) @ by_gates[0, step]
    for layer in range(layers):  # all steps at once: the weights' gradients are written once instead of T times
        every = by_gates[layer].reshape(-1, 4 * hidden)
        gradient.hidden_weights[layer][...] = np.concatenate([taken[layer][1] for taken in trace.steps]).T @ every
        gradient.gate_biases[layer][...] = every.sum(axis=0)
        if layer:
            values = [value for value, *_ in (taken[layer] for taken in trace.steps) if value is not None]
            gradient.input_weights[layer][...] = np.concatenate(values).T @ every
    gradient.input_weights[0][...] = controller.embedding.reshape(-1, hidden).T @ by_entered.reshape(-1, 4 * hidden)
    gradient.embedding[...] = by_entered @ controller.input_weights[0].T
    return gradient.parameters


def _before(decisions: Ints, step: int) -> Ints:
    """Return the decisions of the step before, shape (n,); 0 at the first."""
    return decisions[:, step - 1] if step else np.zeros(len(decisions), dtype=np.int64)


def _quarters(gates: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return views of the four gates, shape (n, H) each."""
    hidden = gates.shape[1] // 4
    return gates[:, :hidden], gates[:, hidden : 2 * hidden], gates[:, 2 * hidden : 3 * hidden], gates[:, 3 * hidden :]


@dataclass
class MovingAverage:
    """An exponential moving average with the bias of its start corrected, as Adam's are.

    Attributes:
        decay: in [0, 1).
    """

    decay: float
    _total: float = 0.0
    _weight: float = 0.0

    @property
    def empty(self) -> bool:
        """No value has been entered."""
        return self._weight == 0.0

    @property
    def value(self) -> float:
        """The average; 0 when empty."""
        return self._total / self._weight if self._weight else 0.0

    def enter(self, value: float) -> None:
        """Take one more value into account."""
        self._total = self.decay * self._total + (1.0 - self.decay) * value
        self._weight = self.decay * self._weight + (1.0 - self.decay)
