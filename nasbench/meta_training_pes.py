"""Meta-training of the MLP optimizer by persistent evolution strategies: Vicol et al., ICML 2021, arXiv:2112.13835, algorithm 2.

A particle is a pair of training runs (twins) of one task instance under weights + noise and weights - noise. They are
unrolled for a short truncation with fresh noise, keep their states, and add the noise to an accumulator; difference
of the twins' losses x accumulator / (2 sigma^2) is an unbiased estimate of the gradient of the whole (smoothed) run,
where plain truncated evolution strategies only see the effect of noise within one truncation.

Departures: the length of a run is rounded to a multiple of the truncation, so that no run ends inside one (the code
of google/learned_optimization masks the rest); particles start at random phases by a shorter first run; Adam's rate
is 1e-3, not 3e-4, for 12,000 outer steps (published runs are far longer); 8 particles instead of 16; runs of 100 to 500 steps
instead of 100 to 10,000.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nasbench.meta_training_l2l import HELD_OUT_SEEDS, TRAINING_SEEDS, flatten, unflatten


@dataclass(frozen=True)
class PESRun:
    """What the MLP optimizer is meta-trained on and how; everything that its weights depend on.

    Attributes:
        tasks: names of the tasks; particles are dealt out to them in turn.
        particles: pairs of twins.
        truncation: inner steps between two outer steps.
        sigma: deviation of the noise.
        outer_rate: learning rate of Adam on the weights.
        outer_steps: how many.
        shortest, longest: inner steps of a run, drawn log-uniformly.
        check_every: outer steps between two runs on held-out instances.
        held_out: held-out instances of each task.
        held_out_steps: inner steps of such a run.
        seed: of initial weights and noise; instances are numbered from `TRAINING_SEEDS` + 100,000 x seed.
    """

    tasks: tuple[str, ...]
    particles: int = 8
    truncation: int = 20
    sigma: float = 0.01
    outer_rate: float = 1e-3
    outer_steps: int = 1000
    shortest: int = 100
    longest: int = 500
    check_every: int = 50
    held_out: int = 4
    held_out_steps: int = 100
    seed: int = 0


def pes_gradient(plus: Tensor, minus: Tensor, accumulators: Tensor, sigma: float) -> Tensor:
    """Return the estimate of the gradient, (weights,), averaged over particles.

    Args:
        plus: loss of each particle's first twin over the truncation, (particles,).
        minus: that of the second.
        accumulators: sum of a particle's noise since its run began, this truncation's included, (particles, weights).
        sigma: deviation of the noise.
    """
    return ((plus - minus) / (2 * sigma**2)) @ accumulators / plus.shape[0]


def _mlp() -> Any:
    return importlib.import_module("nasbench.baselines.optimizers._mlp_lopt")


def _stacked(vectors: Tensor) -> dict[str, Tensor]:
    """Return the weights of a stack of flat vectors (particles, weights) under their names, particle axis in front."""
    shapes = _mlp().SHAPES
    parts = torch.split(vectors, [math.prod(shape) for shape in shapes.values()], dim=1)
    return {name: part.reshape(-1, *shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}


def advance(
    weights: Mapping[str, Tensor],
    instances: Sequence[Any],
    steps: Tensor,
    position: Tensor,
    momenta: Tensor,
    ceiling: float,
    length: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Make `length` updates of a stack of runs of one task; return (mean loss of each run, coordinates, momenta).

    Args:
        weights: of `_mlp_lopt.SHAPES`, run axis in front.
        instances: one for each run.
        steps: number of the next step of each run, (runs,), float.
        position: coordinates of the parameters, (runs, coordinates).
        momenta: (runs, 6, coordinates).
        ceiling: losses above it, and losses that are not numbers, count as this.
        length: updates.

    Root mean squares are taken tensor by tensor; the network then runs once over the coordinates of all tensors.
    """
    mlp = _mlp()
    shapes = instances[0].initialise()
    sizes = [value.numel() for value in shapes.values()]
    totals = torch.zeros(len(instances))
    for inner in range(length):
        leaf = position.detach().requires_grad_()
        stacked = _losses(instances, [int(step) + inner for step in steps.tolist()], leaf, shapes)
        (gradient,) = torch.autograd.grad(stacked.sum(), leaf)
        gradient = torch.nan_to_num(gradient)
        totals += torch.nan_to_num(stacked.detach(), nan=math.inf).clamp(max=ceiling)
        momenta = mlp.new_momenta(momenta, gradient)
        with torch.no_grad():
            features = [
                mlp.coordinate_features(part, slope, average)
                for part, slope, average in zip(
                    torch.split(position, sizes, dim=1),
                    torch.split(gradient, sizes, dim=1),
                    torch.split(momenta, sizes, dim=2),
                    strict=True,
                )
            ]
            position = position - mlp.respond(weights, torch.cat(features, dim=2), steps + inner)
    return totals / length, position, momenta


