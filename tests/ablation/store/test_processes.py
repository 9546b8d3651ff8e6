"""Processes beside a command: they run no script again, and end with the command."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.faults.commands import started, wait_until

SCRIPT = """
import math
from ablation.store.processes import helpers

print("the script")
with helpers(2) as pool:
    print(list(pool.map(math.sqrt, [1, 4, 9])))
"""
SLEEPER = """
import os
import time
from ablation.store.processes import helpers

pool = helpers(1)
print(pool.submit(os.getpid).result(), flush=True)
pool.submit(time.sleep, 600)
time.sleep(600)
"""


def test_a_user_s_script_needs_no_guard(tmp_path: Path) -> None:
    script = tmp_path / "study.py"
    script.write_text(SCRIPT, encoding="utf-8")
    ended = subprocess.run([sys.executable, script], capture_output=True, encoding="utf-8", check=False)
    assert (ended.stdout, ended.returncode) == ("the script\n[1.0, 2.0, 3.0]\n", 0), ended.stderr


def test_they_end_with_a_command_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "study.py"
    script.write_text(SLEEPER, encoding="utf-8")
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, encoding="utf-8") as command:
        assert command.stdout is not None
        helper = int(command.stdout.readline())
        os.kill(command.pid, signal.SIGKILL)
    wait_until(lambda: not started(helper), "the helper has ended")
