"""Numbers and tables in Markdown for the text of `nasbench describe`."""

from __future__ import annotations

import math
from collections.abc import Sequence

DASH = "\N{EN DASH}"  # where there is no value


def number(value: float, digits: int) -> str:
    """Write a number; thousands apart, a dash for NaN.

    >>> number(1234.56, 1), number(-0.0004, 3), number(float("nan"), 2), number(float("inf"), 1)
    ('1,234.6', '0.000', '–', '∞')
    """
    if math.isnan(value):
        return DASH
    if math.isinf(value):
        return "\N{INFINITY}"
    text = f"{value:,.{digits}f}"
    return text.lstrip("-") if float(text.replace(",", "")) == 0 else text


def per_cent(value: float) -> str:
    """Write a fraction in per cent without the sign.

    >>> per_cent(0.91607)
    '91.61'
    """
    return number(100 * value, 2)


def points(value: float) -> str:
    """Write a difference of fractions in percentage points.

    >>> points(0.0021), points(float("nan"))
    ('0.21', '–')
    """
    return number(100 * value, 2)


def table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table: words at the left, numbers at the right; a first column that repeats is written once.

    >>> print(table(["a", "b"], [["x", "1"], ["x", "2"]]))
    | a | b |
    |---|--:|
    | x | 1 |
    |  | 2 |
    """
    right = [
        bool(lines) and all(line[column].strip(DASH + "\N{INFINITY}")[:1] in "0123456789-" for line in lines)
        for column in range(len(heads))
    ]
    result = ["| " + " | ".join(heads) + " |", "|" + "|".join("--:" if each else "---" for each in right) + "|"]
    before = None
    for line in lines:
        first = "" if line[0] == before and not right[0] else line[0]
        result.append("| " + " | ".join([first, *line[1:]]) + " |")
        before = line[0]
    return "\n".join(result)
