"""What an optimizer's file says about it, how it is found, and which settings are tried when it is tuned.

A file `baselines/optimizers/NAME.py` with a function `NAME(parameters, total_steps, *, learning_rate=1e-3, ...)` that returns a
`torch.optim.Optimizer`, and a constant `METHOD`, is an optimizer. As for strategies there is no registry: the folder is the list,
and a user's own optimizer is named by its file, `path/to/my_optimizer.py`.

Two rulesets are kept apart, as AlgoPerf does (Dahl et al. 2023, arXiv:2306.07179): `tuned` optimizers ship a search space and are
given N quasi-random trials of it (Bousquet et al. 2017, arXiv:1706.03200); `self-tuning` ones run once, at their defaults.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from nasbench.load import OPTIMIZERS, LoadError, find_module, optimizer_names
from nasbench.settings import Setting, SettingError, check_settings, read_settings
from nasbench.sources import method_files

FAMILIES = ("hand-designed", "learned", "control")
RULESETS = ("tuned", "self-tuning")
EDGE = 0.05
"""A best setting this near an end of its range, as a share of the range, is said to lie on the edge."""


@dataclass(frozen=True)
class LogRange:
    """Numbers from `low` to `high`, uniform in their logarithm; 0 < low < high.

    `natural` ends are no sign of a space that is too narrow: nothing lies beyond (a momentum of 0, `one_minus_momentum` 1), or nothing
    that could be told apart (a weight decay that is too small to matter).
    """

    low: float
    high: float
    natural: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not set(self.natural) <= {"low", "high"}:
            raise LoadError(f"LogRange: natural is {self.natural!r}, must hold 'low', 'high' or neither")
        if not 0 < self.low < self.high < math.inf:
            raise LoadError(f"LogRange({self.low}, {self.high}): must have 0 < low < high < infinity")

    def value(self, position: float) -> float:
        """Return the number at a position in [0, 1)."""
        return float(math.exp(math.log(self.low) + position * (math.log(self.high) - math.log(self.low))))

    def position(self, value: float) -> float:
        """Return where a number lies, 0 at `low` and 1 at `high`."""
        return (math.log(value) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))


@dataclass(frozen=True)
class Uniform:
    """Numbers from `low` to `high`, uniform; low < high; `natural` as of `LogRange`."""

    low: float
    high: float
    natural: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not set(self.natural) <= {"low", "high"}:
            raise LoadError(f"Uniform: natural is {self.natural!r}, must hold 'low', 'high' or neither")
        if not -math.inf < self.low < self.high < math.inf:
            raise LoadError(f"Uniform({self.low}, {self.high}): must have low < high, both finite")

    def value(self, position: float) -> float:
        """Return the number at a position in [0, 1)."""
        return float(self.low + position * (self.high - self.low))

    def position(self, value: float) -> float:
        """Return where a number lies, 0 at `low` and 1 at `high`."""
        return (value - self.low) / (self.high - self.low)


@dataclass(frozen=True)
class Choice:
    """One of several values, each as likely."""

    values: Sequence[Any]

    def __post_init__(self) -> None:
        if not self.values:
            raise LoadError("Choice(()): must have at least one value")

    def value(self, position: float) -> Any:
        """Return the value at a position in [0, 1)."""
        return self.values[int(position * len(self.values))]


Range = LogRange | Uniform | Choice


@dataclass(frozen=True)
class OptimizerMethod:
    """The constant `METHOD` of an optimizer's file.

    Attributes:
        title: name in tables and figures, such as `Adam`.
        paper: reference, first author's surname first.
        year: of the paper.
        family: one of `FAMILIES`.
        horizon_aware: uses `total_steps` (a schedule, or a learned optimizer that is told the horizon).
        extra: name of the optional dependencies it needs, or None.
        ruleset: one of `RULESETS`.
        search_space: of a tuned optimizer: setting -> range.
        trained_on: of a learned optimizer: file beside it that says what it was meta-trained on; None otherwise.
        trial_list: settings that are tried in this order, instead of draws from `search_space`.
        variants: named settings that are fixed in a row of its own, such as a schedule: name -> {setting: value}. A variant has the
            search space of its optimizer, and trial n of it is trial n of its optimizer with those settings.
        horizon_variants: which of them use `total_steps` where the optimizer itself doesn't.

    Raises:
        LoadError: a field is empty or has a value that is not allowed, or a variant fixes what is searched.
    """

    title: str
    paper: str
    year: int
    family: str
    horizon_aware: bool = False
    extra: str | None = None
    ruleset: str = "tuned"
    search_space: Mapping[str, Range] = field(default_factory=dict)
    trained_on: str | None = None
    trial_list: Sequence[Mapping[str, Any]] = ()
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    horizon_variants: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name in ("title", "paper"):
            if not str(getattr(self, name)).strip():
                raise LoadError(f"METHOD: {name} is empty")
        if not 1800 <= self.year <= 2100:
            raise LoadError(f"METHOD: year is {self.year!r}, must be from 1800 to 2100")
        if self.family not in FAMILIES:
            raise LoadError(f"METHOD: family is {self.family!r}, must be one of {list(FAMILIES)}")
        if self.ruleset not in RULESETS:
            raise LoadError(f"METHOD: ruleset is {self.ruleset!r}, must be one of {list(RULESETS)}")
        if bool(self.search_space or self.trial_list) != (self.ruleset == "tuned"):
            raise LoadError(
                "METHOD: a tuned optimizer has a search_space or a trial_list, a self-tuning one has neither"
            )
        if unknown := sorted(set(self.horizon_variants) - set(self.variants)):
            raise LoadError(f"METHOD: horizon_variants has {unknown}, must be of the variants {sorted(self.variants)}")
        for variant, values in self.variants.items():
            if both := sorted(set(values) & set(self.search_space)):
                raise LoadError(f"METHOD: variant {variant!r} fixes {both}, which the search space varies")

    def of_variant(self, variant: str) -> OptimizerMethod:
        """Return what holds of a variant: its title and whether it knows the horizon.

        Raises:
            LoadError: no variant of this name.
        """
        if variant not in self.variants:
            raise LoadError(f"{self.title} has no variant {variant!r}; there are {sorted(self.variants)}")
        aware = self.horizon_aware or variant in self.horizon_variants
        return replace(self, title=f"{self.title}, {variant.replace('-', ' ')}", horizon_aware=aware)


@dataclass(frozen=True)
class LoadedOptimizer:
    """An optimizer, ready to use: `loaded.factory(parameters, total_steps, **loaded.configure(...))`.

    Attributes:
        name: function name; names the optimizer in tables and protocols.
        factory: (parameters, total_steps, **settings) -> torch.optim.Optimizer.
        method: its `METHOD`.
        settings: its settings by name.
        reference: what `load_optimizer` took; another process finds the same optimizer by it.
        source_digest: SHA-256 over its file, the parts beside it that it imports, and its weights.
        variant: which of its variants this is; `method` is the variant's.
    """

    name: str
    factory: Callable[..., Any]
    method: OptimizerMethod
    settings: Mapping[str, Setting]
    reference: str
    source_digest: str
    variant: str | None = None

    def configure(self, values: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the complete settings: defaults, then the variant's, then `values`.

        Raises:
            SettingError: an unknown setting or a value of another type.
        """
        chosen = {} if self.variant is None else self.method.variants[self.variant]
        try:
            return check_settings(self.settings, {**chosen, **(values or {})})
        except SettingError as error:
            raise SettingError(f"optimizer {self.name}: {error}") from None

    def trials(self, count: int) -> list[dict[str, Any]]:
        """Return the settings of trials 0..count-1: complete, the same in every process, trial n the same for every count.

        A self-tuning optimizer has one trial, its defaults; a list of trials has as many as it has entries.

        Raises:
            ValueError: `count` is below 1.
        """
        if count < 1:
            raise ValueError(f"count is {count}, must be at least 1")
        if self.method.ruleset == "self-tuning":
            return [self.configure()]
        if self.method.trial_list:
            return [self.configure(values) for values in list(self.method.trial_list)[:count]]
        return [self.configure(values) for values in draw_trials(self.name, self.method.search_space, count)]


