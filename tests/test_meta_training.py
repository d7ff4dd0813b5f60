"""Meta-training: gradients against exact ones on toys, resuming, records."""

import dataclasses
import json
import math

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")
pytestmark = pytest.mark.live

from nasbench import meta_training, meta_training_l2l, meta_training_pes  # noqa: E402
from nasbench.baselines.optimizers import _lstm, _mlp_lopt, _weights  # noqa: E402
from nasbench.meta_training_l2l import L2LRun  # noqa: E402
from nasbench.meta_training_pes import PESRun, pes_gradient  # noqa: E402


@dataclasses.dataclass(frozen=True)
class Bowl:
    """Task: sum of curvature x (x - centre)^2 / 2 + slope x over `size` coordinates in two tensors, curvature 0 being linear."""

    name: str = "bowl"
    curvature: float = 1.0
    version: int = 1
    horizon: int = 40
    ceiling: float = 50.0
    digests: dict = dataclasses.field(default_factory=dict)
    input_digests: dict = dataclasses.field(default_factory=dict)

    def instance(self, seed):
        return BowlInstance(self, seed)


class BowlInstance:
    parameter_count = 5
    work_per_step = 10

    def __init__(self, task, seed):
        generator = torch.Generator().manual_seed(seed)
        self.task = task
        self.slope = torch.randn(5, generator=generator)

    def initialise(self):
        return {"a": torch.ones(2, requires_grad=True), "b": torch.ones(3, 1, requires_grad=True)}

    def batch(self, step):
        return (torch.tensor(1 + 0.1 * (step % 3)),)

    def loss(self, parameters, batch):
        values = torch.cat([part.reshape(-1) for part in parameters.values()])
        return batch[0] * ((self.task.curvature / 2 * values**2).sum() + (self.slope * values).sum())


def test_l2l_gradient_is_that_of_finite_differences_where_second_derivatives_vanish():
    """On a linear loss the task's gradient does not depend on the position, so treating it as a constant is exact."""
    run = L2LRun("bowl", "log-sign", scale=0.1, gradient_factor=2.0)
    instance = Bowl(curvature=0.0).instance(3)
    weights = {
        name: value.double().requires_grad_()
        for name, value in _lstm.initial_weights("log-sign", torch.Generator().manual_seed(0)).items()
    }
    instance.slope = instance.slope.double()

    def total(weights):
        position = meta_training_l2l.flatten(instance.initialise()).detach().double()
        hidden = _lstm.initial_state(5, position)
        return meta_training_l2l.unroll(run, weights, instance, 0, position, hidden, 6)[0].sum()

    names = ["cell1.weight", "cell2.weight", "readout.bias"]
    exact = torch.autograd.grad(total(weights), [weights[name] for name in names])
    for name, gradient in zip(names, exact, strict=True):
        place = (7, 1) if gradient.ndim == 2 else (0,)
        sides = []
        for sign in (1, -1):
            moved = {key: value.detach().clone() for key, value in weights.items()}
            moved[name][place] += sign * 1e-5
            sides.append(float(total(moved).detach()))
        assert float(gradient[place]) == pytest.approx((sides[0] - sides[1]) / 2e-5, rel=1e-5)


def test_l2l_unroll_is_what_the_shipped_optimizer_does():
    from nasbench.baselines.optimizers._l2l import LSTMOptimizer

    run = L2LRun("bowl", "log-sign", scale=0.1, gradient_factor=2.0)
    instance = Bowl().instance(3)
    weights = _lstm.initial_weights("log-sign", torch.Generator().manual_seed(0))
    position = meta_training_l2l.flatten(instance.initialise()).detach()
    losses, _, _ = meta_training_l2l.unroll(run, weights, instance, 0, position, _lstm.initial_state(5, position), 8)
    parameters = instance.initialise()
    optimizer = LSTMOptimizer(parameters.values(), weights, preprocessing="log-sign", scale=0.1, gradient_factor=2.0)
    for step in range(8):
        optimizer.zero_grad()
        loss = instance.loss(parameters, instance.batch(step))
        assert float(loss.detach()) == pytest.approx(float(losses[step].detach()), rel=1e-5)
        loss.backward()
        optimizer.step()


