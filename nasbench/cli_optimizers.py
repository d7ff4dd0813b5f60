"""Commands about optimizers: `build-optimizers`, `audit-optimizers`, `check-optimizer`; and what `list` says of them."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from nasbench.cli_tables import AddCommand

Rows = list[dict[str, Any]]


def add_optimizer_commands(command: AddCommand) -> None:
    """Add the commands to the parser that `cli.py` makes."""
    sub = command(
        "build-optimizers", _build, "Make the runs of a protocol of optimizers, journal each, seal the table."
    )
    sub.add_argument("protocol", help="name of a protocol of optimizers that comes with the package, or a TOML file")
    sub.add_argument("output", type=Path, help="the table to make, such as optimizers.h5")
    sub.add_argument("--folder", type=Path, help="where the journals are (default: beside the output, NAME-journals)")
    sub.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="processes (default: all cores); moves no bit"
    )
    sub.add_argument("--seconds", type=float, help="begin no unit after this long; run again to go on")

    sub = command("audit-optimizers", _audit, "Train a sample of an optimizer table again and compare every bit.")
    sub.add_argument("table", type=Path, help="a sealed optimizer table")
    sub.add_argument("--sample", type=int, default=20, help="runs to train again (default: 20)")
    sub.add_argument("--seed", type=int, default=0, help="of the sample (default: 0)")

    sub = command("check-optimizer", _check, "Hold an optimizer to the contract that a fair comparison needs.")
    sub.add_argument("optimizer", help="name of an optimizer, or path/to/file.py")


def list_optimizers() -> Rows:
    """Return a row for each installed optimizer."""
    from nasbench.load import optimizer_names
    from nasbench.optimizer_method import describe_space, load_optimizer

    rows = []
    for name in optimizer_names():
        loaded = load_optimizer(name)
        method = loaded.method
        space = describe_space(method.search_space)
        rows.append(
            {
                "optimizer": name,
                "title": method.title,
                "family": method.family,
                "ruleset": method.ruleset,
                "horizon": "known" if method.horizon_aware else "",
                "variants": ", ".join(method.variants),
                "search space": ", ".join(f"{key} {' '.join(map(str, value))}" for key, value in space.items()),
            }
        )
    return rows


def list_optimizer_protocols() -> Rows:
    """Return a row for each installed protocol of optimizers."""
    from nasbench.load import find_protocol, protocol_names
    from nasbench.optimizer_protocol import read_optimizer_protocol

    rows = []
    for name in protocol_names("optimizers"):
        protocol = read_optimizer_protocol(Path(str(find_protocol(name))))
        rows.append(
            {
                "protocol": name,
                "version": protocol.version,
                "table": protocol.table,
                "problems": ", ".join(task.name for task in protocol.tasks),
                "entrants": len(protocol.entrants),
                "runs": protocol.scored_seeds,
            }
        )
    return rows


def _build(options: argparse.Namespace) -> None:
    from nasbench.load import find_protocol
    from nasbench.optimizer_build import build_optimizers, describe_build
    from nasbench.optimizer_plan import assemble
    from nasbench.optimizer_protocol import read_optimizer_protocol
    from nasbench.optimizer_seal import seal_optimizers

    protocol = read_optimizer_protocol(Path(str(find_protocol(options.protocol))))
    folder = options.folder or options.output.with_name(f"{options.output.stem}-journals")
    plan, results = build_optimizers(protocol, folder, options.workers, seconds=options.seconds)
    table = assemble(plan, results, describe_build(protocol))
    seal_optimizers(table, options.output)
    runs = sum(len(rows.trial) for rows in table.rows.values())
    print(
        f"{options.output}: {len(table.tasks)} tasks, {len(table.optimizers)} optimizers, {runs} runs, digest {table.digest}"
    )
    for unit in table.metadata["incomplete"]:
        print(f"not complete, left out: {unit}", file=sys.stderr)


def _audit(options: argparse.Namespace) -> int:
    if options.sample < 1:
        raise ValueError(f"sample is {options.sample}, must be at least 1")
    import numpy as np

    from nasbench.optimizer_audit import audit_optimizers
    from nasbench.optimizer_table import open_optimizer_table

    report = audit_optimizers(open_optimizer_table(options.table), options.sample, np.random.default_rng(options.seed))
    print(report)
    return 0 if report.passed else 1


def _check(options: argparse.Namespace) -> int:
    from nasbench.optimizer_testing import CheckFailed, check_optimizer

    try:
        outcomes = check_optimizer(options.optimizer)
    except CheckFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    print(f"{options.optimizer}: all {len(outcomes)} checks passed")
    return 0
