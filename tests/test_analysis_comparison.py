"""Who is best, who can't be told from it, what the sentences say: on records whose answer is known."""

import io
import json

import numpy as np
import pytest
from rich.console import Console
from synthetic_records import chunk_arrays, chunk_key, save_chunk, write_chunk, write_experiment, write_walks

from nasbench.analysis import pairwise, resamples, statistics
from nasbench.analysis.comparison import compare, generator, summarise
from nasbench.analysis.records import RecordError
from nasbench.analysis.summary import fault_lines, sentences, summary, summary_markdown

ENTRANTS = ("random_search", "good", "level", "slightly_worse")


def known_scores(tmp_path, runs=40):
    """good 0.900, level the same, slightly worse by 0.0005 in every run (significant, too small to name), random 0.880."""
    means = {"random_search": 0.880, "good": 0.900, "level": 0.900, "slightly_worse": 0.8995}
    write_experiment(tmp_path, entrants=ENTRANTS, runs=runs)
    for entrant, mean in means.items():
        offsets = np.linspace(-1e-4, 1e-4, runs)
        write_chunk(tmp_path, [[(5.0, 0, 0.5, mean + offset)] for offset in offsets], entrant=entrant)
    return compare(tmp_path)


def test_best_level_and_worse(tmp_path):
    comparison = known_scores(tmp_path)
    tests = comparison.tests["cifar10"][-1]
    place = comparison.tested["cifar10"].index
    assert tests.p_holm[place("good"), place("slightly_worse")] < 1e-6  # significant, and yet not worth naming
    assert comparison.best("cifar10") == "good"
    assert comparison.not_worse("cifar10") == ("level", "slightly_worse")
    assert comparison.beats("cifar10", "good", "random_search")
    assert not comparison.beats("cifar10", "random_search", "good")
    assert not comparison.beats("cifar10", "good", "slightly_worse")
    assert not comparison.beats("cifar10", "good", "level")
    assert not comparison.beats("cifar10", "good", "absent")
    assert comparison.order == ("good", "level", "slightly_worse", "random_search")
    assert comparison.reference == "random_search"


def test_the_correction_spans_all_pairs_of_the_data_set(tmp_path):
    comparison = known_scores(tmp_path)
    samples = [-comparison.scores["cifar10", entrant].regret[:, -1] for entrant in ENTRANTS]
    expected = pairwise.pairwise_tests(samples)
    np.testing.assert_array_equal(comparison.tests["cifar10"][-1].p_holm, expected.p_holm)
    assert len(comparison.tests["cifar10"]) == 3  # checkpoints .1, .3 and 1


def test_summaries_by_hand(tmp_path):
    write_experiment(tmp_path, runs=4)
    finals = [0.806, 0.816, 0.826, 0.856]  # regrets 0.11, 0.10, 0.09, 0.06
    write_chunk(tmp_path, [[(20.0, 0, 0.5, 0.716), (50.0, 1, 0.6, final)] for final in finals])
    found = compare(tmp_path).scores["cifar10", "random_search"]
    summary_ = found.summary
    np.testing.assert_allclose(summary_.mean, [np.nan, 0.2, 0.09], atol=1e-12)
    np.testing.assert_allclose(summary_.active, [0, 1, 1])
    np.testing.assert_allclose(summary_.median, [np.nan, 0.2, 0.095], atol=1e-12)
    np.testing.assert_allclose(summary_.lower_quartile, [np.nan, 0.2, 0.0825], atol=1e-12)
    np.testing.assert_allclose(summary_.upper_quartile, [np.nan, 0.2, 0.1025], atol=1e-12)
    assert summary_.low[1] == pytest.approx(0.2) and summary_.high[1] == pytest.approx(0.2)
    assert 0.06 <= summary_.low[2] < 0.09 < summary_.high[2] <= 0.11
    assert found.queries.tolist() == [[0, 1, 2]] * 4
    assert found.seconds.x[0] >= 20.0 and found.seconds.x[-1] == 100.0
    assert found.by_queries.x.tolist() == [1, 2]
    np.testing.assert_allclose(found.by_queries.regret.mean, [0.2, 0.09], atol=1e-12)


