"""Scores of sets against plain recomputation, attained fronts against counting and an oracle, and the report's files."""

import dataclasses
import json
import warnings

import numpy as np
import pytest
from experiments import begin, chunks, here  # noqa: F401 - a fixture
from hypothesis import given, settings
from hypothesis import strategies as st
from small_table import PROTOCOL, full_table, write_protocol

from nasbench.analysis.findings import Claim
from nasbench.analysis.findings_page import to_markdown
from nasbench.analysis.findings_pareto import find_in_sets
from nasbench.analysis.pareto import TrueFront, attained, compare_sets, follow, true_fronts
from nasbench.analysis.pareto_report import pareto_report
from nasbench.analysis.records import RecordError, read_experiment
from nasbench.pareto import hypervolume, igd_plus, reference_point


def truth_of(front):
    front = np.array(front, dtype=float)
    reference = reference_point(front)
    best = front.min(axis=0)
    return TrueFront(
        ("error", "parameters"),
        front,
        reference,
        hypervolume((front - best) / (reference - best), np.ones(front.shape[1])),
    )


TRUTH = truth_of([[0.05, 900.0], [0.1, 300.0], [0.4, 100.0]])


def plain_set(cells, errors, points, full, until):
    """Return the scored points of a run's set after `until` observations, from the words of the definition."""
    seen = {}
    for number in range(until):
        if full[number]:
            seen.setdefault(cells[number], []).append(number)
    observed = {
        cell: (np.mean([errors[i] for i in numbers]), *points[numbers[0]][1:]) for cell, numbers in seen.items()
    }

    def beaten(cell):
        return any(
            all(a <= b for a, b in zip(observed[other], observed[cell], strict=True))
            and observed[other] != observed[cell]
            for other in observed
        )

    return np.array([points[numbers[0]] for cell, numbers in seen.items() if not beaten(cell)]).reshape(-1, 2)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_follow_is_the_definition_at_every_moment(seed, count):
    rng = np.random.default_rng(seed)
    scored = np.column_stack([rng.integers(1, 16, 12) / 16, rng.integers(1, 10, 12) * 100.0])  # by cell
    cells = rng.integers(0, 12, count).astype(np.int32)
    errors = scored[cells, 0] + rng.integers(-2, 3, count) / 16  # dyadic, so that means are exact
    full = rng.random(count) < 0.8
    share, distance, size, final = follow(cells, errors, scored[cells], full, TRUTH)
    for now in range(count):
        expected = plain_set(cells.tolist(), errors.tolist(), scored[cells], full, now + 1)
        assert size[now] == len(expected)
        if not len(expected):
            assert np.isnan(share[now]) and np.isnan(distance[now])
            continue
        scaled = TRUTH.scaled(expected)
        assert share[now] == pytest.approx(hypervolume(scaled, np.ones(2)) / TRUTH.volume, rel=1e-12)
        assert distance[now] == pytest.approx(igd_plus(scaled, TRUTH.scaled(TRUTH.front)), rel=1e-12)
    assert sorted(map(tuple, final)) == sorted(
        map(tuple, plain_set(cells.tolist(), errors.tolist(), scored[cells], full, count))
    )


def test_finding_the_true_front_misses_nothing():
    cells, errors = np.arange(3, dtype=np.int32), TRUTH.front[:, 0]
    share, distance, size, _ = follow(cells, errors, TRUTH.front, np.ones(3, dtype=bool), TRUTH)
    assert share[-1] == pytest.approx(1.0)
    assert (distance[-1], size[-1]) == (0.0, 3)
    assert (np.diff(share) > 0).all()


def test_a_lucky_training_costs():
    # The second cell looked better than it is and pushes the first one out of the set.
    points = np.array([[0.1, 300.0], [0.3, 300.0]])
    share, _, size, _ = follow(
        np.array([0, 1], np.int32), np.array([0.11, 0.05]), points, np.ones(2, dtype=bool), TRUTH
    )
    assert size.tolist() == [1, 1]
    assert share[1] < share[0]


FINALS = [np.array([[0.2, 1.0], [0.1, 3.0]]), np.array([[0.3, 2.0]]), np.zeros((0, 2))]


def test_attained_by_counting():
    at = np.array([0.5, 1.0, 2.0, 3.0])
    assert attained(FINALS, at, 1 / 3).tolist() == [np.inf, 0.2, 0.2, 0.1]
    assert attained(FINALS, at, 2 / 3).tolist() == [np.inf, np.inf, 0.3, 0.3]
    assert attained(FINALS, at, 1.0).tolist() == [np.inf] * 4


@pytest.mark.parametrize("seed", range(5))
def test_attained_agrees_with_the_oracle(seed):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        moocore = pytest.importorskip("moocore")
    rng = np.random.default_rng(seed)
    finals = [rng.random((int(rng.integers(1, 8)), 2)) for _ in range(8)]
    flat = np.concatenate(finals)
    numbers = np.repeat(np.arange(1, 9), [len(final) for final in finals])
    for level in (0.25, 0.5, 0.75, 1.0):
        surface = moocore.eaf(flat, sets=numbers, percentiles=[100 * level])
        assert attained(finals, surface[:, 1], level) == pytest.approx(surface[:, 0], rel=1e-10)


# Records to report ------------------------------------------------------------------------------------------------------


TWO = PROTOCOL.replace("runs = 5", 'runs = 4\nobjectives = ["parameters"]')


def sized():
    table = full_table()
    sizes = 100 + 50 * (table.architectures == 2).sum(axis=1) + 7 * (table.architectures == 1).sum(axis=1)
    sets = {name: dataclasses.replace(data, parameters=sizes) for name, data in table.datasets.items()}
    return dataclasses.replace(table, datasets=sets)


