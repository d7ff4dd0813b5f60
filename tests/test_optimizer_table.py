"""The optimizer table: built with one and two workers, resumed, sealed, damaged, read, audited, joined by an optimizer of one's own."""

import dataclasses
import math
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.live

from nasbench.cli import main  # noqa: E402
from nasbench.optimizer_audit import audit_optimizers  # noqa: E402
from nasbench.optimizer_build import build_optimizers, describe_build, read_results  # noqa: E402
from nasbench.optimizer_command import merge  # noqa: E402
from nasbench.optimizer_plan import assemble, make_plan  # noqa: E402
from nasbench.optimizer_protocol import read_optimizer_protocol  # noqa: E402
from nasbench.optimizer_run import evaluation_steps, train  # noqa: E402
from nasbench.optimizer_seal import is_optimizer_table, seal_optimizers  # noqa: E402
from nasbench.optimizer_table import Rows, RunKey, open_optimizer_table  # noqa: E402
from nasbench.protocol import ProtocolError  # noqa: E402
from nasbench.sealed import open_table  # noqa: E402
from nasbench.table import TableError  # noqa: E402
from nasbench.tasks import load_task, task_names  # noqa: E402

PROTOCOL = """
kind = "optimizers"
name = "tiny"
version = "1.0"
title = "Tiny"
table = "tiny.h5"
tuning_seeds = 2
scored_seeds = 3
horizon_seeds = 2
[[tasks]]
name = "robust-regression"
trials = 3
horizons = [2]
[[tasks]]
name = "logistic-regression"
trials = 2
scored_seeds = 2
[[entrants]]
name = "sgd"
optimizer = "sgd"
[[entrants]]
name = "adam"
optimizer = "adam"
label = "Adam by Kingma"
"""

OWN = """
import torch
from nasbench.optimizer_method import LogRange, OptimizerMethod
METHOD = OptimizerMethod("Mine", "Me: Mine, 2026", 2026, "hand-designed", search_space={"learning_rate": LogRange(1e-3, 1.0)})
def mine(parameters, total_steps: int, *, learning_rate: float = 0.1):
    return torch.optim.SGD(parameters, lr=learning_rate)
"""


def quiet(line):
    pass


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a protocol, its journals, and its sealed table."""
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "tiny.toml").write_text(PROTOCOL)
    protocol = read_optimizer_protocol(folder / "tiny.toml")
    plan, results = build_optimizers(protocol, folder / "journals", 1, report=quiet)
    seal_optimizers(assemble(plan, results, describe_build(protocol)), folder / "tiny.h5")
    return folder


@pytest.fixture(scope="module")
def table(place):
    return open_optimizer_table(place / "tiny.h5")


def test_table_holds_what_the_protocol_asks_for(table):
    assert list(table.tasks) == ["robust-regression", "logistic-regression"] and list(table.optimizers) == [
        "sgd",
        "adam",
    ]
    assert table.optimizers["adam"].title == "Adam by Kingma"
    curves = table.curves("robust-regression", "adam")
    assert curves.train_loss.shape == curves.test_loss.shape == (3, 2, 41) and curves.status.shape == (3, 2)
    assert curves.steps.tolist() == list(range(41)) and curves.seeds.tolist() == [400_000, 400_001]
    assert curves.train_accuracy is None and len(curves.settings) == 3
    assert (curves.work_per_step == 2 * 100 * 4).all() and (curves.seconds_per_step > 0).all()
    final = table.curves("robust-regression", "adam", scored=True)
    assert final.seeds.tolist() == [0, 1, 2] and final.trials.tolist() == [
        table.optimizers["adam"].best["robust-regression"]
    ]
    longer = table.curves("robust-regression", "adam", 2)
    assert longer.steps[-1] == 80 and longer.train_loss.shape == (1, 2, 81)
    assert table.horizons("robust-regression") == (1, 2) and table.horizons("logistic-regression") == (1,)
    assert table.curves("logistic-regression", "sgd", scored=True).test_loss.shape == (1, 2, 41)
    assert table.metadata["incomplete"] == [] and table.metadata["refused"] == {}


def test_best_trial_has_the_smallest_mean_final_outer_loss(table):
    for name, entry in table.optimizers.items():
        scores = table.curves("robust-regression", name).outer_loss[:, :, -1].mean(1)
        assert entry.best["robust-regression"] == int(np.argmin(scores))


def test_start_is_the_same_for_all_optimizers_and_trials(table):
    first = np.stack([table.curves("logistic-regression", name).train_loss[:, :, 0] for name in table.optimizers])
    assert (first == first[0, 0]).all() and len(set(first[0, 0])) == 2


def test_stored_curve_is_that_of_a_plain_loop(table):
    """Adam's first trial on the first tuning seed, written out with torch alone."""
    curves = table.curves("robust-regression", "adam")
    settings = curves.settings[0]
    instance = load_task("robust-regression").instance(400_000)
    parameters = instance.initialise()
    optimizer = torch.optim.Adam(
        parameters.values(),
        lr=settings["learning_rate"],
        betas=(1 - settings["one_minus_beta1"], 1 - settings["one_minus_beta2"]),
        eps=settings["epsilon"],
    )
    for step in range(41):
        assert np.float32(instance.evaluate(parameters)["test_loss"]) == curves.test_loss[0, 0, step]
        optimizer.zero_grad()
        instance.loss(parameters, instance.batch(step)).backward()
        optimizer.step()


