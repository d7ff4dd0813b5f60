"""Hand-designed optimizers: updates against hand calculation and against independent formulas; schedules; torch's conventions."""

import copy
import math

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.live

from nasbench.analysis import optimizer_list  # noqa: E402
from nasbench.baselines.optimizers._schedule import SCHEDULES, schedule_factor  # noqa: E402
from nasbench.baselines.optimizers._sign import DECAYS, internal_decay  # noqa: E402
from nasbench.load import optimizer_names  # noqa: E402
from nasbench.optimizer_method import load_optimizer, load_variants  # noqa: E402

GRADIENTS = [0.5, -0.3, 0.3, 0.3]


def follow_gradients(name, gradients, *, total_steps=4, start=1.0, variant=None, **settings):
    """Return the values of one float64 coordinate after each of the gradients."""
    parameter = torch.nn.Parameter(torch.tensor([start], dtype=torch.float64))
    loaded = load_optimizer(name, variant)
    optimizer = loaded.factory([parameter], total_steps, **loaded.configure(settings))
    found = []
    for gradient in gradients:
        parameter.grad = torch.full_like(parameter, gradient)
        optimizer.step()
        found.append(float(parameter.detach()))
    return found


def sgd_truth(gradients, rate):
    value, found = 1.0, []
    for gradient in gradients:
        value -= rate * gradient
        found.append(value)
    return found


def momentum_truth(gradients, rate, mu, nesterov):
    value, velocity, found = 1.0, 0.0, []
    for gradient in gradients:
        velocity = mu * velocity + gradient
        value -= rate * (gradient + mu * velocity if nesterov else velocity)
        found.append(value)
    return found


def adagrad_truth(gradients, rate):
    value, total, found = 1.0, 0.0, []
    for gradient in gradients:
        total += gradient**2
        value -= rate * gradient / (math.sqrt(total) + 1e-10)
        found.append(value)
    return found


def rmsprop_truth(gradients, rate, alpha):
    value, square, found = 1.0, 0.0, []
    for gradient in gradients:
        square = alpha * square + (1 - alpha) * gradient**2
        value -= rate * gradient / (math.sqrt(square) + 1e-8)
        found.append(value)
    return found


def adam_truth(gradients, rate, beta1, beta2, decay=0.0):
    value, mean, square, found = 1.0, 0.0, 0.0, []
    for step, gradient in enumerate(gradients, start=1):
        value *= 1 - rate * decay
        mean = beta1 * mean + (1 - beta1) * gradient
        square = beta2 * square + (1 - beta2) * gradient**2
        value -= rate * (mean / (1 - beta1**step)) / (math.sqrt(square / (1 - beta2**step)) + 1e-8)
        found.append(value)
    return found


def nadamw_truth(gradients, rate, beta1, beta2, decay):
    """AlgoPerf's rule: the average looks one gradient ahead, with constant momentum and Adam's corrections."""
    value, mean, square, found = 1.0, 0.0, 0.0, []
    for step, gradient in enumerate(gradients, start=1):
        mean = beta1 * mean + (1 - beta1) * gradient
        square = beta2 * square + (1 - beta2) * gradient**2
        ahead = (beta1 * mean + (1 - beta1) * gradient) / (1 - beta1**step)
        value -= rate * (ahead / (math.sqrt(square / (1 - beta2**step)) + 1e-8) + decay * value)
        found.append(value)
    return found


def nadam_truth(gradients, rate, beta1, beta2):
    """Dozat's rule: momentum mu_t = beta1 (1 - .5 x .96^(.004 t)), the next step's momentum looks ahead."""

    def mu(step):
        return beta1 * (1 - 0.5 * 0.96 ** (0.004 * step))

    value, mean, square, product, found = 1.0, 0.0, 0.0, 1.0, []
    for step, gradient in enumerate(gradients, start=1):
        product *= mu(step)
        mean = beta1 * mean + (1 - beta1) * gradient
        square = beta2 * square + (1 - beta2) * gradient**2
        root = math.sqrt(square / (1 - beta2**step)) + 1e-8
        value -= rate * (1 - mu(step)) * gradient / (1 - product) / root
        value -= rate * mu(step + 1) * mean / (1 - product * mu(step + 1)) / root
        found.append(value)
    return found


