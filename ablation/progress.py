"""What the terminal shows while trials run."""

import sys
import time

from rich.console import Console
from rich.live import Live

REPEAT_SECONDS = 30.0
"""Between lines where the output is not a terminal."""


class LiveLine:
    """Trials done, running, failed, and the time left, in one line that renews itself."""

    def __init__(self, total: int, estimated_seconds: float) -> None:
        self.total = total
        self.done = self.failed = self.running = 0
        self._estimate = estimated_seconds
        self._started = time.monotonic()
        self._printed = float("-inf")
        self._console = Console(stderr=True)
        self._live = Live(console=self._console, refresh_per_second=2, transient=True)

    def __enter__(self) -> "LiveLine":
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self) -> None:
        """After any of the numbers has changed."""
        line = (
            f"{self.done} of {self.total} trials done, {self.running} running, {self.failed} failed, "
            f"about {clock(self._seconds_left())} left"
        )
        now = time.monotonic()
        if self._console.is_terminal:
            self._live.update(line)
        elif now - self._printed >= REPEAT_SECONDS:
            self._printed = now
            print(line, file=sys.stderr, flush=True)

    def _seconds_left(self) -> float:
        ended = self.done + self.failed
        passed = time.monotonic() - self._started
        if ended == 0:
            return max(0.0, self._estimate - passed)
        return passed / ended * (self.total - ended)


def clock(seconds: float) -> str:
    """H:MM:SS."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
