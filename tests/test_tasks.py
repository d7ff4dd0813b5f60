"""Tasks: the published anchor, the losses against plain numpy, splits, streams of batches, and pairing across optimizers."""

import dataclasses
import itertools
import math
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.live

from nasbench.optimizer_method import load_optimizer  # noqa: E402
from nasbench.optimizer_run import environment, train  # noqa: E402
from nasbench.optimizer_table import RunKey, open_optimizer_table  # noqa: E402
from nasbench.sealed import open_table  # noqa: E402
from nasbench.tasks import load_task, task_names  # noqa: E402
from nasbench.tasks.cells import CELLS  # noqa: E402
from nasbench.tasks.quadratics import DIMENSIONS  # noqa: E402
from nasbench.tasks.recurrent import ALPHABET, UNITS, _forward  # noqa: E402
from nasbench.tasks.task import (  # noqa: E402
    META_TRAINING,
    META_VALIDATION,
    SCORED,
    SPLITS,
    TUNING,
    TaskError,
    clip_loss,
)

CHEAP = [name for name in task_names() if not name.startswith(("cell-", "declaration"))]


# By name and version: loss and norm of the gradient at the start of seed 0, on the batch of step 1.
STARTS = {
    ("cell-best", 2): (2.33815, 0.53799),
    ("cell-median", 2): (2.35963, 0.4171),
    ("cell-odd", 1): (2.39475, 0.44041),
    ("declaration-gru", 1): (3.50224, 0.21853),
    ("digits-autoencoder", 1): (0.196089, 0.17835),
    ("digits-convnet", 1): (2.30675, 0.22518),
    ("digits-relu", 1): (2.30276, 0.068397),
    ("digits-relu-wide", 1): (2.31886, 0.32305),
    ("digits-sigmoid", 1): (2.30059, 0.091876),
    ("digits-sigmoid-2-layers", 1): (2.30351, 0.2987),
    ("digits-sigmoid-40", 1): (2.30407, 0.15361),
    ("logistic-regression", 1): (2.42761, 0.76689),
    ("mnist5k-relu", 1): (2.29908, 0.56095),
    ("mnist5k-sigmoid", 1): (2.3083, 0.28627),
    ("quadratic-gaussian", 2): (9.92177, 1.7814),
    ("quadratic-uniform", 2): (3.52141, 1.4872),
    ("robust-regression", 1): (0.816593, 0.088521),
}


@pytest.mark.parametrize("name", task_names())
def test_numbers_move_with_the_version_alone(name):
    """Journals know a task by its version, not by its code: whoever moves a number here raises the version and adds a line above."""
    task = load_task(name)
    assert (name, task.version) in STARTS
    instance = task.instance(0)
    parameters = instance.initialise()
    loss = instance.loss(parameters, instance.batch(1))
    loss.backward()
    norm = math.sqrt(sum(float(values.grad.square().sum()) for values in parameters.values()))
    assert (loss.item(), norm) == pytest.approx(STARTS[name, task.version], rel=1e-3)


def test_adam_on_uniform_quadratics_is_where_the_literature_has_it():
    """log10 of the final loss is -0.48 at learning rate 1e-2 after 100 steps, mean over 4,096 problems: 32 instances of 128."""
    task = load_task("quadratic-uniform")
    instances = [task.instance(seed) for seed in range(32)]
    starts = [instance.initialise()["x"] for instance in instances]
    # One optimizer over all: Adam is coordinatewise, so that this is 32 separate runs.
    optimizer = torch.optim.Adam(starts, lr=1e-2)
    for step in range(task.horizon):
        optimizer.zero_grad()
        torch.stack([i.loss({"x": x}, i.batch(step)) for i, x in zip(instances, starts, strict=True)]).sum().backward()
        optimizer.step()
    final = np.mean([i.evaluate({"x": x})["test_loss"] for i, x in zip(instances, starts, strict=True)])
    assert math.log10(final) == pytest.approx(-0.48, abs=0.01)


def test_quadratic_is_the_mean_of_squared_distances():
    instance = load_task("quadratic-gaussian").instance(3)
    x = instance.initialise()["x"]
    matrix, offset, start = (
        values.detach().numpy().astype(np.float64)
        for values in (instance.matrix, instance.offset, x.reshape(-1, DIMENSIONS))
    )
    expected = np.mean([((w @ p - y) ** 2).sum() for w, y, p in zip(matrix, offset, start, strict=True)])
    loss = instance.loss({"x": x}, ())
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    loss.backward()
    gradient = 2 * np.einsum("pij,pi->pj", matrix, np.einsum("pij,pj->pi", matrix, start) - offset) / 128
    np.testing.assert_allclose(x.grad.numpy(), gradient.reshape(-1), rtol=1e-4, atol=1e-5)


