"""A table is found under the name it comes with, else as a path; the one rule that protocols and commands share."""

from pathlib import Path

import pytest

import nasbench.data
from nasbench import optimizer_seal, proxy_table, sealed
from nasbench.cli import find_table
from nasbench.table_file import shipped_tables, table_file


def test_a_name_that_comes_with_the_package_goes_before_a_file_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nas-bench-201").write_bytes(b"another")
    shipped = Path(nasbench.data.__path__[0]) / "nas-bench-201.h5"
    assert table_file("nas-bench-201") == table_file("nas-bench-201", tmp_path) == shipped
    assert "nas-bench-201" in shipped_tables() and list(shipped_tables()) == sorted(shipped_tables())


def test_a_path_is_relative_to_the_folder_that_is_given(tmp_path, monkeypatch):
    (tmp_path / "tables").mkdir()
    file = tmp_path / "tables" / "own.h5"
    file.write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    assert table_file("own.h5", tmp_path / "tables") == file
    assert table_file("tables/own.h5").samefile(file) and table_file(str(file)) == file
    assert table_file("own.h5") is None and table_file("tables") is None and table_file("absent", tmp_path) is None


def test_files_of_proxies_and_of_optimizers_are_no_tables_of_trainings(tmp_path, monkeypatch):
    for name, magic in (("b", sealed.MAGIC), ("a", sealed.MAGIC), ("a-proxies", proxy_table.MAGIC)):
        (tmp_path / f"{name}.h5").write_bytes(magic + b"...")
    (tmp_path / "optimizers.h5").write_bytes(optimizer_seal.MAGIC + b"...")
    (tmp_path / "cut.h5").write_bytes(sealed.MAGIC[:5])
    monkeypatch.setattr(nasbench.data, "__path__", [str(tmp_path)])
    assert shipped_tables() == ("a", "b")
    assert table_file("a-proxies") == tmp_path / "a-proxies.h5"  # found by name all the same
    with pytest.raises(FileNotFoundError, match=r"no table 'c': tables that come with the package are \['a', 'b'\]"):
        find_table("c")
