"""`nasbench describe`: its numbers are the table's, its text and figures say only what is there, its bytes are always the same."""

import csv
import dataclasses
import io
import json
import math
import re
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from small_table import EPOCHS, PLAIN_SCORES, SPACE, full_table, sealed, small_table

from nasbench.analysis import (
    describe_captions,
    describe_figures,
    describe_numbers,
    describe_page,
    describe_tables,
    describe_text,
    effects,
    style,
)
from nasbench.analysis.describe import write
from nasbench.analysis.description import describe
from nasbench.cli import main
from nasbench.sealed import open_table
from nasbench.space import CellSpace
from nasbench.table import Dataset, Split, Table

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "table-nas-bench-201.md"
OWN_PAGE = ROOT / "docs" / "table.md"


def plain_table(scores, space, epochs=(4,), splits=("validation",)):
    """Return a table with a row for every architecture; `scores` are fractions (rows, repeats), the same at all epochs."""
    scores = np.asarray(scores, dtype=np.float64)
    rows = np.full(len(scores), 1.0)
    data = Dataset(
        name="only",
        epochs=epochs,
        splits={split: Split(None) for split in splits},
        correct={},
        accuracies={split: np.repeat(scores[:, :, None], len(epochs), axis=2) for split in splits},
        losses={},
        status=np.zeros(scores.shape, dtype=np.uint8),
        train_seconds=rows,
        validation_seconds=0 * rows,
        measured_seconds=np.full(scores.shape, np.nan, dtype=np.float32),
        parameters=np.full(len(scores), -1, dtype=np.int64),
        multiply_adds=np.full(len(scores), -1, dtype=np.int64),
    )
    architectures = np.array(list(space), dtype=np.uint8)
    return Table(space, architectures, np.arange(space.size, dtype=np.int32), {"only": data}, {})


@pytest.fixture(scope="module")
def small():
    return describe(small_table())


@pytest.fixture(scope="module")
def full():
    return describe(full_table())


@pytest.fixture(scope="module")
def published():
    return describe(open_table(ROOT / "data" / "nas-bench-201.h5"))


@pytest.fixture(scope="module")
def own():
    return describe(open_table(ROOT / "data" / "cell201-mnist1d.h5"))


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


# Numbers --------------------------------------------------------------------------------------------------------------


def test_scores_are_means_of_answers_on_the_score_split(small):
    plain = small.datasets["plain"]
    assert plain.scores == pytest.approx(PLAIN_SCORES, nan_ok=True)
    assert [each.row for each in plain.best[:4]] == [3, 1, 0, 2]
    assert [each.trainings for each in plain.best[:4]] == [3, 2, 3, 3]
    assert plain.best[0].architecture == SPACE.format((0, 1, 2))
    assert plain.best[0].seed_deviation == pytest.approx(np.std([0.901, 0.911, 0.923], ddof=1))


def test_steps_are_left_out_where_the_table_has_gaps_and_the_reason_is_said(small):
    plain = small.datasets["plain"]
    assert plain.landscape is None
    answered = small.table.row_of_index
    empty = int((answered == 4).sum()) + 1  # row 4 has no training, one architecture has no row
    assert plain.no_landscape == f"{empty} of 27 architectures have no score"
    text = describe_text.document(small)
    assert f"plain: left out, {empty} of 27 architectures have no score." in text
    assert "Local optima" not in text


def test_landscape_is_that_of_the_scores_by_architecture(full):
    for name, found in full.datasets.items():
        data = full.table.dataset(name)
        scores = data.mean_accuracy(data.score_split)
        assert found.landscape.scores == pytest.approx(scores, abs=1e-12)
        assert found.landscape.effects.main == pytest.approx(effects.main_effects(SPACE, scores))
        assert len(found.landscape.singles) == 3
        assert found.landscape.distance.best.tolist() == np.flatnonzero(scores == scores.max()).tolist()


def test_classes_that_share_a_row_share_its_score():
    table = full_table()
    rows = SPACE.class_of.astype(np.int32)
    first = [members[0] for members in SPACE.classes]
    data = {
        name: dataclasses.replace(
            each,
            correct={split: counts[first] for split, counts in each.correct.items()},
            **{
                column: getattr(each, column)[first]
                for column in (
                    "status",
                    "train_seconds",
                    "validation_seconds",
                    "measured_seconds",
                    "parameters",
                    "multiply_adds",
                )
            },
        )
        for name, each in table.datasets.items()
    }
    found = describe(Table(SPACE, table.architectures[first], rows, data, {}))
    near = found.datasets["fast"].landscape
    assert len(found.datasets["fast"].scores) == len(first)
    assert all(len(set(near.scores[list(members)].tolist())) == 1 for members in SPACE.classes)
    assert near.neutrality.same_class <= near.neutrality.equal


