"""Processes that a command starts beside itself, on its own machine."""

import os
import signal
import threading
import time
import warnings
from concurrent.futures import Executor

from loky.backend import get_context
from loky.process_executor import ProcessPoolExecutor

WATCH_SECONDS = 1.0
"""Between two looks whether the command is still there."""


def helpers(count: int) -> Executor:
    """Return a pool of so many processes, started as work comes; each loads only what it needs.

    By loky: Python's own pools run the user's script again in each process, unless it is guarded by
    `if __name__ == "__main__"`.
    """
    # Loky replaces a process whose memory has grown, and says so in a riddle.
    warnings.filterwarnings("ignore", "A worker stopped while some jobs were given", UserWarning)
    # Not forked: the threads of Ray, MLflow and torch do not survive that.
    return ProcessPoolExecutor(
        count, context=get_context("loky"), initializer=_begin, initargs=(os.getpid(),)
    )


def _begin(command: int) -> None:
    """Let Ctrl-C end a process, which by default would go on with what is next; end it with its command."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_end_with, args=(command,), daemon=True).start()


def _end_with(command: int) -> None:
    while os.getppid() == command:
        time.sleep(WATCH_SECONDS)
    os._exit(1)
