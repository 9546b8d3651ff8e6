"""The record in a folder that several machines share: one driver serves it, and the others ask that one.

SQLite loses locks on the file systems of networks (https://www.sqlite.org/faq.html#q5): there the database
may be opened by the processes of one machine only. So the first driver serves MLflow, and writes into the
folder where; when it ends or dies another one does. Between the two MLflow is away, which trials do not mind.
"""

import atexit
import json
import logging
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ablation.names import DRIVER, HEARTBEAT
from ablation.record.database import SCHEME, create_database
from ablation.record.driver import heartbeat, is_live, this_driver
from ablation.record.relay import LOOPBACK, Gate, Relay
from t1t2core.errors import InputError
from t1t2core.files import write_atomically

log = logging.getLogger(__name__)

FOLDER = "served"
"""In the output folder, a file for each driver that has served the record: the last one does."""
BEAT_SECONDS = 5.0
LEASE_SECONDS = 60.0
"""Without a heartbeat for so long, a driver that served from another machine counts as gone."""
START_SECONDS = 180.0
"""That a server may take to answer, on a busy machine with a slow disk."""
UNTIL_END_OF_INPUT = """
import subprocess, sys
server = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True)
sys.stdin.buffer.read()
import os, signal
os.killpg(server.pid, signal.SIGTERM)
server.wait()
"""
"""Runs a server as long as the process is there that holds the other end of its input, however it ends."""


@cache
def served_record(output: Path) -> "ServedRecord":
    """Return the way to the record in a shared output folder, kept open until this process ends."""
    served = ServedRecord(output)
    atexit.register(served.close)
    return served


class ServedRecord:
    """A way to the record in an output folder: through another driver's server, or one of its own.

    Args:
        output: the folder, which all drivers see.

    Raises:
        InputError: nobody serves the record, and it cannot be served from here.
    """

    def __init__(self, output: Path) -> None:
        self._output, self._folder = output.resolve(), output.resolve() / FOLDER
        self._folder.mkdir(parents=True, exist_ok=True)
        self._server: _Server | None = None
        self._file: Path | None = None
        self._over = threading.Event()
        self._relay = Relay(self._find)
        self._keep()
        self._keeper = threading.Thread(target=self._keep_on, name="record", daemon=True)
        self._keeper.start()
        self._wait_for_answer()

    @property
    def address(self) -> str:
        """MLflow's address on this machine, the same as long as this process lives."""
        return self._relay.address

    @property
    def is_server(self) -> bool:
        """Whether this driver serves the record."""
        return self._server is not None

    def close(self) -> None:
        """Leave the record to the others."""
        if self._over.is_set():
            return
        self._over.set()
        self._keeper.join()
        self._stop_serving()
        self._relay.stop()

    def _keep_on(self) -> None:
        while not self._over.wait(BEAT_SECONDS):
            try:
                self._keep()
            except (OSError, InputError) as error:
                log.warning("the shared record: %s", error)

    def _keep(self) -> None:
        """Beat if the record is served here, take it over if nobody serves it."""
        file, content = self._last()
        if self._file is not None and file != self._file:
            log.warning("the record is served by another driver now: this machine was too slow to answer")
            self._stop_serving()
        if self._file is not None:
            self._write(self._file)
        elif content is None or not is_live(content, LEASE_SECONDS):
            self._take_over(file)

    def _take_over(self, after: Path | None) -> None:
        """Serve the record, unless another driver was faster."""
        create_database(self._output / "mlflow.db")
        number = 1 if after is None else int(after.stem) + 1
        file = self._folder / f"{number:06}.json"
        try:
            # Of those who try at the same moment one succeeds, on the file systems of networks too (open(2)).
            os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o660))
        except FileExistsError:
            return
        self._file = file
        self._write(file)
        try:
            said = self._folder / f"{file.stem}.log"
            self._server = _Server(self._output, said, lambda: self._write(file))
        except (OSError, InputError):
            self._stop_serving()
            raise
        self._write(file)
        if number > 1:
            log.info("this driver serves the record now")

    def _stop_serving(self) -> None:
        if self._server is not None:
            self._server.stop()
            self._server = None
        if self._file is not None:
            self._write(self._file, over=True)
            self._file = None

    def _write(self, file: Path, *, over: bool = False) -> None:
        """Tell the others who serves the record, and where once it answers."""
        content: dict[str, Any] = heartbeat(this_driver())
        if over:
            content[HEARTBEAT] = "0"
        elif self._server is not None:
            content |= self._server.place
        write_atomically(file, json.dumps(content).encode(), mode=0o660)  # it has the token

    def _last(self) -> tuple[Path | None, Mapping[str, Any] | None]:
        """Return the file of the last driver that served, or began to, and what it says if it is whole."""
        files = sorted(self._folder.glob("[0-9]*.json"))
        if not files:
            return None, None
        try:
            content: dict[str, Any] = json.loads(files[-1].read_text(encoding="utf-8"))
        except (OSError, ValueError):
            # Being written just now, or left by a driver that died in that moment.
            age = time.time() - files[-1].stat().st_mtime
            content = {DRIVER: "", HEARTBEAT: str(time.time() if age < LEASE_SECONDS else 0)}
        return files[-1], content

    def _find(self) -> tuple[list[str], int, str] | None:
        _, content = self._last()
        if content is None or "port" not in content:
            return None
        hosts = [LOOPBACK] if self._server is not None else list(content["hosts"])
        return hosts, int(content["port"]), str(content["token"])

    def _wait_for_answer(self) -> None:
        end = time.monotonic() + START_SECONDS
        while not _answers(self.address):
            if time.monotonic() > end:
                self.close()
                raise InputError(
                    f"{self._output}: the driver that serves the record ({self._folder}) cannot be "
                    f"reached from here within {START_SECONDS:.0f} s; let machines reach each other's "
                    "ports, or serve MLflow yourself and give --tracking-uri"
                )
            time.sleep(0.5)


