"""Journals: every prefix, every kind of damage, and every failing system call leaves what was finished as it was."""

import errno
import os
import resource
import subprocess
import sys
import textwrap

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasbench import journal as journals
from nasbench.journal import (
    FORMAT_VERSION,
    MARKER,
    Examples,
    JournalError,
    JournalWriter,
    frame,
    new_header,
    read_journal,
    split_frames,
)
from nasbench.results import ConflictError, GroupResult, Result, decode, encode, merge, pack_curve
from nasbench.table import DIVERGED, OK

EXAMPLES = Examples((1, 8, 8), 10, {"train": (768, "a" * 64), "validation": (500, "b" * 64), "test": (500, "c" * 64)})


def header(writer="w0", recipe="r" * 64):
    return new_header(recipe, {"torch": "2.9", "threads": 1}, EXAMPLES, writer)


def write(path, payloads, **options):
    with JournalWriter(path, header(), **options) as writer:
        for payload in payloads:
            writer.append(payload)
    return path.read_bytes()


def result(cell=0, repeat=0, epochs=4, shift=0, status="ok", reason="", seconds=1.0):
    counts = {split: np.arange(epochs, dtype=np.int32) + shift for split in ("train", "validation", "test")}
    losses = {split: np.linspace(2, 1, 16, dtype=np.float32)[:epochs] for split in counts}
    return pack_curve(
        (cell, repeat), counts, losses, status=status, reason=reason, train_seconds=seconds, evaluation_seconds=0.5
    )


def record(*results, group=0):
    return encode(GroupResult(group, 1, 1.0, 3.0, 2.5, results))


# Writing and reading ---------------------------------------------------------------------------------------------------


def test_what_is_written_is_read(tmp_path):
    payloads = [b"one", b"\x00" * 1000, MARKER * 5]
    write(tmp_path / "a.journal", payloads)
    found = read_journal(tmp_path / "a.journal")
    assert found.header == header()
    assert (found.header.magic, found.header.version) == ("nasbench-live journal", FORMAT_VERSION)
    assert list(found.payloads) == payloads
    assert (found.tail, found.damage) == (0, ())


def test_a_record_of_sixteen_epochs_takes_a_few_hundred_bytes():
    full = [result(repeat=repeat, epochs=16) for repeat in range(3)]
    assert len(record(*full)) / 3 < 500


@given(st.lists(st.binary(min_size=1, max_size=60), max_size=5))
def test_every_prefix_holds_exactly_the_frames_that_end_in_it(payloads):
    content = b"".join(map(frame, payloads))
    ends = np.cumsum([0, *(len(frame(payload)) for payload in payloads)])
    for length in range(len(content) + 1):
        whole = int(np.searchsorted(ends, length, "right")) - 1
        found, tail, damage = split_frames(content[:length])
        assert (found, tail, damage) == (payloads[:whole], length - int(ends[whole]), [])


def test_every_prefix_of_a_journal_is_readable(tmp_path):
    content = write(tmp_path / "a.journal", [b"first", b"second"])
    ends = [len(content) - len(frame(b"first")) - len(frame(b"second")), len(content) - len(frame(b"second"))]
    for length in range(len(content) + 1):
        (tmp_path / "cut.journal").write_bytes(content[:length])
        found = read_journal(tmp_path / "cut.journal")
        whole = sum(length >= end for end in (*ends, len(content)))
        assert list(found.payloads) == [b"first", b"second"][: max(0, whole - 1)]
        assert (found.header is None) == (whole == 0)
        assert found.tail == length - [0, *ends, len(content)][whole]
        assert not found.damage


