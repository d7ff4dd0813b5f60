"""Tree-structured Parzen estimator: Bergstra, Yamins & Cox, ICML 2013, after Bergstra et al., NeurIPS 2011 (equation 2).

Split the observations into the best ones and the rest, fit a density to each, l(x) and g(x), and ask for what l / g is
largest at among candidates drawn from l; under the model that is where the expected improvement is largest. The density of a
categorical decision is the share of each option, with one prior observation for each option.

Settings and details are those of hyperopt's `tpe.py`, the authors' software: 20 random architectures first; of n observations
the best min(ceil(0.25 sqrt(n)), 25) are good; 24 candidates; in a set of 25 or more, older observations weigh less, down to
1/size (linear forgetting). `TPE` in Optuna is another algorithm under the same name.

Each decision is modelled and chosen by itself: the 24 candidates are drawn, and the best one taken, for every decision
separately, as hyperopt does. `joint=True` draws whole architectures and takes the one with the largest product of l / g.

Departures: ties between accuracies go to the earlier observation.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from nasbench.load import Method
from nasbench.query import Query, Search
from nasbench.settings import check_choice, check_integer, check_number
from nasbench.space import Architecture, SearchSpace

METHOD = Method(
    title="TPE",
    paper="Bergstra et al.: Making a science of model search: Hyperparameter optimization in hundreds of dimensions for vision "
    "architectures, ICML 2013",
    year=2013,
    mode="table",
    family="model-based",
    variants={
        "hyperopt": {"startup": 20, "gamma": 0.25, "candidates": 24, "prior_weight": 1.0, "limit": 25, "joint": False},
        "joint": {"joint": True},
    },
)


def tpe(
    space: SearchSpace,
    rng: np.random.Generator,
    epochs: tuple[int, ...],
    *,
    startup: int = 20,
    gamma: float = 0.25,
    candidates: int = 24,
    prior_weight: float = 1.0,
    limit: int = 25,
    joint: bool = False,
) -> Search:
    """Ask for the candidate that the good observations speak for most, without end.

    Args:
        space: the search space.
        rng: source of all randomness.
        epochs: the fidelities on offer; the last one is asked for.
        startup: random architectures before the model is used, from 1.
        gamma: of n observations ceil(gamma sqrt(n)) are good; above 0.
        candidates: draws from l, from 1.
        prior_weight: weight of the prior observation of each option, above 0.
        limit: most good observations; also the number of latest ones in each set that are not forgotten; from 1.
        joint: choose among whole architectures instead of one decision at a time.

    Raises:
        SettingError: a setting outside its range.
    """
    check_integer("startup", startup, 1)
    check_number("gamma", gamma, 0.0, above=True)
    check_integer("candidates", candidates, 1)
    check_number("prior_weight", prior_weight, 0.0, above=True)
    check_integer("limit", limit, 1)
    check_choice("joint", joint, (False, True))
    trained: list[Architecture] = []
    accuracies: list[float] = []
    while True:
        if len(trained) < startup:
            architecture = space.sample(rng)
        else:
            good, bad = split(accuracies, gamma, limit)
            cells = np.array(trained)
            likely = densities(cells[good], space.choices, prior_weight, limit)
            unlikely = densities(cells[bad], space.choices, prior_weight, limit)
            architecture = propose(likely, unlikely, candidates, joint, rng)
        observation = yield Query(architecture, epochs[-1])
        trained.append(architecture)
        accuracies.append(observation.validation_accuracy)


def split(accuracies: list[float], gamma: float, limit: int) -> tuple[list[int], list[int]]:
    """Return the places of the good and of the other observations, each in the order of observation."""
    number = min(math.ceil(gamma * math.sqrt(len(accuracies))), limit)
    ranked = sorted(range(len(accuracies)), key=lambda place: -accuracies[place])
    return sorted(ranked[:number]), sorted(ranked[number:])


def weights(number: int, limit: int) -> NDArray[np.float64]:
    """Return the weights of `number` observations in order: 1 for the last `limit`, before them a ramp up from 1/number."""
    ramp = np.linspace(1.0 / number, 1.0, max(0, number - limit)) if number >= limit else np.empty(0)
    return np.concatenate([ramp, np.ones(number - len(ramp))])


def densities(
    cells: NDArray[np.int64], choices: tuple[int, ...], prior_weight: float, limit: int
) -> list[NDArray[np.float64]]:
    """Return the smoothed share of each option, one array for each decision.

    Args:
        cells: shape (observations, decisions), in the order of observation; may be empty.
        choices: number of options of each decision.
        prior_weight: weight added to each option.
        limit: number of latest observations with weight 1.
    """
    weight = weights(len(cells), limit) if len(cells) else np.empty(0)
    columns = cells.reshape(len(cells), len(choices)).T
    counts = [
        np.bincount(column, weights=weight, minlength=count) + prior_weight
        for column, count in zip(columns, choices, strict=True)
    ]
    return [count / count.sum() for count in counts]


def propose(
    likely: list[NDArray[np.float64]],
    unlikely: list[NDArray[np.float64]],
    candidates: int,
    joint: bool,
    rng: np.random.Generator,
) -> Architecture:
    """Draw candidates from the densities `likely` and return the one with the largest ratio; the first of equal ones."""
    uniform = rng.random((len(likely), candidates))
    drawn, ratios = [], []
    for good, bad, row in zip(likely, unlikely, uniform, strict=True):
        # Rounding may leave the last sum just under 1.
        options = np.minimum(np.searchsorted(good.cumsum(), row, side="right"), len(good) - 1)
        drawn.append(options)
        ratios.append(np.log(good / bad)[options])
    best = [int(ratio.argmax()) for ratio in ratios]
    if joint:
        best = [int(np.sum(ratios, axis=0).argmax())] * len(ratios)
    return tuple(int(options[place]) for options, place in zip(drawn, best, strict=True))
