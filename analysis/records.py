"""What an experiment's results folder holds: what was compared (`experiment.json`), and the shape of its runs.

`chunks.py` reads the runs themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

FORMAT = 1  # of experiment.json, see nasbench/record.py
BUDGET_REACHED = 0  # value of `Runs.ended`; any other: the run ended before its budget did


class RecordError(ValueError):
    """A results folder that can't be analysed at all; the message names the file and the reason."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is missing or was left out.

    Attributes:
        path: file or folder, relative to the results folder, with forward slashes.
        reason: what is wrong with it, in words.
    """

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A data set of a table, with what the scorer says about it.

    Attributes:
        score_label: what a score is, "mean test accuracy" or "mean validation accuracy".
        observed_label: what a strategy was told, "validation accuracy of one training".
        best_score: highest score of any architecture, fraction.
        random_score_mean: mean score of an architecture drawn uniformly, fraction.
        random_score_spread: standard deviation of that score, fraction.
        budget: simulated seconds a run may use.
        workers: trainings that may run at the same time.
        epochs: fidelities that could be asked for, ascending.
        top_score: lowest score within the best share of architectures, by that share as text ("0.001"), where known.
    """

    score_label: str
    best_score: float
    random_score_mean: float
    random_score_spread: float = float("nan")
    budget: float
    epochs: tuple[int, ...]
    workers: int = 1
    observed_label: str = "validation accuracy of one training"
    top_score: dict[str, float] = {}


class Entrant(msgspec.Struct, frozen=True, kw_only=True):
    """A strategy with settings, as it entered the comparison.

    Attributes:
        strategy: name of the function.
        runs: runs on each problem that the protocol asks for, numbered from 0.
        settings: keyword arguments that it was given.
        label: name to print that the protocol gives; the entrant's own name where it gives none.
        title: the strategy's name to print.
        family: kind of strategy ("evolution"), by which figures group lines.
        paper: author, venue, year, number.
        mode: how its performance estimates are made (reference/nas-methods.md 0.1).
        entrant_digest: digest of strategy and settings, that its chunks must carry.
        code: digest of the sources that its numbers rest on, that its chunks must carry.
    """

    strategy: str
    runs: Annotated[int, msgspec.Meta(ge=1)]
    settings: dict[str, Any] = {}
    label: str = ""
    title: str = ""
    family: str = ""
    paper: str = ""
    mode: str = ""
    entrant_digest: str = ""
    code: str = ""


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """The table that answered.

    Attributes:
        title: what the table is, in words.
        digest: logical digest of its values, the one that a paper cites.
        cost_digest: digest of its cost model.
        name: name of the table.
        space: name of its search space.
    """

    title: str
    digest: str
    cost_digest: str
    name: str = ""
    space: str = ""


class Protocol(msgspec.Struct, frozen=True, kw_only=True):
    """What the analysis needs of a protocol; see `nasbench/protocol.py`.

    Attributes:
        name: its name.
        version: `major.minor`; results under one are comparable.
        checkpoints: shares of the budget at which scores are tabulated, ascending, in (0, 1], the last one 1.
        title: one line for captions.
        duplicates: `charge` or `free`.
        promotion: `continue` or `from_scratch`.
        charge_overhead: whether the strategy's own seconds count.
        seed: what all seeds of its runs are derived from, with its name and version; None where it is not recorded.
    """

    name: str
    version: str
    checkpoints: tuple[Annotated[float, msgspec.Meta(gt=0, le=1)], ...] = (1.0,)
    title: str = ""
    duplicates: str = "charge"
    promotion: str = "continue"
    charge_overhead: bool = False
    seed: int | None = None


class _ExperimentFile(msgspec.Struct, frozen=True, kw_only=True):
    format: int
    protocol: Protocol
    table: Table
    problems: dict[str, Problem]
    entrants: dict[str, Entrant]
    protocol_digest: str
    provenance: dict[str, Any] = {}


@dataclass(frozen=True, eq=False)
class Experiment:
    """What was compared, on what, and how.

    Attributes:
        folder: results folder.
        protocol: the protocol.
        protocol_digest: digest of its rules, that every chunk must carry.
        table: the table that answered.
        problems: by data set, in the protocol's order.
        entrants: by name, in the protocol's order.
        titles: names of the entrants as printed, all different.
        provenance: versions, code state, hardware, date.
    """

    folder: Path
    protocol: Protocol
    protocol_digest: str
    table: Table
    problems: dict[str, Problem]
    entrants: dict[str, Entrant]
    titles: dict[str, str]
    provenance: dict[str, Any]

    @property
    def checkpoints(self) -> tuple[float, ...]:
        """Shares of the budget at which scores are tabulated; the last one is 1."""
        return self.protocol.checkpoints

    @property
    def series(self) -> str:
        """Name and version of the protocol: results within it are comparable."""
        return f"{self.protocol.name} {self.protocol.version}"


