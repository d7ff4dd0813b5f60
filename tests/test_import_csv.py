"""Own results in: what a CSV becomes, and every kind of fault named by row and column."""

import gzip
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nasbench import csv_rows
from nasbench.csv_curves import GRID_TOLERANCE
from nasbench.csv_rows import CSV_COLUMNS, describe_columns
from nasbench.import_csv import import_csv, parse_images
from nasbench.sealed import open_table
from nasbench.space import CELL201, SPACES, CellSpace
from nasbench.table import DIVERGED, FAILED, MISSING, OK, TableError

README = Path(__file__).parent.parent / "data" / "README.md"
SPACE = CellSpace("two", nodes=3, operations=("none", "skip_connect", "conv"))
A, B, C, D = (  # A, B and C are one class
    "|conv~0|+|none~0|skip_connect~1|",
    "|conv~0|+|conv~0|none~1|",
    "|none~0|+|conv~0|none~1|",
    "|skip_connect~0|+|conv~0|conv~1|",
)

PLAIN = f"""architecture,dataset,repeat,epoch,validation_accuracy,test_accuracy,train_loss,seconds,status,reason
{A},d,0,1,0.25,,1.5,2.0,,
{A},d,0,2,0.5,0.125,1.25,4.5,,
{A},d,7,2,0.75,0.25,,5.5,ok,
{A},d,7,1,0.5,,,2.5,ok,
{B},d,7,1,0.0,,9,3.0,diverged,"loss is ""inf"", gave up"
{B},e,3,5,0.123456,,,10,,
"""


def made(tmp_path, text, space=SPACE, **options):
    path = tmp_path / "results.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return import_csv(path, tmp_path / "out.h5", space, **options)


# What it becomes -----------------------------------------------------------------------------------------------------


def test_plain_csv(tmp_path):
    table = made(tmp_path, PLAIN, title="Mine", licence="CC0-1.0", citation="@x", device="a laptop")
    assert table.architectures.tolist() == [[2, 0, 1], [2, 2, 0]]
    assert [SPACE.index(SPACE.parse(text)) for text in (A, B)] == np.flatnonzero(table.row_of_index >= 0).tolist()
    d = table.dataset("d")
    assert d.epochs == (1, 2)
    assert d.status.tolist() == [[OK, OK], [MISSING, DIVERGED]]
    assert d.accuracy("validation")[0].tolist() == [[0.25, 0.5], [0.5, 0.75]]
    assert np.array_equal(d.accuracy("test")[0], [[np.nan, 0.125], [np.nan, 0.25]], equal_nan=True)
    assert np.array_equal(d.losses["train"][0], [[1.5, 1.25], [np.nan, np.nan]], equal_nan=True)
    assert d.accuracy("validation")[1, 1, 0] == 0 and np.isnan(d.accuracy("validation")[1, 1, 1])
    assert d.reasons == {"1/1": 'loss is "inf", gave up'}
    assert d.train_seconds.tolist() == [(4.5 / 2 + 5.5 / 2) / 2, 3.0]
    assert np.array_equal(d.measured_seconds, np.array([[4.5, 5.5], [np.nan, 3.0]], "f4"), equal_nan=True)
    assert set(d.losses) == {"train"} and set(d.splits) == {"train", "validation", "test"}
    assert d.splits["test"].images is None and np.isnan(d.accuracy("train")).all()
    assert (d.parameters == -1).all() and (d.multiply_adds == -1).all()
    e = table.dataset("e")
    assert e.epochs == (5,) and e.status.tolist() == [[MISSING], [OK]] and set(e.splits) == {"validation"}
    assert e.accuracy("validation")[1, 0, 0] == 0.123456 and e.train_seconds[1] == 2.0
    assert table.metadata["title"] == "Mine" and table.metadata["device"] == "a laptop"
    assert table.metadata["repeats"] == {"d": [0, 7], "e": [3]}
    read = open_table(tmp_path / "out.h5")
    assert (read.digest, read.cost_digest, read.sha256) == (table.digest, table.cost_digest, table.sha256)


