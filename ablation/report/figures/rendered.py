"""Figures in every form in which they are shown, drawn by two processes."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass

from ablation.report.figures.drawn import NARROW, WIDE, Drawn, Layout, png, svg

Drawing = Callable[[Layout], Drawn | None]
"""Draws a figure; None where the data has nothing for it."""


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """A figure as files, and what a page says of it, see `Drawn`.

    Args:
        wide, narrow: PNG for a desk and for a phone.
        svg: for print.
    """

    title: str
    caption: str
    alt: str
    wide: bytes
    narrow: bytes
    svg: bytes


def render(drawing: Drawing) -> Rendered | None:
    """Draws a figure in every form; None where the data has nothing for it."""
    wide, narrow = drawing(WIDE), drawing(NARROW)
    if wide is None or narrow is None:
        return None
    return Rendered(
        title=wide.title,
        caption=wide.caption,
        alt=wide.alt,
        wide=png(wide.figure),
        narrow=png(narrow.figure),
        svg=svg(wide.figure),
    )


class Rendering:
    """Figures that a helper draws while the caller does something else, and then with the caller.

    Args:
        helper: one process.
    """

    def __init__(self, drawings: Mapping[str, Drawing], helper: Executor) -> None:
        self._drawings = drawings
        self._waiting = iter(drawings.items())  # of which both take the next
        self._rendered: dict[str, Rendered | None] = {}
        with_helper = ThreadPoolExecutor(1)
        self._beside = with_helper.submit(self._render_beside, helper)
        with_helper.shutdown(wait=False)

    def finish(self) -> dict[str, Rendered]:
        """The figures that the data has something for, in the order in which they were given."""
        self._render(self._waiting)
        self._beside.result()
        self._render((name, d) for name, d in self._drawings.items() if name not in self._rendered)
        return {name: figure for name in self._drawings if (figure := self._rendered[name])}

    def _render(self, drawings: Iterator[tuple[str, Drawing]]) -> None:
        self._rendered |= {name: render(drawing) for name, drawing in drawings}

    def _render_beside(self, helper: Executor) -> None:
        with suppress(BrokenProcessPool):  # killed, most likely for lack of memory: the rest is drawn here
            for name, drawing in self._waiting:
                self._rendered[name] = helper.submit(render, drawing).result()
