"""Object storage: a folder, or a bucket that `pyarrow.fs` can reach."""

import errno
import glob
import re
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import NamedTuple, TypeVar

from pyarrow import ArrowException
from pyarrow.fs import FileSelector, FileSystem, FileType, LocalFileSystem

from t1t2core.errors import InputError
from t1t2core.files import write_atomically

T = TypeVar("T")

ANSWER_SECONDS = 30.0
"""Time within which storage must have taken a small object and given it back."""
PATIENCE_SECONDS = 120.0
"""How long a bucket that does not answer in mid-run is asked again."""
FIRST_PAUSE_SECONDS = 1.0
FINAL = ("ACCESS_DENIED", "NO_SUCH_BUCKET", "INVALID_ACCESS_KEY_ID", "SIGNATURE_DOES_NOT_MATCH")
"""Answers of a bucket that asking again does not change."""
IN_ONE_REQUEST = "allow_delayed_open=true"
"""Option of Arrow to send a small object to S3 by one request, not by three, which some servers refuse."""
WITHOUT_LENGTH = "HTTP status 411"
"""Answer of a server that does not take checksums after the content, as Amazon's library sends them."""
CHECKSUMS = "AWS_REQUEST_CHECKSUM_CALCULATION"
"""Environment variable of Amazon's library; `when_required` sends none."""


class StorageUnavailableError(OSError):
    """Object storage did not answer for `PATIENCE_SECONDS`."""


def is_breakdown(error: Exception) -> bool:
    """Whether it is not the work at hand that failed, but the storage or the disk under it."""
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return full or isinstance(error, StorageUnavailableError)


class Latency(NamedTuple):
    """Seconds that a small object takes to be written, read and removed."""

    write: float
    read: float
    delete: float


