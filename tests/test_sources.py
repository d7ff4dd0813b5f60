"""Which files a method rests on."""

from pathlib import Path

from nasbench.load import load_strategy, strategy_names
from nasbench.sources import method_files


def names(path):
    return [file.name for file in method_files(path)]


def test_imports_beside_the_file_are_followed_at_any_depth(tmp_path):
    (tmp_path / "mine.py").write_text("import numpy\nfrom ._one import thing\n\ndef f():\n    from . import _two\n")
    (tmp_path / "_one.py").write_text("from ._three import x\nfrom nasbench.query import Query\n")
    (tmp_path / "_two.py").write_text("from . import _one\n")
    (tmp_path / "_three.py").write_text("from ._one import thing  # a cycle ends\n")
    (tmp_path / "_other.py").write_text("")
    (tmp_path / "query.py").write_text("# a stranger that bears a library file's name\n")
    assert names(tmp_path / "mine.py") == ["_one.py", "_three.py", "_two.py", "mine.py"]


def test_plain_and_absolute_imports_of_files_beside(tmp_path):
    folder = tmp_path / "strategies"
    folder.mkdir()
    (folder / "mine.py").write_text("import helper\nfrom nasbench.baselines.strategies._part import x\n")
    for name in ("helper", "_part", "unused"):
        (folder / f"{name}.py").write_text("")
    assert names(folder / "mine.py") == ["_part.py", "helper.py", "mine.py"]


def test_installed_strategies_rest_on_what_they_load():
    assert {"_gaussian_process.py", "_acquisition.py", "arc_gp.py"} <= set(names(source("arc_gp")))
    assert "_transport.py" in names(source("nasbot"))
    assert "_transport.py" not in names(source("arc_gp"))
    for name in strategy_names():
        assert f"{name}.py" in names(source(name))


def source(name):
    return Path(load_strategy(name).function.__code__.co_filename)
