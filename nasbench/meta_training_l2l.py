"""Meta-training of L2L: Andrychowicz et al., NeurIPS 2016, arXiv:1606.04474, section 2 and 3.

An episode trains one fresh instance of a task for 100 steps, cut into 5 unrolls of 20. After each unroll the sum of
its losses, the one after its last update included (21), is differentiated through the updates (gradients of the task
are constants: "no second derivatives") and Adam makes one step on the LSTM's weights; parameters and hidden states go
on, detached. Every `check_every` episodes the optimizer is run on held-out instances, and the weights with the lowest
mean loss after the last of the 100 updates are kept (section 3: early stopping). Both losses are those of the released
code (google-deepmind/learning-to-learn, `meta_loss` in meta.py; train.py with `run_epoch` in util.py), where a batch
is drawn for each evaluation of the loss: the loss after an update is that of the next step's batch.

Departures: gradient clipped to norm 1, an unroll with a loss that is not finite makes no step (the paper says nothing
of either); fewer episodes (the released code has 10,000); learning rate of Adam fixed at 1e-3 as in the released code
(random search in the paper); held-out losses are held to the task's ceiling.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

UNROLL = 20
CLIP = 1.0
ADAM_RATE = 1e-3
VERSION = 2
"""Rises whenever the same settings give other weights; a state of another version is not gone on from. Version 1 left the loss
after an unroll's last update out, selected on the mean of the trajectory and had no forget bias."""

TRAINING_SEEDS = 1_000_000
HELD_OUT_SEEDS = 500_000
"""Ranges that `nasbench.tasks.task` keeps apart from the seeds of tuning and of scores."""


@dataclass(frozen=True)
class L2LRun:
    """What an L2L is meta-trained on and how; everything that its weights depend on.

    Attributes:
        task: name of the task.
        preprocessing: "identity" or "log-sign".
        scale: factor of the LSTM's output.
        gradient_factor: factor of the gradient before preprocessing.
        episodes: fresh instances trained on.
        steps: of an episode.
        check_every: episodes between two runs on the held-out instances.
        held_out: instances held out.
        seed: of the initial weights; instances are numbered from `TRAINING_SEEDS` + 100,000 x seed.
    """

    task: str
    preprocessing: str
    scale: float
    gradient_factor: float = 1.0
    episodes: int = 1000
    steps: int = 100
    check_every: int = 25
    held_out: int = 20
    seed: int = 0


def _lstm() -> Any:
    return importlib.import_module("nasbench.baselines.optimizers._lstm")


def flatten(values: Mapping[str, Tensor]) -> Tensor:
    """Return all coordinates as one vector, in the order of the mapping."""
    return torch.cat([value.reshape(-1) for value in values.values()])


