"""Zero-cost proxies: what one batch, or none, says of an untrained network. Abdelfattah et al., ICLR 2021, arXiv:2101.08134.

Each proxy takes a fused network fresh from its initialisation (`network.py`) and returns one number for each member, larger
being better by its paper's definition. With w a weight of a convolution or of the classifier (no bias, no batch norm, as in the
paper's code), g the gradient of the batch's mean cross-entropy L by w, and sums over all w unless said otherwise:

    grad_norm  sum over layers of |g|_2                                  Abdelfattah et al. 2021
    snip       sum |w g|                                                 Lee et al., ICLR 2019, arXiv:1810.02340
    grasp      -sum w (H g), H the Hessian of L                          Wang et al., ICLR 2020, arXiv:2002.07376
    fisher     sum over channels of the mean over examples of            Turner et al., ICLR 2020, arXiv:1906.04113
               (sum over places of activation * its gradient)^2 / 2, at the convolutions' outputs and the logits
    synflow    log sum |w| dR/d|w|, R the sum of the outputs of the      Tanaka et al., NeurIPS 2020, arXiv:2006.05467
               network with weights |w|, without batch norm, on an input of ones; float64
    jacob_cov  -sum (log(v + k) + 1 / (v + k)), k = 1e-5, v the          Mellor et al. 2020, arXiv:2006.04647v1
               eigenvalues of the correlation between examples of the gradient of the summed logits by the input
    naswot     log det K, K counting the ReLUs at which two examples     Mellor et al., ICML 2021, arXiv:2006.04647
               are on the same side of zero
    zen        log mean_n |f(x) - f(x + 0.01 e)|_1 + sum over batch      Lin et al., ICCV 2021, arXiv:2102.01063
               norms of log sqrt(mean over channels of the batch's variance); weights, x and e standard normal, f the
               features before the global pooling

Batch norm is in training mode everywhere, so that it normalises by the batch. Departures:
- The networks are canonical cells (`network.py`): equal operations on equal inputs are one, with one set of weights, where the
  published networks have two. Sizes count the same networks.
- fisher adds each channel once, as Turner et al. do; Abdelfattah's code spreads a channel's value over its weights before it sums,
  so that a channel counts as often as it has weights. Its gradients are those of the mean loss, as in that code; Turner's are N
  times larger (N^2 in the score, which moves no rank).
- grasp has the sign of Abdelfattah's code; Wang et al. keep the weights with the *lowest* values of the same quantity. A convolution
  before a batch norm contributes the square of its gradient (H w = -g: its scale is free), and the classifier takes most of it away
  again: what is left has a rank correlation of -0.01 between initialisations on `mnist1d` (4,930 classes), where naswot's is 0.99.
- synflow is a logarithm: raw values beyond 1e30 are on record. The network of the zero cell has none.
- naswot counts a ReLU as often as convolutions read it, as in the published networks where each has its own; the last ReLU
  counts once. Where K is singular (a cell without weights gives fewer independent codes than there are examples) it has no value.
- jacob_cov: `eigvalsh`, where the published code calls `eig`, whose values may be complex. With fewer inputs than examples
  some eigenvalues are zero in every network and add a constant (64 examples of 40 points, `mnist1d`: 25 of them, -2.5 million).
- zen: the variances are the batch's, as in the paper; the published code reads running ones, a tenth of a batch's and nine tenths of
  1. One draw for each initialisation (the code: 32). Skips stay: a cell can't do without them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional
from torch.utils.hooks import RemovableHandle

from nasbench.network import CellBlock, Convolution, Network, Norm, ResidualStep, Unit

JACOBIAN_OFFSET = 1e-5  # k of arXiv:2006.04647v1
PERTURBATION = 0.01  # alpha of arXiv:2102.01063, algorithm 1

Scores = NDArray[np.float64]
"""One score for each member, shape (members,); infinite or NaN where the proxy is not defined."""


@dataclass(frozen=True, eq=False)
class Batch:
    """What proxies look at.

    Attributes:
        inputs: (batch, members * channels, height, width), each member's own examples.
        labels: int64 (members, batch).
        noise: a generator for each member, for what `zen` draws.
    """

    inputs: torch.Tensor
    labels: torch.Tensor
    noise: Sequence[np.random.Generator]


Proxy = Callable[[Network, Batch], Scores]


def grad_norm(network: Network, batch: Batch) -> Scores:
    """Sum over layers of the norm of the gradient."""
    layers = weighted(network)
    gradients = torch.autograd.grad(loss(network, batch), [unit.weight for unit in layers], materialize_grads=True)
    found = torch.zeros(network.members, dtype=torch.float64)
    for unit, gradient in zip(layers, gradients, strict=True):
        found[list(unit.members)] += rows(unit, gradient).square().sum(1).sqrt()
    return found.numpy()


def snip(network: Network, batch: Batch) -> Scores:
    """Sum of |weight * gradient|: the gradient by a mask that multiplies each weight, at 1."""
    layers = weighted(network)
    gradients = torch.autograd.grad(loss(network, batch), [unit.weight for unit in layers], materialize_grads=True)
    return _summed(network, layers, gradients, torch.abs)


def grasp(network: Network, batch: Batch) -> Scores:
    """Minus the sum of weight * (Hessian * gradient), by differentiating twice."""
    layers = weighted(network)
    weights = [unit.weight for unit in layers]
    first = torch.autograd.grad(loss(network, batch), weights, create_graph=True, materialize_grads=True)
    product = torch.stack([(gradient.detach() * gradient).sum() for gradient in first]).sum()
    second = torch.autograd.grad(product, weights, materialize_grads=True)
    return _summed(network, layers, second, torch.neg)


def fisher(network: Network, batch: Batch) -> Scores:
    """Squared effect of each channel on the loss, to first order, over all channels."""
    kept: list[tuple[Unit, torch.Tensor]] = []
    hooks: list[RemovableHandle] = []
    for unit in weighted(network):
        if (
            isinstance(unit, Convolution) and unit.norm is not None
        ):  # before the batch norm, which the unit applies itself

            def before(norm: torch.nn.Module, given: tuple[torch.Tensor, ...], unit: Unit = unit) -> None:
                kept.append((unit, given[0]))

            hooks.append(unit.norm.register_forward_pre_hook(before))
        else:

            def after(
                one: torch.nn.Module, given: tuple[torch.Tensor, ...], made: torch.Tensor, unit: Unit = unit
            ) -> None:
                kept.append((unit, made))

            hooks.append(unit.register_forward_hook(after))
    try:
        total = loss(network, batch)
    finally:
        for hook in hooks:
            hook.remove()
    gradients = torch.autograd.grad(total, [made for _, made in kept], materialize_grads=True)
    found = torch.zeros(network.members, dtype=torch.float64)
    for (owner, made), gradient in zip(kept, gradients, strict=True):
        effect = (made.detach() * gradient).double()
        # The classifier's logits are (members, batch, classes) and have no places.
        each = (
            effect.sum((2, 3)) if effect.ndim == 4 else effect.transpose(0, 1).flatten(1)
        )  # (batch, members * channels)
        found[list(owner.members)] += each.square().mean(0).view(len(owner.members), -1).sum(1) / 2
    return found.numpy()


def synflow(network: Network, batch: Batch) -> Scores:
    """Logarithm of the flow through the network of absolute weights; the network is left with those, in float64."""
    network.double().eval()
    layers = weighted(network)
    with torch.no_grad():
        for unit in network.units():
            for parameter in unit.parameters(recurse=False):
                parameter.abs_()
    hooks = [
        module.register_forward_hook(lambda norm, given, made: given[0])
        for module in network.modules()
        if isinstance(module, Norm)
    ]
    try:
        total = network(torch.ones_like(batch.inputs[:1], dtype=torch.float64)).sum()
    finally:
        for hook in hooks:
            hook.remove()
    gradients = torch.autograd.grad(total, [unit.weight for unit in layers], materialize_grads=True)
    with np.errstate(divide="ignore"):
        return np.log(_summed(network, layers, gradients, torch.abs))


def jacob_cov(network: Network, batch: Batch) -> Scores:
    """How little the gradients by the input of the examples are correlated."""
    inputs = batch.inputs.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(network(inputs).sum(), inputs, materialize_grads=True)
    each = (
        gradient.reshape(len(inputs), network.members, -1).transpose(0, 1).double().numpy()
    )  # (members, batch, inputs)
    return np.array([_correlation_score(member) for member in each])


def _correlation_score(gradients: NDArray[np.float64]) -> float:
    centred = gradients - gradients.mean(axis=1, keepdims=True)
    lengths = np.sqrt((centred**2).sum(axis=1))
    if not (lengths > 0).all():
        return math.nan
    directions = centred / lengths[:, None]
    values = np.linalg.eigvalsh(directions @ directions.T) + JACOBIAN_OFFSET
    return float(-(np.log(values) + 1.0 / values).sum())


@torch.no_grad()
def naswot(network: Network, batch: Batch) -> Scores:
    """Logarithm of the determinant of the kernel of ReLU codes."""
    kernel = torch.zeros(network.members, len(batch.inputs), len(batch.inputs), dtype=torch.float64)

    def count(unit: Unit, values: torch.Tensor) -> None:
        on = (values > 0).reshape(len(values), len(unit.members), -1).transpose(0, 1).to(values.dtype)
        same = on @ on.transpose(1, 2) + (1 - on) @ (1 - on).transpose(1, 2)
        kernel[list(unit.members)] += same.double()

    def read(unit: torch.nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        assert isinstance(unit, Unit)
        count(unit, given[0])

    def made(norm: torch.nn.Module, given: tuple[torch.Tensor, ...], values: torch.Tensor) -> None:
        assert isinstance(norm, Unit)
        count(norm, values)

    hooks = [unit.register_forward_pre_hook(read) for unit in _behind_relus(network)]
    hooks.append(network.norm.register_forward_hook(made))
    try:
        network(batch.inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return np.array([_log_determinant(member) for member in kernel.numpy()])


def _behind_relus(network: Network) -> list[Convolution]:
    """Return the convolutions whose input is a ReLU's output."""
    found: list[Convolution] = []
    for block in network.body:
        if isinstance(block, CellBlock):
            found += [unit for unit in block.units.values() if isinstance(unit, Convolution)]
        elif isinstance(block, ResidualStep):
            found += [block.first, block.second]
    return found


