"""The command line: `nasbench list, query, run, report, verify, check`; `cli_tables.py`, `cli_optimizers.py`, `*_command.py` add theirs.

Exit codes: 0 done; 1 a check failed or something could not be done; 2 wrong use. An error is one line that says what to do
about it; `--debug` shows where it came from. Every command imports what it needs when it runs, so `nasbench list` does not
wait for torch.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from nasbench import __version__

Rows = Sequence[dict[str, Any]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help()
        return 2
    try:
        code = int(options.function(options) or 0)
        sys.stdout.flush()  # a closed pipe shows here, not when the interpreter ends
        return code
    except KeyboardInterrupt:
        print("interrupted; run the same command again to go on", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `nasbench list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError, ImportError, RuntimeError) as error:
        if options.debug:
            raise
        print(f"nasbench {options.command}: {error}", file=sys.stderr)
        return 1


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="nasbench", description="Reproducible comparison of architecture search strategies and of optimizers."
    )
    parser.add_argument("--version", action="version", version=f"nasbench-live {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    def command(name: str, function: Callable[[argparse.Namespace], int | None], text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(
            name, help=text, description=text, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        sub.set_defaults(function=function)
        return sub

    sub = command("list", _list, "List strategies, optimizers, protocols, tables, spaces, recipes.")
    sub.add_argument("what", nargs="?", default="strategies", choices=sorted(_LISTS))
    _add_format(sub)

    sub = command(
        "query", _query, "Look an architecture up in a table. For reading; a search asks through a Benchmark."
    )
    sub.add_argument("table", help="a table that comes with the package, or a file")
    sub.add_argument("architecture", help="published string, canonical or not, or its number in the space")
    sub.add_argument("--dataset", help="one data set (default: all)")
    sub.add_argument("--epochs", type=int, help="number of epochs (default: the highest)")
    _add_format(sub)

    sub = command("run", _run, "Carry out a protocol; what is finished is kept. Then tables and figures are made.")
    sub.add_argument(
        "protocols",
        nargs="+",
        metavar="protocol",
        help="name of a protocol that comes with the package, or a TOML file; NAME:20: with 20 runs of every entrant. Of several, each "
        "report is made beside the runs of the next",
    )
    sub.add_argument(
        "--results", type=Path, default=Path("results"), help="folder that holds the results folders (default: results)"
    )
    sub.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="processes (default: all cores); moves no bit"
    )
    sub.add_argument(
        "--runs",
        type=int,
        help="runs of every entrant of every protocol, instead of the protocol's own; results/PROTOCOL-N-runs",
    )
    sub.add_argument(
        "--strategy", action="append", default=[], metavar="FILE.py", help="a strategy of your own as a further entrant"
    )
    sub.add_argument(
        "--optimizer",
        action="append",
        default=[],
        metavar="FILE.py",
        help="of a protocol of optimizers: one of your own as a further entrant; only its runs are made",
    )
    sub.add_argument(
        "--live",
        action="store_true",
        help="train now with the table's recipe instead of looking up; results/PROTOCOL-live",
    )
    sub.add_argument("--device", default="cpu", help="of live training: cpu (default), cuda, cuda:0, ...")
    sub.add_argument("--root", default="", help="of live training: folder of data that are read from disk")
    sub.add_argument("--no-report", action="store_true", help="compute only")

    sub = command("report", _report, "Make tables and figures from recorded runs.")
    sub.add_argument("results", type=Path, help="results folder of a protocol, such as results/nas-bench-201")
    sub.add_argument("--venue", help="width and fonts of the figures: neurips, iclr, icml, jmlr, ... (extra `report`)")

    from nasbench.compare_command import add_compare_command
    from nasbench.findings_command import add_findings_command
    from nasbench.predictor_command import add_predictors_command
    from nasbench.proxy_command import add_proxies_command

    for add in (add_compare_command, add_findings_command, add_predictors_command, add_proxies_command):
        add(command)
    sub = command(
        "findings-optimizers", _findings_optimizers, "Hold claims about optimizers against a table of curves."
    )
    sub.add_argument("table", type=Path, help="a sealed optimizer table, such as data/optimizers.h5")
    sub.add_argument("--out", type=Path, required=True, help="page to write, such as optimizers.md; figures beside it")

    sub = command("verify", _verify, "Prove a table: digests, schema, counts, missing trainings, value ranges.")
    sub.add_argument("table", help="a table that comes with the package, or a file")
    _add_format(sub, "table", "json")

    sub = command("check", _check, "Hold a strategy to the contract that a fair comparison needs.")
    sub.add_argument("strategy", help="name of a strategy, path/to/file.py, or package.module:function")

    from nasbench.cli_tables import add_table_commands

    add_table_commands(command)
    from nasbench.cli_optimizers import add_optimizer_commands

    add_optimizer_commands(command)
    return parser


def _add_format(parser: argparse.ArgumentParser, *formats: str) -> None:
    choices = formats or ("table", "json", "csv")
    parser.add_argument("--format", choices=choices, default=choices[0], help=f"output form (default: {choices[0]})")


def show(rows: Rows, form: str) -> None:
    """Print rows as a table for people, JSON, or CSV; None is an empty field, or null in JSON."""
    if form == "json":
        print(json.dumps(list(rows), indent=2))
        return
    columns = list(dict.fromkeys(column for row in rows for column in row))
    if form == "csv":
        writer = csv.DictWriter(sys.stdout, columns)
        writer.writeheader()
        writer.writerows(rows)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=number == 0)  # names stay in one piece
    for row in rows:
        values = (row.get(column) for column in columns)
        table.add_row(*(Text("" if value is None else str(value)) for value in values))
    console = Console(width=None if sys.stdout.isatty() else 140)
    with console.capture() as capture:  # rich ends the program with 1 if a pipe was closed; print leaves it to us
        console.print(table)
    print(capture.get(), end="")


def find_table(name: str) -> Path:
    """Return a table's file: a name that comes with the package, or a path.

    Raises:
        FileNotFoundError: neither; the message lists what comes with the package.
    """
    from nasbench.table_file import shipped_tables, table_file

    found = table_file(name)
    if found is None:
        raise FileNotFoundError(
            f"there is no table {name!r}: tables that come with the package are {list(shipped_tables())}; or give a file"
        )
    return found


# Commands ----------------------------------------------------------------------------------------------------------------


def _list(options: argparse.Namespace) -> None:
    show(_LISTS[options.what](), options.format)


def _list_strategies() -> Rows:
    from nasbench.load import load_strategy, strategy_names

    rows = []
    for name in strategy_names():
        loaded = load_strategy(name)
        method = loaded.method
        rows.append(
            {
                "strategy": name,
                "paper": method.paper.partition(":")[0] + f" {method.year}",
                "mode": method.mode,
                "family": method.family,
                "fidelities": "many" if method.fidelities else "full",
                "parallel": "asynchronous" if method.asynchronous else "",
                "extra": method.extra or "",
                "settings": ", ".join(f"{setting.name}={setting.default}" for setting in loaded.settings.values()),
                "variants": ", ".join(method.variants),
            }
        )
    return rows


def _list_protocols() -> Rows:
    from nasbench.cli_optimizers import list_optimizer_protocols
    from nasbench.load import find_protocol, protocol_names
    from nasbench.protocol import read_protocol

    rows = []
    for name in protocol_names():
        protocol = read_protocol(Path(str(find_protocol(name))))
        rows.append(
            {
                "protocol": name,
                "version": protocol.version,
                "table": protocol.table,
                "problems": ", ".join(problem.dataset for problem in protocol.problems),
                "entrants": len(protocol.entrants),
                "runs": protocol.runs,
            }
        )
    return [*rows, *list_optimizer_protocols()]


def _list_tables() -> Rows:
    from nasbench.sealed import open_table
    from nasbench.table_file import shipped_tables

    rows = []
    for shipped in shipped_tables():
        table = open_table(find_table(shipped))
        for name, data in table.datasets.items():
            rows.append(
                {
                    "table": shipped,
                    "space": table.space.name,
                    "rows": len(table.architectures),
                    "data set": name,
                    "splits": ", ".join(sorted(data.splits)),
                    "epochs": ", ".join(map(str, data.epochs)),
                    "repeats": data.status.shape[1],
                    "digest": table.digest[:12],
                }
            )
    return rows


def _list_spaces() -> Rows:
    from nasbench.space import SPACES

    return [
        {
            "space": space.name,
            "nodes": space.nodes,
            "edges": len(space.edges),
            "operations": ", ".join(space.operations),
            "architectures": space.size,
            "classes": len(space.classes),
        }
        for space in SPACES.values()
    ]


def _list_recipes() -> Rows:
    from nasbench.recipe import load_recipe, recipe_names

    rows = []
    for name in recipe_names():
        recipe = load_recipe(name)
        rows.append(
            {
                "recipe": name,
                "space": recipe.space,
                "classes": len(recipe.cell_space.classes),
                "data set": recipe.dataset.name,
                "epochs": recipe.epochs,
                "repeats": recipe.repeats,
                "digest": recipe.digest[:12],
            }
        )
    return rows


def _list_optimizers() -> Rows:
    from nasbench.cli_optimizers import list_optimizers

    return list_optimizers()


_LISTS: dict[str, Callable[[], Rows]] = {
    "optimizers": _list_optimizers,
    "recipes": _list_recipes,
    "strategies": _list_strategies,
    "protocols": _list_protocols,
    "tables": _list_tables,
    "spaces": _list_spaces,
}


def _query(options: argparse.Namespace) -> None:
    from nasbench.sealed import open_table
    from nasbench.table import MISSING, STATUSES, TableError

    table = open_table(find_table(options.table))
    text = options.architecture
    architecture = table.space.architecture(int(text)) if text.isdecimal() else table.space.parse(text)
    row = table.row(architecture)
    rows = []
    for name in [options.dataset] if options.dataset else list(table.datasets):
        data = table.dataset(name)
        epochs = data.epochs[-1] if options.epochs is None else options.epochs
        if epochs not in data.epochs:
            raise TableError(f"data set {name} has no results after {epochs} epochs; it has {list(data.epochs)}")
        position = data.epochs.index(epochs)
        for repeat in range(data.status.shape[1]):
            if data.status[row, repeat] == MISSING:
                continue
            line: dict[str, Any] = {"row": row, "data set": name, "epochs": epochs, "repeat": repeat}
            line["status"] = STATUSES[data.status[row, repeat]]
            for split in data.splits:
                accuracy = float(data.accuracy(split)[row, repeat, position])
                line[f"{split} accuracy (fraction)"] = None if math.isnan(accuracy) else round(accuracy, 6)
            line["cost (seconds)"] = round(float(data.train_seconds[row] + data.validation_seconds[row]) * epochs, 3)
            line["parameters"] = int(data.parameters[row]) if data.parameters[row] >= 0 else None
            rows.append(line)
    show(rows, options.format)


def _run(options: argparse.Namespace) -> int:
    from nasbench.run_several import run_protocols

    return run_protocols(options)


def _findings_optimizers(options: argparse.Namespace) -> None:
    from nasbench.optimizer_command import write_optimizer_findings

    write_optimizer_findings(options)


def _report(options: argparse.Namespace) -> None:
    from nasbench.run_command import print_report

    print_report(options.results, options.venue)


def _verify(options: argparse.Namespace) -> int:
    from nasbench.verify import verify

    report = verify(find_table(options.table))
    print(report.to_json() if options.format == "json" else report.to_text())
    return 0 if report.passed else 1


def _check(options: argparse.Namespace) -> int:
    from nasbench.testing import CheckFailed, check_strategy

    try:
        outcomes = check_strategy(options.strategy)
    except CheckFailed as failure:
        print(failure, file=sys.stderr)
        print(f"{options.strategy}: {len(failure.checks)} checks failed", file=sys.stderr)
        return 1
    print(f"{options.strategy}: all {len(outcomes)} checks passed")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