def results(folder, text=TWO):
    write_protocol(folder, text, sized())
    begin(folder, text)
    return read_experiment(folder / "results")


def test_experiment_with_one_objective_has_no_such_part(tmp_path, here):  # noqa: F811
    experiment = results(tmp_path, PROTOCOL)
    assert true_fronts(experiment) == {}
    assert compare_sets(experiment) is None
    assert pareto_report(experiment, tmp_path / "out") == []


def test_compared_sets_are_those_of_the_records(tmp_path, here):  # noqa: F811
    found = compare_sets(results(tmp_path))
    table = sized()
    for dataset in ("fast", "slow"):
        data, truth = table.dataset(dataset), found.fronts[dataset]
        everything = np.column_stack([1 - data.mean_accuracy(data.score_split), data.parameters])
        assert 0 < truth.volume <= 1
        for entrant in ("random", "evolution"):
            scored = found.scores[dataset, entrant]
            paths = [path for path in chunks(tmp_path) if path.parts[-3:-1] == (dataset, entrant)]
            finals, sizes = [], []
            for path in paths:
                with np.load(path) as chunk:
                    for first, last in zip(chunk["start"], chunk["start"][1:], strict=False):
                        cells = chunk["cell"][first:last].tolist()
                        full = chunk["epochs"][first:last] == data.epochs[-1]
                        errors = (1 - chunk["validation_accuracy"][first:last]).tolist()
                        final = plain_set(cells, errors, everything[cells], full, len(cells))
                        finals.append(hypervolume(truth.scaled(final), np.ones(2)) / truth.volume)
                        sizes.append(len(final))
            assert scored.gap[:, -1] == pytest.approx(1 - np.array(finals), abs=1e-9)
            assert scored.size[:, -1].tolist() == sizes
            assert scored.summary.mean[-1] == pytest.approx(1 - np.mean(finals), abs=1e-9)
        gaps = {name: found.scores[dataset, name].summary.mean[-1] for name in ("random", "evolution")}
        if (dataset, 1) in found.best:
            assert found.best[dataset, 1] == min(gaps, key=gaps.get)
    assert found.faults == ()


def test_claims_about_trade_offs_are_differences_of_covered_hypervolume(tmp_path, here):  # noqa: F811
    experiment = results(tmp_path)
    sets = compare_sets(experiment)
    claim = Claim("Evolution finds better trade-offs", "Somebody 2020", "hypervolume", "evolution", "random")
    early = dataclasses.replace(claim, share=experiment.checkpoints[0])
    several = find_in_sets([claim, early], [experiment.folder])
    for number, found in ((-1, several[0]), (0, several[1])):
        gaps = {
            name: np.mean(
                [np.nan_to_num(sets.scores[dataset, name].gap[:, number], nan=1.0) for dataset in ("fast", "slow")]
            )
            for name in ("random", "evolution")
        }
        assert found.estimate.value == pytest.approx(gaps["random"] - gaps["evolution"], abs=1e-12)
        assert found.estimate.low <= found.estimate.value <= found.estimate.high
        assert (found.runs, found.datasets) == (4, ("fast", "slow"))
    assert "of the true hypervolume [" in to_markdown(several, "")


def test_claims_about_trade_offs_need_records_with_several_objectives(tmp_path, here):  # noqa: F811
    one = results(tmp_path, PROTOCOL)
    claim = Claim("Evolution finds better trade-offs", "Somebody 2020", "hypervolume", "evolution", "random")
    (found,) = find_in_sets([claim], [one.folder])
    assert (found.estimate, found.verdict) == (None, "can't be told here")
    assert "with several objectives" in found.reason


def test_report_writes_table_figures_and_page(tmp_path, here):  # noqa: F811
    experiment = results(tmp_path)
    files = pareto_report(experiment, tmp_path / "out")
    names = {path.relative_to(tmp_path / "out").as_posix() for path in files}
    assert {"pareto.md", "tables/pareto.md", "tables/pareto-wide.csv", "figures/pareto-fronts.pdf"} <= names
    page = (tmp_path / "out" / "pareto.md").read_text()
    for truth in true_fronts(experiment).values():
        for value in truth.reference:
            assert f"{value:.6g}" in page  # the reference point is published
    again = pareto_report(experiment, tmp_path / "again")
    for first, second in zip(files, again, strict=True):
        assert first.read_bytes() == second.read_bytes()


def test_wrong_fronts_are_refused(tmp_path, here):  # noqa: F811
    experiment = results(tmp_path)
    path = tmp_path / "results" / "experiment.json"
    content = json.loads(path.read_text())
    content["problems"]["fast"]["pareto"]["reference"][0] = 0.0
    path.write_text(json.dumps(content))
    with pytest.raises(RecordError, match="the front must lie below the reference point"):
        true_fronts(experiment)
    content["problems"]["fast"]["pareto"] = {"front": 1}
    path.write_text(json.dumps(content))
    with pytest.raises(RecordError, match=r"problems\.fast\.pareto"):
        true_fronts(experiment)


def test_chunks_without_the_arrays_are_refused(tmp_path, here):  # noqa: F811
    experiment = results(tmp_path)
    path = chunks(tmp_path)[0]
    with np.load(path) as chunk:
        arrays = {name: chunk[name] for name in chunk.files if name != "cell_score"}
    np.savez(path, **arrays)
    with pytest.raises(RecordError, match="lacks cell_score"):
        compare_sets(experiment)