def test_the_order_of_rows_columns_and_blocks_does_not_matter(tmp_path, monkeypatch):
    expected = made(tmp_path, PLAIN)
    header, *lines = PLAIN.splitlines()
    assert made(tmp_path, "\n".join([header, *reversed(lines)])).digest == expected.digest
    frame = pd.read_csv(tmp_path / "results.csv", dtype=str, keep_default_na=False)
    frame = frame[sorted(frame.columns)]
    assert made(tmp_path, frame.to_csv(index=False)).digest == expected.digest
    monkeypatch.setattr(csv_rows, "BLOCK", 7)
    assert made(tmp_path, PLAIN).digest == expected.digest


@pytest.mark.parametrize(
    "variant",
    [
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: text.rstrip(b"\n"),
        lambda text: text + b"\n\n\r\n",
        lambda text: text.replace(b",d,", b", d ,"),
        lambda text: text.replace(b"0.25", b" 2.5e-1"),
        lambda text: text.replace(A.encode(), f'"{A}"'.encode()),
    ],
    ids=["Windows", "byte order mark", "no last line end", "blank end", "spaces", "exponent", "quotes"],
)
def test_what_spreadsheets_make_of_it(tmp_path, variant):
    assert made(tmp_path, variant(PLAIN.encode())).digest == made(tmp_path, PLAIN).digest


def test_gzip(tmp_path):
    path = tmp_path / "results.csv.gz"
    path.write_bytes(gzip.compress(PLAIN.encode()))
    assert import_csv(path, tmp_path / "a.h5", SPACE).digest == made(tmp_path, PLAIN).digest
    path.write_bytes(gzip.compress(PLAIN.encode())[:-20])
    with pytest.raises(TableError, match=r"results.csv.gz: damaged gzip file"):
        import_csv(path, tmp_path / "a.h5", SPACE)
    path.write_bytes(PLAIN.encode())
    with pytest.raises(TableError, match=r"results.csv.gz: damaged gzip file"):
        import_csv(path, tmp_path / "a.h5", SPACE)


def test_bytes_are_the_same_each_time(tmp_path):
    made(tmp_path, PLAIN)
    first = (tmp_path / "out.h5").read_bytes()
    made(tmp_path, PLAIN)
    assert (tmp_path / "out.h5").read_bytes() == first


def test_images_make_counts(tmp_path):
    text = f"""architecture,dataset,repeat,epoch,validation_accuracy,test_accuracy,train_accuracy,seconds
{A},d,0,1,0.333333,0.5,0.1234567,1
{B},d,0,1,0.666667,1,,1
"""
    table = made(tmp_path, text, images=parse_images(["d:validation=3,test=2"]))
    d = table.dataset("d")
    assert d.correct["validation"][:, 0, 0].tolist() == [1, 2] and d.correct["test"][:, 0, 0].tolist() == [1, 2]
    assert d.splits["validation"].images == 3 and d.splits["train"].images is None
    assert np.array_equal(d.accuracies["train"][:, 0, 0], [0.1234567, np.nan], equal_nan=True)
    assert set(d.correct) == {"validation", "test"} and set(d.accuracies) == {"train"}


@given(st.integers(1, 400_000), st.integers(0, 10**9))
@settings(max_examples=300)
def test_six_decimals_name_every_count_up_to_400_000_images(images, number):
    count = number % (images + 1)
    printed = float(f"{count / images:.6f}")
    assert round(printed * images) == count
    assert abs(printed * images - count) <= min(0.25, GRID_TOLERANCE * images)


