"""Controls of the report page's parts in a real headless browser: trade-offs, landscape, curves, cells by number, links, downloads."""

import csv
import dataclasses
import io
import json

import numpy as np
import pytest

pytest.importorskip("plotly")

from experiments import begin
from page_browser import browser, choose, downloads, load, narrow_width, traces, until, value  # noqa: F401 - a fixture
from small_table import SPACE, write_protocol
from test_analysis_pareto import TWO
from test_page_parts import TABLE, data_of, made, results, scores_of, sets, text_of  # noqa: F401 - fixtures

from nasbench.analysis import page
from nasbench.analysis.comparison import compare
from nasbench.analysis.overall import overall
from nasbench.analysis.pareto import compare_sets

pytestmark = pytest.mark.slow


@pytest.fixture
def opened(browser, made):  # noqa: F811
    load(browser, made)
    yield browser
    assert browser.get_log("browser") == []


def cell(opened):
    return SPACE.parse(opened.find_element("id", "cell-text").get_attribute("value"))


def ask(opened, text):
    field = opened.find_element("id", "cell-text")
    field.clear()
    field.send_keys(text + "\n")


def said(opened, what):
    return opened.find_element("id", f"cell-{what}").text


def test_a_cell_by_row_by_number_and_by_string(opened):
    scores = scores_of("fast")
    for text in ("14", "row 14", "architecture 14", SPACE.format(SPACE.architecture(14))):
        ask(opened, "3")
        ask(opened, text)
        assert cell(opened) == SPACE.architecture(14)
        assert said(opened, "numbers").startswith("Row 14, architecture 14. Place ")
        assert f"{scores[14]:.2f} % over 3 trainings" in said(opened, "numbers")
        assert said(opened, "message") == ""
    ask(opened, "27")
    assert said(opened, "message") == "Row 27 is outside 0 to 26"
    ask(opened, "architecture 100")
    assert said(opened, "message") == "Architecture 100 is outside 0 to 26"
    ask(opened, "-1")
    assert said(opened, "message") == "Row -1 is outside 0 to 26"


@pytest.mark.parametrize(
    "fragment",
    [
        "#cell=14&data=slow",
        "#cell=architecture%2014&data=slow",
        f"#cell={SPACE.format(SPACE.architecture(14))}&data=slow",
    ],
)
def test_a_link_opens_its_cell(browser, made, fragment):  # noqa: F811
    load(browser, made, fragment)
    assert cell(browser) == SPACE.architecture(14)
    assert value(browser, "document.getElementById('cell-dataset').value") == "slow"
    assert f"{scores_of('slow')[14]:.2f} %" in said(browser, "numbers")
    top = value(browser, "document.getElementById('cell-controls').getBoundingClientRect().top")
    assert 0 <= top < value(browser, "window.innerHeight")
    assert browser.get_log("browser") == []


def test_a_broken_link_is_said(browser, made):  # noqa: F811
    for fragment, message in (
        ("#cell=99", "Row 99 is outside 0 to 26"),
        ("#cell=%E0%A4%A", "The address names no cell"),
    ):
        load(browser, made, fragment)
        assert said(browser, "message").startswith(message)


def test_the_address_follows_the_cell_and_is_followed(opened):
    ask(opened, "5")
    assert value(opened, "location.hash") == "#cell=5&data=fast"
    assert opened.find_element("id", "cell-link").get_attribute("href").endswith("#cell=5&data=fast")
    opened.execute_script("location.hash = '#cell=20&data=slow'")
    until(lambda: cell(opened) == SPACE.architecture(20))
    opened.execute_script("location.hash = '#summary'")
    assert cell(opened) == SPACE.architecture(20)


