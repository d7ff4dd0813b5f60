"""What every search strategy must keep beside searching, check by check (part of `nasbench.testing`).

A check is a function of a `Trial` that returns what went wrong, or None. Its name is its id and its docstring its reason.
"""

from __future__ import annotations

import copy
import math
import sys
import typing
from collections.abc import Mapping
from typing import Any

from nasbench.query import Observation, Query
from nasbench.settings import Setting
from nasbench.synthetic import SyntheticBenchmark, drive
from nasbench.trial import LONG, SHORT, Trial

# What it says of itself -----------------------------------------------------------------------------------------------


def describes_itself(trial: Trial) -> str | None:
    """Readers must know whose method it is: the file's first line names the paper's first author and year."""
    method = trial.strategy.method
    first_line = (sys.modules[trial.strategy.function.__module__].__doc__ or "").partition("\n")[0]
    author = method.paper.split()[0].strip(",:")
    for word in (author, str(method.year)):
        if word not in first_line:
            return f"{word!r} (from METHOD) is not in the first line of the file, {first_line!r}"
    return None if str(method.year) in method.paper else f"METHOD.paper does not name the year {method.year}"


def documents_settings(trial: Trial) -> str | None:
    """A protocol's reader must find what a setting means: the function's docstring names each one."""
    text = trial.strategy.function.__doc__ or ""
    missing = [name for name in trial.strategy.settings if f"{name}:" not in text]
    return f"the docstring does not explain {missing}" if missing else None


def loads_lightly(trial: Trial) -> str | None:
    """`nasbench list` imports every strategy: heavy libraries are imported inside the function that needs them."""
    report = trial.isolated()
    return f"importing it loads {report['loaded']}" if report["loaded"] else None


# Budget, records, side effects ----------------------------------------------------------------------------------------


def closes(trial: Trial) -> str | None:
    """The budget ends a run at any moment: closing it raises nothing and gets no further proposal."""
    for queries in (0, 1, 2, 5, 11, 23, LONG):
        search = trial.start()
        if queries:
            drive(search, lambda query: SyntheticBenchmark(trial.space).evaluate(query, 0), queries)
        search.close()
        if getattr(search, "gi_frame", None) is not None:
            return f"it is still alive after closing at query {queries}"
    return None


def leaves_inputs(trial: Trial) -> str | None:
    """Observations belong to the record, the space to everybody: neither is changed."""
    space = copy.deepcopy(trial.space)
    comparable = space == trial.space
    given: list[tuple[Observation, str]] = []

    def evaluate(query: Query) -> Observation:
        observation = SyntheticBenchmark(trial.space).evaluate(query, 0)
        given.append((observation, repr(observation)))
        return observation

    drive(trial.start(), evaluate, LONG)
    for number, (observation, before) in enumerate(given):
        if repr(observation) != before:
            return f"observation {number} was {before}, is now {observation!r}"
    return "it changed the space" if comparable and space != trial.space else None


class Guarded(Observation):
    """An observation that notes every attempt to read more from it than it has."""

    attempts: typing.ClassVar[list[str]] = []

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("__"):
            Guarded.attempts.append(name)
        raise AttributeError(
            f"an observation has no {name!r}: a strategy sees query, validation_accuracy, cost, objectives"
        )


def sees_no_test_data(trial: Trial) -> str | None:
    """Selecting on test accuracy makes every comparison worthless: nothing but the observation's four fields is read."""
    Guarded.attempts.clear()
    benchmark = SyntheticBenchmark(trial.space)

    def evaluate(query: Query) -> Observation:
        answer = benchmark.evaluate(query, 0)
        return Guarded(query, answer.validation_accuracy, answer.cost)

    drive(trial.start(), evaluate, SHORT)
    report = trial.isolated()
    if Guarded.attempts:
        return f"it reads {Guarded.attempts[0]!r} of an observation"
    if report["forbidden"]:
        return f"it loads {report['forbidden']}, which can read a table's test columns"
    return f"it looks into its caller: {report['acts']['frames']}" if report["acts"]["frames"] else None


def touches_no_files(trial: Trial) -> str | None:
    """Runs go on side by side in many processes: no file is written, and none read that could hold an answer."""
    return _acts(trial, "files")


def ignores_the_environment(trial: Trial) -> str | None:
    """No hidden inputs: what is in no protocol must not decide a result."""
    return _acts(trial, "environment")


def ignores_the_clock(trial: Trial) -> str | None:
    """The loop owns the clock, and time is simulated; a strategy that looks at the real one differs on each machine."""
    return _acts(trial, "clock")


def starts_nothing(trial: Trial) -> str | None:
    """No network, no processes: the loop spreads the work."""
    return _acts(trial, "network")


def says_nothing(trial: Trial) -> str | None:
    """Ten thousand runs on one screen: a strategy prints nothing."""
    output = trial.isolated()["output"].strip()
    return f"it prints {output[:200]!r}" if output else None


def _acts(trial: Trial, kind: str) -> str | None:
    acts = trial.isolated()["acts"][kind]
    return "; ".join(acts[:3]) if acts else None


# Settings -------------------------------------------------------------------------------------------------------------


def refuses_bad_values(trial: Trial) -> str | None:
    """A setting outside its range is refused before the first query, by a ValueError that names setting and value."""
    return _refuses(trial, {int: (-1, -(10**9)), float: (-1.0, math.nan), str: ("no such choice",)})


def refuses_bad_types(trial: Trial) -> str | None:
    """So is a value of another type: a misread protocol must not become a strange result."""
    return _refuses(trial, {int: ("7", 7.5), float: ("0.5", [0.5]), str: (3,), bool: ("no",)})


def _refuses(trial: Trial, candidates: Mapping[type, tuple[Any, ...]]) -> str | None:
    for setting in trial.strategy.settings.values():
        values = [value for kind in _kinds(setting) for value in candidates.get(kind, ())]
        for value in values:
            try:
                search = trial.start(changed={setting.name: value})
                proposal = next(search)
            except ValueError as error:
                if setting.name not in str(error) or str(value) not in str(error):
                    return f"{setting.name}={value!r} is refused without naming both: {error}"
                continue
            except TypeError as error:
                return f"{setting.name}={value!r} raises {error!r}, must be a ValueError that names setting and range"
            search.close()
            return f"{setting.name}={value!r} is accepted; the first proposal is {proposal}"
    return None


def _kinds(setting: Setting) -> set[type]:
    """Return the plain types that a setting takes; a Literal counts by its values."""
    found: set[type] = set()
    waiting = [setting.annotation]
    while waiting:
        annotation = waiting.pop()
        arguments = typing.get_args(annotation)
        if typing.get_origin(annotation) is typing.Literal:
            found.update(type(choice) for choice in arguments)
        elif arguments and typing.get_origin(annotation) is not tuple:
            waiting.extend(arguments)
        elif isinstance(annotation, type):
            found.add(annotation)
    return found
