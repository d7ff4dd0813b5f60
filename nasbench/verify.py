"""`nasbench verify`: is a file a sound table, and what is in it?

The file is read in a child process whose time and memory are limited by the operating system, so that a hostile file can
at worst end that process. The questions it is asked are those of `checks.py`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec

from nasbench.checks import audit
from nasbench.sealed import open_table
from nasbench.table import TableError
from nasbench.table_report import Report

CPU_SECONDS = 120
MEMORY_BYTES = 4 * 2**30  # address space, of which the libraries alone take about 1 GB


def verify(path: Path, *, cpu_seconds: int = CPU_SECONDS, memory_bytes: int = MEMORY_BYTES) -> Report:
    """Read a table in a limited child process, and audit it.

    Args:
        path: the sealed file.
        cpu_seconds: processor seconds that the child may use; twice as many by the wall clock.
        memory_bytes: address space that the child may use.

    Returns:
        The report. A sound file whose content fails a check gives a report with `passed` false, not an error.

    Raises:
        FileNotFoundError: there is no such file.
        TableError: not a sound table; or the child hit a limit or died over it; the message says which.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no table {path}")
    arguments = [sys.executable, "-m", "nasbench.verify", str(path.resolve()), str(cpu_seconds), str(memory_bytes)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    try:
        child = subprocess.run(arguments, capture_output=True, timeout=2 * cpu_seconds, env=environment, check=False)
    except subprocess.TimeoutExpired:
        raise TableError(f"{path}: not read within {2 * cpu_seconds} seconds") from None
    if child.returncode == 0:
        return msgspec.structs.replace(msgspec.json.decode(child.stdout, type=Report), path=str(path))
    message = child.stderr.decode("utf-8", "replace").strip()
    if child.returncode == _REFUSED:
        raise TableError(message.replace(str(path.resolve()), str(path)))
    if child.returncode in (-getattr(signal, "SIGXCPU", 0), -getattr(signal, "SIGKILL", 0)):
        raise TableError(f"{path}: not read within {cpu_seconds} processor seconds")
    last = message.splitlines()[-1] if message else "no message"
    raise TableError(f"{path}: its reader ended with code {child.returncode}: {last}")


_REFUSED = 3


def _child(arguments: list[str]) -> int:
    path, cpu_seconds, memory_bytes = arguments[0], int(arguments[1]), int(arguments[2])
    _limit(cpu_seconds, memory_bytes)
    try:
        report = audit(open_table(path), path)
    except TableError as error:
        sys.stderr.write(str(error))
        return _REFUSED
    except MemoryError:
        sys.stderr.write(f"{path}: more than {memory_bytes} bytes of memory were needed")
        return _REFUSED
    sys.stdout.buffer.write(msgspec.json.encode(report))
    return 0


def _limit(cpu_seconds: int, memory_bytes: int) -> None:
    """Limit this process for good; where the system knows no such limit (Windows; memory on macOS) it stays unlimited."""
    try:
        import resource
    except ImportError:
        return
    for limit, value in (
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CORE, 0),
    ):
        try:
            hard = resource.getrlimit(limit)[1]
            least = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(limit, (least, least))
        except (ValueError, OSError):
            continue


if __name__ == "__main__":
    sys.exit(_child(sys.argv[1:]))
