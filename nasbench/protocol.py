"""A protocol: which strategies, with which table, budgets, rules and seeds. A TOML file of values only, parsed strictly.

Results under one `major.minor` of a protocol's version are comparable; a change of anything that moves a number raises it.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from nasbench.table_file import shipped_tables, table_file

Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9._+-]*\Z", max_length=80)]
Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=1e12)]  # 30,000 years; TOML's `inf` would search for ever
Share = Annotated[float, msgspec.Meta(gt=0, le=1)]


class ProtocolError(ValueError):
    """A protocol that can't be carried out; the message names the file and the place in it."""


class WarmStart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where an entrant's first proposals come from; see `warm_start.py`.

    Attributes:
        dataset: the source's data set; it must not be the problem itself.
        count: how many of its best architectures, by validation accuracy, become the setting `initial`.
        table: name of a table that comes with the package, or a path relative to the protocol's file; by default the
            protocol's own table.
    """

    dataset: str
    count: Count
    table: str = ""


class Entrant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of the comparison.

    Attributes:
        name: what tables and figures call it; also a folder name.
        strategy: name of a strategy found on disk, or a path to a file that defines one.
        settings: keyword settings that differ from the strategy's defaults.
        variant: name of a published set of settings that the strategy's file defines; `settings` go on top.
        runs: number of runs, where it differs from the protocol's.
        label: what the figures print, where it differs from the name.
        warm_start: source of the setting `initial`, for strategies that have one.
    """

    name: Name
    strategy: str
    settings: dict[str, Any] = {}
    variant: str | None = None
    runs: Count | None = None
    label: str | None = None
    warm_start: WarmStart | None = None


class Problem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One data set of the table, with its budget in simulated seconds."""

    dataset: str
    budget: Seconds


class Protocol(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A protocol as read from its file.

    Attributes:
        name: also the name of the results folder.
        version: `major.minor`.
        title: one line for captions.
        table: name of a table that comes with the package, or a path relative to the protocol's file.
        problems: data sets and budgets.
        entrants: rows of the comparison; names are unique.
        runs: runs of each entrant on each problem.
        seed: root of all seeds.
        checkpoints: shares of the budget at which the comparison table is printed, ascending; the last is 1.
        duplicates: see `search.Rules`.
        promotion: see `search.Rules`.
        workers: trainings at the same time on the simulated clock.
        charge_overhead: add the strategy's own seconds to the clock.
        objectives: measures to be minimised beside the error, such as `parameters`; observations carry them, and a strategy
            with a setting `objectives` is given them. None: accuracy is all that counts.
    """

    name: Name
    version: Annotated[str, msgspec.Meta(pattern=r"^[0-9]+\.[0-9]+\Z")]
    title: str
    table: str
    problems: Annotated[tuple[Problem, ...], msgspec.Meta(min_length=1)]
    entrants: Annotated[tuple[Entrant, ...], msgspec.Meta(min_length=1)]
    runs: Count
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] = 0
    checkpoints: Annotated[tuple[Share, ...], msgspec.Meta(min_length=1)] = (1.0,)
    duplicates: Literal["charge", "free"] = "charge"
    promotion: Literal["continue", "from_scratch"] = "continue"
    workers: Count = 1
    charge_overhead: bool = False
    objectives: tuple[str, ...] = ()

    def runs_of(self, entrant: Entrant) -> int:
        """Return how many runs an entrant has on each problem."""
        return entrant.runs or self.runs

    @property
    def series(self) -> str:
        """Name and `major.minor`: results within it are comparable."""
        return f"{self.name} {self.version}"


def read_protocol(path: Path) -> Protocol:
    """Read and check a protocol file.

    Raises:
        FileNotFoundError: there is no such file.
        ProtocolError: not TOML, an unknown key, a wrong type or value (the message names the place, as in
            `$.problems[0].budget`), a name used twice, or checkpoints that do not ascend to 1.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no protocol {path}")
    try:
        protocol = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Protocol)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProtocolError(f"{path}: not a TOML file: {error}") from None
    except RecursionError:
        raise ProtocolError(f"{path}: not a protocol: nested too deeply") from None
    except msgspec.ValidationError as error:
        place = "" if " - at `" in str(error) else " - at `$`"
        raise ProtocolError(f"{path}: {error}{place}") from None
    for place, names in (
        ("entrants", [entrant.name for entrant in protocol.entrants]),
        ("problems", [problem.dataset for problem in protocol.problems]),
        ("objectives", list(protocol.objectives)),
    ):
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ProtocolError(f"{path}: $.{place}: {twice} stand there more than once")
    if list(protocol.checkpoints) != sorted(set(protocol.checkpoints)) or protocol.checkpoints[-1] != 1.0:
        raise ProtocolError(f"{path}: $.checkpoints: {list(protocol.checkpoints)} must ascend and end with 1.0")
    entrants = tuple(_beside(entrant, path) for entrant in protocol.entrants)
    return msgspec.structs.replace(protocol, entrants=entrants)


def _beside(entrant: Entrant, path: Path) -> Entrant:
    """Return an entrant whose warm start names its table's file by a path that holds from any folder."""
    if entrant.warm_start is None or not entrant.warm_start.table:
        return entrant
    file = path.parent / entrant.warm_start.table
    if not file.is_file():
        return entrant  # the name of a table that comes with the package
    start = msgspec.structs.replace(entrant.warm_start, table=str(file.resolve()))
    return msgspec.structs.replace(entrant, warm_start=start)


def find_table(protocol: Protocol, path: Path) -> Path:
    """Return the file of the protocol's table: one that comes with the package, or one beside the protocol.

    Raises:
        ProtocolError: neither is there; the message says where it was looked for and what comes with the package.
    """
    found = table_file(protocol.table, path.parent)
    if found is None:
        raise ProtocolError(
            f"{path}: $.table: {protocol.table!r} is neither a table that comes with the package ({list(shipped_tables())}) "
            "nor a file beside the protocol"
        )
    return found


def digest(value: Any) -> str:
    """Return SHA-256 (hex) of the canonical JSON of a protocol, a part of one, or plain values."""
    text = json.dumps(msgspec.to_builtins(value), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
