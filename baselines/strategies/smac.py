"""SMAC: Hutter, Hoos & Leyton-Brown, LION 2011 ("Sequential model-based optimization for general algorithm configuration").

A random forest predicts the error; its trees' mean and variance give the expected improvement of a candidate, which is
maximised by local search from the best known architectures and over random ones. Some challengers are drawn blindly. A
challenger races the incumbent (procedure 2 of the paper): it is trained once, twice, four times, ... and given up as soon as
its mean error is worse than that of as many of the incumbent's trainings; only one that holds out over all of these replaces it.
Every training is a query.

The defaults are those with which the NAS-Bench-101 paper ran SMAC (Ying et al., ICML 2019; Klein's `run_smac.py`): 10 trees, a
third of the challengers random, at most 4 trainings of an architecture, one random architecture as first incumbent, one
challenger per model, errors as they are; the forest's own settings and the 5,000 random candidates are those of the SMAC3
version of that time (5/6 of the decisions tried per node, at least 3 examples per leaf and per split). `variants`:

    ========  =============================================================================================================
    smac3     SMAC3 2.4, HyperparameterOptimizationFacade: logarithms of scaled errors, 20 % random, 3 trainings, all decisions
              tried, leaves of one, 10,000 candidates, 37 initial architectures (10 per decision, capped at a quarter of 150
              queries), improvement on what the forest predicts of its best training, not on the incumbent's mean error, and
              the first training against the first one, the second against the second one
    no-race   one training per architecture: the model alone
    ========  =============================================================================================================

Departures:
- The paper compares on instances and seeds that both were run on, drawn at random among the incumbent's. Here trainings of two
  architectures have no seed in common; the challenger's are held against as many of the incumbent's, drawn at random.
- Architectures that have been trained are no challengers again (SMAC3's rule since 2.0).
- The `smac3` variant draws its initial architectures uniformly, not from a Sobol sequence, and trains them together once, where the
  library races them one by one; a leaf predicts the mean of its logarithms (the library: the logarithm of the mean); a challenger
  that is just as good replaces the incumbent (the library: does not).
- Local search takes the best improving neighbour, not the first one found, and climbs from the trained architectures of highest expected
  improvement, where SMAC3 climbs from those of lowest predicted error and from the best random ones. SMAC3's share of random
  challengers is above 20 %: it rolls anew for each one that was trained already.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from nasbench.load import Method
from nasbench.query import Query, Search
from nasbench.settings import SettingError, check_choice, check_integer, check_number
from nasbench.space import Architecture, SearchSpace

from ._acquisition import Floats, Ints, climb, expected_improvement, log_expected_improvement
from ._encoding import PATIENCE, draw_many, is_product, numbers_of
from ._forest import Forest, fit_forest, predict_forest, predict_product

METHOD = Method(
    title="SMAC",
    paper="Hutter et al.: Sequential model-based optimization for general algorithm configuration, LION 2011",
    year=2011,
    mode="table",
    family="model-based",
    variants={
        "smac3": {
            "log_errors": True,
            "random_share": 0.2,
            "max_repeats": 3,
            "feature_ratio": 1.0,
            "minimum_leaf": 1,
            "minimum_split": 2,
            "candidates": 10_000,
            "initial": 37,
            "scale_errors": True,
            "improve_on": "predicted",
            "held_against": "first",
        },
        "no-race": {"max_repeats": 1},
    },
)

SMALLEST_ERROR = 1e-5  # floor for logarithms: finer than one image of any validation set here
LARGEST_TABLE = 100_000  # architectures of a space whose predictions are all computed at once
LEAST_VARIANCE = 1e-10  # where all trees agree


def smac(
    space: SearchSpace,
    rng: np.random.Generator,
    epochs: tuple[int, ...],
    *,
    initial: int = 1,
    random_share: float = 0.33,
    max_repeats: int = 4,
    trees: int = 10,
    feature_ratio: float = 5 / 6,
    minimum_leaf: int = 3,
    minimum_split: int = 3,
    candidates: int = 5000,
    starts: int = 10,
    log_errors: bool = False,
    scale_errors: bool = False,
    improve_on: Literal["observed", "predicted"] = "observed",
    held_against: Literal["random", "first"] = "random",
) -> Search:
    """Race challengers of a random forest against the incumbent, without end.

    Args:
        space: the search space.
        rng: source of all randomness.
        epochs: the fidelities on offer; the last one is asked for.
        initial: random architectures trained first, together, from 1; the best one is the first incumbent.
        random_share: probability that a challenger is drawn uniformly, in [0, 1].
        max_repeats: most trainings of one architecture, from 1 (no racing).
        trees: trees of the forest, from 1.
        feature_ratio: share of the decisions that each node may test, in (0, 1].
        minimum_leaf: fewest observations in a leaf, from 1.
        minimum_split: fewest observations of a node that is split, from 2.
        candidates: random architectures scored for each challenger, from 1.
        starts: known architectures from which the acquisition is climbed, from 1.
        log_errors: model the logarithm of the error, with the expected improvement of the error itself.
        scale_errors: before the logarithm scale errors to (0, 1], from as far below the lowest as their 5th percentile is above
            it, to the highest (SMAC3's `RunHistoryLogScaledEncoder`); only with `log_errors`.
        improve_on: what a challenger is expected to improve on: "observed", the incumbent's mean error, or "predicted", the
            forest's lowest prediction among trained architectures, which luck in a single training sways less.
        held_against: which of the incumbent's trainings a challenger is compared with: as many as its own, `random` or the `first`.

    Raises:
        SettingError: a setting outside its range.
    """
    integers = {"initial": initial, "max_repeats": max_repeats, "trees": trees, "minimum_leaf": minimum_leaf}
    for name, value in {**integers, "candidates": candidates, "starts": starts}.items():
        check_integer(name, value, 1)
    check_integer("minimum_split", minimum_split, 2)
    check_choice("log_errors", log_errors, (False, True))
    check_choice("scale_errors", scale_errors, (False, True))
    if scale_errors and not log_errors:
        raise SettingError("scale_errors is True, must be False without log_errors")
    check_choice("improve_on", improve_on, ("observed", "predicted"))
    check_choice("held_against", held_against, ("random", "first"))
    check_number("random_share", random_share, 0.0, 1.0)
    check_number("feature_ratio", feature_ratio, 0.0, 1.0, above=True)

    runs: dict[Architecture, list[float]] = {}
    answers = yield tuple(Query(space.sample(rng), epochs[-1]) for _ in range(initial))
    for answer in answers:
        runs.setdefault(answer.query.architecture, []).append(1.0 - answer.validation_accuracy)
    incumbent = min(runs, key=lambda architecture: np.mean(runs[architecture]))

    while True:
        if rng.random() < random_share:
            challenger = draw_untrained(space, rng, runs)
        else:
            inputs = np.array([architecture for architecture, errors in runs.items() for _ in errors])
            responses = np.array([error for errors in runs.values() for error in errors])
            scaled = scale(responses, responses) if scale_errors else responses
            forest = fit_forest(
                inputs,
                np.log(scaled if scale_errors else np.maximum(scaled, SMALLEST_ERROR)) if log_errors else scaled,
                space.choices,
                rng,
                trees=trees,
                feature_ratio=feature_ratio,
                minimum_split=minimum_split,
                minimum_leaf=minimum_leaf,
            )
            if improve_on == "predicted":
                lowest = float(predict_forest(forest, np.array(list(runs)))[0].min())
                best = float(np.exp(lowest)) if log_errors else lowest
            else:
                mean = np.mean(runs[incumbent], keepdims=True)
                best = max(float((scale(mean, responses) if scale_errors else mean)[0]), SMALLEST_ERROR)
            challenger = most_promising(space, rng, forest, best, runs, candidates, starts, log_errors)
        if challenger in runs:  # only in a nearly exhausted space: learn more about what is known
            answer = yield Query(challenger, epochs[-1])
            runs[challenger].append(1.0 - answer.validation_accuracy)
            incumbent = min(runs, key=lambda architecture: np.mean(runs[architecture]))
            continue

        if len(runs[incumbent]) < max_repeats:
            answer = yield Query(incumbent, epochs[-1])
            runs[incumbent].append(1.0 - answer.validation_accuracy)
        held = runs[incumbent] if held_against == "first" else rng.permutation(runs[incumbent]).tolist()
        wanted = 1
        while True:
            errors = runs.setdefault(challenger, [])
            answers = yield (Query(challenger, epochs[-1]),) * (min(wanted, len(held)) - len(errors))
            errors.extend(1.0 - answer.validation_accuracy for answer in answers)
            if np.mean(errors) > np.mean(held[: len(errors)]):
                break
            if len(errors) >= len(held):
                incumbent = challenger
                break
            wanted *= 2


def scale(errors: Floats, trained: Floats) -> Floats:
    """Scale errors as SMAC3's `RunHistoryLogScaledEncoder` does before it takes logarithms.

    Args:
        errors: shape (n,), each from the lowest of `trained`.
        trained: errors of all trainings; 1 is the highest of them, 0 as far below the lowest as its 5th percentile is above it,
            less 1e-10.

    Returns:
        Shape (n,), above 0.
    """
    floor = 2.0 * trained.min() - np.percentile(trained, 5.0) - 1e-10
    return np.asarray((errors - floor) / (trained.max() - floor))


def draw_untrained(space: SearchSpace, rng: np.random.Generator, runs: dict[Architecture, list[float]]) -> Architecture:
    """Draw an architecture uniformly that has no training yet; after `PATIENCE` failures, any."""
    for _ in range(PATIENCE):
        architecture = space.sample(rng)
        if architecture not in runs:
            break
    return architecture


def most_promising(
    space: SearchSpace,
    rng: np.random.Generator,
    forest: Forest,
    best: float,
    runs: dict[Architecture, list[float]],
    candidates: int,
    starts: int,
    log_errors: bool,
) -> Architecture:
    """Return the untrained architecture of highest expected improvement, of equal ones a random one.

    Args:
        space: the search space.
        rng: draws random candidates and breaks ties.
        forest: predicts errors, or their logarithms.
        best: error to improve on.
        runs: errors of the trainings so far, by architecture.
        candidates: number of random candidates.
        starts: number of known architectures, those of highest expected improvement, to climb from.
        log_errors: the forest predicts logarithms.
    """

    def acquisition(mean: Floats, variance: Floats) -> Floats:
        function = log_expected_improvement if log_errors else expected_improvement
        return function(mean, np.sqrt(np.maximum(variance, LEAST_VARIANCE)), best)

    if is_product(space) and space.size <= LARGEST_TABLE:
        table = acquisition(*predict_product(forest, space.choices))

        def improvement(architectures: Ints) -> Floats:
            return np.asarray(table[numbers_of(space.choices, architectures)])
    else:

        def improvement(architectures: Ints) -> Floats:
            return acquisition(*predict_forest(forest, architectures))

    known = list(runs)
    order = np.argsort(-improvement(np.array(known, dtype=np.int64)), kind="stable")[:starts]
    points, scores = climb(space, [known[place] for place in order], improvement)
    drawn = draw_many(space, rng, candidates)
    pool = np.concatenate([points, drawn])
    values = np.concatenate([scores, improvement(drawn)])
    ties = rng.random(len(pool))
    left = np.arange(len(pool))
    while len(left):
        top = values[left] == values[left].max()
        highest = left[top]
        for place in highest[np.argsort(ties[highest])].tolist():
            architecture = tuple(pool[place].tolist())
            if architecture not in runs:
                return architecture
        left = left[~top]
    return draw_untrained(space, rng, runs)
