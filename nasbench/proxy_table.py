"""A table of zero-cost proxies: values and seconds of every canonical class of a space, in a sealed file beside its table.

`data/NAME-proxies.h5` has the same user block, proof and allow-list as a table (`sealed.py`). What the proxies are is said in
`proxies.py`, which needs torch; this file does not. How they meet their table is in `proxy_beside.py`. Arrays, a row for each
class in the space's order:

    architecture  uint8 (classes, decisions)                    the class's first member
    values        float64 (classes, proxies, initialisations)   NaN where a proxy is not defined
    faults        uint8, the same shape                         number in `FAULTS`: why it is not
    seconds       float32 (classes, proxies)                    processor seconds of one initialisation, as measured once
    metadata      uint8                                         canonical JSON: names, recipe, batch, seed, environment

`ProxyTable.digest` covers the values and what they rest on, `cost_digest` the seconds, which no rebuild gives again.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import h5py
import msgspec
import numpy as np
from numpy.typing import NDArray

from nasbench.measures import Column
from nasbench.sealed import MAX_RATIO, check_user_block, chunk_shape, read_array, user_block, walk_names, write_at_once
from nasbench.space import CellSpace, SpaceError, space_by_name
from nasbench.table import TableError, canonical_json

MAGIC = b"NASBENCH-LIVE-PROXY\n"
SCHEMA_VERSION = 1
SUFFIX = "-proxies.h5"

FREE = ("parameters", "multiply_adds")
"""Columns that are closed formulas (`skeleton.py`); their seconds are 0."""

NAMES = (*FREE, "grad_norm", "snip", "grasp", "fisher", "synflow", "jacob_cov", "naswot", "zen")
"""All proxies that there are, in the order of the columns; `proxies.PROXIES` has the functions of those that need a network."""

FAULTS = (
    "",
    "logarithm of zero: the network passes nothing on, or its ReLU codes are too few to tell the examples apart",
    "not a number: the gradients of some example are constant",
    "beyond the largest number",
)
"""Why a value is NaN, by number: none, minus infinity, not a number, plus infinity."""

_COLUMNS: dict[str, str] = {"architecture": "uint8", "values": "float64", "faults": "uint8", "seconds": "float32"}


class Origin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the values of a table of proxies rest on.

    Attributes:
        space: name of the search space.
        recipe: name of the recipe whose networks were looked at.
        recipe_digest: its digest.
        splits: SHA-256 of the data set's splits; the batches are drawn from `train`.
        names: the proxies, in the order of the columns.
        initialisations: number of initialisations, each with its own batch.
        batch: examples in a batch.
        seed: root of all draws, together with the recipe's.
    """

    space: str
    recipe: str
    recipe_digest: str
    splits: dict[str, str]
    names: tuple[str, ...]
    initialisations: Annotated[int, msgspec.Meta(ge=1, le=1000)]
    batch: Annotated[int, msgspec.Meta(ge=2, le=2**20)]
    seed: Annotated[int, msgspec.Meta(ge=0)]


class _Head(msgspec.Struct, forbid_unknown_fields=True):
    origin: Origin
    metadata: dict[str, Any]


@dataclass(frozen=True, eq=False)
class ProxyTable:
    """Proxies of every class of a space. Arrays are read-only; the module's docstring has shapes and units."""

    origin: Origin
    architecture: NDArray[np.uint8]
    values: NDArray[np.float64]
    faults: NDArray[np.uint8]
    seconds: NDArray[np.float32]
    metadata: Mapping[str, Any]

    @property
    def names(self) -> tuple[str, ...]:
        """The proxies."""
        return self.origin.names

    @cached_property
    def digest(self) -> str:
        """SHA-256 over values, faults and origin: what a paper cites."""
        return self._digest(("architecture", "values", "faults"))

    @cached_property
    def cost_digest(self) -> str:
        """SHA-256 over the measured seconds."""
        return self._digest(("seconds",))

    def _digest(self, columns: Sequence[str]) -> str:
        sha256 = hashlib.sha256(canonical_json(msgspec.to_builtins(self.origin)))
        for name in columns:
            array = np.ascontiguousarray(getattr(self, name))
            little = array.astype(array.dtype.newbyteorder("<"))
            if little.dtype.kind == "f":
                little = np.where(np.isnan(little), np.array(np.nan, little.dtype), little)  # one bit pattern for NaN
            sha256.update(f"{name} {little.dtype.str} {little.shape}".encode("ascii"))
            sha256.update(little.tobytes())
        return sha256.hexdigest()

    def column(self, name: str, initialisations: int | None = None) -> Column:
        """Return a proxy's mean over the first `initialisations` (default: all) and the seconds that they take, by class.

        Returns:
            NaN where the proxy is not defined at one of them.

        Raises:
            TableError: no such proxy, or more initialisations than there are.
        """
        if name not in self.names:
            raise TableError(f"there is no proxy {name!r}; there are {list(self.names)}")
        count = self.origin.initialisations if initialisations is None else initialisations
        if not 1 <= count <= self.origin.initialisations:
            raise TableError(f"initialisations is {count}, must be in 1..{self.origin.initialisations}")
        place = self.names.index(name)
        return Column(self.values[:, place, :count].mean(axis=1), count * self.seconds[:, place].astype(np.float64))


