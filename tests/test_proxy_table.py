"""The sealed table of proxies: what it gives back, what it refuses, and how it becomes columns of a benchmark."""

import dataclasses

import msgspec
import numpy as np
import pytest
from small_table import full_table

from nasbench.proxy_beside import proxy_columns
from nasbench.proxy_table import (
    FAULTS,
    MAGIC,
    Origin,
    ProxyTable,
    is_proxy_table,
    open_proxies,
    seal_proxies,
)
from nasbench.query import Measure
from nasbench.sealed import seal
from nasbench.space import space_by_name
from nasbench.table import Table, TableError
from nasbench.tabular import TabularBenchmark

SPACE = space_by_name("cell201-3node")
CLASSES = len(SPACE.classes)
ORIGIN = Origin("cell201-3node", "tiny", "r" * 64, {"train": "t" * 64}, ("parameters", "naswot", "zen"), 2, 8, 5)


def proxies(**changes) -> ProxyTable:
    """Values are 100 class + 10 proxy + initialisation; class 3 has no `zen`; seconds are class / 1000 + proxy."""
    rows, names, repeats = np.ogrid[:CLASSES, :3, :2]
    values = (100.0 * rows + 10 * names + repeats).astype(np.float64)
    faults = np.zeros(values.shape, dtype=np.uint8)
    values[3, 2, 1], faults[3, 2, 1] = np.nan, 1
    content = {
        "origin": ORIGIN,
        "architecture": np.array([SPACE.architecture(one[0]) for one in SPACE.classes], dtype=np.uint8),
        "values": values,
        "faults": faults,
        "seconds": (np.arange(CLASSES)[:, None] / 1024 + np.arange(3)).astype(np.float32),
        "metadata": {"made": "here"},
    }
    return ProxyTable(**content | changes)


def string_table(recipe="r" * 64) -> Table:
    """Every string of the space has a row of its own, in reverse order."""
    whole = full_table()
    data = whole.datasets["fast"]
    rows = np.arange(SPACE.size)[::-1]
    repeated = {
        field.name: np.resize(value, (SPACE.size, *value.shape[1:]))
        for field in dataclasses.fields(data)
        if isinstance(value := getattr(data, field.name), np.ndarray)
    }
    repeated["correct"] = {
        name: np.resize(counts, (SPACE.size, *counts.shape[1:])) for name, counts in data.correct.items()
    }
    return Table(
        SPACE,
        np.array([SPACE.architecture(int(index)) for index in rows], dtype=np.uint8),
        np.argsort(rows).astype(np.int32),
        {"fast": dataclasses.replace(data, **repeated)},
        {"recipe_digest": recipe},
    )


def test_sealed_file_gives_back_what_was_put_in(tmp_path):
    path = tmp_path / "tiny-proxies.h5"
    sha256 = seal_proxies(proxies(), path)
    found = open_proxies(path)
    assert (found.digest, found.cost_digest, len(sha256)) == (proxies().digest, proxies().cost_digest, 64)
    for name in ("architecture", "values", "faults", "seconds"):
        np.testing.assert_array_equal(getattr(found, name), getattr(proxies(), name))
    assert found.origin == ORIGIN and found.metadata == {"made": "here"}
    assert is_proxy_table(path) and path.read_bytes().startswith(MAGIC)
    seal(full_table(), tmp_path / "table.h5")
    assert not is_proxy_table(tmp_path / "table.h5")
    again = tmp_path / "again-proxies.h5"
    seal_proxies(proxies(), again)
    assert path.read_bytes() == again.read_bytes()


def test_digests_tell_values_from_seconds():
    start = proxies()
    dearer = proxies(seconds=start.seconds * 2)
    assert dearer.digest == start.digest and dearer.cost_digest != start.cost_digest
    values = start.values.copy()
    values[0, 0, 0] += 1e-9
    assert proxies(values=values).digest != start.digest
    moved = msgspec.structs.replace(ORIGIN, seed=6)
    assert proxies(origin=moved).digest != start.digest


