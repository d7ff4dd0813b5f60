"""What a table answers, what its digests cover, and every fault of content that is refused."""

from dataclasses import replace

import numpy as np
import pytest
from golden_table import golden_table
from small_table import NOWHERE, PLAIN_SCORES, ROWS, TEST, VALIDATION, small_table

from nasbench.soundness import check_content
from nasbench.space import SpaceError
from nasbench.table import DIVERGED, FAILED, MISSING, OK, Split, TableError, canonical_json, named_arrays, table_head


def with_data(name="counted", **changes):
    """The golden table with some fields of one data set replaced."""
    table = golden_table()
    return replace(table, datasets={**table.datasets, name: replace(table.datasets[name], **changes)})


def edited(array, *assignments):
    """A copy with single values replaced."""
    array = array.copy()
    for index, value in assignments:
        array[index] = value
    return array


COUNTED = golden_table().datasets["counted"]
FRACTIONS = golden_table().datasets["fractions"]


# Answers -------------------------------------------------------------------------------------------------------------


def test_accuracies_are_counts_over_images():
    data = small_table().dataset("plain")
    accuracy = data.accuracy("test")
    assert accuracy.shape == (5, 3, 3)
    assert accuracy[0, 1, 2] == 311 / 1000 and accuracy[3, 2, 0] == 721 / 1000
    assert np.array_equal(np.isnan(accuracy), np.array(TEST) < 0)
    assert np.nanmax(data.accuracy("validation")) == 0.92


def test_a_lost_training_answers_zero_from_there_on_and_a_missing_one_nothing():
    answers = small_table().dataset("plain").answers("validation")
    assert answers[2].tolist() == [[0.05, 0.06, 0.07], [0.15, 0.0, 0.0], [0.0, 0.0, 0.0]]
    assert np.isnan(answers[1, 1]).all() and np.isnan(answers[4]).all()
    assert (answers >= 0).sum() == sum(value >= 0 for row in VALIDATION for curve in row for value in curve) + 5


def test_scores_are_means_over_the_trainings_made():
    table = small_table()
    assert np.allclose(table.dataset("plain").mean_accuracy("test"), PLAIN_SCORES, rtol=1e-15, equal_nan=True)
    assert table.dataset("scoreless").mean_accuracy("validation").tolist() == [0.375, 0.4375, 0.1875, 0.125, 0.75]


def test_what_a_score_is_called():
    table = small_table()
    assert table.dataset("plain").score_label == "mean test accuracy"
    assert table.dataset("scoreless").score_label == "mean validation accuracy"
    assert (table.dataset("plain").score_split, table.dataset("scoreless").score_split) == ("test", "validation")


def test_rows_by_architecture():
    table = small_table()
    for row, architecture in enumerate(ROWS):
        assert table.row(architecture) == row
    with pytest.raises(TableError, match=r"no row for '\|conv~0\|\+\|conv~0\|skip_connect~1\|'; it holds 5 rows"):
        table.row(NOWHERE)
    with pytest.raises(SpaceError, match="operation 3 on edge 2"):
        table.row((0, 0, 3))


def test_a_question_outside_the_table_lists_what_there_is():
    table = small_table()
    with pytest.raises(TableError, match=r"no data set 'cifar10'; it has \['plain', 'scoreless'\]"):
        table.dataset("cifar10")
    with pytest.raises(TableError, match=r"scoreless has no 'test' split; it has \['validation'\]"):
        table.dataset("scoreless").accuracy("test")


# Digests -------------------------------------------------------------------------------------------------------------


def digests(table):
    return table.digest, table.cost_digest


def test_digests_do_not_know_provenance_and_measured_seconds():
    plain = digests(golden_table())
    assert digests(replace(golden_table(), metadata={"title": "other", "host": "elsewhere"})) == plain
    assert digests(replace(golden_table(), sha256="f" * 64)) == plain
    assert digests(with_data(measured_seconds=COUNTED.measured_seconds * 2)) == plain


