"""Ten kills at random; `python -m tests.faults.campaign` makes as many as you like."""

from pathlib import Path

import pytest

from tests.faults.campaign import run_campaign

KILLS, SEED = 10, 4


@pytest.mark.slow
def test_nothing_is_lost_doubled_left_or_different(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_campaign(KILLS, SEED, tmp_path)
    line = capsys.readouterr().out.strip().splitlines()[-1]
    assert line.startswith(f"kills {KILLS}, trials ")
    assert line.endswith("lost 0, doubled 0, left RUNNING 0, differing 0")
