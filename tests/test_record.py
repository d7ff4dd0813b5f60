"""Records: arrays against values by hand, whole or absent on disk, and never taken for what they are not."""

import errno
import io
import json
import os
import zipfile

import numpy as np
import pytest
from small_table import PLAIN_SCORES, ROWS, SPACE, small_table

import nasbench.record
import nasbench.sealed
from nasbench.query import Query
from nasbench.record import COLUMNS, chunk_matches, replace_file, trajectory, write_chunk, write_json
from nasbench.search import BUDGET, STRATEGY, Finished, Run, run
from nasbench.tabular import Scorer, TabularBenchmark

KEY = {"protocol": "p 1.0", "entrant": "e", "table_digest": "0" * 64}


def run_of(*asked):
    """Return a run by hand: (row, epochs, seed, cost) one after the other on one worker."""
    benchmark = TabularBenchmark(small_table(), "plain")
    log, now = [], 0.0
    for row, epochs, seed, cost in asked:
        told = benchmark.evaluate(Query(ROWS[row], epochs), seed)
        charged = type(told)(told.query, told.validation_accuracy, cost)
        log.append(Finished(charged, seed, now, now + cost))
        now += cost
    return Run(log, BUDGET, 0.25)


def arrays_of(one):
    table = small_table()
    return trajectory(one, TabularBenchmark(table, "plain"), Scorer(table, "plain"))


def test_trajectory_by_hand():
    #            row, epochs, seed, cost      repeat  validation  incumbent: highest epochs, then accuracy
    one = run_of(
        (1, 1, 6, 2.5),  #                    0       0.40        row 1
        (3, 1, 4, 4.0),  #                    1       0.71        row 3
        (0, 2, 5, 2.5),  #                    2       0.22        row 0: more epochs
        (3, 1, 3, 4.0),  #                    0       0.70        row 0
        (1, 4, 7, 10.0),  #                   2       0.62        row 1
        (2, 4, 4, 2.5),  #                    1       0.0         row 1; diverged
        (3, 4, 5, 16.0),  #                   2       0.92        row 3
    )
    arrays = arrays_of(one)
    index = [SPACE.index(architecture) for architecture in ROWS]
    winner = [1, 3, 0, 0, 1, 1, 3]
    expected = {
        "architecture": [index[row] for row in (1, 3, 0, 3, 1, 2, 3)],
        "cell": [1, 3, 0, 3, 1, 2, 3],
        "epochs": [1, 1, 2, 1, 4, 4, 4],
        "repeat": [0, 1, 2, 0, 2, 1, 2],
        "validation_accuracy": [0.40, 0.71, 0.22, 0.70, 0.62, 0.0, 0.92],
        "cost": [2.5, 4.0, 2.5, 4.0, 10.0, 2.5, 16.0],
        "finished": [2.5, 6.5, 9.0, 13.0, 23.0, 25.5, 41.5],
        "incumbent": [index[row] for row in winner],
        "incumbent_validation": [0.40, 0.71, 0.22, 0.22, 0.62, 0.62, 0.92],
    }
    assert {name: array.tolist() for name, array in arrays.items() if name != "score"} == expected
    np.testing.assert_allclose(arrays["score"], [PLAIN_SCORES[row] for row in winner], rtol=1e-15)


def test_trajectory_of_nothing_is_empty():
    arrays = arrays_of(Run([], BUDGET, 0.0))
    assert {len(array) for array in arrays.values()} == {0}
    assert arrays.keys() == arrays_of(run_of((0, 1, 0, 1.0))).keys()
    assert {name: array.dtype for name, array in arrays.items()} == {
        name: array.dtype for name, array in arrays_of(run_of((0, 1, 0, 1.0))).items()
    }


def test_trajectory_of_the_loop_is_consistent_with_the_table():
    table = small_table()
    benchmark = TabularBenchmark(table, "plain")

    def strategy(space, rng, epochs):
        while True:
            yield Query(ROWS[int(rng.integers(4))], epochs[int(rng.integers(3))])

    one = run(strategy, benchmark, 300.0, np.random.SeedSequence(0))
    arrays = arrays_of(one)
    position = np.searchsorted((1, 2, 4), arrays["epochs"])
    answers = table.dataset("plain").answers("validation")
    assert len(arrays["cell"]) > 40
    assert arrays["validation_accuracy"].tolist() == answers[arrays["cell"], arrays["repeat"], position].tolist()


# On disk --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def chunk(tmp_path):
    """A chunk of runs 3 to 5, the middle one empty."""
    runs = [run_of((0, 1, 0, 1.0), (1, 4, 1, 2.0)), Run([], STRATEGY, 0.0), run_of((3, 2, 2, 3.0))]
    path = tmp_path / "a" / "b" / "00003-00005.npz"
    write_chunk(path, range(3, 6), runs, [arrays_of(one) for one in runs], KEY)
    return path


