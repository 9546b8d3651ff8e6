"""Processes that a command starts beside itself, on its own machine."""

import signal
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context


def helpers(count: int) -> ProcessPoolExecutor:
    """So many processes, started as work comes; each loads only what its work needs."""
    # Not forked: the threads of Ray, MLflow and torch do not survive that.
    return ProcessPoolExecutor(count, get_context("spawn"), initializer=_stop_at_once)


def _stop_at_once() -> None:
    """Ctrl-C reaches them, too; by default they would go on with what is next."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
