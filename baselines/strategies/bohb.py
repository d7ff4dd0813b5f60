"""BOHB, Bayesian optimization and Hyperband: Falkner, Klein & Hutter, ICML 2018, arXiv:1807.01774, algorithm 2.

Hyperband, whose new architectures come from a model instead of at random: at the highest fidelity that has enough
observations, one kernel density is fitted to the best 15 % and one to the rest, and of 64 draws near good observations the
one with the largest ratio l / g is trained. One in three stays random.

The model needs d + 1 good and d + 1 other observations at one fidelity (d decisions): 14 for the published cell space. Until
then this is Hyperband.

Settings are those of the authors' code (HpBandSter); brackets begin with its numbers (`floor` of
`_brackets.hyperband_brackets`). Its bandwidth factor widens the draws of continuous parameters alone; a cell space has none,
so there is no such setting here. `variants` names those of the NAS benchmarks' scripts:

    =============  ==========  ===============  ===============  ============================================================
    variant        candidates  random_fraction  least_bandwidth  source
    hpbandster     64          1/3              0.001            Falkner et al. 2018
    nas-bench-101  64          1/3              0.3              Ying et al. 2019, after collapse with 0.001
    nats           4           0                0.3              Dong et al. 2021, `run-all.sh`
    =============  ==========  ===============  ===============  ============================================================

The authors' rule for the bandwidth takes option numbers for sizes. With few observations and well-mixed options it gives flat
densities, and the best of 64 draws under them follows their noise: tests/test_strategy_multifidelity.py shows proposals no
better than random ones on a made-up landscape, and far better ones with `bandwidth="shrinkage"`, which is ours
(`_kernel_density.py`). It is an option for study and in no protocol: combinations with it were tried on nas-bench-201. A model that works
proposes the same architecture again and again, and BOHB has no rule against that.

Departures: the densities' (`_kernel_density.py`); ties between accuracies go to the earlier observation.
"""

from __future__ import annotations

import numpy as np

from nasbench.load import Method
from nasbench.query import Observation, Query, Search
from nasbench.settings import check_choice, check_integer, check_number
from nasbench.space import Architecture, SearchSpace

from ._brackets import best_first, hyperband_brackets, ladder
from ._kernel_density import KernelDensity, Rule, fit_density

METHOD = Method(
    title="BOHB",
    paper="Falkner et al.: BOHB: Robust and efficient hyperparameter optimization at scale, ICML 2018, arXiv:1807.01774",
    year=2018,
    mode="table",
    family="multi-fidelity",
    fidelities=True,
    variants={
        "hpbandster": {"candidates": 64, "random_fraction": 1 / 3, "least_bandwidth": 0.001},
        "nas-bench-101": {"candidates": 64, "random_fraction": 1 / 3, "least_bandwidth": 0.3},
        "nats": {"candidates": 4, "random_fraction": 0.0, "least_bandwidth": 0.3},
    },
)

TINY = 1e-32  # densities below it count as equal (HpBandSter)

Model = tuple[KernelDensity, KernelDensity]
"""Densities of the good and of the other observations."""


def bohb(
    space: SearchSpace,
    rng: np.random.Generator,
    epochs: tuple[int, ...],
    *,
    eta: int = 3,
    good: float = 0.15,
    candidates: int = 64,
    random_fraction: float = 1 / 3,
    bandwidth: Rule = "normal-reference",
    least_bandwidth: float = 0.001,
) -> Search:
    """Run all brackets, again and again; the lowest rung of each is asked for one by one, the others are batches.

    Args:
        space: the search space.
        rng: source of all randomness.
        epochs: the fidelities on offer.
        eta: one of how many is kept from rung to rung, from 2; also the least factor between the epochs of two rungs.
        good: share of the observations that are good, above 0 and at most 1; at least d + 1 observations are.
        candidates: draws of which the best is trained, from 1.
        random_fraction: probability of a random architecture instead, in [0, 1].
        bandwidth: rule of the densities' bandwidths; see `_kernel_density.py`.
        least_bandwidth: their lower limit, above 0.

    Raises:
        SettingError: a setting outside its range.
    """
    check_integer("eta", eta, 2)
    check_number("good", good, 0.0, 1.0, above=True)
    check_integer("candidates", candidates, 1)
    check_number("random_fraction", random_fraction, 0.0, 1.0)
    check_choice("bandwidth", bandwidth, ("normal-reference", "shrinkage"))
    check_number("least_bandwidth", least_bandwidth, 0.0, above=True)
    rungs = ladder(epochs, eta)
    observed: dict[int, list[Observation]] = {fidelity: [] for fidelity in rungs}
    brackets = hyperband_brackets(rungs, eta, "floor")
    while True:
        for plan in brackets:
            number, lowest = plan[0]
            first = []
            for _ in range(number):
                model = fit(observed, space.choices, good, bandwidth, least_bandwidth)
                architecture = (
                    space.sample(rng)
                    if model is None or rng.random() < random_fraction
                    else propose(model, candidates, rng)
                )
                observation = yield Query(architecture, lowest)
                observed[lowest].append(observation)
                first.append(observation)
            ranked = best_first(first)
            for number, fidelity in plan[1:]:
                observations = yield tuple(Query(architecture, fidelity) for architecture in ranked[:number])
                observed[fidelity].extend(observations)
                ranked = best_first(observations)


def fit(
    observed: dict[int, list[Observation]], choices: tuple[int, ...], good: float, rule: Rule, least_bandwidth: float
) -> Model | None:
    """Return the model of the highest fidelity that has enough observations, or None.

    Args:
        observed: fidelity -> observations in order.
        choices: number of options of each decision.
        good: share of good observations.
        rule: of the bandwidths.
        least_bandwidth: lower limit of the bandwidths.
    """
    least = len(choices) + 1
    for _, observations in sorted(observed.items(), reverse=True):
        number = len(observations)
        # HpBandSter counts in whole per cents, rounded down.
        best = max(least, round(100 * good) * number // 100)
        rest = max(least, (100 - round(100 * good)) * number // 100)
        ranked = best_first(observations)
        if number - best >= least:
            return (
                fit_density(ranked[:best], choices, rule, least_bandwidth),
                fit_density(ranked[best : best + rest], choices, rule, least_bandwidth),
            )
    return None


def propose(model: Model, candidates: int, rng: np.random.Generator) -> Architecture:
    """Return the draw with the largest ratio of the densities; the first of equal ones."""
    likely, unlikely = model
    drawn = likely.draw(candidates, rng)
    ratio = np.maximum(unlikely.density(drawn), TINY) / np.maximum(likely.density(drawn), TINY)
    return tuple(drawn[int(ratio.argmin())].tolist())
