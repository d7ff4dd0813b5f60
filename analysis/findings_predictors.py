"""Claims about predictors inside strategies, held against what `nasbench predictors` measured.

Apart from `findings.py` because a repetition here is a draw of cells, not a search.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .captions import dataset_title
from .findings import Claim, Finding, judge
from .predictors import TITLES, Measured, difference, mean_correlation, read_measured


def find_in_measured(claims: Sequence[Claim], folders: Sequence[Path]) -> list[Finding]:
    """Hold claims of kind `correlation` against folders of measurements; the first folder with both predictors speaks.

    Raises:
        PredictorError: a folder holds no measurements.
    """
    measurements = [read_measured(folder) for folder in folders]
    return [_find_one(claim, measurements) for claim in claims]


def _find_one(claim: Claim, measurements: Sequence[Measured]) -> Finding:
    wanted = [(name, claim.cells) for name in (claim.first, claim.second) if name]
    for measured in measurements:
        if all(key in measured.values for key in wanted):
            estimate = (
                difference(measured, wanted[0], wanted[1]) if claim.second else mean_correlation(measured, *wanted[0])
            )
            number = min(len(measured.repetitions[key]) for key in wanted)
            names = tuple(TITLES.get(name, name) for name, _ in wanted)
            facts = measured.facts
            series = f"{facts['table']}, {facts['held_out']:,} held-out cells, {claim.cells} trained ones"
            datasets = (dataset_title(facts["dataset"]),)
            verdict = judge(claim.kind, estimate)
            return Finding(claim, estimate, verdict, number, datasets, series, "", names, str(facts["table"]))
    names_wanted = " and ".join(name for name, _ in wanted)
    missing = f"no recorded runs of predictors {names_wanted} with {claim.cells} trained cells in the folders given"
    return Finding(claim, None, "can't be told here", 0, (), "", missing, ())
