"""Cheap measures: what the loop charges for them, against timelines by hand; what benchmarks offer, against their arrays."""

import dataclasses
from dataclasses import dataclass, field

import numpy as np
import pytest
from clockwork import A, B, C, Clockwork, carry_out, script, times, who
from golden_table import golden_table
from small_table import ROWS, small_table

import nasbench.search
from nasbench.asktell import AskTell, AskTellError
from nasbench.measures import Column, columns_of
from nasbench.query import Measure, Observation, Query, QueryError, Submit
from nasbench.search import BUDGET, STALLED, STRATEGY, Measured, StrategyError
from nasbench.space import CELL201, SpaceError
from nasbench.synthetic import MEASURES, SyntheticBenchmark, drive, synthetic_measures
from nasbench.tabular import TabularBenchmark


@dataclass
class Scales(Clockwork):
    """Clockwork that measures: `size` is free, `proxy` costs half a second and `slow` four seconds an architecture."""

    prices: dict = field(default_factory=lambda: {"size": 0.0, "proxy": 0.5, "slow": 4.0})

    @property
    def measures(self):
        return tuple(self.prices)

    def measure(self, asked):
        values = np.array([[sum(one) + 100 * len(name) for name in asked.names] for one in asked.architectures], float)
        return values, np.broadcast_to([self.prices[name] for name in asked.names], values.shape)


def scaled(*proposals, budget=1000.0, told=None, **rules):
    return carry_out(script(*proposals, told=told), budget, Scales(), **rules)


# The loop -------------------------------------------------------------------------------------------------------------


def test_answer_is_an_array_of_architectures_by_names():
    told = []
    scaled(Measure((A, B, C), ("size", "proxy")), told=told)
    assert told[0].tolist() == [[400, 500], [401, 501], [402, 502]]


def test_seconds_are_charged_before_the_next_training():
    result = scaled(Measure((A, B, C), ("proxy", "size")), Query(A, 1), Measure((A,), ("slow",)), Query(B, 2))
    assert times(result) == [(1.5, 2.5), (6.5, 8.5)]
    assert result.measured == [
        Measured(("proxy", "size"), 6, 1.5, 1.5),
        Measured(("slow",), 1, 4.0, 6.5),
    ]
    assert result.ended == STRATEGY


def test_free_measures_take_no_time_and_are_not_logged():
    result = scaled(Measure((A, B), ("size",)), Query(A, 1))
    assert times(result) == [(0, 1)]
    assert result.measured == []


def test_asked_twice_in_a_run_costs_once():
    result = scaled(
        Measure((A, A, B), ("proxy", "proxy")), Measure((B, C), ("proxy",)), Measure((A, B, C), ("proxy",)), Query(A, 1)
    )
    assert [(one.count, one.seconds) for one in result.measured] == [(2, 1.0), (1, 0.5)]
    assert times(result) == [(1.5, 2.5)]


def test_architectures_of_one_cell_are_measured_once():
    benchmark = Scales(same={B: A})
    result = carry_out(script(Measure((A, B), ("proxy",)), Query(C, 1)), benchmark=benchmark)
    assert times(result) == [(0.5, 1.5)]


@pytest.mark.parametrize(("budget", "ended"), [(5.0, STRATEGY), (4.999, BUDGET)])
def test_measure_that_would_cross_the_budget_is_refused(budget, ended):
    result = scaled(Query(A, 1), Measure((A,), ("slow",)), budget=budget)
    assert (result.ended, len(result.measured), who(result)) == (ended, int(ended == STRATEGY), [A])


def test_a_worker_measures_while_the_others_train():
    proposals = [
        Submit(Query(A, 4)),
        Measure((A,), ("proxy",)),
        Submit(Query(B, 1)),
        Measure((A, B), ("slow",)),
        Query(C, 1),
    ]
    result = scaled(*proposals, workers=2)
    # A trains from 0 to 4, one worker measures from 0 to 0.5; B trains from 0.5 to 1.5; both are busy until then, so that the
    # next measure runs from 1.5 to 9.5.
    assert [(who(result)[i], times(result)[i]) for i in range(3)] == [(B, (0.5, 1.5)), (A, (0, 4)), (C, (9.5, 10.5))]


