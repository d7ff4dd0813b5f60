"""Audits: bit-equal where the environment is the row's, within the spread of repeats elsewhere, and both noticed if not."""

import numpy as np
import pytest
from broken_trainers import BROKEN, plan, tiny_recipe
from test_build import flat_cost

from nasbench.audit import audit, repeat_differences
from nasbench.build import build
from nasbench.engine import Effort
from nasbench.recipe import load_recipe
from nasbench.sealed import open_table
from nasbench.space import CellSpace
from nasbench.table import Split, Table, TableError

RECIPE = tiny_recipe(repeats=3, group=3)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A table of a rehearsal whose environment and bits tests can change, and the device that names its plan."""
    folder = tmp_path_factory.mktemp("audit")
    device = plan(folder / "plan")
    report = build(
        RECIPE,
        folder / "b",
        folder / "t.h5",
        effort=Effort(2),
        devices=(device,),
        trainer=BROKEN,
        cost_model=flat_cost(RECIPE),
    )
    return open_table(report.table), folder / "plan"


def check(made, sample=20, seed=0, **settings):
    table, folder = made
    device = plan(folder, **settings)
    return audit(table, sample, np.random.default_rng(seed), device=device, trainer=BROKEN)


def test_the_same_environment_gives_the_same_bits(made):
    found = check(made)
    assert found.ok and found.equal == len(found.comparisons) == 60
    assert len({comparison.row for comparison in found.comparisons}) == 20
    assert not found.changes
    assert found.to_text() == "60 of 60 trainings (20 rows) are equal bit for bit\naudit passed"
    assert {comparison.row for comparison in check(made, seed=1).comparisons} != {
        comparison.row for comparison in found.comparisons
    }


def test_the_whole_table_can_be_audited(made):
    found = check(made, sample=1000)
    assert found.equal == 180
    lost = [comparison for comparison in found.comparisons if np.isnan(comparison.now["test"])]
    assert lost and all(np.isnan(comparison.before["test"]) for comparison in lost)


def test_one_count_off_in_the_same_environment_fails(made):
    found = check(made, sample=3, shift=1)
    assert not found.ok and found.equal < 9
    assert "validation count after epoch" in found.problems[0]
    assert "audit NOT passed" in found.to_text() and "PROBLEM: row" in found.to_text()


def test_elsewhere_small_differences_pass_and_are_reported(made):
    found = check(made, environment="there", shift=1)
    assert found.ok and found.equal < 60
    assert found.changes == ("word: 'here' -> 'there'",)
    text = found.to_text()
    assert "this environment is not the one that the table was built in" in text
    # all counts are one lower, but for those that were 0, as the made-up curves end high or diverged
    assert found.differences("validation") == pytest.approx(-0.01)
    assert "validation accuracy: largest difference 0.0100" in text
    assert (found.differences("test") == 0).all()


def test_elsewhere_a_shift_beyond_the_spread_of_repeats_fails(made):
    """One shift that single trainings could have, but not their mean; one that no training could have."""
    table, _ = made
    spread = repeat_differences(table.datasets["digits"], "validation")
    found = check(made, sample=60, environment="there", shift=int(100 * spread.max()) + 5)
    assert not found.ok and "further apart than repeats are" in found.problems[0]
    found = check(made, sample=60, environment="there", shift=8)
    assert found.tolerance["validation"] > 0.08 > found.mean_tolerance["validation"]
    assert [problem for problem in found.problems if "in the mean" in problem]
    assert all("in the mean" in problem for problem in found.problems)


def test_more_comparisons_have_a_wider_tolerance(made):
    """A thousandth is shared out: 20 rows of 3 repeats on 2 splits are 120 comparisons, 1 row 6."""
    data = made[0].datasets["digits"]
    for sample, comparisons in ((20, 120), (1, 6)):
        found = check(made, sample=sample, environment="there")
        for split in ("validation", "test"):
            by_hand = np.quantile(repeat_differences(data, split), 1 - 0.001 / comparisons)
            assert found.tolerance[split] == pytest.approx(by_hand, rel=1e-12)
            assert found.tolerance[split] >= np.quantile(repeat_differences(data, split), 0.999)


def test_differences_between_repeats_by_hand(made):
    table, _ = made
    data = table.datasets["digits"]
    final = data.correct["test"][:, :, -1].astype(float)
    final[data.status != 0] = np.nan
    by_hand = []
    for row in final:
        by_hand += [abs(row[one] - row[other]) / 100 for one in range(3) for other in range(one)]
    by_hand = sorted(value for value in by_hand if not np.isnan(value))
    assert sorted(repeat_differences(data, "test")) == pytest.approx(by_hand)
    assert len(by_hand) < 180  # diverged trainings are in no pair


def test_what_can_t_be_audited(made):
    table, folder = made
    with pytest.raises(ValueError, match="sample is 0, must be at least 1"):
        check(made, sample=0)
    with pytest.raises(TableError, match=r"the train split here is not the table's: 96 examples, SHA-256 other"):
        check(made, data="other")
    imported = Table(table.space, table.architectures, table.row_of_index, table.datasets, {"title": "imported"})
    with pytest.raises(TableError, match="was not built from a recipe"):
        audit(imported, 1, np.random.default_rng(0), device=plan(folder), trainer=BROKEN)
    with pytest.raises(TableError, match="has no data set 'other'"):
        audit(table, 1, np.random.default_rng(0), dataset="other", device=plan(folder), trainer=BROKEN)
    assert isinstance(table.space, CellSpace)
    assert table.datasets["digits"].splits["test"] == Split(100, "made up")


@pytest.mark.live
def test_a_real_table_is_equal_bit_for_bit_and_a_changed_count_is_found(tmp_path):
    pytest.importorskip("torch")
    recipe = load_recipe("digits-small")
    report = build(
        recipe, tmp_path / "b", tmp_path / "t.h5", effort=Effort(2), cells=[2, 30], cost_model=flat_cost(recipe)
    )
    table = open_table(report.table)
    found = audit(table, 2, np.random.default_rng(0))
    assert found.ok and found.equal == 4
    data = table.datasets["digits"]
    wrong = data.correct["test"].copy()
    wrong[1, 1, 3] += 1
    other = Table(
        table.space,
        table.architectures,
        table.row_of_index,
        {
            "digits": type(data)(
                **{name: getattr(data, name) for name in data.__dataclass_fields__}
                | {"correct": {**data.correct, "test": wrong}}
            )
        },
        table.metadata,
    )
    found = audit(other, 2, np.random.default_rng(0))
    assert not found.ok and found.equal == 3
    assert found.problems[0].startswith("row 1, repeat 1") and "test count after epoch 4" in found.problems[0]
