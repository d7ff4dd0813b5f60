"""What made a result: versions, code, hardware. No host name, no user name, no path of this machine."""

from __future__ import annotations

import datetime
import hashlib
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

from nasbench import __version__

PACKAGES = ("numpy", "scipy", "pandas", "h5py", "matplotlib", "msgspec", "torch", "torchvision")


def provenance() -> dict[str, Any]:
    """Return versions, code state, hardware and date (UTC) as plain values; torch's version is looked up, not imported."""
    return {
        "nasbench": __version__,
        "code": code_state(),
        "python": platform.python_version(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "kernels": kernels(),
        "cores": os.cpu_count(),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def processor() -> str:
    """Return the processor's model name, where the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


def kernels() -> dict[str, str]:
    """Return which kernels numpy and its OpenBLAS chose for this processor: others move last bits, and so searches that fit models."""
    found = np.show_config(mode="dicts").get("SIMD Extensions", {}).get("found", [])  # what is empty is left out
    blas = {library["architecture"] for library in threadpool_info() if library["internal_api"] == "openblas"}
    return {"blas": "+".join(sorted(blas)), "numpy": "+".join(found)}


def code_state() -> dict[str, Any]:
    """Return commit and whether the checkout differs from it; empty outside a checkout (an installed wheel)."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return {}

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(root), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()

    try:
        return {
            "commit": git("rev-parse", "HEAD"),
            "modified": bool(git("status", "--porcelain", "--untracked-files=no")),
        }
    except (OSError, subprocess.SubprocessError):
        return {}


def files_digest(paths: Iterable[Path]) -> str:
    """Return SHA-256 (hex) over names and contents of source files, in the order of their names."""
    sha256 = hashlib.sha256()
    for path in sorted(paths, key=lambda path: path.name):
        sha256.update(f"{path.name} {path.stat().st_size}\n".encode())
        sha256.update(path.read_bytes())
    return sha256.hexdigest()
