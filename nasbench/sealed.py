"""The sealed file of a table: written in one step, proven before libhdf5 sees it, parsed under an allow-list.

HDF5 has no transactions, and a damaged or hostile file can crash libhdf5 or be read wrongly without a word. So a table is
written once, under a temporary name; SHA-256 over the payload stands in the user block and is checked on the raw bytes;
then names, dtypes, shapes, links and filters are held to what the schema allows.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

import h5py
import msgspec
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
MAX_RATIO = 1100  # gzip shrinks by at most about 1,030; arrays that declare more than this times the file are a bomb
FILTERS = {1, 2}  # HDF5's own numbers: deflate, shuffle


class _SplitHead(msgspec.Struct, forbid_unknown_fields=True):
    images: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)] | None
    digest: str


class _DatasetHead(msgspec.Struct, forbid_unknown_fields=True):
    epochs: list[Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]]
    splits: dict[str, _SplitHead]
    reasons: dict[str, str]
    extra: list[str]
    losses: list[str]


class _SpaceHead(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    nodes: Annotated[int, msgspec.Meta(ge=2, le=MAX_NODES)]
    operations: list[str]


class _Head(msgspec.Struct, forbid_unknown_fields=True):
    """What `table_head` wrote: everything of a table that is not an array."""

    schema_version: Literal[1]
    space: _SpaceHead
    datasets: dict[str, _DatasetHead]
    metadata: dict[str, Any]


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
    content = sealed_bytes(table)
    copy = read_table(content, "the sealed bytes")  # what can't be read back is not put in anybody's way
    if (copy.digest, copy.cost_digest) != (table.digest, table.cost_digest):
        raise TableError("the sealed bytes do not hold the table that was given; nothing was written")
    write_at_once(path, content)
    return copy.sha256


def sealed_bytes(table: Table) -> bytes:
    """Return the bytes of a sealed file: user block, then HDF5. Equal tables give equal bytes with the same libraries.

    Raises:
        TableError: the metadata can't be written as JSON.
    """
    try:
        head = canonical_json(table_head(table))
    except (TypeError, ValueError) as error:
        raise TableError(f"the table's metadata is not plain JSON: {error}") from None
    return sealed_arrays({"metadata": np.frombuffer(head, dtype=np.uint8), **named_arrays(table)})


def sealed_arrays(arrays: Mapping[str, NDArray[Any]], version: int = SCHEMA_VERSION, magic: bytes = MAGIC) -> bytes:
    """Return the bytes of a sealed file of arrays, by name in order: user block, then HDF5, compressed where it pays."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver=("earliest", "v110"), track_order=False) as file:
        for name, array in sorted(arrays.items()):
            options: dict[str, Any] = {"track_times": False}
            if array.size > 256:
                options |= {"compression": "gzip", "compression_opts": 9, "shuffle": True, "chunks": chunk_shape(array)}
            file.create_dataset(name, data=array, **options)
    return user_block(buffer.getvalue(), version, magic) + buffer.getvalue()


def user_block(payload: bytes, version: int = SCHEMA_VERSION, magic: bytes = MAGIC) -> bytes:
    """Return the 4,096 bytes that seal an HDF5 file image; `magic` (20 bytes) says what kind of table it is."""
    return _HEADER.pack(magic, version, len(payload), hashlib.sha256(payload).digest()).ljust(USER_BLOCK, b"\0")


