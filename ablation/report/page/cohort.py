"""The page of a cohort that was looked at, as one HTML file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ablation.report.page.html import Picture, Sheet, fill

TEMPLATE = "cohort.html.j2"


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A subject's picture, and what is said about it."""

    picture: Picture
    findings: list[str]
    warnings: list[str]


@dataclass(frozen=True, kw_only=True)
class CohortPage:
    """All that the page says, in its order.

    Args:
        problems: why the cohort cannot be used.
        exclude_line: the line of a search space that leaves out who cannot be used.
        findings: what is wrong with those, by name.
        left_out: who is left out as the settings ask, with why.
        colours: RGB of each class's outline.
    """

    title: str
    subtitle: str
    problems: Sequence[str]
    exclude_line: str
    findings: Mapping[str, Sequence[str]]
    warnings: Sequence[str]
    left_out: Mapping[str, str]
    splits: Sheet
    subjects: Sheet
    colours: Mapping[str, tuple[int, int, int]]
    panels: Sequence[Panel]


def render_cohort_page(page: CohortPage) -> str:
    """The page as HTML."""
    return fill(TEMPLATE, page)