def test_seconds_per_epoch_are_charged_and_seconds_kept(tmp_path):
    text = f"""architecture,dataset,repeat,epoch,validation_accuracy,seconds,seconds_per_epoch,parameters,multiply_adds
{A},d,0,1,0.5,10,1.5,,
{A},d,0,2,0.5,,,100,
{A},d,1,1,0.5,,1.5,100,7
{A},d,1,2,0.5,30,,,
{B},d,0,1,0.5,4,,,
{B},d,0,2,0.5,8,,,
{A},e,0,1,0.5,,2.5,100,
"""
    table = made(tmp_path, text)
    d = table.dataset("d")
    assert d.train_seconds.tolist() == [1.5, 4.0]
    assert np.array_equal(d.measured_seconds, np.array([[10, 30], [8, np.nan]], "f4"), equal_nan=True)
    assert d.parameters.tolist() == [100, -1] and d.multiply_adds.tolist() == [7, -1]
    assert table.dataset("e").train_seconds.tolist()[0] == 2.5


def test_rates_are_those_of_finished_trainings_where_there_are_any(tmp_path):
    text = f"""architecture,dataset,repeat,epoch,validation_accuracy,seconds,status
{A},d,0,1,0.5,10,
{A},d,0,2,0.5,20,
{A},d,1,1,,900,failed
{B},d,1,1,,7,diverged
"""
    d = made(tmp_path, text).dataset("d")
    assert d.train_seconds.tolist() == [10.0, 7.0]
    assert d.status.tolist() == [[OK, FAILED], [MISSING, DIVERGED]]
    assert d.reasons == {"0/1": "not stated in results.csv", "1/1": "not stated in results.csv"}


def test_a_row_for_each_class(tmp_path):
    text = f"""architecture,dataset,repeat,epoch,validation_accuracy,seconds_per_epoch,parameters
{C},d,5,1,0.25,1,10
{C},d,6,1,0.5,1,10
{A},d,5,1,0.75,3,20
{D},d,5,1,1,8,30
"""
    strings = made(tmp_path, text)
    assert strings.architectures.tolist() == [[0, 2, 0], [1, 2, 2], [2, 0, 1]]
    assert (strings.row_of_index >= 0).sum() == 3
    classes = made(tmp_path, text, row_rule="class")
    d = classes.dataset("d")
    assert classes.architectures.tolist() == [[0, 2, 0], [1, 2, 2]]
    # repeats 5, 6 of the first string, then 5, 6 of the second
    assert np.array_equal(
        d.accuracy("validation")[:, :, 0], [[0.25, 0.5, 0.75, np.nan], [1, np.nan, np.nan, np.nan]], True
    )
    assert d.train_seconds.tolist() == [2.0, 8.0]  # mean over the strings of the class
    assert d.parameters.tolist() == [10, 30]  # of the row's own architecture
    for index, row in enumerate(classes.row_of_index.tolist()):
        canonical = SPACE.canonical(SPACE.architecture(index))
        members = [SPACE.canonical(SPACE.parse(text)) for text in (A, D)]
        assert row == (members.index(canonical) if canonical in members else -1)
    assert "canonical class" in classes.metadata["rows"] and "string" in strings.metadata["rows"]


def test_every_cell_of_a_real_space(tmp_path):
    space = SPACES["cell201-3node"]
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 1001, size=(125, 2, 3))
    order = rng.permutation(125)
    lines = ["architecture,dataset,repeat,epoch,validation_accuracy,seconds"]
    for index in order.tolist():
        text = space.format(space.architecture(index))
        lines += [
            f"{text},d,{r},{4 * e + 4},{counts[index, r, e] / 1000},{(e + 1) * 1.5}" for r in range(2) for e in range(3)
        ]
    table = made(tmp_path, "\n".join(lines), space, images={"d": {"validation": 1000}})
    assert np.array_equal(table.dataset("d").correct["validation"], counts)
    assert table.row_of_index.tolist() == list(range(125))
    assert np.allclose(table.dataset("d").train_seconds, 0.375)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
@settings(max_examples=25, deadline=None)
def test_fractions_are_kept_to_the_last_bit(tmp_path_factory, values):
    folder = tmp_path_factory.mktemp("csv")
    lines = ["architecture,dataset,repeat,epoch,validation_accuracy,seconds_per_epoch"]
    lines += [f"{A},d,{repeat},1,{value!r},1" for repeat, value in enumerate(values)]
    assert made(folder, "\n".join(lines)).dataset("d").accuracy("validation")[0, :, 0].tolist() == values


