"""Somebody whose sweep does not work asks the doctor."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

import ablation
from ablation.commands.doctor import app
from tests.conftest import Record

ROOT = Path(__file__).parents[3]
LINE = re.compile(r"(ok|warn|fail) {1,3} [\w' ]+: \S.*")
LAST = re.compile(r"(\d+) checks: (\d+) ok, (\d+) to look at, (\d+) failed")


def counted(said: str) -> list[int]:
    """Numbers of the last line: checks, ok, to look at, failed. Every other line is a finding."""
    *lines, last = said.splitlines()
    assert [line for line in lines if not LINE.fullmatch(line)] == []
    found = LAST.fullmatch(last)
    assert found, last
    numbers = [int(number) for number in found.groups()]
    assert numbers[0] == len(lines) == sum(numbers[1:])
    return numbers


@pytest.mark.slow
def test_a_machine_that_works_gets_status_0_and_keeps_nothing(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "ablation.doctor"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout
    assert counted(ended.stdout)[3] == 0
    assert list(tmp_path.iterdir()) == []


def test_what_fails_is_told_beside_what_does_not_and_gives_status_1(
    tmp_path: Path, add_record: Callable[[Path], Record]
) -> None:
    add_record(tmp_path / "runs")
    asked = ["--output", str(tmp_path / "runs"), "--storage", "nowhere://bucket"]
    given = CliRunner().invoke(app, asked)
    assert given.exit_code == 1
    assert counted(given.stdout)[3] == 1
    assert "fail  storage: storage nowhere://bucket: " in given.stdout
    assert re.search(r"^(ok|warn) +record: sqlite:\S+ answers: ", given.stdout, flags=re.MULTILINE)


def test_arguments_that_cannot_be_are_one_message_and_status_2(tmp_path: Path) -> None:
    """A database there is none of; and an option that the command does not have."""
    given = CliRunner().invoke(app, ["--tracking-uri", f"sqlite:///{tmp_path}/what?/mlflow.db"])
    assert (given.exit_code, given.stdout) == (2, "")
    assert len(given.stderr.splitlines()) == 1
    assert CliRunner().invoke(app, ["--space", "mine.yaml"]).exit_code == 2


@pytest.mark.slow
def test_a_library_that_cannot_be_loaded_is_a_finding(tmp_path: Path) -> None:
    """As torch is where its build does not fit the machine."""
    (tmp_path / "torch.py").write_text("raise ImportError('libcudart.so.13: cannot open')", encoding="utf-8")
    ended = subprocess.run(
        [sys.executable, "-m", "ablation.doctor"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (1, "")
    first, last = ended.stdout.splitlines()
    assert first.startswith("fail  versions: libcudart.so.13: cannot open; install anew: pip install")
    assert last == "1 check: 0 ok, 0 to look at, 1 failed"


def test_python_gets_the_findings_too(tmp_path: Path) -> None:
    findings = ablation.examine(output=tmp_path / "runs")
    assert [finding.name for finding in findings][:2] == ["versions", "cores"]
    assert {finding.status for finding in findings} <= {"ok", "warn", "fail"}
    assert list(tmp_path.iterdir()) == []
