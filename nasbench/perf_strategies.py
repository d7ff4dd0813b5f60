"""How long strategies think: processor seconds of one run of 150 queries on a table, for every strategy on disk.

`python -m nasbench.perf_strategies` prints the seconds; `--page docs/strategies.md` writes the page of all strategies with them.
Random search, which thinks least, is the alternative that each is compared with: what is above it is the strategy's own.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nasbench.load import LoadedStrategy, LoadError, load_strategy, strategy_names
from nasbench.perf import DATASET, TABLE
from nasbench.provenance import processor
from nasbench.query import Benchmark
from nasbench.search import Finished, run
from nasbench.tabular import TabularBenchmark

QUERIES = 150
RUNS = 3
LIMIT = 10.0  # processor seconds that a run of QUERIES may take
ENDLESS = 1e12  # simulated seconds; the run is cut off by its queries

HEAD = """
# Search strategies

Made by `python -m nasbench.perf_strategies --page docs/strategies.md`; `nasbench list strategies` shows the same and all settings.

*Seconds*: processor seconds that one run of {queries} queries takes on `{table}` ({dataset}), look-ups included; median of {runs} runs
with the default settings, on one core of {processor}. *Mode*: `table` needs nothing but scores; `emulated` methods inherit weights in
their paper, and here every score is of a training from scratch. *Fidelities*: `many` asks for fewer epochs as well.

*Slow learners.* At about 100 trainings NAS-RL, NASNet's PPO and regularized evolution with a population of 100 are not told from random
search in the comparisons of `make bench`; the last one is random search until its population is full. That they are what they
claim to be: their gradients and updates are tested against independent truth, and with ten times the budget (protocol
`nas-bench-201-long`) each of them, and REINFORCE, is ahead of random search ([findings.md](findings.md)).

| strategy | name | mode | fidelities | seconds | published settings | paper |
|---|---|---|---|--:|---|---|
"""


class _Enough(Exception):
    """The run has made its queries."""


@dataclass(frozen=True)
class Thinking:
    """Processor seconds of runs of one strategy.

    Attributes:
        loaded: the strategy.
        seconds: one for each run, with the settings that are the defaults; empty: it was not run.
        queries: made in each run; fewer than asked for where a strategy ends by itself.
        absent: why it was not run.
    """

    loaded: LoadedStrategy
    seconds: tuple[float, ...]
    queries: int
    absent: str = ""

    @property
    def median(self) -> float:
        """Median of the runs."""
        return statistics.median(self.seconds) if self.seconds else float("nan")


def think(loaded: LoadedStrategy, benchmark: Benchmark, queries: int, seed: int) -> tuple[float, int]:
    """Return the processor seconds of one run of so many queries, and how many were made.

    Args:
        loaded: the strategy; its defaults are used.
        benchmark: what answers.
        queries: after so many the run is cut off.
        seed: of the run.
    """
    made = 0

    def count(_: Finished) -> None:
        nonlocal made
        made += 1
        if made >= queries:
            raise _Enough

    began = time.process_time()
    try:
        settings = loaded.configure()
        run(loaded.function, benchmark, ENDLESS, np.random.SeedSequence(seed), settings=settings, on_finish=count)
    except _Enough:
        pass
    return time.process_time() - began, made


def measure_all(
    benchmark: Benchmark, queries: int = QUERIES, runs: int = RUNS, said: Callable[[str], None] | None = None
) -> list[Thinking]:
    """Measure every strategy on disk, after one run of each that is not counted (imports, first calls).

    Args:
        benchmark: what answers.
        queries: of each run.
        runs: of each strategy.
        said: is told each result.
    """
    found = []
    for name in strategy_names():
        loaded = load_strategy(name)
        try:
            think(loaded, benchmark, min(queries, 30), runs)
            results = [think(loaded, benchmark, queries, seed) for seed in range(runs)]
            found.append(Thinking(loaded, tuple(seconds for seconds, _ in results), min(made for _, made in results)))
        except (ImportError, LoadError, ValueError) as error:  # an extra, objectives or a warm start that is not there
            found.append(Thinking(loaded, (), 0, str(error).splitlines()[0]))
        if said is not None:
            said(line(found[-1]))
    return found


def line(thinking: Thinking) -> str:
    """Return one result in words."""
    name = thinking.loaded.name
    if thinking.absent:
        return f"{name:28} not run: {thinking.absent}"
    low, high = min(thinking.seconds), max(thinking.seconds)
    warning = f"  MORE THAN {LIMIT:g} s" if thinking.median > LIMIT else ""
    return f"{name:28} {thinking.median:7.3f} s ({low:.3f} to {high:.3f}), {thinking.queries} queries{warning}"


def page(results: list[Thinking], queries: int) -> str:
    """Return the page of all strategies as Markdown."""
    runs = max(len(thinking.seconds) for thinking in results)
    lines = [HEAD.format(queries=queries, table=TABLE, dataset=DATASET, runs=runs, processor=processor()).strip()]
    for thinking in sorted(results, key=lambda one: (one.loaded.method.family, one.loaded.name)):
        method = thinking.loaded.method
        seconds = f"{thinking.median:.3f}" if thinking.seconds else "not run"
        variants = ", ".join(f"`{variant}`" for variant in method.variants)
        fidelities = "many" if method.fidelities else "full"
        lines.append(
            f"| {method.title} | `{thinking.loaded.name}` | {method.mode} | {fidelities} | {seconds} | {variants} | {method.paper} |"
        )
    return "\n".join(lines) + "\n"


def main() -> int:
    """Measure, print, and write the page if one is named; 1 if a strategy thinks for too long."""
    from threadpoolctl import threadpool_limits

    from nasbench.cli import find_table
    from nasbench.sealed import open_table

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--queries", type=int, default=QUERIES, help=f"of each run (default: {QUERIES})")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"of each strategy (default: {RUNS})")
    parser.add_argument("--page", type=Path, help="write the page of all strategies here")
    options = parser.parse_args()
    for name in ("queries", "runs"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} is {getattr(options, name)}, must be at least 1")
    with threadpool_limits(1):
        benchmark = TabularBenchmark(open_table(find_table(TABLE)), DATASET)
        results = measure_all(benchmark, options.queries, options.runs, print)
    if options.page is not None:
        options.page.write_text(page(results, options.queries), encoding="utf-8")
        print(options.page)
    return int(any(thinking.median > LIMIT for thinking in results))


if __name__ == "__main__":
    sys.exit(main())
