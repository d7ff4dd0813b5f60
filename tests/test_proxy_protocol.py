"""Protocols whose entrants ask for proxies: who gets the file beside the table, what it moves, what is paid, what is refused."""

import dataclasses
import json

import msgspec
import numpy as np
import pytest
from experiments import changed, chunks, here, stamps  # noqa: F401 - a fixture
from test_proxy_table import CLASSES, ORIGIN, SPACE, proxies, string_table

import nasbench.chunk_worker
import nasbench.plan
from nasbench.analysis.report import report
from nasbench.experiment import carry_out
from nasbench.load import load_strategy
from nasbench.plan import PROXY_CORE, plan, run_seed
from nasbench.protocol import read_protocol
from nasbench.proxy_beside import open_beside, proxies_asked, proxies_key, proxy_columns, proxy_path
from nasbench.proxy_table import seal_proxies
from nasbench.query import QueryError
from nasbench.sealed import seal
from nasbench.search import run
from nasbench.table import Split, TableError
from nasbench.tabular import TabularBenchmark

PLAIN = """\
name = "guided"
version = "1.0"
title = "Guided by proxies"
table = "tiny.h5"
runs = 3

[[problems]]
dataset = "fast"
budget = 200

[[entrants]]
name = "random"
strategy = "random_search"
"""

GUIDED = """
[[entrants]]
name = "rank"
strategy = "proxy_rank"
settings = { pool = 20 }

[[entrants]]
name = "rank-parameters"
strategy = "proxy_rank"
variant = "parameters"
settings = { pool = 20 }

[[entrants]]
name = "evolution"
strategy = "proxy_evolution"
settings = { proxy = "zen", warm_up = 10, population = 3, sample = 2 }
"""

DIGEST = "a" * 64


def table_of(train=DIGEST):
    """Every string a row of its own, with parameters; the examples' digest is known."""
    table = string_table()
    data = table.datasets["fast"]
    sizes = np.arange(SPACE.size, dtype=np.int64) * 7 % SPACE.size
    data = dataclasses.replace(data, parameters=sizes, splits={**data.splits, "validation": Split(200, train)})
    return dataclasses.replace(table, datasets={"fast": data})


OURS = msgspec.structs.replace(ORIGIN, splits={"train": "t" * 64, "validation": DIGEST})


def guided(folder, text=PLAIN + GUIDED, beside=None):
    """Write protocol, table and, if given, proxies beside it; return the protocol and the table's file."""
    path = folder / "tiny.h5"
    if not path.exists():
        seal(table_of(), path)
    if beside is not None:
        seal_proxies(beside, proxy_path(path))
    (folder / "guided.toml").write_text(text)
    return read_protocol(folder / "guided.toml"), path


def planned(folder, **arguments):
    protocol, path = guided(folder, **arguments)
    return {chunk.entrant.name: chunk for chunk in plan(protocol, table_of(), folder / "results", path)}


def test_only_those_who_ask_get_proxies_and_another_key(tmp_path):
    plain = planned(tmp_path, text=PLAIN)
    found = planned(tmp_path, beside=proxies(origin=OURS))
    assert found["random"].key == plain["random"].key and "proxies" not in plain["random"].key
    assert {name: chunk.proxies for name, chunk in found.items()} == {
        "random": (),
        "rank": ("naswot",),
        "rank-parameters": (),  # the table holds them
        "evolution": ("zen",),
    }
    ours = proxies(origin=OURS)
    key = f"{ours.digest} {ours.cost_digest}"
    assert [found[name].key.get("proxies") for name in ("rank", "evolution", "rank-parameters")] == [key, key, None]


def test_key_follows_values_seconds_and_their_code(tmp_path, monkeypatch):
    start = proxies(origin=OURS)
    values = start.values.copy()
    values[5, 1, 0] += 1.0
    kinds = [start, proxies(origin=OURS, values=values), proxies(origin=OURS, seconds=start.seconds * 2)]
    seen = [planned(tmp_path, beside=kind) for kind in kinds]
    for name in ("rank", "evolution"):
        assert len({one[name].key["proxies"] for one in seen}) == 3
        assert len({one[name].key["entrant_digest"] for one in seen}) == 3  # by which the analysis knows it, too
    for name in ("random", "rank-parameters"):
        assert seen[0][name].key == seen[1][name].key == seen[2][name].key
    monkeypatch.setattr(nasbench.plan, "PROXY_CORE", (*PROXY_CORE, "pareto.py", "settings.py"))  # as if it had changed
    edited = planned(tmp_path, beside=kinds[2])
    assert edited["rank"].key["code"] != seen[2]["rank"].key["code"]
    assert edited["random"].key == seen[2]["random"].key


