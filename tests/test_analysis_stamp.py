"""A report that is up to date is kept; anything that changed makes it again. Bad records are named from end to end."""

import json

import numpy as np
import pytest
from synthetic_records import chunk_arrays, chunk_key, save_chunk, write_walks

from nasbench.analysis import figures, overall_figures, stamp
from nasbench.analysis import report as report_module
from nasbench.analysis.report import report

RATES = {"random_search": 0.0, "local_search": 0.05}


@pytest.fixture
def folder(tmp_path):
    return write_walks(tmp_path / "results", rates=RATES, runs=6, budget=30.0, size=200, chunk=3)


@pytest.fixture
def few_figures(monkeypatch):
    """One figure of each kind: what is tested here is when they are drawn."""
    monkeypatch.setattr(report_module, "FIGURES", {"targets-over-seconds": figures.targets_over_seconds})
    monkeypatch.setattr(report_module, "OVERALL_FIGURES", {"average-ranks": overall_figures.rank_figure})


def contents(files):
    return {path: path.read_bytes() for path in files}


def test_a_second_report_is_kept_and_another_folder_gets_the_same_bytes(folder, tmp_path, few_figures):
    first = report(folder)
    before = {path: path.stat().st_mtime_ns for path in first.files}
    again = report(folder)
    assert not first.kept and again.kept and again.files == first.files
    assert {path: path.stat().st_mtime_ns for path in again.files} == before
    elsewhere = report(folder, tmp_path / "elsewhere")
    assert not elsewhere.kept
    for one, other in zip(first.files, elsewhere.files, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name


@pytest.mark.parametrize("what", ["edited", "deleted", "record", "stray record", "experiment", "stamp", "no stamp"])
def test_whatever_changed_makes_it_again(folder, what, few_figures):
    first = report(folder)
    good = contents(first.files)
    table = folder / "tables" / "comparison.csv"
    if what == "edited":
        table.write_text("better numbers\n")
    elif what == "deleted":
        table.unlink()
    elif what == "record":
        path = folder / "runs/cifar10/local_search/00003-00005.npz"
        path.write_bytes(path.read_bytes()[:-50])
    elif what == "stray record":
        (folder / "runs/cifar10/local_search/notes.txt").write_text("hello")
    elif what == "experiment":
        path = folder / "experiment.json"
        path.write_text(path.read_text().replace("Walks over", "Walks on"))
    elif what == "stamp":
        (folder / stamp.STAMP).write_text("{")
    else:
        (folder / stamp.STAMP).unlink()
    again = report(folder)
    assert not again.kept
    if what in ("edited", "deleted", "stamp", "no stamp"):
        assert contents(again.files) == good
    else:
        assert contents(again.files) != good


def test_another_state_of_the_code_or_of_a_package_makes_it_again(folder, few_figures, monkeypatch):
    report(folder)
    digest = stamp.input_digest(folder)
    monkeypatch.setattr(stamp.nasbench, "__version__", "99")
    assert stamp.input_digest(folder) != digest
    assert stamp.up_to_date(folder, digest) is not None
    assert stamp.up_to_date(folder, stamp.input_digest(folder)) is None


def test_files_that_an_earlier_report_made_and_this_one_does_not_are_removed_and_no_others(folder, few_figures):
    report(folder)
    old, mine = folder / "figures" / "old.png", folder / "figures" / "mine.png"
    for path in (old, mine):
        path.write_bytes(b"picture")
    path = folder / stamp.STAMP
    content = json.loads(path.read_text())
    content["files"]["figures/old.png"] = "0" * 64
    content["files"]["../outside.txt"] = "0" * 64
    path.write_text(json.dumps(content))
    outside = folder.parent / "outside.txt"
    outside.write_text("not ours")
    assert not report(folder).kept
    assert not old.exists() and mine.exists() and outside.exists()
    assert report(folder).kept


def test_missing_mixed_and_killed_records_are_named_in_every_part_of_the_report_and_never_averaged(folder, few_figures):
    runs = folder / "runs/cifar10"
    clean = report(folder, folder.parent / "clean")
    good = clean.comparison.scores["cifar10", "random_search"].score[:3, -1].mean()
    # Random search: runs 3-5 of another table, runs 0-2 stay. Local search: another protocol, and the rest of a killed run.
    optimum = [[(1.0, 0, 0.99, 0.916)]] * 3
    key = chunk_key("random_search", budget=30.0)
    save_chunk(folder, chunk_arrays(optimum, first=3, key=key | {"table_digest": "9" * 64}))
    key = chunk_key("local_search", budget=30.0)
    other = chunk_arrays(optimum, first=0, key=key | {"protocol": "synthetic 2.0"})
    save_chunk(folder, other, entrant="local_search")
    (runs / "local_search/.00003-00005.npz.1234.tmp").write_bytes(b"PK\x03\x04 half a chunk")
    whole = runs / "local_search/00003-00005.npz"
    whole.write_bytes(whole.read_bytes()[:400])
    made = report(folder)
    found = made.comparison
    assert found.scores["cifar10", "random_search"].summary.runs == 3
    assert found.scores["cifar10", "random_search"].score[:, -1].mean() == pytest.approx(good)
    assert ("cifar10", "local_search") not in found.scores  # not a single run of it belongs
    text = (folder / "summary.md").read_text()
    for words in (
        "`runs/cifar10/random_search/00003-00005.npz`: left out: its table digest is '9999999999999999'",
        "`runs/cifar10/random_search`: missing: 3 of 6 runs (3-5)",
        "`runs/cifar10/local_search/00000-00002.npz`: left out: its protocol is 'synthetic 2.0'",
        "`runs/cifar10/local_search/.00003-00005.npz.1234.tmp`: left out: not a chunk of runs",
        "`runs/cifar10/local_search/00003-00005.npz`: left out: can't be read",
        "`runs/cifar10/local_search`: missing: 6 of 6 runs (0-5)",
        "Without Local search",
    ):
        assert words in text, words
    number = len(found.faults)
    assert number == 6 and f"Records missing or left out: {number}" in text
    captions = [path for path in made.files if path.suffix in (".md", ".tex", ".txt") and path.name != "summary.md"]
    assert len(captions) > 8
    for path in captions:
        assert f"Records missing or left out: {number}, named in summary.md." in path.read_text(), path.name
    for path in made.files:  # the optimum of the foreign records has got into no table
        if path.suffix == ".csv":
            assert "local_search" not in path.read_text(), path.name
    assert np.isfinite(found.average["random_search"].mean)