class _Server:
    """An MLflow server of this process, and the gate through which other machines reach it.

    Args:
        output: with the database.
        said: file for what it says.
        waiting: is called now and then until it answers, which may take longer than a lease.

    Raises:
        InputError: it does not come up.
    """

    def __init__(self, output: Path, said: Path, waiting: Callable[[], None]) -> None:
        port, self._token = _free_port(), secrets.token_hex(16)
        database = f"{SCHEME}{output / 'mlflow.db'}"
        command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", database]
        command += ["--host", LOOPBACK, "--port", str(port), "--workers", "1", "--no-serve-artifacts"]
        command += ["--default-artifact-root", (output / "artifacts").as_uri()]
        with said.open("ab") as log_file:
            # Without its processes for jobs of MLflow's own, which nobody here gives it.
            self._process = subprocess.Popen(
                [sys.executable, "-c", UNTIL_END_OF_INPUT, *command],
                env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
                stdin=subprocess.PIPE,
                stdout=log_file,
                stderr=log_file,
            )
        end = time.monotonic() + START_SECONDS
        while not _answers(f"http://{LOOPBACK}:{port}"):
            if self._process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise InputError(f"MLflow's server does not start; {said} has what it said")
            waiting()
            time.sleep(0.5)
        self._gate = Gate(port, self._token)

    @property
    def place(self) -> dict[str, Any]:
        """Where other machines reach it."""
        return {"hosts": _names_of_this_machine(), "port": self._gate.port, "token": self._token}

    def stop(self) -> None:
        """End it."""
        if hasattr(self, "_gate"):
            self._gate.stop()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def _names_of_this_machine() -> list[str]:
    """Return what others may call this machine, the likeliest first."""
    names = [os.environ.get("SLURMD_NODENAME", ""), socket.getfqdn(), socket.gethostname()]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Nothing is sent: it only asks which address would be the sender's.
            probe.connect(("192.0.2.1", 9))
            names.append(probe.getsockname()[0])
        except OSError:
            pass
    return list(dict.fromkeys(name for name in names if name))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
