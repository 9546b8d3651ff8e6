"""What a claim comes to: a difference with its interval against a margin, in one of six words."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from ablation.report.study.differences import Difference

HOLDS, FAILS = "holds", "does not hold"
DIRECTION, UNRESOLVED = "direction only", "not resolved"
UNTESTED, BUDGETS = "cannot be tested", "budgets differ"
ORDER = (FAILS, UNTESTED, UNRESOLVED, DIRECTION, HOLDS)
"""Of several parts the first of these that one of them has is the verdict."""


@dataclass(frozen=True)
class Part:
    """One difference that a claim is about.

    Args:
        what: first and second arm, and the score.
        difference: None where an arm is not there.
        margin: the smallest difference that counts.
        kind: `lead`, that the first is better; `unchanged`, that both are alike.
    """

    what: str
    difference: Difference | None
    margin: float
    kind: Literal["lead", "unchanged"] = "lead"

    @property
    def verdict(self) -> str:
        """Return what the interval says of it.

        A lead holds where the whole interval is at or above the margin, and does not hold where it is below:
        then a lead that counts is excluded. Where it is above 0 but not above the margin, or where there is
        no interval and every patient agrees, it is the direction only. Unchanged holds where the interval
        lies inside the margin, and does not hold where it lies outside. All else is not resolved.
        """
        found = self.difference
        if found is None or math.isnan(found.mean):
            return UNTESTED
        if not found.has_interval:
            return DIRECTION if self.kind == "lead" and found.is_unanimous else UNRESOLVED
        if self.kind == "unchanged":
            if -self.margin < found.low and found.high < self.margin:
                return HOLDS
            return FAILS if found.low >= self.margin or found.high <= -self.margin else UNRESOLVED
        if found.low >= self.margin:
            return HOLDS
        if found.high < self.margin:
            return FAILS
        return DIRECTION if found.low > 0 else UNRESOLVED


@dataclass(frozen=True)
class Finding:
    """What numbers say about a claim.

    Args:
        text: the means.
        parts: all of which must hold; none where the claim cannot be tested.
        budgets: how the numbers of training steps of the compared arms differ; '' where they do not.
    """

    text: str
    parts: Sequence[Part] = field(default_factory=tuple)
    budgets: str = ""

    @property
    def verdict(self) -> str:
        """Return the verdict; that budgets differ comes before all that was found in spite of it."""
        found = self._of_parts
        return BUDGETS if self.budgets and found != UNTESTED else found

    @property
    def decisive(self) -> Part | None:
        """The part that the verdict rests on: of several the smallest difference."""
        verdict = self._of_parts
        parts = [part for part in self.parts if part.verdict == verdict]
        return min(parts, key=_size) if parts else None

    @property
    def _of_parts(self) -> str:
        verdicts = {part.verdict for part in self.parts}
        return next((verdict for verdict in ORDER if verdict in verdicts), UNTESTED)


def together(findings: Sequence[Finding]) -> Finding:
    """Join findings: a claim of several parts holds if each does, and fails if one fails."""
    return Finding(
        "; ".join(finding.text for finding in findings),
        [part for finding in findings for part in finding.parts],
        "; ".join(finding.budgets for finding in findings if finding.budgets),
    )


def _size(part: Part) -> float:
    """Order of parts: the smallest lead first, of what should be unchanged the largest change."""
    if part.difference is None or math.isnan(part.difference.mean):
        return math.inf
    return part.difference.mean if part.kind == "lead" else -abs(part.difference.mean)
