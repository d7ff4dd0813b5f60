"""Auto-Keras's search: Jin, Song & Hu, KDD 2019, arXiv:1806.10282, algorithm 1; emulated, no inheritance of weights.

A Gaussian process over the edit distance of networks (`_edit_distance.py`) scores candidates by their upper confidence bound. They
are found by a tree search that only grows networks: a priority queue holds all trained networks; the best one is taken out and,
with the probability of simulated annealing, replaced by eight random morphs of it, which are queued with their own score; the
temperature falls by a tenth each time. The best new morph is trained.

Settings are those of version 0.2.18 and of its port in NNI (`networkmorphism_tuner/bayesian.py`, `graph_transformer.py`): bound of
2.576 standard deviations, weight 0.1 of skip connections, 8 morphs, temperatures from 1 by factors of 0.9 to 0.0001, kernel
exp(-mean squared difference) of Bourgain's embedding of the distances, prior mean 0, variance 1, noise 1e-10 of the accuracy.

The morphs, on a cell (each kind with probability 1/3): deepen, an edge of the chain (0,1), (1,2), ... without convolution gets
one; widen, a convolution gets a larger kernel; skip, an edge that carries `none` gets any other operation. The published ones preserve
the network's function, so that a child starts from its parent's weights; a table has no weights to inherit, every score is from
scratch. As there, the search begins with a chain of convolutions, the smallest ones here. That is knowledge which random initial
designs don't have, and a large part of the result where chains of convolutions are good; `variants` has `random-start` to tell.

Departures:
- Auto-Keras embeds the trained networks by distances to random subsets of themselves, but compares candidates with
  exp(-d^2) of the raw distance: two kernels in one process. Here candidates are embedded by the same subsets. It draws them from the
  global generator, seeded anew each time, and a loop variable shortens its number of subsets; here they are drawn from `rng`.
- Cells whose function has been trained are no candidates.
- Where growth reaches nothing new, a random untrained cell becomes a further root. Growth alone can't reach every cell.
- Morphs of a cell change operations; Auto-Keras's widths don't exist in it.
"""

from __future__ import annotations

import functools
import heapq
import itertools
import math
from collections.abc import Hashable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nasbench.load import Method
from nasbench.query import Query, Search
from nasbench.settings import check_choice, check_integer, check_number
from nasbench.space import Architecture, CellSpace, SearchSpace, SpaceError

from ._edit_distance import EditCosts, edit_costs, edit_distances
from ._encoding import draw_unseen, remembered_canonical
from ._gaussian_process import Posterior, condition, predict
from ._transport import kernel_size, kind_of