def test_a_curve_begins_where_every_run_has_an_incumbent(tmp_path):
    write_experiment(tmp_path, runs=2)
    write_chunk(tmp_path, [[(1.0, 0, 0.5, 0.716)], [(40.0, 0, 0.5, 0.816)]])
    comparison = compare(tmp_path)
    found = comparison.scores["cifar10", "random_search"]
    assert found.seconds.x[0] == pytest.approx(40.0, rel=0.04) and found.seconds.x[0] >= 40.0
    np.testing.assert_allclose(found.seconds.regret.mean, 0.15)
    np.testing.assert_allclose(found.summary.active, [0.5, 0.5, 1.0])
    assert np.isnan(found.summary.mean[:2]).all()
    assert comparison.best("cifar10", 0) is None and comparison.not_worse("cifar10", 0) == ()


def test_a_curve_over_queries_ends_with_the_run_that_had_fewest(tmp_path):
    write_experiment(tmp_path, runs=2, entrants=("random_search", "local_search"))
    runs = [[(10.0, 0, 0.5, 0.716), (20.0, 0, 0.6, 0.816), (30.0, 0, 0.7, 0.866)], [(10.0, 0, 0.5, 0.716)]]
    write_chunk(tmp_path, runs)
    write_chunk(tmp_path, runs, entrant="local_search", ended=[0, 1])
    comparison = compare(tmp_path)
    assert comparison.scores["cifar10", "random_search"].by_queries.x.tolist() == [1]
    held = comparison.scores["cifar10", "local_search"]  # the second run ended by itself and keeps its incumbent
    assert held.by_queries.x.tolist() == [1, 2, 3]
    np.testing.assert_allclose(held.by_queries.regret.mean, [0.2, 0.15, 0.125], atol=1e-12)
    assert held.ended == 1 and held.spent.tolist() == [100.0, 10.0]


def test_a_single_run_has_no_interval(tmp_path):
    write_experiment(tmp_path, runs=1)
    write_chunk(tmp_path, [[(1.0, 0, 0.5, 0.716)]])
    comparison = compare(tmp_path)
    found = comparison.scores["cifar10", "random_search"].summary
    assert found.mean[-1] == pytest.approx(0.2)
    assert np.isnan(found.low).all() and np.isnan(found.high).all()
    assert np.isnan(comparison.average["random_search"].low)
    assert "91" not in sentences(comparison)[0] and "71.60 %" in sentences(comparison)[0]


def test_average_is_over_problems_and_its_interval_stratified(tmp_path):
    write_walks(tmp_path, datasets=("cifar10", "cifar100"), runs=30)
    comparison = compare(tmp_path)
    strata = [comparison.scores[name, "random_search"].regret[:, -1] for name in ("cifar10", "cifar100")]
    found = comparison.average["random_search"]
    assert found.mean == pytest.approx((strata[0].mean() + strata[1].mean()) / 2)
    spread = np.sqrt(sum(values.var() / 30 for values in strata)) / 2
    assert found.high - found.low == pytest.approx(2 * 1.96 * spread, rel=0.1)


def test_an_entrant_without_a_problem_has_no_average_and_comes_last(tmp_path):
    write_walks(tmp_path, datasets=("cifar10", "cifar100"), runs=10)
    (tmp_path / "runs" / "cifar100" / "regularized_evolution" / "00000-00009.npz").unlink()
    comparison = compare(tmp_path)
    assert "regularized_evolution" not in comparison.average
    assert comparison.order == ("random_search", "regularized_evolution")
    assert comparison.tested["cifar100"] == ("random_search",)
    assert [fault.path for fault in comparison.faults] == ["runs/cifar100/regularized_evolution"]


