"""BANANAS (White, Neiswanger & Savani, AAAI 2021, arXiv:1910.11858, algorithm 1): Bayesian optimization with a neural predictor.

An ensemble of networks predicts the validation error from the path encoding; candidates are mutations of the best
architectures so far; independent Thompson sampling (one draw from each candidate's normal distribution) picks a batch.

Settings are those of the authors' code (naszilla, `nas_algorithms.py`, `params.py`, `nas_bench_201/cell_201.py`): 10 random
architectures, then batches of 10; 5 networks with 10 hidden layers of 20 units, mean absolute error on errors in per cent,
Adam with rate 0.01 and betas (0.9, 0.99), 150 epochs of batches of 32; 100 mutations each of the best one, then of the next
best, up to the fifth, until there are 100 candidates; each operation mutated with probability 1/4 on NAS-Bench-201's 6 edges
(1.5 expected changes); the first 30 bits of the path encoding (all paths of one and two operations).

Departures:
- Candidates of equal function are one candidate (`space.canonical`). The authors' code does this on NAS-Bench-101 (by path
  indices) and compares strings on NAS-Bench-201.
- Candidates fewer than a batch, in a nearly exhausted space, are completed by random architectures.

`scorer = "random"` is the ablation of "Mutation is all you need" (Schneider et al., AutoML workshop at ICML 2021,
arXiv:2107.07343): the same candidates, picked blindly; what the search owes to its candidates and not to its predictor.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nasbench.load import Method
from nasbench.query import Observation, Query, Search
from nasbench.settings import check_choice, check_integer, check_number
from nasbench.space import Architecture, SearchSpace

from ._encoding import draw_unseen, mutate_each, one_hot, require_paths
from ._ensemble import Ensemble, initial_ensemble, predict, train_ensemble

METHOD = Method(
    title="BANANAS",
    paper="White et al.: BANANAS: Bayesian optimization with neural architectures for neural architecture search, AAAI 2021, "
    "arXiv:1910.11858",
    year=2021,
    mode="table",
    family="model-based",
    variants={
        "random-scorer": {"scorer": "random"},
        "one-hot": {"encoding": "one-hot"},  # ablation of the path encoding
    },
)


def bananas(
    space: SearchSpace,
    rng: np.random.Generator,
    epochs: tuple[int, ...],
    *,
    initial: int = 10,
    batch: int = 10,
    candidates: int = 100,
    parents: int = 5,
    expected_mutations: float = 1.5,
    encoding: Literal["path", "one-hot"] = "path",
    path_bits: int = 30,
    members: int = 5,
    layers: int = 10,
    width: int = 20,
    training_epochs: int = 150,
    learning_rate: float = 0.01,
    scorer: Literal["thompson", "random"] = "thompson",
) -> Search:
    """Search with a predictor ensemble.

    Args:
        space: any; the default encoding needs one with paths.
        rng: every draw.
        epochs: the last one is asked for.
        initial: random architectures before the first prediction.
        batch: architectures chosen per prediction, evaluated together.
        candidates: mutations scored per prediction.
        parents: the best observed architectures that are mutated, the best one first.
        expected_mutations: expected number of changed decisions per mutation.
        encoding: `path` or `one-hot`.
        path_bits: length to which the path encoding is cut.
        members: networks in the ensemble.
        layers: hidden layers of each.
        width: units of each hidden layer.
        training_epochs: passes over the observations per training.
        learning_rate: Adam's.
        scorer: `thompson`, or `random` for the ablation.

    Raises:
        SettingError: a setting out of range.
        SpaceError: the path encoding is asked for and the space has none.
    """
    integers = {"initial": initial, "batch": batch, "candidates": candidates, "parents": parents, "members": members}
    for name, value in {**integers, "layers": layers, "width": width, "training_epochs": training_epochs}.items():
        check_integer(name, value, 1)
    check_integer("path_bits", path_bits, 1)
    check_number("expected_mutations", expected_mutations, 0.0, above=True)
    check_number("learning_rate", learning_rate, 0.0, above=True)
    check_choice("encoding", encoding, ("path", "one-hot"))
    check_choice("scorer", scorer, ("thompson", "random"))
    if encoding == "path":
        require_paths(space, "bananas")

    seen: set[Hashable] = set()
    history: list[Observation] = []
    chosen = draw_unseen(space, rng, seen, initial)
    while True:
        history += yield tuple(Query(architecture, epochs[-1]) for architecture in chosen)
        history.sort(key=lambda observation: -observation.validation_accuracy)
        pool = mutations_of_best(space, rng, history[:parents], seen, candidates, expected_mutations)
        if scorer == "thompson" and pool:
            ensemble = fit_ensemble(
                encode(space, [observation.query.architecture for observation in history], encoding, path_bits),
                np.array([observation.validation_accuracy for observation in history]),
                rng,
                members=members,
                layers=layers,
                width=width,
                training_epochs=training_epochs,
                learning_rate=learning_rate,
            )
            predictions = predict(ensemble, encode(space, pool, encoding, path_bits))
            scores = independent_thompson_sampling(predictions, rng)
        else:
            scores = rng.random(len(pool))
        chosen = tuple(pool[number] for number in np.argsort(scores, kind="stable")[:batch])
        seen.update(space.canonical(architecture) for architecture in chosen)
        chosen += draw_unseen(space, rng, seen, batch - len(chosen))


def encode(
    space: SearchSpace, architectures: Sequence[Architecture], encoding: str, path_bits: int
) -> NDArray[np.float32]:
    """Return the predictor's inputs, shape (len(architectures), features); settings as in `bananas`."""
    if encoding == "path":
        return require_paths(space, "bananas").path_encoding(architectures)[:, :path_bits].astype(np.float32)
    return one_hot(space.choices, architectures).astype(np.float32)


