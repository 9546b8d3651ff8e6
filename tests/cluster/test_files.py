"""What holds for all cluster files."""

import shlex
from pathlib import Path

import pytest
import typer

from ablation.commands import run
from tests.cluster.files import CLUSTER, NAMES, NAMES_IN_A_QUEUE, NAMES_ON_SLURM, ROOT, commands_of

FILES = sorted(CLUSTER.glob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_begins_with_the_five_commands_that_use_it(file: Path) -> None:
    assert tuple(commands_of(file)) == (NAMES_IN_A_QUEUE if file.stem == "kueue" else NAMES)


@pytest.mark.parametrize("file", sorted(CLUSTER.glob("slurm*.sh")), ids=lambda file: file.stem)
def test_those_for_slurm_do_too_and_submit_themselves(file: Path) -> None:
    commands = commands_of(file)
    assert tuple(commands) == NAMES_ON_SLURM
    assert commands["submit"].startswith(f"sbatch cluster/{file.name} --space search_spaces/")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_command_that_is_submitted_is_one_of_ours(file: Path) -> None:
    """Its options are there, and so is its search space."""
    text = " ".join(file.read_text(encoding="utf-8").split())
    given = text.partition("python -m ablation.run ")[2].partition("'")[0].partition(" shutdownAfter")[0]
    words = shlex.split(given)
    known = {name for option in typer.main.get_command(run.app).params for name in option.opts}
    assert {word for word in words if word.startswith("--")} <= known
    space = words[words.index("--space") + 1].rpartition("search_spaces/")[2]
    assert (ROOT / "search_spaces" / space).exists()
