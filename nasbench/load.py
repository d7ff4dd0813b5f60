"""Find methods by file name: strategies, optimizers, protocols; the installed ones and a user's own file.

A file `baselines/strategies/NAME.py` with a generator function `NAME` and a constant `METHOD` is a strategy. There is no
registry: the folder is the list. A name that begins with an underscore is a part that several methods share, not a method.
Loading one method imports its file and nothing of its neighbours, so that a strategy that needs torch costs the others
nothing; such a strategy imports torch inside its function, so that listing it costs nothing either.

A user's own strategy is named by its file, `path/to/my_strategy.py` (function `my_strategy`) or
`path/to/file.py:function`, or by a module that Python can import, `package.module:function`.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.resources
import importlib.util
import inspect
import pkgutil
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from pathlib import Path
from types import ModuleType
from typing import Any

from nasbench.query import Strategy
from nasbench.settings import Setting, SettingError, check_settings, read_settings

STRATEGIES = "nasbench.baselines.strategies"
OPTIMIZERS = "nasbench.baselines.optimizers"
PROTOCOLS = "nasbench.protocols"

MODES = {
    "table": "needs nothing but scores: a table answers it exactly",
    "emulated": "the published method inherits weights; here its moves and schedule, every score from scratch",
    "live": "needs real training",
}

FAMILIES = (
    "random",
    "local",
    "evolution",
    "reinforcement",
    "model-based",
    "multi-fidelity",
    "multi-objective",
    "proxy",
    "transfer",
    "opponent",
    "other",
)


ABSENT = "not installed"
"""The version of a library that is not there; see `installed_version`."""


def installed_version(distribution: str) -> str:
    """Return the version of an installed library, by its name at the package index, or `ABSENT`.

    Methods that call a library read its version here, for their title and for the setting that pins it.
    """
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ABSENT


class LoadError(ValueError):
    """A method that is not there or can't be used; the message says why, and lists what there is."""


@dataclass(frozen=True)
class Method:
    """What a method's file says about it, as the constant `METHOD`.

    Attributes:
        title: name in tables and figures, such as `Regularized evolution`.
        paper: reference, first author's surname first: `Real et al.: Regularized evolution ..., AAAI 2019, arXiv:1802.01548`.
        year: of the paper.
        mode: a key of `MODES`.
        family: one of `FAMILIES`.
        fidelities: asks for several numbers of epochs; otherwise for the highest alone.
        asynchronous: yields `Submit`, so that it needs no waiting for a batch.
        extra: name of the optional dependencies it needs (`pip install '.[extra]'` in the checkout), or None.
        variants: named published settings: name -> {setting: value}. The defaults are a published choice themselves.

    Raises:
        LoadError: a field is empty or has a value that is not allowed.
    """

    title: str
    paper: str
    year: int
    mode: str
    family: str
    fidelities: bool = False
    asynchronous: bool = False
    extra: str | None = None
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("title", "paper"):
            if not str(getattr(self, name)).strip():
                raise LoadError(f"METHOD: {name} is empty")
        if not 1900 <= self.year <= 2100:
            raise LoadError(f"METHOD: year is {self.year!r}, must be from 1900 to 2100")
        if self.mode not in MODES:
            raise LoadError(f"METHOD: mode is {self.mode!r}, must be one of {list(MODES)}")
        if self.family not in FAMILIES:
            raise LoadError(f"METHOD: family is {self.family!r}, must be one of {list(FAMILIES)}")


@dataclass(frozen=True)
class LoadedStrategy:
    """A strategy, ready to run: `loaded.function(space, rng, epochs, **loaded.configure(...))`.

    Attributes:
        name: function name; names the strategy in protocols and records.
        reference: what `load_strategy` took; another process finds the same strategy by it.
        function: the generator function.
        method: its `METHOD`.
        settings: its settings by name.
    """

    name: str
    reference: str
    function: Strategy
    method: Method
    settings: Mapping[str, Setting]

    def configure(self, values: Mapping[str, Any] | None = None, variant: str | None = None) -> dict[str, Any]:
        """Return the complete settings: defaults, then the variant's, then `values`.

        Raises:
            LoadError: no variant of this name.
            SettingError: an unknown setting or a value of another type.
        """
        if variant is not None and variant not in self.method.variants:
            raise LoadError(
                f"strategy {self.name} has no variant {variant!r}; there are {sorted(self.method.variants)}"
            )
        chosen = {} if variant is None else self.method.variants[variant]
        try:
            return check_settings(self.settings, {**chosen, **(values or {})})
        except SettingError as error:
            raise SettingError(f"strategy {self.name}: {error}") from None


def strategy_names() -> list[str]:
    """Return the names of the installed strategies, sorted."""
    return _module_names(STRATEGIES)


def optimizer_names() -> list[str]:
    """Return the names of the installed optimizers, sorted."""
    return _module_names(OPTIMIZERS)