def test_a_flipped_bit_anywhere_is_found_and_costs_one_frame(tmp_path):
    payloads = [bytes([number]) * 20 for number in range(4)]
    content = write(tmp_path / "a.journal", payloads)
    first = content.index(frame(payloads[0]))
    size = len(frame(payloads[0]))
    for position in range(first, len(content)):
        for bit in (0, 7):
            mutant = bytearray(content)
            mutant[position] ^= 1 << bit
            (tmp_path / "b.journal").write_bytes(mutant)
            found = read_journal(tmp_path / "b.journal")
            broken = (position - first) // size
            assert list(found.payloads) == payloads[:broken] + payloads[broken + 1 :]
            if broken == 3:  # nothing sound follows: a tail
                assert (found.tail, found.damage) == (size, ())
            else:
                start = first + broken * size
                assert [(place.start, place.stop) for place in found.damage] == [(start, start + size)]
                assert f"damaged between byte {start} and byte {start + size}" in str(found.damage[0])


def test_rubbish_between_frames_is_reported(tmp_path):
    content = write(tmp_path / "a.journal", [b"first"]) + b"rubbish" + frame(b"second") + b"tail"
    (tmp_path / "b.journal").write_bytes(content)
    found = read_journal(tmp_path / "b.journal")
    assert list(found.payloads) == [b"first", b"second"]
    assert (len(found.damage), found.damage[0].stop - found.damage[0].start, found.tail) == (1, 7, 4)


def test_a_damaged_header_is_an_error_that_says_what_to_do(tmp_path):
    content = bytearray(write(tmp_path / "a.journal", [b"first", b"second"]))
    content[20] ^= 1
    (tmp_path / "a.journal").write_bytes(content)
    with pytest.raises(JournalError, match=r"its 2 sound frames can't be attributed to a recipe. Move the file away"):
        read_journal(tmp_path / "a.journal")


def test_foreign_files_are_refused(tmp_path):
    path = tmp_path / "a.journal"
    path.write_bytes(b"PK\x03\x04 something else")
    with pytest.raises(JournalError, match="not a journal"):
        read_journal(path)
    path.write_bytes(frame(b"no header"))
    with pytest.raises(JournalError, match="first frame is no header"):
        read_journal(path)
    path.write_bytes(frame(msgspec.msgpack.encode({"magic": journals.MAGIC, "version": 99})))
    with pytest.raises(JournalError, match=r"format version 99; this version of nasbench reads 1"):
        read_journal(path)
    path.write_bytes(frame(msgspec.msgpack.encode({"magic": journals.MAGIC, "version": FORMAT_VERSION})))
    with pytest.raises(JournalError, match="header is not sound"):
        read_journal(path)


def test_a_journal_is_never_opened_twice(tmp_path):
    write(tmp_path / "a.journal", [b"first"])
    with pytest.raises(JournalError, match="can't be made: File exists"):
        JournalWriter(tmp_path / "a.journal", header())
    assert list(read_journal(tmp_path / "a.journal").payloads) == [b"first"]


def test_frames_have_bounds():
    with pytest.raises(JournalError, match="a frame of 0 bytes"):
        frame(b"")
    huge = journals._FRAME.pack(MARKER, 2**31, 0) + b"x" * 100
    assert split_frames(huge) == ([], len(huge), [])


# System calls that fail ------------------------------------------------------------------------------------------------


def count_calls(monkeypatch, name):
    """Count calls of an os function, so that a fault can be put at each of them."""
    real, calls = getattr(os, name), []

    def counted(*arguments):
        calls.append(arguments)
        return real(*arguments)

    monkeypatch.setattr(journals.os, name, counted)
    return calls