def lion_truth(gradients, rate, beta1, beta2, decay):
    value, mean, found = 1.0, 0.0, []
    for gradient in gradients:
        update = math.copysign(1.0, beta1 * mean + (1 - beta1) * gradient)
        value -= rate * (update + decay * value)
        mean = beta2 * mean + (1 - beta2) * gradient
        found.append(value)
    return found


def schedule_free_truth(gradients, rate, beta1, beta2):
    """Algorithm 1 of Defazio et al. with AdamW's step: value is y, where gradients are taken; weights of the mean are rate^2."""
    y = z = x = 1.0
    square = total = 0.0
    found = []
    for step, gradient in enumerate(gradients, start=1):
        square = beta2 * square + (1 - beta2) * gradient**2
        z -= rate * gradient / (math.sqrt(square / (1 - beta2**step)) + 1e-8)
        total += rate**2
        share = rate**2 / total
        x = (1 - share) * x + share * z
        y = (1 - beta1) * z + beta1 * x
        found.append(y)
    return found


ADAM = {"learning_rate": 0.05, "one_minus_beta1": 0.2, "one_minus_beta2": 0.1}


@pytest.mark.parametrize(
    ("name", "settings", "truth", "tolerance"),
    [
        ("sgd", {"learning_rate": 0.1}, sgd_truth(GRADIENTS, 0.1), 1e-12),
        (
            "heavy_ball",
            {"learning_rate": 0.1, "one_minus_momentum": 0.2},
            momentum_truth(GRADIENTS, 0.1, 0.8, False),
            1e-12,
        ),
        (
            "nesterov",
            {"learning_rate": 0.1, "one_minus_momentum": 0.2},
            momentum_truth(GRADIENTS, 0.1, 0.8, True),
            1e-12,
        ),
        ("adagrad", {"learning_rate": 0.1}, adagrad_truth(GRADIENTS, 0.1), 1e-12),
        ("rmsprop", {"learning_rate": 0.1, "one_minus_alpha": 0.3}, rmsprop_truth(GRADIENTS, 0.1, 0.7), 1e-12),
        ("adam", ADAM, adam_truth(GRADIENTS, 0.05, 0.8, 0.9), 1e-12),
        ("adamw", {**ADAM, "weight_decay": 0.3}, adam_truth(GRADIENTS, 0.05, 0.8, 0.9, 0.3), 1e-12),
        # torch keeps the product of momenta in float32
        ("nadam", ADAM, nadam_truth(GRADIENTS, 0.05, 0.8, 0.9), 1e-7),
        ("nadamw", {**ADAM, "weight_decay": 0.3}, nadamw_truth(GRADIENTS, 0.05, 0.8, 0.9, 0.3), 1e-12),
        (
            "lion",
            {"learning_rate": 0.05, "one_minus_beta1": 0.2, "one_minus_beta2": 0.1, "weight_decay": 0.3},
            lion_truth(GRADIENTS, 0.05, 0.8, 0.9, 0.3),
            1e-12,
        ),
        ("schedule_free", ADAM, schedule_free_truth(GRADIENTS, 0.05, 0.8, 0.9), 1e-12),
    ],
)
def test_update_is_that_of_the_paper(name, settings, truth, tolerance):
    assert follow_gradients(name, GRADIENTS, **settings) == pytest.approx(truth, abs=tolerance)


def test_nadamw_is_algoperfs_and_tasksets_over_a_run():
    gradients = torch.randn(100, generator=torch.Generator().manual_seed(2), dtype=torch.float64).add(0.5).tolist()
    settings = {**ADAM, "weight_decay": 0.3}
    found = follow_gradients("nadamw", gradients, total_steps=100, **settings)
    assert found == pytest.approx(nadamw_truth(gradients, 0.05, 0.8, 0.9, 0.3), abs=1e-12)
    # The first step is 1 + beta1 learning rates; torch's, whose momentum starts at half of beta1, is shorter.
    assert follow_gradients("nadamw", [7.0], **settings, start=0.0) == pytest.approx([-0.05 * 1.8])
    assert follow_gradients("nadam", [7.0], **ADAM, start=0.0)[0] > -0.05 * 1.5
    # The trials of the ordered list are this rule's; without momentum it is AdamW.
    assert optimizer_list.RULE == "nadamw"
    bare = {**settings, "one_minus_beta1": 1.0}
    assert follow_gradients("nadamw", gradients, **bare) == pytest.approx(follow_gradients("adamw", gradients, **bare))