@dataclass(frozen=True, eq=False)
class Runs:
    """The runs of one entrant on one problem, as flat arrays over their observations in order of finishing.

    Attributes:
        run: int32 (runs,), ascending run numbers.
        start: int64 (runs + 1,), run i owns the observations start[i] to start[i + 1].
        overhead: float64 (runs,), measured seconds of the strategy's own computation, NaN where not measured.
        ended: uint8 (runs,), 0 the budget was reached, 1 the strategy ended by itself, 2 its queries went round in
            circles and it was ended.
        architecture: int32, index in the space.
        epochs: int32, fidelity.
        repeat: int32, which training of the cell answered.
        validation_accuracy: float64, fraction, what the strategy was told.
        cost: float64, seconds charged.
        finished: float64, simulated seconds at which the answer was known, never falling within a run.
        score: float64, score of the incumbent after this observation, fraction.
        incumbent: int32, index of the incumbent.
        incumbent_validation: float64, observed validation accuracy of the incumbent, fraction.
        cell: int32, row of the table; equal for architectures that share their trainings.
    """

    run: NDArray[np.int32]
    start: NDArray[np.int64]
    overhead: NDArray[np.float64]
    ended: NDArray[np.uint8]
    architecture: NDArray[np.int32]
    epochs: NDArray[np.int32]
    repeat: NDArray[np.int32]
    validation_accuracy: NDArray[np.float64]
    cost: NDArray[np.float64]
    finished: NDArray[np.float64]
    score: NDArray[np.float64]
    incumbent: NDArray[np.int32]
    incumbent_validation: NDArray[np.float64]
    cell: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.run)

    @property
    def queries(self) -> NDArray[np.int64]:
        """Observations of each run, (runs,)."""
        return np.diff(self.start)


def read_experiment(folder: Path) -> Experiment:
    """Read `experiment.json`.

    Raises:
        RecordError: there is none, it can't be parsed, it is of another format, or it contradicts itself.
    """
    path = folder / "experiment.json"
    try:
        parsed = msgspec.json.decode(path.read_bytes(), type=_ExperimentFile)
    except OSError as error:
        raise RecordError(f"{path} can't be read ({error.strerror}); is this a results folder?") from error
    except msgspec.MsgspecError as error:
        raise RecordError(f"{path}: {error}") from error
    if parsed.format != FORMAT:
        raise RecordError(f"{path}: format {parsed.format!r}; this version reads format {FORMAT}")
    if not parsed.problems or not parsed.entrants:
        raise RecordError(f"{path}: names {len(parsed.problems)} problems and {len(parsed.entrants)} entrants")
    checkpoints = parsed.protocol.checkpoints
    if list(checkpoints) != sorted(set(checkpoints)) or checkpoints[-1:] != (1.0,):
        raise RecordError(f"{path}: protocol.checkpoints must ascend and end with 1.0, not {list(checkpoints)}")
    for dataset, problem in parsed.problems.items():
        if not (0.0 < problem.random_score_mean <= problem.best_score <= 1.0) or not problem.budget > 0.0:
            raise RecordError(
                f"{path}: problems.{dataset} needs 0 < random_score_mean <= best_score <= 1 and budget > 0, not "
                f"{problem.random_score_mean}, {problem.best_score} and {problem.budget}"
            )
    return Experiment(
        folder=folder,
        protocol=parsed.protocol,
        protocol_digest=parsed.protocol_digest,
        table=parsed.table,
        problems=parsed.problems,
        entrants=parsed.entrants,
        titles=_titles(parsed.entrants),
        provenance=parsed.provenance,
    )


def _titles(entrants: dict[str, Entrant]) -> dict[str, str]:
    """Return the protocol's label, else the strategy's title, with the entrant's name where that is not unique."""
    given = {
        name: entrant.label if entrant.label not in ("", name) else entrant.title or name
        for name, entrant in entrants.items()
    }
    shown = list(given.values())
    return {name: title if shown.count(title) == 1 else f"{title} ({name})" for name, title in given.items()}
