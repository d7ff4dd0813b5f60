"""Predictors of strategies: cells that are drawn and shared, rankings that must come out, differences, the report."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from nasbench import predictor_quality as quality
from nasbench.analysis.predictors import (
    CSV,
    HEADS,
    JSON,
    PredictorError,
    difference,
    is_measured,
    mean_correlation,
    read_measured,
    to_markdown,
)
from nasbench.baselines.strategies.arc_gp import active_decisions
from nasbench.cli import main
from nasbench.predictor_quality import PREDICTORS, SMALLER, drawn_cells, rank_held_out, smaller_cells
from nasbench.sealed import seal
from nasbench.space import CELL201, SPACES
from nasbench.table import Dataset, Split, Table

CELLS = np.array(list(CELL201), dtype=np.uint8)
# Convolutions that do something are good, 3x3 ones more so: what every predictor here can learn.
WORTH = np.array([0.0, 0.0, 0.04, 0.08, 0.01])
TRUTH = 0.3 + (WORTH[CELLS] * active_decisions(CELL201, CELLS)).sum(axis=1)


def made_table() -> Table:
    """Return a table of all cells of CELL201 whose scores are `TRUTH`, with a little noise between two repeats."""
    noise = 0.002 * np.random.default_rng(1).normal(size=(len(CELLS), 2, 1))
    data = Dataset(
        name="made",
        epochs=(3,),
        splits={"validation": Split(None)},
        correct={},
        accuracies={"validation": np.clip(TRUTH[:, None, None] + noise, 0.0, 1.0)},
        losses={},
        status=np.zeros((len(CELLS), 2), dtype=np.uint8),
        train_seconds=np.ones(len(CELLS)),
        validation_seconds=np.zeros(len(CELLS)),
        measured_seconds=np.full((len(CELLS), 2), np.nan, dtype=np.float32),
        parameters=np.full(len(CELLS), -1, dtype=np.int64),
        multiply_adds=np.full(len(CELLS), -1, dtype=np.int64),
    )
    head = {"title": "Made", "licence": "CC0-1.0"}
    return Table(CELL201, CELLS, np.arange(len(CELLS), dtype=np.int32), {"made": data}, head)


def test_every_predictor_finds_what_convolutions_are_worth_and_larger_means_better():
    found = {}
    for ranking in rank_held_out(made_table(), "made", sizes=(60,), repetitions=2, held_out=200):
        found.setdefault(ranking.predictor, []).append(ranking.spearman)
        assert ranking.held_out == 200
    assert list(found) == list(PREDICTORS)
    # 0.26 is the 99.99th percentile of Spearman's coefficient of 200 unrelated pairs.
    assert {name for name, values in found.items() if not np.mean(values) > 0.4} == set()


def test_cells_and_answers_are_shared_and_held_out_classes_are_new(monkeypatch):
    caught = {}

    def spy(name):
        def fit(space, rng, cells, accuracies):
            caught.setdefault(name, []).append([cells, accuracies.tolist(), rng.random()])

            def predict(others):
                classes = [space.canonical(cell) for cell in others]
                assert len(set(classes)) == len(classes)
                assert not set(classes) & {space.canonical(cell) for cell in cells}
                return TRUTH[[space.index(cell) for cell in others]]

            return predict

        return fit

    monkeypatch.setattr(quality, "PREDICTORS", {"one": spy("one"), "two": spy("two")})
    table = made_table()
    rankings = list(rank_held_out(table, "made", sizes=(15, 30), repetitions=2, held_out=300))
    assert [(r.predictor, r.cells, r.repetition) for r in rankings] == [
        (name, cells, repetition) for repetition in range(2) for cells in (15, 30) for name in ("one", "two")
    ]
    # The mean of two noisy repeats is not quite the truth.
    assert all(0.99 < r.spearman <= 1.0 and r.kendall > 0.95 for r in rankings)
    assert [entry[:2] for entry in caught["one"]] == [entry[:2] for entry in caught["two"]]
    assert not {entry[2] for entry in caught["one"]} & {entry[2] for entry in caught["two"]}  # streams of their own
    answers = table.dataset("made").accuracies["validation"][:, :, 0]
    for cells, accuracies, _ in caught["one"]:
        for cell, accuracy in zip(cells, accuracies, strict=True):
            assert accuracy in answers[CELL201.index(cell)]


def test_correlations_are_those_of_scipy(monkeypatch):
    rng = np.random.default_rng(3)
    guess = TRUTH + 0.1 * rng.normal(size=len(TRUTH))
    kept = []

    def fit(space, _, __, ___):
        def predict(others):
            kept[:] = [space.index(cell) for cell in others]
            return guess[kept]

        return predict

    monkeypatch.setattr(quality, "PREDICTORS", {"guess": fit})
    table = made_table()
    ranking = next(rank_held_out(table, "made", sizes=(10,), repetitions=2, held_out=400))
    scores = table.dataset("made").mean_accuracy("validation")[kept]
    assert ranking.spearman == pytest.approx(stats.spearmanr(guess[kept], scores).statistic)
    assert ranking.kendall == pytest.approx(stats.kendalltau(guess[kept], scores).statistic)
    best = np.argsort(-scores)[:40]
    assert ranking.spearman_best == pytest.approx(stats.spearmanr(guess[kept][best], scores[best]).statistic)


def test_training_cells():
    rng = np.random.default_rng(0)
    drawn = drawn_cells(CELL201, rng, 40)
    assert len({CELL201.canonical(cell) for cell in drawn}) == 40
    smaller = smaller_cells(CELL201, rng, 25)
    assert [len(cell) for cell in smaller] == [1] * 5 + [3] * 20
    assert smaller_cells(CELL201, rng, 25) != smaller
    assert len(smaller_cells(CELL201, rng, 60)) == 60  # 5 classes of one block and 55 new ones of two
    assert smaller_cells(CELL201, rng, 61) == []
    assert smaller_cells(SPACES["cell201-3node"], rng, 10) == []  # one level before its last, of 5 cells


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"sizes": (9,)}, "at least 10"),
        ({"sizes": (20, 20)}, "must be different"),
        ({"repetitions": 1}, "repetitions is 1"),
        ({"held_out": 29}, "held_out is 29"),
        ({"names": ("oracle",)}, r"unknown predictors \['oracle'\]"),
    ],
)
def test_numbers_out_of_range_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        next(rank_held_out(made_table(), "made", **wrong))


def written(folder: Path, lines: list[tuple[str, int, int, float]]) -> Path:
    folder.mkdir(exist_ok=True)
    with (folder / CSV).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["dataset", "predictor", "cells", "repetition", "held_out", *HEADS])
        writer.writerows([["made", *line[:3], 100, line[3], line[3] / 2, ""] for line in lines])
    facts = {"table": "t", "digest": "d" * 64, "dataset": "made", "score": "s", "held_out": 100, "seed": 0}
    (folder / JSON).write_text(json.dumps(facts), encoding="utf-8")
    return folder


def test_means_and_differences_are_over_repetitions_that_both_have(tmp_path):
    rng = np.random.default_rng(0)
    draws = rng.normal(0.5, 0.2, size=30)  # what the cells of a draw do to both predictors
    own = rng.normal(0.0, 0.01, size=30)
    lines = [("good", 50, place, draw + 0.1) for place, draw in enumerate(draws)]
    lines += [("bad", 50, place, draws[place] + own[place]) for place in reversed(range(5, 30))]
    measured = read_measured(written(tmp_path / "m", lines))
    assert is_measured(tmp_path / "m") and not is_measured(tmp_path)
    assert measured.predictors == ("good", "bad") and measured.sizes == (50,)
    mean = mean_correlation(measured, "good", 50)
    assert mean.value == pytest.approx(draws.mean() + 0.1)
    half = 1.96 * draws.std() / np.sqrt(30)
    assert mean.high - mean.low == pytest.approx(2 * half, rel=0.15)
    assert mean_correlation(measured, "good", 50, "kendall").value == pytest.approx(mean.value / 2)
    paired = difference(measured, ("good", 50), ("bad", 50))
    assert paired.value == pytest.approx((0.1 - own[5:]).mean())
    assert paired.high - paired.low < 0.02  # the draws cancel
    assert "| good | 50 | 0." in to_markdown(measured)
    with pytest.raises(PredictorError, match="0 repetitions in common"):
        difference(read_measured(written(tmp_path / "n", [("a", 50, 0, 0.1), ("b", 50, 1, 0.1)])), ("a", 50), ("b", 50))


def test_broken_measurements_are_refused(tmp_path):
    with pytest.raises(PredictorError, match="no measurements"):
        read_measured(tmp_path)
    folder = written(tmp_path / "m", [("a", 50, 0, 0.1)])
    (folder / CSV).write_text("predictor,cells\na,50\n", encoding="utf-8")
    with pytest.raises(PredictorError, match="KeyError"):
        read_measured(folder)
    written(folder, [])
    with pytest.raises(PredictorError, match="has no line"):
        read_measured(folder)


def test_command_writes_numbers_page_and_figure(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(quality, "PREDICTORS", {name: PREDICTORS[name] for name in ("smac", SMALLER)})
    path = tmp_path / "made.h5"
    seal(made_table(), path)
    arguments = ["predictors", str(path), "--cells", "12", "65", "--repetitions", "2", "--held-out", "60"]
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        assert main([*arguments, "--out", str(folder)]) == 0
    names = {
        "predictors.csv",
        "predictors.json",
        "predictors.md",
        *(f"predictors.{kind}" for kind in ("png", "svg", "pdf")),
    }
    assert {file.name for file in folders[0].iterdir()} == names
    assert all(str(folders[1] / name) in capsys.readouterr().out for name in ("predictors.csv",))
    for name in sorted(names - {JSON}):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes(), name
    measured = read_measured(folders[0])
    assert set(measured.values) == {("smac", 12), (SMALLER, 12), ("smac", 65)}  # there are 60 smaller cells
    assert measured.facts["digest"] == made_table().digest
    assert "60 held-out cells" in (folders[0] / "predictors.md").read_text(encoding="utf-8")
    assert main([*arguments, "--out", str(tmp_path / "x"), "--dataset", "none"]) == 1