def test_sizes_alone_need_no_file(tmp_path):
    sizes = PLAIN + GUIDED.partition('[[entrants]]\nname = "evolution"')[0].replace('name = "rank"\n', 'name = "r"\n')
    text = sizes.replace("settings = { pool = 20 }", 'settings = { pool = 20, proxy = "parameters" }', 1)
    assert [chunk.proxies for chunk in planned(tmp_path, text=text).values()] == [(), (), ()]


def test_proxies_of_settings():
    assert proxies_asked({"proxy": "zen"}, {"parameters"}) == ("zen",)
    assert proxies_asked({"proxies": ("zen", "grasp", "parameters")}, {"parameters"}) == ("grasp", "zen")
    assert proxies_asked({"proxies": ["parameters"]}, set()) == ("parameters",)
    assert proxies_asked({"proxy": "socks5", "proxies": 3}, set()) == ()  # a strategy's own meaning
    assert proxies_asked({"population": 10}, set()) == ()


def test_runs_are_those_of_a_benchmark_with_the_columns_and_pay_for_each_network_once(tmp_path, here):  # noqa: F811
    ours = proxies(origin=OURS)
    protocol, path = guided(tmp_path, beside=ours)
    outcome = carry_out(protocol, path, tmp_path / "results", 1)
    assert (outcome.computed, dict(outcome.failed)) == (12, {})
    columns = proxy_columns(ours, table_of())
    benchmark = TabularBenchmark(table_of(), "fast", columns=columns)
    for name in ("rank", "evolution"):
        entrant = next(one for one in protocol.entrants if one.name == name)
        loaded = load_strategy(entrant.strategy)
        settings = loaded.configure(entrant.settings, entrant.variant)
        for file in chunks(tmp_path):
            if file.parent.name != name:
                continue
            with np.load(file) as chunk:
                for place, number in enumerate(chunk["run"].tolist()):
                    seed = run_seed(protocol, protocol.problems[0], entrant, number)
                    truth = run(loaded.function, benchmark, 200.0, seed, settings=settings)
                    lines = slice(*chunk["start"][place : place + 2].tolist())
                    asked = [SPACE.index(entry.observation.query.architecture) for entry in truth.log]
                    assert chunk["architecture"][lines].tolist() == asked and len(asked) > 3
                    paid = sum(one.seconds for one in truth.measured)
                    assert chunk["measuring"][place] == paid > 0
                    assert chunk["finished"][lines][0] == truth.measured[0].seconds + chunk["cost"][lines][0]
    measured = _pool(protocol, 0)
    with np.load(next(file for file in chunks(tmp_path) if file.parent.name == "rank")) as chunk:
        # By hand: of the strings that are one network the first drawn is measured.
        seconds = sum(2 * (1 + SPACE.class_of[SPACE.index(one)] / 1024) for one in measured)
        assert chunk["finished"][0] - chunk["cost"][0] == pytest.approx(seconds)
        best = max(measured, key=lambda one: SPACE.class_of[SPACE.index(one)])  # made-up values ascend with the class
        assert SPACE.class_of[chunk["architecture"][0]] == SPACE.class_of[SPACE.index(best)]


def _pool(protocol, number):
    entrant = next(one for one in protocol.entrants if one.name == "rank")
    seed = run_seed(protocol, protocol.problems[0], entrant, number)
    rng = np.random.default_rng(np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, 0)))
    first = {}
    for one in [SPACE.sample(rng) for _ in range(20)]:
        first.setdefault(SPACE.class_of[SPACE.index(one)], one)
    return list(first.values())


def test_experiment_says_what_was_used_and_what_it_cost(tmp_path, here):  # noqa: F811
    ours = proxies(origin=OURS, metadata={"environment": {"processor": "P"}, "made": {"date": "D"}})
    protocol, path = guided(tmp_path, beside=ours)
    carry_out(protocol, path, tmp_path / "results", 1)
    content = json.loads((tmp_path / "results/experiment.json").read_text())
    said = content["proxies"]
    assert (said["file"], said["digest"], said["cost_digest"]) == ("tiny-proxies.h5", ours.digest, ours.cost_digest)
    assert (said["initialisations"], said["batch"], said["seed"], said["recipe"]) == (2, 8, 5, "tiny")
    assert (said["environment"], said["made"]) == ({"processor": "P"}, {"date": "D"})
    assert list(said["charged"]) == ["naswot", "zen"]
    each = 2 * (1 + np.arange(CLASSES) / 1024)
    charged = {"mean": each.mean(), "largest": each.max(), "all": each.sum()}
    assert said["charged"]["naswot"] == pytest.approx(charged)
    assert [content["entrants"][name].get("proxies") for name in ("rank", "evolution", "random")] == [
        ["naswot"],
        ["zen"],
        None,
    ]
    made = report(tmp_path / "results")
    assert not made.comparison.faults and {"rank", "evolution", "random"} <= set(made.comparison.order)
    without, _ = guided(tmp_path, text=PLAIN)
    carry_out(without, path, tmp_path / "plain", 1)
    assert "proxies" not in json.loads((tmp_path / "plain/experiment.json").read_text())


