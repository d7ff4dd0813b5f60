"""`nasbench compare A B`: what is real, what is refused, what is said about records and settings that differ."""

import csv
import io
import json

import numpy as np
import pytest
from synthetic_records import KEY, chunk_arrays, chunk_key, experiment_file, save_chunk, write_chunk, write_experiment

from nasbench.analysis import folders, folders_output, statistics
from nasbench.analysis.records import RecordError
from nasbench.cli import main

ENTRANTS = ("random_search", "local_search", "reinforce")


def rng(*key):
    return np.random.default_rng([34, *key])


def write(folder, finals, runs=40, **changes):
    """Write an experiment whose run i of an entrant ends at `finals[entrant][i]`, after one training."""
    write_experiment(folder, entrants=tuple(finals), runs=runs, **changes)
    for entrant, values in finals.items():
        write_chunk(folder, [[(5.0, 0, 0.5, float(value))] for value in values], entrant=entrant)
    return folder


def finals(shift, runs=40, seed=0):
    """Scores around 80 %: reinforce the same in every run, local search shifted, random search by a trifle."""
    noise = {name: rng(seed, place).normal(0.0, 0.003, size=runs) for place, name in enumerate(ENTRANTS)}
    return {
        "random_search": 0.8 + noise["random_search"] + shift / 20,
        "local_search": 0.8 + noise["local_search"] + shift,
        "reinforce": 0.8 + noise["reinforce"],
    }


def test_paired_folders_see_a_small_shift_call_trifles_trifles_and_identical_runs_identical(tmp_path):
    found = folders.compare_folders(write(tmp_path / "a", finals(0.0)), write(tmp_path / "b", finals(0.0019)))
    rows = {row.entrant: row for row in found.rows}
    assert {row.difference.design for row in found.rows} == {"paired"}
    assert rows["local_search"].verdict == "better"
    assert rows["local_search"].difference.difference == pytest.approx(0.0019)
    assert rows["random_search"].verdict == "trifle" and rows["random_search"].p_holm < 0.05
    assert rows["reinforce"].verdict == "identical"
    corrected = statistics.holm(np.array([row.difference.p_value for row in found.rows]))
    assert [row.p_holm for row in found.rows] == pytest.approx(corrected.tolist())
    text = folders_output.to_markdown(found)
    assert "Really better in the second: Local search on CIFAR-10." in text
    assert "Identical in every bit: 1 of 3." in text and "smaller than 0.1 points: 1 of 3." in text
    assert "Wilcoxon signed-rank, two-sided, because runs of equal number began with the same random stream" in text
    back = folders.compare_folders(tmp_path / "b", tmp_path / "a")
    assert {row.entrant: row.verdict for row in back.rows}["local_search"] == "worse"
    assert back.rows[1].difference.difference == pytest.approx(-rows["local_search"].difference.difference)


@pytest.mark.parametrize("change", [{"version": "1.1"}, {"seed": 7}])
def test_another_version_or_seed_makes_the_runs_independent(tmp_path, change):
    first = write(tmp_path / "a", finals(0.0))
    second = write(tmp_path / "b", finals(0.0019, seed=1))
    rewrite(second, change)
    found = folders.compare_folders(first, second)
    assert {row.difference.design for row in found.rows} == {"independent"}
    text = folders_output.to_markdown(found)
    assert "Mann-Whitney U, two-sided, because the seeds of the two folders differ" in text
    named = "protocol: synthetic 1.0 and synthetic 1.1" if "version" in change else "seed: 0 and 7"
    assert f"- {named}" in text


def rewrite(folder, changes):
    """Change the protocol of a folder and the keys of its chunks with it."""
    path = folder / "experiment.json"
    content = json.loads(path.read_text())
    content["protocol"] |= changes
    path.write_text(json.dumps(content))
    series = f"{content['protocol']['name']} {content['protocol']['version']}"
    for chunk in folder.rglob("*.npz"):
        arrays = dict(np.load(chunk))
        arrays["key"] = np.asarray(json.dumps(json.loads(str(arrays["key"])) | {"protocol": series}))
        np.savez(chunk, **arrays)


def test_equal_folders_are_told_apart_in_at_most_5_per_cent(tmp_path, monkeypatch):
    """Independent runs of equal strategies, all rows of a comparison together; the records are not what is tested."""
    monkeypatch.setattr(statistics, "RESAMPLES", 2)
    false, simulations = 0, 400
    for simulation in range(simulations):
        source = rng(9, simulation)
        p_values = [statistics.mann_whitney(source.normal(size=25), source.normal(size=25)) for _ in range(6)]
        false += bool((statistics.holm(np.array(p_values)) < 0.05).any())
    assert false / simulations <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / simulations)


