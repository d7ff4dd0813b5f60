"""Parts of the report page against independent recomputation: landscape, trade-offs, learning curves, the table, what is missing."""

import base64
import importlib.util
import itertools
import re
import shutil

import numpy as np
import pytest

pytest.importorskip("plotly")

from experiments import begin
from small_table import SPACE, sealed, small_table, write_protocol
from test_analysis_pareto import TWO, sized
from test_page import data_of, text_of

from nasbench.analysis import page, page_data, page_landscape, page_pareto, page_table, report
from nasbench.analysis.comparison import compare
from nasbench.analysis.description import describe
from nasbench.analysis.overall import overall
from nasbench.analysis.pareto import compare_sets
from nasbench.run_command import print_report

TABLE = sized()


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A comparison with two objectives on a table with several epochs, the table in its folder."""
    folder = tmp_path_factory.mktemp("parts")
    write_protocol(folder, TWO, TABLE)
    begin(folder, TWO)
    shutil.copy(folder / "full.h5", folder / "results")
    return folder / "results"


@pytest.fixture(scope="module")
def sets(results):
    return compare_sets(compare(results).experiment)


@pytest.fixture(scope="module")
def made(results, sets, tmp_path_factory):
    comparison = compare(results)
    return page.write_page(comparison, overall(comparison), tmp_path_factory.mktemp("made"), sets=sets)


@pytest.fixture(scope="module")
def data(made):
    return data_of(text_of(made))


def scores_of(dataset):
    """Return the mean score of every architecture, in points, in the order of their numbers (the table has all, in order)."""
    one = TABLE.dataset(dataset)
    return 100 * one.accuracy(one.score_split)[:, :, -1].mean(axis=1)


def neighbours(number):
    cell = SPACE.architecture(number)
    return [
        SPACE.index((*cell[:edge], other, *cell[edge + 1 :]))
        for edge in range(3)
        for other in range(3)
        if other != cell[edge]
    ]


# Landscape --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dataset", ["fast", "slow"])
def test_landscape_is_that_of_the_table(data, dataset):
    found, scores = data["landscape"]["datasets"][dataset], scores_of(dataset)
    assert sum(found["share"]) == pytest.approx(100, abs=0.01)
    assert found["bins"][0] == pytest.approx(scores.min(), rel=1e-4)
    assert found["median"] == pytest.approx(np.median(scores), rel=1e-4)
    pairs = np.array([(scores[one], scores[other]) for one in range(27) for other in neighbours(one)])
    assert found["walk"][1] == pytest.approx(np.corrcoef(pairs.T)[0, 1], rel=1e-3)
    peaks = [one for one in range(27) if all(scores[one] > scores[other] for other in neighbours(one))]
    assert set(peaks) <= set(found["optima"]["architecture"])
    below = dict(zip(found["optima"]["architecture"], found["optima"]["below"], strict=True))
    assert [below[one] for one in peaks] == pytest.approx([scores.max() - scores[one] for one in peaks], abs=1e-3)
    assert sum(found["optima"]["best"]) <= 100.01
    cells = np.array(list(SPACE))
    for edge, operation in itertools.product(range(3), range(3)):
        effect = scores[cells[:, edge] == operation].mean() - scores.mean()
        assert found["effects"][edge][operation] == pytest.approx(effect, abs=1e-3)
    distances = found["distances"]
    best = cells[np.flatnonzero(np.isclose(scores, scores.max()))]
    far = (cells[:, None, :] != best).sum(axis=2).min(axis=1)
    assert distances["cells"] == [int((far == one).sum()) for one in distances["distance"]]
    assert distances["quantiles"][-1][3] == pytest.approx(np.median(scores[far == far.max()]), rel=1e-4)


def test_landscape_has_fidelities_where_there_are_epochs(data):
    found = data["landscape"]["datasets"]
    assert [each["share"] for each in found["fast"]["fidelities"]] == ["all", "better half", "top tenth"]
    assert found["fast"]["fidelities"][0]["epochs"] == [1, 2, 4]
    assert found["slow"]["fidelities"] == []


def test_landscape_in_words_and_its_tables_stand_in_the_page(made):
    words = re.sub(r"<script.*?</script>", "", text_of(made), flags=re.DOTALL)
    described = describe(TABLE)
    heads, lines = page_landscape.table(described)
    for line, dataset in zip(lines, ("fast", "slow"), strict=True):
        entries = dict(zip(heads, line, strict=True))
        assert entries["best (%)"] == f"{scores_of(dataset).max():.2f}"
        assert int(entries["local optima"]) == len(described.datasets[dataset].landscape.optima.peaks)
        for entry in line:
            assert entry in words
    assert "nasbench describe full.h5" in words
    assert [heading for heading, _ in page_landscape.sections(described)][:2] == ["What it holds", "Best cells"]
    assert "<h3>Local optima</h3>" in words
    assert words.count("<table") == words.count("</table>")


def test_gaps_in_the_table_are_said_instead_of_a_landscape():
    described = describe(small_table())
    found = page_landscape.landscape(described)["datasets"]["plain"]
    assert "walk" not in found and sum(found["share"]) == pytest.approx(100, abs=0.01)
    assert any("steps from cell to cell are left out" in sentence for sentence in page_landscape.sentences(described))
    assert page_landscape.table(described)[1][0][-1] == "\N{EN DASH}"


# Trade-offs -------------------------------------------------------------------------------------------------------------


def attained_by(finals, size, runs):
    """Return the error in points that at least so many runs attain with at most this size, from the words; None: fewer have any."""
    reached = sorted(min((error for error, own in final if own <= size), default=np.inf) for final in finals)
    return None if np.isinf(reached[runs - 1]) else 100 * reached[runs - 1]


@pytest.mark.parametrize("dataset", ["fast", "slow"])
def test_attained_fronts_are_exact_between_their_steps_too(data, sets, dataset):
    found, rng = data["pareto"]["datasets"][dataset], np.random.default_rng(0)
    x = np.array(found["x"]) * 1e6  # parameters in millions
    front = sets.fronts[dataset]
    assert x[-1] == pytest.approx(front.reference[1], rel=1e-4)
    np.testing.assert_allclose(found["front"]["y"], 100 * front.front[:, 0], rtol=1e-4)
    for entrant in ("random", "evolution"):
        finals = [final.tolist() for final in sets.scores[dataset, entrant].finals]
        assert len(finals) == 4
        for size in rng.uniform(x[0], x[-1], 40):
            place = int(np.searchsorted(x, size, side="right")) - 1
            for level, runs in (("quarter", 1), ("half", 2), ("most", 3)):
                expected = attained_by(finals, size, runs)
                shown = found["attained"][entrant][level][place]
                assert shown == (None if expected is None else pytest.approx(expected, rel=1e-4))
    volume = found["volume"]["random"]
    curve = sets.scores[dataset, "random"].curve
    np.testing.assert_allclose(volume["mean"], 100 * curve.mean, rtol=1e-4)
    assert volume["mean"][-1] == pytest.approx(100 * sets.scores[dataset, "random"].gap[:, -1].mean(), rel=1e-4)


def test_many_sizes_are_thinned_and_the_true_front_kept(sets):
    front, rng = sets.fronts["fast"], np.random.default_rng(1)
    low, high = front.front[:, 1].min(), front.reference[1]

    class Scored:
        finals = tuple(np.column_stack([np.ones(300), rng.uniform(low, high, 300)]) for _ in range(3))

    at = page_pareto.steps(front, {"many": Scored})
    assert len(at) <= page_pareto.MOST_STEPS + 1 and (np.diff(at) > 0).all()
    assert set(front.front[:, 1]) <= set(at) and at[0] == low and at[-1] == high


def test_one_objective_has_no_trade_offs(results, tmp_path):
    comparison = compare(results)
    text = text_of(page.write_page(comparison, overall(comparison), tmp_path))
    assert data_of(text)["pareto"] is None and 'id="tradeoffs"' not in text


# Cells and their curves -------------------------------------------------------------------------------------------------


def unpack(text, *shape):
    return np.frombuffer(base64.b64decode(text), "<u2").reshape(shape) / 1e4


def test_best_cells_have_all_epochs_where_the_others_are_thinned(monkeypatch):
    accuracy = TABLE.dataset("fast").accuracy("test")
    whole = page_data.explorer(TABLE)["datasets"]["fast"]
    assert whole["epochs"] == [1, 2, 4]
    np.testing.assert_allclose(unpack(whole["values"], 27, 3, 3), accuracy, atol=5.1e-5)
    monkeypatch.setattr(page_data, "MOST_BYTES", 0)
    found = page_data.explorer(TABLE)["datasets"]["fast"]
    assert found["epochs"] == [1, 4]  # first and last
    np.testing.assert_allclose(unpack(found["values"], 27, 3, 2), accuracy[:, :, [0, 2]], atol=5.1e-5)
    curves = found["curves"]
    best = np.argsort(-accuracy[:, :, -1].mean(axis=1), kind="stable")[:5]
    assert curves["epochs"] == [1, 2, 4] and curves["rows"] == best.tolist()
    np.testing.assert_allclose(unpack(curves["values"], 5, 3, 3), accuracy[best], atol=5.1e-5)


def test_table_in_the_results_folder_is_shown_and_another_one_is_not(results, made, tmp_path):
    assert data_of(text_of(made))["explorer"]["datasets"].keys() == {"fast", "slow"}
    folder = tmp_path / "results"
    shutil.copytree(results, folder)
    experiment = compare(folder).experiment
    mark = page_table.table_mark(experiment)
    sealed(folder, small_table(), "full")
    assert page_table.table_mark(experiment) not in ("", mark)  # a report is made again
    table, why = page_table.open_answering(experiment)
    assert table is None and "is not the one that answered" in why
    (folder / "full.h5").write_bytes(b"no table")
    assert "could not be opened" in page_table.open_answering(experiment)[1]
    (folder / "full.h5").unlink()
    assert page_table.table_mark(experiment) == ""
    assert "Put full.h5 beside this page" in page_table.open_answering(experiment)[1]


def test_space_that_is_too_large_is_said(results, monkeypatch):
    monkeypatch.setattr(page_table, "LARGEST_SPACE", 26)
    table, why = page_table.open_answering(compare(results).experiment)
    assert table is None and "27 architectures" in why


# What is missing, and what is old ---------------------------------------------------------------------------------------


@pytest.fixture
def plain_report(monkeypatch):
    """No figures: what is tested is the page."""
    monkeypatch.setattr(report, "FIGURES", {})
    monkeypatch.setattr(report, "OVERALL_FIGURES", {})
    monkeypatch.setattr(report, "sets_report", lambda *arguments: [])


def hide(monkeypatch, *names):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name in names else find(name, *rest))


def test_what_is_missing_is_named_with_the_command(monkeypatch):
    assert page.missing() == ""
    hide(monkeypatch, "plotly")
    assert page.missing() == (
        "report.html was left out: Plotly is not installed. To have it: pip install '.[report]' in the checkout"
    )
    hide(monkeypatch, "plotly", "jinja2")
    assert "Plotly and Jinja2 are not installed" in page.missing()


def test_report_without_plotly_says_so_on_the_terminal_and_in_the_summary(
    results, tmp_path, plain_report, monkeypatch, capsys
):
    folder = tmp_path / "results"
    shutil.copytree(results, folder)
    with monkeypatch.context() as without:
        hide(without, "plotly")
        for _ in range(2):  # made, then kept
            print_report(folder)
            assert page.missing() in capsys.readouterr().out.splitlines()
        assert not (folder / "report.html").exists()
        assert page.missing() in (folder / "summary.md").read_text()
        (folder / "report-stamp.json").unlink()  # Plotly's version is part of the stamp
    print_report(folder)
    assert "left out: Plotly" not in capsys.readouterr().out
    assert (folder / "report.html").exists()
    assert "## Left out" not in (folder / "summary.md").read_text()


def test_figures_of_an_earlier_report_are_not_shown(results, tmp_path, plain_report):
    folder = tmp_path / "results"
    shutil.copytree(results, folder)
    (folder / "figures").mkdir()
    (folder / "figures" / "average-ranks-9.svg").write_text("<svg>an earlier report</svg>")
    (folder / "figures" / "pareto-fronts.svg").write_text("<svg>an earlier front</svg>")
    assert "an earlier" not in text_of(report.report(folder).files[-1])
