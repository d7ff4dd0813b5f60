"""How a build is shown while it runs: a bar in a terminal, a line a minute elsewhere."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bars

from nasbench.engine import Progress, Reporter

LINE_SECONDS = 60.0


def silent(progress: Progress) -> None:
    """Show nothing."""
    progress.notes.clear()


@contextlib.contextmanager
def shown(console: Console, name: str) -> Iterator[Reporter]:
    """Show a build's progress while the context lasts: rate and time left.

    Args:
        console: where to.
        name: what is built.
    """
    if not console.is_terminal:
        yield _Lines(console, name)
        return
    columns = (TextColumn(f"[bold]{name}[/]"), BarColumn(bar_width=None), TextColumn("{task.fields[text]}"))
    with Bars(*columns, console=console) as bars:
        task = bars.add_task("", total=None, text="workers start")

        def report(progress: Progress) -> None:
            for note in progress.notes:
                bars.console.print(note, highlight=False, markup=False)
            progress.notes.clear()
            bars.update(task, total=progress.total, completed=progress.before + progress.done, text=describe(progress))

        yield report


class _Lines:
    def __init__(self, console: Console, name: str) -> None:
        self.console, self.name = console, name
        self.last: float | None = None

    def __call__(self, progress: Progress) -> None:
        for note in progress.notes:
            self.console.print(f"{self.name}: {note}", highlight=False, markup=False, soft_wrap=True)
        progress.notes.clear()
        finished = progress.before + progress.done >= progress.total
        if self.last is None or finished or time.monotonic() - self.last >= LINE_SECONDS:
            self.last = time.monotonic() if not finished else float("inf")
            self.console.print(f"{self.name}: {describe(progress)}", highlight=False, markup=False, soft_wrap=True)


def describe(progress: Progress) -> str:
    """Return where a build stands, in one line."""
    done = progress.before + progress.done
    parts = [f"{done * progress.trainings:,} of {progress.total * progress.trainings:,} trainings"]
    if progress.running:
        parts.append(f"{progress.running} groups running")
    if progress.done:
        parts.append(f"{progress.rate * 3600:,.0f} an hour")
    if progress.seconds_left is not None:
        parts.append(f"{duration(progress.seconds_left)} left")
    if progress.failures:
        parts.append(f"{progress.failures} attempts failed")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """Return seconds in words.

    Example:
        >>> duration(42), duration(90), duration(7300), duration(180000)
        ('42 s', '2 min', '2 h 02 min', '2 d 2 h')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02d} min"
    return f"{hours // 24} d {hours % 24} h"
