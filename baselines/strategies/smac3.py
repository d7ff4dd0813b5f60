"""SMAC3: Lindauer et al., JMLR 23(54), 2022, arXiv:2109.09831; an opponent, through the library itself.

`HyperparameterOptimizationFacade`, the library's choice for categorical spaces, asked and told: a random forest on logarithms of
the scaled cost, expected improvement climbed from trained and from random architectures, 20 % random challengers, 8 challengers of one
forest, a race of at most 3 trainings of an architecture, a Sobol design of 10 architectures per decision, capped at a quarter of
`trials`. The defaults are the library's, given here so that a new release does not move them unseen. `variants` for comparisons with
our own SMAC:

    =============  ================================================================================================
    equal          the numbers of `smac`, variant `smac3`: a forest for each challenger, a design for 150 trainings
    equal-no-race  the same with one training per architecture: the model alone
    =============  ================================================================================================

At equal numbers these differ still: the library's trees are scikit-learn's, which split an option's number at a threshold where ours
divide sets of options, with the logarithm of the mean in a leaf where ours have the mean of logarithms; its challengers come out of
local searches alone; its first architectures are a Sobol design, and are raced.

Departures:
- `trials` is what the facade plans for; the run goes on after them, as long as the loop asks.
- Local searches stand in the order of their starts' options. The library takes them from a set of strings, whose order is another in
  each process, and each search has its own random numbers: one seed would give a different run each time.
- Quicker without a change in what is asked: one thread, trees without room for a million leaves, predictions
  without joblib, random architectures drawn in one call.
- Nothing is saved to disk, and no earlier run is looked for there.
- When the library finds nothing that it has not trained yet, the search ends.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from nasbench.load import Method, installed_version
from nasbench.query import Observation, Search
from nasbench.settings import check_integer, check_number
from nasbench.space import Architecture, SearchSpace

from ._opponent import SEEDS, Fence, ask_and_tell, needed

VERSION = installed_version("smac")

# Can't exist: if a new release saved a run in spite of us, it would fail instead of littering.
NOWHERE = Path("/dev/null/smac3")

DRAWN_AT_ONCE = 5  # configurations that ConfigSpace 1.2 draws at once in a space without conditions

MOST_LEAVES = 4096  # of a tree, more than a run has trainings; scikit-learn clears memory for them all, for the default 2^20 in 90 ms

METHOD = Method(
    title=f"SMAC3 {VERSION}",
    paper="Lindauer et al.: SMAC3: A versatile Bayesian optimization package for hyperparameter optimization, JMLR 23(54), 2022, "
    "arXiv:2109.09831",
    year=2022,
    mode="table",
    family="opponent",
    extra="opponents",
    variants={
        "equal": {"trials": 150, "retrain_after": 1},
        "equal-no-race": {"trials": 150, "retrain_after": 1, "max_repeats": 1},
    },
)


def smac3(
    space: SearchSpace,
    rng: np.random.Generator,
    epochs: tuple[int, ...],
    *,
    trials: int = 100,
    max_repeats: int = 3,
    random_share: float = 0.2,
    retrain_after: int = 8,
    trees: int = 10,
    candidates: int = 10_000,
    release: str = VERSION,
) -> Search:
    """Ask SMAC3 until it has no further architecture.

    Args:
        space: the search space.
        rng: source of the library's seed.
        epochs: the fidelities on offer; the last one is asked for.
        trials: planned trainings, which cap the initial design, from 4.
        max_repeats: most trainings of one architecture, from 1 (no racing).
        random_share: probability that a challenger is drawn uniformly, in [0, 1].
        retrain_after: challengers of one forest, from 1.
        trees: trees of the forest, from 1.
        candidates: random architectures whose best ones start local searches, from 1.
        release: version of the library that must be installed.

    Raises:
        SettingError: a setting outside its range, or another version is installed.
        OpponentError: the library is not installed.
    """
    check_integer("trials", trials, 4)
    check_integer("max_repeats", max_repeats, 1)
    check_number("random_share", random_share, 0.0, 1.0)
    check_integer("retrain_after", retrain_after, 1)
    check_integer("trees", trees, 1)
    check_integer("candidates", candidates, 1)
    fence = Fence(rng)
    with fence.inside(), silent():
        library = needed("smac", "smac", release)
        history = needed("smac.runhistory", "smac", release)
        exhausted = needed("smac.main.exceptions", "smac", release).ConfigurationSpaceExhaustedException
        facade = library.HyperparameterOptimizationFacade
        names = [f"{place:03d}" for place in range(len(space.choices))]
        scenario = library.Scenario(
            decisions(space, names), output_directory=NOWHERE, n_trials=trials, seed=int(rng.integers(SEEDS))
        )
        optimizer = unsaved(facade, release)(
            scenario,
            model=forest(scenario, trees, release),
            acquisition_maximizer=in_order(facade.get_acquisition_maximizer(scenario, challengers=candidates)),
            intensifier=facade.get_intensifier(scenario, max_config_calls=max_repeats),
            random_design=facade.get_random_design(scenario, probability=random_share),
            config_selector=facade.get_config_selector(scenario, retrain_after=retrain_after),
            logging_level=False,
        )
    asked: list[Any] = []

    def ask() -> Architecture | None:
        try:
            with silent():
                asked.append(optimizer.ask())
        except (StopIteration, exhausted):
            return None
        return tuple(int(asked[-1].config[name]) for name in names)

    def tell(observation: Observation) -> None:
        value = history.TrialValue(cost=1.0 - observation.validation_accuracy, time=0.0)
        with silent():
            optimizer.tell(asked.pop(), value, save=False)

    yield from ask_and_tell(ask, tell, fence, epochs[-1])


@contextmanager
def silent() -> Iterator[None]:
    """Keep the library from logging for the time of a `with` block: it warns of every architecture drawn at random."""
    logger = logging.getLogger("smac")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)


def decisions(space: SearchSpace, names: list[str]) -> Any:
    """Return the space's decisions as a space of categorical parameters of those names."""
    spaces = needed("ConfigSpace", "ConfigSpace", installed_version("ConfigSpace"))

    class Drawn(spaces.ConfigurationSpace):  # type: ignore[misc, name-defined]  # its base has no types
        def sample_configuration(self, size: int | None = None) -> Any:
            """Draw the library's numbers (five configurations at a time, parameter by parameter) in one call."""
            blocks = -(-(size or 1) // DRAWN_AT_ONCE)
            counts = np.array(space.choices)[:, np.newaxis]  # (parameters, 1)
            drawn = self.random.randint(0, counts, size=(blocks, len(counts), DRAWN_AT_ONCE), dtype=np.int64)
            vectors = drawn.transpose(0, 2, 1).reshape(-1, len(counts)).astype(np.float64)
            found = [spaces.Configuration(self, vector=vector) for vector in vectors[: size or 1]]
            return found[0] if size is None else found

    described = Drawn(seed=0)  # the facade seeds it anew
    described.add(
        [spaces.CategoricalHyperparameter(*each) for each in zip(names, map(range, space.choices), strict=True)]
    )
    return described


def unsaved(facade: Any, release: str) -> Any:
    """Return the facade around a loop that neither looks for an earlier run on disk nor writes one."""
    optimisation = needed("smac.main.smbo", "smac", release)

    class Unsaved(optimisation.SMBO):  # type: ignore[misc, name-defined]  # its base has no types
        def _initialize_state(self) -> None:
            """Begin with nothing known."""

    class Facade(facade):  # type: ignore[misc]
        def _get_optimizer(self) -> Any:
            return Unsaved(self._scenario, self._runner, self._runhistory, self._intensifier, self._overwrite)

    return Facade


def forest(scenario: Any, trees: int, release: str) -> Any:
    """Return the facade's model, `get_model` of the library, with the means of our own to have it quickly."""
    forests = needed("smac.model.random_forest.random_forest", "smac", release)

    class Direct(forests.RandomForest):  # type: ignore[misc, name-defined]
        def _predict(self, X: Any, covariance_type: str | None = "diagonal") -> tuple[Any, Any]:
            """Ask the trees themselves; joblib takes ten times as long as they do for a handful of architectures."""
            inputs = np.asarray(X, dtype=np.float32)
            predictions = np.column_stack([tree.tree_.predict(inputs)[:, 0] for tree in self._rf.estimators_])
            return predictions.mean(axis=1, keepdims=True), predictions.var(axis=1, keepdims=True)

    return Direct(
        scenario.configspace,
        log_y=True,
        n_trees=trees,
        ratio_features=1.0,
        min_samples_split=2,
        min_samples_leaf=1,
        max_depth=2**20,
        max_leaf_nodes=MOST_LEAVES,
        bootstrapping=True,
        n_jobs=1,
        seed=scenario.seed,
    )


def in_order(maximizer: Any) -> Any:
    """Return the maximizer with its local searches in the order of their starts' options."""
    search = maximizer._local_search
    starts = search._get_initial_points
    search._get_initial_points = lambda *given: sorted(starts(*given), key=lambda start: start.get_array().tolist())
    return maximizer
