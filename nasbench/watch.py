"""Watch what the code of one folder does beside computing: files, environment, clock, network, processes, callers' frames.

Python's audit events (PEP 578) tell of files, sockets, processes and frames; reading the environment and the clock raises
none, so that these functions are wrapped. An act counts when the folder's code stands on the call stack; for what libraries
do all the time (reading files, the environment, the clock), only when that code called it with nothing but the standard
library between. What happens during an import is the imported library's doing and doesn't count. Values that C code reads
by itself, and functions that were imported by name before the watch began, are not seen.

The same holds for modules: one counts as imported by the folder's code if that code asked for it, not if a library that it
imported did so for itself (emcee, which SMAC3 needs, looks whether h5py is there).
"""

from __future__ import annotations

import builtins
import contextlib
import importlib
import inspect
import os
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

KINDS = ("files", "environment", "clock", "network", "frames")

CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate", "os.link", "os.symlink")
PROCESSES = ("subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn")
PEEPS = ("sys._getframe", "sys._current_frames", "gc.get_objects", "gc.get_referrers", "gc.get_referents")


class Watch:
    """Records the acts of code in one folder. Make one per process and let it end soon: audit hooks can't be removed.

    Attributes:
        acts: kind of act (one of `KINDS`) -> what was done, each once.
        imported: names of packages that the watched code asked for, or this project's own code in its place.
    """

    def __init__(self) -> None:
        self.acts: dict[str, list[str]] = {kind: [] for kind in KINDS}
        self.imported: set[str] = set()
        self._folder: str | None = None
        self._inside = False
        # Callers that an act passes through on its way to the code it is counted to; frozen modules are standard ones.
        self._standard = (sysconfig.get_path("stdlib"), "<frozen", __file__)
        self._inspection = (inspect.__file__, __file__)
        sys.addaudithook(self._hear)
        for name in ("time", "perf_counter", "monotonic", "process_time"):
            for suffix in ("", "_ns"):
                setattr(
                    time, name + suffix, self._wrap(getattr(time, name + suffix), "clock", f"time.{name}{suffix}()")
                )
        environment: Any = type(os.environ)
        environment.__getitem__ = self._wrap(environment.__getitem__, "environment", "os.environ[{1!r}]")
        environment.__iter__ = self._wrap(environment.__iter__, "environment", "iterates over os.environ")
        builtins.__import__ = self._wrap_import(builtins.__import__)
        importlib.import_module = self._wrap_import(importlib.import_module)

    @contextlib.contextmanager
    def watching(self, folder: str) -> Iterator[None]:
        """Watch the code of one folder for the time of a `with` block."""
        self._folder = folder
        try:
            yield
        finally:
            self._folder = None

    def _wrap(self, function: Callable[..., Any], kind: str, text: str) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **named: Any) -> Any:
            self._note(kind, text.format(*arguments), self._standard)
            return function(*arguments, **named)

        return wrapped

    def _wrap_import(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(name: str, *arguments: Any, **named: Any) -> Any:
            if self._folder is not None and not self._inside:
                self._inside = True
                try:
                    frame = sys._getframe(1)
                    ours = str(frame.f_globals.get("__name__")).partition(".")[0] == __name__.partition(".")[0]
                    if ours or self._responsible(frame, None):
                        self.imported.add(name.partition(".")[0])
                finally:
                    self._inside = False
            return function(name, *arguments, **named)

        return wrapped

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._folder is None or self._inside:
            return
        if event == "open" and isinstance(arguments[0], (str, bytes)):
            writes = bool((arguments[2] or 0) & WRITES)
            self._note(
                "files", f"{'writes' if writes else 'reads'} {arguments[0]!r}", None if writes else self._standard
            )
        elif event in CHANGES or event.startswith(("shutil.", "tempfile.")):
            self._note("files", f"{event}{arguments!r}", None)
        elif event in PROCESSES or event.startswith("socket."):
            self._note("network", event, None)
        elif event in PEEPS:
            self._note("frames", event, self._inspection)

    def _note(self, kind: str, act: str, through: tuple[str, ...] | None) -> None:
        """Record an act if the watched code did it: by itself, or through files that begin with `through` (None: any)."""
        if self._folder is None or self._inside:
            return
        self._inside = True
        try:
            if self._responsible(sys._getframe(1), through) and act not in self.acts[kind]:
                self.acts[kind].append(act)
        finally:
            self._inside = False

    def _responsible(self, frame: FrameType | None, through: tuple[str, ...] | None) -> bool:
        while frame is not None:
            file = frame.f_code.co_filename
            if file.startswith("<frozen importlib"):
                return False
            if file.rpartition(os.sep)[0] == self._folder:
                return True
            # Debian keeps third-party packages below the standard library's folder.
            if through is not None and (not file.startswith(through) or "-packages" in file.rpartition(os.sep)[0]):
                return file == __file__ and self._responsible(frame.f_back, through)
            frame = frame.f_back
        return False
