"""The trainer that trains: the pipeline behind the seam of `trainer.py`, and the environment that its bits depend on."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nasbench.dataset import SPLITS, load_dataset
from nasbench.journal import Examples
from nasbench.pipeline import Curve, Training, configure_process, train_group
from nasbench.provenance import files_digest, processor
from nasbench.recipe import Recipe
from nasbench.results import Key, Result, pack_curve
from nasbench.trainer import Watch

CODE = ("space", "skeleton", "network", "dataset", "batches", "descent", "pipeline")
"""The modules that decide the numbers of a training."""

SWITCHES = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "MKL_CBWR", "NVIDIA_TF32_OVERRIDE", "CUBLAS_WORKSPACE_CONFIG")
"""Environment variables that change bits (3 of 3 tried did); they are only recorded."""


class LiveTrainer:
    """Trains groups with the fixed pipeline; see `Trainer`.

    Attributes:
        environment: see `environment`.
        examples: what it trains on.

    Raises:
        DatasetError: the data set can't be loaded.
        RuntimeError: torch knows no such device.
    """

    def __init__(self, recipe: Recipe, device: str = "cpu") -> None:
        configure_process(recipe, device)
        self.recipe = recipe
        self._dataset = load_dataset(recipe.dataset, device)
        self.environment = environment(recipe, device)
        data = self._dataset
        splits = {split: (recipe.split_sizes[split], data.digests[split]) for split in SPLITS}
        self.examples = Examples(data.input_shape, data.classes, splits)

    def train(self, keys: Sequence[Key], epochs: int | None = None, watch: Watch | None = None) -> list[Result]:
        """Train one group; see `Trainer.train`."""
        space = self.recipe.cell_space
        trainings = [Training(space.architecture(space.classes[cell][0]), repeat) for cell, repeat in keys]

        def tell(done: int, curves: list[Curve]) -> None:
            if watch is not None:
                watch(done, _pack_all(keys, curves))

        return _pack_all(keys, train_group(trainings, self.recipe, self._dataset, epochs, tell))


def _pack_all(keys: Sequence[Key], curves: Sequence[Curve]) -> list[Result]:
    return [_pack(key, curve) for key, curve in zip(keys, curves, strict=True)]


def _pack(key: Key, curve: Curve) -> Result:
    return pack_curve(
        key,
        curve.correct,
        curve.loss,
        status=curve.status,
        reason=curve.reason,
        train_seconds=curve.train_seconds,
        evaluation_seconds=curve.evaluation_seconds,
    )


def environment(recipe: Recipe, device: str) -> dict[str, Any]:
    """Return what the bits of a training depend on besides recipe and data: code, libraries, processor, device, threads."""
    kind = torch.device(device)
    found: dict[str, Any] = {
        "code": files_digest(Path(__file__).parent / f"{name}.py" for name in CODE),
        "python": ".".join(platform.python_version_tuple()[:2]),
        "numpy": np.__version__,
        "torch": str(torch.__version__),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": recipe.threads,
        "device": kind.type,
    }
    found |= {name: os.environ[name] for name in SWITCHES if name in os.environ}
    if kind.type == "cuda":
        found["gpu"] = torch.cuda.get_device_name(kind)
        found["cuda"] = torch.version.cuda
        found["cudnn"] = torch.backends.cudnn.version()  # type: ignore[no-untyped-call, unused-ignore]
    return found
