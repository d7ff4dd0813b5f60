"""The package as others get it: a wheel, installed outside the checkout, run from another folder."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel from a copy of what is tracked, so that nothing untracked gets in and nothing is left behind."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if files.returncode:
        pytest.skip("not a git checkout")
    for name in filter(None, files.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(source)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Install the wheel into a folder of its own and return how to run Python with it before everything else."""
    place = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--target", str(place / "site")]
    subprocess.run([*command, str(wheel)], check=True)
    elsewhere = place / "elsewhere"
    elsewhere.mkdir()
    # Neither the checkout nor the working directory can answer.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment |= {"PYTHONPATH": str(place / "site"), "PYTHONSAFEPATH": "1", "OMP_NUM_THREADS": "1"}

    def python(*arguments):
        command = [sys.executable, *arguments]
        result = subprocess.run(command, cwd=elsewhere, env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        return result.stdout

    python.place = place
    return python


def rows(installed, what):
    return json.loads(installed("-m", "nasbench.cli", "list", what, "--format", "json"))


def test_everything_is_answered_by_the_wheel(installed):
    script = """
import nasbench, nasbench.analysis, nasbench.baselines.strategies, nasbench.protocols, nasbench.data, nasbench.recipes
packages = nasbench.analysis, nasbench.baselines.strategies, nasbench.protocols, nasbench.data, nasbench.recipes
print(*[nasbench.__file__, *[package.__path__[0] for package in packages]], sep="\\n")
"""
    for line in installed("-c", script).splitlines():
        assert Path(line).is_relative_to(installed.place / "site")


def test_no_package_of_a_common_name_is_installed(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"nasbench"}
    assert not [name for name in names if Path(name).name.startswith(("test_", "conftest"))]


def test_methods_protocols_and_tables_are_found(installed):
    files = (ROOT / "baselines/strategies").glob("[a-z]*.py")
    tracked = {path.stem for path in files if tracked_by_git(path)}
    assert {row["strategy"] for row in rows(installed, "strategies")} == tracked
    assert {row["protocol"] for row in rows(installed, "protocols")} >= {"nas-bench-201"}
    tables = [row for row in rows(installed, "tables") if row["table"] == "nas-bench-201"]
    assert {row["data set"] for row in tables} == {"cifar10", "cifar100", "imagenet16-120"}


def tracked_by_git(path):
    command = ["git", "ls-files", "--error-unmatch", str(path)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == 0


def test_a_comparison_runs_and_is_analysed(installed):
    said = installed("-m", "nasbench.cli", "run", "nas-bench-201", "--runs", "2", "--workers", "2")
    assert said.startswith("24 runs computed in ")
    assert "Written:" in said
    results = installed.place / "elsewhere/results/nas-bench-201-2-runs"
    description = json.loads((results / "experiment.json").read_text())
    assert description["provenance"]["code"] == {}  # no checkout here
    assert len(list((results / "runs").rglob("*.npz"))) == 12
    assert len(list(results.rglob("*.pdf"))) >= 1


def test_licence_typing_marker_and_command_are_in_the_wheel(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (entry,) = [name for name in names if name.endswith("entry_points.txt")]
        assert "nasbench = nasbench.cli:main" in archive.read(entry).decode()
        (metadata,) = [name for name in names if name.endswith(".dist-info/METADATA")]
        text = archive.read(metadata).decode()
    assert "nasbench/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert "nasbench/data/nas-bench-201.h5" in names
    assert "\nName: nasbench-live\n" in text
    assert "License-Expression: Apache-2.0" in text
