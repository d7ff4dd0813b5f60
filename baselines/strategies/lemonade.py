"""LEMONADE without inheritance: Elsken, Metzen & Hutter, ICLR 2019, arXiv:1804.09081, algorithm 1, as far as a table allows.

A population holds the trade-offs found so far. Cheap objectives (sizes) of any network are known at once, the expensive one
(the error) only after training. Each generation draws parents where the population is thin in the cheap objectives, mutates
each, draws few of the many children by the same rule, and trains only those: two stages that spend no training on crowds.

Children of the paper inherit their parent's weights through network morphisms; a table has no weights to inherit, so that
every score here is of a training from scratch, and the mutations are the space's own. What is left is the method's use of
cheap objectives. Settings: 100 children proposed and 10 trained a generation; the paper's own numbers belong to its GPUs and were
not re-checked. `variants`: `uniform` draws both stages uniformly, the control that shows what the density is good for.

Departures beside inheritance:
- The density is a product of Gaussian kernels over the logarithms of the cheap objectives, bandwidth by Scott's rule in each.
- The paper starts from a few small networks; here from `initial_size` uniformly drawn ones.
- A child that was trained before is trained again only where no other is left; the error of an architecture is the mean of its
  trainings, so that a lucky one does not stay on the front for ever.
- The front is capped at `population` by NSGA-II's crowding distance.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nasbench.load import Method
from nasbench.pareto import crowding, non_dominated
from nasbench.query import Measure, Query, Search
from nasbench.settings import SettingError, check_choice, check_integer
from nasbench.space import Architecture, SearchSpace

METHOD = Method(
    title="LEMONADE (without inheritance)",
    paper="Elsken et al.: Efficient multi-objective neural architecture search via Lamarckian evolution, ICLR 2019, arXiv:1804.09081",
    year=2019,
    mode="emulated",
    family="multi-objective",
    variants={"uniform": {"sampling": "uniform"}},
)


def lemonade(
    space: SearchSpace,
    rng: np.random.Generator,
    epochs: tuple[int, ...],
    *,
    objectives: tuple[str, ...] = ("parameters",),
    proposed: int = 100,
    accepted: int = 10,
    initial_size: int = 10,
    population: int = 100,
    sampling: Literal["density", "uniform"] = "density",
) -> Search:
    """Evolve a set of trade-offs, drawn by the inverse density of their cheap objectives, without end.

    Args:
        space: the search space.
        rng: source of all randomness.
        epochs: the fidelities on offer; the last one is asked for.
        objectives: the cheap measures to be kept small, one or more; they must be positive.
        proposed: children of a generation of which only the cheap objectives are found (n_pc), from 1.
        accepted: children that are trained (n_ac), from 1 to `proposed`.
        initial_size: architectures trained at the start, from 1.
        population: cap of the population, from 2.
        sampling: `density` draws by inverse density, `uniform` uniformly.

    Raises:
        SettingError: a setting outside its range.
        ValueError: a measure that is not positive.
    """
    check_integer("proposed", proposed, 1)
    check_integer("accepted", accepted, 1, proposed)
    check_integer("initial_size", initial_size, 1)
    check_integer("population", population, 2)
    check_choice("sampling", sampling, ("density", "uniform"))
    if not objectives:
        raise SettingError("setting objectives is (), must be one or more measures")
    errors: dict[Architecture, list[float]] = {}
    cheap: dict[Architecture, NDArray[np.float64]] = {}
    children = tuple(space.sample(rng) for _ in range(initial_size))
    sizes = yield Measure(children, objectives)
    alive: list[Architecture] = []
    while True:
        observations = yield tuple(Query(child, epochs[-1]) for child in children)
        for child, size, told in zip(children, sizes, observations, strict=True):
            errors.setdefault(child, []).append(1.0 - told.validation_accuracy)
            cheap[child] = size
        together = list(dict.fromkeys([*alive, *children]))
        points = np.array([[np.mean(errors[one]), *cheap[one]] for one in together])
        alive = [together[number] for number in front(points, population)]

        centres = np.array([cheap[one] for one in alive])
        parents = draw(centres, centres, proposed, rng, sampling, replace=True)
        offspring = dict.fromkeys(space.mutate(alive[number], rng) for number in parents.tolist())
        unseen = [child for child in offspring if child not in errors]
        candidates = tuple(unseen or offspring)
        found = yield Measure(candidates, objectives)
        kept = draw(centres, found, min(accepted, len(candidates)), rng, sampling, replace=False)
        children, sizes = tuple(candidates[number] for number in kept.tolist()), found[kept]


def front(points: NDArray[np.float64], most: int) -> NDArray[np.int64]:
    """Return the numbers of the non-dominated points, at most so many: those with the most room."""
    members = np.flatnonzero(non_dominated(points))
    if len(members) <= most:
        return members
    return np.sort(members[np.argsort(-crowding(points[members]), kind="stable")[:most]])


def draw(
    centres: NDArray[np.float64],
    points: NDArray[np.float64],
    count: int,
    rng: np.random.Generator,
    sampling: str,
    *,
    replace: bool,
) -> NDArray[np.int64]:
    """Draw points with probability in inverse proportion to the density of the centres there.

    Args:
        centres: shape (n, measures), cheap objectives of the population.
        points: shape (m, measures), of what is drawn from.
        count: how many to draw.
        rng: source of randomness.
        sampling: `density` or `uniform`.
        replace: whether a point can be drawn twice.

    Returns:
        Numbers of points, shape (count,).
    """
    weights = np.ones(len(points)) if sampling == "uniform" else inverse_density(centres, points)
    return np.asarray(rng.choice(len(points), size=count, replace=replace, p=weights / weights.sum()))


def inverse_density(centres: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights proportional to one over the kernel density of the centres' logarithms, shape (m,), the largest 1.

    Measures in which the centres do not differ are left out; without any other, all weights are 1.

    Raises:
        ValueError: a measure that is not positive.
    """
    if not (centres > 0.0).all() or not (points > 0.0).all():
        raise ValueError(f"measures go down to {min(centres.min(), points.min())}; they must be positive")
    where, at = np.log(centres), np.log(points)
    spread = where.std(axis=0)
    varies = spread > 1e-12
    if not varies.any():
        return np.ones(len(points))
    count, dimensions = len(centres), int(varies.sum())
    bandwidth = spread[varies] * count ** (-1.0 / (dimensions + 4))  # Scott 1992
    distance = ((at[:, None, varies] - where[None, :, varies]) / bandwidth) ** 2  # (m, n, measures)
    exponent = -0.5 * distance.sum(axis=2)
    peak = exponent.max(axis=1)
    # Logarithm of the density; a point far from all centres has none that a float could hold.
    logarithm = peak + np.log(np.exp(exponent - peak[:, None]).mean(axis=1))
    # Capped at a million to one, which no float loses and which still leaves the emptiest place nearly the whole draw.
    logarithm = np.maximum(logarithm, logarithm.max() - np.log(1e6))
    return np.asarray(np.exp(logarithm.min() - logarithm))
