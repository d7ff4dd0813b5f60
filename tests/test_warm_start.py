"""Warm starts and objectives at planning: which architectures, from which results, in whose key, and what is refused."""

import dataclasses
import json

import msgspec
import numpy as np
import pytest
from experiments import begin, chunks, here  # noqa: F401 - a fixture
from small_table import PROTOCOL, full_table, sealed, small_table, write_protocol

from nasbench.pareto import non_dominated
from nasbench.plan import plan
from nasbench.protocol import ProtocolError, WarmStart, find_table, read_protocol
from nasbench.query import QueryError
from nasbench.sealed import open_table
from nasbench.settings import SettingError
from nasbench.table import TableError
from nasbench.warm_start import best_architectures, resolve

WARM = '''"""Warm, 2026."""
from nasbench.load import Method
from nasbench.query import Query, Search

METHOD = Method(title="Warm", paper="Warm: a test, 2026", year=2026, mode="table", family="transfer")


def warm(space, rng, epochs, *, initial: tuple[str, ...] = ()) -> Search:
    """Ask for the given cells, then at random. initial: strings."""
    for text in initial:
        yield Query(space.parse(text), epochs[-1])
    while True:
        yield Query(space.sample(rng), epochs[-1])
'''

ENTRANT = '\n[[entrants]]\nname = "warm"\nstrategy = "{path}"\n\n[entrants.warm_start]\ndataset = "{dataset}"\ncount = {count}\n'

ONE_PROBLEM = PROTOCOL.replace('[[problems]]\ndataset = "slow"\nbudget = 40.5\n', "")


def warm_protocol(folder, dataset="slow", count=4, extra="", text=ONE_PROBLEM):
    (folder / "warm.py").write_text(WARM)
    return text + ENTRANT.format(path=folder / "warm.py", dataset=dataset, count=count) + extra


def planned(folder, text, table=None):
    path = write_protocol(folder, text, table)
    protocol = read_protocol(path)
    return plan(protocol, open_table(find_table(protocol, path)), folder / "results")


def settings_of(chunks, name):
    return next(chunk for chunk in chunks if chunk.entrant.name == name)


def best_by_hand(table, dataset, count):
    correct = table.dataset(dataset).correct["validation"][:, :, -1].sum(axis=1)
    rows = sorted(range(len(correct)), key=lambda row: (-correct[row], row))[:count]
    return tuple(table.space.format(tuple(int(v) for v in table.architectures[row])) for row in rows)


def test_best_by_validation_at_full_fidelity():
    table = full_table()
    for dataset, count in (("fast", 5), ("slow", 27)):
        assert best_architectures(table, dataset, count) == best_by_hand(table, dataset, count)


def test_test_results_move_nothing():
    table = full_table()
    fast = table.dataset("fast")
    other = dataclasses.replace(fast, correct={**fast.correct, "test": 200 - fast.correct["test"]})
    changed = dataclasses.replace(table, datasets={**table.datasets, "fast": other})
    assert best_architectures(changed, "fast", 9) == best_architectures(table, "fast", 9)


def test_rows_without_trainings_are_no_source():
    table = small_table()
    trained = int((table.dataset("plain").status != 3).any(axis=1).sum())
    assert len(best_architectures(table, "plain", trained)) == trained
    with pytest.raises(ValueError, match=f"count is {trained + 1}, must be at most {trained}"):
        best_architectures(table, "plain", trained + 1)
    with pytest.raises(TableError, match="no data set 'other'"):
        best_architectures(table, "other", 1)


def test_source_without_validation_results_is_refused():
    table = full_table()
    fast = table.dataset("fast")
    blind = dataclasses.replace(fast, splits={"test": fast.splits["test"]}, correct={"test": fast.correct["test"]})
    with pytest.raises(TableError, match="has no 'validation' split"):
        best_architectures(dataclasses.replace(table, datasets={"fast": blind}), "fast", 1)


