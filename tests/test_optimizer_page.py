"""The optimizer report's page, profiles by work, study: what stands in it without JavaScript, its data, and its controls in a browser."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from optimizer_tables import HOME, SCORED, STEPS, make_table, optimizer_entry
from page_browser import browser, check_schemes_and_narrow_screen, choose, load, value  # noqa: F401 - a fixture

pytest.importorskip("plotly")

from nasbench.analysis import optimizer_output as output
from nasbench.analysis import optimizer_page, optimizer_report, page, style
from nasbench.analysis.optimizer_comparison import compare_optimizers
from nasbench.analysis.optimizer_page_data import curves, ladder_points, optimizers, profiles, tasks, tuning
from nasbench.analysis.optimizer_study import learned_at_home, study_figure, study_names, study_panels
from nasbench.analysis.optimizer_work import step_cost, work_profile
from nasbench.cli import main
from nasbench.optimizer_seal import seal_optimizers
from nasbench.optimizer_table import open_optimizer_table

ROOT = Path(__file__).resolve().parent.parent
HOSTILE = "Fast </script><script>alert(1)</script> & <b>co</b>"


@pytest.fixture(scope="module")
def comparison():
    changes = {"fast": {"title": HOSTILE}}
    return compare_optimizers(make_table(changes, gradients={"fast": 3}, horizons=(1, 5)))


@pytest.fixture(scope="module")
def written(comparison, tmp_path_factory):
    return optimizer_page.write_page(comparison, tmp_path_factory.mktemp("page"))


def data_of(path):
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', path.read_text("utf-8"), re.DOTALL)
    return json.loads(found[1])


# Profiles by work, costs, study -------------------------------------------------------------------------------------------


def test_work_counts_every_gradient(comparison):
    tuned = comparison.rulesets[0]
    found = work_profile(comparison, tuned)
    fast, adam = (tuned.optimizers.index(name) for name in ("fast", "adam"))
    np.testing.assert_allclose(found.work[fast], 3000 * tuned.times[fast])
    np.testing.assert_allclose(found.work[adam], 1000 * tuned.times[adam])
    assert not found.same
    # In steps `fast` is the first everywhere; three gradients a step make it dearer than Adam.
    assert tuned.score["fast"].value == 1.0
    assert found.score["adam"].value == 1.0
    ratio = 3 * tuned.times[fast][0] / tuned.times[adam][0]
    assert found.score["fast"].value == pytest.approx((4 - ratio) / 3)
    assert found.score["fast"].low <= found.score["fast"].value <= found.score["fast"].high


def test_work_is_steps_where_each_computes_one_gradient():
    comparison = compare_optimizers(make_table())
    tuned = comparison.rulesets[0]
    found = work_profile(comparison, tuned)
    assert found.same
    assert found.score == tuned.score
    assert "the same as by steps" in output.overall_table(comparison, tuned).caption


def test_cost_of_a_step_stands_beside_the_score(comparison):
    cost = step_cost(comparison, "fast", (HOME,))
    assert (cost.milliseconds, cost.times_lightest, cost.gradients) == pytest.approx((4.0, 4.0, 3.0))
    assert step_cost(comparison, "learned", (HOME,)).times_lightest == pytest.approx(6.0)
    table = output.overall_table(comparison, comparison.rulesets[0])
    assert [column.name for column in table.columns][-3:] == ["gradients", "ms", "over SGD's"]
    rows = dict(table.rows)
    assert [entry.value for entry in rows[HOSTILE][-3:]] == pytest.approx([3.0, 4.0, 4.0])


def test_trials_are_averaged_over_the_tasks_that_have_so_many():
    table = output.trials_table(compare_optimizers(make_table()))
    assert [column.name for column in table.columns] == ["1 (4 tasks)", "2 (4 tasks)"]  # of three trials
    rows = dict(table.rows)
    finals = np.exp(-np.array([2.0, 1.0, 2 / 3]))
    assert rows["Adam"][0].value == pytest.approx(finals.mean() / finals[0], rel=1e-5)
    assert rows["Adam"][1].value == pytest.approx((2 * finals[0] + finals[1]) / 3 / finals[0], rel=1e-5)


def test_study_has_the_panels_that_were_run_and_names_the_strongest_other(comparison):
    assert learned_at_home(comparison) == "learned"
    panels = study_panels(comparison)
    assert [(panel.task, panel.horizon) for panel in panels] == [
        (HOME, 1), (HOME, 5), ("digits-sigmoid-40", 1), ("digits-sigmoid-2-layers", 1), ("digits-relu", 1),
    ]  # fmt: skip
    assert study_names(comparison, panels[0]) == (["learned", "sgd", "nesterov", "adam"], "fast")
    with style.styled():
        assert len([axes for axes in study_figure(comparison).axes if axes.axison]) == 5
    both = {**optimizer_entry("learned").trained_on, "tasks": [{"name": HOME}, {"name": "digits-relu"}]}
    assert study_figure(compare_optimizers(make_table({"learned": {"trained_on": both}}))) is None


# Data of the page ----------------------------------------------------------------------------------------------------------


def test_curves_are_those_of_the_table(comparison):
    found = curves(comparison)
    home = found[HOME]["1"]
    assert home["steps"] == STEPS
    assert home["optimizers"]["adam"]["test"]["mean"] == pytest.approx(
        np.exp(-2 * np.array(STEPS) / 100) * 1.01, rel=1e-4
    )
    assert home["optimizers"]["fast"]["work"] == 3000.0
    assert home["optimizers"]["adam"]["seeds"] == len(SCORED)
    assert home["optimizers"]["adam"]["test"]["low"] == pytest.approx(
        np.exp(-2 * np.array(STEPS) / 100), rel=1e-4
    )  # range
    assert found[HOME]["5"]["steps"][-1] == 500
    assert set(found["digits-relu"]) == {"1"}


def test_other_values_of_the_page(comparison):
    shown = {one["name"]: one["shown"] for one in optimizers(comparison)}
    assert shown == {"sgd": False, "heavy-ball": False, "nesterov": True, "adam": True, "fast": True, "learned": True}
    assert tasks(comparison)[HOME]["horizons"] == [1, 5]
    assert tasks(comparison)[HOME]["target_by"] == "Adam"
    assert tuning(comparison)[HOME]["learned"] == pytest.approx([float(np.exp(-3.0)) * 1.005], rel=1e-4)
    assert len(tuning(comparison)[HOME]["adam"]) == 3
    shares = profiles(comparison)["tuned"]
    assert shares["steps"]["fast"][0] == 1.0
    assert shares["work"]["fast"][0] == 0.0
    assert ladder_points([], comparison) == {"points": [], "distances": []}


# The page without scripts --------------------------------------------------------------------------------------------------


def test_equal_tables_give_equal_bytes_and_no_network_is_needed(comparison, written, tmp_path):
    text = written.read_text(encoding="utf-8")
    assert text == optimizer_page.write_page(comparison, tmp_path).read_text(encoding="utf-8")
    words = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    assert not re.search(r"(src|href)=.(https?:)?//", words)


def test_names_are_data_and_never_markup(written):
    text = written.read_text(encoding="utf-8")
    assert "<b>co</b>" not in text
    assert "alert(1)</script>" not in text
    assert HOSTILE in {one["title"] for one in data_of(written)["optimizers"]}


def test_numbers_can_be_read_without_scripts(comparison, written):
    plain = re.sub(r"<script.*?</script>", "", written.read_text(encoding="utf-8"), flags=re.DOTALL)
    for task in comparison.table.tasks:
        assert f"{comparison.scored[task, 'adam'].final.value:.4f} ± " in plain
    assert "never ranked on" in plain
    assert comparison.table.digest in plain
    assert "best setting of sgd on the edge" in plain


@pytest.fixture
def no_figures(monkeypatch):
    """Leave the figures out, which take most of a report's seconds and have tests of their own."""
    monkeypatch.setattr(optimizer_report, "write_figures", lambda comparison, folder: [])


