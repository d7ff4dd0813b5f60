"""Comparison, ledger and report of a made-up optimizer table whose results follow from its construction."""

import dataclasses
import itertools
import math

import msgspec
import numpy as np
import pytest
from optimizer_tables import SCORED, STEPS, TUNING, make_table, optimizer_entry, task_entry

from nasbench.analysis import optimizer_figures as figures
from nasbench.analysis.optimizer_comparison import ComparisonError, compare_optimizers
from nasbench.analysis.optimizer_ladder import ladder
from nasbench.analysis.optimizer_ledger import break_even, meta_work, nearest, overlap
from nasbench.analysis.optimizer_report import optimizer_report
from nasbench.analysis.optimizer_scores import smoothed
from nasbench.optimizer_table import OptimizerTable


@pytest.fixture(scope="module")
def comparison():
    return compare_optimizers(make_table())


def test_targets_are_set_by_the_strongest_named_baseline_alone(comparison):
    assert {target.baseline for target in comparison.targets.values()} == {
        "adam"
    }  # not by "fast", which is no baseline
    assert comparison.targets["digits-relu"].loss == pytest.approx(
        np.median(comparison.scored["digits-relu", "adam"].smooth.min(axis=1))
    )


def test_rulesets_are_apart_and_scores_follow(comparison):
    tuned, free = comparison.rulesets
    assert (tuned.name, free.name) == ("tuned", "self-tuning")
    assert free.optimizers == ("learned",)
    assert "learned" not in tuned.optimizers
    assert tuned.optimizers[:2] == ("fast", "adam")
    times = dict(zip(tuned.optimizers, tuned.times, strict=True))
    assert np.all(np.isinf(times["sgd"]))
    assert tuned.score["fast"].value == 1.0
    assert tuned.score["sgd"].value == 0.0
    ratio = times["adam"][0] / times["fast"][0]
    assert tuned.score["adam"].value == pytest.approx((4 - ratio) / 3)
    assert tuned.score["fast"].low <= 1.0 <= tuned.score["fast"].high


def test_speed_up_of_the_baseline_over_itself_is_one(comparison):
    tuned = comparison.rulesets[0]
    assert tuned.speed_up["adam"] == pytest.approx((1.0, 1.0, 1.0))
    fast, adam = (comparison.scored["digits-relu", name].smooth.mean(axis=0) for name in ("fast", "adam"))
    assert tuned.speed_up["fast"].value == pytest.approx(100 / np.interp(-adam[-1], -fast, STEPS))
    assert 1.5 < tuned.speed_up["fast"].value < 2.0  # twice, were it not for the average's lag
    sgd = comparison.scored["digits-relu", "sgd"].smooth.mean(axis=0)
    assert tuned.speed_up["sgd"].value == pytest.approx(np.interp(-sgd[-1], -adam, STEPS) / 100)
    assert 0.5 < tuned.speed_up["sgd"].value < 0.65
    assert comparison.scored["digits-relu", "fast"].equivalent.saturated


def drawn(factors, seeds=SCORED, horizons=(1,)):
    """Return the made-up table with problems that the seeds draw: losses of a seed are multiplied by its factor."""
    table = make_table(seeds=seeds, horizons=horizons)
    factors = dict(zip(seeds, factors, strict=True))
    rows = {}
    for key, each in table.rows.items():
        scale = np.array([factors.get(int(seed), 1.0) for seed in each.seed], dtype=np.float32)[:, None]
        rows[key] = dataclasses.replace(each, curves={name: values * scale for name, values in each.curves.items()})
    tasks = {name: msgspec.structs.replace(task, digests={}, ceiling=1e9) for name, task in table.tasks.items()}
    return dataclasses.replace(table, tasks=tasks, rows=rows)


def test_targets_are_the_same_for_easy_and_hard_problems():
    """Where a seed draws its problem, how hard it is moves no time to target, no profile, no ledger."""
    seeds = (0, 1, 2, 3)
    even, uneven = (compare_optimizers(drawn(factors, seeds)) for factors in ((1, 1, 1, 1), (1, 10, 1000, 0.01)))
    for key, one in even.scored.items():
        assert np.array_equal(one.times, uneven.scored[key].times), key
    for one, two in zip(even.rulesets, uneven.rulesets, strict=True):
        assert np.array_equal(one.times, two.times) and one.score == two.score
    assert [row.break_even for row in even.ledger] == [row.break_even for row in uneven.ledger]
    assert [rung.pays for rung in ladder(even)] == [rung.pays for rung in ladder(uneven)]
    target = uneven.targets["digits-relu"]
    assert target.relative and target.words == "1 times the lowest of the setters on the same seed"
    # Adam is the strongest setter on every seed: its own lowest loss is the target, so that it reaches it at its end.
    assert uneven.scored["digits-relu", "adam"].times.tolist() == [100.0] * 4
    # As one target in losses, the hard problem would reach nothing and the easy one everything at once.
    assert len(set(uneven.scored["digits-relu", "fast"].times)) == 1