def test_plan_fills_the_setting_and_names_the_source_in_the_key(tmp_path):
    table = full_table()
    found = settings_of(planned(tmp_path, warm_protocol(tmp_path)), "warm")
    assert found.settings == {"initial": best_by_hand(table, "slow", 4)}
    assert found.key["warm_start"] == f"{table.digest} slow 4"
    others = planned(tmp_path, warm_protocol(tmp_path))
    assert "warm_start" not in settings_of(others, "random").key


def test_changed_source_makes_another_entrant(tmp_path):
    before = settings_of(
        planned(
            tmp_path,
            warm_protocol(tmp_path, extra='table = "old.h5"\n') if sealed(tmp_path, full_table(7), "old") else "",
        ),
        "warm",
    )
    sealed(tmp_path, full_table(8), "old")
    after = settings_of(planned(tmp_path, warm_protocol(tmp_path, extra='table = "old.h5"\n')), "warm")
    assert before.key["warm_start"] != after.key["warm_start"]
    assert before.key["entrant_digest"] != after.key["entrant_digest"]
    assert before.key["table_digest"] == after.key["table_digest"]
    assert str(tmp_path) not in json.dumps([dict(before.key), before.settings])


def test_same_data_set_of_another_table_is_a_source(tmp_path):
    sealed(tmp_path, full_table(7), "old")
    found = settings_of(planned(tmp_path, warm_protocol(tmp_path, "fast", 2, 'table = "old.h5"\n')), "warm")
    assert found.settings["initial"] == best_by_hand(full_table(7), "fast", 2)


REFUSED = {
    "itself": (dict(dataset="fast"), ProtocolError, "'fast' is itself a problem of the protocol"),
    "too many": (dict(count=28), ValueError, "count is 28, must be at most 27"),
    "no table": (dict(extra='table = "gone.h5"\n'), ProtocolError, "'gone.h5' is neither a table that comes"),
    "no data set": (dict(dataset="cifar10"), TableError, "no data set 'cifar10'"),
    "other space": (dict(extra='table = "nas-bench-201"\n', dataset="cifar10"), ProtocolError, "holds space cell201"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(tmp_path, case):
    arguments, error, words = REFUSED[case]
    with pytest.raises(error, match=words):
        planned(tmp_path, warm_protocol(tmp_path, **arguments))


def test_strategy_without_the_setting_is_refused(tmp_path):
    text = ONE_PROBLEM + '\n[entrants.warm_start]\ndataset = "slow"\ncount = 1\n'
    with pytest.raises(SettingError, match="initial, which is none of strategy regularized_evolution"):
        planned(tmp_path, text)


def test_setting_given_twice_is_refused(tmp_path):
    text = warm_protocol(tmp_path).replace(
        "[entrants.warm_start]", 'settings = { initial = ["x"] }\n\n[entrants.warm_start]'
    )
    with pytest.raises(SettingError, match="initial, which is set as well"):
        planned(tmp_path, text)


def test_run_begins_with_the_source_and_says_so(tmp_path, here):  # noqa: F811
    begin(tmp_path, warm_protocol(tmp_path))
    table = full_table()
    wanted = [table.space.index(table.space.parse(text)) for text in best_by_hand(table, "slow", 4)]
    with np.load(next(path for path in chunks(tmp_path) if path.parent.name == "warm")) as chunk:
        assert chunk["architecture"][:4].tolist() == wanted
        assert "measuring" not in chunk.files and "cell_score" not in chunk.files
    described = json.loads((tmp_path / "results" / "experiment.json").read_text())
    assert described["entrants"]["warm"]["warm_start"] == f"{table.digest} slow 4"


def test_source_may_be_a_problem_of_another_table():
    table, other = full_table(), full_table(3)
    start = WarmStart(dataset="fast", count=1)
    assert resolve(start, other, ())[0] == best_by_hand(other, "fast", 1)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"dataset": "fast", "count": 0}, WarmStart)
    assert table.digest != other.digest


