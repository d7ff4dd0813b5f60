"""Over all problems: profiles, aggregates, running times and recent accuracy by hand and by simulation; what the report says."""

import csv
import io
import json

import msgspec
import numpy as np
import pytest
from scipy import stats
from synthetic_records import MORE, experiment_file, write_chunk, write_experiment, write_walks

from nasbench.analysis import anytime, overall, overall_figures, profiles, resamples, scores, style, tables
from nasbench.analysis.chunks import read_runs
from nasbench.analysis.comparison import compare
from nasbench.analysis.records import Problem, read_experiment
from nasbench.analysis.summary import summary_markdown


def rng(*key):
    return np.random.default_rng([33, *key])


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture(scope="module")
def eight(tmp_path_factory):
    """Eight problems, on each of which the entrants are in the same order."""
    rates = {"random_search": 0.0, "local_search": 0.05, "regularized_evolution": 0.15}
    folder = tmp_path_factory.mktemp("eight")
    return compare(write_walks(folder, rates=rates, datasets=MORE, runs=12, budget=60.0, size=3000, seed=3))


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    rates = {"random_search": 0.0, "reinforce": 0.03, "regularized_evolution": 0.06}
    folder = tmp_path_factory.mktemp("two")
    return compare(write_walks(folder, rates=rates, datasets=("cifar10", "cifar100"), runs=25, budget=60.0, size=2000))


def test_profile_by_hand():
    strata = [np.array([0.1, 0.2, 0.4, 0.8]), np.array([0.2, 0.2])]
    counts = [resamples.draw(len(each), rng(1)) for each in strata]
    found = profiles.performance_profile(strata, np.array([0.1, 0.2, 0.5, 1.0]), counts)
    np.testing.assert_allclose(found.share, [(0.25 + 0) / 2, (0.5 + 1) / 2, (0.75 + 1) / 2, 1.0])
    assert (found.low <= found.share).all() and (found.share <= found.high).all()
    assert found.low[-1] == found.high[-1] == 1.0
    single = profiles.performance_profile([np.array([0.3])], np.array([0.2, 0.4]), [resamples.draw(1, rng(1))])
    assert single.share.tolist() == [0.0, 1.0] and np.isnan(single.low).all()
    with pytest.raises(ValueError, match="a value for each run"):
        profiles.performance_profile([np.array([np.nan])], np.array([0.5]), [resamples.draw(1, rng(1))])


def test_bands_of_a_profile_cover_93_to_97_per_cent():
    """2,000 simulations of two problems: the share below a threshold whose truth is known, 120 runs each."""
    covered, simulations = 0, 2000
    truth = (0.5 + stats.expon.cdf(0.7)) / 2
    for simulation in range(simulations):
        source = rng(2, simulation)
        strata = [source.uniform(0.2, 1.2, size=120), source.exponential(size=120)]
        counts = [resamples.draw(120, source, resamples=600) for _ in strata]
        found = profiles.performance_profile(strata, np.array([0.7]), counts)
        covered += bool(found.low[0] <= truth <= found.high[0])
    assert 0.93 <= covered / simulations <= 0.97


def test_aggregates_by_hand_and_by_scipy():
    strata = [rng(3).gamma(2.0, size=40), rng(4).gamma(3.0, size=25)]
    found = profiles.aggregate(
        strata, [resamples.summaries(resamples.draw(len(each), rng(5)), each) for each in strata]
    )
    assert found.mean.value == pytest.approx(np.mean([each.mean() for each in strata]), abs=1e-12)
    assert found.median.value == pytest.approx(np.mean([np.median(each) for each in strata]), abs=1e-12)
    trimmed = np.mean([stats.trim_mean(each, 0.25) for each in strata])
    assert found.interquartile_mean.value == pytest.approx(trimmed, abs=1e-12)
    assert all(each.low < each.value < each.high for each in found)


def test_interquartile_mean_with_its_stratified_interval_covers_93_to_97_per_cent():
    """2,000 simulations of two problems, symmetric, so that the truth is the mean."""
    covered, simulations = 0, 2000
    for simulation in range(simulations):
        source = rng(6, simulation)
        strata = [source.normal(1.0, 1.0, size=60), source.normal(3.0, 2.0, size=60)]
        replicates = [resamples.summaries(resamples.draw(60, source, 400), each) for each in strata]
        low, high = profiles.aggregate(strata, replicates).interquartile_mean[1:]
        covered += bool(low <= 2.0 <= high)
    assert 0.93 <= covered / simulations <= 0.97