def test_curves_of_deterministic_tasks_are_not_smoothed(comparison):
    found = compare_optimizers(drawn((1, 1, 1))).scored["digits-relu", "adam"]
    assert np.array_equal(found.smooth, found.curves)
    noisy = comparison.scored["digits-relu", "adam"]
    assert np.array_equal(noisy.smooth, smoothed(noisy.curves, noisy.steps, math.exp(-1 / 5)))


def test_baseline_reaches_its_own_targets_with_an_even_number_of_seeds():
    found = compare_optimizers(make_table(seeds=(0, 1, 2, 3), horizons=(1, 2)))
    for task, target in found.targets.items():
        assert target.baseline == "adam"
        assert np.isfinite(np.median(found.scored[task, "adam"].times)), task
    tuned = found.rulesets[0]
    assert np.isfinite(tuned.times[tuned.optimizers.index("adam")]).all()


def test_baseline_that_reaches_its_own_loss_in_the_ledger():
    """A learned optimizer with the baseline's very curves needs the baseline's steps, at every horizon."""
    table = make_table(seeds=(0, 1, 2, 3), horizons=(1, 2))
    names = list(table.optimizers)
    rows = {}
    for key, each in table.rows.items():
        curves = {name: values.copy() for name, values in each.curves.items()}
        for values in curves.values():
            for seed in (0, 1, 2, 3):
                here = (each.seed == seed) & (each.trial == 0)
                values[here & (each.optimizer == names.index("learned"))] = values[
                    here & (each.optimizer == names.index("adam"))
                ]
        rows[key] = dataclasses.replace(each, curves=curves)
    found = compare_optimizers(dataclasses.replace(table, rows=rows))
    assert len(found.ledger) == 5
    for row in found.ledger:
        assert (
            row.learned_work <= 100 * row.horizon * 1000.0
        )  # not infinite: the target is missed by no copy of its setter


def test_final_loss_and_interval(comparison):
    found = comparison.scored["digits-relu", "adam"].final
    assert found.value == pytest.approx(math.exp(-2) * 1.01, rel=1e-5)
    assert found.low <= found.value <= found.high


def test_tuning_curve_ends_at_the_best_trial(comparison):
    tuning = comparison.scored["digits-relu", "adam"].tuning
    finals = np.array([math.exp(-2 / (trial + 1)) * 1.005 for trial in range(3)])
    assert tuning == pytest.approx([finals.mean(), (2 * finals[0] + finals[1]) / 3, finals[0]], rel=1e-5)
    assert len(comparison.scored["digits-relu", "learned"].tuning) == 1


def test_a_failed_run_counts_with_the_ceiling():
    found = compare_optimizers(make_table(broken=("digits-relu", "fast", 1))).scored["digits-relu", "fast"]
    assert found.diverged == 1
    assert np.isinf(found.times[1])
    assert found.final.value == pytest.approx((3.0 + math.exp(-4) * 2.02) / 3, rel=1e-5)


def test_warnings_name_edges_and_failures():
    found = compare_optimizers(make_table(broken=("digits-relu", "fast", 1))).warnings
    assert any("best setting of sgd on the edge" in each for each in found)
    assert any("1 of 3 runs of fast diverged or failed" in each for each in found)


def test_ledger_by_hand(comparison):
    row = next(row for row in comparison.ledger if row.task == "digits-relu")
    assert row.meta_work == 10_000_000
    # Adam: 3 trials x 2 seeds x 100 steps x 1000, and one run of 100 x 1000.
    assert row.baseline_work == 700_000
    reached = row.learned_work / 1000
    assert 5 <= reached < 100
    assert row.break_even == pytest.approx(10_000_000 / (700_000 - row.learned_work))
    assert {row.task: row.distance for row in comparison.ledger} == {
        "digits-sigmoid": "same",
        "digits-relu": "other activation",
        "digits-sigmoid-40": "wider",
        "digits-sigmoid-2-layers": "deeper",
    }
    assert comparison.scored["digits-sigmoid", "learned"].overlap.verdict == "same task"
    assert comparison.scored["digits-relu", "learned"].overlap.verdict == "same data"


def test_never_pays():
    assert break_even(10.0, 5.0, 5.0) == math.inf
    assert math.isnan(break_even(math.nan, 5.0, 1.0))