@pytest.mark.usefixtures("no_figures")
def test_report_writes_the_page_or_says_in_one_line_why_not(tmp_path, monkeypatch):
    made = optimizer_report.report(make_table(), tmp_path / "with")
    assert made.files[-1].name == "report.html"
    assert made.no_page == ""
    monkeypatch.setattr(page.importlib.util, "find_spec", lambda name: None if name == "plotly" else object())
    left_out = optimizer_report.report(make_table(), tmp_path / "without")
    assert not (tmp_path / "without" / "report.html").exists()
    assert "Plotly is not installed" in left_out.no_page
    assert "\n" not in left_out.no_page


PROTOCOL = """
kind = "optimizers"
name = "made"
version = "1.0"
title = "Made up"
table = "made.h5"
tuning_seeds = 2
scored_seeds = 3
horizon_seeds = 2
[[tasks]]
name = "digits-sigmoid"
trials = 3
[[entrants]]
name = "adam"
optimizer = "adam"
"""


@pytest.mark.usefixtures("no_figures")
def test_command_names_the_page_and_keeps_it(tmp_path, capsys):
    seal_optimizers(make_table(), tmp_path / "made.h5")
    (tmp_path / "made.toml").write_text(PROTOCOL)
    command = ["run", str(tmp_path / "made.toml"), "--results", str(tmp_path)]
    said = []
    for _ in range(2):
        assert main(command) == 0
        said.append((capsys.readouterr().out, (tmp_path / "made" / "report.html").read_bytes()))
    assert f"{tmp_path / 'made' / 'report.html'}: all of it as one page that opens without a network" in said[0][0]
    assert "files of the report: summary.md" in said[0][0]
    assert "files of the report, up to date: summary.md" in said[1][0]
    assert said[0][1] == said[1][1]