def test_the_keyboard_walks_from_neighbour_to_neighbour(opened):
    ask(opened, "0")
    opened.find_elements("css selector", "#cell-neighbours button")[2].send_keys("\n")
    one = cell(opened)
    assert sum(a != b for a, b in zip(one, SPACE.architecture(0), strict=True)) == 1
    focused = "[...document.querySelectorAll('#cell-neighbours button')].indexOf(document.activeElement)"
    assert value(opened, focused) == 2  # the buttons are new, the focus stays
    opened.switch_to.active_element.send_keys("\n")
    assert cell(opened) != one
    select = opened.find_elements("css selector", "#cell-edges select")[1]
    select.send_keys("\ue015")  # arrow down
    assert value(opened, "document.activeElement.tagName") == "SELECT"
    reachable = "[...document.querySelectorAll('button, select, input, a[href], summary')].every(e => e.tabIndex >= 0)"
    assert value(opened, reachable)


def test_learning_curves_of_the_best_and_of_a_picked_cell(opened):
    accuracy = 100 * TABLE.dataset("fast").accuracy("test")  # (27, 3, 3)
    best = np.argsort(-accuracy[:, :, -1].mean(axis=1), kind="stable")[:5]
    assert traces(opened, "best-curves") == [f"{place + 1}. row {row}" for place, row in enumerate(best)]
    np.testing.assert_allclose(traces(opened, "best-curves", "t => t.y"), accuracy[best].mean(axis=1), atol=0.006)
    assert value(opened, "document.getElementById('best-curves').data.length") == 5 * (3 + 1)
    ask(opened, "7")
    assert traces(opened, "cell-figure", "t => t.x") == [[1, 2, 4]] * 3
    np.testing.assert_allclose(traces(opened, "cell-figure", "t => t.y"), accuracy[7], atol=0.006)
    choose(opened, "cell-dataset", "slow")  # one epoch: points
    assert value(opened, "document.getElementById('best-curves').hidden")
    assert traces(opened, "cell-figure", "t => t.mode") == ["markers"] * 3


def test_fronts_are_chosen_and_follow_the_entrants(opened, made):  # noqa: F811
    data = data_of(text_of(made))
    found = data["pareto"]["datasets"]["fast"]
    shown = [entrant["title"] for entrant in data["entrants"]]
    assert traces(opened, "pareto-fronts") == [*shown, "true front"]
    by_title = {entrant["title"]: found["attained"][entrant["name"]]["half"] for entrant in data["entrants"]}
    assert traces(opened, "pareto-fronts", "t => t.y")[:2] == [by_title[title] for title in shown]
    choose(opened, "pareto-view", "above")
    for title, above in zip(shown, traces(opened, "pareto-fronts", "t => t.y")[:2], strict=True):
        expected = [
            None if one is None else one - true for one, true in zip(by_title[title], found["true"], strict=True)
        ]
        assert above == [None if one is None else pytest.approx(one, abs=1e-9) for one in expected]
    assert set(traces(opened, "pareto-fronts", "t => t.line.shape")) == {"hv"}
    assert traces(opened, "pareto-volume") == shown
    opened.find_elements("css selector", "#toggles input")[0].send_keys(" ")
    assert traces(opened, "pareto-volume") == shown[1:]
    choose(opened, "pareto-dataset", "slow")
    slow = data["pareto"]["datasets"]["slow"]["volume"][data["entrants"][1]["name"]]
    assert traces(opened, "pareto-volume", "t => t.x")[0] == slow["x"]


