"""A `Benchmark` answered by training now: the same call as `TabularBenchmark`, and the same answers.

A training's bits depend on the group that it is trained in, and training amplifies them: with recipe `mnist1d`, 12 of 12
trainings had other counts after two epochs alone than among the repeats of their cell (in float64 all were equal). So a query
trains the whole group of the recipe's plan that the training belongs to, which is what the build of the table did: the answers
are equal bit for bit in the environment that the table was built in. With the shipped recipes a group is the repeats of
one cell, the smallest group that fusing pays for (6.5 processor seconds for three fused, 9.9 for three alone, 2 epochs of
4 cells): one live answer costs twice what a lone training would, and the next seeds of the cell then cost nothing.
Costs that are charged come from the cost model, not from the clock.

Zero-cost proxies, too, are computed now, from the seeds and by the functions of the file beside the table; what they are charged
is that file's seconds (`live_proxies.py`).

Everything that is trained goes into journals of the same kind as a build's, in a folder of the same kind. A live run that
was killed and is started again asks the same questions, gets the answers from there and goes on where it was; a folder
of a finished build answers everything.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from nasbench.build_folder import locked, new_journal, pin, read_journals
from nasbench.cost import CostModel, cell_seconds, check_model
from nasbench.engine import Gate, Job, plain
from nasbench.groups import group_of
from nasbench.journal import JournalWriter, new_header
from nasbench.live_proxies import LiveProxies
from nasbench.made_by import cost_model_of, recipe_of
from nasbench.measures import Column, check_names, free_column, look_up
from nasbench.proxy_table import ProxyTable
from nasbench.query import Measure, Observation, Query, QueryError
from nasbench.recipe import Recipe
from nasbench.results import Key, Result, check_equal, encode
from nasbench.seal_build import collect, network_sizes
from nasbench.space import Architecture, CellSpace
from nasbench.table import OK, Table, TableError
from nasbench.trainer import LIVE, Trainer
from nasbench.worker import run_group, start_trainer

SIZES = ("parameters", "multiply_adds")
"""Measures by closed formula."""


class LiveBenchmark:
    """Answers queries by training; see `nasbench.query.Benchmark`. Close it, or use it as a context manager.

    Attributes:
        space: the recipe's search space.
        dataset: name of the recipe's data set.
        epochs: numbers of epochs that may be asked for.
        measures: names of the cheap measures on offer: sizes by closed formula, and the proxies that `offer` added.
        objectives: names of the measures that observations carry behind the error.
        trained: groups that were trained so far, replayed ones not counted.
    """

    def __init__(
        self,
        recipe: Recipe,
        cost: CostModel,
        folder: Path | None = None,
        *,
        device: str = "cpu",
        trainer: str = LIVE,
        objectives: tuple[str, ...] = (),
    ) -> None:
        """Open the folder and read what it holds; nothing is trained or imported yet.

        Args:
            recipe: the recipe.
            cost: what trainings cost; a table's own (`made_by.cost_model_of`) for the table's costs.
            folder: where trainings are kept; None: nowhere.
            device: where to train.
            trainer: who trains (`trainer.py`).
            objectives: measures that every observation carries behind the error.

        Raises:
            CostError: the cost model is of another recipe.
            QueryError: an objective that is not on offer.
            BuildError: the folder is of another recipe, or in use.
            JournalError: a journal in it can't be read.
        """
        check_model(cost, recipe)
        self.space: CellSpace = recipe.cell_space
        self.dataset = recipe.dataset.name
        self.epochs = recipe.evaluated_epochs
        self.trained = 0
        self.measures: tuple[str, ...] = SIZES
        self._proxies: LiveProxies | None = None
        check_names(objectives, self.measures, self.dataset)
        self.objectives = objectives
        self._sizes: dict[str, Column] = {}  # worked out when first asked for: they need the shape of the data
        self._recipe = recipe
        self._cost = cost
        self._device = device
        self._trainer_name = trainer
        self._trainer: Trainer | None = None
        self._writer: JournalWriter | None = None
        self._results: dict[Key, Result] = {}
        self._held = contextlib.ExitStack()
        self._job = Job(recipe, folder or Path(), trainer, (device,), environments=())
        self._keep = folder is not None
        if folder is not None:
            pin(folder, recipe, trainer, None)
            self._held.enter_context(locked(folder, None))
            finished = collect(recipe, read_journals(folder, recipe))
            self._results = {key: _validation_only(result) for key, result in finished.merged.results.items()}
            known = tuple(environment for environment, _ in finished.environments)
            self._job = Job(recipe, folder, trainer, (device,), environments=known, examples=finished.examples)

    def evaluate(self, query: Query, seed: int) -> Observation:
        """Answer a query; see `Benchmark.evaluate`. Consecutive seeds are different trainings, `recipe.repeats` of them.

        Raises:
            QueryError: the recipe does not evaluate after this number of epochs.
            SpaceError: the architecture is not in the space.
            BuildError: data or environment are not those of the folder.
            JournalError: the training can't be kept, or contradicts one that was.
        """
        if query.epochs not in self.epochs:
            raise QueryError(
                f"{query.epochs} epochs are not evaluated by recipe {self._recipe.name}; it has {self.epochs}"
            )
        key = self.cell(query.architecture), self.repeat(query.architecture, seed)
        result = self._result(key, query.epochs)
        count = int(result.counts("validation")[query.epochs - 1]) if result.epochs >= query.epochs else -1
        train, validation = cell_seconds(self._cost, self.space, key[0])
        accuracy = count / self._recipe.split_sizes["validation"] if count >= 0 else 0.0
        sizes = self._columns() if self.objectives else {}
        values = tuple(sizes[name].values.item(key[0]) for name in self.objectives)
        objectives = (1.0 - accuracy, *values) if values else ()
        return Observation(query, accuracy, (train + validation) * query.epochs, objectives)

    def measure(self, asked: Measure) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Work measures out; see `Benchmark.measure`.

        Raises:
            QueryError: no such measure.
            SpaceError: an architecture is not in the space.
        """
        check_names(asked.names, self.measures, self.dataset)
        cells = [self.cell(architecture) for architecture in asked.architectures]
        sizes = self._columns() if set(SIZES) & set(asked.names) else {}
        costly = [name for name in asked.names if name not in SIZES]
        found = self._proxies.columns(cells, costly) if self._proxies is not None and costly else {}
        return look_up({**sizes, **found}, cells, asked.names)

    def offer(self, proxies: ProxyTable | None, names: tuple[str, ...] = ()) -> None:
        """Offer zero-cost proxies from now on, and no others that were offered before.

        Args:
            proxies: whose draws are made again and whose seconds are charged; see `live_proxies.LiveProxies`.
            names: which of them; sizes are always there.

        Raises:
            TableError: the proxies are of another space or recipe, or lack a name.
        """
        wanted = tuple(name for name in names if name not in SIZES)
        if wanted and proxies is None:
            raise TableError(f"proxies {list(wanted)} need a table of proxies, which says what they cost")
        if wanted and proxies is not None:
            lacking = [name for name in wanted if name not in proxies.names]
            if lacking:
                raise TableError(f"there are no proxies {lacking}; there are {list(proxies.names)}")
            if self._proxies is None or self._proxies.table is not proxies:
                self._proxies = LiveProxies(self._recipe, proxies)
        self.measures = (*SIZES, *wanted)

    def cell(self, architecture: Architecture) -> int:
        """Return the number of the architecture's canonical class: its row in a table of the whole space."""
        return int(self.space.class_of[self.space.index(self.space.check(architecture))])

    def repeat(self, architecture: Architecture, seed: int) -> int:
        """Return the number of the repeat that `seed` chooses."""
        return seed % self._recipe.repeats

    def close(self) -> None:
        """Close the journal and give the folder back."""
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _result(self, key: Key, epochs: int) -> Result:
        """Return a training's curves over at least `epochs` epochs (fewer if it diverged before), training if need be."""
        known = self._results.get(key)
        if known is None or (known.epochs < epochs and known.status == OK):
            self._train(group_of(self._recipe, key), epochs)
        return self._results[key]

    def _columns(self) -> dict[str, Column]:
        """Return the sizes of each canonical class, the numbers that `seal_build.py` writes into a table."""
        if not self._sizes:
            examples = self._job.examples or self._started().examples
            sizes = network_sizes(self._recipe, examples, range(len(self.space.classes)))
            self._sizes = {name: free_column(sizes[:, number]) for number, name in enumerate(SIZES)}
        return self._sizes

    def _started(self) -> Trainer:
        if self._trainer is None:
            self._trainer = start_trainer(self._job, self._device)
            Gate(self._job).admit(self._trainer.environment, self._trainer.examples)
        return self._trainer

    def _train(self, group: int, epochs: int) -> None:
        trainer = self._started()
        # All the way, or as far as was asked; more is trained from the start again, with the same beginning.
        record = run_group(self._recipe, trainer, group, epochs=None if epochs == self._recipe.epochs else epochs)
        found = {result.key: _validation_only(result) for result in record.results}
        for key, result in found.items():
            if key in self._results:
                check_equal(self._results[key], result, "an earlier training", "the one just made")
        if self._keep:
            if self._writer is None:
                environment = plain(trainer.environment)
                header = new_header(self._recipe.digest, environment, trainer.examples, "live")
                self._writer = self._held.enter_context(new_journal(self._job.folder, header))
            self._writer.append(encode(record))
        for key, result in found.items():
            if key not in self._results or self._results[key].epochs < result.epochs:
                self._results[key] = result
        self.trained += 1