def _log_determinant(kernel: NDArray[np.float64]) -> float:
    values = np.linalg.eigvalsh(kernel)
    smallest = values[-1] * len(values) * np.finfo(np.float64).eps  # below it is rounding: numpy's rule for a rank
    return float(np.log(values).sum()) if values[0] > smallest else -math.inf


@torch.no_grad()
def zen(network: Network, batch: Batch) -> Scores:
    """Gaussian complexity; the network is left with the weights that it draws."""
    for unit in weighted(network):
        blocks = unit.weight.chunk(len(unit.members), 0)
        for block, member in zip(blocks, unit.members, strict=True):
            block.copy_(torch.from_numpy(batch.noise[member].standard_normal(tuple(block.shape))))
    size, channels = len(batch.inputs), batch.inputs.shape[1] // network.members
    shape = (size, channels, *batch.inputs.shape[2:])
    draws = [[rng.standard_normal(shape) for rng in batch.noise] for _ in range(2)]
    noise = [torch.from_numpy(np.concatenate(each, axis=1)).to(batch.inputs.dtype) for each in draws]
    scale = torch.zeros(network.members, dtype=torch.float64)
    features: list[torch.Tensor] = []

    def spread(norm: torch.nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        assert isinstance(norm, Unit)
        variance = given[0].double().var((0, 2, 3), correction=0)
        scale[list(norm.members)] += variance.view(len(norm.members), -1).mean(1).log() / 2

    def keep(norm: torch.nn.Module, given: tuple[torch.Tensor, ...], made: torch.Tensor) -> None:
        features.append(functional.relu(made))

    last = network.norm.register_forward_hook(keep)
    hooks = [module.register_forward_pre_hook(spread) for module in network.modules() if isinstance(module, Norm)]
    try:
        network(noise[0])
        for hook in hooks:  # the batch's variances are those of x alone
            hook.remove()
        network(noise[0] + PERTURBATION * noise[1])
    finally:
        for hook in (last, *hooks):
            hook.remove()
    change = (features[0] - features[1]).double().abs().reshape(size, network.members, -1).sum(2).mean(0)
    return (change.log() + scale).numpy()


PROXIES: dict[str, Proxy] = {
    "grad_norm": grad_norm,
    "snip": snip,
    "grasp": grasp,
    "fisher": fisher,
    "synflow": synflow,
    "jacob_cov": jacob_cov,
    "naswot": naswot,
    "zen": zen,
}
"""All proxies that need a network, by name."""


class Weighted(Unit):
    """What `weighted` returns: a convolution or the classifier."""

    weight: torch.nn.Parameter


def weighted(network: Network) -> list[Weighted]:
    """Return the convolutions and the classifier of a network."""
    return [unit for unit in network.units() if not isinstance(unit, Norm)]  # type: ignore[misc]


def loss(network: Network, batch: Batch) -> torch.Tensor:
    """Return the sum over members of the mean cross-entropy; the members' gradients do not mix."""
    logits = network(batch.inputs)  # (members, batch, classes)
    each = functional.cross_entropy(logits.flatten(0, 1), batch.labels.flatten(), reduction="none")
    return each.view(batch.labels.shape).mean(1).sum()


def rows(unit: Unit, values: torch.Tensor) -> torch.Tensor:
    """Return what belongs to each member of a unit in a row, float64 (members of the unit, ...)."""
    return values.detach().double().reshape(len(unit.members), -1)


def _summed(
    network: Network,
    layers: Sequence[Weighted],
    factors: Sequence[torch.Tensor],
    change: Callable[[torch.Tensor], torch.Tensor],
) -> Scores:
    """Return the sum over weights of `change(weight * factor)` for each member."""
    found = torch.zeros(network.members, dtype=torch.float64)
    for unit, factor in zip(layers, factors, strict=True):
        found[list(unit.members)] += change(rows(unit, unit.weight) * rows(unit, factor)).sum(1)
    return found.numpy()
