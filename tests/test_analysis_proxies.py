"""Rankings by proxies: correlations against scipy, what is held fixed, intervals that cover, and the report's files."""

import csv
import dataclasses

import numpy as np
import pytest
import scipy.stats
from small_table import full_table
from test_proxy_table import proxies, string_table

from nasbench.analysis import style
from nasbench.analysis.proxies import (
    correlations_of,
    last_where_unknown,
    rank_proxies,
    repeatability_of,
    within_groups,
)
from nasbench.analysis.proxy_figures import proxy_correlations
from nasbench.analysis.proxy_report import proxy_report, to_markdown
from nasbench.measures import Column, free_column
from nasbench.proxy_table import seal_proxies
from nasbench.sealed import seal
from nasbench.table import TableError


def population(cells=400, seed=0):
    """Scores are size plus half as much of something else; `both` knows both, `other` the rest, `luck` nothing."""
    rng = np.random.default_rng(seed)
    size, rest, noise = rng.standard_normal((3, cells))
    scores = size + 0.5 * rest + 0.1 * noise
    columns = {
        "parameters": free_column(size),
        "both": Column(size + 0.5 * rest, np.full(cells, 0.02)),
        "other": Column(rest, np.full(cells, 0.004)),
        "luck": Column(rng.standard_normal(cells), np.full(cells, 0.001)),
    }
    return columns, scores


def test_correlations_are_scipys():
    columns, scores = population()
    size = columns["parameters"].values
    for name, column in columns.items():
        found = correlations_of(column.values, scores, size)
        best = np.argsort(-scores)[:40]
        assert found[0] == pytest.approx(scipy.stats.spearmanr(column.values, scores).statistic)
        assert found[1] == pytest.approx(scipy.stats.kendalltau(column.values, scores).statistic)
        assert found[2] == pytest.approx(scipy.stats.spearmanr(column.values[best], scores[best]).statistic)
        assert found[3] == pytest.approx(scipy.stats.kendalltau(column.values[best], scores[best]).statistic)
        if name != "parameters":
            assert found[4] == pytest.approx(residual_correlation(column.values, scores, size))
    assert np.isnan(correlations_of(size, scores, size)[4])


def test_within_equal_sizes_a_bent_function_of_size_is_worth_nothing():
    """Score = a bent function of size + noise. A proxy that bends otherwise survives the partial correlation, not this one."""
    rng = np.random.default_rng(2)
    size = rng.integers(0, 28, size=3000).astype(float)
    scores = np.sqrt(size) + 0.3 * rng.standard_normal(3000)
    bent = (size - 9.0) ** 2 + 0.01 * rng.standard_normal(3000)
    knows = 0.3 * rng.standard_normal(3000) + scores
    found = {name: correlations_of(column, scores, size) for name, column in (("bent", bent), ("knows", knows))}
    assert abs(found["bent"][5]) < 0.05 < found["knows"][5]
    assert np.isnan(correlations_of(size, scores, size)[5])  # constant within each group
    # By hand: mean of the groups' own Spearman correlations, all groups being of the same size and without ties.
    groups = np.repeat(np.arange(6.0), 50)
    one, two = rng.standard_normal((2, 300))
    two[groups == 3] += 2 * one[groups == 3]
    each = [scipy.stats.spearmanr(one[groups == g], two[groups == g]).statistic for g in range(6)]
    assert within_groups(one, two, groups) == pytest.approx(np.mean(each))
    assert within_groups(one + 7 * groups, two - 9 * groups, groups) == pytest.approx(np.mean(each))


def test_bent_functions_of_size_survive_the_partial_correlation():
    """Why both are reported: the same columns, a partial correlation far from 0 though only size is known."""
    rng = np.random.default_rng(3)
    size = rng.integers(0, 28, size=3000).astype(float)
    scores = -((size - 20.0) ** 2) + rng.standard_normal(3000)  # best at a middling size
    bent = -((size - 22.0) ** 2) + 0.01 * rng.standard_normal(3000)
    found = correlations_of(bent, scores, size)
    assert found[4] > 0.5 and abs(found[5]) < 0.05


