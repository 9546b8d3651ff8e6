"""One input tried: it gives a value or is refused with one message; all else is a bug."""

import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Literal

from t1t2core.errors import InputError

LONGEST_MESSAGE = 100_000
"""Characters of a message that somebody can still make use of."""

BUSY = 20
"""Times as long as by itself anything may take on a busy machine."""

Result = Literal["accepted", "refused", "traceback", "hang", "no message"]
BUGS = ("traceback", "hang", "no message", "crash")
"""What must not come of an input; a crash ends the process itself."""


class Hang(BaseException):
    """No end within the time; no `Exception`, so that nothing on the way takes it for an error of its own."""


@dataclass(frozen=True)
class Attempt:
    """What came of an input; `details` is the message or the traceback."""

    result: Result
    details: str = ""

    @property
    def is_bug(self) -> bool:
        """Is it what must not be?"""
        return self.result in BUGS


def attempt(action: Callable[[], object], *, seconds: float) -> Attempt:
    """Run `action` for at most `seconds` of processor, as a command's body would be run."""
    try:
        with _alarm(seconds):
            action()
    except InputError as error:
        message = str(error)
        usable = message.strip() and len(message) <= LONGEST_MESSAGE
        return Attempt("refused" if usable else "no message", message[:LONGEST_MESSAGE])
    except Hang:
        return Attempt("hang", traceback.format_exc())
    except Exception:
        return Attempt("traceback", traceback.format_exc())
    return Attempt("accepted")


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Hang once so many seconds of processor are used up, or many times as long has passed."""

    def ring(_signal: int, _frame: FrameType | None) -> None:
        raise Hang

    timers = {
        signal.SIGPROF: (signal.ITIMER_PROF, seconds),
        signal.SIGALRM: (signal.ITIMER_REAL, BUSY * seconds),
    }
    before = {number: signal.signal(number, ring) for number in timers}
    for timer, after in timers.values():
        # It rings on: the first ring is lost where an error cannot be raised, as while memory is cleared.
        signal.setitimer(timer, after, 1)
    try:
        yield
    finally:
        for number, (timer, _) in timers.items():
            signal.setitimer(timer, 0)
            signal.signal(number, before[number])
