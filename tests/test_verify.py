"""`nasbench verify`: its figures against known tables, its checks against tables that break them, its child against harm."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from golden_table import COST_DIGEST, DIGEST, GOLDEN, SHA256, golden_table
from scipy import stats
from small_table import full_table, sealed, small_table

from nasbench import verify as module
from nasbench.checks import audit
from nasbench.sealed import USER_BLOCK, user_block
from nasbench.space import SPACES
from nasbench.table import Dataset, Split, Table, TableError
from nasbench.verify import verify

NAS_BENCH_201 = Path(__file__).parent.parent / "data" / "nas-bench-201.h5"

GRID, COST, SPLITS, MEMBERS, PRESENCE, AGREEMENT = range(6)


def checks(table, name, number):
    """One check of one data set of an open table."""
    return next(data for data in audit(table).datasets if data.name == name).checks[number]


def changed(table, name, **fields):
    return replace(table, datasets={**table.datasets, name: replace(table.datasets[name], **fields)})


# Figures -------------------------------------------------------------------------------------------------------------


def test_nas_bench_201_passes_with_its_published_figures():
    report = verify(NAS_BENCH_201)
    assert report.passed
    assert (report.schema_version, report.space, report.architectures, report.answered, report.rows) == (
        1,
        "cell201",
        15625,
        15625,
        15625,
    )
    assert [data.name for data in report.datasets] == ["cifar10", "cifar100", "imagenet16-120"]
    for data, highest in zip(report.datasets, (0.9172, 0.7372, 0.4740), strict=True):  # HPOBench's best single runs
        assert data.statuses == {"ok": 39419, "diverged": 0, "failed": 0, "missing": 7456}
        assert data.rows_by_repeats == {2: 7456, 3: 8169}
        assert data.epochs == (200,) and list(data.splits) == ["validation"]
        assert round(data.splits["validation"].highest, 4) == highest
        assert data.empty_rows == 0 and data.lost == []
        assert [check.passed for check in data.checks] == [True, True, None, None, True, None]
        assert (
            "1206 of 4930 classes have several rows, in 378 of them the parameters differ"
            in data.checks[MEMBERS].detail
        )
    # reference/benchmarks.md 4.1 has the spread of test accuracy, 0.25 / 0.41 / 0.60 points within classes
    assert [round(data.seed_spread, 5) for data in report.datasets] == [0.00297, 0.00491, 0.00541]


def test_seed_spread_of_nas_bench_201_against_numpy():
    from nasbench.sealed import open_table

    data = open_table(NAS_BENCH_201).dataset("cifar10")
    accuracy = data.accuracy("validation")[:, :, 0]
    expected = np.mean([np.std(row[~np.isnan(row)], ddof=1) for row in accuracy])
    assert audit(open_table(NAS_BENCH_201)).datasets[0].seed_spread == pytest.approx(expected, rel=1e-12)


def test_golden_table():
    report = verify(GOLDEN)
    assert (report.digest, report.cost_digest, report.sha256) == (DIGEST, COST_DIGEST, SHA256)
    assert report.path == str(GOLDEN) and report.size == GOLDEN.stat().st_size
    assert (report.architectures, report.answered, report.rows) == (4, 3, 3)
    data = report.datasets[0]
    assert data.statuses == {"ok": 3, "diverged": 1, "failed": 1, "missing": 1}
    assert data.lost == [
        ("|nor_conv_3x3~0|", 1, "diverged", "loss is infinite at epoch 3"),
        ("|none~0|", 1, "failed", "killed — twice"),
    ]
    assert data.splits["test"].images == 5
    assert (data.splits["test"].lowest, data.splits["test"].highest) == (0.0, 1.0)
    assert data.splits["test"].mean == pytest.approx((1 + 0.4 + 0) / 3)
    assert data.train_seconds == (0.001, 2.5) and data.validation_seconds == (0.0, 1.0)
    assert data.parameters == (0, 2**40) and data.losses == ["train"]
    assert data.rows_by_repeats == {1: 1, 2: 2}


def test_small_table_row_without_trainings():
    data = audit(small_table()).datasets[0]
    assert data.empty_rows == 1 and data.rows_by_repeats == {0: 1, 2: 1, 3: 3}
    spreads = [np.std([0.301, 0.311, 0.323], ddof=1), np.std([0.601, 0.623], ddof=1)]
    spreads += [np.std([0.071, 0, 0], ddof=1), np.std([0.901, 0.911, 0.923], ddof=1)]
    assert data.seed_spread == pytest.approx(np.mean(spreads))


# Checks --------------------------------------------------------------------------------------------------------------


def test_missing_trainings_need_a_word():
    assert checks(small_table(), "plain", PRESENCE).passed is False
    assert "the metadata do not say why" in checks(small_table(), "plain", PRESENCE).detail
    told = checks(small_table(missing="never asked for"), "plain", PRESENCE)
    assert told.passed is True and "4 missing (never asked for)" in told.detail
    one_by_one = {"1/1": "a", "4/0": "b", "4/1": "c", "4/2": "d", "2/1": "e", "2/2": "f"}
    assert checks(changed(small_table(), "plain", reasons=one_by_one), "plain", PRESENCE).passed is True
    assert checks(small_table(), "scoreless", PRESENCE).passed is True


def test_lost_trainings_need_a_reason():
    table = changed(small_table(missing="x"), "plain", reasons={"2/1": "loss is nan"})
    check = checks(table, "plain", PRESENCE)
    assert check.passed is False and "2 lost, 1 of them without a reason" in check.detail


def test_architectures_without_a_row_are_counted():
    assert "1 architectures have no row" in checks(small_table(), "scoreless", PRESENCE).detail


def test_splits_with_one_digest_are_one_split():
    data = golden_table().dataset("counted")
    assert checks(golden_table(), "counted", SPLITS).passed is True
    twice = {**data.splits, "test": replace(data.splits["test"], digest=data.splits["train"].digest)}
    assert checks(changed(golden_table(), "counted", splits=twice), "counted", SPLITS).passed is False
    assert checks(golden_table(), "fractions", SPLITS).passed is None


def test_costs_must_rise():
    """Reading refuses such a table; one that is held in memory is audited all the same."""
    table = full_table()
    assert checks(table, "fast", COST).passed is True
    still = changed(table, "fast", train_seconds=np.zeros(27))
    assert checks(still, "fast", COST).passed is False


def test_distance_of_charged_and_measured_seconds():
    table = full_table()
    measured = np.repeat(table.dataset("fast").train_seconds[:, None] * 4 / 1.1, 3, axis=1).astype(np.float32)
    assert "10.0% median distance" in checks(changed(table, "fast", measured_seconds=measured), "fast", COST).detail
    assert "no measured seconds" in checks(table, "fast", COST).detail


def test_rank_correlation_against_scipy():
    table = full_table()
    data = table.dataset("fast")
    expected = stats.spearmanr(data.mean_accuracy("validation"), data.mean_accuracy("test")).statistic
    check = checks(table, "fast", AGREEMENT)
    assert check.passed is True and f"rank correlation {expected:.4f} over 27 rows" in check.detail
    swapped = {"validation": data.correct["validation"], "test": 200 - data.correct["validation"]}
    assert checks(changed(table, "fast", correct=swapped), "fast", AGREEMENT).passed is False
    constant = {**data.correct, "test": np.full_like(data.correct["test"], 7)}
    assert checks(changed(table, "fast", correct=constant), "fast", AGREEMENT).passed is None
    assert checks(table, "slow", AGREEMENT).passed is None


def test_grid_of_fractions_is_unknown():
    assert checks(small_table(), "scoreless", GRID).passed is None
    assert checks(golden_table(), "fractions", GRID).passed is True
    assert "validation: fractions, number of images unknown" in checks(golden_table(), "fractions", GRID).detail


def class_table(row_of_class):
    """A table of cell201-3node with a row for each class, or for each string."""
    space = SPACES["cell201-3node"]
    if row_of_class:
        architectures, row_of_index = [space.architecture(m[0]) for m in space.classes], space.class_of.copy()
    else:
        architectures, row_of_index = list(space), np.arange(125, dtype=np.int32)
    rows = len(architectures)
    data = Dataset(
        name="d",
        epochs=(1,),
        splits={"validation": Split(9)},
        correct={"validation": np.full((rows, 1, 1), 5, dtype=np.int32)},
        accuracies={},
        losses={},
        status=np.zeros((rows, 1), dtype=np.uint8),
        train_seconds=np.ones(rows),
        validation_seconds=np.zeros(rows),
        measured_seconds=np.full((rows, 1), np.nan, dtype=np.float32),
        parameters=np.array([sum(cell) for cell in architectures]),
        multiply_adds=np.full(rows, -1),
    )
    return Table(space, np.array(architectures, dtype=np.uint8), row_of_index, {"d": data}, {})


def test_members_of_a_class():
    check = checks(class_table(True), "d", MEMBERS)
    assert check.passed is True and check.detail == "60 classes, each with one row"
    space = SPACES["cell201-3node"]
    several = [members for members in space.classes if len(members) > 1]
    differ = [m for m in several if len({sum(space.architecture(index)) for index in m}) > 1]
    check = checks(class_table(False), "d", MEMBERS)
    assert check.passed is None
    assert (
        f"{len(several)} of 60 classes have several rows, in {len(differ)} of them the parameters differ"
        in check.detail
    )


# Rendering -----------------------------------------------------------------------------------------------------------


def test_text_and_json_of_a_report(tmp_path):
    report = verify(sealed(tmp_path, small_table(missing="never asked for")))
    text = report.to_text()
    for part in (
        report.digest,
        "Small table",
        "three, 26 of 27 architectures in 5 rows",
        "9 ok, 1 diverged, 1 failed, 4 missing (at most 3 a row; 1 rows with 0, 1 rows with 2, 3 rows with 3)",
        "diverged: |conv~0|+|conv~0|conv~1|, repeat 1: loss is nan at epoch 2",
        "test         7.10% to 92.30%, mean 55.17% (1,000 images)",
        "sound, every check passed",
    ):
        assert part in text, text
    assert json.loads(report.to_json())["datasets"][0]["statuses"]["ok"] == 9
    assert report.styled().spans and report.styled().plain == text


def test_text_of_a_failed_check(tmp_path):
    report = verify(sealed(tmp_path))
    assert not report.passed
    assert "  FAIL  every training made, or with status and reason" in report.to_text()
    assert report.to_text().endswith("a check failed\n")


# The child -----------------------------------------------------------------------------------------------------------


def test_damaged_and_missing_files(tmp_path):
    path = tmp_path / "a.h5"
    with pytest.raises(FileNotFoundError, match="there is no table"):
        verify(path)
    content = GOLDEN.read_bytes()
    path.write_bytes(content[:-1])
    with pytest.raises(TableError, match=rf"^{path}: damaged: "):
        verify(path)
    payload = content[USER_BLOCK:-3000]
    path.write_bytes(user_block(payload) + payload)
    with pytest.raises(TableError, match=rf"^{path}: sealed, but not readable as a table"):
        verify(path)


def test_memory_limit(tmp_path):
    pytest.importorskip("resource")
    with pytest.raises(TableError, match=r"reader ended with code|more memory than"):
        verify(GOLDEN, memory_bytes=2**27)  # not even numpy fits


def with_child(monkeypatch, source):
    """Let `verify` start another child."""
    run = subprocess.run

    def start(_, **options):
        return run([sys.executable, "-c", source], **options)

    monkeypatch.setattr(module.subprocess, "run", start)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import os; os.abort()", "its reader ended with code -6"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "its reader ended with code -11"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGXCPU)", "not read within 1 processor seconds"),
        ("raise SystemExit('some words')", "its reader ended with code 1: some words"),
        ("import time; time.sleep(60)", "not read within 2 seconds"),
    ],
)
def test_a_reader_that_dies_or_hangs(monkeypatch, source, message):
    with_child(monkeypatch, source)
    with pytest.raises(TableError, match=message):
        verify(GOLDEN, cpu_seconds=1)


def test_processor_limit_ends_a_busy_child(monkeypatch):
    pytest.importorskip("resource")
    with_child(monkeypatch, "from nasbench.verify import _limit\n_limit(1, 2**33)\nwhile True: pass")
    with pytest.raises(TableError, match="not read within 4 processor seconds"):
        verify(GOLDEN, cpu_seconds=4)
