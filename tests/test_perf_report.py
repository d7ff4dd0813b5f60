"""`python -m nasbench.perf_report` compares like with like: sound records, and an alternative that gives the same numbers."""

import numpy as np
import pytest

from nasbench import perf_report
from nasbench.analysis.comparison import compare


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return perf_report.make_records(tmp_path_factory.mktemp("records"), 30, entrants=4, problems=2)


def test_records_are_sound_and_made_again_byte_for_byte(folder, tmp_path):
    found = compare(folder)
    assert found.faults == () and len(found.scores) == 8
    assert found.reference == "random_search"
    queries = found.scores["problem-0", "entrant-03"].queries[:, -1]
    assert 90 <= queries.min() <= queries.max() <= 115
    again = perf_report.make_records(tmp_path, 30, entrants=4, problems=2)
    for path in folder.rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (again / path.relative_to(folder)).read_bytes()


def test_pandas_and_scipy_give_the_same_numbers(folder):
    ours, theirs = compare(folder), perf_report.by_hand(folder)
    for key, scores in ours.scores.items():
        np.testing.assert_allclose(scores.summary.mean, theirs["mean"][key], rtol=1e-12)
        mean, low, high = theirs["curve"][key]
        np.testing.assert_allclose(scores.seconds.regret.mean, mean, rtol=1e-12)
        for mine, other in ((scores.seconds.regret.low, low), (scores.seconds.regret.high, high)):
            np.testing.assert_allclose(mine, other, atol=0.25 * float(np.max(high - low)))
    names = ours.tested["problem-1"]
    assert len(theirs["p_value"]) == 2 * 3 * 6
    for (problem, place, entrant, other), p_value in theirs["p_value"].items():
        tests = ours.tests[problem][place]
        assert tests.p_value[names.index(entrant), names.index(other)] == pytest.approx(p_value, abs=1e-12)


def test_a_process_is_measured():
    found = perf_report.measure("a sum", 3, "sum(range(10**6)); kept = bytearray(3 * 10**7)")
    assert found.what == "a sum" and found.runs == 3
    assert 0.01 < found.seconds < 60 and 30 < found.megabytes < 2000


def test_what_was_measured_is_printed(capsys):
    perf_report.show(
        [perf_report.Measured("everything", 60_000, 31.25, 412.4), perf_report.Measured("a part", 9, 1, 2)]
    )
    text = capsys.readouterr().out
    assert "31.2" in text and "412" in text and text.count("60 s, 1,000 MB") == 1
