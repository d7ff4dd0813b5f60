"""Croissant metadata of a table: a JSON-LD file beside it that catalogues and loaders of data sets understand.

MLCommons Croissant 1.1 (https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html) on top of schema.org, with the
properties for responsible AI that the table's metadata can answer. Croissant has no reader for HDF5, so the file is one
`FileObject` with its SHA-256, and two record sets with inline data say what is in it: the data sets and the arrays.

Nothing is made up: what the table does not say (a licence, authors, a version) is left out.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from nasbench.sealed import read_table
from nasbench.table import MISSING, Dataset, Table, named_arrays

CONFORMS_TO = ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"]

_CROISSANT_WORDS = (
    "arrayShape citeAs column containedIn equivalentProperty extract field fileProperty fileObject fileSet format includes "
    "isArray isLiveDataset jsonPath key md5 parentField path recordSet references regex repeated replace samplingRate "
    "separator source subField transform"
)
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
} | {name: f"cr:{name}" for name in _CROISSANT_WORDS.split()}
"""The specification's own context, whole: readers warn about any other."""

LICENCES = ("Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0")
"""SPDX names that are turned into addresses where a table's licence mentions them."""

MEANINGS = {
    "architecture": "operation on each edge of the cell that a row was trained with, in the order of the published string",
    "row_of_index": "row of every architecture by its number (operations read as digits, first edge first); -1: none",
    "correct": "number of correct answers after each recorded epoch; -1: unknown",
    "accuracy": "fraction of correct answers after each recorded epoch; NaN: unknown",
    "loss": "mean cross-entropy after each recorded epoch; NaN: unknown",
    "status": "what became of each training: 0 ok, 1 diverged, 2 failed, 3 missing",
    "train_seconds": "calibrated seconds of one epoch of training",
    "validation_seconds": "calibrated seconds of one pass over the validation split; 0: not told apart",
    "measured_seconds": "wall seconds of the whole training; NaN: unknown",
    "parameters": "trainable parameters; -1: unknown",
    "multiply_adds": "multiply-adds of one forward pass of one example; -1: unknown",
    "extra": "further column of the source",
}


def croissant(content: bytes, file: str, *, url: str = "", published: date | None = None) -> dict[str, Any]:
    """Return the Croissant metadata of a sealed table.

    Args:
        content: the bytes of the sealed file.
        file: its name, such as `nas-bench-201.h5`; relative to the metadata.
        url: where the table can be found; left out if empty.
        published: when it was published; left out if None.

    Raises:
        TableError: the bytes are not a sound sealed table.
    """
    table = read_table(content, file)
    metadata = table.metadata
    citation = str(metadata.get("citation", ""))
    record: dict[str, Any] = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": Path(file).stem,
        "description": _description(table),
        "license": _licences(str(metadata.get("licence", ""))),
        "url": url,
        "isBasedOn": _source_url(table),
        "creator": [{"@type": "sc:Person", "name": name} for name in authors(citation)],
        "datePublished": "" if published is None else published.isoformat(),
        "version": _version(str(metadata.get("version", ""))),
        "citeAs": citation.strip(),
        "keywords": ["neural architecture search", "benchmark", "learning curves", *table.datasets],
        "isLiveDataset": False,
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": file,
                "name": file,
                "description": "Sealed HDF5 file: a user block of 4,096 bytes with the SHA-256 of the rest, then the arrays.",
                "contentUrl": file,
                "contentSize": f"{len(content)} B",
                "encodingFormat": "application/x-hdf5",
                "sha256": hashlib.sha256(content).hexdigest(),
            }
        ],
        "recordSet": [
            _record_set("data-sets", "The data sets that the cells were trained on.", _data_sets(table)),
            _record_set("arrays", "The arrays in the HDF5 file.", _arrays(table)),
        ],
        **_responsible(table),
    }
    return {key: value for key, value in record.items() if value not in ("", [])}


def write_croissant(table: Path, *, url: str = "", published: date | None = None) -> Path:
    """Write `NAME.croissant.json` beside a table `NAME.h5` and return it. The same table gives the same bytes.

    Raises:
        TableError: not a sound sealed table.
        OSError: the table can't be read, or the file not be written.
    """
    record = croissant(table.read_bytes(), table.name, url=url, published=published)
    path = table.with_name(f"{table.stem}.croissant.json")
    path.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")
    return path


