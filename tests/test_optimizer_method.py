"""METHOD of an optimizer, search spaces, quasi-random trials, edges, and how an optimizer is found."""

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasbench.load import LoadError, optimizer_names
from nasbench.optimizer_method import (
    Choice,
    LogRange,
    OptimizerMethod,
    Uniform,
    describe_space,
    draw_trials,
    edges,
    load_optimizer,
    load_variants,
)
from nasbench.settings import SettingError

SPACE = {"learning_rate": LogRange(1e-4, 10.0), "momentum": Uniform(0.0, 0.99), "nesterov": Choice((True, False))}

OWN = """
import torch
from nasbench.optimizer_method import LogRange, OptimizerMethod
METHOD = OptimizerMethod("Mine", "Me: Mine, 2026", 2026, "hand-designed", search_space={"learning_rate": LogRange(1e-3, 1.0)})
def mine(parameters, total_steps: int, *, learning_rate: float = 0.1):
    return torch.optim.SGD(parameters, lr=learning_rate)
"""


def method(**changes):
    values = {"title": "A", "paper": "B: C", "year": 2020, "family": "hand-designed", "search_space": SPACE}
    return OptimizerMethod(**(values | changes))


@given(st.floats(0, 1, exclude_max=True))
def test_positions_and_values_are_inverse(position):
    for choices in (LogRange(1e-6, 1e3), Uniform(-2.0, 5.0)):
        value = choices.value(position)
        assert choices.low * (1 - 1e-12 if choices.low > 0 else 1 + 1e-12) <= value <= choices.high
        assert choices.position(value) == pytest.approx(position, abs=1e-9)


def test_log_range_is_uniform_in_the_logarithm():
    assert LogRange(1e-4, 1.0).value(0.5) == pytest.approx(1e-2)
    assert Uniform(2.0, 4.0).value(0.5) == 3.0
    assert [Choice("abc").value(position) for position in (0.0, 0.34, 0.99)] == ["a", "b", "c"]


def test_trials_are_frozen_and_nested():
    """Trial n is the same whatever the number of trials, in this process and in another; it depends on name and space."""
    fifty = draw_trials("adam", SPACE, 50)
    assert draw_trials("adam", SPACE, 7) == fifty[:7] and len(fifty) == 50
    assert draw_trials("sgd", SPACE, 7) != fifty[:7]
    assert draw_trials("adam", {**SPACE, "momentum": Uniform(0.0, 0.9)}, 7) != fifty[:7]
    code = (
        "from nasbench.optimizer_method import *; from nasbench.optimizer_method import draw_trials;"
        "print(draw_trials('adam', {'learning_rate': LogRange(1e-4, 10.0), 'momentum': Uniform(0.0, 0.99),"
        "'nesterov': Choice((True, False))}, 2))"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == str(fifty[:2])


def test_trials_cover_the_space_evenly():
    """Of 64 Sobol points exactly four lie in each sixteenth of an axis; independent draws hardly ever do."""
    rates = [math.log(trial["learning_rate"]) for trial in draw_trials("adam", SPACE, 64)]
    counts, _ = np.histogram(rates, bins=np.linspace(math.log(1e-4), math.log(10), 17))
    assert counts.tolist() == [4] * 16
    assert sum(trial["nesterov"] for trial in draw_trials("adam", SPACE, 64)) == 32


def test_edges_are_named():
    assert edges(SPACE, {"learning_rate": 1e-4, "momentum": 0.5, "nesterov": True}) == [
        "learning_rate at its low end (0.0001)"
    ]
    assert edges(SPACE, {"learning_rate": 0.1, "momentum": 0.98, "nesterov": True}) == [
        "momentum at its high end (0.98)"
    ]
    assert edges(SPACE, {"learning_rate": 0.1, "momentum": 0.5, "nesterov": True}) == []
    assert describe_space(SPACE)["learning_rate"] == ["log", 1e-4, 10.0]


def test_natural_ends_are_not_named():
    """A momentum of 0 has nothing beyond it; the other end still counts. Trials don't depend on what is natural."""
    space = {"one_minus_momentum": LogRange(0.01, 1.0, natural=("high",))}
    assert edges(space, {"one_minus_momentum": 0.99}) == []
    assert edges(space, {"one_minus_momentum": 0.0101}) == ["one_minus_momentum at its low end (0.0101)"]
    assert draw_trials("a", space, 3) == draw_trials("a", {"one_minus_momentum": LogRange(0.01, 1.0)}, 3)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"title": " "}, "title is empty"),
        ({"paper": ""}, "paper is empty"),
        ({"year": 20}, "year is 20, must be from 1800 to 2100"),
        ({"family": "magic"}, r"family is 'magic', must be one of \['hand-designed', 'learned', 'control'\]"),
        ({"ruleset": "free"}, r"ruleset is 'free', must be one of \['tuned', 'self-tuning'\]"),
        ({"search_space": {}}, "a tuned optimizer has a search_space"),
        ({"ruleset": "self-tuning"}, "a self-tuning one has neither"),
        ({"horizon_variants": ("cosine",)}, r"horizon_variants has \['cosine'\], must be of the variants \[\]"),
        ({"variants": {"slow": {"learning_rate": 0.1}}}, r"variant 'slow' fixes \['learning_rate'\], which the search"),
    ],
)
def test_method_says_what_is_wrong(changes, said):
    with pytest.raises(LoadError, match=said):
        method(**changes)