def test_all_but_a_function_of_parameters_has_no_partial_correlation():
    columns, scores = population()
    size = columns["parameters"].values
    nearly = size + 0.001 * np.random.default_rng(0).standard_normal(400)
    assert scipy.stats.spearmanr(nearly, size).statistic > 0.99
    assert np.isnan(correlations_of(nearly, scores, size)[4])
    assert not np.isnan(correlations_of(columns["both"].values, scores, size)[4])


def residual_correlation(first, second, given):
    """Partial correlation the long way: of what a straight line in the ranks of `given` leaves of the other ranks."""
    ranks = [scipy.stats.rankdata(values) for values in (first, second, given)]
    line = np.column_stack([ranks[2], np.ones(len(given))])
    rests = [one - line @ np.linalg.lstsq(line, one, rcond=None)[0] for one in ranks[:2]]
    return np.corrcoef(rests)[0, 1]


def test_what_only_counts_parameters_says_nothing_beyond_them():
    columns, scores = population()
    columns["copy"] = Column(2.0 * columns["parameters"].values + 1.0, np.zeros(400))
    columns["noisy"] = Column(
        columns["parameters"].values + np.random.default_rng(1).standard_normal(400), np.zeros(400)
    )
    found = {one.name: one for one in rank_proxies(columns, scores, np.random.default_rng(0), resamples=200)}
    assert next(iter(found)) == "both" and list(found)[-1] == "luck"
    assert found["both"].partial.value > 0.9 and found["other"].partial.low > 0.5
    assert found["noisy"].spearman.low > 0.4 and abs(found["noisy"].partial.value) < 0.15
    assert found["copy"].above_size == (0.0, 0.0, 0.0) and np.isnan(found["copy"].partial.value)
    assert found["both"].above_size.low > 0 > found["luck"].above_size.high
    assert found["luck"].spearman.low < 0 < found["luck"].spearman.high
    assert found["both"].milliseconds == pytest.approx(20) and found["parameters"].milliseconds == 0


@pytest.mark.slow
def test_intervals_cover_about_as_often_as_they_say():
    """Spearman's correlation of a bivariate normal: 6 / pi asin(rho / 2). 95 % of 80 intervals, give or take chance."""
    truth, hits = 6 / np.pi * np.arcsin(0.6 / 2), 0
    for seed in range(80):
        rng = np.random.default_rng(seed)
        one, other = rng.standard_normal((2, 120))
        columns = {"parameters": free_column(rng.standard_normal(120)), "x": free_column(one)}
        found = {each.name: each for each in rank_proxies(columns, 0.6 * one + 0.8 * other, rng, resamples=120)}
        hits += found["x"].spearman.low <= truth <= found["x"].spearman.high
    assert 68 <= hits <= 80


def test_unknown_values_rank_last_and_unknown_scores_are_left_out():
    assert last_where_unknown(np.array([3.0, np.nan, -5.0])).tolist() == [3.0, -11.0, -5.0]
    assert last_where_unknown(np.array([np.nan, np.nan])).tolist() == [-1.0, -1.0]
    columns, scores = population()
    worst = np.argsort(scores)[:20]
    values = scores.copy()
    values[worst] = np.nan  # not defined exactly where nothing is good
    columns["partly"] = Column(values, np.zeros(400))
    scores[np.argsort(scores)[-50:]] = np.nan
    found = {one.name: one for one in rank_proxies(columns, scores, np.random.default_rng(0), resamples=20)}
    assert found["partly"].undefined == 20 and found["partly"].cells == 350
    assert found["partly"].spearman.value > 0.999


def test_columns_must_fit():
    columns, scores = population()
    with pytest.raises(ValueError, match="'parameters' must be among them"):
        rank_proxies({"both": columns["both"]}, scores, np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"lengths \[399, 400\]"):
        rank_proxies(columns, scores[:-1], np.random.default_rng(0))
    with pytest.raises(ValueError, match="of which 0 scores are known; need 30"):
        rank_proxies(columns, np.full(400, np.nan), np.random.default_rng(0))