def authors(bibtex: str) -> list[str]:
    """Return the authors of the first entry of a BibTeX text, first name first; none if it names none.

    >>> authors("@article{a, author = {Dong, Xuanyi and Yi {Y}ang and others}, year = 2020}")
    ['Xuanyi Dong', 'Yi Yang']
    """
    found = re.search(r"\bauthor\s*=\s*[{\"]((?:[^{}\"]|\{[^{}]*\})*)[}\"]", bibtex, flags=re.IGNORECASE)
    if found is None:
        return []
    names = []
    for name in re.split(r"\s+and\s+", re.sub(r"[{}]", "", found[1]).strip()):
        last, comma, first = name.partition(",")
        names.append(f"{first.strip()} {last.strip()}" if comma else name.strip())
    return [name for name in names if name and name != "others"]


def _description(table: Table) -> str:
    rows, space = len(table.architectures), table.space
    sets = ", ".join(table.datasets)
    title = str(table.metadata.get("title", "")) or f"{space.name}: results of {rows} cells"
    return (
        f"{title}. Results of training {rows} cells of the search space {space.name} ({space.nodes} nodes, {len(space.edges)} edges, "
        f"operations {', '.join(space.operations)}; {space.size} architectures) on {sets}. "
        f"Logical digest {table.digest}; cost digest {table.cost_digest}."
    )


def _source_url(table: Table) -> str:
    source = table.metadata.get("source")
    return str(source.get("url", "")) if isinstance(source, dict) else ""


def _flat(value: Any) -> str:
    """Return a value of the metadata as words."""
    if isinstance(value, dict):
        return "; ".join(f"{name}: {_flat(each)}" for name, each in value.items())
    return str(value)


def _licences(text: str) -> str | list[str]:
    """Return addresses of the licences that a text names by SPDX, or the text itself."""
    named = [name for name in LICENCES if re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", text)]
    return [f"https://spdx.org/licenses/{name}.html" for name in named] or text


def _version(text: str) -> str:
    """Return a version with three numbers, as Croissant asks for; "" for anything else."""
    parts = text.split(".")
    if not 1 <= len(parts) <= 3 or not all(part.isdigit() for part in parts):
        return ""
    return ".".join([*parts, "0", "0"][:3])


def _record_set(name: str, description: str, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    kinds = {bool: "sc:Boolean", int: "sc:Integer", float: "sc:Float", str: "sc:Text"}
    fields = [
        {"@type": "cr:Field", "@id": f"{name}/{column}", "name": column, "dataType": kinds[type(value)]}
        for column, value in (rows[0] if rows else {}).items()
    ]
    data = [{f"{name}/{column}": value for column, value in row.items()} for row in rows]
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": description,
        "field": fields,
        "data": data,
    }


def _data_sets(table: Table) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "epochs": " ".join(map(str, data.epochs)),
            "splits": " ".join(data.splits),
            "images": " ".join(_images(data, split) for split in data.splits),
            "repeats": data.status.shape[1],
            "trainings": int((data.status != MISSING).sum()),
            "score": data.score_label,
        }
        for name, data in table.datasets.items()
    ]


def _images(data: Dataset, split: str) -> str:
    images = data.splits[split].images
    return "unknown" if images is None else str(images)


def _arrays(table: Table) -> list[dict[str, Any]]:
    rows = []
    for place, array in sorted(named_arrays(table).items()):
        words = place.split("/")
        kind = words[1] if words[0] == "rows" else words[2]
        split = f", {words[3]} split" if kind in ("correct", "accuracy", "loss") else ""
        rows.append(
            {
                "place": place,
                "dtype": array.dtype.name,
                "shape": " ".join(map(str, array.shape)),
                "meaning": MEANINGS[kind] + split,
            }
        )
    return rows


def _responsible(table: Table) -> dict[str, Any]:
    """Return the properties for responsible AI (Croissant RAI 1.0) that the table's metadata answer."""
    metadata = table.metadata
    limits = metadata.get("known_defects", [])
    splits = metadata.get("splits", {})
    found = {
        "rai:dataCollection": _flat(metadata.get("source", "")),
        "rai:dataLimitations": [str(each) for each in limits] if isinstance(limits, list) else [str(limits)],
        "rai:dataCollectionMissingData": str(metadata.get("missing", "")),
        "rai:dataPreprocessingProtocol": [f"{name}: {text}" for name, text in splits.items()]
        if isinstance(splits, dict)
        else [str(splits)],
        "rai:dataUseCases": "Comparing neural architecture search strategies by looking trainings up instead of carrying them out.",
        "rai:personalSensitiveInformation": "None: accuracies, losses, times and sizes of trained networks.",
    }
    return {key: value for key, value in found.items() if value}