# Faults --------------------------------------------------------------------------------------------------------------

HEADER = "architecture,dataset,repeat,epoch,validation_accuracy,seconds"
GOOD = f"{A},d,0,1,0.5,1\n{A},d,0,2,0.5,2\n"


def fault(line):
    """A file with good lines around a fourth one."""
    return f"{HEADER}\n{GOOD}{line}\n{B},d,0,2,0.5,2\n"


@pytest.mark.parametrize(
    ("line", "column", "message"),
    [
        (",d,0,1,0.5,1", "architecture", "blank; must be an architecture string"),
        ("|conv~0|,d,0,1,0.5,1", "architecture", "'|conv~0|' has 2 nodes, space two has 3; example: |none~0|+"),
        (
            "|conv~0|+|pool~0|none~1|,d,0,1,0.5,1",
            "architecture",
            "'|conv~0|+|pool~0|none~1|': unknown operation 'pool', space",
        ),
        (f"{B},,0,1,0.5,1", "dataset", "'' is no name of a data set: letters, digits"),
        (f"{B},a/b,0,1,0.5,1", "dataset", "'a/b' is no name"),
        (f"{B},d,,1,0.5,1", "repeat", "blank"),
        (f"{B},d,-1,1,0.5,1", "repeat", "-1 is not a whole number in 0..9007199254740992"),
        (f"{B},d,0.5,1,0.5,1", "repeat", "0.5 is not a whole number"),
        (f"{B},d,first,1,0.5,1", "repeat", "'first' is not a number; leave blank what is unknown"),
        (f"{B},d,0,,0.5,1", "epoch", "blank"),
        (f"{B},d,0,0,0.5,1", "epoch", "0 is not a whole number in 1..2147483647"),
        (f"{B},d,0,1.5,0.5,1", "epoch", "1.5 is not a whole number"),
        (f"{B},d,0,99999999999,0.5,1", "epoch", "99999999999 is not a whole number"),
        (f"{B},d,0,1,,1", "validation_accuracy", "blank; a training that is ok has one at every epoch"),
        (f"{B},d,0,1,50.5,1", "validation_accuracy", "50.5 is not in [0, 1]; accuracies are fractions, not per cents"),
        (f"{B},d,0,1,-0.1,1", "validation_accuracy", "-0.1 is not in [0, 1]"),
        (f"{B},d,0,1,inf,1", "validation_accuracy", "inf is not in [0, 1]"),
        (f"{B},d,0,1,nan,1", "validation_accuracy", "'nan' is not a number; leave blank what is unknown"),
        (f"{B},d,0,1,50%,1", "validation_accuracy", "'50%' is not a number"),
        (f"{B},d,0,1,True,1", "validation_accuracy", "'True' is not a number"),
        (f"{B},d,0,1,0x1,1", "validation_accuracy", "'0x1' is not a number"),
        (f"{B},d,0,1,1_0,1", "validation_accuracy", "'1_0' is not a number"),
        (f"{B},d,0,1,٣,1", "validation_accuracy", "'٣' is not a number"),
        (f"{B},d,0,1,0.5,0", "seconds", "0 is not allowed: must be above 0 and finite"),
        (f"{B},d,0,1,0.5,-3", "seconds", "-3 is not allowed"),
        (f"{B},d,0,1,0.5,1e999", "seconds", "inf is not allowed"),
        (f"{B},d,0,1,0.5,1 min", "seconds", "'1 min' is not a number"),
    ],
)
def test_fault_of_one_line(tmp_path, line, column, message):
    with pytest.raises(TableError, match=re.escape(f"results.csv: row 4, column {column}: {message}")):
        made(tmp_path, fault(line))
    assert not (tmp_path / "out.h5").exists()


