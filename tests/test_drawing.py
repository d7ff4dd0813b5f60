"""Drawings of cells: which edges are drawn, which are faint, what they are called, and that nothing touches or spills."""

import itertools

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patches import Circle, PathPatch

from nasbench.analysis import drawing, style
from nasbench.space import CELL201, SPACES, CellSpace, SpaceError

FULL = CELL201.parse("|nor_conv_3x3~0|+|nor_conv_1x1~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|")
LOOSE = CELL201.parse("|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|avg_pool_3x3~2|")
EMPTY = (0,) * 6
ONE, THREE = "1\N{MULTIPLICATION SIGN}1", "3\N{MULTIPLICATION SIGN}3"


def drawn(architecture, space=CELL201, **options):
    figure = Figure(figsize=(2, 1.2))
    axes = figure.add_axes((0, 0, 1, 1))
    drawing.draw_cell(axes, space, architecture, **options)
    FigureCanvasAgg(figure).draw()
    return figure, axes


def words(axes):
    return sorted(text.get_text() for text in axes.texts)


def test_every_edge_of_a_full_cell_is_drawn_and_named():
    _, axes = drawn(FULL)
    assert sum(isinstance(patch, PathPatch) for patch in axes.patches) == 6
    assert sum(isinstance(patch, Circle) for patch in axes.patches) == 4
    assert words(axes) == sorted(["in", "1", "2", "out", THREE, THREE, ONE, ONE, "pool", "skip"])


def test_none_is_not_drawn():
    _, axes = drawn(EMPTY)
    assert not [patch for patch in axes.patches if isinstance(patch, PathPatch)]
    assert words(axes) == ["1", "2", "in", "out"]


def test_what_is_on_no_path_is_faint():
    _, axes = drawn(LOOSE)
    edges = [patch for patch in axes.patches if isinstance(patch, PathPatch)]
    faint = mpl.colors.to_rgba(drawing.FAINT)
    assert sorted(patch.get_edgecolor() == faint for patch in edges) == [False, True, True]
    circles = [patch for patch in axes.patches if isinstance(patch, Circle)]
    assert [patch.get_edgecolor() == faint for patch in circles] == [False, True, True, False]


@pytest.mark.parametrize("space", [SPACES["cell201-3node"], SPACES["cell201-3op"]], ids=lambda space: space.name)
def test_live_edges_are_those_that_the_function_depends_on(space):
    """An edge matters exactly if putting `none` on it changes the cell's function; checked for every cell."""
    for architecture in space:
        live = {(edge.source, edge.target) for edge in drawing.edges_of(space, architecture) if edge.live}
        expected = set()
        for place, pair in enumerate(space.edges):
            without = (*architecture[:place], 0, *architecture[place + 1 :])
            if space.canonical(without) != space.canonical(architecture):
                expected.add(pair)
        assert live == expected, space.format(architecture)


def test_edges_keep_operations():
    edges = drawing.edges_of(CELL201, LOOSE)
    assert [tuple(edge) for edge in edges] == [(0, 1, 3, False), (0, 3, 1, True), (2, 3, 4, False)]
    with pytest.raises(SpaceError, match="has 3 edges"):
        drawing.edges_of(CELL201, (0, 1, 2))


def test_edges_of_four_nodes_do_not_cross():
    def points(source, target):
        start, first, second, end = (np.array(each) for each in drawing._curve(source, target))
        t = np.linspace(0, 1, 200)[:, None]
        return (1 - t) ** 3 * start + 3 * (1 - t) ** 2 * t * first + 3 * (1 - t) * t**2 * second + t**3 * end

    for one, two in itertools.combinations(CELL201.edges, 2):
        distance = np.linalg.norm(points(*one)[:, None] - points(*two)[None], axis=2)
        assert distance.min() > 0.02, (one, two)


def test_curves_end_on_the_rims_and_reach_their_height():
    for source, target in CELL201.edges:
        curve = drawing._curve(source, target)
        assert np.hypot(curve[0][0] - source, curve[0][1]) == pytest.approx(drawing.NODE_RADIUS)
        assert np.hypot(curve[3][0] - target, curve[3][1]) == pytest.approx(drawing.NODE_RADIUS)
        middle = (curve[0][1] + 3 * curve[1][1] + 3 * curve[2][1] + curve[3][1]) / 8
        assert middle == pytest.approx(drawing.bend_of(source, target))


@pytest.mark.parametrize("operation", range(1, 5))
def test_labels_keep_off_nodes_and_each_other(operation):
    with style.styled():
        figure = drawing.contact_sheet(CELL201, [(operation,) * 6], columns=4)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        axes = figure.axes[0]
        renderer = canvas.get_renderer()
        labels = [text for text in axes.texts if text.get_text() not in ("in", "out", "1", "2")]
        boxes = [text.get_window_extent(renderer) for text in labels]
        circles = [patch.get_window_extent(renderer) for patch in axes.patches if isinstance(patch, Circle)]
        assert len(boxes) == 6
        for one, two in itertools.combinations(boxes, 2):
            assert not one.overlaps(two)
        for box, circle in itertools.product(boxes, circles):
            overlap = min(box.x1, circle.x1) - max(box.x0, circle.x0)
            if min(box.y1, circle.y1) > max(box.y0, circle.y0):
                assert overlap < 0.2 * circle.width  # the word's own white margin may touch
        assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)


def test_operations_have_styles_and_words_of_their_own():
    names = (*CELL201.operations, "sep_conv_5x5", "dil_conv_3x3")
    styles = drawing.operation_styles(names)
    assert len({styles[name] for name in names}) == len(names)
    assert drawing.operation_styles(("b", "a"))["b"] == drawing.operation_styles(("b",))["b"]
    assert drawing.operation_label("dil_conv_3x3") == "dil conv 3x3"


def test_other_numbers_of_nodes_and_unknown_operations():
    for nodes in (2, 3, 5, 6):
        space = CellSpace("other", nodes, ("none", "a_very_long_operation", "b"))
        architecture = tuple(1 + place % 2 for place in range(len(space.edges)))
        _, axes = drawn(architecture, space)
        assert sum(isinstance(patch, PathPatch) for patch in axes.patches) == len(space.edges)
    _, axes = drawn(FULL, labels=False, title="a cell")
    assert words(axes) == ["1", "2", "in", "out"]
    assert axes.get_title() == "a cell"


def test_contact_sheet_leaves_places_empty():
    figure = drawing.contact_sheet(CELL201, [FULL, None, LOOSE], ["a", "", "b"], columns=2, headings=["one", "two"])
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["a", "", "b", ""]
    assert [bool(axes.patches) for axes in figure.axes] == [True, False, True, False]
    assert "one" in words(figure.axes[0]) and "two" in words(figure.axes[2])


@pytest.mark.parametrize(
    ("architectures", "titles", "columns"), [([], None, 4), ([FULL], None, 0), ([FULL], ["a", "b"], 4)]
)
def test_contact_sheet_refuses_what_is_no_sheet(architectures, titles, columns):
    with pytest.raises(ValueError, match=rf"^{len(architectures)} cells, .* {columns} columns"):
        drawing.contact_sheet(CELL201, architectures, titles, columns=columns)


def test_the_same_cell_is_the_same_bytes(tmp_path):
    files = []
    for name in ("one", "two"):
        with style.styled():
            figure = drawing.contact_sheet(CELL201, [FULL, LOOSE])
            files.append(tmp_path / f"{name}.svg")
            FigureCanvasSVG(figure).print_svg(files[-1], metadata={"Date": None})
    assert files[0].read_bytes() == files[1].read_bytes()
