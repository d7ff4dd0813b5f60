"""NAS by reinforcement learning: Zoph & Le, ICLR 2017, arXiv:1611.01578, sections 3.1 and 3.2.

A recurrent controller writes architectures; REINFORCE (Williams 1992) raises the probability of those that did better than
the moving average of the earlier rewards. One batch is the work of one controller replica: m architectures, one update with
the mean gradient (section 3.2).

Settings of the paper (section 4.1): two LSTM layers of 35 units, all weights drawn from [-0.08, 0.08], Adam with rate 0.0006,
m = 8, reward = cube of the validation accuracy. Not in the paper: the decay of the moving average; 0.95 is that of its
successor (NASNet, Zoph et al. 2018). The paper trained 12,800 networks; at 150 the controller has made 18 small steps and can be
expected to be near random search, which is a finding, not a defect. `variants`: `online` updates after every architecture.

Departures:
- One replica; the paper ran 100 that share parameters asynchronously.
- The controller writes the space's decisions in their order. The paper's growing depth, its filter sizes and its anchor
  points for skip connections belong to its own space.
- Reward: the final validation accuracy, where the paper takes the best of the last five epochs.
- The first batch, before which there is no average, has its own mean as baseline.
"""

from __future__ import annotations

import numpy as np

from nasbench.load import Method
from nasbench.query import Query, Search
from nasbench.settings import check_integer, check_number
from nasbench.space import SearchSpace

from ._adam import Adam
from ._controller import MovingAverage, backward, draw, initial_controller

METHOD = Method(
    title="NAS-RL",
    paper="Zoph & Le: Neural architecture search with reinforcement learning, ICLR 2017, arXiv:1611.01578",
    year=2017,
    mode="table",
    family="reinforcement",
    variants={"online": {"batch": 1}},
)


def nas_rl(
    space: SearchSpace,
    rng: np.random.Generator,
    epochs: tuple[int, ...],
    *,
    batch: int = 8,
    layers: int = 2,
    hidden: int = 35,
    weight_range: float = 0.08,
    learning_rate: float = 0.0006,
    baseline_decay: float = 0.95,
    reward_power: float = 3.0,
) -> Search:
    """Draw batches from a recurrent policy and follow the policy gradient, without end.

    Args:
        space: the search space.
        rng: source of all randomness.
        epochs: the fidelities on offer; the last one is asked for.
        batch: architectures per update, trained together, from 1.
        layers: LSTM layers, from 1.
        hidden: units of each, and of the embeddings, from 1.
        weight_range: initial parameters are uniform from minus to plus this, above 0.
        learning_rate: Adam's, above 0.
        baseline_decay: decay of the moving average of rewards, in [0, 1).
        reward_power: reward = validation accuracy to this power, above 0.

    Raises:
        SettingError: a setting outside its range.
    """
    for name, value in {"batch": batch, "layers": layers, "hidden": hidden}.items():
        check_integer(name, value, 1)
    positive = {"weight_range": weight_range, "learning_rate": learning_rate, "reward_power": reward_power}
    for name, number in positive.items():
        check_number(name, number, 0.0, above=True)
    check_number("baseline_decay", baseline_decay, 0.0, float(np.nextafter(1.0, 0.0)))
    controller = initial_controller(space.choices, hidden, layers, weight_range, rng)
    optimizer = Adam(controller.parameters, learning_rate)
    baseline = MovingAverage(baseline_decay)
    while True:
        drawn = draw(controller, batch, rng)
        observations = yield tuple(Query(tuple(decisions), epochs[-1]) for decisions in drawn.decisions.tolist())
        rewards = np.array([observation.validation_accuracy**reward_power for observation in observations])
        advantage = rewards - (rewards.mean() if baseline.empty else baseline.value)
        for reward in rewards:
            baseline.enter(float(reward))
        weights = np.repeat(-advantage[:, None] / batch, len(space.choices), axis=1)  # Adam descends
        optimizer.step(backward(controller, drawn, weights, np.zeros_like(weights)))
