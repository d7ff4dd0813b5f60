"""How well the predictors inside model-based strategies rank cells that they have not seen.

For each number of training cells and each repetition, cells of different classes are drawn and trained once (one repeat of the
table, as a search would be told), every predictor is fitted as its strategy fits it, with the strategy's default settings, and
ranks held-out cells of other classes. The truth is the mean score over repeats, on the split that searches are scored on.

Liu et al. (ECCV 2018, arXiv:1712.00559, section 5.2) judge PNAS's predictor by Spearman's rank correlation, on cells of
the size that it was trained on and on larger ones; White et al. (AAAI 2021, arXiv:1910.11858, section 5) compare encodings.

Departures from what happens in a search: training cells are random, where a search's come from its own choices; the Gaussian
processes' hyperparameters are fitted once, with at most `ITERATIONS` steps, where a search fits them again and again from
where they were. `pnas-smaller` is trained as PNAS is before its last level, on the cells of one block and on random ones of two.
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasbench.load import load_strategy
from nasbench.query import Query
from nasbench.space import Architecture, CellSpace
from nasbench.table import Table
from nasbench.tabular import TabularBenchmark

Floats = NDArray[np.float64]
Predict = Callable[[list[Architecture]], Floats]
"""From cells to anything that is larger for cells that are predicted to be better."""
Fit = Callable[[CellSpace, np.random.Generator, list[Architecture], Floats], Predict]
"""From training cells and their validation accuracies (fractions) to a prediction. PNAS's cells may be decided in part."""

SIZES = (25, 50, 100, 200)
REPETITIONS = 20
HELD_OUT = 1000
BEST = 0.1  # share of the held-out cells, by their score, among which the ranking is looked at too
ITERATIONS = 100


@dataclass(frozen=True)
class Ranking:
    """How one fitted predictor ranks held-out cells.

    Attributes:
        dataset: the data set.
        predictor: key of `PREDICTORS`.
        cells: number of training cells.
        repetition: number of the draw of cells; predictors of one draw share training and held-out cells
            (`pnas-smaller` has training cells of its own).
        held_out: number of held-out cells.
        spearman: with the score, over all of them.
        kendall: the same, Kendall's tau-b.
        spearman_best: over the best tenth by score.
    """

    dataset: str
    predictor: str
    cells: int
    repetition: int
    held_out: int
    spearman: float
    kendall: float
    spearman_best: float


def rank_held_out(
    table: Table,
    dataset: str,
    *,
    sizes: Sequence[int] = SIZES,
    repetitions: int = REPETITIONS,
    held_out: int = HELD_OUT,
    seed: int = 0,
    names: Sequence[str] | None = None,
) -> Iterator[Ranking]:
    """Yield one ranking after another.

    Args:
        table: of trained cells.
        dataset: one of its data sets.
        sizes: numbers of training cells, each from 10.
        repetitions: draws of cells for each number, from 2.
        held_out: cells ranked, from 30; of classes that differ from each other and from those trained, as far as there are any.
        seed: root of all draws; each draw of cells and each predictor has a stream of its own.
        names: keys of `PREDICTORS`; default: all.

    Raises:
        ValueError: a number outside its range, or an unknown predictor.
        TableError: no such data set.
    """
    from nasbench.analysis.correlations import best_rows, kendall, spearman

    chosen = tuple(PREDICTORS if names is None else names)
    check_sizes(sizes, repetitions, held_out, chosen)
    data, space, benchmark = table.dataset(dataset), table.space, TabularBenchmark(table, dataset)
    scores = data.mean_accuracy(data.score_split)
    shared = _module("_encoding")
    for repetition in range(repetitions):
        for cells in sizes:
            for name in chosen:
                # The same stream for all predictors, so that they are given the same cells and the same trainings.
                rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(repetition, cells)))
                known = smaller_cells(space, rng, cells) if name == SMALLER else drawn_cells(space, rng, cells)
                if not known:
                    continue
                whole = [_module("pnas").whole(space, cell) for cell in known]
                told = np.array(
                    [
                        benchmark.evaluate(
                            Query(cell, benchmark.epochs[-1]), int(rng.integers(2**31))
                        ).validation_accuracy
                        for cell in whole
                    ]
                )
                seen = {space.canonical(cell) for cell in whole}
                others = list(shared.draw_unseen(space, rng, seen, held_out))
                truth = scores[[table.row(cell) for cell in others]]
                own = np.random.SeedSequence(seed, spawn_key=(repetition, cells, zlib.crc32(name.encode())))
                predicted = PREDICTORS[name](space, np.random.default_rng(own), known, told)(others)
                best = best_rows(truth, BEST)
                values = spearman(predicted, truth), kendall(predicted, truth), spearman(predicted[best], truth[best])
                yield Ranking(dataset, name, cells, repetition, len(others), *values)


def check_sizes(sizes: Sequence[int], repetitions: int, held_out: int, names: Sequence[str]) -> None:
    """Refuse numbers outside their ranges and unknown predictors.

    Raises:
        ValueError: the message names the value and what is allowed.
    """
    if not sizes or min(sizes) < 10 or len(set(sizes)) < len(sizes):
        raise ValueError(f"numbers of training cells are {list(sizes)}, must be different and at least 10")
    if repetitions < 2:
        raise ValueError(f"repetitions is {repetitions}, must be at least 2")
    if held_out < 30:
        raise ValueError(f"held_out is {held_out}, must be at least 30")
    unknown = sorted(set(names) - PREDICTORS.keys())
    if unknown:
        raise ValueError(f"unknown predictors {unknown}; there are {sorted(PREDICTORS)}")


