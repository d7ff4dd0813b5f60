"""Every example in a docstring of the package, executed."""

import doctest
import importlib
import pkgutil

import pytest

import nasbench
import nasbench.analysis
import nasbench.baselines.optimizers
import nasbench.baselines.strategies

PACKAGES = (nasbench, nasbench.analysis, nasbench.baselines.strategies, nasbench.baselines.optimizers)
EXTRAS = {"torch", "torchvision", "mnist1d", "sklearn", "mlxtend", "ray", "ot"}
"""What a module may need that a comparison on a table does not."""

MODULES = sorted(
    {package.__name__ for package in PACKAGES}
    | {
        f"{package.__name__}.{module.name}"
        for package in PACKAGES
        for module in pkgutil.iter_modules(package.__path__)
        if not module.ispkg
    }
)


def load(name):
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in EXTRAS:
            pytest.skip(f"{name} needs {error.name}")
        raise


@pytest.mark.parametrize("name", MODULES)
def test_examples_give_what_they_say(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # an example that writes a file writes it here
    result = doctest.testmod(load(name))
    assert result.failed == 0


def test_examples_were_found():
    finder = doctest.DocTestFinder()
    examples = sum(
        len(test.examples)
        for name in ("nasbench", "nasbench.space", "nasbench.search", "nasbench.run_command")
        for test in finder.find(importlib.import_module(name))
    )
    assert examples >= 8
    assert len(MODULES) > 40


def test_a_wrong_example_is_caught():
    wrong = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    runner = doctest.DocTestRunner(verbose=False)
    assert runner.run(wrong, out=lambda text: None).failed == 1
