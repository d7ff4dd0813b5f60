"""The pipeline: fused equals serial, bits repeat, nothing else is touched, and every number against a plain computation."""

import hashlib
import random  # noqa: TID251 - to see that nobody touches it
import subprocess
import sys

import msgspec
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from nasbench import pipeline  # noqa: E402
from nasbench.batches import Batches, member_streams  # noqa: E402
from nasbench.dataset import Dataset  # noqa: E402
from nasbench.descent import FIRST_SCALE, Descent, weight_owners  # noqa: E402
from nasbench.network import Network  # noqa: E402
from nasbench.pipeline import PipelineError, Training, configure_process, deterministic, train_group  # noqa: E402
from nasbench.recipe import DatasetRecipe, OptimizerRecipe, Recipe, SkeletonRecipe  # noqa: E402
from nasbench.space import CELL201, SpaceError  # noqa: E402

pytestmark = pytest.mark.live

DEEP = CELL201.parse("|nor_conv_3x3~0|+|nor_conv_1x1~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|")
FLAT = CELL201.parse("|nor_conv_1x1~0|+|none~0|nor_conv_3x3~1|+|avg_pool_3x3~0|none~1|skip_connect~2|")
ZERO = CELL201.parse("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|")
TRAININGS = [Training(DEEP, 0), Training(DEEP, 1), Training(DEEP, 2), Training(FLAT, 0), Training(ZERO, 1)]


def recipe(**changes) -> Recipe:
    """Five steps an epoch on signals."""
    values = {
        "name": "test",
        "version": 1,
        "space": "cell201",
        "dataset": DatasetRecipe("made", 84, 40, 30),
        "skeleton": SkeletonRecipe(channels=3, stages=2, cells=1, stem="conv1x1", downsample="pool"),
        "epochs": 3,
        "batch_size": 16,
        "evaluation_batch": 32,
    }
    return Recipe(**(values | changes))


