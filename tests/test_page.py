"""The report page: what stands in it without JavaScript, its data, and its controls in a real headless browser."""

import base64
import itertools
import json
import re

import numpy as np
import pytest

plotly = pytest.importorskip("plotly")

from page_browser import browser, check_schemes_and_narrow_screen, load, until, value  # noqa: E402, F401 - a fixture

from nasbench.analysis import page, page_data  # noqa: E402
from nasbench.analysis.comparison import compare  # noqa: E402
from nasbench.analysis.overall import overall  # noqa: E402
from nasbench.cli import find_table, main  # noqa: E402
from nasbench.sealed import open_table  # noqa: E402

PROTOCOL = """
name = "page"
version = "1.0"
title = "A <b>title</b> & more"
table = "nas-bench-201"
runs = 6
[[problems]]
dataset = "cifar10"
budget = 40000
[[problems]]
dataset = "cifar100"
budget = 80000
[[entrants]]
name = "random-search"
strategy = "random_search"
label = "Random </script><script>alert(1)</script>"
[[entrants]]
name = "local-search"
strategy = "local_search"
[[entrants]]
name = "evolution"
strategy = "regularized_evolution"
variant = "nats"
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    (folder / "page.toml").write_text(PROTOCOL)
    assert main(["run", str(folder / "page.toml"), "--results", str(folder / "results"), "--workers", "1"]) == 0
    return folder / "results" / "page"


@pytest.fixture(scope="module")
def comparison(made):
    return compare(made)


def text_of(path):
    return path.read_text(encoding="utf-8")


def data_of(text):
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    return json.loads(found[1])


def test_the_report_writes_the_page_and_equal_records_give_equal_bytes(made, comparison, tmp_path):
    text = text_of(made / "report.html")
    drawn = list((made / "figures").iterdir())
    assert text == text_of(page.write_page(comparison, overall(comparison), tmp_path, drawn))
    figures = re.compile(r"<figure>.*?</figure>\n", re.DOTALL)
    assert len(figures.findall(text)) == 2  # ranks and profiles
    words = re.sub(r"<script>.*?</script>", "", figures.sub("", text), flags=re.DOTALL)
    assert not re.search(r"(src|href)=.(https?:)?//", words)  # opens without a network
    assert len(text.encode()) < 7_000_000


def test_names_are_data_and_never_markup(made):
    text = text_of(made / "report.html")
    assert "<b>title</b>" not in text and "alert(1)</script>" not in text
    assert "A &lt;b&gt;title&lt;/b&gt; &amp; more" in text
    assert {entrant["title"] for entrant in data_of(text)["entrants"]} >= {"Random </script><script>alert(1)</script>"}


def test_scores_can_be_read_without_scripts(made, comparison):
    plain = re.sub(r"<script.*?</script>", "", text_of(made / "report.html"), flags=re.DOTALL)
    for entrant in comparison.order:
        mean = 100 * comparison.scores["cifar10", entrant].score[:, -1].mean()
        assert f"{mean:.2f} ± " in plain


def test_curves_and_pairs_are_those_of_the_comparison(made, comparison):
    data = data_of(text_of(made / "report.html"))
    curve = data["curves"]["cifar100"]["entrants"]["evolution"]["seconds"]
    expected = comparison.scores["cifar100", "evolution"].seconds.regret.mean
    np.testing.assert_allclose(
        [np.nan if value is None else value for value in curve["mean"]], 100 * expected, rtol=1e-4
    )
    pairs = data["pairs"]["cifar10"]
    tests, tested = comparison.tests["cifar10"][-1], comparison.tested["cifar10"]
    one, other = pairs["entrants"].index("evolution"), pairs["entrants"].index("random-search")
    assert pairs["a12"][one][other] == pytest.approx(
        tests.a12[tested.index("evolution"), tested.index("random-search")], rel=1e-4
    )


def test_explorer_holds_the_table():
    table = open_table(find_table("nas-bench-201"))
    found = page_data.explorer(table)
    data = table.dataset("cifar10")
    values = np.frombuffer(base64.b64decode(found["datasets"]["cifar10"]["values"]), "<u2").reshape(data.status.shape)
    accuracy = np.where(data.status == 0, data.accuracy("validation")[:, :, 0], np.nan)
    np.testing.assert_allclose(np.where(values == 65535, np.nan, values / 1e4), accuracy, atol=5.1e-5)
    assert found["datasets"]["cifar10"]["best"] == 6111
    rows = np.frombuffer(base64.b64decode(found["rows"]), "<u2")
    cell = table.space.architecture(777)
    assert rows[sum(operation * 5**edge for edge, operation in enumerate(cell))] == table.row(cell)


def test_absent_table_is_said(comparison, tmp_path, monkeypatch):
    monkeypatch.setattr("nasbench.data.__path__", [str(tmp_path)])
    text = text_of(page.write_page(comparison, overall(comparison), tmp_path))
    assert "does not come with the package" in text
    assert data_of(text)["explorer"] is None


# In a browser ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def opened(browser, made):  # noqa: F811
    load(browser, made / "report.html")
    yield browser
    assert browser.get_log("browser") == []


def names(opened):
    return [row.text for row in opened.find_elements("css selector", "#scores tbody:last-of-type th")]


@pytest.mark.slow
def test_leaderboard_sorts(opened):
    before = names(opened)
    heading = opened.find_elements("css selector", "#scores thead button")[0]
    heading.click()
    assert names(opened) == sorted(before)
    heading.click()
    assert names(opened) == sorted(before)[::-1]
    assert heading.find_element("xpath", "..").get_attribute("aria-sort") == "descending"


@pytest.mark.slow
def test_entrants_are_toggled_and_data_sets_chosen(opened):
    lines = "document.getElementById('curves-figure').data.filter(t => t.name).length"
    assert value(opened, lines) == 3
    opened.find_elements("css selector", "#toggles input")[0].click()
    assert value(opened, lines) == 2
    first = value(opened, "document.getElementById('targets-figure').data[0].y.join()")
    opened.find_element("css selector", "#curves-dataset option[value=cifar100]").click()
    until(lambda: value(opened, "document.getElementById('targets-figure').data[0].y.join()") != first)
    opened.find_element("css selector", "#curves-axis option[value=queries]").click()
    assert value(opened, "document.getElementById('curves-figure').layout.xaxis.title.text") == "queries"
    shapes = "document.getElementById('curves-figure').data.filter(t => t.name).map(t => t.line.shape)"
    assert set(value(opened, shapes)) == {"hv"}  # nothing is interpolated between queries
    band = value(opened, "(({x, y}) => [x, y])(document.getElementById('curves-figure').data.find(t => t.fill))")
    corners = list(zip(*band, strict=True))[: len(band[0]) // 2]
    assert all(one[0] == two[0] or one[1] == two[1] for one, two in itertools.pairwise(corners))


@pytest.mark.slow
def test_a_cell_and_its_neighbours(opened):
    table = open_table(find_table("nas-bench-201"))
    field = opened.find_element("id", "cell-text")
    assert field.get_attribute("value") == table.space.format(tuple(table.architectures[6111].tolist()))
    buttons = opened.find_elements("css selector", "#cell-neighbours button")
    assert len(buttons) == 24
    buttons[0].click()
    neighbour = table.space.parse(field.get_attribute("value"))
    best = tuple(table.architectures[6111].tolist())
    assert sum(one != other for one, other in zip(neighbour, best, strict=True)) == 1
    mean = np.nanmean(
        np.where(
            table.dataset("cifar10").status == 0, table.dataset("cifar10").accuracy("validation")[:, :, 0], np.nan
        )[table.row(neighbour)]
    )
    assert f"{100 * mean:.2f} %" in opened.find_element("id", "cell-numbers").text
    field.clear()
    field.send_keys("nonsense\n")
    assert "A cell has 3 nodes" in opened.find_element("id", "cell-message").text


@pytest.mark.slow
def test_colour_schemes_and_narrow_screens(opened):
    check_schemes_and_narrow_screen(opened)