def test_meta_loss_has_the_loss_after_the_last_update():
    """21 losses of 20 updates: of the last one on the next step's batch, and differentiable in the weights, as in the released code."""
    run = L2LRun("bowl", "log-sign", scale=0.1)
    instance = Bowl().instance(3)
    weights = {
        name: value.requires_grad_()
        for name, value in _lstm.initial_weights("log-sign", torch.Generator().manual_seed(0)).items()
    }
    position = meta_training_l2l.flatten(instance.initialise()).detach()
    hidden = _lstm.initial_state(5, position)
    total, end, _ = meta_training_l2l.meta_loss(run, weights, instance, 4, position.clone(), hidden)
    losses, longer, _ = meta_training_l2l.unroll(run, weights, instance, 4, position.clone(), hidden, 21)
    assert float(total.detach()) == pytest.approx(float(losses.sum().detach()), rel=1e-6)
    assert not torch.equal(end, longer)  # 21 losses, 20 updates
    # The readout of the last update has a gradient through that loss alone.
    exact = torch.autograd.grad(total, list(weights.values()))
    truth = torch.autograd.grad(losses.sum(), list(weights.values()))
    for one, two in zip(exact, truth, strict=True):
        assert torch.allclose(one, two, rtol=1e-4, atol=1e-5)
    with_one = dataclasses.replace(run, steps=20)
    losses_of_an_episode = meta_training_l2l.episode(
        with_one, weights, torch.optim.SGD(list(weights.values()), lr=0.0), instance
    )
    first, _, _ = meta_training_l2l.meta_loss(run, weights, instance, 0, position.clone(), hidden)
    assert losses_of_an_episode == pytest.approx(float(first.detach()) / 21, rel=1e-6)


def test_held_out_loss_is_the_one_after_the_last_update():
    from nasbench.baselines.optimizers._l2l import LSTMOptimizer

    run = L2LRun("bowl", "log-sign", scale=0.1, steps=8, held_out=3)
    weights = _lstm.initial_weights("log-sign", torch.Generator().manual_seed(0))
    final = []
    for seed in range(500_000, 500_003):
        instance = Bowl().instance(seed)
        parameters = instance.initialise()
        optimizer = LSTMOptimizer(parameters.values(), weights, preprocessing="log-sign", scale=0.1)
        for step in range(8):
            optimizer.zero_grad()
            instance.loss(parameters, instance.batch(step)).backward()
            optimizer.step()
        final.append(float(instance.loss(parameters, instance.batch(8)).detach()))
    assert meta_training_l2l.held_out_loss(run, weights, Bowl()) == pytest.approx(sum(final) / 3, rel=1e-4)
    # Held to the ceiling: above it, and where it is no number.
    assert meta_training_l2l.held_out_loss(run, weights, Bowl(ceiling=-99.0)) == -99.0
    broken = {name: torch.full_like(value, math.nan) for name, value in weights.items()}
    assert meta_training_l2l.held_out_loss(run, broken, Bowl()) == 50.0


def test_state_of_an_earlier_version_is_not_gone_on_from(monkeypatch):
    runs = {"l2l": L2L, "pes": PES}
    before = {name: meta_training.run_digest(name, run) for name, run in runs.items()}
    monkeypatch.setattr(meta_training_l2l, "VERSION", meta_training_l2l.VERSION + 1)
    after = {name: meta_training.run_digest(name, run) for name, run in runs.items()}
    assert before["l2l"] != after["l2l"] and before["pes"] == after["pes"]


