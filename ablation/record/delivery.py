"""What waits to be written while the record does not answer."""

import logging
import time
from collections.abc import Callable

from mlflow.exceptions import MlflowException

from ablation.record.runs import REFUSALS
from ablation.store.storage import first_line

log = logging.getLogger(__name__)

PAUSE_SECONDS = 15.0
"""Before a record that did not answer is asked again; each asking holds up the sweep for seconds."""
SHORTEST_PAUSE_SECONDS = 1.0


class Delivery:
    """Writes to the record at once where it answers, in turn later where it does not.

    Args:
        answers: whether the record can be asked just now.
    """

    def __init__(self, answers: Callable[[], bool]) -> None:
        self._answers = answers
        self._later: list[tuple[str, Callable[[], object]]] = []
        self._asked_again_at = 0.0
        self._is_away = False
        self._cause = ""

    @property
    def undelivered(self) -> dict[str, str]:
        """Keys of trials whose end could not be recorded yet, and why."""
        return {key: self._cause for key, _ in self._later if key}

    @property
    def is_held_up(self) -> bool:
        """Whether something waits already, or the record is left alone for a while."""
        return bool(self._later) or time.monotonic() < self._asked_again_at

    def do(self, work: Callable[[], object], key: str = "") -> None:
        """Write now if the record answers, in its turn later if not.

        Args:
            key: of the trial that the work is about.
        """
        self._later.append((key, work))
        if time.monotonic() >= self._asked_again_at:
            self._retry()

    def wait_for_all(self, seconds: float) -> None:
        """Deliver what waits, for so long at most."""
        gives_up = time.monotonic() + seconds
        while self._later and time.monotonic() < gives_up:
            time.sleep(max(SHORTEST_PAUSE_SECONDS, self._asked_again_at - time.monotonic()))
            self._retry()

    def failed(self, error: Exception) -> None:
        """Leave the record alone for a while, unless it has answered: that a run is no longer there."""
        self._cause = first_line(error)
        if isinstance(error, MlflowException) and error.error_code in REFUSALS:
            return
        if not self._is_away:
            log.info(f"not recorded yet: {self._cause}; trials go on, their results wait")
        self._is_away = True
        self._asked_again_at = time.monotonic() + PAUSE_SECONDS

    def answered(self) -> None:
        """Say so if the record was away and now has everything."""
        if self._is_away and not self._later:
            log.info("all is recorded again")
            self._is_away = False

    def _retry(self) -> None:
        """Do what waits; what fails waits on, and the rest too where the record does not answer at all."""
        failed: list[tuple[str, Callable[[], object]]] = []
        while self._later:
            key, work = self._later.pop(0)
            try:
                work()
            except (MlflowException, OSError) as error:
                failed.append((key, work))
                self.failed(error)
                if not self._answers():
                    break
        self._later = failed + self._later
        self.answered()
