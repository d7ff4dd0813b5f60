"""NAS-RL and its PPO variant: the numpy controller against torch's LSTM and finite differences, PPO's clipping by hand."""

import math

import numpy as np
import pytest
from synthetic_search import BareSpace, drive, landscape

from nasbench.baselines.strategies._controller import (
    MovingAverage,
    backward,
    controller_size,
    draw,
    follow,
    initial_controller,
    shape_controller,
)
from nasbench.baselines.strategies._proximal import clipped_slope
from nasbench.baselines.strategies.nas_ppo import nas_ppo
from nasbench.baselines.strategies.nas_rl import nas_rl
from nasbench.query import Observation
from nasbench.settings import SettingError
from nasbench.space import CELL201

CHOICES = (2, 3, 4)


@pytest.mark.live
@pytest.mark.parametrize("layers", [1, 2])
def test_log_probabilities_and_gradient_are_those_of_torch(layers):
    torch = pytest.importorskip("torch")
    hidden, choices = 7, CHOICES
    controller = initial_controller(choices, hidden, layers, 0.5, np.random.default_rng(0))
    decisions = np.array([[0, 2, 3], [1, 0, 1], [1, 1, 0], [0, 0, 0]])

    lstm = torch.nn.LSTM(hidden, hidden, num_layers=layers, batch_first=True, dtype=torch.float64)
    for layer in range(layers):
        values = {
            "weight_ih": controller.input_weights[layer].T,
            "weight_hh": controller.hidden_weights[layer].T,
            "bias_ih": controller.gate_biases[layer],
            "bias_hh": np.zeros(4 * hidden),
        }
        for name, value in values.items():
            getattr(lstm, f"{name}_l{layer}").data = torch.tensor(value.copy())
    embedding = torch.tensor(controller.embedding.copy(), requires_grad=True)
    output = torch.tensor(controller.output_weights.copy(), requires_grad=True)
    bias = torch.tensor(controller.output_biases.copy(), requires_grad=True)
    entered = np.concatenate([np.zeros((4, 1), dtype=int), decisions[:, :-1]], axis=1)
    tops, _ = lstm(embedding[np.arange(3), entered])
    distributions = [
        torch.distributions.Categorical(logits=tops[:, t] @ output[t, :, : choices[t]] + bias[t, : choices[t]])
        for t in range(3)
    ]
    log_probability = torch.stack([d.log_prob(torch.tensor(decisions[:, t])) for t, d in enumerate(distributions)], 1)
    entropy = torch.stack([d.entropy() for d in distributions], 1)

    trace = follow(controller, decisions)
    np.testing.assert_allclose(trace.log_probability, log_probability.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(trace.entropy, entropy.detach().numpy(), rtol=1e-12)

    rng = np.random.default_rng(1)
    by_log, by_entropy = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    (torch.tensor(by_log) * log_probability + torch.tensor(by_entropy) * entropy).sum().backward()
    gradient = shape_controller(backward(controller, trace, by_log, by_entropy), choices, hidden, layers)
    np.testing.assert_allclose(gradient.embedding, embedding.grad.numpy(), atol=1e-13)
    np.testing.assert_allclose(gradient.output_weights, output.grad.numpy(), atol=1e-13)
    np.testing.assert_allclose(gradient.output_biases, bias.grad.numpy(), atol=1e-13)
    for layer in range(layers):
        for ours, name in ((gradient.input_weights, "weight_ih"), (gradient.hidden_weights, "weight_hh")):
            np.testing.assert_allclose(ours[layer].T, getattr(lstm, f"{name}_l{layer}").grad.numpy(), atol=1e-13)
        np.testing.assert_allclose(gradient.gate_biases[layer], getattr(lstm, f"bias_ih_l{layer}").grad, atol=1e-13)


def test_gradient_is_the_finite_difference():
    controller = initial_controller(CHOICES, 3, 2, 0.7, np.random.default_rng(0))
    decisions = np.array([[0, 2, 3], [1, 0, 1]])
    rng = np.random.default_rng(1)
    by_log, by_entropy = rng.normal(size=(2, 3)), rng.normal(size=(2, 3))
    gradient = backward(controller, follow(controller, decisions), by_log, by_entropy)

    def objective():
        trace = follow(controller, decisions)
        return (by_log * trace.log_probability + by_entropy * trace.entropy).sum()

    for place in range(len(gradient)):
        controller.parameters[place] += 1e-6
        above = objective()
        controller.parameters[place] -= 2e-6
        below = objective()
        controller.parameters[place] += 1e-6
        assert gradient[place] == pytest.approx((above - below) / 2e-6, abs=1e-8)


def test_probabilities_of_all_architectures_sum_to_one_and_draws_follow_them():
    controller = initial_controller(CHOICES, 5, 2, 1.0, np.random.default_rng(0))
    every = np.array([BareSpace().architecture(number) for number in range(24)])
    probability = np.exp(follow(controller, every).log_probability.sum(axis=1))
    assert probability.sum() == pytest.approx(1.0, abs=1e-12)
    drawn = draw(controller, 40_000, np.random.default_rng(1))
    counts = np.bincount([BareSpace().index(tuple(row)) for row in drawn.decisions], minlength=24)
    np.testing.assert_allclose(counts / 40_000, probability, atol=0.01)
    again = follow(controller, drawn.decisions[:50])
    np.testing.assert_allclose(again.log_probability, drawn.log_probability[:50], rtol=1e-12)


def test_initial_policy_is_nearly_uniform_and_its_size_is_counted():
    controller = initial_controller(CELL201.choices, 35, 2, 0.08, np.random.default_rng(0))
    # 6 x 5 embeddings of 35, two layers of 4 gates x 35 units x (35 + 35 + 1) weights, 6 softmaxes of 35 x 5 + 5
    assert len(controller.parameters) == 30 * 35 + 2 * 4 * 35 * 71 + 6 * (35 * 5 + 5)
    assert len(controller.parameters) == controller_size(CELL201.choices, 35, 2)
    entropy = draw(controller, 20, np.random.default_rng(1)).entropy
    np.testing.assert_allclose(entropy, math.log(5), atol=0.02)


def test_moving_average_by_hand():
    average = MovingAverage(0.9)
    assert average.empty
    average.enter(0.5)
    assert average.value == pytest.approx(0.5)  # not 0.05: the start is corrected for
    average.enter(1.0)
    assert average.value == pytest.approx((0.9 * 0.1 * 0.5 + 0.1 * 1.0) / 0.19)


def test_clipping_by_hand():
    ratio = np.array([1.1, 1.3, 0.7, 1.3, 0.7, 0.9])
    advantage = np.array([2.0, 2.0, 2.0, -2.0, -2.0, -2.0])
    # Rewarded beyond 1.2 or punished below 0.8: no further push. Towards the window there is always one.
    expected = [2.2, 0.0, 1.4, -2.6, 0.0, -1.8]
    np.testing.assert_allclose(clipped_slope(np.log(ratio), advantage, 0.2), expected, rtol=1e-12)

    def objective(log_ratio):
        r = np.exp(log_ratio)
        return np.minimum(r * advantage, np.clip(r, 0.8, 1.2) * advantage)

    numeric = (objective(np.log(ratio) + 1e-7) - objective(np.log(ratio) - 1e-7)) / 2e-7
    np.testing.assert_allclose(clipped_slope(np.log(ratio), advantage, 0.2), numeric, atol=1e-6)


def test_reinforce_step_by_hand():
    """The first update of `online` REINFORCE has no advantage; the second one raises or lowers what was drawn."""
    space = BareSpace()
    answers = iter([0.5, 1.0, 0.0, 0.0])
    search = nas_rl(space, np.random.default_rng(0), (1,), batch=1, learning_rate=0.05, hidden=4, layers=1)
    reference = initial_controller(space.choices, 4, 1, 0.08, rng := np.random.default_rng(0))
    (query,) = next(search)
    first = draw(reference, 1, rng)
    assert query.architecture == tuple(first.decisions[0])
    (query,) = search.send((Observation(query, next(answers), 1.0),))
    second = draw(reference, 1, rng)  # parameters unchanged: the gradient was zero
    assert query.architecture == tuple(second.decisions[0])
    before = follow(reference, second.decisions).log_probability.sum()
    gradient = backward(reference, second, np.full((1, 3), -(1.0**3 - 0.5**3)), np.zeros((1, 3)))
    # Adam's second step after a zero gradient: mean 0.1 g / (1 - 0.81), square 0.001 g^2 / (1 - 0.999^2)
    moved = 0.05 * (gradient * 0.1 / 0.19) / (np.sqrt(gradient**2 * 0.001 / (1 - 0.999**2)) + 1e-8)
    reference.parameters[...] -= moved
    assert follow(reference, second.decisions).log_probability.sum() > before
    (query,) = search.send((Observation(query, next(answers), 1.0),))
    assert query.architecture == tuple(draw(reference, 1, rng).decisions[0])


@pytest.mark.parametrize("strategy", [nas_rl, nas_ppo])
def test_policies_learn(strategy):
    accuracy = landscape(CELL201.choices)
    late = np.mean([drive(strategy, CELL201, accuracy, 400, seed=s, learning_rate=0.03)[1][-100:] for s in range(3)])
    rng = np.random.default_rng(9)
    blind = [accuracy(CELL201.sample(rng)) for _ in range(3000)]
    assert late > np.mean(blind) + np.std(blind)


def test_ppo_stops_pushing_once_the_window_is_left():
    """Plain steps for one rewarded architecture: its probability ratio stops just past 1 + clip, or grows on without it."""
    ratios = {}
    for clip in (0.2, 1e9):
        rng = np.random.default_rng(0)
        controller = initial_controller(CHOICES, 8, 1, 0.1, rng)
        drawn = draw(controller, 1, rng)
        before = drawn.log_probability.sum(axis=1)
        for _ in range(60):
            trace = follow(controller, drawn.decisions)
            slope = clipped_slope(trace.log_probability.sum(axis=1) - before, np.array([1.0]), clip)
            gradient = backward(controller, trace, np.repeat(slope[:, None], 3, axis=1), np.zeros((1, 3)))
            controller.parameters[...] += 0.01 * gradient
        ratios[clip] = float(np.exp(follow(controller, drawn.decisions).log_probability.sum() - before[0]))
    assert 1.2 < ratios[0.2] < 1.25
    assert ratios[1e9] > 1.5


@pytest.mark.parametrize("strategy", [nas_rl, nas_ppo])
def test_any_space_reproducibly_and_settings_checked(strategy):
    accuracy = landscape(CHOICES)
    first = drive(strategy, BareSpace(), accuracy, 60)
    assert first == drive(strategy, BareSpace(), accuracy, 60)
    assert len(first[0]) == 60
    for wrong in ({"batch": 0}, {"learning_rate": 0.0}, {"baseline_decay": 1.0}, {"hidden": 0}, {"weight_range": -0.1}):
        with pytest.raises(SettingError, match=next(iter(wrong))):
            drive(strategy, CELL201, accuracy, 1, **wrong)
    with pytest.raises(SettingError, match="entropy_weight"):
        drive(nas_ppo, CELL201, accuracy, 1, entropy_weight=-1.0)