def test_two_workers_and_a_resumed_build_give_the_same_bits(place, table, tmp_path):
    protocol = read_optimizer_protocol(place / "tiny.toml")
    folder = tmp_path / "journals"
    # A first build was killed in the middle of a frame; half of its last journal is there.
    folder.mkdir()
    (journal,) = (place / "journals").glob("*.journal")
    content = journal.read_bytes()
    (folder / journal.name).write_bytes(content[: len(content) // 2])
    kept = len(read_results(make_plan(protocol), folder))
    assert 0 < kept < 34
    said = []
    plan, results = build_optimizers(protocol, folder, 2, report=said.append)
    assert said[0].startswith(f"{kept} runs were there already")
    assert assemble(plan, results, {}).digest == table.digest


def test_nothing_is_run_twice(place):
    protocol = read_optimizer_protocol(place / "tiny.toml")
    before = sorted((place / "journals").iterdir())
    said = []
    build_optimizers(protocol, place / "journals", 2, report=said.append)
    assert said == ["34 runs were there already; 0 of 4 units to go"]
    assert sorted((place / "journals").iterdir()) == before


def test_runs_of_other_code_are_passed_over(place, tmp_path):
    changed = read_optimizer_protocol(place / "tiny.toml")
    (tmp_path / "mine.py").write_text(OWN)
    entrants = (msgspec.structs.replace(changed.entrants[0], optimizer=str(tmp_path / "mine.py")), changed.entrants[1])
    plan = make_plan(msgspec.structs.replace(changed, entrants=entrants))
    found = read_results(plan, place / "journals")
    assert {key.optimizer for key in found} == {"adam"}


def test_a_time_limit_leaves_units_for_later(place, tmp_path):
    protocol = read_optimizer_protocol(place / "tiny.toml")
    plan, results = build_optimizers(protocol, tmp_path / "journals", 1, seconds=0.0, report=quiet)
    assert results == {}
    assert len(assemble(plan, results, {}).metadata["incomplete"]) == 4


@pytest.mark.parametrize("damage", ["flip", "cut", "header", "other"])
def test_damaged_or_foreign_file_is_refused(place, tmp_path, damage):
    content = bytearray((place / "tiny.h5").read_bytes())
    path = tmp_path / "broken.h5"
    if damage == "flip":
        content[len(content) // 2] ^= 1
    if damage == "cut":
        content = content[:-10]
    if damage == "header":
        content[100] = 1
    if damage == "other":
        content = bytearray((Path(__file__).parent.parent / "data/nas-bench-201.h5").read_bytes())
    path.write_bytes(content)
    with pytest.raises(TableError, match=r"damaged|not a sealed"):
        open_optimizer_table(path)


def test_kinds_of_tables_are_told_apart(place):
    assert is_optimizer_table(place / "tiny.h5")
    with pytest.raises(TableError, match="not a sealed nasbench table"):
        open_table(place / "tiny.h5")
    with pytest.raises(FileNotFoundError, match=r"no optimizer table nowhere\.h5"):
        open_optimizer_table("nowhere.h5")


def test_unsound_table_is_not_written(table, tmp_path):
    rows = table.rows["robust-regression", 1]
    bad = {**rows.curves, "train_loss": np.full_like(rows.curves["train_loss"], np.nan)}
    columns = {field.name: getattr(rows, field.name) for field in dataclasses.fields(rows)}
    broken = dataclasses.replace(
        table, rows={**table.rows, ("robust-regression", 1): Rows(**{**columns, "curves": bad})}
    )
    with pytest.raises(TableError, match="must be finite float32"):
        seal_optimizers(broken, tmp_path / "bad.h5")
    assert not list(tmp_path.iterdir())


def test_questions_that_the_table_cannot_answer(table):
    with pytest.raises(TableError, match=r"no task 'mnist'; it has \['robust-regression'"):
        table.curves("mnist", "adam")
    with pytest.raises(TableError, match=r"no optimizer 'lion'; it has \['sgd', 'adam'\]"):
        table.curves("robust-regression", "lion")
    with pytest.raises(TableError, match=r"no runs at 5 x its horizon; it has \[1, 2\]"):
        table.curves("robust-regression", "adam", 5)


def test_audit_finds_every_bit_again_and_a_forged_one(table):
    report = audit_optimizers(table, 34, np.random.default_rng(0))
    assert report.passed and len(report.equal) == 34 and report.same_environment
    assert "34 of 34 runs came out bit for bit" in str(report)
    rows = table.rows["robust-regression", 1]
    forged = {name: values.copy() for name, values in rows.curves.items()}
    forged["test_loss"][4, 7] += np.float32(1e-6)
    columns = {field.name: getattr(rows, field.name) for field in dataclasses.fields(rows)}
    other = dataclasses.replace(
        table, rows={**table.rows, ("robust-regression", 1): Rows(**{**columns, "curves": forged})}
    )
    report = audit_optimizers(other, 34, np.random.default_rng(0))
    assert not report.passed and len(report.different) == 1 and "different: " in str(report)


def test_audit_elsewhere_lets_runs_end_where_seeds_might(table):
    rows = table.rows["robust-regression", 1]

    def audited(evaluation, change, which=slice(4, 5)):
        forged = {name: values.copy() for name, values in rows.curves.items()}
        forged["test_loss"][which, evaluation] += np.float32(change)
        columns = {field.name: getattr(rows, field.name) for field in dataclasses.fields(rows)}
        runs = {**table.rows, ("robust-regression", 1): Rows(**{**columns, "curves": forged})}
        elsewhere = dataclasses.replace(table, rows=runs, metadata={**table.metadata, "environment": {"torch": "0"}})
        return audit_optimizers(elsewhere, 34, np.random.default_rng(0))

    near = audited(-1, 1e-6)
    assert near.passed and len(near.close) == 1 and not near.different and not near.same_environment
    assert "33 of 34 runs came out bit for bit" in str(near) and "close: " in str(near)
    far = audited(-1, 5.0)  # one of 34 may be unstable
    assert far.passed and len(far.different) == 1 and not far.begun
    # All runs of this task at 1x, each moved alike: their seeds are no further apart than before.
    many = audited(-1, 5.0, slice(None))
    assert not many.passed and len(many.different) == len(rows.trial) > 34 / 4 and not many.begun
    start = audited(0, 1e-3)
    assert not start.passed and len(start.begun) == 1 and "different from the start: " in str(start)


def test_own_optimizer_beside_the_stored_ones(place, table, tmp_path, capsys, monkeypatch):
    for name in ("tiny.toml", "tiny.h5"):
        shutil.copy(place / name, tmp_path / name)
    (tmp_path / "mine.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    arguments = ["run", "tiny.toml", "--results", "results", "--workers", "1", "--no-report", "--optimizer", "mine.py"]
    assert main(arguments) == 0
    assert "0 runs were there already; 2 of 2 units to go" in capsys.readouterr().out
    joined = open_optimizer_table(tmp_path / "results/tiny/optimizers.h5")
    assert list(joined.optimizers) == ["sgd", "adam", "mine"]
    for name in table.optimizers:
        assert np.array_equal(
            table.curves("robust-regression", name).test_loss, joined.curves("robust-regression", name).test_loss
        )
    curves = joined.curves("robust-regression", "mine", 2)
    assert curves.train_loss.shape == (1, 2, 81) and curves.settings[0]["learning_rate"] > 0
    assert main(arguments) == 0
    assert "17 runs were there already; 0 of 2 units to go" in capsys.readouterr().out
    with pytest.raises(TableError, match=r"\['mine'\] are in the table already"):
        merge(joined, joined.__class__(**{**vars_of(joined), "optimizers": {"mine": joined.optimizers["mine"]}}))


def vars_of(table):
    return {field.name: getattr(table, field.name) for field in dataclasses.fields(table)}


def test_table_of_another_version_is_refused(place, table, tmp_path, capsys, monkeypatch):
    old = {**table.tasks, "robust-regression": msgspec.structs.replace(table.tasks["robust-regression"], version=0)}
    (tmp_path / "tiny.toml").write_text(PROTOCOL)
    (tmp_path / "mine.py").write_text(OWN)
    seal_optimizers(dataclasses.replace(table, tasks=old), tmp_path / "tiny.h5")
    monkeypatch.chdir(tmp_path)
    assert main(["run", "tiny.toml", "--no-report", "--optimizer", "mine.py"]) == 1
    assert "robust-regression is version 0 in the table and 1 here" in capsys.readouterr().err
    (tmp_path / "tiny.h5").unlink()
    assert main(["run", "tiny.toml", "--no-report"]) == 1
    assert "make it: nasbench build-optimizers" in capsys.readouterr().err


def test_table_of_other_seeds_is_refused_before_anything_is_trained(place, tmp_path, capsys, monkeypatch):
    (tmp_path / "tiny.toml").write_text(PROTOCOL.replace("tuning_seeds = 2", "tuning_seeds = 3"))
    (tmp_path / "mine.py").write_text(OWN)
    shutil.copy(place / "tiny.h5", tmp_path / "tiny.h5")
    monkeypatch.chdir(tmp_path)
    assert main(["run", "tiny.toml", "--no-report", "--optimizer", "mine.py"]) == 1
    assert "made with seeds (400000, 400001)" in (said := capsys.readouterr()).err
    assert "runs were there already" not in said.out and not list(tmp_path.rglob("*.journal"))


def test_variants_and_seeds_of_a_task(tmp_path):
    """A variant is a row with its own settings, a title of its own and the trials of its optimizer; a task may have fewer tuning seeds."""
    text = PROTOCOL.replace('optimizer = "sgd"', 'optimizer = "adamw"\nvariant = "cosine"').replace(
        '"sgd"', '"adamw-cosine"'
    )
    text = text.replace('optimizer = "adam"\nlabel = "Adam by Kingma"', 'optimizer = "adamw"').replace(
        "trials = 2", "trials = 2\ntuning_seeds = 1"
    )
    (tmp_path / "tiny.toml").write_text(text)
    protocol = read_optimizer_protocol(tmp_path / "tiny.toml")
    plan, results = build_optimizers(protocol, tmp_path / "journals", 1, report=quiet)
    seal_optimizers(assemble(plan, results, {}), tmp_path / "t.h5")
    table = open_optimizer_table(tmp_path / "t.h5")
    plain, variant = table.optimizers["adam"], table.optimizers["adamw-cosine"]
    assert (plain.rule, plain.title, plain.horizon_aware) == ("adamw", "AdamW", False)
    assert (variant.rule, variant.title, variant.horizon_aware) == ("adamw:cosine", "AdamW, cosine", True)
    assert variant.trials == [{**trial, "schedule": "cosine"} for trial in plain.trials]
    assert plain.source_digest == variant.source_digest
    assert table.curves("robust-regression", "adam").seeds.tolist() == [400_000, 400_001]
    assert table.curves("logistic-regression", "adam").seeds.tolist() == [400_000]
    losses = [table.curves("robust-regression", name).train_loss for name in ("adam", "adamw-cosine")]
    assert np.array_equal(losses[0][..., :2], losses[1][..., :2]) and not np.array_equal(
        *losses
    )  # the first step has factor 1
    report = audit_optimizers(table, 30, np.random.default_rng(0))
    assert report.passed and not report.skipped


def test_what_fails_is_recorded_and_the_rest_goes_on(tmp_path):
    (tmp_path / "mine.py").write_text(
        OWN.replace("return torch.optim.SGD", "raise RuntimeError('no luck')\n    return torch.optim.SGD")
    )
    text = PROTOCOL.replace('optimizer = "sgd"', f'optimizer = "{tmp_path / "mine.py"}"').replace(
        "logistic-regression", "gone"
    )
    (tmp_path / "tiny.toml").write_text(text + '[[entrants]]\nname = "absent"\noptimizer = "absent"\n')
    said = []
    protocol = read_optimizer_protocol(tmp_path / "tiny.toml")
    plan, results = build_optimizers(protocol, tmp_path / "journals", 1, report=said.append)
    assert any("no task 'gone'" in line for line in said) and any("no optimizer 'absent'" in line for line in said)
    seal_optimizers(assemble(plan, results, {}), tmp_path / "t.h5")
    table = open_optimizer_table(tmp_path / "t.h5")
    curves = table.curves("robust-regression", "sgd")
    assert (curves.status == "failed").all() and (curves.train_loss == 1.0).all()
    assert (table.curves("robust-regression", "adam").status == "ok").all()
    assert table.reasons["robust-regression/1/sgd/0/400000"] == "RuntimeError: no luck"
    assert set(table.metadata["refused"]) == {"gone", "absent"}


def test_divergence_is_the_ceiling_from_there_on():
    plan_key = RunKey("quadratic-gaussian", "sgd", 0, 1, 0)
    from nasbench.optimizer_method import load_optimizer

    loaded = load_optimizer("sgd")
    result = train(load_task("quadratic-gaussian"), loaded, loaded.configure({"learning_rate": 1e6}), plan_key)
    assert result.status == "diverged" and "training loss is" in result.reason
    assert result.curves["train_loss"][1:] == [100.0] * 100 and math.isfinite(result.curves["train_loss"][0])


def test_every_call_of_the_closure_is_charged(tmp_path):
    (tmp_path / "mine.py").write_text(OWN.replace("SGD(parameters, lr", "LBFGS(parameters, max_iter=3, max_eval=3, lr"))
    from nasbench.optimizer_method import load_optimizer

    loaded = load_optimizer(tmp_path / "mine.py")
    task = load_task("logistic-regression")
    result = train(task, loaded, loaded.configure(), RunKey(task.name, "mine", 0, 1, 0))
    assert result.status == "ok" and result.work_per_step > 1.5 * task.instance(0).work_per_step


def test_evaluation_grid_begins_at_the_start_and_ends_at_the_horizon():
    assert evaluation_steps(load_task("digits-convnet")) == list(range(0, 201, 8))
    assert evaluation_steps(load_task("quadratic-uniform"), 5) == list(range(501))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("scored_seeds = 3", "scored_seeds = 0"), "scored_seeds"),
        (("horizon_seeds = 2", "horizon_seeds = 4"), "horizon_seeds is 4, must be at most scored_seeds, 3"),
        (
            ("trials = 2", "trials = 2\ntuning_seeds = 3"),
            "task logistic-regression: tuning_seeds is 3, must be at most",
        ),
        (("horizons = [2]", "horizons = [2, 1]"), r"horizons \[2, 1\] must ascend and be above 1"),
        (('name = "adam"', 'name = "sgd"'), r"entrants: \['sgd'\] stand there more than once"),
        (('kind = "optimizers"', 'kind = "strategies"'), "kind"),
        (("trials = 3", "tries = 3"), "tries"),
        (("[[tasks]]", "[[tasks"), "not a TOML file"),
    ],
)
def test_unsound_protocols_are_refused(tmp_path, change, said):
    path = tmp_path / "bad.toml"
    path.write_text(PROTOCOL.replace(*change, 1))
    with pytest.raises(ProtocolError, match=said):
        read_optimizer_protocol(path)


def test_shipped_protocol_is_sound():
    path = Path(__file__).parent.parent / "protocols/optimizers.toml"
    plan = make_plan(read_optimizer_protocol(path))
    assert plan.refused == {}
    assert len(plan.tasks) >= 10 and {"quadratic-uniform", "quadratic-gaussian", "digits-sigmoid"} <= set(plan.tasks)
    assert len(plan.optimizers) >= 15 and set(plan.trials) == set(plan.optimizers)
    assert set(plan.tasks) == set(task_names())
    assert plan.optimizers["adamw-cosine"].variant == "cosine"
    # What the issue asks for: at least 20 trials everywhere, at least 5 scored seeds, 10 where a further horizon is judged.
    tasks = {task.name: task for task in plan.protocol.tasks}
    assert all(task.trials >= 20 for task in tasks.values())
    assert all((task.scored_seeds or plan.protocol.scored_seeds) >= 5 for task in tasks.values())
    for task in (task for task in tasks if tasks[task].horizons):
        assert len({key.seed for key in plan.scored_runs(task, "adam", 0) if key.horizon == 5}) >= 10
    for name in ("quadratic-uniform", "quadratic-gaussian"):
        assert (tasks[name].trials, tasks[name].tuning_seeds, tasks[name].scored_seeds) == (200, 5, 30)
    # The generalization study compares baselines across its tasks: none is tuned harder than another.
    study = ("digits-sigmoid", "digits-relu", "digits-sigmoid-40", "digits-sigmoid-2-layers")
    assert len({(tasks[name].trials, tasks[name].tuning_seeds) for name in study}) == 1


def test_a_task_may_have_more_scored_seeds_than_the_protocol(tmp_path):
    path = tmp_path / "more.toml"
    path.write_text(PROTOCOL.replace("scored_seeds = 2", "scored_seeds = 5"))
    plan = make_plan(read_optimizer_protocol(path))
    assert plan.scored_seeds == (0, 1, 2, 3, 4)
    runs = {task: {(key.horizon, key.seed) for key in plan.scored_runs(task, "sgd", 1)} for task in plan.tasks}
    assert runs["logistic-regression"] == {(1, seed) for seed in range(5)}
    assert runs["robust-regression"] == {(1, 0), (1, 1), (1, 2), (2, 0), (2, 1)}
