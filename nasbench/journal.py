"""Append-only journals of finished trainings: framed, checksummed, one file per worker; what a kill can't destroy.

HDF5 has no transactions (a growing file died in 99 of 150 kills in a trial, an append-only framed journal in 0 of 120), so
a build writes journals while it trains and one sealed table at its end.

A journal is a sequence of frames: marker (4 bytes), length and CRC-32 (little-endian uint32 each; the CRC covers the length
and the payload), payload. The first frame is the header (magic, format version, recipe digest, environment, data set); every
further one is a payload of the caller's. A writer never opens an existing journal: after a kill the next worker starts a new
file, so a torn frame stands only at a file's end. A reader leaves such a tail out and says how long it was. Damage before
a sound frame is not a tail: it is reported with its place, and the sound frames around it are still returned, since each
proves itself.
"""

from __future__ import annotations

import errno
import os
import struct
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import msgspec

from nasbench.sealed import sync_folder

MAGIC = "nasbench-live journal"
FORMAT_VERSION = 1

MARKER = b"\xa5NBJ"  # its first byte is in no text, ASCII or UTF-8, at this place
_FRAME = struct.Struct("<4sII")
MAX_PAYLOAD = 2**26  # bytes; a declared length above this is damage, whatever the rest says

Sync = Literal["frame", "close"]
"""When a journal is forced to the disk: after every frame (survives a power cut), or when it is closed (survives a kill
of the process, not a power cut). An fsync took about 10 ms in a trial, a group of trainings takes seconds."""

PAUSES = (1.0, 2.0, 5.0, 10.0, 20.0)
"""Seconds to wait between attempts at a write that failed for a reason that may pass, such as a full disk."""

_PASSING = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EAGAIN, errno.ENOMEM, errno.ESTALE}


class JournalError(RuntimeError):
    """A journal that can't be written or read; the message names the file and what to do."""


