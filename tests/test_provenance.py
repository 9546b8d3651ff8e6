"""The record tells which code made its numbers."""

from pathlib import Path

import pytest

from ablation.provenance import git_commit


def test_the_commit_is_recorded_or_unknown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert git_commit()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_commit() == "unknown"
