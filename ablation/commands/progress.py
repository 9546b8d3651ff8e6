"""The line that tells how far the trials are."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live

from ablation.sweep.progress import Show, log_now_and_then


@contextmanager
def progress_line() -> Iterator[Show]:
    """Renews itself on a terminal; elsewhere it is logged now and then."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield log_now_and_then()
        return
    with Live(console=console, refresh_per_second=2, transient=True) as live:
        yield live.update
