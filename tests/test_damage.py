"""Damaged and hostile files: all refused with `TableError`, none crashes the reader or keeps it busy.

Damage is met by the SHA-256 of the user block, so a thousand mutants are read in this process. A hostile file carries a
right SHA-256 over wrong content; those are read in a child process, which is how `nasbench verify` does it.
"""

import io
import json
import os
import re
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
from golden_table import golden_table
from small_table import full_table

from nasbench.sealed import _HEADER, MAGIC, USER_BLOCK, read_table, sealed_bytes, user_block
from nasbench.table import TableError

SMALL = sealed_bytes(golden_table())
COMPRESSED = sealed_bytes(full_table())


# Damage --------------------------------------------------------------------------------------------------------------


def place(rng, content):
    """A position: every third in the header, else anywhere."""
    return int(rng.integers(len(MAGIC) + 44 if rng.random() < 1 / 3 else len(content)))


def flip_bit(content, rng):
    at = place(rng, content)
    return content[:at] + bytes([content[at] ^ (1 << int(rng.integers(8)))]) + content[at + 1 :]


def cut(content, rng):
    return content[: place(rng, content)]


def zero_block(content, rng):
    at, length = place(rng, content), int(rng.integers(1, 600))
    return content[:at] + bytes(len(content[at : at + length])) + content[at + length :]


def insert_bytes(content, rng):
    at = place(rng, content)
    return content[:at] + rng.bytes(int(rng.integers(1, 200))) + content[at:]


def copy_block(content, rng):
    at, source, length = place(rng, content), place(rng, content), int(rng.integers(1, 600))
    block = content[source : source + length]
    return content[:at] + block + content[at + len(block) :]


def garbage(content, rng):
    at, length = place(rng, content), int(rng.integers(1, 600))
    return content[:at] + rng.bytes(len(content[at : at + length])) + content[at + length :]


def drop_block(content, rng):
    at = place(rng, content)
    return content[:at] + content[at + int(rng.integers(1, 600)) :]


def append(content, rng):
    return content + rng.bytes(int(rng.integers(1, 200)))


DAMAGES = (flip_bit, cut, zero_block, insert_bytes, copy_block, garbage, drop_block, append)


def test_a_thousand_mutants_are_refused():
    rng = np.random.default_rng(20240917)
    mutants, slowest = 0, 0.0
    while mutants < 1000:
        content = (SMALL, COMPRESSED)[mutants % 2]
        mutant = DAMAGES[mutants % len(DAMAGES)](content, rng)
        if mutant == content:  # zeros over zeros, a block copied onto itself
            continue
        mutants += 1
        start = time.perf_counter()
        with pytest.raises(TableError):
            read_table(mutant)
        slowest = max(slowest, time.perf_counter() - start)
    assert slowest < 2


@pytest.mark.parametrize("length", [0, 1, 19, 20, 63, 64, USER_BLOCK - 1, USER_BLOCK, USER_BLOCK + 1])
def test_cut_at_every_border_of_the_header(length):
    with pytest.raises(TableError, match=r"not a sealed nasbench table|damaged: "):
        read_table(SMALL[:length])


def test_what_is_said_of_damage():
    with pytest.raises(TableError, match=r"^mine: damaged: SHA-256 of the content is not the sealed one$"):
        read_table(SMALL[:-1] + bytes([SMALL[-1] ^ 1]), "mine")
    with pytest.raises(TableError, match=r"^mine: damaged: [0-9]+ bytes behind the header, [0-9]+ were sealed$"):
        read_table(SMALL[:-1], "mine")
    with pytest.raises(TableError, match="reserved bytes are not zero"):
        read_table(SMALL[: USER_BLOCK - 1] + b"x" + SMALL[USER_BLOCK:])
    for other in (b"", b"architecture,dataset\n", SMALL[USER_BLOCK:], b"\x89HDF\r\n\x1a\n" * 1000):
        with pytest.raises(TableError, match="not a sealed nasbench table"):
            read_table(other)


