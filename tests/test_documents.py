"""The documents say what works: examples are extracted and run, the citation is valid, promised files exist."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from nasbench.cli import make_parser
from nasbench.load import load_strategy
from nasbench.testing import check_strategy

ROOT = Path(__file__).resolve().parent.parent


def fenced(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


@pytest.fixture
def example(tmp_path: Path) -> Path:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    marked = text.split("<!-- test: example strategy -->")[1]
    path = tmp_path / "greedy_mutation.py"
    path.write_text(fenced(marked, "python")[0])
    return path


def test_the_strategy_of_contributing_is_twelve_lines_and_keeps_the_contract(example: Path) -> None:
    lines = [line for line in example.read_text().splitlines() if line.strip()]
    assert len(lines) <= 12
    loaded = load_strategy(str(example))
    assert loaded.method.title == "Greedy mutation"
    check_strategy(str(example))


def test_the_strategy_of_contributing_enters_a_protocol(example: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    command = [
        sys.executable,
        "-m",
        "nasbench.cli",
        "run",
        "nas-bench-201",
        "--runs",
        "2",
        "--no-report",
        "--workers",
        "1",
    ]
    subprocess.run([*command, "--results", str(results), "--strategy", str(example)], check=True, capture_output=True)
    assert len(list(results.glob("nas-bench-201-2-runs/runs/*/greedy-mutation/*.npz"))) == 3


@pytest.mark.live
def test_the_optimizer_of_contributing_keeps_the_contract(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from nasbench.testing import check_optimizer

    marked = (ROOT / "CONTRIBUTING.md").read_text().split("<!-- test: example optimizer -->")[1]
    path = tmp_path / "momentum_09.py"
    path.write_text(fenced(marked, "python")[0])
    assert set(check_optimizer(str(path)).values()) == {"passed"}


def test_the_query_of_the_readme_answers_with_the_published_accuracy() -> None:
    code = [block for block in fenced((ROOT / "README.md").read_text(), "python") if "open_table" in block]
    names: dict[str, object] = {}
    exec(code[0].replace("data/nas-bench-201.h5", str(ROOT / "data" / "nas-bench-201.h5")), names)
    answer = names["answer"]
    table, architecture = names["table"], names["architecture"]
    correct = table.dataset("cifar10").correct["validation"][table.row(architecture), 0, 0]
    assert answer.validation_accuracy == correct / 25_000
    assert answer.cost == pytest.approx(200 * table.dataset("cifar10").train_seconds[table.row(architecture)])


def test_citation_file_is_valid() -> None:
    subprocess.run(
        [str(Path(sys.executable).with_name("cffconvert")), "--validate", "-i", str(ROOT / "CITATION.cff")],
        check=True,
        capture_output=True,
    )


@pytest.mark.parametrize(
    "document",
    [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "data/README.md",
        "docs/build.md",
        "docs/guide.md",
        "docs/optimizers.md",
        "docs/table.md",
        "docs/table-nas-bench-201.md",
    ],
)
def test_links_lead_somewhere(document: str) -> None:
    path = ROOT / document
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
        if not target.startswith("http"):
            assert (path.parent / target).exists(), f"{document} links to {target}"


def test_readme_names_every_command_and_no_other() -> None:
    parser = make_parser()
    commands = next(action.choices for action in parser._actions if action.dest == "command")
    assert isinstance(commands, dict)
    text = (ROOT / "README.md").read_text()
    assert not [name for name in commands if not re.search(rf"^nasbench {name}\s", text, flags=re.MULTILINE)]
    for document in ("README.md", "CONTRIBUTING.md", "docs/guide.md", "docs/build.md", "data/README.md"):
        code = "\n".join(re.findall(r"`{1,3}[^`]+`{1,3}", (ROOT / document).read_text()))
        assert not set(re.findall(r"(?:[`/\s])nasbench ([a-z][a-z-]+)", code)) - set(commands), document


def test_readme_leaves_no_blank() -> None:
    assert not re.search(r"RESULT_|TODO|FIXME|XXX", (ROOT / "README.md").read_text())


def test_architecture_lists_every_file_of_the_library() -> None:
    table = (ROOT / "ARCHITECTURE.md").read_text().split("file by file")[1].split("\n## ")[0]
    listed = re.findall(r"`([a-z0-9_]+)`", table)
    files = {path.stem for path in (ROOT / "nasbench").glob("*.py")} - {"__init__"}
    assert set(listed) == files, sorted(set(listed) ^ files)
    assert len(listed) == len(set(listed))
