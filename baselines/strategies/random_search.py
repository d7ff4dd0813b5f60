"""Random search: Bergstra & Bengio, JMLR 13, 2012; the baseline of NAS since Li & Talwalkar, UAI 2019, arXiv:1902.07638.

Draw architectures independently and train each at full fidelity. What "random" means depends on the sampler: uniform over
strings, as the NAS-Bench-201 literature draws, favours cells that many strings describe (341 of 15,625 strings of the
published space are the constant zero, 2.2 % of the draws instead of 0.02 %); uniform over classes does not.

Departures: none. Draws are with replacement, as in NATS-Bench's `random_wo_share.py`; repeats are charged as the protocol says.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from nasbench.load import Method
from nasbench.query import Query, Search
from nasbench.settings import SettingError, check_choice
from nasbench.space import SearchSpace

METHOD = Method(
    title="Random search",
    paper="Bergstra & Bengio: Random search for hyper-parameter optimization, JMLR 13:281-305, 2012",
    year=2012,
    mode="table",
    family="random",
    variants={"uniform-strings": {"sampler": "strings"}, "uniform-classes": {"sampler": "classes"}},
)


def random_search(
    space: SearchSpace,
    rng: np.random.Generator,
    epochs: tuple[int, ...],
    *,
    sampler: Literal["strings", "classes"] = "strings",
) -> Search:
    """Ask for independent random architectures, without end.

    Args:
        space: the search space.
        rng: source of all randomness.
        epochs: the fidelities on offer; the last one is asked for.
        sampler: `strings`: uniform over architectures as they are written; `classes`: uniform over classes of equal cells,
            for spaces that can draw so (`sample_class`).

    Raises:
        SettingError: another sampler, or `classes` in a space that can't.
    """
    check_choice("sampler", sampler, ("strings", "classes"))
    draw = space.sample if sampler == "strings" else getattr(space, "sample_class", None)
    if draw is None:
        raise SettingError(
            f"setting sampler is 'classes', must be 'strings' in space {space.name}: it can't draw classes"
        )
    while True:
        yield Query(draw(rng), epochs[-1])