@pytest.mark.parametrize("version", [0, 2, 2**32 - 1])
def test_another_schema_version_is_named_before_anything_is_read(version):
    content = user_block(b"no HDF5 at all", version) + b"no HDF5 at all"
    with pytest.raises(TableError, match=f"schema version {version}; this version of nasbench reads 1"):
        read_table(content)


# Hostile files -------------------------------------------------------------------------------------------------------


def resealed(change=None, head=None, source=SMALL):
    """The source with `change(file)` done to its HDF5 content and `head(head)` to its metadata, and a right SHA-256."""
    buffer = io.BytesIO(source[USER_BLOCK:])
    with h5py.File(buffer, "r+") as file:
        if head is not None:
            content = json.loads(bytes(file["metadata"][()]))
            content = head(content) or content
            text = content if isinstance(content, bytes) else json.dumps(content).encode()
            del file["metadata"]
            file["metadata"] = np.frombuffer(text, dtype=np.uint8)
        if change is not None:
            change(file)
    return user_block(buffer.getvalue()) + buffer.getvalue()


STATUS = "datasets/counted/status"


def with_array(name, data=None, **options):
    def change(file):
        del file[name]
        file.create_dataset(name, data=data, **options)

    return change


def with_link(name, link):
    def change(file):
        del file[name]
        file[name] = link

    return change


def with_external_storage(file):
    del file[STATUS]
    file.create_dataset(STATUS, shape=(3, 2), dtype="u1", external=[("/etc/hostname", 0, h5py.h5f.UNLIMITED)])


def with_virtual_data_set(file):
    del file[STATUS]
    layout = h5py.VirtualLayout(shape=(3, 2), dtype="u1")
    layout[:] = h5py.VirtualSource("other.h5", "status", shape=(3, 2))
    file.create_virtual_dataset(STATUS, layout)


def with_unknown_filter(file):
    del file[STATUS]
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((3, 2))
    properties.set_filter(32004, h5py.h5z.FLAG_OPTIONAL)  # LZ4's number, not built in
    group = file["datasets/counted"].id
    h5py.h5d.create(group, b"status", h5py.h5t.STD_U8LE, h5py.h5s.create_simple((3, 2)), properties)


def with_named_type(file):
    del file[STATUS]
    file[STATUS] = np.dtype("u1")


def with_group_for_array(file):
    del file[STATUS]
    file.create_group(STATUS)


def with_cycle(file):
    file["datasets/counted/again"] = file["datasets"]


def with_hard_link_to_another_array(file):
    del file[STATUS]
    file[STATUS] = file["datasets/counted/measured_seconds"]


def with_many_groups(file):
    group = file
    for _ in range(300):
        group = group.create_group("deeper")


def with_attribute(name):
    def change(file):
        (file[name] if name else file).attrs["note"] = "x" * 100

    return change


def with_value(name, index, value):
    def change(file):
        file[name][index] = value

    return change


BOMB = {"shape": (2**40,), "dtype": "u1", "chunks": (2**20,), "compression": "gzip"}
SWOLLEN = {"shape": (3, 2), "maxshape": (None, None), "chunks": (2**14, 2**14), "dtype": "u1", "compression": "gzip"}
LOST = np.full((3, 2, 2), -1, dtype=np.int32)


def set_in(*path, value):
    def head(content):
        part = content
        for key in path[:-1]:
            part = part[key]
        part[path[-1]] = value

    return head


def without(*path):
    def head(content):
        part = content
        for key in path[:-1]:
            part = part[key]
        del part[path[-1]]

    return head