class Examples(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What trainings were made on.

    Attributes:
        input_shape: (channels, height, width) of one example.
        classes: number of classes.
        splits: number of examples that counts refer to, and SHA-256, by split.
    """

    input_shape: tuple[int, int, int]
    classes: int
    splits: dict[str, tuple[int, str]]


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first frame of a journal.

    Attributes:
        magic: `MAGIC`.
        version: `FORMAT_VERSION` of the writer.
        recipe: digest of the recipe that every record was made with.
        environment: what the bits of the results depend on (see `live_trainer.py`).
        examples: what the trainings were made on.
        writer: who wrote it: a worker's name.
    """

    magic: str
    version: int
    recipe: str
    environment: dict[str, Any]
    examples: Examples
    writer: str


def new_header(recipe: str, environment: Mapping[str, Any], examples: Examples, writer: str) -> Header:
    """Return the header of a journal that is written now."""
    return Header(MAGIC, FORMAT_VERSION, recipe, dict(environment), examples, writer)


@dataclass(frozen=True)
class Damage:
    """Bytes inside a journal that are no sound frame although a sound frame follows.

    Attributes:
        path: the journal.
        start: offset of the first damaged byte.
        stop: offset of the next sound frame.
    """

    path: Path
    start: int
    stop: int

    def __str__(self) -> str:
        """Say where the damage is."""
        return f"{self.path}: damaged between byte {self.start} and byte {self.stop}; the frames before and after it are sound"


@dataclass(frozen=True)
class Journal:
    """What a journal holds.

    Attributes:
        path: the file.
        header: its header; None if the file ends before its header is complete (its writer was killed at its start).
        payloads: payload of every sound frame behind the header, in order.
        tail: bytes at the end that are no sound frame: what a kill cut off. They are left out.
        damage: damaged places in front of sound frames.
    """

    path: Path
    header: Header | None
    payloads: tuple[bytes, ...]
    tail: int
    damage: tuple[Damage, ...]


# Frames -----------------------------------------------------------------------------------------------------------------


def frame(payload: bytes) -> bytes:
    """Return a payload as it stands in the file.

    Raises:
        JournalError: the payload is empty or above `MAX_PAYLOAD` bytes.
    """
    if not 0 < len(payload) <= MAX_PAYLOAD:
        raise JournalError(f"a frame of {len(payload)} bytes can't be written, must be 1..{MAX_PAYLOAD}")
    return _FRAME.pack(MARKER, len(payload), _checksum(payload)) + payload


def split_frames(content: bytes) -> tuple[list[bytes], int, list[tuple[int, int]]]:
    """Take the bytes of a journal apart.

    Returns:
        The payloads of all sound frames; the number of bytes of the tail; (start, stop) of damage in front of sound frames.
    """
    payloads: list[bytes] = []
    damage: list[tuple[int, int]] = []
    offset = 0
    while offset < len(content):
        payload = _frame_at(content, offset)
        if payload is None:
            following = _next_frame(content, offset + 1)
            if following is None:
                break
            damage.append((offset, following))
            offset = following
            continue
        payloads.append(payload)
        offset += _FRAME.size + len(payload)
    return payloads, len(content) - offset, damage


def _checksum(payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(struct.pack("<I", len(payload))))


def _frame_at(content: bytes, offset: int) -> bytes | None:
    if len(content) - offset < _FRAME.size:
        return None
    marker, length, checksum = _FRAME.unpack_from(content, offset)
    if marker != MARKER or not 0 < length <= MAX_PAYLOAD or offset + _FRAME.size + length > len(content):
        return None
    payload = content[offset + _FRAME.size : offset + _FRAME.size + length]
    return payload if _checksum(payload) == checksum else None


def _next_frame(content: bytes, offset: int) -> int | None:
    while (offset := content.find(MARKER, offset)) >= 0:
        if _frame_at(content, offset) is not None:
            return offset
        offset += 1
    return None


# Reading ----------------------------------------------------------------------------------------------------------------


def read_journal(path: Path) -> Journal:
    """Read a journal, which may have been cut off anywhere and may still be written to.

    Raises:
        JournalError: not a journal, or of a newer format version.
        OSError: the file can't be read.
    """
    content = path.read_bytes()
    payloads, tail, places = split_frames(content)
    damage = tuple(Damage(path, start, stop) for start, stop in places)
    if places and places[0][0] == 0:
        raise JournalError(
            f"{path}: not a journal, or its header is damaged: without one its {len(payloads)} sound frames can't be "
            "attributed to a recipe. Move the file away; what it held will be trained again"
        )
    if not payloads:
        if not content.startswith(MARKER[: len(content)]):
            raise JournalError(f"{path}: not a journal (it starts with {content[:4]!r})")
        return Journal(path, None, (), tail, damage)
    return Journal(path, _header(path, payloads[0]), tuple(payloads[1:]), tail, damage)


def _header(path: Path, payload: bytes) -> Header:
    try:
        start = msgspec.msgpack.decode(payload)
        version = start["version"] if start["magic"] == MAGIC else None
    except (msgspec.DecodeError, KeyError, TypeError) as error:
        raise JournalError(f"{path}: its first frame is no header: {error}") from None
    if version != FORMAT_VERSION:
        raise JournalError(
            f"{path}: format version {version}; this version of nasbench reads {FORMAT_VERSION} (update nasbench-live)"
        )
    try:
        return msgspec.msgpack.decode(payload, type=Header)
    except msgspec.ValidationError as error:
        raise JournalError(f"{path}: its header is not sound: {error}") from None


# Writing ----------------------------------------------------------------------------------------------------------------


class JournalWriter:
    """An open journal. Either a frame stands whole in the file when `append` returns, or the file is as it was before.

    Use it as a context manager, or call `close`.

    Attributes:
        path: the file; it must not exist.
    """

    def __init__(self, path: Path, header: Header, *, sync: Sync = "frame", pauses: Sequence[float] = PAUSES) -> None:
        """Create the journal and write its header.

        Args:
            path: the file to make.
            header: its first frame.
            sync: when to force the content to the disk.
            pauses: seconds to wait after each failed attempt at a write; there is one attempt more than pauses.

        Raises:
            JournalError: the file exists or can't be made or written.
        """
        self.path = path
        self._sync = sync
        self._pauses = tuple(pauses)
        self._good = 0  # bytes of whole frames
        try:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except OSError as error:
            raise JournalError(f"journal {path} can't be made: {error.strerror}") from error
        try:
            self.append(msgspec.msgpack.encode(header))
            if sync == "frame":
                self._persist(lambda: sync_folder(path.parent), undo=False)
        except BaseException:
            os.close(self._descriptor)
            path.unlink(missing_ok=True)
            raise

    def append(self, payload: bytes) -> None:
        """Write one frame behind the others.

        Raises:
            JournalError: the write failed for good; the file holds the frames before it, whole.
        """
        content = frame(payload)
        self._persist(lambda: self._write(content), undo=True)
        self._good += len(content)

    def close(self) -> None:
        """Close the journal, after forcing it to the disk if that was left for now.

        Raises:
            JournalError: it can't be forced to the disk.
        """
        try:
            if self._sync == "close":
                self._persist(lambda: os.fsync(self._descriptor), undo=False)
        finally:
            os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _persist(self, action: Callable[[], None], *, undo: bool) -> None:
        """Do something to the disk, again after a pause where its failure may pass; `undo` takes back what it half did."""
        for pause in (*self._pauses, None):
            try:
                action()
            except OSError as error:
                if undo:
                    self._undo(error)
                if pause is None or error.errno not in _PASSING:
                    raise JournalError(
                        f"journal {self.path} can't be written: {error.strerror}. What it already holds is safe; "
                        "make room and run the same command again"
                    ) from error
                time.sleep(pause)
            else:
                return

    def _write(self, content: bytes) -> None:
        view = memoryview(content)
        while view:
            view = view[os.write(self._descriptor, view) :]
        if self._sync == "frame":
            os.fsync(self._descriptor)

    def _undo(self, cause: OSError) -> None:
        """Take back a half-written frame, so that the next one does not stand behind rubbish."""
        try:
            os.ftruncate(self._descriptor, self._good)
            os.lseek(self._descriptor, self._good, os.SEEK_SET)
        except OSError as error:
            raise JournalError(
                f"journal {self.path} can't be written ({cause.strerror}) nor cut back ({error.strerror}). The frames "
                "before are safe; a half-written one at its end will be left out when it is read"
            ) from cause
