"""The record tells which code made its numbers, and what speaks against the machine."""

import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
import torch

import ablation
from ablation.space.resources import Resources
from ablation.sweep.provenance import git_commit, machine_warnings

ROOT = Path(ablation.__file__).parents[1]


def test_the_commit_is_recorded_or_unknown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert git_commit()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_commit() == "unknown"


def test_an_image_says_which_commit_it_is_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It has neither git nor a checkout; where there is a checkout, that counts."""
    monkeypatch.setenv("T1T2_COMMIT", "of-the-image")
    assert git_commit() != "of-the-image"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_commit() == "of-the-image"


def git(folder: Path, *command: str) -> str:
    who = ["-c", "user.name=me", "-c", "user.email=me@localhost"]
    asked = subprocess.run(["git", *who, *command], cwd=folder, capture_output=True, text=True, check=True)
    return asked.stdout.strip()


def test_the_commit_of_a_repository_that_only_surrounds_the_code_is_none_of_ours(tmp_path: Path) -> None:
    """As in a virtual environment inside somebody's own project."""
    site = tmp_path / ".venv" / "site-packages"
    for package in ("ablation", "t1t2core"):
        shutil.copytree(ROOT / package, site / package, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "analysis.py").touch()
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "analysis.py")
    git(tmp_path, "commit", "--quiet", "--message", "mine")

    def told() -> str:
        look = "from ablation.sweep.provenance import git_commit; print(git_commit())"
        return subprocess.run(
            [sys.executable, "-c", look], cwd=site, capture_output=True, text=True, check=True
        ).stdout.strip()

    assert told() == "unknown"
    git(tmp_path, "add", "--force", ".venv")
    git(tmp_path, "commit", "--quiet", "--message", "a checkout of the code")
    assert told() == git(tmp_path, "rev-parse", "HEAD")


def workspace_of(precision: str, gpus: float | str = "auto") -> Any:
    return SimpleNamespace(
        space=SimpleNamespace(resources=Resources(gpus=gpus)), study=SimpleNamespace(precision=precision)
    )


def test_a_cudnn_that_is_bad_at_bfloat16_is_told_where_it_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 91002)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", Mock(return_value=True))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert machine_warnings(workspace_of("bfloat16")) == []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    (warning,) = machine_warnings(workspace_of("bfloat16"))
    assert warning.startswith("cuDNN 9.10 ")
    assert "9.15 or newer" in warning
    assert machine_warnings(workspace_of("float32")) == []
    assert machine_warnings(workspace_of("bfloat16", gpus=0)) == []
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 91500)
    assert machine_warnings(workspace_of("bfloat16")) == []
