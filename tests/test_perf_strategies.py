"""Measuring how long strategies think, and the page that lists them all."""

from pathlib import Path

import pytest

from nasbench.load import load_strategy, strategy_names
from nasbench.perf_strategies import Thinking, line, page, think
from nasbench.space import CELL201
from nasbench.synthetic import SyntheticBenchmark

ROOT = Path(__file__).resolve().parent.parent


def test_a_run_is_cut_off_after_its_queries():
    for name in ("random_search", "hyperband"):
        seconds, made = think(load_strategy(name), SyntheticBenchmark(CELL201), 7, seed=0)
        assert made == 7
        assert seconds > 0.0


def test_lines_and_page():
    fast = Thinking(load_strategy("random_search"), (0.1, 0.3, 0.2), 150)
    slow = Thinking(load_strategy("bananas"), (11.0,), 150)
    absent = Thinking(load_strategy("tpe"), (), 0, "needs a library")
    assert line(fast).split()[:3] == ["random_search", "0.200", "s"]
    assert "MORE THAN 10 s" in line(slow) and "MORE" not in line(fast)
    assert line(absent).endswith("not run: needs a library")
    rows = [row for row in page([slow, fast, absent], 150).splitlines() if row.startswith("| ") and "`" in row]
    assert [row.split("`")[1] for row in rows] == ["bananas", "tpe", "random_search"]  # by family, then name
    assert "| 0.200 |" in rows[2] and "| not run |" in rows[1]


@pytest.mark.parametrize("name", strategy_names())
def test_the_shipped_page_has_every_strategy(name):
    """A strategy that is missing: `python -m nasbench.perf_strategies --page docs/strategies.md`."""
    assert f"| `{name}` |" in (ROOT / "docs" / "strategies.md").read_text()
