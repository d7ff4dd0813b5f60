"""Read a results CSV that anybody can write: every cell checked, the first fault named by row and column.

`CSV_COLUMNS` is the documentation of the format; `describe_columns` prints it. The file is read in blocks with pandas' C
parser, so that ten million rows take a minute and not an hour; a block with a fault is read again, slowly, to find it.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, NoReturn, cast

import numpy as np
from numpy.typing import NDArray

from nasbench.soundness import MOST, NAME
from nasbench.space import CellSpace, SpaceError
from nasbench.table import MISSING, STATUSES, TableError

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["text", "whole", "fraction", "loss", "seconds"]


@dataclass(frozen=True)
class Column:
    """One column of the CSV: what it holds, what is allowed, and whether it must be there."""

    kind: Kind
    required: bool
    meaning: str


CSV_COLUMNS: dict[str, Column] = {
    "architecture": Column("text", True, "published string, such as |nor_conv_3x3~0|+|none~0|skip_connect~1|+..."),
    "dataset": Column("text", True, "name of the data set: letters, digits, '.', '_', '+', '-'"),
    "repeat": Column("whole", True, "number or seed of the training, 0 or more: equal cells with other repeats are other trainings"),
    "epoch": Column("whole", True, "epochs trained so far, from 1; every finished training of a data set has the same ones"),
    "validation_accuracy": Column("fraction", True, "fraction in [0, 1]; blank only if status is not ok"),
    "test_accuracy": Column("fraction", False, "fraction in [0, 1]; needed at the last epoch, may be blank before"),
    "train_accuracy": Column("fraction", False, "fraction in [0, 1]; may be blank"),
    "validation_loss": Column("loss", False, "mean cross-entropy, 0 or more; may be blank"),
    "test_loss": Column("loss", False, "mean cross-entropy, 0 or more; may be blank"),
    "train_loss": Column("loss", False, "mean cross-entropy, 0 or more; may be blank"),
    "seconds": Column("seconds", False, "wall seconds of the whole training up to this epoch, above 0, never falling; may be blank"),
    "seconds_per_epoch": Column("seconds", False, "seconds charged for one epoch of training, above 0; one value for a cell; may be blank"),
    "parameters": Column("whole", False, "trainable parameters of the network, one value for a cell; may be blank"),
    "multiply_adds": Column("whole", False, "multiply-adds of one forward pass, one value for a cell; may be blank"),
    "status": Column("text", False, "ok (also if blank), diverged or failed; the same on every row of a training"),
    "reason": Column("text", False, "why the training diverged or failed"),
}  # fmt: skip
"""`seconds` or `seconds_per_epoch` must be there, since a search is charged seconds."""

BLOCK = 2**26  # bytes read at a time
MAX_LINE = 2**16  # bytes; a longer line is no row of such a file
FIRST_ROW = 2  # row 1 is the header, as a spreadsheet counts
_WORDS = (b"true", b"True", b"TRUE", b"false", b"False", b"FALSE")  # pandas would take these for 1 and 0
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def describe_columns() -> str:
    """Return the documentation of the columns as plain text, one column a line."""
    width = max(map(len, CSV_COLUMNS))
    lines = [f"  {name:<{width}}  {'* ' if c.required else '  '}{c.meaning}" for name, c in CSV_COLUMNS.items()]
    return "\n".join(
        [
            "Columns of the CSV, in any order, named in the first line; * must be there, and one of seconds and",
            "seconds_per_epoch. One row for each epoch read of each training; UTF-8, commas, decimal points; .csv or .csv.gz.",
            *lines,
        ]
    )


@dataclass
class Rows:
    """The rows of a CSV, all arrays of shape (rows,); file row = position + 2.

    Attributes:
        index: number of the architecture in the space.
        dataset: position of the data set's name in `names`.
        repeat: number or seed of the training.
        epoch: epochs trained so far.
        status: `table.OK`, `DIVERGED` or `FAILED`.
        values: the numeric columns that the file has, float64, NaN where blank.
        reasons: the given reasons by position.
        names: names of the data sets in the order of appearance.
        columns: the header.
    """

    index: NDArray[np.int64]
    dataset: NDArray[np.int64]
    repeat: NDArray[np.int64]
    epoch: NDArray[np.int64]
    status: NDArray[np.uint8]
    values: dict[str, NDArray[np.float64]]
    reasons: dict[int, str]
    names: list[str]
    columns: list[str]


def refuse(path: Path, row: int, column: str, message: str) -> NoReturn:
    """Raise the error that names a fault by file, row and column."""
    raise TableError(f"{path.name}: row {row}, column {column}: {message}")


def read_rows(path: Path, space: CellSpace) -> Rows:
    """Read and check every cell of a CSV; what depends on several rows is checked by `import_csv`.

    Raises:
        FileNotFoundError: there is no such file.
        TableError: the first fault, by file row (the header is row 1) and column.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    reader = _Reader(path, space)
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            header = stream.readline(MAX_LINE)
            reader.columns = _header(path, header)
            row = FIRST_ROW
            for block in _blocks(path, cast(BinaryIO, stream), row):
                _check_form(path, block, row, len(reader.columns))
                reader.read(block, row)
                row += block.count(b"\n") + (not block.endswith(b"\n"))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise TableError(f"{path.name}: damaged gzip file: {error}") from None
    if not reader.parts:
        raise TableError(f"{path.name}: there are no rows below the header")
    return reader.rows()


