"""The cost model: features counted by hand, planted coefficients found again, files that read back, named refusals."""

import math

import msgspec
import numpy as np
import pytest
from broken_trainers import tiny_recipe

from nasbench.calibrate import calibrate
from nasbench.cost import (
    CostError,
    CostModel,
    FitError,
    Measurement,
    cell_features,
    cell_seconds,
    check_model,
    feature_names,
    fit,
    measurements,
    read_model,
    write_model,
)
from nasbench.recipe import load_recipe
from nasbench.rehearsal import REHEARSAL
from nasbench.results import GroupResult
from nasbench.space import CELL201
from nasbench.worker import run_group

RECIPE = load_recipe("mnist1d")
NAMES = feature_names(CELL201)


def planted(rng):
    """Coefficients like measured ones, seconds."""
    return dict(zip(NAMES, rng.uniform(0.001, 0.05, len(NAMES)).tolist(), strict=True))


def model(recipe=RECIPE, **changes):
    error = FitError(0.03, 0.1)
    train = dict.fromkeys(feature_names(recipe.cell_space), 0.01)
    made = CostModel(1, recipe.name, recipe.digest, 'one core of "X"', 60, train, dict(train), error, error)
    return msgspec.structs.replace(made, **changes)


def test_feature_names():
    assert NAMES == (
        "network",
        "passing",
        "nor_conv_1x1_on_input",
        "nor_conv_1x1_on_node",
        "nor_conv_3x3_on_input",
        "nor_conv_3x3_on_node",
        "avg_pool_3x3_on_input",
        "avg_pool_3x3_on_node",
        "additions",
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|", {}),
        ("|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|", {"passing": 1}),
        # one 3x3 on the input, a 1x1 on what it gives, and their sum with the input
        (
            "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|skip_connect~1|skip_connect~2|",
            {"passing": 1, "nor_conv_3x3_on_input": 1, "nor_conv_1x1_on_node": 1, "additions": 2},
        ),
        # the same pooling of the input three times is one operation, times three
        (
            "|avg_pool_3x3~0|+|avg_pool_3x3~0|none~1|+|avg_pool_3x3~0|skip_connect~1|skip_connect~2|",
            {"passing": 1, "avg_pool_3x3_on_input": 1},
        ),
        # (input + pool(input)) convolved: one inner node with an addition
        (
            "|avg_pool_3x3~0|+|skip_connect~0|skip_connect~1|+|none~0|none~1|nor_conv_3x3~2|",
            {"passing": 1, "avg_pool_3x3_on_input": 1, "nor_conv_3x3_on_node": 1, "additions": 1},
        ),
    ],
)
def test_features_counted_by_hand(text, expected):
    cell = int(CELL201.class_of[CELL201.index(CELL201.parse(text))])
    found = dict(zip(NAMES, cell_features(CELL201, cell).tolist(), strict=True))
    assert found == dict.fromkeys(NAMES, 0.0) | {"network": 1.0} | expected


def times_of(coefficients, cells, noise=None, repeats=3):
    """Group times of a world in which the model is true, up to factors `noise`."""
    weights = np.array(list(coefficients.values()))
    found = []
    for place, cell in enumerate(cells):
        seconds = repeats * float(cell_features(CELL201, int(cell)) @ weights)
        factor = 1.0 if noise is None else noise[place]
        found.append(Measurement((int(cell),) * repeats, seconds * factor, seconds * factor / 5))
    return found


def test_planted_coefficients_are_found_exactly_without_noise():
    rng = np.random.default_rng(0)
    coefficients = planted(rng)
    cells = [0, *rng.choice(4930, 80, replace=False)]
    found = fit(RECIPE, "somewhere", times_of(coefficients, cells))
    assert found.train == pytest.approx(coefficients, rel=1e-5)
    assert found.validation == pytest.approx({name: value / 5 for name, value in coefficients.items()}, rel=1e-5)
    assert found.train_error.percentile95 < 1e-9
    assert (found.groups, found.device, found.recipe_digest) == (81, "somewhere", RECIPE.digest)


