"""Experiments on small tables: the same bits however they are computed, resumed after any end, nothing computed twice."""

import contextlib
import errno
import fcntl
import json
import os
import resource
import signal
import subprocess
import sys
import time
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest
from small_table import PROTOCOL, full_table, sealed, write_protocol

import nasbench.experiment
import nasbench.plan
import nasbench.record
from nasbench.experiment import ExperimentError, Outcome, carry_out
from nasbench.load import LoadError, load_strategy
from nasbench.plan import run_seed
from nasbench.protocol import find_table, read_protocol
from nasbench.record import trajectory
from nasbench.sealed import open_table
from nasbench.search import run
from nasbench.settings import SettingError
from nasbench.table import TableError
from nasbench.tabular import Scorer, TabularBenchmark

OWN = '''"""Own, 2026."""
import numpy as np
from nasbench.load import Method
from nasbench.query import Query, Search

METHOD = Method(title="Own", paper="Own: a test, 2026", year=2026, mode="table", family="other")


def own(space, rng, epochs, *, step: int = 1) -> Search:
    """Ask for every `step`-th architecture. step: an integer."""
    for index in range(0, space.size, step):
        yield Query(space.architecture(index), epochs[-1])
'''


@pytest.fixture
def here(monkeypatch):
    """Compute in this process, one chunk after the other, so that what is asked for can be counted and broken."""

    class Here:
        def submit(self, function, *arguments):
            future = Future()
            try:
                future.set_result(function(*arguments))
            except Exception as error:
                future.set_exception(error)
            return future

    monkeypatch.setattr(nasbench.experiment, "_pool", lambda workers: contextlib.nullcontext(Here()))
    monkeypatch.setattr(nasbench.plan, "CHUNK", 2)


def begin(folder, text=PROTOCOL, **arguments):
    """Write protocol and table if they are not there, and carry the protocol out."""
    path = folder / "protocol.toml"
    if (folder / "full.h5").exists():
        path.write_text(text)
    else:
        write_protocol(folder, text)
    protocol = read_protocol(path)
    return carry_out(protocol, find_table(protocol, path), folder / "results", **({"workers": 1} | arguments))


def chunks(folder):
    return sorted((folder / "results" / "runs").rglob("*.npz"))


def records(folder):
    """Return all recorded arrays but the measured overhead, as bytes, by file and name."""
    found = {}
    for path in chunks(folder):
        with np.load(path) as chunk:
            for name in chunk.files:
                if name != "overhead":
                    place = (path.relative_to(folder).as_posix(), name)
                    found[place] = (chunk[name].dtype.str, chunk[name].shape, chunk[name].tobytes())
    return found


def stamps(folder):
    return {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in chunks(folder)}


def changed(before, after):
    """Return `dataset/entrant` of the chunks that were written between two `stamps`, each once, sorted."""
    return sorted({"/".join(path.parts[-3:-1]) for path in after if before.get(path) != after[path]})


EVERYWHERE = ["fast/evolution", "fast/random", "slow/evolution", "slow/random"]


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


KILLED = """
import sys
from pathlib import Path
import nasbench.plan
from nasbench.experiment import carry_out
from nasbench.protocol import read_protocol

nasbench.plan.CHUNK = 1
folder = Path(sys.argv[1])
carry_out(read_protocol(folder / "protocol.toml"), folder / "full.h5", folder / "results", workers=2)
"""

LONG = PROTOCOL.replace("budget = 60", "budget = 20_000").replace("budget = 40.5", "budget = 20_000")
"""Runs of some thousand queries each."""


def start(folder, script=KILLED, **options):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", script, str(folder)]
    return subprocess.Popen(command, start_new_session=True, env=environment, stderr=subprocess.PIPE, **options)


def wait_for_chunks(folder, count, process, seconds=60):
    deadline = time.monotonic() + seconds
    while len(chunks(folder)) < count and process.poll() is None:
        assert time.monotonic() < deadline, f"{len(chunks(folder))} of {count} chunks after {seconds} s"
        time.sleep(0.002)


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


