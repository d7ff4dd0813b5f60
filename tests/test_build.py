"""The build on made-up trainings: the same table however it was interrupted, shared out, broken and resumed."""

import errno
import json
import os
import time

import msgspec
import numpy as np
import pytest
from broken_trainers import BROKEN, plan, tiny_recipe

from nasbench import build_folder
from nasbench.build import Report, build, default_workers
from nasbench.build_folder import BuildError, locked, read_journals, share_lock
from nasbench.cost import CostError, CostModel, FitError, feature_names
from nasbench.engine import Effort, Ledger, Progress
from nasbench.groups import group_count, group_members, group_of, groups_of_cells, in_shard, parse_shard
from nasbench.journal import JournalError
from nasbench.made_by import recipe_of
from nasbench.rehearsal import REHEARSAL, RehearsalTrainer
from nasbench.results import decode
from nasbench.sealed import open_table
from nasbench.skeleton import multiply_adds, operation_counts, parameters
from nasbench.table import DIVERGED, FAILED, OK, SPLITS

RECIPE = tiny_recipe()
FAST = ("rehearsal:0",)


def flat_cost(recipe=RECIPE):
    """One second of training and a quarter of validation for every cell."""
    zero = dict.fromkeys(feature_names(recipe.cell_space), 0.0)
    error = FitError(0.0, 0.0)
    return CostModel(
        1, recipe.name, recipe.digest, "nowhere", 1, zero | {"network": 1.0}, zero | {"network": 0.25}, error, error
    )


def rehearse(folder, output=None, *, recipe=RECIPE, workers=2, devices=FAST, trainer=REHEARSAL, **options):
    effort = Effort(workers, **options.pop("effort", {}))
    return build(recipe, folder, output, effort=effort, devices=devices, trainer=trainer, **options)