def test_views_of_the_landscape(opened, made):  # noqa: F811
    found = data_of(text_of(made))["landscape"]["datasets"]["fast"]
    figure = "document.getElementById('landscape-steps')"
    assert value(opened, f"{figure}.data[0].median") == [each[3] for each in found["distances"]["quantiles"]]
    choose(opened, "landscape-view", "walks")
    assert traces(opened, "landscape-steps", "t => t.y")[0] == found["walk"]
    choose(opened, "landscape-view", "effects")
    assert value(opened, f"{figure}.data[0].z") == found["effects"]
    choose(opened, "landscape-view", "fidelities")
    assert traces(opened, "landscape-steps") == ["all", "better half", "top tenth"]
    assert "Spearman" in opened.find_element("id", "landscape-steps-caption").text
    choose(opened, "landscape-dataset", "slow")
    assert value(opened, f"{figure}.hidden")
    assert "Left out" in opened.find_element("id", "landscape-steps-caption").text
    choose(opened, "landscape-view", "optima")
    assert not value(opened, f"{figure}.hidden")
    optima = data_of(text_of(made))["landscape"]["datasets"]["slow"]["optima"]
    assert traces(opened, "landscape-steps", "t => t.x")[0] == optima["below"]
    expected = [SPACE.format(SPACE.architecture(number)) for number in optima["architecture"]]
    assert traces(opened, "landscape-steps", "t => t.customdata")[0] == expected
    opened.execute_script(f"{figure}.emit('plotly_click', {{points: [{{customdata: {json.dumps(expected[-1])}}}]}})")
    assert cell(opened) == SPACE.parse(expected[-1])


def test_downloads_are_the_numbers_of_the_figures(opened, made):  # noqa: F811
    data = data_of(text_of(made))
    found = {
        name.partition("-")[0]: list(csv.DictReader(io.StringIO(text))) for name, text in downloads(opened).items()
    }
    assert set(found) == {
        *("curves", "targets", "pairs", "fronts", "hypervolume", "scores", "landscape", "curves_of_the_best")
    }
    assert all(rows for rows in found.values())
    volume = data["pareto"]["datasets"]["fast"]["volume"]["evolution"]
    rows = [row for row in found["hypervolume"] if row["entrant"] == "evolution"]
    assert [float(row["missing_hypervolume_percent"]) for row in rows] == volume["mean"]
    best = found["curves_of_the_best"][2]
    accuracy = 100 * TABLE.dataset("fast").accuracy("test")[int(best["row"]), 0, 2]
    assert (best["training"], best["epochs"]) == ("1", "4")
    assert float(best["test_accuracy_percent"]) == pytest.approx(accuracy, abs=0.006)


def test_nothing_can_be_uploaded_and_paper_is_white(opened):
    titles = value(opened, "[...document.querySelectorAll('.modebar-btn')].map(b => b.dataset.title)")
    assert titles and not [title for title in titles if "hare" in title or "loud" in title]
    if not value(opened, "document.documentElement.classList.contains('dark')"):
        opened.find_element("id", "scheme").click()
    ink = "document.getElementById('pareto-volume').layout.font.color"
    assert value(opened, ink) == "#ececf0"
    opened.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    assert value(opened, ink) == "#1d1d1f"
    opened.execute_script("window.dispatchEvent(new Event('afterprint'))")
    assert value(opened, ink) == "#ececf0"


def test_narrow_screens_hold_all_parts(opened):
    assert narrow_width(opened) <= 360
    for view in ("walks", "optima", "effects", "fidelities"):
        choose(opened, "landscape-view", view)
    assert narrow_width(opened, 320) <= 320


def test_without_a_table_and_with_three_objectives_the_rest_works(browser, tmp_path):  # noqa: F811
    table = dataclasses.replace(
        TABLE,
        datasets={
            name: dataclasses.replace(one, multiply_adds=1000 - one.parameters) for name, one in TABLE.datasets.items()
        },
    )
    text = TWO.replace('["parameters"]', '["parameters", "multiply_adds"]')
    write_protocol(tmp_path, text, table)
    begin(tmp_path, text)
    comparison = compare(tmp_path / "results")
    three = compare_sets(comparison.experiment)
    path = page.write_page(comparison, overall(comparison), tmp_path, sets=three)
    load(browser, path, "#cell=3")
    shown = [entrant["title"] for entrant in data_of(text_of(path))["entrants"]]
    assert traces(browser, "pareto-volume") == shown
    assert not value(browser, "document.getElementById('pareto-fronts')")
    assert "Put full.h5 beside this page" in browser.find_element("id", "explorer").text
    assert set(downloads(browser)) >= {"hypervolume-fast.csv", "curves-fast.csv"}
    assert browser.get_log("browser") == []
