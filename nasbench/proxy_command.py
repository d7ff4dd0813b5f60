"""The command `nasbench proxies TABLE|RECIPE`: compute zero-cost proxies, audit them, or hold them against the table's scores."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from nasbench.cli_tables import AddCommand

if TYPE_CHECKING:
    from nasbench.recipe import Recipe


def add_proxies_command(command: AddCommand) -> None:
    """Add `proxies` to the command line."""
    sub = command(
        "proxies", _proxies, "Compute zero-cost proxies of every class of a space; run it again to go on. Seals a file."
    )
    sub.add_argument("source", help="a recipe's name or TOML file, or a table that was built from one")
    sub.add_argument("--folder", type=Path, help="where finished classes are kept (default: builds/RECIPE-proxies)")
    sub.add_argument("--output", type=Path, help="the file to make (default: TABLE-proxies.h5, or one in the folder)")
    sub.add_argument("--batch", type=int, default=64, help="examples (default: 64)")
    sub.add_argument(
        "--initialisations", type=int, default=3, help="of each class, each with its own batch (default: 3)"
    )
    sub.add_argument("--seed", type=int, default=0, help="root of all draws, or of the choice of --audit (default: 0)")
    sub.add_argument("--root", default="", help="folder of data that are read from disk")
    sub.add_argument(
        "--report",
        type=Path,
        metavar="FOLDER",
        help="compute nothing: write how the proxies beside a table, or its sizes alone, rank its scores",
    )
    sub.add_argument(
        "--audit", type=int, metavar="CLASSES", help="make no file: compute so many random classes again and compare"
    )
    sub.add_argument(
        "--proxies", type=Path, metavar="FILE", help="with --report or --audit: proxies that are not beside the table"
    )


def _proxies(options: argparse.Namespace) -> int | None:
    if options.audit is not None:
        return _audit(options)
    if options.report is not None:
        from nasbench.analysis.proxy_report import proxy_report
        from nasbench.cli import find_table

        for path in proxy_report(find_table(options.source), options.proxies, options.report):
            print(path)
        return None
    from nasbench.proxy_beside import proxy_path
    from nasbench.proxy_run import load_setup, run_proxies
    from nasbench.proxy_table import SUFFIX

    recipe, beside = _source(options)
    folder = options.folder or Path("builds") / f"{recipe.name}-proxies"
    output = options.output or (proxy_path(beside) if beside else folder / f"{recipe.name}{SUFFIX}")

    def watch(done: int, total: int) -> None:
        if done % 100 == 0 or done == total:
            print(f"{done:,} of {total:,} classes", file=sys.stderr, flush=True)

    setup = load_setup(recipe, options.root, options.batch, options.initialisations, options.seed)
    found = run_proxies(setup, folder, output, watch)
    print(f"sealed {output}: digest {found.digest}, costs {found.cost_digest}")
    for name in found.names:
        column = found.column(name)
        missing = int((column.values != column.values).sum())
        print(
            f"{name:14} {1000 * column.seconds.mean():8.2f} ms a class, {missing} of {len(column.values):,} not defined"
        )
    return None


def _audit(options: argparse.Namespace) -> int:
    import numpy as np

    from nasbench.proxy_audit import audit_proxies
    from nasbench.proxy_beside import proxy_path
    from nasbench.proxy_run import setup_again
    from nasbench.proxy_table import open_proxies

    recipe, table = _source(options)
    path = options.proxies or (proxy_path(table) if table else None)
    if path is None:
        raise ValueError("--proxies FILE must say which file to audit, where no table is given")
    proxies = open_proxies(path)
    found = audit_proxies(setup_again(recipe, proxies), proxies, options.audit, np.random.default_rng(options.seed))
    equal = found.values - sum(found.differing.values())
    print(f"{path.name}: {equal:,} of {found.values:,} values of {len(found.classes)} classes are equal bit for bit")
    for name, count in found.differing.items():
        print(f"{name}: {count} differ, by at most {found.largest[name]:.2g} of the value")
    if found.changed:
        print(f"another environment than the file's: {', '.join(found.changed)}")
    return 1 if found.failed else 0


def _source(options: argparse.Namespace) -> tuple[Recipe, Path | None]:
    """Return the recipe that the source is or was built from, and the table's file where it is a table."""
    from nasbench.cli import find_table
    from nasbench.made_by import recipe_of
    from nasbench.recipe import load_recipe, recipe_names
    from nasbench.sealed import open_table

    if options.source in recipe_names() or options.source.endswith(".toml"):
        return load_recipe(options.source), None
    table = find_table(options.source)
    return recipe_of(open_table(table), options.root), table