def test_the_cost_digest_knows_calibrated_seconds_and_the_logical_one_does_not():
    for column in ("train_seconds", "validation_seconds"):
        changed = with_data(**{column: getattr(COUNTED, column) + 1e-9})
        assert changed.digest == golden_table().digest
        assert changed.cost_digest != golden_table().cost_digest


@pytest.mark.parametrize(
    "changes",
    [
        {"correct": {**COUNTED.correct, "test": edited(COUNTED.correct["test"], ((2, 1, 1), 1))}},
        {"correct": {**COUNTED.correct, "train": edited(COUNTED.correct["train"], ((0, 0, 0), 2))}},
        {"losses": {"train": edited(COUNTED.losses["train"], ((0, 0, 0), np.nextafter(np.float32(0.5), 1)))}},
        {"status": edited(COUNTED.status, ((0, 1), FAILED))},
        {"parameters": COUNTED.parameters + 1},
        {"multiply_adds": COUNTED.multiply_adds + 1},
        {"epochs": (1, 4)},
        {"splits": {**COUNTED.splits, "test": Split(6, "3" * 64)}},
        {"splits": {**COUNTED.splits, "test": Split(5, "4" * 64)}},
        {"reasons": {**COUNTED.reasons, "0/1": "other"}},
        {"extra": {"other_seconds": COUNTED.extra["latency_seconds"]}},
        {"extra": {"latency_seconds": COUNTED.extra["latency_seconds"] + 1}},
    ],
)
def test_the_logical_digest_knows_every_result(changes):
    assert with_data(**changes).digest != golden_table().digest


def test_the_logical_digest_knows_rows_and_space():
    table = golden_table()
    assert replace(table, row_of_index=np.array([1, 1, 0, 2], dtype=np.int32)).digest != table.digest
    assert replace(table, architectures=table.architectures[::-1]).digest != table.digest
    assert replace(table, space=replace(table.space, name="other")).digest != table.digest
    renamed = {"other": replace(COUNTED, name="other"), "fractions": FRACTIONS}
    assert replace(table, datasets=renamed).digest != table.digest


def test_digests_do_not_depend_on_order_layout_or_the_bits_of_a_nan():
    table = golden_table()
    backwards = replace(table, datasets=dict(reversed(table.datasets.items())))
    assert digests(backwards) == digests(table)
    fortran = {split: np.asfortranarray(array) for split, array in COUNTED.correct.items()}
    assert digests(with_data(correct=fortran)) == digests(table)
    other_nan = np.array([0x7FC00001], dtype=np.uint32).view(np.float32)[0]
    losses = {"train": np.where(np.isnan(COUNTED.losses["train"]), other_nan, COUNTED.losses["train"])}
    assert losses["train"].tobytes() != COUNTED.losses["train"].tobytes()
    assert digests(with_data(losses=losses)) == digests(table)


def test_canonical_json_is_sorted_ascii_without_spaces_and_knows_no_nan():
    assert canonical_json({"b": [1, 2.5, None], "a": "ä"}) == b'{"a":"\\u00e4","b":[1,2.5,null]}'
    with pytest.raises(ValueError, match="Out of range float"):
        canonical_json(float("nan"))


def test_head_and_arrays_hold_everything():
    table = golden_table()
    head = table_head(table)
    assert head["schema_version"] == 1 and head["space"]["operations"][3] == "other"
    assert head["datasets"]["counted"]["splits"]["test"] == {"images": 5, "digest": "3" * 64}
    assert set(named_arrays(table)) == {
        "rows/architecture",
        "rows/row_of_index",
        *(f"datasets/counted/correct/{split}" for split in ("train", "validation", "test")),
        "datasets/counted/loss/train",
        "datasets/counted/extra/latency_seconds",
        "datasets/fractions/accuracy/validation",
        "datasets/fractions/correct/test",
        *(
            f"datasets/{name}/{column}"
            for name in ("counted", "fractions")
            for column in (
                "status",
                "train_seconds",
                "validation_seconds",
                "measured_seconds",
                "parameters",
                "multiply_adds",
            )
        ),
    }


# Soundness -----------------------------------------------------------------------------------------------------------