def test_powersign_and_addsign_by_hand():
    # First gradient .5: average .05 agrees in sign. Second -.2: average .045 - .02 = .025 > 0, they disagree.
    one, two = follow_gradients("powersign", [0.5, -0.2], learning_rate=0.1)
    assert one == pytest.approx(1 - 0.1 * math.e * 0.5)
    assert two == pytest.approx(one + 0.1 * 0.2 / math.e)
    one, two = follow_gradients("addsign", [0.5, -0.2], learning_rate=0.1)
    assert one == pytest.approx(1 - 0.1 * 2 * 0.5)
    assert two == pytest.approx(one)  # alpha - 1 = 0


def test_internal_decay_fades_the_preference():
    # Linear decay over 4 steps: f = 1, 3/4, 1/2, 1/4.
    values = follow_gradients("powersign", [0.5] * 4, variant="linear", learning_rate=0.1)
    truth = torch.tensor([1.0, 0.75, 0.5, 0.25], dtype=torch.float64).exp().mul(-0.05).cumsum(0) + 1
    assert values == pytest.approx(truth.tolist())
    values = follow_gradients("addsign", [0.5] * 2, variant="cosine", learning_rate=0.1, total_steps=2)
    assert values == pytest.approx([1 - 0.05 * 2, 1 - 0.05 * 2 - 0.05 * 1.5])


def test_internal_decay_values():
    assert [internal_decay(decay, 0, 100) for decay in DECAYS] == [1.0] * 4
    assert internal_decay("linear", 250, 100) == 0
    assert internal_decay("cosine", 50, 100) == pytest.approx(0.5)
    # 20 restarts in 100 steps: a period of 5 steps.
    assert internal_decay("restarts", 5, 100) == 1
    assert internal_decay("restarts", 2, 100) == pytest.approx(0.5 * (1 + math.cos(0.4 * math.pi)))
    with pytest.raises(ValueError, match="decay is 'quadratic', must be one of"):
        internal_decay("quadratic", 0, 100)
    with pytest.raises(ValueError, match="total_steps is 0, must be at least 1"):
        internal_decay("linear", 0, 0)


def test_schedules_by_hand():
    assert [schedule_factor("constant", step, 10) for step in (0, 9, 50)] == [1, 1, 1]
    assert [schedule_factor("cosine", step, 10) for step in (0, 5, 10, 20)] == pytest.approx([1, 0.5, 0, 0])
    # 100 steps: 5 of warm-up, then 95 down to zero.
    found = [schedule_factor("warmup-linear", step, 100) for step in (0, 4, 5, 52, 99, 100, 300)]
    assert found == pytest.approx([0.2, 1, 1, 48 / 95, 1 / 95, 0, 0])
    with pytest.raises(ValueError, match="schedule is 'step', must be one of"):
        schedule_factor("step", 0, 10)
    with pytest.raises(ValueError, match="total_steps is 0, must be at least 1"):
        schedule_factor("cosine", 0, 0)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedule_moves_the_learning_rate_of_every_group(schedule):
    values = follow_gradients("sgd", [1.0] * 6, learning_rate=0.1, schedule=schedule, start=0.0)
    factors = [schedule_factor(schedule, step, 4) for step in range(6)]
    assert values == pytest.approx((-0.1 * torch.tensor(factors, dtype=torch.float64).cumsum(0)).tolist())


def test_scheduled_rows_are_their_rule_with_that_schedule():
    for name, schedule in (("adamw", "cosine"), ("nadamw", "warmup-linear"), ("nesterov", "cosine")):
        plain, variant = load_optimizer(name), load_optimizer(name, schedule)
        assert follow_gradients(name, GRADIENTS, variant=schedule) == follow_gradients(
            name, GRADIENTS, schedule=schedule
        )
        assert follow_gradients(name, GRADIENTS, variant=schedule) != follow_gradients(name, GRADIENTS)
        assert variant.method.search_space == plain.method.search_space
        assert variant.method.horizon_aware and not plain.method.horizon_aware
        # Trial n differs from trial n of the optimizer in the schedule alone.
        assert variant.trials(5) == [{**trial, "schedule": schedule} for trial in plain.trials(5)]