def load_optimizer(name: str | Path, variant: str | None = None) -> LoadedOptimizer:
    """Load one optimizer, or a variant of it, by name or by file.

    Raises:
        LoadError: there is none of this name (the message lists those there are), the file can't be imported, it lacks what
            makes an optimizer (the function, `METHOD`, settings with types and defaults, a search space and variants of known settings),
            or it has no such variant.
    """
    module, function_name = find_module(str(name), OPTIMIZERS, "optimizer", optimizer_names())
    factory = getattr(module, function_name, None)
    method = getattr(module, "METHOD", None)
    if not inspect.isfunction(factory):
        raise LoadError(f"optimizer {name}: module {module.__name__} has no function {function_name}")
    if not isinstance(method, OptimizerMethod):
        raise LoadError(f"optimizer {name}: module {module.__name__} has no METHOD = OptimizerMethod(...)")
    try:
        settings = read_settings(factory, leading=2)
        sample = {key: _sample(value) for key, value in method.search_space.items()}
        for values in (sample, *method.trial_list, *method.variants.values()):
            check_settings(settings, values)
        if variant is not None:
            method = method.of_variant(variant)
    except SettingError as error:
        raise LoadError(f"optimizer {name}: {error}") from error
    digest = _source_digest(module.__file__)
    return LoadedOptimizer(function_name, factory, method, settings, str(name), digest, variant)