def one_run(name, version, optimizer, settings, seed):
    task, loaded = dataclasses.replace(load_task(name), version=version), load_optimizer(optimizer)
    key = RunKey(name, optimizer, 0, 1, seed)
    return train(task, loaded, loaded.configure(settings), key).curves["train_loss"]


@pytest.mark.parametrize("optimizer", ["sgd", "nesterov", "adam", "lion", "powersign", "l2l_quadratic_uniform"])
def test_coordinatewise_rules_see_no_difference_between_a_vector_and_a_matrix_of_problems(optimizer):
    """Version 1 had the problems as rows of a matrix: the same bits."""
    task, loaded = load_task("quadratic-uniform"), load_optimizer(optimizer)
    instance = task.instance(3)
    x = instance.initialise()["x"].detach().view(-1, DIMENSIONS).clone().requires_grad_()
    rule = loaded.factory([x], task.horizon, **loaded.configure())
    losses = []
    for _ in range(task.horizon + 1):
        rule.zero_grad()
        product = (instance.matrix @ x.unsqueeze(-1)).squeeze(-1)
        loss = (product - instance.offset).square().sum(-1).mean()
        losses.append(min(float(loss.detach()), task.ceiling))
        loss.backward()
        rule.step()
    assert one_run("quadratic-uniform", task.version, optimizer, {}, 3) == losses


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_coordinatewise_rules_give_the_stored_curves():
    """Of whatever version of the quadratics the shipped table has: the problems of a seed are drawn by version."""
    table = open_optimizer_table(Path(__file__).parent.parent / "data/optimizers.h5")
    if table.metadata["environment"] != environment():
        pytest.skip("the table was made in another environment")
    for task in ("quadratic-uniform", "quadratic-gaussian"):
        for name in ("sgd", "heavy-ball", "adagrad"):
            stored = table.curves(task, name, scored=True)
            optimizer, version = table.optimizers[name].optimizer, table.tasks[task].version
            found = one_run(task, version, optimizer, stored.settings[0], int(stored.seeds[1]))
            assert np.array_equal(np.float32(found), np.float32(stored.train_loss[0, 1])), (task, name)


def test_muon_mixes_no_problems():
    """On a vector it is AdamW; the problems of a seed as a matrix were orthogonalised together."""
    task = load_task("quadratic-gaussian")
    instance = task.instance(0)
    x = instance.initialise()["x"]
    assert x.shape == (1280,)
    muon = one_run(task.name, task.version, "muon", {"learning_rate": 0.01, "weight_decay": 0.001}, 0)
    adamw = torch.optim.AdamW([x], lr=0.01, betas=(0.9, 0.95), weight_decay=0.001)
    for _ in range(task.horizon):
        adamw.zero_grad()
        instance.loss({"x": x}, ()).backward()
        adamw.step()
    assert muon[-1] == pytest.approx(instance.evaluate({"x": x})["train_loss"], rel=1e-6)


@pytest.mark.parametrize("name", ["cell-best", "cell-median", "cell-odd", "logistic-regression", "robust-regression"])
def test_tasks_on_which_muon_is_its_adamw_part_alone(name):
    assert all(values.ndim != 2 for values in load_task(name).instance(0).initialise().values())


def test_quadratics_are_drawn_from_their_distributions():
    uniform, gaussian = (
        torch.cat([load_task(f"quadratic-{name}").instance(seed).matrix.flatten() for seed in range(4)])
        for name in ("uniform", "gaussian")
    )
    assert uniform.min() >= 0 and uniform.max() < 1 and uniform.mean().item() == pytest.approx(0.5, abs=0.01)
    assert gaussian.mean().item() == pytest.approx(0, abs=0.02) and gaussian.std().item() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("name", task_names())
