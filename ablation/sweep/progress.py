"""How far the trials of a sweep are, and how long the rest takes."""

import logging
import time
from collections.abc import Callable, Sequence
from itertools import accumulate

log = logging.getLogger(__name__)

Show = Callable[[str], None]
"""Is given the line that tells how far the trials are, whenever it has changed."""
REPEAT_SECONDS = 30.0
"""Between lines in a log."""


class Progress:
    """Trials done, running and failed, and the time left, in one line; before them networks to pretrain.

    Args:
        each: estimated seconds of the trials, in the order in which they start.
        estimated_seconds: of all by the clock.
        show: is given the line.
        networks: estimated seconds of the pretrained networks that are to be trained.
    """

    def __init__(
        self, each: Sequence[float], estimated_seconds: float, show: Show, networks: Sequence[float] = ()
    ) -> None:
        self.done = self.failed = self.running = self.networks = 0
        self._total, self._estimate, self._show = len(each), estimated_seconds, show
        self._networks = len(networks)
        self._until = list(accumulate([*networks, *each], initial=0.0))
        self._started = time.monotonic()

    def show(self) -> None:
        """Show the line, after any of the numbers has changed."""
        networks = ""
        if self.networks < self._networks:
            networks = f"{self.networks} of {self._networks} pretrained networks trained, "
        self._show(
            f"{networks}{self.done} of {self._total} trials done, {self.running} running, "
            f"{self.failed} failed, about {clock(self._seconds_left())} left"
        )

    def _seconds_left(self) -> float:
        """Return the time left by how much of the estimate is done, since the longest trials start first."""
        ended = min(self.networks + self.done + self.failed, self._networks + self._total)
        passed = time.monotonic() - self._started
        if ended == 0:
            return max(0.0, self._estimate - passed)
        # Trials end in about the order in which they start, and those under way are half done on average.
        started = min(ended + self.running, self._networks + self._total)
        done = (self._until[ended] + self._until[started]) / 2
        return passed * (self._until[-1] / done - 1)


def log_now_and_then() -> Show:
    """Return what logs a line at once, then at most one within `REPEAT_SECONDS`."""
    logged = float("-inf")

    def show(line: str) -> None:
        nonlocal logged
        if time.monotonic() - logged >= REPEAT_SECONDS:
            logged = time.monotonic()
            log.info(line)

    return show


def clock(seconds: float) -> str:
    """Return a time as H:MM:SS."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