def _header(path: Path, line: bytes) -> list[str]:
    try:
        columns = next(csv.reader([line.decode("utf-8-sig").rstrip("\r\n")]), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise TableError(f"{path.name}: row 1 is no header: {error}") from None
    columns = [column.strip() for column in columns]
    if len(columns) < 2:
        raise TableError(f"{path.name}: row 1 is no header of column names with commas between: {line[:80]!r}")
    for column in columns:
        if column not in CSV_COLUMNS:
            refuse(path, 1, repr(column), f"unknown; there are {', '.join(CSV_COLUMNS)}")
        if columns.count(column) > 1:
            refuse(path, 1, column, "stands in the header twice")
    missing = [name for name, column in CSV_COLUMNS.items() if column.required and name not in columns]
    if missing:
        refuse(path, 1, missing[0], f"is not in the header; there must be {missing}")
    if "seconds" not in columns and "seconds_per_epoch" not in columns:
        refuse(path, 1, "seconds", "is not in the header, nor is seconds_per_epoch; a search is charged seconds")
    return columns


def _blocks(path: Path, stream: BinaryIO, row: int) -> Iterator[bytes]:
    """Yield the file below the header in blocks of whole lines, without blank lines at its end."""
    rest = b""
    while block := stream.read(BLOCK):
        rest += block
        cut = rest.rfind(b"\n", 0, len(rest.rstrip(b"\r\n"))) + 1  # keeps the last line, and blank lines behind it
        if len(rest) - cut > MAX_LINE:
            row += rest.count(b"\n", 0, cut)
            raise TableError(f"{path.name}: row {row} or the next ones: no line of at most {MAX_LINE} bytes")
        if cut:
            yield rest[:cut]
            row += rest.count(b"\n", 0, cut)
            rest = rest[cut:]
    if rest.strip(b"\r\n"):
        yield rest.rstrip(b"\r\n")


def _check_form(path: Path, block: bytes, row: int, width: int) -> None:
    """Check that a block is UTF-8 text with the header's number of fields on every line."""
    place = block.find(b"\0")
    if place < 0 and not block.isascii():
        try:
            block.decode("utf-8")
        except UnicodeDecodeError as error:
            place = error.start
    if place >= 0:
        raise TableError(f"{path.name}: row {row + block[:place].count(10)}: not UTF-8 text")
    if block.count(b"\r") != block.count(b"\r\n") + block.endswith(b"\r"):
        place = next(found.start() for found in re.finditer(rb"\r(?!\n)", block))
        raise TableError(f"{path.name}: row {row + block[:place].count(10)}: a carriage return inside the line")
    if b'"' in block:
        fields = _quoted_fields(path, block, row)
    else:
        data = np.frombuffer(block, dtype=np.uint8)
        ends = np.flatnonzero(data == ord("\n"))
        if not block.endswith(b"\n"):
            ends = np.append(ends, len(data))
        fields = np.diff(np.searchsorted(np.flatnonzero(data == ord(",")), ends), prepend=0) + 1
    wrong = np.flatnonzero(fields != width)
    if len(wrong):
        raise TableError(f"{path.name}: row {row + wrong[0]} has {fields[wrong[0]]} fields, the header has {width}")


def _quoted_fields(path: Path, block: bytes, row: int) -> NDArray[np.int64]:
    """Count the fields of each line where commas may stand inside quotes."""
    lines = block.decode("utf-8").split("\n")
    if block.endswith(b"\n"):
        lines.pop()
    fields = []
    for number, line in enumerate(lines, start=row):
        if line.count('"') % 2:
            raise TableError(f"{path.name}: row {number}: a quote is not closed on its line")
        try:
            fields.append(len(next(csv.reader([line.rstrip("\r")]), [])))
        except csv.Error as error:
            raise TableError(f"{path.name}: row {number}: {error}") from None
    return np.array(fields, dtype=np.int64)


class _Faults:
    """Remembers the first fault of a block."""

    def __init__(self) -> None:
        self.first: tuple[int, str, str] | None = None

    def add(self, bad: NDArray[np.bool_], column: str, message: Callable[[int], str]) -> None:
        position = int(bad.argmax()) if len(bad) else 0
        if len(bad) and bad[position] and (self.first is None or position < self.first[0]):
            self.first = (position, column, message(position))


@dataclass
class _Reader:
    path: Path
    space: CellSpace
    columns: list[str] = field(default_factory=list)
    parts: list[dict[str, NDArray[Any]]] = field(default_factory=list)
    reasons: dict[int, str] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)
    indices: dict[str, int] = field(default_factory=dict)

    def read(self, block: bytes, row: int) -> None:
        """Read and check the cells of one block."""
        faults = _Faults()
        frame = self._frame(block, faults)
        part: dict[str, NDArray[Any]] = {
            "architecture": self._translate(frame["architecture"], "architecture", self._index, faults),
            "dataset": self._translate(frame["dataset"], "dataset", self._dataset, faults),
            "status": np.zeros(len(frame), dtype=np.int64),
        }
        if "status" in self.columns:
            part["status"] = self._translate(frame["status"], "status", _status, faults)
        for name in self.columns:
            if CSV_COLUMNS[name].kind != "text":
                part[name] = _checked(name, frame[name].to_numpy(dtype=np.float64), part["status"], faults)
        if "reason" in self.columns:
            texts = frame["reason"].astype(str).str.strip()
            given = texts.to_numpy() != ""
            faults.add(given & (part["status"] == 0), "reason", lambda _: "a training that is ok needs no reason")
            self.reasons |= {row - FIRST_ROW + int(at): str(texts.iloc[at]) for at in np.flatnonzero(given)}
        if faults.first is not None:
            refuse(self.path, row + faults.first[0], *faults.first[1:])
        self.parts.append(part)

    def rows(self) -> Rows:
        """Return what was read."""
        joined = {name: np.concatenate([part[name] for part in self.parts]) for name in self.parts[0]}
        self.parts.clear()
        return Rows(
            index=joined.pop("architecture"),
            dataset=joined.pop("dataset"),
            repeat=joined.pop("repeat").astype(np.int64),
            epoch=joined.pop("epoch").astype(np.int64),
            status=joined.pop("status").astype(np.uint8),
            values=joined,
            reasons=self.reasons,
            names=list(self.names),
            columns=self.columns,
        )

    def _frame(self, block: bytes, faults: _Faults) -> pd.DataFrame:
        """Parse a block; where the fast parser refuses a number, or would take a word for one, find out which."""
        texts = [name for name in self.columns if CSV_COLUMNS[name].kind == "text"]
        numbers = [name for name in self.columns if name not in texts]
        if not any(word in block for word in _WORDS):
            try:
                return self._parse(block, dict.fromkeys(texts, "category") | dict.fromkeys(numbers, np.float64))
            except ValueError:
                pass
        frame = self._parse(block, dict.fromkeys(numbers, str) | dict.fromkeys(texts, "category"))
        for name in numbers:
            cells = [str(cell).strip() for cell in frame[name].fillna("")]
            good = np.array([not cell or bool(_NUMBER.fullmatch(cell)) for cell in cells])
            faults.add(~good, name, partial(_no_number, cells))
            frame[name] = [float(cell) if ok and cell else np.nan for cell, ok in zip(cells, good, strict=True)]
        return frame

    def _parse(self, block: bytes, dtypes: dict[str, Any]) -> pd.DataFrame:
        import pandas as pd  # half a second that no other command should wait for

        options: dict[str, Any] = {} if int(pd.__version__.split(".")[0]) >= 3 else {"float_precision": "round_trip"}
        numbers = {name: [""] for name in self.columns if CSV_COLUMNS[name].kind != "text"}
        frame: pd.DataFrame = pd.read_csv(
            io.BytesIO(block),
            header=None,
            names=self.columns,
            index_col=False,
            dtype=dtypes,
            keep_default_na=False,
            na_values=numbers,
            skip_blank_lines=False,
            encoding="utf-8",
            **options,
        )
        return frame

    def _translate(
        self, cells: pd.Series[Any], column: str, number: Callable[[str], int], faults: _Faults
    ) -> NDArray[np.int64]:
        """Replace each text by its number; each different text is looked at once a block."""
        found = np.zeros(len(cells.cat.categories) + 1, dtype=np.int64)
        codes = cells.cat.codes.to_numpy()  # -1 where the parser made a blank cell a missing one
        for code in [-1, *range(len(cells.cat.categories))]:
            if code < 0 and not (codes < 0).any():
                continue
            text = str(cells.cat.categories[code]).strip() if code >= 0 else ""
            try:
                found[code] = number(text)
            except (SpaceError, TableError) as error:
                faults.add(codes == code, column, partial(_same, str(error)))
        return found[codes]

    def _index(self, text: str) -> int:
        if text not in self.indices:
            if not text:
                raise SpaceError("blank; must be an architecture string")
            self.indices[text] = self.space.index(self.space.parse(text))
        return self.indices[text]

    def _dataset(self, text: str) -> int:
        if not NAME.fullmatch(text):
            raise TableError(f"{text!r} is no name of a data set: letters, digits and '._+-', a letter or digit first")
        return self.names.setdefault(text, len(self.names))


