r"""Tables as LaTeX floats that fit: booktabs rules through pandas' Styler, at 9 points on a text 5.5 inches wide.

A table that is too wide for that is cut into blocks of columns below each other, each with the names of the rows; one too long
for a page goes on in further floats, "continued". What remains too wide, by a little or because the text is narrower, is scaled
down to the line by `\resizebox`, which leaves a table that fits alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from . import latex

LINE = 397.0  # points: 5.5 inches, NeurIPS and ICLR
MOST_SHRUNK = 0.85  # of the size of the letters: 9 points become 7.7
SIZE, SMALL = 9.0, 7.0  # points: \small and \scriptsize of a document at 10
SEPARATION = 8.0  # points between columns
MOST_LINES = 40  # of rows and headings in one float: a page of 9 inches holds them with a long caption
HEADING_LINES = 3  # heads and rules of a block, in lines of a row


class Cell(NamedTuple):
    """What stands in a place, as LaTeX, and about how wide it is, in points."""

    text: str
    points: float


class Row(NamedTuple):
    """Name of a row, plain text, and its cells."""

    name: str
    cells: tuple[Cell, ...]


class Heading(NamedTuple):
    """Heads of a column, plain text: one that spans neighbours with the same ("" for none), and its own."""

    group: str
    name: str


def cell(value: str, half_width: str, mark: str) -> Cell:
    """Return a cell: the value, bold if it is the `best`, underlined if `level`, and its half width small; "" for none."""
    shown = {"best": rf"\textbf{{{value}}}", "level": rf"\underline{{{value}}}"}.get(mark, value)
    points = latex.width(value, 1.12 * SIZE if mark == "best" else SIZE)
    if not half_width:
        return Cell(shown, points)
    return Cell(rf"{shown} {{\scriptsize $\pm$ {half_width}}}", points + latex.width(f" ± {half_width}", SMALL) + 5.0)


def float_text(
    name: str,
    headings: Sequence[Heading],
    references: Sequence[Row],
    rows: Sequence[Row],
    caption: str,
    short_caption: str,
) -> str:
    """Write a table as one or more floats.

    Args:
        name: of the label `tab:NAME`; what a label can't hold becomes a hyphen.
        headings: of the columns after the first, which holds the names of the rows.
        references: rows above the rule, repeated in every block.
        rows: the others.
        caption: plain text.
        short_caption: for lists of tables, and above the floats that go on.
    """
    blocks = [
        (places, part)
        for part in _row_parts(len(rows), len(references))
        for places in column_parts(headings, (*references, *rows))
    ]
    floats: list[list[str]] = []
    lines = MOST_LINES + 1
    for places, part in blocks:
        needed = HEADING_LINES + len(references) + len(part)
        if lines + needed > MOST_LINES:
            floats.append([])
            lines = 0
        floats[-1].append(_tabular(headings, references, [rows[place] for place in part], places))
        lines += needed
    texts = []
    for number, block in enumerate(floats):
        head = (
            rf"\caption[{latex.escape(short_caption)}]{{{latex.escape(caption)}}}"
            "\n"
            rf"\label{{tab:{re.sub('[^A-Za-z0-9.:+-]', '-', name)}}}"
        )
        if number:
            head = "\\addtocounter{table}{-1}\n" rf"\caption[]{{{latex.escape(short_caption)} (continued).}}"
        body = "\n\n\\medskip\n".join(
            "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{" + each + "}" for each in block
        )
        texts.append(
            "\\begin{table}[t]\n\\centering\n\\small\\setlength{\\tabcolsep}{4pt}\\setlength{\\belowcaptionskip}{4pt}\n"
            f"{head}\n{body}\n\\end{{table}}\n"
        )
    return "% needs \\usepackage{booktabs,graphicx}\n" + "\n".join(texts)


def column_parts(headings: Sequence[Heading], rows: Sequence[Row]) -> list[list[int]]:
    """Return the places of the columns of each block: as few blocks as fit the line, of nearly equal width.

    Columns below one spanning heading stay together where that fits.
    """
    names = max([latex.width(row.name, SIZE) for row in rows], default=0.0) + SEPARATION
    widths = [
        max([latex.width(heading.name, SIZE), *[row.cells[place].points for row in rows]]) + SEPARATION
        for place, heading in enumerate(headings)
    ]
    room = max(LINE / MOST_SHRUNK - names, LINE / 3.0)
    together: list[list[int]] = []
    for place, heading in enumerate(headings):
        if together and heading.group and headings[place - 1].group == heading.group:
            together[-1].append(place)
        else:
            together.append([place])
    units = [
        unit
        for group in together
        for unit in ([group] if sum(widths[place] for place in group) <= room else [[place] for place in group])
    ]
    fewest = _packed(units, widths, room)
    for share in range(10, 20):  # the narrowest line that needs no more blocks
        parts = _packed(units, widths, room * share / 20.0)
        if len(parts) <= len(fewest):
            return parts
    return fewest


def _packed(units: Sequence[list[int]], widths: Sequence[float], room: float) -> list[list[int]]:
    parts: list[list[int]] = []
    used = 0.0
    for unit in units:
        needed = sum(widths[place] for place in unit)
        if not parts or used + needed > room:
            parts.append([])
            used = 0.0
        parts[-1] += unit
        used += needed
    return parts


def _row_parts(rows: int, references: int) -> list[range]:
    """Return the places of the rows of each block, nearly equal in number."""
    most = MOST_LINES - HEADING_LINES - references
    number = max(1, -(-rows // most))
    size = -(-rows // number) if rows else 0
    return [range(first, min(first + size, rows)) for first in range(0, rows, size)] if rows else [range(0)]


def _tabular(headings: Sequence[Heading], references: Sequence[Row], rows: Sequence[Row], places: Sequence[int]) -> str:
    every = (*references, *rows)
    chosen = [headings[place] for place in places]
    texts = [[row.cells[place].text for place in places] for row in every]
    frame = pd.DataFrame(texts, columns=range(len(places)))
    frame.index = pd.Index([latex.escape(row.name) for row in every])
    names = [(latex.escape(heading.group), latex.escape(heading.name)) for heading in chosen]
    spanned = any(heading.group for heading in chosen)
    frame.columns = pd.MultiIndex.from_tuples(names) if spanned else pd.Index([name for _, name in names])
    text = frame.style.to_latex(hrules=True, column_format="l" + "r" * len(places), multicol_align="c")
    lines = text.splitlines()
    if references and rows:
        lines.insert(lines.index(r"\midrule") + 1 + len(references), r"\midrule")
    if spanned:
        lines.insert(lines.index(r"\toprule") + 2, _spanning_rules([heading.group for heading in chosen]))
    return "\n".join(lines)


def _spanning_rules(groups: Sequence[str]) -> str:
    """Return rules below the headings that span columns."""
    rules, first = [], 0
    for position in range(1, len(groups) + 1):
        if position == len(groups) or groups[position] != groups[first]:
            if groups[first]:
                rules.append(rf"\cmidrule(lr){{{first + 2}-{position + 1}}}")
            first = position
    return " ".join(rules)
