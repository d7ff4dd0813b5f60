"""The table of tests/golden/schema-1.h5, built by hand: every kind of array that schema version 1 knows.

The file was sealed once, by the first version that wrote the schema, and is never written again: a later version must read
the same values and the same digests out of it.
"""

from pathlib import Path

import numpy as np

from nasbench.space import CellSpace
from nasbench.table import DIVERGED, FAILED, MISSING, OK, Dataset, Split, Table

GOLDEN = Path(__file__).parent / "golden" / "schema-1.h5"
DIGEST = "1358e5889363a6ec3d240c16689aaf597623a361ae506f71a952e5a6e0fa9225"
COST_DIGEST = "be33039a40c9e10e07be8704e3910914ea2b06682fcf8a633d689116cdc5ce2c"
SHA256 = "4dc16a7be88b2d62f32f30674e7950fc86d661756bc126c489ddc0fdd91be9a1"


def golden_table() -> Table:
    """Return the table: 3 rows for the 4 architectures of a space with 2 nodes, 2 data sets."""
    space = CellSpace("golden", nodes=2, operations=("none", "skip_connect", "nor_conv_3x3", "other"))
    counted = Dataset(
        name="counted",
        epochs=(1, 3),
        splits={"train": Split(8, "1" * 64), "validation": Split(4, "2" * 64), "test": Split(5, "3" * 64)},
        correct={
            "train": np.array([[[1, 8], [2, -1]], [[0, 3], [-1, -1]], [[-1, -1], [4, 4]]], dtype=np.int32),
            "validation": np.array([[[1, 4], [2, -1]], [[0, 3], [-1, -1]], [[-1, -1], [4, 4]]], dtype=np.int32),
            "test": np.array([[[-1, 5], [-1, -1]], [[0, 2], [-1, -1]], [[-1, -1], [1, 0]]], dtype=np.int32),
        },
        accuracies={},
        losses={
            "train": np.array(
                [[[0.5, 0.25], [1.5, np.inf]], [[2.0, 1.0], [np.nan, np.nan]], [[np.nan, np.nan], [0.0, 3.5]]],
                dtype=np.float32,
            )
        },
        status=np.array([[OK, DIVERGED], [OK, FAILED], [MISSING, OK]], dtype=np.uint8),
        train_seconds=np.array([0.1, 2.5, 1e-3]),
        validation_seconds=np.array([0.0, 0.125, 1.0]),
        measured_seconds=np.array([[0.3, 0.25], [7.5, np.nan], [np.nan, 0.0]], dtype=np.float32),
        parameters=np.array([0, 2**40, -1], dtype=np.int64),
        multiply_adds=np.array([-1, 12, 2**50], dtype=np.int64),
        extra={"latency_seconds": np.array([0.5, np.nan, -1.0])},
        reasons={"0/1": "loss is infinite at epoch 3", "1/1": "killed — twice"},
    )
    fractions = Dataset(
        name="fractions",
        epochs=(200,),
        splits={"validation": Split(None), "test": Split(1000)},
        correct={"test": np.array([[[1]], [[999]], [[-1]]], dtype=np.int32)},
        accuracies={"validation": np.array([[[0.1]], [[1 / 3]], [[np.nan]]])},
        losses={},
        status=np.array([[OK], [OK], [MISSING]], dtype=np.uint8),
        train_seconds=np.array([10.0, 20.0, np.nan]),
        validation_seconds=np.zeros(3),
        measured_seconds=np.full((3, 1), np.nan, dtype=np.float32),
        parameters=np.full(3, -1, dtype=np.int64),
        multiply_adds=np.full(3, -1, dtype=np.int64),
    )
    return Table(
        space,
        np.array([[2], [0], [3]], dtype=np.uint8),
        np.array([1, -1, 0, 2], dtype=np.int32),
        {"counted": counted, "fractions": fractions},
        {"title": "Golden table of schema 1", "licence": "CC0-1.0", "nested": {"list": [1, 2.5, None, "ä"]}},
    )
