"""Score against compute time, with the arms that no other beats in both."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation, Text
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from matplotlib.transforms import Bbox

from ablation.report.figures.arm import largest, look_of, scored_rows, titles_of, unit_of
from ablation.report.figures.drawn import WIDE, Drawn, Layout, add_legend, fold, freeze, make_panels, styled
from ablation.report.tables.choice import as_chosen

DISTANCES = (7, 16, 28, 42)
"""Points between an arm and its label, tried in this order."""
DIRECTIONS = ((1, 0), (1, -1), (1, 1), (-1, 0), (-1, 1), (-1, -1), (0, 1), (0, -1))
LITTLE_SPREAD = 4.0
"""Times the shortest time that the longest is, for a linear axis: a logarithmic one would have but one of
1, 2, 5, 10 in view, and matplotlib then adds ticks that lie too close."""
MUCH_SPREAD = 100.0
"""From here on 1, 10, 100 alone: 2 and 5 would not have room."""
POINT_RADIUS = 7.0
"""Pixels around an arm that labels keep off."""


@styled
def draw_pareto(results: pd.DataFrame, layout: Layout = WIDE) -> Drawn | None:
    """A panel a class, a point an arm, the front joined and named. None with fewer than two arms.

    Arms whose time is not known are left out.
    """
    rows = scored_rows(results).dropna(subset=["standalone_seconds"])
    arms = _means(largest(rows)) if not rows.empty else pd.DataFrame(columns=["arm"])
    if arms["arm"].nunique() < 2:
        return None
    titles = titles_of(rows)
    figure, panels = make_panels(layout, len(titles), 3.6)
    divisor, unit = unit_of(list(arms["standalone_seconds"]))
    arms["time"] = arms["standalone_seconds"] / divisor
    fronts = {name: pareto_front(arms[arms["class"] == name]) for name in titles}
    for axes, (name, title) in zip(panels, titles.items(), strict=True):
        _points(axes, arms[arms["class"] == name], fronts[name])
        axes.set(title=title, xlabel=f"compute time, {unit}", ylabel="test DSC")
        axes.margins(x=0.12, y=0.15)
    add_legend(figure, _keys(arms), layout)
    freeze(figure)  # labels are placed where the points have come to lie
    for axes, name in zip(panels, titles, strict=True):
        _name_points(figure, axes, fronts[name], arms[arms["class"] == name])
    return Drawn(
        figure=figure,
        title="Score against compute time",
        caption="Test DSC against the time that a trial would take alone; means over folds and seeds, each "
        f"arm {as_chosen(results)}, at the largest training set. Filled and named: the Pareto front, "
        "arms that no other beats in both score and time; differences along it may be smaller than their "
        "uncertainty.",
        alt="Scatter charts of test Dice against compute time. Pareto front, fastest first: "
        + "; ".join(f"{titles[name]}: {_listed(front)}" for name, front in fronts.items())
        + ".",
    )


def pareto_front(arms: pd.DataFrame) -> pd.DataFrame:
    """The arms (`standalone_seconds`, `dsc`) better than every faster one, fastest first."""
    ordered = arms.dropna(subset=["dsc"]).sort_values(["standalone_seconds", "dsc"], ascending=[True, False])
    return ordered[ordered["dsc"] > ordered["dsc"].cummax().shift(fill_value=-1.0)]


def _means(rows: pd.DataFrame) -> pd.DataFrame:
    keys = ["arm", "strategy", "class"]
    return rows.groupby(keys, sort=False)[["dsc", "standalone_seconds"]].mean().reset_index()


def _points(axes: Axes, arms: pd.DataFrame, front: pd.DataFrame) -> None:
    axes.plot(front["time"], front["dsc"], color="#888888", lw=1.2, drawstyle="steps-post", zorder=1)
    for row in arms.dropna(subset=["dsc"]).to_dict("records"):
        style, best = look_of(row["strategy"]), row["arm"] in set(front["arm"])
        axes.plot(
            row["time"],
            row["dsc"],
            ls="",
            marker=style.marker,
            ms=8,
            mec=style.colour,
            mfc=style.colour if best else "white",
            mew=1.4,
            label=row["arm"],
        )
    spread = arms["time"].max() / arms["time"].min() if arms["time"].min() > 0 else 1.0
    if spread > LITTLE_SPREAD:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if spread < MUCH_SPREAD else (1,), numticks=5))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())


def _keys(arms: pd.DataFrame) -> dict[str, Line2D]:
    keys = {}
    for strategy in dict.fromkeys(arms["strategy"]):
        style = look_of(strategy)
        keys[strategy.replace("_", " ")] = Line2D(
            [], [], ls="", marker=style.marker, ms=8, mec=style.colour, mfc="white", mew=1.4
        )
    return keys


def _name_points(figure: Figure, axes: Axes, front: pd.DataFrame, arms: pd.DataFrame) -> None:
    """Label the points of the front: off each other, off the points and inside the panel.

    The library adjustText was tried in its place: names overlapped each other and the points in crowded
    panels, and it took some seconds a panel.
    """
    taken = [
        *(_around(place, place) for place in _pixels(axes, arms)),
        *_line_of(_pixels(axes, front)),
    ]
    for row in front.to_dict("records"):
        label = axes.annotate(
            fold(row["arm"]),
            (row["time"], row["dsc"]),
            xytext=(0, 0),
            textcoords="offset points",
            fontsize=9,
            arrowprops={"arrowstyle": "-", "color": "#888888", "lw": 0.7, "shrinkA": 0, "shrinkB": 3},
        )
        label.set_in_layout(False)
        taken.append(_place(figure, axes, label, taken))


def _pixels(axes: Axes, arms: pd.DataFrame) -> np.ndarray:
    """Places of the arms (n, 2)."""
    return axes.transData.transform(arms[["time", "dsc"]].dropna().to_numpy(dtype=float))


def _around(one: np.ndarray, other: np.ndarray, margin: float = POINT_RADIUS) -> Bbox:
    """The box of two places and a margin, pixels."""
    low, high = np.minimum(one, other) - margin, np.maximum(one, other) + margin
    return Bbox.from_extents(*low, *high)


def _line_of(front: np.ndarray) -> Iterator[Bbox]:
    """Boxes around the steps of the line that joins the front (n, 2), pixels."""
    for one, other in pairwise(front):
        corner = np.array([other[0], one[1]])
        yield _around(one, corner, margin=1)
        yield _around(corner, other, margin=1)


def _place(figure: Figure, axes: Axes, label: Annotation, taken: list[Bbox]) -> Bbox:
    """Moves the label to the least crowded place around its point, the nearest of several."""
    inside = np.array(axes.get_window_extent().extents)
    others = np.array([box.extents for box in taken])

    def crowding(place: tuple[int, int]) -> float:
        box = _move(figure, label, place)
        outside = box.width * box.height - _shared(box, inside)
        return float(outside + _shared(box, others).sum())

    places = [(dx * distance, dy * distance) for distance in DISTANCES for dx, dy in DIRECTIONS]
    return _move(figure, label, min(places, key=crowding))


def _move(figure: Figure, label: Annotation, offset: tuple[int, int]) -> Bbox:
    """Put the label so many points from its point and return the box of its text, pixels."""
    dx, dy = offset
    label.set_position(offset)
    label.set_horizontalalignment("left" if dx > 0 else "right" if dx < 0 else "center")
    label.set_verticalalignment("center" if dy == 0 else "bottom" if dy > 0 else "top")
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]  # a canvas of Agg has one
    label.update_positions(renderer)
    # The text alone, not the line to its point, which may cross others.
    return Text.get_window_extent(label, renderer)


def _shared(one: Bbox, others: np.ndarray) -> np.ndarray:
    """The areas that a box has in common with others, (..., 4), each left, bottom, right and top."""
    low, high = np.maximum(one.min, others[..., :2]), np.minimum(one.max, others[..., 2:])
    return np.prod(np.maximum(high - low, 0), axis=-1)


def _listed(front: pd.DataFrame) -> str:
    return ", ".join(f"{row.arm} {row.dsc:.3f}" for row in front.itertuples())