def load_variants(name: str | Path) -> list[LoadedOptimizer]:
    """Return an optimizer and all its variants.

    Raises:
        LoadError: as of `load_optimizer`.
    """
    plain = load_optimizer(name)
    return [plain, *(load_optimizer(name, variant) for variant in plain.method.variants)]


def draw_trials(name: str, search_space: Mapping[str, Range], count: int) -> list[dict[str, Any]]:
    """Return the first `count` quasi-random points of a search space: a scrambled Sobol sequence, seeded by name and space."""
    from scipy.stats import qmc

    text = json.dumps([name, describe_space(search_space)], sort_keys=True)
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
    sampler = qmc.Sobol(len(search_space), scramble=True, seed=np.random.default_rng(seed))
    # A whole power of two is drawn, as Sobol's balance asks for; the order does not depend on how many.
    points = sampler.random_base2(max(0, math.ceil(math.log2(count))))[:count]
    return [
        {
            key: choices.value(float(position))
            for (key, choices), position in zip(search_space.items(), point, strict=True)
        }
        for point in points
    ]


def describe_space(search_space: Mapping[str, Range]) -> dict[str, list[Any]]:
    """Return a search space as plain JSON: setting -> [kind, low, high] or ["choice", values...]."""
    return {
        key: ["choice", *choices.values]
        if isinstance(choices, Choice)
        else ["log" if isinstance(choices, LogRange) else "uniform", choices.low, choices.high]
        for key, choices in search_space.items()
    }


def edges(search_space: Mapping[str, Range], settings: Mapping[str, Any]) -> list[str]:
    """Return which settings lie within `EDGE` of an end of their range, as `learning_rate at its low end (0.00012)`.

    Ends that are `natural` are not named. The best setting on an edge means that the search space, not the optimizer, may have
    decided the result.
    """
    found = []
    for key, choices in search_space.items():
        if isinstance(choices, Choice):
            continue
        position = choices.position(float(settings[key]))
        end = "low" if position <= EDGE else "high"
        if not EDGE < position < 1 - EDGE and end not in choices.natural:
            found.append(f"{key} at its {end} end ({settings[key]:.3g})")
    return found


def _sample(choices: Range) -> Any:
    return choices.value(0.5)


def _source_digest(file: str | None) -> str:
    """Return SHA-256 over an optimizer's file, the parts beside it that it imports, and its weights."""
    state = hashlib.sha256()
    if file is not None:
        path = Path(file)
        weights = path.with_suffix(".safetensors")
        for part in [*method_files(path), *([weights] if weights.is_file() else [])]:
            state.update(f"{part.name}\0".encode())
            state.update(part.read_bytes())
    return state.hexdigest()
