"""Protocols: every kind of fault is named with file and place; what is read is what stands there."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
from small_table import PROTOCOL, sealed, write_protocol

from nasbench.load import find_protocol, load_strategy, protocol_names
from nasbench.protocol import ProtocolError, digest, find_table, read_protocol
from nasbench.sealed import open_table
from nasbench.search import Rules
from nasbench.tabular import TabularBenchmark

FULL = """\
name = "full"
version = "2.13"
title = "All keys"
table = "full.h5"
runs = 7
seed = 9223372036854775807
checkpoints = [0.01, 0.5, 1]
duplicates = "free"
promotion = "from_scratch"
workers = 4
charge_overhead = true

[[problems]]
dataset = "fast"
budget = 60

[[entrants]]
name = "a+b_c.d-e9"
label = "Ä label with spaces"
strategy = "own/file.py:function"
variant = "nats"
runs = 3
settings = { population = 3, rate = 0.5, on = true, word = "x", layers = [1, 2] }
"""


def read(folder, text):
    path = folder / "protocol.toml"
    path.write_text(text)
    return read_protocol(path)


def test_every_key_is_read(tmp_path):
    protocol = read(tmp_path, FULL)
    assert (protocol.name, protocol.version, protocol.title, protocol.table) == ("full", "2.13", "All keys", "full.h5")
    assert (protocol.runs, protocol.seed, protocol.checkpoints) == (7, 2**63 - 1, (0.01, 0.5, 1.0))
    assert (protocol.duplicates, protocol.promotion) == ("free", "from_scratch")
    assert (protocol.workers, protocol.charge_overhead) == (4, True)
    assert [(problem.dataset, problem.budget) for problem in protocol.problems] == [("fast", 60.0)]
    assert isinstance(protocol.problems[0].budget, float)
    (entrant,) = protocol.entrants
    assert (entrant.name, entrant.label, entrant.strategy) == (
        "a+b_c.d-e9",
        "Ä label with spaces",
        "own/file.py:function",
    )
    assert (entrant.variant, entrant.runs) == ("nats", 3)
    assert entrant.settings == {"population": 3, "rate": 0.5, "on": True, "word": "x", "layers": [1, 2]}
    assert protocol.runs_of(entrant) == 3
    assert protocol.series == "full 2.13"


def test_absent_keys_have_the_designs_defaults(tmp_path):
    protocol = read(tmp_path, PROTOCOL.replace("checkpoints = [0.5, 1.0]\n", ""))
    rules = Rules(protocol.duplicates, protocol.promotion, protocol.workers, protocol.charge_overhead)
    assert rules == Rules()
    assert (protocol.seed, protocol.checkpoints) == (0, (1.0,))
    assert [protocol.runs_of(entrant) for entrant in protocol.entrants] == [5, 5]
    first = protocol.entrants[0]
    assert (first.settings, first.variant, first.runs, first.label) == ({}, None, None, None)


RUNS, BUDGET, POINTS = "runs = 5", "budget = 60", "checkpoints = [0.5, 1.0]"
NAME, RANDOM = 'name = "small"', 'name = "random"'

FAULTS = {
    # what stands there, what is put in its place, the message behind the file's name
    "unknown key": (RUNS, "runs = 5\nrunz = 5", "unknown field `runz` - at `$`"),
    "unknown key of a problem": (BUDGET, "budget = 60\nseed = 3", "unknown field `seed` - at `$.problems[0]`"),
    "unknown key of an entrant": (RANDOM, 'name = "random"\nrun = 3', "unknown field `run` - at `$.entrants[0]`"),
    "missing key": ('title = "A small comparison"\n', "", "missing required field `title` - at `$`"),
    "missing budget": (BUDGET, "", "missing required field `budget` - at `$.problems[0]`"),
    "string for a number": (RUNS, 'runs = "5"', "Expected `int`, got `str` - at `$.runs`"),
    "float for an integer": (RUNS, "runs = 5.0", "Expected `int`, got `float` - at `$.runs`"),
    "truth for a number": (RUNS, "runs = true", "Expected `int`, got `bool` - at `$.runs`"),
    "number for truth": (RUNS, "runs = 5\ncharge_overhead = 1", "Expected `bool`, got `int` - at `$.charge_overhead`"),
    "number for a string": (NAME, "name = 3", "Expected `str`, got `int` - at `$.name`"),
    "date for a string": (NAME, "name = 1979-05-27", "Expected `str`, got `date` - at `$.name`"),
    "no runs": (RUNS, "runs = 0", "Expected `int` >= 1 - at `$.runs`"),
    "endless runs": (RUNS, "runs = 1_000_001", "Expected `int` <= 1000000 - at `$.runs`"),
    "huge integer": (RUNS, "runs = 99999999999999999999", "Expected `int` <= 1000000 - at `$.runs`"),
    "no workers": (RUNS, "runs = 5\nworkers = 0", "Expected `int` >= 1 - at `$.workers`"),
    "negative seed": (RUNS, "runs = 5\nseed = -1", "Expected `int` >= 0 - at `$.seed`"),
    "huge seed": (RUNS, f"runs = 5\nseed = {2**63}", f"Expected `int` <= {2**63 - 1} - at `$.seed`"),
    "negative budget": (BUDGET, "budget = -60", "Expected `float` > 0.0 - at `$.problems[0].budget`"),
    "no budget": (BUDGET, "budget = 0", "Expected `float` > 0.0 - at `$.problems[0].budget`"),
    "endless budget": (BUDGET, "budget = inf", "Expected `float` <= 1000000000000.0 - at `$.problems[0].budget`"),
    "budget that is no number": (BUDGET, "budget = nan", "Expected `float` > 0.0 - at `$.problems[0].budget`"),
    "budget in words": (BUDGET, 'budget = "60 s"', "Expected `float`, got `str` - at `$.problems[0].budget`"),
    "version of one part": ('version = "1.0"', 'version = "1"', "- at `$.version`"),
    "version of three parts": ('version = "1.0"', 'version = "1.0.2"', "- at `$.version`"),
    "version with a word": ('version = "1.0"', 'version = "1.0b"', "- at `$.version`"),
    "version with a line end": ('version = "1.0"', 'version = "1.0\\n"', "- at `$.version`"),
    "version as a number": ('version = "1.0"', "version = 1.0", "Expected `str`, got `float` - at `$.version`"),
    "name that climbs": (NAME, 'name = "../small"', "- at `$.name`"),
    "name with a folder": (RANDOM, 'name = "a/b"', "- at `$.entrants[0].name`"),
    "name with a space": (RANDOM, 'name = "a b"', "- at `$.entrants[0].name`"),
    "name with a capital": (RANDOM, 'name = "Random"', "- at `$.entrants[0].name`"),
    "name with a line end": (NAME, 'name = "small\\n"', "- at `$.name`"),
    "hidden name": (NAME, 'name = ".small"', "- at `$.name`"),
    "empty name": (NAME, 'name = ""', "- at `$.name`"),
    "long name": (NAME, f'name = "{"a" * 81}"', "length <= 80 - at `$.name`"),
    "entrant twice": (RANDOM, 'name = "evolution"', "$.entrants: ['evolution'] stand there more than once"),
    "problem twice": ('dataset = "fast"', 'dataset = "slow"', "$.problems: ['slow'] stand there more than once"),
    "unknown word": (RUNS, 'runs = 5\nduplicates = "maybe"', "Invalid enum value 'maybe' - at `$.duplicates`"),
    "other unknown word": (RUNS, 'runs = 5\npromotion = "no"', "Invalid enum value 'no' - at `$.promotion`"),
    "checkpoints that fall": (
        POINTS,
        "checkpoints = [1.0, 0.5]",
        "$.checkpoints: [1.0, 0.5] must ascend and end with 1.0",
    ),
    "checkpoint twice": (POINTS, "checkpoints = [0.5, 0.5, 1]", "$.checkpoints: [0.5, 0.5, 1.0] must ascend"),
    "checkpoints that stop early": (POINTS, "checkpoints = [0.5]", "$.checkpoints: [0.5] must ascend and end with 1.0"),
    "checkpoint at nothing": (POINTS, "checkpoints = [0.0, 1]", "Expected `float` > 0.0 - at `$.checkpoints[0]`"),
    "checkpoint beyond": (POINTS, "checkpoints = [0.5, 1.5]", "Expected `float` <= 1.0 - at `$.checkpoints[1]`"),
    "checkpoint that is no number": (
        POINTS,
        "checkpoints = [nan, 1]",
        "Expected `float` > 0.0 - at `$.checkpoints[0]`",
    ),
    "no checkpoint": (POINTS, "checkpoints = []", "Expected `array` of length >= 1 - at `$.checkpoints`"),
    "settings that are no table": (
        "settings = { population = 3, sample = 2 }",
        "settings = 3",
        "- at `$.entrants[1].settings`",
    ),
    "key twice": (RUNS, "runs = 5\nruns = 5", "not a TOML file: Cannot overwrite a value"),
    "broken TOML": (RUNS, "runs = ", "not a TOML file: Invalid value"),
    "nested without end": (RUNS, "runs = " + "[" * 5000, "not a protocol: nested too deeply"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_named_with_file_and_place(tmp_path, fault):
    old, new, message = FAULTS[fault]
    assert PROTOCOL.count(old) == 1
    with pytest.raises(ProtocolError) as caught:
        read(tmp_path, PROTOCOL.replace(old, new))
    said = str(caught.value)
    assert said.startswith(f"{tmp_path / 'protocol.toml'}: ")
    assert message in said
    assert "\n" not in said


@pytest.mark.parametrize("part", ["problems", "entrants"])
def test_comparison_of_nothing_is_refused(tmp_path, part):
    text = re.sub(rf"\[\[{part}\]\]\n(.+\n)+", "", PROTOCOL)
    with pytest.raises(ProtocolError, match=rf"missing required field `{part}`"):
        read(tmp_path, text)
    with pytest.raises(ProtocolError, match=rf"length >= 1 - at `\$\.{part}`"):
        read(tmp_path, f"{part} = []\n{text}")


def test_file_that_is_no_text(tmp_path):
    (tmp_path / "protocol.toml").write_bytes(b"\xff\xfe\x00name")
    with pytest.raises(ProtocolError, match="not a TOML file: 'utf-8' codec can't decode"):
        read_protocol(tmp_path / "protocol.toml")


@pytest.mark.parametrize("name", ["absent.toml", "."])
def test_absent_file(tmp_path, name):
    with pytest.raises(FileNotFoundError, match=f"there is no protocol {re.escape(str(tmp_path / name))}"):
        read_protocol(tmp_path / name)


def test_table_beside_the_protocol_is_found(tmp_path):
    path = write_protocol(tmp_path)
    assert find_table(read_protocol(path), path) == tmp_path / "full.h5"


def test_table_in_another_folder_is_found(tmp_path):
    (tmp_path / "tables").mkdir()
    (tmp_path / "mine").mkdir()
    sealed(tmp_path / "tables", name="other")
    path = write_protocol(tmp_path / "mine", PROTOCOL.replace('"full.h5"', '"../tables/other.h5"'))
    assert find_table(read_protocol(path), path).samefile(tmp_path / "tables/other.h5")


def test_missing_table_names_protocol_and_what_there_is(tmp_path):
    path = write_protocol(tmp_path, PROTOCOL.replace('"full.h5"', '"fulll.h5"'))
    with pytest.raises(ProtocolError) as caught:
        find_table(read_protocol(path), path)
    said = str(caught.value)
    assert said.startswith(f"{path}: $.table: 'fulll.h5' is neither a table that comes with the package ([")
    assert "nas-bench-201" in said


def test_digest_is_of_the_values_not_of_the_text(tmp_path):
    one = read(tmp_path, PROTOCOL)
    two = read(tmp_path, "# a comment\n" + PROTOCOL.replace("budget = 60", "budget = 6e1"))
    assert digest(one) == digest(two)
    assert digest(one) != digest(read(tmp_path, PROTOCOL.replace("budget = 60", "budget = 61")))
    assert digest({"b": [1, 2.5], "a": None}) == hashlib.sha256(b'{"a":null,"b":[1,2.5]}').hexdigest()


@pytest.mark.parametrize("name", protocol_names())
def test_shipped_protocols_are_sound(name):
    path = Path(str(find_protocol(name)))
    protocol = read_protocol(path)
    assert protocol.name == name
    for entrant in protocol.entrants:
        load_strategy(entrant.strategy).configure(entrant.settings, entrant.variant)
    table = open_table(find_table(protocol, path))
    assert {problem.dataset for problem in protocol.problems} <= set(table.datasets)


def test_budgets_of_nas_bench_201_are_worth_a_hundred_random_cells():
    path = Path(str(find_protocol("nas-bench-201")))
    protocol = read_protocol(path)
    table = open_table(find_table(protocol, path))
    for problem in protocol.problems:
        benchmark = TabularBenchmark(table, problem.dataset)
        everything = np.arange(table.space.size)
        _, costs = benchmark.evaluate_many(everything, everything, benchmark.epochs[-1])
        assert problem.budget == pytest.approx(100 * costs.mean(), rel=1e-5)


def test_the_guide_s_lines_print_a_usual_budget(capsys):
    root = Path(__file__).parent.parent
    guide = (root / "docs" / "guide.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", guide, flags=re.DOTALL | re.MULTILINE)
    exec(code.replace("data/nas-bench-201.h5", str(root / "data" / "nas-bench-201.h5")), {})
    printed = capsys.readouterr().out.strip()
    assert f"this prints {printed}" in guide
    problems = read_protocol(Path(str(find_protocol("nas-bench-201")))).problems
    assert {problem.dataset: problem.budget for problem in problems}["cifar10"] == round(float(printed))
