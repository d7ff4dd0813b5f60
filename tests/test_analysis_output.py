"""Tables, figures and the report: right numbers in right places, files whole, captions complete, bytes equal."""

import csv
import doctest
import io
import json
import re
import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from synthetic_records import write_chunk, write_experiment, write_walks

from nasbench.analysis import (
    captions,
    chunks,
    figures,
    latex,
    overall,
    page,
    ranks,
    records,
    report,
    stamp,
    style,
    tables,
    wide,
)
from nasbench.analysis.comparison import compare

RATES = {"random_search": 0.0, "regularized_evolution": 0.06, "local_search": 0.05}
DATASETS = ("cifar10", "cifar100")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_walks(tmp_path_factory.mktemp("results"), rates=RATES, datasets=DATASETS, runs=30, chunk=10)


@pytest.fixture(scope="module")
def comparison(folder):
    return compare(folder)


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Fourteen entrants of three families and random search."""
    names = (
        "random_search",
        *[f"{family}-{number}" for family in ("evolution", "model", "local") for number in range(5)][:13],
    )
    return write_walks(
        tmp_path_factory.mktemp("many"), rates={name: 0.02 for name in names}, runs=4, size=50, budget=20.0
    )


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_comparison_table_by_hand(tmp_path):
    write_experiment(tmp_path, entrants=("random_search", "local_search"), runs=3)
    write_chunk(tmp_path, [[(5.0, 0, 0.5, score)] for score in (0.81, 0.82, 0.83)])
    write_chunk(tmp_path, [[(5.0, 0, 0.5, 0.906), (9.0, 0, 0.5, 0.906)]] * 3, entrant="local_search")
    table = tables.comparison_table(compare(tmp_path))
    assert [column.key for column in table.columns] == ["score_percent_cifar10", "mean_regret_points"]
    assert [(name, [entry.value for entry in entries]) for name, entries in table.references] == [
        ("Best in the table", [pytest.approx(91.6), 0.0]),
        ("Random sampling", [pytest.approx(83.3), pytest.approx(8.3)]),
    ]
    (first, local), (second, random) = table.rows
    assert (first, second) == ("Local search", "Random search")
    assert (
        local[0].value == pytest.approx(90.6) and local[0].half_width == pytest.approx(0.0) and local[0].mark == "best"
    )
    assert random[0].value == pytest.approx(82.0) and 0.5 < random[0].half_width <= 1.0
    assert random[0].mark == "level"  # three runs can't tell: p = .1
    assert local[1].value == pytest.approx(1.0) and random[1].value == pytest.approx(9.6)
    asked = tables.queries_table(compare(tmp_path))
    assert [entry.value for entry in asked.rows[0][1]] == [2.0, 1.0, 1.0]
    assert [entry.value for entry in asked.rows[1][1]] == [1.0, 1.0, 0.0]


def test_a_dash_where_some_run_has_no_incumbent(comparison, tmp_path):
    write_experiment(tmp_path, runs=2)
    write_chunk(tmp_path, [[(5.0, 0, 0.5, 0.8)], [(50.0, 0, 0.5, 0.8)]])
    table = tables.checkpoint_table(compare(tmp_path), "cifar10")
    assert f"| Random search | {tables.DASH} | {tables.DASH} | **80.00 ± 0.00** |" in tables.to_markdown(table)
    assert r"Random search & -- & -- & \textbf{80.00} {\scriptsize $\pm$ 0.00} \\" in tables.to_latex(table)
    assert rows_of(tables.to_csv(table))[2]["score_percent_at_0.1"] == ""


def test_markdown_is_a_table(comparison):
    text = tables.to_markdown(tables.comparison_table(comparison))
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + 2 + len(RATES)
    assert {line.count("|") for line in lines} == {5}
    assert sum("**" in line for line in lines) >= 1


def test_latex_is_balanced_and_has_booktabs_rules(comparison):
    for table in (
        tables.comparison_table(comparison),
        tables.queries_table(comparison),
        tables.checkpoint_table(comparison, "cifar100"),
    ):
        text = tables.to_latex(table)
        unescaped = re.sub(r"\\[{}%&$#_]", "", text)
        assert unescaped.count("{") == unescaped.count("}")
        assert unescaped.count("$") % 2 == 0
        body = text[text.index(r"\toprule") : text.index(r"\bottomrule")].splitlines()
        cells = [line for line in body if line.endswith(r"\\") and "multicolumn" not in line]
        assert {len(re.findall(r"(?<!\\)&", line)) for line in cells} == {len(table.columns)}
        assert text.count(r"\midrule") == (2 if table.references else 1)
        assert text.index(r"\toprule") < text.index(r"\midrule") < text.index(r"\bottomrule")
        assert rf"\label{{tab:{table.name}}}" in text
        assert "italic" not in text and ("underlined: not distinguishable" in text) == bool(table.references)
        assert not re.search(r"(?<!\\)%", text.split("\n", 1)[1])


def test_latex_escape():
    assert latex.escape("50 % of a_b & c#1 {x} ~ ^ \\") == (
        r"50 \% of a\_b \& c\#1 \{x\} \textasciitilde{} \textasciicircum{} \textbackslash{}"
    )
    assert latex.escape("1 ± 2, p >= 0.05") == r"1 $\pm$ 2, p $\geq$ 0.05"


def test_csv_holds_all_digits_and_marks(comparison):
    rows = rows_of(tables.to_csv(tables.comparison_table(comparison)))
    by_name = {row["entrant"]: row for row in rows}
    mean = comparison.scores["cifar10", "random_search"].score[:, -1].mean()
    assert float(by_name["Random search"]["score_percent_cifar10"]) == pytest.approx(100 * mean, rel=1e-9)
    assert {row["score_percent_cifar10_mark"] for row in rows} == {"", "best", "level"}


def test_scores_and_wide_csv_hold_the_means(comparison):
    rows = rows_of(wide.scores_csv(comparison))
    assert len(rows) == len(DATASETS) * len(RATES) * 3
    last = [row for row in rows if row["dataset"] == "cifar100" and row["entrant"] == "local_search"][-1]
    found = comparison.scores["cifar100", "local_search"]
    assert float(last["regret"]) == pytest.approx(found.regret[:, -1].mean(), rel=1e-8)
    assert float(last["score"]) + float(last["regret"]) == pytest.approx(0.735)
    assert float(last["score_low"]) < float(last["score"]) < float(last["score_high"])
    assert float(last["queries"]) == pytest.approx(found.queries[:, -1].mean())
    widest = {(row["dataset"], row["entrant"]): row for row in rows_of(wide.wide_csv(comparison))}
    row = widest["cifar100", "local_search"]
    assert float(row["validation_gap"]) == pytest.approx(found.validation_gap[:, -1].mean(), rel=1e-8)
    assert float(row["validation_gap"]) > 0  # the winner's curse of noisy walks
    assert float(row["relative_improvement"]) == pytest.approx((found.score[:, -1].mean() - 0.61) / 0.61, rel=1e-8)
    assert float(row["area_under_curve"]) == pytest.approx(found.area.mean(), rel=1e-8)
    assert float(row["share_of_runs_in_top_0.001"]) == pytest.approx(np.mean(found.score[:, -1] >= 0.733))
    assert float(row["share_of_runs_reaching_1_points"]) == pytest.approx(np.isfinite(found.point_hits[:, 0]).mean())
    assert float(row["overhead_seconds"]) == pytest.approx(0.001)
    assert float(row["probability_of_improvement_over_random_search"]) > 0.8
    assert widest["cifar100", "random_search"]["probability_of_improvement_over_random_search"] == ""
    best = comparison.best("cifar100")
    assert (
        widest["cifar100", best]["mark"] == "best" and float(widest["cifar100", best]["score_minus_best_entrant"]) == 0
    )


def test_other_csv_files(comparison):
    pairs = rows_of(wide.pairs_csv(comparison))
    assert len(pairs) == len(DATASETS) * 3 * 3
    assert all(float(row["mann_whitney_p"]) <= float(row["holm_p"]) <= 1 for row in pairs)
    curve = [row for row in rows_of(wide.curves_csv(comparison, "seconds")) if row["entrant"] == "random_search"]
    assert float(curve[-1]["seconds"]) == 100.0
    assert len(rows_of(wide.finals_csv(comparison))) == len(DATASETS) * len(RATES) * 30
    targets = [row for row in rows_of(wide.targets_csv(comparison)) if row["entrant"] == "random_search"][:31]
    shares = [float(row["share_of_runs"]) for row in targets]
    assert shares == sorted(shares, reverse=True)
    times = [float(row["expected_running_time_seconds"]) for row in targets]
    assert times == sorted(times)


def test_captions_say_bars_n_budget_digest_and_versions(comparison):
    texts = list(captions.figure_captions(comparison).values())
    texts += [tables.comparison_table(comparison).caption, tables.checkpoint_table(comparison, "cifar10").caption]
    for text in texts:
        assert "n = 30 independent runs of each entrant on each data set" in text
        assert "Budget: 100 simulated seconds a run" in text
        assert "digest aaaaaaaaaaaaaaaa" in text and "costs cccccccccccccccc" in text
        assert "synthetic 1.0" in text
        assert "nasbench-live 0.1.0, commit 0123456789, numpy 2.4.6" in text
        assert f"numpy {np.__version__}, scipy" in text
        assert "bootstrap interval" in text or "No error bars" in text or "quartile" in text


def test_captions_say_what_is_particular(tmp_path):
    write_walks(
        tmp_path, rates={"random_search": 0.0, "local_search": 0.1, "neat": 0.02}, runs=6, ended=("local_search",)
    )
    content = json.loads((tmp_path / "experiment.json").read_text())
    content["entrants"]["neat"] |= {"mode": "emulated", "runs": 9}
    content["problems"]["cifar10"] |= {"workers": 4, "epochs": [50, 200]}
    content["protocol"] |= {"duplicates": "free", "charge_overhead": True}
    (tmp_path / "experiment.json").write_text(json.dumps(content))
    text = tables.comparison_table(compare(tmp_path)).caption
    assert "Ended before the budget, last incumbent kept: Local search (6 runs)." in text
    assert "Emulated, without the inheritance of weights that the method has: Neat." in text
    assert "with fewer than 20 the intervals are too short" in text
    assert "4 trainings at the same time, asking again is free, further epochs of a cell cost the difference" in text
    assert "the strategy's own seconds count" in text
    assert "Records missing or left out: 1, named in summary.md." in text


def test_sample_sizes_that_differ_are_said(tmp_path):
    write_experiment(tmp_path, entrants=("random_search", "local_search"), runs=30)
    write_chunk(tmp_path, [[(5.0, 0, 0.5, 0.8)]] * 30)
    write_chunk(tmp_path, [[(5.0, 0, 0.5, 0.9)]] * 25, entrant="local_search")
    assert (
        captions.sample(compare(tmp_path))
        == "Independent runs on each data set: n = 25 (Local search); 30 (Random search)."
    )


def test_budgets_that_differ_are_said(folder, tmp_path):
    content = json.loads((folder / "experiment.json").read_text())
    content["problems"]["cifar100"]["budget"] = 2500.0
    (tmp_path / "experiment.json").write_text(json.dumps(content))
    for entrant in RATES:
        write_chunk(tmp_path, [[(5.0, 0, 0.5, 0.7)]] * 30, entrant=entrant)
    assert captions.budgets(compare(tmp_path)).startswith(
        "Budget: 100 and 2,500 simulated seconds a run (CIFAR-10, CIFAR-100);"
    )


def test_styles_are_fixed_by_name_and_all_different(comparison, many):
    entrants = compare(many).experiment.entrants
    chosen = style.line_styles(entrants)
    assert len(set(chosen.values())) == len(entrants) == 14
    backwards = style.line_styles(dict(reversed(entrants.items())))
    assert all(backwards[name] == chosen[name] for name in entrants)
    assert list(chosen) == list(entrants)
    four = style.line_styles(comparison.experiment.entrants)
    assert four["random_search"] == chosen["random_search"] == style.KNOWN["random_search"]
    assert four["local_search"] == style.KNOWN["local_search"]


def test_entrants_get_a_colour_of_their_own_while_there_is_one(comparison):
    entrant = comparison.experiment.entrants["random_search"]
    seven = {f"method-{number}": records.Entrant(strategy="x", runs=1) for number in range(6)} | {
        "random_search": entrant
    }
    chosen = style.line_styles(seven)
    assert len({each.colour for each in chosen.values()}) == 7
    forty = style.line_styles({f"method-{number}": records.Entrant(strategy="x", runs=1) for number in range(40)})
    assert len(set(forty.values())) == len(style.COLOURS) * len(style.DASHES)


def contrast(colour, other):
    def luminance(name):
        linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in to_rgb(name)]
        return float(np.dot([0.2126, 0.7152, 0.0722], linear))

    bright, dark = sorted([luminance(colour), luminance(other)], reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def test_colours_stand_out_from_white():
    assert all(contrast(colour, "white") > 2.0 for colour in (*style.COLOURS, style.BLACK))
    assert contrast("#F0E442", "white") < 1.5  # the yellow of the palette, left out for that


def test_groups_of_many_entrants(many, comparison):
    groups = figures.groups_of(compare(many))
    shown = [name for _, names in groups for name in names]
    assert set(shown) == set(compare(many).order)
    assert all("random_search" in names and len(names) <= figures.MOST_LINES for _, names in groups)
    assert len(shown) == 13 + len(groups)
    assert figures.groups_of(comparison) == [("", comparison.order)]


def labels_overlap(figure):
    renderer = figure.canvas.get_renderer()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            boxes = [
                tick.label1.get_window_extent(renderer) for tick in axis.get_major_ticks() if tick.label1.get_visible()
            ]
            boxes = [box for box in boxes if box.width > 0]
            if any(one.overlaps(other) for place, one in enumerate(boxes) for other in boxes[:place]):
                return True
    return False


@pytest.mark.parametrize("scale", [1.0, 40.0, 3000.0, 1e6])
def test_tick_labels_never_overlap_and_there_are_some(tmp_path, scale):
    budget = 60.0 * scale
    write_experiment(tmp_path, datasets=("cifar10", "cifar100", "imagenet"), runs=3, budget=budget)
    for dataset in ("cifar10", "cifar100", "imagenet"):
        runs = [[(scale * start, 0, 0.2, 0.2), (30 * scale, 1, 0.3, 0.46)] for start in (1.0, 1.2, 1.4)]
        write_chunk(tmp_path, runs, dataset, budget=budget)
    comparison = compare(tmp_path)
    with style.styled():
        for draw in report.FIGURES.values():
            for plot in draw(comparison):
                style.FigureCanvasAgg(plot.figure)
                plot.figure.draw_without_rendering()
                assert not labels_overlap(plot.figure)
                for axes in plot.figure.axes:
                    low, high = axes.get_xlim()
                    assert sum(low <= tick <= high for tick in axes.get_xticks()) >= 2
                    low, high = axes.get_ylim()
                    assert sum(low <= tick <= high for tick in axes.get_yticks()) >= 2


def test_lines_in_the_figure_are_the_numbers(comparison):
    with style.styled():
        figure = figures.regret_over_seconds(comparison)[0].figure
    axes = figure.axes[0]
    colour = style.KNOWN["local_search"].colour
    line = next(line for line in axes.lines if line.get_color() == colour and len(line.get_xdata()) > 5)
    curve = comparison.scores["cifar10", "local_search"].seconds
    np.testing.assert_allclose(line.get_ydata(), 100 * curve.regret.mean)
    np.testing.assert_allclose(line.get_xdata(), curve.x)
    assert axes.get_xscale() == axes.get_yscale() == "log"
    assert axes.get_title() == "CIFAR-10" and axes.get_ylabel() == "regret (points)"


def test_figures_leave_matplotlib_as_it_was(comparison):
    before = dict(mpl.rcParams)
    with style.styled():
        figures.regret_at_budget(comparison)
        assert mpl.rcParams["pdf.fonttype"] == 42
    assert dict(mpl.rcParams) == before
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


def test_all_runs_at_the_optimum_still_make_figures(tmp_path):
    write_experiment(tmp_path, runs=3)
    write_chunk(tmp_path, [[(1.0, 0, 0.9, 0.916)]] * 3)
    assert report.report(tmp_path).comparison.average["random_search"].mean == 0.0


def test_report_writes_the_same_bytes_twice(folder, tmp_path):
    first, second = (report.report(folder, tmp_path / name) for name in ("one", "two"))
    names = [path.relative_to(tmp_path / "one") for path in first.files]
    assert names == [path.relative_to(tmp_path / "two") for path in second.files]
    kinds = {path.suffix for path in names}
    assert kinds - {".html"} == {".md", ".tex", ".csv", ".txt", ".pdf", ".svg", ".png"}
    assert (".html" in kinds) == (not page.missing())
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
    written = [path for path in (tmp_path / "one").rglob("*") if path.is_file()]
    assert sorted(written) == sorted([*first.files, tmp_path / "one" / stamp.STAMP])
    assert not any(str(tmp_path).encode() in path.read_bytes() for path in written)
    pdf = (tmp_path / "one" / "figures" / "regret-over-seconds.pdf").read_bytes()
    assert pdf.startswith(b"%PDF") and b"/Subtype /Type0" in pdf and b"/Subtype /Type3" not in pdf
    assert b"CreationDate" not in pdf
    svg = (tmp_path / "one" / "figures" / "regret-over-seconds.svg").read_text()
    assert "<dc:date>" not in svg
    width = float(re.search(r'width="([\d.]+)pt"', svg)[1])
    assert width == pytest.approx(72 * style.TEXT_WIDTH)


def test_report_of_many_entrants_has_rows(many, tmp_path):
    made = report.report(many, tmp_path)
    assert (tmp_path / "figures" / "regret-over-seconds.svg") in made.files
    with style.styled():
        plots = figures.regret_over_seconds(made.comparison)
    assert sum(len(plot.figure.axes) for plot in plots) == len(figures.groups_of(made.comparison))


@pytest.mark.parametrize(
    "module", [captions, chunks, figures, overall, ranks, style, tables], ids=lambda module: module.__name__
)
def test_examples_in_docstrings(module):
    assert doctest.testmod(module).failed == 0


def test_the_analysis_loads_neither_torch_nor_the_search(folder):
    code = (
        "import sys, pathlib; from nasbench.analysis.report import report; from nasbench.analysis.summary import summary;"
        f"summary(pathlib.Path({str(folder)!r}));"
        "bad = {'torch', 'nasbench.search', 'nasbench.tabular', 'nasbench.sealed', 'h5py', 'matplotlib.pyplot'};"
        "print(sorted(bad & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "[]"