HOSTILE = {
    # links and storage elsewhere
    "external link": (with_link(STATUS, h5py.ExternalLink("other.h5", "/status")), None, "link to elsewhere"),
    "external link to a device": (with_link(STATUS, h5py.ExternalLink("/dev/zero", "/x")), None, "link to elsewhere"),
    "external link for the metadata": (with_link("metadata", h5py.ExternalLink("o.h5", "/m")), None, "root must have"),
    "soft link": (with_link(STATUS, h5py.SoftLink("/datasets/counted/parameters")), None, "link to elsewhere"),
    "soft link to itself": (with_link(STATUS, h5py.SoftLink(f"/{STATUS}")), None, "link to elsewhere"),
    "external storage": (with_external_storage, None, "is virtual, external"),
    "virtual data set": (with_virtual_data_set, None, "is virtual, external"),
    "hard link to another array": (with_hard_link_to_another_array, None, "status is float32"),
    "cycle of groups": (with_cycle, None, "unknown array or group 'datasets/counted/again'"),
    "300 groups deep": (with_many_groups, None, "unknown array or group 'deeper'"),
    # sizes
    "shape bomb": (with_array(STATUS, **BOMB), None, "too large for this file"),
    "metadata bomb": (with_array("metadata", **BOMB), None, "too large for this file"),
    "contiguous bomb": (with_array(STATUS, shape=(2**31 + 1,), dtype="u1"), None, "too large for this file"),
    "swollen chunks": (with_array(STATUS, **SWOLLEN), None, "in swollen chunks"),
    "extensible": (with_array(STATUS, np.zeros((3, 2), "u1"), maxshape=(None, 2)), None, "extensible"),
    "empty data set": (with_array(STATUS, h5py.Empty("u1")), None, "empty|not a plain number array"),
    "no rows": (with_array("rows/architecture", np.zeros((0, 1), "u1")), None, "has 0 rows"),
    # types and filters
    "wrong dtype": (with_array(STATUS, np.zeros((3, 2), "i8")), None, "status is int64"),
    "big endian": (with_array("datasets/counted/parameters", np.zeros(3, ">i8")), None, "parameters is >i8"),
    "half floats": (with_array("datasets/counted/train_seconds", np.ones(3, "f2")), None, "train_seconds is float16"),
    "strings": (with_array(STATUS, np.full((3, 2), b"ok")), None, "not a plain number array"),
    "objects": (with_array(STATUS, np.full((3, 2), "ok", object), dtype=h5py.string_dtype()), None, "not a plain number array"),
    "references": (with_array(STATUS, shape=(3, 2), dtype=h5py.ref_dtype), None, "not a plain number array"),
    "compound": (with_array(STATUS, np.zeros((3, 2), [("a", "u1")])), None, "not a plain number array"),
    "booleans": (with_array(STATUS, np.zeros((3, 2), bool)), None, "not a plain number array"),
    "complex": (with_array("datasets/counted/train_seconds", np.ones(3, complex)), None, "not a plain number array"),
    "opaque": (with_array(STATUS, np.zeros((3, 2), "V4")), None, "not a plain number array"),
    "unknown filter": (with_unknown_filter, None, "filters \\[32004\\]"),
    "LZF": (with_array(STATUS, np.zeros((3, 2), "u1"), compression="lzf", chunks=(3, 2)), None, "filters"),
    "scale-offset": (with_array(STATUS, np.zeros((3, 2), "u1"), scaleoffset=1, chunks=(3, 2)), None, "filters"),
    "checksum filter": (with_array(STATUS, np.zeros((3, 2), "u1"), fletcher32=True, chunks=(3, 2)), None, "filters"),
    "named type": (with_named_type, None, "is not an array"),
    "group for an array": (with_group_for_array, None, "is not an array"),
    # names
    "extra array": (lambda file: file.create_dataset("datasets/counted/more", data=np.zeros(3)), None, "unknown array"),
    "extra group": (lambda file: file.create_group("code"), None, "unknown array or group 'code'"),
    "extra data set": (lambda file: file.copy("datasets/counted", "datasets/other"), None, "unknown array or group"),
    "missing array": (lambda file: file.pop(STATUS), None, "lacks \\['datasets/counted/status'\\]"),
    "missing rows": (lambda file: file.pop("rows"), None, "lacks \\['rows/architecture', 'rows/row_of_index'\\]"),
    "missing metadata": (lambda file: file.pop("metadata"), None, "an array 'metadata'"),
    "attribute of the root": (with_attribute(""), None, "no attributes"),
    "attribute of a group": (with_attribute("datasets"), None, "has attributes"),
    "attribute of an array": (with_attribute(STATUS), None, "has attributes"),
    # metadata
    "no JSON": (None, lambda _: b"{", "metadata is not what the schema asks for"),
    "not UTF-8": (None, lambda _: b'"\xff"', "metadata is not what the schema asks for"),
    "pickle": (None, lambda _: b"\x80\x04cos\nsystem\n(S'true'\ntR.", "metadata is not what the schema asks for"),
    "a list": (None, lambda _: [1], "Expected `object`, got `array`"),
    "deeply nested": (None, lambda _: b"[" * 100_000 + b"]" * 100_000, "schema asks for|not readable"),
    "deep metadata": (None, lambda _: b'{"metadata":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "schema asks|not readable"),
    "NaN": (None, set_in("metadata", value={"a": float("nan")}), "metadata is not what the schema asks for"),
    "metadata is text": (None, set_in("metadata", value="text"), "Expected `object`, got `str`"),
    "other schema inside": (None, set_in("schema_version", value=2), "schema_version"),
    "unknown key": (None, set_in("evil", value=1), "unknown field `evil`"),
    "unknown key of a data set": (None, set_in("datasets", "counted", "code", value=""), "unknown field `code`"),
    "no space": (None, without("space"), "missing required field `space`"),
    "no epochs": (None, without("datasets", "counted", "epochs"), "missing required field `epochs`"),
    "huge nodes": (None, set_in("space", "nodes", value=10**6), "`int` <= 12"),
    "nodes of 5,000 digits": (None, lambda h: json.dumps(h).replace('"nodes": 2', '"nodes": 1' + "0" * 5000).encode(), "nodes"),
    "12 nodes": (None, set_in("space", "nodes", value=12), r"rows/architecture is uint8 \(3, 1\)"),
    "one node": (None, set_in("space", "nodes", value=1), "`int` >= 2"),
    "nodes as text": (None, set_in("space", "nodes", value="2"), "Expected `int`, got `str`"),
    "no operations": (None, set_in("space", "operations", value=[]), "search space is not sound"),
    "many operations": (None, set_in("space", "operations", value=[str(i) for i in range(9999)]), "row_of_index is"),
    "odd operation": (None, set_in("space", "operations", value=["a", "b", "c", "|"]), "search space is not sound"),
    "epochs as text": (None, set_in("datasets", "counted", "epochs", value="13"), "Expected `array`"),
    "huge epochs": (None, set_in("datasets", "counted", "epochs", value=[1, 10**30]), "metadata is not what"),
    "falling epochs": (None, set_in("datasets", "counted", "epochs", value=[3, 1]), "in ascending order"),
    "boolean images": (None, set_in("datasets", "counted", "splits", "test", "images", value=True), "Expected `int"),
    "no images": (None, set_in("datasets", "counted", "splits", "test", "images", value=0), "metadata is not what"),
    "images for fractions": (None, set_in("datasets", "fractions", "splits", "validation", "images", value=9), "unknown array"),
    "unknown split": (None, set_in("datasets", "counted", "splits", "more", value={"images": 1, "digest": ""}), "lacks"),
    "reason as number": (None, set_in("datasets", "counted", "reasons", value={"0/1": 3}), "Expected `str`"),
    "reason for nothing": (None, set_in("datasets", "counted", "reasons", value={"7/7": "x"}), "no training that was lost"),
    "losses that are not there": (None, set_in("datasets", "counted", "losses", value=["train", "test"]), "lacks"),
    "a path for a data set": (None, lambda h: h["datasets"].update({"../x": h["datasets"].pop("counted")}), "unknown array"),
    "an empty data set name": (None, lambda h: h["datasets"].update({"": h["datasets"].pop("counted")}), "unknown array"),
    # values
    "count beyond the images": (with_value("datasets/counted/correct/test", (0, 0, 1), 6), None, r"leaves -1\.\.5"),
    "missing count in an ok training": (with_array("datasets/counted/correct/validation", LOST), None, "marked ok but lacks"),
    "NaN in an ok training": (with_value("datasets/fractions/accuracy/validation", (0, 0, 0), np.nan), None, "marked ok but lacks"),
    "NaN cost": (with_value("datasets/counted/train_seconds", 0, np.nan), None, "must be positive and finite"),
    "infinite cost": (with_value("datasets/counted/validation_seconds", 0, np.inf), None, "0 or more and finite"),
    "negative loss": (with_value("datasets/counted/loss/train", (0, 0, 0), -1), None, "a cross-entropy is 0 or more"),
    "unknown status": (with_value(STATUS, (0, 0), 9), None, "status 9 is unknown"),
    "operation outside the space": (with_value("rows/architecture", (0, 0), 4), None, "holds operation 4, the space has 4"),
    "row outside the table": (with_value("rows/row_of_index", 1, 3), None, "leads outside the 3 rows"),
    "rows exchanged": (with_value("rows/row_of_index", slice(0, 4), [0, -1, 1, 2]), None, "sends the architecture"),
}  # fmt: skip


READER = """
import resource, sys, time
resource.setrlimit(resource.RLIMIT_AS, (4 * 2**30,) * 2)
resource.setrlimit(resource.RLIMIT_CPU, (100, 100))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
from nasbench.sealed import open_table
from nasbench.table import TableError
for path in sys.argv[1:]:
    start = time.perf_counter()
    try:
        open_table(path)
        print("read without a word")
    except TableError as error:
        print(" ".join(str(error).split()))
    except BaseException as error:
        print("not a TableError:", type(error).__name__, error)
    print(time.perf_counter() - start, flush=True)
"""


def read_in_child(paths):
    """What the reader says to each file, and how long it thinks; one child with limits reads them all."""
    pytest.importorskip("resource")
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONWARNINGS": "error"}
    arguments = [sys.executable, "-c", READER, *map(str, paths)]
    child = subprocess.run(arguments, capture_output=True, text=True, timeout=100, env=environment, check=False)
    assert child.returncode == 0, f"the reader died: {child.returncode} {child.stderr[-2000:]}"
    lines = child.stdout.splitlines()
    assert len(lines) == 2 * len(paths)
    return [(lines[2 * n], float(lines[2 * n + 1])) for n in range(len(paths))]


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    paths = []
    for number, (name, (change, head, _)) in enumerate(HOSTILE.items()):
        paths.append(folder / f"{number}.h5")
        paths[-1].write_bytes(resealed(change, head))
        assert paths[-1].stat().st_size < 2**19, f"{name}: the file itself is large"
    return dict(zip(HOSTILE, read_in_child(paths), strict=True))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_and_named(answers, name):
    message, seconds = answers[name]
    assert re.search(HOSTILE[name][2], message), message
    assert not message.startswith("not a TableError")
    assert seconds < 5


def test_resealing_alone_is_no_reason_to_refuse():
    """The corpus tests its changes and not the way they are made."""
    assert read_table(resealed()).digest == golden_table().digest
    assert read_table(resealed(head=lambda content: content)).digest == golden_table().digest


def test_damage_behind_a_right_checksum_is_refused_or_sound(tmp_path):
    """Whoever seals damaged content has sealed it: what is left is that the reader ends, and gives nothing unsound.

    A flipped bit of a value can't be told from the value; damage to the structure is refused. Not one may end the reader.
    """
    rng = np.random.default_rng(7)
    paths = []
    for number in range(240):
        payload = DAMAGES[number % len(DAMAGES)]((SMALL, COMPRESSED)[number % 2][USER_BLOCK:], rng)
        paths.append(tmp_path / f"{number}.h5")
        paths[-1].write_bytes(user_block(payload) + payload)
    found = read_in_child(paths)
    assert not [message for message, _ in found if message.startswith("not a TableError")]
    assert sum(message != "read without a word" for message, _ in found) > 120
    assert max(seconds for _, seconds in found) < 5


def test_payload_that_is_no_hdf5():
    for payload in (b"", b"text", b"\x89HDF\r\n\x1a\n", b"\x89HDF\r\n\x1a\n" + bytes(5000)):
        with pytest.raises(TableError, match="sealed, but not readable as a table"):
            read_table(user_block(payload) + payload)


def test_header_is_what_the_documentation_says():
    magic, version, length, digest = _HEADER.unpack_from(SMALL)
    assert (magic, version, length, len(digest)) == (b"NASBENCH-LIVE-TABLE\n", 1, len(SMALL) - 4096, 32)
    assert not any(SMALL[64:4096])
