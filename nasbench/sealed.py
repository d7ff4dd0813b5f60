"""The sealed file of a table: written in one step, proven before libhdf5 sees it, parsed under an allow-list.

HDF5 has no transactions, and a damaged or hostile file can crash libhdf5 or be read wrongly without a word. So a table is
written once, under a temporary name; SHA-256 over the payload stands in the user block and is checked on the raw bytes;
then names, dtypes, shapes, links and filters are held to what the schema allows.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from nasbench.soundness import check_content
from nasbench.space import CellSpace, SpaceError
from nasbench.table import (
    COLUMNS,
    SCHEMA_VERSION,
    Dataset,
    Split,
    Table,
    TableError,
    canonical_json,
    named_arrays,
    table_head,
)

MAGIC = b"NASBENCH-LIVE-TABLE\n"
USER_BLOCK = 4096
_HEADER = struct.Struct("<20sIQ32s")  # magic, schema version, payload length, SHA-256 of the payload

MAX_NODES = 12
MAX_ELEMENTS = 2**31  # a declared array above this is refused before anything is allocated


def seal(table: Table, path: Path) -> str:
    """Write a table as a sealed file: validated, written under a temporary name, synced, renamed.

    Args:
        table: what to write; it is checked as strictly as a file that is read.
        path: the file to make; an existing one is replaced in one step.

    Returns:
        SHA-256 (hex) of the payload.

    Raises:
        TableError: the table's content is not sound.
        OSError: the file can't be written; nothing is left behind and an existing file is untouched.
    """
    check_content(table)
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver=("earliest", "v110"), track_order=False) as file:
        file.attrs["metadata"] = np.bytes_(canonical_json(table_head(table)))
        for name, array in named_arrays(table).items():
            options: dict[str, Any] = {"track_times": False}
            if array.size > 256:
                options |= {"compression": "gzip", "compression_opts": 9, "shuffle": True, "chunks": _chunks(array)}
            file.create_dataset(name, data=array, **options)
    payload = buffer.getvalue()
    sha256 = hashlib.sha256(payload)
    header = _HEADER.pack(MAGIC, SCHEMA_VERSION, len(payload), sha256.digest())
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as stream:
            stream.write(header.ljust(USER_BLOCK, b"\0"))
            stream.write(payload)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)
    return sha256.hexdigest()


def sync_folder(folder: Path) -> None:
    """Make a rename inside `folder` last through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _chunks(array: NDArray[Any]) -> tuple[int, ...]:
    """Whole trailing axes, about a megabyte a chunk."""
    row = max(1, array.nbytes // max(1, array.shape[0]))
    return (max(1, min(array.shape[0], 2**20 // row)), *array.shape[1:])


def open_table(path: Path | str) -> Table:
    """Read a sealed table into memory, proving it first.

    Raises:
        FileNotFoundError: there is no such file.
        TableError: not a sealed table, damaged, of a newer schema, or not of the strict schema.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no table {path}")
    return read_table(path.read_bytes(), str(path))


def read_table(content: bytes, name: str = "table") -> Table:
    """Read a sealed table from its bytes; see `open_table`."""
    if len(content) < USER_BLOCK or not content.startswith(MAGIC):
        raise TableError(f"{name}: not a sealed nasbench table (no '{MAGIC.decode().strip()}' at its start)")
    _, version, length, sha256 = _HEADER.unpack_from(content)
    if version != SCHEMA_VERSION:
        raise TableError(
            f"{name}: schema version {version}; this version of nasbench reads {SCHEMA_VERSION} (update nasbench-live)"
        )
    if any(content[_HEADER.size : USER_BLOCK]):
        raise TableError(f"{name}: damaged: the header's reserved bytes are not zero")
    payload = memoryview(content)[USER_BLOCK:]
    if len(payload) != length:
        raise TableError(f"{name}: damaged: {len(payload)} bytes behind the header, {length} were sealed")
    if hashlib.sha256(payload).digest() != sha256:
        raise TableError(f"{name}: damaged: SHA-256 of the content is not the sealed one")
    try:
        with h5py.File(io.BytesIO(payload), "r") as file:
            table = _parse(file, length, sha256.hex())
    except TableError as error:
        raise TableError(f"{name}: {error}") from None
    except (
        OSError,
        RuntimeError,
        KeyError,
        ValueError,
        TypeError,
    ) as error:  # whatever libhdf5 makes of a foreign file
        raise TableError(f"{name}: sealed, but not readable as a table: {error}") from error
    try:
        check_content(table)
    except TableError as error:
        raise TableError(f"{name}: {error}") from None
    return table


def _parse(file: h5py.File, stored: int, sha256: str) -> Table:
    """Read arrays under an allow-list: hard links, plain dtypes, known filters, bounded shapes, exactly the expected names."""
    if set(file.attrs) != {"metadata"}:
        raise TableError(f"root attributes are {sorted(file.attrs)}, must be ['metadata']")
    head = json.loads(bytes(file.attrs["metadata"]))
    arrays: dict[str, NDArray[Any]] = {}
    _collect(file, "", stored, arrays)
    try:
        parts = head["space"]
        if not isinstance(parts["nodes"], int) or not 2 <= parts["nodes"] <= MAX_NODES:
            raise TableError(f"the search space has {parts['nodes']!r} nodes, must be 2..{MAX_NODES}")
        space = CellSpace(parts["name"], parts["nodes"], tuple(parts["operations"]))
        datasets = {name: _dataset(name, parts, arrays) for name, parts in head["datasets"].items()}
        rows = arrays.pop("rows/architecture"), arrays.pop("rows/row_of_index")
    except KeyError as error:
        raise TableError(f"the table lacks {error}") from None
    except SpaceError as error:
        raise TableError(f"the table's search space is not sound: {error}") from None
    if arrays:
        raise TableError(f"unknown arrays {sorted(arrays)}")
    return Table(space, rows[0], rows[1], MappingProxyType(datasets), MappingProxyType(head["metadata"]), sha256)


def _collect(group: h5py.Group, place: str, stored: int, arrays: dict[str, NDArray[Any]]) -> None:
    for key in group:
        name = f"{place}{key}"
        if not isinstance(group.get(key, getlink=True), h5py.HardLink):
            raise TableError(f"{name!r} is a link to elsewhere; tables have none")
        item = group[key]
        if isinstance(item, h5py.Group):
            if item.attrs or name.count("/") > 3:
                raise TableError(f"group {name!r} has attributes or is nested too deep")
            _collect(item, name + "/", stored, arrays)
            continue
        if not isinstance(item, h5py.Dataset) or item.is_virtual or item.external or item.attrs:
            raise TableError(f"{name!r} is virtual, external, has attributes or is not an array")
        if item.dtype.kind not in "iuf" or item.compression not in (None, "gzip") or item.scaleoffset is not None:
            raise TableError(f"{name!r} has dtype {item.dtype} or filter {item.compression}, not a plain number array")
        # gzip shrinks by at most about 1,030; a larger ratio is a bomb
        if item.size > MAX_ELEMENTS or item.size * item.dtype.itemsize > 1100 * stored:
            raise TableError(f"{name!r} declares shape {item.shape}, too large for a file of {stored} bytes")
        array = item[()]
        array.setflags(write=False)
        arrays[name] = array


def _dataset(name: str, parts: Mapping[str, Any], arrays: dict[str, NDArray[Any]]) -> Dataset:
    place = f"datasets/{name}/"
    splits = {split: Split(part["images"], part["digest"]) for split, part in parts["splits"].items()}
    counted = [split for split, part in splits.items() if part.images is not None]
    return Dataset(
        name=name,
        epochs=tuple(parts["epochs"]),
        splits=MappingProxyType(splits),
        correct=MappingProxyType({split: arrays.pop(f"{place}correct/{split}") for split in counted}),
        accuracies=MappingProxyType(
            {split: arrays.pop(f"{place}accuracy/{split}") for split in splits if split not in counted}
        ),
        losses=MappingProxyType({split: arrays.pop(f"{place}loss/{split}") for split in parts["losses"]}),
        extra=MappingProxyType({column: arrays.pop(f"{place}extra/{column}") for column in parts["extra"]}),
        reasons=MappingProxyType(dict(parts["reasons"])),
        **{column: arrays.pop(place + column) for column in COLUMNS},
    )
