"""Servers on the loopback address that are stopped, and started again on the same port."""

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.commands import wait_until


def free_port() -> int:
    """Where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A server program.

    Args:
        arguments: of its command, given its port.
        log: what it says.
    """

    def __init__(self, arguments: Callable[[int], list[str]], log: Path) -> None:
        self.port = free_port()
        self._arguments, self._log = arguments, log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Until it listens."""
        with self._log.open("ab") as log:
            # In a session of its own, so that all its processes can be ended with it.
            self._process = subprocess.Popen(
                self._arguments(self.port), stdout=log, stderr=log, start_new_session=True
            )
        wait_until(self.listens, f"{self._arguments(self.port)[0]} listens")

    def kill(self) -> None:
        """At once, with all its processes."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def listens(self) -> bool:
        """Whether it answers; AssertionError with what it said if it has ended."""
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text(encoding="utf-8")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@contextmanager
def serving(arguments: Callable[[int], list[str]], log: Path) -> Iterator[Server]:
    """The server, started; ended whatever happens."""
    server = Server(arguments, log)
    try:
        server.start()
        yield server
    finally:
        server.kill()
