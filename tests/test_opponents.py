"""Opponents: an absent or another library is told in words, the fence, SMAC3 against the bare library, warm starts by hand."""

from __future__ import annotations

import logging
import random  # noqa: TID251 - to see that the fence holds
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nasbench import CELL201
from nasbench.baselines.strategies import _opponent
from nasbench.baselines.strategies import smac3 as smac3_adapter
from nasbench.load import ABSENT, load_strategy
from nasbench.query import Observation
from nasbench.settings import SettingError
from nasbench.space import CellSpace, SearchSpace, space_by_name
from nasbench.synthetic import SyntheticBenchmark, drive
from nasbench.testing import CheckFailed, strategy_checks

OPPONENTS = ("optuna_tpe", "optuna_nsga2", "cma_es", "smac3")


@pytest.mark.parametrize("name", OPPONENTS)
def test_absent_library_says_what_to_install(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    strategy = load_strategy(name)
    assert strategy.method.extra == "opponents"
    monkeypatch.setattr(_opponent, "installed_version", lambda distribution: ABSENT)
    search = strategy.function(CELL201, np.random.default_rng(0), (200,))
    with pytest.raises(_opponent.OpponentError, match=r"not installed.*pip install '\.\[opponents\]' in the checkout"):
        next(search)


@pytest.mark.parametrize("name", OPPONENTS)
def test_another_release_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_opponent, "installed_version", lambda distribution: "1.2.3")
    search = load_strategy(name).function(CELL201, np.random.default_rng(0), (200,), release="0.0.1")
    with pytest.raises(SettingError, match=r"release is '0\.0\.1', must be '1\.2\.3'"):
        next(search)


def test_defaults_of_our_row_are_the_librarys() -> None:
    optuna = pytest.importorskip("optuna")
    sampler = optuna.samplers.TPESampler()
    study = optuna.create_study(sampler=sampler, direction="maximize")
    assert sampler._is_multivariate(study) is load_strategy("optuna_tpe").configure()["multivariate"] is True
    assert load_strategy("optuna_tpe").configure(variant="hyperopt")["multivariate"] is False


def test_first_answer_belongs_to_the_first_generation(monkeypatch: pytest.MonkeyPatch) -> None:
    optuna = pytest.importorskip("optuna")
    studies: list[Any] = []
    make = optuna.create_study

    def kept(**settings: Any) -> Any:
        studies.append(make(**settings))
        return studies[-1]

    monkeypatch.setattr(optuna, "create_study", kept)
    strategy, benchmark = load_strategy("optuna_nsga2"), SyntheticBenchmark(CELL201)
    search = strategy.function(CELL201, np.random.default_rng(0), benchmark.epochs, population=5)
    drive(search, lambda query: benchmark.evaluate(query, 0), 8)
    told = [trial for trial in studies[0].trials if trial.state.is_finished()]
    generations = [trial.system_attrs["NSGAIISampler:generation"] for trial in told]
    assert generations[:7] == [0, 0, 0, 0, 0, 1, 1]


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


# SMAC3 ----------------------------------------------------------------------------------------------------------------

MIDDLE = space_by_name("cell201-3op")  # 729 cells
TWO = CellSpace("two-operations", 4, ("skip_connect", "nor_conv_3x3"))  # 64 cells


def asked_of_smac3(queries: int, space: SearchSpace = MIDDLE, seed: int = 0, **settings: Any) -> list[tuple[int, ...]]:
    answers = SyntheticBenchmark(space)
    search = load_strategy("smac3").function(space, np.random.default_rng(seed), answers.epochs, **settings)
    return [query.architecture for query in drive(search, lambda query: answers.evaluate(query, 0), queries).queries]


def plain_decisions(space: SearchSpace, names: list[str]) -> Any:
    spaces = pytest.importorskip("ConfigSpace")
    plain = spaces.ConfigurationSpace(seed=0)
    plain.add(
        [
            spaces.CategoricalHyperparameter(name, list(range(count)))
            for name, count in zip(names, space.choices, strict=True)
        ]
    )
    return plain


def test_smac3_draws_the_numbers_of_the_library() -> None:
    pytest.importorskip("smac")
    for counts in (CELL201.choices, (2, 5, 3, 1, 40)):
        space: Any = SimpleNamespace(choices=counts)
        names = list("abcdef")[: len(counts)]
        plain, ours = plain_decisions(space, names), smac3_adapter.decisions(space, names)
        plain.seed(7)
        ours.seed(7)
        for size in (1003, 5, None, 2):
            expected, found = plain.sample_configuration(size), ours.sample_configuration(size)
            if size is None:
                expected, found = [expected], [found]
            assert [dict(each) for each in found] == [dict(each) for each in expected]


