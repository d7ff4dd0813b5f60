"""Compute the zero-cost proxies of a recipe's whole space, class after class, journalled, resumable, and seal them.

The initialisations of a class are computed side by side as one fused network, as the recipe's repeats are trained. Random
draws are keyed by seed, purpose, class and initialisation, so that neither order nor interruption moves a bit. Batch number i
is the same for every class. Networks are in float32 (`synflow`: float64) and channels first, whatever the recipe trains in.

Seconds are processor seconds of building, initialising and looking at the network, divided by the number of initialisations;
the data set is loaded before.
"""

from __future__ import annotations

import hashlib
import math
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from nasbench.build_folder import SUFFIX, BuildError, locked, new_journal
from nasbench.dataset import Dataset, load_dataset
from nasbench.journal import Examples, Header, JournalError, new_header, read_journal
from nasbench.live_trainer import environment
from nasbench.network import Network
from nasbench.pipeline import configure_process, deterministic
from nasbench.provenance import files_digest, provenance
from nasbench.proxies import PROXIES, Batch
from nasbench.proxy_table import NAMES, Origin, ProxyTable, seal_proxies
from nasbench.recipe import Recipe
from nasbench.skeleton import Skeleton, multiply_adds, operation_counts, parameters
from nasbench.table import TableError, canonical_json

CODE = ("space", "skeleton", "network", "dataset", "proxies", "proxy_run")
"""The modules that decide the values."""

BATCH, WEIGHTS, NOISE = range(3)
"""What random numbers are drawn for."""

Watch = Callable[[int, int], None]
"""Is told how many classes are done and how many there are."""


class _Row(msgspec.Struct, frozen=True, array_like=True):
    """One class: little-endian float64 (proxies, initialisations), uint8 of the same shape, float32 (proxies,)."""

    cell: int
    values: bytes
    faults: bytes
    seconds: bytes


@dataclass(frozen=True, eq=False)
class Setup:
    """Everything that the proxies of a class are computed from.

    Attributes:
        recipe: whose networks.
        origin: what the values rest on.
        skeleton: the network around the cell.
        inputs: float32 (batch, initialisations * channels, height, width), batch i for initialisation i.
        labels: int64 (initialisations, batch).
    """

    recipe: Recipe
    origin: Origin
    skeleton: Skeleton
    inputs: torch.Tensor
    labels: torch.Tensor


def prepare(recipe: Recipe, dataset: Dataset, batch: int = 64, initialisations: int = 3, seed: int = 0) -> Setup:
    """Draw the batches from the training split.

    Raises:
        ValueError: a batch of fewer than 2 or more than the training examples, no initialisation, or a negative seed.
    """
    available = len(dataset.labels["train"])
    for name, value, low, high in (
        ("batch", batch, 2, available),
        ("initialisations", initialisations, 1, 1000),
        ("seed", seed, 0, 2**63 - 1),
    ):
        if not low <= value <= high:
            raise ValueError(f"{name} is {value}, must be in {low}..{high}")
    origin = Origin(
        recipe.space, recipe.name, recipe.digest, dict(dataset.digests), NAMES, initialisations, batch, seed
    )
    drawn = [stream(recipe, seed, BATCH, number).permutation(available)[:batch] for number in range(initialisations)]
    inputs, labels = dataset.inputs["train"].cpu(), dataset.labels["train"].cpu()
    return Setup(
        recipe,
        origin,
        recipe.build_skeleton(dataset.input_shape, dataset.classes),
        torch.cat([inputs[chosen] for chosen in drawn], 1),
        torch.stack([labels[chosen] for chosen in drawn]),
    )


def stream(recipe: Recipe, seed: int, purpose: int, *place: int) -> np.random.Generator:
    """Return the generator of one purpose: `BATCH` and an initialisation, or `WEIGHTS`, `NOISE`, a class and an initialisation.

    Its entropy is a digest, so that no training of the recipe has the same.
    """
    entropy = hashlib.sha256(f"proxies {recipe.seed} {seed}".encode()).digest()
    return np.random.default_rng(np.random.SeedSequence(int.from_bytes(entropy, "big"), spawn_key=(purpose, *place)))


