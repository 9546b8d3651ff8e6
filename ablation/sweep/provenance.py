"""What a record tells of where its numbers come from: code, machine, command, patients."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import torch

from ablation.names import COHORT_FINGERPRINT, DESIGN, GIT_COMMIT, HARDWARE, SIMULATED
from ablation.record.space_file import file_tags
from ablation.sweep.workspace import Workspace
from ablation.worker.gpu import why_weak
from ablation.worker.machine import this_machine
from t1t2core.cohort.roles import count_overlap
from t1t2core.training.compute import device_here
from t1t2core.version import SCIENCE_VERSION

LIBRARIES = ("torch", "ray", "mlflow", "numba", "numpy")
"""Whose versions the record keeps."""
COMMIT_OF_IMAGE = "T1T2_COMMIT"
"""Environment variable with the commit that an image was built from, as the Dockerfile sets it."""


def plan_tags(workspace: Workspace) -> dict[str, str]:
    """Return the tags of a plan's parent run."""
    overlap = {
        f"overlap.fold_{split.fold}.{name}": str(number)
        for split in workspace.study.splits
        for name, number in count_overlap(split).items()
    }
    return {
        **trial_tags(workspace),
        **overlap,
        **file_tags(workspace.space.source),
        DESIGN: workspace.space.design.model_dump_json(by_alias=True),
        "warnings": "; ".join([*machine_warnings(workspace), *workspace.cohort.warnings]),
        "command": workspace.request.command,
        "machine": platform.platform(),
        "version": plan_version(),
        "libraries": ", ".join(f"{name} {version(name)}" for name in LIBRARIES),
        "cohort": workspace.cohort.name,
        SIMULATED: str(workspace.cohort.simulated),
        "preset": workspace.preset,
        "overrides": " ".join(workspace.request.overrides),
    }


def machine_warnings(workspace: Workspace) -> list[str]:
    """Return what speaks against this machine, and those of a cluster like it; a sentence each."""
    device = device_here(kind="cpu" if workspace.space.resources.gpus == 0 else None)
    if device.kind == "cpu" or workspace.study.precision != "bfloat16":
        return []
    return [reason] if (reason := why_weak(torch.backends.cudnn.version())) else []


def trial_tags(workspace: Workspace) -> dict[str, str]:
    """Return the tags of every trial, and of the pretrained networks."""
    return {
        COHORT_FINGERPRINT: workspace.study.cohort_fingerprint,
        GIT_COMMIT: git_commit(),
        HARDWARE: this_machine(workspace.study.device.kind),
    }


def plan_version() -> str:
    """Return the version of this product and of its science."""
    return f"{version('t1t2-ablation')}, science {SCIENCE_VERSION}"


def git_commit() -> str:
    """Return the commit of the checkout that the code runs from, or what an image says, or `unknown`.

    A copy that is installed somewhere inside another repository is none of its files.
    """
    if not _git("ls-files", "--error-unmatch", Path(__file__).name):
        return os.environ.get(COMMIT_OF_IMAGE) or "unknown"
    return _git("rev-parse", "HEAD") or "unknown"


def _git(*command: str) -> str:
    """Return what git says beside this file; empty where it fails or is not there."""
    folder = Path(__file__).parent
    try:
        asked = subprocess.run(["git", *command], cwd=folder, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return asked.stdout.strip() if asked.returncode == 0 else ""