@pytest.mark.parametrize("name", ["write", "fsync"])
@pytest.mark.parametrize("partial", [False, True])
def test_a_fault_at_every_call_leaves_whole_frames_and_passes_with_a_retry(tmp_path, monkeypatch, name, partial):
    """Disk full at the n-th write or fsync, half a frame written before it: the journal goes on as if nothing had been."""
    payloads = [b"first", b"second" * 50, b"third"]
    with monkeypatch.context() as context:
        calls = count_calls(context, name)
        write(tmp_path / "count.journal", payloads)
    real_write, real = os.write, getattr(os, name)
    monkeypatch.setattr(journals.time, "sleep", lambda seconds: None)
    for broken in range(len(calls)):
        number = [0]

        def failing(descriptor, *rest, broken=broken, number=number):
            number[0] += 1
            if number[0] == broken + 1:
                if partial and name == "write":
                    real_write(descriptor, bytes(rest[0])[: len(rest[0]) // 2])
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(descriptor, *rest)

        path = tmp_path / f"{name}{partial}{broken}.journal"
        with monkeypatch.context() as context:
            context.setattr(journals.os, name, failing)
            write(path, payloads, pauses=(0.0,))
        found = read_journal(path)
        assert (list(found.payloads), found.tail, found.damage) == (payloads, 0, ())


def test_a_disk_that_stays_full_is_a_clear_error_and_loses_nothing(tmp_path, monkeypatch):
    writer = JournalWriter(tmp_path / "a.journal", header(), pauses=(0.0, 0.0))
    writer.append(b"first")
    attempts = []

    def full(descriptor, content):
        attempts.append(1)
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr(journals.os, "write", full)
        with pytest.raises(JournalError, match=r"No space left on device\. What it already holds is safe; make room"):
            writer.append(b"second")
    assert len(attempts) == 3
    writer.append(b"second")  # room again
    writer.close()
    assert list(read_journal(tmp_path / "a.journal").payloads) == [b"first", b"second"]


def test_a_read_only_place_is_an_error_at_once(tmp_path, monkeypatch):
    def refuse(*arguments):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(journals.os, "open", refuse)
    with pytest.raises(JournalError, match=r"can't be made: Read-only file system"):
        JournalWriter(tmp_path / "a.journal", header())


def test_if_nothing_can_be_undone_the_frames_before_are_still_read(tmp_path, monkeypatch):
    writer = JournalWriter(tmp_path / "a.journal", header(), pauses=())
    writer.append(b"first")
    real = os.write

    def half(descriptor, content):
        real(descriptor, bytes(content)[:9])
        raise OSError(errno.EIO, "Input/output error")

    def refuse(*arguments):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as context:
        context.setattr(journals.os, "write", half)
        context.setattr(journals.os, "ftruncate", refuse)
        with pytest.raises(JournalError, match="nor cut back"):
            writer.append(b"second")
    writer.close()
    found = read_journal(tmp_path / "a.journal")
    assert (list(found.payloads), found.tail) == ([b"first"], 9)


def test_a_real_file_size_limit_cuts_nothing(tmp_path):
    """The kernel's own short write and EFBIG, not a stand-in for them."""
    program = textwrap.dedent(
        """
        import resource, sys
        from pathlib import Path
        from nasbench.journal import Examples, JournalError, JournalWriter, new_header
        path = Path(sys.argv[1])
        writer = JournalWriter(path, new_header("r", {}, Examples((1, 8, 8), 10, {}), "w0"))
        writer.append(b"x" * 300)
        size = path.stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, resource.RLIM_INFINITY))
        try:
            writer.append(b"y" * 300)
        except JournalError as error:
            print(error)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        writer.append(b"z" * 300)
        writer.close()
        """
    )
    assert resource.RLIM_INFINITY  # POSIX
    child = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "a.journal")], capture_output=True, text=True, check=True
    )
    assert "can't be written: File too large" in child.stdout
    found = read_journal(tmp_path / "a.journal")
    assert (list(found.payloads), found.tail, found.damage) == ([b"x" * 300, b"z" * 300], 0, ())


# Records and merging ---------------------------------------------------------------------------------------------------