def breaking(tmp_path, folder, output=None, *, effort=None, workers=2, options=None, **settings):
    """Build in `folder` with trainings that break as the settings say; the plan's own folder is kept between calls."""
    device = plan(tmp_path / "plan", **settings)
    return rehearse(
        folder, output, workers=workers, devices=(device,), trainer=BROKEN, effort=effort or {}, **(options or {})
    )


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The table of an uninterrupted build with one worker."""
    folder = tmp_path_factory.mktemp("reference")
    report = rehearse(folder / "build", folder / "table.h5", workers=1, cost_model=flat_cost())
    return report, open_table(report.table)


# What is built ---------------------------------------------------------------------------------------------------------


def test_the_table_holds_what_the_trainer_said(reference):
    report, table = reference
    assert (report.groups, report.finished, report.trained, report.failed) == (60, 60, 60, {})
    assert not report.stopped and not report.notes
    trainer = RehearsalTrainer(RECIPE, "rehearsal:0")
    space, data = RECIPE.cell_space, table.datasets["digits"]
    assert table.architectures.shape == (60, 3)
    assert np.array_equal(table.row_of_index, space.class_of)
    assert data.epochs == (1, 2, 3, 4)
    assert {split: part.images for split, part in data.splits.items()} == {"train": 96, "validation": 100, "test": 100}
    for row in range(60):
        assert space.index(tuple(table.architectures[row].tolist())) == space.classes[row][0]
        for repeat in range(2):
            (truth,) = trainer.train([(row, repeat)])
            assert data.status[row, repeat] == truth.status
            assert data.reasons.get(f"{row}/{repeat}", "") == truth.reason
            for split in SPLITS:
                assert np.array_equal(data.correct[split][row, repeat], truth.counts(split))
                assert np.array_equal(data.losses[split][row, repeat], truth.losses(split), equal_nan=True)
    assert 0 < (data.status == DIVERGED).sum() < 60  # the rehearsal has some, so that they are tried
    assert (data.train_seconds == 1.0).all() and (data.validation_seconds == 0.25).all()
    skeleton = RECIPE.build_skeleton((1, 8, 8), 10)
    for row in (0, 17, 59):
        counts = operation_counts(space, tuple(table.architectures[row].tolist()))
        assert data.parameters[row] == parameters(skeleton, counts)
        assert data.multiply_adds[row] == multiply_adds(skeleton, counts)


def test_metadata_say_what_made_it(reference):
    _, table = reference
    assert table.metadata["recipe_digest"] == RECIPE.digest
    assert table.metadata["recipe"]["space"] == "cell201-3node"
    assert [entry["rows"] for entry in table.metadata["environments"]] == ["0-59"]
    assert table.metadata["environments"][0]["environment"]["trainer"] == "rehearsal"
    made = table.metadata["build"]
    assert (made["groups"], made["groups_planned"], made["trained_twice"], made["damage"]) == (60, 60, 0, [])
    assert table.metadata["cost_model"]["device"] == "nowhere"
    text = json.dumps(dict(table.metadata))
    assert os.uname().nodename not in text and str(build_folder.Path.cwd()) not in text


@pytest.mark.parametrize("workers", [2, 4])
def test_number_of_workers_and_order_change_nothing(tmp_path, reference, workers):
    rng = np.random.default_rng(workers)
    report = rehearse(tmp_path / "b", tmp_path / "t.h5", workers=workers, rng=rng, cost_model=flat_cost())
    assert (report.digest, report.cost_digest) == (reference[0].digest, reference[0].cost_digest)


def test_shards_give_the_same_table(tmp_path, reference):
    for index in (2, 0, 1):
        report = rehearse(tmp_path / "b", tmp_path / "t.h5", workers=1, shard=(index, 3))
        assert (report.groups, report.finished, report.table) == (20, 20, None)
    assert not (tmp_path / "t.h5").exists()
    last = rehearse(tmp_path / "b", tmp_path / "t.h5", cost_model=flat_cost())
    assert (last.trained, last.digest) == (0, reference[0].digest)


def test_running_again_trains_nothing_and_seals_the_same(tmp_path, reference):
    first = rehearse(tmp_path / "b", tmp_path / "t.h5", cost_model=flat_cost())
    content = (tmp_path / "t.h5").read_bytes()
    again = rehearse(tmp_path / "b", tmp_path / "t.h5", cost_model=flat_cost())
    assert (first.trained, again.trained, again.digest) == (60, 0, reference[0].digest)
    assert open_table(tmp_path / "t.h5").digest == first.digest
    assert len((tmp_path / "t.h5").read_bytes()) == len(content)


def test_some_cells_only(tmp_path, reference):
    report = rehearse(tmp_path / "b", tmp_path / "t.h5", cells=[7, 3, 44], cost_model=flat_cost())
    assert (report.groups, report.trained) == (3, 3)
    table, whole = open_table(report.table), reference[1]
    assert np.array_equal(table.architectures, whole.architectures[[3, 7, 44]])
    assert np.array_equal(
        table.datasets["digits"].correct["test"], whole.datasets["digits"].correct["test"][[3, 7, 44]]
    )
    assert sorted(set(table.row_of_index.tolist())) == [-1, 0, 1, 2]
    with pytest.raises(BuildError, match=r"something else: cells is \[3, 7, 44\] there and None now"):
        rehearse(tmp_path / "b")


def test_only_evaluated_epochs_are_columns(tmp_path):
    recipe = tiny_recipe(evaluate_every=3)
    report = rehearse(tmp_path / "b", tmp_path / "t.h5", recipe=recipe, cells=[0, 1], cost_model=flat_cost(recipe))
    data = open_table(report.table).datasets["digits"]
    assert data.epochs == (3, 4)
    (truth,) = RehearsalTrainer(recipe, "rehearsal:0").train([(1, 0)])
    assert data.correct["test"][1, 0].tolist() == truth.counts("test")[[2, 3]].tolist()


def test_costs_are_fitted_to_the_build_s_own_times_if_none_are_given(tmp_path):
    report = rehearse(tmp_path / "b", tmp_path / "t.h5", devices=("rehearsal:0.004",))
    # a rehearsal says that training takes 0.8 of its seconds and evaluation 0.2, half of it validation; over 4 epochs
    assert report.cost.train["network"] == pytest.approx(0.004 * 0.8 / 4, rel=1e-2)
    assert report.cost.validation["network"] == pytest.approx(0.004 * 0.2 / 4 / 2, rel=1e-2)
    data = open_table(report.table).datasets["digits"]
    assert data.train_seconds == pytest.approx(np.full(60, 0.0008), rel=1e-2)
    with pytest.raises(CostError, match="is of recipe tiny"):
        rehearse(tmp_path / "b", tmp_path / "t.h5", cost_model=flat_cost(tiny_recipe(seed=1)))


def test_too_few_groups_for_the_cost_model_are_refused_before_anything_is_trained(tmp_path):
    least = len(feature_names(RECIPE.cell_space))
    few = list(range(least - 1))
    with pytest.raises(CostError, match=rf"groups .* are {least - 1}, must be at least {least}, .*group, 2, smaller"):
        rehearse(tmp_path / "b", tmp_path / "t.h5", cells=few)
    assert not (tmp_path / "b").exists()
    assert rehearse(tmp_path / "b", cells=few).trained == least - 1  # nothing is sealed, nothing is fitted
    assert open_table(rehearse(tmp_path / "b", tmp_path / "t.h5", cells=few, cost_model=flat_cost()).table).sha256


def test_a_table_does_not_carry_the_folder_that_its_builder_read(tmp_path):
    at_home = msgspec.structs.replace(
        RECIPE, dataset=msgspec.structs.replace(RECIPE.dataset, root="/data/of/ada/images")
    )
    made = [
        rehearse(tmp_path / f"b{number}", tmp_path / f"{number}.h5", recipe=recipe, cells=[3], cost_model=flat_cost())
        for number, recipe in enumerate((RECIPE, at_home))
    ]
    assert made[0].digest == made[1].digest
    table = open_table(made[1].table)
    assert table.metadata["recipe"]["dataset"]["root"] == "" and "/data/of/ada" not in json.dumps(dict(table.metadata))
    assert recipe_of(table, "/elsewhere").dataset.root == "/elsewhere"


# Plan ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("repeats", "group"), [(2, 2), (3, 1), (2, 8), (3, 9)])
def test_groups_partition_all_trainings(repeats, group):
    recipe = tiny_recipe(repeats=repeats, group=group)
    members = [key for number in range(group_count(recipe)) for key in group_members(recipe, number)]
    assert members == [(cell, repeat) for cell in range(60) for repeat in range(repeats)]
    for number in range(group_count(recipe)):
        assert {group_of(recipe, key) for key in group_members(recipe, number)} == {number}
        assert len(group_members(recipe, number)) <= group
    assert groups_of_cells(recipe, range(60)) == tuple(range(group_count(recipe)))
    for cell in (0, 59):
        held = {key for number in groups_of_cells(recipe, [cell]) for key in group_members(recipe, number)}
        assert {(cell, repeat) for repeat in range(repeats)} <= held


def test_shards_partition_groups():
    assert parse_shard("3/8") == (3, 8)
    assert all(sum(in_shard(group, (index, 7)) for index in range(7)) == 1 for group in range(100))
    assert in_shard(5, None)
    for wrong in ("8/8", "1", "a/b", "-1/3", "0/0", ""):
        with pytest.raises(ValueError, match="must be i/N"):
            parse_shard(wrong)
    for wrong in (-1, 60):
        with pytest.raises(ValueError, match=r"not in 0\.\.59"):
            group_members(RECIPE, wrong)
        with pytest.raises(ValueError, match=r"not in 0\.\.59"):
            groups_of_cells(RECIPE, [wrong])


def test_effort_has_ranges():
    for wrong in ({"workers": 0}, {"attempts": 0}, {"timeout": 0.0}):
        with pytest.raises(ValueError, match="must be"):
            Effort(**wrong)
    assert default_workers(RECIPE, ("cpu",)) == len(os.sched_getaffinity(0))
    assert default_workers(RECIPE, ("cuda:0", "cuda:1")) == 2


# Who may build here ----------------------------------------------------------------------------------------------------


def test_a_second_build_on_the_folder_is_refused(tmp_path, reference):
    (tmp_path / "b").mkdir()
    with (
        locked(tmp_path / "b", None),
        pytest.raises(BuildError, match=rf"another build works on .*process {os.getpid()} on"),
    ):
        rehearse(tmp_path / "b", tmp_path / "t.h5")
    # the lock went with its holder; a text that was left there says nothing
    assert rehearse(tmp_path / "b", tmp_path / "t.h5", cost_model=flat_cost()).digest == reference[0].digest


def test_shards_share_a_folder_and_exclude_the_whole(tmp_path):
    folder = tmp_path / "b"
    folder.mkdir()
    with locked(folder, (0, 2)):
        with locked(folder, (1, 2)):
            pass
        with pytest.raises(BuildError, match="another build works on"), locked(folder, (0, 2)):
            pass
        with pytest.raises(BuildError, match="another build works on"), locked(folder, None):
            pass
    with locked(folder, None), pytest.raises(BuildError, match="another build works on"), locked(folder, (0, 2)):
        pass


def test_workers_of_a_killed_build_are_waited_for(tmp_path):
    folder = tmp_path / "b"
    folder.mkdir()
    with locked(folder, (1, 2)) as path:
        pass
    with share_lock(path):  # a worker that outlives its supervisor for a moment
        started = time.monotonic()
        with (
            pytest.raises(BuildError, match="workers of an earlier build still run"),
            locked(folder, None, orphan_seconds=0.2),
        ):
            pass
        assert time.monotonic() - started >= 0.2
    with locked(folder, None, orphan_seconds=0.2):
        pass


def test_a_changed_recipe_on_a_half_built_folder_is_refused(tmp_path):
    rehearse(tmp_path / "b", shard=(0, 6))
    with pytest.raises(BuildError, match=r"recipe tiny has changed since the build began \(epochs: 4 -> 5\)"):
        rehearse(tmp_path / "b", recipe=tiny_recipe(epochs=5))
    with pytest.raises(BuildError, match=r"\(seed: 0 -> 9\)\. Go on with the old values, or use another folder"):
        rehearse(tmp_path / "b", recipe=tiny_recipe(seed=9))
    with pytest.raises(BuildError, match=r"trainer is 'nasbench.rehearsal:RehearsalTrainer' there"):
        breaking(tmp_path, tmp_path / "b")
    assert rehearse(tmp_path / "b", shard=(0, 6)).trained == 0


def test_foreign_folders_are_refused(tmp_path):
    rehearse(tmp_path / "b", shard=(0, 6))
    (tmp_path / "c").mkdir()
    journal = next((tmp_path / "b").glob("*.journal"))
    (tmp_path / "c" / journal.name).write_bytes(journal.read_bytes())
    with pytest.raises(BuildError, match=r"holds journals but no build\.json"):
        rehearse(tmp_path / "c")
    rehearse(tmp_path / "d", recipe=tiny_recipe(seed=9), shard=(0, 6))
    (tmp_path / "d" / journal.name).write_bytes(journal.read_bytes())
    with pytest.raises(JournalError, match="was written with another recipe"):
        rehearse(tmp_path / "d", recipe=tiny_recipe(seed=9))
    (tmp_path / "b" / "build.json").write_text("{")
    with pytest.raises(BuildError, match="is damaged"):
        rehearse(tmp_path / "b")
    (tmp_path / "b" / "build.json").write_text("[]")
    with pytest.raises(BuildError, match="not the description of a build"):
        rehearse(tmp_path / "b")


@pytest.mark.parametrize("name", ["mkdir", "replace_file", "os.open"])
def test_a_read_only_folder_is_refused(tmp_path, monkeypatch, name):
    def refuse(*arguments, **options):
        raise OSError(errno.EROFS, "Read-only file system")

    target = {"mkdir": "nasbench.build_folder.Path.mkdir", "os.open": "nasbench.build_folder.os.open"}
    with monkeypatch.context() as context:
        context.setattr(target.get(name, f"nasbench.build_folder.{name}"), refuse)
        with pytest.raises(BuildError, match=r"can't be used for a build: .*Read-only file system"):
            rehearse(tmp_path / "b")
    assert rehearse(tmp_path / "b", shard=(0, 6)).finished == 10


def test_a_file_system_without_locks_is_refused(tmp_path, monkeypatch):
    def refuse(descriptor, kind):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(build_folder.fcntl, "flock", refuse)
    with pytest.raises(BuildError, match=r"can't be locked: No locks available\. Without locks"):
        rehearse(tmp_path / "b")


# What breaks -----------------------------------------------------------------------------------------------------------


def test_a_cut_tail_is_trained_again(tmp_path, reference):
    rehearse(tmp_path / "b", workers=1)
    (journal,) = (tmp_path / "b").glob("*.journal")
    content = journal.read_bytes()
    journal.write_bytes(content[: len(content) // 2])
    report = rehearse(tmp_path / "b", tmp_path / "t.h5", cost_model=flat_cost())
    assert 25 <= report.trained <= 35
    assert report.digest == reference[0].digest
    assert "bytes at the ends of journals were cut off" in report.notes[0]


def test_a_damaged_middle_is_reported_and_trained_again(tmp_path, reference):
    rehearse(tmp_path / "b", workers=1)
    (journal,) = (tmp_path / "b").glob("*.journal")
    content = bytearray(journal.read_bytes())
    content[len(content) // 2] ^= 4
    journal.write_bytes(content)
    said = []
    report = rehearse(
        tmp_path / "b", tmp_path / "t.h5", cost_model=flat_cost(), report=lambda progress: said.extend(progress.notes)
    )
    assert (report.trained, report.digest) == (1, reference[0].digest)
    assert "damaged between byte" in said[0] and "is trained again" in said[0]
    assert len(open_table(report.table).metadata["build"]["damage"]) == 1


def test_a_worker_that_dies_is_replaced_and_its_group_tried_again_alone(tmp_path):
    report = breaking(
        tmp_path,
        tmp_path / "b",
        tmp_path / "t.h5",
        groups={"10": ["kill"], "20": ["error", "kill"], "30": ["error"]},
        options={"cost_model": flat_cost()},
        seconds=0.002,
    )
    assert (report.finished, report.failed) == (60, {})
    data = open_table(report.table).datasets["digits"]
    assert not (data.status == FAILED).any()
    # later attempts come when everything else is finished, one at a time
    ends = {path.name.split("-")[1]: float(path.read_text()) for path in (tmp_path / "plan").glob("finished-*")}
    others = max(end for group, end in ends.items() if group not in ("10", "20", "30"))
    began = [
        (float((tmp_path / "plan" / f"attempt-{group}-{attempt}").read_text().split()[1]), group)
        for group, attempt in ((10, 1), (20, 1), (30, 1), (20, 2))
    ]
    assert min(began)[0] > others
    spans = sorted((start, ends[str(group)]) for start, group in began if group != 20)
    assert spans[0][1] < spans[1][0]


def test_three_attempts_then_failed_with_a_reason_and_a_second_chance(tmp_path, reference):
    said = []
    options = {
        "cost_model": flat_cost(),
        "report": lambda progress: said.extend(progress.notes) or progress.notes.clear(),
    }
    report = breaking(
        tmp_path,
        tmp_path / "b",
        tmp_path / "t.h5",
        groups={"10": ["kill"] * 3, "20": ["error"] * 3},
        options=options,
    )
    assert sorted(report.failed) == [10, 20]
    assert report.failed[10] == (
        "failed 3 times; the last: its worker was killed (signal 9: by hand, or by the system for lack of memory)"
    )
    assert report.failed[20] == "failed 3 times; the last: MemoryError: no memory for the activations"
    table = open_table(report.table)
    data = table.datasets["digits"]
    assert np.argwhere(data.status == FAILED).tolist() == [[10, 0], [10, 1], [20, 0], [20, 1]]
    assert data.reasons["20/1"] == report.failed[20]
    assert (data.answers("validation")[10] == 0).all()
    assert sum("will be tried again" in note for note in said) == 4 and sum("given up" in note for note in said) == 2
    # the same command gives it another chance, and the table is as if nothing had been
    again = breaking(tmp_path, tmp_path / "b", tmp_path / "t.h5", groups={}, options=options)
    assert (again.trained, again.failed, again.digest) == (2, {}, reference[0].digest)


def test_a_kill_between_journal_and_report_does_not_double(tmp_path):
    groups = {str(group): ["kill after journalling"] for group in (10, 20, 30)}
    report = breaking(tmp_path, tmp_path / "b", groups=groups)
    assert report.finished == 60
    records = [
        decode(payload).group for journal in read_journals(tmp_path / "b", RECIPE) for payload in journal.payloads
    ]
    assert sorted(records) == list(range(60))


def test_a_hanging_worker_is_ended(tmp_path):
    report = breaking(tmp_path, tmp_path / "b", groups={"10": ["hang"]}, effort={"timeout": 1.0})
    assert (report.finished, report.failed) == (60, {})


def test_if_nothing_works_the_build_ends_early(tmp_path):
    groups = {str(group): ["error"] * 9 for group in range(60)}
    with pytest.raises(BuildError, match="the first 5 attempts at a group all failed; the last: MemoryError"):
        breaking(tmp_path, tmp_path / "b", groups=groups)
    assert len(list((tmp_path / "plan").glob("attempt-*"))) <= 7


def test_a_trainer_that_can_t_start_ends_the_build(tmp_path):
    with pytest.raises(BuildError, match="MemoryError: no memory"):
        breaking(tmp_path, tmp_path / "b", start="error")
    with pytest.raises(BuildError, match="5 workers in a row died at their start: was killed"):
        breaking(tmp_path, tmp_path / "b", start="kill", workers=1)
    with pytest.raises(BuildError, match="trainer 'nowhere:Trainer' can't be imported"):
        rehearse(tmp_path / "c", trainer="nowhere:Trainer")


def test_a_full_disk_ends_the_build_and_loses_nothing(tmp_path, reference):
    with pytest.raises(BuildError, match=r"No space left on device\. What it already holds is safe; make room"):
        breaking(tmp_path, tmp_path / "b", disk=10)
    before = sum(len(journal.payloads) for journal in read_journals(tmp_path / "b", RECIPE))
    report = breaking(tmp_path, tmp_path / "b", tmp_path / "t.h5", options={"cost_model": flat_cost()})
    assert (report.trained, report.digest) == (60 - before, reference[0].digest)
    assert before > 0


def test_a_table_that_can_t_be_written_can_be_sealed_later(tmp_path, monkeypatch, reference):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    rehearse(tmp_path / "b")
    with monkeypatch.context() as context:
        context.setattr("nasbench.sealed.os.fsync", full)
        with pytest.raises(OSError, match="No space left on device"):
            rehearse(tmp_path / "b", tmp_path / "t.h5", cost_model=flat_cost())
    assert not list(tmp_path.glob("*t.h5*"))
    report = rehearse(tmp_path / "b", tmp_path / "t.h5", cost_model=flat_cost())
    assert (report.trained, report.digest) == (0, reference[0].digest)


def test_the_ledger_tries_again_at_the_end_and_alone():
    ledger = Ledger([1, 2], attempts=2)
    assert [ledger.next(0), ledger.next(1)] == [(1, 1), (2, 1)]
    assert ledger.broke(1, 1, "why", error=False)
    assert ledger.next(1) is None  # another one runs
    assert ledger.wanted(1, 4) == 1 and ledger.waiting() == 1
    assert ledger.next(0) == (1, 2)
    assert not ledger.broke(1, 2, "why not", error=False)
    assert ledger.failed == {1: "failed 2 times; the last: why not"}
    assert (ledger.waiting(), ledger.wanted(0, 4)) == (0, 0)


# Environments ----------------------------------------------------------------------------------------------------------


def test_another_environment_with_the_same_bits_goes_on(tmp_path, reference):
    breaking(tmp_path, tmp_path / "b", environment="here", options={"shard": (0, 2)})
    said = []
    options = {
        "cost_model": flat_cost(),
        "report": lambda progress: said.extend(progress.notes) or progress.notes.clear(),
    }
    report = breaking(tmp_path, tmp_path / "b", tmp_path / "t.h5", environment="there", options=options)
    assert (report.trained, report.digest) == (30, reference[0].digest)
    assert "word: 'here' -> 'there'" in said[0] and "the bits are the same" in said[1]
    environments = open_table(report.table).metadata["environments"]
    assert {entry["environment"]["word"]: entry["rows"].count(",") for entry in environments} == {
        "here": 29,
        "there": 29,
    }
    # the proof was not journalled
    records = [
        decode(payload).group for journal in read_journals(tmp_path / "b", RECIPE) for payload in journal.payloads
    ]
    assert sorted(records) == list(range(60))


def test_another_environment_with_other_bits_is_refused_unless_accepted(tmp_path):
    breaking(tmp_path, tmp_path / "b", options={"shard": (0, 2)})
    with pytest.raises(
        BuildError, match=r"word: 'here' -> 'there'\), and it gives other bits: cell .*validation count"
    ):
        breaking(tmp_path, tmp_path / "b", environment="there", shift=1)
    assert sum(len(journal.payloads) for journal in read_journals(tmp_path / "b", RECIPE)) == 30
    report = breaking(tmp_path, tmp_path / "b", environment="there", shift=1, options={"accept_environment": True})
    assert report.finished == 60


def test_an_environment_that_changes_during_a_build_is_noticed(tmp_path):
    """The code is edited while workers are replaced."""
    device = plan(tmp_path / "plan", groups={"10": ["kill"]}, seconds=0.01)

    def edit(progress):
        if progress.done >= 20:
            plan(tmp_path / "plan", environment="edited", shift=1)

    with pytest.raises(BuildError, match=r"'here' -> 'edited'.* it gives other bits"):
        rehearse(tmp_path / "b", devices=(device,), trainer=BROKEN, report=edit, rng=np.random.default_rng(1))


def test_other_data_are_refused(tmp_path):
    breaking(tmp_path, tmp_path / "b", options={"shard": (0, 2)})
    with pytest.raises(BuildError, match="data set digits is not the one that the build began with"):
        breaking(tmp_path, tmp_path / "b", data="other", options={"accept_environment": True})


def test_progress_knows_rate_and_time_left():
    progress = Progress(100, 40, 3, done=20, started=time.monotonic() - 10)
    assert progress.rate == pytest.approx(6.0, rel=1e-2)
    assert progress.seconds_left == pytest.approx(20.0, rel=1e-2)
    assert Progress(100, 40, 3).seconds_left is None


def test_a_report_is_plain():
    assert Report("tiny", 60, 0, 0).table is None
    assert OK == 0
