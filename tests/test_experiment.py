"""Experiments on small tables: the same bits however they are computed, and what is written and said of them."""

import json
import time

import experiments
import numpy as np
from experiments import OWN, begin, chunks, records, with_own
from small_table import PROTOCOL, write_protocol

import nasbench.experiment
import nasbench.experiment_json
import nasbench.plan
import nasbench.record
from nasbench.experiment import Outcome
from nasbench.load import load_strategy
from nasbench.plan import run_seed
from nasbench.protocol import read_protocol
from nasbench.record import trajectory
from nasbench.sealed import open_table
from nasbench.search import run
from nasbench.tabular import Scorer, TabularBenchmark

here = experiments.here


# The same bits --------------------------------------------------------------------------------------------------------


def test_one_and_two_processes_give_the_same_bits(tmp_path, monkeypatch):
    monkeypatch.setattr(nasbench.plan, "CHUNK", 2)
    for workers in (1, 2):
        (tmp_path / str(workers)).mkdir()
        outcome = begin(tmp_path / str(workers), workers=workers)
        assert (outcome.computed, outcome.kept, outcome.stale, outcome.failed) == (20, 0, 0, {})
    one, two = records(tmp_path / "1"), records(tmp_path / "2")
    assert one == two
    assert len(chunks(tmp_path / "1")) == 4 * 3  # runs 0-1, 2-3, 4 of two entrants on two problems
    assert len({name for _, name in one}) == 14


def test_size_of_chunks_moves_no_bit(tmp_path, monkeypatch, here):
    flat = []
    for size in (1, 5):
        monkeypatch.setattr(nasbench.plan, "CHUNK", size)
        (tmp_path / str(size)).mkdir()
        begin(tmp_path / str(size))
        parts = [np.load(path)["validation_accuracy"] for path in chunks(tmp_path / str(size))]
        flat.append(np.concatenate(parts).tobytes())
    assert flat[0] == flat[1]


def test_recorded_run_is_the_run_that_the_loop_gives(tmp_path, here):
    begin(tmp_path)
    protocol = read_protocol(tmp_path / "protocol.toml")
    table = open_table(tmp_path / "full.h5")
    benchmark, scorer = TabularBenchmark(table, "slow"), Scorer(table, "slow")
    with np.load(tmp_path / "results/runs/slow/evolution/00002-00003.npz") as chunk:
        for number in (2, 3):
            seed = run_seed(protocol, protocol.problems[1], protocol.entrants[1], number)
            strategy = load_strategy("regularized_evolution").function
            alone = run(strategy, benchmark, 40.5, seed, settings={"population": 3, "sample": 2})
            begin_at, end = chunk["start"][number - 2 : number]
            for name, array in trajectory(alone, benchmark, scorer).items():
                assert chunk[name][begin_at:end].tolist() == array.tolist()
            assert end > begin_at
        assert chunk["run"].tolist() == [2, 3]


def test_runs_have_seeds_of_their_own(tmp_path):
    protocol = read_protocol(write_protocol(tmp_path))
    states = {
        tuple(run_seed(protocol, problem, entrant, number).generate_state(4))
        for problem in protocol.problems
        for entrant in protocol.entrants
        for number in range(50)
    }
    assert len(states) == 200


def test_another_entrant_moves_no_bit_of_the_others(tmp_path, here):
    (tmp_path / "two").mkdir()
    (tmp_path / "three").mkdir()
    begin(tmp_path / "two")
    first = PROTOCOL.index("[[entrants]]")
    more = PROTOCOL[:first] + '[[entrants]]\nname = "local"\nstrategy = "local_search"\n\n' + PROTOCOL[first:]
    begin(tmp_path / "three", more)
    two, three = records(tmp_path / "two"), records(tmp_path / "three")
    assert two.items() <= three.items()
    assert len(three) == len(two) * 3 // 2


def test_name_is_the_key_of_the_seeds(tmp_path, here):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    begin(tmp_path / "a")
    begin(tmp_path / "b", PROTOCOL.replace('name = "random"', 'name = "chance"'))
    one, other = records(tmp_path / "a"), records(tmp_path / "b")
    place = "results/runs/fast/{}/00000-00001.npz"
    assert one[place.format("random"), "architecture"] != other[place.format("chance"), "architecture"]


# What is written and said ---------------------------------------------------------------------------------------------


def test_description_says_what_was_compared(tmp_path, here):
    begin(tmp_path)
    content = json.loads((tmp_path / "results/experiment.json").read_text())
    table = open_table(tmp_path / "full.h5")
    scorer = Scorer(table, "fast")
    fast = content["problems"]["fast"]
    assert (fast["best_score"], fast["random_score_mean"]) == (scorer.best, scorer.random_mean)
    assert fast["top_score"] == {str(share): scorer.top(share) for share in (0.001, 0.01, 0.1)}
    assert (fast["score_label"], fast["budget"], fast["epochs"]) == ("mean test accuracy", 60.0, [1, 2, 4])
    assert content["problems"]["slow"]["score_label"] == "mean validation accuracy"
    assert content["table"] == {
        "name": "full.h5",
        "title": "Full table",
        "digest": table.digest,
        "cost_digest": table.cost_digest,
        "space": "three",
    }
    evolution = content["entrants"]["evolution"]
    assert evolution["settings"] == {"population": 3, "sample": 2, "removal": "oldest", "founders": 0}
    assert (evolution["strategy"], evolution["runs"], evolution["label"]) == ("regularized_evolution", 5, "evolution")
    assert str(tmp_path) not in json.dumps(content)


