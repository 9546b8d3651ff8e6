"""The benchmark that a GPU machine runs, gone through on a CPU: its figures mean nothing here."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.gpu.__main__ import STAGES
from tests.benchmarks.gpu.bench import FILE

pytestmark = [pytest.mark.slow, pytest.mark.exhaustive]

ROOT = Path(__file__).parents[2]
OF_COMMANDS = ("product", "crowded")
"""Stages that need prepared volumes, and start clusters."""


def rehearse(out: Path, *options: str) -> tuple[int, dict[str, Any]]:
    """Give the command; its exit status and what it found."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.gpu", "--rehearse", "--out", str(out), *options],
        cwd=ROOT,
        check=False,
        timeout=1000,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    return done.returncode, json.loads((out / FILE).read_text(encoding="utf-8"))


def parts(found: Any) -> Iterator[dict[str, Any]]:
    """All tables in what was found, the outer ones first."""
    if isinstance(found, dict):
        yield found
        for value in found.values():
            yield from parts(value)


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, dict[str, Any]]:
    return rehearse(tmp_path_factory.mktemp("gpu"))


def test_it_goes_through_every_stage_without_an_error(rehearsed: tuple[int, dict[str, Any]]) -> None:
    status, found = rehearsed
    assert [part for part in parts(found) if "error" in part] == []
    assert found["verdict"]["bad"] == {}
    assert status == 0
    assert list(found["seconds"]) == list(STAGES)
    assert found.keys() >= STAGES.keys()


def test_it_says_that_it_is_a_rehearsal(rehearsed: tuple[int, dict[str, Any]]) -> None:
    assert "nothing else" in rehearsed[1]["rehearsal"]


def test_stages_without_what_they_need_are_skipped_by_name(rehearsed: tuple[int, dict[str, Any]]) -> None:
    skipped = rehearsed[1]["verdict"]["skipped"]
    assert sorted(skipped) == sorted(f"{name}/all" for name in (*OF_COMMANDS, "compiled"))


@pytest.mark.exhaustive
def test_its_commands_run_from_prepared_volumes(prepared_heads: Path, tmp_path: Path) -> None:
    shutil.copytree(prepared_heads, tmp_path / "runs" / "store")
    only = [word for name in OF_COMMANDS for word in ("--only", name)]
    status, found = rehearse(tmp_path / "out", "--runs", str(tmp_path / "runs"), *only)
    assert status == 0, found["verdict"]
    assert found["verdict"]["skipped"] == []
    assert found["product"]["again"]["reused"] == 1
