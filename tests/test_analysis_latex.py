"""LaTeX: letters are escaped, wide tables cut into blocks that fit, and every kind of table is compiled where pdflatex is there."""

import re
import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_records import write_walks

from nasbench.analysis import anytime, latex, latex_table, overall, tables
from nasbench.analysis.comparison import compare

NASTY = (
    "*starred [a] 100 % of_it",
    r"[bracketed] a\b {c} & $d$ #1 ~e^f",
    'a < b | c > d, p <= 0.05 `quoted\' "so"',
    "-- a --- b",
    "ε-greedy, β₁ = 10⁻³, λ → ∞, Ω, \N{GREEK CAPITAL LETTER OMICRON}",
    "Škoda Ångström ß œ Łódź naïve ő",
    "≈ 3 \N{MULTIPLICATION SIGN} 10⁴ ± 2 ≠ 5 \N{EN DASH} no — yes … “q”",
    "日本 \U0001f600 \N{COMBINING ACUTE ACCENT} \x07",
)
DOCUMENT = r"""\documentclass{article}
\usepackage[letterpaper,textwidth=%s,textheight=9in]{geometry}
\usepackage{booktabs,graphicx}
\begin{document}
%s
\end{document}
"""


def wide_table(columns=14, rows=90, **changes):
    """Return a table with spanning heads, too wide and too long for a page, its names full of traps."""
    source = np.random.default_rng(1)
    heads = tuple(
        tables.Column("" if place < 2 else NASTY[place // 4 % 8], f"{NASTY[place % 8][:6]} {place}", f"k{place}")
        for place in range(columns)
    )
    entries = [
        tuple(
            tables.Entry(float(value), float(value) / 9, mark=mark)
            for value, mark in zip(source.uniform(0, 99, columns), ["best", "level", ""] * columns, strict=False)
        )
        for _ in range(rows + 1)
    ]
    names = [f"{NASTY[place % 8]} {place}" for place in range(rows)]
    content = {
        "name": f"wide_{columns}%{rows}",
        "columns": heads,
        "references": ((tables.BEST_ROW, entries[-1]),),
        "rows": tuple(zip(names, entries[:-1], strict=True)),
        "caption": " ".join(NASTY),
        "short_caption": NASTY[0],
    }
    return tables.PrintTable(**(content | changes))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (NASTY[0], r"{*}starred {[}a{]} 100 \% of\_it"),
        (NASTY[1], r"{[}bracketed{]} a\textbackslash{}b \{c\} \& \$d\$ \#1 \textasciitilde{}e\textasciicircum{}f"),
        (NASTY[2], r"a $<$ b $|$ c $>$ d, p $\leq$ 0.05 \textasciigrave{}quoted' ''so''"),
        (NASTY[3], "-{}- a -{}-{}- b"),
        (
            NASTY[4],
            r"$\epsilon$-greedy, $\beta$$_{1}$ = 10$^{-3}$, $\lambda$ $\to$ $\infty$, $\Omega$, O",
        ),
        (NASTY[5], r"{\v S}koda {\r A}ngstr{\"o}m {\ss} {\oe} {\L}{\'o}d{\'z} na{\"i}ve {\H o}"),
        (NASTY[6], r"$\approx$ 3 $\times$ 10$^{4}$ $\pm$ 2 $\neq$ 5 -- no --- yes \ldots{} ``q''"),
        (NASTY[7], "(U+65E5)(U+672C) (U+1F600) (U+0301)  "),
    ],
)
def test_escape(text, expected):
    assert latex.escape(text) == expected


@given(st.text(max_size=40))
@settings(max_examples=300, deadline=None)
def test_whatever_is_escaped_is_ascii_and_balanced(text):
    found = latex.escape(text)
    assert found.isascii() and "\n" not in found
    plain = re.sub(r"\\[{}%&$#_]", "", found.replace(r"\textbackslash{}", ""))
    assert plain.count("{") == plain.count("}") and plain.count("$") % 2 == 0
    assert not re.search(r"(?<!\\)[%#&]", plain)


@given(st.lists(st.tuples(st.sampled_from(["", "a", "b"]), st.integers(1, 60)), min_size=1, max_size=25))
@settings(max_examples=100, deadline=None)
def test_every_column_is_in_one_block_in_order_and_blocks_fit(columns):
    headings = [latex_table.Heading(group, "") for group, _ in columns]
    cells = tuple(latex_table.Cell("", 3.0 * size) for _, size in columns)
    parts = latex_table.column_parts(headings, [latex_table.Row("a name", cells)])
    assert [place for part in parts for place in part] == list(range(len(columns)))
    room = latex_table.LINE / latex_table.MOST_SHRUNK - latex.width("a name", 9.0) - 8.0
    assert all(sum(cells[place].points + 8.0 for place in part) <= room for part in parts)


def test_a_table_that_fits_is_one_float_and_one_block():
    text = tables.to_latex(wide_table(columns=3, rows=5))
    assert text.count(r"\begin{table}") == text.count(r"\begin{tabular}") == text.count(r"\label{tab:wide-3-5}") == 1


def test_a_long_and_wide_table_repeats_names_and_counts_once():
    text = tables.to_latex(wide_table())
    floats = text.count(r"\begin{table}")
    assert floats > 1 and text.count(r"\addtocounter{table}{-1}") == floats - 1 == text.count("(continued)")
    assert text.count(r"\label{") == 1
    blocks = text.count(r"\begin{tabular}")
    assert text.count(tables.BEST_ROW) == blocks == floats
    for place in (0, 89):
        assert len(re.findall(rf" {place} & (?:\\textbf|\\underline|\d)", text)) == blocks / 3  # three blocks of rows
    flat = tables.to_latex(wide_table(rows=5))
    assert flat.count(r"\begin{table}") == 1 and flat.count(r"\begin{tabular}") == blocks / 3 > 1


def compiled(folder, texts, width):
    """Compile, fail with LaTeX's own words, and return its log."""
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed (Debian: apt-get install texlive-latex-base texlive-latex-recommended)")
    (folder / "document.tex").write_text(DOCUMENT % (width, "\n\\clearpage\n".join(texts)), encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "document.tex"]
    done = subprocess.run(
        command, check=False, cwd=folder, capture_output=True, text=True, errors="replace", timeout=120
    )
    log = (folder / "document.log").read_text(errors="replace")
    assert done.returncode == 0 and (folder / "document.pdf").is_file(), done.stdout[-2000:]
    return log


@pytest.mark.parametrize("width", ["5.5in", "3.25in"])
def test_every_kind_of_table_compiles_and_fits(tmp_path, width):
    rates = {"random_search": 0.0, "local_search": 0.1, "reinforce": 0.02, "regularized_evolution": 0.05}
    comparison = compare(write_walks(tmp_path / "records", rates=rates, datasets=("cifar10", "cifar100"), runs=6))
    printed = [
        tables.comparison_table(comparison),
        tables.queries_table(comparison),
        tables.checkpoint_table(comparison, "cifar10"),
        anytime.anytime_table(comparison, "cifar100"),
        overall.overall_table(comparison, overall.overall(comparison)),
        wide_table(),
        wide_table(columns=3, rows=5),
        wide_table(rows=0, references=()),
    ]
    log = compiled(tmp_path, map(tables.to_latex, printed), width)
    for wrong in (r"Overfull \\hbox \(([0-9.]+)pt", "Float too large", "Missing character", "multiply defined"):
        assert not re.findall(wrong, log.replace("\n", "")), wrong