def test_another_table_is_refused(tmp_path):
    table = experiment_file()["table"] | {"digest": "f" * 64, "title": "Another table"}
    first = write(tmp_path / "a", finals(0.0))
    second = write(tmp_path / "b", finals(0.0), table=table)
    with pytest.raises(folders.FoldersError, match=r"'Another table' \(digest ffffffffffffffff\).*no common scale"):
        folders.compare_folders(first, second)


def test_another_budget_leaves_nothing_to_compare(tmp_path):
    first = write(tmp_path / "a", finals(0.0))
    second = write(tmp_path / "b", finals(0.0), budget=50.0)
    with pytest.raises(RecordError, match=r"data set cifar10: budget 100.0 in the first folder, 50.0 in the second"):
        folders.compare_folders(first, second)


def test_what_only_one_has_and_what_is_broken_is_named(tmp_path):
    first = write(tmp_path / "a", finals(0.0))
    values = finals(0.0)
    del values["reinforce"]
    second = write(tmp_path / "b", values)
    wrong = chunk_arrays([[(5.0, 0, 0.5, 0.9)]], first=40, key=chunk_key(table_digest="e" * 64))
    save_chunk(second, wrong)
    (second / "runs/cifar10/local_search/00000-00039.npz").unlink()
    found = folders.compare_folders(first, second)
    assert [row.entrant for row in found.rows] == ["random_search"]
    text = folders_output.to_markdown(found)
    assert "- entrant reinforce: only in the first folder" in text
    assert "no usable runs in" in text and "Records missing or left out: " in text
    assert "b/runs/cifar10/random_search/00040-00040.npz: left out: its table digest is" in text


def test_settings_and_code_that_differ_are_named(tmp_path):
    content = experiment_file(entrants=("local_search",), runs=40)
    declared = content["entrants"]["local_search"] | {
        "settings": {"restarts": 2},
        "entrant_digest": "other",
        "code": "9" * 64,
    }
    first = write(tmp_path / "a", {"local_search": finals(0.0)["local_search"]})
    second = write_experiment(tmp_path / "b", entrants=("local_search",), runs=40)
    path = second / "experiment.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"entrants": {"local_search": declared}}))
    key = chunk_key("local_search") | {"entrant_digest": "other", "code": "9" * 64}
    save_chunk(second, chunk_arrays([[(5.0, 0, 0.5, 0.9)]] * 40, key=key), entrant="local_search")
    found = folders.compare_folders(first, second)
    assert "local_search: restarts not given and 2" in found.notes
    assert f"local_search: another state of its code ({KEY['code'][:10]} and 9999999999)" in found.notes
    assert found.rows[0].verdict == "better"


def test_paired_runs_without_a_partner_are_left_out_and_the_missing_named(tmp_path):
    first = write(tmp_path / "a", {"local_search": finals(0.0)["local_search"]})
    second = write_experiment(tmp_path / "b", entrants=("local_search",), runs=40)
    write_chunk(second, [[(5.0, 0, 0.5, float(v))] for v in finals(0.0)["local_search"][:30]], entrant="local_search")
    found = folders.compare_folders(first, second)
    assert found.rows[0].difference.runs == (30, 30) and found.rows[0].difference.difference == 0.0
    assert any("missing: 10 of 40 runs (30-39)" in str(fault) for fault in found.faults)


def test_the_command_prints_and_writes(tmp_path, capsys):
    first, second = write(tmp_path / "a", finals(0.0)), write(tmp_path / "b", finals(0.0019))
    assert main(["compare", str(first), str(second)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("# b against a\n")
    assert main(["compare", str(first), str(second), "--format", "csv"]) == 0
    table = capsys.readouterr().out
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [row["verdict"] for row in rows] == ["trifle", "better", "identical"]
    assert float(rows[1]["score_second"]) - float(rows[1]["score_first"]) == pytest.approx(0.0019)
    assert main(["compare", str(first), str(second), "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out/compare.md").read_text() == printed
    assert (tmp_path / "out/compare.csv").read_text() == table
    assert main(["compare", str(first), str(tmp_path)]) == 1
    assert "is this a results folder?" in capsys.readouterr().err
