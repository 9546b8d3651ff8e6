"""Servers on the loopback address that are stopped, and started again on the same port."""

import os
import random
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.commands import wait_until

# Each once, in a random order. Below where Linux takes the ports of outgoing connections from: one
# from there may be taken while its server is down, or be connected to itself by the very probe for
# the server. And above those of Ray's workers. Workers of pytest-xdist have ports of their own:
# two that choose alike before either listens would talk to each other's server.
_WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_PORTS = iter(random.sample(range(20_000 + _WORKER, 32_768, _WORKERS), 12_000 // _WORKERS))


def free_port() -> int:
    """Where nobody listens."""
    return next(port for port in _PORTS if not _somebody_listens(port))


def _somebody_listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


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

    @property
    def pid(self) -> int:
        """Of its first process, while it is started."""
        assert self._process is not None
        return self._process.pid

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
        return _somebody_listens(self.port)


@contextmanager
def serving(arguments: Callable[[int], list[str]], log: Path) -> Iterator[Server]:
    """The server, started; ended whatever happens."""
    server = Server(arguments, log)
    try:
        server.start()
        yield server
    finally:
        server.kill()
