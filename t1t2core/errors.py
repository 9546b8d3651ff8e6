"""Errors that a caller may want to tell apart."""

from collections.abc import Mapping, Sequence


class InputError(ValueError):
    """What the user gave cannot be used: the message says what, where, and what would be right.

    Commands print the message as it is and exit with status 2. Several findings are one error with
    one line each, so that they can all be mended at once.
    """

    @classmethod
    def collect(cls, headline: str, findings: list[str]) -> "InputError":
        """Make one error that names every finding on a line of its own under `headline`."""
        return cls("\n".join([headline, *(f"  - {finding}" for finding in findings)]))


class SubjectsError(InputError):
    """Subjects that cannot be used; without them the cohort may be.

    Attributes:
        findings: what is wrong with each of them, by name, a sentence each.
    """

    findings: Mapping[str, Sequence[str]]

    @classmethod
    def of(
        cls, headline: str, findings: Mapping[str, Sequence[str]], lines: list[str] | None = None
    ) -> "SubjectsError":
        """Make one error that names every subject and finding.

        Args:
            lines: under the headline, where they are others than one for each finding.
        """
        each = [f"{name}: {one}" for name, found in findings.items() for one in found]
        error = cls("\n".join([headline, *(f"  - {line}" for line in lines or each)]))
        error.findings = findings
        return error
