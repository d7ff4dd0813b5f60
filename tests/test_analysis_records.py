"""Every fault of a results folder is named, what it spoils is left out, and the rest is read unchanged."""

import json
import re
from pathlib import Path

import msgspec
import numpy as np
import pytest
from synthetic_records import chunk_arrays, chunk_key, experiment_file, save_chunk, write_chunk, write_experiment

from nasbench import experiment, load, protocol, sealed, tabular
from nasbench.analysis import chunks, records

# finished, cell, validation accuracy, score of the cell
RUNS = [
    [(10.0, 3, 0.80, 0.81), (30.0, 5, 0.90, 0.85), (70.0, 3, 0.82, 0.81)],
    [(20.0, 7, 0.70, 0.75)],
    [],
    [(5.0, 1, 0.60, 0.65), (100.0, 2, 0.91, 0.90)],
]


def folder_with(tmp_path, arrays=None, name=None, **settings):
    write_experiment(tmp_path, **settings)
    save_chunk(tmp_path, arrays or chunk_arrays(RUNS), name=name)
    return tmp_path


def read(folder, entrant="random_search", dataset="cifar10"):
    return chunks.read_runs(records.read_experiment(folder), dataset, entrant)


def test_reads_what_was_written(tmp_path):
    runs, faults = read(folder_with(tmp_path))
    assert faults == []
    assert runs.run.tolist() == [0, 1, 2, 3]
    assert runs.queries.tolist() == [3, 1, 0, 2]
    assert runs.score.tolist() == [0.81, 0.85, 0.85, 0.75, 0.65, 0.90]
    assert runs.incumbent.tolist() == [3, 5, 5, 7, 1, 2]
    assert runs.incumbent_validation.tolist() == [0.80, 0.90, 0.90, 0.70, 0.60, 0.91]
    assert runs.repeat.tolist() == [0, 0, 1, 0, 0, 0]


def test_chunks_are_joined_in_order_of_their_runs(tmp_path):
    write_experiment(tmp_path, runs=12)
    for first in (4, 8, 0):
        write_chunk(tmp_path, RUNS, first=first, overhead=[first, 0, 0, 0])
    runs, faults = read(tmp_path)
    assert faults == []
    assert runs.run.tolist() == list(range(12))
    assert runs.overhead[::4].tolist() == [0, 4, 8]
    assert runs.start.tolist() == [0, 3, 4, 4, 6, 9, 10, 10, 12, 15, 16, 16, 18]
    assert runs.finished.tolist() == [10, 30, 70, 20, 5, 100] * 3


