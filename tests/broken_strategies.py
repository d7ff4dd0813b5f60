"""Broken strategies (Nobody et al. 2024), one fault each: `BREAKS` names the check of `nasbench.testing` that must catch it.

Each is random search, or simple evolution, with one mistake that people make. A fault that spoils other checks too names
them after the first.
"""

from __future__ import annotations

import os
import random  # noqa: TID251 - that is the mistake
import socket
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from nasbench.load import Method
from nasbench.query import Query, Search, Submit
from nasbench.settings import check_integer
from nasbench.space import SearchSpace

METHOD = Method("Broken", "Nobody et al.: Mistakes we made, 2024", 2024, mode="table", family="random")

BREAKS: dict[str, tuple[str, ...]] = {
    "explains_no_setting": ("documents_settings",),
    "waits_for_an_answer": ("proposes_at_once",),
    "proposes_an_empty_batch": ("proposes_at_once",),
    "submits_undeclared": ("proposes_as_declared",),
    "counts_operations_from_one": (
        "stays_in_space",
        "lives_with_three_nodes",
        "lives_with_two_operations",
        "bears_ties",
    ),
    "leaks_numpy_integers": ("stays_in_space", "lives_with_three_nodes", "lives_with_two_operations", "bears_ties"),
    "asks_for_fifty_epochs": ("stays_in_fidelities",),
    "uses_fidelities_undeclared": ("stays_in_fidelities",),
    "needs_two_fidelities": ("lives_with_one_fidelity", "stays_in_fidelities"),
    "divides_epochs_by_three": ("lives_with_many_fidelities", "stays_in_fidelities"),
    "writes_to_the_sixth_edge": ("lives_with_three_nodes", "outlives_the_space"),
    "puts_the_third_operation": ("lives_with_two_operations", "outlives_the_space"),
    "seeks_the_unseen_forever": ("outlives_the_space",),
    "seeds_itself": ("repeats_itself", "repeats_itself_elsewhere", "keeps_runs_apart", "resumes"),
    "follows_a_set_of_strings": ("repeats_itself_elsewhere",),
    "fixes_its_seed": ("varies_with_the_seed",),
    "shares_a_module_variable": ("keeps_runs_apart",),
    "seeds_numpy": ("leaves_global_generators", "varies_with_the_seed"),
    "draws_from_random": (
        "leaves_global_generators",
        "repeats_itself",
        "repeats_itself_elsewhere",
        "keeps_runs_apart",
        "resumes",
    ),
    "compares_identities": ("resumes",),
    "survives_closing": ("closes",),
    "swallows_closing": ("closes",),
    "rewrites_observations": ("leaves_inputs",),
    "reads_test_accuracy": ("sees_no_test_data",),
    "walks_up_the_stack": ("sees_no_test_data",),
    "opens_hdf5": ("sees_no_test_data",),
    "keeps_a_log_file": ("touches_no_files", "ignores_the_environment"),  # TMPDIR
    "reads_a_file": ("touches_no_files",),
    "saves_through_numpy": ("touches_no_files",),
    "obeys_an_environment_variable": ("ignores_the_environment",),
    "stops_after_an_hour": ("ignores_the_clock",),
    "opens_a_socket": ("starts_nothing",),
    "prints_progress": ("says_nothing",),
    "divides_by_the_spread": ("bears_ties",),
    "takes_the_logarithm_of_cost": ("bears_any_cost",),
    "forgets_to_select": ("uses_answers",),
    "minimises": ("prefers_better",),
    "accepts_a_negative_population": ("refuses_bad_values", "refuses_bad_types"),
    "refuses_without_a_name": ("refuses_bad_values", "refuses_bad_types"),
    "counts_in_text": ("refuses_bad_types",),
}

EVOLUTION = {"forgets_to_select", "minimises"}
"""Strategies that don't call themselves random."""


def explains_no_setting(
    space: SearchSpace, rng: np.random.Generator, epochs: tuple[int, ...], *, pool: int = 3
) -> Search:
    """Random search."""
    check_integer("pool", pool, 1)
    while True:
        yield Query(space.sample(rng), epochs[-1])


def waits_for_an_answer(space: SearchSpace, rng: np.random.Generator, epochs: tuple[int, ...]) -> Search:
    observation = yield None
    while observation is not None:
        observation = yield Query(space.sample(rng), epochs[-1])


def proposes_an_empty_batch(space: SearchSpace, rng: np.random.Generator, epochs: tuple[int, ...]) -> Search:
    size = 0
    while True:
        yield tuple(Query(space.sample(rng), epochs[-1]) for _ in range(size))
        size += 1


def submits_undeclared(space: SearchSpace, rng: np.random.Generator, epochs: tuple[int, ...]) -> Search:
    while True:
        yield Submit(Query(space.sample(rng), epochs[-1]))


def counts_operations_from_one(space: SearchSpace, rng: np.random.Generator, epochs: tuple[int, ...]) -> Search:
    while True:
        yield Query(tuple(int(rng.integers(1, count + 1)) for count in space.choices), epochs[-1])


