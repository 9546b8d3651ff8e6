"""Reliability: how often a class is there, by the probability that the networks give it."""

import pandas as pd
from matplotlib.axes import Axes

from ablation.report.figures.arm import Look, largest, look, pick, scored_rows, titles_of
from ablation.report.figures.drawn import WIDE, Drawn, Layout, add_legend, make_panels, styled
from ablation.report.tables.calibration import reliability
from t1t2core.cohort.subject import STUDY_SEQUENCES, Sequences
from t1t2core.settings import TARGET

FEWEST_VOXELS = 100
"""In a bin that is drawn: a share of fewer is chance."""


@styled
def draw_calibration(
    results: pd.DataFrame,
    calibration: pd.DataFrame,
    layout: Layout = WIDE,
    *,
    sequences: Sequences = STUDY_SEQUENCES,
) -> Drawn | None:
    """A panel a class, a line an arm. None where no probabilities were recorded.

    Args:
        results: as `results.csv`, for the arms and their chosen values.
        calibration: as `calibration_frame` gives it.
    """
    rows = scored_rows(results)
    if rows.empty or calibration.empty:
        return None
    bins = reliability(largest(rows), calibration[calibration["sequence"] == TARGET])
    arms = pick(bins["arm"])
    if not arms:
        return None
    titles = titles_of(rows)
    figure, panels = make_panels(layout, len(titles), 3.2)
    handles = {}
    for axes, (name, title) in zip(panels, titles.items(), strict=True):
        axes.plot([0, 1], [0, 1], color="#999999", lw=1, zorder=1)
        for place, arm in enumerate(arms):
            part = bins[(bins["arm"] == arm) & (bins["class"] == name) & (bins["voxels"] >= FEWEST_VOXELS)]
            handles[arm] = _line(axes, part, look(place))
        axes.set(title=title, xlabel="probability given", xlim=(0, 1), ylim=(0, 1), aspect="equal")
    panels[0].set_ylabel("share that is there")
    add_legend(figure, handles, layout)
    return Drawn(
        figure=figure,
        title="Reliability of the probabilities",
        caption="How often a voxel is of the class, by the probability that the networks gave it, pooled "
        f"over the {sequences.target} test voxels of all folds and seeds. On the diagonal probabilities "
        "can be believed; below it the networks are too sure. Bins of fewer than 100 voxels are not drawn.",
        alt="Line charts of the share of voxels that are of a class by the probability given, one for each "
        "class.",
    )


def _line(axes: Axes, rows: pd.DataFrame, style: Look) -> object:
    means = rows.assign(given=rows["probabilities"] / rows["voxels"], share=rows["true"] / rows["voxels"])
    ordered = means.sort_values("given")
    (line,) = axes.plot(
        ordered["given"],
        ordered["share"],
        color=style.colour,
        ls=style.line,
        marker=style.marker,
        ms=4,
        lw=1.4,
    )
    return line