def test_every_instance_follows_from_its_seed(name):
    task = load_task(name)
    first, again, other = task.instance(5), task.instance(5), task.instance(6)
    starts = [instance.initialise() for instance in (first, again, other)]
    assert all(torch.equal(starts[0][key], starts[1][key]) for key in starts[0])
    assert not all(torch.equal(starts[0][key], starts[2][key]) for key in starts[0])
    assert all(
        values.is_leaf and values.requires_grad and values.dtype == torch.float32 for values in starts[0].values()
    )
    assert first.parameter_count == sum(values.numel() for values in starts[0].values())
    steps = (0, task.horizon, 3 * task.horizon + 1, 0)  # out of order, beyond the horizon
    batches = [[instance.batch(step) for step in order] for instance, order in ((first, steps), (again, steps[::-1]))]
    for one, two in zip(batches[0], batches[1][::-1], strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
    changed = first.initialise()
    with torch.no_grad():
        next(iter(changed.values())).add_(1)
    assert all(torch.equal(starts[0][key], values) for key, values in first.initialise().items())


@pytest.mark.parametrize("name", task_names())
def test_evaluation_is_finite_and_clipped(name):
    task = load_task(name)
    instance = task.instance(0)
    start = instance.initialise()
    found = instance.evaluate(start)
    assert {f"{split}_loss" for split in SPLITS} <= set(found)
    assert all(0 <= value <= task.ceiling for key, value in found.items() if key.endswith("loss"))
    broken = {key: torch.full_like(values, math.nan) for key, values in start.items()}
    assert instance.evaluate(broken)["test_loss"] == task.ceiling
    huge = {key: torch.full_like(values, 1e30) for key, values in start.items()}
    assert instance.evaluate(huge)["test_loss"] <= task.ceiling


@pytest.mark.parametrize("name", CHEAP)
def test_gradient_agrees_with_differences(name):
    """In float64, along a random direction."""
    instance = load_task(name).instance(1)
    rng = np.random.default_rng(0)
    parameters = {key: values.detach().double() for key, values in instance.initialise().items()}
    direction = {key: torch.from_numpy(rng.standard_normal(tuple(values.shape))) for key, values in parameters.items()}
    if name.startswith("quadratic"):
        instance.matrix, instance.offset = instance.matrix.double(), instance.offset.double()
    batch = tuple(values.double() if values.is_floating_point() else values for values in instance.batch(0))

    def along(t):
        return instance.loss({key: values + t * direction[key] for key, values in parameters.items()}, batch)

    t = torch.zeros((), dtype=torch.float64, requires_grad=True)
    along(t).backward()
    h = 1e-8  # so small that no ReLU's kink lies between
    ends = [along(torch.tensor(end, dtype=torch.float64)).item() for end in (h, -h)]
    numeric = (ends[0] - ends[1]) / (2 * h)
    assert t.grad.item() == pytest.approx(numeric, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("name", task_names())
def test_tasks_without_fixed_data_are_those_whose_steps_take_everything(name):
    """What analysis reads off a table's entry: such tasks draw the problem with the seed, and their curves have no noise of batches."""
    task = load_task(name)
    instance = task.instance(2)
    one, two = instance.batch(0), instance.batch(1)
    same = all(torch.equal(first, second) for first, second in zip(one, two, strict=True))
    assert same is not bool(task.digests)


def test_an_epoch_sees_every_example_once():
    instance = load_task("digits-sigmoid").instance(0)
    steps = 1097 // 128
    seen = torch.cat([instance.batch(step)[0].flatten(1) for step in range(steps)])
    assert len(seen) == steps * 128
    everything = instance.examples.inputs["train"].flatten(1)
    # Some digits are equal pixel by pixel, so that examples are told apart by how often they occur.
    values, counts = torch.unique(seen, dim=0, return_counts=True)
    pool, most = torch.unique(everything, dim=0, return_counts=True)
    limit = {tuple(row.tolist()): count.item() for row, count in zip(pool, most, strict=True)}
    assert all(count <= limit[tuple(row.tolist())] for row, count in zip(values, counts, strict=True))
    assert not torch.equal(instance.batch(0)[0], instance.batch(steps)[0])


@pytest.mark.parametrize("name", ["digits-sigmoid", "mnist5k-sigmoid", "cell-best", "declaration-gru"])
def test_splits_are_fixed_and_have_digests(name):
    task = load_task(name)
    assert set(task.digests) == set(SPLITS) and len(set(task.digests.values())) == 4
    examples = task.instance(0).examples
    if name == "digits-sigmoid":
        assert [len(examples.targets[split]) for split in SPLITS] == [1097, 200, 250, 250]
    if name == "mnist5k-sigmoid":
        assert [len(examples.targets[split]) for split in SPLITS] == [3500, 500, 500, 500]
        assert task.instance(0).parameter_count == 784 * 20 + 20 + 20 * 10 + 10 == 15_910


def test_tasks_that_share_their_images_are_known_by_their_inputs():
    digits = [load_task(name) for name in task_names() if name.startswith("digits")]
    assert len(digits) == 7
    assert len({tuple(task.input_digests[split] for split in SPLITS) for task in digits}) == 1
    autoencoder, classifier = load_task("digits-autoencoder"), load_task("digits-sigmoid")
    assert not set(autoencoder.digests.values()) & set(classifier.digests.values())
    others = {load_task(name).input_digests["train"] for name in ("mnist5k-sigmoid", "cell-odd", "declaration-gru")}
    assert len(others | {classifier.input_digests["train"]}) == 4
    assert load_task("quadratic-uniform").input_digests == load_task("logistic-regression").input_digests == {}


def test_sizes_of_the_papers_network_on_digits():
    assert load_task("digits-sigmoid").instance(0).parameter_count == 64 * 20 + 20 + 20 * 10 + 10 == 1_510
    assert load_task("digits-sigmoid").ceiling == pytest.approx(1.5 * math.log(10))


def test_gru_is_torchs():
    """torch's GRU with the same weights gives the same logits; its gates stand in the order reset, update, new."""
    instance = load_task("declaration-gru").instance(0)
    own = {key: values.detach() for key, values in instance.initialise().items()}
    cell = torch.nn.GRU(len(ALPHABET), UNITS, batch_first=True)
    with torch.no_grad():
        cell.weight_ih_l0.copy_(own["embedding"].T)
        cell.weight_hh_l0.copy_(own["recurrent"].T)
        cell.bias_ih_l0.zero_()
        cell.bias_hh_l0.copy_(own["bias"])
        codes = instance.batch(0)[0]
        states, _ = cell(torch.nn.functional.one_hot(codes, len(ALPHABET)).float())
        expected = states @ own["weight"] + own["output_bias"]
    torch.testing.assert_close(_forward(own, codes), expected, rtol=1e-4, atol=1e-5)


def test_text_has_no_character_outside_the_alphabet():
    text = (Path(__file__).parent.parent / "nasbench/tasks/declaration.txt").read_text(encoding="ascii").lower()
    assert set(text) == set(ALPHABET)


def test_robust_loss_is_gemans_and_mcclures():
    instance = load_task("robust-regression").instance(2)
    parameters = {key: values.detach().numpy().astype(np.float64) for key, values in instance.initialise().items()}
    inputs, targets = (values.numpy().astype(np.float64) for values in instance.batch(0))
    residual = inputs @ parameters["weight"] + parameters["bias"] - targets
    expected = np.mean(residual**2 / (1 + residual**2))
    assert instance.loss(instance.initialise(), instance.batch(7)).item() == pytest.approx(expected, rel=1e-5)


def test_logistic_loss_has_its_penalty():
    instance = load_task("logistic-regression").instance(2)
    parameters = {key: values.detach().numpy().astype(np.float64) for key, values in instance.initialise().items()}
    inputs, targets = (values.numpy().astype(np.float64) for values in instance.batch(0))
    logits = inputs @ parameters["weight"] + parameters["bias"]
    expected = np.mean(np.log1p(np.exp(-np.where(targets == 1, logits, -logits))))
    expected += 5e-4 / 2 * (parameters["weight"] ** 2).sum()
    assert instance.loss(instance.initialise(), instance.batch(0)).item() == pytest.approx(expected, rel=1e-5)


def test_cells_have_the_ranks_that_they_are_named_for():
    """By look-up of the strings in the published table; an edge of the wrong row would be another rank."""
    table = open_table(Path(__file__).parent.parent / "data/nas-bench-201.h5")
    accuracy = table.dataset("cifar10").mean_accuracy("validation")
    found = {name: float(accuracy[table.row(table.space.parse(string))]) for name, string in CELLS.items()}
    assert found["best"] == accuracy.max() and found["median"] == np.median(accuracy)
    assert [round(found[name], 4) for name in ("best", "median")] == [0.9161, 0.8731]
    assert {part.partition("~")[0] for part in CELLS["odd"].replace("+", "").split("|") if part} == {"avg_pool_3x3"}
    # Rows of the wrong cells stand in journals under version 1.
    assert [load_task(f"cell-{name}").version for name in ("best", "median", "odd")] == [2, 2, 1]


def test_cell_is_a_function_of_parameters_and_batch_alone():
    instance = load_task("cell-median").instance(0)
    parameters = instance.initialise()
    first = instance.loss(parameters, instance.batch(0)).item()
    instance.loss(parameters, instance.batch(1))
    load_task("cell-median").instance(9)
    assert instance.loss(parameters, instance.batch(0)).item() == first


def test_no_global_generator_is_touched():
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    for name in ("quadratic-uniform", "digits-convnet", "cell-odd", "robust-regression"):
        instance = load_task(name).instance(11)
        instance.loss(instance.initialise(), instance.batch(0))
    assert torch.equal(before[0], torch.random.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002


def test_seed_ranges_are_apart():
    ends = [(seeds.start, seeds.stop) for seeds in (SCORED, TUNING, META_VALIDATION, META_TRAINING)]
    assert all(one[1] <= two[0] for one, two in itertools.pairwise(ends))


def test_errors_say_what_there_is():
    with pytest.raises(TaskError, match=r"no task 'mnist'; there are \[.*'digits-sigmoid'"):
        load_task("mnist")
    with pytest.raises(TaskError, match="seed is -1"):
        load_task("quadratic-uniform").instance(-1)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 7.0])
def test_ceiling_stands_for_what_is_no_number(value):
    assert clip_loss(value, 2.0) == 2.0
    assert clip_loss(1.5, 2.0) == 1.5
