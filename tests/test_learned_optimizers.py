"""Learned optimizers: the LSTM cell against torch's, features by hand, weights on disk, the shipped ones."""

import copy
import json
import math

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")
pytestmark = pytest.mark.live

import safetensors.torch  # noqa: E402

from nasbench.baselines.optimizers import _lstm, _mlp_lopt, _weights  # noqa: E402
from nasbench.baselines.optimizers._l2l import LSTMOptimizer  # noqa: E402
from nasbench.optimizer_method import load_optimizer  # noqa: E402

SHIPPED = ("l2l", "l2l_quadratic_gaussian", "l2l_quadratic_uniform", "mlp_lopt")


def draw(generator, *shape):
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def torch_order(rows, hidden):
    """Return rows in torch's order of gates (input, forget, candidate, output) from ours."""
    entering, forget, leaving, candidate = torch.split(rows, hidden)
    return torch.cat([entering, forget, candidate, leaving])


def test_cell_is_torchs_forward_and_backward():
    generator = torch.Generator().manual_seed(0)
    hidden, features, coordinates = 5, 3, 7
    weight = draw(generator, 4 * hidden, features + hidden).requires_grad_()
    bias = draw(generator, 4 * hidden).requires_grad_()
    inputs = draw(generator, features, coordinates).requires_grad_()
    output = draw(generator, hidden, coordinates).requires_grad_()
    memory = draw(generator, hidden, coordinates).requires_grad_()
    ours = (weight, bias, inputs, output, memory)

    other = torch.nn.LSTMCell(features, hidden, dtype=torch.float64)
    with torch.no_grad():
        other.weight_ih.copy_(torch_order(weight[:, :features], hidden))
        other.weight_hh.copy_(torch_order(weight[:, features:], hidden))
        other.bias_ih.copy_(torch_order(bias, hidden))
        other.bias_hh.zero_()
    theirs_inputs = [values.detach().T.clone().requires_grad_() for values in (inputs, output, memory)]
    truth_output, truth_memory = other(theirs_inputs[0], tuple(theirs_inputs[1:]))
    found_output, found_memory = _lstm.cell(*ours)
    assert torch.allclose(found_output, truth_output.T, atol=1e-14)
    assert torch.allclose(found_memory, truth_memory.T, atol=1e-14)

    mix1, mix2 = draw(generator, hidden, coordinates), draw(generator, hidden, coordinates)
    found = torch.autograd.grad((found_output * mix1 + found_memory * mix2).sum(), ours)
    (truth_output * mix1.T + truth_memory * mix2.T).sum().backward()
    assert torch.allclose(torch_order(found[0][:, :features], hidden), other.weight_ih.grad, atol=1e-12)
    assert torch.allclose(torch_order(found[0][:, features:], hidden), other.weight_hh.grad, atol=1e-12)
    assert torch.allclose(torch_order(found[1], hidden), other.bias_ih.grad, atol=1e-12)
    for gradient, values in zip(found[2:], theirs_inputs, strict=True):
        assert torch.allclose(gradient, values.grad.T, atol=1e-12)


def test_two_layers_are_two_cells_of_torch_and_a_linear_readout():
    generator = torch.Generator().manual_seed(1)
    weights = {name: value.double() for name, value in _lstm.initial_weights("identity", generator).items()}
    state = draw(generator, 80, 4)
    gradient = draw(generator, 4)
    update, fresh = _lstm.propose(weights, gradient, state, "identity")
    values, pieces = gradient[:, None], []
    for layer, (width, rows) in enumerate(((1, state[:40]), (20, state[40:])), start=1):
        cell = torch.nn.LSTMCell(width, 20, dtype=torch.float64)
        with torch.no_grad():
            weight = torch_order(weights[f"cell{layer}.weight"], 20)
            cell.weight_ih.copy_(weight[:, :width])
            cell.weight_hh.copy_(weight[:, width:])
            cell.bias_ih.copy_(torch_order(weights[f"cell{layer}.bias"], 20))
            cell.bias_hh.zero_()
            values, memory = cell(values, (rows[:20].T, rows[20:].T))
        pieces += [values.T, memory.T]
    truth = values @ weights["readout.weight"][0] + weights["readout.bias"]
    assert torch.allclose(update, truth, atol=1e-14)
    assert torch.allclose(fresh, torch.cat(pieces), atol=1e-14)