@pytest.mark.parametrize(
    ("line", "row", "column", "message"),
    [
        (f"{B},d,0,1,0.5,3", 5, "seconds", "2, but 3 at an earlier epoch of this training"),
        (f"{A},d,0,2,0.5,1", 4, "epoch", "the same training and epoch stand in row 3"),
        (
            f"{B},d,0,3,0.5,1",
            2,
            "epoch",
            "this training has no row for epoch 3, which other trainings of its data set have",
        ),
        (
            f"{A},d,0,3,0.5,3",
            5,
            "epoch",
            "this training has no row for epoch 1, which other trainings of its data set have",
        ),
    ],
)
def test_fault_between_lines(tmp_path, line, row, column, message):
    with pytest.raises(TableError, match=re.escape(f"results.csv: row {row}, column {column}: {message}")):
        made(tmp_path, fault(line))
    assert not (tmp_path / "out.h5").exists()


def wide(line, header="status,reason", before=f"{A},d,0,1,0.5,1,,\n"):
    return f"{HEADER},{header}\n{before}{line}\n"


@pytest.mark.parametrize(
    ("text", "row", "column", "message"),
    [
        (wide(f"{B},d,0,1,0.5,1,lost,"), 3, "status", "'lost' is no status; there are ok, diverged, failed"),
        (wide(f"{B},d,0,1,,1,missing,"), 3, "status", "'missing' is no status"),
        (wide(f"{B},d,0,1,0.5,1,,why"), 3, "reason", "a training that is ok needs no reason"),
        (wide(f"{B},d,0,1,,1,,"), 3, "validation_accuracy", "blank; a training that is ok has one"),
        (wide(f"{B},d,0,1,,,failed,"), 3, "seconds", "no row of this cell and data set says how long"),
        (wide(f"{B},d,0,9,,1,failed,"), 3, "epoch", "9 is not among the epochs of finished trainings, [1]"),
        (wide(f"{B},d,0,1,,1,failed,\n{B},d,0,1,,1,failed,"), 4, "epoch", "the same training and epoch stand in row 3"),
        (
            wide(f"{A},d,0,2,0.5,2,,\n{B},d,0,1,0.5,1,,\n{B},d,0,2,0.5,2,diverged,"),
            5,
            "status",
            "differs from row 4 of the same training",
        ),
        (
            wide(f"{B},d,0,1,0.5,1,-1", "train_loss", f"{A},d,0,1,0.5,1,0\n"),
            3,
            "train_loss",
            "-1 is not allowed: must be 0",
        ),
        (
            wide(f"{B},d,0,1,0.5,1,1.5", "train_accuracy", f"{A},d,0,1,0.5,1,0\n"),
            3,
            "train_accuracy",
            "1.5 is not in [0, 1]",
        ),
        (
            wide(f"{B},d,0,1,0.5,1,", "test_accuracy", f"{A},d,0,1,0.5,1,0\n"),
            3,
            "test_accuracy",
            "blank at the last epoch",
        ),
        (
            wide(f"{A},d,1,1,0.5,1,2", "test_loss", f"{A},d,0,1,0.5,1,0\n"),
            2,
            "test_accuracy",
            "blank at the last epoch",
        ),
        (
            wide(f"{A},d,1,1,0.5,1,2", "seconds_per_epoch", f"{A},d,0,1,0.5,1,3\n"),
            3,
            "seconds_per_epoch",
            "2 here, 3 in an",
        ),
        (
            wide(f"{A},d,1,1,0.5,1,8", "parameters", f"{A},d,0,1,0.5,1,9\n"),
            3,
            "parameters",
            "8 here, 9 in an earlier row",
        ),
        (
            wide(f"{A},d,1,1,0.5,1,-8", "multiply_adds", f"{A},d,0,1,0.5,1,9\n"),
            3,
            "multiply_adds",
            "-8 is not a whole number",
        ),
    ],
)
def test_fault_of_further_columns(tmp_path, text, row, column, message):
    with pytest.raises(TableError, match=re.escape(f"results.csv: row {row}, column {column}: {message}")):
        made(tmp_path, text)


