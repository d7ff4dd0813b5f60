"""Hyperband: Li, Jamieson, DeSalvo, Rostamizadeh & Talwalkar, JMLR 18, 2018, arXiv:1603.06560, algorithm 1.

Successive halving must choose between many architectures trained briefly and few trained long. Hyperband runs one bracket of
each kind, from the most exploring to plain random search, again and again.

The paper's formula and its table 1 disagree about how many architectures a bracket begins with: for R = 81 and eta = 3 the
formula gives 81, 34, 15, 8, 5, the table 81, 27, 9, 6, 5. The default is the formula; `variants["hpbandster"]` is the table,
which HpBandSter and DEHB compute.

Departures: rungs are taken from the fidelities on offer, in integer arithmetic (`_brackets.ladder`); with a single one this
is random search.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from nasbench.load import Method
from nasbench.query import Search
from nasbench.settings import check_choice, check_integer
from nasbench.space import SearchSpace

from ._brackets import halve, hyperband_brackets, ladder

METHOD = Method(
    title="Hyperband",
    paper="Li et al.: Hyperband: A novel bandit-based approach to hyperparameter optimization, JMLR 18(185):1-52, 2018, "
    "arXiv:1603.06560",
    year=2018,
    mode="table",
    family="multi-fidelity",
    fidelities=True,
    variants={"paper": {"eta": 3, "rounding": "ceil"}, "hpbandster": {"eta": 3, "rounding": "floor"}},
)


def hyperband(
    space: SearchSpace,
    rng: np.random.Generator,
    epochs: tuple[int, ...],
    *,
    eta: int = 3,
    rounding: Literal["ceil", "floor"] = "ceil",
) -> Search:
    """Run all brackets, again and again; a rung is a batch.

    Args:
        space: the search space.
        rng: source of all randomness.
        epochs: the fidelities on offer.
        eta: one of how many is kept from rung to rung, from 2; also the least factor between the epochs of two rungs.
        rounding: how many architectures a bracket begins with: `ceil` as in algorithm 1, `floor` as in table 1.

    Raises:
        SettingError: a setting outside its range.
    """
    check_integer("eta", eta, 2)
    check_choice("rounding", rounding, ("ceil", "floor"))
    brackets = hyperband_brackets(ladder(epochs, eta), eta, rounding)
    while True:
        for plan in brackets:
            yield from halve([space.sample(rng) for _ in range(plan[0][0])], plan)
