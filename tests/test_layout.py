"""The floor that everything stands on: who may import whom, what an import costs, how long a file is, what is packaged."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CODE = ("nasbench", "baselines", "analysis")
FILES = sorted(path for folder in CODE for path in (ROOT / folder).rglob("*.py"))

TORCH_FREE = (
    *("search_space", "space", "skeleton", "query", "table", "sealed", "soundness", "tabular", "search", "record"),
    *("protocol", "settings", "load", "provenance", "plan", "chunk_worker", "experiment", "cli", "run_command"),
    *("measures", "pareto", "warm_start", "sources", "compare_command", "findings_command", "cli_optimizers"),
    *(
        "proxy_table",
        "proxy_beside",
        "proxy_command",
        "experiment_json",
        "predictor_command",
        "predictor_quality",
        "table_file",
    ),
    *("optimizer_method", "optimizer_table", "optimizer_seal", "optimizer_protocol", "optimizer_command"),
)

STRATEGY_MAY = {
    "nasbench.space",
    "nasbench.query",
    "nasbench.load",
    "nasbench.settings",
    "nasbench.pareto",
    "numpy",
    "scipy",
}
STRATEGY_MAY_INSIDE = {"torch", "ot"}

NAMES_OF_OTHERS = {"api", "lib", "scripts", "nasbench"}
"""Module names that would collide with NAS-Bench-101's package of the same import name."""


def name_of(path):
    """Return the module name under which a file is installed."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts if parts[0] == "nasbench" else ("nasbench", *parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in FILES}


def imports(path, *, everywhere):
    """Return the absolute names of the modules that a file imports, at its top level or anywhere.

    Code under `if TYPE_CHECKING` is never run; class bodies, `try` and `if` at the top level are.
    """
    package = name_of(path) if path.name == "__init__.py" else name_of(path).rpartition(".")[0]
    found = set()

    def visit(node):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) and not everywhere:
            return
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level <= 1, f"{path}: relative import from a parent"
            base = ".".join(filter(None, [package if node.level else "", node.module or ""]))
            # `from package import module` imports the module as well.
            inner = {f"{base}.{alias.name}" for alias in node.names} & MODULES.keys()
            found.update(inner or {base})
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    return found


def reachable(name, *, everywhere):
    """Return all modules that importing a module of ours brings in, as far as our own files tell."""
    found, waiting = set(), [name]
    while waiting:
        module = waiting.pop()
        if module in found:
            continue
        found.add(module)
        if module in MODULES:
            waiting.extend(imports(MODULES[module], everywhere=everywhere))
    return found


def top(name):
    return name.partition(".")[0]


ANALYSIS = [name for name in MODULES if name.startswith("nasbench.analysis")]


@pytest.mark.parametrize("name", [*(f"nasbench.{name}" for name in TORCH_FREE), *ANALYSIS])
def test_no_torch_at_any_depth(name):
    """At its top level nothing may lead to torch through any number of files; the file itself has it nowhere."""
    assert "torch" not in {top(module) for module in reachable(name, everywhere=False)}
    assert not {"torch", "torchvision"} & {top(module) for module in imports(MODULES[name], everywhere=True)}


@pytest.mark.parametrize("name", ["search", "tabular", "record", "protocol", "query", "space", "table", "sealed"])
def test_no_torch_inside_functions_of_what_these_files_use(name):
    assert "torch" not in {top(module) for module in reachable(f"nasbench.{name}", everywhere=True)}


def strategies(underscore):
    paths = sorted((ROOT / "baselines/strategies").glob("*.py"))
    return [path for path in paths if path.name != "__init__.py" and (path.name[0] == "_") == underscore]


@pytest.mark.parametrize("path", strategies(False) + strategies(True), ids=lambda path: path.stem)
def test_strategy_imports_space_query_numbers_and_parts_beside_it(path):
    # `_opponent` fences libraries that draw from the global generator of `random`; nobody else may touch it.
    standard = sys.stdlib_module_names - ({"random"} if path.stem != "_opponent" else set())
    for everywhere, more in ((False, set()), (True, STRATEGY_MAY_INSIDE)):
        for module in imports(path, everywhere=everywhere):
            if module.startswith("nasbench.baselines.strategies."):
                assert module.rpartition(".")[2].startswith("_"), f"{module} is a strategy, not a shared part"
                continue
            allowed = module in STRATEGY_MAY or top(module) in standard | {"numpy", "scipy"} | more
            assert allowed, f"{path.name} imports {module}{'' if everywhere else ' at its top level'}"


def test_some_strategies_were_found():
    assert {"random_search", "regularized_evolution", "local_search", "reinforce"} <= {
        path.stem for path in strategies(False)
    }


def test_import_graph_has_no_cycle():
    graph = {name: imports(path, everywhere=False) & MODULES.keys() for name, path in MODULES.items()}
    settled = set()

    def walk(name, trail):
        assert name not in trail, " -> ".join([*trail[trail.index(name) :], name])
        if name not in settled:
            for other in sorted(graph[name]):
                walk(other, [*trail, name])
            settled.add(name)

    for name in graph:
        walk(name, [])
    assert settled == MODULES.keys()


def test_library_imports_no_baseline_and_no_analysis_at_its_top_level():
    outside = {"nasbench.baselines", "nasbench.analysis", "nasbench.protocols", "nasbench.data"}
    for name, path in MODULES.items():
        if path.parts[len(ROOT.parts)] == "nasbench":
            used = imports(path, everywhere=False)
            assert not {module for module in used if ".".join(module.split(".")[:2]) in outside}, name


def loaded_after(code):
    script = f"{code}\nimport sys\nprint(*sorted(sys.modules))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {top(name) for name in result.stdout.splitlines()[-1].split()}


def test_importing_the_package_brings_in_nothing_heavy():
    loaded = loaded_after("import nasbench")
    assert "numpy" in loaded
    assert not loaded & {"torch", "torchvision", "pandas", "matplotlib", "h5py", "scipy", "rich", "msgspec"}


def test_comparison_on_a_table_needs_no_torch():
    names = [f"nasbench.{name}" for name in TORCH_FREE] + ANALYSIS
    loaded = loaded_after("\n".join(f"import {name}" for name in names))
    assert {"h5py", "pandas", "matplotlib"} <= loaded
    assert not loaded & {"torch", "torchvision"}


def test_listing_the_strategies_needs_no_torch():
    loaded = loaded_after("from nasbench.cli import main\nassert main(['list', 'strategies', '--format', 'csv']) == 0")
    assert not loaded & {"torch", "torchvision", "pandas", "matplotlib"}


# Files ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_file_has_at_most_400_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("path", sorted((ROOT / "tests").glob("*.py")), ids=lambda path: path.name)
def test_test_file_has_at_most_550_lines(path):
    """A list of cases may be longer than code."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 550


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_file_is_named_as_itself(path):
    assert path.stem not in NAMES_OF_OTHERS
    if path.stat().st_size and path.name != "__init__.py":
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), "the first line says what the file is"