def made(shape=(1, 1, 12), classes=3, sizes=(84, 40, 30)) -> Dataset:
    """Noise whose first third is lifted by the class."""
    rng = np.random.default_rng(1)
    inputs, labels = {}, {}
    for split, size in zip(("train", "validation", "test"), sizes, strict=True):
        label = rng.integers(classes, size=size)
        values = rng.normal(size=(size, *shape))
        values[..., : shape[2] // 3] += 2.0 * (label[:, None, None, None] - 1)
        inputs[split] = torch.from_numpy(values.astype(np.float32))
        labels[split] = torch.from_numpy(label)
    return Dataset("made", inputs, labels, classes, dict.fromkeys(inputs, "0" * 64))


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def assert_same(one, other, tolerance=0.0):
    assert one.status == other.status
    for split in one.correct:
        if tolerance:
            np.testing.assert_allclose(one.loss[split], other.loss[split], rtol=tolerance, atol=tolerance)
        else:
            np.testing.assert_array_equal(one.loss[split], other.loss[split])
            np.testing.assert_array_equal(one.correct[split], other.correct[split])


# Fused equals serial --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels_last", [True, False])
def test_fused_equals_serial_exactly_as_far_as_float64_reaches(channels_last):
    """15 steps in float64: every count equal, every loss to 1e-6 (they are kept as float32)."""
    chosen, data = recipe(precision="float64", channels_last=channels_last), made()
    fused = train_group(TRAININGS, chosen, data)
    for curve, training in zip(fused, TRAININGS, strict=True):
        alone = train_group([training], chosen, data)[0]
        for split in curve.correct:
            np.testing.assert_array_equal(curve.correct[split], alone.correct[split])
        assert_same(curve, alone, tolerance=1e-6)
        assert curve.training == training
    assert len({curve.loss["train"].tobytes() for curve in fused}) == len(TRAININGS)


def weights_after(trainings, chosen, data, steps):
    """Train for some steps; return the network and its weights."""
    streams = [
        member_streams(chosen, CELL201.classes[CELL201.class_of[CELL201.index(each.architecture)]][0], each.repeat)
        for each in trainings
    ]
    network = Network(
        CELL201,
        [each.architecture for each in trainings],
        chosen.build_skeleton(data.input_shape, data.classes),
        channels_last=True,
    )
    network.to(torch.float64 if chosen.precision == "float64" else torch.float32)
    network.initialise([stream.weights for stream in streams])
    descent = Descent(network, chosen)
    inputs = data.inputs["train"].to(descent.weights.dtype)
    batches = Batches(inputs, data.labels["train"], chosen, streams)
    step = 0
    while True:
        for images, labels in batches.epoch():
            if step == steps:
                return network, descent.weights.clone()
            losses = functional.cross_entropy(network(images).flatten(0, 1), labels.flatten(), reduction="none")
            descent.step(losses.view(labels.shape).mean(1), step)
            step += 1


@pytest.mark.parametrize(
    ("precision", "steps", "tolerance"), [("float64", 12, 1e-12), ("float32", 1, 2e-6), ("float32", 4, 1e-4)]
)
def test_weights_of_fused_members_equal_those_alone_at_rounding_level(precision, steps, tolerance):
    chosen, data = recipe(precision=precision), made()
    network, weights = weights_after(TRAININGS, chosen, data, steps)
    owners = weight_owners(network)
    for member, training in enumerate(TRAININGS):
        _, alone = weights_after([training], chosen, data, steps)
        found = weights[owners == member]
        assert float((found - alone).abs().max()) < tolerance
        assert float((found - weights_after([training], chosen, data, 0)[1]).abs().max()) > 100 * tolerance


@pytest.mark.slow
def test_fused_and_serial_accuracies_have_one_distribution():
    """Float32 rounding grows with the steps, so single curves part; means over 24 repeats agree within their error."""
    chosen, data = recipe(epochs=6), made(sizes=(84, 200, 200))
    chosen = msgspec.structs.replace(chosen, dataset=DatasetRecipe("made", 84, 200, 200))
    trainings = [Training(DEEP, repeat) for repeat in range(24)]
    fused = np.array([curve.correct["test"][-1] for curve in train_group(trainings, chosen, data)])
    serial = np.array([train_group([training], chosen, data)[0].correct["test"][-1] for training in trainings])
    difference = fused - serial
    assert abs(difference.mean()) <= 2 * max(difference.std(ddof=1), 1.0) / len(trainings) ** 0.5
    assert fused.std() == pytest.approx(serial.std(), rel=0.5)


# What a training depends on -------------------------------------------------------------------------------------------

PROGRAM = """
import hashlib, sys
sys.path.insert(0, "tests")
import test_pipeline as t
t.torch.set_num_threads(1)
state = hashlib.sha256()
for curve in t.train_group(t.TRAININGS, t.recipe(), t.made()):
    for split in curve.loss:
        state.update(curve.loss[split].tobytes() + curve.correct[split].tobytes())
print(state.hexdigest())
"""


def test_bits_repeat_in_this_and_in_another_process():
    state = hashlib.sha256()
    for curve in train_group(TRAININGS, recipe(), made()):
        for split in curve.loss:
            state.update(curve.loss[split].tobytes() + curve.correct[split].tobytes())
    again = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert again.stdout.strip() == state.hexdigest()


def test_global_generators_and_settings_are_untouched():
    def state():
        generators = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002
        memory = torch.utils.deterministic.fill_uninitialized_memory
        switches = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.deterministic, memory
        return generators, switches, torch.backends.cuda.matmul.allow_tf32, torch.get_num_threads()

    before = state()
    train_group(TRAININGS[:2], recipe(), made())
    assert state() == before
    with deterministic():
        assert torch.are_deterministic_algorithms_enabled()
        assert state() != before
    assert state() == before


def test_the_global_generators_do_not_matter():
    first = train_group(TRAININGS[:2], recipe(), made())
    random.random()
    np.random.random()  # noqa: NPY002
    torch.rand(3)
    for one, other in zip(first, train_group(TRAININGS[:2], recipe(), made()), strict=True):
        assert_same(one, other)


def test_all_strings_of_a_class_are_one_training():
    members = CELL201.classes[CELL201.class_of[CELL201.index(FLAT)]]
    assert len(members) > 2
    curves = [train_group([Training(CELL201.architecture(member), 1)], recipe(), made())[0] for member in members[:3]]
    for curve in curves[1:]:
        assert_same(curves[0], curve)


@pytest.mark.parametrize("epochs", [1, 2])
def test_fewer_epochs_are_the_beginning_of_the_full_curve(epochs):
    full = train_group(TRAININGS, recipe(), made())
    short = train_group(TRAININGS, recipe(), made(), epochs=epochs)
    for one, other in zip(full, short, strict=True):
        for split in one.correct:
            assert len(other.correct[split]) == epochs
            np.testing.assert_array_equal(one.correct[split][:epochs], other.correct[split])
            np.testing.assert_array_equal(one.loss[split][:epochs], other.loss[split])


def test_streams_are_keyed_by_seed_class_repeat_and_purpose():
    draws = {
        getattr(member_streams(recipe(seed=seed), index, repeat), purpose).integers(2**62)
        for seed in range(2)
        for index in range(2)
        for repeat in range(2)
        for purpose in ("weights", "order", "augmentation")
    }
    assert len(draws) == 24


# Curves ---------------------------------------------------------------------------------------------------------------


def test_curves_hold_what_the_documentation_says():
    """The whole training once more with torch's own modules, optimizer and schedule, in float64."""
    chosen, data = recipe(precision="float64"), made()
    curve = train_group([Training(FLAT, 2)], chosen, data)[0]
    streams = member_streams(chosen, CELL201.classes[CELL201.class_of[CELL201.index(FLAT)]][0], 2)
    network = Network(CELL201, [FLAT], chosen.build_skeleton(data.input_shape, data.classes)).double()
    network.initialise([streams.weights])
    optimizer = torch.optim.SGD(network.parameters(), 0.1, 0.9, weight_decay=5e-4, nesterov=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 15)
    for epoch in range(3):
        order = streams.order.permutation(84)[:80]
        correct, losses = 0, []
        network.train()
        for step in range(5):
            batch = order[16 * step : 16 * step + 16]
            labels = data.labels["train"][batch]
            logits = network(data.inputs["train"][batch].double())[0]
            loss = functional.cross_entropy(logits, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            correct += int((logits.argmax(1) == labels).sum())
            losses.append(loss.item())
        assert curve.correct["train"][epoch] == correct
        assert curve.loss["train"][epoch] == pytest.approx(np.mean(losses), rel=1e-6)
        network.eval()
        for split in ("validation", "test"):
            logits = network(data.inputs[split].double())[0].detach()
            assert curve.correct[split][epoch] == int((logits.argmax(1) == data.labels[split]).sum())
            assert curve.loss[split][epoch] == pytest.approx(
                float(functional.cross_entropy(logits, data.labels[split])), rel=1e-6
            )
    assert (curve.status, curve.reason) == ("ok", "")
    assert curve.correct["test"].dtype == np.int32
    assert curve.loss["test"].dtype == np.float32
    assert curve.train_seconds > 0 < curve.evaluation_seconds


def test_networks_learn():
    curve = train_group([Training(DEEP, 0)], recipe(epochs=10), made())[0]
    assert curve.correct["test"][-1] > 0.8 * 30
    zero = train_group([Training(ZERO, 0)], recipe(epochs=10), made())[0]
    assert zero.correct["test"][-1] < 0.6 * 30  # a constant network knows nothing of its input
    assert zero.status == "ok"


def test_sparse_evaluation_leaves_marked_gaps():
    curve = train_group([Training(FLAT, 0)], recipe(evaluate_every=2), made())[0]
    full = train_group([Training(FLAT, 0)], recipe(), made())[0]
    assert curve.correct["validation"].tolist() == [-1, *full.correct["validation"][1:]]
    assert np.isnan(curve.loss["test"]).tolist() == [True, False, False]
    np.testing.assert_array_equal(curve.correct["train"], full.correct["train"])


def test_divergence_ends_one_member_alone(monkeypatch):
    healthy = train_group(TRAININGS[:3], recipe(), made())
    initialise = Network.initialise

    def spoil(network, draw):
        initialise(network, draw)
        network.stem.weight.data.chunk(3)[1][0] = float("inf")

    monkeypatch.setattr(Network, "initialise", spoil)
    curves = train_group(TRAININGS[:3], recipe(), made())
    assert [curve.status for curve in curves] == ["ok", "diverged", "ok"]
    assert curves[1].reason == "train loss is nan in epoch 1"
    assert all(
        (curves[1].correct[split] == -1).all() and np.isnan(curves[1].loss[split]).all() for split in curves[1].loss
    )
    for index in (0, 2):
        assert_same(curves[index], healthy[index], tolerance=1e-3)


def test_divergence_in_a_later_epoch_keeps_the_earlier_ones():
    chosen = recipe(optimizer=OptimizerRecipe(learning_rate=1e18, schedule="constant", weight_decay=1.0), epochs=3)
    curves = train_group(TRAININGS[:2], chosen, made())
    for curve in curves:
        assert curve.status == "diverged"
        lost = int(curve.reason.rsplit(" ", 1)[1]) - 1
        for split in curve.correct:
            assert (curve.correct[split][lost:] == -1).all()
            assert (curve.correct[split][:lost] >= 0).all()
            assert np.isnan(curve.loss[split][lost:]).all()


# Optimizer ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nesterov", [True, False])
@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_descent_equals_torchs_sgd(nesterov, schedule):
    chosen = recipe(optimizer=OptimizerRecipe(0.05, 0.8, nesterov, 0.01, schedule), precision="float64")
    networks = [Network(CELL201, [FLAT, DEEP], chosen.build_skeleton((1, 1, 12), 3)).double() for _ in range(2)]
    for network in networks:
        network.initialise([np.random.default_rng(0), np.random.default_rng(1)])
    descent = Descent(networks[0], chosen)
    optimizer = torch.optim.SGD(networks[1].parameters(), 0.05, 0.8, weight_decay=0.01, nesterov=nesterov)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 15)
    inputs = torch.from_numpy(np.random.default_rng(2).normal(size=(9, 1, 1, 12)))
    for step in range(15):
        losses = [network(inputs).square().mean((1, 2)) for network in networks]
        descent.step(losses[0], step)
        optimizer.zero_grad()
        losses[1].sum().backward()
        optimizer.step()
        if schedule == "cosine":
            cosine.step()
    start = torch.cat([parameter.flatten() for parameter in networks[1].parameters()])
    torch.testing.assert_close(descent.weights, start, rtol=1e-10, atol=1e-12)


def test_loss_scaling_skips_the_steps_of_the_overflowing_member_alone():
    chosen = recipe(precision="amp-float16", optimizer=OptimizerRecipe(schedule="constant"))
    plain = recipe(optimizer=OptimizerRecipe(schedule="constant"))
    networks = [Network(CELL201, [FLAT, FLAT], chosen.build_skeleton((1, 1, 12), 3)) for _ in range(2)]
    for network in networks:
        network.initialise([np.random.default_rng(0), np.random.default_rng(1)])
    scaled, unscaled = Descent(networks[0], chosen), Descent(networks[1], plain)
    inputs = torch.from_numpy(np.random.default_rng(2).normal(size=(9, 1, 1, 12)).astype(np.float32))
    before = scaled.weights.clone()
    huge = torch.tensor([1.0, 1e35])  # times the first scale, the second member's gradient overflows
    scaled.step(networks[0](inputs).square().mean((1, 2)) * huge, 0)
    unscaled.step(networks[1](inputs).square().mean((1, 2)), 0)
    owners = weight_owners(networks[0])
    assert torch.equal(scaled.weights[owners == 1], before[owners == 1])
    assert not scaled.momentum[owners == 1].any()
    torch.testing.assert_close(scaled.weights[owners == 0], unscaled.weights[owners == 0], rtol=1e-5, atol=1e-6)
    assert scaled.scale.tolist() == [FIRST_SCALE, FIRST_SCALE / 2]
    scaled.good_steps[:] = 1999.0
    scaled.step(networks[0](inputs).square().mean((1, 2)), 1)
    assert scaled.scale.tolist() == [2 * FIRST_SCALE, FIRST_SCALE]
    assert scaled.good_steps.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("precision", ["amp-bfloat16", "amp-float16"])
def test_mixed_precision_stays_near_float32(precision):
    exact = train_group(TRAININGS[:2], recipe(), made())
    mixed = train_group(TRAININGS[:2], recipe(precision=precision), made())
    for one, other in zip(exact, mixed, strict=True):
        assert other.status == "ok"
        assert one.loss["train"][0] != other.loss["train"][0]
        assert one.loss["train"][0] == pytest.approx(other.loss["train"][0], rel=0.05)
        assert abs(int(one.correct["test"][-1]) - int(other.correct["test"][-1])) <= 6


# Batches --------------------------------------------------------------------------------------------------------------


def numbered(shape, count=20):
    return torch.arange(count * int(np.prod(shape)), dtype=torch.float32).view(count, *shape) + 1


def test_an_epoch_shows_each_member_its_own_permutation():
    chosen = recipe(batch_size=6)
    chosen = msgspec.structs.replace(chosen, dataset=DatasetRecipe("made", 20, 5, 5))
    inputs, labels = numbered((2, 3, 4)), torch.arange(20)
    batches = Batches(inputs, labels, chosen, [member_streams(chosen, 5, repeat) for repeat in range(3)])
    orders = [member_streams(chosen, 5, repeat).order for repeat in range(3)]
    for _ in range(2):
        expected = [order.permutation(20)[:18].reshape(3, 6) for order in orders]
        found = list(batches.epoch())
        assert len(found) == 3
        for step, (images, answers) in enumerate(found):
            assert images.is_contiguous(memory_format=torch.channels_last)
            for member in range(3):
                assert answers[member].tolist() == expected[member][step].tolist()
                assert torch.equal(images[:, 2 * member : 2 * member + 2], inputs[expected[member][step]])


@pytest.mark.parametrize("shape", [(1, 1, 10), (3, 4, 4)])
@pytest.mark.parametrize("flip", [True, False])
def test_augmented_examples_are_crops_and_mirror_images(shape, flip):
    """Each batch once more example by example: pad by hand, crop, mirror, from the member's own draws."""
    augmentation = msgspec.structs.replace(recipe().augmentation, crop_padding=2, flip=flip)
    chosen = recipe(batch_size=10, augmentation=augmentation)
    chosen = msgspec.structs.replace(chosen, dataset=DatasetRecipe("made", 20, 5, 5))
    inputs = numbered(shape)
    streams = [member_streams(chosen, 1, repeat) for repeat in range(2)]
    found = list(Batches(inputs, torch.arange(20), chosen, streams).epoch())
    channels, height, width = shape
    vertical = 2 if height > 1 else 0
    seen = set()
    for member in range(2):
        stream = member_streams(chosen, 1, member)
        order = stream.order.permutation(20)
        tops = stream.augmentation.integers(0, 2 * vertical + 1, 20)
        lefts = stream.augmentation.integers(0, 5, 20)
        mirrored = stream.augmentation.random(20) < 0.5 if flip else np.zeros(20, bool)
        for place in range(20):
            padded = np.zeros((channels, height + 2 * vertical, width + 4), np.float32)
            padded[:, vertical : vertical + height, 2 : 2 + width] = inputs[order[place]]
            expected = padded[:, tops[place] : tops[place] + height, lefts[place] : lefts[place] + width]
            if mirrored[place]:
                expected = expected[:, :, ::-1]
            images, labels = found[place // 10]
            own = images[place % 10, member * channels : (member + 1) * channels].numpy()
            np.testing.assert_array_equal(own, expected)
            assert labels[member, place % 10] == order[place]
            seen.add((int(tops[place]), int(lefts[place]), bool(mirrored[place])))
    assert len(seen) >= 5


# Errors ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trainings", "chosen", "epochs", "message"),
    [
        ([], {}, None, "no trainings; a group has at least one"),
        ([Training(FLAT, -1)], {}, None, "repeat is -1, must be at least 0"),
        ([Training(FLAT, 0)], {}, 4, r"epochs is 4, must be in 1..3 for recipe test"),
        ([Training(FLAT, 0)], {}, 0, r"epochs is 0, must be in 1..3"),
        (
            [Training(FLAT, 0)],
            {"dataset": DatasetRecipe("made", 84, 41, 30)},
            None,
            "40 validation examples, recipe test says 41",
        ),
        (
            [Training(FLAT, 0)],
            {"threads": 2},
            None,
            "torch uses 1 threads, recipe test says 2, and results depend on it",
        ),
    ],
)
def test_errors(trainings, chosen, epochs, message):
    with pytest.raises(PipelineError, match=message):
        train_group(trainings, recipe(**chosen), made(), epochs)


def test_architectures_are_checked():
    with pytest.raises(SpaceError, match="operation 9 on edge 0 is not in"):
        train_group([Training((9, 0, 0, 0, 0, 0), 0)], recipe(), made())


def test_configure_process_sets_threads(monkeypatch):
    configure_process(recipe(threads=2))
    assert torch.get_num_threads() == 2
    configure_process(recipe(threads=1))
    assert torch.get_num_threads() == 1
    monkeypatch.setattr(pipeline.ctypes, "CDLL", lambda name: object())  # a C library without mallopt
    configure_process(recipe(threads=1))