def _validation_only(result: Result) -> Result:
    """Leave out what a search may not see (decision 7 of the design); the journal keeps everything."""
    correct, loss = {"validation": result.correct["validation"]}, {"validation": result.loss["validation"]}
    return msgspec.structs.replace(result, correct=correct, loss=loss)


def live_benchmark_of(
    table: Table,
    folder: Path | None = None,
    *,
    root: str | Path = "",
    device: str = "cpu",
    trainer: str = LIVE,
    objectives: tuple[str, ...] = (),
) -> LiveBenchmark:
    """Return the benchmark that trains what a table holds: its recipe, its costs, cells numbered as its rows.

    Args:
        table: a table of a whole space that was built here.
        folder: where trainings are kept; None: nowhere. One process at a time can use it.
        root: folder of data that are read from disk.
        device: where to train.
        trainer: who trains.
        objectives: measures that every observation carries behind the error.

    Raises:
        TableError: the table was imported, or is of some cells only.
        BuildError: the folder is of another recipe, or in use.
    """
    recipe = recipe_of(table, root)
    if not np.array_equal(table.row_of_index, recipe.cell_space.class_of):
        raise TableError(
            f"the table has {len(table.architectures)} rows, not one for each of the {len(recipe.cell_space.classes)} classes "
            f"of {recipe.space}: a live run could ask for what can't be scored"
        )
    return LiveBenchmark(recipe, cost_model_of(table), folder, device=device, trainer=trainer, objectives=objectives)


