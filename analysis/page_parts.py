"""What both report pages share: templates filled in, tables and provenance as templates need them, data for scripts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .tables import DASH, PrintTable

TEMPLATES = Path(__file__).with_name("templates")
SIGNS = {"best": "best of its column", "level": "can't be told from the best"}
"""What marks mean in a comparison, said where a pointer rests on them."""


def filled(template: str, scripts: Sequence[str], styles: Sequence[str], data: object, **values: Any) -> str:
    """Return a page's text.

    Args:
        template: file in `templates`.
        scripts: files there, joined in this order to one script.
        styles: the same of style sheets.
        data: what the scripts draw, plain values.
        values: what the template needs besides.

    Raises:
        ImportError: Plotly or Jinja2 is not installed.
    """
    import jinja2
    from plotly.offline import get_plotlyjs

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    style, script = (
        "\n".join((TEMPLATES / name).read_text(encoding="utf-8") for name in names) for names in (styles, scripts)
    )
    return environment.get_template(template).render(
        data=script_json(data), style=style, script=script, plotly=get_plotlyjs(), **values
    )


def printed(table: PrintTable, signs: Mapping[str, str] = SIGNS) -> dict[str, Any]:
    """Return a table as the templates need it: headings, reference rows and rows of (name, cells), caption.

    Args:
        table: the table.
        signs: what its marks mean; one that is not here is left to the caption.
    """

    def rows(entries: Sequence[tuple[str, Sequence[Any]]]) -> list[tuple[str, list[dict[str, str]]]]:
        return [
            (
                name,
                [
                    {
                        "text": entry.text(" ± ", DASH),
                        "value": "" if np.isnan(entry.value) else f"{entry.value:.8g}",
                        "mark": entry.mark,
                        "said": signs.get(entry.mark, ""),
                    }
                    for entry in cells
                ],
            )
            for name, cells in entries
        ]

    return {
        "name": table.name,
        "title": table.short_caption,
        "columns": [{"group": column.group, "name": column.name} for column in table.columns],
        "references": rows(table.references),
        "rows": rows(table.rows),
        "caption": table.caption,
    }


def flat_lines(values: object, prefix: str = "") -> list[tuple[str, str]]:
    """Return nested provenance as (name, value) lines."""
    if isinstance(values, dict):
        return [line for name, value in sorted(values.items()) for line in flat_lines(value, f"{prefix}{name} ")]
    return [(prefix.strip(), str(values))]


def script_json(data: object) -> str:
    """Return JSON that may stand inside a script element, whatever names it holds."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
