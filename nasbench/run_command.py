"""`nasbench run` and `nasbench report`: a protocol carried out with progress, then tables, figures and a summary."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from nasbench.chunk_worker import LiveTraining
from nasbench.experiment import Outcome, Progress, carry_out
from nasbench.load import find_protocol
from nasbench.protocol import Entrant, Protocol, ProtocolError, find_table, read_protocol


def run_protocol(options: argparse.Namespace) -> int:
    """Carry out a protocol as the command line asks, and report; return 1 if an entrant failed."""
    folder, code = carry_out_protocol(options)
    if not options.no_report:
        print_report(folder)
    return code


def carry_out_protocol(options: argparse.Namespace) -> tuple[Path, int]:
    """Carry out a protocol as the command line asks; return the results folder, and 1 if an entrant failed."""
    path = Path(str(find_protocol(options.protocol)))
    protocol = with_options(read_protocol(path), options.runs, options.strategy)
    table = find_table(protocol, path)
    live, workers = None, options.workers
    # Another number of runs goes into a folder of its own, so that a quick look deletes no finished comparison.
    name = protocol.name if options.runs is None else f"{protocol.name}-{options.runs}-runs"
    folder = options.results / name
    if options.live:
        folder = options.results / f"{name}-live"
        live, workers = LiveTraining(folder / "trainings", options.device, options.root), 1
    with ProgressDisplay(folder.name) as display:
        outcome = carry_out(protocol, table, folder, workers, display.update, live)
    _say(outcome)
    return folder, 1 if outcome.failed else 0


def with_options(protocol: Protocol, runs: int | None, strategies: list[str]) -> Protocol:
    """Return the protocol with other numbers of runs and further entrants.

    Raises:
        ProtocolError: fewer than one run, or a further entrant with a name that is taken or can't name a folder.
    """
    entrants = list(protocol.entrants)
    for reference in strategies:
        name = Path(reference.removesuffix(".py")).name.replace(":", ".").replace("_", "-").lower()
        if name in {entrant.name for entrant in entrants}:
            raise ProtocolError(f"strategy {reference}: the protocol has an entrant {name!r} already; rename the file")
        try:
            entrants.append(msgspec.convert({"name": name, "strategy": reference}, Entrant))
        except msgspec.ValidationError as error:
            raise ProtocolError(
                f"strategy {reference}: {name!r} can't name an entrant: {error}; rename the file"
            ) from None
    changes: dict[str, Any] = {"entrants": tuple(entrants)}
    if runs is not None:
        if runs < 1:
            raise ProtocolError(f"runs is {runs}, must be at least 1")
        changes |= {
            "runs": runs,
            "entrants": tuple(msgspec.structs.replace(entrant, runs=None) for entrant in entrants),
        }
    return msgspec.structs.replace(protocol, **changes)


def print_report(folder: Path, venue: str | None = None) -> None:
    """Make tables and figures of a results folder, print the summary and name the files."""
    from rich.console import Console

    from nasbench.analysis.report import report
    from nasbench.analysis.summary import summary

    made = report(folder, venue=venue)
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print()
    console.print(summary(made.comparison))
    print("\nWritten:")
    for place in sorted({path.parent for path in made.files}):
        names = [path.name for path in made.files if path.parent == place]
        stems = sorted({name.partition(".")[0] for name in names})
        print(f"  {place}/ ({len(names)} files): {', '.join(stems)}")
    if made.no_page:
        print(f"\n{made.no_page}")


def _say(outcome: Outcome) -> None:
    parts = [f"{outcome.computed} runs computed in {outcome.seconds:.0f} s"]
    if outcome.kept:
        parts.append(f"{outcome.kept} were there already")
    if outcome.stale:
        parts.append(f"{outcome.stale} of another protocol, table or code were computed again")
    print("; ".join(parts))
    for entrant, reason in outcome.failed.items():
        print(f"entrant {entrant} failed: {reason}", file=sys.stderr)


class ProgressDisplay:
    """A bar with time left on a terminal; elsewhere a line at most every thirty seconds."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.terminal = sys.stdout.isatty()
        self.last = time.monotonic()

    def __enter__(self) -> ProgressDisplay:
        if self.terminal:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            self.bar = Progress(*columns, TextColumn("{task.fields[left]}"), TextColumn("[dim]{task.fields[latest]}"))
            self.bar.start()
            self.task = self.bar.add_task(self.title, total=None, left="", latest="")
        return self

    def __exit__(self, *_: object) -> None:
        if self.terminal:
            self.bar.stop()

    def update(self, progress: Progress) -> None:
        """Show where the experiment stands."""
        left = "" if progress.seconds_left is None else f"{readable_seconds(progress.seconds_left)} left"
        if self.terminal:
            self.bar.update(self.task, completed=progress.done, total=progress.total, left=left, latest=progress.latest)
        elif time.monotonic() - self.last > 30:
            self.last = time.monotonic()
            print(f"{self.title}: {progress.done} of {progress.total} runs, {left or 'estimating'}", flush=True)


def readable_seconds(seconds: float) -> str:
    """Return a duration for people.

    Example:
        >>> readable_seconds(12.4), readable_seconds(185), readable_seconds(7400)
        ('12 s', '3 min 05 s', '2 h 03 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