def compute(
    setup: Setup, cell: int, names: Sequence[str] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Compute proxies of one class. Each has a network of its own, so that none depends on which others are computed.

    Args:
        setup: see `prepare`.
        cell: number of the class in the space.
        names: which proxies; default: all, in the order of `setup.origin.names`.

    Returns:
        Values, shape (proxies, initialisations), infinite or NaN where not defined; processor seconds of one, (proxies,).
    """
    origin, space = setup.origin, setup.recipe.cell_space
    members = range(origin.initialisations)
    architecture = space.architecture(space.classes[cell][0])
    counts = operation_counts(space, architecture)
    sizes = {"parameters": parameters(setup.skeleton, counts), "multiply_adds": multiply_adds(setup.skeleton, counts)}
    names = origin.names if names is None else names
    values = np.empty((len(names), len(members)))
    seconds = np.zeros(len(names), dtype=np.float32)
    with deterministic():
        for place, name in enumerate(names):
            if name in sizes:
                values[place] = sizes[name]
                continue
            began = time.process_time()
            network = Network(space, [architecture] * len(members), setup.skeleton)
            network.initialise([stream(setup.recipe, origin.seed, WEIGHTS, cell, number) for number in members])
            noise = [stream(setup.recipe, origin.seed, NOISE, cell, number) for number in members]
            values[place] = PROXIES[name](network.train(), Batch(setup.inputs, setup.labels, noise))
            seconds[place] = (time.process_time() - began) / len(members)
    return values, seconds


def run_proxies(setup: Setup, folder: Path, output: Path, watch: Watch | None = None) -> ProxyTable:
    """Compute what is missing, seal the table, and return it.

    Args:
        setup: see `prepare`.
        folder: where finished classes are kept; run again to go on.
        output: the file to make.
        watch: is told the progress after each class.

    Raises:
        BuildError: another process works on the folder, or it holds the journals of something else.
        JournalError: a journal can't be read or written.
        OSError: the table can't be written.
    """
    configure_process(setup.recipe)
    origin, space = setup.origin, setup.recipe.cell_space
    header = _header(setup)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder, None):
        rows = {row.cell: row for row in _finished(folder, header)}
        missing = [cell for cell in range(len(space.classes)) if cell not in rows]
        if missing:
            compute(setup, missing[0])  # not counted: the first call of everything is slow
            with new_journal(folder, header, sync="close") as journal:
                for cell in missing:
                    row = _pack(cell, *compute(setup, cell))
                    journal.append(msgspec.msgpack.encode(row))
                    rows[cell] = row
                    if watch is not None:
                        watch(len(rows), len(space.classes))
        shape = (len(space.classes), len(origin.names), origin.initialisations)
        ordered = [rows[cell] for cell in range(shape[0])]
        found = ProxyTable(
            origin,
            np.array([space.architecture(members[0]) for members in space.classes], dtype=np.uint8),
            np.frombuffer(b"".join(row.values for row in ordered), dtype="<f8").astype(np.float64).reshape(shape),
            np.frombuffer(b"".join(row.faults for row in ordered), dtype=np.uint8).reshape(shape),
            np.frombuffer(b"".join(row.seconds for row in ordered), dtype="<f4").astype(np.float32).reshape(shape[:2]),
            {"recipe": portable(setup.recipe), "environment": header.environment, "made": provenance()},
        )
        seal_proxies(found, output)
    return found


def portable(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe as plain values, without the folder of this machine that its data were read from."""
    dataset = msgspec.structs.replace(recipe.dataset, root="")
    found: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(recipe, dataset=dataset))
    return found


def _pack(cell: int, values: NDArray[np.float64], seconds: NDArray[np.float32]) -> _Row:
    kinds = [np.isneginf(values), np.isnan(values), np.isposinf(values)]  # in the order of proxy_table.FAULTS
    faults = np.select(kinds, [1, 2, 3], 0).astype(np.uint8)
    known = np.where(faults > 0, math.nan, values)
    return _Row(cell, known.astype("<f8").tobytes(), faults.tobytes(), seconds.astype("<f4").tobytes())


def _header(setup: Setup) -> Header:
    found: dict[str, Any] = environment(setup.recipe, "cpu")
    here = Path(__file__).parent
    found["code"] = files_digest(here / f"{name}.py" for name in CODE)
    examples = Examples(
        setup.skeleton.input_shape,
        setup.skeleton.classes,
        {split: (0, digest) for split, digest in setup.origin.splits.items()},
    )
    digest = hashlib.sha256(canonical_json(msgspec.to_builtins(setup.origin))).hexdigest()
    return new_header(digest, found, examples, f"proxies-{platform.machine()}")


def _finished(folder: Path, header: Header) -> Iterator[_Row]:
    """Yield the classes that the folder's journals hold."""
    for path in sorted(folder.glob("*" + SUFFIX)):
        journal = read_journal(path)
        if journal.header is None:
            continue
        if journal.header.recipe != header.recipe:
            raise BuildError(
                f"{path} was made with another recipe, batch, seed or number of initialisations; use another folder"
            )
        if journal.header.environment != header.environment:
            changed = [
                name
                for name in sorted({*journal.header.environment, *header.environment})
                if journal.header.environment.get(name) != header.environment.get(name)
            ]
            raise BuildError(
                f"{path} was made in another environment ({', '.join(changed)} differ); use another folder"
            )
        for payload in journal.payloads:
            try:
                yield msgspec.msgpack.decode(payload, type=_Row)
            except (msgspec.ValidationError, msgspec.DecodeError) as error:
                raise JournalError(f"{path}: a sound frame holds no row: {error}") from None


def load_setup(recipe: Recipe, root: str, batch: int, initialisations: int, seed: int) -> Setup:
    """Load the recipe's data set and prepare; see `prepare`."""
    configure_process(recipe)
    return prepare(recipe, load_dataset(recipe.dataset, root=root or None), batch, initialisations, seed)


def setup_again(recipe: Recipe, proxies: ProxyTable) -> Setup:
    """Return the setup that a table of proxies was computed from, to compute the same values again.

    Args:
        recipe: the recipe of the proxies, with the folder of data that are read from disk.
        proxies: the table of proxies.

    Raises:
        TableError: the examples that are here are not those that the proxies looked at.
        DatasetError: they can't be loaded.
    """
    origin = proxies.origin
    setup = load_setup(recipe, recipe.dataset.root, origin.batch, origin.initialisations, origin.seed)
    if msgspec.structs.replace(setup.origin, names=origin.names) != origin:
        here = ", ".join(f"{name} {digest[:12]}" for name, digest in sorted(setup.origin.splits.items()))
        there = ", ".join(f"{name} {digest[:12]}" for name, digest in sorted(origin.splits.items()))
        raise TableError(
            f"the proxies are of recipe {origin.recipe} ({origin.recipe_digest[:12]}) and looked at examples {there}; here are "
            f"{recipe.name} ({recipe.digest[:12]}) and {recipe.dataset.name} with {here}"
        )
    return setup
