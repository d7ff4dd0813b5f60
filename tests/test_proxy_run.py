"""Proxies of a whole space: resumed, repeated, keyed by what the draws are for; and the command."""

import math

import msgspec
import numpy as np
import pytest

pytestmark = pytest.mark.live
torch = pytest.importorskip("torch")

from nasbench.build_folder import BuildError  # noqa: E402
from nasbench.dataset import Dataset  # noqa: E402
from nasbench.network import Network  # noqa: E402
from nasbench.pipeline import configure_process  # noqa: E402
from nasbench.proxies import PROXIES, Batch  # noqa: E402
from nasbench.proxy_run import BATCH, NOISE, WEIGHTS, compute, portable, prepare, run_proxies, stream  # noqa: E402
from nasbench.proxy_table import FREE, open_proxies  # noqa: E402
from nasbench.recipe import DatasetRecipe, Recipe, SkeletonRecipe  # noqa: E402

RECIPE = Recipe(
    name="tiny",
    version=1,
    space="cell201-3node",
    dataset=DatasetRecipe("made", 60, 10, 10, root="somewhere"),
    skeleton=SkeletonRecipe(channels=4, stages=1, cells=1, stem="conv1x1", downsample="pool"),
    epochs=1,
    batch_size=10,
)
CLASSES = len(RECIPE.cell_space.classes)


def dataset():
    rng = np.random.default_rng(0)
    sizes = {"train": 60, "validation": 10, "test": 10}
    inputs = {
        split: torch.from_numpy(rng.standard_normal((size, 1, 1, 20)).astype(np.float32))
        for split, size in sizes.items()
    }
    labels = {split: torch.from_numpy(rng.integers(3, size=size)) for split, size in sizes.items()}
    return Dataset("made", inputs, labels, 3, {split: split[0] * 64 for split in sizes})


@pytest.fixture(scope="module")
def setup():
    configure_process(RECIPE)
    return prepare(RECIPE, dataset(), batch=8, initialisations=2, seed=4)


