"""The source files that a method rests on: its own, and the files beside it that it imports, directly or through others.

Records carry the digest of these files, so that a changed method is computed again and its neighbours are not.
"""

from __future__ import annotations

import ast
from pathlib import Path


def method_files(own: Path) -> list[Path]:
    """Return a method's file and all files of its folder that it imports, at any depth, sorted.

    Imports inside functions count; `from ._part import name`, `from . import _part` and, within this package, the absolute form
    are followed. What is not beside the file (libraries, `nasbench.query`) is not.

    Args:
        own: a Python source file.

    Raises:
        OSError: the file can't be read.
        SyntaxError: it is no Python.
    """
    found = {own}
    open_files = [own]
    while open_files:
        for name in _names_beside(open_files.pop()):
            path = own.with_name(f"{name}.py")
            if path not in found and path.is_file():
                found.add(path)
                open_files.append(path)
    return sorted(found)


def _names_beside(path: Path) -> set[str]:
    """Return the names of modules that a file imports from its own folder, or might."""
    names = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level == 1:
                names |= {module.partition(".")[0]} if module else {alias.name for alias in node.names}
            elif node.level == 0 and path.parent.name == module.rpartition(".")[2]:
                names |= {alias.name for alias in node.names}
            elif node.level == 0 and f".{path.parent.name}." in module:
                names.add(module.rpartition(".")[2])
        elif isinstance(node, ast.Import):
            names |= {alias.name.rpartition(".")[2] for alias in node.names}
    return names
