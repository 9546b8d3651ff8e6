"""A user names a cohort: it is read from wherever it lies."""

import os
from pathlib import Path

import pytest

from t1t2core.cohort.read import read_cohort
from t1t2core.errors import InputError
from t1t2core.settings import CohortSettings


def test_a_cohort_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such cohort"):
        read_cohort(tmp_path / "nowhere", CohortSettings())
    (tmp_path / "heads.xlsx").touch()
    with pytest.raises(InputError, match=r"BIDS folder or a \.csv table"):
        read_cohort(tmp_path / "heads.xlsx", CohortSettings())


def test_an_unknown_name_under_exclude_is_refused_with_the_nearest(tiny_heads: Path) -> None:
    with pytest.raises(InputError, match="'sub-4' is no subject of this cohort; did you mean 'sub-04'"):
        read_cohort(tiny_heads, CohortSettings(exclude=("sub-4",)))


@pytest.mark.parametrize("name", ["x" * 300, "x" * 300 + ".csv", "loop", "dangling.csv", "pipe.csv"])
def test_a_name_that_can_be_no_cohort_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling.csv").symlink_to("nothing")
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(InputError, match="there is no such cohort"):
        read_cohort(tmp_path / name, CohortSettings())