def test_new_proxies_make_only_their_users_stale(tmp_path, here):  # noqa: F811
    protocol, path = guided(tmp_path, beside=proxies(origin=OURS))
    carry_out(protocol, path, tmp_path / "results", 1)
    before = stamps(tmp_path)
    seal_proxies(proxies(origin=OURS, seconds=proxies().seconds * 2), proxy_path(path))
    outcome = carry_out(protocol, path, tmp_path / "results", 1)
    assert (outcome.computed, outcome.stale, outcome.kept) == (6, 6, 6)
    assert changed(before, stamps(tmp_path)) == ["fast/evolution", "fast/rank"]
    assert carry_out(protocol, path, tmp_path / "results", 1).computed == 0


def test_proxies_that_change_while_it_runs_are_noticed(tmp_path, here, monkeypatch):  # noqa: F811
    protocol, path = guided(tmp_path, beside=proxies(origin=OURS))
    compute = nasbench.chunk_worker.compute_chunk

    def swaps(chunk, *rest):
        seal_proxies(proxies(origin=OURS, seconds=proxies().seconds * 3), proxy_path(path))
        return compute(chunk, *rest)

    monkeypatch.setattr(nasbench.experiment, "compute_chunk", swaps)
    with pytest.raises(ValueError, match=r"proxies tiny-proxies.h5 changed while the experiment ran: digest"):
        carry_out(protocol, path, tmp_path / "results", 1)


def test_absent_file_is_named_with_the_command_that_makes_it(tmp_path):
    with pytest.raises(TableError, match=r"proxies \['naswot', 'zen'\] are asked for") as raised:
        planned(tmp_path)
    assert str(tmp_path / "tiny-proxies.h5") in str(raised.value)
    assert f"`nasbench proxies {tmp_path / 'tiny.h5'}` makes it" in str(raised.value)


def test_imported_table_has_none_and_says_why(tmp_path):
    imported = dataclasses.replace(table_of(), metadata={})
    with pytest.raises(TableError, match=r"proxies \['zen'\] are asked for, but x.h5 was not built from a recipe"):
        open_beside(tmp_path / "x.h5", imported, ["zen"])


@pytest.mark.parametrize(
    ("origin", "said"),
    [
        ({"recipe_digest": "s" * 64}, r"of recipe tiny \(ssssssssssss\), the table was built from rrrrrrrrrrrr"),
        (
            {"splits": {"validation": "b" * 64}},
            "looked at validation examples bbbbbbbbbbbb, those of the table's fast are aaaa",
        ),
        ({"names": ("parameters", "naswot", "snip")}, r"there is no \['zen'\] among"),
    ],
)
def test_proxies_of_something_else_are_refused(origin, said, tmp_path):
    other = proxies(origin=msgspec.structs.replace(OURS, **origin))
    with pytest.raises(TableError, match=said) as raised:
        planned(tmp_path, beside=other)
    assert "tiny-proxies.h5" in str(raised.value) and "nasbench proxies" in str(raised.value)


def test_damaged_file_is_refused(tmp_path):
    guided(tmp_path, beside=proxies(origin=OURS))
    file = tmp_path / "tiny-proxies.h5"
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(TableError, match=r"tiny-proxies.h5.*damaged"):
        planned(tmp_path)


def test_digest_of_a_split_that_the_table_does_not_tell_is_no_reason_to_refuse(tmp_path):
    guided(tmp_path, beside=proxies(origin=OURS))
    assert proxies_key(open_beside(tmp_path / "tiny.h5", table_of(train=""), ["zen"])).startswith(
        proxies(origin=OURS).digest
    )


def test_proxy_is_no_objective(tmp_path):
    text = PLAIN.replace("runs = 3\n", 'runs = 3\nobjectives = ["parameters", "naswot"]\n')
    with pytest.raises(
        QueryError, match=r"objective 'naswot' is a zero-cost proxy.*objectives can be \['parameters'\]"
    ):
        planned(tmp_path, text=text, beside=proxies(origin=OURS))


def test_pool_dearer_than_the_budget_ends_the_run_untrained(tmp_path, here):  # noqa: F811
    protocol, path = guided(
        tmp_path, text=(PLAIN + GUIDED).replace("budget = 200", "budget = 30"), beside=proxies(origin=OURS)
    )
    carry_out(protocol, path, tmp_path / "results", 1)
    with np.load(next(file for file in chunks(tmp_path) if file.parent.name == "rank")) as chunk:
        assert len(chunk["epochs"]) == 0 and chunk["ended"].tolist() == [0] * len(chunk["run"])  # 0: by the budget
    assert report(tmp_path / "results").comparison.faults == ()
