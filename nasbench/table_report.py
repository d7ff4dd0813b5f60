"""What `nasbench verify` says about a table: the figures and the answers of the audit, as values, JSON and text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from rich.text import Text


class Check(msgspec.Struct, frozen=True):
    """One question of the audit.

    Attributes:
        name: what was asked.
        passed: the answer; None where the question does not arise.
        detail: the figures.
    """

    name: str
    passed: bool | None
    detail: str


class SplitReport(msgspec.Struct, frozen=True):
    """One split: number of images (None: only fractions are known), and lowest, mean and highest accuracy at full fidelity."""

    images: int | None
    lowest: float
    mean: float
    highest: float


class DatasetReport(msgspec.Struct, frozen=True):
    """What a data set holds.

    Attributes:
        name: name of the data set.
        epochs: the fidelities.
        repeats: repeats a row has at most.
        statuses: number of trainings by status.
        lost: up to ten trainings that diverged or failed, as (architecture, repeat, status, reason).
        empty_rows: rows without any training.
        rows_by_repeats: number of rows by number of trainings made.
        splits: accuracies by split.
        losses: splits with losses.
        train_seconds: lowest and highest calibrated seconds of an epoch.
        validation_seconds: the same for a validation pass.
        parameters: lowest and highest known number of parameters; -1 if none is known.
        seed_spread: mean over rows of the standard deviation (n - 1) between repeats of the score at full fidelity; None: no
            row has two.
        cell_spread: standard deviation between the rows' mean scores.
        checks: the audit.
    """

    name: str
    epochs: tuple[int, ...]
    repeats: int
    statuses: dict[str, int]
    lost: list[tuple[str, int, str, str]]
    empty_rows: int
    rows_by_repeats: dict[int, int]
    splits: dict[str, SplitReport]
    losses: list[str]
    train_seconds: tuple[float, float]
    validation_seconds: tuple[float, float]
    parameters: tuple[int, int]
    seed_spread: float | None
    cell_spread: float
    checks: list[Check]


class Report(msgspec.Struct, frozen=True):
    """What `verify` found; `passed` says whether every check passed.

    Attributes:
        path: the file.
        size: its bytes.
        sha256: of the payload, as sealed.
        digest: logical digest, the one to cite.
        cost_digest: digest of the calibrated seconds.
        schema_version: version of the file's schema.
        title, licence: from the metadata.
        space: name of the search space.
        architectures: size of the search space.
        answered: architectures that have a row.
        rows: rows.
        datasets: one report each.
    """

    path: str
    size: int
    sha256: str
    digest: str
    cost_digest: str
    schema_version: int
    title: str
    licence: str
    space: str
    architectures: int
    answered: int
    rows: int
    datasets: list[DatasetReport]

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return not any(check.passed is False for data in self.datasets for check in data.checks)

    def to_json(self) -> str:
        """Return the report as one JSON text."""
        return msgspec.json.encode(self).decode()

    def to_text(self) -> str:
        """Return the report as plain text."""
        return self.styled().plain

    def styled(self) -> Text:
        """Return the report as text with styles, for a terminal."""
        return _render(self)


def _render(report: Report) -> Text:
    text = Text()
    head: dict[str, Any] = {
        "table": report.path,
        "title": report.title,
        "licence": report.licence,
        "digest": report.digest,
        "cost digest": report.cost_digest,
        "SHA-256": report.sha256,
        "schema": f"version {report.schema_version}, {report.size:,} bytes",
        "space": f"{report.space}, {report.answered:,} of {report.architectures:,} architectures in {report.rows:,} rows",
    }
    _lines(text, head, "")
    for data in report.datasets:
        text.append(f"\n{data.name}\n", "bold")
        _lines(text, _figures(data), "  ")
        for architecture, repeat, status, reason in data.lost:
            text.append(f"    {status}: {architecture}, repeat {repeat}: {reason or 'no reason'}\n")
        for check in data.checks:
            word, style = {True: ("pass", "green"), False: ("FAIL", "bold red"), None: ("  - ", "dim")}[check.passed]
            text.append(f"  {word}", style)
            text.append(f"  {check.name}: {check.detail}\n")
    text.append(
        "\nsound, every check passed\n" if report.passed else "\na check failed\n",
        "green" if report.passed else "bold red",
    )
    return text


def _figures(data: DatasetReport) -> Mapping[str, Any]:
    epochs = ", ".join(map(str, data.epochs if len(data.epochs) <= 8 else (*data.epochs[:3], "...", data.epochs[-1])))
    figures: dict[str, Any] = {
        "epochs": epochs,
        "trainings": ", ".join(f"{number:,} {name}" for name, number in data.statuses.items() if number)
        + f" (at most {data.repeats} a row; "
        + ", ".join(f"{rows:,} rows with {number}" for number, rows in sorted(data.rows_by_repeats.items()))
        + ")",
    }
    for split, part in data.splits.items():
        images = "fractions" if part.images is None else f"{part.images:,} images"
        figures[split] = f"{part.lowest:.2%} to {part.highest:.2%}, mean {part.mean:.2%} ({images})"
    figures["losses"] = ", ".join(data.losses) or "none"
    figures["seconds"] = (
        f"{data.train_seconds[0]:.4g} to {data.train_seconds[1]:.4g} an epoch, "
        f"validation {data.validation_seconds[0]:.4g} to {data.validation_seconds[1]:.4g}"
    )
    figures["parameters"] = "unknown" if data.parameters[1] < 0 else "{:,} to {:,}".format(*data.parameters)
    seeds = "unknown" if data.seed_spread is None else f"{data.seed_spread:.3%}"
    figures["spread"] = f"{seeds} between seeds (mean SD), {data.cell_spread:.3%} between cells (SD of means)"
    return figures


def _lines(text: Text, figures: Mapping[str, Any], indent: str) -> None:
    for name, value in figures.items():
        text.append(f"{indent}{name:<12} ", "dim")
        text.append(f"{value}\n")
