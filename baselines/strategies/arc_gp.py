"""Bayesian optimization with the Arc kernel: Swersky, Duvenaud, Snoek, Hutter & Osborne, NIPS workshop 2013, arXiv:1409.4011.

In a conditional space some decisions don't matter: those of an edge that carries nothing. The Arc kernel embeds a decision so
that two architectures in which it is active differ by at most sqrt(2) w, an active and an inactive one by w, and two inactive
ones not at all. The paper's embedding of a continuous value is an arc of a circle; that of an unordered option is its limit of
directions at right angles: w times the option's unit vector when active, the origin when not.

A Gaussian process with this distance (Matern 5/2, one weight w for each decision) predicts the validation error; the
architecture of highest expected improvement is trained next.

In a cell, an edge is active if its operation is not `none` and the edge lies on a path from input to output that has no `none`.
In a space without cells every decision is active, and the kernel is a Matern kernel on the weighted Hamming distance.

Settings: 10 random architectures first; weights, amplitude and noise by marginal likelihood after every observation, as the paper's
Spearmint samples them after every observation; expected improvement.

Departures:
- Hyperparameters are point estimates (L-BFGS-B, warm-started, every tenth time also from the
  start, at most 15 iterations), not slice samples.
- Expected improvement is computed for 1,000 random architectures, and climbed from the best 5 of these and of the observed ones;
  Spearmint takes 20,000 points of a Sobol sequence and refines the best 20 by gradient.
- An architecture whose function has been trained is not proposed again while there are others.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nasbench.load import Method
from nasbench.query import Query, Search
from nasbench.settings import check_integer
from nasbench.space import Architecture, CellSpace, SearchSpace

from ._acquisition import climb, expected_improvement
from ._encoding import draw_many, draw_unseen, numbers_of, one_hot
from ._gaussian_process import Posterior, condition, extend, likelihood_and_slope, maximise_likelihood, predict

METHOD = Method(
    title="GP with Arc kernel",
    paper="Swersky et al.: Raiders of the lost architecture: Kernels for Bayesian optimization in conditional parameter spaces, "
    "NIPS workshop on Bayesian optimization 2013, arXiv:1409.4011",
    year=2013,
    mode="table",
    family="model-based",
)

Floats = NDArray[np.float64]

LARGEST_TABLE = 100_000  # cells of a space whose features a process keeps: 24 MB for six decisions of five options

# Bounds of hyperparameters, for targets with standard deviation 1. The widest weight makes one decision decorrelate two
# architectures completely, the smallest makes it invisible.
WEIGHT_BOUNDS = (np.log(0.01), np.log(10.0))
AMPLITUDE_BOUNDS = (np.log(0.05), np.log(20.0))
NOISE_BOUNDS = (np.log(1e-5), np.log(1.0))


def arc_gp(
    space: SearchSpace,
    rng: np.random.Generator,
    epochs: tuple[int, ...],
    *,
    initial: int = 10,
    candidates: int = 1000,
    starts: int = 5,
    iterations: int = 15,
    refit_every: int = 1,
) -> Search:
    """Train the architecture of highest expected improvement under a Gaussian process, one after another, without end.

    Args:
        space: the search space.
        rng: source of all randomness.
        epochs: the fidelities on offer; the last one is asked for.
        initial: random architectures of different classes trained first, together, from 2.
        candidates: random architectures scored for each proposal, from 1.
        starts: how many of these, and how many of the observed ones, the acquisition is climbed from, from 1.
        iterations: most iterations of each maximisation of the likelihood, from 1.
        refit_every: observations between two of them, from 1; the process learns from those in between without.

    Raises:
        SettingError: a setting outside its range.
    """
    check_integer("initial", initial, 2)
    for name, value in {"candidates": candidates, "starts": starts, "iterations": iterations}.items():
        check_integer(name, value, 1)
    check_integer("refit_every", refit_every, 1)
    seen: set[Hashable] = set()
    observations = list((yield tuple(Query(drawn, epochs[-1]) for drawn in draw_unseen(space, rng, seen, initial))))
    default = parameters = initial_parameters(space)
    process: Process | None = None
    while True:
        known = [observation.query.architecture for observation in observations]
        targets = standardise(np.array([1.0 - observation.validation_accuracy for observation in observations]))
        if process is None or len(known) - process.fitted >= refit_every:
            begin = [parameters, default] if len(known) % 10 == 0 else [parameters]  # a warm start may sit on a plateau
            parameters = fit(space, known, targets, begin, iterations)
            process = begin_process(space, known, targets, parameters)
        else:
            process = extend_process(space, process, known[-1], targets)
        improvement = improvement_function(space, process)
        chosen = propose(space, rng, improvement, known, seen, candidates, starts)
        seen.add(space.canonical(chosen))
        observations.append((yield Query(chosen, epochs[-1])))


def initial_parameters(space: SearchSpace) -> Floats:
    """Return logarithms of weights, amplitude and noise, with which architectures that differ everywhere are of middling distance."""
    # Two architectures that differ everywhere are one length scale apart in each decision's share.
    weights = np.full(len(space.choices), np.log(1.0 / np.sqrt(len(space.choices))))
    return np.concatenate([weights, np.log([1.0, 0.1])])


def standardise(errors: Floats) -> Floats:
    """Shift and scale observed errors to mean 0 and standard deviation 1; equal errors become zeros."""
    return np.asarray((errors - errors.mean()) / (errors.std() or 1.0))


def active_decisions(space: SearchSpace, architectures: Sequence[Architecture] | NDArray[np.int64]) -> Floats:
    """Return 1 where a decision matters to an architecture, else 0, shape (len(architectures), decisions)."""
    numbers = np.asarray(architectures, dtype=np.int64).reshape(len(architectures), len(space.choices))
    if not isinstance(space, CellSpace):
        return np.ones(numbers.shape)
    none = space.operations.index("none") if "none" in space.operations else -1
    present = numbers != none
    from_input = np.zeros((len(numbers), space.nodes), dtype=bool)
    to_output = np.zeros((len(numbers), space.nodes), dtype=bool)
    from_input[:, 0] = to_output[:, -1] = True
    for edge, (source, target) in enumerate(space.edges):  # edges stand in order of their targets
        from_input[:, target] |= from_input[:, source] & present[:, edge]
    for edge, (source, target) in reversed(list(enumerate(space.edges))):
        to_output[:, source] |= to_output[:, target] & present[:, edge]
    sources, targets = np.array(space.edges).T
    return np.asarray(present & from_input[:, sources] & to_output[:, targets], dtype=np.float64)


def embed(space: SearchSpace, architectures: Sequence[Architecture] | NDArray[np.int64], weights: Floats) -> Floats:
    """Return the explicit features of the Arc kernel, shape (len(architectures), sum of choices)."""
    return np.asarray(indicators(space, architectures) * np.repeat(weights, space.choices))


def indicators(space: SearchSpace, architectures: Sequence[Architecture] | NDArray[np.int64]) -> Floats:
    """Return 1 where an option is taken by a decision that matters, else 0, shape (len(architectures), sum of choices)."""
    if isinstance(space, CellSpace) and space.size <= LARGEST_TABLE:
        return _all_indicators(space)[numbers_of(space.choices, np.asarray(architectures, dtype=np.int64))]
    active = np.repeat(active_decisions(space, architectures), space.choices, axis=1)
    return np.asarray(one_hot(space.choices, architectures) * active)


@functools.lru_cache(maxsize=4)
def _all_indicators(space: CellSpace) -> Floats:
    cells = np.array(list(space), dtype=np.int64)
    return one_hot(space.choices, cells) * np.repeat(active_decisions(space, cells), space.choices, axis=1)


def squared_distances(left: Floats, right: Floats) -> Floats:
    """Return squared Euclidean distances, shape (len(left), len(right))."""
    squares = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1)
    squares -= 2.0 * left @ right.T
    return np.asarray(np.maximum(squares, 0.0, out=squares))


def matern(squared: Floats) -> Floats:
    """Return the Matern kernel with smoothness 5/2, of squared distances (Rasmussen & Williams 2006, equation 4.17)."""
    return matern_and_slope(squared)[0]


def matern_and_slope(squared: Floats) -> tuple[Floats, Floats]:
    """Return `matern` and its derivative by the squared distance."""
    distance = np.sqrt(5.0 * squared)
    slope = distance + 1.0
    value = squared * (5.0 / 3.0)
    value += slope
    decay = np.exp(np.negative(distance, out=distance), out=distance)
    value *= decay
    slope *= decay
    slope *= -5.0 / 6.0
    return value, slope


def fit(
    space: SearchSpace, known: Sequence[Architecture], targets: Floats, begin: Sequence[Floats], iterations: int
) -> Floats:
    """Return the logarithms of weights, amplitude and noise of highest marginal likelihood.

    Args:
        space: the search space.
        known: observed architectures.
        targets: shape (n,), standardised errors.
        begin: where to begin, each of shape (decisions + 2,), logarithms.
        iterations: most iterations from each.
    """
    decisions, count = len(space.choices), len(targets)
    rows, columns = np.tril_indices(count)  # everything is symmetric
    options, active = np.array(known).T, active_decisions(space, known).T  # (decisions, n)
    one, other = active[:, rows], active[:, columns]
    # (decisions, pairs): squared distances for weights of 1, each 0, 1 or 2
    apart = np.where(options[:, rows] == options[:, columns], np.abs(one - other), one + other)
    twice = np.where(rows == columns, 1.0, 2.0)  # a pair below the diagonal stands for two

    def likelihood(point: Floats) -> tuple[float, Floats]:
        squares, amplitude, noise = np.exp(2.0 * point[:decisions]), float(np.exp(point[-2])), float(np.exp(point[-1]))
        value, slope = matern_and_slope(squares @ apart)
        value *= amplitude
        kernel = np.zeros((count, count))
        kernel[rows, columns] = value
        likelihood, by_kernel = likelihood_and_slope(kernel, noise, targets)
        by_noise = noise * float(np.trace(by_kernel))
        by_pair = by_kernel[rows, columns]
        by_pair *= twice
        by_amplitude = float(by_pair @ value)
        by_pair *= slope
        return likelihood, np.concatenate([2.0 * amplitude * squares * (apart @ by_pair), [by_amplitude, by_noise]])

    bounds = [WEIGHT_BOUNDS] * decisions + [AMPLITUDE_BOUNDS, NOISE_BOUNDS]
    return maximise_likelihood(likelihood, begin, bounds, iterations)


@dataclass(frozen=True)
class Process:
    """A fitted Gaussian process with what it has observed.

    Attributes:
        weights: shape (decisions,), of the Arc kernel.
        amplitude: variance of the function's values.
        noise: variance of observations around them.
        points: shape (n, features), embedded observed architectures.
        posterior: from them.
        fitted: number of observations at the last fit of weights, amplitude and noise.
    """

    weights: Floats
    amplitude: float
    noise: float
    points: Floats
    posterior: Posterior
    fitted: int


def begin_process(space: SearchSpace, known: Sequence[Architecture], targets: Floats, parameters: Floats) -> Process:
    """Condition on observed architectures and their targets, with logarithms of weights, amplitude and noise."""
    weights, amplitude, noise = np.exp(parameters[:-2]), float(np.exp(parameters[-2])), float(np.exp(parameters[-1]))
    points = embed(space, known, weights)
    posterior = condition(amplitude * matern(squared_distances(points, points)), noise, targets)
    return Process(weights, amplitude, noise, points, posterior, len(known))


def extend_process(space: SearchSpace, process: Process, architecture: Architecture, targets: Floats) -> Process:
    """Condition on one more architecture; `targets` are those of all, in order of observation."""
    point = embed(space, [architecture], process.weights)
    cross = process.amplitude * matern(squared_distances(point, process.points))[0]
    posterior = extend(process.posterior, cross, process.amplitude, process.noise, targets)
    return replace(process, points=np.concatenate([process.points, point]), posterior=posterior)


def improvement_function(
    space: SearchSpace, process: Process
) -> Callable[[Sequence[Architecture] | NDArray[np.int64]], Floats]:
    """Return expected improvement on the lowest target, as a function of architectures."""
    best = float(process.posterior.targets.min())

    def improvement(architectures: Sequence[Architecture] | NDArray[np.int64]) -> Floats:
        mean, variance = belief(space, process, architectures)
        return expected_improvement(mean, np.sqrt(variance), best)

    return improvement


def belief(
    space: SearchSpace, process: Process, architectures: Sequence[Architecture] | NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """Return mean and variance of the standardised errors of architectures, each of shape (len(architectures),)."""
    where = embed(space, architectures, process.weights)
    cross = process.amplitude * matern(squared_distances(where, process.points))
    return predict(process.posterior, cross, process.amplitude)


def propose(
    space: SearchSpace,
    rng: np.random.Generator,
    improvement: Callable[[Sequence[Architecture] | NDArray[np.int64]], Floats],
    known: list[Architecture],
    seen: set[Hashable],
    candidates: int,
    starts: int,
) -> Architecture:
    """Return an architecture of a class outside `seen` with the highest improvement found."""
    drawn = draw_many(space, rng, candidates)
    values = improvement(drawn)
    best_drawn = [tuple(drawn[place].tolist()) for place in np.argsort(-values, kind="stable")[:starts]]
    observed = improvement(np.array(known, dtype=np.int64))
    best_known = [known[place] for place in np.argsort(-observed, kind="stable")[:starts]]
    points, heights = climb(space, best_drawn + best_known, improvement)
    pool = np.concatenate([points, drawn])
    for place in np.argsort(-np.concatenate([heights, values]), kind="stable").tolist():
        architecture = tuple(pool[place].tolist())
        if space.canonical(architecture) not in seen:
            return architecture
    return draw_unseen(space, rng, seen, 1)[0]