def write_at_once(path: Path, content: bytes) -> None:
    """Put `content` at `path`, whole or not at all: temporary name, sync, rename, sync of the folder."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename inside `folder` last through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def chunk_shape(array: NDArray[Any]) -> tuple[int, ...]:
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
    payload, sha256 = check_user_block(content, name)
    try:
        with h5py.File(io.BytesIO(payload), "r") as file:
            table = _parse(file, len(payload), sha256)
        check_content(table)
    except TableError as error:
        raise TableError(f"{name}: {error}") from None
    except MemoryError:
        raise TableError(f"{name}: sealed, but its arrays need more memory than this process may have") from None
    except (OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError) as error:
        # whatever libhdf5 and h5py make of a foreign file
        raise TableError(f"{name}: sealed, but not readable as a table: {error}") from error
    return table


def check_user_block(
    content: bytes, name: str, expected: int = SCHEMA_VERSION, magic: bytes = MAGIC
) -> tuple[memoryview, str]:
    """Return the payload of a sealed file and its SHA-256 (hex), after proving it on the raw bytes.

    Raises:
        TableError: not a sealed table of this kind, damaged, or of another schema version.
    """
    if len(content) < USER_BLOCK or not content.startswith(magic):
        raise TableError(f"{name}: not a sealed nasbench table (no '{magic.decode().strip()}' at its start)")
    _, version, length, sha256 = _HEADER.unpack_from(content)
    if version != expected:
        raise TableError(
            f"{name}: schema version {version}; this version of nasbench reads {expected} (update nasbench-live)"
        )
    if any(content[_HEADER.size : USER_BLOCK]):
        raise TableError(f"{name}: damaged: the header's reserved bytes are not zero")
    payload = memoryview(content)[USER_BLOCK:]
    if len(payload) != length:
        raise TableError(f"{name}: damaged: {len(payload)} bytes behind the header, {length} were sealed")
    if hashlib.sha256(payload).digest() != sha256:
        raise TableError(f"{name}: damaged: SHA-256 of the content is not the sealed one")
    return payload, sha256.hex()


def _parse(file: h5py.File, stored: int, sha256: str) -> Table:
    """Read arrays under an allow-list: exactly the expected names, hard links, plain dtypes, known filters, bounded shapes."""
    if set(file.attrs) or not isinstance(file.get("metadata", getlink=True), h5py.HardLink):
        raise TableError("the root must have no attributes and an array 'metadata'")
    try:
        head = msgspec.json.decode(read_array(file["metadata"], "metadata", MAX_RATIO * stored).tobytes(), type=_Head)
        space = CellSpace(head.space.name, head.space.nodes, tuple(head.space.operations))
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise TableError(f"metadata is not what the schema asks for: {error}") from None
    except SpaceError as error:
        raise TableError(f"the table's search space is not sound: {error}") from None
    expected = {"metadata", *_array_names(head)}
    found: set[str] = set()
    walk_names(file, "", expected, found)
    if found != expected:
        raise TableError(f"the table lacks {sorted(expected - found)}")
    arrays: dict[str, NDArray[Any]] = {}
    for name in sorted(expected - {"metadata"}):
        allowed = MAX_RATIO * stored - sum(array.nbytes for array in arrays.values())
        arrays[name] = read_array(file[name], name, allowed)
    datasets = {name: _dataset(name, part, arrays) for name, part in head.datasets.items()}
    return Table(
        space,
        arrays["rows/architecture"],
        arrays["rows/row_of_index"],
        MappingProxyType(datasets),
        MappingProxyType(head.metadata),
        sha256,
    )


def _array_names(head: _Head) -> list[str]:
    names = ["rows/architecture", "rows/row_of_index"]
    for name, part in head.datasets.items():
        place = f"datasets/{name}/"
        names += [f"{place}{_kind(split)}/{key}" for key, split in part.splits.items()]
        names += [f"{place}loss/{split}" for split in part.losses] + [f"{place}extra/{column}" for column in part.extra]
        names += [place + column for column in COLUMNS]
    return names


def _kind(split: _SplitHead) -> str:
    return "accuracy" if split.images is None else "correct"


def walk_names(group: h5py.Group, place: str, expected: set[str], found: set[str]) -> None:
    """Collect the names below a group, and refuse the first one that is not expected or is a link to elsewhere."""
    for key in group:
        name = f"{place}{key}"
        if not isinstance(group.get(key, getlink=True), h5py.HardLink):
            raise TableError(f"{name!r} is a link to elsewhere; tables have none")
        if name in expected:
            found.add(name)
            continue
        item = group[key]
        if not isinstance(item, h5py.Group) or not any(other.startswith(name + "/") for other in expected):
            raise TableError(f"unknown array or group {name!r}")
        if item.attrs:
            raise TableError(f"group {name!r} has attributes; tables have none")
        walk_names(item, name + "/", expected, found)


def read_array(item: Any, name: str, allowed: int) -> NDArray[Any]:
    """Read one array after its declaration has been looked at; `allowed` bytes at most."""
    if not isinstance(item, h5py.Dataset) or item.is_virtual or item.external or item.attrs:
        raise TableError(f"{name!r} is virtual, external, has attributes or is not an array")
    properties = item.id.get_create_plist()
    filters = [properties.get_filter(number)[0] for number in range(properties.get_nfilters())]
    if item.dtype.kind not in "iuf" or not set(filters) <= FILTERS or len(filters) > len(FILTERS):
        raise TableError(f"{name!r} has dtype {item.dtype} and filters {filters}, not a plain number array")
    chunk = math.prod(item.chunks or (1,))
    if item.shape is None or item.maxshape != item.shape or chunk > max(1, item.size):
        raise TableError(
            f"{name!r} has shape {item.shape}, chunks {item.chunks}: empty, extensible or in swollen chunks"
        )
    if item.size > MAX_ELEMENTS or item.size * item.dtype.itemsize > allowed:
        raise TableError(f"{name!r} declares shape {item.shape}, too large for this file")
    array: NDArray[Any] = item[()]
    array.setflags(write=False)
    return array


def _dataset(name: str, part: _DatasetHead, arrays: Mapping[str, NDArray[Any]]) -> Dataset:
    place = f"datasets/{name}/"
    kinds: dict[str, dict[str, NDArray[Any]]] = {"correct": {}, "accuracy": {}}
    for key, split in part.splits.items():
        kinds[_kind(split)][key] = arrays[f"{place}{_kind(split)}/{key}"]
    return Dataset(
        name=name,
        epochs=tuple(part.epochs),
        splits=MappingProxyType({key: Split(split.images, split.digest) for key, split in part.splits.items()}),
        correct=MappingProxyType(kinds["correct"]),
        accuracies=MappingProxyType(kinds["accuracy"]),
        losses=MappingProxyType({split: arrays[f"{place}loss/{split}"] for split in part.losses}),
        extra=MappingProxyType({column: arrays[f"{place}extra/{column}"] for column in part.extra}),
        reasons=MappingProxyType(part.reasons),
        **{column: arrays[place + column] for column in COLUMNS},
    )