@pytest.fixture(scope="module")
def whole(setup, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return run_proxies(setup, folder / "build", folder / "tiny-proxies.h5"), folder / "tiny-proxies.h5"


def test_every_class_has_its_proxies(whole, setup):
    found, path = whole
    assert open_proxies(path).digest == found.digest
    assert found.values.shape == (CLASSES, len(FREE) + len(PROXIES), 2)
    for cell in (0, 7, CLASSES - 1):
        values, _ = compute(setup, cell)
        np.testing.assert_array_equal(np.where(np.isfinite(values), values, np.nan), found.values[cell])
    np.testing.assert_array_equal(np.isnan(found.values).any(axis=(1, 2)), (found.faults > 0).any(axis=(1, 2)))
    place = found.names.index("synflow")
    assert np.flatnonzero(found.faults[:, place, 0]).tolist() == [0]  # the zero cell alone has no flow
    assert (found.seconds[:, len(FREE) :] > 0).all() and not found.seconds[:, : len(FREE)].any()
    for name in ("parameters", "multiply_adds"):
        values = found.values[:, found.names.index(name)]
        assert (values[:, 0] == values[:, 1]).all() and (values > 0).all()


def test_parameters_are_those_of_the_network(whole, setup):
    space = RECIPE.cell_space
    for cell in range(0, CLASSES, 7):
        network = Network(space, [space.architecture(space.classes[cell][0])], setup.skeleton)
        count = sum(parameter.numel() for parameter in network.parameters())
        assert whole[0].values[cell, whole[0].names.index("parameters"), 0] == count


def test_interrupted_run_goes_on_and_gives_the_same(whole, setup, tmp_path):
    class Stop(Exception):
        pass

    def stop(done, total):
        assert total == CLASSES
        if done == 20:
            raise Stop

    folder, output = tmp_path / "build", tmp_path / "tiny-proxies.h5"
    with pytest.raises(Stop):
        run_proxies(setup, folder, output, stop)
    assert not output.exists()
    (journal,) = folder.glob("*.journal")
    with journal.open("ab") as stream_of_bytes:
        stream_of_bytes.write(b"\xa5NBJ torn")  # what a kill leaves
    seen = []
    found = run_proxies(setup, folder, output, lambda done, total: seen.append(done))
    assert seen[0] == 21 and len(seen) == CLASSES - 20
    assert found.digest == whole[0].digest
    assert (
        run_proxies(setup, folder, output, lambda done, total: pytest.fail("nothing is missing")).digest == found.digest
    )


def test_folder_of_something_else_is_refused(setup, tmp_path):
    class Stop(Exception):
        pass

    def stop(done, total):
        raise Stop

    with pytest.raises(Stop):
        run_proxies(setup, tmp_path, tmp_path / "x.h5", stop)
    other = prepare(RECIPE, dataset(), batch=9, initialisations=2, seed=4)
    with pytest.raises(BuildError, match="another recipe, batch, seed"):
        run_proxies(other, tmp_path, tmp_path / "x.h5")


def test_environment_of_the_journals_must_be_this_one(setup, tmp_path, monkeypatch):
    class Stop(Exception):
        pass

    def stop(done, total):
        raise Stop

    with pytest.raises(Stop):
        run_proxies(setup, tmp_path, tmp_path / "x.h5", stop)
    monkeypatch.setattr("nasbench.proxy_run.environment", lambda recipe, device: {"torch": "0.1"})
    with pytest.raises(BuildError, match=r"another environment \(.*torch.* differ\)"):
        run_proxies(setup, tmp_path, tmp_path / "x.h5")


def test_draws_depend_on_seed_purpose_class_and_initialisation_alone():
    first = {
        key: stream(RECIPE, seed, *place).integers(2**60)
        for key, (seed, place) in enumerate(
            [
                (0, (WEIGHTS, 1, 0)),
                (0, (WEIGHTS, 1, 1)),
                (0, (WEIGHTS, 2, 0)),
                (0, (NOISE, 1, 0)),
                (1, (WEIGHTS, 1, 0)),
                (0, (BATCH, 0)),
            ]
        )
    }
    assert len(set(first.values())) == 6
    assert stream(RECIPE, 0, WEIGHTS, 1, 0).integers(2**60) == first[0]
    other = msgspec.structs.replace(RECIPE, seed=9)
    assert stream(other, 0, WEIGHTS, 1, 0).integers(2**60) != first[0]


def test_initialisation_has_its_own_batch_and_weights(setup):
    """Member i of the fused network is the network that its streams make alone, on batch i."""
    space, cell = RECIPE.cell_space, CLASSES - 1
    values, _ = compute(setup, cell)
    for number in range(2):
        network = Network(space, [space.architecture(space.classes[cell][0])], setup.skeleton)
        network.initialise([stream(RECIPE, 4, WEIGHTS, cell, number)])
        batch = Batch(setup.inputs[:, number : number + 1], setup.labels[number : number + 1], [])
        (found,) = PROXIES["snip"](network.train(), batch)
        assert values[setup.origin.names.index("snip"), number] == pytest.approx(found, rel=1e-5)
    assert not torch.equal(setup.inputs[:, 0], setup.inputs[:, 1])
    train = dataset().inputs["train"]
    assert all(any(torch.equal(one, other) for other in train) for one in setup.inputs[:, :1])


def test_recipe_in_the_file_names_no_folder(whole):
    assert portable(RECIPE)["dataset"]["root"] == "" == whole[0].metadata["recipe"]["dataset"]["root"]
    assert msgspec.convert(whole[0].metadata["recipe"], Recipe).digest == RECIPE.digest == whole[0].origin.recipe_digest


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"batch": 1}, "batch is 1, must be in 2..60"),
        ({"batch": 61}, "batch is 61"),
        ({"initialisations": 0}, "initialisations is 0, must be in 1..1000"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_settings_out_of_range(change, said):
    with pytest.raises(ValueError, match=said):
        prepare(RECIPE, dataset(), **{"batch": 8, "initialisations": 2, "seed": 0} | change)


def test_no_value_is_infinite(whole):
    assert not np.isinf(whole[0].values).any() and math.isfinite(float(whole[0].seconds.sum()))
