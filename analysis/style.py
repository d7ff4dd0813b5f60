"""How figures look: one style, one colour and dash pattern for each entrant everywhere, and files of equal bytes.

Colours are those of Okabe & Ito (Color Universal Design, 2008), which readers with any colour vision can tell apart, without
the yellow, which thin lines on white do not show. Dash patterns tell the lines apart in print without colour. matplotlib is
used through its objects alone; its settings hold within `styled()` and are put back afterwards.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from .records import Entrant
from .venues import Venue

TEXT_WIDTH = 5.5  # inches: NeurIPS, ICLR; ICML and CVPR pages are wider (`venues.py`)
DPI = 300

BLACK = "#000000"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
Dash: TypeAlias = "Literal['-'] | tuple[float, tuple[float, ...]]"
SOLID: Dash = "-"
DASHES: tuple[Dash, ...] = (
    SOLID,
    (0.0, (5.0, 1.2)),
    (0.0, (3.0, 1.0, 1.0, 1.0)),
    (0.0, (1.2, 1.0)),
    (0.0, (6.0, 1.0, 1.0, 1.0, 1.0, 1.0)),
)


class LineStyle(NamedTuple):
    """Colour (hex) and dash pattern (solid, or offset and lengths in line widths) of an entrant."""

    colour: str
    dash: Dash


# Strategies that nearly every comparison holds, and those that stand for their families in one panel, keep these; all others get
# theirs from their names.
KNOWN: Mapping[str, LineStyle] = {
    "random_search": LineStyle(BLACK, DASHES[3]),
    "regularized_evolution": LineStyle(COLOURS[1], SOLID),
    "local_search": LineStyle(COLOURS[0], DASHES[1]),
    "reinforce": LineStyle(COLOURS[2], DASHES[2]),
    "tournament_evolution": LineStyle(COLOURS[5], DASHES[4]),
    "neat": LineStyle(COLOURS[4], DASHES[1]),
    "nas_ppo": LineStyle(COLOURS[3], DASHES[2]),
}

SETTINGS: Mapping[str, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": "#444444",
    "axes.grid": True,
    "axes.labelsize": 7.5,
    "axes.labelpad": 2.5,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlepad": 4.0,
    "axes.titlesize": 8.0,
    "axes.titley": 1.0,  # no panel has ticks on top, for which matplotlib would look in every drawing
    "figure.dpi": DPI,
    "figure.figsize": (TEXT_WIDTH, 3.0),
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib: the same glyphs on every machine
    "font.size": 7.0,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.5,
    "legend.fontsize": 7.0,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "lines.dash_capstyle": "butt",
    "lines.linewidth": 1.2,
    "lines.solid_capstyle": "round",
    "mathtext.fontset": "dejavusans",
    "path.simplify": True,
    "pdf.fonttype": 42,  # TrueType: conferences refuse type 3
    "ps.fonttype": 42,
    "savefig.dpi": DPI,
    "svg.fonttype": "path",
    "svg.hashsalt": "nasbench",  # otherwise ids are random
    "text.color": "#222222",
    "xtick.color": "#444444",
    "xtick.labelcolor": "#222222",
    "xtick.labelsize": 6.5,
    "xtick.major.size": 2.5,
    "xtick.major.width": 0.5,
    "xtick.minor.size": 1.5,
    "xtick.minor.width": 0.4,
    "ytick.color": "#444444",
    "ytick.labelcolor": "#222222",
    "ytick.labelsize": 6.5,
    "ytick.major.size": 2.5,
    "ytick.major.width": 0.5,
    "ytick.minor.size": 1.5,
    "ytick.minor.width": 0.4,
}


@contextmanager
def styled(venue: Venue | None = None) -> Iterator[None]:
    """Hold matplotlib to this style, from its own defaults on: a user's matplotlibrc changes nothing.

    Args:
        venue: whose width and letters the figures have; this file's if None.
    """
    own = {} if venue is None else {"figure.figsize": (venue.width, 3.0), **venue.settings}
    with mpl.rc_context():
        mpl.rcdefaults()
        for name, value in {**SETTINGS, **own}.items():
            mpl.rcParams[name] = value  # type: ignore[index]  # the stub knows literal names alone
        yield


def text_width() -> float:
    """Return the width of the page's text in inches; call it within `styled()`."""
    return float(mpl.rcParams["figure.figsize"][0])


def letters(name: Literal["font.size", "legend.fontsize", "axes.labelsize", "xtick.labelsize"]) -> float:
    """Return a size of letters in points; call it within `styled()`."""
    return float(mpl.rcParams[name])


