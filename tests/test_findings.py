"""Claims held against records: rules of the verdicts, differences, ratios of censored running times, the page."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import synthetic_records
from synthetic_records import write_walks

from nasbench.analysis.comparison import generator
from nasbench.analysis.findings import Claim, Finding, find, judge, mean_difference, saving, told
from nasbench.analysis.findings_claims import CLAIMS, PARETO_CLAIMS, PREDICTOR_CLAIMS, PROXY_CLAIMS
from nasbench.analysis.findings_page import found, to_markdown
from nasbench.analysis.findings_pareto import find_in_sets
from nasbench.analysis.findings_predictors import find_in_measured
from nasbench.analysis.findings_proxies import find_in_proxies, is_report
from nasbench.analysis.records import Problem, Runs
from nasbench.analysis.statistics import Estimate


@pytest.mark.parametrize(
    ("kind", "estimate", "verdict"),
    [
        ("contrast", (0.0011, 0.0001, 0.003), "agrees"),
        ("contrast", (0.0009, 0.0001, 0.003), "can't be told here"),  # too small to name
        ("contrast", (0.004, -0.0001, 0.008), "can't be told here"),  # the interval holds 0
        ("contrast", (-0.004, -0.006, -0.001), "disagrees"),
        ("not worse", (0.0004, -0.0002, 0.0009), "agrees"),
        ("not worse", (0.0004, -0.0002, 0.0011), "can't be told here"),
        ("not worse", (0.003, 0.0001, 0.006), "disagrees"),
        ("ratio", (1.2, 1.01, 1.5), "agrees"),
        ("ratio", (1.05, 1.01, 1.1), "can't be told here"),
        ("ratio", (0.8, 0.7, 0.95), "disagrees"),
        ("contrast", (np.nan, np.nan, np.nan), "can't be told here"),
        ("correlation", (0.06, 0.01, 0.1), "agrees"),
        ("correlation", (0.04, 0.01, 0.1), "can't be told here"),
        ("correlation", (-0.06, -0.1, -0.01), "disagrees"),
    ],
)
def test_verdicts_follow_from_value_and_interval(kind: str, estimate: tuple[float, ...], verdict: str) -> None:
    assert judge(kind, Estimate(*estimate)) == verdict  # type: ignore[arg-type]


def test_difference_is_averaged_over_data_sets_and_its_interval_is_that_of_the_mean() -> None:
    rng = np.random.default_rng(0)
    samples = [(rng.normal(0.3, 0.1, 400), rng.normal(0.1, 0.1, 400)), (rng.normal(0.0, 0.1, 400),) * 2]
    estimate = mean_difference(samples, generator("test"))
    assert estimate.value == pytest.approx((samples[0][0].mean() - samples[0][1].mean()) / 2)
    # Two independent means of 400 each on two data sets; the normal theory's half width.
    half = 1.96 * np.sqrt(4 * 0.1**2 / 400) / 2
    assert estimate.high - estimate.value == pytest.approx(half, rel=0.1)
    assert estimate.value - estimate.low == pytest.approx(half, rel=0.1)


def made_runs(hits: list[float | None], budget: float) -> Runs:
    """Return runs that see a bad cell at second 1 and the best one at the given second, or never."""
    finished = [[1.0, budget if hit is None else hit] for hit in hits]
    score = [[0.5, 0.5 if hit is None else 0.9] for hit in hits]
    number = len(hits)
    whole = {name: np.zeros(2 * number, np.int32) for name in ("architecture", "epochs", "repeat", "incumbent", "cell")}
    flat = np.ravel(score).astype(np.float64)
    return Runs(
        run=np.arange(number, dtype=np.int32),
        start=np.arange(0, 2 * number + 1, 2, dtype=np.int64),
        overhead=np.zeros(number),
        ended=np.zeros(number, np.uint8),
        validation_accuracy=flat,
        cost=np.ones(2 * number),
        finished=np.ravel(finished).astype(np.float64),
        score=flat,
        incumbent_validation=flat,
        **whole,
    )


def test_saving_counts_runs_that_never_arrive_with_all_they_spent() -> None:
    problem = Problem(score_label="s", best_score=0.9, random_score_mean=0.5, budget=100.0, epochs=(1,))
    scratch = made_runs([40.0, 60.0, 50.0, 50.0], 100.0)
    warm = made_runs([10.0, 10.0, 10.0, None], 100.0)
    # (10 + 10 + 10 + 100) / 3 successes against (40 + 60 + 50 + 50) / 4.
    assert saving([(problem, warm, scratch)], generator("test")).value == pytest.approx(50.0 / (130.0 / 3.0))


def test_what_a_run_was_told_of_its_incumbent_is_the_mean_of_its_trainings() -> None:
    runs = dataclasses.replace(
        made_runs([10.0, 20.0, 30.0], 100.0),
        architecture=np.array([5, 5, 7, 8, 9, 9], np.int32),
        incumbent=np.array([5, 5, 7, 7, 9, 9], np.int32),
        epochs=np.array([4, 4, 4, 4, 1, 4], np.int32),
        validation_accuracy=np.array([0.9, 0.7, 0.6, 0.5, 0.3, 0.4]),
    )
    last = np.array([1, 3, 5])
    assert told(runs, last) == pytest.approx([0.8, 0.6, 0.4])  # the third one's first training had fewer epochs
    assert told(runs, np.array([0, 2, -1]))[:2] == pytest.approx([0.9, 0.6])
    assert np.isnan(told(runs, np.array([0, 2, -1]))[2])


def test_gaps_are_not_looked_at_where_scores_are_of_another_split(tmp_path: Path) -> None:
    folder = write_walks(tmp_path, runs=30)
    gap = Claim("It looks better", "Somebody 2020", "amount", "random_search", measure="gap")
    assert find([gap], [folder])[0].estimate is not None
    file = folder / "experiment.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    for problem in content["problems"].values():
        problem["score_label"] = "mean test accuracy"
    file.write_text(json.dumps(content), encoding="utf-8")
    found = find([gap], [folder])[0]
    assert found.estimate is None and "scored on its validation split" in found.reason


def test_without_records_nothing_is_told() -> None:
    found = find(CLAIMS, []) + find_in_sets(PARETO_CLAIMS, [])
    found += find_in_measured(PREDICTOR_CLAIMS, []) + find_in_proxies(PROXY_CLAIMS, [])
    assert {each.verdict for each in found} == {"can't be told here"}
    assert all("no recorded runs" in each.reason for each in found)


def test_claims_about_fidelities_need_a_data_set_that_has_several(tmp_path: Path) -> None:
    folder = write_walks(tmp_path, runs=30, rates={"random_search": 0.0, "local_search": 0.2})
    about = Claim("Local search is better", "Somebody 2020", "contrast", "local_search", "random_search")
    assert find([about], [folder])[0].verdict == "agrees"
    cheap = dataclasses.replace(about, fidelities=True)
    assert find([cheap], [folder])[0].estimate is None
    file = folder / "experiment.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    for problem in content["problems"].values():
        problem["epochs"] = [1, 200]
    file.write_text(json.dumps(content), encoding="utf-8")
    assert find([cheap], [folder])[0].verdict == "agrees"


def test_each_table_speaks_for_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    about = Claim("Local search is better", "Somebody 2020", "contrast", "local_search", "random_search")
    folders = []
    for folder, table, rate in (("first", "one", 0.0), ("second", "two", 0.2), ("again", "one", 0.0)):
        monkeypatch.setitem(synthetic_records.KEY, "table_digest", table * 8)
        rates = {"random_search": rate, "local_search": 0.2 - rate}
        folders.append(write_walks(tmp_path / folder, runs=30, rates=rates))
        file = folders[-1] / "experiment.json"
        content = json.loads(file.read_text(encoding="utf-8"))
        content["table"]["name"] = table
        file.write_text(json.dumps(content), encoding="utf-8")
    assert [(each.table, each.verdict) for each in find([about], folders)] == [("one", "agrees"), ("two", "disagrees")]
    absent = dataclasses.replace(about, first="tabu_search")
    assert [each.table for each in find([absent], folders)] == [""]
    page = to_markdown(find([about], folders), "")
    assert "| Local search is better | Somebody 2020 | two | -" in page
    assert "- Local search is better (Somebody 2020), on two." in page


def test_claims_about_predictors_are_read_from_measurements(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lines = ["predictor,cells,repetition,spearman,kendall,spearman_best"]
    for place in range(20):
        draw = rng.normal(0.6, 0.1)
        lines += [f"bananas-path,25,{place},{draw},0.1,0.1", f"bananas-one-hot,25,{place},{draw + 0.1},0.1,0.1"]
        lines.append(f"pnas-smaller,50,{place},{draw},0.1,")
    (tmp_path / "predictors.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    facts = {"table": "made", "digest": "d", "dataset": "cifar10", "score": "s", "held_out": 1000, "seed": 0}
    (tmp_path / "predictors.json").write_text(json.dumps(facts), encoding="utf-8")
    by_text = {each.claim.text: each for each in find_in_measured(PREDICTOR_CLAIMS, [tmp_path])}
    few, many = (
        next(each for text, each in by_text.items() if f"({number} trained cells)" in text and "path" in text)
        for number in (25, 100)
    )
    assert few.verdict == "disagrees" and few.runs == 20
    assert few.estimate is not None and few.estimate.value == pytest.approx(-0.1)
    assert few.names == ("BANANAS (path encoding)", "BANANAS (one-hot)")
    assert many.verdict == "can't be told here" and "with 100 trained cells" in many.reason
    larger = next(each for text, each in by_text.items() if "larger than those" in text)
    assert larger.verdict == "agrees"
    page = to_markdown(list(by_text.values()), "")
    assert "| difference -0.10 [-0.10, -0.10] | 20 | **disagrees** |" in page
    assert few.claim.differs in page.partition("## Where it contradicts")[2]
    assert "made, 1,000 held-out cells, 25 trained ones" in page


def test_claims_are_told_apart_by_their_text() -> None:
    assert len({claim.text for claim in CLAIMS + PREDICTOR_CLAIMS}) == len(CLAIMS + PREDICTOR_CLAIMS)
    assert all(claim.differs for claim in CLAIMS if claim.kind == "not worse" and "evolution" not in claim.second)


def test_page_prints_units_and_names_what_contradicts() -> None:
    claim = Claim("A beats B", "Somebody 2020", "contrast", "a", "b", differs="Other budgets.")
    against = Finding(claim, Estimate(-0.004, -0.006, -0.001), "disagrees", 25, ("cifar10",), "p 1.0", "", ("A", "B"))
    page = to_markdown([against], "")
    assert "| A beats B | Somebody 2020 |  | -0.40 points [-0.60, -0.10] | 25 | **disagrees** |" in page
    assert "- A beats B (Somebody 2020). Other budgets." in page
    ratio = dataclasses.replace(
        against, claim=dataclasses.replace(claim, kind="ratio"), estimate=Estimate(2.0, 1.5, 2.5)
    )
    assert found(ratio) == "2.00 times [1.50, 2.50]"


def test_claims_about_proxies_are_read_from_their_report(tmp_path: Path) -> None:
    kinds = ("spearman", "within", "spearman_best", "above_size")
    heads = ["dataset", "proxy", "cells", *(f"{kind}{end}" for kind in kinds for end in ("", "_low", "_high"))]
    synflow = ["mnist1d", "synflow", 4930, 0.84, 0.83, 0.85, 0.02, 0.01, 0.03, 0.4, 0.3, 0.5, 0.06, 0.05, 0.07]
    zen = ["mnist1d", "zen", 4930, 0.6, 0.5, 0.7, 0.1, 0.0, 0.2, 0.1, 0.0, 0.2, -0.2, -0.3, -0.1]
    assert not is_report(tmp_path)
    text = "\n".join(",".join(map(str, line)) for line in (heads, synflow, zen))
    (tmp_path / "proxies.csv").write_text(text + "\n", encoding="utf-8")
    assert is_report(tmp_path)
    by_text = {each.claim.text: each for each in find_in_proxies(PROXY_CLAIMS, [tmp_path])}
    better = by_text["synflow ranks cells better than their number of parameters does"]
    assert (better.estimate, better.verdict, better.runs) == (Estimate(0.06, 0.05, 0.07), "agrees", 4930)
    within = by_text["synflow says more than size: it ranks cells of equal parameters"]
    assert (within.estimate, within.verdict) == (Estimate(0.02, 0.01, 0.03), "can't be told here")
    assert by_text["synflow still ranks the best tenth of the cells"].verdict == "agrees"
    assert by_text["zen ranks cells better than their number of parameters does"].verdict == "disagrees"
    assert (
        "no recorded runs of proxy naswot"
        in by_text["naswot says more than size: it ranks cells of equal parameters"].reason
    )
    with pytest.raises(ValueError, match="compared with 'parameters'"):
        find_in_proxies([Claim("x", "y", "correlation", "synflow", "zen")], [tmp_path])
