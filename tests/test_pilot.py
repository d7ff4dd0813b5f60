"""The pilot of a table: what is computed from its readings, and what the shipped one says."""

from pathlib import Path

import numpy as np
import pytest

from nasbench.analysis import pilot
from nasbench.analysis.style import styled

ROOT = Path(__file__).resolve().parent.parent
HEAD = "study,channels,stages,cells,train,learning_rate,shift,test,class,repeat,epoch,validation_correct,test_correct,core_seconds\n"


def reading(study, cell, repeat, correct, *, channels=8, epoch=16, seconds=""):
    return f"{study},{channels},3,1,2000,0.1,0,100,{cell},{repeat},{epoch},,{correct},{seconds}\n"


@pytest.fixture
def readings(tmp_path):
    """Study 1: cells at 40, 60, 80, 90 correct of 100, seeds 2 apart; study 2: two cells and no spread of seeds."""
    lines = [
        reading(1, cell, repeat, mean + (2 * repeat - 1))
        for cell, mean in enumerate((40, 60, 80, 90))
        for repeat in (0, 1)
    ]
    lines += [reading(1, 0, 0, 99, epoch=4)]  # not the end of the training
    lines += [reading(2, cell, repeat, 50 + cell, channels=16, seconds="1.5") for cell in (0, 1) for repeat in (0, 1)]
    path = tmp_path / "pilot.csv"
    path.write_text(HEAD + "".join(lines))
    return path


def test_numbers_of_a_study_by_hand(readings):
    first, second = pilot.read_pilot(readings, np.random.default_rng(0))
    assert (first.name, second.name) == ("8 channels, 3 stages, 2,000 signals", "16 channels, 3 stages, 2,000 signals")
    assert (first.cells, first.repeats, first.chosen, second.chosen) == (4, 2, False, True)
    assert first.best_error == pytest.approx(0.1)
    assert first.median_error == pytest.approx(0.3)
    # Better half: cells at .8 and .9, each training .01 off: variance within 2e-4, of the means (.1)^2/2 = 5e-3.
    assert first.seed_deviation == pytest.approx(np.sqrt(2e-4))
    assert first.ratio == pytest.approx((5e-3 - 2e-4 / 2) / 2e-4)
    assert np.isnan(first.core_seconds)
    assert second.core_seconds == pytest.approx(1.5)
    assert first.ratio_interval[0] <= first.ratio <= first.ratio_interval[1]


def test_a_study_with_a_hole_is_refused(readings):
    readings.write_text(readings.read_text() + reading(1, 7, 0, 55))
    with pytest.raises(ValueError, match="study 1 lacks trainings"):
        pilot.read_pilot(readings, np.random.default_rng(0))


def test_the_shipped_pilot_is_in_the_documentation():
    """The page of the tables prints what the command prints, and the recipe that was chosen does what was asked."""
    studies = pilot.read_pilot(ROOT / "data" / "cell201-mnist1d-pilot.csv", np.random.default_rng(0))
    assert pilot.markdown(studies) in (ROOT / "data" / "README.md").read_text()
    chosen = studies[-1]
    assert (chosen.name, chosen.cells, chosen.repeats) == ("16 channels, 1 stage", 50, 3)
    assert chosen.best_error > pilot.LEAST_ERROR
    assert chosen.ratio > pilot.LEAST_RATIO


def test_every_study_is_drawn(readings):
    with styled():
        figure = pilot.draw(pilot.read_pilot(readings, np.random.default_rng(0)))
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts] == ["1", "2"]
