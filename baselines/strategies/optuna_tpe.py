"""TPE of Optuna: Akiba et al., KDD 2019, arXiv:1907.10902; an opponent, through the library itself.

Another algorithm than hyperopt's under the same name (`tpe.py`): of n observations the best min(ceil(0.1 n), 25) are good, 10
random architectures come first, and all decisions are modelled together. The library's defaults for one objective, each given here
so that a new release does not move them unseen (`multivariate` is on by default since release 5). `hyperopt` has the numbers of our
own TPE, decision by decision, for a comparison at equal settings.

Departures: none; the constant liar is without effect where one training runs at a time.
"""

from __future__ import annotations

import math
import warnings

import numpy as np

from nasbench.load import Method
from nasbench.query import Search
from nasbench.settings import check_choice, check_integer, check_number
from nasbench.space import SearchSpace

from ._opponent import SEEDS, Fence
from ._optuna import PAPER, VERSION, decisions, quiet_optuna, study_search

METHOD = Method(
    title=f"Optuna {VERSION} TPE",
    paper=PAPER,
    year=2019,
    mode="table",
    family="opponent",
    extra="opponents",
    variants={
        "hyperopt": {"startup": 20, "gamma": 0.25, "root": True, "multivariate": False},
        "independent": {"multivariate": False},
    },
)


def optuna_tpe(
    space: SearchSpace,
    rng: np.random.Generator,
    epochs: tuple[int, ...],
    *,
    startup: int = 10,
    gamma: float = 0.1,
    root: bool = False,
    candidates: int = 24,
    multivariate: bool = True,
    release: str = VERSION,
) -> Search:
    """Ask Optuna's TPE sampler, without end.

    Args:
        space: the search space.
        rng: source of the sampler's seed.
        epochs: the fidelities on offer; the last one is asked for.
        startup: random architectures before the model is used, from 1.
        gamma: of n observations ceil(gamma n) are good, at most 25; above 0.
        root: take ceil(gamma sqrt(n)) instead, as hyperopt does.
        candidates: draws of the good ones' density, from 1.
        multivariate: model decisions together.
        release: version of the library that must be installed.

    Raises:
        SettingError: a setting outside its range, or another version is installed.
        OpponentError: the library is not installed.
    """
    check_integer("startup", startup, 1)
    check_number("gamma", gamma, 0.0, above=True)
    check_choice("root", root, (False, True))
    check_integer("candidates", candidates, 1)
    check_choice("multivariate", multivariate, (False, True))
    optuna = quiet_optuna(release)

    def good(number: int) -> int:
        return min(math.ceil(gamma * (math.sqrt(number) if root else number)), 25)

    fence = Fence(rng)
    with fence.inside(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that `gamma` will be given otherwise one day
        sampler = optuna.samplers.TPESampler(
            n_startup_trials=startup,
            n_ei_candidates=candidates,
            gamma=good,
            multivariate=multivariate,
            seed=int(rng.integers(SEEDS)),
        )
        study = optuna.create_study(sampler=sampler, direction="maximize")
    yield from study_search(
        study, decisions(optuna, space), lambda observation: observation.validation_accuracy, fence, epochs[-1]
    )
