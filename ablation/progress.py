"""What the terminal shows while trials run."""

import sys
import time
from collections.abc import Sequence
from itertools import accumulate

from rich.console import Console
from rich.live import Live

REPEAT_SECONDS = 30.0
"""Between lines where the output is not a terminal."""


class LiveLine:
    """Trials done, running, failed, and the time left, in one line that renews itself.

    Args:
        each: estimated seconds of the trials, in the order in which they start.
        estimated_seconds: of all of them by the clock.
    """

    def __init__(self, each: Sequence[float], estimated_seconds: float) -> None:
        self.done = self.failed = self.running = 0
        self._total, self._estimate = len(each), estimated_seconds
        self._until = list(accumulate(each, initial=0.0))
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
            f"{self.done} of {self._total} trials done, {self.running} running, {self.failed} failed, "
            f"about {clock(self._seconds_left())} left"
        )
        now = time.monotonic()
        if self._console.is_terminal:
            self._live.update(line)
        elif now - self._printed >= REPEAT_SECONDS:
            self._printed = now
            print(line, file=sys.stderr, flush=True)

    def _seconds_left(self) -> float:
        """By how much of the estimate is done, since the longest trials start first."""
        ended = min(self.done + self.failed, self._total)
        passed = time.monotonic() - self._started
        if ended == 0:
            return max(0.0, self._estimate - passed)
        # Trials end in about the order in which they start, and those under way are half done on average.
        started = min(ended + self.running, self._total)
        done = (self._until[ended] + self._until[started]) / 2
        return passed * (self._until[-1] / done - 1)


def clock(seconds: float) -> str:
    """H:MM:SS."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
