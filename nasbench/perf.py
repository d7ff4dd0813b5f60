"""Speed of this package, each figure beside a named alternative measured in the same run: `make perf`.

Figures are medians over repetitions that take turns with those of the alternative; in brackets the smallest and the largest.
Processor seconds of this process are counted, so that what else the machine does moves little; what starts a process of its
own is counted by the wall clock. `perf_alternatives.py` holds what a user would write instead.
"""

from __future__ import annotations

import io
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nasbench.query import Query
from nasbench.table import Table
from nasbench.tabular import TabularBenchmark

if TYPE_CHECKING:
    from nasbench.perf_alternatives import ByHand, LookUp

TABLE, DATASET = "nas-bench-201", "cifar10"
QUERIES = 20_000  # scalar look-ups a repetition
MANY = 1_000_000  # vectorised look-ups a repetition
SLOW = 20  # pandas gets a twentieth of them
BUDGET = 182_799.0  # seconds: about a hundred queries, as in protocols/nas-bench-201.toml
RUNS = 10  # searches a repetition
REPETITIONS = 9


@dataclass(frozen=True)
class Sample:
    """Repeated measurements of one thing.

    Attributes:
        median: of the repetitions.
        low: the smallest.
        high: the largest.
    """

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Line:
    """One line of the report.

    Attributes:
        what: what was measured.
        unit: of both figures.
        ours: this package.
        goal: what it should reach, in the same unit; None for no goal.
        alternative: what it is compared with.
        theirs: the alternative.
        more_is_better: a rate; otherwise a time or a size.
    """

    what: str
    unit: str
    ours: Sample
    goal: float | None
    alternative: str
    theirs: Sample
    more_is_better: bool = False

    @property
    def ratio(self) -> float:
        """How many times better this package is than the alternative; below 1 it is worse."""
        ratio = self.ours.median / self.theirs.median
        return ratio if self.more_is_better else 1 / ratio


def alternate(actions: Sequence[Callable[[], float]], repetitions: int) -> list[Sample]:
    """Call measurements in turn, after one round that is not counted, and summarize each.

    Args:
        actions: each returns one figure.
        repetitions: rounds that are counted.
    """
    rounds = [[action() for action in actions] for _ in range(repetitions + 1)][1:]
    return [Sample(statistics.median(column), min(column), max(column)) for column in zip(*rounds, strict=True)]


def processor_seconds(action: Callable[[], object]) -> float:
    """Return the processor seconds of one call."""
    began = time.process_time()
    action()
    return time.process_time() - began


