"""Weights of learned optimizers: `NAME.safetensors` with a record `NAME.json` beside it, checked against each other.

The record says what the weights were meta-trained on, so that overlap with what they are scored on can be checked, and holds
a digest of names, shapes and values that does not depend on how the file was written.
"""

from __future__ import annotations

import hashlib
import importlib.resources
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from torch import Tensor

FOLDER = "nasbench.baselines.optimizers"


class WeightsError(ValueError):
    """Learned weights that are not there, or are not what their record says."""


def weights_digest(weights: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of names, shapes, dtypes and values (little-endian), in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        array = weights[name].detach().cpu().contiguous().numpy()
        digest.update(f"{name} {array.dtype.newbyteorder('<').str} {array.shape}\n".encode())
        digest.update(array.astype(array.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()


@lru_cache(maxsize=16)
def load_weights(name: str) -> dict[str, Tensor]:
    """Return the shipped weights of a learned optimizer; callers must not change them.

    Raises:
        ImportError: safetensors is not installed.
        WeightsError: no such file (the message says how to make it), or the digest is not the record's.
    """
    import safetensors.torch  # an extra: METHOD of a learned optimizer can be read without it

    folder = importlib.resources.files(FOLDER)
    data, record = folder / f"{name}.safetensors", folder / f"{name}.json"
    if not (data.is_file() and record.is_file()):
        raise WeightsError(
            f"no learned weights {name!r} beside the optimizers; make them: python -m nasbench.meta_training {name}"
        )
    weights: dict[str, Tensor] = safetensors.torch.load(data.read_bytes())
    said: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
    found = weights_digest(weights)
    if found != said.get("weights_digest"):
        raise WeightsError(
            f"weights {name!r} have the digest {found}, their record says {said.get('weights_digest')!r}"
        )
    return weights
