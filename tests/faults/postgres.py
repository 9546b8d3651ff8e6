"""A PostgreSQL on the loopback address, with a database of its own for whoever asks for one."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.server import serving

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
"""Where Debian keeps its programs, which are not in PATH; the newest release last."""
PASSWORD = "word"
USER = "postgres" if os.geteuid() == 0 else None
"""Who runs it: it refuses to run as root, and Debian's package makes this user."""
DRIVER = "psycopg2"


def missing() -> str:
    """Why there can be no PostgreSQL here; empty where there can."""
    return "" if BINARIES else "needs PostgreSQL (Debian: postgresql)"


@contextmanager
def postgres() -> Iterator[str]:
    """An empty database; gives its address as SQLAlchemy takes it, with user and password."""
    # The folders that pytest makes are closed to other users.
    folder = Path(tempfile.mkdtemp(prefix="postgres-", dir="/tmp"))
    try:
        (folder / "password").write_text(PASSWORD, encoding="utf-8")
        if USER:
            for path in (folder, folder / "password"):
                shutil.chown(path, USER)
        data = folder / "data"
        making = ["--auth=scram-sha-256", "--username=t1t2", f"--pwfile={folder / 'password'}", "--no-sync"]
        command = [str(BINARIES[-1] / "initdb"), f"--pgdata={data}", "--encoding=UTF8", *making]
        subprocess.run(command, user=USER, cwd=folder, check=True, capture_output=True)

        def arguments(port: int) -> list[str]:
            options = [f"port={port}", "listen_addresses=127.0.0.1", "unix_socket_directories="]
            settings = [word for option in options for word in ("-c", option)]
            as_user = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups"] if USER else []
            return [*as_user, str(BINARIES[-1] / "postgres"), "-D", str(data), *settings]

        with serving(arguments, folder / "log") as server:
            yield f"postgresql+{DRIVER}://t1t2:{PASSWORD}@127.0.0.1:{server.port}/postgres"
    finally:
        shutil.rmtree(folder)
