"""What a result says of its making: true, and nothing about whose machine it was."""

import datetime
import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nasbench
from nasbench import provenance as module
from nasbench.provenance import code_state, files_digest, kernels, processor, provenance


def test_versions_and_hardware():
    made = provenance()
    assert made["nasbench"] == nasbench.__version__
    assert made["python"] == platform.python_version()
    assert made["packages"]["numpy"] == np.__version__
    assert made["packages"]["h5py"] == importlib.metadata.version("h5py")
    assert made["system"] == f"{platform.system()} {platform.machine()}"
    assert made["cores"] == os.cpu_count()
    assert made["processor"]
    assert made["kernels"] == kernels()
    age = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(made["date"])
    assert datetime.timedelta(0) <= age < datetime.timedelta(seconds=60)
    assert json.loads(json.dumps(made, allow_nan=False)) == made


def test_kernels_are_those_that_openblas_is_told_to_take():
    if platform.machine() != "x86_64":
        pytest.skip("kernels are named for x86_64")
    script = "from nasbench.provenance import kernels; print(kernels()['blas'])"
    for name in ("Nehalem", "Sandybridge"):
        environment = os.environ | {"OPENBLAS_CORETYPE": name}
        ran = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment
        )
        assert ran.stdout.strip().lower() == name.lower()


def test_absent_package_is_left_out(monkeypatch):
    monkeypatch.setattr(module, "PACKAGES", ("numpy", "no-such-package-anywhere"))
    assert provenance()["packages"] == {"numpy": np.__version__}


def test_nothing_of_this_machine_or_its_user():
    text = json.dumps(provenance())
    user = os.environ.get("USER", "")
    for secret in (platform.node(), str(Path.home()), str(Path(__file__).resolve().parent.parent), str(Path.cwd())):
        assert len(secret) < 4 or secret not in text
    assert len(user) < 4 or user not in text


def test_torch_is_looked_up_not_imported():
    script = (
        "from nasbench.provenance import provenance; made = provenance(); import sys; print('torch' in sys.modules)"
    )
    assert (
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "False\n"
    )


def test_processor_is_what_the_system_says():
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists() or "model name" not in cpuinfo.read_text():
        pytest.skip("this system does not tell")
    assert processor() in cpuinfo.read_text()


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout of a package of one file, with `nasbench/provenance.py` in it, committed."""
    root = tmp_path / "checkout"
    (root / "nasbench").mkdir(parents=True)
    file = root / "nasbench/provenance.py"
    file.write_text("x = 1\n")

    def git(*arguments):
        identity = ["-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false"]
        command = ["git", "-C", str(root), *identity, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "one")
    monkeypatch.setattr(module, "__file__", str(file))
    return root, git


def test_code_state_of_a_clean_a_changed_and_a_dirty_checkout(checkout):
    root, git = checkout
    commit = git("rev-parse", "HEAD")
    assert code_state() == {"commit": commit, "modified": False}
    (root / "notes.txt").write_text("untracked files change no code")
    assert code_state() == {"commit": commit, "modified": False}
    (root / "nasbench/provenance.py").write_text("x = 2\n")
    assert code_state() == {"commit": commit, "modified": True}
    git("commit", "-q", "-a", "-m", "two")
    assert code_state() == {"commit": git("rev-parse", "HEAD"), "modified": False}
    assert git("rev-parse", "HEAD") != commit


def test_code_state_outside_a_checkout_is_empty(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "__file__", str(tmp_path / "site-packages/nasbench/provenance.py"))
    assert code_state() == {}


def test_code_state_without_git_or_with_a_broken_checkout_is_empty(checkout, monkeypatch):
    root, _ = checkout
    (root / ".git/HEAD").write_text("nonsense")
    assert code_state() == {}
    monkeypatch.setenv("PATH", str(root))
    assert code_state() == {}


def test_digest_of_files_by_hand(tmp_path):
    for name, content in (("b.py", b"two"), ("a.py", b"one\n")):
        (tmp_path / name).write_bytes(content)
    expected = hashlib.sha256(b"a.py 4\none\nb.py 3\ntwo").hexdigest()
    assert files_digest([tmp_path / "b.py", tmp_path / "a.py"]) == expected
    assert files_digest([tmp_path / "a.py", tmp_path / "b.py"]) == expected


def test_digest_of_files_tells_names_contents_and_borders_apart(tmp_path):
    def digest(**files):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_text(content)
        return files_digest(folder.iterdir())

    digests = [digest(a="x", b="y"), digest(a="xy", b=""), digest(a="y", b="x"), digest(a="x", c="y"), digest(a="x")]
    assert len(set(digests)) == 5
    assert digest(a="x", b="y") == digests[0]