def look_ups(table: Table, repetitions: int) -> list[Line]:
    """Measure one `evaluate`, and many at once."""
    import pandas as pd

    from nasbench.perf_alternatives import as_dictionary, as_frame, frame_look_up, numbered_frame

    benchmark = TabularBenchmark(table, DATASET)
    space, full = benchmark.space, benchmark.epochs[-1]
    rng = np.random.default_rng(0)
    queries = [Query(space.sample(rng), full) for _ in range(QUERIES)]
    texts = [space.format(query.architecture) for query in queries]
    repeats = rng.integers(2, size=QUERIES).tolist()
    results = as_dictionary(table, DATASET)
    frame = as_frame(results)
    look_up = frame_look_up(frame)

    def evaluate() -> None:
        for query, repeat in zip(queries, repeats, strict=True):
            benchmark.evaluate(query, repeat)

    def dictionary() -> None:
        for text, repeat in zip(texts, repeats, strict=True):
            _ = results[text][repeat]

    def loc() -> None:
        for text, repeat in zip(texts[: QUERIES // SLOW], repeats[: QUERIES // SLOW], strict=True):
            look_up(text, repeat)

    one, nested, scalar = alternate(
        [
            lambda: processor_seconds(evaluate) / QUERIES * 1e6,
            lambda: processor_seconds(dictionary) / QUERIES * 1e6,
            lambda: processor_seconds(loc) / (QUERIES // SLOW) * 1e6,
        ],
        repetitions,
    )
    numbers, seeds = rng.integers(space.size, size=MANY), rng.integers(2, size=MANY)
    numbered = numbered_frame(frame, space)

    def loc_many() -> pd.DataFrame:
        index = pd.MultiIndex.from_arrays([numbers[: MANY // SLOW], seeds[: MANY // SLOW]])
        return numbered.loc[index]

    many, vectorised = alternate(
        [
            lambda: MANY / processor_seconds(lambda: benchmark.evaluate_many(numbers, seeds, full)) / 1e6,
            lambda: MANY // SLOW / processor_seconds(loc_many) / 1e6,
        ],
        repetitions,
    )
    return [
        Line("one evaluate", "µs", one, 5.0, "nested dictionaries", nested),
        Line("one evaluate", "µs", one, 5.0, "pandas .loc[(string, repeat)]", scalar),
        Line("evaluate_many", "million/s", many, 20.0, "pandas .loc[MultiIndex]", vectorised, more_is_better=True),
    ]


def loops(table: Table, repetitions: int) -> list[Line]:
    """Measure whole searches per query: the strategy's own computation, the look-up, clock, budget, seeds and log."""
    from nasbench.perf_alternatives import (
        as_dictionary,
        as_frame,
        dictionary_look_up,
        evolution_by_hand,
        frame_look_up,
        random_search_by_hand,
    )

    results = as_dictionary(table, DATASET)
    by_dictionary, by_frame = dictionary_look_up(results), frame_look_up(as_frame(results))
    lines = []
    for name, settings, by_hand in (
        ("random_search", {}, random_search_by_hand),
        ("regularized_evolution", {"population": 10, "sample": 3}, evolution_by_hand),
    ):
        mine, dictionary, frame = alternate(
            [
                partial(_search, table, name, settings),
                partial(_search_by_hand, table, by_hand, by_dictionary, RUNS),
                partial(_search_by_hand, table, by_hand, by_frame, 2),
            ],
            repetitions,
        )
        lines.append(Line(f"{name}, a query", "µs", mine, 20.0, "plain loop over nested dictionaries", dictionary))
        lines.append(Line(f"{name}, a query", "µs", mine, 20.0, "plain loop over pandas", frame))
    return lines


def _search(table: Table, name: str, settings: Mapping[str, int]) -> float:
    """Return microseconds a query of `search.run`."""
    from nasbench.load import load_strategy
    from nasbench.search import run

    strategy, benchmark = load_strategy(name).function, TabularBenchmark(table, DATASET)
    seeds = [np.random.SeedSequence(number) for number in range(RUNS)]
    began = time.process_time()
    queries = sum(len(run(strategy, benchmark, BUDGET, seed, settings=settings).log) for seed in seeds)
    return (time.process_time() - began) / queries * 1e6


def _search_by_hand(table: Table, by_hand: ByHand, look_up: LookUp, runs: int) -> float:
    """Return microseconds a query of a plain loop."""
    generators = [np.random.default_rng(number) for number in range(runs)]
    began = time.process_time()
    queries = sum(len(by_hand(table.space, look_up, rng, BUDGET)) for rng in generators)
    return (time.process_time() - began) / queries * 1e6


def openings(path: Path, repetitions: int) -> list[Line]:
    """Measure importing the package and opening a table."""
    import h5py

    from nasbench.sealed import USER_BLOCK, open_table

    def unproven() -> None:
        with h5py.File(io.BytesIO(path.read_bytes()[USER_BLOCK:]), "r") as file:
            file.visititems(lambda _, item: item[()] if isinstance(item, h5py.Dataset) else None)

    package, numpy = alternate([partial(_start, "import nasbench"), partial(_start, "import numpy")], repetitions)
    proven, read = alternate(
        [lambda: processor_seconds(partial(open_table, path)) * 1e3, lambda: processor_seconds(unproven) * 1e3],
        repetitions,
    )
    return [
        Line("python -c 'import nasbench'", "ms", package, 150.0, "python -c 'import numpy'", numpy),
        Line("open and prove the table", "ms", proven, 200.0, "h5py reads it, nothing is proven", read),
    ]


def _start(code: str) -> float:
    """Return wall milliseconds of a Python process."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return (time.perf_counter() - began) * 1e3


def memory() -> list[Line]:
    """Measure the peak memory of a worker that computes one chunk of the shipped comparison."""
    worker, package = alternate(
        [
            partial(_peak, "from nasbench.perf import compute_one_chunk; compute_one_chunk()"),
            partial(_peak, "import nasbench"),
        ],
        repetitions=3,
    )
    return [Line("peak memory of a worker", "MB", worker, 400.0, "python -c 'import nasbench'", package)]


def compute_one_chunk() -> None:
    """Do what a worker process of `nasbench run nas-bench-201` does, once."""
    from nasbench.chunk_worker import compute_chunk, prepare_worker
    from nasbench.cli import find_table
    from nasbench.load import find_protocol
    from nasbench.plan import plan
    from nasbench.protocol import read_protocol
    from nasbench.sealed import open_table

    prepare_worker()
    path = find_table(TABLE)
    protocol = read_protocol(Path(str(find_protocol("nas-bench-201"))))
    with tempfile.TemporaryDirectory() as folder:
        compute_chunk(plan(protocol, open_table(path), Path(folder))[0], protocol, path)


def _peak(code: str) -> float:
    """Return the largest resident memory of a Python process, MB."""
    script = f"{code}\nfrom nasbench.perf import print_peak; print_peak()"
    return float(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout)


def print_peak() -> None:
    """Print the largest resident memory of this process so far, MB."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux counts the parent's memory at the start in `ru_maxrss`
        (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        print(int(line.split()[1]) * 1024 / 1e6)
    else:
        import resource

        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6)  # macOS: bytes


def show(lines: Sequence[Line]) -> None:
    """Print the lines as a table, with what they were measured on."""
    from rich.console import Console
    from rich.table import Table as Sheet

    from nasbench.provenance import provenance

    sheet = Sheet(box=None, pad_edge=False, header_style="bold")
    for column in ("measured", "this package", "goal", "alternative", "its figure", "times better"):
        sheet.add_column(column, justify="right" if column in ("goal", "times better") else "left", overflow="fold")
    for line in lines:
        goal = "" if line.goal is None else f"{line.goal:g} {line.unit}"
        row = (line.what, _figure(line.ours, line.unit), goal, line.alternative, _figure(line.theirs, line.unit))
        sheet.add_row(*row, f"{line.ratio:.3g}")
    console = Console(width=None if sys.stdout.isatty() else 150, highlight=False, markup=False)
    console.print(sheet)
    made = provenance()
    packages = ", ".join(f"{name} {made['packages'][name]}" for name in ("numpy", "pandas", "h5py"))
    console.print(
        f"\nMedian [smallest-largest] of {REPETITIONS} repetitions (memory: 3) in turns with the alternative; processor time, wall "
        f"time for processes. {QUERIES:,} look-ups, {MANY:,} at once, {RUNS} searches of {BUDGET:,.0f} simulated seconds a "
        f"repetition; pandas a part of it. Table {TABLE}, {DATASET}. Python {made['python']}, {packages}; {made['processor']}."
    )


def _figure(sample: Sample, unit: str) -> str:
    return f"{sample.median:.3g} {unit} [{sample.low:.3g}-{sample.high:.3g}]"


def main() -> None:
    """Measure and print."""
    from nasbench.cli import find_table
    from nasbench.sealed import open_table

    path = find_table(TABLE)
    table = open_table(path)
    show([*look_ups(table, REPETITIONS), *loops(table, REPETITIONS), *openings(path, REPETITIONS), *memory()])


if __name__ == "__main__":
    main()
