"""Figures in the width and with the letters of a venue's pages: `nasbench report RESULTS --venue neurips`.

Widths and sizes of letters are those of tueplots (N. Kraemer, MIT licence), which keeps them by the year of the style files: of
venues with two columns the width of both. The letters are STIX, which look like the Times of most venues and come with
matplotlib: the same on every machine, without LaTeX.
"""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from importlib import metadata
from types import ModuleType
from typing import Any

SERIF = {"font.family": "serif", "font.serif": ["STIXGeneral"], "mathtext.fontset": "stix"}


class VenueError(ValueError):
    """A venue that is not known, or tueplots is not installed; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Venue:
    """How a venue prints figures.

    Attributes:
        name: with the year of its style files, as in tueplots: `neurips2024`.
        width: of the text, inches.
        settings: of matplotlib, for letters.
        source: the version of tueplots.
    """

    name: str
    width: float
    settings: dict[str, Any]
    source: str


def venue_names() -> tuple[str, ...]:
    """Return the names of all venues, each with its year.

    Raises:
        VenueError: tueplots is not installed.
    """
    figsizes, fontsizes = _tueplots()
    found = {name.removesuffix("_full").removesuffix("_half") for name in dir(figsizes)} & set(dir(fontsizes))
    return tuple(sorted(name for name in found if re.fullmatch(r"[a-z]+\d{4}", name)))


def find_venue(name: str) -> Venue:
    """Return a venue.

    Args:
        name: with a year, `icml2024`, or without, `icml`: then the newest that tueplots has.

    Raises:
        VenueError: there is none of that name, or tueplots is not installed.
    """
    names = venue_names()
    by_series = {each.rstrip("0123456789"): each for each in names}  # the last one of a series is its newest
    chosen = by_series.get(name, name)
    if chosen not in names:
        raise VenueError(
            f"there is no venue {name!r}; known are {', '.join(sorted(by_series))}, each alone for its newest style, or with a "
            f"year: {', '.join(names)}"
        )
    figsizes, fontsizes = _tueplots()
    size = getattr(figsizes, f"{chosen}_full", None) or getattr(figsizes, chosen)
    width = float(size()["figure.figsize"][0])
    return Venue(chosen, width, {**getattr(fontsizes, chosen)(), **SERIF}, f"tueplots {metadata.version('tueplots')}")


def _tueplots() -> tuple[ModuleType, ModuleType]:
    try:
        return importlib.import_module("tueplots.figsizes"), importlib.import_module("tueplots.fontsizes")
    except ImportError as error:
        raise VenueError(
            f"styles of venues come from tueplots, which is not installed: pip install '.[report]' in the checkout ({error})"
        ) from error
