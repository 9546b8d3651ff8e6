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
from functools import partial
from importlib import import_module
from multiprocessing.forkserver import ensure_running, set_forkserver_preload
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

INJECT = Path(__file__).parent / "inject"
TOKENS = "RAY_AUTH_MODE"
"""Ray sets it in a process that has had a Ray of its own, and reads it where it is imported."""
SECONDS = 300.0
"""Within which anything that is waited for must happen, however busy the machine."""
POLL_SECONDS = 0.05


class Process:
    """A function at work in a process of its own; what it prints goes to files in a folder.

    Args:
        body: may end with `SystemExit`.
        environment: variables beside those of this process, or in the place of them if `alone`.
    """

    count = 0

    def __init__(
        self,
        body: Callable[[], object],
        folder: Path,
        environment: Mapping[str, str] | None = None,
        *,
        alone: bool = False,
    ) -> None:
        Process.count += 1
        self.output = folder / f"command-{Process.count}.out"
        self.errors = folder / f"command-{Process.count}.err"
        _start_server()
        variables = {**({} if alone else os.environ), **(environment or {})}
        if not alone:
            variables.pop(TOKENS, None)
        self._process: BaseProcess = multiprocessing.get_context("forkserver").Process(
            target=_main, args=(body, (self.output, self.errors), variables)
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
    def printed(self) -> str:
        """Its standard output."""
        return self.output.read_text(encoding="utf-8")

    @property
    def last_line(self) -> str:
        """Of its standard output."""
        return self.printed.strip().rpartition("\n")[2]

    @property
    def said(self) -> str:
        """Its standard error."""
        return self.errors.read_text(encoding="utf-8")


class Command(Process):
    """`python -m ablation.PROGRAM ARGUMENTS`, at work.

    Args:
        environment: variables beside those of this process.
        change: what is changed of the product in its process before it starts.
    """

    def __init__(
        self,
        arguments: list[str],
        folder: Path,
        environment: Mapping[str, str] | None = None,
        *,
        program: str = "run",
        change: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(partial(_command, program, arguments, change), folder, environment)


def _start_server() -> None:
    """Start what processes are forked from, unless it is there."""
    set_forkserver_preload(
        [
            "ablation.api",
            "ablation.commands.run",
            "ablation.commands.pretrain",
            "ablation.report.write",
            __name__,
        ]
    )
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv(TOKENS, raising=False)
        ensure_running()


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


def _main(body: Callable[[], object], files: tuple[Path, Path], environment: dict[str, str]) -> None:
    os.setsid()
    for number, path in enumerate((Path(os.devnull), *files)):
        flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        os.dup2(os.open(path, flags, 0o644), number)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    os.environ.clear()
    os.environ.update(environment)
    body()


def _command(program: str, arguments: list[str], change: Callable[[], None] | None) -> None:
    sys.argv = [f"ablation.{program}", *arguments]
    if change:
        change()
    from ablation.commands import terminal

    terminal.start(import_module(f"ablation.commands.{program}").app)