def _same(message: str, _: int) -> str:
    return message


def _no_number(cells: list[str], position: int) -> str:
    return f"{cells[position]!r} is not a number; leave blank what is unknown"


def _status(text: str) -> int:
    if text and text not in STATUSES[:MISSING]:
        raise TableError(f"{text!r} is no status; there are {', '.join(STATUSES[:MISSING])}")
    return STATUSES.index(text or "ok")


def _checked(name: str, values: NDArray[np.float64], status: NDArray[np.int64], faults: _Faults) -> NDArray[np.float64]:
    """Check one numeric column of a block against what its kind allows."""
    column = CSV_COLUMNS[name]
    blank = np.isnan(values)
    if name == "validation_accuracy":
        faults.add(blank & (status == 0), name, lambda _: "blank; a training that is ok has one at every epoch")
    elif column.required:
        faults.add(blank, name, lambda _: "blank")
    if column.kind == "fraction":
        faults.add(
            ~blank & ~((values >= 0) & (values <= 1)),
            name,
            lambda at: f"{values[at]:g} is not in [0, 1]; accuracies are fractions, not per cents",
        )
    elif column.kind == "whole":
        lowest, most = (1, MOST) if name == "epoch" else (0, 2**53)
        whole = (values >= lowest) & (values <= most) & (values == np.floor(values))
        faults.add(~blank & ~whole, name, lambda at: f"{values[at]:.15g} is not a whole number in {lowest}..{most}")
    else:
        good = np.isfinite(values) & ((values >= 0) if column.kind == "loss" else (values > 0))
        allowed = "0 or more" if column.kind == "loss" else "above 0"
        faults.add(~blank & ~good, name, lambda at: f"{values[at]:g} is not allowed: must be {allowed} and finite")
    return values