# In a browser ----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    """Return the page of the shipped table."""
    table = open_optimizer_table(ROOT / "data" / "optimizers.h5")
    return optimizer_page.write_page(compare_optimizers(table), tmp_path_factory.mktemp("shipped"))


@pytest.fixture
def opened(browser, shipped):  # noqa: F811 - the fixture
    load(browser, shipped)
    yield browser
    assert browser.get_log("browser") == []


LINES = "document.getElementById('curves-figure').data.filter(t => t.name).map(t => t.name)"


@pytest.mark.slow
def test_task_is_chosen_once_for_all_parts(opened):
    parts = "[...document.querySelectorAll('.task')].filter(part => !part.hidden).map(part => part.dataset.task)"
    assert value(opened, parts) == ["quadratic-gaussian"]
    choose(opened, "curves-task", "digits-relu")
    assert value(opened, parts) == ["digits-relu"]
    assert value(opened, "document.getElementById('tuning-task').value") == "digits-relu"
    assert value(opened, "[...document.getElementById('curves-horizon').options].map(o => o.value)") == ["1"]
    choose(opened, "curves-split", "train")
    assert value(opened, "document.getElementById('curves-figure').layout.yaxis.title.text") == "training loss"
    choose(opened, "tuning-task", "quadratic-uniform")
    assert value(opened, "document.getElementById('curves-split').value") == "test"  # it has one loss
    choose(opened, "curves-horizon", "5")
    assert value(opened, "Math.max(...document.getElementById('curves-figure').data[1].x)") == 500


@pytest.mark.slow
def test_lines_are_toggled_and_axes_chosen(opened):
    first = value(opened, LINES)
    assert "Adam" in first
    assert 5 <= len(first) <= 9
    opened.find_element("css selector", "#toggles input[value=sgd]").click()
    assert set(value(opened, LINES)) == {*first, "SGD"}
    opened.find_element("id", "toggle-none").click()
    assert value(opened, LINES) == []
    opened.find_element("id", "toggle-all").click()
    assert len(value(opened, LINES)) == 25
    choose(opened, "curves-axis", "work")
    assert value(opened, "Math.max(...document.getElementById('curves-figure').data[1].x)") == 100 * 2560
    opened.find_element("id", "curves-log").click()
    assert value(opened, "document.getElementById('curves-figure').layout.yaxis.type") in (None, "linear")


@pytest.mark.slow
def test_leaderboards_sort_and_profiles_and_ladder_are_drawn(opened):
    heading = opened.find_elements("css selector", "#optimizers-tuned thead button")[6]
    heading.click()
    cells = (
        "[...document.querySelectorAll('#optimizers-tuned tbody tr')].map(row => Number(row.cells[6].dataset.value))"
    )
    assert value(opened, cells) == sorted(value(opened, cells))
    names = "document.getElementById('profiles-figure').data.map(t => t.name)"
    assert "Muon" in value(opened, names)
    choose(opened, "profiles-ruleset", "self-tuning")
    assert {"L2L", "L2L (Gaussian quadratics)", "L2L (uniform quadratics)"} <= set(value(opened, names))
    assert "one gradient a step" in opened.find_element("id", "profiles-note").text
    assert value(opened, "document.getElementById('ladder-figure').data.length") == 5
    before = value(opened, "document.getElementById('ladder-figure').data[0].y.join()")
    choose(opened, "ladder-over", "strongest")
    assert value(opened, "document.getElementById('ladder-figure').data[0].y.join()") != before


@pytest.mark.slow
def test_data_behind_the_figures(opened):
    rows = value(opened, "Object.fromEntries(Object.entries(csv).map(([name, make]) => [name, make()[1]]))")
    assert {len(set(map(len, each))) for each in rows.values()} == {1}
    assert rows["ladder"][0][0] == "optimizer"
    assert len(rows["ladder"]) == 1 + 5 * (17 + 3 * 2)  # three tasks have two further horizons
    assert len(rows["leaderboard"]) == 1 + 25
    assert len(rows["curves"]) == 1 + 25 * 101


@pytest.mark.slow
def test_colour_schemes_and_narrow_screens(opened):
    check_schemes_and_narrow_screen(opened)