def test_chunk_holds_the_runs_one_after_the_other(chunk):
    with np.load(chunk, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    assert arrays.keys() == {*COLUMNS, "key"}
    assert json.loads(str(arrays["key"])) == KEY
    assert arrays["run"].tolist() == [3, 4, 5]
    assert arrays["start"].tolist() == [0, 2, 2, 3]
    assert arrays["ended"].tolist() == [BUDGET, STRATEGY, BUDGET]
    assert arrays["overhead"].tolist() == [0.25, 0.0, 0.25]
    assert arrays["cell"].tolist() == [0, 1, 3]
    assert arrays["validation_accuracy"].tolist() == [0.10, 0.62, 0.82]
    kinds = {name: array.dtype.str for name, array in arrays.items() if name != "key"}
    assert kinds == {
        "run": "<i4",
        "start": "<i8",
        "ended": "|u1",
        "overhead": "<f8",
        **dict.fromkeys(("architecture", "cell", "epochs", "repeat", "incumbent"), "<i4"),
        **dict.fromkeys(("validation_accuracy", "cost", "finished", "incumbent_validation", "score"), "<f8"),
    }


def test_chunk_of_empty_runs(tmp_path):
    runs = [Run([], STRATEGY, 0.0)] * 2
    write_chunk(tmp_path / "0-1.npz", [0, 1], runs, [arrays_of(one) for one in runs], KEY)
    assert chunk_matches(tmp_path / "0-1.npz", [0, 1], KEY)
    with np.load(tmp_path / "0-1.npz") as stored:
        assert stored["start"].tolist() == [0, 0, 0]
        assert stored["epochs"].dtype == np.int32


def test_equal_runs_give_equal_bytes(chunk, tmp_path):
    runs = [run_of((0, 1, 0, 1.0), (1, 4, 1, 2.0)), Run([], STRATEGY, 0.0), run_of((3, 2, 2, 3.0))]
    again = tmp_path / "again.npz"
    write_chunk(again, range(3, 6), runs, [arrays_of(one) for one in runs], dict(reversed(KEY.items())))
    assert again.read_bytes() == chunk.read_bytes()


def test_chunk_matches_its_own_key_and_numbers_alone(chunk):
    assert chunk_matches(chunk, range(3, 6), KEY)
    assert not chunk_matches(chunk, range(3, 6), KEY | {"entrant": "f"})
    assert not chunk_matches(chunk, range(3, 6), KEY | {"more": ""})
    assert not chunk_matches(chunk, range(3, 6), {name: KEY[name] for name in list(KEY)[:2]})
    assert not chunk_matches(chunk, range(4, 7), KEY)
    assert not chunk_matches(chunk, range(3, 5), KEY)
    assert not chunk_matches(chunk.with_name("absent.npz"), range(3, 6), KEY)
    assert not chunk_matches(chunk.parent, range(3, 6), KEY)


def read(content):
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        return {name: (stored[name].dtype.str, stored[name].tolist()) for name in stored.files}


def test_cut_chunk_never_matches(chunk):
    content = chunk.read_bytes()
    for length in range(0, len(content), 7):
        chunk.write_bytes(content[:length])
        assert not chunk_matches(chunk, range(3, 6), KEY), length


def test_chunk_with_a_flipped_bit_matches_only_if_it_reads_the_same(chunk):
    content = chunk.read_bytes()
    expected = read(content)
    passed = 0
    for position in range(0, len(content), 3):
        damaged = bytearray(content)
        damaged[position] ^= 1 << position % 8
        chunk.write_bytes(damaged)
        if chunk_matches(chunk, range(3, 6), KEY):
            passed += 1
            assert read(bytes(damaged)) == expected, position
    assert passed < len(content) / 3 / 2  # the time stamps and attributes of a zip file mean nothing


def test_other_files_are_no_chunks(chunk):
    def array_file(array):
        buffer = io.BytesIO()
        np.save(buffer, array, allow_pickle=True)
        return buffer.getvalue()

    def archive(**files):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as target:
            for name, content in files.items():
                target.writestr(f"{name}.npy", content)
        return buffer.getvalue()

    whole = {name: array_file(array) for name, array in np.load(chunk).items()}
    assert (chunk.write_bytes(archive(**whole)), chunk_matches(chunk, range(3, 6), KEY))[1]
    without = {name: content for name, content in whole.items() if name != "overhead"}
    pickled = whole | {"score": array_file(np.array([{}], dtype=object))}
    no_json = whole | {"key": array_file(np.array("{"))}
    others = [archive(), archive(**without), archive(**pickled), archive(**no_json), b"text", array_file(np.zeros(3))]
    for content in others:
        chunk.write_bytes(content)
        assert not chunk_matches(chunk, range(3, 6), KEY)


@pytest.mark.parametrize("moment", ["fsync", "replace"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EACCES])
def test_file_that_cannot_be_written_leaves_everything_as_it_was(tmp_path, monkeypatch, moment, number):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fails(*_):
        raise OSError(number, os.strerror(number))

    target = nasbench.sealed.os if moment == "fsync" else nasbench.record.Path
    monkeypatch.setattr(target, moment, fails)
    with pytest.raises(OSError, match=os.strerror(number)):
        replace_file(path, b"new")
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == {"file": b"old"}


def test_file_is_replaced_whole(tmp_path):
    path = tmp_path / "deep" / "er" / "file"
    replace_file(path, b"one")
    replace_file(path, b"two")
    assert [one.name for one in path.parent.iterdir()] == ["file"]
    assert path.read_bytes() == b"two"


def test_analysis_reads_this_format():
    from nasbench.analysis import records

    assert nasbench.record.FORMAT == records.FORMAT == 1


def test_json_for_people(tmp_path):
    write_json(tmp_path / "x.json", {"b": 1, "a": [1.5, None]})
    text = (tmp_path / "x.json").read_text()
    assert json.loads(text) == {"b": 1, "a": [1.5, None]}
    assert text.endswith("]\n}\n")
    assert text.index('"b"') < text.index('"a"')
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "y.json", {"a": float("nan")})
    assert not (tmp_path / "y.json").exists()