def test_sound_tables_pass():
    for table in (golden_table(), small_table()):
        check_content(table)


def int32(*values):
    return np.array(values, dtype=np.int32)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"row_of_index": int32(1, -1, 0)}, r"rows/row_of_index is int32 \(3,\), must be int32 \(4,\)"),
        ({"row_of_index": np.array([1, -1, 0, 2])}, "row_of_index is int64"),
        ({"row_of_index": int32(1, -1, 0, 3)}, "leads outside the 3 rows"),
        ({"row_of_index": int32(1, -2, 0, 2)}, "leads outside the 3 rows"),
        ({"row_of_index": int32(1, -1, 2, 0)}, "sends the architecture of row 0 to row 2"),
        ({"architectures": np.array([[2], [0], [4]], dtype=np.uint8)}, "holds operation 4, the space has 4"),
        ({"architectures": np.array([[2], [0]], dtype=np.uint8)}, "leads outside the 2 rows"),
        ({"architectures": np.zeros((3, 2), dtype=np.uint8)}, r"uint8 \(3, 2\), must be uint8 \(3, 1\)"),
        ({"architectures": np.zeros((0, 1), dtype=np.uint8)}, "the table has 0 rows and 2 data sets"),
        ({"datasets": {}}, "the table has 3 rows and 0 data sets"),
        ({"datasets": {"other": COUNTED}}, "data set 'other' calls itself 'counted'"),
        *(
            ({"datasets": {name: replace(COUNTED, name=name)}}, "can't stand in a file")
            for name in ("", ".", "..", "a/b", "a b", "-a", "ä", "a\0")
        ),
    ],
)
def test_faults_of_rows(changes, message):
    with pytest.raises(TableError, match=message):
        check_content(replace(golden_table(), **changes))


def counts(split, *assignments):
    return {"correct": {**COUNTED.correct, split: edited(COUNTED.correct[split], *assignments)}}