def test_every_damaged_byte_is_noticed(tmp_path):
    path = tmp_path / "tiny-proxies.h5"
    seal_proxies(proxies(), path)
    content = path.read_bytes()
    for place in np.random.default_rng(0).integers(len(content), size=60).tolist():
        path.write_bytes(content[:place] + bytes([content[place] ^ 64]) + content[place + 1 :])
        with pytest.raises(TableError):
            open_proxies(path)
    path.write_bytes(content[:-1])
    with pytest.raises(TableError, match="damaged"):
        open_proxies(path)
    with pytest.raises(FileNotFoundError, match="no table of proxies"):
        open_proxies(tmp_path / "other.h5")


def faulty(name):
    start = proxies()
    values, faults, seconds = start.values.copy(), start.faults.copy(), start.seconds.copy()
    if name == "infinite":
        values[0, 0, 0] = np.inf
    elif name == "silent":
        faults[3, 2, 1] = 0
    elif name == "unknown":
        faults[3, 2, 1] = len(FAULTS)
    elif name == "negative":
        seconds[1, 1] = -1.0
    elif name == "order":
        return proxies(architecture=start.architecture[::-1])
    elif name == "short":
        return proxies(values=values[:-1])
    elif name == "names":
        return proxies(origin=msgspec.structs.replace(ORIGIN, names=("zen", "zen", "naswot")))
    elif name == "space":
        return proxies(origin=msgspec.structs.replace(ORIGIN, space="moon"))
    return proxies(values=values, faults=faults, seconds=seconds)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("infinite", "finite where its fault is 0"),
        ("silent", "finite where its fault is 0"),
        ("unknown", "fault 4 is not in 0..3"),
        ("negative", "not negative"),
        ("order", "not the classes"),
        ("short", "values is float64 of shape"),
        ("names", "different names"),
        ("space", "unknown search space 'moon'"),
    ],
)
def test_unsound_content_is_not_sealed(name, said, tmp_path):
    with pytest.raises(TableError, match=said):
        seal_proxies(faulty(name), tmp_path / "x-proxies.h5")
    assert not list(tmp_path.iterdir())


def test_column_is_a_mean_over_initialisations_and_costs_all_of_them():
    column = proxies().column("naswot")
    np.testing.assert_allclose(column.values, 100 * np.arange(CLASSES) + 10.5)
    np.testing.assert_allclose(column.seconds, 2 * (1 + np.arange(CLASSES) / 1024))
    single = proxies().column("zen", 1)
    assert single.values[3] == 320 and single.seconds[0] == 2.0
    assert np.flatnonzero(np.isnan(proxies().column("zen").values)).tolist() == [3]
    with pytest.raises(TableError, match=r"no proxy 'zenith'; there are \['parameters', 'naswot', 'zen'\]"):
        proxies().column("zenith")
    with pytest.raises(TableError, match=r"initialisations is 3, must be in 1..2"):
        proxies().column("zen", 3)


def test_benchmark_answers_with_the_class_of_any_string():
    table = string_table()
    benchmark = TabularBenchmark(table, "fast", columns=proxy_columns(proxies(), table))
    assert {"parameters", "naswot", "zen"} <= set(benchmark.measures)
    architectures = tuple(SPACE)
    values, seconds = benchmark.measure(Measure(architectures, ("naswot", "zen")))
    classes = SPACE.class_of
    np.testing.assert_allclose(values[:, 0], 100 * classes + 10.5)
    np.testing.assert_allclose(seconds[:, 1], 2 * (2 + classes / 1024))
    assert np.array_equal(np.isnan(values[:, 1]), classes == 3)


def test_proxies_of_other_networks_are_refused():
    with pytest.raises(TableError, match="the table was built from ssssssssssss: its networks are others"):
        proxy_columns(proxies(), string_table("s" * 64))
    with pytest.raises(TableError, match="of space 'cell201-3node', the table is of 'three'"):
        proxy_columns(proxies(), full_table())
    with pytest.raises(TableError, match="no recipe"):
        proxy_columns(proxies(), dataclasses.replace(string_table(), metadata={}))