def test_equal_counts_over_unequal_numbers_of_trainings_are_equal():
    scores = np.full((27, 3), np.nan)
    scores[:] = [0.7, 0.7, 0.7]
    scores[5] = [0.6, 0.8, 0.7]  # the same mean, another rounding
    near = describe(plain_table(scores, SPACE)).datasets["only"].landscape
    assert np.unique(near.scores).size == 1
    assert near.neutrality.largest == 27


def test_single_trainings_are_judged_by_means():
    rng = np.random.default_rng(0)
    scores = rng.random((27, 2))
    near = describe(plain_table(scores, SPACE)).datasets["only"].landscape
    means = scores.mean(axis=1)
    for repeat, single in enumerate(near.singles):
        neighbours = [[SPACE.index(other) for other in SPACE.neighbours(each)] for each in SPACE]
        ends = []
        for start in range(27):
            cell = start
            while max(scores[neighbours[cell], repeat]) > scores[cell, repeat]:
                cell = neighbours[cell][int(np.argmax(scores[neighbours[cell], repeat]))]
            ends.append(cell)
        assert single.repeat == repeat
        assert single.best.end == pytest.approx(means[ends].mean())
        assert single.best.success == pytest.approx(np.mean([means[end] == means.max() for end in ends]))


def test_fidelities_and_splits_are_there_where_the_table_has_them(full):
    fast, slow = full.datasets["fast"], full.datasets["slow"]
    assert {each.epochs for each in fast.fidelities} == set(EPOCHS)
    assert fast.epoch_matrix.shape == (3, 3) and fast.epoch_matrix.diagonal() == pytest.approx([1, 1, 1])
    assert len(fast.splits) == 3
    assert slow.fidelities == [] and slow.splits == [] and slow.epoch_matrix.size == 0
    assert {(each.source, each.target) for each in full.transfer} == {("fast", "slow"), ("slow", "fast")}


def test_level_with_the_best_counts_by_two_standard_errors():
    rng = np.random.default_rng(1)
    scores = 0.5 + 0.001 * np.arange(27)[:, None] + 0.002 * rng.standard_normal((27, 3))
    found = describe(plain_table(scores, SPACE)).datasets["only"]
    deviation = next(each.seed_deviation for each in found.noise if each.share == 0.1)
    reach = 2 * deviation * math.sqrt(2 / 3)
    assert found.level == int((found.scores >= found.scores.max() - reach).sum())


# Odd tables -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "case", ["equal scores", "one training", "two trainings", "one edge", "one operation", "nothing"]
)
def test_odd_tables_are_described_without_a_complaint(case):
    rng = np.random.default_rng(2)
    table = {
        "equal scores": lambda: plain_table(np.full((27, 3), 0.5), SPACE, (1, 2), ("validation", "test")),
        "one training": lambda: plain_table(rng.random((27, 1)), SPACE, (1, 2), ("validation", "test")),
        "two trainings": lambda: plain_table(rng.random((27, 2)), SPACE),
        "one edge": lambda: plain_table(rng.random((3, 3)), CellSpace("edge", 2, ("none", "a", "b"))),
        "one operation": lambda: plain_table(rng.random((1, 3)), CellSpace("one", 3, ("a",))),
        "nothing": lambda: plain_table(np.full((27, 2), np.nan), SPACE),
    }[case]()
    description = describe(table)
    text = describe_text.document(description, "figures")
    assert not re.search(r"\bnan\b|\binf\b", text)
    json.loads(describe_numbers.to_json(description), parse_constant=pytest.fail)
    assert all("nan" not in csv_text for csv_text in describe_tables.to_csv(description).values())
    with style.styled():
        made = describe_figures.figures(description)
        for figure in made.values():
            FigureCanvasAgg(figure).draw()  # warnings are errors
    assert set(made) == describe_text.drawn(description)


# Text, JSON, CSV ------------------------------------------------------------------------------------------------------


def test_json_says_what_the_description_says(full):
    found = json.loads(describe_numbers.to_json(full))
    assert found["digest"] == full.table.digest
    assert found["architectures"] == 27 and found["rows"] == 27
    fast = found["datasets"]["fast"]
    assert fast["score"] == "mean test accuracy"
    assert fast["mean"] == pytest.approx(full.datasets["fast"].scores.mean())
    assert fast["quantiles"]["0.5"] == pytest.approx(np.median(full.datasets["fast"].scores))
    near = full.datasets["fast"].landscape
    assert fast["landscape"]["walk_autocorrelation"] == pytest.approx(near.walk.tolist())
    assert fast["landscape"]["climbs"][0]["rule"] == "best"
    assert len(fast["landscape"]["single_trainings"]) == 3


