"""`check_optimizer` over every optimizer on disk, and over broken ones, each of which fails the check that it must fail."""

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.live

from nasbench.load import optimizer_names  # noqa: E402
from nasbench.optimizer_method import load_optimizer  # noqa: E402
from nasbench.optimizer_testing import CHECKS, CheckFailed  # noqa: E402
from nasbench.testing import check_optimizer  # noqa: E402

HEAD = """
import torch
from nasbench.optimizer_method import OptimizerMethod
METHOD = OptimizerMethod("Mine", "Me: Mine, 2026", 2026, "hand-designed", ruleset="self-tuning")

class Rule(torch.optim.Optimizer):
    def __init__(self, parameters):
        super().__init__(parameters, {"lr": 0.1})

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for values in group["params"]:
                if values.grad is not None:
                    self.change(values)
        return loss

    def change(self, values):
        values -= 0.1 * values.grad

def mine(parameters, total_steps: int):
    return Rule(parameters)
"""

BROKEN = {
    "is_a_torch_optimizer": ("return Rule(parameters)", "return object()"),
    "takes_groups": ("in self.param_groups:", "in self.param_groups[:1]:"),
    "calls_the_closure": ("return loss", "return None"),
    "repeats_itself": ("0.1 * values.grad", "0.1 * values.grad * (1 + id(values) % 997 / 997)"),
    "resumes_from_its_state": (
        "values -= 0.1 * values.grad",
        "self.count = getattr(self, 'count', 0) + 1; values -= 0.1 / self.count * values.grad",
    ),
    "leaves_global_generators_alone": (
        "values -= 0.1 * values.grad",
        "values -= 0.1 * values.grad + 0 * torch.rand(())",
    ),
    "bears_zero_gradients": ("values -= 0.1 * values.grad", "values -= 0.1 * values.grad / values.grad.norm()"),
    "bears_huge_gradients": (
        "values -= 0.1 * values.grad",
        "values -= 0.1 * values.grad.pow(5) / values.grad.pow(4).clamp(min=1e-9)",
    ),
    "leaves_parameters_without_gradient": (
        "if values.grad is not None:",
        "values *= 0.99\n                if values.grad is not None:",
    ),
    "works_in_both_precisions": ("values -= 0.1 * values.grad", "values.data = (values - 0.1 * values.grad).float()"),
    "changes_something": ("values -= 0.1 * values.grad", "pass"),
}


def write(folder, *change):
    path = folder / "mine.py"
    path.write_text(HEAD.replace(*change) if change else HEAD)
    return path


@pytest.mark.parametrize("name", optimizer_names())
def test_every_optimizer_on_disk_keeps_the_contract(name):
    assert set(check_optimizer(name)) == {check.__name__ for check in CHECKS}


def test_sound_one_passes(tmp_path):
    assert set(check_optimizer(write(tmp_path)).values()) == {"passed"}


@pytest.mark.parametrize("check", BROKEN)
def test_broken_one_fails_the_check_that_it_must_fail(tmp_path, check):
    with pytest.raises(CheckFailed, match=f"mine fails {check}") as caught:
        check_optimizer(write(tmp_path, *BROKEN[check]))
    assert check in caught.value.checks


def test_variants_are_checked_too(tmp_path):
    """A rule that is sound by itself and draws from a global generator in a variant is refused, and the variant is named."""
    path = write(tmp_path)
    text = path.read_text().replace(
        'ruleset="self-tuning")', 'ruleset="self-tuning", variants={"noisy": {"noise": 1.0}})'
    )
    text = text.replace("total_steps: int):", "total_steps: int, *, noise: float = 0.0):\n    torch.rand(int(noise))")
    path.write_text(text)
    with pytest.raises(CheckFailed, match="mine, variant noisy, fails leaves_global_generators_alone") as caught:
        check_optimizer(path)
    assert caught.value.checks == ("leaves_global_generators_alone",)
    assert check_optimizer(load_optimizer(path))  # a loaded one is checked alone


def test_every_check_has_a_broken_one():
    assert {check.__name__ for check in CHECKS} == set(BROKEN)
