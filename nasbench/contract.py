"""What every search strategy must keep in its search, check by check (part of `nasbench.testing`, which says how to use it).

A check is a function of a `Trial` that returns what went wrong, or None. Its name is its id and its docstring its reason.
What a strategy must keep beside searching is in `nasbench/conduct.py`.
"""

from __future__ import annotations

import copy
import random  # noqa: TID251 - to see that a strategy leaves it alone
import sys

import numpy as np

from nasbench.query import Measure, Observation, Query, Submit
from nasbench.space import CellSpace, SearchSpace
from nasbench.synthetic import EPOCHS, SyntheticBenchmark, drive, inverted_quality, quality
from nasbench.trial import LONG, SHORT, Trial, outside

THREE_NODES = CellSpace("three-nodes", 3, ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"))
TWO_OPERATIONS = CellSpace("two-operations", 4, ("skip_connect", "nor_conv_3x3"))
TWO_CELLS = CellSpace("two-cells", 2, ("skip_connect", "nor_conv_3x3"))

# What it asks ---------------------------------------------------------------------------------------------------------


def proposes_at_once(trial: Trial) -> str | None:
    """The first proposal needs no observation, and is of a kind that the loop knows."""
    search = trial.start()
    proposal = next(search)
    search.close()
    wanted = isinstance(proposal, (Query, Submit, Measure)) or (isinstance(proposal, tuple) and len(proposal) > 0)
    return (
        None
        if wanted
        else f"the first proposal is {proposal!r}, must be a Query, a tuple of queries, a Submit or a Measure"
    )


def proposes_as_declared(trial: Trial) -> str | None:
    """Loops and listings rely on METHOD: `asynchronous` says that it yields Submit, and only then does it."""
    submits = any(isinstance(proposal, Submit) for proposal, _ in trial.run(LONG).steps)
    declared = trial.strategy.method.asynchronous
    return (
        None
        if submits == declared
        else f"METHOD.asynchronous is {declared}, but it {'yields' if submits else 'never yields'} Submit"
    )


def stays_in_space(trial: Trial) -> str | None:
    """Every architecture asked for is one of the space, as a tuple of Python integers, which records can carry."""
    trace = trial.run(LONG)
    for number, query in enumerate(trace.queries):
        fault = outside(trial.space, query.architecture)
        if fault:
            return f"query {number}: {fault}"
    for proposal, _ in trace.steps:
        for architecture in proposal.architectures if isinstance(proposal, Measure) else ():
            fault = outside(trial.space, architecture)
            if fault:
                return f"measure: {fault}"
    return None


def stays_in_fidelities(trial: Trial) -> str | None:
    """Every query asks for a number of epochs on offer; several of them exactly if METHOD.fidelities says so."""
    asked = {query.epochs for query in trial.run(LONG).queries}
    if not asked <= set(EPOCHS):
        return f"it asks for epochs {sorted(asked)}, on offer are {EPOCHS}"
    if trial.strategy.method.fidelities:
        return None if len(asked) > 1 else f"METHOD.fidelities is True, but it asks for {asked} epochs alone"
    return None if asked == {EPOCHS[-1]} else f"METHOD.fidelities is False, but it asks for epochs {sorted(asked)}"


def lives_with_one_fidelity(trial: Trial) -> str | None:
    """A table with a single fidelity, such as the published NAS-Bench-201 results, serves every strategy."""
    asked = {query.epochs for query in trial.run(SHORT, epochs=(200,)).queries}
    return None if asked == {200} else f"it asks for epochs {sorted(asked)}, on offer is 200"


def lives_with_many_fidelities(trial: Trial) -> str | None:
    """Fidelities need be no powers of anything."""
    for offered in (tuple(range(1, 26)), (3, 7, 50), (1, 1000)):
        asked = {query.epochs for query in trial.run(LONG, epochs=offered).queries}
        if not asked <= set(offered):
            return f"it asks for epochs {sorted(asked)}, on offer are {offered}"
    return None


def lives_with_three_nodes(trial: Trial) -> str | None:
    """Nothing outside a space's own file may assume six edges."""
    return _in_space(trial, THREE_NODES)


def lives_with_two_operations(trial: Trial) -> str | None:
    """Nothing may assume five operations, or that there is a third one to mutate to."""
    return _in_space(trial, TWO_OPERATIONS)


def _in_space(trial: Trial, space: SearchSpace) -> str | None:
    faults = [outside(space, query.architecture) for query in trial.run(LONG, space=space).queries]
    return next((fault for fault in faults if fault), None)


def outlives_the_space(trial: Trial) -> str | None:
    """With every architecture trained it returns or goes on asking, but never thinks forever."""
    report = trial.isolated(queries=SHORT, space=TWO_CELLS)
    return f"in a space of two cells: {report['error']}" if report["error"] else None


# Reproducibility ------------------------------------------------------------------------------------------------------


def repeats_itself(trial: Trial) -> str | None:
    """The same seed gives the same run, else no number in a paper can be checked."""
    return _difference(trial.run(LONG).queries, trial.run(LONG).queries, "two runs with one seed")


def repeats_itself_elsewhere(trial: Trial) -> str | None:
    """So it does in another process, whose strings hash otherwise and whose memory addresses differ."""
    report = trial.isolated()
    if report["error"]:
        return f"in another process: {report['error']}"
    elsewhere = [Query(tuple(architecture), epochs) for architecture, epochs in report["queries"]]
    return _difference(trial.run(LONG).queries, elsewhere, "two processes")


def varies_with_the_seed(trial: Trial) -> str | None:
    """Another seed gives another run, else 500 runs are one."""
    first, second = trial.run(LONG, seed=0).queries, trial.run(LONG, seed=1).queries
    return "seeds 0 and 1 give the same run" if first == second else None


def keeps_runs_apart(trial: Trial) -> str | None:
    """Two runs side by side in one process don't meet, in a module's variables for instance."""
    benchmark = SyntheticBenchmark(trial.space)
    alone = trial.run(SHORT).queries

    def evaluate(query: Query) -> Observation:
        # Between any two steps of the run, another one makes a step of its own.
        drive(trial.start(seed=1), lambda other: benchmark.evaluate(other, 1), 2)
        return benchmark.evaluate(query, 0)

    return _difference(alone, drive(trial.start(), evaluate, SHORT).queries, "a run alone and one beside others")


def leaves_global_generators(trial: Trial) -> str | None:
    """Randomness comes through the generator passed in; the global ones of random, numpy and torch are other people's."""
    found_random, found_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    # A state that no strategy leaves behind, so that seeding and then drawing shows as well.
    random.seed("nasbench")
    np.random.seed(20190127)  # noqa: NPY002
    try:
        before = _global_states()
        trial.run(LONG)
        after = _global_states()
    finally:
        random.setstate(found_random)
        np.random.set_state(found_numpy)  # noqa: NPY002
    moved = [name for name, state in before.items() if state != after.get(name)]
    return f"it moved the global generator of {' and '.join(moved)}" if moved else None


def _global_states() -> dict[str, str]:
    states = {"random": repr(random.getstate()), "numpy.random": repr(np.random.get_state(legacy=False))}  # noqa: NPY002
    if "torch" in sys.modules:
        states["torch"] = repr(sys.modules["torch"].get_rng_state().tolist())
    return states


def resumes(trial: Trial) -> str | None:
    """A killed run goes on from its records: told the same answers, as new objects, it proposes the same again."""
    recorded = trial.run(LONG)
    search, answer = trial.start(), None
    for number, (proposal, told) in enumerate(recorded.steps):
        again = search.send(answer)
        if again != proposal:
            return f"proposal {number} was {proposal}, and is {again} in the replay"
        answer = copy.deepcopy(told)
    search.close()
    return None


def _difference(first: list[Query], second: list[Query], what: str) -> str | None:
    if first == second:
        return None
    number = next(
        (i for i, pair in enumerate(zip(first, second, strict=False)) if pair[0] != pair[1]),
        min(len(first), len(second)),
    )
    return f"{what} differ from query {number} on ({len(first)} and {len(second)} queries)"


# Answers of all kinds -------------------------------------------------------------------------------------------------


def bears_ties(trial: Trial) -> str | None:
    """Every training may diverge (accuracy 0), or all may be equally good: no division by a spread of zero."""
    for accuracy in (0.0, 0.5, 1.0):
        trace = drive(trial.start(), lambda query, value=accuracy: Observation(query, value, 1.0), LONG)  # type: ignore[misc]
        fault = next((fault for query in trace.queries if (fault := outside(trial.space, query.architecture))), None)
        if fault:
            return f"with every accuracy {accuracy}: {fault}"
    return None


def bears_any_cost(trial: Trial) -> str | None:
    """Costs may be all equal, zero (a duplicate that is free), or differ by fifteen orders of magnitude."""
    for seconds in (lambda query: 1.0, lambda query: 0.0, lambda query: 10.0 ** (sum(query.architecture) % 16 - 6)):
        trial.run(LONG, seconds=seconds)
    return None


def uses_answers(trial: Trial) -> str | None:
    """A method that proposes the same whatever it is told is random search, or follows a proxy, and says so in METHOD.family."""
    if trial.strategy.method.family in ("random", "proxy"):
        return None
    same = trial.run(LONG).queries == trial.run(LONG, rate=inverted_quality).queries
    return "its queries are the same when good and bad are exchanged" if same else None


def prefers_better(trial: Trial) -> str | None:
    """Accuracy is to be maximised: exchanging good and bad must not lead to better architectures (a sign error does)."""
    grades = {}
    for rate in (quality, inverted_quality):
        asked = [query for seed in range(3) for query in trial.run(LONG, seed=seed, rate=rate).queries[LONG // 2 :]]
        grades[rate] = [quality(trial.space.choices, query.architecture) for query in asked]
    if not grades[quality] or not grades[inverted_quality]:
        return None
    loss = float(np.mean(grades[inverted_quality]) - np.mean(grades[quality]))
    # Random proposals: the difference of two means of 225 has standard error 0.09 of the standard deviation.
    limit = 0.4 * float(np.std([quality(trial.space.choices, query.architecture) for query in _random(trial.space)]))
    return (
        None
        if loss < limit
        else f"told that bad is good, it finds better architectures (by {loss:.3f}, limit {limit:.3f})"
    )


def _random(space: SearchSpace) -> list[Query]:
    rng = np.random.default_rng(0)
    return [Query(space.sample(rng), 1) for _ in range(1000)]
