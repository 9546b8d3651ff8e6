"""What commands print, and the status they exit with."""

import errno
import functools
import gc
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import ParamSpec

import typer
from mlflow.exceptions import MlflowException
from rich.console import Console
from rich.table import Table

from ablation.storage import StorageUnavailableError, is_breakdown, public
from t1t2core.errors import InputError

FAILED = 1
BAD_INPUT = 2
INTERRUPTED = 130
WIDTH_OF_FILES = 160
"""Columns where the output is no terminal, so that tables are not cut."""
UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EISDIR, errno.ENOTDIR, errno.EEXIST)
"""Of a file whose place is taken or closed to this user."""
AGAIN_SECONDS = 0.05
"""Until an interrupt that Python dropped is sent again: by then what dropped it is mostly over."""

P = ParamSpec("P")


def command(body: Callable[P, int]) -> Callable[P, None]:
    """Makes a command of a function that gives an exit status: one message for bad input, no traceback."""

    @functools.wraps(body)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            status = body(*args, **kwargs)
        except InputError as error:
            print(public(str(error)), file=sys.stderr)
            status = BAD_INPUT
        except KeyboardInterrupt:
            say("interrupted; the same command goes on where it stopped")
            status = INTERRUPTED
        except (MlflowException, OSError) as error:
            say(f"stopped: {breakdown(error)}; the same command goes on where it stopped")
            status = FAILED
        raise typer.Exit(status)

    return run


def start(app: typer.Typer) -> None:
    """Runs the command that the user gave; ends the process.

    Once it is over, Ctrl-C has nothing left to stop: what remains is that helpers and libraries end.
    """
    sys.unraisablehook = _interrupt_again
    gc.freeze()  # what is imported stays, and need not be looked through for garbage
    try:
        app()
    finally:
        gc.freeze()  # nor need anything once the process ends, which would take seconds
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)


def _interrupt_again(dropped: "sys.UnraisableHookArgs") -> None:
    """Python drops every exception of a finaliser or a weak reference's callback, also that of Ctrl-C."""
    if not issubclass(dropped.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(dropped)
        return
    main = threading.main_thread().ident
    assert main is not None, "the main thread has started"
    threading.Timer(AGAIN_SECONDS, signal.pthread_kill, (main, signal.SIGINT)).start()


def breakdown(error: Exception) -> str:
    """One line about what the machine or a server failed to do.

    Raises:
        the error itself, where nothing outside this program explains it.
    """
    if isinstance(error, MlflowException | StorageUnavailableError | InputError):
        return str(error).splitlines()[0]
    if isinstance(error, OSError) and is_breakdown(error):
        return f"no space left on the disk: {error.filename or error}; nothing half-written is kept"
    if isinstance(error, OSError) and error.errno in UNWRITABLE and error.filename:
        return f"{error.filename2 or error.filename} cannot be written: {error.strerror}"
    raise error


def say(message: str) -> None:
    """A line about what happens now, on standard error."""
    print(message, file=sys.stderr, flush=True)


def show(table: Table) -> None:
    """A table on standard output."""
    console = Console(width=None if sys.stdout.isatty() else WIDTH_OF_FILES)
    console.print(table)


def print_settings(rows: Iterable[Mapping[str, str]]) -> None:
    """Every setting, a row each."""
    table = Table()
    for index, row in enumerate(rows):
        if index == 0:
            for name in row:
                table.add_column(name, overflow="fold")
        table.add_row(*row.values())
    show(table)
