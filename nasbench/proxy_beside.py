"""The zero-cost proxies beside a table: who of a protocol asks for them, whether they are the table's, and what they cost.

The proxies of `data/NAME.h5` stand in `data/NAME-proxies.h5` (`proxy_table.py`). A strategy says that it asks for proxies by a
setting `proxy` (a name) or `proxies` (several). Those that the table itself holds, such as `parameters`, need no file; for the
others the file is opened, must be of the table's own recipe and examples, and its digests enter the keys of that strategy's
records. Nobody else's key or benchmark changes.

What is charged: the seconds that the file holds for the class, times the initialisations that a value is the mean of. They were
measured once, when the file was made, and are the same in every run. The literature counts them, too (Mellor et al. 2021,
arXiv:2006.04647, report search times that are scoring alone), but often plots against trainings (Abdelfattah et al. 2021,
arXiv:2101.08134), where proxies are free. All runs see the same values: a proxy's own noise, which its initialisations show, is
no part of the spread between runs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from nasbench.measures import Column
from nasbench.proxy_table import NAMES, SUFFIX, ProxyTable, open_proxies
from nasbench.space import space_by_name
from nasbench.table import Table, TableError


def proxies_asked(settings: Mapping[str, Any], held: Collection[str]) -> tuple[str, ...]:
    """Return the proxies that a strategy's settings name and that the table itself does not hold, in their usual order.

    Args:
        settings: the strategy's complete settings; a `proxy` or `proxies` that names none of `proxy_table.NAMES` means
            something else and is left alone.
        held: measures that the table holds.
    """
    several = settings.get("proxies")
    named = [settings.get("proxy"), *(several if isinstance(several, list | tuple) else [])]
    return tuple(name for name in NAMES if name in named and name not in held)


def proxy_path(table_path: Path) -> Path:
    """Return where the proxies of a table's file are looked for."""
    return table_path.with_name(table_path.stem + SUFFIX)


def open_beside(table_path: Path, table: Table, names: Sequence[str]) -> ProxyTable:
    """Open the proxies beside a table.

    Args:
        table_path: the table's file.
        table: the table.
        names: what is asked for.

    Raises:
        TableError: the table was not built here, there is no such file, it is damaged, is of other networks or examples than the
            table's, or lacks a name; the message says which command makes it.
    """
    if table.metadata.get("recipe_digest") is None:
        raise TableError(
            f"proxies {list(names)} are asked for, but {table_path.name} was not built from a recipe: its networks can't be made here"
        )
    path = proxy_path(table_path)
    if not path.is_file():
        raise TableError(
            f"proxies {list(names)} are asked for, which {table_path.name} does not hold, and there is no {path} beside it; "
            f"`nasbench proxies {table_path}` makes it"
        )
    proxies = open_proxies(path)
    try:
        check_fits(proxies, table)
    except TableError as error:
        raise TableError(f"{path}: {error}; `nasbench proxies {table_path}` makes the table's own") from None
    lacking = [name for name in names if name not in proxies.names]
    if lacking:
        raise TableError(
            f"{path}: there is no {lacking} among {list(proxies.names)}; `nasbench proxies` makes them all"
        )
    return proxies


def check_fits(proxies: ProxyTable, table: Table) -> None:
    """Raise TableError unless proxies are of a table's search space, of its recipe's networks, and of its examples."""
    if table.space != space_by_name(proxies.origin.space):
        raise TableError(f"the proxies are of space {proxies.origin.space!r}, the table is of {table.space.name!r}")
    recipe = table.metadata.get("recipe_digest")
    if recipe != proxies.origin.recipe_digest:
        raise TableError(
            f"the proxies are of recipe {proxies.origin.recipe} ({proxies.origin.recipe_digest[:12]}), the table was built from "
            f"{'no recipe' if recipe is None else str(recipe)[:12]}: its networks are others"
        )
    for data in table.datasets.values():
        for split, digest in proxies.origin.splits.items():
            known = data.splits[split].digest if split in data.splits else ""
            if known and known != digest:
                raise TableError(
                    f"the proxies looked at {split} examples {digest[:12]}, those of the table's {data.name} are {known[:12]}"
                )


def proxy_columns(proxies: ProxyTable, table: Table, initialisations: int | None = None) -> dict[str, Column]:
    """Return the proxies as columns of a table's rows, for `TabularBenchmark(..., columns=...)`.

    Args:
        proxies: of the table's own recipe.
        table: the table.
        initialisations: average over the first so many, and charge for them; default: all there are.

    Raises:
        TableError: another search space, networks of another recipe than the table's, or other examples; see `check_fits`.
    """
    check_fits(proxies, table)
    space = table.space
    numbers = [space.index(tuple(row)) for row in table.architectures.tolist()]
    classes = space.class_of[numbers]
    found = {}
    for name in proxies.names:
        column = proxies.column(name, initialisations)
        found[name] = Column(column.values[classes], column.seconds[classes])
    return found


def proxies_key(proxies: ProxyTable) -> str:
    """Return what the keys of records say of the proxies that were used: the digests of values and of seconds."""
    return f"{proxies.digest} {proxies.cost_digest}"


def describe_proxies(proxies: ProxyTable, path: Path, names: Sequence[str], table: Table) -> dict[str, Any]:
    """Return what `experiment.json` says of the proxies that were used: what they rest on, who measured them, what they cost.

    Returns:
        Plain values. `charged`: by proxy, seconds charged for one architecture, mean and largest over the classes, and for all
        classes together. `table_device` is where the table's own seconds come from; `environment.processor` should be as fast.
    """
    origin = proxies.origin
    charged = {}
    for name in names:
        seconds = proxies.column(name).seconds
        charged[name] = {"mean": float(seconds.mean()), "largest": float(seconds.max()), "all": float(seconds.sum())}
    return {
        "file": path.name,
        "digest": proxies.digest,
        "cost_digest": proxies.cost_digest,
        "recipe": origin.recipe,
        "recipe_digest": origin.recipe_digest,
        "initialisations": origin.initialisations,
        "batch": origin.batch,
        "seed": origin.seed,
        "environment": proxies.metadata.get("environment", {}),
        "made": proxies.metadata.get("made", {}),
        "table_device": dict(table.metadata.get("cost_model", {})).get("device", ""),
        "charged": charged,
    }
