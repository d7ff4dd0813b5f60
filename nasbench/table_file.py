"""Where a table's file is: the one place that knows, for protocols, commands and reports. Proves nothing."""

from __future__ import annotations

from pathlib import Path


def shipped_tables() -> tuple[str, ...]:
    """Return the names of the tables of trainings that come with the package, sorted.

    Sealed files of zero-cost proxies and of optimizers, which lie beside them, are told by how they begin and left out.
    """
    from nasbench.sealed import MAGIC  # h5py: who only looks for a file does without it

    found = []
    for path in _shipped().glob("*.h5"):
        with path.open("rb") as stream:
            if stream.read(len(MAGIC)) == MAGIC:
                found.append(path.stem)
    return tuple(sorted(found))


def table_file(name: str, folder: Path | None = None) -> Path | None:
    """Return the file of a table, None if there is none.

    Args:
        name: of a table that comes with the package, or else a path.
        folder: what a relative path is relative to; the working directory if None.
    """
    for candidate in (_shipped() / f"{name}.h5", Path(name) if folder is None else folder / name):
        if candidate.is_file():
            return candidate
    return None


def _shipped() -> Path:
    import nasbench.data

    return Path(nasbench.data.__path__[0])
