"""Settings: types from signatures, ranges in the methods."""

from __future__ import annotations

import math
from typing import Any, Literal

import pytest

from nasbench.settings import (
    Setting,
    SettingError,
    check_choice,
    check_integer,
    check_number,
    check_settings,
    read_settings,
)


def method(
    space: object,
    rng: object,
    epochs: object,
    *,
    population: int = 10,
    rate: float = 0.5,
    scheme: Literal["first", "best"] = "first",
    limit: int | None = None,
    widths: tuple[int, ...] = (16, 16),
    log: bool = False,
    name: str = "x",
) -> None:
    """Nothing."""


SETTINGS = read_settings(method, leading=3)


def test_settings_are_read_from_the_signature() -> None:
    assert {name: setting.default for name, setting in SETTINGS.items()} == {
        "population": 10, "rate": 0.5, "scheme": "first", "limit": None, "widths": (16, 16), "log": False, "name": "x",
    }  # fmt: skip
    assert [setting.kind for setting in SETTINGS.values()] == [
        "an integer",
        "a number",
        "'first' or 'best'",
        "an integer or absent",
        "an array of an integer",
        "true or false",
        "a string",
    ]


@pytest.mark.parametrize(
    ("name", "given", "taken"),
    [
        ("population", 3, 3),
        ("rate", 1, 1.0),
        ("rate", 0.25, 0.25),
        ("scheme", "best", "best"),
        ("limit", None, None),
        ("limit", 4, 4),
        ("widths", [8, 4, 2], (8, 4, 2)),
        ("widths", [], ()),
        ("log", True, True),
        ("name", "", ""),
    ],
)
def test_fitting_values(name: str, given: Any, taken: Any) -> None:
    checked = check_settings(SETTINGS, {name: given})[name]
    assert checked == taken and type(checked) is type(taken)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("population", 3.0),
        ("population", True),
        ("population", "3"),
        ("population", None),
        ("rate", "0.5"),
        ("rate", False),
        ("scheme", "worst"),
        ("limit", 1.5),
        ("widths", 8),
        ("widths", [8, 1.5]),
        ("widths", "88"),
        ("log", 1),
        ("name", 1),
    ],
)
def test_misfits_are_named(name: str, given: Any) -> None:
    with pytest.raises(SettingError) as error:
        check_settings(SETTINGS, {name: given})
    assert str(error.value) == f"setting {name} is {given!r}, must be {SETTINGS[name].kind}"


def test_unknown_settings_list_the_known_ones() -> None:
    with pytest.raises(SettingError, match=r"unknown setting 'popluation'; there are .*'population', 'rate'"):
        check_settings(SETTINGS, {"popluation": 3})
    with pytest.raises(SettingError, match="there are none"):
        check_settings({}, {"population": 3})


def test_integers_stay_integers_beside_numbers() -> None:
    setting = Setting("x", int | float, 1)
    assert type(setting.check(3)) is int and type(setting.check(3.0)) is float
    # The literal 1 and the truth value are different settings, though equal in Python.
    assert Setting("x", Literal[1, 2], 1).check(2) == 2
    with pytest.raises(SettingError):
        Setting("x", Literal[1, 2], 1).check(True)
    assert Setting("x", tuple[int, str], (1, "a")).check([2, "b"]) == (2, "b")
    with pytest.raises(SettingError, match=r"must be an array \(an integer, a string\)"):
        Setting("x", tuple[int, str], (1, "a")).check([2, "b", "c"])


def no_default(space: object, *, population: int) -> None:
    """Nothing."""


def no_type(space: object, *, population=10) -> None:
    """Nothing."""


def collects(space: object, **settings: int) -> None:
    """Nothing."""


def collects_in_order(space: object, *settings: int) -> None:
    """Nothing."""


def other_default(space: object, *, population: int = 1.5) -> None:  # type: ignore[assignment]
    """Nothing."""


def foreign_type(space: object, *, population: dict[str, int] = {}) -> None:  # noqa: B006
    """Nothing."""


def unknown_type(space: object, *, population: Missing = 1) -> None:  # type: ignore[name-defined] # noqa: F821
    """Nothing."""


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (no_default, "no_default: setting population has no default"),
        (no_type, "no_type: setting population has no type"),
        (collects, "collects: setting settings collects arguments"),
        (collects_in_order, "setting settings collects arguments"),
        (other_default, "setting population is 1.5, must be an integer"),
        (foreign_type, "foreign_type: setting population: type .* can't stand in a protocol"),
        (unknown_type, "unknown_type: annotation can't be read: name 'Missing'"),
    ],
)
def test_signatures_that_no_protocol_could_serve(function: Any, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        read_settings(function, leading=1)


@pytest.mark.parametrize("value", [0, 7, -1, 1.0, True, "3", math.nan])
def test_integers_outside_their_range(value: Any) -> None:
    with pytest.raises(SettingError) as error:
        check_integer("population", value, 1, 6)
    assert str(error.value) == f"setting population is {value!r}, must be an integer from 1 to 6"


def test_open_ranges() -> None:
    check_integer("population", 10**9, 1)
    with pytest.raises(SettingError, match="setting population is 0, must be an integer of at least 1"):
        check_integer("population", 0, 1)
    check_number("rate", 1e300, 0.0)
    check_number("rate", 0, 0.0, 1.0)
    check_number("rate", 1, 0.0, 1.0)
    with pytest.raises(SettingError, match=r"setting rate is 0.0, must be a finite number above 0.0 and at most 1.0"):
        check_number("rate", 0.0, 0.0, 1.0, above=True)


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan, math.inf, -math.inf, True, "0.5", None, [0.5]])
def test_numbers_outside_their_range(value: Any) -> None:
    with pytest.raises(SettingError) as error:
        check_number("rate", value, 0.0, 1.0)
    assert str(error.value) == f"setting rate is {value!r}, must be a finite number of at least 0.0 and at most 1.0"


@pytest.mark.parametrize("value", ["worst", 1, None, ["first"]])
def test_choices_outside_the_list(value: Any) -> None:
    check_choice("scheme", "best", ("first", "best"))
    with pytest.raises(SettingError, match=r"must be one of \['first', 'best'\]"):
        check_choice("scheme", value, ("first", "best"))
