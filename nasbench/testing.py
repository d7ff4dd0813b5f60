"""Test your own search strategy against the contract that every strategy of this project keeps.

In a test file of yours (the style of scikit-learn's `parametrize_with_checks`):

    import pytest
    from nasbench.testing import strategy_checks

    @pytest.mark.parametrize("check", strategy_checks(), ids=lambda check: check.id)
    def test_contract(check):
        check.run("path/to/my_strategy.py")

or at once, in a script or notebook: `check_strategy("path/to/my_strategy.py")`.

For an optimizer of your own it is `from nasbench.testing import check_optimizer` (nasbench/optimizer_testing.py; needs torch).

The checks themselves, each with its reason, are in `nasbench/contract.py` and `nasbench/conduct.py`. They need no table and
no torch. Together they make about 5,000 queries to a synthetic benchmark in about eighty runs, two more of them in a process
of their own.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nasbench import conduct, contract
from nasbench.isolated import ProcessFailed
from nasbench.load import LoadedStrategy, LoadError, describe_strategy, load_strategy
from nasbench.query import Strategy
from nasbench.space import SearchSpace, space_by_name
from nasbench.trial import Trial

if TYPE_CHECKING:
    from nasbench.optimizer_testing import check_optimizer as check_optimizer

SPACE = "cell201-3op"
"""Where strategies are tested unless told otherwise: 729 cells."""


CHECKS: tuple[Callable[[Trial], str | None], ...] = (
    conduct.describes_itself,
    conduct.documents_settings,
    conduct.loads_lightly,
    contract.proposes_at_once,
    contract.proposes_as_declared,
    contract.stays_in_space,
    contract.stays_in_fidelities,
    contract.lives_with_one_fidelity,
    contract.lives_with_many_fidelities,
    contract.lives_with_three_nodes,
    contract.lives_with_two_operations,
    contract.outlives_the_space,
    contract.repeats_itself,
    contract.repeats_itself_elsewhere,
    contract.varies_with_the_seed,
    contract.keeps_runs_apart,
    contract.leaves_global_generators,
    contract.resumes,
    conduct.closes,
    conduct.leaves_inputs,
    conduct.sees_no_test_data,
    conduct.touches_no_files,
    conduct.ignores_the_environment,
    conduct.ignores_the_clock,
    conduct.starts_nothing,
    conduct.says_nothing,
    contract.bears_ties,
    contract.bears_any_cost,
    contract.uses_answers,
    contract.prefers_better,
    conduct.refuses_bad_values,
    conduct.refuses_bad_types,
)


class CheckFailed(AssertionError):
    """A strategy breaks its contract.

    Attributes:
        checks: ids of the checks that failed.
    """

    def __init__(self, message: str, checks: tuple[str, ...]) -> None:
        super().__init__(message)
        self.checks = checks


@dataclass(frozen=True)
class StrategyCheck:
    """One check.

    Attributes:
        id: short name.
        reason: why a strategy must keep it.
    """

    id: str
    reason: str

    def run(
        self,
        strategy: str | Strategy | LoadedStrategy,
        space: SearchSpace | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """Run the check; the arguments are those of `check_strategy`.

        Raises:
            CheckFailed: the strategy breaks it; the message names the check and what happened.
            LoadError: there is no such strategy, or its file isn't one.
        """
        trial = Trial(_load(strategy), space or space_by_name(SPACE), dict(settings or {}))
        check = next(check for check in CHECKS if check.__name__ == self.id)
        try:
            fault = check(trial)
        except ProcessFailed as error:
            fault = f"in a process of its own: {error}"
        except Exception as error:  # whatever a strategy raises is what the check found
            fault = f"it raises {type(error).__name__}: {error} ({_last_line(error)})"
        if fault:
            raise CheckFailed(f"{trial.strategy.name} fails {self.id}: {fault}\n  Why: {self.reason}", (self.id,))


def __getattr__(name: str) -> Any:
    """Offer `check_optimizer`, which needs torch, without importing torch for those who test strategies."""
    if name == "check_optimizer":
        return getattr(importlib.import_module("nasbench.optimizer_testing"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def strategy_checks() -> tuple[StrategyCheck, ...]:
    """Return every check, fit for `pytest.mark.parametrize`."""
    return tuple(StrategyCheck(check.__name__, " ".join((check.__doc__ or "").split())) for check in CHECKS)


def check_strategy(
    strategy: str | Strategy | LoadedStrategy,
    space: SearchSpace | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    expected_failures: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Run every check and say at the end which ones failed.

    Args:
        strategy: name of an installed one, `path/to/my_strategy.py`, `package.module:function`, or the generator function
            itself (which must stand in a file: some checks run it in another process).
        space: where to run it; by default the space named by `SPACE`. Checks that are about the space use their own.
        settings: over the strategy's defaults.
        expected_failures: id -> why this strategy may break that check.

    Returns:
        id -> `passed`, or `expected: ` and the reason given.

    Raises:
        CheckFailed: checks failed that were not expected to, or passed that were; the message tells each.
        LoadError: there is no such strategy, or its file isn't one; or `expected_failures` names an unknown check.
    """
    expected = dict(expected_failures or {})
    checks = strategy_checks()
    unknown = sorted(set(expected) - {check.id for check in checks})
    if unknown:
        raise LoadError(f"expected_failures names unknown checks {unknown}; there are {[check.id for check in checks]}")
    loaded = _load(strategy)
    outcomes: dict[str, str] = {}
    faults: dict[str, str] = {}
    for check in checks:
        try:
            check.run(loaded, space, settings)
        except CheckFailed as failure:
            if check.id not in expected:
                faults[check.id] = str(failure)
            outcomes[check.id] = f"expected: {expected.get(check.id)}"
        else:
            if check.id in expected:
                faults[check.id] = f"{loaded.name} passes {check.id}, which was expected to fail ({expected[check.id]})"
            outcomes[check.id] = "passed"
    if faults:
        raise CheckFailed("\n".join(faults.values()), tuple(faults))
    return outcomes


def _load(strategy: str | Strategy | LoadedStrategy) -> LoadedStrategy:
    if isinstance(strategy, LoadedStrategy):
        return strategy
    if isinstance(strategy, str):
        return load_strategy(strategy)
    if not inspect.isgeneratorfunction(strategy):
        raise LoadError(f"{strategy!r} must be a generator function (one with `yield`), or say where to find one")
    module = sys.modules[strategy.__module__]
    try:
        importable = importlib.util.find_spec(module.__name__) is not None
    except ValueError:  # `__main__` has no specification
        importable = False
    file = module.__name__ if importable else inspect.getsourcefile(strategy)
    return describe_strategy(strategy, f"{file}:{strategy.__name__}", module)


def _last_line(error: BaseException) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"line {frame.lineno} of {frame.name}: {frame.line}"
