"""Proxies computed now against those of the file: the same bits, the same seconds, the same searches; and what is refused."""

import dataclasses

import msgspec
import numpy as np
import pytest

pytestmark = pytest.mark.live
torch = pytest.importorskip("torch")

from broken_trainers import tiny_recipe  # noqa: E402
from test_build import flat_cost  # noqa: E402

from nasbench.build import build  # noqa: E402
from nasbench.chunk_worker import LiveTraining  # noqa: E402
from nasbench.cli import main  # noqa: E402
from nasbench.engine import Effort  # noqa: E402
from nasbench.experiment import carry_out  # noqa: E402
from nasbench.live import LiveBenchmark  # noqa: E402
from nasbench.live_proxies import LiveProxies  # noqa: E402
from nasbench.protocol import read_protocol  # noqa: E402
from nasbench.proxy_audit import audit_proxies  # noqa: E402
from nasbench.proxy_beside import proxy_columns  # noqa: E402
from nasbench.proxy_run import load_setup, run_proxies, setup_again  # noqa: E402
from nasbench.proxy_table import FREE, NAMES, open_proxies  # noqa: E402
from nasbench.query import Measure, QueryError  # noqa: E402
from nasbench.sealed import open_table  # noqa: E402
from nasbench.table import TableError  # noqa: E402
from nasbench.tabular import TabularBenchmark  # noqa: E402

RECIPE = tiny_recipe(epochs=1)
SPACE = RECIPE.cell_space
COSTLY = NAMES[len(FREE) :]

PROTOCOL = """\
name = "tiny"
version = "1.0"
title = "Proxies on a tiny table"
table = "tiny.h5"
runs = 2
[[problems]]
dataset = "digits"
budget = 12
[[entrants]]
name = "rank"
strategy = "proxy_rank"
settings = { pool = 30 }
[[entrants]]
name = "random"
strategy = "random_search"
[[entrants]]
name = "move"
strategy = "proxy_evolution"
settings = { proxy = "synflow", warm_up = 10, population = 3, sample = 2, proposals = 3 }
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A table that was really trained, one epoch, and its proxies beside it."""
    folder = tmp_path_factory.mktemp("made")
    build(RECIPE, folder / "b", folder / "tiny.h5", effort=Effort(1), cost_model=flat_cost(RECIPE))
    setup = load_setup(RECIPE, "", 16, 2, 3)
    return folder, run_proxies(setup, folder / "p", folder / "tiny-proxies.h5")


def test_every_value_and_its_price_are_the_table_s(made):
    folder, proxies = made
    table = open_table(folder / "tiny.h5")
    tabular = TabularBenchmark(table, "digits", columns=proxy_columns(proxies, table))
    asked = Measure(tuple(SPACE), NAMES)
    with LiveBenchmark(RECIPE, flat_cost(RECIPE)) as benchmark:
        benchmark.offer(proxies, NAMES)
        assert benchmark.measures == tabular.measures == NAMES
        values, seconds = benchmark.measure(asked)
        expected, prices = tabular.measure(asked)
        np.testing.assert_array_equal(values, expected)  # bit for bit, NaN where NaN
        np.testing.assert_array_equal(seconds, prices)
        assert np.isnan(expected[:, NAMES.index("naswot")]).any() and (prices[:, len(FREE) :] > 0).all()
        assert benchmark.trained == 0
    # Neither the order nor the company of what is asked for moves a bit.
    alone = LiveProxies(RECIPE, proxies)
    for cell in (59, 7, 20):
        for name in reversed(COSTLY):
            found = alone.columns([cell], [name])[name].values[cell]
            np.testing.assert_array_equal(found, proxies.column(name).values[cell])
    assert alone.computed == 3 * len(COSTLY)
    alone.columns([7, 59, 7], COSTLY)
    assert alone.computed == 3 * len(COSTLY)


def test_searches_with_proxies_end_the_same_live(made, tmp_path, monkeypatch):
    """A whole experiment from the table and by training now: equal records, in one process that hands out both benchmarks."""
    folder, _ = made
    (folder / "tiny.toml").write_text(PROTOCOL)
    protocol = read_protocol(folder / "tiny.toml")
    training = LiveTraining(tmp_path / "trainings")
    for name, live in (("table", None), ("live", training)):
        outcome = carry_out(protocol, folder / "tiny.h5", tmp_path / name, 1, live=live)
        assert (outcome.computed, dict(outcome.failed)) == (6, {})
    for entrant in ("rank", "random", "move"):
        place = f"runs/digits/{entrant}/00000-00001.npz"
        with np.load(tmp_path / "table" / place) as one, np.load(tmp_path / "live" / place) as other:
            assert set(one.files) == set(other.files) and ("measuring" in one.files) == (entrant != "random")
            assert len(one["epochs"]) > 8
            for array in set(one.files) - {"overhead"}:
                np.testing.assert_array_equal(one[array], other[array])


