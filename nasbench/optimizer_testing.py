"""`check_optimizer`: the contract of an optimizer, shipped so that others can test their own.

The conventions are those of `torch.optim.Optimizer`: parameters or groups of them, `step(closure)`, `zero_grad`, `state_dict`. On top
come what a fair comparison needs: no draw from a global generator, no value that is not finite from zero or huge gradients, nothing
done to a parameter without a gradient.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nasbench.optimizer_method import LoadedOptimizer, load_variants

TOTAL = 20
"""Steps that the optimizer is told it will make."""
HUGE = 1e12


class CheckFailed(AssertionError):
    """An optimizer breaks its contract; the message names the checks and what happened."""

    def __init__(self, message: str, checks: tuple[str, ...]) -> None:
        super().__init__(message)
        self.checks = checks


def check_optimizer(optimizer: str | Path | LoadedOptimizer) -> dict[str, str]:
    """Run every check, on the optimizer and on each of its variants, and say at the end which ones failed.

    Args:
        optimizer: name of an installed one, a file, or a loaded one (which is checked alone); default settings are used.

    Returns:
        id -> `passed`.

    Raises:
        CheckFailed: checks failed; the message tells each.
        LoadError: there is no such optimizer, or its file isn't one.
    """
    faults: dict[str, list[str]] = {}
    for loaded in [optimizer] if isinstance(optimizer, LoadedOptimizer) else load_variants(optimizer):
        name = loaded.name if loaded.variant is None else f"{loaded.name}, variant {loaded.variant},"
        for check in CHECKS:
            try:
                fault = check(_Subject(loaded))
            except Exception as error:  # whatever an optimizer raises is what the check found
                fault = f"it raises {type(error).__name__}: {error}"
            if fault:
                why = " ".join((check.__doc__ or "").split())
                faults.setdefault(check.__name__, []).append(f"{name} fails {check.__name__}: {fault}\n  Why: {why}")
    if faults:
        raise CheckFailed("\n".join(line for lines in faults.values() for line in lines), tuple(faults))
    return {check.__name__: "passed" for check in CHECKS}


@dataclass
class _Subject:
    """An optimizer on a small problem: a matrix and a vector towards fixed targets."""

    loaded: LoadedOptimizer

    def parameters(self, dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
        rng = np.random.default_rng(8)
        return [torch.tensor(rng.standard_normal(shape), dtype=dtype, requires_grad=True) for shape in ((4, 3), (3,))]

    def make(self, parameters: Iterable[Any]) -> torch.optim.Optimizer:
        optimizer: torch.optim.Optimizer = self.loaded.factory(parameters, TOTAL, **self.loaded.configure())
        _mode(optimizer, "train")
        return optimizer

    def run(
        self, optimizer: torch.optim.Optimizer, parameters: list[torch.Tensor], steps: int, factor: float = 1.0
    ) -> list[torch.Tensor]:
        """Make steps on `factor` times the distance from ones; return a copy of the parameters after each."""
        path = []
        for _ in range(steps):
            optimizer.step(_closure(optimizer, parameters, factor))  # type: ignore[arg-type, unused-ignore]
            path.append(torch.cat([values.detach().flatten().clone() for values in parameters]))
        return path


def _closure(
    optimizer: torch.optim.Optimizer, parameters: list[torch.Tensor], factor: float = 1.0
) -> Callable[[], torch.Tensor]:
    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = torch.stack([(values - 1).square().sum() for values in parameters]).sum() * factor
        loss.backward()  # type: ignore[no-untyped-call, unused-ignore]
        return loss

    return closure


def _mode(optimizer: Any, name: str) -> None:
    mode = getattr(optimizer, name, None)
    if callable(mode):
        mode()


def is_a_torch_optimizer(subject: _Subject) -> str:
    """Whoever uses torch knows how to use it, save it and schedule it."""
    optimizer = subject.make(subject.parameters())
    if not isinstance(optimizer, torch.optim.Optimizer):
        return f"it returns a {type(optimizer).__name__}, not a torch.optim.Optimizer"
    return ""


def takes_groups(subject: _Subject) -> str:
    """Parameters in groups must be trained like the same parameters in a list."""
    plain, grouped = subject.parameters(), subject.parameters()
    first = subject.run(subject.make(plain), plain, 5)
    second = subject.run(subject.make([{"params": [values]} for values in grouped]), grouped, 5)
    gap = float((first[-1] - second[-1]).abs().max())
    # A rule with a global norm may round differently; anything else is another rule.
    return "" if gap <= 1e-5 else f"after 5 steps the parameters differ by {gap:.3g} from those given as a list"


def calls_the_closure(subject: _Subject) -> str:
    """`step(closure)` computes the gradients by it and returns its loss; work is counted by its calls."""
    parameters = subject.parameters()
    optimizer = subject.make(parameters)
    calls: list[torch.Tensor] = []
    inner = _closure(optimizer, parameters)

    def closure() -> torch.Tensor:
        calls.append(inner())
        if not calls[-1].requires_grad:
            raise RuntimeError("the closure was called without gradients enabled")
        return calls[-1]

    returned = optimizer.step(closure)  # type: ignore[arg-type, unused-ignore]
    if not calls:
        return "the closure was not called"
    first = float(calls[0].detach())
    if returned is None or float(torch.as_tensor(returned).detach()) != first:
        return f"it returned {returned}, the closure's first loss is {first}"
    return ""


def repeats_itself(subject: _Subject) -> str:
    """The same start gives the same bits, or no stored curve can be checked."""
    paths = []
    for _ in range(2):
        parameters = subject.parameters()
        paths.append(subject.run(subject.make(parameters), parameters, 5))
    same = all(torch.equal(one, two) for one, two in zip(*paths, strict=True))
    return "" if same else "two runs from one start differ"


def resumes_from_its_state(subject: _Subject) -> str:
    """A training that was interrupted goes on with the same bits from `state_dict`."""
    parameters = subject.parameters()
    optimizer = subject.make(parameters)
    subject.run(optimizer, parameters, 4)
    saved = copy.deepcopy(optimizer.state_dict())
    twins = [values.detach().clone().requires_grad_() for values in parameters]
    expected = subject.run(optimizer, parameters, 4)
    again = subject.make(twins)
    again.load_state_dict(saved)
    found = subject.run(again, twins, 4)
    for step, (one, two) in enumerate(zip(expected, found, strict=True), start=1):
        if not torch.equal(one, two):
            return f"{step} steps after it was restored the parameters differ by {float((one - two).abs().max()):.3g}"
    return ""


def leaves_global_generators_alone(subject: _Subject) -> str:
    """A draw from a global generator makes every other result depend on this optimizer."""
    before_torch, before_numpy = torch.random.get_rng_state(), np.random.get_state()  # noqa: NPY002
    parameters = subject.parameters()
    subject.run(subject.make(parameters), parameters, 3)
    if not torch.equal(before_torch, torch.random.get_rng_state()):
        return "torch's global generator has moved"
    after = np.random.get_state()  # noqa: NPY002
    same = all(np.array_equal(one, two) for one, two in zip(before_numpy, after, strict=True))
    return "" if same else "numpy's global generator has moved"


def bears_zero_gradients(subject: _Subject) -> str:
    """A gradient of zero happens (dead units); it must not give a value that is not finite."""
    return _finite(subject, 0.0)


def bears_huge_gradients(subject: _Subject) -> str:
    """One huge gradient may throw a training off, but not by a NaN or an infinity of the rule's own arithmetic."""
    return _finite(subject, HUGE)


