"""Measuring what a step costs: the right coordinates, a ratio taken round by round, missing optimizers named, limits held."""

import time

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.live

from nasbench import perf_optimizers  # noqa: E402
from nasbench.optimizer_method import load_optimizer  # noqa: E402
from nasbench.perf_optimizers import StepCost, line, main, measure, parameters_with_gradients, step_milliseconds  # noqa: E402

SLOW = """
import time, torch
from nasbench.optimizer_method import OptimizerMethod
METHOD = OptimizerMethod("Slow", "Me: Slow, 2026", 2026, "hand-designed", ruleset="self-tuning")
class Slow(torch.optim.SGD):
    def step(self, closure=None):
        until = time.process_time() + 0.004
        while time.process_time() < until:
            pass
        return super().step(closure)
def slow(parameters, total_steps: int):
    return Slow(parameters, lr=0.0)
"""


def test_the_coordinates_are_those_of_the_paper_s_network():
    parameters = parameters_with_gradients()
    assert sum(values.numel() for values in parameters) == 1510
    assert all(values.grad is not None and values.grad.abs().sum() > 0 for values in parameters)


def test_a_known_delay_is_found(tmp_path):
    (tmp_path / "slow.py").write_text(SLOW)
    (cost,) = measure([load_optimizer(tmp_path / "slow.py")], rounds=3, steps=3)
    assert len(cost.milliseconds) == len(cost.sgd) == 3
    assert all(4.0 <= value < 40.0 for value in cost.milliseconds)
    assert cost.ratio > 5
    with pytest.raises(ValueError, match="steps is 0, must be at least 1"):
        step_milliseconds(torch.optim.SGD(parameters_with_gradients(), lr=0.1), 0)


def test_steps_are_really_made():
    parameters = parameters_with_gradients()
    before = parameters[0].detach().clone()
    gradient = parameters[0].grad.clone()
    begun = time.process_time()
    found = step_milliseconds(torch.optim.SGD(parameters, lr=0.5), 4)
    assert 0 < found * 4 / 1000 <= time.process_time() - begun
    assert torch.allclose(parameters[0], before - 4 * 0.5 * gradient, atol=1e-6)


def test_lines_and_limits(monkeypatch, capsys, tmp_path):
    assert StepCost("a", (1.0, 4.0, 6.0), (1.0, 1.0, 2.0)).ratio == 3.0  # of 1, 4 and 3
    assert line(StepCost("a", (1.0, 4.0, 6.0), (1.0, 1.0, 2.0))).split()[:4] == ["a", "4.000", "ms", "[1.000,"]
    assert line(StepCost("l2l", (2.0,), (1.0,))).endswith("limit 3 ms: kept")
    assert line(StepCost("l2l", (3.5,), (1.0,))).endswith("limit 3 ms: NOT KEPT")
    assert line(StepCost("a", (), (), "ImportError: no b")) == f"{'a':28s} not measured: ImportError: no b"
    (tmp_path / "slow.py").write_text(SLOW.replace("lr=0.0)", "lr=0.0, nothing=1)"))
    assert main([str(tmp_path / "slow.py"), "--rounds", "1", "--steps", "1"]) == 0
    assert "slow                         not measured: TypeError" in capsys.readouterr().out
    monkeypatch.setattr(perf_optimizers, "LIMITS", {"slow": 1.0})
    (tmp_path / "slow.py").write_text(SLOW)
    assert main([str(tmp_path / "slow.py"), "adamw", "--rounds", "1", "--steps", "1"]) == 1
    said = capsys.readouterr().out
    assert said.startswith("1,510 coordinates of digits-sigmoid, 1 rounds of 1 steps") and "adamw:cosine" in said
