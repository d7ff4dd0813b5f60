"""A recurrent policy that learns by proximal policy optimization (Schulman et al. 2017, arXiv:1707.06347, equation 7).

What NASNet's search (`nas_ppo.py`) and MnasNet's (`mnasnet.py`) have in common; they differ in the reward.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nasbench.settings import check_integer, check_number
from nasbench.space import SearchSpace

from ._adam import Adam
from ._controller import Controller, MovingAverage, Trace, backward, draw, follow, initial_controller


@dataclass
class ProximalPolicy:
    """A controller with its optimizer and its baseline.

    Attributes:
        controller: the recurrent network.
        optimizer: of its parameters.
        baseline: moving average of the rewards.
        passes: steps on each batch.
        clip: how far the probability ratio may move from 1 and still be rewarded.
        entropy_weight: weight of the entropy in the objective, in units of reward per nat.
    """

    controller: Controller
    optimizer: Adam
    baseline: MovingAverage
    passes: int
    clip: float
    entropy_weight: float

    def draw(self, batch: int, rng: np.random.Generator) -> Trace:
        """Draw architectures."""
        return draw(self.controller, batch, rng)

    def learn(self, drawn: Trace, rewards: NDArray[np.float64]) -> None:
        """Take `passes` steps on a batch; the first batch, before which there is no average, has its own mean as baseline.

        Args:
            drawn: the batch, as drawn.
            rewards: shape (batch,).
        """
        batch, decisions = drawn.decisions.shape
        advantage = rewards - (rewards.mean() if self.baseline.empty else self.baseline.value)
        for reward in rewards:
            self.baseline.enter(float(reward))
        before = drawn.log_probability.sum(axis=1)
        for _ in range(self.passes):
            trace = follow(self.controller, drawn.decisions)
            slope = clipped_slope(trace.log_probability.sum(axis=1) - before, advantage, self.clip)
            by_log_probability = np.repeat(-slope[:, None] / batch, decisions, axis=1)  # Adam descends
            by_entropy = np.full_like(by_log_probability, -self.entropy_weight / batch)
            self.optimizer.step(backward(self.controller, trace, by_log_probability, by_entropy))


def proximal_policy(
    space: SearchSpace,
    rng: np.random.Generator,
    *,
    passes: int,
    clip: float,
    entropy_weight: float,
    layers: int,
    hidden: int,
    weight_range: float,
    learning_rate: float,
    baseline_decay: float,
) -> ProximalPolicy:
    """Return a policy that has learned nothing yet, from settings as the strategies document them.

    Raises:
        SettingError: a setting outside its range.
    """
    for name, value in {"passes": passes, "layers": layers, "hidden": hidden}.items():
        check_integer(name, value, 1)
    for name, number in {"clip": clip, "weight_range": weight_range, "learning_rate": learning_rate}.items():
        check_number(name, number, 0.0, above=True)
    check_number("entropy_weight", entropy_weight, 0.0)
    check_number("baseline_decay", baseline_decay, 0.0, float(np.nextafter(1.0, 0.0)))
    controller = initial_controller(space.choices, hidden, layers, weight_range, rng)
    optimizer = Adam(controller.parameters, learning_rate)
    return ProximalPolicy(controller, optimizer, MovingAverage(baseline_decay), passes, clip, entropy_weight)


def clipped_slope(log_ratio: NDArray[np.float64], advantage: NDArray[np.float64], clip: float) -> NDArray[np.float64]:
    """Return the derivative of min(r A, clip(r, 1 - clip, 1 + clip) A) by the logarithm of r (Schulman et al. 2017, eq. 7).

    Args:
        log_ratio: shape (n,), logarithm of the new over the old probability, r.
        advantage: shape (n,), A.
        clip: half the width of the window around 1.

    Returns:
        Shape (n,): r A where the unclipped term is the smaller one or r lies within the window, else 0.
    """
    ratio = np.exp(log_ratio)
    pushed_out = np.where(advantage > 0, ratio > 1.0 + clip, ratio < 1.0 - clip)
    return np.where(pushed_out, 0.0, ratio * advantage)
