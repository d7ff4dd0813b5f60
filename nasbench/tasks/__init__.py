"""Tasks that optimizers are compared on: `load_task(name)`, `task_names()`. One file a family; a file's `TASKS` is its list."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nasbench.tasks.task import Task


@cache
def _tasks() -> Mapping[str, Task]:
    found: dict[str, Task] = {}
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name):
        for task in getattr(importlib.import_module(f"{__name__}.{module.name}"), "TASKS", ()):
            found[task.name] = task
    return MappingProxyType(found)


def task_names() -> list[str]:
    """Return the names of all tasks, sorted."""
    return sorted(_tasks())


def load_task(name: str) -> Task:
    """Return a task by name.

    Raises:
        TaskError: there is none; the message lists those there are.
    """
    from nasbench.tasks.task import TaskError

    if name not in _tasks():
        raise TaskError(f"there is no task {name!r}; there are {task_names()}")
    return _tasks()[name]
