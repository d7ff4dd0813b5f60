"""What an optimizer's step costs: milliseconds of `step()` on 1,510 coordinates, beside `torch.optim.SGD` in the same run.

`python -m nasbench.perf_optimizers` steps every optimizer on disk and its variants on the parameters of `digits-sigmoid` (64-20-10, four
tensors) with gradients that are given, so that forward and backward passes are not in it. Optimizers take turns, round after round, each
with torch's own SGD (momentum .9, its defaults otherwise) right before it; medians over the rounds are printed, and the ratio to SGD.
Processor time of one thread. One L2L step must stay under 3 ms.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from nasbench.load import optimizer_names
from nasbench.optimizer_method import LoadedOptimizer, load_variants
from nasbench.provenance import processor
from nasbench.tasks import load_task

TASK = "digits-sigmoid"
SEED = 0
ROUNDS, STEPS = 15, 20
LIMITS = {"l2l": 3.0}
"""Milliseconds that a step of an optimizer may take."""


@dataclass(frozen=True)
class StepCost:
    """Measured steps of one optimizer.

    Attributes:
        name: of the optimizer, with its variant.
        milliseconds: processor time of a step, one value a round.
        sgd: that of torch's SGD right before, one value a round.
        reason: why it was not measured.
    """

    name: str
    milliseconds: tuple[float, ...]
    sgd: tuple[float, ...]
    reason: str = ""

    @property
    def ratio(self) -> float:
        """Median over the rounds of its step over SGD's."""
        return statistics.median(own / other for own, other in zip(self.milliseconds, self.sgd, strict=True))


def parameters_with_gradients() -> list[torch.Tensor]:
    """Return the 1,510 coordinates of the task at its start, each tensor with the gradient of the first batch."""
    instance = load_task(TASK).instance(SEED)
    parameters = instance.initialise()
    instance.loss(parameters, instance.batch(0)).backward()  # type: ignore[no-untyped-call, unused-ignore]
    return list(parameters.values())


def step_milliseconds(optimizer: torch.optim.Optimizer, steps: int) -> float:
    """Return the mean processor milliseconds of a step; gradients stay as they are.

    Raises:
        ValueError: `steps` is below 1.
    """
    if steps < 1:
        raise ValueError(f"steps is {steps}, must be at least 1")
    begun = time.process_time()
    for _ in range(steps):
        optimizer.step()  # type: ignore[call-arg, unused-ignore]
    return 1000.0 * (time.process_time() - begun) / steps


def measure(optimizers: Sequence[LoadedOptimizer], rounds: int = ROUNDS, steps: int = STEPS) -> list[StepCost]:
    """Measure optimizers in turn, round after round; one that can't be made is returned with the reason."""
    torch.set_num_threads(1)
    reference = torch.optim.SGD(parameters_with_gradients(), lr=1e-6, momentum=0.9)
    made: dict[int, torch.optim.Optimizer] = {}
    reasons: dict[int, str] = {}
    total = 1 + rounds * steps
    for place, loaded in enumerate(optimizers):
        try:
            made[place] = loaded.factory(parameters_with_gradients(), total, **loaded.configure())
            step_milliseconds(made[place], 1)  # makes its state
        except Exception as error:  # an optional library or weights are missing: the others are measured
            reasons[place] = f"{type(error).__name__}: {error}"
            made.pop(place, None)
    step_milliseconds(reference, 1)
    own: dict[int, list[float]] = {place: [] for place in made}
    sgd: dict[int, list[float]] = {place: [] for place in made}
    for _ in range(rounds):
        for place, optimizer in made.items():
            sgd[place].append(step_milliseconds(reference, steps))
            own[place].append(step_milliseconds(optimizer, steps))
    return [
        StepCost(_name(loaded), tuple(own.get(place, ())), tuple(sgd.get(place, ())), reasons.get(place, ""))
        for place, loaded in enumerate(optimizers)
    ]


def line(cost: StepCost) -> str:
    """Return the printed line of one optimizer: median, range over the rounds, ratio to SGD, and whether it keeps its limit."""
    if cost.reason:
        return f"{cost.name:28s} not measured: {cost.reason}"
    middle, low, high = statistics.median(cost.milliseconds), min(cost.milliseconds), max(cost.milliseconds)
    limit = LIMITS.get(cost.name)
    late = "" if limit is None else f"  limit {limit:g} ms: {'kept' if middle < limit else 'NOT KEPT'}"
    return f"{cost.name:28s} {middle:7.3f} ms [{low:.3f}, {high:.3f}]  {cost.ratio:6.1f} x SGD{late}"


def _name(loaded: LoadedOptimizer) -> str:
    return loaded.name if loaded.variant is None else f"{loaded.name}:{loaded.variant}"


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; return 1 if an optimizer does not keep its limit."""
    parser = argparse.ArgumentParser(
        prog="python -m nasbench.perf_optimizers", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("names", nargs="*", help="optimizers by name or file; all on disk without any")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"default: {ROUNDS}")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"of a round (default: {STEPS})")
    chosen = parser.parse_args(arguments)
    found = [loaded for name in chosen.names or optimizer_names() for loaded in load_variants(name)]
    costs = measure(found, chosen.rounds, chosen.steps)
    count = sum(values.numel() for values in parameters_with_gradients())
    print(
        f"{count:,} coordinates of {TASK}, {chosen.rounds} rounds of {chosen.steps} steps, one thread of {processor()}, torch "
        f"{torch.__version__}; median over the rounds and range"
    )
    sgd = [value for cost in costs for value in cost.sgd]
    if sgd:
        print(f"{'torch.optim.SGD':28s} {statistics.median(sgd):7.3f} ms [{min(sgd):.3f}, {max(sgd):.3f}]")
    for cost in costs:
        print(line(cost))
    return int(any("NOT KEPT" in line(cost) for cost in costs))


if __name__ == "__main__":
    sys.exit(main())