def test_normalised_regret_is_one_for_random_sampling_and_zero_at_the_optimum():
    problem = read_problem()
    gap = problem.best_score - problem.random_score_mean
    np.testing.assert_allclose(profiles.normalised_regret(np.array([0.0, gap, gap / 4]), problem), [0.0, 1.0, 0.25])


def read_problem(**changes):
    return msgspec.convert(experiment_file()["problems"]["cifar10"] | changes, Problem)


def test_expected_running_times_have_bootstrap_intervals_that_may_be_infinite():
    hits = np.array([[2.0, np.inf], [4.0, np.inf], [np.inf, 9.0], [6.0, np.inf]])
    spent = np.full(4, 10.0)
    times, shares = anytime.running_time_intervals(hits, spent, resamples.draw(4, rng(7), 4000))
    assert times[0].value == (2 + 4 + 10 + 6) / 3 and shares[0].value == 0.75
    assert times[1].value == 39.0 and times[1].high == np.inf and shares[1].low == 0.0
    # Every bootstrap sample, enumerated: 4**4 equally likely ones.
    drawn = np.stack(np.meshgrid(*[np.arange(4)] * 4), axis=-1).reshape(-1, 4)
    used = np.where(np.isfinite(hits[:, 0]), hits[:, 0], spent)[drawn].sum(axis=1)
    successes = np.isfinite(hits[:, 0])[drawn].sum(axis=1)
    every = np.sort(np.divide(used, successes, out=np.full(256, np.inf), where=successes > 0))
    assert times[0].low == pytest.approx(every[int(0.025 * 256)])
    assert times[0].high == pytest.approx(every[int(0.975 * 256)])
    alone, _ = anytime.running_time_intervals(hits[:1], spent[:1], resamples.draw(1, rng(7)))
    assert alone[0].value == 2.0 and np.isnan(alone[0].low)


def test_recent_accuracy_by_hand(two):
    runs, _ = read_runs(two.experiment, "cifar10", "reinforce")
    asked = np.array([10, 17, 30])
    found = scores.recent_accuracy(runs, asked)
    for row, first in enumerate(runs.start[:-1]):
        for column, number in enumerate(asked):
            expected = runs.validation_accuracy[first + number - 10 : first + number].mean()
            assert found[row, column] == pytest.approx(expected, abs=1e-12)
    with pytest.raises(ValueError, match=r"must be in \[10, "):
        scores.recent_accuracy(runs, np.array([9]))


def test_three_ideas_need_all_three_families(two, eight):
    assert anytime.three_ideas(two) == ()  # the walks' family is called otherwise
    for name, entrant in two.experiment.entrants.items():
        assert entrant.family, name


def test_three_ideas_are_drawn_from_the_numbers(tmp_path):
    rates = {"random_search": 0.0, "reinforce": 0.03, "regularized_evolution": 0.06}
    content = experiment_file(entrants=tuple(rates), runs=10, budget=40.0)
    families = {"reinforce": "reinforcement", "regularized_evolution": "evolution", "random_search": "random"}
    entrants = {name: each | {"family": families[name]} for name, each in content["entrants"].items()}
    comparison = compare(walks(tmp_path, rates, entrants))
    assert set(anytime.three_ideas(comparison)) == set(rates)
    with style.styled():
        (plot,) = anytime.three_ideas_figure(comparison)
    upper, lower = plot.figure.axes
    for axes, which in ((upper, "recent"), (lower, "by_queries")):
        lines = {tuple(np.round(line.get_ydata(), 9)) for line in axes.get_lines()}
        for name in rates:
            curve = getattr(comparison.scores["cifar10", name], which)
            assert tuple(np.round(100 * curve.regret.mean, 9)) in lines
    assert "Real et al." in anytime.three_ideas_caption(comparison) and "n = 10" in anytime.three_ideas_caption(
        comparison
    )


def walks(folder, rates, entrants):
    """Write walks whose entrants are declared so."""
    write_walks(folder, rates=rates, runs=10, budget=40.0, size=500)
    path = folder / "experiment.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"entrants": entrants}))
    return folder


def test_few_problems_get_intervals_and_the_reason(two):
    found = overall.overall(two)
    assert found.tests is None and not found.different.any()
    words = "there are 2 problems, and below 6 such a test can't reach 5 %"
    assert words in overall.verdict(two, found)
    assert words in summary_markdown(two) and words in overall.overall_table(two, found).caption
    assert words in overall_figures.overall_captions(two, found)["average-ranks"]
    assert rows_of(overall.rank_pairs_csv(found)) == []
    with style.styled():
        (plot,) = overall_figures.rank_figure(two, found)
    assert [label.get_text() for label in plot.figure.axes[0].get_yticklabels()] == [
        two.experiment.titles[entrant] for entrant in found.entrants
    ]


