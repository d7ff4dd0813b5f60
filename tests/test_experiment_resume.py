"""Experiments that are taken up again: after any end where they stopped, nothing computed twice, what is stale anew."""

import contextlib
import fcntl
import os
import signal
import time
from pathlib import Path

import experiments
import numpy as np
import pytest
from experiments import EVERYWHERE, LONG, OWN, begin, changed, chunks, records, stamps, start, wait_for_chunks, with_own
from small_table import PROTOCOL, full_table, sealed, write_protocol

import nasbench.experiment
import nasbench.plan
import nasbench.record
from nasbench.experiment import ExperimentError

here = experiments.here


# Resuming -------------------------------------------------------------------------------------------------------------


def test_second_time_computes_nothing(tmp_path):
    first = begin(tmp_path)
    before = stamps(tmp_path)
    description = (tmp_path / "results/experiment.json").read_bytes()
    second = begin(tmp_path, workers=2)
    assert (first.computed, first.kept) == (20, 0)
    assert (second.computed, second.kept, second.stale, second.failed) == (0, 20, 0, {})
    assert stamps(tmp_path) == before
    assert (tmp_path / "results/experiment.json").read_bytes() == description


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on_where_it_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(nasbench.plan, "CHUNK", 1)
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    begin(tmp_path / "whole", LONG, workers=2)
    folder = tmp_path / "killed"
    write_protocol(folder, LONG)
    rng = np.random.default_rng(0)
    finished, survived = {}, 0
    for target in (0, 1, 4, 9, 14):
        process = start(folder)
        wait_for_chunks(folder, max(target, len(finished) + (target > 0)), process)
        time.sleep(rng.uniform(0, 0.15))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        survived += process.returncode == -signal.SIGKILL
        found = stamps(folder)
        assert finished.items() <= found.items()  # what was finished was not written again
        finished = found
    assert survived == 5
    assert 0 < len(finished) < 20
    process = start(folder)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert finished.items() <= stamps(folder).items()
    assert records(folder) == records(tmp_path / "whole")
    assert not list((folder / "results").rglob("*.tmp"))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_workers_end_with_their_parent(tmp_path):
    write_protocol(tmp_path, LONG.replace("runs = 5", "runs = 1000"))
    process = start(tmp_path)
    wait_for_chunks(tmp_path, 1, process)
    workers = descendants(process.pid)
    assert len(workers) >= 2
    process.kill()  # the parent alone
    process.communicate()
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{worker}").exists() for worker in workers):
        assert time.monotonic() < deadline, f"of {workers} some live on"
        time.sleep(0.05)


def descendants(pid):
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                child = int(stat.parent.name)
                found += [child, *descendants(child)]
    return found


def test_interrupt_ends_at_once_and_keeps_what_is_finished(tmp_path):
    write_protocol(tmp_path, LONG.replace("runs = 5", "runs = 1000"))
    process = start(tmp_path)
    wait_for_chunks(tmp_path, 2, process)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)  # to the parent alone
    _, errors = process.communicate(timeout=20)
    assert time.monotonic() - began < 10
    assert b"KeyboardInterrupt" in errors
    assert process.returncode != 0
    assert 2 <= len(chunks(tmp_path)) < 4000
    for path in chunks(tmp_path):
        with np.load(path) as chunk:
            assert {chunk[name].shape is not None for name in chunk.files} == {True}


def test_results_folder_is_held_by_one_process(tmp_path, here):
    (tmp_path / "results").mkdir()
    with (tmp_path / "results/.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ExperimentError, match=r"another process computes runs in .*results; wait for it"):
            begin(tmp_path)
    assert begin(tmp_path).computed == 20


# What makes a record stale --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("population = 3", "population = 4", ["fast/evolution", "slow/evolution"]),
        ("budget = 40.5", "budget = 41", ["slow/evolution", "slow/random"]),
        ("runs = 5", "runs = 5\nseed = 1", EVERYWHERE),
        ("runs = 5", 'runs = 5\nduplicates = "free"', EVERYWHERE),
        ("runs = 5", 'runs = 5\npromotion = "from_scratch"', EVERYWHERE),
        ("runs = 5", "runs = 5\nworkers = 2", EVERYWHERE),
        ('version = "1.0"', 'version = "1.1"', EVERYWHERE),
        ("checkpoints = [0.5, 1.0]", "checkpoints = [0.25, 1.0]", []),
        ("A small comparison", "Another title", []),
        ('strategy = "random_search"', 'strategy = "random_search"\nlabel = "Chance"', []),
        ('strategy = "random_search"', 'strategy = "random_search"\nvariant = "uniform-strings"', []),  # the default
        ('strategy = "random_search"', 'strategy = "random_search"\nruns = 4', []),
    ],
)
def test_change_of_the_protocol_computes_what_it_moves(tmp_path, here, old, new, expected):
    begin(tmp_path)
    before = stamps(tmp_path)
    assert PROTOCOL.count(old) == 1
    outcome = begin(tmp_path, PROTOCOL.replace(old, new))
    assert changed(before, stamps(tmp_path)) == expected
    assert outcome.stale == outcome.computed == 5 * len(expected)


def test_another_table_computes_all_again(tmp_path, here):
    begin(tmp_path)
    before = stamps(tmp_path)
    old = records(tmp_path)
    sealed(tmp_path, full_table(seed=1), "full")
    assert begin(tmp_path).stale == 20
    assert changed(before, stamps(tmp_path)) == EVERYWHERE
    assert records(tmp_path) != old


def test_other_costs_compute_all_again(tmp_path, here):
    begin(tmp_path)
    table = full_table()
    table.dataset("fast").train_seconds[3] += 1.0
    sealed(tmp_path, table, "full")
    assert begin(tmp_path).stale == 20


