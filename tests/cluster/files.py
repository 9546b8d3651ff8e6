"""The cluster files as they are, and the commands at their heads."""

import re
import shutil
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
CLUSTER = ROOT / "cluster"
NAMES = ("up", "submit", "watch", "fetch", "down")
NAMES_IN_A_QUEUE = ("submit", "watch", "fetch", "more", "down")
"""Of a cluster that is there, and gives machines in its turn."""
NAMES_ON_SLURM = ("submit", "watch", "fetch", "more", "cancel")
"""The same in Slurm's own word for the last."""


def commands_of(file: Path) -> dict[str, str]:
    """The five commands that a file begins with, by name; one that goes on in the next line is one."""
    head = "\n".join(line for line in _head(file)).replace("\\\n", " ")
    names = "|".join(dict.fromkeys(NAMES + NAMES_IN_A_QUEUE + NAMES_ON_SLURM))
    found = re.findall(rf"^ +({names}) {{2,}}(.+)$", head, flags=re.MULTILINE)
    return {name: re.sub(r" +", " ", command) for name, command in found}


def manifests(name: str) -> dict[str, dict[str, Any]]:
    """The documents of a Kubernetes file by kind, of which it has one each."""
    documents = list(yaml.safe_load_all((CLUSTER / name).read_text(encoding="utf-8")))
    by_kind = {document["kind"]: document for document in documents}
    assert len(by_kind) == len(documents)
    return by_kind


def copy_tree(to: Path) -> None:
    """What of a working tree the cluster files send to the machines."""
    for folder in ("ablation", "t1t2core", "search_spaces", "cluster"):
        shutil.copytree(ROOT / folder, to / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("constraints.txt", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, to / name)
    shutil.copytree(ROOT / ".git", to / ".git")


def _head(file: Path) -> list[str]:
    """The comment at the beginning, without its marks."""
    lines = file.read_text(encoding="utf-8").splitlines()
    end = next(number for number, line in enumerate(lines) if not line.startswith("#"))
    return [line.removeprefix("#") for line in lines[:end]]
