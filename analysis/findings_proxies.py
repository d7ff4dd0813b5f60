"""Claims about zero-cost proxies, held against what `nasbench proxies TABLE --report` wrote.

A correlation is over all cells of a table, so that its interval, a bootstrap over cells, says how far it rests on single ones; there
are no repetitions to count, and n is the number of cells.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path

import pandas as pd

from .captions import dataset_title
from .findings import Claim, Finding, judge
from .proxies import SIZE
from .statistics import Estimate

FILE = "proxies.csv"
COLUMNS = {"": "spearman", "within": "within", "best": "spearman_best"}


def is_report(folder: Path) -> bool:
    """Return whether a folder holds a report on proxies."""
    return (folder / FILE).is_file()


def find_in_proxies(claims: Sequence[Claim], folders: Sequence[Path]) -> list[Finding]:
    """Hold claims of kind `correlation` about proxies against reports; the first data set with the proxy speaks.

    A claim with a second column is about the difference to the number of parameters, over all cells.

    Raises:
        ValueError: a claim compares with another column, or a report lacks columns.
    """
    rows = [dict(row) for folder in folders for _, row in pd.read_csv(folder / FILE).iterrows()]
    return [_find_one(claim, rows) for claim in claims]


def _find_one(claim: Claim, rows: Sequence[dict[Hashable, object]]) -> Finding:
    if claim.second not in ("", SIZE) or (claim.second and claim.measure):
        raise ValueError(f"{claim.text}: proxies are compared with {SIZE!r} over all cells, not with {claim.second!r}")
    column = "above_size" if claim.second else COLUMNS[claim.measure]
    names = tuple(name for name in (claim.first, claim.second) if name)
    for row in rows:
        if row["proxy"] == claim.first:
            try:
                value, low, high = (float(str(row[f"{column}{end}"])) for end in ("", "_low", "_high"))
            except KeyError as error:
                raise ValueError(
                    f"{FILE} lacks the column {error}; make it again with nasbench proxies --report"
                ) from None
            estimate = Estimate(value, low, high)
            datasets = (dataset_title(str(row["dataset"])),)
            cells = int(str(row["cells"]))
            table = str(row.get("table", ""))
            verdict = judge(claim.kind, estimate)
            return Finding(claim, estimate, verdict, cells, datasets, "all cells of its table", "", names, table)
    return Finding(
        claim,
        None,
        "can't be told here",
        0,
        (),
        "",
        f"no recorded runs of proxy {claim.first} in the folders given",
        (),
    )
