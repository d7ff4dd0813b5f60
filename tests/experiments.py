"""Small experiments for tests: carry one out, look at its records, start one in a process of its own."""

import contextlib
import os
import subprocess
import sys
import time
from concurrent.futures import Future

import numpy as np
import pytest
from small_table import PROTOCOL, write_protocol

import nasbench.experiment
import nasbench.plan
import nasbench.record
from nasbench.experiment import carry_out
from nasbench.protocol import find_table, read_protocol

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


def with_own(folder, text=OWN):
    (folder / "own.py").write_text(text)
    return PROTOCOL + f'\n[[entrants]]\nname = "own"\nstrategy = "{folder / "own.py"}"\n'


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