def tracked():
    result = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if result.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in result.stdout.decode().split("\0") if name]


MACHINE = re.compile(rb"(?<![\w.~}$>)/-])/(?:home|root|Users|work|mnt|srv|tmp/\w)[/\w]", re.ASCII)


def test_no_machine_path_in_tracked_files():
    found = []
    for path in tracked():
        if not path.is_file() or path.suffix in (".h5", ".png", ".pdf"):
            continue
        for number, line in enumerate(path.read_bytes().splitlines(), start=1):
            if MACHINE.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line[:100]!r}")
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("text", "caught"),
    [
        (b"|home|anna|x", True),
        (b'open("|work|main")', True),
        (b"see |Users|anna", True),
        (b"|tmp|w|x", True),
        (b"https:||example.org|home|x", False),
        (b"a folder of |tmp", False),
        (b"work|main", False),
    ],
)
def test_machine_path_is_recognised(text, caught):
    """A bar stands for the slash, or the examples would be found in this very file."""
    assert bool(MACHINE.search(text.replace(b"|", b"/"))) == caught


# Packaging ------------------------------------------------------------------------------------------------------------


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_every_package_folder_is_packaged():
    declared = project()["tool"]["setuptools"]
    folders = {"nasbench": "nasbench"} | declared["package-dir"]
    found = set()
    for package, folder in folders.items():
        for init in (ROOT / folder).rglob("__init__.py"):
            inner = init.parent.relative_to(ROOT / folder).parts
            found.add(".".join([package, *inner]))
    assert found == set(declared["packages"])
    assert {path.parent for path in FILES} <= {path.parent for path in (ROOT).rglob("__init__.py")}


def test_files_that_are_no_code_are_packaged():
    patterns = project()["tool"]["setuptools"]["package-data"]
    folders = project()["tool"]["setuptools"]["package-dir"]
    for package, folder in {**folders, "nasbench.recipes": "nasbench/recipes"}.items():
        for path in (ROOT / folder).iterdir():
            if path.is_file() and path.suffix != ".py":
                assert any(path.match(pattern) for pattern in patterns.get(package, [])), path.name


def test_core_dependencies_are_the_few_that_a_comparison_needs():
    names = {re.split(r"[<>=~ ]", line)[0] for line in project()["project"]["dependencies"]}
    assert names == {"numpy", "scipy", "pandas", "h5py", "matplotlib", "msgspec", "rich", "threadpoolctl", "jinja2"}


def test_third_party_imports_are_declared():
    """Core code imports core dependencies at its top level; what the extras bring is imported where it is used or live."""
    ours = project()["project"]
    core = {re.split(r"[<>=~ ]", line)[0] for line in ours["dependencies"]}
    known = core | sys.stdlib_module_names | {"nasbench"}
    live = {"torch", "torchvision"}
    for name, path in MODULES.items():
        strange = {top(module) for module in imports(path, everywhere=False)} - known
        assert strange <= live, f"{name} imports {strange - live} at its top level"


def test_version_is_one():
    import nasbench

    assert project()["project"]["version"] == nasbench.__version__