def test_with_noise_the_error_is_the_noise_and_the_seconds_are_near():
    rng = np.random.default_rng(1)
    coefficients = planted(rng)
    cells = [0, *rng.choice(4930, 600, replace=False)]
    noise = np.exp(rng.normal(0, 0.1, len(cells)))
    found = fit(RECIPE, "somewhere", times_of(coefficients, cells, noise))
    truth = np.array([time.train_seconds / 3 for time in times_of(coefficients, cells)])
    seconds = np.array([cell_seconds(found, CELL201, int(cell))[0] for cell in cells])
    # relative least squares on multiplicative noise of SD s sits 2 s^2 low; the scatter is far smaller. The first cell, the
    # only one that passes nothing on, has the noise of its one measurement.
    assert np.abs(seconds[1:] / truth[1:] - 1).max() < 0.06
    assert seconds[0] / truth[0] == pytest.approx(noise[0], rel=1e-3)
    # for a normal error of SD .1: median .0674, 95th percentile .196
    assert found.train_error.median == pytest.approx(0.0674, rel=0.15)
    assert found.train_error.percentile95 == pytest.approx(0.196, rel=0.15)


def test_the_order_of_measurements_changes_no_bit():
    rng = np.random.default_rng(2)
    cells = [0, *rng.choice(4930, 100, replace=False)]
    times = times_of(planted(rng), cells, np.exp(rng.normal(0, 0.1, len(cells))))
    first = fit(RECIPE, "somewhere", times)
    for _ in range(5):
        assert fit(RECIPE, "somewhere", [times[place] for place in rng.permutation(len(times))]) == first


def test_coefficients_are_never_negative():
    rng = np.random.default_rng(3)
    cells = rng.choice(4930, 30, replace=False)
    times = [Measurement((int(cell),), float(rng.uniform(0.5, 1.5)), 0.1) for cell in cells]
    found = fit(RECIPE, "somewhere", times)
    assert min(found.train.values()) >= 0
    assert cell_seconds(found, CELL201, 0)[0] >= 0


def test_groups_of_several_cells_are_fitted_as_sums():
    rng = np.random.default_rng(4)
    coefficients = planted(rng)
    singles = times_of(coefficients, [0, *rng.choice(4930, 120, replace=False)], repeats=1)
    pairs = [
        Measurement(
            one.cells + other.cells,
            one.train_seconds + other.train_seconds,
            one.validation_seconds + other.validation_seconds,
        )
        for one, other in zip(singles[::2], singles[1::2], strict=False)
    ]
    assert fit(RECIPE, "somewhere", pairs).train == pytest.approx(coefficients, rel=1e-4)


def test_what_can_t_be_fitted_is_refused():
    times = times_of(planted(np.random.default_rng(0)), range(5))
    with pytest.raises(CostError, match="5 group times can't be fitted, 9 features"):
        fit(RECIPE, "somewhere", times)
    times = times_of(planted(np.random.default_rng(0)), range(20))
    with pytest.raises(CostError, match=r"training seconds must be above 0, got 0\.0"):
        fit(RECIPE, "somewhere", [*times, Measurement((3,), 0.0, 1.0)])


def test_seconds_are_sums_of_coefficients():
    made = model(train=dict(zip(NAMES, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9], strict=True)))
    text = "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|skip_connect~1|skip_connect~2|"
    cell = int(CELL201.class_of[CELL201.index(CELL201.parse(text))])
    assert cell_seconds(made, CELL201, cell) == (
        math.fsum([0.1, 0.2, 0.4, 0.5, 0.9, 0.9]),
        math.fsum([0.01, 0.01, 0.01, 0.01, 0.02]),
    )


# Measurements ----------------------------------------------------------------------------------------------------------


def test_measurements_are_seconds_an_epoch_and_a_validation_pass():
    recipe = tiny_recipe(evaluate_every=3)  # 4 epochs, evaluated after 3 and 4; 100 validation and 100 test examples

    class Timed:
        def train(self, keys, epochs=None, watch=None):
            from nasbench.rehearsal import RehearsalTrainer

            made = RehearsalTrainer(recipe, "rehearsal:0").train(keys, epochs)
            return [msgspec.structs.replace(result, train_seconds=2.0, evaluation_seconds=0.8) for result in made]

    record = run_group(recipe, Timed(), 3)
    record = msgspec.structs.replace(record, seconds=10.0, processor_seconds=5.0)
    (busy,) = measurements(recipe, [record], "cpu")  # half of the time the process did not run
    assert busy.cells == (3, 3)
    assert busy.train_seconds == pytest.approx(2 * 2.0 / 4 / 2)
    assert busy.validation_seconds == pytest.approx(2 * 0.8 / 2 / 2 / 2)
    (idle,) = measurements(recipe, [record], "cuda")  # the processor's seconds say nothing about a GPU
    assert idle.train_seconds == pytest.approx(2 * 2.0 / 4)
    short = run_group(recipe, Timed(), 3, epochs=2)
    short = msgspec.structs.replace(short, seconds=1.0, processor_seconds=7.0)  # never more than all of it
    (found,) = measurements(recipe, [short], "cpu", epochs=2)  # evaluated once, at the end
    assert found.train_seconds == pytest.approx(2 * 2.0 / 2)
    assert found.validation_seconds == pytest.approx(2 * 0.8 / 2)