def test_pes_is_unbiased_where_truncated_evolution_strategies_are_not():
    """Two parameters, s <- A s + theta, loss c.s: linear, so the exact gradient of the whole run is known and smoothing changes nothing."""
    generator = torch.Generator().manual_seed(0)
    transition = torch.tensor([[0.9, 0.5], [-0.3, 0.8]], dtype=torch.float64)
    readout = torch.tensor([1.0, -2.0], dtype=torch.float64)
    truncation, pieces, particles, sigma = 2, 3, 40_000, 0.1
    theta = torch.tensor([0.4, -0.7], dtype=torch.float64)

    powers = [torch.linalg.matrix_power(transition, power) for power in range(truncation * pieces)]
    exact = sum(
        (readout @ powers[power] for step in range(1, 1 + truncation * pieces) for power in range(step)),
        torch.zeros(2, dtype=torch.float64),
    )
    states = [torch.zeros(particles, 2, dtype=torch.float64) for _ in range(2)]
    accumulators = torch.zeros(particles, 2, dtype=torch.float64)
    persistent, truncated = torch.zeros(particles, 2).double(), torch.zeros(2).double()
    for _ in range(pieces):
        noise = sigma * torch.randn(particles, 2, generator=generator, dtype=torch.float64)
        accumulators = accumulators + noise
        losses = []
        for twin, sign in enumerate((1, -1)):
            total = torch.zeros(particles, dtype=torch.float64)
            for _ in range(truncation):
                states[twin] = states[twin] @ transition.T + theta + sign * noise
                total += states[twin] @ readout
            losses.append(total)
        single = torch.stack([(losses[0] - losses[1]) / (2 * sigma**2)] * 2, dim=1) * accumulators
        assert torch.allclose(pes_gradient(*losses, accumulators, sigma), single.mean(0))
        persistent += single
        truncated += pes_gradient(*losses, noise, sigma)
    error = persistent.std(0) / math.sqrt(particles)
    assert (abs(persistent.mean(0) - exact) < 4 * error).all(), (persistent.mean(0), exact, error)
    # Each truncation by itself misses what its noise does later.
    assert (abs(truncated - exact) > 10 * error).any(), (truncated, exact, error)


PES = PESRun(
    ("bowl",),
    particles=3,
    truncation=5,
    outer_steps=6,
    shortest=10,
    longest=20,
    check_every=2,
    held_out=2,
    held_out_steps=10,
)