def test_more_runs_keep_whole_chunks(tmp_path, here):
    begin(tmp_path)
    before = stamps(tmp_path)
    outcome = begin(tmp_path, PROTOCOL.replace("runs = 5", "runs = 7"))
    assert (outcome.kept, outcome.computed) == (16, 12)  # runs 0-3 are kept, run 4 alone is not a chunk of 4 and 5
    after = stamps(tmp_path)
    assert sorted({path.name for path in after}) == [
        "00000-00001.npz",
        "00002-00003.npz",
        "00004-00005.npz",
        "00006-00006.npz",
    ]
    assert [path for path in before if path in after and before[path] != after[path]] == []


def test_fewer_runs_remove_the_others(tmp_path, here):
    begin(tmp_path)
    outcome = begin(tmp_path, PROTOCOL.replace("runs = 5", "runs = 2"))
    assert (outcome.kept, outcome.computed) == (8, 0)
    assert {path.name for path in chunks(tmp_path)} == {"00000-00001.npz"}


def test_leftovers_of_a_killed_worker_are_removed(tmp_path, here):
    begin(tmp_path)
    left = [
        chunks(tmp_path)[0].with_name(".00000-00001.npz.4242.tmp"),
        tmp_path / "results/.experiment.json.4242.tmp",
    ]
    for path in left:
        path.write_bytes(b"half")
    begin(tmp_path)
    assert not any(path.exists() for path in left)


@pytest.mark.parametrize("damage", ["cut", "empty", "zeros", "flipped", "swapped", "folder in its place"])
def test_damaged_chunk_is_computed_again(tmp_path, here, damage):
    begin(tmp_path)
    before = records(tmp_path)
    path, other = chunks(tmp_path)[:2]
    content = path.read_bytes()
    if damage == "swapped":  # a record of other runs of the same entrant, whole and with the right key
        path.write_bytes(other.read_bytes())
    else:
        middle = len(content) // 2
        flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        damaged = {"cut": content[:-100], "empty": b"", "zeros": bytes(len(content)), "flipped": flipped}
        path.write_bytes(damaged.get(damage, b""))
    if damage == "folder in its place":
        path.unlink()
        path.mkdir()
        with pytest.raises(OSError, match="directory"):
            begin(tmp_path)
        return
    outcome = begin(tmp_path)
    assert (outcome.computed, outcome.stale, outcome.kept) == (2, 2, 18)
    assert records(tmp_path) == before


# A strategy of one's own ----------------------------------------------------------------------------------------------


def test_own_strategy_file_enters_and_its_edits_count(tmp_path, here):
    text = with_own(tmp_path)
    assert begin(tmp_path, text).computed == 30
    before = stamps(tmp_path)
    with np.load(tmp_path / "results/runs/fast/own/00000-00001.npz") as chunk:
        first = slice(*chunk["start"][:2])
        assert chunk["architecture"][first].tolist() == list(range(chunk["start"][1]))
        assert (chunk["epochs"] == 4).all()
    with_own(tmp_path, OWN.replace("space.architecture(index)", "space.architecture(space.size - 1 - index)"))
    outcome = begin(tmp_path, text)
    assert (outcome.computed, outcome.stale, outcome.kept) == (10, 10, 20)
    assert changed(before, stamps(tmp_path)) == ["fast/own", "slow/own"]
    with np.load(tmp_path / "results/runs/fast/own/00000-00001.npz") as chunk:
        assert chunk["architecture"][:3].tolist() == [26, 25, 24]


def test_part_that_a_strategy_imports_counts_as_its_code_and_no_other(tmp_path, here):
    text = with_own(tmp_path, OWN + "\n\nif False:\n    import _part\n")
    (tmp_path / "_part.py").write_text("")
    begin(tmp_path, text)
    before = stamps(tmp_path)
    (tmp_path / "_other.py").write_text("")
    begin(tmp_path, text)
    assert changed(before, stamps(tmp_path)) == []
    (tmp_path / "_part.py").write_text("changed = True")
    begin(tmp_path, text)
    assert changed(before, stamps(tmp_path)) == ["fast/own", "slow/own"]


def test_core_code_counts_for_all(tmp_path, here, monkeypatch):
    begin(tmp_path)
    monkeypatch.setattr(nasbench.plan, "CORE", (*nasbench.plan.CORE, "settings.py"))  # as if that had changed
    assert begin(tmp_path).stale == 20


def test_core_names_the_files_that_numbers_come_from():
    folder = Path(nasbench.plan.__file__).parent
    assert all((folder / name).is_file() for name in nasbench.plan.CORE)
    needed = {"space.py", "query.py", "search.py", "table.py", "tabular.py", "record.py", "plan.py", "chunk_worker.py"}
    assert needed <= set(nasbench.plan.CORE)


def test_edit_while_it_runs_is_not_recorded_as_what_it_was(tmp_path, here, monkeypatch):
    text = with_own(tmp_path)
    compute = nasbench.experiment.compute_chunk

    def edits(chunk, *arguments):
        if chunk.first == 2:
            with_own(tmp_path, OWN + "\n# edited\n")
        return compute(chunk, *arguments)

    monkeypatch.setattr(nasbench.experiment, "compute_chunk", edits)
    outcome = begin(tmp_path, text)
    assert outcome.failed.keys() == {"own"}
    assert "source files changed while the experiment ran; run the same command again" in outcome.failed["own"]
    assert {path.name for path in chunks(tmp_path) if path.parent.name == "own"} == {"00000-00001.npz"}
