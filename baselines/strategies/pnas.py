"""Progressive neural architecture search: Liu et al., ECCV 2018, arXiv:1712.00559, algorithm 1.

Cells grow block by block. All cells of one block are trained; a predictor learns from them; all their extensions by one more
block are predicted, the best K of them trained, the predictor refined, and so on until the cells are complete.

A block is here what it is there: one more inner node with its inputs. In a cell with nodes 0 (input), 1, ..., n (output), a cell
of b blocks decides the edges into nodes 1 to b; as in the paper, everything computed so far that nothing uses goes to the output
(skip connections from those nodes to the output). The last block is the output's own inputs. On NAS-Bench-201 the levels have 5,
125 and 15,625 cells. In a space without nodes every decision is a block; decisions not yet taken are at option 0.

The predictor is the paper's ensemble of five perceptrons: the tokens of a cell (one for each decision taken) are embedded in 100
dimensions and averaged, which makes cells of all sizes comparable, followed by two layers of 100 units and a sigmoid; each member
sees four fifths of the data; absolute error, Adam with rate 0.01 on the first level, then 0.002.

Departures:
- K = 64, so that all levels of NAS-Bench-201 fit into 150 queries (5 + 55 + 64: its second level has 55 new
  classes, all of which are trained). The paper trains K = 256 of five levels, 1,160
  networks; `variants` has it.
- After the last level the search goes on with the next best K of that level, predictor refined each time, without end.
- Cells that compute the same function (`space.canonical`) are trained once, and share the answer.
- A token says which edge it is; the paper's averages a block's position away.
- 150 passes over the data in batches of 32 per fit; the paper says neither. The output's bias begins at the mean accuracy of the
  first level, for which the paper takes a constant.
- The paper's other predictor, an LSTM over the blocks, is not offered.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from nasbench.load import Method
from nasbench.query import Query, Search
from nasbench.settings import check_integer, check_number
from nasbench.space import Architecture, CellSpace, SearchSpace

from ._encoding import draw_unseen, one_hot
from ._ensemble import Ensemble, initial_ensemble, predict, train_ensemble

METHOD = Method(
    title="PNAS",
    paper="Liu et al.: Progressive neural architecture search, ECCV 2018, arXiv:1712.00559",
    year=2018,
    mode="table",
    family="model-based",
    variants={"paper": {"beam": 256}},
)


Decided = tuple[int, ...]
"""The decisions of a cell's first blocks."""


def pnas(
    space: SearchSpace,
    rng: np.random.Generator,
    epochs: tuple[int, ...],
    *,
    beam: int = 64,
    members: int = 5,
    embedding: int = 100,
    hidden: int = 100,
    layers: int = 2,
    first_learning_rate: float = 0.01,
    learning_rate: float = 0.002,
    training_epochs: int = 150,
) -> Search:
    """Grow cells level by level, led by a predictor, then go on at the last level without end.

    Args:
        space: the search space.
        rng: source of all randomness.
        epochs: the fidelities on offer; the last one is asked for.
        beam: cells trained, together, of each level after the first (K), from 1.
        members: predictors in the ensemble, from 1.
        embedding: dimensions of a token's embedding, from 1.
        hidden: units of each hidden layer, from 1.
        layers: hidden layers after the embedding, from 1.
        first_learning_rate: Adam's, when the predictor is first fitted, above 0.
        learning_rate: Adam's, when it is refined, above 0.
        training_epochs: passes over the observations per fit, from 1.

    Raises:
        SettingError: a setting outside its range.
    """
    integers = {"beam": beam, "members": members, "embedding": embedding, "hidden": hidden, "layers": layers}
    for name, value in {**integers, "training_epochs": training_epochs}.items():
        check_integer(name, value, 1)
    check_number("first_learning_rate", first_learning_rate, 0.0, above=True)
    check_number("learning_rate", learning_rate, 0.0, above=True)

    blocks = block_ends(space)
    answers: dict[Hashable, float] = {}  # validation accuracy by class
    trained: list[Decided] = []
    level = 0
    pool = expansions(space, [()], blocks[0])
    ensemble: Ensemble | None = None
    while True:
        if ensemble is not None:
            predicted = predict(ensemble, features(space, pool)).mean(axis=0)
            pool = [pool[place] for place in np.argsort(-predicted, kind="stable").tolist()]
        chosen, beam_cells = first_new(space, pool, set(answers), beam if level else len(pool))
        if not chosen and level == len(blocks) - 1:
            chosen = list(draw_unseen(space, rng, set(answers), beam))
        if chosen:
            observations = yield tuple(Query(whole(space, cell), epochs[-1]) for cell in chosen)
            for cell, observation in zip(chosen, observations, strict=True):
                answers[space.canonical(whole(space, cell))] = observation.validation_accuracy
            trained += chosen
            targets = np.array([answers[space.canonical(whole(space, cell))] for cell in trained], dtype=np.float32)
            if ensemble is None:
                widths = (sum(space.choices), embedding, *(hidden,) * layers, 1)
                ensemble = begin_predictor(widths, members, targets, rng)
            rate = learning_rate if level else first_learning_rate
            refine_predictor(ensemble, features(space, trained), targets, rng, training_epochs, rate)
        if level < len(blocks) - 1:
            level += 1
            pool = expansions(space, beam_cells, blocks[level])