def test_free_measure_waits_for_no_worker():
    told = []
    result = scaled(Submit(Query(A, 4)), Measure((A,), ("size",)), Submit(Query(B, 1)), workers=2, told=told)
    assert times(result) == [(0, 1), (0, 4)]


def test_repeating_free_measures_stalls_and_new_ones_do_not(monkeypatch):
    monkeypatch.setattr(nasbench.search, "STALL", 20)
    repeated = scaled(*[Measure((A,), ("size",))] * 30, Query(A, 1))
    assert (repeated.ended, len(repeated.log)) == (STALLED, 0)
    every = [(i, j, k) for i in range(3) for j in range(3) for k in range(3)]
    new = scaled(*[Measure((one,), ("size",)) for one in every], Query(A, 1))
    assert (new.ended, len(new.log)) == (STRATEGY, 1)


def test_measuring_for_ever_stalls(monkeypatch):
    monkeypatch.setattr(nasbench.search, "MEASURE_STALL", 5)
    every = [(i, j, k) for i in range(3) for j in range(3) for k in range(3)]
    assert scaled(*[Measure((one,), ("size",)) for one in every]).ended == STALLED
    assert scaled(*[Measure((one,), ("proxy",)) for one in every]).ended == STRATEGY


@pytest.mark.parametrize("wrong", [Measure((), ("size",)), Measure((A,), ())])
def test_empty_measure_is_refused(wrong):
    with pytest.raises(StrategyError, match="at least one of each"):
        scaled(wrong)


def test_negative_seconds_are_refused():
    with pytest.raises(ValueError, match=r"charges -1\.0 seconds"):
        carry_out(script(Measure((A,), ("size",))), benchmark=Scales(prices={"size": -1.0}))


def test_charge_of_a_continued_training_keeps_the_objectives():
    class Two(Scales):
        def evaluate(self, query, seed):
            told = super().evaluate(query, seed)
            return Observation(told.query, told.validation_accuracy, told.cost, (1 - told.validation_accuracy, 7.0))

    result = carry_out(script(Query(A, 1), Query(A, 4)), benchmark=Two())
    assert [entry.observation.cost for entry in result.log] == [1.0, 3.0]
    for entry in result.log:
        assert entry.observation.objectives == (1 - entry.observation.validation_accuracy, 7.0)


# Benchmarks -----------------------------------------------------------------------------------------------------------


def sized_table(latency=None):
    """Return the small table with sizes of every row."""
    table = small_table()
    data = dataclasses.replace(
        table.dataset("plain"),
        parameters=np.array([10, 100, 200, 150, 300]),
        multiply_adds=np.array([5, 3, 9, 7, -1]),  # row 4 has no training
        extra={} if latency is None else {"latency_seconds": np.array(latency)},
    )
    return dataclasses.replace(table, datasets={"plain": data})


def test_table_offers_what_it_knows_of_every_trained_row():
    counted, fractions = golden_table().dataset("counted"), golden_table().dataset("fractions")
    assert sorted(columns_of(counted)) == []  # parameters and multiply-adds have a -1, latency a NaN
    assert sorted(columns_of(fractions)) == []
    assert TabularBenchmark(small_table(), "plain").measures == ()  # parameters of one trained row are unknown
    assert TabularBenchmark(sized_table(), "plain").measures == ("parameters", "multiply_adds")
    timed = TabularBenchmark(sized_table([0.1, 0.2, 0.3, 0.4, np.nan]), "plain")
    assert timed.measures == ("parameters", "multiply_adds", "latency")
    assert timed.measure(Measure((ROWS[2],), ("latency",)))[0].tolist() == [[0.3]]
    assert TabularBenchmark(sized_table([0.1, np.nan, 0.3, 0.4, 0.5]), "plain").measures == (
        "parameters",
        "multiply_adds",
    )


