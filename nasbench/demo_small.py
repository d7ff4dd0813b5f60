"""The whole method in a few minutes: `make table-small` builds a table from nothing, is killed on the way, resumes, searches.

Recipe `digits-small`: 729 cells in 78 classes, two seeds each, on 1,797 handwritten digits. The build's supervisor is killed
(SIGKILL) when a third is done. The same command then goes on where it was, and seals. The table is verified, a few rows are
trained again and compared bit for bit, and search strategies are run on it; one search is answered by training, too.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nasbench.build_folder import read_journals
from nasbench.groups import group_count
from nasbench.live import live_benchmark_of
from nasbench.load import load_strategy
from nasbench.recipe import Recipe, load_recipe
from nasbench.sealed import open_table
from nasbench.search import run
from nasbench.table import Table
from nasbench.tabular import Scorer, TabularBenchmark

RECIPE = "digits-small"
STRATEGIES: dict[str, dict[str, int]] = {
    "random_search": {},
    "local_search": {},
    # The published population of 100 would be drawn at random to the last: the budget is some forty trainings.
    "regularized_evolution": {"population": 10, "sample": 4},
}
RUNS = 100
TRAININGS = 30  # full trainings of an average cell that a search may spend
LIVE_TRAININGS = 10  # the same for the search that trains


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demonstration; returns 0 if everything held."""
    parser = argparse.ArgumentParser(prog="python -m nasbench.demo_small", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--folder", type=Path, default=Path("builds/table-small"), help="a folder that is not there yet"
    )
    options = parser.parse_args(arguments)
    folder: Path = options.folder
    if folder.exists() and any(folder.iterdir()):
        print(
            f"{folder} is not empty; the demonstration starts from nothing: remove it or give --folder", file=sys.stderr
        )
        return 2
    began = time.monotonic()
    recipe = load_recipe(RECIPE)
    table_path = folder / f"{RECIPE}.h5"
    command = ["build", RECIPE, "--folder", str(folder), "--output", str(table_path)]
    _say("A table from nothing, to be killed when a third of it is done")
    killed_at = _kill_at_a_third(command, folder, recipe)
    _say(f"Killed with {killed_at} of {group_count(recipe)} groups finished. The same command goes on")
    _nasbench(*command)
    after = read_journals(folder, recipe)
    if sum(len(journal.payloads) for journal in after) != group_count(recipe):
        print("some group was lost or trained twice", file=sys.stderr)
        return 1
    _say("Is it sound?")
    _nasbench("verify", str(table_path))
    _say("Does it say what the pipeline does?")
    _nasbench("audit", str(table_path), "--sample", "3")
    table = open_table(table_path)
    _say(f"{len(STRATEGIES)} strategies, {RUNS} runs each, with the budget of {TRAININGS} average trainings")
    _search(table, recipe)
    _say("One search, answered from the table and by training")
    same = _live_is_the_same(table, recipe, folder / "live")
    print(
        f"\n{'done' if same else 'NOT the same'} in {time.monotonic() - began:.0f} seconds: {table_path}, digest {table.digest}"
    )
    return 0 if same else 1


def _say(text: str) -> None:
    print(f"\n== {text}", flush=True)


def _command(*arguments: str) -> list[str]:
    print("$ nasbench " + shlex.join(arguments), flush=True)
    return [sys.executable, "-c", "import sys; from nasbench.cli import main; sys.exit(main())", *arguments]


def _nasbench(*arguments: str) -> None:
    subprocess.run(_command(*arguments), check=True)


def _kill_at_a_third(command: Sequence[str], folder: Path, recipe: Recipe) -> int:
    child = subprocess.Popen(_command(*command))
    finished = 0
    while finished < group_count(recipe) // 3:
        if child.poll() is not None:
            raise RuntimeError(f"the build ended with code {child.returncode} before it could be killed")
        time.sleep(0.05)
        finished = sum(len(journal.payloads) for journal in read_journals(folder, recipe)) if folder.exists() else 0
    child.kill()
    child.wait()
    return finished


def _budget(table: Table, recipe: Recipe, trainings: int) -> float:
    data = table.datasets[recipe.dataset.name]
    return float((data.train_seconds + data.validation_seconds).mean()) * recipe.epochs * trainings


def _search(table: Table, recipe: Recipe) -> None:
    name = recipe.dataset.name
    benchmark, scorer = TabularBenchmark(table, name), Scorer(table, name)
    print(f"best cell: {scorer.best:.2%} {scorer.label}; a random one: {scorer.random_mean:.2%}")
    budget = _budget(table, recipe, TRAININGS)
    for strategy, settings in STRATEGIES.items():
        loaded = load_strategy(strategy)
        regrets = []
        for number in range(RUNS):
            made = run(loaded.function, benchmark, budget, np.random.SeedSequence([0, number]), settings=settings)
            best = max(made.log, key=lambda entry: entry.observation.validation_accuracy).observation.query.architecture
            regrets.append(scorer.best - scorer.scores[benchmark.cell(best)])
        error = np.std(regrets, ddof=1) / np.sqrt(RUNS)
        print(f"{strategy:24s} regret {np.mean(regrets):.3%} +- {error:.3%} (mean and its standard error, n = {RUNS})")


def _live_is_the_same(table: Table, recipe: Recipe, folder: Path) -> bool:
    strategy = load_strategy("regularized_evolution").function
    settings = STRATEGIES["regularized_evolution"]
    tabular = TabularBenchmark(table, recipe.dataset.name)
    budget, seed = _budget(table, recipe, LIVE_TRAININGS), np.random.SeedSequence(1)
    looked_up = run(strategy, tabular, budget, seed, settings=settings)
    with live_benchmark_of(table, folder) as live:
        trained = run(strategy, live, budget, seed, settings=settings)
        print(f"{live.trained} groups of {recipe.group} trainings were trained")
    same = looked_up.log == trained.log
    print(f"{len(trained.log)} observations, {'equal bit for bit' if same else 'DIFFERENT'}")
    return same


if __name__ == "__main__":
    raise SystemExit(main())