class Storage:
    """Named bytes under one address.

    An object is written whole or not at all: a bucket works so, and a folder gets a temporary name
    and a rename.

    Args:
        address: a path, or a URI such as `s3://bucket/folder` or `gs://bucket/folder`.

    Raises:
        InputError: the address cannot be reached.
    """

    def __init__(self, address: str) -> None:
        self.address = address if "://" in address else str(Path(address).resolve())
        try:
            if "://" in address:
                self._files, self._root = FileSystem.from_uri(_with_options(address))
            else:
                self._files, self._root = LocalFileSystem(), self.address
        except (ArrowException, OSError, ValueError) as error:
            raise InputError(f"storage {public(address)}: {first_line(error)}") from error

    @property
    def is_local(self) -> bool:
        """Whether it is a folder of this machine."""
        return isinstance(self._files, LocalFileSystem)

    def check(self) -> None:
        """Write, read and remove a small object.

        Raises:
            InputError: one of these did not work.
        """
        self._within_seconds(self._try)

    def measure(self) -> Latency:
        """Return what a small object takes to be written, read and removed; nothing is left behind.

        Raises:
            InputError: one of these did not work.
        """
        found: list[Latency] = []
        self._within_seconds(lambda: found.append(self._measure()))
        return found[0]

    def _within_seconds(self, attempt: Callable[[], object]) -> None:
        """Try whether storage can be used; InputError if it cannot, or does not answer soon."""
        failures: list[Exception] = []

        def try_it() -> None:
            try:
                attempt()
            except (ArrowException, OSError) as error:
                failures.append(error)

        # Clients of buckets have timeouts of their own, up to a quarter of an hour.
        attempted = threading.Thread(target=try_it, daemon=True)
        attempted.start()
        attempted.join(ANSWER_SECONDS)
        if attempted.is_alive():
            failures.append(TimeoutError(f"no answer within {ANSWER_SECONDS:g} s"))
        for error in failures:
            cause = first_line(error)
            if WITHOUT_LENGTH in cause:
                cause += f"; set {CHECKSUMS}=when_required, on all machines of a cluster"
            raise InputError(f"storage {public(self.address)} cannot be used: {cause}") from error

    def _try(self) -> None:
        name = f"check/{uuid.uuid4().hex}"
        self._write(name, b"check")
        self._must_be(name, b"check")
        self._files.delete_file(self._path(name))

    def _must_be(self, name: str, content: bytes) -> None:
        if self._read(name) != content:
            raise OSError("what was read back is not what was written")

    def _measure(self) -> Latency:
        # In a folder of its own: removing an object from a bucket leaves the folder that it was in.
        folder, name = f"check-{uuid.uuid4().hex}", "object"
        new = self._missing()
        times = [time.perf_counter()]
        try:
            self._write(f"{folder}/{name}", b"check")
            times.append(time.perf_counter())
            self._must_be(f"{folder}/{name}", b"check")
            times.append(time.perf_counter())
            self._files.delete_file(self._path(f"{folder}/{name}"))
            times.append(time.perf_counter())
        finally:
            with suppress(ArrowException, OSError):
                self._files.delete_dir(self._path(folder))
                for place in new:
                    if self.is_local:
                        Path(place).rmdir()
                    elif not self._files.get_file_info(FileSelector(place)):
                        self._files.delete_dir(place)
        return Latency(*(after - before for before, after in pairwise(times)))

    def _missing(self) -> list[str]:
        """Return the folders of the address that are not there yet, the deepest first; no bucket is one."""
        above = [str(place) for place in PurePosixPath(self._root).parents][:-1]
        folders = [self._root, *above] if self.is_local else [self._root, *above][:-1]
        return [f for f in folders if self._files.get_file_info(f).type == FileType.NotFound]

    def write(self, name: str, content: bytes) -> None:
        """Put `content` under `name`, over what was there."""
        self._patiently(lambda: self._write(name, content))

    def read(self, name: str) -> bytes:
        """Return what is under `name`; FileNotFoundError if nothing is."""
        return self._patiently(lambda: self._read(name))

    def has(self, name: str) -> bool:
        """Whether something is under `name`."""
        return self._patiently(lambda: self._files.get_file_info(self._path(name)).type == FileType.File)

    def names(self, folder: str) -> list[str]:
        """Return the names of all objects in `folder`, not below, sorted; half-written ones are none."""
        return [f"{folder}/{name}" for name in self._list(folder, FileType.File) if not name.startswith(".")]

    def folders(self, folder: str) -> list[str]:
        """Return the names of the folders in `folder`, sorted."""
        return self._list(folder, FileType.Directory)

    def _list(self, folder: str, kind: FileType) -> list[str]:
        selector = FileSelector(self._path(folder), allow_not_found=True)
        infos = self._patiently(lambda: self._files.get_file_info(selector))
        return sorted(info.base_name for info in infos if info.type == kind)

    def modified(self, name: str) -> float:
        """Return when it was written, seconds since 1970."""
        return self._patiently(lambda: self._files.get_file_info(self._path(name)).mtime_ns / 1e9)

    def delete(self, name: str) -> None:
        """Remove what is under `name`, and what a process left that was killed while it wrote there."""
        self._patiently(lambda: self._delete(name))
        if self.is_local:
            path = Path(self._path(name))
            for rest in path.parent.glob(f".{glob.escape(path.name)}.*"):
                rest.unlink(missing_ok=True)

    def _patiently(self, work: Callable[[], T]) -> T:
        """Do the work; ask a bucket that does not answer again, at growing intervals, but a folder once."""
        pause, gives_up = FIRST_PAUSE_SECONDS, time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return work()
            except FileNotFoundError:
                raise
            except OSError as error:
                if self.is_local or any(answer in str(error) for answer in FINAL):
                    raise
                if time.monotonic() + pause > gives_up:
                    raise StorageUnavailableError(
                        f"storage {public(self.address)} has not answered for {PATIENCE_SECONDS:g} s: "
                        f"{first_line(error)}"
                    ) from error
            time.sleep(pause)
            pause *= 2

    def _write(self, name: str, content: bytes) -> None:
        if self.is_local:
            try:
                write_atomically(Path(self._path(name)), content)
            except OSError as error:
                error.filename = error.filename or self._path(name)
                raise
        else:
            with self._files.open_output_stream(self._path(name)) as stream:
                stream.write(content)

    def _delete(self, name: str) -> None:
        # Where an answer is lost on the way, the object is gone when this is tried again.
        if self._files.get_file_info(self._path(name)).type == FileType.File:
            self._files.delete_file(self._path(name))

    def _read(self, name: str) -> bytes:
        with self._files.open_input_stream(self._path(name)) as stream:
            return stream.read()

    def _path(self, name: str) -> str:
        return str(PurePosixPath(self._root) / name)


def _with_options(address: str) -> str:
    """Return the address with what Arrow should do differently there."""
    if not address.startswith("s3://"):
        return address
    return f"{address}{'&' if '?' in address else '?'}{IN_ONE_REQUEST}"


def public(text: str) -> str:
    """Return a text without the names and secrets that addresses in it may hold."""
    return re.sub(r"//\S*@", "//", text)


def first_line(error: Exception) -> str:
    """Return what a message says of an error."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
