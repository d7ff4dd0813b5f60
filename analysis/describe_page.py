"""Keeps a page of the documentation in step with a table: fills its marked parts with sections of `nasbench describe`.

A part begins with `<!-- describe TABLE: SECTION -->` and ends with `<!-- end -->`, each on a line of its own; TABLE is the table's
file name without its ending, SECTION one of `describe_text.SECTIONS`. What stands between them is replaced. Figures are
written beside the page as `images/TABLE-FIGURE.png`, smaller than for print.
"""

from __future__ import annotations

import re
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg

from . import style
from .describe_figures import figures
from .describe_text import SECTIONS, section_text
from .description import Description

SCREEN_DPI = 200
PART = re.compile(r"(<!-- describe (\S+): (\S+) -->\n)(.*?)(<!-- end -->\n)", flags=re.DOTALL)


def filled(text: str, description: Description, table: str) -> tuple[str, list[str]]:
    """Return a page's text with this table's parts filled, and the names of the figures that they show.

    Raises:
        ValueError: the page has no part for this table, or one that asks for an unknown section.
    """
    sections = {section.name: section for section in SECTIONS}
    asked = [match[3] for match in PART.finditer(text) if match[2] == table]
    unknown = sorted(set(asked) - sections.keys())
    if not asked or unknown:
        fault = f"unknown sections {unknown}" if unknown else f"no part `<!-- describe {table}: SECTION -->`"
        raise ValueError(f"the page has {fault}; sections are {list(sections)}")

    def fill(match: re.Match[str]) -> str:
        if match[2] != table:
            return match[0]
        body = section_text(description, sections[match[3]], "images", f"{table}-")
        return f"{match[1]}\n{body}\n\n{match[5]}"

    return PART.sub(fill, text), [name for section in asked for name in sections[section].figures]


def fill(description: Description, table: str, page: Path) -> list[Path]:
    """Fill a page and write its figures; return the files.

    Raises:
        ValueError: see `filled`.
        OSError: the page can't be read or written.
    """
    text, names = filled(page.read_text(encoding="utf-8"), description, table)
    page.write_text(text, encoding="utf-8", newline="\n")
    folder = page.parent / "images"
    folder.mkdir(exist_ok=True)
    files = [page]
    with style.styled():
        for name, figure in figures(description).items():
            if name in names:
                figure.set_dpi(SCREEN_DPI)
                files.append(folder / f"{table}-{name}.png")
                FigureCanvasAgg(figure).print_png(files[-1])  # type: ignore[no-untyped-call]
    return files