def test_json_has_null_where_nothing_is_known(small):
    text = describe_numbers.to_json(small)
    assert "NaN" not in text and "Infinity" not in text
    assert json.loads(text)["datasets"]["plain"]["landscape"].endswith("architectures have no score")


def test_csv_files_hold_everything(full):
    files = {name: rows_of(text) for name, text in describe_tables.to_csv(full).items()}
    assert len(files["cells"]) == 27
    assert float(files["cells"][5]["score_fast"]) == pytest.approx(full.datasets["fast"].scores[5])
    near = full.datasets["fast"].landscape
    variance = [row for row in files["variance"] if row["dataset"] == "fast"]
    assert len(variance) == 7 and sum(float(row["share"]) for row in variance) == pytest.approx(1.0)
    main = [float(row["effect"]) for row in files["main-effects"] if row["dataset"] == "fast"]
    assert main == pytest.approx(near.effects.main.ravel().tolist())
    assert len(files["interactions"]) == 2 * 3 * 9
    replacements = [row for row in files["replacements"] if row["dataset"] == "fast"]
    assert len(replacements) == 2 * 3 * 3 * 2
    assert {row["number"] for row in replacements if row["cells"] == "all"} == {"9"}
    assert sum(
        float(row["basin_best_improvement"]) for row in files["local-optima"] if row["dataset"] == "fast"
    ) == pytest.approx(27 - near.climbs[0].stranded)
    assert [row["steps"] for row in files["walks"] if row["dataset"] == "fast"] == [str(step) for step in range(21)]
    assert {row["epochs"] for row in files["fidelities"]} == {"1", "2", "4"}
    assert len(files["fidelity-matrix"]) == 9


def test_files_that_would_be_empty_are_not_there(small):
    assert not {"walks", "local-optima", "variance"} & set(describe_tables.to_csv(small))


def test_text_says_the_numbers(published):
    text = describe_text.document(published)
    assert "15,625 architectures" in text and "4,930 of them differ in function; 341 have no path" in text
    assert "| CIFAR-10 | validation | 200 | 39,419 | 9.71 |" in text
    assert "91.61" in text
    near = published.datasets["cifar10"].landscape
    assert f"| {near.walk[1]:.3f} | {near.walk[2]:.3f} |" in text
    assert published.table.digest[:16] in text
    assert "What fewer epochs tell" not in text and "Validation and test" not in text


def test_seed_spread_agrees_with_what_the_datasheet_says(published):
    """data/README.md: mean deviation between seeds .297, .491, .541 points, of raw ones; the root of the mean square is above it."""
    for name, mean in (("cifar10", 0.297), ("cifar100", 0.491), ("imagenet16-120", 0.541)):
        every = published.datasets[name].noise[0]
        trainings = published.table.datasets[name].accuracy("validation")[:, :, -1]
        raw = np.nanstd(trainings, axis=1, ddof=1)
        assert 100 * raw.mean() == pytest.approx(mean, abs=0.001)
        assert 100 * np.median(raw) < 100 * every.median_seed_deviation < 100 * every.seed_deviation


# Figures and captions -------------------------------------------------------------------------------------------------


def test_figures_are_those_that_the_text_links_and_each_has_a_caption(full, published):
    for description in (full, published):
        with style.styled():
            made = describe_figures.figures(description)
        assert set(made) == describe_text.drawn(description)
        for name, figure in made.items():
            text = describe_captions.caption(description, name)
            assert text.startswith(describe_captions.TITLES[name])
            assert description.table.digest[:16] in text and "trainings" in text and "numpy" in text
            assert not re.search(r"\{|\}|  ", text)
            assert figure.get_size_inches()[0] <= style.TEXT_WIDTH
    document = describe_text.document(full, "figures")
    assert set(re.findall(r"\(figures/(.*)\.png\)", document)) == describe_text.drawn(full)
    assert set(describe_captions.TITLES) == set(describe_captions.TEXTS)


def test_figures_leave_matplotlibs_settings_alone(full):
    before = dict(mpl.rcParams)
    with style.styled():
        describe_figures.figures(full)
    assert dict(mpl.rcParams) == before


