"""Recipes: what is read, what is refused and how, and the digest."""

import hashlib
import json
import tomllib

import msgspec
import pytest

from nasbench.recipe import Recipe, RecipeError, load_recipe, parse_recipe, recipe_names

SMALL = """
name = "small"
version = 1
space = "cell201"
epochs = 4
batch_size = 8

[dataset]
name = "digits"
train = 80
validation = 40
test = 40

[skeleton]
channels = 4
"""


def test_shipped_recipes():
    assert recipe_names() == ("cifar10-12", "cifar10-200", "digits", "digits-small", "mnist1d")
    for name in recipe_names():
        assert load_recipe(name).name == name
    long, short = load_recipe("cifar10-200"), load_recipe("cifar10-12")
    assert msgspec.structs.replace(long, name="cifar10-12", epochs=12) == short
    assert (short.skeleton.channels, short.skeleton.cells, short.batch_size) == (16, 5, 256)
    assert len(load_recipe("digits-small").cell_space.classes) == 78
    assert len({load_recipe(name).digest for name in recipe_names()}) == 5


def test_values_and_defaults_of_a_file(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    recipe = load_recipe(path)
    assert recipe == load_recipe(str(path)) == parse_recipe(SMALL, "here")
    assert (recipe.name, recipe.epochs, recipe.dataset.train, recipe.skeleton.channels) == ("small", 4, 80, 4)
    assert (recipe.optimizer.learning_rate, recipe.optimizer.momentum, recipe.optimizer.weight_decay) == (
        0.1,
        0.9,
        5e-4,
    )
    assert (recipe.repeats, recipe.group, recipe.threads, recipe.precision) == (3, 3, 1, "float32")
    assert recipe.steps_per_epoch == 10
    assert recipe.split_sizes == {"train": 80, "validation": 40, "test": 40}


def test_train_counts_refer_to_complete_batches():
    recipe = parse_recipe(SMALL.replace("batch_size = 8", "batch_size = 30"), "here")
    assert (recipe.steps_per_epoch, recipe.split_sizes["train"]) == (2, 60)


@pytest.mark.parametrize(
    ("every", "epochs", "expected"), [(1, 4, (1, 2, 3, 4)), (2, 5, (2, 4, 5)), (3, 3, (3,)), (9, 4, (4,))]
)
def test_evaluated_epochs(every, epochs, expected):
    text = SMALL.replace("epochs = 4", f"epochs = {epochs}\nevaluate_every = {every}")
    assert parse_recipe(text, "here").evaluated_epochs == expected


def test_digest_is_sha256_of_canonical_json_of_the_chosen_values():
    """Defaults are left out, so that a field that a later version adds changes no digest; the root is left out too."""
    recipe = parse_recipe(SMALL, "here")
    plain = json.dumps(tomllib.loads(SMALL) | {"skeleton": {"channels": 4}}, sort_keys=True, separators=(",", ":"))
    assert recipe.digest == hashlib.sha256(plain.encode()).hexdigest()
    for line in ("precision = 'float32'\n", "repeats = 3\n"):
        assert parse_recipe(line + SMALL, "here").digest == recipe.digest
    assert parse_recipe(SMALL + "[optimizer]\nnesterov = true\n", "here").digest == recipe.digest
    assert parse_recipe(SMALL + "[optimizer]\nnesterov = false\n", "here").digest != recipe.digest
    elsewhere = parse_recipe(SMALL.replace('name = "digits"', 'name = "digits"\nroot = "/somewhere"'), "here")
    assert elsewhere != recipe
    assert elsewhere.digest == recipe.digest
    for old, new in [("epochs = 4", "epochs = 5"), ("test = 40", "test = 41"), ("channels = 4", "channels = 8")]:
        assert parse_recipe(SMALL.replace(old, new), "here").digest != recipe.digest


def test_recipes_are_values():
    recipe = parse_recipe(SMALL, "here")
    with pytest.raises(AttributeError):
        recipe.epochs = 5
    assert hash(recipe) == hash(parse_recipe(SMALL, "there"))
    assert msgspec.convert(msgspec.to_builtins(recipe), Recipe) == recipe


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("epochs = 4", "epochs = 0", "here: epochs is 0, must be at least 1"),
        ("epochs = 4", 'epochs = "4"', r"here: Expected `int`, got `str` - at `\$.epochs`"),
        ("epochs = 4", "", "here: Object missing required field `epochs`"),
        ("epochs = 4", "epochs = 4\nepoch = 5", "here: Object contains unknown field `epoch`"),
        ("train = 80", "train = 80\nsize_of = 3", r"unknown field `size_of` - at `\$.dataset`"),
        ("train = 80", "train = 0", "dataset.train is 0, must be at least 1"),
        ("train = 80", "train = 80\nseed = -1", "dataset.seed is -1, must be at least 0"),
        ("channels = 4", "channels = 0", "skeleton.channels is 0, must be at least 1"),
        ("channels = 4", 'stem = "conv5x5"', r"Invalid enum value 'conv5x5' - at `\$.skeleton.stem`"),
        ('"cell201"', '"cell202"', "here: space: unknown search space 'cell202'; there are"),
        ("batch_size = 8", "batch_size = 81", "batch_size is 81, must be at most dataset.train, 80"),
        ("batch_size = 8", "batch_size = 8\ngroup = 4", "group is 4, must be a multiple or a divisor of repeats, 3"),
        ("batch_size = 8", "batch_size = 8\nthreads = 0", "threads is 0, must be at least 1"),
        ("batch_size = 8", 'batch_size = 8\nprecision = "int8"', "Invalid enum value 'int8'"),
        ("channels = 4", "[optimizer]\nlearning_rate = 0.0", "optimizer.learning_rate is 0.0, must be above 0"),
        ("channels = 4", "[optimizer]\nlearning_rate = nan", "optimizer.learning_rate is nan, must be above 0"),
        ("channels = 4", "[optimizer]\nmomentum = 1.0", r"optimizer.momentum is 1.0, must be in \[0, 1\)"),
        ("channels = 4", "[optimizer]\nweight_decay = -1.0", "optimizer.weight_decay is -1.0, must be at least 0"),
        ("channels = 4", "[augmentation]\ncrop_padding = -1", "augmentation.crop_padding is -1, must be at least 0"),
        ("version = 1", "version = = 1", "here: "),
    ],
)
def test_errors_name_recipe_key_value_and_range(old, new, message):
    with pytest.raises(RecipeError, match=message):
        parse_recipe(SMALL.replace(old, new), "here")


def test_unknown_names_and_paths():
    with pytest.raises(RecipeError, match=r"unknown recipe 'mnist2d'; there are \['cifar10-12'"):
        load_recipe("mnist2d")
    with pytest.raises(RecipeError, match=r"no recipe file nowhere/mine.toml; shipped recipes are"):
        load_recipe("nowhere/mine.toml")


def test_errors_name_the_path(tmp_path):
    path = tmp_path / "broken.toml"
    path.write_text(SMALL.replace("epochs = 4", "epochs = -4"))
    with pytest.raises(RecipeError, match=r"broken.toml: epochs is -4, must be at least 1"):
        load_recipe(path)


def test_the_recipe_of_the_shipped_table_is_frozen():
    """Its table takes hours to train, over several sittings: a changed digest would throw the finished trainings away."""
    assert load_recipe("mnist1d").digest == "1a1a8c43ed816a87b98b9e41ad42736b0f5f6210a589f91feffd2da274f4df3d"