def test_forget_gates_begin_open():
    """sigmoid(1) of the memory is kept at first, as in the released code; the other biases stay within 1/sqrt(20)."""
    bound = 1 / math.sqrt(20)
    for how in ("identity", "log-sign"):
        weights = _lstm.initial_weights(how, torch.Generator().manual_seed(0))
        for layer in (1, 2):
            entering, forget, leaving, candidate = torch.split(weights[f"cell{layer}.bias"], 20)
            assert (forget - 1).abs().max() <= bound + 1e-6
            assert torch.cat([entering, leaving, candidate]).abs().max() <= bound
            # By the cell itself: with no weights and an input gate that is shut, it is the memory that is left.
            bias = torch.cat([entering - 99, torch.ones(20), leaving, candidate])[:, None].squeeze(1)
            columns = weights[f"cell{layer}.weight"].shape[1] - 20
            zeros, memory = torch.zeros(columns, 1), torch.ones(20, 1)
            kept = _lstm.cell(torch.zeros(80, columns + 20), bias, zeros, torch.zeros(20, 1), memory)[1]
            assert torch.allclose(kept, torch.full((20, 1), 1 / (1 + math.exp(-1))), atol=1e-6)


def test_preprocessing_by_hand():
    gradient = torch.tensor([1.0, -math.exp(-5), 0.0, math.exp(-11), -math.exp(3)], dtype=torch.float64)
    found = _lstm.preprocess(gradient, "log-sign")
    assert found[0].tolist() == pytest.approx([0, -0.5, -1, -1, 0.3])
    assert found[1].tolist() == pytest.approx([1, -1, 0, math.exp(-1), -1])
    assert torch.equal(_lstm.preprocess(gradient, "identity"), gradient[None])
    with pytest.raises(ValueError, match="preprocessing is 'log', must be one of"):
        _lstm.preprocess(gradient, "log")
    with pytest.raises(ValueError, match="preprocessing is 'log', must be one of"):
        _lstm.initial_weights("log", torch.Generator())


