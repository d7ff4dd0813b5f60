"""Write the findings about optimizers as a page in Markdown with figures; every number and verdict on it is computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from nasbench.optimizer_table import OptimizerTable

from . import optimizer_findings_figures as figures
from . import style
from .describe_markdown import DASH, number, table
from .describe_page import SCREEN_DPI
from .optimizer_advantage import FEWEST_SEEDS, losses
from .optimizer_comparison import OptimizerComparison, compare_optimizers
from .optimizer_figures import task_title
from .optimizer_findings import AnchorFinding, Finding, find, find_anchors, unfinished
from .optimizer_findings_claims import ANCHORS, CLAIMS, NOT_YET
from .optimizer_findings_facts import facts
from .optimizer_findings_text import CAPTIONS, INTRODUCTION, LADDER, MLP, QUADRATICS, RULES, SCORES, STUDY
from .optimizer_ladder import Rung, ladder
from .optimizer_output import overall_table
from .optimizer_study import study_bands, study_figure, study_names, study_panels
from .statistics import Estimate
from .tables import write_text


@dataclass(frozen=True, eq=False)
class OptimizerFindings:
    """Everything on the page."""

    comparison: OptimizerComparison
    anchors: tuple[AnchorFinding, ...]
    findings: tuple[Finding, ...]
    rungs: tuple[Rung, ...]


def optimizer_findings(source: OptimizerTable) -> OptimizerFindings:
    """Compute the findings of a table.

    Raises:
        ComparisonError: nothing in it can be compared.
    """
    comparison = compare_optimizers(source)
    return OptimizerFindings(
        comparison, tuple(find_anchors(ANCHORS)), tuple(find(CLAIMS, source)), tuple(ladder(comparison))
    )


def write_findings(source: OptimizerTable, out: Path) -> list[Path]:
    """Write the page and its figures, `images/STEM/NAME.png` beside it; return the files. The same table gives the same bytes.

    Raises:
        ComparisonError: nothing in the table can be compared.
        OSError: a file can't be written.
    """
    made = optimizer_findings(source)
    folder = out.parent / "images" / out.stem
    folder.mkdir(parents=True, exist_ok=True)
    images, files = {}, []
    with style.styled():
        for name, figure in drawn(made).items():
            figure.set_dpi(SCREEN_DPI)
            files.append(folder / f"{name}.png")
            FigureCanvasAgg(figure).print_png(files[-1])  # type: ignore[no-untyped-call]
            images[name] = files[-1].relative_to(out.parent).as_posix()
    return [write_text(out, to_markdown(made, images)), *files]


def drawn(made: OptimizerFindings) -> dict[str, Figure]:
    """Return the figures by name; those without data are left out. Call it within `style.styled()`."""
    every = {
        "claims": figures.claims_figure(made.findings),
        "quadratics": figures.quadratics_figure(made.comparison),
        "generalization": study_figure(made.comparison),
        "ladder": figures.ladder_figure(made.comparison, made.rungs),
        "meta-training": figures.meta_training_figure(made.comparison),
    }
    return {name: figure for name, figure in every.items() if figure is not None}


def to_markdown(made: OptimizerFindings, images: Mapping[str, str]) -> str:
    """Return the page.

    Args:
        made: what it tells of.
        images: path of each figure as seen from the page.
    """
    source = made.comparison.table
    known = facts(source)
    runs = sum(len(rows.trial) for rows in source.rows.values())
    lines = ["# Optimizers: findings", "", "Made by `nasbench findings-optimizers`; do not edit.", ""]
    lines += [
        INTRODUCTION.format(runs=f"{runs:,}", optimizers=len(source.optimizers), tasks=len(source.tasks), **known),
        "",
        RULES,
        "",
    ]
    lines += [f"Table digest: `{source.digest}`.", "", "## Claims", ""]
    lines += _figure("claims", images)
    lines += [_claims(made), "", *_contradictions(made)]
    lines += ["## Ordering on the quadratics", "", QUADRATICS, "", *_figure("quadratics", images), _order(made), ""]
    lines += ["## The generalization study of L2L", "", STUDY, "", *_figure("generalization", images), _study(made), ""]
    lines += ["## Ladder of distance and ledger", "", LADDER, "", *_figure("ladder", images), _ladder(made), ""]
    lines += ["## Scores, and what a step costs", "", SCORES, "", _scores(made), ""]
    lines += [
        "## The small MLP optimizer",
        "",
        MLP.format(**known),
        "",
        *_unfinished(made),
        "",
        *_figure("meta-training", images),
    ]
    lines += ["## Not computed here", "", *(f"- {text}" for text in NOT_YET), ""]
    return "\n".join(lines)


def _figure(name: str, images: Mapping[str, str]) -> list[str]:
    return [f"![{CAPTIONS[name].partition('.')[0]}]({images[name]})", "", CAPTIONS[name], ""] if name in images else []


def _claims(made: OptimizerFindings) -> str:
    rows = [
        [
            each.anchor.text,
            each.anchor.source,
            f"{_interval(each.estimate, 3)}; expected {each.anchor.expected:.2f} ± {each.anchor.tolerance:g}",
            f"{each.problems:,} problems",
            f"**{each.verdict}**",
        ]
        for each in made.anchors
    ]
    for each in made.findings:
        if each.found is None:
            rows.append([each.claim.text, each.claim.source, each.reason, "", f"**{each.verdict}**"])
            continue
        against = made.comparison.title(each.found.strongest)
        some = f"strongest of {each.pool}: {against}" if each.pool > 1 else f"against {against}"
        found = f"{_interval(each.found.ratio, 2)} times, {some}" + (f"; {each.reason}" if each.reason else "")
        seeds = f"{each.found.seeds} seeds, ahead on {each.found.ahead}"
        rows.append([each.claim.text, each.claim.source, found, seeds, f"**{each.verdict}**"])
    return table(["claim", "source", "found", "n", "verdict"], rows)


def _contradictions(made: OptimizerFindings) -> list[str]:
    """Return what is different here, for each claim that does not agree; claims with the same differences stand together."""
    lines: list[str] = []
    known = facts(made.comparison.table)
    for verdict, heading, none in (
        ("disagrees", "Where it contradicts", "Nowhere."),
        ("can't be told here", "What can't be told", "Nothing."),
    ):
        by_difference: dict[str, list[str]] = {}
        judged = [(each.verdict, each.anchor.differs, each.anchor.text) for each in made.anchors]
        judged += [(each.verdict, each.claim.differs, each.claim.text) for each in made.findings]
        for given, differs, text in judged:
            if given == verdict:
                by_difference.setdefault(differs, []).append(text)
        lines += [f"### {heading}, and what is different here", ""]
        lines += [
            f"- {'; '.join(texts)}. *{_sentence(differs.format(**known))}*" for differs, texts in by_difference.items()
        ] or [none]
        lines.append("")
    return lines


def _order(made: OptimizerFindings) -> str:
    """Return the tuned ordering on both families: place, final loss with interval, mean of the trajectory."""
    comparison, rows = made.comparison, []
    for task, title in figures.QUADRATICS:
        names = [name for of, name in comparison.scored if of == task]
        names.sort(key=lambda name: comparison.scored[task, name].final.value)
        for place, name in enumerate(names, 1):
            one = comparison.scored[task, name]
            kind = comparison.table.optimizers[name].ruleset
            rows.append(
                [
                    title,
                    str(place),
                    comparison.title(name),
                    kind,
                    _interval(one.final, 4),
                    _interval(one.area, 3),
                    str(len(one.curves)),
                ]
            )
    return table(["family", "place", "optimizer", "ruleset", "final loss", "mean of the trajectory", "seeds"], rows)


def _study(made: OptimizerFindings) -> str:
    comparison, rows = made.comparison, []
    for panel in study_panels(comparison):
        names, strongest = study_names(comparison, panel)
        for name in [*names, *([strongest] if strongest else [])]:
            _, (mean, low, high) = study_bands(comparison, panel, name)
            end = Estimate(float(mean[-1]), float(low[-1]), float(high[-1]))
            both = [
                losses(comparison.table, panel.task, name, each, "train", panel.horizon) for each in ("final", "mean")
            ]
            test = losses(comparison.table, panel.task, name, "final", "test", panel.horizon)
            assert both[1] is not None, "it has runs"
            assert test is not None, "it has runs"
            rows.append([panel.title, comparison.title(name) + (" (strongest other)" if name == strongest else ""), _interval(end, 4),
                         number(float(both[1].mean()), 3), number(float(test.mean()), 3), str(len(test))])  # fmt: skip
    return table(
        ["panel", "optimizer", "final training loss", "mean of the trajectory", "final test loss", "seeds"], rows
    )


def _ladder(made: OptimizerFindings) -> str:
    comparison, rows = made.comparison, []
    for rung in made.rungs:
        row = rung.row
        stamp = "" if row.overlap.verdict == "none" else row.overlap.verdict
        strongest = f"{_interval(rung.over_strongest.ratio, 2)} ({comparison.title(rung.over_strongest.strongest)})"
        rows.append([comparison.title(row.optimizer), row.distance or "unknown", f"{task_title(row.task)}, {row.horizon}x", stamp,
                     _interval(rung.over_baseline.ratio, 2), strongest, str(rung.over_baseline.seeds), number(row.meta_work / 1e6, 0),
                     _pays(rung)])  # fmt: skip
    frozen = comparison.title(comparison.baseline) if comparison.baseline else DASH
    heads = ["optimizer", "distance", "task", "overlap", f"over tuned {frozen}", "over the strongest tuned", "seeds",
             "meta-training work, millions", "pays after tasks"]  # fmt: skip
    return table(heads, rows)


def _scores(made: OptimizerFindings) -> str:
    """Return the tables over tasks of both rulesets as one: scores by steps and by work, and the cost of a step beside them."""
    heads: list[str] = []
    rows = []
    for ruleset in made.comparison.rulesets:
        printed = overall_table(made.comparison, ruleset)
        heads = [f"{column.group}: {column.name}" if column.group else column.name for column in printed.columns]
        rows += [
            [ruleset.name, name, *(entry.text(" ± ", DASH) for entry in entries)] for name, entries in printed.rows
        ]
    return table(["ruleset", "optimizer", *heads], rows)


def _pays(rung: Rung) -> str:
    """Write a break-even count with its interval: whole tasks, rounded up; `never` for infinity."""
    value, low, high = (_tasks(each) for each in rung.pays)
    if rung.over_baseline.seeds < FEWEST_SEEDS:
        return value
    return value if low == high == value else f"{value} [{low}, {high}]"


def _tasks(value: float) -> str:
    if value == float("inf"):
        return "never"
    return DASH if value != value else f"{int(-(-value // 1)):,}"


def _unfinished(made: OptimizerFindings) -> list[str]:
    lines = []
    for name, entry in made.comparison.table.optimizers.items():
        if entry.family != "learned":
            continue
        reason = unfinished(entry)
        lines.append(f"- {made.comparison.title(name)}: {reason or 'meta-training had slowed down when it ended'}.")
    return lines or ["No learned optimizer in this table."]


def _interval(value: Estimate, digits: int) -> str:
    return f"{number(value.value, digits)} [{number(value.low, digits)}, {number(value.high, digits)}]"


def _sentence(text: str) -> str:
    return "" if not text else f"{text[0].upper()}{text[1:]}" + ("" if text.endswith(".") else ".")
