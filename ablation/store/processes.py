"""Processes that a command starts beside itself, on its own machine."""

import signal
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context


def helpers(count: int) -> ProcessPoolExecutor:
    """Return a pool of so many processes, started as work comes; each loads only what it needs."""
    # Not forked: the threads of Ray, MLflow and torch do not survive that.
    return ProcessPoolExecutor(count, get_context("spawn"), initializer=_stop_at_once)


def _stop_at_once() -> None:
    """Let Ctrl-C end a process, which by default would go on with what is next."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