def protocol_names(kind: str = "strategies") -> list[str]:
    """Return the names of the installed protocols (`protocols/NAME.toml`) of a kind, `strategies` or `optimizers`, sorted."""
    files = importlib.resources.files(PROTOCOLS).iterdir()
    found = [file for file in files if file.name.endswith(".toml") and protocol_kind(file) == kind]
    return sorted(file.name.removesuffix(".toml") for file in found)


def protocol_kind(file: Traversable) -> str:
    """Return what a protocol file compares: the value of its key `kind`; `strategies` without one, or if it can't be read."""
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return "strategies"  # whoever reads it as a protocol says what is wrong with it
    return str(content.get("kind", "strategies"))


def find_protocol(name: str) -> Traversable:
    """Return the file of an installed protocol by name, or of a user's own by its path (which ends in `.toml`).

    Raises:
        LoadError: there is no such file; the message lists the installed protocols.
    """
    own = name.endswith(".toml")
    file: Traversable = Path(name) if own else importlib.resources.files(PROTOCOLS) / f"{name}.toml"
    if not file.is_file():
        missing = f"no protocol file {name}" if own else f"no protocol {name!r}"
        raise LoadError(
            f"{missing}; installed are {protocol_names() + protocol_names('optimizers')}; your own: path/to/my_protocol.toml"
        )
    return file


def load_strategy(name: str) -> LoadedStrategy:
    """Load one strategy by name, by file, or by `package.module:function`.

    A file is executed anew at each call, so that an edited one is not mistaken for its former self.

    Raises:
        LoadError: there is none of this name (the message lists those there are), the file can't be imported, or it lacks
            what makes a strategy: the generator function, `METHOD`, settings with types and defaults.
    """
    module, function_name = find_module(name, STRATEGIES, "strategy", strategy_names())
    function = getattr(module, function_name, None)
    if not inspect.isgeneratorfunction(function):
        wrong = "has no function" if function is None else "must be a generator function (one with `yield`):"
        raise LoadError(f"strategy {name}: module {module.__name__} {wrong} {function_name}")
    return describe_strategy(function, name, module)


def describe_strategy(function: Strategy, reference: str, module: ModuleType) -> LoadedStrategy:
    """Return a strategy with what its module and signature say about it.

    Raises:
        LoadError: no `METHOD`, a setting without type or default, or a variant that doesn't fit the settings.
    """
    method = getattr(module, "METHOD", None)
    if not isinstance(method, Method):
        raise LoadError(
            f"strategy {reference}: module {module.__name__} has no METHOD = Method(...) (see nasbench.load.Method)"
        )
    try:
        settings = read_settings(function, leading=3)
    except SettingError as error:
        raise LoadError(f"strategy {reference}: {error}") from error
    for variant, values in method.variants.items():
        try:
            check_settings(settings, values)
        except SettingError as error:
            raise LoadError(f"strategy {reference}, variant {variant!r}: {error}") from error
    return LoadedStrategy(function.__name__, reference, function, method, settings)


def _module_names(package: str) -> list[str]:
    path = importlib.import_module(package).__path__
    return sorted(module.name for module in pkgutil.iter_modules(path) if not module.name.startswith("_"))


def find_module(name: str, package: str, kind: str, installed: Sequence[str]) -> tuple[ModuleType, str]:
    """Return the module that a reference names, imported, and the function's name in it.

    Args:
        name: of an installed method, `path/to/file.py`, `path/to/file.py:function`, or `package.module:function`.
        package: where the installed ones are.
        kind: what the message calls it: `strategy`, `optimizer`.
        installed: names of the installed ones.

    Raises:
        LoadError: there is no such file or name, or it can't be imported.
    """
    if name.endswith(".py") or ".py:" in name:
        path, function = (name, Path(name).stem) if name.endswith(".py") else name.rsplit(":", 1)
        return _import_file(Path(path), kind, installed), function
    if ":" in name:
        module, function = name.rsplit(":", 1)
        return _import(module, name, kind), function
    if name not in installed:
        raise LoadError(
            f"no {kind} {name!r}; there are {list(installed)}; your own: path/to/my_{kind}.py or package.module:function"
        )
    return _import(f"{package}.{name}", name, kind), name


def _import(module: str, reference: str, kind: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except Exception as error:  # whatever a user's module raises, the message must say where
        raise LoadError(f"{kind} {reference} can't be imported: {type(error).__name__}: {error}") from error


def _import_file(path: Path, kind: str, installed: Sequence[str]) -> ModuleType:
    if not path.is_file():
        raise LoadError(f"no {kind} file {path}; installed are {list(installed)}")
    # A name of its own for each path: two files `mine.py` must not meet, nor hide an installed module.
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]
    name = f"nasbench_file_{digest}_{path.stem}"
    specification = importlib.util.spec_from_file_location(name, path)
    if specification is None or specification.loader is None:
        raise LoadError(f"{kind} file {path} is no Python source file")
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module  # dataclasses look their module up here
    try:
        specification.loader.exec_module(module)
    except Exception as error:  # whatever a user's file raises, the message must say where
        del sys.modules[name]
        raise LoadError(f"{kind} file {path} can't be imported: {type(error).__name__}: {error}") from error
    return module