def test_l2l_moves_each_coordinate_alone():
    """A coordinate's path does not depend on which tensor it is in or on its neighbours."""
    weights = _lstm.initial_weights("log-sign", torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(2)
    gradients = torch.randn(6, 4, generator=generator)

    def follow(shapes):
        parameters = [torch.nn.Parameter(torch.zeros(shape)) for shape in shapes]
        optimizer = LSTMOptimizer(parameters, weights, preprocessing="log-sign", scale=0.1)
        for row in gradients:
            start = 0
            for parameter in parameters:
                parameter.grad = row[start : start + parameter.numel()].view_as(parameter)
                start += parameter.numel()
            optimizer.step()
        return torch.cat([parameter.detach().reshape(-1) for parameter in parameters])

    assert torch.allclose(follow([(4,)]), follow([(2, 1), (1, 1, 2)]), atol=1e-6)


def test_mlp_features_by_hand():
    generator = torch.Generator().manual_seed(0)
    weights = {name: value.double()[None] for name, value in _mlp_lopt.initial_weights(generator).items()}
    parameter, gradient = draw(generator, 1, 5), draw(generator, 1, 5)
    momenta = _mlp_lopt.new_momenta(torch.zeros(1, 6, 5, dtype=torch.float64), gradient)
    assert torch.allclose(momenta[0, 2], 0.1 * gradient[0])
    change = _mlp_lopt.propose(weights, parameter, gradient, momenta, torch.tensor([3.0], dtype=torch.float64))
    rows = []
    for values in (gradient[0], parameter[0], *momenta[0]):
        rows.append(values / math.sqrt(float(values.square().mean()) + 1e-5))
    rows += [torch.full((5,), math.tanh(3 / scale - 1), dtype=torch.float64) for scale in _mlp_lopt.TIME_SCALES]
    inputs = torch.stack(rows, dim=1)  # (coordinates, 19)
    assert inputs.shape == (5, _mlp_lopt.FEATURES)
    for layer in (1, 2):
        inputs = (inputs @ weights[f"layer{layer}.weight"][0] + weights[f"layer{layer}.bias"][0]).relu()
    output = inputs @ weights["layer3.weight"][0] + weights["layer3.bias"][0]
    truth = output[:, 0] * (output[:, 1] * 1e-3).exp() * 1e-3
    assert torch.allclose(change[0], truth, atol=1e-14)


def test_weights_round_trip_and_refusal(tmp_path, monkeypatch):
    weights = _lstm.initial_weights("log-sign", torch.Generator().manual_seed(3))
    digest = _weights.weights_digest(weights)
    (tmp_path / "mine.safetensors").write_bytes(safetensors.torch.save(weights))
    (tmp_path / "mine.json").write_text(json.dumps({"weights_digest": digest}))
    monkeypatch.setattr(_weights.importlib.resources, "files", lambda package: tmp_path)
    _weights.load_weights.cache_clear()
    try:
        found = _weights.load_weights("mine")
        assert found.keys() == weights.keys()
        assert all(torch.equal(found[name], weights[name]) for name in weights)
        with pytest.raises(_weights.WeightsError, match="no learned weights 'yours'"):
            _weights.load_weights("yours")
        _weights.load_weights.cache_clear()
        weights["readout.bias"] += 1e-3
        (tmp_path / "mine.safetensors").write_bytes(safetensors.torch.save(weights))
        with pytest.raises(_weights.WeightsError, match="their record says"):
            _weights.load_weights("mine")
    finally:
        _weights.load_weights.cache_clear()


def test_digest_sees_names_shapes_and_values():
    base = {"a": torch.zeros(2, 3)}
    others = [
        {"b": torch.zeros(2, 3)},
        {"a": torch.zeros(3, 2)},
        {"a": torch.ones(2, 3)},
        {"a": torch.zeros(2, 3).double()},
    ]
    digests = {_weights.weights_digest(values) for values in (base, *others)}
    assert len(digests) == 5


@pytest.mark.parametrize("name", [*SHIPPED, "l2l_untrained"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_state_dict_copies_go_on_with_the_same_bits(name, dtype):
    start = torch.randn(4, 3, generator=torch.Generator().manual_seed(4)).to(dtype)

    def run(optimizer, parameter):
        for _ in range(4):
            parameter.grad = 2 * parameter.detach()
            optimizer.step()
        return parameter.detach()

    loaded = load_optimizer(name)
    first = torch.nn.Parameter(start.clone())
    idle = torch.nn.Parameter(torch.ones(2, dtype=dtype))
    optimizer = loaded.factory([first, idle], 8)
    run(optimizer, first)
    assert torch.equal(idle, torch.ones(2, dtype=dtype))
    second = torch.nn.Parameter(first.detach().clone())
    other = loaded.factory([second, torch.nn.Parameter(torch.ones(2, dtype=dtype))], 8)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    copied, third = copy.deepcopy((optimizer, first))
    truth = run(optimizer, first)
    for rule, parameter in ((other, second), (copied, third)):
        assert torch.equal(run(rule, parameter), truth)


@pytest.mark.parametrize("name", [*SHIPPED, "l2l_untrained"])
def test_zero_and_huge_gradients_give_finite_updates(name):
    parameter = torch.nn.Parameter(torch.ones(3, 2))
    optimizer = load_optimizer(name).factory([parameter], 10)
    for size in (0.0, 1e30, -1e30, 1e-30):
        parameter.grad = torch.full_like(parameter, size)
        optimizer.step()
        assert torch.isfinite(parameter).all(), size


@pytest.mark.parametrize("name", SHIPPED)
def test_record_says_what_the_weights_are(name):
    loaded = load_optimizer(name)
    folder = _weights.importlib.resources.files(_weights.FOLDER)
    record = json.loads((folder / loaded.method.trained_on).read_text(encoding="utf-8"))
    assert record["weights_digest"] == _weights.weights_digest(_weights.load_weights(name))
    # Training, held-out and scored instances are apart: `nasbench/tasks/task.py`.
    assert record["instances"]["training"][0] >= 1_000_000
    assert 500_000 <= record["instances"]["held_out"][0] < record["instances"]["held_out"][1] <= 1_000_000
    assert record["selected"]["held_out_loss"] == min(row[2] for row in record["history"])
    from nasbench.tasks import load_task

    for task in record["tasks"]:
        known = load_task(task["name"])
        assert (task["version"], task["splits"]) == (known.version, dict(known.digests))
        assert task["inputs"] == dict(known.input_digests)


def test_shipped_l2l_beats_its_untrained_self_and_untuned_adam_at_home():
    from nasbench.tasks import load_task

    task = load_task("digits-sigmoid")

    def final(name):
        instance = task.instance(77)
        parameters = instance.initialise()
        optimizer = load_optimizer(name).factory(list(parameters.values()), task.horizon)
        for step in range(task.horizon):
            optimizer.zero_grad()
            instance.loss(parameters, instance.batch(step)).backward()
            optimizer.step()
        return instance.evaluate(parameters)["train_loss"]

    losses = {name: final(name) for name in ("l2l", "l2l_untrained", "adam")}
    assert losses["l2l"] < 0.5 * min(losses["l2l_untrained"], losses["adam"]), losses