def losses(value, at=(0, 0, 0)):
    return {"losses": {"train": edited(COUNTED.losses["train"], (at, value))}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": ()}, r"epochs \(\) must be integers from 1"),
        ({"epochs": (0, 1)}, r"epochs \(0, 1\)"),
        ({"epochs": (3, 1)}, r"epochs \(3, 1\)"),
        ({"epochs": (3, 3)}, r"epochs \(3, 3\)"),
        ({"epochs": (1, 2**31)}, "must be integers from 1 to 2147483647"),
        ({"epochs": (True, 3)}, "must be integers"),
        ({"epochs": (1.0, 3)}, "must be integers"),
        ({"epochs": (1, 2, 3)}, r"int32 \(3, 2, 2\), must be int32 \(3, 2, 3\)"),
        ({"splits": {"test": Split(5)}}, "there must be 'validation'"),
        ({"splits": {**COUNTED.splits, "extra": Split(5)}}, "splits are"),
        ({"splits": {**COUNTED.splits, "test": Split(0)}}, r"split test has 0 images, must be 1\.\."),
        ({"splits": {**COUNTED.splits, "test": Split(True)}}, "split test has True images"),
        ({"splits": {**COUNTED.splits, "test": Split(4)}}, r"correct/test leaves -1\.\.4"),
        ({"status": COUNTED.status.astype(np.int64)}, "status is int64"),
        ({"status": COUNTED.status[:, :, None]}, "status has shape"),
        ({"status": COUNTED.status[:, :0]}, "status has shape"),
        ({"status": np.zeros((3, 10_001), dtype=np.uint8)}, "status has shape"),
        ({"status": COUNTED.status[:2]}, r"status is uint8 \(2, 2\), must be uint8 \(3, 2\)"),
        ({"status": edited(COUNTED.status, ((0, 0), 4))}, "status 4 is unknown; there are"),
        (
            {"status": edited(COUNTED.status, ((0, 1), OK))},
            "row 0, repeat 1 is marked ok but lacks validation accuracy",
        ),
        ({"status": edited(COUNTED.status, ((2, 1), MISSING))}, "a training marked missing has train accuracy"),
        (counts("validation", ((0, 0, 0), -2)), r"correct/validation leaves -1\.\.4"),
        (counts("validation", ((0, 0, 0), -1)), "row 0, repeat 0 is marked ok but lacks validation accuracy"),
        (counts("test", ((1, 0, 1), -1)), "row 1, repeat 0 is marked ok but lacks test accuracy"),
        (counts("test", ((2, 0, 0), 1)), "a training marked missing has test accuracy"),
        ({"losses": {"test": COUNTED.losses["train"][:, :, :1]}}, "loss/test is float32"),
        ({"losses": {"train": COUNTED.losses["train"].astype(np.float64)}}, "loss/train is float64"),
        ({"losses": {"other": COUNTED.losses["train"]}}, r"losses for \['other'\]"),
        (losses(-0.5), "loss/train holds -0.5; a cross-entropy is 0 or more"),
        (losses(np.inf), "loss/train is infinite in a training marked ok"),
        (losses(1.0, (2, 0, 0)), "a training marked missing has train loss"),
        ({"train_seconds": np.array([0.0, 1.0, 1.0])}, "train_seconds must be positive and finite"),
        ({"train_seconds": np.array([np.nan, 1.0, 1.0])}, "train_seconds must be positive and finite"),
        ({"train_seconds": np.array([np.inf, 1.0, 1.0])}, "train_seconds must be positive and finite"),
        ({"train_seconds": np.ones(2)}, r"train_seconds is float64 \(2,\), must be float64 \(3,\)"),
        ({"validation_seconds": np.array([-1.0, 1.0, 1.0])}, "validation_seconds must be 0 or more"),
        ({"validation_seconds": np.array([np.nan, 1.0, 1.0])}, "validation_seconds must be 0 or more"),
        ({"measured_seconds": COUNTED.measured_seconds - 1}, "measured_seconds must be 0 or more"),
        ({"measured_seconds": COUNTED.measured_seconds + np.float32(np.inf)}, "measured_seconds must be 0 or more"),
        ({"measured_seconds": COUNTED.measured_seconds[:, 0]}, "measured_seconds is float32"),
        ({"parameters": COUNTED.parameters - 2}, "parameters holds -3; must be 0 or more, or -1 for unknown"),
        ({"multiply_adds": COUNTED.multiply_adds - 2}, "multiply_adds holds -3"),
        ({"extra": {"status": np.zeros(3)}}, "extra column 'status' has the name of a column that every table has"),
        ({"extra": {"a/b": np.zeros(3)}}, "extra column name 'a/b' can't stand"),
        ({"extra": {"a": np.zeros(4)}}, "extra/a is float64"),
        *(
            ({"reasons": {key: "why"}}, f"reason 'why' for '{key}', which is no training that was lost")
            for key in ("0/0", "3/0", "0/2", "0", "0/1/1", "00/1", "-1/1", "0/1 ", "9999999999/1")
        ),
    ],
)
def test_faults_of_counted_results(changes, message):
    with pytest.raises(TableError, match=message):
        check_content(with_data(**changes))


@pytest.mark.parametrize("value", [-0.1, 1.1, np.inf, -np.inf])
def test_faults_of_fractions(value):
    accuracies = {"validation": edited(FRACTIONS.accuracies["validation"], ((0, 0, 0), value))}
    with pytest.raises(TableError, match=r"accuracy/validation leaves \[0, 1\]"):
        check_content(with_data("fractions", accuracies=accuracies))
    missing = {"validation": edited(FRACTIONS.accuracies["validation"], ((0, 0, 0), np.nan))}
    with pytest.raises(TableError, match="row 0, repeat 0 is marked ok but lacks validation accuracy"):
        check_content(with_data("fractions", accuracies=missing))


def test_a_lost_training_is_charged_so_its_row_needs_seconds():
    status = edited(COUNTED.status, ((0, 0), DIVERGED))
    check_content(with_data(status=status))
    with pytest.raises(TableError, match="in every row with a training"):
        check_content(with_data(status=status, train_seconds=np.array([np.nan, 1.0, 1.0])))
