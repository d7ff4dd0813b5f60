"""The folder of a build: what it is a build of, who works on it now, and the journals in it.

    build.json           which recipe and cells: written once, compared on every later run
    build.lock           held (flock) by a build of the whole folder, shared by builds of shards
    shard-0-of-8.lock    held by the build of a shard
    *.workers.lock       shared by the workers of a build, so that the next build can wait for the last one's to end
    *.journal            what is finished (journal.py)

Locks belong to the kernel: they vanish with the process that holds them, whatever ends it, so a stale lock can't exist.
The text in a lock file only tells people who holds it.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import fcntl
import json
import os
import platform
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from nasbench.journal import Header, Journal, JournalError, JournalWriter, Sync, read_journal
from nasbench.recipe import Recipe
from nasbench.record import replace_file

FORMAT_VERSION = 1
SUFFIX = ".journal"

ORPHAN_SECONDS = 60.0
"""How long to wait for the workers of a build that was killed; they end by themselves when their supervisor is gone."""


class BuildError(RuntimeError):
    """A build that can't start or go on; the message says why and what to do."""


# What is built here -----------------------------------------------------------------------------------------------------


def pin(folder: Path, recipe: Recipe, trainer: str, cells: Sequence[int] | None) -> None:
    """Write down what the folder is a build of, or check that it is a build of the same.

    Args:
        folder: the build's folder; it is made if it is not there.
        recipe: the recipe.
        trainer: name of the trainer (see `trainer.py`).
        cells: numbers of the canonical classes to train; None: all.

    Raises:
        BuildError: the folder holds a build of something else, or can't be written.
    """
    mine: dict[str, Any] = {
        "format": FORMAT_VERSION,
        "recipe_digest": recipe.digest,
        "trainer": trainer,
        "cells": None if cells is None else sorted(set(cells)),
        "recipe": msgspec.to_builtins(
            msgspec.structs.replace(recipe, dataset=msgspec.structs.replace(recipe.dataset, root=""))
        ),
    }
    path = folder / "build.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            if any(folder.glob("*" + SUFFIX)):
                raise BuildError(f"{folder} holds journals but no build.json that says of what; use another folder")
            replace_file(path, (json.dumps(mine, indent=2) + "\n").encode())
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise BuildError(f"folder {folder} can't be used for a build: {error.strerror}") from error
    except json.JSONDecodeError as error:
        raise BuildError(f"{path} is damaged ({error}); put it back, or use another folder") from None
    for field in ("format", "trainer", "cells", "recipe_digest"):
        if not isinstance(found, dict) or found.get(field) != mine[field]:
            raise BuildError(_difference(path, field, found, mine))


def _difference(path: Path, field: str, found: Any, mine: dict[str, Any]) -> str:
    if not isinstance(found, dict):
        return f"{path} is not the description of a build; use another folder"
    if field == "recipe_digest":
        changes = [f"{name}: {old!r} -> {new!r}" for name, old, new in _changes(found.get("recipe"), mine["recipe"])]
        what = f"recipe {mine['recipe']['name']} has changed since the build began ({'; '.join(changes) or 'digest'})"
    else:
        what = f"{field} is {_short(found.get(field))} there and {_short(mine[field])} now"
    return f"{path.parent} holds a build of something else: {what}. Go on with the old values, or use another folder"


def _changes(old: Any, new: Any, place: str = "") -> Iterator[tuple[str, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            yield from _changes(old.get(key), new.get(key), f"{place}.{key}" if place else key)
    elif old != new:
        yield place, old, new


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 60 else text[:57] + "..."


# Who works on it --------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def locked(folder: Path, shard: tuple[int, int] | None, *, orphan_seconds: float = ORPHAN_SECONDS) -> Iterator[Path]:
    """Hold the folder, or one shard of it, and wait until no worker of an earlier build is left.

    Builds of different shards may share a folder; two builds of one shard, or of the whole folder and a shard, may not.

    Args:
        folder: the build's folder.
        shard: (i, N), or None for the whole folder.
        orphan_seconds: how long to wait for the workers of a build that was killed.

    Yields:
        The lock file that this build's workers must share (`share_lock`).

    Raises:
        BuildError: somebody else holds it, workers of an earlier build go on, or the file system has no locks.
    """
    with contextlib.ExitStack() as held:
        whole = folder / "build.lock"
        if shard is None:
            held.enter_context(_lock(whole, fcntl.LOCK_EX, folder))
            name = "build"
        else:
            held.enter_context(_lock(whole, fcntl.LOCK_SH, folder))
            name = f"shard-{shard[0]}-of-{shard[1]}"
            held.enter_context(_lock(folder / f"{name}.lock", fcntl.LOCK_EX, folder))
        workers = folder / f"{name}.workers.lock"
        old = {workers} if shard else {workers, *folder.glob("*.workers.lock")}
        for path in sorted(old):
            _wait_for_workers(path, orphan_seconds)
        yield workers


@contextlib.contextmanager
def share_lock(path: Path) -> Iterator[None]:
    """Hold a worker's share of the lock that `locked` yielded."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _lock(path: Path, kind: int, folder: Path) -> Iterator[None]:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise BuildError(f"folder {folder} can't be used for a build: {path.name}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip()
            raise BuildError(
                f"another build works on {folder} ({holder or path.name}); wait for it, or use another folder"
            ) from None
        except OSError as error:
            raise BuildError(
                f"{path} can't be locked: {error.strerror}. Without locks two builds could do the same work twice; put the "
                "folder on a file system with flock"
            ) from error
        if kind == fcntl.LOCK_EX:
            now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            try:
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"process {os.getpid()} on {platform.node()} since {now}\n".encode(), 0)
            except OSError as error:
                # a full disk must not keep a build from sealing: the lock holds without its text
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
        yield
    finally:
        os.close(descriptor)


def _wait_for_workers(path: Path, patience: float) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    deadline = time.monotonic() + patience
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise BuildError(
                        f"workers of an earlier build still run in {path.parent} ({path.name} is held); end them first"
                    ) from None
                time.sleep(0.05)
            else:
                return
    finally:
        os.close(descriptor)


# What is finished -------------------------------------------------------------------------------------------------------


def read_journals(folder: Path, recipe: Recipe) -> list[Journal]:
    """Read all journals of a build.

    Raises:
        JournalError: a file is no journal, or was written with another recipe.
    """
    found = [read_journal(path) for path in sorted(folder.glob("*" + SUFFIX))]
    for journal in found:
        if journal.header and journal.header.recipe != recipe.digest:
            raise JournalError(
                f"{journal.path} was written with another recipe (digest {journal.header.recipe[:12]}, not "
                f"{recipe.digest[:12]}); move it away"
            )
    return found


def new_journal(folder: Path, header: Header, *, sync: Sync = "frame") -> JournalWriter:
    """Open a journal with a name that no other has: time, writer, and a number where two writers meet.

    Raises:
        JournalError: it can't be made.
    """
    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S")
    for number in range(1000):
        path = folder / f"{stamp}-{header.writer}{f'-{number}' if number else ''}{SUFFIX}"
        if path.exists():
            continue
        try:
            return JournalWriter(path, header, sync=sync)
        except JournalError as error:
            if not isinstance(error.__cause__, FileExistsError):
                raise
    raise JournalError(f"{folder} holds 1,000 journals of {header.writer} from the same second")
