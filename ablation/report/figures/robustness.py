"""Dice on changed test scans: a panel a kind of change, a line an arm."""

import pandas as pd
from matplotlib.axes import Axes

from ablation.record.robustness import AS_IT_IS
from ablation.report.figures.arm import look_of
from ablation.report.figures.drawn import WIDE, Drawn, Layout, add_legend, make_panels, styled
from ablation.report.tables.robustness import robust_arms, robustness_scores

TITLES = {
    "gamma_above_1": "Contrast, darker",
    "gamma_below_1": "Contrast, brighter",
    "bias_field": "Bias field",
    "noise": "Rician noise",
    "slice_thickness": "Slice thickness",
    "voxel_in_plane": "Voxel size in plane",
    "cut_above": "Field of view, above",
    "cut_below": "Field of view, below",
    "cut_in_plane": "Field of view, in plane",
}


@styled
def draw_robustness(
    results: pd.DataFrame, kept: pd.DataFrame, tissue: str, layout: Layout = WIDE
) -> Drawn | None:
    """A panel a kind of change, level 0 at the left, a line an arm. None where nothing was tested.

    Args:
        results: as `results.csv`.
        kept: as `robustness.csv`.
        tissue: class whose Dice is shown, and for which the arms were chosen.
    """
    scores = robustness_scores(kept, results)
    arms = robust_arms(results, tissue)
    scores = scores[(scores["class"] == tissue) & scores["arm"].isin(arms)].dropna(subset=["dsc"])
    kinds = [kind for kind in dict.fromkeys(scores["kind"]) if kind != AS_IT_IS]
    if not kinds:
        return None
    figure, panels = make_panels(layout, len(kinds), 2.6, sharey=True)
    handles = {}
    for axes, kind in zip(panels, kinds, strict=True):
        part = scores[scores["kind"].isin((AS_IT_IS, kind))]
        for arm, rows in part.groupby("arm", sort=False):
            handles[str(arm)] = _line(axes, rows)
        _label(axes, part[part["kind"] == kind], TITLES.get(kind, kind))
    for axes in panels[:: layout.columns]:
        axes.set_ylabel("test DSC")
    add_legend(figure, handles, layout)
    name = tissue.replace("_", " ")
    return Drawn(
        figure=figure,
        title=f"Robustness at test: {name} on changed scans",
        caption=f"Test DSC of {name} when each test scan is changed and prepared anew; at the left the scan "
        "as it is, to the right by the amount at the axis. Lines: the arm that validation chose for "
        f"{name}, and untuned and fully tuned networks where the space has them; means over folds and seeds. "
        "Of a scan whose field of view was cut, what is left is scored: a line may rise where what was hard "
        "is gone.",
        alt=_alt(scores, kinds, name),
    )


def _line(axes: Axes, rows: pd.DataFrame) -> object:
    """Draw an arm's Dice by level."""
    style = look_of(str(rows["strategy"].iloc[0]))
    (line,) = axes.plot(
        rows["level"].astype(int),
        rows["dsc"],
        color=style.colour,
        marker=style.marker,
        ls=style.line,
        ms=5,
        lw=1.5,
    )
    return line


def _label(axes: Axes, rows: pd.DataFrame, title: str) -> None:
    """Name the levels by their amounts."""
    amounts = rows.drop_duplicates("level").sort_values("level")
    ticks = ["as is", *(f"{value:g}" for value in amounts["value"])]
    axes.set_xticks([0, *amounts["level"].astype(int)], ticks)
    axes.set(title=title, xlabel=amounts["unit"].iloc[0])


def _alt(scores: pd.DataFrame, kinds: list[str], name: str) -> str:
    parts = []
    for kind in kinds:
        rows = scores[scores["kind"] == kind]
        worst = rows.sort_values("level").drop_duplicates("arm", keep="last")
        drops = ", ".join(f"{arm} {d:+.3f}" for arm, d in zip(worst["arm"], -worst["drop"], strict=True))
        parts.append(f"{TITLES.get(kind, kind).lower()} {drops}")
    return f"Line charts of the test Dice of {name} on changed scans. Change at the last level: " + (
        "; ".join(parts) + "."
    )
