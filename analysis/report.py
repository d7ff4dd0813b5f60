"""One function that makes every table and figure of a results folder; `nasbench report RESULTS` calls it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import anytime, captions, figures, overall_figures, page, page_table, stamp, style, tables, wide
from .comparison import Comparison, compare
from .figures import Plot
from .overall import Overall, overall, overall_table, profiles_csv, rank_pairs_csv, ranks_csv
from .pareto import compare_sets
from .pareto_report import sets_report
from .summary import summary_markdown
from .venues import Venue, find_venue

FIGURES: dict[str, Callable[[Comparison], list[Plot]]] = {
    "regret-over-seconds": figures.regret_over_seconds,
    "median-regret-over-seconds": figures.median_regret_over_seconds,
    "regret-over-queries": figures.regret_over_queries,
    "regret-at-budget": figures.regret_at_budget,
    "targets-over-seconds": figures.targets_over_seconds,
    "rl-evolution-random": anytime.three_ideas_figure,
}
OVERALL_FIGURES: dict[str, Callable[[Comparison, Overall], list[Plot]]] = {
    "average-ranks": overall_figures.rank_figure,
    "performance-profiles": overall_figures.profile_figure,
}


@dataclass(frozen=True, eq=False)
class Report:
    """What was made.

    Attributes:
        comparison: the numbers, for `summary`.
        files: the files of the report, in order.
        kept: whether they were there, made from the same inputs, and were left alone.
        no_page: why there is no `report.html` and what would help, in one line; "" if there is one.
    """

    comparison: Comparison
    files: tuple[Path, ...]
    kept: bool = False
    no_page: str = ""


def report(results: Path, out: Path | None = None, venue: str | None = None) -> Report:
    """Compare the entrants of a results folder and write tables, figures and a summary.

    The same records give the same bytes in every file, with the same versions of numpy, scipy, pandas and matplotlib. A report
    that stands there, whole, made from the same records by the same code, is left alone (`stamp.py`).

    Args:
        results: the folder, `results/<protocol>`.
        out: where to write, the folder itself if None: `summary.md`, `tables/*.md, *.tex, *.csv` and
            `figures/*.pdf, *.svg, *.png`, each figure with its caption (`.txt`), `report.html` where Plotly is installed (extra
            `report`; else the summary says that it is missing), and `report-stamp.json`; with several objectives also `pareto.md`.

        venue: whose width and letters the figures have, a name that `venues.find_venue` knows; the house's if None.

    Raises:
        VenueError: there is no such venue, or tueplots is missing.
        RecordError: the folder can't be analysed at all. Single faults are named in the comparison and the summary.
    """
    chosen = None if venue is None else find_venue(venue)
    comparison = compare(results)
    out = results if out is None else out
    no_page = page.missing()
    marks = [stamp.input_digest(results), page_table.table_mark(comparison.experiment)]
    marks += [] if chosen is None else [f"{chosen.name} of {chosen.source}"]
    inputs = " ".join(filter(None, marks))
    standing = stamp.up_to_date(out, inputs)
    if standing is not None:
        return Report(comparison, standing, kept=True, no_page=no_page)
    found, sets = overall(comparison), compare_sets(comparison.experiment)
    summary = summary_markdown(comparison, found) + (f"\n## Left out\n\n{no_page}\n" if no_page else "")
    files = [tables.write_text(out / "summary.md", summary)]
    files += write_tables(comparison, found, out / "tables")
    files += write_figures(comparison, found, out / "figures", chosen)
    files += [] if sets is None else sets_report(sets, out, chosen)
    if not no_page:
        files.append(page.write_page(comparison, found, out, files, sets))
    stamp.remove_stale(out, files)
    stamp.write_stamp(out, inputs, files)
    return Report(comparison, tuple(files), no_page=no_page)


def write_tables(comparison: Comparison, found: Overall, folder: Path) -> list[Path]:
    """Write the tables for print and the CSV files for machines; return the files."""
    files = []
    printed = [tables.comparison_table(comparison), tables.queries_table(comparison), overall_table(comparison, found)]
    for dataset in comparison.experiment.problems:
        printed += [tables.checkpoint_table(comparison, dataset), anytime.anytime_table(comparison, dataset)]
    for table in printed:
        files += tables.write_table(table, folder)
    for name, text in {
        "scores": wide.scores_csv(comparison),
        "wide": wide.wide_csv(comparison),
        "pairs": wide.pairs_csv(comparison),
        "targets": wide.targets_csv(comparison),
        "curves-seconds": wide.curves_csv(comparison, "seconds"),
        "curves-queries": wide.curves_csv(comparison, "by_queries"),
        "finals": wide.finals_csv(comparison),
        "anytime": anytime.anytime_csv(comparison),
        "curves-recent": wide.curves_csv(comparison, "recent"),
        "profiles": profiles_csv(found),
        "ranks": ranks_csv(found),
        "rank-pairs": rank_pairs_csv(found),
    }.items():
        files.append(tables.write_text(folder / f"{name}.csv", text))
    return files


def write_figures(comparison: Comparison, found: Overall, folder: Path, venue: Venue | None = None) -> list[Path]:
    """Write the figures, in pages where there are many entrants, each with its caption; return the files."""
    files = []
    texts = captions.figure_captions(comparison) | overall_figures.overall_captions(comparison, found)
    texts["rl-evolution-random"] = anytime.three_ideas_caption(comparison)
    folder.mkdir(parents=True, exist_ok=True)
    with style.styled(venue):
        drawn = {name: draw(comparison) for name, draw in FIGURES.items()}
        drawn |= {name: draw(comparison, found) for name, draw in OVERALL_FIGURES.items()}
        for name, plots in drawn.items():
            for page, plot in enumerate(plots):
                files += style.save(plot.figure, folder / (f"{name}-{page + 1}" if page else name))
            if plots:
                files.append(tables.write_text(folder / f"{name}.txt", texts[name] + "\n"))
    return files
