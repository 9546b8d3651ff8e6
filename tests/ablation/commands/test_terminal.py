"""A command ends as it should, whatever key is pressed last."""

import signal
import subprocess
import sys

import pytest
from rich.table import Table

from ablation.commands.terminal import INTERRUPTED, show

PROGRAM = """
import atexit, os, signal, time, typer
from ablation.commands.terminal import command, imported, start

app = typer.Typer()

class Interrupted:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)

@app.command()
@command
def main() -> int:
    {body}
    return 0

start(app)
"""


def run(body: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", PROGRAM.format(body=body)]
    return subprocess.run(program, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_when_all_is_done_changes_nothing(number: signal.Signals) -> None:
    ended = run(f"atexit.register(os.kill, os.getpid(), {int(number)})")
    assert (ended.returncode, ended.stderr) == (0, "")


def test_an_interrupt_that_comes_while_something_is_finalised_is_not_lost() -> None:
    ended = run("Interrupted(); time.sleep(20)")
    assert ended.returncode == INTERRUPTED
    assert ended.stderr == "interrupted; re-run the same command to resume\n"


def test_neither_what_is_imported_nor_what_is_left_is_looked_through_for_garbage() -> None:
    """Which takes seconds, with all that a command imports."""
    look = "print(len(gc.get_objects()))"
    leave = f"atexit.kept = [[] for _ in range(9000)]; atexit.register(lambda: {look})"
    ended = run(f"import gc; imported('mlflow'); {look}; {leave}")
    assert all(int(seen) < 20000 for seen in ended.stdout.split()), "of over a hundred thousand"
    assert len(ended.stdout.split()) == 2


def test_a_list_in_the_name_of_an_arm_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("arm")
    table.add_row("open augmentation=[contrast]")
    show(table)
    assert "open augmentation=[contrast]" in capsys.readouterr().out