def test_smac3_predicts_what_the_library_predicts() -> None:
    library = pytest.importorskip("smac")
    names = [f"{place:03d}" for place in range(len(CELL201.choices))]
    described = smac3_adapter.decisions(CELL201, names)
    scenario = library.Scenario(described, output_directory=smac3_adapter.NOWHERE, seed=5)
    rng = np.random.default_rng(0)
    inputs, errors = rng.integers(5, size=(60, 6)).astype(float), rng.uniform(0.05, 0.9, size=60)
    unseen = rng.integers(5, size=(300, 6)).astype(float)
    predictions = []
    for model in (
        library.HyperparameterOptimizationFacade.get_model(scenario),
        smac3_adapter.forest(scenario, 10, smac3_adapter.VERSION),
    ):
        model.train(inputs, np.log(errors)[:, np.newaxis])
        predictions.append(model.predict_marginalized(unseen))
    np.testing.assert_array_equal(predictions[0], predictions[1])
    assert len(np.unique(predictions[0][0])) > 100


def test_smac3_asks_what_the_facade_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is ours but the order of local searches, in which the library alone differs from process to process."""
    facade = pytest.importorskip("smac").HyperparameterOptimizationFacade
    quick = asked_of_smac3(30, trials=40)
    assert asked_of_smac3(30, trials=40, seed=1) != quick
    monkeypatch.setattr(smac3_adapter, "forest", lambda scenario, trees, release: facade.get_model(scenario))
    monkeypatch.setattr(smac3_adapter, "decisions", plain_decisions)
    assert asked_of_smac3(30, trials=40) == quick


def test_smac3_begins_with_a_quarter_of_the_trials_and_races() -> None:
    pytest.importorskip("smac")
    assert len(set(asked_of_smac3(40, trials=100, max_repeats=1))) == 40  # never the same twice
    racing = asked_of_smac3(40, trials=100)
    repeats = [racing.count(architecture) for architecture in set(racing)]
    assert max(repeats) == 3
    many, few = asked_of_smac3(30, trials=100, max_repeats=1), asked_of_smac3(30, trials=40, max_repeats=1)
    changed = asked_of_smac3(30, trials=100, max_repeats=1, random_share=1.0)
    assert many[:25] == changed[:25] and many[25:] != changed[25:]
    assert few[:10] == many[:10] and few[10:] != many[10:]


def test_smac3_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("smac")
    asked_of_smac3(2)
    monkeypatch.chdir(tmp_path)
    logger = logging.getLogger("smac")
    threads = set(threading.enumerate())
    before = logger.level, list(logger.handlers), list(logging.getLogger().handlers)
    first = asked_of_smac3(40)
    assert asked_of_smac3(40) == first
    assert before == (logger.level, list(logger.handlers), list(logging.getLogger().handlers))
    assert not set(threading.enumerate()) - threads
    assert not list(tmp_path.iterdir())


def test_smac3_ends_when_a_space_is_exhausted() -> None:
    pytest.importorskip("smac")
    asked = asked_of_smac3(500, space=TWO, max_repeats=1)
    assert 32 <= len(asked) == len(set(asked)) <= TWO.size


IMPORTS = {
    "pass": "the library's own import is no business of the strategy's",
    "import h5py": "it is loaded already, and asked for all the same",
    "importlib.import_module('h5py')": "by another way",
}


@pytest.mark.parametrize("line", IMPORTS)
def test_what_a_library_imports_for_itself_is_not_the_strategys_doing(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "libraries").mkdir()
    (tmp_path / "libraries" / "looks_for_h5py.py").write_text("import h5py\n")
    (tmp_path / "mine").mkdir()
    strategy = tmp_path / "mine" / "chance.py"
    strategy.write_text(
        '''"""Pure chance (Nobody et al. 2024)."""
import importlib

from nasbench.load import Method
from nasbench.query import Query

METHOD = Method("Chance", "Nobody et al.: Chance, 2024", 2024, mode="table", family="random")


def chance(space, rng, epochs):
    import looks_for_h5py
    LINE
    while True:
        yield Query(space.sample(rng), epochs[-1])
'''.replace("LINE", line)
    )
    monkeypatch.syspath_prepend(str(tmp_path / "libraries"))
    check = next(check for check in strategy_checks() if check.id == "sees_no_test_data")
    if line == "pass":
        check.run(str(strategy))
    else:
        with pytest.raises(CheckFailed, match=r"loads \['h5py'\]"):
            check.run(str(strategy))


# Warm starts ----------------------------------------------------------------------------------------------------------


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
