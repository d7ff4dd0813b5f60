"""Do the splits share examples? An example that is both learned from and judged on would flatter every accuracy."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from nasbench.dataset import SPLITS, Dataset

TOLERATED = 0.001
"""Share of a split's examples that may stand in another one: data sets of photographs hold a few twins."""


def shared_examples(data: Dataset) -> dict[tuple[str, str], int]:
    """Count, for each two splits, the examples of the second that also stand in the first, bit for bit, whatever their labels.

    Two examples that differ by rounding, a shift or a crop count as different.

    Args:
        data: a data set as it is trained on.

    Returns:
        One count for each of (train, validation), (train, test), (validation, test).
    """
    known = {split: [example.tobytes() for example in data.inputs[split].cpu().numpy()] for split in SPLITS}
    sets = {split: set(examples) for split, examples in known.items()}
    return {
        (first, second): int(np.sum([example in sets[first] for example in known[second]]))
        for first, second in combinations(SPLITS, 2)
    }


def describe_shared(data: Dataset) -> tuple[bool, str]:
    """Return whether no two splits share more than `TOLERATED` of the second's examples, and what was found, in words."""
    counts = shared_examples(data)
    most = max(count / len(data.labels[second]) for (_, second), count in counts.items())
    said = ", ".join(f"{count} of {second} in {first}" for (first, second), count in counts.items())
    verdict = "splits are disjoint" if most <= TOLERATED else "PROBLEM: splits share examples"
    return most <= TOLERATED, f"{verdict}, example by example: {said}"