def with_own(folder, text=OWN):
    (folder / "own.py").write_text(text)
    return PROTOCOL + f'\n[[entrants]]\nname = "own"\nstrategy = "{folder / "own.py"}"\n'


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


def test_part_that_strategies_share_counts_as_their_code(tmp_path, here):
    text = with_own(tmp_path)
    begin(tmp_path, text)
    before = stamps(tmp_path)
    (tmp_path / "_part.py").write_text("")
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


# Failures -------------------------------------------------------------------------------------------------------------

BROKEN = {
    "value": "raise ValueError('population collapsed')",
    "disk": "raise FileNotFoundError('weights.bin')",  # an OSError that is the entrant's own
    "exits": "raise SystemExit(3)",
    "odd": "raise Odd(1, 2)",
    "wrong": "yield 7",
    "outside": "yield Query((9, 9, 9), 4)",
    "fidelity": "yield Query(space.architecture(0), 3)",
    "late": "yield Query(space.architecture(0), 4); raise KeyError('gone')",
}
"""Last lines of strategies that end badly; `Odd` can't be unpickled, so that it would break a pool."""

SAYS = {
    "value": "fast: ValueError: population collapsed (value.py, line 14)",
    "disk": "fast: FileNotFoundError: weights.bin (disk.py, line 14)",
    "exits": "fast: SystemExit: 3 (exits.py, line 14)",
    "odd": "fast: Odd: 1 and 2 (odd.py, line 14)",
    "wrong": "fast: StrategyError: the strategy yielded 7; it must yield a Query",
    "outside": "fast: SpaceError: architecture (9, 9, 9): operation 9 on edge 0 is not in 0..2",
    "fidelity": "fast: QueryError: 3 epochs are not in the table for fast; it has (1, 2, 4)",
    "late": "fast: KeyError: 'gone' (late.py, line 14)",
}


def broken_strategies(folder):
    text = PROTOCOL
    head = OWN[: OWN.index("def own")].replace("\n\n\n", "\n")
    for name, ending in BROKEN.items():
        odd = "class Odd(Exception):\n    def __init__(self, a, b):\n        super().__init__(f'{a} and {b}')\n\n"
        body = f"{head}{odd}def {name}(space, rng, epochs) -> Search:\n    if False:\n        yield\n    {ending}\n"
        (folder / f"{name}.py").write_text(body)
        text += f'\n[[entrants]]\nname = "{name}"\nstrategy = "{folder / name}.py"\n'
    return text


def test_entrant_that_raises_is_reported_and_the_others_finish(tmp_path, monkeypatch):
    monkeypatch.setattr(nasbench.plan, "CHUNK", 2)
    outcome = begin(tmp_path, broken_strategies(tmp_path), workers=2)
    assert outcome.failed.keys() == BROKEN.keys()
    for name, said in outcome.failed.items():
        line = said.replace("slow:", "fast:").replace("for slow; it has (4,)", "for fast; it has (1, 2, 4)")
        assert line.startswith(SAYS[name]), said
    assert (outcome.computed, outcome.kept) == (20, 0)
    assert {path.parent.name for path in chunks(tmp_path)} == {"random", "evolution"}
    (tmp_path / "whole").mkdir()
    begin(tmp_path / "whole")
    assert records(tmp_path).items() == records(tmp_path / "whole").items()


def test_entrant_that_raised_is_tried_again(tmp_path, here):
    text = with_own(tmp_path, OWN.replace("for index", "raise ValueError('not yet')\n    for index"))
    assert begin(tmp_path, text).failed["own"] in [
        f"{d}: ValueError: not yet (own.py, line 11)" for d in ("fast", "slow")
    ]
    with_own(tmp_path)
    outcome = begin(tmp_path, text)
    assert (outcome.computed, outcome.kept, outcome.failed) == (10, 20, {})