def test_of_two_faults_the_first_row_is_named(tmp_path):
    text = f"{HEADER}\n{A},d,0,1,0.5,bad\n{A},d,0,2,7,1\n,d,0,1,0.5,1\n"
    with pytest.raises(TableError, match="row 2, column seconds: 'bad'"):
        made(tmp_path, text)


def test_a_fault_far_behind_the_first_block(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_rows, "BLOCK", 100)
    lines = [f"{A},d,{repeat},1,0.5,1" for repeat in range(500)]
    lines[321] = f"{A},d,321,1,0.5x,1"
    with pytest.raises(TableError, match=r"row 323, column validation_accuracy: '0.5x' is not a number"):
        made(tmp_path, "\n".join([HEADER, *lines]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "row 1 is no header of column names with commas between"),
        ("\n\n", "row 1 is no header"),
        (HEADER.replace(",", ";") + "\n", "row 1 is no header of column names with commas between"),
        (HEADER + "\n", "there are no rows below the header"),
        (HEADER + "\n\n\n", "there are no rows below the header"),
        (GOOD, f"row 1, column '{A}': unknown; there are architecture, dataset"),
        (HEADER + ",accuracy\n", "row 1, column 'accuracy': unknown; there are architecture, dataset"),
        (HEADER + ",\n", "row 1, column '': unknown"),
        (HEADER + ",epoch\n", "row 1, column epoch: stands in the header twice"),
        (HEADER.replace("repeat,", "") + "\n", "row 1, column repeat: is not in the header; there must be ['repeat']"),
        (
            HEADER.replace(",seconds", "") + "\n",
            "row 1, column seconds: is not in the header, nor is seconds_per_epoch",
        ),
        (f"{HEADER}\n{GOOD}{B},d,0,1,0.5\n", "row 4 has 5 fields, the header has 6"),
        (f"{HEADER}\n{GOOD}{B},d,0,1,0.5,1,1\n", "row 4 has 7 fields, the header has 6"),
        (f"{HEADER}\n{GOOD}\n{B},d,0,1,0.5,1\n", "row 4 has 1 fields, the header has 6"),
        (f"{HEADER}\n{GOOD}{B},d,0,1,0", "row 4 has 5 fields, the header has 6"),
        (f'{HEADER}\n{GOOD}"{B},d,0,1,0.5,1\n', "row 4: a quote is not closed on its line"),
        (f'{HEADER}\n{GOOD}"{B}","d,0",1,0.5,1\n', "row 4 has 5 fields, the header has 6"),
        (f"{HEADER}\n{GOOD}{B},d\r,0,1,0.5,1\n", "row 4: a carriage return inside the line"),
        (f"{HEADER}\n{GOOD}{B},d\0,0,1,0.5,1\n", "row 4: not UTF-8 text"),
        (f"{HEADER}\n{GOOD}".encode() + b"\xff,d,0,1,0.5,1\n", "row 4: not UTF-8 text"),
        (HEADER.encode() + b",\xff\n", "row 1 is no header"),
        (f"{HEADER}\n{GOOD}" + "x" * 100_000, "row 4 or the next ones: no line of at most 65536 bytes"),
        (b"\x89HDF\r\n\x1a\n" + bytes(2000), "row 1 is no header"),
        (b"PK\x03\x04" + bytes(range(256)) * 20, "row 1 is no header"),
    ],
)
def test_fault_of_form(tmp_path, text, message):
    with pytest.raises(TableError, match=re.escape(f"results.csv: {message}")):
        made(tmp_path, text)
    assert not (tmp_path / "out.h5").exists()


def test_accuracies_off_the_grid(tmp_path):
    text = f"{HEADER}\n{GOOD}{B},d,0,1,0.34,1\n{B},d,0,2,0.5,2\n"
    message = re.escape("row 4, column validation_accuracy: 0.34 is no multiple of 1/4; is that the number of images?")
    with pytest.raises(TableError, match=message):
        made(tmp_path, text, images={"d": {"validation": 4}})


