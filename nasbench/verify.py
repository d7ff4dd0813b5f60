"""`nasbench verify`: is a file a sound table, and what is in it?

The file is read in a child process whose time and memory are limited by the operating system, so that a hostile file can
at worst end that process. The questions it is asked are those of `checks.py`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from rich.text import Text

from nasbench.checks import DatasetReport, Report, audit
from nasbench.sealed import open_table
from nasbench.table import TableError

CPU_SECONDS = 120
MEMORY_BYTES = 4 * 2**30  # address space, of which the libraries alone take about 1 GB


def verify(path: Path, *, cpu_seconds: int = CPU_SECONDS, memory_bytes: int = MEMORY_BYTES) -> Report:
    """Read a table in a limited child process, and audit it.

    Args:
        path: the sealed file.
        cpu_seconds: processor seconds that the child may use; twice as many by the wall clock.
        memory_bytes: address space that the child may use.

    Returns:
        The report. A sound file whose content fails a check gives a report with `ok` false, not an error.

    Raises:
        FileNotFoundError: there is no such file.
        TableError: not a sound table; or the child hit a limit or died over it; the message says which.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no table {path}")
    arguments = [sys.executable, "-m", "nasbench.verify", str(path.resolve()), str(cpu_seconds), str(memory_bytes)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    try:
        child = subprocess.run(arguments, capture_output=True, timeout=2 * cpu_seconds, env=environment, check=False)
    except subprocess.TimeoutExpired:
        raise TableError(f"{path}: not read within {2 * cpu_seconds} seconds") from None
    if child.returncode == 0:
        return msgspec.structs.replace(msgspec.json.decode(child.stdout, type=Report), path=str(path))
    message = child.stderr.decode("utf-8", "replace").strip()
    if child.returncode == _REFUSED:
        raise TableError(message.replace(str(path.resolve()), str(path)))
    if child.returncode in (-getattr(signal, "SIGXCPU", 0), -getattr(signal, "SIGKILL", 0)):
        raise TableError(f"{path}: not read within {cpu_seconds} processor seconds")
    last = message.splitlines()[-1] if message else "no message"
    raise TableError(f"{path}: its reader ended with code {child.returncode}: {last}")


_REFUSED = 3


def _child(arguments: list[str]) -> int:
    path, cpu_seconds, memory_bytes = arguments[0], int(arguments[1]), int(arguments[2])
    _limit(cpu_seconds, memory_bytes)
    try:
        report = audit(open_table(path), path)
    except TableError as error:
        sys.stderr.write(str(error))
        return _REFUSED
    except MemoryError:
        sys.stderr.write(f"{path}: more than {memory_bytes} bytes of memory were needed")
        return _REFUSED
    sys.stdout.buffer.write(msgspec.json.encode(report))
    return 0


def _limit(cpu_seconds: int, memory_bytes: int) -> None:
    """Limit this process for good; where the system knows no such limit (Windows; memory on macOS) it stays unlimited."""
    try:
        import resource
    except ImportError:
        return
    for limit, value in (
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CORE, 0),
    ):
        try:
            hard = resource.getrlimit(limit)[1]
            least = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(limit, (least, least))
        except (ValueError, OSError):
            continue


# Rendering ---------------------------------------------------------------------------------------------------------------


def render(report: Report) -> Text:
    """Return a report as styled text; `.plain` is the same without styles."""
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
        "\nsound, every check passed\n" if report.ok else "\na check failed\n", "green" if report.ok else "bold red"
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


if __name__ == "__main__":
    sys.exit(_child(sys.argv[1:]))
