"""`make table-small`, whole: built from nothing, killed, resumed, verified, audited, searched, and searched live."""

import pytest

from nasbench import demo_small
from nasbench.sealed import open_table


@pytest.mark.slow
@pytest.mark.live
def test_the_demonstration_holds(tmp_path, capfd):
    pytest.importorskip("torch")
    assert demo_small.main(["--folder", str(tmp_path / "small")]) == 0
    said = capfd.readouterr().out
    table = open_table(tmp_path / "small" / "digits-small.h5")
    assert len(table.architectures) == 78 and table.datasets["digits"].status.shape == (78, 2)
    assert "sound, every check passed" in said and "audit passed" in said and "equal bit for bit" in said
    assert said.count("$ nasbench build digits-small") == 2
    assert table.metadata["build"]["trained_twice"] == 0
    assert len(table.metadata["build"]["damage"]) == 0
    assert demo_small.main(["--folder", str(tmp_path / "small")]) == 2  # it starts from nothing or not at all
