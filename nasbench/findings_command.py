"""The command `nasbench findings FOLDER ...`: claims of the literature held against recorded runs, as a page with a figure."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

AddCommand: TypeAlias = Callable[[str, Callable[[argparse.Namespace], int | None], str], argparse.ArgumentParser]


def add_findings_command(command: AddCommand) -> None:
    """Add `findings` to the command line."""
    text = "Hold claims of the literature against recorded runs; verdicts are computed."
    sub = command("findings", _findings, text)
    sub.add_argument("results", type=Path, nargs="+", help="results folders, such as results/nas-bench-201-all")
    sub.add_argument("--out", type=Path, default=Path("docs/findings.md"), help="page (default: docs/findings.md)")


def _findings(options: argparse.Namespace) -> None:
    from nasbench.analysis.findings import find
    from nasbench.analysis.findings_claims import CLAIMS
    from nasbench.analysis.findings_page import draw, to_markdown

    found = find(CLAIMS, options.results)
    images = options.out.parent / "images"
    images.mkdir(parents=True, exist_ok=True)
    drawn = draw(found, images / "findings")
    figure = drawn[0].relative_to(options.out.parent).as_posix() if drawn else ""
    options.out.write_text(to_markdown(found, figure), encoding="utf-8", newline="\n")
    print(options.out)