# Each: what is changed in the arrays, and what the reason must say.
DAMAGES = {
    "key not JSON": ({"key": np.asarray("{")}, "key is not JSON"),
    "key a list": ({"key": np.asarray("[]")}, "JSON list"),
    "float32": ({"score": np.zeros(6, np.float32)}, "score is float32"),
    "two axes": ({"cell": np.zeros((6, 1), np.int32)}, r"cell is int32 of shape \(6, 1\)"),
    "text": ({"epochs": np.array(["a"] * 6)}, "epochs is <U1"),
    "short column": ({"cost": np.zeros(5)}, "cost has 5 entries; start promises 6"),
    "short start": ({"start": np.array([0, 3, 4, 6])}, "start has 4 entries for 4 runs; expected 5"),
    "start not from 0": ({"start": np.array([1, 3, 4, 4, 6])}, "start must begin at 0"),
    "start falls": ({"start": np.array([0, 4, 3, 4, 6])}, "never fall"),
    "no run": (
        {name: np.zeros(0, kind) for name, kind in (("run", np.int32), ("overhead", float), ("ended", np.uint8))},
        "holds no run",
    ),
    "other run numbers": ({"run": np.array([0, 1, 2, 4], np.int32)}, "holds runs 0-2, 4, not those"),
    "time falls": ({"finished": np.array([10.0, 30, 20, 20, 5, 100])}, "finished falls within run 0"),
    "over budget": (
        {"finished": np.array([10.0, 30, 70, 20, 5, 100.1])},
        r"finished of run 3 is 100.1, outside \[0, 100\]",
    ),
    "negative cost": ({"cost": np.array([1.0, 1, 1, -1, 1, 1])}, "cost of run 1 is -1"),
    "infinite cost": ({"cost": np.array([1.0, 1, 1, np.inf, 1, 1])}, "cost of run 1 is inf"),
    "per cent": ({"validation_accuracy": np.full(6, 91.0)}, r"validation_accuracy of run 0 is 91.0, outside \[0, 1\]"),
    "no score": ({"score": np.array([0.5, 0.5, np.nan, 0.5, 0.5, 0.5])}, "score of run 0 is nan"),
    "above the best": (
        {"score": np.array([0.5, 0.5, 0.5, 0.5, 0.5, 0.917])},
        r"score of run 3 is 0.917, outside \[0, 0.916\]",
    ),
    "unknown ending": ({"ended": np.array([0, 0, 3, 0], np.uint8)}, "ended of run 2 is 3"),
    "unknown epochs": (
        {"epochs": np.array([200, 200, 12, 200, 200, 200], np.int32)},
        "epochs holds 12; the problem has 200",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_chunk_is_left_out_with_its_reason(tmp_path, damage):
    changes, reason = DAMAGES[damage]
    folder = folder_with(tmp_path, chunk_arrays(RUNS) | changes, name="00000-00003.npz")
    runs, faults = read(folder)
    assert runs is None
    assert faults[0].path == "runs/cifar10/random_search/00000-00003.npz"
    assert re.match(f"left out: .*{reason}", faults[0].reason)
    assert str(faults[1]) == "runs/cifar10/random_search: missing: 4 of 4 runs (0-3)"


@pytest.mark.parametrize("name", ["run", "start", "score", "cell", "key"])
def test_a_chunk_without_an_array_is_left_out(tmp_path, name):
    arrays = chunk_arrays(RUNS)
    del arrays[name]
    runs, faults = read(folder_with(tmp_path, arrays, name="00000-00003.npz"))
    assert runs is None
    assert faults[0].reason == f"left out: lacks {name}"


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ("protocol", "its protocol is 'other', the experiment's is 'synthetic 1.0'"),
        ("protocol_digest", "its protocol digest is 'other', the experiment's is 'bbbbbbbbbbbbbbbb'..."),
        ("budget", "its budget is 'other', the experiment's is '100.0'"),
        ("table_digest", "its table digest is 'other'"),
        ("cost_digest", "its cost digest is 'other'"),
        ("dataset", "its dataset is 'other', the experiment's is 'cifar10'"),
        ("entrant", "its entrant is 'other'"),
        ("entrant_digest", "its entrant digest is 'other'"),
        ("code", "its code is 'other'"),
    ],
)
def test_a_chunk_of_something_else_is_left_out_and_the_others_are_kept(tmp_path, part, words):
    write_experiment(tmp_path, runs=8)
    write_chunk(tmp_path, RUNS)
    save_chunk(tmp_path, chunk_arrays(RUNS, first=4, key=chunk_key() | {part: "other"}))
    runs, faults = read(tmp_path)
    assert runs.run.tolist() == [0, 1, 2, 3]
    assert faults[0].path.endswith("00004-00007.npz")
    assert words in faults[0].reason
    assert faults[1].reason == "missing: 4 of 8 runs (4-7)"


@pytest.mark.parametrize("content", [b"", b"not a zip file", b"PK\x03\x04" + bytes(60)])
def test_an_unreadable_chunk_is_left_out(tmp_path, content):
    path = save_chunk(write_experiment(tmp_path), chunk_arrays(RUNS))
    path.write_bytes(content)
    runs, faults = read(tmp_path)
    assert runs is None
    assert faults[0].reason.startswith("left out: can't be read (")


def test_a_cut_or_flipped_chunk_is_never_read_silently_wrong(tmp_path):
    path = save_chunk(write_experiment(tmp_path), chunk_arrays(RUNS))
    whole, expected = path.read_bytes(), read(tmp_path)[0]
    source = np.random.default_rng(25)
    for _ in range(150):
        damaged = bytearray(whole)
        if source.random() < 0.3:
            damaged = damaged[: source.integers(len(whole))]
        else:
            damaged[source.integers(len(whole))] ^= 1 << int(source.integers(8))
        path.write_bytes(damaged)
        runs, faults = read(tmp_path)
        if runs is None:
            assert faults[0].reason.startswith("left out: ")
        else:  # a bit that zip itself does not use
            for name in ("run", "start", "finished", "score", "cell", "cost", "epochs", "validation_accuracy"):
                np.testing.assert_array_equal(getattr(runs, name), getattr(expected, name))


def test_pickled_objects_are_refused(tmp_path):
    folder = folder_with(tmp_path, chunk_arrays(RUNS) | {"cell": np.array([None] * 6)}, name="00000-00003.npz")
    assert "objects, which only pickle reads, are refused" in read(folder)[1][0].reason


def test_runs_beyond_the_protocol_are_left_out(tmp_path):
    runs, faults = read(folder_with(tmp_path, chunk_arrays(RUNS, first=2)))
    assert runs is None
    assert faults[0].reason == "left out: holds run 5; the protocol has runs 0 to 3"


def test_a_run_is_never_counted_twice(tmp_path):
    write_experiment(tmp_path, runs=6)
    write_chunk(tmp_path, RUNS)
    write_chunk(tmp_path, RUNS, first=2)
    runs, faults = read(tmp_path)
    assert runs.run.tolist() == [0, 1, 2, 3]
    assert faults[0].reason == "left out: repeats runs 2-3, which another chunk holds already"
    assert faults[1].reason == "missing: 2 of 6 runs (4-5)"