def test_groups_in_which_a_training_diverged_are_left_out():
    recipe = tiny_recipe()
    from nasbench.rehearsal import RehearsalTrainer

    trainer = RehearsalTrainer(recipe, "rehearsal:0")
    records = [run_group(recipe, trainer, group) for group in (4, 5, 6)]
    assert [result.status for result in records[1].results] == [0, 1]
    assert [time.cells for time in measurements(recipe, records, "cpu")] == [(4, 4), (6, 6)]
    assert isinstance(records[0], GroupResult)


# Files -----------------------------------------------------------------------------------------------------------------


def test_a_model_reads_back_bit_for_bit(tmp_path):
    rng = np.random.default_rng(5)
    made = model(train=planted(rng), validation=planted(rng))
    write_model(made, tmp_path / "cost.toml")
    assert read_model(tmp_path / "cost.toml") == made
    assert 'device = "one core of \\"X\\""' in (tmp_path / "cost.toml").read_text()


def test_files_that_are_no_models_are_refused(tmp_path):
    path = tmp_path / "cost.toml"
    with pytest.raises(CostError, match="can't be read: No such file"):
        read_model(path)
    path.write_text("= 1")
    with pytest.raises(CostError, match="is not TOML"):
        read_model(path)
    path.write_text("version = 2")
    with pytest.raises(CostError, match="has version 2, this nasbench reads 1"):
        read_model(path)
    path.write_text("version = 1\nrecipe = 3")
    with pytest.raises(CostError, match=r"\$\.recipe"):
        read_model(path)


def test_models_that_do_not_fit_the_recipe_are_refused():
    check_model(model(), RECIPE)
    with pytest.raises(CostError, match=r"is of recipe mnist1d .*not of tiny.*nasbench calibrate tiny"):
        check_model(model(), tiny_recipe())
    with pytest.raises(CostError, match="train features are"):
        check_model(model(train={"network": 1.0}), RECIPE)
    for wrong in (-0.1, math.nan, math.inf):
        with pytest.raises(CostError, match=r"validation coefficient additions is .* must be 0 or more"):
            check_model(model(validation=dict.fromkeys(NAMES, 0.1) | {"additions": wrong}), RECIPE)
    with pytest.raises(CostError, match="an empty cell would cost nothing"):
        check_model(model(train=dict.fromkeys(NAMES, 0.1) | {"network": 0.0}), RECIPE)


# Calibration -----------------------------------------------------------------------------------------------------------


def test_calibration_times_a_sample_and_keeps_the_quickest():
    recipe = tiny_recipe()
    seen = []
    made = calibrate(
        recipe,
        np.random.default_rng(0),
        sample=12,
        rounds=2,
        device="rehearsal:0.001",
        trainer=REHEARSAL,
        watch=lambda done, total: seen.append((done, total)),
    )
    assert seen[-1] == (26, 26) and len(seen) == 26
    # at one of four epochs a rehearsal says 0.8 and 0.2 quarters of a millisecond, half of the latter validation
    assert made.train["network"] == pytest.approx(0.0002, rel=0.02)
    assert made.validation["network"] == pytest.approx(0.000025, rel=0.05)
    assert made.groups <= 13
    check_model(made, recipe)
    for wrong in ({"sample": 3}, {"rounds": 0}, {"epochs": 0}, {"epochs": 5}):
        with pytest.raises(ValueError, match="must be at"):
            calibrate(recipe, np.random.default_rng(0), device="rehearsal:0", trainer=REHEARSAL, **wrong)


@pytest.mark.live
def test_calibration_of_real_training_is_sound():
    pytest.importorskip("torch")
    recipe = load_recipe("digits-small")
    made = calibrate(recipe, np.random.default_rng(0), sample=12, rounds=2)
    check_model(made, recipe)
    space = recipe.cell_space
    light, heavy = cell_seconds(made, space, 0), cell_seconds(made, space, len(space.classes) - 1)
    assert 0 < light[0] < heavy[0] < 5 and 0 < light[1] < heavy[1] < 1  # nothing against six convolutions
    assert made.train_error.median < 0.5
