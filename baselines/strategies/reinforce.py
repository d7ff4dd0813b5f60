"""REINFORCE on independent logits: Ying et al., ICML 2019, arXiv:1902.09635, after Williams, Machine Learning 8, 1992.

One categorical distribution for each decision, no recurrent network. Draw an architecture, take its validation accuracy as
reward r, and follow (r - b) times the gradient of its log-probability, where b is the bias-corrected exponential moving
average of the rewards, this one included (as both published codes do).

The scale of the reward is part of the setting: under plain gradient ascent it multiplies the step, under Adam it all but
cancels. `variants` names the published ones:

    =============  ========  ======  ====  =====  ================================================
    nas-bench-101  gradient  0.1     0.9       1  Ying et al. 2019; rewards are fractions
    nats           adam      0.01    0.9     100  Dong et al. 2021, `reinforce.py`; per cent
    =============  ========  ======  ====  =====  ================================================

Departures: logits begin at zero (NATS-Bench: normal with standard deviation 0.001). NAS-Bench-101 draws again, without an
update, where the reward is at most 0.001, which there means an invalid cell; every cell of our spaces is valid, and a
training that diverged (accuracy 0) is a reward like any other.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nasbench.load import Method
from nasbench.query import Query, Search
from nasbench.settings import check_choice, check_number
from nasbench.space import Architecture, SearchSpace

METHOD = Method(
    title="REINFORCE",
    paper="Ying et al.: NAS-Bench-101: Towards reproducible neural architecture search, ICML 2019, arXiv:1902.09635",
    year=2019,
    mode="table",
    family="reinforcement",
    variants={
        "nas-bench-101": {"optimizer": "gradient", "learning_rate": 0.1, "baseline_decay": 0.9, "reward_scale": 1.0},
        "nats": {"optimizer": "adam", "learning_rate": 0.01, "baseline_decay": 0.9, "reward_scale": 100.0},
    },
)

# Adam's own defaults (Kingma & Ba, ICLR 2015), which NATS-Bench keeps.
FIRST_DECAY, SECOND_DECAY, EPSILON = 0.9, 0.999, 1e-8


def reinforce(
    space: SearchSpace,
    rng: np.random.Generator,
    epochs: tuple[int, ...],
    *,
    optimizer: Literal["gradient", "adam"] = "gradient",
    learning_rate: float = 0.1,
    baseline_decay: float = 0.9,
    reward_scale: float = 1.0,
) -> Search:
    """Draw from a policy and improve it after each answer, without end.

    Args:
        space: the search space.
        rng: source of all randomness.
        epochs: the fidelities on offer; the last one is asked for.
        optimizer: `gradient`: plain ascent; `adam`: Adam.
        learning_rate: step size, above 0.
        baseline_decay: decay of the moving average of rewards, in [0, 1); 0 makes every advantage zero.
        reward_scale: reward = scale x validation accuracy (a fraction), above 0; 100 gives per cent.

    Raises:
        SettingError: a setting outside its range.
    """
    check_choice("optimizer", optimizer, ("gradient", "adam"))
    check_number("learning_rate", learning_rate, 0.0, above=True)
    check_number("baseline_decay", baseline_decay, 0.0, float(np.nextafter(1.0, 0.0)))
    check_number("reward_scale", reward_scale, 0.0, above=True)
    logits = initial_logits(space)
    first, second = np.zeros_like(logits), np.zeros_like(logits)
    baseline = weight = 0.0
    step = 0
    while True:
        probabilities = softmax(logits)
        architecture = draw(probabilities, space.choices, rng)
        observation = yield Query(architecture, epochs[-1])
        reward = reward_scale * observation.validation_accuracy
        baseline = baseline_decay * baseline + (1 - baseline_decay) * reward
        weight = baseline_decay * weight + (1 - baseline_decay)
        gradient = (reward - baseline / weight) * log_probability_gradient(probabilities, architecture)
        step += 1
        if optimizer == "gradient":
            logits += learning_rate * gradient
        else:
            first = FIRST_DECAY * first + (1 - FIRST_DECAY) * gradient
            second = SECOND_DECAY * second + (1 - SECOND_DECAY) * gradient**2
            mean, square = first / (1 - FIRST_DECAY**step), second / (1 - SECOND_DECAY**step)
            logits += learning_rate * mean / (np.sqrt(square) + EPSILON)


def initial_logits(space: SearchSpace) -> NDArray[np.float64]:
    """Return zeros, shape (decisions, most options); options that a decision doesn't have are at -infinity."""
    options = np.arange(max(space.choices))
    return np.where(options < np.array(space.choices)[:, None], 0.0, -np.inf)


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probabilities of the options of each decision, shape as given."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def draw(probabilities: NDArray[np.float64], choices: tuple[int, ...], rng: np.random.Generator) -> Architecture:
    """Draw one option for each decision by inverting the cumulative distribution."""
    below = probabilities.cumsum(axis=1) <= rng.random((len(choices), 1))
    # Rounding may leave the last sum just under 1.
    return tuple(np.minimum(below.sum(axis=1), np.array(choices) - 1).tolist())


def log_probability_gradient(probabilities: NDArray[np.float64], architecture: Architecture) -> NDArray[np.float64]:
    """Return the gradient of the log-probability of `architecture` by the logits: indicator minus probability."""
    gradient = -probabilities
    gradient[np.arange(len(architecture)), architecture] += 1.0
    return gradient