def fit_ensemble(
    inputs: NDArray[np.float32],
    accuracies: NDArray[np.float64],
    rng: np.random.Generator,
    *,
    members: int,
    layers: int,
    width: int,
    training_epochs: int,
    learning_rate: float,
) -> Ensemble:
    """Train the predictor anew; it predicts errors in per cent, as published.

    Args:
        inputs: shape (n, features), of `encode`.
        accuracies: shape (n,), fractions.
        rng: draws weights and orders.
        members: as in `bananas`, as are the others.
        layers: hidden layers.
        width: of each.
        training_epochs: passes over the data.
        learning_rate: Adam's.
    """
    ensemble = initial_ensemble(members, (inputs.shape[1], *(width,) * layers, 1), rng)
    train_ensemble(
        ensemble,
        inputs,
        np.asarray(100.0 * (1.0 - accuracies), dtype=np.float32),
        rng,
        epochs=training_epochs,
        batch_size=32,
        learning_rate=learning_rate,
        betas=(0.9, 0.99),
    )
    return ensemble


def mutations_of_best(
    space: SearchSpace,
    rng: np.random.Generator,
    best: list[Observation],
    seen: set[Hashable],
    count: int,
    expected_mutations: float,
) -> list[Architecture]:
    """Return mutations of different classes outside `seen`: `count` draws from each parent until there are `count`.

    Args:
        space: where to mutate.
        rng: draws the mutations.
        best: parents, best first.
        seen: classes that are no candidates; not changed.
        count: draws per parent, and the number of candidates after which no further parent is mutated.
        expected_mutations: expected number of changed decisions.
    """
    probability = min(1.0, expected_mutations / len(space.choices))
    found: list[Architecture] = []
    known = set(seen)
    for parent in best:
        if len(found) >= count:
            break
        for _ in range(count):
            mutant = mutate_each(space, parent.query.architecture, rng, probability)
            form = space.canonical(mutant)
            if form not in known:
                known.add(form)
                found.append(mutant)
    return found


def independent_thompson_sampling(predictions: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw each candidate's error from a normal distribution with the ensemble's mean and standard deviation.

    Args:
        predictions: shape (members, candidates).
        rng: draws the samples, independently for each candidate.

    Returns:
        Shape (candidates,), lower is better.
    """
    return np.asarray(rng.normal(predictions.mean(axis=0), predictions.std(axis=0)))