METHOD = Method(
    title="Auto-Keras (emulated)",
    paper="Jin et al.: Auto-Keras: An efficient neural architecture search system, KDD 2019, arXiv:1806.10282",
    year=2019,
    mode="emulated",
    family="model-based",
    variants={"random-start": {"start": "random"}},
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
NOISE = 1e-10


def autokeras(
    space: SearchSpace,
    rng: np.random.Generator,
    epochs: tuple[int, ...],
    *,
    confidence: float = 2.576,
    skip_weight: float = 0.1,
    start: Literal["chain", "random"] = "chain",
    morphs: int = 8,
    cooling: float = 0.9,
    final_temperature: float = 0.0001,
) -> Search:
    """Train the most promising morph that the tree search finds, one after another, without end.

    Args:
        space: a space of cells.
        rng: source of all randomness.
        epochs: the fidelities on offer; the last one is asked for.
        confidence: standard deviations above the mean in the acquisition (beta), from 0.
        skip_weight: weight of skip connections against the chain in the distance (lambda), from 0.
        start: first cell: the `chain` of the smallest convolutions, or a `random` one.
        morphs: morphs drawn of each network that is taken from the queue, from 1.
        cooling: factor of the temperature at each step, above 0 and below 1.
        final_temperature: temperature, starting from 1, at which a tree search ends, above 0 and below 1.

    Raises:
        SettingError: a setting outside its range.
        SpaceError: the space is none of cells.
    """
    check_number("confidence", confidence, 0.0)
    check_number("skip_weight", skip_weight, 0.0)
    check_choice("start", start, ("chain", "random"))
    check_integer("morphs", morphs, 1)
    below_one = float(np.nextafter(1.0, 0.0))
    check_number("cooling", cooling, 0.0, below_one, above=True)
    check_number("final_temperature", final_temperature, 0.0, below_one, above=True)
    if not isinstance(space, CellSpace):
        raise SpaceError(f"autokeras morphs cells; space {space.name} is none of cells")

    costs, canonical = edit_costs(space), remembered_canonical(space)
    trained: list[Architecture] = []
    accuracies: list[float] = []
    seen: set[Hashable] = set()
    chosen = smallest_chain(space) if start == "chain" else None
    while True:
        if chosen is None:
            chosen = draw_unseen(space, rng, seen, 1)[0]
        seen.add(canonical(chosen))
        observation = yield Query(chosen, epochs[-1])
        trained.append(chosen)
        accuracies.append(observation.validation_accuracy)
        model = Model(costs, skip_weight, trained, accuracies, rng)
        chosen = tree_search(
            space, model, trained, accuracies, seen, rng, confidence, morphs, cooling, final_temperature
        )


class Model:
    """Gaussian process over embedded edit distances.

    Bourgain's embedding (1985): the coordinates of a network are its distances to random subsets of the trained ones, ceil(ln n)
    subsets of each size 1, 2, 4, ... up to half of them.
    """

    def __init__(
        self,
        costs: EditCosts,
        weight: float,
        trained: list[Architecture],
        accuracies: list[float],
        rng: np.random.Generator,
    ) -> None:
        """Condition on accuracies of trained networks, at least one; `rng` draws the subsets."""
        self._costs, self._weight = costs, weight
        self._trained = np.array(trained, dtype=np.int64)
        subsets = landmark_subsets(len(trained), rng)
        self._members = np.concatenate(subsets)
        self._starts = np.cumsum([0] + [len(subset) for subset in subsets[:-1]])
        self._points = self._embed(self._trained)
        self._posterior: Posterior = condition(self._kernel(self._points), NOISE, np.array(accuracies))

    def _embed(self, cells: Ints) -> Floats:
        distances = edit_distances(self._costs, cells, self._trained, self._weight)
        return np.minimum.reduceat(distances[:, self._members], self._starts, axis=1)

    def _kernel(self, points: Floats) -> Floats:
        squares = (points**2).sum(axis=1)[:, None] + (self._points**2).sum(axis=1)
        squared = np.maximum(squares - 2.0 * points @ self._points.T, 0.0)
        return np.asarray(np.exp(-squared / points.shape[1]))

    def bound(self, cells: list[Architecture], confidence: float) -> list[float]:
        """Return the upper confidence bounds of the accuracies of cells."""
        mean, variance = predict(self._posterior, self._kernel(self._embed(np.array(cells, dtype=np.int64))), 1.0)
        return [float(value) for value in mean + confidence * np.sqrt(variance)]


def landmark_subsets(count: int, rng: np.random.Generator) -> list[Ints]:
    """Draw the subsets of Bourgain's embedding, members of `range(count)`, drawn with replacement as in Auto-Keras."""
    sizes = range(max(1, math.ceil(math.log2(count))))
    repeats = max(1, math.ceil(math.log(count)))
    return [rng.integers(count, size=2**size) for size in sizes for _ in range(repeats)]


def tree_search(
    space: CellSpace,
    model: Model,
    trained: list[Architecture],
    accuracies: list[float],
    seen: set[Hashable],
    rng: np.random.Generator,
    confidence: float,
    morphs: int,
    cooling: float,
    final_temperature: float,
) -> Architecture | None:
    """Return the morph of highest bound that annealing finds (algorithm 1), or None if it finds nothing new."""
    order = itertools.count()  # among equal values the first one queued comes first
    queue = [(-accuracy, next(order), cell) for cell, accuracy in zip(trained, accuracies, strict=True)]
    heapq.heapify(queue)
    queued: set[Architecture] = set(trained)
    best, target = -math.inf, None
    temperature = 1.0
    canonical = remembered_canonical(space)
    while queue and temperature > final_temperature:
        negative, _, cell = heapq.heappop(queue)
        if accepted(-negative, best, temperature, rng):
            fresh = []
            for morph in draw_morphs(space, cell, morphs, rng):
                if morph not in queued and canonical(morph) not in seen:
                    queued.add(morph)
                    fresh.append(morph)
            for morph, bound in zip(fresh, model.bound(fresh, confidence) if fresh else [], strict=True):
                heapq.heappush(queue, (-bound, next(order), morph))
                if bound > best:
                    best, target = bound, morph
        temperature *= cooling
    return target


def accepted(value: float, best: float, temperature: float, rng: np.random.Generator) -> bool:
    """Draw whether a network is expanded: with probability exp((value - best) / temperature), at most 1.

    With `best` at minus infinity, before the first bound is known, always.
    """
    return math.exp(min((value - best) / temperature, 0.0)) >= rng.random()


def draw_morphs(space: CellSpace, cell: Architecture, count: int, rng: np.random.Generator) -> list[Architecture]:
    """Draw `count` morphs, fewer if more than half of the attempts find no place (equal ones may be among them)."""
    kinds = _grown_cells(space, cell)
    integers = rng.integers
    drawn: list[Architecture] = []
    for _ in range(2 * count):
        grown = kinds[integers(len(kinds))]
        if grown:
            drawn.append(grown[integers(len(grown))])
            if len(drawn) == count:
                break
    return drawn


@functools.lru_cache(maxsize=32_768)
def _grown_cells(space: CellSpace, cell: Architecture) -> list[list[Architecture]]:
    """Return the cells that the morphs of `possible_morphs` lead to; searches come to the same cells again and again."""
    return [
        [(*cell[:edge], operation, *cell[edge + 1 :]) for edge, operation in kind]
        for kind in possible_morphs(space, cell)
    ]


def possible_morphs(space: CellSpace, cell: Architecture) -> list[list[tuple[int, int]]]:
    """Return the ways to deepen, to widen and to add a skip connection, as (edge, new operation)."""
    names = space.operations
    convolutions = [number for number, name in enumerate(names) if kind_of(name) == "conv"]
    nothing = (
        names.index("none") if "none" in names else min(range(len(names)), key=lambda number: growth(names[number]))
    )
    deepen, widen, skip = [], [], []
    for edge, ((source, target), operation) in enumerate(zip(space.edges, cell, strict=True)):
        if operation in convolutions:
            larger = [number for number in convolutions if kernel_size(names[number]) > kernel_size(names[operation])]
            widen += [(edge, number) for number in larger]
        elif target == source + 1:
            deepen += [(edge, number) for number in convolutions]
        elif operation == nothing:
            skip += [(edge, number) for number in range(len(names)) if number != nothing]
    return [deepen, widen, skip]


def growth(name: str) -> int:
    """Return how much an operation is, to tell the least one: `none`, then skip and pooling, then by kernel size."""
    if name == "none":
        return 0
    return 1 + kernel_size(name) if kind_of(name) == "conv" else 1


def smallest_chain(space: CellSpace) -> Architecture:
    """Return the cell that is a chain of the smallest convolutions, every other edge carrying the least operation."""
    ranks = [growth(name) for name in space.operations]
    least = int(np.argmin(ranks))
    convolutions = [number for number, name in enumerate(space.operations) if kind_of(name) == "conv"]
    link = min(convolutions, key=lambda number: ranks[number]) if convolutions else int(np.argmax(ranks))
    return tuple(link if target == source + 1 else least for source, target in space.edges)
