"""The audit of a table: what it holds, and whether it keeps what a table promises.

Opening a sealed file proves its bytes and its form (`sealed.py`, `soundness.py`). The audit asks the further questions that
the defects of published tables suggest (NATS-Bench issue 36, google-research/nasbench issue 21): costs, seeds, splits,
members of a class, agreement of validation and test.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasbench.table import MISSING, OK, SCHEMA_VERSION, STATUSES, Dataset, Table
from nasbench.table_report import Check, DatasetReport, Report, SplitReport


def audit(table: Table, path: str = "") -> Report:
    """Describe and audit an open table; see `verify`."""
    return Report(
        path=path,
        size=Path(path).stat().st_size if path else 0,
        sha256=table.sha256,
        digest=table.digest,
        cost_digest=table.cost_digest,
        schema_version=SCHEMA_VERSION,
        title=str(table.metadata.get("title", "")),
        licence=str(table.metadata.get("licence", "")),
        space=table.space.name,
        architectures=table.space.size,
        answered=int((table.row_of_index >= 0).sum()),
        rows=len(table.architectures),
        datasets=[_describe(table, data) for data in table.datasets.values()],
    )


def _describe(table: Table, data: Dataset) -> DatasetReport:
    made = data.status != MISSING
    lost = np.argwhere(made & (data.status != OK)).tolist()
    per_row, rows = np.unique(made.sum(axis=1), return_counts=True)
    score = data.answers(data.score_split)[:, :, -1]
    asked = made.any(axis=1)
    sizes = data.parameters[data.parameters >= 0]
    means = data.mean_accuracy(data.score_split)[asked]
    return DatasetReport(
        name=data.name,
        epochs=data.epochs,
        repeats=data.status.shape[1],
        statuses={name: int((data.status == number).sum()) for number, name in enumerate(STATUSES)},
        lost=[
            (
                table.space.format(tuple(table.architectures[row].tolist())),
                repeat,
                STATUSES[data.status[row, repeat]],
                data.reasons.get(f"{row}/{repeat}", ""),
            )
            for row, repeat in lost[:10]
        ],
        empty_rows=int((~asked).sum()),
        rows_by_repeats=dict(zip(per_row.tolist(), rows.tolist(), strict=True)),
        splits={split: _split_report(data, split) for split in data.splits},
        losses=sorted(data.losses),
        train_seconds=_range(data.train_seconds[asked]),
        validation_seconds=_range(data.validation_seconds[asked]),
        parameters=(int(sizes.min()), int(sizes.max())) if len(sizes) else (-1, -1),
        seed_spread=_seed_spread(score),
        cell_spread=float(means.std()) if len(means) else 0.0,
        checks=[
            _check_grid(data),
            _check_costs(data, asked),
            _check_splits(data),
            _check_members(table, data),
            _check_presence(table, data, lost),
            _check_agreement(data, asked),
        ],
    )


def _range(values: NDArray[np.float64]) -> tuple[float, float]:
    return (float(values.min()), float(values.max())) if len(values) else (0.0, 0.0)


def _split_report(data: Dataset, split: str) -> SplitReport:
    final = data.accuracy(split)[:, :, -1]
    known = final[~np.isnan(final)]
    if not len(known):
        return SplitReport(data.splits[split].images, 0.0, 0.0, 0.0)
    return SplitReport(data.splits[split].images, float(known.min()), float(known.mean()), float(known.max()))


def _seed_spread(score: NDArray[np.float64]) -> float | None:
    several = (~np.isnan(score)).sum(axis=1) >= 2
    return float(np.nanstd(score[several], axis=1, ddof=1).mean()) if several.any() else None


def _check_grid(data: Dataset) -> Check:
    """Counts are integers of 0..images by the schema; fractions can't be checked."""
    counted = {split: part.images for split, part in data.splits.items() if part.images is not None}
    detail = ", ".join(f"{split} 0..{images}" for split, images in counted.items())
    loose = sorted(set(data.splits) - set(counted))
    if loose:
        detail += f"{'; ' if detail else ''}{', '.join(loose)}: fractions, number of images unknown"
    return Check("counts of correct answers on their grid", True if counted else None, detail)