def test_images_of_what_is_not_there(tmp_path):
    with pytest.raises(TableError, match=r"images are given for data set 'x'; results.csv has \['d', 'e'\]"):
        made(tmp_path, PLAIN, images={"x": {"validation": 4}})
    with pytest.raises(TableError, match=r"images are given for split 'test' of e; results.csv has \['validation'\]"):
        made(tmp_path, PLAIN, images={"e": {"test": 4}})


@pytest.mark.parametrize(
    "text",
    ["", "d", "d:", ":validation=1", "d:validation", "d:validation=0", "d:valid=1", "d:validation=1,", "d:test=1e4"],
)
def test_images_option_of_another_form(text):
    with pytest.raises(TableError, match=re.escape(f"--images {text!r}: must be DATASET:SPLIT=NUMBER")):
        parse_images([text])


def test_images_option_several_times():
    assert parse_images(["a:validation=1", "b:test=2,train=3", "a:test=4"]) == {
        "a": {"validation": 1, "test": 4},
        "b": {"test": 2, "train": 3},
    }


def test_too_many_repeats_for_dense_arrays(tmp_path):
    text = "\n".join([HEADER, *(f"{A},d,{repeat},1,0.5,1" for repeat in range(10_001))])
    with pytest.raises(TableError, match=r"would need 1 x 10001 x 1 \(rows x repeats x epochs\)"):
        made(tmp_path, text)


def test_files_that_are_not_there_and_an_output_that_is_the_input(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        import_csv(tmp_path / "no.csv", tmp_path / "out.h5", SPACE)
    path = tmp_path / "results.csv"
    path.write_text(PLAIN)
    with pytest.raises(TableError, match="is the CSV itself"):
        import_csv(path, path, SPACE)
    assert path.read_text() == PLAIN
    with pytest.raises(TableError, match="row rule 'rows' is unknown; there are 'string' and 'class'"):
        import_csv(path, tmp_path / "out.h5", SPACE, row_rule="rows")


def test_every_byte_cut_and_flipped_of_a_small_csv_is_read_or_refused(tmp_path):
    """No mutant may end in another exception than TableError; warnings are errors here."""
    content = PLAIN.encode()
    rng = np.random.default_rng(3)
    refused = 0
    for number in range(400):
        at = int(rng.integers(len(content)))
        mutant = [
            content[:at],
            content[:at] + bytes([content[at] ^ (1 << int(rng.integers(8)))]) + content[at + 1 :],
            content[:at] + rng.bytes(3) + content[at:],
            content[:at] + content[at + int(rng.integers(1, 80)) :],
        ][number % 4]
        try:
            made(tmp_path, mutant)
        except TableError as error:
            refused += 1
            assert str(error).startswith("results.csv: ")
    assert refused > 300


# Documentation -------------------------------------------------------------------------------------------------------


def test_documented_columns():
    text = describe_columns()
    assert all(f"  {name} " in text for name in CSV_COLUMNS)
    assert max(map(len, text.splitlines())) <= 140
    assert f"```text\n{text}\n```" in README.read_text()


def test_the_example_of_the_documentation(tmp_path):
    example = README.read_text().split("```csv\n")[1].split("```")[0]
    data = made(tmp_path, example, CELL201, images={"cifar10": {"validation": 10_000, "test": 10_000}}).dataset(
        "cifar10"
    )
    assert data.correct["validation"].tolist() == [[[4312, 8441], [1000, -1]]]
    assert data.correct["test"].tolist() == [[[-1, 8395], [-1, -1]]]
    assert data.train_seconds.tolist() == [85.3 / 12] and data.reasons == {"0/1": "loss is nan at step 40"}


def test_cell201_is_the_space_of_the_command_line(tmp_path):
    text = f"{HEADER}\n{CELL201.format((4, 2, 1, 2, 1, 1))},cifar10,777,200,0.9,3000\n"
    table = made(tmp_path, text, CELL201)
    assert table.row((4, 2, 1, 2, 1, 1)) == 0 and table.dataset("cifar10").train_seconds.tolist() == [15.0]
