"""NASBOT: Kandasamy, Neiswanger, Schneider, Poczos & Xing, NeurIPS 2018, arXiv:1802.07191.

A Gaussian process whose kernel is built from optimal transport distances between networks (OTMANN, see `_transport.py`):
k = a exp(-sum_i b_i d_i) + a' exp(-sum_i b'_i dn_i^2), over four weights nu_i of structure, with the distance d and its normalised
form dn. Expected improvement is maximised by an evolutionary algorithm that mutates the networks seen, the promising
ones more often, by one to five steps at a time.

Settings are those of the authors' code (`nn/nn_gp.py`, `opt/nasbot.py`, `opt/ga_optimiser.py`, `opt/gp_bandit.py`):
nu = 0.1, 0.25, 0.61, 1.5; 20 initial networks; hyperparameters by marginal likelihood every 7 observations, amplitudes within
[0.01, 100] and noise within [0.005, 0.2] of the variance of the observations, b' within [0.1, 100]; prior mean the median;
25 sqrt(t) evaluations n of the acquisition, between 50 and 500, in generations of 3 sqrt(n), between 5 and 100 (`opt/domains.py`);
parents drawn with probability proportional to exp((value - mean) / (2 standard deviations)); 1 to 5 mutation steps with
probabilities 0.5, 0.25, 0.125, 0.075, 0.05.

Departures:
- A mutation step is the space's: another operation on one edge. The paper's ten modifiers (wedge a layer, branch, skip, ...)
  act on whole networks of free size; inside a cell of fixed nodes each is a change of operations.
- Masses are in units of a convolution's, so that b is bounded by [0.001, 10] where the code's networks of a thousand times
  the mass have [1e-9, 0.001].
- The likelihood is climbed by its gradient (L-BFGS-B), where the code samples. The kernel need not be positive; as in the code,
  negative eigenvalues of its matrix are set to zero, for the likelihood and for predictions. The code leaves the covariances with
  candidates as they are, so that the process does not even agree with itself at what it has observed; here they lose the same
  directions (`nearest_positive`). This was found because the search did badly on a published NAS-Bench-201 table, which is a
  look at results: `variants` has `raw-covariances`, the code's way, to be reported beside it.
- The evolutionary algorithm starts from the observed cells, the code from a fixed pool of well-known networks.
- Cells whose function has been trained are not trained again while the search finds others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from nasbench.load import Method
from nasbench.query import Observation, Query, Search
from nasbench.settings import check_choice, check_integer, check_number
from nasbench.space import Architecture, Canonical, CellSpace, SearchSpace, SpaceError

from ._acquisition import expected_improvement
from ._encoding import draw_unseen, mutate_many, remembered_canonical
from ._gaussian_process import condition, maximise_likelihood, nearest_positive, predict, projected_likelihood
from ._transport_distances import TransportDistances, transport_tables

METHOD = Method(
    title="NASBOT",
    paper="Kandasamy et al.: Neural architecture search with Bayesian optimisation and optimal transport, NeurIPS 2018, "
    "arXiv:1802.07191",
    year=2018,
    mode="table",
    family="model-based",
    variants={"raw-covariances": {"project_candidates": False}},
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Bounds of hyperparameters; amplitudes and noise for targets with variance 1.
AMPLITUDE_BOUNDS = (math.log(0.01), math.log(100.0))
NOISE_BOUNDS = (math.log(0.005), math.log(0.2))
DISTANCE_BOUNDS = (math.log(0.001), math.log(10.0))
NORMALISED_BOUNDS = (math.log(0.1), math.log(100.0))
STEP_PROBABILITIES = (0.5, 0.25, 0.125, 0.075, 0.05)


def nasbot(
    space: SearchSpace,
    rng: np.random.Generator,
    epochs: tuple[int, ...],
    *,
    initial: int = 20,
    refit_every: int = 7,
    iterations: int = 30,
    structure: tuple[float, ...] = (0.1, 0.25, 0.61, 1.5),
    evaluations_factor: float = 25.0,
    fewest_evaluations: int = 50,
    most_evaluations: int = 500,
    project_candidates: bool = True,
) -> Search:
    """Train the cell of highest expected improvement that evolution finds, one after another, without end.

    Args:
        space: a space of cells.
        rng: source of all randomness.
        epochs: the fidelities on offer; the last one is asked for.
        initial: random cells of different classes trained first, together, from 2.
        refit_every: observations between two maximisations of the likelihood, from 1.
        iterations: most iterations of each, from 1.
        structure: weights nu of structure against labels, each from 0, at least one.
        evaluations_factor: cells that evolution scores per proposal, over the square root of the number of observations, above 0.
        fewest_evaluations: lower bound of that number, from 1.
        most_evaluations: upper bound of that number, from `fewest_evaluations`.
        project_candidates: covariances with candidates lose what the kernel matrix loses in becoming positive.

    Raises:
        SettingError: a setting outside its range.
        SpaceError: the space is none of cells.
    """
    check_integer("initial", initial, 2)
    check_integer("refit_every", refit_every, 1)
    check_integer("iterations", iterations, 1)
    check_integer("fewest_evaluations", fewest_evaluations, 1)
    check_integer("most_evaluations", most_evaluations, fewest_evaluations)
    check_number("evaluations_factor", evaluations_factor, 0.0, above=True)
    check_choice("project_candidates", project_candidates, (False, True))
    check_integer("structure (its length)", len(structure), 1)
    for weight in structure:
        check_number("structure", weight, 0.0)
    if not isinstance(space, CellSpace):
        raise SpaceError(f"nasbot compares cells as graphs; space {space.name} is none of cells")

    seen: set[Hashable] = set()
    observations: list[Observation] = []
    distances = TransportDistances(transport_tables(space, structure))
    canonical = remembered_canonical(space)
    number = numbering(distances, canonical)
    observations += yield tuple(Query(cell, epochs[-1]) for cell in draw_unseen(space, rng, seen, initial))
    parameters = initial_parameters(len(structure))
    fitted = 0
    while True:
        known = [observation.query.architecture for observation in observations]
        numbers = number(known)
        for new in numbers[len(distances.observed) :].tolist():
            distances.observe(new)
        targets = standardise(np.array([1.0 - observation.validation_accuracy for observation in observations]))
        plain = distances.rows(numbers)
        normalised = plain / (distances.totals[numbers, None] + distances.totals[numbers])[..., None]
        if not fitted or len(observations) - fitted >= refit_every:
            parameters = fit(plain, normalised, targets, parameters, iterations)
            fitted = len(observations)
        belief = belief_function(number, distances, numbers, targets, parameters, project_candidates)
        score = improvement_function(belief, float(targets.min()))
        count = round(min(max(evaluations_factor * math.sqrt(len(observations)), fewest_evaluations), most_evaluations))
        chosen = evolve(space, rng, known, score, canonical, seen, count)
        seen.add(canonical(chosen))
        observations.append((yield Query(chosen, epochs[-1])))


def numbering(
    distances: TransportDistances, canonical: Callable[[Architecture], Canonical]
) -> Callable[[Sequence[Architecture]], Ints]:
    """Return a function from cells to their numbers in `distances`; evolution comes back to the same cells again and again."""
    known: dict[Architecture, int] = {}

    def number(cells: Sequence[Architecture]) -> Ints:
        fresh = [cell for cell in dict.fromkeys(cells) if cell not in known]
        if fresh:
            known.update(zip(fresh, distances.add([canonical(cell) for cell in fresh]).tolist(), strict=True))
        return np.array([known[cell] for cell in cells], dtype=np.int64)

    return number


def standardise(errors: Floats) -> Floats:
    """Shift errors by their median and scale them to standard deviation 1; equal errors become zeros."""
    scaled: Floats = (errors - np.median(errors)) / (errors.std() or 1.0)
    return scaled


def initial_parameters(structures: int) -> Floats:
    """Return logarithms of a, a', noise, b and b': equal amplitudes, and distances of everyday size that matter."""
    values = [0.5, 0.5, 0.05] + [0.1] * structures + [2.0] * structures
    return np.asarray(np.log(np.array(values)))


def kernel(plain: Floats, normalised: Floats, parameters: Floats) -> Floats:
    """Return the kernel for distances of shape (..., structures); parameters as in `initial_parameters`."""
    first, second, _, by_plain, by_normalised = _split(parameters)
    value: Floats = first * np.exp(-plain @ by_plain) + second * np.exp(-(normalised**2) @ by_normalised)
    return value


def _split(parameters: Floats) -> tuple[float, float, float, Floats, Floats]:
    values = np.exp(parameters)
    half = (len(values) - 3) // 2
    return float(values[0]), float(values[1]), float(values[2]), values[3 : 3 + half], values[3 + half :]


def fit(plain: Floats, normalised: Floats, targets: Floats, start: Floats, iterations: int) -> Floats:
    """Return the hyperparameters of highest marginal likelihood found from `start`.

    Args:
        plain: shape (n, n, structures), distances.
        normalised: the same, normalised.
        targets: shape (n,).
        start: shape (3 + 2 structures,), logarithms.
        iterations: most iterations.
    """
    structures, count = plain.shape[2], len(targets)
    plains = np.ascontiguousarray(np.moveaxis(plain, 2, 0)).reshape(structures, -1)  # (structures, n n)
    squares = np.ascontiguousarray(np.moveaxis(normalised**2, 2, 0)).reshape(structures, -1)

    def likelihood(point: Floats) -> tuple[float, Floats]:
        first, second, noise, by_plain, by_normalised = _split(point)
        left = first * np.exp(-by_plain @ plains)
        right = second * np.exp(-by_normalised @ squares)
        value, by_kernel, by_noise = projected_likelihood((left + right).reshape(count, count), noise, targets)
        left *= by_kernel.ravel()
        right *= by_kernel.ravel()
        ends = [left.sum(), right.sum(), noise * by_noise]
        return value, np.concatenate([ends, -by_plain * (plains @ left), -by_normalised * (squares @ right)])

    bounds = [AMPLITUDE_BOUNDS, AMPLITUDE_BOUNDS, NOISE_BOUNDS]
    bounds += [DISTANCE_BOUNDS] * structures + [NORMALISED_BOUNDS] * structures
    return maximise_likelihood(likelihood, [start], bounds, iterations)


def improvement_function(
    belief: Callable[[list[Architecture]], tuple[Floats, Floats]], best: float
) -> Callable[[list[Architecture]], Floats]:
    """Return expected improvement on the target `best`, as a function of cells, from that of `belief_function`."""

    def improvement(cells: list[Architecture]) -> Floats:
        mean, variance = belief(cells)
        return expected_improvement(mean, np.sqrt(variance), best)

    return improvement


def belief_function(
    number: Callable[[Sequence[Architecture]], Ints],
    distances: TransportDistances,
    numbers: Ints,
    targets: Floats,
    parameters: Floats,
    project_candidates: bool,
) -> Callable[[list[Architecture]], tuple[Floats, Floats]]:
    """Return mean and variance of the target, each of shape (cells,), as a function of cells.

    Args:
        number: of cells in `distances`.
        distances: has observed the cells of `numbers`, in this order.
        numbers: shape (n,).
        targets: shape (n,).
        parameters: hyperparameters, logarithms.
        project_candidates: project covariances with candidates too.
    """
    plain = distances.rows(numbers)
    normalised = plain / (distances.totals[numbers, None] + distances.totals[numbers])[..., None]
    matrix, projector = nearest_positive(kernel(plain, normalised, parameters))
    posterior = condition(matrix, float(np.exp(parameters[2])), targets)
    variance = float(np.exp(parameters[0]) + np.exp(parameters[1]))

    def belief(cells: list[Architecture]) -> tuple[Floats, Floats]:
        own = number(cells)
        plain = distances.rows(own)
        normalised = plain / (distances.totals[own, None] + distances.totals[numbers])[..., None]
        cross = kernel(plain, normalised, parameters)
        return predict(posterior, cross @ projector if project_candidates else cross, variance)

    return belief


def evolve(
    space: CellSpace,
    rng: np.random.Generator,
    known: list[Architecture],
    score: Callable[[list[Architecture]], Floats],
    canonical: Callable[[Architecture], Hashable],
    seen: set[Hashable],
    count: int,
) -> Architecture:
    """Return the best cell of a class outside `seen` that evolution on the acquisition finds with `count` evaluations.

    Args:
        space: mutates.
        rng: draws parents and mutations.
        known: observed cells, the first generation.
        score: acquisition of many cells at once, to be maximised.
        canonical: of a cell.
        seen: classes that are not returned.
        count: number of mutants scored.
    """
    generation = int(np.clip(3.0 * math.sqrt(count), 5.0, 100.0))
    pool, values = list(known), score(known)
    while count > 0:
        size = min(generation, count)
        count -= size
        fitness = np.exp((values - values.max()) / (2.0 * (values.std() or 1.0)))
        parents = rng.choice(len(pool), size=size, p=fitness / fitness.sum())
        steps = 1 + rng.choice(len(STEP_PROBABILITIES), size=size, p=STEP_PROBABILITIES)
        chosen = np.array([pool[parent] for parent in parents.tolist()], dtype=np.int64)
        mutants: list[Architecture] = [tuple(mutant) for mutant in mutate_many(space, chosen, steps, rng).tolist()]
        pool += mutants
        values = np.concatenate([values, score(mutants)])
    for place in np.argsort(-values, kind="stable").tolist():
        if canonical(pool[place]) not in seen:
            return tuple(pool[place])
    return draw_unseen(space, rng, seen, 1)[0]
