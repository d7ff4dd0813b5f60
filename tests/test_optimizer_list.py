"""The ordered list: greedy choice by brute force, leave-one-task-out by construction, its row in the table of trials."""

import dataclasses

import numpy as np
import pytest
from optimizer_tables import HOME, TASKS, TUNING, make_table

from nasbench.analysis.optimizer_comparison import compare_optimizers
from nasbench.analysis.optimizer_list import LENGTH, NAME, TITLE, candidates, greedy_order, list_curves, list_of
from nasbench.analysis.optimizer_output import trials_table, tuning_csv
from nasbench.analysis.optimizer_scores import ScoreError

NADAMW = {"fast": {"optimizer": "nadamw"}, "nesterov": {"optimizer": "nadamw", "variant": "cosine"}}


def with_losses(table, task, losses):
    """Return the table with other last losses on the tuning seeds of one task: {(optimizer, trial): loss}."""
    rows = table.rows[task, 1]
    curves = {name: values.copy() for name, values in rows.curves.items()}
    for (name, trial), loss in losses.items():
        here = (
            (rows.optimizer == list(table.optimizers).index(name)) & (rows.trial == trial) & np.isin(rows.seed, TUNING)
        )
        for values in curves.values():
            values[here, -1] = loss
    return dataclasses.replace(table, rows={**table.rows, (task, 1): dataclasses.replace(rows, curves=curves)})


def test_greedy_order_by_brute_force():
    losses = np.random.default_rng(0).random((6, 4))
    starts = np.full(4, 1.2)
    best = losses.min(0)
    normal = (losses - best) / (starts - best)
    order = greedy_order(losses, starts, 6)
    assert sorted(order) == list(range(6))
    assert order[0] == int(normal.mean(1).argmin())
    second = min(set(range(6)) - {order[0]}, key=lambda row: np.minimum(normal[order[0]], normal[row]).mean())
    assert order[1] == second
    for length in (0, 7):
        with pytest.raises(ScoreError, match=f"length is {length}, must be from 1 to 6"):
            greedy_order(losses, starts, length)


def test_candidates_are_the_trials_of_all_rows_of_the_rule():
    found = candidates(make_table(NADAMW))
    assert found.names == tuple((name, trial) for name in ("nesterov", "fast") for trial in range(3))
    assert found.tasks == TASKS and found.outer.shape == found.test.shape == (6, 4)
    # Losses at the start are 1 and 1.01 on the two tuning seeds; the best trial of `fast` falls as exp(-4 t).
    assert found.starts == pytest.approx([1.005] * 4)
    assert found.outer[3] == pytest.approx([1.005 * np.exp(-4.0)] * 4, rel=1e-5)
    assert candidates(make_table()) is None and list_curves(make_table()) == {}


def test_runs_on_a_task_have_no_say_in_its_list():
    """On the home task alone the slowest trial is made best: lists of the other tasks see it, the home task's own does not."""
    table = make_table(NADAMW)
    before = {task: list_of(candidates(table), task) for task in TASKS}
    changed = candidates(with_losses(table, HOME, {("fast", 2): 1e-9, ("fast", 0): 1.0}))
    assert list_of(changed, HOME) == before[HOME]
    # Before, trial 0 of `fast` is best everywhere. Then, on the others of the second task: trial 0 loses all on the home task; trial 1 is
    # .13 above the best on each (mean .12), trial 2 is best at home and .25 above on two (.17).
    assert before[TASKS[1]][:2] == [3, 4] and list_of(changed, TASKS[1])[:2] == [4, 3]


def test_curve_is_the_best_so_far_by_outer_loss():
    table = with_losses(make_table(NADAMW), HOME, {("fast", 0): 0.5, ("nesterov", 0): 0.125, ("fast", 1): 0.25})
    found = candidates(table)
    order = list_of(found, HOME)
    assert len(order) == 6 and LENGTH == 10
    last = found.test[order, TASKS.index(HOME)]
    assert list_curves(table)[HOME] == pytest.approx(np.minimum.accumulate(last))
    assert list_curves(table, 2)[HOME].tolist() == list_curves(table)[HOME][:2].tolist()
    assert list_curves(table)[HOME][0] == 0.5  # first in the list of the other tasks, though not best here
    with pytest.raises(ScoreError, match="no list for 'cell': it must be one of at least two tasks"):
        list_of(found, "cell")


def test_failed_trials_have_the_ceiling():
    table = with_losses(make_table(NADAMW), HOME, {("fast", 0): np.nan})
    found = candidates(table)
    assert found.outer[3, 0] == table.tasks[HOME].ceiling


def test_list_has_a_row_in_the_table_of_trials():
    comparison = compare_optimizers(make_table(NADAMW))
    rows = dict(trials_table(comparison).rows)
    assert TITLE in rows and TITLE not in dict(trials_table(compare_optimizers(make_table())).rows)
    # Its first setting is the best everywhere.
    assert [entry.value for entry in rows[TITLE]] == pytest.approx(
        [np.exp(-2.0)] * 2, rel=1e-4
    )  # exp(-4) over Adam's exp(-2)
    assert f",{NAME},1," in tuning_csv(comparison)