def drawn_cells(space: CellSpace, rng: np.random.Generator, count: int) -> list[Architecture]:
    """Draw cells uniformly, of different classes as far as there are any."""
    return list(_module("_encoding").draw_unseen(space, rng, set(), count))


def smaller_cells(space: CellSpace, rng: np.random.Generator, count: int) -> list[Architecture]:
    """Return cells as PNAS has trained them before its last level: all of one block, random new classes of the later ones.

    Returns:
        The decisions taken; nothing if these levels have fewer classes than `count`.
    """
    pnas = _module("pnas")
    blocks = pnas.block_ends(space)
    level = pnas.expansions(space, [()], blocks[0])
    known, _ = pnas.first_new(space, level, set(), len(level))
    for end in blocks[1:-1]:
        level = pnas.expansions(space, level, end)
        level = [level[place] for place in rng.permutation(len(level)).tolist()]
        classes = {space.canonical(pnas.whole(space, cell)) for cell in known}
        known += pnas.first_new(space, level, classes, count - len(known))[0]
    return [tuple(cell) for cell in known] if len(known) == count else []


# The predictors, each as its strategy makes it -------------------------------------------------------------------------


def _module(name: str) -> Any:
    return importlib.import_module(f"nasbench.baselines.strategies.{name}")


def _settings(strategy: str, *names: str, variant: str | None = None) -> dict[str, Any]:
    settings = load_strategy(strategy).configure({}, variant)
    return {name: settings[name] for name in names}


def _bananas(variant: str | None) -> Fit:
    def fit(space: CellSpace, rng: np.random.Generator, cells: list[Architecture], accuracies: Floats) -> Predict:
        bananas, ensembles = _module("bananas"), _module("_ensemble")
        encoding = _settings("bananas", "encoding", "path_bits", variant=variant)
        training = _settings("bananas", "members", "layers", "width", "training_epochs", "learning_rate")
        ensemble = bananas.fit_ensemble(bananas.encode(space, cells, **encoding), accuracies, rng, **training)
        return lambda others: -_mean(ensembles.predict(ensemble, bananas.encode(space, others, **encoding)))

    return fit


def _mean(predictions: NDArray[np.float32]) -> Floats:
    return np.asarray(predictions.mean(axis=0), dtype=np.float64)


def _pnas(space: CellSpace, rng: np.random.Generator, cells: list[Architecture], accuracies: Floats) -> Predict:
    """Fit on the smallest cells with the first learning rate, then, if there are larger ones, on all with the other."""
    pnas, ensembles = _module("pnas"), _module("_ensemble")
    settings = load_strategy("pnas").configure()
    widths = (sum(space.choices), settings["embedding"], *(settings["hidden"],) * settings["layers"], 1)
    inputs, targets = pnas.features(space, cells), accuracies.astype(np.float32)
    first = np.array([len(cell) == len(cells[0]) for cell in cells])
    ensemble = pnas.begin_predictor(widths, settings["members"], targets[first], rng)
    epochs, rate = settings["training_epochs"], settings["first_learning_rate"]
    pnas.refine_predictor(ensemble, inputs[first], targets[first], rng, epochs, rate)
    if not first.all():
        pnas.refine_predictor(ensemble, inputs, targets, rng, epochs, settings["learning_rate"])
    return lambda others: _mean(ensembles.predict(ensemble, pnas.features(space, others)))


def _arc_gp(space: CellSpace, _: np.random.Generator, cells: list[Architecture], accuracies: Floats) -> Predict:
    arc_gp = _module("arc_gp")
    targets = arc_gp.standardise(1.0 - accuracies)
    parameters = arc_gp.fit(space, cells, targets, [arc_gp.initial_parameters(space)], ITERATIONS)
    process = arc_gp.begin_process(space, cells, targets, parameters)
    return lambda others: -arc_gp.belief(space, process, others)[0]


def _nasbot(space: CellSpace, _: np.random.Generator, cells: list[Architecture], accuracies: Floats) -> Predict:
    nasbot, transport = _module("nasbot"), _module("_transport_distances")
    settings = _settings("nasbot", "structure", "project_candidates")
    distances = transport.TransportDistances(transport.transport_tables(space, settings["structure"]))
    number = nasbot.numbering(distances, space.canonical)
    numbers = number(cells)
    for each in numbers.tolist():
        distances.observe(each)
    targets = nasbot.standardise(1.0 - accuracies)
    plain = distances.rows(numbers)
    normalised = plain / (distances.totals[numbers, None] + distances.totals[numbers])[..., None]
    start = nasbot.initial_parameters(len(settings["structure"]))
    parameters = nasbot.fit(plain, normalised, targets, start, ITERATIONS)
    project = settings["project_candidates"]
    belief = nasbot.belief_function(number, distances, numbers, targets, parameters, project)
    return lambda others: -belief(others)[0]


def _smac(space: CellSpace, rng: np.random.Generator, cells: list[Architecture], accuracies: Floats) -> Predict:
    forest = _module("_forest")
    settings = _settings("smac", "trees", "feature_ratio", "minimum_split", "minimum_leaf")
    fitted = forest.fit_forest(np.array(cells), 1.0 - accuracies, space.choices, rng, **settings)
    return lambda others: -forest.predict_forest(fitted, np.array(others))[0]


SMALLER = "pnas-smaller"
PREDICTORS: dict[str, Fit] = {
    "bananas-path": _bananas(None),
    "bananas-one-hot": _bananas("one-hot"),
    "pnas": _pnas,
    SMALLER: _pnas,
    "arc-gp": _arc_gp,
    "nasbot": _nasbot,
    "smac": _smac,
}