def unflatten(vector: Tensor, like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return views of a vector under the names and shapes of `like`."""
    sizes = [value.numel() for value in like.values()]
    parts = torch.split(vector, sizes)
    return {name: part.view_as(value) for (name, value), part in zip(like.items(), parts, strict=True)}


def unroll(
    run: L2LRun, weights: Mapping[str, Tensor], instance: Any, start: int, position: Tensor, hidden: Tensor, steps: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Make `steps` updates and return (losses (steps,), coordinates, hidden state), all differentiable in `weights`.

    Args:
        run: preprocessing and scales.
        weights: of the LSTM.
        instance: the instance of the task.
        start: number of the first step, which chooses the batch.
        position: coordinates of the parameters (coordinates,).
        hidden: shape (80, coordinates).
        steps: how many.
    """
    shapes = instance.initialise()
    losses = []
    for step in range(start, start + steps):
        if not position.requires_grad:
            position = position.requires_grad_()
        loss = instance.loss(unflatten(position, shapes), instance.batch(step))
        (gradient,) = torch.autograd.grad(loss, position, retain_graph=True)
        update, hidden = _lstm().propose(weights, gradient * run.gradient_factor, hidden, run.preprocessing)
        position = position + run.scale * update
        losses.append(loss)
    return torch.stack(losses), position, hidden


def loss_at(instance: Any, position: Tensor, step: int) -> Tensor:
    """Return the loss of coordinates after `step` updates, on that step's batch."""
    loss: Tensor = instance.loss(unflatten(position, instance.initialise()), instance.batch(step))
    return loss


def held_out_loss(run: L2LRun, weights: Mapping[str, Tensor], task: Any) -> float:
    """Return the mean over held-out instances of the loss after the last update; losses are held to the task's ceiling."""
    total = 0.0
    constants = {name: weight.detach() for name, weight in weights.items()}
    for seed in range(HELD_OUT_SEEDS, HELD_OUT_SEEDS + run.held_out):
        instance = task.instance(seed)
        position = flatten(instance.initialise()).detach()
        hidden = _lstm().initial_state(position.numel(), position)
        for step in range(run.steps):
            _, position, hidden = unroll(run, constants, instance, step, position, hidden, 1)
            position, hidden = position.detach(), hidden.detach()
        last = float(loss_at(instance, position, run.steps))
        total += min(last, task.ceiling) if math.isfinite(last) else task.ceiling
    return total / run.held_out


def meta_loss(
    run: L2LRun, weights: Mapping[str, Tensor], instance: Any, start: int, position: Tensor, hidden: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Make one unroll of `UNROLL` updates; return (sum of its `UNROLL` + 1 losses, coordinates, hidden state).

    What is given is what `unroll` is given.
    """
    losses, position, hidden = unroll(run, weights, instance, start, position, hidden, UNROLL)
    return losses.sum() + loss_at(instance, position, start + UNROLL), position, hidden


def episode(run: L2LRun, weights: Mapping[str, Tensor], optimizer: torch.optim.Optimizer, instance: Any) -> float:
    """Train on one instance; return the mean of the losses that were differentiated (NaN where they left the finite numbers)."""
    position = flatten(instance.initialise()).detach()
    hidden = _lstm().initial_state(position.numel(), position)
    sums = []
    for start in range(0, run.steps, UNROLL):
        total, position, hidden = meta_loss(run, weights, instance, start, position, hidden)
        sums.append(float(total.detach()))
        if not math.isfinite(sums[-1]):
            break
        optimizer.zero_grad()
        total.backward()  # type: ignore[no-untyped-call, unused-ignore]
        torch.nn.utils.clip_grad_norm_(list(weights.values()), CLIP)
        optimizer.step()
        position, hidden = position.detach(), hidden.detach()
    return sum(sums) / (len(sums) * (UNROLL + 1))


def start(run: L2LRun) -> dict[str, Any]:
    """Return the state before the first episode: `weights`, `adam` (its two moments), `best`, and plain numbers."""
    generator = torch.Generator().manual_seed(run.seed)
    weights = _lstm().initial_weights(run.preprocessing, generator)
    return {
        "done": 0,
        "best_done": 0,
        "best_loss": math.inf,
        "history": [],
        "weights": weights,
        "best": {name: weight.clone() for name, weight in weights.items()},
        "adam": None,
    }


def train(run: L2LRun, task: Any, state: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Meta-train from a state on; yield the state after each check on the held-out instances.

    Every episode is a function of the weights before it and its own number, so that a run that goes on from a yielded state
    ends with the same bits as one that was never interrupted.
    """
    weights = {name: weight.clone().requires_grad_() for name, weight in state["weights"].items()}
    optimizer = torch.optim.Adam(list(weights.values()), lr=ADAM_RATE)
    if state["adam"] is not None:
        optimizer.load_state_dict(state["adam"])
    first = TRAINING_SEEDS + 100_000 * run.seed
    history, best, best_done, best_loss = list(state["history"]), state["best"], state["best_done"], state["best_loss"]
    losses = []
    for number in range(state["done"], run.episodes):
        losses.append(episode(run, weights, optimizer, task.instance(first + number)))
        done = number + 1
        if done % run.check_every and done < run.episodes:
            continue
        checked = held_out_loss(run, weights, task)
        history.append([done, sum(losses) / len(losses), checked])
        losses = []
        if checked < best_loss:
            best = {name: weight.detach().clone() for name, weight in weights.items()}
            best_done, best_loss = done, checked
        yield {
            "done": done,
            "best_done": best_done,
            "best_loss": best_loss,
            "history": list(history),
            "weights": {name: weight.detach().clone() for name, weight in weights.items()},
            "best": best,
            "adam": optimizer.state_dict(),
        }


def meta_work(run: L2LRun, state: Mapping[str, Any], work_per_step: int) -> dict[str, int]:
    """Return the work of a state's past: losses on training and on held-out instances x the task's work per step.

    The loss after the last update of an unroll, and of a held-out run, counts as a step.
    """
    losses = run.steps + run.steps // UNROLL
    return {
        "training": state["done"] * losses * work_per_step,
        "held_out": len(state["history"]) * run.held_out * (run.steps + 1) * work_per_step,
    }
