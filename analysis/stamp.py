"""What a report was made from, so that a report that is up to date is not made again.

The stamp, `report-stamp.json` beside the report, holds one digest of the inputs (every byte of the records, the sources of the
analysis, the versions of what draws and computes) and one of each file that was made. A report is up to date if nothing of
that has changed: a file that somebody edited or deleted is made again.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path

import nasbench

STAMP = "report-stamp.json"
PACKAGES = ("numpy", "scipy", "pandas", "matplotlib", "jinja2", "plotly")


def input_digest(results: Path) -> str:
    """Return the digest of all that a report of these records depends on, hexadecimal."""
    here = Path(__file__).parent
    sources = sorted(path for path in here.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    records = sorted(path for path in (results / "runs").rglob("*") if path.is_file())
    versions = [nasbench.__version__, platform.python_version(), *map(_version, PACKAGES)]
    digest = hashlib.sha256(json.dumps(versions).encode())
    for folder, paths in ((here, sources), (results, [results / "experiment.json", *records])):
        for path in paths:
            digest.update(f"\n{path.relative_to(folder).as_posix()} ".encode())
            digest.update(_file_digest(path).encode())
    return digest.hexdigest()


def up_to_date(out: Path, digest: str) -> tuple[Path, ...] | None:
    """Return the files of the report in `out` if it was made from such inputs and stands as it was made, else None."""
    try:
        content = json.loads((out / STAMP).read_text(encoding="utf-8"))
        if content["inputs"] != digest:
            return None
        files = {out / name: made for name, made in content["files"].items()}
        whole = all(_file_digest(path) == made for path, made in files.items())
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
    ):  # none, damaged, or of another form: make the report
        return None
    return tuple(files) if whole else None


def write_stamp(out: Path, digest: str, files: Sequence[Path]) -> None:
    """Note that `files`, all below `out`, were made from inputs of this digest."""
    content = {"inputs": digest, "files": {path.relative_to(out).as_posix(): _file_digest(path) for path in files}}
    (out / STAMP).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8", newline="\n")


def remove_stale(out: Path, files: Iterable[Path]) -> None:
    """Delete what an earlier report made, by its stamp, and this one did not: an entrant less makes fewer pages.

    Files that no stamp names are never touched.
    """
    try:
        names = json.loads((out / STAMP).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return
    kept = {path.resolve() for path in files}
    for name in names:
        path = (out / name).resolve()
        if path not in kept and path.is_relative_to(out.resolve()):
            path.unlink(missing_ok=True)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


def _file_digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return "unreadable"  # the reader names it; a report of the same unreadable file is the same