def retrain(
    architecture: Architecture,
    recipe: Recipe,
    *,
    repeat: int = 0,
    device: str = "cpu",
    trainer: str = LIVE,
    watch: Callable[[int, Result], None] | None = None,
) -> tuple[Result, ...]:
    """Train one architecture now, in its group, as a build of the recipe would.

    Args:
        architecture: what to train; it stands for its canonical class.
        recipe: the recipe.
        repeat: whose group to train.
        device: where.
        trainer: who trains.
        watch: is told, after every epoch that the recipe evaluates, how many are done and the curves so far, once for each
            repeat of the architecture in the group.

    Returns:
        The curves of those members of the group that are repeats of this architecture.

    Raises:
        ValueError: the recipe has no such repeat.
        SpaceError: the architecture is not in the space.
    """
    space = recipe.cell_space
    cell = int(space.class_of[space.index(space.check(architecture))])
    if not 0 <= repeat < recipe.repeats:
        raise ValueError(f"repeat is {repeat}, must be in 0..{recipe.repeats - 1} for recipe {recipe.name}")
    job = Job(recipe, Path(), trainer, (device,))

    def tell(done: int, results: list[Result]) -> None:
        for result in results:
            if watch is not None and result.cell == cell:
                watch(done, result)

    record = run_group(recipe, start_trainer(job, device), group_of(recipe, (cell, repeat)), watch=tell)
    return tuple(result for result in record.results if result.cell == cell)