def test_schedule_free_evaluates_at_the_mean():
    parameter = torch.nn.Parameter(torch.tensor([1.0], dtype=torch.float64))
    optimizer = load_optimizer("schedule_free").factory([parameter], 4, learning_rate=0.1)
    iterates, iterate, square = [], 1.0, 0.0
    for step, gradient in enumerate(GRADIENTS, start=1):
        parameter.grad = torch.full_like(parameter, gradient)
        optimizer.step()
        square = 0.999 * square + 0.001 * gradient**2
        iterate -= 0.1 * gradient / (math.sqrt(square / (1 - 0.999**step)) + 1e-8)
        iterates.append(iterate)
    optimizer.eval()
    assert float(parameter.detach()) == pytest.approx(sum(iterates) / 4)


def test_muon_orthogonalises_matrices_and_leaves_the_rest_to_adamw():
    generator = torch.Generator().manual_seed(0)
    matrix = torch.nn.Parameter(torch.zeros(6, 4))
    vector = torch.nn.Parameter(torch.zeros(4))
    optimizer = load_optimizer("muon").factory([matrix, vector], 1, learning_rate=0.1, weight_decay=0.0)
    matrix.grad = torch.randn(6, 4, generator=generator)
    vector.grad = torch.tensor([3.0, -2.0, 0.1, 5.0])
    optimizer.step()
    # The update of a 6 x 4 matrix is .2 sqrt(6) x nearly orthonormal columns: Newton-Schulz leaves singular values within about .7 to 1.2.
    values = torch.linalg.svdvals(matrix.detach()) / (0.1 * 0.2 * math.sqrt(6))
    assert ((values > 0.6) & (values < 1.3)).all()
    assert torch.sum(matrix.detach() * matrix.grad) < 0
    # AdamW's first step is the learning rate in every coordinate.
    assert torch.allclose(vector.detach(), -0.1 * vector.grad.sign(), atol=1e-6)


HAND_DESIGNED = [
    pytest.param(loaded, id=f"{loaded.name}-{loaded.variant}" if loaded.variant else loaded.name)
    for name in optimizer_names()
    for loaded in load_variants(name)
    if loaded.method.family == "hand-designed"
]


@pytest.mark.parametrize("loaded", HAND_DESIGNED)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_state_dict_and_copies_go_on_with_the_same_bits(loaded, dtype):
    generator = torch.Generator().manual_seed(1)
    start = [torch.randn(shape, generator=generator).to(dtype) for shape in ((4, 3), (3,), (2,))]

    def parameters():
        return [torch.nn.Parameter(values.clone()) for values in start]

    def run(optimizer, given, steps):
        def closure():
            optimizer.zero_grad()
            loss = sum((values**2).sum() for values in given[:2])
            loss.backward()
            return loss.detach()

        return [float(optimizer.step(closure)) for _ in range(steps)]

    first = parameters()
    optimizer = loaded.factory([{"params": first[:1]}, {"params": first[1:]}], 12, **loaded.configure())
    losses = run(optimizer, first, 5)
    assert losses[0] == pytest.approx(sum(float((values**2).sum()) for values in start[:2]), rel=1e-6)
    assert torch.equal(first[2], start[2])  # no gradient
    second = [torch.nn.Parameter(values.detach().clone()) for values in first]
    other = loaded.factory([{"params": second[:1]}, {"params": second[1:]}], 12, **loaded.configure())
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    copied, third = copy.deepcopy((optimizer, first))
    assert run(optimizer, first, 5) == run(other, second, 5) == run(copied, third, 5)
    for values, restored, duplicate in zip(first, second, third, strict=True):
        assert torch.equal(values, restored)
        assert torch.equal(values, duplicate)


@pytest.mark.parametrize("loaded", HAND_DESIGNED)
def test_zero_and_huge_gradients_give_finite_updates(loaded):
    parameter = torch.nn.Parameter(torch.ones(3, 2))
    optimizer = loaded.factory([parameter], 10, **loaded.configure())
    for size in (0.0, 1e15, -1e15, 1e-30):
        parameter.grad = torch.full_like(parameter, size)
        optimizer.step()
        assert torch.isfinite(parameter).all(), size
