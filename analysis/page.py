"""The report page: one HTML file that opens without a network, made from a comparison and, where it is at hand, its table.

Jinja2 writes the text and the tables, which can be read without JavaScript; Plotly draws the figures (its source is put into
the page once); `templates/page*.js` are the rest. The same records give the same bytes, with the same versions of both.
`page_parts.py` fills the templates in, `page_table.py` finds the table; `page_data.py`, `page_landscape.py` and `page_pareto.py`
gather what is shown.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import captions, page_data, page_landscape, page_pareto, page_table
from .comparison import Comparison
from .description import Description, describe
from .overall import Overall, overall_table
from .page_parts import filled, flat_lines, printed
from .pareto import SetComparison
from .pareto_report import front_caption, gap_caption, gap_table
from .summary import fault_lines, sentences
from .tables import comparison_table, queries_table, write_text

PAGE = "report.html"
NEEDED = {"plotly": "Plotly", "jinja2": "Jinja2"}
INSTALL = "pip install '.[report]' in the checkout"
SCRIPTS = (
    "page.js",
    "page_curves.js",
    "page_pareto.js",
    "page_landscape.js",
    "page_cells.js",
    "page_shell.js",
    "page_start.js",
)


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
    text = filled(
        "page.html",
        SCRIPTS,
        ("page.css",),
        data,
        experiment=comparison.experiment,
        sentences=sentences(comparison),
        faults=fault_lines(comparison),
        leaderboard=printed(comparison_table(comparison)),
        overall=printed(overall_table(comparison, found)),
        queries=printed(queries_table(comparison)),
        refusal=found.refusal,
        smallest=captions.POINTS,
        sample=captions.sample(comparison),
        budgets=captions.budgets(comparison),
        source=captions.source(comparison),
        endings=captions.endings(comparison) + captions.emulations(comparison),
        entrants=data["entrants"],
        datasets={name: captions.dataset_title(name) for name in comparison.experiment.problems},
        provenance=flat_lines(comparison.experiment.provenance),
        pareto=None if sets is None else _pareto(sets),
        landscape=None if described is None else _landscape(comparison, described),
        best_cells=[] if table is None else page_table.best_cells(table),
        curves=[] if table is None else _with_curves(data["explorer"]),
        no_table=no_table,
        citation="" if table is None else str(table.metadata.get("citation", "")),
        figures=_figures(figures),
    )
    return write_text(out / PAGE, text)


def _pareto(sets: SetComparison) -> dict[str, Any]:
    """Return table and captions of the trade-offs for the template."""
    plane = len(next(iter(sets.fronts.values())).objectives) == 2
    return {
        "table": printed(gap_table(sets)),
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