def begin_predictor(
    widths: Sequence[int], members: int, targets: NDArray[np.float32], rng: np.random.Generator
) -> Ensemble:
    """Draw the predictor's weights; its outputs begin near the mean of the first targets, shape (n,).

    Args:
        widths: of all layers, inputs first.
        members: perceptrons.
        targets: accuracies, fractions.
        rng: draws the weights.
    """
    ensemble = initial_ensemble(members, widths, rng, embedding=True, sigmoid=True)
    mean = np.clip(targets.mean(), 0.01, 0.99)
    ensemble.biases[-1][...] = np.log(mean / (1.0 - mean))
    return ensemble


def refine_predictor(
    ensemble: Ensemble,
    inputs: NDArray[np.float32],
    targets: NDArray[np.float32],
    rng: np.random.Generator,
    epochs: int,
    learning_rate: float,
) -> None:
    """Train each member further on four fifths of the data: inputs of shape (n, features), accuracies of shape (n,)."""
    members = len(ensemble.weights[0])
    train_ensemble(
        ensemble,
        inputs,
        targets,
        rng,
        epochs=epochs,
        batch_size=32,
        learning_rate=learning_rate,
        rows=subsets(len(inputs), members, rng),
    )


def block_ends(space: SearchSpace) -> list[int]:
    """Return for each block the number of decisions that are taken with it; the last one is all of them."""
    if not isinstance(space, CellSpace):
        return list(range(1, len(space.choices) + 1))
    return [node * (node + 1) // 2 for node in range(1, space.nodes)]


def expansions(space: SearchSpace, cells: list[Decided], end: int) -> list[Decided]:
    """Return all ways to take the decisions up to number `end`, for cells that have taken equally many before."""
    begin = len(cells[0])
    block = list(itertools.product(*(range(options) for options in space.choices[begin:end])))
    return [cell + choice for cell in cells for choice in block]


def whole(space: SearchSpace, decided: Decided) -> Architecture:
    """Return the architecture that a cell with its first blocks is trained as.

    Inner nodes that no decided edge uses are passed to the output by skip connections (by the first operation other than
    `none`, if the space has none); undecided edges carry `none` (or operation 0).
    """
    missing = len(space.choices) - len(decided)
    if not missing or not isinstance(space, CellSpace):
        return decided + (0,) * missing
    none = space.operations.index("none") if "none" in space.operations else -1
    if "skip_connect" in space.operations:
        passing = space.operations.index("skip_connect")
    else:
        passing = next((number for number in range(len(space.operations)) if number != none), 0)
    cell = list(decided) + [max(none, 0)] * missing
    edges = space.edges[: len(decided)]
    used = {source for (source, _), operation in zip(edges, decided, strict=True) if operation != none}
    for node in sorted({target for _, target in edges} - used):
        cell[space.edges.index((node, space.nodes - 1))] = passing
    return tuple(cell)


def first_new(
    space: SearchSpace, ranked: list[Decided], known: set[Hashable], count: int
) -> tuple[list[Decided], list[Decided]]:
    """Walk down a ranked list until `count` cells of classes outside `known` are found.

    Returns:
        These cells, one for each new class; and all cells passed on the way, known ones too, whose extensions may be new.
    """
    known = set(known)
    new: list[Decided] = []
    passed: list[Decided] = []
    for cell in ranked:
        if len(new) == count:
            break
        passed.append(cell)
        form = space.canonical(whole(space, cell))
        if form not in known:
            known.add(form)
            new.append(cell)
    return new, passed


def features(space: SearchSpace, cells: list[Decided]) -> NDArray[np.float32]:
    """Return the mean of the tokens' indicators, shape (len(cells), sum of choices); rows sum to 1."""
    lengths = np.array([len(cell) for cell in cells])
    padded = [cell + (0,) * (len(space.choices) - len(cell)) for cell in cells]
    taken = np.repeat(np.arange(len(space.choices)) < lengths[:, None], space.choices, axis=1)
    return np.asarray(one_hot(space.choices, padded) * taken / lengths[:, None], dtype=np.float32)


def subsets(count: int, members: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw for each member four fifths of the examples, shape (members, 4/5 count rounded, at least 1)."""
    kept = max(1, round(0.8 * count))
    return rng.permuted(np.tile(np.arange(count), (members, 1)), axis=1)[:, :kept]
