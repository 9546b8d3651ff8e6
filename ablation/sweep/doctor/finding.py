"""What a check has found, and how one that breaks or hangs is a finding too."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from ablation.store.storage import first_line, public

PATIENCE_SECONDS = 45.0
"""Longest that one check may take: a folder of a file server that is gone hangs for ever."""


class Status(StrEnum):
    """What a finding means: all is well, somebody should look at it, or trials cannot run so."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """One line of what was looked at.

    Args:
        name: of the check.
        found: what there is.
        advice: what to do, where there is something to do.
    """

    name: str
    status: Status
    found: str
    advice: str = ""

    @property
    def told(self) -> str:
        """What was looked at, what there is and what to do, in one line without secrets."""
        told = public("; ".join(filter(None, (self.found, self.advice))))
        return f"{self.name}: {' '.join(told.split())}"

    def __str__(self) -> str:
        return f"{self.status:<4}  {self.told}"


@dataclass(frozen=True)
class Check:
    """Something to look at, by name."""

    name: str
    look: Callable[[], Finding]

    def finding(self, patience: float = PATIENCE_SECONDS) -> Finding:
        """Look; what goes wrong meanwhile, or takes longer than `patience` seconds, has failed."""
        found: list[Finding] = []
        looking = threading.Thread(target=lambda: found.append(guarded(self.name, self.look)), daemon=True)
        looking.start()
        looking.join(patience)
        if found:
            return found[0]
        advice = "see whether its disk, server or device still works (dmesg, df)"
        return Finding(self.name, Status.FAIL, f"no answer within {patience:g} s", advice)


def guarded(name: str, look: Callable[[], Finding]) -> Finding:
    """Return what a check has found; an error is a failure, told in a line."""
    try:
        return look()
    except Exception as error:  # whatever a library raises, the other checks go on
        return Finding(name, Status.FAIL, f"{type(error).__name__}: {first_line(error)}", _advice(error))


def _advice(error: Exception) -> str:
    if isinstance(error, OSError) and isinstance(error.filename, str):
        return f"see that {Path(error.filename).parent} is there and yours (ls -ld)"
    return "if the reason is not plain, report it with this line"


def summary(findings: Sequence[Finding]) -> str:
    """Return the last line: how many checks there were, and how they ended."""
    counts = Counter(finding.status for finding in findings)
    checks = "1 check" if len(findings) == 1 else f"{len(findings)} checks"
    ok, warned, failed = (counts[status] for status in (Status.OK, Status.WARN, Status.FAIL))
    return f"{checks}: {ok} ok, {warned} to look at, {failed} failed"


def has_failed(findings: Sequence[Finding]) -> bool:
    """Whether trials cannot run so."""
    return any(finding.status == Status.FAIL for finding in findings)
