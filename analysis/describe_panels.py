"""Panels, legends and colours that the figures of `nasbench describe` share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from .description import Description
from .effects import BoolArray, FloatArray
from .style import COLOURS, DASHES, SOLID, TEXT_WIDTH, LineStyle

MOST_COLUMNS = 4
COUNTS = LinearSegmentedColormap.from_list("counts", ["#C6DBEF", "#328CC1", "#08306B"])
"""Few to many, light to dark; the lightest shows on white."""


def dataset_styles(description: Description) -> dict[str, LineStyle]:
    """Return a colour and a dash pattern for each data set, in the table's order; from the seventh on colours repeat."""
    dashes = (SOLID, DASHES[1], DASHES[2], DASHES[4])
    return {
        name: LineStyle(COLOURS[place % len(COLOURS)], dashes[place % len(dashes)])
        for place, name in enumerate(description.datasets)
    }


def panels(number: int, height: float, width: float = TEXT_WIDTH) -> tuple[Figure, list[Axes]]:
    """Make a figure with so many panels side by side, at most four in a row; one alone is narrower.

    Args:
        number: of panels.
        height: of a row, inches.
        width: of the figure with two panels or more, inches.
    """
    columns = min(number, MOST_COLUMNS) if number != 5 else 3
    rows = -(-number // columns)
    figure = Figure(figsize=(width if number > 1 else 0.62 * width, rows * height + 0.1), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[number:]:
        axes.set_axis_off()
    return figure, list(grid.flat[:number])


def legend_below(figure: Figure, entries: Sequence[tuple[str, LineStyle]]) -> None:
    """Put one legend under all panels; none for a single line."""
    if len(entries) < 2:
        return
    handles = [Line2D([], [], color=line.colour, linestyle=line.dash, label=name) for name, line in entries]
    width, height = figure.get_size_inches()
    columns = min(4, len(entries))
    figure.set_size_inches(width, height + 0.17 * -(-len(entries) // columns))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, columnspacing=1.6)


def few_ticks(axes: Axes) -> None:
    """Label few whole numbers on the horizontal axis."""
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))


def percent(axes: Axes) -> None:
    """Give both axes the range of per cent ranks."""
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 100)
    axes.set_xticks([0, 50, 100])
    axes.set_yticks([0, 50, 100])


def heat_map(
    axes: Axes,
    values: FloatArray,
    columns: Sequence[str],
    rows: Sequence[str],
    *,
    cmap: str,
    low: float,
    high: float,
    digits: int = 1,
    hidden: BoolArray | None = None,
) -> None:
    """Draw a matrix as coloured squares with its numbers in them.

    Args:
        axes: where to draw.
        values: shape (rows, columns); NaN stays white.
        columns: names, below.
        rows: names, at the left.
        cmap: matplotlib's name of the colours.
        low: value of the first colour.
        high: value of the last colour.
        digits: after the decimal point.
        hidden: boolean, same shape, squares that stay white.
    """
    shown = np.ma.masked_invalid(values)
    if hidden is not None:
        shown = np.ma.masked_where(hidden, shown)
    image = axes.imshow(shown, cmap=cmap, vmin=low, vmax=high, aspect="auto", interpolation="nearest")
    for (row, column), value in np.ndenumerate(shown.filled(np.nan)):
        if np.isnan(value):
            continue
        red, green, blue, _ = image.to_rgba(np.array([value]))[0]
        dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.58
        text = f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}")
        text = text.lstrip("\N{MINUS SIGN}") if float(f"{value:.{digits}f}") == 0 else text
        axes.text(column, row, text, ha="center", va="center", fontsize=5.5, color="white" if dark else "#222222")
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    for side in axes.spines.values():
        side.set_visible(False)