# The file -----------------------------------------------------------------------------------------------------------------


def seal_proxies(proxies: ProxyTable, path: Path) -> str:
    """Write a table of proxies as a sealed file, under a temporary name, then renamed; return SHA-256 of the payload.

    Raises:
        TableError: the content is not sound or can't be read back as it was.
        OSError: the file can't be written; an existing one is untouched.
    """
    try:
        head = canonical_json({"origin": msgspec.to_builtins(proxies.origin), "metadata": dict(proxies.metadata)})
    except (TypeError, ValueError) as error:
        raise TableError(f"the metadata of the proxies are not plain JSON: {error}") from None
    arrays: dict[str, NDArray[Any]] = {name: getattr(proxies, name) for name in _COLUMNS}
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver=("earliest", "v110"), track_order=False) as file:
        for name, array in sorted({**arrays, "metadata": np.frombuffer(head, dtype=np.uint8)}.items()):
            options: dict[str, Any] = {"track_times": False}
            if array.size > 256:
                options |= {"compression": "gzip", "compression_opts": 9, "shuffle": True, "chunks": chunk_shape(array)}
            file.create_dataset(name, data=array, **options)
    content = user_block(buffer.getvalue(), SCHEMA_VERSION, MAGIC) + buffer.getvalue()
    copy = read_proxies(content, "the sealed bytes")
    if (copy.digest, copy.cost_digest) != (proxies.digest, proxies.cost_digest):
        raise TableError("the sealed bytes do not hold the proxies that were given; nothing was written")
    write_at_once(path, content)
    return check_user_block(content, str(path), SCHEMA_VERSION, MAGIC)[1]


def is_proxy_table(path: Path) -> bool:
    """Return whether a file begins as a table of proxies; it is not proved."""
    with path.open("rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC


def open_proxies(path: Path | str) -> ProxyTable:
    """Read a sealed table of proxies into memory, proving it first.

    Raises:
        FileNotFoundError: there is no such file.
        TableError: not a sealed table of proxies, damaged, of another schema version, or not sound.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no table of proxies {path}")
    return read_proxies(path.read_bytes(), str(path))


def read_proxies(content: bytes, name: str) -> ProxyTable:
    """Read a sealed table of proxies from its bytes; see `open_proxies`."""
    payload, _ = check_user_block(content, name, SCHEMA_VERSION, MAGIC)
    try:
        with h5py.File(io.BytesIO(payload), "r") as file:
            proxies = _parse(file, len(payload))
        _check(proxies)
    except (TableError, SpaceError) as error:
        raise TableError(f"{name}: {error}") from None
    except (OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError) as error:
        raise TableError(f"{name}: sealed, but not readable as a table of proxies: {error}") from error
    return proxies


def _parse(file: h5py.File, stored: int) -> ProxyTable:
    if set(file.attrs) or not isinstance(file.get("metadata", getlink=True), h5py.HardLink):
        raise TableError("the root must have no attributes and an array 'metadata'")
    expected, found = {"metadata", *_COLUMNS}, set[str]()
    walk_names(file, "", expected, found)
    if found != expected:
        raise TableError(f"the table lacks {sorted(expected - found)}")
    allowed = MAX_RATIO * stored
    try:
        head = msgspec.json.decode(read_array(file["metadata"], "metadata", allowed).tobytes(), type=_Head)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise TableError(f"metadata is not what the schema asks for: {error}") from None
    arrays = {name: read_array(file[name], name, allowed) for name in _COLUMNS}
    return ProxyTable(head.origin, metadata=head.metadata, **arrays)


def _check(proxies: ProxyTable) -> None:
    """Raise TableError unless shapes, dtypes and values are what the schema says."""
    space: CellSpace = space_by_name(proxies.origin.space)
    names = proxies.names
    if not names or len(set(names)) != len(names):
        raise TableError(f"proxies {list(names)} must be one or more different names")
    classes = len(space.classes)
    each = (classes, len(names), proxies.origin.initialisations)
    shapes = {"architecture": (classes, len(space.edges)), "values": each, "faults": each, "seconds": each[:2]}
    for name, dtype in _COLUMNS.items():
        array = getattr(proxies, name)
        if array.dtype != np.dtype(dtype) or array.shape != shapes[name]:
            raise TableError(f"{name} is {array.dtype} of shape {array.shape}, must be {dtype} of {shapes[name]}")
    firsts = np.array([space.architecture(members[0]) for members in space.classes], dtype=np.uint8)
    if not np.array_equal(firsts, proxies.architecture):
        raise TableError(f"the rows are not the classes of space {space.name} in order")
    if np.isinf(proxies.values).any() or not np.array_equal(np.isnan(proxies.values), proxies.faults > 0):
        raise TableError("a value must be finite where its fault is 0, and NaN elsewhere")
    if proxies.faults.max() >= len(FAULTS):
        raise TableError(f"fault {proxies.faults.max()} is not in 0..{len(FAULTS) - 1}")
    if not (np.isfinite(proxies.seconds) & (proxies.seconds >= 0)).all():
        raise TableError("seconds must be finite and not negative")
