"""Opponents: an absent or another library is told in words, the fence, warm starts by hand."""

from __future__ import annotations

import random  # noqa: TID251 - to see that the fence holds

import numpy as np
import pytest

from nasbench import CELL201
from nasbench.baselines.strategies import _opponent
from nasbench.load import ABSENT, load_strategy
from nasbench.query import Observation
from nasbench.settings import SettingError

OPPONENTS = ("optuna_tpe", "optuna_nsga2", "cma_es")


@pytest.mark.parametrize("name", OPPONENTS)
def test_absent_library_says_what_to_install(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    strategy = load_strategy(name)
    assert strategy.method.extra == "opponents"
    monkeypatch.setattr(_opponent, "installed_version", lambda distribution: ABSENT)
    search = strategy.function(CELL201, np.random.default_rng(0), (200,))
    with pytest.raises(_opponent.OpponentError, match=r"not installed.*pip install 'nasbench-live\[opponents\]'"):
        next(search)


@pytest.mark.parametrize("name", OPPONENTS)
def test_another_release_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_opponent, "installed_version", lambda distribution: "1.2.3")
    search = load_strategy(name).function(CELL201, np.random.default_rng(0), (200,), release="0.0.1")
    with pytest.raises(SettingError, match=r"release is '0\.0\.1', must be '1\.2\.3'"):
        next(search)


def test_fence_gives_each_run_its_own_stream_and_puts_the_global_one_back() -> None:
    fences = [_opponent.Fence(np.random.default_rng(7)) for _ in range(2)]
    before = random.getstate(), repr(np.random.get_state())  # noqa: NPY002
    drawn: list[list[float]] = [[], []]
    for _ in range(3):
        for fence, values in zip(fences, drawn, strict=True):
            with fence.inside():
                values += [random.random(), float(np.random.rand())]  # noqa: NPY002
    assert drawn[0] == drawn[1]
    assert len(set(drawn[0])) == 6
    assert before == (random.getstate(), repr(np.random.get_state()))  # noqa: NPY002


def test_warm_start_trains_what_is_given_first_and_in_order() -> None:
    given = tuple(CELL201.format(CELL201.architecture(number)) for number in (15_000, 3, 77))
    warm = load_strategy("warm_start")
    for search_on in ("evolution", "local", "random"):
        search = warm.function(CELL201, np.random.default_rng(0), (200,), initial=given, search=search_on)
        query = next(search)
        asked = []
        for number in range(4):
            asked.append(query.architecture)
            query = search.send(Observation(query, (0.2, 0.9, 0.1, 0.0)[number], 1.0))
        assert [CELL201.format(each) for each in asked[:3]] == list(given)
        if search_on == "local":
            assert asked[3] in CELL201.neighbours(CELL201.architecture(3))


def test_warm_start_evolves_from_the_given() -> None:
    given = tuple(CELL201.format(CELL201.architecture(number)) for number in (15_000, 3))
    search = load_strategy("warm_start").function(CELL201, np.random.default_rng(0), (200,), initial=given)
    next(search)
    search.send(Observation(None, 0.2, 1.0))  # type: ignore[arg-type]
    child = search.send(Observation(None, 0.9, 1.0)).architecture  # type: ignore[arg-type]
    parents = [CELL201.architecture(number) for number in (15_000, 3)]
    assert min(sum(a != b for a, b in zip(child, parent, strict=True)) for parent in parents) == 1


def test_warm_start_refuses_what_the_space_cannot_read() -> None:
    search = load_strategy("warm_start").function(CELL201, np.random.default_rng(0), (200,), initial=("nonsense",))
    with pytest.raises(SettingError, match=r"initial is .*nonsense"):
        next(search)