@pytest.mark.parametrize(
    "make",
    [
        lambda: LogRange(0.0, 1.0, natural=()),
        lambda: LogRange(0.1, 1.0, natural=("top",)),
        lambda: Uniform(0.1, 1.0, natural=("top",)),
        lambda: LogRange(0.0, 1.0),
        lambda: LogRange(2.0, 1.0),
        lambda: Uniform(1.0, 1.0),
        lambda: Choice(()),
    ],
)
def test_ranges_must_be_ranges(make):
    with pytest.raises(LoadError, match="must"):
        make()


def test_own_optimizer_by_its_file(tmp_path):
    pytest.importorskip("torch")
    path = tmp_path / "mine.py"
    path.write_text(OWN)
    loaded = load_optimizer(path)
    assert loaded.name == "mine" and loaded.method.title == "Mine"
    assert loaded.configure({"learning_rate": 1}) == {"learning_rate": 1.0}
    assert len(loaded.trials(5)) == 5
    with pytest.raises(SettingError, match=r"optimizer mine: unknown setting 'lr'"):
        loaded.configure({"lr": 1.0})
    with pytest.raises(ValueError, match="count is 0, must be at least 1"):
        loaded.trials(0)
    digest = loaded.source_digest
    path.write_text(OWN + "# changed\n")
    assert load_optimizer(path).source_digest != digest


def test_list_of_trials_and_self_tuning(tmp_path):
    pytest.importorskip("torch")
    path = tmp_path / "mine.py"
    path.write_text(
        OWN.replace('search_space={"learning_rate": LogRange(1e-3, 1.0)}', 'trial_list=({"learning_rate": 3.0}, {})')
    )
    assert load_optimizer(path).trials(9) == [{"learning_rate": 3.0}, {"learning_rate": 0.1}]
    assert load_optimizer(path).trials(1) == [{"learning_rate": 3.0}]
    path.write_text(OWN.replace('search_space={"learning_rate": LogRange(1e-3, 1.0)}', 'ruleset="self-tuning"'))
    assert load_optimizer(path).trials(9) == [{"learning_rate": 0.1}]


def test_variant_has_its_settings_title_and_trials(tmp_path):
    pytest.importorskip("torch")
    path = tmp_path / "mine.py"
    text = OWN.replace(
        "1e-3, 1.0)}", '1e-3, 1.0)}, variants={"very-late": {"late": True}}, horizon_variants=("very-late",)'
    )
    path.write_text(text.replace("float = 0.1)", "float = 0.1, late: bool = False)"))
    plain, variant = load_variants(path)
    assert (plain.variant, plain.method.title, plain.method.horizon_aware) == (None, "Mine", False)
    assert (variant.variant, variant.method.title, variant.method.horizon_aware) == (
        "very-late",
        "Mine, very late",
        True,
    )
    assert variant.configure() == {"learning_rate": 0.1, "late": True}
    assert variant.configure({"late": False}) == plain.configure()  # a protocol's settings go on top
    assert [{**trial, "late": False} for trial in variant.trials(4)] == plain.trials(4)
    with pytest.raises(LoadError, match=r"Mine has no variant 'early'; there are \['very-late'\]"):
        load_optimizer(path, "early")
    path.write_text(text)
    with pytest.raises(LoadError, match="unknown setting 'late'"):
        load_optimizer(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("METHOD = ", "OTHER = "), "has no METHOD"),
        (("def mine", "def yours"), "has no function mine"),
        (('{"learning_rate"', '{"lr"'), "unknown setting 'lr'"),
        (("learning_rate: float = 0.1", "learning_rate=0.1"), "has no type"),
        (("import torch", "import torch_of_nowhere"), "optimizer .* can't be imported: ModuleNotFoundError"),
    ],
)
def test_what_is_no_optimizer_is_refused(tmp_path, change, said):
    pytest.importorskip("torch")
    path = tmp_path / "mine.py"
    path.write_text(OWN.replace(*change, 1))
    with pytest.raises(LoadError, match=said):
        load_optimizer(path)


def test_missing_ones_are_named():
    with pytest.raises(LoadError, match=r"no optimizer 'adamant'; there are \[.*'adam'.*path/to/my_optimizer.py"):
        load_optimizer("adamant")
    with pytest.raises(LoadError, match=r"no optimizer file nowhere.py"):
        load_optimizer(Path("nowhere.py"))


@pytest.mark.live
@pytest.mark.parametrize("name", optimizer_names())
def test_every_optimizer_on_disk_loads_with_its_trials(name):
    pytest.importorskip("torch")
    for loaded in load_variants(name):
        assert loaded.name == name
        trials = loaded.trials(50)
        assert 1 <= len(trials) <= 50 and all(set(trial) == set(loaded.settings) for trial in trials)
        assert len({str(trial) for trial in trials}) == len(trials)
