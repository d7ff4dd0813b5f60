"""Experiments in which something fails: entrants, workers, the disk, the table, the protocol."""

import errno
import os
import resource
from pathlib import Path

import experiments
import pytest
from experiments import LONG, OWN, begin, chunks, records, stamps, start, with_own
from small_table import PROTOCOL, full_table, sealed, write_protocol

import nasbench.experiment
import nasbench.plan
import nasbench.record
import nasbench.sealed
from nasbench.experiment import ExperimentError
from nasbench.load import LoadError
from nasbench.settings import SettingError
from nasbench.table import TableError

here = experiments.here


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

    monkeypatch.setattr(nasbench.sealed.os, "fsync", fsync)

    with pytest.raises(OSError, match="No space left on device"):
        begin(tmp_path)
    assert stamps(tmp_path) == before
    assert not list((tmp_path / "results").rglob("*.tmp"))
    monkeypatch.setattr(nasbench.sealed.os, "fsync", real)
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