def test_enough_problems_are_tested_and_drawn(eight):
    found = overall.overall(eight)
    assert found.entrants == ("regularized_evolution", "local_search", "random_search")
    assert found.rank[0] < found.rank[1] < found.rank[2] and found.rank.sum() == pytest.approx(6.0)
    assert found.tests.problems == 8 and found.tests.p_friedman < 0.05
    text = overall.verdict(eight, found)
    pairs = int(np.triu(found.different, 1).sum())
    assert "Friedman test over 8 data sets" in text and f"{pairs} of 3 pairs differ at 0.05" in text
    assert found.different[0, 2]
    rows = rows_of(overall.rank_pairs_csv(found))
    assert len(rows) == 3 and {row["problems"] for row in rows} == {"8"}
    with style.styled():
        (plot,) = overall_figures.rank_figure(eight, found)
    shown = " ".join(text.get_text() for text in plot.figure.axes[0].texts)
    assert all(eight.experiment.titles[entrant] in shown for entrant in found.entrants)


def test_ranks_and_table_agree_with_the_means(eight):
    found = overall.overall(eight)
    means = np.array(
        [[eight.scores[name, entrant].regret[:, -1].mean() for entrant in found.entrants] for name in MORE]
    )
    np.testing.assert_allclose(found.rank, stats.rankdata(means, axis=1).mean(axis=0))
    table = overall.overall_table(eight, found)
    assert [entries[0].value for _, entries in table.rows] == found.rank.tolist()
    rows = rows_of(overall.ranks_csv(found))
    assert float(rows[0]["average_rank_low"]) <= found.rank[0] <= float(rows[0]["average_rank_high"])
    improvement = [
        stats.mannwhitneyu(
            eight.scores[name, "random_search"].regret[:, -1], eight.scores[name, "local_search"].regret[:, -1]
        ).statistic
        / 144
        for name in MORE
    ]
    assert found.improvement["local_search"].value == pytest.approx(np.mean(improvement), abs=1e-10)
    assert "random_search" not in found.improvement and rows[2]["probability_of_improvement_over_random_search"] == ""


def test_an_entrant_that_is_not_on_all_problems_is_left_out_and_named(tmp_path):
    write_experiment(tmp_path, datasets=("cifar10", "cifar100"), entrants=("random_search", "local_search"), runs=2)
    for dataset in ("cifar10", "cifar100"):
        write_chunk(tmp_path, [[(5.0, 0, 0.5, 0.5)]] * 2, dataset=dataset)
    write_chunk(tmp_path, [[(5.0, 0, 0.5, 0.6)]] * 2, entrant="local_search")
    comparison = compare(tmp_path)
    found = overall.overall(comparison)
    assert found.entrants == ("random_search",) and found.left_out == ("local_search",)
    assert "Without Local search: not on all data sets" in overall.verdict(comparison, found)
    assert overall_figures.rank_figure(comparison, found)[0].figure


def test_anytime_table_by_hand(tmp_path):
    write_experiment(tmp_path, runs=2)
    # Best 91.6 %: run 0 is 0.4 points below from second 20 on, run 1 at the optimum from second 50 on.
    write_chunk(tmp_path, [[(5.0, 0, 0.5, 0.8), (20.0, 1, 0.6, 0.912)], [(5.0, 0, 0.5, 0.8), (50.0, 2, 0.6, 0.916)]])
    comparison = compare(tmp_path)
    table = anytime.anytime_table(comparison, "cifar10")
    values = {column.key: entry for column, entry in zip(table.columns, table.rows[0][1], strict=True)}
    assert values["expected_seconds_to_1_points"].value == pytest.approx((20 + 50) / 2)
    assert values["expected_seconds_to_0.1_points"].value == pytest.approx(100 + 50)
    assert values["percent_of_runs_reaching_0.1_points"].value == 50.0
    assert values["percent_of_runs_in_top_0.1_percent"].value == 50.0
    span = np.log(10)
    areas = [(np.log(2) * 11.6 + np.log(5) * 0.4) / span, np.log(5) * 11.6 / span]
    assert values["area_points"].value == pytest.approx(np.mean(areas))
    rows = rows_of(anytime.anytime_csv(comparison))
    assert float(rows[-1]["expected_running_time_seconds"]) == pytest.approx(150.0)
    assert rows[-1]["expected_running_time_seconds_high"] == "inf"
    assert tables.DASH not in tables.to_markdown(table).partition("\n\n")[0]
    assert read_experiment(tmp_path).protocol.name in table.caption
