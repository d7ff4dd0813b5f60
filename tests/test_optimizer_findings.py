"""Findings about optimizers: verdicts, ratios with intervals, Adam's anchor, the ladder's counts, and what the shipped table says."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from optimizer_tables import HOME, STEPS, make_table, optimizer_entry

from nasbench.analysis.comparison import generator
from nasbench.analysis.optimizer_advantage import FEWEST_SEEDS, advantage, band, losses, tuned
from nasbench.analysis.optimizer_anchor import GROUP, adam_losses, draw_uniform, final_log_loss
from nasbench.analysis.optimizer_comparison import compare_optimizers
from nasbench.analysis.optimizer_findings import (
    Anchor,
    Claim,
    find,
    find_anchors,
    unfinished,
    verdict_of,
    verdict_of_anchor,
)
from nasbench.analysis.optimizer_findings_claims import ANCHORS, CLAIMS
from nasbench.analysis.optimizer_findings_facts import facts
from nasbench.analysis.optimizer_findings_page import optimizer_findings, to_markdown, write_findings
from nasbench.analysis.optimizer_findings_text import RULES
from nasbench.analysis.optimizer_ladder import ladder, times_to
from nasbench.analysis.optimizer_scores import time_to_target
from nasbench.analysis.statistics import Estimate
from nasbench.cli import main
from nasbench.optimizer_table import open_optimizer_table

ROOT = Path(__file__).resolve().parent.parent
SIX = tuple(range(6))


@pytest.fixture(scope="module")
def shipped():
    return open_optimizer_table(ROOT / "data" / "optimizers.h5")


@pytest.fixture(scope="module")
def made(shipped):
    return optimizer_findings(shipped)


@pytest.mark.parametrize(
    ("expected", "ratio", "verdict"),
    [
        ("better", (1.2, 1.01, 1.4), "agrees"),
        ("better", (1.05, 1.01, 1.09), "can't be told here"),  # too small to name
        ("better", (1.2, 0.99, 1.4), "can't be told here"),  # the interval holds 1
        ("better", (0.8, 0.7, 0.95), "disagrees"),
        ("worse", (0.8, 0.7, 0.95), "agrees"),
        ("worse", (1.2, 1.01, 1.4), "disagrees"),
        ("level", (1.0, 0.95, 1.05), "agrees"),
        ("level", (1.05, 1.01, 1.09), "agrees"),  # told apart, but by nothing that is worth naming
        ("level", (1.2, 1.15, 1.3), "disagrees"),
        ("level", (0.8, 0.7, 0.85), "disagrees"),
        ("level", (1.0, 0.85, 1.2), "can't be told here"),
        ("level", (math.nan, math.nan, math.nan), "can't be told here"),
    ],
)
def test_verdicts_follow_from_the_ratio_and_its_interval(expected, ratio, verdict):
    assert verdict_of(expected, Estimate(*ratio)) == verdict


@pytest.mark.parametrize(
    ("estimate", "verdict"),
    [
        ((-0.475, -0.483, -0.467), "agrees"),
        ((-0.46, -0.475, -0.45), "can't be told here"),  # outside, but its interval is not
        ((-0.40, -0.41, -0.39), "disagrees"),
        ((-0.60, -0.61, -0.59), "disagrees"),
    ],
)
def test_anchors_agree_within_their_tolerance(estimate, verdict):
    assert verdict_of_anchor(Anchor("", "", 0.01, -0.48, 0.01), Estimate(*estimate)) == verdict


def test_advantage_is_that_of_the_strongest_with_seeds_kept_in_pairs():
    rng = np.random.default_rng(0)
    difficulty = rng.lognormal(0.0, 0.8, 40)  # seeds differ much, the optimizers on one seed little
    others = {"weak": 3.0 * difficulty, "strong": 1.5 * difficulty * rng.normal(1.0, 0.01, 40)}
    found = advantage(difficulty, others, generator("test"))
    assert (found.strongest, found.seeds, found.ahead) == ("strong", 40, 40)
    assert found.ratio.value == pytest.approx(others["strong"].mean() / difficulty.mean())
    assert found.ratio.low < found.ratio.value < found.ratio.high
    assert found.ratio.high - found.ratio.low < 0.03  # unpaired means would spread over more than 0.5
    worst = advantage(others["weak"], {"one": difficulty}, generator("test"))
    assert worst.ratio == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert worst.ahead == 0


def test_few_seeds_have_a_range_and_no_interval():
    found = advantage(np.array([1.0, 2.0]), {"a": np.array([2.0, 3.0])}, generator("test"))
    assert found.ratio == pytest.approx((5 / 3, 1.5, 2.0))
    curves = np.array([[1.0, 2.0], [3.0, 1.0]])
    assert [each.tolist() for each in band(curves, generator("test"))] == [[2.0, 1.5], [1.0, 1.0], [3.0, 2.0]]
    wide = band(np.repeat(curves, 4, axis=0), generator("test"))
    assert np.all((wide.low > 1.0 - 1e-9) & (wide.high < 3.0))
    assert 1.0 < wide.low[0] < 2.0 < wide.high[0] < 3.0


def test_advantage_needs_others_on_the_same_seeds():
    with pytest.raises(ValueError, match="at least one"):
        advantage(np.ones(3), {}, generator("test"))
    with pytest.raises(ValueError, match=r"must be at least one, each \(3,\)"):
        advantage(np.ones(3), {"a": np.ones(2)}, generator("test"))


def claim(expected, first="fast", others=("adam",), **more):
    return Claim(f"{first} {expected} {others} {more}", "nobody", expected, HOME, first, others, **more)


def test_claims_on_a_table_whose_losses_are_known():
    table = make_table(seeds=SIX)
    # Every optimizer's loss is a known exponential times a factor of the seed, so that ratios are exact on every seed.
    final, mean = find([claim("better"), claim("worse", others=(), measure="mean")], table)
    assert final.verdict == "agrees"
    assert final.found.ratio == pytest.approx((math.exp(4 - 2),) * 3, rel=1e-4)
    assert (mean.pool, mean.found.strongest, mean.verdict) == (4, "adam", "disagrees")
    steps = np.array(STEPS)
    area = {rate: np.trapezoid(np.exp(-rate * steps / 100), steps) for rate in (2.0, 4.0)}
    assert mean.found.ratio.value == pytest.approx(area[2.0] / area[4.0], rel=1e-5)
    assert tuned(table, HOME) == ["sgd", "heavy-ball", "nesterov", "adam", "fast"]


def test_nothing_is_told_of_few_seeds_missing_runs_or_an_unfinished_meta_training():
    few = find([claim("better")], make_table())[0]
    assert few.found.seeds < FEWEST_SEEDS
    assert (few.verdict, few.reason) == ("can't be told here", "3 seeds: too few for an interval")
    absent = find(
        [claim("better", others=("nobody",)), claim("better", first="nobody"), claim("better", horizon=5)], make_table()
    )
    assert all(each.found is None and "the table has no runs of" in each.reason for each in absent)
    record = optimizer_entry("learned").trained_on
    rising = {**record, "history": [[10, 0.0, 1.0], [20, 0.0, 0.9], [30, 0.0, 0.5]]}
    table = make_table({"learned": {"trained_on": rising}}, seeds=SIX)
    told = find([claim("better", first="learned", others=("fast",))], table)[0]
    assert told.verdict == "can't be told here"
    assert told.reason.startswith(
        "meta-training not finished: of the fall of its held-out loss from 1.000 to 0.500, 80% came in the last 50%"
    )


@pytest.mark.parametrize(
    ("history", "ended"),
    [
        ([[10, 0, 1.0], [20, 0, 0.6], [30, 0, 0.5]], True),  # a fifth of the fall in the last half
        ([[10, 0, 1.0], [20, 0, 0.5], [30, 0, 0.6]], True),  # the last is not the best
        ([[10, 0, 1.0], [20, 0, 0.75], [30, 0, 0.5]], False),  # as fast as before
        ([[10, 0, 1.0], [20, 0, 0.5]], True),  # too short to tell
    ],
)
def test_meta_training_is_finished_when_progress_has_slowed_down(history, ended):
    record = {**optimizer_entry("learned").trained_on, "history": history}
    assert (unfinished(optimizer_entry("learned", trained_on=record)) == "") is ended
    assert unfinished(optimizer_entry("adam")) == ""


@pytest.mark.live
def test_adam_in_numpy_is_torchs_on_the_instances_of_the_task():
    torch = pytest.importorskip("torch")
    from nasbench.tasks import load_task

    task = load_task("quadratic-uniform")
    instance = task.instance(7)
    x = instance.initialise()["x"]
    start = x.detach().numpy().astype(np.float64).reshape(-1, 10)
    optimizer = torch.optim.Adam([x], lr=0.03)
    for step in range(task.horizon):
        optimizer.zero_grad()
        instance.loss({"x": x}, instance.batch(step)).backward()
        optimizer.step()
    matrix, offset = (values.numpy().astype(np.float64) for values in (instance.matrix, instance.offset))
    ours = adam_losses(matrix, offset, start, 0.03, task.horizon)
    assert len(ours) == GROUP == task.batch_size
    assert ours.mean() == pytest.approx(instance.evaluate({"x": x})["test_loss"], rel=1e-4)


def test_first_step_of_adam_is_the_learning_rate_whatever_the_gradient():
    matrix, offset, start = draw_uniform(5, np.random.default_rng(1))
    moved = start - 0.1 * np.sign(2 * np.einsum("pij,pi->pj", matrix, np.einsum("pij,pj->pi", matrix, start) - offset))
    expected = ((np.einsum("pij,pj->pi", matrix, moved) - offset) ** 2).sum(axis=1)
    assert adam_losses(matrix, offset, start, 0.1, 1) == pytest.approx(expected, rel=1e-5)


def test_anchor_of_the_issue_holds_on_other_problems_too():
    found = final_log_loss(1e-2, np.random.default_rng(5))
    assert found.value == pytest.approx(-0.48, abs=0.01)
    assert 0.005 < found.value - found.low < 0.012  # 4,096 problems
    first = find_anchors(ANCHORS[:1])[0]
    assert (first.verdict, first.problems) == ("agrees", 4096)


# The ladder -------------------------------------------------------------------------------------------------------------


def test_times_to_many_targets_are_those_to_each():
    rng = np.random.default_rng(3)
    curves, steps = rng.random((4, 30)), np.arange(0, 90, 3)
    targets = np.array([0.5, 0.1, 0.02, -1.0, float(curves[2].min())])
    expected = np.stack([time_to_target(curves, steps, target) for target in targets], axis=1)
    np.testing.assert_array_equal(times_to(curves, steps, targets), expected)
    assert np.isinf(times_to(curves, steps, targets)[:, 3]).all()


def test_ladder_of_known_losses():
    comparison = compare_optimizers(make_table(seeds=SIX, horizons=(1, 2)))
    rungs = ladder(comparison)
    assert [(rung.row.task, rung.row.horizon, rung.row.distance) for rung in rungs] == [
        ("digits-sigmoid", 1, "same"),
        ("digits-sigmoid", 2, "longer horizon"),
        ("digits-sigmoid-40", 1, "wider"),
        ("digits-sigmoid-2-layers", 1, "deeper"),
        ("digits-relu", 1, "other activation"),
    ]
    for rung in rungs:
        assert rung.over_baseline.strongest == "adam"
        assert rung.over_strongest.strongest == "fast"
        assert rung.over_baseline.ratio.value == pytest.approx(math.exp((3 - 2) * rung.row.horizon), rel=1e-3)
        assert rung.over_strongest.ratio.value == pytest.approx(math.exp((3 - 4) * rung.row.horizon), rel=1e-3)
        assert rung.pays.value == rung.row.break_even
        assert rung.pays.low <= rung.pays.value <= rung.pays.high
        assert rung.never == 0.0


def test_what_never_pays_has_no_finite_count():
    record = {**optimizer_entry("learned").trained_on, "meta_work": 1e6}
    slow = make_table({"learned": {"trained_on": record}}, seeds=SIX, gradients={"learned": 100})
    rung = ladder(compare_optimizers(slow))[0]
    assert rung.row.learned_work > rung.row.baseline_work
    assert rung.pays == Estimate(math.inf, math.inf, math.inf)
    assert rung.never == 1.0
    few = ladder(compare_optimizers(make_table()))[0]
    assert math.isnan(few.pays.low)
    assert math.isfinite(few.pays.value)


# The shipped table -------------------------------------------------------------------------------------------------------


def verdict(made, text):
    return next(each for each in made.findings if each.claim.text == text)


def test_claims_are_told_apart_and_say_what_differs():
    texts = [each.text for each in (*ANCHORS, *CLAIMS)]
    assert len(set(texts)) == len(texts)
    assert all(each.differs for each in CLAIMS)


def test_external_facts_on_the_shipped_table(made):
    for text in (
        "Gaussian quadratics: tuned heavy ball ends below tuned Adam",
        "Uniform quadratics: tuned Nesterov ends below tuned Adam",
        "Gaussian quadratics: L2L ends below every tuned optimizer",
        "Gaussian quadratics: L2L's trajectory is below every tuned optimizer",
        "At home (20 sigmoid units) L2L beats the paper's four at the end",
        "With 40 hidden units L2L beats the paper's four at the end",
        "At 2x its horizon L2L beats the paper's four at the end",
        "At 5x its horizon L2L loses to the paper's four at the end",
        "With ReLU L2L loses to the paper's four over the trajectory",
        "With ReLU L2L loses to the paper's four on test examples",
    ):
        assert verdict(made, text).verdict == "agrees", text
    tie = verdict(made, "Uniform quadratics: L2L only ties the strongest tuned optimizer at the end")
    assert (tie.verdict, tie.found.seeds, tie.found.ahead) == ("disagrees", 30, 30)  # it is better than that
    relu = verdict(made, "With ReLU L2L loses to the paper's four at the end")
    assert relu.verdict == "disagrees"  # it trains there, and does not generalise
    small = verdict(made, "The small MLP optimizer, meta-trained, beats tuned Adam on a task that it was trained on")
    assert not small.reason  # its meta-training came to an end
    assert small.found.ratio.low < 1.0 < small.found.ratio.high


def test_numbers_of_a_claim_are_those_of_the_curves(made, shipped):
    found = verdict(made, "Gaussian quadratics: L2L ends below the paper's four").found
    final = {
        name: shipped.curves("quadratic-gaussian", name, scored=True).train_loss[0, :, -1]
        for name in ("l2l-quadratic-gaussian", "sgd", "rmsprop", "adam", "nesterov")
    }
    ours = final.pop("l2l-quadratic-gaussian")
    assert found.ratio.value == pytest.approx(min(each.mean() for each in final.values()) / ours.mean())
    assert losses(shipped, "quadratic-gaussian", "adam", "final") == pytest.approx(final["adam"])


def test_page_of_the_documentation_is_what_the_table_gives(made):
    text = (ROOT / "docs" / "optimizers.md").read_text(encoding="utf-8")
    names = ("claims", "quadratics", "generalization", "ladder", "meta-training")
    assert text == to_markdown(made, {name: f"images/optimizers/{name}.png" for name in names})
    assert all((ROOT / "docs" / "images" / "optimizers" / f"{name}.png").stat().st_size > 10_000 for name in names)
    assert made.comparison.table.digest in text


def test_page_says_why_nothing_can_be_told_where_a_table_has_other_runs():
    text = to_markdown(optimizer_findings(make_table()), {})
    assert "the table has no runs of l2l on digits-sigmoid" in text
    assert "| Adam, learning rate 1e-2, 100 steps" in text
    assert "| Learned | same | digits, sigmoid, 1x | same task | " in text


@pytest.mark.slow
def test_command_writes_the_same_bytes_twice(tmp_path, capsys):
    first = write_findings(make_table(horizons=(1, 2)), tmp_path / "a" / "page.md")
    second = write_findings(make_table(horizons=(1, 2)), tmp_path / "b" / "page.md")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert {path.name for path in first} == {"page.md", "claims.png", "generalization.png", "ladder.png"} - {
        "claims.png"
    }
    assert main(["findings-optimizers", str(tmp_path / "none.h5"), "--out", str(tmp_path / "c.md")]) == 1
    assert "there is no optimizer table" in capsys.readouterr().err


def test_anchor_of_the_thread_says_that_moments_were_carried_over():
    assert "never resets Adam's moments" in next(anchor for anchor in ANCHORS if anchor.learning_rate == 1e-3).differs


def test_rules_say_what_intervals_leave_out():
    assert "one meta-training and one choice of trials" in RULES and "no noise of tuning" in RULES


def test_numbers_in_the_words_are_those_of_the_table():
    """Three trials on two tuning seeds, the home task at 2x on the three scored seeds; nobody says how long the meta-training was."""
    record = {**optimizer_entry("learned").trained_on, "settings": {"episodes": 300}, "cpu_seconds": 120.0}
    table = make_table({"learned": {"trained_on": record}}, horizons=(1, 2))
    renamed = {"l2l" if name == "learned" else name: entry for name, entry in table.optimizers.items()}
    known = facts(dataclasses.replace(table, optimizers=renamed))
    assert known["trials"] == known["digits_trials"] == "3" and known["quadratic_trials"] == "an unknown number of"
    assert (known["tuning_seeds"], known["further_seeds"], known["episodes"]) == ("2", "3", "300")
    assert (known["digits_tuning_seeds"], known["quadratic_tuning_seeds"]) == ("2", "an unknown number of")
    assert known["outer_steps"] == known["minutes"] == "an unknown number of"
    for claim in CLAIMS:
        assert "{" not in claim.differs.format(**known)
