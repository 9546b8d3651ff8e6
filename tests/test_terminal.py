"""A command ends as it should, whatever key is pressed last."""

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import atexit, os, typer
from ablation.terminal import command, start

app = typer.Typer()

@app.command()
@command
def main() -> int:
    atexit.register(os.kill, os.getpid(), {number})
    return 0

start(app)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_when_all_is_done_changes_nothing(number: signal.Signals) -> None:
    program = [sys.executable, "-c", PROGRAM.format(number=int(number))]
    ended = subprocess.run(program, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
