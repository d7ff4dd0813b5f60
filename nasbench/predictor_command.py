"""The command `nasbench predictors TABLE`: how the predictors of model-based strategies rank held-out cells."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path

from nasbench.cli_tables import AddCommand


def add_predictors_command(command: AddCommand) -> None:
    """Add `predictors` to the command line."""
    text = "Measure how predictors inside strategies rank held-out cells, against the number of training cells."
    sub = command("predictors", _predictors, text)
    sub.add_argument("table", help="a table that comes with the package, or a file")
    sub.add_argument("--out", type=Path, required=True, help="folder for numbers, page and figure")
    sub.add_argument("--dataset", help="a data set of the table (default: its first)")
    sub.add_argument("--cells", type=int, nargs="+", help="numbers of training cells (default: 25 50 100 200)")
    sub.add_argument("--repetitions", type=int, help="draws of cells for each number (default: 20)")
    sub.add_argument("--held-out", type=int, help="cells to rank (default: 1000)")
    sub.add_argument("--seed", type=int, default=0, help="root of all draws (default: 0)")


def _predictors(options: argparse.Namespace) -> None:
    from threadpoolctl import threadpool_limits

    from nasbench import predictor_quality as quality
    from nasbench.analysis.predictors import CSV, JSON, predictor_report
    from nasbench.analysis.tables import csv_text, write_text
    from nasbench.cli import find_table
    from nasbench.provenance import provenance
    from nasbench.sealed import open_table

    path = find_table(options.table)
    table = open_table(path)
    dataset = options.dataset or next(iter(table.datasets))
    given = {"sizes": options.cells, "repetitions": options.repetitions, "held_out": options.held_out}
    chosen = {name: value for name, value in given.items() if value is not None}
    rankings: list[quality.Ranking] = []
    with threadpool_limits(1):
        for ranking in quality.rank_held_out(table, dataset, seed=options.seed, **chosen):
            if rankings and ranking.repetition != rankings[-1].repetition:
                print(f"{ranking.repetition} repetitions", file=sys.stderr, flush=True)
            rankings.append(ranking)
    facts = {
        "table": path.stem,
        "digest": table.digest,
        "dataset": dataset,
        "score": table.dataset(dataset).score_label,
        "held_out": rankings[0].held_out,
        "seed": options.seed,
        "provenance": provenance(),
    }
    options.out.mkdir(parents=True, exist_ok=True)
    write_text(options.out / CSV, csv_text([dataclasses.asdict(ranking) for ranking in rankings]))
    write_text(options.out / JSON, json.dumps(facts, indent=2) + "\n")
    for file in (options.out / CSV, options.out / JSON, *predictor_report(options.out)):
        print(file)
