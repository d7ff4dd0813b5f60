"""The loop under random strategies: invariants, a naive ledger, and list scheduling by its textbook definition."""

import itertools

import numpy as np
from clockwork import A, B, C, Clockwork, D, E, script
from hypothesis import given, settings
from hypothesis import strategies as st

from nasbench.query import Query, Submit
from nasbench.search import BUDGET, Rules, run

# Random strategies ----------------------------------------------------------------------------------------------------

queries = st.builds(Query, st.sampled_from([A, B, C, D, E]), st.sampled_from([1, 2, 4]))
proposals = queries | st.lists(queries, min_size=1, max_size=5).map(tuple) | st.builds(Submit, queries)
rules = st.builds(
    Rules,
    duplicates=st.sampled_from(["charge", "free"]),
    promotion=st.sampled_from(["continue", "from_scratch"]),
    workers=st.integers(1, 4),
)
SECONDS = {A: 0.5, B: 1.0, C: 1.0, D: 2.0, E: 3.25}  # sums of these are exact


def asked_in(proposal):
    if isinstance(proposal, Query):
        return [proposal]
    return [proposal.query] if isinstance(proposal, Submit) else list(proposal)


@settings(max_examples=300)
@given(st.lists(proposals, max_size=25), rules, st.sampled_from([1.0, 7.5, 20.0, 60.0, 1e6]))
def test_random_mixtures_keep_the_invariants(plan, rules, budget):
    told = []
    benchmark = Clockwork(SECONDS)
    result = run(script(*plan, told=told), benchmark, budget, np.random.SeedSequence(1), rules=rules)
    log = result.log

    # Every line fits between 0 and the budget, takes what it was charged, and they stand in order of finishing.
    assert all(0 <= entry.started <= entry.finished <= budget for entry in log)
    assert all(entry.started + entry.observation.cost == entry.finished for entry in log)
    assert [entry.finished for entry in log] == sorted(entry.finished for entry in log)

    # No more trainings at a time than workers: +1 where one starts, -1 where one ends, ends first.
    moments = sorted(
        moment for entry in log if entry.observation.cost for moment in ((entry.started, 1), (entry.finished, -1))
    )
    assert max(itertools.accumulate(step for _, step in moments), default=0) <= rules.workers

    # What was started is what was asked, in order, up to the refused query; nothing is lost or doubled.
    planned = [query for proposal in plan for query in asked_in(proposal)]
    started = benchmark.asked
    assert [query for query, _ in started] == planned[: len(started)]
    refused = result.ended == BUDGET
    assert len(log) == len(started) - refused
    assert refused or len(started) == len(planned)
    paid = started[: len(log)]
    assert sorted((e.observation.query.architecture, e.observation.query.epochs, e.seed) for e in log) == sorted(
        (query.architecture, query.epochs, seed) for query, seed in paid
    )

    # The strategy is told what the log says, each line at most once, awaited ones in the order asked.
    lines = [entry.observation for entry in log]
    heard = []
    for proposal, answer in zip(plan, told, strict=False):
        heard.extend(answer if isinstance(answer, tuple) else [answer])
        if not isinstance(proposal, Submit):
            answers = answer if isinstance(proposal, tuple) else (answer,)
            assert [told_one.query for told_one in answers] == asked_in(proposal)
    for observation in heard:
        lines.remove(observation)  # raises if it was never logged, or told twice
    if rules.workers == 1:
        assert log == [] or log[-1].finished == sum(entry.observation.cost for entry in log)

    again = run(script(*plan), Clockwork(SECONDS), budget, np.random.SeedSequence(1), rules=rules)
    assert again.log == log


def ledger(planned, rules, budget, seed_of):
    """Charge queries one after the other, as the rules say it in words: [(seed, cost)] until the budget is crossed."""
    cells, clock, lines = {}, 0.0, []
    for query in planned:
        trainings = cells.setdefault(query.architecture, [])  # of (seed, epochs reached)
        full = SECONDS[query.architecture] * query.epochs
        reach = [seed for seed, epochs in trainings if epochs >= query.epochs]
        if rules.duplicates == "free" and reach:
            seed, cost = reach[-1], 0.0
        elif rules.promotion == "continue" and (short := [one for one in trainings if one[1] < query.epochs]):
            seed, done = short[-1]  # the training begun last of those that have not come so far
            cost = full - SECONDS[query.architecture] * done
            trainings[trainings.index(short[-1])] = (seed, query.epochs)
        else:
            seed, cost = (trainings[-1][0] + 1 if trainings else seed_of[query.architecture]), full
            trainings.append((seed, query.epochs))
        if clock + cost > budget:
            break
        clock += cost
        lines.append((seed, cost))
    return lines


@settings(max_examples=300)
@given(st.lists(queries, max_size=30), rules, st.sampled_from([7.5, 20.0, 60.0, 1e6]))
def test_one_worker_charges_as_a_naive_ledger(planned, rules, budget):
    one = Rules(rules.duplicates, rules.promotion)
    result = run(script(*planned), Clockwork(SECONDS), budget, np.random.SeedSequence(2), rules=one)
    cells = list(dict.fromkeys(query.architecture for query in planned))
    fresh = np.random.default_rng(np.random.SeedSequence(2).spawn(2)[1]).integers(2**31, size=256).tolist()
    expected = ledger(planned, one, budget, dict(zip(cells, fresh, strict=False)))
    assert [(entry.seed, entry.observation.cost) for entry in result.log] == expected


@settings(max_examples=200)
@given(st.lists(queries.map(Submit), max_size=25), st.integers(1, 4))
def test_submissions_alone_are_list_scheduling(plan, workers):
    """Each submission goes to the worker that is free first: Graham's list scheduling, by its textbook definition."""
    rules = Rules(promotion="from_scratch", workers=workers)
    result = run(script(*plan), Clockwork(SECONDS), 1e6, np.random.SeedSequence(3), rules=rules)
    free = [0.0] * workers
    expected = []
    for number, submission in enumerate(plan):
        worker = free.index(min(free))
        start = free[worker]
        free[worker] += SECONDS[submission.query.architecture] * submission.query.epochs
        expected.append((free[worker], number, start))
    expected.sort()
    assert [(entry.finished, entry.started) for entry in result.log] == [(end, start) for end, _, start in expected]