def test_pes_outer_step_is_the_difference_of_two_separate_runs():
    tasks = [Bowl()]
    state = meta_training_pes.start(PES, tasks)
    vector = meta_training_l2l.flatten({name: state["weights"][name] for name in _mlp_lopt.SHAPES})
    for particle in state["particles"]:
        assert torch.equal(particle["position"][0], particle["position"][1])
        particle["length"] = 10
    noises = []
    for number in range(2):
        noises.append(PES.sigma * torch.randn(3, len(vector), generator=torch.Generator().manual_seed(number)))
        gradient, _ = meta_training_pes.outer_gradient(PES, tasks, state, vector, torch.Generator().manual_seed(number))
    truth = torch.zeros_like(vector)
    for row in range(3):
        ends = []
        for sign in (1, -1):
            instance = tasks[0].instance(1_000_000 + row)
            parameters = instance.initialise()
            # The optimizer's weights change after 5 steps, its state goes on.
            total, inner = 0.0, None
            for step in range(10):
                if step % 5 == 0:
                    flat = vector + sign * noises[step // 5][row]
                    weights = {key: value[0] for key, value in meta_training_pes._stacked(flat[None]).items()}
                    fresh = _mlp_lopt.MLPOptimizer(parameters.values(), weights)
                    if inner is not None:
                        fresh.load_state_dict(inner.state_dict())
                    inner = fresh
                loss = instance.loss(parameters, instance.batch(step))
                total += float(loss.detach()) if step >= 5 else 0.0
                inner.zero_grad()
                loss.backward()
                inner.step()
            ends.append(total / 5)
        truth += (ends[0] - ends[1]) / (2 * PES.sigma**2) * (noises[0][row] + noises[1][row]) / 3
    assert torch.allclose(gradient, truth, rtol=0.05, atol=0.02 * float(truth.abs().max()))
    # All runs are over: fresh instances, equal twins, no memory of old noise.
    assert float(state["accumulators"].abs().max()) == 0
    assert [particle["seed"] for particle in state["particles"]] == [1_000_003, 1_000_004, 1_000_005]
    assert state["work"]["training"] == 2 * 2 * 3 * 5 * 10


L2L = L2LRun("bowl", "log-sign", scale=0.1, episodes=6, steps=40, check_every=2, held_out=2)


@pytest.mark.parametrize("run", [L2L, PES])
def test_interrupted_run_ends_with_the_same_bits(run, tmp_path):
    load = {"bowl": Bowl()}.__getitem__

    class Stop(Exception):
        pass

    def interrupt(line):
        if " 2:" in line:
            raise Stop

    whole = meta_training.meta_train("toy", tmp_path / "a", tmp_path / "one", load_task=load, run=run, report=str)
    with pytest.raises(Stop):
        meta_training.meta_train("toy", tmp_path / "b", tmp_path / "two", load_task=load, run=run, report=interrupt)
    resumed = meta_training.meta_train("toy", tmp_path / "b", tmp_path / "two", load_task=load, run=run, report=str)
    assert resumed["weights_digest"] == whole["weights_digest"]
    assert resumed["history"] == whole["history"]
    assert resumed["meta_work"] == whole["meta_work"]
    assert (tmp_path / "one/toy.safetensors").read_bytes() == (tmp_path / "two/toy.safetensors").read_bytes()
    assert json.loads((tmp_path / "one/toy.json").read_text())["weights_digest"] == whole["weights_digest"]
    assert whole["instances"]["training"][0] == 1_000_000
    losses = [row[2] for row in whole["history"]]
    assert whole["selected"]["held_out_loss"] == min(losses)
    if run is L2L:
        assert whole["meta_work"] == {"training": 6 * (40 + 2) * 10, "held_out": 3 * 2 * (40 + 1) * 10}
        assert whole["instances"]["training"] == [1_000_000, 1_000_006]


def test_another_seed_gives_other_weights_and_a_state_of_other_settings_is_refused(tmp_path):
    load = {"bowl": Bowl()}.__getitem__
    first = meta_training.meta_train("toy", tmp_path, tmp_path, load_task=load, run=L2L, report=str)
    with pytest.raises(meta_training.MetaTrainingError, match="state of other settings"):
        meta_training.meta_train(
            "toy", tmp_path, tmp_path, load_task=load, run=dataclasses.replace(L2L, seed=1), report=str
        )
    other = meta_training.meta_train(
        "toy", tmp_path / "b", tmp_path, load_task=load, run=dataclasses.replace(L2L, seed=1), report=str
    )
    assert other["weights_digest"] != first["weights_digest"]
    assert other["instances"]["training"][0] == 1_100_000


def test_meta_training_learns_the_bowl(tmp_path):
    run = dataclasses.replace(L2L, episodes=40, check_every=10)
    record = meta_training.meta_train(
        "toy", tmp_path, tmp_path, load_task={"bowl": Bowl()}.__getitem__, run=run, report=str
    )
    assert record["history"][-1][1] < record["history"][0][1] - 0.5


def test_unknown_name_is_refused(tmp_path, capsys):
    with pytest.raises(meta_training.MetaTrainingError, match="no meta-training 'l3l'; there are"):
        meta_training.meta_train("l3l", tmp_path, tmp_path)
    assert meta_training.main(["l3l", "--folder", str(tmp_path)]) == 2
    assert "no meta-training 'l3l'" in capsys.readouterr().err


def test_state_on_disk_is_the_state(tmp_path):
    state = {"a": torch.arange(3.0), "b": [1, None, {"c": torch.zeros(2), 7: "x"}], "d": math.inf}
    meta_training.save_state(tmp_path / "s", state, "digest", 1.5)
    found, seconds = meta_training.read_state(tmp_path / "s", "digest")
    assert seconds == 1.5
    assert torch.equal(found["a"], state["a"])
    assert torch.equal(found["b"][2]["c"], torch.zeros(2))
    assert (found["b"][:2], found["b"][2][7], found["d"]) == ([1, None], "x", math.inf)


def test_one_vectorised_call_is_the_loop_over_runs():
    """Losses and gradients of runs at different steps, on different instances, of a task whose loss is shared: against one at a time."""
    from nasbench.tasks import load_task

    task = load_task("digits-relu")
    instances = [task.instance(1_000_000), task.instance(1_000_001), task.instance(1_000_000)]
    assert all(instance.shares_loss for instance in instances)
    shapes = instances[0].initialise()
    leaf = torch.stack([meta_training_l2l.flatten(instance.initialise()).detach() for instance in instances])
    leaf = (leaf + 0.1 * torch.randn(leaf.shape, generator=torch.Generator().manual_seed(0))).requires_grad_()
    steps = [3, 0, 9]
    found = meta_training_pes._losses(instances, steps, leaf, shapes)
    single = torch.stack(
        [
            instance.loss(meta_training_l2l.unflatten(leaf[row], shapes), instance.batch(step))
            for row, (instance, step) in enumerate(zip(instances, steps, strict=True))
        ]
    )
    assert torch.allclose(found, single, rtol=1e-6)
    slopes = [torch.autograd.grad(losses.sum(), leaf)[0] for losses in (found, single)]
    assert torch.allclose(*slopes, rtol=1e-4, atol=1e-7)


def test_network_over_all_tensors_is_the_network_over_each():
    generator = torch.Generator().manual_seed(0)
    weights = {
        name: value[None].repeat(2, *[1] * value.ndim) for name, value in _mlp_lopt.initial_weights(generator).items()
    }
    parts = [[torch.randn(2, *shape, generator=generator) for shape in ((n,), (n,), (6, n))] for n in (5, 3)]
    steps = torch.tensor([0.0, 7.0])
    each = [_mlp_lopt.propose(weights, *part, steps) for part in parts]
    features = torch.cat([_mlp_lopt.coordinate_features(*part) for part in parts], dim=2)
    assert torch.allclose(_mlp_lopt.respond(weights, features, steps), torch.cat(each, dim=1), rtol=1e-5, atol=1e-9)


def test_length_on_the_command_line_goes_on_and_refuses_to_go_back(tmp_path):
    run = dataclasses.replace(L2L, episodes=2)
    arguments = {"load_task": {"bowl": Bowl()}.__getitem__, "run": run, "report": str}
    assert meta_training.meta_train("l2l", tmp_path, tmp_path, **arguments)["settings"]["episodes"] == 2
    record = meta_training.meta_train("l2l", tmp_path, tmp_path, length=4, **arguments)
    assert (record["settings"]["episodes"], [row[0] for row in record["history"]]) == (4, [2, 4])
    for length, said in ((3, "has 4 episodes or steps, asked for are 3"), (0, "length is 0, must be at least 1")):
        with pytest.raises(meta_training.MetaTrainingError, match=said):
            meta_training.meta_train("l2l", tmp_path, tmp_path, length=length, **arguments)


def test_shipped_runs_keep_the_settings_of_their_records():
    folder = _weights.importlib.resources.files(_weights.FOLDER)
    for name, run in meta_training.RUNS.items():
        record = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        settings = json.loads(json.dumps(vars(run)))
        for length in ("episodes", "outer_steps"):  # `--length` says how long a run is, its record how long it was
            assert (length in settings) == (length in record["settings"])
            settings.pop(length, None), record["settings"].pop(length, None)
        assert record["settings"] == settings, name
