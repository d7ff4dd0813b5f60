"""NASNet's controller: Zoph, Vasudevan, Shlens & Le, CVPR 2018, arXiv:1707.07012, appendix; PPO after Schulman et al. 2017.

As `nas_rl`, with proximal policy optimization (arXiv:1707.06347, equation 7) in place of the plain policy gradient: a batch is
used for several steps, as long as the probability of its architectures has not moved by more than a fifth.

Settings of the NASNet paper: one LSTM layer of 100 units, weights from [-0.1, 0.1], Adam with rate 0.00035, entropy bonus 0.00001,
moving average of the rewards with weight 0.95, reward = validation accuracy. Not in the paper, and taken from elsewhere: clipping
at 0.2 (Schulman et al. 2017), batches of 20 and 5 passes over each (NNI 3.0, `nni/nas/strategy/rl.py`). The paper trained 20,000
networks; 150 are 7 batches, so that the result is expected near random search, which the paper itself prints beside it.

Departures:
- The ratio is that of the whole architecture's probabilities (the product over its decisions), as in the paper's text; other
  implementations clip decision by decision.
- Every pass takes the whole batch; the paper's 500 workers return results one by one.
- The first batch, before which there is no average, has its own mean as baseline.
- One cell: the normal and reduction cells of NASNet's space are two cells of another space.
"""

from __future__ import annotations

import numpy as np

from nasbench.load import Method
from nasbench.query import Query, Search
from nasbench.settings import check_integer, check_number
from nasbench.space import SearchSpace

from ._proximal import proximal_policy

METHOD = Method(
    title="NAS-RL with PPO",
    paper="Zoph et al.: Learning transferable architectures for scalable image recognition, CVPR 2018, arXiv:1707.07012",
    year=2018,
    mode="table",
    family="reinforcement",
)


def nas_ppo(
    space: SearchSpace,
    rng: np.random.Generator,
    epochs: tuple[int, ...],
    *,
    batch: int = 20,
    passes: int = 5,
    clip: float = 0.2,
    entropy_weight: float = 0.00001,
    layers: int = 1,
    hidden: int = 100,
    weight_range: float = 0.1,
    learning_rate: float = 0.00035,
    baseline_decay: float = 0.95,
    reward_power: float = 1.0,
) -> Search:
    """Draw batches from a recurrent policy and take several clipped steps on each, without end.

    Args:
        space: the search space.
        rng: source of all randomness.
        epochs: the fidelities on offer; the last one is asked for.
        batch: architectures per update, trained together, from 1.
        passes: steps on each batch, from 1.
        clip: how far the probability ratio may move from 1 and still be rewarded, above 0.
        entropy_weight: weight of the entropy in the objective, in units of reward per nat, from 0.
        layers: LSTM layers, from 1.
        hidden: units of each, and of the embeddings, from 1.
        weight_range: initial parameters are uniform from minus to plus this, above 0.
        learning_rate: Adam's, above 0.
        baseline_decay: decay of the moving average of rewards, in [0, 1).
        reward_power: reward = validation accuracy to this power, above 0.

    Raises:
        SettingError: a setting outside its range.
    """
    check_integer("batch", batch, 1)
    check_number("reward_power", reward_power, 0.0, above=True)
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
    while True:
        drawn = policy.draw(batch, rng)
        observations = yield tuple(Query(tuple(decisions), epochs[-1]) for decisions in drawn.decisions.tolist())
        policy.learn(drawn, np.array([observation.validation_accuracy**reward_power for observation in observations]))