def _losses(instances: Sequence[Any], steps: Sequence[int], leaf: Tensor, shapes: Mapping[str, Tensor]) -> Tensor:
    """Return the loss of every run on the batch of its step, (runs,), differentiable in `leaf` (runs, coordinates).

    Where the loss is a function of parameters and batch alone (`shares_loss`), all runs are one vectorised call; a batch that several
    runs share (twins do) is made once.
    """
    keys = [(id(instance), step) for instance, step in zip(instances, steps, strict=True)]
    batches: dict[tuple[int, int], tuple[Tensor, ...]] = {}
    for key, instance in zip(keys, instances, strict=True):
        if key not in batches:
            batches[key] = instance.batch(key[1])
    if not getattr(instances[0], "shares_loss", False):
        found = [
            instance.loss(unflatten(vector, shapes), batches[key])
            for vector, key, instance in zip(leaf, keys, instances, strict=True)
        ]
        return torch.stack(found)
    parts = [torch.stack(values) for values in zip(*(batches[key] for key in keys), strict=True)]

    def loss(vector: Tensor, *batch: Tensor) -> Tensor:
        value: Tensor = instances[0].loss(unflatten(vector, shapes), batch)
        return value

    return torch.func.vmap(loss)(leaf, *parts)


def held_out_loss(run: PESRun, vector: Tensor, tasks: Sequence[Any]) -> float:
    """Return the mean loss over trajectories on held-out instances, averaged over tasks."""
    total = 0.0
    for task in tasks:
        instances = [task.instance(HELD_OUT_SEEDS + number) for number in range(run.held_out)]
        position = torch.stack([flatten(instance.initialise()).detach() for instance in instances])
        momenta = position.new_zeros(len(instances), len(_mlp().DECAYS), position.shape[1])
        weights = _stacked(vector.expand(len(instances), -1))
        losses, _, _ = advance(
            weights, instances, torch.zeros(len(instances)), position, momenta, task.ceiling, run.held_out_steps
        )
        total += float(losses.mean())
    return total / len(tasks)


def _fresh(run: PESRun, task: Any, seed: int, longest: int, generator: torch.Generator) -> dict[str, Any]:
    """Return both twins at the start of a run of the instance `seed`, equal to each other."""
    position = flatten(task.instance(seed).initialise()).detach().repeat(2, 1)
    drawn = float(torch.rand((), generator=generator))
    length = run.shortest * (longest / run.shortest) ** drawn if longest > run.shortest else float(run.shortest)
    return {
        "seed": seed,
        "step": 0,
        "length": max(1, round(length / run.truncation)) * run.truncation,
        "position": position,
        "momenta": position.new_zeros(2, len(_mlp().DECAYS), position.shape[1]),
    }


def start(run: PESRun, tasks: Sequence[Any]) -> dict[str, Any]:
    """Return the state before the first outer step."""
    generator = torch.Generator().manual_seed(run.seed)
    weights = _mlp().initial_weights(generator)
    first = TRAINING_SEEDS + 100_000 * run.seed
    particles = []
    for number in range(run.particles):
        particle = _fresh(run, tasks[number % len(tasks)], first + number, run.longest, generator)
        # A first run cut short at random, so that the particles' later runs don't begin together.
        pieces = particle["length"] // run.truncation
        particle["length"] = run.truncation * int(torch.randint(1, pieces + 1, (), generator=generator))
        particles.append(particle)
    return {
        "done": 0,
        "best_done": 0,
        "best_loss": math.inf,
        "history": [],
        "drawn": run.particles,
        "work": {"training": 0, "held_out": 0},
        "weights": weights,
        "best": {name: weight.clone() for name, weight in weights.items()},
        "adam": None,
        "accumulators": torch.zeros(run.particles, flatten(weights).numel()),
        "particles": particles,
    }


