"""Drawings of cells: nodes on a line, each edge an arc with its operation in colour and in words.

Edges between neighbouring nodes are straight, longer ones bend, alternately above and below the line, so that the edges of a
cell with four nodes do not cross. `none` is not drawn. What lies on no path of operations from input to output is faint: it can be
anything without changing the cell. Operations are told apart by words and dash patterns as well as by colour.

Call everything within `style.styled()` for the house's fonts; nothing here touches matplotlib's global state.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, PathPatch, Polygon
from matplotlib.path import Path

from nasbench.space import Architecture, CellSpace

from .style import BLACK, COLOURS, DASHES, SOLID, TEXT_WIDTH, LineStyle

FAINT = "#C9C9C9"
NODE_RADIUS = 0.17
BEND = 0.5  # height of an arc for each node that it passes
HEAD = 0.11  # length of an arrow head, in distances between nodes
MOST_LETTERS = 5  # of a label on a straight edge, before it is set smaller
SHORT = {
    "nor_conv_3x3": "3\N{MULTIPLICATION SIGN}3",
    "nor_conv_1x1": "1\N{MULTIPLICATION SIGN}1",
    "avg_pool_3x3": "pool",
    "skip_connect": "skip",
    "none": "none",
}
KNOWN = {
    "skip_connect": LineStyle("#555555", DASHES[3]),
    "nor_conv_1x1": LineStyle(COLOURS[4], DASHES[1]),
    "nor_conv_3x3": LineStyle(COLOURS[0], SOLID),
    "avg_pool_3x3": LineStyle(COLOURS[2], DASHES[2]),
    "none": LineStyle(FAINT, DASHES[3]),
}
OTHERS = tuple(
    LineStyle(colour, dash) for dash in (SOLID, DASHES[1]) for colour in (COLOURS[1], COLOURS[3], COLOURS[5], BLACK)
)


class Edge(NamedTuple):
    """An edge to be drawn: its ends, its operation, and whether it lies on a path from input to output."""

    source: int
    target: int
    operation: int
    live: bool


def operation_label(operation: str) -> str:
    """Return an operation's name as it stands in a drawing.

    >>> operation_label("nor_conv_3x3"), operation_label("sep_conv_5x5")
    ('3×3', 'sep conv 5x5')
    """
    return SHORT.get(operation, operation.replace("_", " "))


def operation_styles(operations: Sequence[str]) -> dict[str, LineStyle]:
    """Return a colour and a dash pattern for every operation; unknown ones take what is free, in their order."""
    unknown = [operation for operation in operations if operation not in KNOWN]
    free = {operation: OTHERS[place % len(OTHERS)] for place, operation in enumerate(unknown)}
    return {operation: KNOWN.get(operation) or free[operation] for operation in operations}


def edges_of(space: CellSpace, architecture: Architecture) -> list[Edge]:
    """Return the edges of a cell that carry something, and which of them matter.

    An edge matters if its source is reached from the input and its target reaches the output, over edges that are not `none`.

    Raises:
        SpaceError: not an architecture of the space.
    """
    numbers = space.check(architecture)
    carrying = [
        (source, target, operation)
        for (source, target), operation in zip(space.edges, numbers, strict=True)
        if space.operations[operation] != "none"
    ]
    reached, reaching = {0}, {space.nodes - 1}
    for source, target, _ in carrying:  # edges stand in the order of their targets
        if source in reached:
            reached.add(target)
    for source, target, _ in sorted(carrying, key=lambda edge: -edge[0]):
        if target in reaching:
            reaching.add(source)
    return [Edge(*edge, live=edge[0] in reached and edge[1] in reaching) for edge in carrying]


def bend_of(source: int, target: int) -> float:
    """Return how high an edge stands over the line of nodes at its highest; negative: below.

    >>> [bend_of(*edge) for edge in ((0, 1), (0, 2), (1, 3))], bend_of(0, 3) > bend_of(0, 2)
    ([0.0, 0.5, -0.5], True)
    """
    span = target - source
    height = 0.0 if span == 1 else BEND * (span - 1)
    return height if source % 2 == 0 else -height


def draw_cell(
    axes: Axes,
    space: CellSpace,
    architecture: Architecture,
    *,
    title: str = "",
    labels: bool = True,
    font_size: float = 6.0,
) -> None:
    """Draw a cell into axes, which lose their frame and keep equal scales.

    Args:
        axes: where to draw.
        space: the search space.
        architecture: the cell.
        title: a line above.
        labels: whether each edge names its operation; without, a legend is needed.
        font_size: of operations and nodes, points.

    Raises:
        SpaceError: not an architecture of the space.
    """
    edges = edges_of(space, architecture)
    styles = operation_styles(space.operations)
    live_nodes = {0, space.nodes - 1} | {node for edge in edges if edge.live for node in edge[:2]}
    for edge in sorted(edges, key=lambda each: each.live):  # faint ones below
        operation = space.operations[edge.operation]
        style = styles[operation] if edge.live else LineStyle(FAINT, SOLID)
        _draw_edge(axes, edge, style, operation_label(operation) if labels else "", font_size)
    for node in range(space.nodes):
        live = node in live_nodes
        name = {0: "in", space.nodes - 1: "out"}.get(node, str(node))
        axes.add_patch(
            Circle((node, 0), NODE_RADIUS, facecolor="white", edgecolor="#333333" if live else FAINT, lw=0.8, zorder=4)
        )
        colour = "#222222" if live else "#AAAAAA"
        axes.text(node, -0.01, name, ha="center", va="center", fontsize=0.85 * font_size, color=colour, zorder=5)
    left, right, lowest, highest = _extent(space)
    axes.set_xlim(left, right)
    axes.set_ylim(lowest, highest)
    axes.set_aspect("equal")
    axes.set_axis_off()
    if title:
        axes.set_title(title, fontsize=font_size + 1, pad=2.0)


def _extent(space: CellSpace) -> tuple[float, float, float, float]:
    """Return left, right, bottom and top of a drawing, the same for all cells of a space."""
    bends = [bend_of(*edge) for edge in space.edges]
    lowest, highest = min(*bends, -NODE_RADIUS), max(*bends, NODE_RADIUS)
    return -NODE_RADIUS - 0.05, space.nodes - 1 + NODE_RADIUS + 0.05, lowest - 0.15, highest + 0.15


def _draw_edge(axes: Axes, edge: Edge, style: LineStyle, label: str, font_size: float) -> None:
    start, first, second, end = _curve(edge.source, edge.target)
    direction = (end[0] - second[0], end[1] - second[1])
    length = math.hypot(*direction)
    back = (end[0] - HEAD * direction[0] / length, end[1] - HEAD * direction[1] / length)
    path = Path([start, first, second, back], [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4])
    width = 1.2 if edge.live else 0.9
    axes.add_patch(PathPatch(path, fill=False, edgecolor=style.colour, linestyle=style.dash, lw=width, zorder=2))
    side = (-0.45 * HEAD * direction[1] / length, 0.45 * HEAD * direction[0] / length)
    corners = [end, (back[0] + side[0], back[1] + side[1]), (back[0] - side[0], back[1] - side[1])]
    axes.add_patch(Polygon(corners, closed=True, facecolor=style.colour, edgecolor="none", zorder=3))
    if label:
        straight = edge.target - edge.source == 1
        size = font_size * min(1.0, MOST_LETTERS / len(label)) if straight else font_size
        place = ((edge.source + edge.target) / 2 - (HEAD / 2 if straight else 0.0), bend_of(edge.source, edge.target))
        box = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"}
        colour = style.colour if edge.live else "#A0A0A0"
        axes.text(*place, label, ha="center", va="center", fontsize=size, color=colour, bbox=box, zorder=3.5)


def _curve(source: int, target: int) -> list[tuple[float, float]]:
    """Return the four points of a Bezier curve from rim to rim; long edges leave and arrive more steeply than short ones."""
    bend = bend_of(source, target)
    inset = 0.15 if abs(target - source) > 2 else 0.4
    angle = math.atan2(bend / 0.75, inset) if bend else 0.0
    across, up = NODE_RADIUS * math.cos(angle), NODE_RADIUS * math.sin(angle)
    start, end = (source + across, up), (target - across, up)
    if not bend:
        return [start, (source + 0.4, 0.0), (target - 0.4, 0.0), end]
    top = (bend - 0.25 * up) / 0.75  # a Bezier curve reaches a quarter of its ends and three quarters of its handles
    return [start, (source + inset, top), (target - inset, top), end]


def contact_sheet(
    space: CellSpace,
    architectures: Sequence[Architecture | None],
    titles: Sequence[str] | None = None,
    *,
    columns: int = 4,
    width: float = TEXT_WIDTH,
    headings: Sequence[str] = (),
) -> Figure:
    """Draw many cells in rows.

    Args:
        space: the search space.
        architectures: the cells, row by row; None leaves a place empty.
        titles: a line above each; none if None.
        columns: cells in a row.
        width: of the figure, inches.
        headings: a name for each row, at its left.

    Raises:
        ValueError: no cell, fewer than one column, or not one title for each cell.
        SpaceError: not an architecture of the space.
    """
    titles = [""] * len(architectures) if titles is None else titles
    if not architectures or columns < 1 or len(titles) != len(architectures):
        raise ValueError(
            f"{len(architectures)} cells, {len(titles)} titles, {columns} columns: cells and columns must be at least one, "
            "titles as many as cells"
        )
    rows = -(-len(architectures) // columns)
    cell_width = width / columns
    left, right, lowest, highest = _extent(space)
    height = rows * (0.94 * cell_width * (highest - lowest) / (right - left) + (0.18 if any(titles) else 0.04))
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03, wspace=0.02, hspace=0.02)  # type: ignore[union-attr, call-arg]
    grid = figure.subplots(rows, columns, squeeze=False)
    size = min(6.5, max(3.5, 13.5 * cell_width / (right - left)))
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, architecture, title in zip(grid.flat, architectures, titles, strict=False):
        if architecture is not None:
            draw_cell(axes, space, architecture, title=title, font_size=size)
    for row, heading in enumerate(headings):
        axes = grid[row, 0]
        axes.text(
            -0.03,
            0.5,
            heading,
            transform=axes.transAxes,
            rotation=90,
            ha="right",
            va="center",
            weight="bold",
            fontsize=6,
        )
    return figure
