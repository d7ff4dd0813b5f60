"""SIGKILL to workers and supervisors at random moments, and polite signals: nothing lost, nothing doubled, same table."""

import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from broken_trainers import tiny_recipe

from nasbench import killtest
from nasbench.build import build
from nasbench.build_folder import read_journals
from nasbench.engine import Effort
from nasbench.rehearsal import REHEARSAL

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.mark.slow
def test_twenty_kills_lose_nothing(tmp_path):
    tally = killtest.kill_test(tmp_path, 20, np.random.default_rng(0), pause=0.4)
    print(tally.to_text())
    assert tally.kills >= 20
    assert tally.workers >= 4 and tally.supervisors >= 4
    assert (tally.lost, tally.doubled) == (0, 0)
    assert len(tally.digests) == tally.builds >= 1 and set(tally.digests) == {tally.expected}
    assert tally.ok


@pytest.mark.slow
@pytest.mark.live
def test_kills_of_real_training_lose_nothing(tmp_path):
    pytest.importorskip("torch")
    tally = killtest.kill_test(tmp_path, 3, np.random.default_rng(3), live=True, pause=3.0)
    print(tally.to_text())
    assert tally.kills >= 3
    assert tally.ok


def test_the_kill_test_would_notice(tmp_path, monkeypatch):
    """Journals that lose records when their worker dies are found out."""
    real = killtest._kill_one

    def kill_and_cut(child, rng, tally):
        real(child, rng, tally)
        child.kill()
        child.wait()
        for path in (tmp_path / "build-0").glob("*.journal"):
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    monkeypatch.setattr(killtest, "_kill_one", kill_and_cut)
    tally = killtest.kill_test(tmp_path, 3, np.random.default_rng(0), pause=1.5)
    assert tally.lost > 0
    assert not tally.ok


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_polite_signal_lets_groups_finish(tmp_path, number):
    """The first signal ends the build between groups: the ones in progress are journalled, and it says that it stopped."""
    program = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        sys.path.insert(0, sys.argv[2])
        from broken_trainers import tiny_recipe
        from nasbench.build import build
        from nasbench.engine import Effort
        from nasbench.rehearsal import REHEARSAL

        def report(progress):
            if progress.done >= 2:
                print("going", flush=True)

        if __name__ == "__main__":
            folder = Path(sys.argv[1])
            found = build(tiny_recipe(), folder, folder / "t.h5", effort=Effort(2), devices=("rehearsal:0.2",),
                          trainer=REHEARSAL, report=report)
            print("stopped", found.stopped, found.table, found.finished, flush=True)
        """
    )
    (tmp_path / "main.py").write_text(program)
    command = [sys.executable, str(tmp_path / "main.py"), str(tmp_path / "b"), str(Path(__file__).parent)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "going\n"
    workers = killtest.worker_processes(child.pid)
    assert len(workers) == 2
    child.send_signal(number)
    for worker in workers:  # Ctrl-C reaches the whole process group
        subprocess.run(["kill", f"-{int(number)}", str(worker)], check=False)
    rest = child.communicate(timeout=60)[0].splitlines()
    assert child.returncode == 0
    assert rest[-1].startswith("stopped True None")
    recipe = tiny_recipe()
    journals = read_journals(tmp_path / "b", recipe)
    finished = int(rest[-1].split()[-1])
    assert sum(len(journal.payloads) for journal in journals) == finished
    assert 4 <= finished < 60  # two were done, and the two in progress were allowed to finish
    again = build(recipe, tmp_path / "b", effort=Effort(2), devices=("rehearsal:0",), trainer=REHEARSAL)
    assert (again.finished, again.trained) == (60, 60 - finished)


def test_a_second_signal_ends_it_at_once(tmp_path):
    before = signal.getsignal(signal.SIGTERM)  # Ray, in another test of this process, leaves one of its own
    stops = []

    def report(progress):
        if progress.running and not stops:
            stops.append(time.monotonic())
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)

    found = build(
        tiny_recipe(), tmp_path / "b", effort=Effort(1), devices=("rehearsal:50",), trainer=REHEARSAL, report=report
    )
    assert found.stopped and found.finished == 0
    assert time.monotonic() - stops[0] < 10
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_first_signal_waits_no_longer_than_the_grace(tmp_path):
    stops = []

    def report(progress):
        if progress.running and not stops:
            stops.append(time.monotonic())
            signal.raise_signal(signal.SIGTERM)

    effort = Effort(1, grace=1.0)
    found = build(
        tiny_recipe(), tmp_path / "b", effort=effort, devices=("rehearsal:50",), trainer=REHEARSAL, report=report
    )
    assert found.stopped
    assert 1.0 <= time.monotonic() - stops[0] < 12