def outer_gradient(
    run: PESRun, tasks: Sequence[Any], state: dict[str, Any], vector: Tensor, generator: torch.Generator
) -> tuple[Tensor, float]:
    """Unroll all particles for one truncation; change `state`; return the gradient estimate and the mean loss."""
    noise = run.sigma * torch.randn(run.particles, vector.numel(), generator=generator)
    state["accumulators"] = state["accumulators"] + noise
    plus, minus = torch.zeros(run.particles), torch.zeros(run.particles)
    for index, task in enumerate(tasks):
        rows = list(range(index, run.particles, len(tasks)))
        block = [state["particles"][row] for row in rows]
        if not block:
            continue
        twins = [task.instance(particle["seed"]) for particle in block]
        weights = _stacked(torch.cat([vector + noise[rows], vector - noise[rows]]))
        steps = torch.tensor([float(particle["step"]) for particle in block]).repeat(2)
        position = torch.cat([torch.stack([particle["position"][twin] for particle in block]) for twin in (0, 1)])
        momenta = torch.cat([torch.stack([particle["momenta"][twin] for particle in block]) for twin in (0, 1)])
        losses, position, momenta = advance(weights, twins * 2, steps, position, momenta, task.ceiling, run.truncation)
        plus[rows], minus[rows] = losses[: len(rows)], losses[len(rows) :]
        state["work"]["training"] += 2 * len(rows) * run.truncation * int(twins[0].work_per_step)
        for place, particle in enumerate(block):
            both = [place, place + len(rows)]
            particle["position"], particle["momenta"] = position[both], momenta[both]
            particle["step"] += run.truncation
    gradient = pes_gradient(plus, minus, state["accumulators"], run.sigma)
    first = TRAINING_SEEDS + 100_000 * run.seed
    for row, particle in enumerate(state["particles"]):
        if particle["step"] >= particle["length"]:
            task = tasks[row % len(tasks)]
            state["particles"][row] = _fresh(run, task, first + state["drawn"], run.longest, generator)
            state["drawn"] += 1
            state["accumulators"][row] = 0.0
    return gradient, float((plus + minus).mean()) / 2


def train(run: PESRun, tasks: Sequence[Any], state: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Meta-train from a state on; yield the state after each check on the held-out instances.

    The noise of an outer step follows from the seed and the step's number, so that a run that goes on from a yielded state
    ends with the same bits as one that was never interrupted.
    """
    names = _mlp().SHAPES
    vector = flatten({name: state["weights"][name] for name in names}).clone().requires_grad_()
    optimizer = torch.optim.Adam([vector], lr=run.outer_rate)
    if state["adam"] is not None:
        optimizer.load_state_dict(state["adam"])
    losses = []
    for number in range(state["done"], run.outer_steps):
        generator = torch.Generator().manual_seed(run.seed * 1_000_003 + number + 1)
        vector.grad, loss = outer_gradient(run, tasks, state, vector.detach(), generator)
        optimizer.step()
        losses.append(loss)
        done = number + 1
        if done % run.check_every and done < run.outer_steps:
            continue
        current = {name: weight[0] for name, weight in _stacked(vector.detach()[None].clone()).items()}
        checked = held_out_loss(run, vector.detach(), tasks)
        steps = run.held_out * run.held_out_steps
        state["work"]["held_out"] += sum(steps * int(task.instance(HELD_OUT_SEEDS).work_per_step) for task in tasks)
        state["history"] = [*state["history"], [done, sum(losses) / len(losses), checked]]
        losses = []
        if checked < state["best_loss"]:
            state["best"], state["best_done"], state["best_loss"] = current, done, checked
        state.update(done=done, weights=current, adam=optimizer.state_dict())
        yield state
