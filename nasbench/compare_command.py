"""The command `nasbench compare A B`: which differences between two results folders are real."""

from __future__ import annotations

import argparse
from pathlib import Path

from nasbench.cli_tables import AddCommand


def add_compare_command(command: AddCommand) -> None:
    """Add `compare` to the command line."""
    text = "Compare two results folders (two versions, two settings): which differences are real."
    sub = command("compare", _compare, text)
    sub.add_argument("first", type=Path, help="results folder that the second is held against")
    sub.add_argument("second", type=Path, help="results folder, answered by the same table")
    sub.add_argument("--format", choices=("markdown", "csv"), default="markdown", help="what is printed")
    sub.add_argument("--out", type=Path, help="folder for compare.md and compare.csv, instead of printing")


def _compare(options: argparse.Namespace) -> None:
    from nasbench.analysis.folders import compare_folders
    from nasbench.analysis.folders_output import to_csv, to_markdown

    found = compare_folders(options.first, options.second)
    texts = {"markdown": to_markdown(found), "csv": to_csv(found)}
    if options.out is None:
        print(texts[options.format], end="")
        return
    options.out.mkdir(parents=True, exist_ok=True)
    for form, name in (("markdown", "compare.md"), ("csv", "compare.csv")):
        path = options.out / name
        path.write_text(texts[form], encoding="utf-8", newline="\n")
        print(path)
