"""The command `nasbench findings FOLDER ...`: claims of the literature held against recorded runs, as a page with a figure."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from nasbench.cli_tables import AddCommand


def add_findings_command(command: AddCommand) -> None:
    """Add `findings` to the command line."""
    text = "Hold claims of the literature against recorded runs; verdicts are computed."
    sub = command("findings", _findings, text)
    text = (
        "results folders, such as results/nas-bench-201-all; folders of `nasbench predictors`, such as docs/predictors; folders of "
        "`nasbench proxies TABLE --report`"
    )
    sub.add_argument("results", type=Path, nargs="+", help=text)
    sub.add_argument("--out", type=Path, required=True, help="page to write, such as findings.md; figures beside it")


def _findings(options: argparse.Namespace) -> None:
    from nasbench.analysis.findings import find
    from nasbench.analysis.findings_claims import CLAIMS, PARETO_CLAIMS, PREDICTOR_CLAIMS, PROXY_CLAIMS
    from nasbench.analysis.findings_page import draw, to_markdown
    from nasbench.analysis.findings_pareto import find_in_sets
    from nasbench.analysis.findings_predictors import find_in_measured
    from nasbench.analysis.findings_proxies import find_in_proxies, is_report
    from nasbench.analysis.predictors import is_measured

    measured = [folder for folder in options.results if is_measured(folder)]
    ranked = [folder for folder in options.results if is_report(folder)]
    searches = [folder for folder in options.results if folder not in (*measured, *ranked)]
    found = find(CLAIMS, searches) + find_in_sets(PARETO_CLAIMS, searches)
    found += find_in_measured(PREDICTOR_CLAIMS, measured) + find_in_proxies(PROXY_CLAIMS, ranked)
    images = options.out.parent / "images"
    images.mkdir(parents=True, exist_ok=True)
    drawn = draw(found, images / "findings")
    figure = drawn[0].relative_to(options.out.parent).as_posix() if drawn else ""
    beside = [folder / "predictors.md" for folder in measured]
    pages = [Path(os.path.relpath(page, options.out.parent)).as_posix() for page in beside if page.is_file()]
    options.out.write_text(to_markdown(found, figure, pages), encoding="utf-8", newline="\n")
    print(options.out)