def test_dead_worker_ends_the_experiment_with_advice(tmp_path):
    text = with_own(tmp_path, OWN.replace("    for index", "    import os; os._exit(9)\n    for index"))
    with pytest.raises(ExperimentError, match=r"a worker process died .*fewer --workers"):
        begin(tmp_path, text)


def test_full_disk_ends_with_a_clear_error_and_leaves_nothing_half_written(tmp_path, here, monkeypatch):
    begin(tmp_path, PROTOCOL.replace("runs = 5", "runs = 2"))
    before = stamps(tmp_path)

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    real = os.fsync

    def fsync(descriptor):
        in_runs = "runs" in str(Path(f"/proc/self/fd/{descriptor}").readlink())
        return full(descriptor) if in_runs else real(descriptor)

    monkeypatch.setattr(nasbench.record.os, "fsync", fsync)

    with pytest.raises(OSError, match="No space left on device"):
        begin(tmp_path)
    assert stamps(tmp_path) == before
    assert not list((tmp_path / "results").rglob("*.tmp"))
    monkeypatch.setattr(nasbench.record.os, "fsync", real)
    assert begin(tmp_path).computed == 12


def test_file_size_limit_in_a_real_worker(tmp_path):
    """A limit between the size of experiment.json and that of a chunk: the worker's write fails half-way."""
    write_protocol(tmp_path, LONG)
    limit = 20_000

    def lower():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    process = start(tmp_path, preexec_fn=lower)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.rstrip().endswith(b"OSError: [Errno 27] File too large")
    assert (tmp_path / "results/experiment.json").stat().st_size < limit
    assert chunks(tmp_path) == []
    assert not list((tmp_path / "results").rglob("*.tmp"))


def test_table_that_changes_meanwhile_ends_it(tmp_path, here, monkeypatch):
    compute = nasbench.experiment.compute_chunk

    def swaps(chunk, *arguments):
        if chunk.first == 0:
            sealed(tmp_path, full_table(seed=9), "full")
        return compute(chunk, *arguments)

    monkeypatch.setattr(nasbench.experiment, "compute_chunk", swaps)
    with pytest.raises(ValueError, match=r"table full\.h5 changed while the experiment ran: digest .{12}, expected"):
        begin(tmp_path)
    assert chunks(tmp_path) == []


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        ('"random_search"', '"rnadom_search"', LoadError, "no strategy 'rnadom_search'; there are"),
        ("population = 3", "populaton = 3", SettingError, "unknown setting 'populaton'"),
        ("population = 3", "population = 1979-05-27", SettingError, "population is .*must be an integer"),
        ('dataset = "slow"', 'dataset = "slwo"', TableError, r"no data set 'slwo'; it has \['fast', 'slow'\]"),
        ('dataset = "slow"', 'dataset = "../slow"', TableError, r"no data set '\.\./slow'"),
        ("settings = {", 'variant = "nast"\nsettings = {', LoadError, "no variant 'nast'"),
    ],
)
def test_wrong_entrants_are_refused_before_anything_is_computed(tmp_path, here, old, new, error, message):
    with pytest.raises(error, match=message):
        begin(tmp_path, PROTOCOL.replace(old, new))
    assert not (tmp_path / "results").exists()


def test_infinite_setting_is_refused(tmp_path, here):
    text = with_own(tmp_path, OWN.replace("step: int = 1", "step: float = 1.0"))
    with pytest.raises(SettingError, match="entrant own: setting step is inf, must be finite"):
        begin(tmp_path, text + "settings = { step = inf }\n")


@pytest.mark.parametrize("workers", [0, -1])
def test_workers_from_one(tmp_path, workers):
    with pytest.raises(ValueError, match=f"workers is {workers}, must be at least 1"):
        begin(tmp_path, workers=workers)


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
    assert evolution["settings"] == {"population": 3, "sample": 2, "removal": "oldest"}
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
        monkeypatch.setattr(nasbench.plan, "provenance", lambda: {"nasbench": version, "date": time.time_ns()})

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