def _check_costs(data: Dataset, asked: NDArray[np.bool_]) -> Check:
    """Simulated seconds must be positive and rise with the epochs."""
    seconds = (data.train_seconds + data.validation_seconds)[asked]
    curves = seconds[:, None] * np.array(data.epochs)
    rising = bool((curves[:, 0] > 0).all() and (np.diff(curves, axis=1) > 0).all() and np.isfinite(curves).all())
    measured = data.measured_seconds[~np.isnan(data.measured_seconds)]
    if len(measured):
        fit = np.abs(curves[:, -1:] - data.measured_seconds[asked]) / np.maximum(data.measured_seconds[asked], 1e-9)
        spread = f"; {np.nanmedian(fit):.1%} median distance to the measured seconds"
    else:
        spread = "; no measured seconds"
    return Check("cost positive and rising with the epochs", rising, f"{len(seconds)} rows{spread}")


def _check_splits(data: Dataset) -> Check:
    """Splits with equal digests would be the same images."""
    digests = {split: part.digest for split, part in data.splits.items() if part.digest}
    different = len(set(digests.values())) == len(digests)
    if len(digests) < 2:
        return Check("splits differ (digests)", None, f"{len(digests)} of {len(data.splits)} splits have a digest")
    return Check("splits differ (digests)", different, ", ".join(f"{s} {d[:12]}" for s, d in digests.items()))


def _check_members(table: Table, data: Dataset) -> Check:
    """With one row for a class, its members must lead to it; with a row for each string, say how far sizes agree."""
    name = "members of a class share row and parameters"
    answered = np.flatnonzero(table.row_of_index >= 0)
    classes = table.space.class_of[answered]
    rows = table.row_of_index[answered]
    disagree = _disagreeing(classes, rows)
    number = len(np.unique(classes))
    if disagree == 0:
        return Check(name, True, f"{number} classes, each with one row")
    several = _disagreeing(classes, data.parameters[rows])
    return Check(
        name,
        None,
        f"rows are strings: {disagree} of {number} classes have several rows, in {several} of them the parameters differ",
    )


def _disagreeing(groups: NDArray[np.int32], values: NDArray[Any]) -> int:
    """Return in how many groups the values are not all equal."""
    order = np.lexsort((values, groups))
    groups, values = groups[order], values[order]
    changes = (np.diff(groups) == 0) & (np.diff(values) != 0)
    return len(np.unique(groups[1:][changes]))


def _check_presence(table: Table, data: Dataset, lost: list[list[int]]) -> Check:
    """Every training was made, or has a status and a reason; for those never made the metadata may say why, once for all."""
    why = str(table.metadata.get("missing", ""))
    missing = np.argwhere(data.status == MISSING).tolist()
    unexplained = [place for place in lost if not data.reasons.get("{}/{}".format(*place))]
    detail = f"{data.status.size - len(missing)} of {data.status.size} made"
    if lost:
        detail += f"; {len(lost)} lost, {len(unexplained)} of them without a reason"
    if missing:
        if not why:
            unexplained += [place for place in missing if not data.reasons.get("{}/{}".format(*place))]
        detail += f"; {len(missing)} missing ({why or 'the metadata do not say why'})"
    absent = int((table.row_of_index < 0).sum())
    if absent:
        detail += f"; {absent} architectures have no row"
    return Check("every training made, or with status and reason", not unexplained, detail)


def _check_agreement(data: Dataset, asked: NDArray[np.bool_]) -> Check:
    """Test and validation accuracy must rank the rows alike: a table in which they don't has mixed them up."""
    name = "validation and test rank the rows alike"
    if "test" not in data.splits:
        return Check(name, None, "no test split")
    pairs = np.stack([data.mean_accuracy(split)[asked] for split in ("validation", "test")])
    pairs = pairs[:, ~np.isnan(pairs).any(axis=0)]
    correlation = _rank_correlation(pairs[0], pairs[1])
    if correlation is None:
        return Check(name, None, f"{pairs.shape[1]} rows: no rank correlation")
    return Check(name, correlation > 0, f"rank correlation {correlation:.4f} over {pairs.shape[1]} rows")


def _rank_correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float | None:
    """Spearman's rank correlation with average ranks for ties; None where either has fewer than two values."""
    ranks = []
    for values in (first, second):
        _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
        if len(counts) < 2:
            return None
        ranks.append((np.cumsum(counts) - (counts - 1) / 2)[group])
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])