def test_analysis_reads_every_run_without_a_fault(tmp_path, here):
    from nasbench.analysis.chunks import read_runs, stray_faults
    from nasbench.analysis.records import read_experiment

    begin(tmp_path)
    experiment = read_experiment(tmp_path / "results")
    assert stray_faults(experiment) == []
    for dataset in ("fast", "slow"):
        for entrant in ("random", "evolution"):
            runs, faults = read_runs(experiment, dataset, entrant)
            assert faults == []
            assert runs.run.tolist() == [0, 1, 2, 3, 4]


def test_provenance_is_of_those_who_computed(tmp_path, here, monkeypatch):
    def made_by(version):
        monkeypatch.setattr(
            nasbench.experiment_json, "provenance", lambda: {"nasbench": version, "date": time.time_ns()}
        )

    def read():
        return json.loads((tmp_path / "results/experiment.json").read_text())

    made_by("first")
    begin(tmp_path)
    first = read()
    assert (first["provenance"]["nasbench"], first["earlier_provenance"]) == ("first", [])
    made_by("second")
    begin(tmp_path)  # nothing to compute
    assert read() == first
    begin(tmp_path, PROTOCOL.replace("runs = 5", "runs = 6"))
    assert read()["provenance"]["nasbench"] == "second"
    assert read()["earlier_provenance"] == [first["provenance"]]
    made_by("first")
    begin(tmp_path, PROTOCOL.replace("runs = 5", "runs = 8"))
    assert read()["provenance"]["nasbench"] == "first"
    assert [one["nasbench"] for one in read()["earlier_provenance"]] == ["second"]
    made_by("third")
    begin(tmp_path, PROTOCOL.replace('"1.0"', '"2.0"'))  # all computed again
    assert (read()["provenance"]["nasbench"], read()["earlier_provenance"]) == ("third", [])


def test_damaged_description_is_written_anew(tmp_path, here):
    begin(tmp_path)
    good = json.loads((tmp_path / "results/experiment.json").read_text())
    for bad in (b"", b"{", b"[]", b"\xff"):
        (tmp_path / "results/experiment.json").write_bytes(bad)
        begin(tmp_path)
        again = json.loads((tmp_path / "results/experiment.json").read_text())
        assert {k: v for k, v in again.items() if k != "provenance"} == {
            k: v for k, v in good.items() if k != "provenance"
        }


def test_progress_counts_up_to_all_runs(tmp_path, here):
    seen = []
    begin(tmp_path, on_progress=seen.append)
    assert seen[0].done == 0
    assert [one.done for one in seen] == sorted(one.done for one in seen)
    assert {one.total for one in seen} == {20}
    assert (seen[0].latest, seen[0].seconds_left) == ("", None)
    assert seen[-1].done == 20
    assert seen[-1].seconds_left == 0
    assert {one.latest for one in seen[1:]} == {
        f"{e} on {d}" for e in ("random", "evolution") for d in ("fast", "slow")
    }
    again = []
    begin(tmp_path, on_progress=again.append)
    assert [(one.done, one.total) for one in again] == [(20, 20)]


def test_time_left_leaves_out_entrants_that_gave_up(tmp_path, here):
    seen = []
    text = with_own(tmp_path, OWN.replace("for index", "raise ValueError\n    for index"))
    outcome = begin(tmp_path, text, on_progress=seen.append)
    assert outcome.failed.keys() == {"own"}
    assert seen[-1].seconds_left == 0
    assert (seen[-1].done, seen[-1].total) == (20, 30)


def test_time_left_by_hand(tmp_path):
    protocol = read_protocol(write_protocol(tmp_path))
    chunks = nasbench.plan.plan(protocol, open_table(tmp_path / "full.h5"), tmp_path / "results")  # four of five runs
    estimate = nasbench.experiment._Estimate(chunks, workers=2)
    of = {name: [chunk for chunk in chunks if chunk.entrant.name == name] for name in ("random", "evolution")}
    estimate.add(of["random"][0], 10.0)  # 2 seconds a run; the other entrant is taken to be as fast
    assert estimate.seconds_left() == (5 * 2 + 10 * 2) / 2
    estimate.add(of["evolution"][0], 30.0)  # 6 seconds a run
    assert estimate.seconds_left() == (5 * 2 + 5 * 6) / 2
    estimate.add(of["random"][1], 20.0)  # 3 seconds a run over all
    assert estimate.seconds_left() == 5 * 6 / 2


def test_outcome_is_complete(tmp_path, here):
    outcome = begin(tmp_path)
    assert isinstance(outcome, Outcome)
    assert 0 < outcome.seconds < 60


def test_entrant_with_runs_of_its_own(tmp_path, here):
    text = PROTOCOL.replace('strategy = "random_search"', 'strategy = "random_search"\nruns = 1')
    assert begin(tmp_path, text).computed == 12
    assert {p.name for p in chunks(tmp_path) if p.parent.name == "random"} == {"00000-00000.npz"}
