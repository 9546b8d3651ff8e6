"""What commands print, and the status they exit with."""

import functools
import gc
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any, ParamSpec

import typer
from rich.console import Console
from rich.table import Table

from ablation.record.garbage import no_collection
from t1t2core.errors import InputError

log = logging.getLogger(__name__)

FAILED = 1
BAD_INPUT = 2
INTERRUPTED = 130
WIDTH_OF_FILES = 160
"""Columns where the output is no terminal, so that tables are not cut."""
AGAIN_SECONDS = 0.05
"""Until an interrupt that Python dropped is sent again: by then what dropped it is mostly over."""

PACKAGES = ("ablation", "t1t2core")

P = ParamSpec("P")


def command(body: Callable[P, int]) -> Callable[P, None]:
    """Makes a command of a function that gives an exit status: one message for bad input, no traceback."""

    @functools.wraps(body)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        log_to_terminal()
        try:
            status = body(*args, **kwargs)
        except InputError as error:
            print(_without_secrets(str(error)), file=sys.stderr)
            status = BAD_INPUT
        except KeyboardInterrupt:
            log.error("interrupted; re-run the same command to resume")
            status = INTERRUPTED
        except Exception as error:
            if (cause := _outage(error)) is None:
                raise
            log.error("stopped: %s; re-run the same command to resume", cause)
            status = FAILED
        raise typer.Exit(status)

    return run


# What takes long to import is not needed to refuse a search space.


def _without_secrets(text: str) -> str:
    from ablation.store.storage import public

    return public(text)


def _outage(error: Exception) -> str | None:
    """Return what MLflow, storage or this machine failed to do, in a line; None where it is another error."""
    from mlflow.exceptions import MlflowException

    from ablation.record.breakdown import breakdown

    return breakdown(error) if isinstance(error, MlflowException | OSError) else None


class _Terminal(logging.Handler):
    """Lines on standard error, whatever that is just now; a warning begins with the word."""

    def emit(self, record: logging.LogRecord) -> None:
        prefix = "warning: " if record.levelno == logging.WARNING else ""
        print(f"{prefix}{self.format(record)}", file=sys.stderr, flush=True)


def log_to_terminal() -> None:
    """Show what both packages log."""
    for name in PACKAGES:
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        logger.propagate = False
        if not any(isinstance(handler, _Terminal) for handler in logger.handlers):
            logger.addHandler(_Terminal())


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


def imported(name: str) -> Any:
    """Return a module that takes long to import. What is imported stays: it is no garbage."""
    with no_collection():
        module = import_module(name)
    gc.freeze()
    return module


def _interrupt_again(dropped: "sys.UnraisableHookArgs") -> None:
    """Python drops every exception of a finaliser or a weak reference's callback, also that of Ctrl-C."""
    if not issubclass(dropped.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(dropped)
        return
    main = threading.main_thread().ident
    assert main is not None, "the main thread has started"
    threading.Timer(AGAIN_SECONDS, signal.pthread_kill, (main, signal.SIGINT)).start()


def show(table: Table) -> None:
    """A table on standard output."""
    # A value such as [contrast] is no markup.
    console = Console(width=None if sys.stdout.isatty() else WIDTH_OF_FILES, markup=False)
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
