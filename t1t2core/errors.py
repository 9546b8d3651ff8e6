"""Errors that a caller may want to tell apart."""


class InputError(ValueError):
    """What the user gave cannot be used: the message says what, where, and what would be right.

    Commands print the message as it is and exit with status 2. Several findings are one error with
    one line each, so that they can all be mended at once.
    """

    @classmethod
    def collect(cls, headline: str, findings: list[str]) -> "InputError":
        """Make one error that names every finding on a line of its own under `headline`."""
        return cls("\n".join([headline, *(f"  - {finding}" for finding in findings)]))
