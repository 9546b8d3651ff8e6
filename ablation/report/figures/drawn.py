"""A figure with its words, and how figures are laid out and written."""

import io
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

STYLE: Any = {
    "font.family": "DejaVu Sans",  # matplotlib brings it: the same picture everywhere
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.labelsize": 10,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 10,
    "hatch.linewidth": 0.6,
    "figure.autolayout": False,  # laid out once, see `freeze`, whatever the user's own settings
    "figure.constrained_layout.use": False,
    "image.interpolation": "nearest",
    "svg.fonttype": "path",
    "svg.hashsalt": "ablation",
}
LETTERS = 28
"""Of a line of an arm's name, beside a row or a point."""
LETTER, LINE = 0.09, 0.17
"""Inches of a letter at 10 points, and from line to line."""
DPI = 110
styled = matplotlib.rc_context(STYLE)
"""Draws a figure in this style; matplotlib reads it as parts of a figure are made."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Room for a figure.

    Args:
        width: inches; type is 10 points whatever the width.
        columns: most panels beside each other.
    """

    width: float
    columns: int


WIDE = Layout(width=10, columns=3)
"""For a page about 1100 pixels wide, and for print."""
NARROW = Layout(width=4, columns=1)
"""For a phone: panels under each other, type as large."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Drawn:
    """A figure and what a page says of it.

    Args:
        title: what it shows.
        caption: how to read it.
        alt: for those who do not see it: what it shows, and its main values.
    """

    figure: Figure
    title: str
    caption: str
    alt: str


def make_panels(layout: Layout, count: int, height: float, **options: Any) -> tuple[Figure, list[Axes]]:
    """A figure of `count` panels, each `height` inches, as many beside each other as fit."""
    columns = min(layout.columns, count)
    rows = -(-count // columns)
    figure = make_figure(layout.width, rows * height)
    axes = list(figure.subplots(rows, columns, squeeze=False, **options).flat)
    for spare in axes[count:]:
        spare.remove()
    return figure, axes[:count]


def make_figure(width: float, height: float) -> Figure:
    """An empty figure, inches, that makes room for its labels."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def fold(name: str, letters: int = LETTERS) -> str:
    """Break a name into lines of so many letters, behind `=` where a part of it is longer than that."""
    options: Any = {"width": letters, "break_long_words": False, "break_on_hyphens": False}
    lines = [line for given in name.split("\n") for line in textwrap.wrap(given, **options)]
    parts = (line if len(line) <= letters else line.replace("=", "=\n") for line in lines)
    return "\n".join(parts)


def height_of(names: Sequence[str], row: float) -> float:
    """Inches that rows with these names take, where one of a single line takes `row`."""
    lines = max((fold(name).count("\n") + 1 for name in names), default=1)
    return len(names) * (row + LINE * (lines - 1))


def name_rows(panels: Sequence[Axes], names: Sequence[str], layout: Layout) -> None:
    """Put a name on each row, 0 the first and on top, of panels that share them."""
    for axes in panels:
        axes.set_yticks(range(len(names)), [fold(name) for name in names])
        axes.tick_params(axis="y", length=0, labelleft=axes is panels[0] or layout.columns == 1)
    panels[0].invert_yaxis()


def add_legend(figure: Figure, handles: Mapping[str, Any], layout: Layout, *, letters: int = 0) -> None:
    """A legend under the panels, as many columns as fit names of the longest one's length."""
    key = 0.6  # inches
    names = [fold(name, int((layout.width - key) / LETTER)) for name in handles]
    longest = max([letters, *(len(line) for name in names for line in name.split("\n"))])
    columns = max(1, int(layout.width / (LETTER * longest + key)))
    rows = -(-len(handles) // columns)
    figure.legend(
        list(handles.values()),
        names,
        loc="outside lower center",
        ncols=-(-len(handles) // rows),
        handlelength=2.6,
    )


def freeze(figure: Figure) -> None:
    """Lays the figure out once and for all: that takes longer than to draw it."""
    if engine := figure.get_layout_engine():
        engine.execute(figure)
        figure.set_layout_engine(None)  # any other, even one that does nothing, has all drawn twice


def png(figure: Figure) -> bytes:
    """The figure as PNG."""
    return _render(figure, "png", dpi=DPI)


def svg(figure: Figure) -> bytes:
    """The figure as SVG, the same bytes each time; type as outlines, so that it needs no font."""
    return _render(figure, "svg", metadata={"Date": None})


@styled
def _render(figure: Figure, kind: str, **options: Any) -> bytes:
    freeze(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, **options)
    return buffer.getvalue()