def test_scored_seeds_that_were_trained_on_are_refused():
    record = optimizer_entry("learned").trained_on | {"instances": {"training": [0, 2]}}
    found = compare_optimizers(make_table({"learned": {"trained_on": record}}))
    assert ("digits-sigmoid", "learned") not in found.scored
    assert ("digits-relu", "learned") in found.scored
    assert any("learned is not scored: scored seeds [0, 1]" in each for each in found.warnings)


def test_test_examples_that_were_trained_on_are_refused():
    task = task_entry("digits-relu")
    record = {"tasks": [{"name": "mine", "splits": {"train": task.digests["test"]}}], "instances": {}}
    assert overlap(optimizer_entry("learned", trained_on=record), task, SCORED).verdict == "refused"


def test_the_same_inputs_with_other_targets_are_the_same_data():
    """An autoencoder on the images of a classifier: nothing of its examples has the classifier's digest, but its inputs do."""
    images = {split: f"images {split}" for split in ("train", "inner", "outer", "test")}
    others = {split: f"with other targets {split}" for split in images}
    task = msgspec.structs.replace(task_entry("digits-autoencoder"), digests=others, input_digests=images)
    record = optimizer_entry("learned").trained_on
    assert overlap(optimizer_entry("learned"), task, SCORED).verdict == "none"
    record = {**record, "tasks": [{**record["tasks"][0], "inputs": images}]}
    found = overlap(optimizer_entry("learned", trained_on=record), task, SCORED)
    assert (found.verdict, found.reason) == ("same data", "meta-trained on the same inputs, with other targets")
    # The test images of the one among the training images of the other.
    leaking = {**record, "tasks": [{**record["tasks"][0], "inputs": {"train": images["test"]}}]}
    assert overlap(optimizer_entry("learned", trained_on=leaking), task, SCORED).verdict == "refused"
    # No digest is not an equal digest.
    empty = {**record, "tasks": [{"name": "mine", "splits": {"train": ""}, "inputs": {}}]}
    bare = msgspec.structs.replace(task, digests={}, input_digests={})
    assert overlap(optimizer_entry("learned", trained_on=empty), bare, SCORED).verdict == "none"


def test_no_record():
    entry = optimizer_entry("learned", trained_on=None)
    assert overlap(entry, task_entry("digits-relu"), SCORED).verdict == "undeclared"
    assert math.isnan(meta_work(entry))
    assert nearest(entry, "digits-relu") == ""
    assert overlap(optimizer_entry("adam"), task_entry("digits-relu"), SCORED).verdict == "none"
    assert meta_work(optimizer_entry("adam")) == 0.0


def test_nothing_to_compare():
    table = make_table()
    empty = OptimizerTable(table.tasks, table.optimizers, table.rows, TUNING, (7,), {})
    with pytest.raises(ComparisonError, match="no optimizer with runs"):
        compare_optimizers(empty)


def test_styles_differ_within_every_group(comparison):
    styles = figures.styles_of(comparison)
    for group in figures.groups_of(comparison):
        assert len(group.optimizers) <= figures.MOST_LINES
        colours = [styles[name].colour for name in group.optimizers]
        assert len(set(colours)) == len(colours)
    assert len(set(styles.values())) == len(styles)


@pytest.mark.parametrize("wanted", [[], [0.3], [0.0, 0.0, 0.0, 1.0], [0.9, 0.95, 1.0, 1.0], [0.5] * 40])
def test_names_beside_lines_keep_apart(wanted):
    places = figures.spread(wanted, 0.08)
    assert len(places) == len(wanted)
    assert all(-1e-9 <= place <= 1 + 1e-9 for place in places)
    gap = min(0.08, 1 / max(1, len(wanted) - 1))
    assert all(second - first >= gap - 1e-9 for first, second in itertools.pairwise(places))


@pytest.mark.slow
def test_report_is_whole_and_the_same_bytes_twice(tmp_path):
    first, second = (optimizer_report(make_table(), tmp_path / name) for name in ("a", "b"))
    names = [path.relative_to(tmp_path / "a").as_posix() for path in first.files]
    assert {"summary.md", "tables/ledger.tex", "figures/generalization.png", "tables/optimizer-scores.csv"} <= set(
        names
    )
    assert "figures/performance-profiles-tuned.pdf" in names
    assert [path.read_bytes() for path in first.files] == [path.read_bytes() for path in second.files]


def test_where_to_write_must_be_said():
    with pytest.raises(ValueError, match="no folder to write to"):
        optimizer_report(make_table())


def test_no_table(tmp_path):
    with pytest.raises(FileNotFoundError, match="no optimizer table"):
        optimizer_report(tmp_path)