def test_table_answers_its_columns():
    table = sized_table()
    benchmark = TabularBenchmark(table, "plain")
    values, seconds = benchmark.measure(Measure((ROWS[2], ROWS[0]), ("multiply_adds", "parameters")))
    data = table.dataset("plain")
    assert values.tolist() == [[data.multiply_adds[row], data.parameters[row]] for row in (2, 0)]
    assert not seconds.any()


def test_further_columns_carry_their_price():
    count = len(sized_table().architectures)
    column = Column(np.arange(count) * 1.5, np.arange(count) * 0.25)
    benchmark = TabularBenchmark(sized_table(), "plain", columns={"zen": column})
    values, seconds = benchmark.measure(Measure((ROWS[1],), ("zen", "parameters")))
    assert (values[0, 0], seconds.tolist()) == (1.5, [[0.25, 0.0]])
    with pytest.raises(QueryError, match=r"'zen' of plain costs seconds.*free are \['parameters'"):
        TabularBenchmark(sized_table(), "plain", ("zen",), {"zen": column})


def test_observations_carry_error_and_objectives():
    table = sized_table()
    benchmark = TabularBenchmark(table, "plain", ("parameters", "multiply_adds"))
    told = benchmark.evaluate(Query(ROWS[2], benchmark.epochs[-1]), 1)
    data = table.dataset("plain")
    assert told.objectives == (1 - told.validation_accuracy, data.parameters[2], data.multiply_adds[2])
    assert TabularBenchmark(table, "plain").evaluate(Query(ROWS[2], benchmark.epochs[-1]), 1).objectives == ()


def test_unknown_measures_and_architectures_are_refused():
    benchmark = TabularBenchmark(sized_table(), "plain")
    with pytest.raises(QueryError, match=r"no measure 'beauty' for plain; it has \['parameters', 'multiply_adds'"):
        benchmark.measure(Measure((ROWS[0],), ("parameters", "beauty")))
    with pytest.raises(QueryError, match="no measure 'beauty'"):
        TabularBenchmark(sized_table(), "plain", ("beauty",))
    with pytest.raises(SpaceError):
        benchmark.measure(Measure(((9, 9, 9),), ("parameters",)))


# The plain loop and ask/tell -------------------------------------------------------------------------------------------


def test_plain_loop_answers_measures_and_ends_who_never_trains():
    benchmark = SyntheticBenchmark(CELL201)
    assert benchmark.measures == MEASURES
    asked = Measure((A * 2, B * 2), ("parameters", "zen"))
    told = []
    trace = drive(script(asked, Query(A * 2, 4), told=told)(None, None, None), lambda q: benchmark.evaluate(q, 0), 5)
    assert told[0].tolist() == synthetic_measures(asked).tolist() == benchmark.measure(asked)[0].tolist()
    assert (len(trace.queries), trace.ended) == (1, True)

    def measures_for_ever():
        while True:
            yield asked

    assert drive(measures_for_ever(), lambda q: benchmark.evaluate(q, 0), 5).queries == []


def test_ask_tell_measures_by_the_function_given():
    def smallest(space, rng, epochs):
        drawn = tuple(space.sample(rng) for _ in range(20))
        sizes = yield Measure(drawn, ("parameters",))
        yield Query(drawn[int(np.argmin(sizes[:, 0]))], epochs[-1])

    benchmark = SyntheticBenchmark(CELL201)
    search = AskTell(smallest, CELL201, np.random.default_rng(0), (4, 12), lambda asked: benchmark.measure(asked)[0])
    chosen = search.ask().architecture
    rng = np.random.default_rng(0)
    drawn = [CELL201.sample(rng) for _ in range(20)]
    assert chosen == min(drawn, key=lambda one: synthetic_measures(Measure((one,), ("parameters",)))[0, 0])
    with pytest.raises(AskTellError, match="give AskTell a function"):
        AskTell(smallest, CELL201, np.random.default_rng(0), (4, 12)).ask()