def test_the_same_table_gives_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        write(describe(full_table()), tmp_path / name)
    one, two = (
        {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
        for folder in (tmp_path / "one", tmp_path / "two")
    )
    assert one == two
    assert len(one) > 60


# Command and page -----------------------------------------------------------------------------------------------------


def test_command_prints_text_and_writes_files(tmp_path, capsys):
    path = sealed(tmp_path, full_table(), "mine")
    assert main(["describe", str(path)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("# Full table\n") and "## Local optima" in said and "png" not in said
    assert main(["describe", str(path), "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "description.md").exists()
    assert (tmp_path / "out" / "figures" / "walks.pdf").read_bytes().startswith(b"%PDF")
    assert main(["describe", "no-such-table"]) == 1
    assert "there is no table 'no-such-table'" in capsys.readouterr().err


def test_page_is_filled_between_its_marks_and_nowhere_else(tmp_path, capsys):
    path = sealed(tmp_path, full_table(), "mine")
    page = tmp_path / "page.md"
    page.write_text(
        "# Title\n\n<!-- describe mine: walks -->\nold\n<!-- end -->\n\nBetween.\n\n<!-- describe other: walks -->\nkept\n<!-- end -->\n"
    )
    assert main(["describe", str(path), "--page", str(page)]) == 0
    text = page.read_text()
    assert "old" not in text and "Between." in text and "<!-- describe other: walks -->\nkept\n<!-- end -->" in text
    assert "![Random walks and distances](images/mine-walks.png)" in text
    assert sorted(each.name for each in (tmp_path / "images").iterdir()) == ["mine-distances.png", "mine-walks.png"]
    again = page.read_bytes()
    assert main(["describe", str(path), "--page", str(page)]) == 0
    assert page.read_bytes() == again
    page.write_text("nothing\n")
    assert main(["describe", str(path), "--page", str(page)]) == 1
    assert "no part `<!-- describe mine: SECTION -->`" in capsys.readouterr().err
    page.write_text("<!-- describe mine: weather -->\n<!-- end -->\n")
    assert main(["describe", str(path), "--page", str(page)]) == 1
    assert "unknown sections ['weather']; sections are ['overview', 'best'," in capsys.readouterr().err


@pytest.mark.parametrize(("page", "name"), [(PAGE, "nas-bench-201"), (OWN_PAGE, "cell201-mnist1d")])
def test_page_of_the_documentation_is_in_step_with_its_table(published, own, page, name):
    text, description = page.read_text(encoding="utf-8"), {"nas-bench-201": published, "cell201-mnist1d": own}[name]
    versions = re.compile(r"nasbench-live \S+, numpy \S+, scipy \S+")
    filled, names = describe_page.filled(text, description, name)
    assert versions.sub("", filled) == versions.sub("", text)
    for figure in set(names) & describe_text.drawn(description):
        image = page.parent / "images" / f"{name}-{figure}.png"
        assert image.stat().st_size < 300_000


def test_claims_of_the_documentation_hold(published):
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    cifar10, _, imagenet = published.datasets.values()
    gaps = [100 * (each.known.max() - np.median(each.known)) for each in published.datasets.values()]
    words = "half of all cells are within {:.1f} points of the best on CIFAR-10, {:.1f} on CIFAR-100, {:.1f} on ImageNet16-120"
    assert words.format(*gaps) in text
    for each in published.datasets.values():
        near = each.landscape
        assert near.walk[1] > 0.5 and near.walk[5] < 0.25  # one step keeps more than half, after five little is left
        top = near.scores.max()
        assert all(top - climb.end < 0.01 for climb in near.climbs)  # within a point of the best on average
        assert all(len(near.optima.peaks) < single.peaks for single in each.landscape.singles)  # seeds make optima
        tenth = {proxy.column: proxy.spearman for proxy in each.proxies if proxy.share == 0.1}
        every = {proxy.column: proxy.spearman for proxy in each.proxies if proxy.share == 1.0}
        assert tenth["parameters"] < every["parameters"] - 0.15
        best = [published.table.space.parse(cell.architecture) for cell in each.best[:5]]
        assert all(architecture.count(4) == 0 and sum(x in (2, 3) for x in architecture) >= 4 for architecture in best)
    assert abs(next(p.spearman for p in cifar10.proxies if (p.column, p.share) == ("parameters", 0.1))) < 0.05
    assert imagenet.landscape.climbs[0].success < 0.1 < cifar10.landscape.climbs[0].success
    carried = {(each.source, each.target): each.rank for each in published.carried}
    assert all(rank > 1 for rank in carried.values())  # rarely the best: here never


@pytest.mark.parametrize("page", [PAGE, OWN_PAGE], ids=["published", "own"])
def test_example_of_the_documentation_runs(monkeypatch, capsys, published, own, page):
    code = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    assert len(code) == 1
    monkeypatch.chdir(ROOT)
    exec(code[0], {})
    first = {PAGE: published.datasets["cifar10"], OWN_PAGE: own.datasets["mnist1d"]}[page]
    assert capsys.readouterr().out.startswith(f"{first.noise[1].ratio}\n[1. ")
