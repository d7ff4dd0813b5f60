"""Splits that share examples, and those of the shipped recipes that need no files."""

import dataclasses

import pytest

pytestmark = pytest.mark.live
torch = pytest.importorskip("torch")

from nasbench.dataset import load_dataset  # noqa: E402
from nasbench.overlap import describe_shared, shared_examples  # noqa: E402
from nasbench.recipe import load_recipe  # noqa: E402

APART = {("train", "validation"): 0, ("train", "test"): 0, ("validation", "test"): 0}


def test_the_table_of_mnist1d_learns_from_none_of_the_examples_it_is_judged_on():
    assert shared_examples(load_dataset(load_recipe("mnist1d").dataset)) == APART


def test_examples_put_into_other_splits_are_counted():
    data = load_dataset(load_recipe("digits-small").dataset)
    before = shared_examples(data)
    inputs = dict(data.inputs)
    inputs["test"] = torch.cat([inputs["test"], inputs["train"][:3], inputs["validation"][5:6]])
    labels = dict(data.labels)
    labels["test"] = torch.cat([labels["test"], labels["train"][:4]])  # a wrong label hides no example
    after = shared_examples(dataclasses.replace(data, inputs=inputs, labels=labels))
    assert after[("train", "test")] - before[("train", "test")] >= 3
    assert after[("validation", "test")] - before[("validation", "test")] >= 1
    assert after[("train", "validation")] == before[("train", "validation")]


def test_in_words():
    data = load_dataset(load_recipe("digits-small").dataset)
    disjoint, said = describe_shared(data)
    assert disjoint
    assert said.startswith("splits are disjoint") and "0 of test in train" in said
    leaking = dataclasses.replace(data, inputs=data.inputs | {"test": data.inputs["train"][: len(data.labels["test"])]})
    disjoint, said = describe_shared(leaking)
    assert not disjoint
    assert f"{len(leaking.inputs['test'])} of test in train" in said