def test_mixed_records_are_left_out_and_not_averaged(tmp_path):
    write_experiment(tmp_path, runs=4)
    write_chunk(tmp_path, [[(1.0, 0, 0.5, 0.716)]] * 2)
    other = chunk_arrays([[(1.0, 0, 0.5, 0.916)]] * 2, first=2, key=chunk_key(table_digest="another table"))
    save_chunk(tmp_path, other)
    comparison = compare(tmp_path)
    found = comparison.scores["cifar10", "random_search"].summary
    assert found.runs == 2 and found.mean[-1] == pytest.approx(0.2)
    assert [fault.reason[:8] for fault in comparison.faults] == ["left out", "missing:"]
    assert "table digest is 'another table'" in summary_markdown(comparison)
    assert "Records missing or left out: 2" in fault_lines(comparison)[0]


def test_nothing_usable_is_an_error(tmp_path):
    write_experiment(tmp_path)
    with pytest.raises(RecordError, match="not a single usable run: runs: missing"):
        compare(tmp_path)
    with pytest.raises(RecordError, match="is this a results folder"):
        compare(tmp_path / "nowhere")


def test_another_entrant_moves_no_interval_of_the_first(tmp_path):
    one = compare(write_walks(tmp_path / "one", rates={"random_search": 0.0}, runs=15))
    two = compare(write_walks(tmp_path / "two", rates={"random_search": 0.0, "local_search": 0.1}, runs=15))
    for name in ("low", "high", "mean"):
        mine, theirs = (getattr(each.scores["cifar10", "random_search"].summary, name) for each in (one, two))
        np.testing.assert_array_equal(mine, theirs)
    assert generator("a").random() == generator("a").random() != generator("b").random()


def test_summarise_splits_what_it_was_given():
    values = np.random.default_rng(28).normal(size=(25, 7))
    counts = resamples.draw(25, np.random.default_rng(29))
    first, second = summarise([values[:, :3], values[:, 3:]], counts)
    assert first.mean.shape == first.high.shape == (3,) and second.mean.shape == (4,)
    np.testing.assert_allclose(np.concatenate([first.mean, second.mean]), values.mean(axis=0))
    low, high = statistics.bootstrap_interval(values, np.random.default_rng(29))
    np.testing.assert_allclose(np.concatenate([first.low, second.low]), low)
    np.testing.assert_allclose(second.half_width, (high - low)[3:] / 2)


def test_sentences_say_who_is_best_and_what_is_level(tmp_path):
    said = sentences(known_scores(tmp_path))
    assert said == [
        "CIFAR-10: best is Good, 90.00 %, 1.600 points below the best in the table; not distinguishable from it: Level "
        "and Slightly worse.",
        "Against Random search: Good, Level and Slightly worse better.",
    ]


def test_sentences_over_several_problems(tmp_path):
    rates = {"random_search": 0.0, "regularized_evolution": 0.06, "same_as_random": 0.0}
    said = sentences(compare(write_walks(tmp_path, rates=rates, datasets=("cifar10", "cifar100"), runs=60)))
    assert said[0].startswith("Lowest regret averaged over 2 data sets: Regularized evolution, 0.")
    assert said[1].startswith("CIFAR-10: best is Regularized evolution, 91.")
    assert said[1].endswith("all others are worse.")
    assert said[3] == "Against Random search: Regularized evolution better on 2 of 2 data sets."
    assert said[4] == "Against Random search: Same as random not distinguishable on 2 of 2 data sets."


def test_summary_for_the_terminal_holds_scores_marks_and_faults(tmp_path):
    known_scores(tmp_path)
    content = json.loads((tmp_path / "experiment.json").read_text())
    content["entrants"]["good"]["runs"] = 41
    (tmp_path / "experiment.json").write_text(json.dumps(content))
    console = Console(width=100, file=io.StringIO())
    console.print(summary(tmp_path))
    text = console.file.getvalue()
    lines = {line.split("  ")[0].strip(): line for line in text.splitlines() if line.strip()}
    assert "91.60" in lines["Best in the table"] and "83.30" in lines["Random sampling"]
    assert "90.00±0.00 *" in lines["Good"]
    assert "90.00±0.00 ≈" in lines["Level"] and "89.95±0.00 ≈" in lines["Slightly worse"]
    assert "≈" not in lines["Random search"] and "*" not in lines["Random search"]
    assert "runs/cifar10/good: missing: 1 of 41 runs (40)" in text
