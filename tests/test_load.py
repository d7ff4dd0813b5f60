"""Methods found by file name: installed, in a user's file, in a user's package; and what is wrong with those refused."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nasbench
from nasbench import load
from nasbench.load import LoadError, Method, find_protocol, load_strategy, protocol_names, strategy_names
from nasbench.query import Query
from nasbench.settings import SettingError
from nasbench.space import CELL201

ROOT = Path(nasbench.__file__).parents[1]

GOOD = '''"""Chance (Nobody 2024)."""
from __future__ import annotations
from dataclasses import dataclass
from nasbench.load import Method
from nasbench.query import Query

METHOD = Method("Chance", "Nobody: Chance, 2024", 2024, mode="table", family="random", variants={"many": {"count": 9}})


@dataclass
class Note:
    text: str


def chance(space, rng, epochs, *, count: int = 3):
    for _ in range(count):
        yield Query(space.sample(rng), epochs[-1])


def other(space, rng, epochs, *, count: int = 3):
    yield Query(space.sample(rng), epochs[0])


def no_generator(space, rng, epochs):
    return iter(())
'''


def write(folder: Path, text: str = GOOD, name: str = "chance") -> str:
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.py"
    path.write_text(text)
    return str(path)


def test_names_are_the_files_of_the_folder() -> None:
    files = {path.stem for path in (ROOT / "baselines" / "strategies").glob("*.py")}
    assert strategy_names() == sorted(name for name in files if not name.startswith("_"))
    assert {"random_search", "regularized_evolution", "local_search", "reinforce"} <= set(strategy_names())
    assert load.optimizer_names() == sorted(
        path.stem for path in (ROOT / "baselines" / "optimizers").glob("*.py") if not path.name.startswith("_")
    )
    files = sorted(path.stem for path in (ROOT / "protocols").glob("*.toml"))
    assert sorted(protocol_names() + protocol_names("optimizers")) == files
    assert "optimizers" in protocol_names("optimizers")


@pytest.mark.parametrize("name", strategy_names())
def test_every_strategy_loads_with_its_variants(name: str) -> None:
    strategy = load_strategy(name)
    assert strategy.name == strategy.reference == name
    assert strategy.function.__name__ == name
    for variant in strategy.method.variants:
        assert set(strategy.configure(variant=variant)) == set(strategy.settings)


def test_loading_one_strategy_loads_no_other() -> None:
    code = (
        "import sys, nasbench.load as load; before = set(sys.modules); load.load_strategy('random_search');"
        "print(sorted(name for name in set(sys.modules) - before if 'strategies.' in name), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['nasbench.baselines.strategies.random_search'] False"


def test_strategies_are_found_where_a_wheel_puts_them(tmp_path: Path) -> None:
    """The installed layout, `nasbench/baselines/...` in one tree, away from the checkout."""
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "nasbench", tmp_path / "nasbench", ignore=ignore)
    shutil.copytree(ROOT / "baselines", tmp_path / "nasbench" / "baselines", ignore=ignore)
    shutil.copytree(ROOT / "protocols", tmp_path / "nasbench" / "protocols", ignore=ignore)
    code = (
        "import nasbench.load as load, inspect; strategy = load.load_strategy('local_search');"
        "print(inspect.getfile(strategy.function)); print(load.strategy_names()); print(load.protocol_names());"
        "from nasbench.testing import strategy_checks;"
        "[check.run('local_search') for check in strategy_checks() if check.id == 'repeats_itself_elsewhere']"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    file, names, protocols = done.stdout.splitlines()
    assert Path(file) == tmp_path / "nasbench" / "baselines" / "strategies" / "local_search.py"
    assert names == str(strategy_names()) and protocols == str(protocol_names())


def test_own_file(tmp_path: Path) -> None:
    path = write(tmp_path)
    strategy = load_strategy(path)
    assert (strategy.name, strategy.reference, strategy.method.title) == ("chance", path, "Chance")
    queries = list(
        strategy.function(CELL201, np.random.default_rng(0), (12, 200), **strategy.configure(variant="many"))
    )
    assert len(queries) == 9 and queries[0].epochs == 200
    assert load_strategy(f"{path}:other").name == "other"


def test_own_file_edited_between_two_loads(tmp_path: Path) -> None:
    path = write(tmp_path)
    assert load_strategy(path).configure() == {"count": 3}
    Path(path).write_text(GOOD.replace("count: int = 3", "count: int = 12345"))
    assert load_strategy(path).configure() == {"count": 12345}


def test_two_files_of_one_name(tmp_path: Path) -> None:
    first = load_strategy(write(tmp_path / "a"))
    second = load_strategy(write(tmp_path / "b", GOOD.replace("count: int = 3", "count: int = 4")))
    assert (first.configure(), second.configure()) == ({"count": 3}, {"count": 4})
    assert first.function.__module__ != second.function.__module__


def test_file_named_like_an_installed_strategy(tmp_path: Path) -> None:
    own = load_strategy(write(tmp_path, GOOD.replace("def chance", "def random_search"), name="random_search"))
    assert own.configure() == {"count": 3}
    assert load_strategy("random_search").configure() == {"sampler": "strings"}


def test_own_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "lab_of_chance")
    monkeypatch.syspath_prepend(str(tmp_path))
    strategy = load_strategy("lab_of_chance.chance:other")
    assert next(strategy.function(CELL201, np.random.default_rng(0), (12, 200))).epochs == 12


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("def chance", "def chanse", "has no function chance"),
        ("yield Query(space.sample(rng), epochs[-1])", "pass", "must be a generator function"),
        ("METHOD = ", "METHODS = ", "has no METHOD"),
        ("count: int = 3", "count: int", "setting count has no default"),
        ("count: int = 3", "count=3", "setting count has no type"),
        ("*, count: int = 3", "**count: int", "collects arguments"),
        ('{"count": 9}', '{"number": 9}', "variant 'many': unknown setting 'number'; there are \\['count'\\]"),
        ('{"count": 9}', '{"count": "9"}', "variant 'many': setting count is '9', must be an integer"),
        ("from dataclasses import dataclass", "import no_such_library", "can't be imported: ModuleNotFoundError"),
        ("yield Query(", "yield Query((", "can't be imported: SyntaxError"),
        ('mode="table"', 'mode="tabular"', "METHOD: mode is 'tabular', must be one of"),
        ("@dataclass", "raise SystemError('down')", "can't be imported: SystemError: down"),
    ],
)
def test_files_that_are_no_strategy(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = write(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(LoadError, match=message) as error:
        load_strategy(path)
    assert "chance" in str(error.value)


def test_what_is_not_there() -> None:
    with pytest.raises(LoadError, match=r"no strategy 'random'; there are \[.*'random_search'.*path/to/my_strategy.py"):
        load_strategy("random")
    with pytest.raises(LoadError, match=r"no strategy '_brackets'"):
        load_strategy("_brackets")
    with pytest.raises(LoadError, match=r"no strategy file nowhere.py; installed are \["):
        load_strategy("nowhere.py")
    with pytest.raises(LoadError, match=r"no strategy file nowhere.py"):
        load_strategy("nowhere.py:function")
    with pytest.raises(LoadError, match="strategy no_such_package:f can't be imported: ModuleNotFoundError"):
        load_strategy("no_such_package:f")
    with pytest.raises(LoadError, match="must be a generator function"):
        load_strategy("nasbench.space:space_by_name")


def test_configure() -> None:
    strategy = load_strategy("regularized_evolution")
    assert strategy.configure() == {"population": 100, "sample": 25, "removal": "oldest", "founders": 0}
    assert strategy.configure(variant="nats") == {"population": 10, "sample": 3, "removal": "oldest", "founders": 0}
    assert strategy.configure({"sample": 5}, "nats") == {
        "population": 10,
        "sample": 5,
        "removal": "oldest",
        "founders": 0,
    }
    with pytest.raises(LoadError, match=r"no variant 'nat'; there are .*'nats'"):
        strategy.configure(variant="nat")
    with pytest.raises(SettingError, match="strategy regularized_evolution: unknown setting 'samples'; there are"):
        strategy.configure({"samples": 5})


def test_protocols(tmp_path: Path) -> None:
    own = tmp_path / "mine.toml"
    own.write_text("name = 'mine'")
    assert find_protocol(str(own)).read_text() == "name = 'mine'"
    with pytest.raises(LoadError, match=r"no protocol 'mine'; installed are \[.*path/to/my_protocol.toml"):
        find_protocol("mine")
    with pytest.raises(LoadError, match=r"no protocol file .*absent.toml"):
        find_protocol(str(tmp_path / "absent.toml"))
    for name in protocol_names():
        assert find_protocol(name).is_file()


@pytest.mark.parametrize(
    ("field", "value"),
    [("title", ""), ("paper", "  "), ("year", 19), ("mode", "fast"), ("family", "magic")],
)
def test_method_fields(field: str, value: object) -> None:
    fields = {"title": "T", "paper": "P", "year": 2020, "mode": "table", "family": "random", field: value}
    with pytest.raises(LoadError, match=f"METHOD: {field} is"):
        Method(**fields)  # type: ignore[arg-type]


def test_query_is_what_the_functions_yield() -> None:
    search = load_strategy("random_search").function(CELL201, np.random.default_rng(0), (4, 200))
    assert isinstance(next(search), Query)
