"""`nasbench describe TABLE`: what a table says about its search space, as text, figures and numbers."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from . import describe_figures, describe_numbers, describe_page, describe_tables, describe_text
from .description import Description, describe


def write(description: Description, folder: Path) -> list[Path]:
    """Write text, numbers and figures into a folder; return the files.

    `description.md`, `description.json`, `numbers/*.csv`, `figures/*.pdf, *.svg, *.png`, each figure with its caption (`.txt`).
    The same table gives the same bytes with the same versions of numpy, scipy and matplotlib.
    """
    files = [_text(folder / "description.md", describe_text.document(description, "figures"))]
    files.append(_text(folder / "description.json", describe_numbers.to_json(description)))
    for name, text in describe_tables.to_csv(description).items():
        files.append(_text(folder / "numbers" / f"{name}.csv", text))
    return files + describe_figures.write(description, folder / "figures")


def _text(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
    return path


def describe_command(options: argparse.Namespace) -> int:
    """Carry out `nasbench describe TABLE [--out FOLDER] [--page FILE]`.

    Raises:
        TableError: the table can't be read.
        OSError: a file can't be written.
        ValueError: the page has no marked part for this table.
    """
    from nasbench.cli import find_table
    from nasbench.sealed import open_table

    path = find_table(options.table)
    description = describe(open_table(path))
    text = describe_text.document(description)
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.markdown import Markdown

        Console().print(Markdown(text))
    else:
        print(text)
    if options.out is not None:
        files = write(description, options.out)
        print(f"{len(files)} files in {options.out}")
    if options.page is not None:
        files = describe_page.fill(description, path.stem, options.page)
        print(f"{options.page}: filled, {len(files) - 1} figures")
    return 0
