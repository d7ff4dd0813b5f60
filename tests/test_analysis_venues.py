"""Figures for a venue: its width and letters, a list where the name is unknown, and the house's style where none is asked for."""

import json
import re
import sys
from importlib import metadata

import matplotlib as mpl
import pytest
from synthetic_records import write_walks

from nasbench.analysis import style, venues
from nasbench.analysis.report import report
from nasbench.cli import main

pytest.importorskip("tueplots")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    rates = {"random_search": 0.0, "local_search": 0.1}
    return write_walks(
        tmp_path_factory.mktemp("records"), rates=rates, datasets=("cifar10", "cifar100"), runs=6, budget=30.0, size=300
    )


@pytest.mark.parametrize(
    ("name", "full", "inches"),  # widths of the text that the style files of the venues set
    [
        ("neurips", "neurips2024", 5.5),
        ("iclr2023", "iclr2023", 5.5),
        ("icml", "icml2024", 6.75),
        ("jmlr", "jmlr2001", 6.0),
        ("cvpr", "cvpr2024", 6.875),
        ("tmlr", "tmlr2023", 6.5),
    ],
)
def test_venues_have_the_width_of_their_pages(name, full, inches):
    found = venues.find_venue(name)
    assert found.name == full and found.width == pytest.approx(inches, abs=0.02)
    with style.styled(found):
        assert style.text_width() == found.width
        assert 6.0 <= style.letters("legend.fontsize") < style.letters("axes.labelsize") <= 10.0
        assert mpl.rcParams["text.usetex"] is False and mpl.rcParams["pdf.fonttype"] == 42
    with style.styled():
        assert style.text_width() == style.TEXT_WIDTH == 5.5 and style.letters("legend.fontsize") == 7.0


def test_every_venue_that_is_listed_can_be_used():
    names = venues.venue_names()
    assert {"neurips2024", "icml2024", "iclr2024", "jmlr2001", "tmlr2023"} <= set(names)
    for name in names:
        with style.styled(venues.find_venue(name)):
            assert 4.0 < style.text_width() < 8.0


def test_an_unknown_venue_is_named_with_the_list(folder, tmp_path, capsys):
    with pytest.raises(venues.VenueError, match=r"no venue 'neurips1987'; known are aaai, .*neurips, .*icml2024"):
        report(folder, tmp_path, venue="neurips1987")
    assert main(["report", str(folder), "--venue", "nowhere"]) == 1
    error = capsys.readouterr().err
    assert "there is no venue 'nowhere'; known are" in error and "iclr2024" in error
    assert not (folder / "summary.md").exists()


def test_without_tueplots_the_command_that_helps_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tueplots.figsizes", None)
    with pytest.raises(venues.VenueError, match=r"not installed: pip install '\.\[report\]' in the checkout"):
        venues.find_venue("icml")


def test_a_report_for_a_venue_has_its_width_and_letters_and_is_kept_apart_from_the_house_s(folder, tmp_path):
    made = report(folder, tmp_path, venue="icml")
    (drawn,) = [path for path in made.files if path.name == "regret-over-seconds.svg"]
    width = float(re.search(r'width="([0-9.]+)pt"', drawn.read_text())[1])
    assert width == pytest.approx(6.75 * 72)
    pdf = drawn.with_suffix(".pdf").read_bytes()
    assert b"STIXGeneral" in pdf and b"DejaVu" not in pdf
    assert report(folder, tmp_path, venue="icml2024").kept
    inputs = json.loads((tmp_path / "report-stamp.json").read_text())["inputs"]
    assert inputs.endswith(f"icml2024 of tueplots {metadata.version('tueplots')}")
    house = report(folder, tmp_path)
    assert not house.kept and b"STIXGeneral" not in drawn.with_suffix(".pdf").read_bytes()
    assert [path.name for path in house.files] == [path.name for path in made.files]
