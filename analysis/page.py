"""The report page: one HTML file that opens without a network, made from a comparison and, where it is at hand, its table.

Jinja2 writes the text and the tables, which can be read without JavaScript; Plotly draws the curves (its source is put into
the page once); `templates/page.js` is the rest. The same records give the same bytes, with the same versions of both.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

import nasbench.data
from nasbench.table import Table, TableError

from . import captions, page_data
from .comparison import Comparison
from .drawing import edges_of
from .overall import Overall, overall_table
from .summary import fault_lines, sentences
from .tables import DASH, PrintTable, comparison_table, queries_table, write_text

PAGE = "report.html"
LARGEST_SPACE = 60_000  # architectures; the explorer's numbers are two bytes wide
SIGNS = {"best": "best of its column", "level": "can't be told from the best", "": ""}


def can_write() -> bool:
    """Tell whether Plotly is installed (extra `report`)."""
    return importlib.util.find_spec("plotly") is not None


def write_page(comparison: Comparison, found: Overall, out: Path, figures: Sequence[Path] = ()) -> Path:
    """Write `report.html`.

    Args:
        comparison: the numbers.
        found: the numbers over all problems.
        out: folder to write to.
        figures: files of the report; those of ranks, profiles and fronts that are SVG are shown.

    Raises:
        ImportError: Plotly is not installed.
    """
    from plotly.offline import get_plotlyjs

    templates = Path(__file__).with_name("templates")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    table, no_table = _table_of(comparison)
    data = {
        "entrants": page_data.entrants(comparison),
        "curves": page_data.curves(comparison),
        "pairs": page_data.pairs(comparison),
        "explorer": None if table is None else page_data.explorer(table),
    }
    text = environment.get_template("page.html").render(
        experiment=comparison.experiment,
        sentences=sentences(comparison),
        faults=fault_lines(comparison),
        leaderboard=_printed(comparison, comparison_table(comparison)),
        overall=_printed(comparison, overall_table(comparison, found)),
        queries=_printed(comparison, queries_table(comparison)),
        refusal=found.refusal,
        smallest=captions.POINTS,
        sample=captions.sample(comparison),
        budgets=captions.budgets(comparison),
        source=captions.source(comparison),
        endings=captions.endings(comparison) + captions.emulations(comparison),
        entrants=data["entrants"],
        datasets={name: captions.dataset_title(name) for name in comparison.experiment.problems},
        provenance=_flat(comparison.experiment.provenance),
        best_cells=[] if table is None else _best_cells(table),
        no_table=no_table,
        citation="" if table is None else str(table.metadata.get("citation", "")),
        figures=_figures(figures),
        data=_script_json(data),
        style=(templates / "page.css").read_text(encoding="utf-8"),
        script=(templates / "page.js").read_text(encoding="utf-8"),
        plotly=get_plotlyjs(),
    )
    return write_text(out / PAGE, text)


def _table_of(comparison: Comparison) -> tuple[Table | None, str]:
    """Return the table that answered, if it comes with the package and has the right digest; else None and why."""
    from nasbench.sealed import open_table  # h5py: the analysis does without it until a page is written

    declared = comparison.experiment.table
    path = Path(nasbench.data.__path__[0]) / f"{declared.name}.h5"
    if not declared.name or not path.is_file():
        return (
            None,
            f"The table {declared.name or declared.title!r} does not come with the package, so its cells can't be shown here.",
        )
    try:
        table = open_table(path)
    except TableError as error:
        return None, f"The table could not be opened: {error}"
    if table.digest != declared.digest:
        return None, f"The table {declared.name!r} at hand is not the one that answered (digest {table.digest[:16]})."
    if table.space.size > LARGEST_SPACE:
        return (
            None,
            f"The space has {table.space.size:,} architectures; the explorer shows spaces of up to {LARGEST_SPACE:,}.",
        )
    return table, ""


def _printed(comparison: Comparison, table: PrintTable) -> dict[str, Any]:
    """Return a table as the template needs it: headings, and rows of (text, value to sort by, mark)."""
    names = {title: name for name, title in comparison.experiment.titles.items()}

    def cells(entries: tuple[Any, ...]) -> list[dict[str, Any]]:
        return [
            {
                "text": entry.text(" ± ", DASH),
                "value": "" if np.isnan(entry.value) else f"{entry.value:.6f}",
                "mark": entry.mark,
                "said": SIGNS[entry.mark],
            }
            for entry in entries
        ]

    return {
        "columns": [{"group": column.group, "name": column.name} for column in table.columns],
        "references": [(name, cells(entries)) for name, entries in table.references],
        "rows": [(names.get(name, ""), name, cells(entries)) for name, entries in table.rows],
        "caption": table.caption,
    }


def _best_cells(table: Table) -> list[dict[str, Any]]:
    """Return the best cell of each data set in words, for readers without JavaScript."""
    found = []
    for name, data in table.datasets.items():
        means = data.mean_accuracy(data.score_split)
        means = means[:, -1] if means.ndim > 1 else means
        row = int(np.nanargmax(means))
        architecture = tuple(table.architectures[row].tolist())
        live = sum(edge.live for edge in edges_of(table.space, architecture))
        found.append(
            {
                "dataset": captions.dataset_title(name),
                "architecture": table.space.format(architecture),
                "score": f"{100 * float(means[row]):.2f}",
                "label": data.score_label,
                "edges": live,
            }
        )
    return found


def _figures(files: Sequence[Path]) -> list[tuple[str, str]]:
    """Return the figures over problems and of Pareto fronts that were drawn: caption, SVG text."""
    found = []
    for path in sorted(files):
        if path.suffix == ".svg" and path.stem.startswith(("pareto", "average-ranks", "performance-profiles")):
            caption = path.with_suffix(".txt")
            svg = path.read_text(encoding="utf-8")
            found.append(
                (
                    caption.read_text(encoding="utf-8").strip() if caption.is_file() else path.stem,
                    svg[svg.index("<svg") :],
                )
            )
    return found


def _flat(values: object, prefix: str = "") -> list[tuple[str, str]]:
    """Return nested provenance as (name, value) lines."""
    if isinstance(values, dict):
        return [line for name, value in sorted(values.items()) for line in _flat(value, f"{prefix}{name} ")]
    return [(prefix.strip(), str(values))]


def _script_json(data: object) -> str:
    """Return JSON that may stand inside a script element, whatever names it holds."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
