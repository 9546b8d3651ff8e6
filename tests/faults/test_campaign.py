"""Ten kills at random; `python -m tests.faults.campaign` makes as many as you like."""

import random
from pathlib import Path

import pytest

from tests.faults.bench import Bench
from tests.faults.campaign import Campaign, run_campaign
from tests.faults.conftest import Undisturbed

KILLS, SEED = 10, 4


@pytest.mark.exhaustive
def test_nothing_is_lost_doubled_left_or_different(
    undisturbed: Undisturbed,
    tiny_heads: Path,
    blank_record: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def new_bench(number: int) -> Bench:
        return Bench(tmp_path / f"sweep-{number}", tiny_heads, blank_record, undisturbed.store)

    assert run_campaign(Campaign(KILLS, random.Random(SEED), undisturbed.results, new_bench))
    line = capsys.readouterr().out.strip().splitlines()[-1]
    assert line.startswith(f"kills {KILLS}, trials ")
    assert line.endswith("lost 0, doubled 0, left RUNNING 0, differing 0")