def test_what_is_offered_is_what_was_named_last(made):
    _, proxies = made
    with LiveBenchmark(RECIPE, flat_cost(RECIPE)) as benchmark:
        benchmark.offer(proxies, ("zen",))
        assert benchmark.measures == (*FREE, "zen")
        with pytest.raises(QueryError, match="no measure 'naswot' for digits"):
            benchmark.measure(Measure(((3, 1, 3),), ("naswot",)))
        benchmark.offer(None)
        assert benchmark.measures == FREE
        with pytest.raises(QueryError, match="no measure 'zen' for digits"):
            benchmark.measure(Measure(((3, 1, 3),), ("zen",)))
        with pytest.raises(TableError, match=r"proxies \['zen'\] need a table of proxies, which says what they cost"):
            benchmark.offer(None, ("zen",))
        with pytest.raises(TableError, match=r"there are no proxies \['luck'\]"):
            benchmark.offer(proxies, ("luck",))


def test_proxies_of_other_networks_or_examples_are_refused(made):
    _, proxies = made
    other = msgspec.structs.replace(RECIPE, seed=7)
    with pytest.raises(TableError, match=r"of recipe tiny .* not of tiny \("):
        LiveProxies(other, proxies)
    changed = msgspec.structs.replace(proxies.origin, splits={**proxies.origin.splits, "train": "b" * 64})
    elsewhere = type(proxies)(
        changed, proxies.architecture, proxies.values, proxies.faults, proxies.seconds, proxies.metadata
    )
    with pytest.raises(TableError, match=r"looked at examples .*train bbbbbbbbbbbb.*; here are tiny"):
        LiveProxies(RECIPE, elsewhere).columns([3], ["zen"])


def test_audit_finds_what_was_made_and_what_was_changed(made, capsys):
    folder, proxies = made
    assert main(["proxies", str(folder / "tiny.h5"), "--audit", "9"]) == 0
    said = capsys.readouterr().out
    assert said == "tiny-proxies.h5: 180 of 180 values of 9 classes are equal bit for bit\n"  # 10 proxies, 2 draws
    values = proxies.values.copy()
    values[:, NAMES.index("zen"), 1] *= 1 + 1e-3
    edited = dataclasses.replace(proxies, values=values)
    found = audit_proxies(setup_again(RECIPE, proxies), edited, 60, np.random.default_rng(0))
    assert found.classes == tuple(range(60)) and found.values == 60 * len(NAMES) * 2
    known = int((~np.isnan(values[:, NAMES.index("zen"), 1])).sum())
    assert found.failed and dict(found.differing) == {"zen": known}
    assert found.largest["zen"] == pytest.approx(1e-3, rel=0.01)
    far = dataclasses.replace(edited, metadata={"environment": {**proxies.metadata["environment"], "torch": "0.1"}})
    found = audit_proxies(setup_again(RECIPE, proxies), far, 2, np.random.default_rng(0))
    assert found.changed == ("torch",) and not found.failed
    with pytest.raises(ValueError, match=r"classes is 61, must be in 1\.\.60"):
        audit_proxies(setup_again(RECIPE, proxies), proxies, 61, np.random.default_rng(0))


def test_commands_make_report_and_name_what_is_missing(made, tmp_path, capsys):
    folder, proxies = made
    for name in ("tiny.h5", "tiny-proxies.h5"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "tiny-proxies.h5").rename(tmp_path / "elsewhere.h5")
    options = ["--batch", "16", "--initialisations", "2", "--seed", "3", "--folder", str(tmp_path / "work")]
    assert main(["proxies", str(tmp_path / "tiny.h5"), *options]) == 0
    assert f"digest {proxies.digest}" in capsys.readouterr().out  # the same file again, beside the table
    assert open_proxies(tmp_path / "tiny-proxies.h5").digest == proxies.digest
    where = ["--proxies", str(tmp_path / "elsewhere.h5"), "--report", str(tmp_path / "out")]
    assert main(["proxies", str(tmp_path / "tiny.h5"), *where]) == 0
    assert "`zen`" in (tmp_path / "out" / "proxies.md").read_text()
    (tmp_path / "tiny-proxies.h5").unlink()
    assert main(["proxies", str(tmp_path / "tiny.h5"), "--audit", "2"]) == 1
    assert "there is no table of proxies" in capsys.readouterr().err
    assert main(["proxies", "digits", "--audit", "2"]) == 1
    assert "--proxies FILE must say which file to audit" in capsys.readouterr().err


def test_live_run_without_the_file_is_refused_before_anything_is_trained(made, tmp_path):
    folder, _ = made
    (tmp_path / "tiny.h5").write_bytes((folder / "tiny.h5").read_bytes())
    (tmp_path / "tiny.toml").write_text(PROTOCOL)
    protocol = read_protocol(tmp_path / "tiny.toml")
    with pytest.raises(
        TableError, match=r"there is no .*tiny-proxies.h5 beside it; `nasbench proxies .*tiny.h5` makes it"
    ):
        carry_out(protocol, tmp_path / "tiny.h5", tmp_path / "r", 1, live=LiveTraining(tmp_path / "t"))
    assert not (tmp_path / "t").exists()
