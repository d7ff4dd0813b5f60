"""MnasNet: Tan et al., CVPR 2019, arXiv:1807.11626: search by reinforcement with accuracy and latency in one reward.

The controller is NASNet's, trained by proximal policy optimization (section 4.2); the reward of a model m with target T is
ACC(m) (LAT(m) / T)^w, with w = alpha where LAT(m) <= T and beta beyond it (equations 2 and 3).

Settings of the paper: alpha = beta = -0.07 (the soft constraint that its results are from: twice the latency must buy a
relative gain of 5 % in accuracy); `variants`: `hard` is its other choice, alpha = 0 and beta = -1. The controller's settings are those of
`nas_ppo.py`, whose controller the paper says to use. It trained about 8,000 models for five epochs each.

Departures:
- Any measures that the benchmark gives for free stand in for the latency on a phone; with several the reward is the product.
- T was 75 milliseconds. Where no target is given it is the median of the measure over 1,000 uniformly drawn architectures,
  which costs no training.
- One cell in place of the factorised hierarchical space, and full trainings in place of five epochs of ImageNet.
- A run of this strategy follows one reward; its set of trade-offs is what it met on the way. The paper trains for one T as well.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nasbench.load import Method
from nasbench.query import Measure, Query, Search
from nasbench.settings import SettingError, check_integer, check_number
from nasbench.space import SearchSpace

from ._proximal import proximal_policy

METHOD = Method(
    title="MnasNet's reward",
    paper="Tan et al.: MnasNet: platform-aware neural architecture search for mobile, CVPR 2019, arXiv:1807.11626",
    year=2019,
    mode="table",
    family="multi-objective",
    variants={"hard": {"exponent_below": 0.0, "exponent_above": 1.0}},
)

DRAWN = 1000  # architectures whose median is the target where none is given


def mnasnet(
    space: SearchSpace,
    rng: np.random.Generator,
    epochs: tuple[int, ...],
    *,
    objectives: tuple[str, ...] = ("parameters",),
    targets: tuple[float, ...] = (),
    exponent_below: float = 0.07,
    exponent_above: float = 0.07,
    batch: int = 20,
    passes: int = 5,
    clip: float = 0.2,
    entropy_weight: float = 0.00001,
    layers: int = 1,
    hidden: int = 100,
    weight_range: float = 0.1,
    learning_rate: float = 0.00035,
    baseline_decay: float = 0.95,
) -> Search:
    """Draw batches from a recurrent policy and reward accuracy and small measures at once, without end.

    Args:
        space: the search space.
        rng: source of all randomness.
        epochs: the fidelities on offer; the last one is asked for.
        objectives: measures to be kept small, one or more; they must be positive.
        targets: T of each, in its unit, above 0; empty: the median of 1,000 drawn architectures.
        exponent_below: minus alpha, the exponent where the measure is at most T, from 0.
        exponent_above: minus beta, the exponent beyond T, from 0.
        batch: architectures per update, trained together, from 1.
        passes: steps on each batch, from 1.
        clip: how far the probability ratio may move from 1 and still be rewarded, above 0.
        entropy_weight: weight of the entropy in the objective, in units of reward per nat, from 0.
        layers: LSTM layers, from 1.
        hidden: units of each, and of the embeddings, from 1.
        weight_range: initial parameters are uniform from minus to plus this, above 0.
        learning_rate: Adam's, above 0.
        baseline_decay: decay of the moving average of rewards, in [0, 1).

    Raises:
        SettingError: a setting outside its range.
        ValueError: a measure that is not positive.
    """
    check_integer("batch", batch, 1)
    check_number("exponent_below", exponent_below, 0.0)
    check_number("exponent_above", exponent_above, 0.0)
    if not objectives or (targets and len(targets) != len(objectives)):
        raise SettingError(
            f"setting objectives is {objectives!r} with targets {targets!r}, must be one or more measures, with a target each"
        )
    for target in targets:
        check_number("targets", target, 0.0, above=True)
    policy = proximal_policy(
        space,
        rng,
        passes=passes,
        clip=clip,
        entropy_weight=entropy_weight,
        layers=layers,
        hidden=hidden,
        weight_range=weight_range,
        learning_rate=learning_rate,
        baseline_decay=baseline_decay,
    )
    if not targets:
        sizes = yield Measure(tuple(space.sample(rng) for _ in range(DRAWN)), objectives)
        targets = tuple(np.median(sizes, axis=0).tolist())
    while True:
        drawn = policy.draw(batch, rng)
        architectures = tuple(tuple(decisions) for decisions in drawn.decisions.tolist())
        sizes = yield Measure(architectures, objectives)
        observations = yield tuple(Query(architecture, epochs[-1]) for architecture in architectures)
        accuracy = np.array([observation.validation_accuracy for observation in observations])
        policy.learn(drawn, reward(accuracy, sizes, np.array(targets), exponent_below, exponent_above))


def reward(
    accuracy: NDArray[np.float64],
    sizes: NDArray[np.float64],
    targets: NDArray[np.float64],
    exponent_below: float,
    exponent_above: float,
) -> NDArray[np.float64]:
    """Return equation 2's rewards, shape (n,).

    Args:
        accuracy: shape (n,), fractions.
        sizes: shape (n, measures), positive.
        targets: shape (measures,).
        exponent_below: minus alpha.
        exponent_above: minus beta.

    Raises:
        ValueError: a size or target that is not positive.

    Example:
        >>> reward(np.array([0.8, 0.8]), np.array([[75.0], [150.0]]), np.array([75.0]), 0.07, 0.07).round(3).tolist()
        [0.8, 0.762]
    """
    if not (sizes > 0.0).all() or not (targets > 0.0).all():
        raise ValueError(f"measures go down to {sizes.min()} with targets {targets.tolist()}; they must be positive")
    ratio = sizes / targets
    exponents = np.where(ratio <= 1.0, exponent_below, exponent_above)
    return np.asarray(accuracy * (ratio**-exponents).prod(axis=1))