# Objectives -----------------------------------------------------------------------------------------------------------


def sized():
    """Return the full table with parameters that grow with the number of the row and then fall."""
    table = full_table()
    sizes = (np.arange(27) * 5) % 27 + 100
    sets = {name: dataclasses.replace(data, parameters=sizes) for name, data in table.datasets.items()}
    return dataclasses.replace(table, datasets=sets)


def test_records_hold_what_several_objectives_need(tmp_path, here):  # noqa: F811
    table = sized()
    write_protocol(tmp_path, PROTOCOL, table)
    begin(tmp_path, PROTOCOL.replace("runs = 5", 'runs = 2\nobjectives = ["parameters"]'))
    for path in chunks(tmp_path):
        data = table.dataset(path.parent.parent.name)
        with np.load(path) as chunk:
            assert chunk["objective_parameters"].tolist() == data.parameters[chunk["cell"]].tolist()
            assert chunk["cell_score"].tolist() == data.mean_accuracy(data.score_split)[chunk["cell"]].tolist()
            assert len(chunk["cell_score"]) == chunk["start"][-1] > 0
    described = json.loads((tmp_path / "results" / "experiment.json").read_text())
    assert described["protocol"]["objectives"] == ["parameters"]
    for name, problem in described["problems"].items():
        data = table.dataset(name)
        points = np.column_stack([1 - data.mean_accuracy(data.score_split), data.parameters])
        front = sorted({tuple(point) for point in points[non_dominated(points)].tolist()})
        assert [tuple(point) for point in problem["pareto"]["front"]] == front
        errors, sizes = zip(*front, strict=True)
        assert problem["pareto"]["reference"] == pytest.approx(
            [max(errors) + (max(errors) - min(errors)) / 10, max(sizes) + (max(sizes) - min(sizes)) / 10]
        )


def test_objectives_move_no_choice_of_a_strategy_that_ignores_them(tmp_path, here):  # noqa: F811
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    for folder in ("a", "b"):
        write_protocol(tmp_path / folder, PROTOCOL, sized())
    begin(tmp_path / "a", PROTOCOL)
    begin(tmp_path / "b", PROTOCOL.replace("runs = 5", 'runs = 5\nobjectives = ["parameters"]'))
    for first, second in zip(chunks(tmp_path / "a"), chunks(tmp_path / "b"), strict=True):
        with np.load(first) as one, np.load(second) as other:
            for name in set(one.files) - {"key", "overhead"}:
                assert one[name].tobytes() == other[name].tobytes()
            assert str(one["key"]) != str(other["key"])


def test_objective_that_the_table_lacks_is_refused(tmp_path):
    with pytest.raises(QueryError, match="no measure 'parameters' for fast"):
        planned(tmp_path, PROTOCOL.replace("runs = 5", 'runs = 5\nobjectives = ["parameters"]'))


def test_objectives_fill_the_setting_of_that_name(tmp_path):
    (tmp_path / "warm.py").write_text(
        WARM.replace("initial: tuple[str, ...] = ()", 'objectives: tuple[str, ...] = ("parameters",)').replace(
            "for text in initial:\n        yield Query(space.parse(text), epochs[-1])", "pass"
        )
    )
    entrant = f'\n[[entrants]]\nname = "warm"\nstrategy = "{tmp_path / "warm.py"}"\n'
    text = PROTOCOL.replace("runs = 5", 'runs = 5\nobjectives = ["latency"]') + entrant
    data = {
        name: dataclasses.replace(d, extra={"latency_seconds": np.arange(27.0)})
        for name, d in full_table().datasets.items()
    }
    timed = dataclasses.replace(full_table(), datasets=data)
    assert settings_of(planned(tmp_path, text, timed), "warm").settings == {"objectives": ("latency",)}
    given = text + 'settings = { objectives = ["multiply_adds"] }\n'
    assert settings_of(planned(tmp_path, given, timed), "warm").settings == {"objectives": ("multiply_adds",)}
