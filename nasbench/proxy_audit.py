"""Hold a table of proxies against networks made anew: `nasbench proxies TABLE --audit CLASSES`.

In the environment that the file was made in, every value must come out equal bit for bit; elsewhere rounding differs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nasbench.live_trainer import environment
from nasbench.proxy_run import Setup, compute
from nasbench.proxy_table import ProxyTable


@dataclass(frozen=True)
class ProxyAudit:
    """What was found.

    Attributes:
        classes: numbers of the classes that were computed again, ascending.
        values: values that were compared, of all proxies and initialisations.
        differing: how many are not equal, by proxy, where there are any; a value that one side alone has is not equal.
        largest: largest relative difference of values that both have, by proxy.
        changed: parts of the environment, apart from our own code, that are not those of the file.
    """

    classes: tuple[int, ...]
    values: int
    differing: Mapping[str, int]
    largest: Mapping[str, float]
    changed: tuple[str, ...]

    @property
    def failed(self) -> bool:
        """Whether values differ without an excuse: the environment is the file's."""
        return bool(self.differing) and not self.changed


def audit_proxies(setup: Setup, proxies: ProxyTable, classes: int, rng: np.random.Generator) -> ProxyAudit:
    """Compute proxies of some classes again and compare them with a table's.

    Args:
        setup: of the table of proxies; see `proxy_run.setup_again`.
        proxies: the table of proxies.
        classes: how many, drawn without replacement.
        rng: draws them.

    Raises:
        ValueError: fewer than one class, or more than there are.
    """
    there = len(proxies.values)
    if not 1 <= classes <= there:
        raise ValueError(f"classes is {classes}, must be in 1..{there}")
    chosen = sorted(rng.choice(there, size=classes, replace=False).tolist())
    differing: dict[str, int] = {}
    largest: dict[str, float] = {}
    for cell in chosen:
        values, _ = compute(setup, cell, proxies.names)
        found = np.where(np.isfinite(values), values, np.nan)
        for name, one, other in zip(proxies.names, found, proxies.values[cell], strict=True):
            unequal = ~((one == other) | (np.isnan(one) & np.isnan(other)))
            if unequal.any():
                differing[name] = differing.get(name, 0) + int(unequal.sum())
                gap = np.abs(one - other) / np.maximum(np.abs(other), np.finfo(float).tiny)
                largest[name] = max(largest.get(name, 0.0), float(np.nan_to_num(gap).max()))
    then: Mapping[str, object] = proxies.metadata.get("environment", {})
    now = environment(setup.recipe, "cpu")
    names = sorted(({*then} | {*now}) - {"code"})
    changed = tuple(name for name in names if then.get(name) != now.get(name))
    return ProxyAudit(tuple(chosen), len(chosen) * proxies.values[0].size, differing, largest, changed)