def test_same_seed_same_numbers():
    columns, scores = population()
    first, second = (rank_proxies(columns, scores, np.random.default_rng(3), resamples=30) for _ in range(2))
    assert to_markdown(first) == to_markdown(second)


def test_repeatability_is_between_initialisations():
    start = proxies()
    found = repeatability_of(start)
    assert set(found) == {"parameters", "naswot", "zen"}  # all have seconds here
    assert found["naswot"] == pytest.approx(1.0)  # the made-up initialisations differ by a constant
    turned = start.values.copy()
    turned[:, 1, 1] *= -1
    assert repeatability_of(proxies(values=turned))["naswot"] == pytest.approx(-1.0)


def sized_table():
    """A table of every string, each with parameters of its own."""
    table = string_table()
    data = dataclasses.replace(table.datasets["fast"], parameters=np.arange(125, dtype=np.int64) * 7 % 125)
    return dataclasses.replace(table, datasets={"fast": data})


def test_report_of_a_table_with_its_proxies_beside_it(tmp_path):
    seal(sized_table(), tmp_path / "tiny.h5")
    seal_proxies(proxies(), tmp_path / "tiny-proxies.h5")
    files = proxy_report(tmp_path / "tiny.h5", None, tmp_path / "out")
    assert {file.name for file in files} == {
        "proxies.md",
        "proxies.csv",
        *(f"proxy-correlations.{kind}" for kind in ("txt", "png", "svg", "pdf")),
    }
    assert all(file.stat().st_size for file in files)
    with (tmp_path / "out" / "proxies.csv").open() as stream:
        lines = {line["proxy"]: line for line in csv.DictReader(stream)}
    assert set(lines) == {"parameters", "naswot", "zen"}
    table = sized_table()
    scores = table.datasets["fast"].mean_accuracy("test")
    values = 100.0 * table.space.class_of[::-1]  # rows are in reverse order
    assert float(lines["naswot"]["spearman"]) == pytest.approx(scipy.stats.spearmanr(values, scores).statistic)
    assert int(lines["zen"]["undefined"]) == int((table.space.class_of == 3).sum())
    page = (tmp_path / "out" / "proxies.md").read_text()
    assert proxies().digest[:12] in page and table.digest[:12] in page and "n = 125 cells" in page


def test_report_without_proxies_knows_sizes_alone(tmp_path):
    seal(sized_table(), tmp_path / "tiny.h5")
    proxy_report(tmp_path / "tiny.h5", None, tmp_path / "out")
    assert "`parameters`" in (tmp_path / "out" / "proxies.md").read_text()
    seal(full_table(), tmp_path / "full.h5")
    with pytest.raises(TableError, match="does not know the parameters"):
        proxy_report(tmp_path / "full.h5", None, tmp_path / "out")
    with pytest.raises(FileNotFoundError, match="no table of proxies"):
        proxy_report(tmp_path / "tiny.h5", tmp_path / "nowhere.h5", tmp_path / "out")


def test_figure_shows_each_value_with_its_interval():
    columns, scores = population()
    found = rank_proxies(columns, scores, np.random.default_rng(0), resamples=30)
    with style.styled():
        figure = proxy_correlations({"cifar10": found, "cifar100": found})
    assert len(figure.axes) == 6
    for axes, kind in zip(figure.axes[:3], ("spearman", "spearman_best", "partial"), strict=True):
        points = [line for line in axes.lines if line.get_marker() == "o"]
        shown = {float(line.get_ydata()[0]): float(line.get_xdata()[0]) for line in points}
        truth = {3.0 - place: getattr(one, kind).value for place, one in enumerate(found)}
        assert shown == {place: value for place, value in truth.items() if not np.isnan(value)}
        bars = [line.get_xdata() for line in axes.lines if line.get_marker() != "o" and np.ptp(line.get_ydata()) == 0]
        assert len(bars) == len(points)
