"""The report page: one HTML file that opens without a network, made from a comparison and, where it is at hand, its table.

Jinja2 writes the text and the tables, which can be read without JavaScript; Plotly draws the figures (its source is put into
the page once); `templates/page*.js` are the rest. The same records give the same bytes, with the same versions of both.
`page_table.py` finds the table, `page_data.py`, `page_landscape.py` and `page_pareto.py` gather what is shown.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import captions, page_data, page_landscape, page_pareto, page_table
from .comparison import Comparison
from .description import Description, describe
from .overall import Overall, overall_table
from .pareto import SetComparison
from .pareto_report import front_caption, gap_caption, gap_table
from .summary import fault_lines, sentences
from .tables import DASH, PrintTable, comparison_table, queries_table, write_text

PAGE = "report.html"
NEEDED = {"plotly": "Plotly", "jinja2": "Jinja2"}
INSTALL = "pip install 'nasbench-live[report]'"
SCRIPTS = (
    "page.js",
    "page_curves.js",
    "page_pareto.js",
    "page_landscape.js",
    "page_cells.js",
    "page_shell.js",
    "page_start.js",
)
SIGNS = {"best": "best of its column", "level": "can't be told from the best", "": ""}


def missing() -> str:
    """Return why no page can be written and the command that helps, in one line; "" if it can be written."""
    absent = [title for name, title in NEEDED.items() if importlib.util.find_spec(name) is None]
    if not absent:
        return ""
    verb = "is" if len(absent) == 1 else "are"
    return f"{PAGE} was left out: {captions.listed(absent)} {verb} not installed. To have it: {INSTALL}"


def write_page(
    comparison: Comparison,
    found: Overall,
    out: Path,
    figures: Sequence[Path] = (),
    sets: SetComparison | None = None,
) -> Path:
    """Write `report.html`.

    Args:
        comparison: the numbers.
        found: the numbers over all problems.
        out: folder to write to.
        figures: files of this report; those of ranks and profiles that are SVG are shown.
        sets: the numbers of several objectives; None with one.

    Raises:
        ImportError: Plotly or Jinja2 is not installed; `missing` says so beforehand.
    """
    import jinja2
    from plotly.offline import get_plotlyjs

    templates = Path(__file__).with_name("templates")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    table, no_table = page_table.open_answering(comparison.experiment)
    described = None if table is None else describe(table, single_seeds=False)
    sets = sets if sets is not None and sets.scores else None
    data: dict[str, Any] = {
        "entrants": page_data.entrants(comparison),
        "curves": page_data.curves(comparison),
        "pairs": page_data.pairs(comparison),
        "pareto": None if sets is None else page_pareto.trade_offs(sets, comparison),
        "landscape": None if described is None else page_landscape.landscape(described),
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
        provenance=flat_lines(comparison.experiment.provenance),
        pareto=None if sets is None else _pareto(comparison, sets),
        landscape=None if described is None else _landscape(comparison, described),
        best_cells=[] if table is None else page_table.best_cells(table),
        curves=[] if table is None else _with_curves(data["explorer"]),
        no_table=no_table,
        citation="" if table is None else str(table.metadata.get("citation", "")),
        figures=_figures(figures),
        data=script_json(data),
        style=(templates / "page.css").read_text(encoding="utf-8"),
        script="\n".join((templates / name).read_text(encoding="utf-8") for name in SCRIPTS),
        plotly=get_plotlyjs(),
    )
    return write_text(out / PAGE, text)


def _pareto(comparison: Comparison, sets: SetComparison) -> dict[str, Any]:
    """Return table and captions of the trade-offs for the template."""
    plane = len(next(iter(sets.fronts.values())).objectives) == 2
    return {
        "table": _printed(comparison, gap_table(sets)),
        "fronts": front_caption(sets) if plane else "",
        "volume": gap_caption(sets),
    }


def _landscape(comparison: Comparison, described: Description) -> dict[str, Any]:
    """Return sentences, table and sections of the landscape for the template."""
    heads, lines = page_landscape.table(described)
    return {
        "sentences": page_landscape.sentences(described),
        "heads": heads,
        "lines": lines,
        "caption": page_landscape.caption(described),
        "sections": page_landscape.sections(described),
        "command": f"nasbench describe {Path(comparison.experiment.table.name).name}",
        "epochs": any(len(each.data.epochs) > 1 for each in described.datasets.values()),
        "steps": bool(described.landscapes),
    }


def _with_curves(explorer: dict[str, Any]) -> list[str]:
    """Return the titles of the data sets that have several epochs."""
    return [one["title"] for one in explorer["datasets"].values() if len(one["curves"]["epochs"]) > 1]


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


def _figures(files: Sequence[Path]) -> list[tuple[str, str]]:
    """Return the figures over problems that were drawn: caption, SVG text."""
    found = []
    for path in sorted(files):
        if path.suffix == ".svg" and path.stem.startswith(("average-ranks", "performance-profiles")):
            caption = path.with_suffix(".txt")
            svg = path.read_text(encoding="utf-8")
            found.append(
                (
                    caption.read_text(encoding="utf-8").strip() if caption.is_file() else path.stem,
                    svg[svg.index("<svg") :],
                )
            )
    return found


def flat_lines(values: object, prefix: str = "") -> list[tuple[str, str]]:
    """Return nested provenance as (name, value) lines."""
    if isinstance(values, dict):
        return [line for name, value in sorted(values.items()) for line in flat_lines(value, f"{prefix}{name} ")]
    return [(prefix.strip(), str(values))]


def script_json(data: object) -> str:
    """Return JSON that may stand inside a script element, whatever names it holds."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