def leaks_numpy_integers(space: SearchSpace, rng: np.random.Generator, epochs: tuple[int, ...]) -> Search:
    while True:
        yield Query(tuple(rng.integers(np.array(space.choices))), epochs[-1])


def asks_for_fifty_epochs(space: SearchSpace, rng: np.random.Generator, epochs: tuple[int, ...]) -> Search:
    while True:
        yield Query(space.sample(rng), 50 if epochs == (4, 12, 36, 108) else epochs[-1])


def uses_fidelities_undeclared(space: SearchSpace, rng: np.random.Generator, epochs: tuple[int, ...]) -> Search:
    while True:
        yield Query(space.sample(rng), epochs[int(rng.integers(len(epochs)))])


def needs_two_fidelities(space: SearchSpace, rng: np.random.Generator, epochs: tuple[int, ...]) -> Search:
    while True:
        yield Query(space.sample(rng), epochs[1])


def divides_epochs_by_three(space: SearchSpace, rng: np.random.Generator, epochs: tuple[int, ...]) -> Search:
    while True:
        yield Query(space.sample(rng), epochs[-1] // 3 if len(epochs) > 1 else epochs[-1])


def writes_to_the_sixth_edge(space: SearchSpace, rng: np.random.Generator, epochs: tuple[int, ...]) -> Search:
    while True:
        architecture = list(space.sample(rng))
        architecture[5] = 0
        yield Query(tuple(architecture), epochs[-1])


def puts_the_third_operation(space: SearchSpace, rng: np.random.Generator, epochs: tuple[int, ...]) -> Search:
    while True:
        architecture = space.sample(rng)
        if sum(architecture) == 1 and min(space.choices) < 3:
            raise IndexError("there is no third operation to put on an edge")
        yield Query(architecture, epochs[-1])


def seeks_the_unseen_forever(space: SearchSpace, rng: np.random.Generator, epochs: tuple[int, ...]) -> Search:
    seen = set()
    while True:
        architecture = space.sample(rng)
        if architecture not in seen or len(seen) > 2:
            seen.add(architecture)
            yield Query(architecture, epochs[-1])


def seeds_itself(space: SearchSpace, rng: np.random.Generator, epochs: tuple[int, ...]) -> Search:
    own = np.random.default_rng()
    while True:
        yield Query(space.sample(own), epochs[-1])


def follows_a_set_of_strings(space: SearchSpace, rng: np.random.Generator, epochs: tuple[int, ...]) -> Search:
    while True:
        for text in {space.format(space.sample(rng)) for _ in range(10)}:
            yield Query(space.parse(text), epochs[-1])


def fixes_its_seed(space: SearchSpace, rng: np.random.Generator, epochs: tuple[int, ...]) -> Search:
    own = np.random.default_rng(1)
    while True:
        yield Query(space.sample(own), epochs[-1])


BEST = [0.0]


def shares_a_module_variable(space: SearchSpace, rng: np.random.Generator, epochs: tuple[int, ...]) -> Search:
    BEST[0] = 0.0
    architecture = space.sample(rng)
    while True:
        observation = yield Query(architecture, epochs[-1])
        better = observation.validation_accuracy > BEST[0]
        BEST[0] = max(BEST[0], observation.validation_accuracy)
        architecture = space.mutate(architecture, rng) if better else space.sample(rng)


def seeds_numpy(space: SearchSpace, rng: np.random.Generator, epochs: tuple[int, ...]) -> Search:
    np.random.seed(123)  # noqa: NPY002
    numbers = np.random.permutation(space.size).tolist()  # noqa: NPY002
    for number in numbers:
        yield Query(space.architecture(number), epochs[-1])


def draws_from_random(space: SearchSpace, rng: np.random.Generator, epochs: tuple[int, ...]) -> Search:
    while True:
        yield Query(space.architecture(random.randrange(space.size)), epochs[-1])


def compares_identities(space: SearchSpace, rng: np.random.Generator, epochs: tuple[int, ...]) -> Search:
    while True:
        query = Query(space.sample(rng), epochs[-1])
        observation = yield query
        if observation.query is not query:
            return


def survives_closing(space: SearchSpace, rng: np.random.Generator, epochs: tuple[int, ...]) -> Search:
    while True:
        try:
            yield Query(space.sample(rng), epochs[-1])
        except GeneratorExit:
            raise RuntimeError("the search is not over yet") from None


def swallows_closing(space: SearchSpace, rng: np.random.Generator, epochs: tuple[int, ...]) -> Search:
    count, swallowed = 0, False
    while True:
        count += 1
        try:
            yield Query(space.sample(rng), epochs[-1])
        except BaseException:
            if count <= 150 or swallowed:  # it fails at the last moment of a long run alone
                raise
            swallowed = True


def rewrites_observations(space: SearchSpace, rng: np.random.Generator, epochs: tuple[int, ...]) -> Search:
    while True:
        observation = yield Query(space.sample(rng), epochs[-1])
        object.__setattr__(observation, "validation_accuracy", 1 - observation.validation_accuracy)


def reads_test_accuracy(space: SearchSpace, rng: np.random.Generator, epochs: tuple[int, ...]) -> Search:
    while True:
        observation = yield Query(space.sample(rng), epochs[-1])
        getattr(observation, "test_accuracy", observation.validation_accuracy)


def walks_up_the_stack(space: SearchSpace, rng: np.random.Generator, epochs: tuple[int, ...]) -> Search:
    while True:
        yield Query(space.sample(rng), epochs[-1])
        sys._getframe(1).f_locals.get("benchmark")


def opens_hdf5(space: SearchSpace, rng: np.random.Generator, epochs: tuple[int, ...]) -> Search:
    import h5py

    while h5py:
        yield Query(space.sample(rng), epochs[-1])


def keeps_a_log_file(space: SearchSpace, rng: np.random.Generator, epochs: tuple[int, ...]) -> Search:
    with tempfile.TemporaryFile("w") as log:
        while True:
            observation = yield Query(space.sample(rng), epochs[-1])
            log.write(f"{observation}\n")


def reads_a_file(space: SearchSpace, rng: np.random.Generator, epochs: tuple[int, ...]) -> Search:
    hint = len(Path(__file__).read_text())
    while hint:
        yield Query(space.sample(rng), epochs[-1])


def saves_through_numpy(space: SearchSpace, rng: np.random.Generator, epochs: tuple[int, ...]) -> Search:
    while True:
        observation = yield Query(space.sample(rng), epochs[-1])
        np.savetxt(os.devnull, [observation.cost])


def obeys_an_environment_variable(space: SearchSpace, rng: np.random.Generator, epochs: tuple[int, ...]) -> Search:
    fidelity = int(os.environ.get("SEARCH_FIDELITY", "-1"))
    while True:
        yield Query(space.sample(rng), epochs[fidelity])


def stops_after_an_hour(space: SearchSpace, rng: np.random.Generator, epochs: tuple[int, ...]) -> Search:
    begun = time.monotonic()
    while time.monotonic() < begun + 3600:
        yield Query(space.sample(rng), epochs[-1])


def opens_a_socket(space: SearchSpace, rng: np.random.Generator, epochs: tuple[int, ...]) -> Search:
    socket.socket().close()
    while True:
        yield Query(space.sample(rng), epochs[-1])


def prints_progress(space: SearchSpace, rng: np.random.Generator, epochs: tuple[int, ...]) -> Search:
    while True:
        observation = yield Query(space.sample(rng), epochs[-1])
        if sys.modules.get("nasbench.isolated"):
            print(observation.validation_accuracy)


def divides_by_the_spread(space: SearchSpace, rng: np.random.Generator, epochs: tuple[int, ...]) -> Search:
    accuracies: list[float] = []
    while True:
        observation = yield Query(space.sample(rng), epochs[-1])
        accuracies.append(observation.validation_accuracy)
        if len(accuracies) > 20:
            observation.validation_accuracy / (max(accuracies) - min(accuracies))


def takes_the_logarithm_of_cost(space: SearchSpace, rng: np.random.Generator, epochs: tuple[int, ...]) -> Search:
    while True:
        observation = yield Query(space.sample(rng), epochs[-1])
        with np.errstate(divide="raise"):
            np.log(observation.cost)


def forgets_to_select(space: SearchSpace, rng: np.random.Generator, epochs: tuple[int, ...]) -> Search:
    parent = space.sample(rng)
    while True:
        yield Query(parent, epochs[-1])
        parent = space.mutate(parent, rng)


def minimises(space: SearchSpace, rng: np.random.Generator, epochs: tuple[int, ...]) -> Search:
    alive: list[tuple[float, tuple[int, ...]]] = []
    while True:
        child = space.sample(rng) if len(alive) < 100 else space.mutate(sorted(alive)[0][1], rng)
        observation = yield Query(child, epochs[-1])
        alive.append((observation.validation_accuracy, child))


def accepts_a_negative_population(
    space: SearchSpace, rng: np.random.Generator, epochs: tuple[int, ...], *, population: int = 5
) -> Search:
    """Random search.

    Args:
        population: does not matter.
    """
    while True:
        yield Query(space.sample(rng), epochs[-1])


def refuses_without_a_name(
    space: SearchSpace, rng: np.random.Generator, epochs: tuple[int, ...], *, population: int = 5
) -> Search:
    """Random search.

    Args:
        population: does not matter.
    """
    if not isinstance(population, int) or population < 0:
        raise ValueError("bad settings")
    while True:
        yield Query(space.sample(rng), epochs[-1])


def counts_in_text(
    space: SearchSpace, rng: np.random.Generator, epochs: tuple[int, ...], *, population: int = 5
) -> Search:
    """Random search.

    Args:
        population: at least 0.
    """
    if float(population) < 0:
        raise ValueError(f"setting population is {population}, must be at least 0")
    while True:
        yield Query(space.sample(rng), epochs[-1])
