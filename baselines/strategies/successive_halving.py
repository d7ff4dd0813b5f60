"""Successive halving: Jamieson & Talwalkar, AISTATS 2016, arXiv:1502.07943, with the rungs of Li et al. (JMLR 18, 2018).

Train many random architectures for few epochs, keep the best 1/eta, train these for eta times as many epochs, and so on up
to full fidelity; then begin anew. It is the most exploring bracket of Hyperband, repeated.

Defaults: eta 3 as in Hyperband (the 2016 paper halves: `variants["halving"]`), and as many architectures as leave one at
the top rung. What it may cost to trust few epochs is the rank correlation between the fidelities of the table.

Departures: rungs are taken from the fidelities on offer (`_brackets.ladder`); with a single one this is random search.
"""

from __future__ import annotations

import numpy as np

from nasbench.load import Method
from nasbench.query import Search
from nasbench.settings import check_integer
from nasbench.space import SearchSpace

from ._brackets import bracket, halve, ladder

METHOD = Method(
    title="Successive halving",
    paper="Jamieson & Talwalkar: Non-stochastic best arm identification and hyperparameter optimization, AISTATS 2016, "
    "arXiv:1502.07943",
    year=2016,
    mode="table",
    family="multi-fidelity",
    fidelities=True,
    variants={"halving": {"eta": 2}, "hyperband": {"eta": 3}},
)


def successive_halving(
    space: SearchSpace,
    rng: np.random.Generator,
    epochs: tuple[int, ...],
    *,
    eta: int = 3,
    number: int | None = None,
) -> Search:
    """Run bracket after bracket, without end; a rung is a batch.

    Args:
        space: the search space.
        rng: source of all randomness.
        epochs: the fidelities on offer.
        eta: one of how many is kept from rung to rung, from 2; also the least factor between the epochs of two rungs.
        number: architectures at the lowest rung, from 1; absent: eta ** (rungs - 1), which leaves one at the top.

    Raises:
        SettingError: a setting outside its range.
    """
    check_integer("eta", eta, 2)
    if number is not None:
        check_integer("number", number, 1)
    rungs = ladder(epochs, eta)
    plan = bracket(rungs, eta, eta ** (len(rungs) - 1) if number is None else number)
    while True:
        yield from halve([space.sample(rng) for _ in range(plan[0][0])], plan)
