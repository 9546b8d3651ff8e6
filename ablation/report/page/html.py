"""The page as HTML: one file that needs no other and no network."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from ablation.report.page.markup import as_text, headings_of

TEMPLATE = "page.html.j2"
NUMBER = "number"
LONG = 20
"""Rows of a table that scrolls in a window of its own, and is folded away below the summary."""
MOST_ROWS = 150
"""Of a table on the page: nobody reads more, and a browser is slow with thousands."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure as the page shows it.

    Args:
        wide, narrow: PNG for a desk and for a phone; `narrow` may be empty.
    """

    name: str
    title: str
    caption: str
    alt: str
    wide: bytes
    narrow: bytes = b""

    @property
    def wide_address(self) -> str:
        """The picture itself, as an address."""
        return _address(self.wide)

    @property
    def narrow_address(self) -> str:
        """The picture for narrow screens, as an address."""
        return _address(self.narrow)


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A table as the page shows it.

    Args:
        name: of its CSV file under `tables/`.
        note: what to know before it is read.
    """

    name: str
    title: str
    frame: pd.DataFrame
    note: str = ""

    @property
    def heads(self) -> list[tuple[str, str]]:
        """Text and kind of each column."""
        shown = self.cells.columns
        texts = (" ".join(part for part in pair if part) for pair in headings_of(shown))
        return [(text, self._kind(name)) for text, name in zip(texts, shown, strict=True)]

    @property
    def cells(self) -> pd.DataFrame:
        """Every cell as text."""
        return as_text(self.frame.head(MOST_ROWS))

    @property
    def rows(self) -> list[list[tuple[str, str]]]:
        """Text and kind of each cell, of the first `MOST_ROWS` rows."""
        kinds = [kind for _, kind in self.heads]
        return [list(zip(row, kinds, strict=True)) for row in self.cells.to_numpy().tolist()]

    @property
    def rows_left_out(self) -> int:
        """Rows that are in the file alone."""
        return max(0, len(self.frame) - MOST_ROWS)

    @property
    def is_long(self) -> bool:
        """Return whether the table would push what follows far down the page."""
        return len(self.frame) > LONG

    def _kind(self, name: str) -> str:
        return NUMBER if pd.api.types.is_numeric_dtype(self.frame[name]) else "text"


@dataclass(frozen=True, kw_only=True)
class Page:
    """All that the page says, in its order.

    Args:
        warnings: what must be known before anything is read: simulated, unfinished, failed.
        answers: a paragraph each.
        sections: tables by heading.
        provenance: where the numbers come from.
    """

    title: str
    subtitle: str
    warnings: list[str]
    answers: list[str]
    summary: Sheet
    pictures: list[Picture]
    sections: Mapping[str, list[Sheet]]
    failures: Mapping[str, str] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)
    space: str = ""


def render_page(page: Page) -> str:
    """The page as HTML."""
    return fill(TEMPLATE, page)


def fill(template: str, page: object) -> str:
    """Return a template of this folder filled with what a page says."""
    environment = Environment(
        loader=PackageLoader("ablation.report.page", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(page=page)


def _address(content: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(content).decode('ascii')}"
