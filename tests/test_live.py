"""Live answers against the table's: the same observations, the same costs, the same ends of searches; and resuming by replay."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from broken_trainers import BROKEN, plan, tiny_recipe
from test_build import flat_cost, rehearse

from nasbench.build_folder import BuildError, read_journals
from nasbench.chunk_worker import LiveTraining
from nasbench.cost import CostError
from nasbench.experiment import carry_out
from nasbench.live import LiveBenchmark, live_benchmark_of, retrain
from nasbench.made_by import cost_model_of, environment_of, parse_ranges, recipe_of
from nasbench.protocol import read_protocol
from nasbench.query import Measure, Query, QueryError
from nasbench.recipe import load_recipe
from nasbench.rehearsal import REHEARSAL, RehearsalTrainer
from nasbench.results import ConflictError
from nasbench.sealed import open_table, seal
from nasbench.space import SpaceError
from nasbench.table import Table, TableError
from nasbench.tabular import TabularBenchmark

RECIPE = tiny_recipe(evaluate_every=2)
SPACE = RECIPE.cell_space


def live(folder=None, *, device="rehearsal:0", trainer=REHEARSAL, recipe=RECIPE):
    return LiveBenchmark(recipe, flat_cost(recipe), folder, device=device, trainer=trainer)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("table")
    report = rehearse(folder / "b", folder / "t.h5", recipe=RECIPE, cost_model=flat_cost(RECIPE))
    return open_table(report.table)


def test_every_answer_is_the_table_s(table):
    """All 125 architectures, all fidelities, more seeds than repeats: equal observations, diverged ones included."""
    tabular = TabularBenchmark(table, "digits")
    lost = 0
    with live() as benchmark:
        assert (benchmark.epochs, benchmark.dataset, benchmark.space) == (tabular.epochs, "digits", SPACE)
        for architecture in SPACE:
            assert benchmark.cell(architecture) == tabular.cell(architecture)
            for seed in range(4):
                assert benchmark.repeat(architecture, seed) == tabular.repeat(architecture, seed)
                for epochs in benchmark.epochs:
                    query = Query(architecture, epochs)
                    found = benchmark.evaluate(query, seed)
                    assert found == tabular.evaluate(query, seed)
                    lost += found.validation_accuracy == 0.0
        assert lost > 0
        # one group for a cell's repeats: at 2 epochs, and again at 4
        assert benchmark.trained == 2 * 60


def test_sizes_and_objectives_are_the_table_s(table):
    names = ("parameters", "multiply_adds")
    tabular = TabularBenchmark(table, "digits", names)
    asked = Measure(tuple(SPACE), names)
    with LiveBenchmark(
        RECIPE, flat_cost(RECIPE), device="rehearsal:0", trainer=REHEARSAL, objectives=names
    ) as benchmark:
        assert benchmark.measures == tabular.measures == names
        for found, expected in zip(benchmark.measure(asked), tabular.measure(asked), strict=True):
            np.testing.assert_array_equal(found, expected)
        query = Query((3, 1, 3), 4)
        assert benchmark.evaluate(query, 1) == tabular.evaluate(query, 1)
        assert len(benchmark.evaluate(query, 1).objectives) == 3
        with pytest.raises(QueryError, match="no measure 'latency' for digits"):
            benchmark.measure(Measure(((3, 1, 3),), ("latency",)))


def test_a_protocol_answered_by_training_leaves_the_table_s_records(table, tmp_path):
    """`nasbench run PROTOCOL --live`: every array equal; a second run asks for nothing."""
    path = tmp_path / "tiny.h5"
    seal(table, path)
    (tmp_path / "p.toml").write_text(
        textwrap.dedent("""
            name = "tiny"
            version = "1.0"
            title = "Tiny"
            table = "tiny.h5"
            runs = 3
            checkpoints = [1.0]
            problems = [{dataset = "digits", budget = 40}]
            entrants = [
              {name = "random-search", strategy = "random_search"},
              {name = "hyperband", strategy = "hyperband"},
            ]
        """)
    )
    protocol = read_protocol(tmp_path / "p.toml")
    training = LiveTraining(tmp_path / "live" / "trainings", "rehearsal:0", trainer=REHEARSAL)
    with pytest.raises(ValueError, match="workers is 2, must be 1 for live training"):
        carry_out(protocol, path, tmp_path / "live", 2, live=training)
    assert carry_out(protocol, path, tmp_path / "table", 1).computed == 6
    assert carry_out(protocol, path, tmp_path / "live", 1, live=training).computed == 6
    assert carry_out(protocol, path, tmp_path / "live", 1, live=training).computed == 0
    for entrant in ("random-search", "hyperband"):
        name = f"runs/digits/{entrant}/00000-00002.npz"
        with np.load(tmp_path / "table" / name) as looked_up, np.load(tmp_path / "live" / name) as trained:
            assert len(trained["score"]) > 6
            for array in set(trained.files) - {"overhead"}:
                np.testing.assert_array_equal(trained[array], looked_up[array])
    assert read_journals(tmp_path / "live" / "trainings", RECIPE)


def test_the_longest_training_first_serves_all_shorter_ones():
    with live() as benchmark:
        for epochs in (4, 2):
            for seed in (1, 0, 7):
                benchmark.evaluate(Query((3, 3, 3), epochs), seed)
        assert benchmark.trained == 1


def test_questions_that_have_no_answer():
    with live() as benchmark:
        with pytest.raises(QueryError, match=r"3 epochs are not evaluated by recipe tiny; it has \(2, 4\)"):
            benchmark.evaluate(Query((0, 0, 0), 3), 0)
        with pytest.raises(SpaceError, match="has 2 edges"):
            benchmark.evaluate(Query((0, 0), 4), 0)
        assert benchmark.trained == 0
    with pytest.raises(CostError, match="is of recipe tiny"):
        LiveBenchmark(RECIPE, flat_cost(tiny_recipe(seed=5)), trainer=REHEARSAL)


def test_what_was_trained_is_replayed(tmp_path):
    queries = [
        (Query(SPACE.architecture(index), epochs), seed) for index in (3, 77, 124) for epochs, seed in ((2, 0), (4, 5))
    ]
    with live(tmp_path / "l") as first:
        answers = [first.evaluate(*query) for query in queries]
        assert first.trained == 6
    with live(tmp_path / "l") as second:
        assert [second.evaluate(*query) for query in queries] == answers
        assert second.trained == 0
        second.evaluate(Query(SPACE.architecture(SPACE.classes[50][0]), 4), 0)
        assert second.trained == 1
    with live(tmp_path / "l", device="no device: it is not needed") as third:
        assert third.evaluate(Query(SPACE.architecture(SPACE.classes[50][0]), 2), 0).query.epochs == 2
        assert third.trained == 0


def test_a_killed_live_run_goes_on_where_it_was(tmp_path):
    """SIGKILL in the middle of the fourth training; the next run asks the same and trains only what is missing."""
    program = textwrap.dedent(
        """
        import os, sys
        from pathlib import Path
        sys.path.insert(0, sys.argv[2])
        from broken_trainers import BROKEN
        from test_live import live, Query, SPACE
        with live(Path(sys.argv[1]) / "l", trainer=BROKEN, device=sys.argv[3]) as benchmark:
            for index in range(10, 16):
                print(benchmark.evaluate(Query(SPACE.architecture(SPACE.classes[index][0]), 4), 0).validation_accuracy, flush=True)
            print("trained", benchmark.trained)
        """
    )
    device = plan(tmp_path / "plan", groups={"13": ["kill"]})
    command = [sys.executable, "-c", program, str(tmp_path), str(Path(__file__).parent), device]
    first = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (first.returncode, len(first.stdout.split())) == (-9, 3)
    second = subprocess.run(command, capture_output=True, text=True, check=True)
    assert second.stdout.splitlines()[:3] == first.stdout.splitlines()
    assert second.stdout.splitlines()[-1] == "trained 3"
    truth = [
        RehearsalTrainer(RECIPE, "rehearsal:0").train([(cell, 0)])[0].counts("validation")[-1] for cell in range(10, 16)
    ]
    assert [float(line) for line in second.stdout.splitlines()[:6]] == [max(0, count) / 100 for count in truth]


def test_a_finished_build_answers_everything(tmp_path):
    rehearse(tmp_path / "b", recipe=RECIPE)
    with live(tmp_path / "b") as benchmark:
        for architecture in SPACE:
            benchmark.evaluate(Query(architecture, 2), 1)
        assert benchmark.trained == 0
        with pytest.raises(BuildError, match="another build works on"):
            live(tmp_path / "b")
        with pytest.raises(BuildError, match="another build works on"):
            rehearse(tmp_path / "b", recipe=RECIPE)


def test_a_build_completes_what_a_live_run_left_half_trained(tmp_path, table):
    with live(tmp_path / "b") as benchmark:
        benchmark.evaluate(Query((1, 1, 1), 2), 0)  # half a curve is not a finished training
        benchmark.evaluate(Query((3, 0, 1), 4), 0)
    report = rehearse(tmp_path / "b", tmp_path / "t.h5", recipe=RECIPE, cost_model=flat_cost(RECIPE))
    assert (report.trained, report.digest) == (59, table.digest)
    assert not any("twice" in note for note in report.notes)


def test_other_environments_and_contradictions_are_refused(tmp_path):
    device = plan(tmp_path / "plan")
    with live(tmp_path / "l", trainer=BROKEN, device=device) as benchmark:
        benchmark.evaluate(Query((1, 2, 3), 2), 0)
    plan(tmp_path / "plan", environment="there")
    with live(tmp_path / "l", trainer=BROKEN, device=device) as benchmark:
        assert benchmark.evaluate(Query((1, 2, 3), 2), 0).cost == 2.5  # a replay needs no environment
        with pytest.raises(BuildError, match="word: 'here' -> 'there'"):
            benchmark.evaluate(Query((1, 2, 3), 4), 0)
    plan(tmp_path / "plan", shift=1)
    with (
        live(tmp_path / "l", trainer=BROKEN, device=device) as benchmark,
        pytest.raises(ConflictError, match="validation count"),
    ):
        benchmark.evaluate(Query((1, 2, 3), 4), 0)
    assert sum(len(journal.payloads) for journal in read_journals(tmp_path / "l", RECIPE)) == 1


def test_retrain_gives_the_repeats_of_the_architecture():
    seen = []
    found = retrain(
        (3, 3, 3),
        RECIPE,
        trainer=REHEARSAL,
        device="rehearsal:0",
        watch=lambda done, result: seen.append((done, result.key)),
    )
    cell = int(SPACE.class_of[SPACE.index((3, 3, 3))])
    assert [result.key for result in found] == [(cell, 0), (cell, 1)]
    assert seen == [(done, (cell, repeat)) for done in (2, 4) for repeat in (0, 1)]
    alone = tiny_recipe(repeats=3, group=1)
    (only,) = retrain((3, 3, 3), alone, repeat=2, trainer=REHEARSAL, device="rehearsal:0")
    assert only.key == (cell, 2)
    with pytest.raises(ValueError, match=r"repeat is 3, must be in 0\.\.2"):
        retrain((3, 3, 3), alone, repeat=3, trainer=REHEARSAL, device="rehearsal:0")
    with pytest.raises(SpaceError):
        retrain((9, 9, 9), alone, trainer=REHEARSAL, device="rehearsal:0")


def test_the_benchmark_of_a_table(table, tmp_path):
    with live_benchmark_of(table, device="rehearsal:0", trainer=REHEARSAL) as benchmark:
        query = Query((3, 3, 3), 4)
        assert benchmark.evaluate(query, 0) == TabularBenchmark(table, "digits").evaluate(query, 0)
    report = rehearse(tmp_path / "b", tmp_path / "t.h5", recipe=RECIPE, cells=[1, 2], cost_model=flat_cost(RECIPE))
    with pytest.raises(TableError, match="has 2 rows, not one for each of the 60 classes"):
        live_benchmark_of(open_table(report.table), device="rehearsal:0", trainer=REHEARSAL)


def test_no_test_accuracy_can_be_reached_through_the_benchmark(tmp_path):
    """What it keeps in memory are validation curves, also of trainings that it finds in its folder."""
    rehearse(tmp_path / "l", recipe=RECIPE, shard=(0, 20))
    with live(tmp_path / "l") as benchmark:
        assert len(benchmark._results) == 3 * 2
        benchmark.evaluate(Query((3, 1, 3), 2), 0)
        assert len(benchmark._results) == 4 * 2
        for result in benchmark._results.values():
            assert set(result.correct) == set(result.loss) == {"validation"}


def test_a_table_says_how_it_was_made(table):
    assert recipe_of(table).digest == RECIPE.digest
    assert recipe_of(table, "elsewhere").dataset.root == "elsewhere"
    assert cost_model_of(table) == flat_cost(RECIPE)
    assert environment_of(table, 59)["trainer"] == "rehearsal"
    with pytest.raises(TableError, match="in which environment row 60"):
        environment_of(table, 60)
    assert parse_ranges("") == frozenset()

    def with_metadata(**changes):
        return Table(
            table.space, table.architectures, table.row_of_index, table.datasets, {**table.metadata, **changes}
        )

    with pytest.raises(TableError, match="was not built from a recipe"):
        recipe_of(with_metadata(recipe=None))
    with pytest.raises(TableError, match="can't be read by this version"):
        recipe_of(with_metadata(recipe={**table.metadata["recipe"], "unheard": 1}))
    with pytest.raises(TableError, match="reads it differently"):
        recipe_of(with_metadata(recipe={**table.metadata["recipe"], "epochs": 5}))
    with pytest.raises(TableError, match="carries no cost model"):
        cost_model_of(with_metadata(cost_model={}))


@pytest.mark.live
def test_real_training_equals_a_real_table_bit_for_bit(tmp_path):
    """A build in worker processes, and live queries in this one: equal observations, and a search that ends the same."""
    pytest.importorskip("torch")
    from nasbench.build import build
    from nasbench.engine import Effort
    from nasbench.search import run

    recipe = load_recipe("digits-small")
    cells = [0, 5, 40]
    report = build(
        recipe, tmp_path / "b", tmp_path / "t.h5", effort=Effort(2), cells=cells, cost_model=flat_cost(recipe)
    )
    table = open_table(report.table)
    tabular = TabularBenchmark(table, "digits")
    members = [recipe.cell_space.architecture(recipe.cell_space.classes[cell][-1]) for cell in cells]
    with LiveBenchmark(recipe, cost_model_of(table)) as benchmark:
        for architecture in members:
            for query, seed in (
                (Query(architecture, 3), 0),
                (Query(architecture, recipe.epochs), 1),
                (Query(architecture, 5), 2),
            ):
                assert benchmark.evaluate(query, seed) == tabular.evaluate(query, seed)

        def strategy(space, rng, epochs):
            for _ in range(4):
                yield Query(members[int(rng.integers(3))], epochs[-1])

        runs = [run(strategy, each, 1e9, np.random.SeedSequence(1)) for each in (benchmark, tabular)]
    assert runs[0].log == runs[1].log and len(runs[0].log) == 4
    assert json.dumps(table.metadata["environments"][0]["environment"]).count("torch") >= 1
