"""`nasbench run A B ...`: one protocol, or several one after the other, each report made beside the runs of the next one.

Runs keep all processes busy, a report a single one: made beside the runs they cost hardly any time. The last ones, which no runs are
left for, are made side by side.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import multiprocessing
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from typing import TypeVar

from nasbench.load import find_protocol, protocol_kind
from nasbench.protocol import ProtocolError
from nasbench.run_command import carry_out_protocol, print_report, run_protocol

Argument = TypeVar("Argument")
Said = tuple[str, int]
"""What a command printed, and its exit code."""

REPORTS = 2  # at a time, of some 500 MB each


def run_protocols(options: argparse.Namespace) -> int:
    """Carry out what the command line of `nasbench run` names; return 1 if an entrant failed.

    Raises:
        ProtocolError: see `run_several`.
        ValueError: an optimizer of one's own for a protocol of strategies.
    """
    if len(options.protocols) > 1:
        return run_several(options)
    options.protocol, options.runs = name_and_runs(options.protocols[0], options.runs)
    if protocol_kind(find_protocol(options.protocol)) == "optimizers":
        return _optimizers(options)
    if options.optimizer:
        raise ValueError("--optimizer is for a protocol of optimizers; of a strategy it is --strategy")
    return run_protocol(options)


def name_and_runs(reference: str, runs: int | None) -> tuple[str, int | None]:
    """Return the protocol that a word of the command line names, and the runs of every entrant that were asked for.

    Args:
        reference: name or file of a protocol, or `NAME:RUNS`.
        runs: of `--runs`, which goes before those in the word; None without it.

    >>> name_and_runs("nas-bench-201-pareto:20", None), name_and_runs("nas-bench-201", None)
    (('nas-bench-201-pareto', 20), ('nas-bench-201', None))
    """
    name, colon, number = reference.rpartition(":")
    if not colon or not number.isdecimal():
        return reference, runs
    return name, int(number) if runs is None else runs


def run_several(options: argparse.Namespace) -> int:
    """Carry out the protocols of the command line in their order and print their reports; return 1 if an entrant failed.

    A report is printed at the end of a protocol's runs when it is ready by then, so that a long one may come after a later one.

    Args:
        options: of `nasbench run`; `--runs` is for protocols of strategies and leaves those of optimizers as they are.

    Raises:
        ProtocolError: a protocol is named twice, an entrant of one's own is added, which belongs to one protocol, or runs are asked for
            of a protocol of optimizers.
    """
    runs = dict(name_and_runs(reference, options.runs) for reference in options.protocols)
    names = list(runs)
    if len(names) < len(options.protocols):
        raise ProtocolError(f"protocols {options.protocols} name one of them twice")
    if options.strategy or options.optimizer:
        raise ProtocolError(f"--strategy and --optimizer go with one protocol, not with {len(names)}")
    kinds = {name: protocol_kind(find_protocol(name)) for name in names}
    for name in names:
        if kinds[name] == "optimizers" and runs[name] != options.runs:
            raise ProtocolError(f"{name}:{runs[name]}: a protocol of optimizers has no runs to be set; say {name}")
    codes: list[int] = []
    said: dict[str, Future[Said]] = {}
    with ProcessPoolExecutor(REPORTS, mp_context=multiprocessing.get_context("spawn")) as beside:
        for name in (name for name in names if kinds[name] == "optimizers"):  # look-ups and a report
            said[name] = beside.submit(captured, _optimizers, _with(options, protocol=name, runs=None))
        for name in (name for name in names if kinds[name] != "optimizers"):
            folder, code = carry_out_protocol(_with(options, protocol=name, runs=runs[name]))
            codes.append(code)
            codes += [tell(said.pop(each)) for each in names if each in said and said[each].done()]
            if not options.no_report:
                said[name] = beside.submit(captured, _report, folder)
        codes += [tell(said[name]) for name in names if name in said]
    return max(codes, default=0)


def tell(said: Future[Said]) -> int:
    """Print what a command said, waiting for it if need be; return its exit code."""
    text, code = said.result()
    print(text, end="", flush=True)
    return code


def captured(command: Callable[[Argument], int], argument: Argument) -> Said:
    """Carry out a command and return what it printed, with its exit code."""
    with contextlib.redirect_stdout(io.StringIO()) as text:
        code = command(argument)
    return text.getvalue(), code


def _with(options: argparse.Namespace, **changes: object) -> argparse.Namespace:
    """Return options with changes, and without functions, which need not reach another process."""
    kept = {name: value for name, value in vars(options).items() if not callable(value)}
    return argparse.Namespace(**{**kept, **changes})


def _optimizers(options: argparse.Namespace) -> int:
    from nasbench.optimizer_command import run_optimizers

    return run_optimizers(options)


def _report(folder: Path) -> int:
    print_report(folder)
    return 0
