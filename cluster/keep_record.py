"""`python cluster/keep_record.py DATABASE STORAGE`: keep a copy of MLflow's database in a bucket.

Where there is no database it is restored from the copy, or made. Then it is copied every minute if it has
changed, until the process is ended. Whoever reads and writes it meanwhile is not disturbed.
"""

import argparse
import hashlib
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from ablation.record.database import create_database
from ablation.store.storage import Storage
from t1t2core.files import write_atomically

NAME = "mlflow.db"
EVERY_SECONDS = 60.0


def main() -> None:
    """Restore, say so by a line, and keep copying."""
    parser = argparse.ArgumentParser(prog="python cluster/keep_record.py", description=__doc__)
    parser.add_argument("database", type=Path)
    parser.add_argument("storage", help="a folder or a bucket: s3://...")
    given = parser.parse_args()
    storage = Storage(given.storage)
    if not given.database.exists() and storage.has(NAME):
        write_atomically(given.database, storage.read(NAME))
        print(f"restored {given.database} from {given.storage}", flush=True)
    create_database(given.database)
    print("ready", flush=True)
    kept = ""
    while True:
        kept = keep(given.database, storage, kept)
        time.sleep(EVERY_SECONDS)


def keep(database: Path, storage: Storage, kept: str) -> str:
    """Copy the database unless it is as it was; return the digest of what is kept. A failure is only told."""
    try:
        content = copy_of(database)
        digest = hashlib.sha256(content).hexdigest()
        if digest != kept:
            storage.write(NAME, content)
            kept = digest
    except (OSError, sqlite3.Error) as error:
        print(f"not copied, tried again in {EVERY_SECONDS:.0f} s: {error}", file=sys.stderr, flush=True)
    return kept


def copy_of(database: Path) -> bytes:
    """Return the database as of one moment."""
    with tempfile.NamedTemporaryFile() as file:
        with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(file.name)) as copy:
            source.backup(copy)
        return Path(file.name).read_bytes()


if __name__ == "__main__":
    main()
