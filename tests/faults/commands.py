"""Commands as processes of their own, really killed.

They are forked from a process that has imported the product once, since imports take most of the time of
a tiny sweep.
"""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from multiprocessing.forkserver import set_forkserver_preload
from multiprocessing.process import BaseProcess
from pathlib import Path

from ablation.plan.plan import Trial

INJECT = Path(__file__).parent / "inject"
SECONDS = 300.0
"""Within which anything that is waited for must happen, however busy the machine."""
POLL_SECONDS = 0.05
RECORD_PAUSE_SECONDS = 2.0
"""Before a record that did not answer is asked again: long enough to see that it is left alone meanwhile."""


class Command:
    """`python -m ablation.run ARGUMENTS`, at work; what it prints goes to files in its folder."""

    count = 0

    def __init__(self, arguments: list[str], folder: Path, environment: Mapping[str, str]) -> None:
        Command.count += 1
        self.output = folder / f"command-{Command.count}.out"
        self.errors = folder / f"command-{Command.count}.err"
        set_forkserver_preload(["ablation.commands.run", "ablation.report.write", __name__])
        self._process: BaseProcess = multiprocessing.get_context("forkserver").Process(
            target=_main, args=(arguments, self.output, self.errors, dict(environment))
        )
        self._process.start()

    @property
    def pid(self) -> int:
        """Of the driver."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return not self._process.is_alive()

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Sends the driver a signal."""
        os.kill(self.pid, number)

    def wait(self, seconds: float = SECONDS) -> int:
        """Its exit status; that of a killed one is the signal's number, negative."""
        self._process.join(seconds)
        if self._process.exitcode is None:
            self._process.kill()
            raise TimeoutError(f"not over after {seconds:g} s:\n{self.said}")
        return self._process.exitcode

    @property
    def last_line(self) -> str:
        """Of its standard output."""
        return self.output.read_text(encoding="utf-8").strip().rpartition("\n")[2]

    @property
    def said(self) -> str:
        """Its standard error."""
        return self.errors.read_text(encoding="utf-8")


def wait_until(condition: Callable[[], object], what: str, *, seconds: float = SECONDS) -> None:
    """TimeoutError, naming what was waited for, if it does not come."""
    gives_up = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > gives_up:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(POLL_SECONDS)


def family(pid: int) -> dict[int, str]:
    """All processes under this one, with the times they started: numbers are used again."""
    parents = {int(path.name): _status(path) for path in Path("/proc").iterdir() if path.name.isdigit()}
    found: dict[int, str] = {}
    heads = [pid]
    while heads:
        head = heads.pop()
        for child, status in parents.items():
            if status and status[1] == str(head) and child not in found:
                found[child] = status[19]
                heads.append(child)
    return found


def alive(processes: Mapping[int, str]) -> list[int]:
    """Those of these processes that are still there."""
    return [pid for pid, start in processes.items() if started(pid) == start]


def wait_for_end_of_work(processes: Mapping[int, str]) -> None:
    """Until nothing of Ray's can work any more: its agents only find out within a minute that it is gone."""
    wait_until(
        lambda: all(_name(pid).endswith("Agent") for pid in alive(processes)), "Ray ends with its driver"
    )


def started(pid: int) -> str:
    """When the process started; '' if it is gone."""
    status = _status(Path(f"/proc/{pid}"))
    return status[19] if status and status[0] != "Z" else ""


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace").strip("\0 ")
    except OSError:
        return ""


def _status(process: Path) -> list[str]:
    """Fields of proc(5) from the third, the state, on; empty if it is gone."""
    try:
        return (process / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _seconds(estimator: object, trial: Trial, size: int) -> float:
    """So that the order of the trials does not depend on how fast the machine is: the deepest first."""
    return {"fc": 2.0, "9": 3.0, "15": 4.0}.get(str(trial.point.tuned_layers), 1.0)


def _main(arguments: list[str], output: Path, errors: Path, environment: dict[str, str]) -> None:
    os.setsid()
    for number, path in ((0, Path(os.devnull)), (1, output), (2, errors)):
        flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        os.dup2(os.open(path, flags, 0o644), number)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    os.environ.update(environment)
    sys.argv = ["ablation.run", *arguments]
    import pandas as pd

    from ablation.commands import run, terminal
    from ablation.record import delivery, recorder
    from ablation.report import write
    from ablation.store import storage
    from ablation.sweep.estimate import Estimator
    from ablation.sweep.preflight import FirstStep
    from tests.faults.inject import sitecustomize

    # The report reads only what is recorded, and takes longer than the sweep.
    write.write_report = lambda *_: pd.DataFrame()
    Estimator.seconds = _seconds  # type: ignore[assignment,method-assign]
    if "FAULTS_PREFLIGHT" not in environment:
        # It starts a worker of its own, which takes seconds.
        FirstStep.__init__ = lambda *_: None  # type: ignore[method-assign]
        FirstStep.share = lambda _: 1.0  # type: ignore[method-assign]
    sitecustomize.FOLDER = Path(environment["FAULTS"])
    sitecustomize.shorten_patience(storage)
    delivery.PAUSE_SECONDS = RECORD_PAUSE_SECONDS
    recorder.DELIVERY_SECONDS = float(environment.get("FAULTS_DELIVERY", recorder.DELIVERY_SECONDS))
    terminal.start(run.app)
