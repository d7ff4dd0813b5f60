"""Settings of a method: read from its signature, checked against a protocol's values, and range-checked by the method.

A setting is a parameter with a default, `population: int = 100`. Its type is its annotation, one of `int`, `float`,
`bool`, `str`, `None`, `Literal[...]`, a union of these, or a tuple of them; nothing else can stand in a protocol. What the
annotation can't say, the range, the method says in its first lines with `check_integer`, `check_number`, `check_choice`.
"""

from __future__ import annotations

import inspect
import math
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Value = Any
"""A setting's value: int, float, bool, str, None or a tuple of these (a TOML array arrives as a list)."""


class SettingError(ValueError):
    """An unknown setting or a value that is not allowed; the message names the setting, the value and what is allowed."""


@dataclass(frozen=True)
class Setting:
    """One setting of a method.

    Attributes:
        name: parameter name.
        annotation: its type, as an object.
        default: the value of the paper that the method names.
    """

    name: str
    annotation: Any
    default: Value

    @property
    def kind(self) -> str:
        """What is allowed, in words: `an integer`, `'first' or 'best'`."""
        return _describe(self.annotation)

    def check(self, value: Value) -> Value:
        """Return `value` as the method wants it (an integer as a float, a list as a tuple, where that is the type).

        Raises:
            SettingError: the value has another type.
        """
        fitted = _fit(value, self.annotation)
        if not fitted:
            raise SettingError(f"setting {self.name} is {value!r}, must be {self.kind}")
        return fitted[0]


def read_settings(function: Callable[..., Any], leading: int) -> dict[str, Setting]:
    """Return the settings of a method by name, in the order of its signature.

    Args:
        function: the method.
        leading: number of parameters before the settings (3 for a strategy: space, rng, epochs).

    Raises:
        SettingError: a parameter beyond `leading` has no default, no annotation or one that no protocol could carry, a
            default of another type, or collects arguments (`**settings` would swallow a misspelt name).
    """
    parameters = list(inspect.signature(function).parameters.values())[leading:]
    try:
        annotations = typing.get_type_hints(function)
    except NameError as error:
        raise SettingError(f"{function.__name__}: annotation can't be read: {error}") from error
    settings = {}
    for parameter in parameters:
        where = f"{function.__name__}: setting {parameter.name}"
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise SettingError(
                f"{where} collects arguments, so that a misspelt setting would pass unseen; name each setting"
            )
        if parameter.default is parameter.empty:
            raise SettingError(f"{where} has no default; give it the literature's value")
        if parameter.name not in annotations:
            raise SettingError(
                f"{where} has no type; annotate it as int, float, bool, str, Literal, a union or a tuple"
            )
        setting = Setting(parameter.name, annotations[parameter.name], parameter.default)
        try:
            setting.check(setting.default)
        except TypeError as error:
            raise SettingError(f"{where}: {error}") from error
        settings[parameter.name] = setting
    return settings


def check_settings(settings: Mapping[str, Setting], values: Mapping[str, Value]) -> dict[str, Value]:
    """Return the complete settings: `values` over the defaults, in the order of the signature.

    Ranges are not checked here but by the method itself, before its first query.

    Raises:
        SettingError: an unknown name (the message lists the known ones) or a value of another type.
    """
    for name in values:
        if name not in settings:
            raise SettingError(f"unknown setting {name!r}; there are {list(settings) if settings else 'none'}")
    return {name: setting.check(values.get(name, setting.default)) for name, setting in settings.items()}


# Ranges, for the first lines of a method ------------------------------------------------------------------------------


def check_integer(name: str, value: int, low: int, high: int | None = None) -> None:
    """Raise SettingError unless `value` is an integer (not a bool) from `low` to `high`, both included."""
    integer = isinstance(value, int) and not isinstance(value, bool)
    if not integer or value < low or (high is not None and value > high):
        limit = f"of at least {low}" if high is None else f"from {low} to {high}"
        raise SettingError(f"setting {name} is {value!r}, must be an integer {limit}")


def check_number(name: str, value: float, low: float, high: float = math.inf, *, above: bool = False) -> None:
    """Raise SettingError unless `value` is a finite number from `low` to `high`.

    Args:
        name: the setting.
        value: its value.
        low: smallest value allowed.
        high: largest value allowed.
        above: the value must be greater than `low`.
    """
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not low <= value <= high or (above and value == low):
        limit = f"above {low}" if above else f"of at least {low}"
        limit += "" if high == math.inf else f" and at most {high}"
        raise SettingError(f"setting {name} is {value!r}, must be a finite number {limit}")


def check_choice(name: str, value: object, choices: Sequence[object]) -> None:
    """Raise SettingError unless `value` is one of `choices`, of the same type."""
    if not any(value == choice and type(value) is type(choice) for choice in choices):
        raise SettingError(f"setting {name} is {value!r}, must be one of {list(choices)}")


# Types ----------------------------------------------------------------------------------------------------------------


def _fit(value: Value, annotation: Any) -> tuple[Value] | None:
    """Return the value in a 1-tuple as the annotation wants it, or None if it does not fit.

    Raises:
        TypeError: the annotation is none that a protocol could carry.
    """
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is float:
        return (float(value),) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
    if annotation is int:
        return (value,) if isinstance(value, int) and not isinstance(value, bool) else None
    if annotation in (bool, str):
        return (value,) if isinstance(value, annotation) else None
    if annotation in (None, types.NoneType):
        return (None,) if value is None else None
    if origin is Literal:
        return (value,) if any(value == choice and type(value) is type(choice) for choice in arguments) else None
    if origin in (typing.Union, types.UnionType):
        # An integer that is offered as itself stays one: `int | float` must not turn 3 into 3.0.
        exact = [option for option in arguments if option is type(value)]
        fits = [fitted for option in [*exact, *arguments] if (fitted := _fit(value, option))]
        return fits[0] if fits else None
    if origin is tuple and arguments:
        return _fit_tuple(value, arguments)
    raise TypeError(
        f"type {annotation!r} can't stand in a protocol; use int, float, bool, str, Literal, a union or a tuple"
    )


def _fit_tuple(value: Value, arguments: tuple[Any, ...]) -> tuple[Value] | None:
    if not isinstance(value, (list, tuple)):
        return None
    kinds = (arguments[0],) * len(value) if arguments[1:] == (Ellipsis,) else arguments
    fitted = [_fit(item, kind) for item, kind in zip(value, kinds, strict=False)]
    if len(kinds) != len(value) or None in fitted:
        return None
    return (tuple(item[0] for item in fitted if item),)


def _describe(annotation: Any) -> str:
    names = {int: "an integer", float: "a number", bool: "true or false", str: "a string", types.NoneType: "absent"}
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return " or ".join(repr(choice) for choice in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_describe(option) for option in arguments)
    if origin is tuple:
        inner = [_describe(option) for option in arguments if option is not Ellipsis]
        return f"an array of {inner[0]}" if Ellipsis in arguments else f"an array ({', '.join(inner)})"
    return names.get(annotation, str(annotation))