def leaves_parameters_without_gradient(subject: _Subject) -> str:
    """A parameter that took no part in the loss has no gradient (None) and must stay as it is."""
    used, unused = subject.parameters()
    before = unused.detach().clone()
    optimizer = subject.make([used, unused])
    for _ in range(3):
        optimizer.step(_closure(optimizer, [used]))  # type: ignore[arg-type, unused-ignore]
    return "" if torch.equal(unused, before) else "a parameter whose gradient is None was changed"


def works_in_both_precisions(subject: _Subject) -> str:
    """Parameters keep their dtype, and float64 gives the float32 path up to rounding."""
    ends = []
    for dtype in (torch.float32, torch.float64):
        parameters = subject.parameters(dtype)
        ends.append(subject.run(subject.make(parameters), parameters, 2)[-1])
        if any(values.dtype != dtype for values in parameters):
            return f"{dtype} parameters have become {[values.dtype for values in parameters]}"
    gap = float((ends[0].double() - ends[1]).abs().max())
    # Muon orthogonalises in bfloat16 (8 bits), so that its path agrees to about 1e-2 of its step only.
    return "" if gap <= 2e-2 else f"after 2 steps float32 and float64 differ by {gap:.3g}"


def changes_something(subject: _Subject) -> str:
    """An optimizer that leaves every parameter as it is trains nothing."""
    parameters = subject.parameters()
    start = torch.cat([values.detach().flatten().clone() for values in parameters])
    path = subject.run(subject.make(parameters), parameters, TOTAL)
    return "the parameters are where they began" if torch.equal(path[-1], start) else ""


def _finite(subject: _Subject, factor: float) -> str:
    parameters = subject.parameters()
    path = subject.run(subject.make(parameters), parameters, 1, factor)
    return (
        ""
        if bool(torch.isfinite(path[-1]).all())
        else f"after a step on gradients of the order {factor:g} a value is not finite"
    )


CHECKS: tuple[Callable[[_Subject], str], ...] = (
    is_a_torch_optimizer,
    takes_groups,
    calls_the_closure,
    repeats_itself,
    resumes_from_its_state,
    leaves_global_generators_alone,
    bears_zero_gradients,
    bears_huge_gradients,
    leaves_parameters_without_gradient,
    works_in_both_precisions,
    changes_something,
)
"""Every check returns "" or what is wrong; its docstring says why it must hold."""