def test_a_curve_is_kept_bit_for_bit():
    counts = {"validation": np.array([0, 499, -1], dtype=np.int32)}
    losses = {"validation": np.array([2.302585, np.float32(1e-42), np.nan], dtype=np.float32)}
    packed = pack_curve(
        (7, 2), counts, losses, status="diverged", reason="why", train_seconds=1.5, evaluation_seconds=0.25
    )
    back = decode(encode(GroupResult(3, 2, 10.0, 2.0, 1.5, (packed,)))).results[0]
    assert back == packed
    assert (back.key, back.status, back.reason, back.epochs, back.seconds) == ((7, 2), DIVERGED, "why", 3, 1.75)
    assert back.counts("validation").tolist() == [0, 499, -1]
    assert back.losses("validation").tobytes() == losses["validation"].tobytes()


def test_pack_curve_refuses_what_is_no_curve():
    with pytest.raises(ValueError, match="status 'failed'"):
        result(status="failed")
    with pytest.raises(ValueError, match="different lengths"):
        pack_curve(
            (0, 0),
            {"test": np.zeros(3, np.int32)},
            {"test": np.zeros(4, np.float32)},
            status="ok",
            reason="",
            train_seconds=0.0,
            evaluation_seconds=0.0,
        )


def journal_of(tmp_path, name, *payloads):
    write(tmp_path / name, payloads)
    return read_journal(tmp_path / name)


def test_equal_duplicates_are_counted_and_the_first_file_s_seconds_stay(tmp_path):
    one = journal_of(tmp_path, "a.journal", record(result(0, 0, seconds=1.0), result(0, 1)))
    other = journal_of(tmp_path, "b.journal", record(result(0, 0, seconds=9.0)), record(result(1, 0), group=1))
    for order in ([one, other], [other, one]):
        merged = merge(order)
        assert set(merged.results) == {(0, 0), (0, 1), (1, 0)}
        assert merged.doubled == {(0, 0)}
        assert merged.results[0, 0].train_seconds == 1.0


def test_different_duplicates_are_a_named_error(tmp_path):
    one = journal_of(tmp_path, "a.journal", record(result(5, 1)))
    other = journal_of(tmp_path, "b.journal", record(result(5, 1, shift=1)))
    with pytest.raises(
        ConflictError, match=r"cell 5, repeat 1 was trained twice.*test count after epoch 1 is 0 and 1"
    ) as e:
        merge([one, other])
    assert "a.journal" in str(e.value) and "b.journal" in str(e.value)
    other = journal_of(tmp_path, "c.journal", record(result(5, 1, status="diverged", reason="why")))
    with pytest.raises(ConflictError, match="status ok '' and diverged 'why'"):
        merge([one, other])


def test_one_last_bit_of_one_loss_is_a_conflict(tmp_path):
    first = result(5, 1)
    losses = first.losses("validation")
    losses[2] = np.nextafter(losses[2], np.float32(0), dtype=np.float32)
    second = msgspec.structs.replace(first, loss=first.loss | {"validation": losses.astype("<f4").tobytes()})
    one, other = journal_of(tmp_path, "a.journal", record(first)), journal_of(tmp_path, "b.journal", record(second))
    with pytest.raises(ConflictError, match="validation loss after epoch 3"):
        merge([one, other])


def test_a_shorter_curve_must_begin_the_longer_one(tmp_path):
    short, long = result(2, 0, epochs=2), result(2, 0, epochs=4)
    one, other = journal_of(tmp_path, "a.journal", record(short)), journal_of(tmp_path, "b.journal", record(long))
    for order in ([one, other], [other, one]):
        merged = merge(order)
        assert merged.results[2, 0].epochs == 4
        assert not merged.doubled
    third = journal_of(tmp_path, "c.journal", record(result(2, 0, epochs=3, shift=1)))
    with pytest.raises(ConflictError):
        merge([one, other, third])


def test_a_frame_that_is_no_record_is_an_error(tmp_path):
    with pytest.raises(JournalError, match="holds no record"):
        merge([journal_of(tmp_path, "a.journal", b"\xc1")])


def test_statuses_are_the_table_s():
    assert (result().status, result(status="diverged").status) == (OK, DIVERGED)
    assert isinstance(result(), Result)