def test_missing_runs_and_missing_entrants_are_named(tmp_path):
    write_experiment(tmp_path, runs=20, entrants=("random_search", "local_search"))
    for first in (0, 8):
        write_chunk(tmp_path, RUNS, first=first)
    assert str(read(tmp_path)[1][0]) == "runs/cifar10/random_search: missing: 12 of 20 runs (4-7, 12-19)"
    runs, faults = read(tmp_path, "local_search")
    assert runs is None
    assert str(faults[0]) == "runs/cifar10/local_search: missing: none of 20 runs"


def test_strange_files_are_named(tmp_path):
    folder = folder_with(tmp_path)
    (folder / "runs" / "cifar10" / "random_search" / ".00004-00007.npz.17.tmp").write_bytes(b"")
    (folder / "runs" / "cifar10" / "forgotten").mkdir()
    (folder / "runs" / "svhn").mkdir()
    runs, faults = read(folder)
    assert len(runs) == 4
    assert faults[0].reason.startswith("left out: not a chunk of runs")
    stray = chunks.stray_faults(records.read_experiment(folder))
    assert [str(fault) for fault in stray] == [
        "runs/cifar10/forgotten: left out: not an entrant of this experiment",
        "runs/svhn: left out: not a problem of this experiment",
    ]


def test_a_folder_without_runs_is_named(tmp_path):
    write_experiment(tmp_path)
    assert str(chunks.stray_faults(records.read_experiment(tmp_path))[0]).startswith("runs: missing")


def problem_with(**changes):
    return {"problems": {"cifar10": experiment_file()["problems"]["cifar10"] | changes}}


def protocol_with(**changes):
    return {"protocol": experiment_file()["protocol"] | changes}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": 2}, "format 2; this version reads format 1"),
        ({"problems": {}}, "names 0 problems and 1 entrants"),
        ({"entrants": {}}, "names 1 problems and 0 entrants"),
        ({"table": {}}, r"\$\.table"),
        ({"protocol": {"name": "x"}}, r"\$\.protocol"),
        (protocol_with(checkpoints=[0.5, 0.1, 1.0]), "must ascend and end with 1.0"),
        (protocol_with(checkpoints=[0.5]), "must ascend and end with 1.0"),
        (protocol_with(checkpoints=[0.0, 1.0]), r"\$\.protocol\.checkpoints"),
        (problem_with(best_score="high"), r"\$\.problems\[\.\.\.\]\.best_score"),
        (problem_with(best_score=91.6), "needs 0 < random_score_mean <= best_score <= 1"),
        (problem_with(best_score=0.5), "not 0.833, 0.5 and 100.0"),
        (problem_with(budget=0.0), "budget > 0"),
    ],
)
def test_a_wrong_experiment_file_is_refused(tmp_path, changes, words):
    (tmp_path / "experiment.json").write_text(json.dumps(experiment_file(**changes)))
    with pytest.raises(records.RecordError, match=words):
        records.read_experiment(tmp_path)


def test_no_experiment_file_and_no_json_are_refused(tmp_path):
    with pytest.raises(records.RecordError, match="is this a results folder"):
        records.read_experiment(tmp_path)
    (tmp_path / "experiment.json").write_text("{")
    with pytest.raises(records.RecordError, match=r"experiment\.json"):
        records.read_experiment(tmp_path)


def test_titles_are_all_different(tmp_path):
    content = experiment_file(entrants=("regularized_evolution", "paper", "local_search"))
    content["entrants"]["paper"] |= {"title": "Regularized evolution"}
    content["entrants"]["local_search"] |= {"label": "Local search (first improvement)"}
    (tmp_path / "experiment.json").write_text(json.dumps(content))
    assert records.read_experiment(tmp_path).titles == {
        "regularized_evolution": "Regularized evolution (regularized_evolution)",
        "paper": "Regularized evolution (paper)",
        "local_search": "Local search (first improvement)",
    }


def test_reads_what_the_library_writes(tmp_path):
    """The two ends of the format: runs recorded by the library are read without a fault, and scored alike."""
    path = Path(str(load.find_protocol("nas-bench-201")))
    full = protocol.read_protocol(path)
    small = msgspec.structs.replace(full, runs=3, entrants=full.entrants[:2], problems=full.problems[:1])
    table_path = protocol.find_table(small, path)
    outcome = experiment.carry_out(small, table_path, tmp_path, workers=1)
    assert outcome.computed == 6 and not outcome.failed
    found = records.read_experiment(tmp_path)
    dataset = small.problems[0].dataset
    table = sealed.open_table(table_path)
    scorer = tabular.Scorer(table, dataset)
    assert chunks.stray_faults(found) == []
    for entrant in found.entrants:
        runs, faults = chunks.read_runs(found, dataset, entrant)
        assert faults == [] and len(runs) == 3
        np.testing.assert_array_equal(runs.score, scorer.scores[table.row_of_index[runs.incumbent]])
        assert found.problems[dataset].best_score == scorer.best