def line_styles(entrants: Mapping[str, Entrant]) -> dict[str, LineStyle]:
    """Choose a style for each entrant from its strategy's name, all different while there are enough.

    The first entrant of a known strategy has the strategy's own style. All others begin at a place that their name says
    and take the first style that is free, preferring a colour that no one else has, then one that no one else of the
    family has.

    Args:
        entrants: by name; the order does not matter.

    Returns:
        By name. From the 31st entrant on styles repeat.
    """
    slots = [LineStyle(colour, dash) for dash in DASHES for colour in COLOURS]
    chosen: dict[str, LineStyle] = {}
    for name in sorted(entrants):
        style = KNOWN.get(entrants[name].strategy)
        if style is not None and style not in chosen.values():
            chosen[name] = style
    for name in sorted(set(entrants) - chosen.keys()):
        start = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % len(slots)
        ordered = slots[start:] + slots[:start]
        free = [style for style in ordered if style not in chosen.values()]
        used = {style.colour for style in chosen.values()}
        family = {chosen[other].colour for other in chosen if entrants[other].family == entrants[name].family}
        wanted = [style for style in free if style.colour not in used]
        wanted += [style for style in free if style.colour not in family]
        chosen[name] = (wanted or free or ordered)[0]
    return {name: chosen[name] for name in entrants}


def plain(value: float, _: object = None) -> str:
    """Write a tick's value without an exponent where that is short.

    >>> [plain(value) for value in (0.05, 1.0, 20.0, 5000.0, 100000.0, 2000000.0)]
    ['0.05', '1', '20', '5,000', '10⁵', '2×10⁶']
    """
    if value < 1e4:
        return f"{value:,.0f}" if value >= 1000 else f"{value:g}"
    exponent = len(f"{value:.0f}") - 1
    power = "10" + str(exponent).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
    factor = f"{value / 10**exponent:g}"
    return power if factor == "1" else f"{factor}\N{MULTIPLICATION SIGN}{power}"


def logarithmic(axes: Axes, which: Literal["x", "y"]) -> None:
    """Make an axis logarithmic, with as many plain labels as fit: at 1, 2, 5, at 1, 3, or at powers of ten.

    Call it when the limits are final.
    """
    axis, (low, high) = (axes.xaxis, axes.get_xlim()) if which == "x" else (axes.yaxis, axes.get_ylim())
    choices = ((1.0, 2.0, 5.0), (1.0, 3.0), (1.0,))
    fitting = (steps for steps in choices if _fits(_ticks(steps, low, high), low, high, _inches(axes, which), which))
    ticks = _ticks(next(fitting, choices[-1]), low, high)
    if len(ticks) < 2:  # less than a factor of three or so: as on a linear axis
        ticks = [tick for tick in MaxNLocator(3, steps=[1, 2, 5, 10]).tick_values(low, high) if low <= tick <= high]
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_major_formatter(FuncFormatter(plain))
    axis.set_minor_locator(LogLocator(base=10.0, subs=tuple(map(float, range(2, 10))), numticks=12))
    axis.set_minor_formatter(NullFormatter())


def _ticks(steps: tuple[float, ...], low: float, high: float) -> list[float]:
    exponents = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    return [
        step * 10.0**each for each in exponents for step in steps if low * 0.999 <= step * 10.0**each <= high * 1.001
    ]


def _fits(ticks: list[float], low: float, high: float, inches: float, which: str) -> bool:
    """Tell whether the labels of the ticks have room on an axis of so many inches; estimated from widths at 6.5 points."""
    grown = letters("xtick.labelsize") / float(SETTINGS["xtick.labelsize"])
    places = [inches * math.log(tick / low) / math.log(high / low) for tick in ticks]
    sizes = [grown * (0.058 * len(plain(tick)) if which == "x" else 0.1) for tick in ticks]
    pairs = zip(itertools.pairwise(places), itertools.pairwise(sizes), strict=True)
    return all(second - first >= sum(size) / 2 + 0.05 for (first, second), size in pairs)


def _inches(axes: Axes, which: str) -> float:
    """Return about how long an axis will be: its share of the figure without labels and legend."""
    spec, figure = axes.get_subplotspec(), axes.get_figure()
    if spec is None or not isinstance(figure, Figure):
        return 1.0
    rows, columns = spec.get_gridspec().get_geometry()
    width, height = figure.get_size_inches()
    share = 0.5 if any(each.get_legend() for each in figure.axes) else 0.75  # a legend beside the panels takes its part
    return float(share * width / columns if which == "x" else 0.7 * height / rows)


def _place_empty_labels(figure: Figure) -> None:
    """Give labels without text a place: matplotlib looks for one past all tick labels, in every drawing, which takes a sixth of it."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if not axis.get_label().get_text():
                axis.set_label_coords(0.0, 0.0)


def save(figure: Figure, stem: Path) -> list[Path]:
    """Write a figure as PDF, SVG and PNG without dates, so that equal figures are equal bytes; return the files.

    Call it within `styled()`.
    """
    agg = FigureCanvasAgg(figure)
    _place_empty_labels(figure)
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")  # laid out once: all three formats hold the same picture
    files = [stem.with_name(stem.name + suffix) for suffix in (".png", ".svg", ".pdf")]
    # The canvases' own functions: `Figure.savefig` would draw each picture twice. The vector formats set their resolution.
    agg.print_png(files[0])  # type: ignore[no-untyped-call]
    FigureCanvasSVG(figure).print_svg(files[1], metadata={"Date": None})  # type: ignore[no-untyped-call]
    FigureCanvasPdf(figure).print_pdf(files[2], metadata={"CreationDate": None})  # type: ignore[no-untyped-call]
    return files
