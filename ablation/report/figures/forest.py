"""What each change did to Dice, with its interval: a forest plot."""

import pandas as pd
from matplotlib.axes import Axes

from ablation.record.selection import classes_in, title_of
from ablation.report.figures.drawn import WIDE, Drawn, Layout, make_panels, name_rows, styled
from ablation.report.statistics.contrasts import REFERENCE, ablation_table, main_effects, margin_of
from ablation.report.tables.choice import as_chosen
from ablation.space.design import Design

ROW = 0.42
"""Inches of height that a change takes."""
MOST_ROWS = 40
COLOURS = {"better": "#0072B2", "worse": "#D55E00", "practically equal": "#009E73", "cannot tell": "#666666"}
MARKERS = {"better": "^", "worse": "v", "practically equal": "s", "cannot tell": "o"}


@styled
def draw_forest(
    results: pd.DataFrame, patients: pd.DataFrame, design: Design, layout: Layout = WIDE
) -> Drawn | None:
    """A panel a class, a row a change. None for a space that compares no setting, one at a time or in a grid.

    Args:
        results: as `results.csv`.
        patients: as `patients.csv`.
        design: of the plan.
    """
    rows = _rows(results, patients, design)
    if rows.empty:
        return None
    names = list(dict.fromkeys(rows["name"]))[:MOST_ROWS]
    classes = classes_in(rows)
    figure, panels = make_panels(layout, len(classes), ROW * len(names) + 1.4, sharey=True)
    for axes, tissue in zip(panels, classes, strict=True):
        _draw(axes, rows[rows["class"] == tissue].set_index("name").reindex(names), margin_of(design))
        axes.set(title=title_of(tissue), xlabel="difference in test DSC")
    name_rows(panels, names, layout)
    more = f" The first {MOST_ROWS} are shown." if rows["name"].nunique() > MOST_ROWS else ""
    return Drawn(
        figure=figure,
        title="What each change did to Dice",
        caption="Difference in test DSC with its 95 % interval, paired by patients and pretrained networks, "
        f"each arm {as_chosen(results)}. "
        "Triangles up: better; down: worse (p < 0.05 after Holm); squares: practically equal; dots: "
        "cannot tell. "
        f"Shaded: the margin within which a difference does not matter, where the space states one.{more}",
        alt=f"Forest plots of differences in test Dice. {title_of(classes[0])}: " + _alt(rows) + ".",
    )


def _rows(results: pd.DataFrame, patients: pd.DataFrame, design: Design) -> pd.DataFrame:
    """Columns `name`, `class`, `difference`, `low`, `high` and `verdict`."""
    effects = main_effects(results, patients, design)
    if not effects.empty:
        return effects.assign(name=effects["factor"] + ":\n" + effects["change"])
    table = ablation_table(results, patients, design)
    if table.empty:
        return table
    changed = table[table["change"] != REFERENCE]
    several = changed["reference"].nunique() > 1
    # Two lines, or their names would leave the panels no room.
    names = changed["change"].str.replace(": ", ":\n", n=1)
    names = changed["reference"] + ", " + names if several else names
    parts = [
        pd.DataFrame(
            {
                "name": names,
                "class": tissue,
                "difference": changed[f"{tissue}_dsc"],
                **{name: changed[f"{tissue}_{name}"] for name in ("low", "high", "verdict")},
            }
        )
        for tissue in classes_in(results)
    ]
    return pd.concat(parts, ignore_index=True)


def _draw(axes: Axes, rows: pd.DataFrame, margin: float | None) -> None:
    axes.axvline(0, color="#222222", lw=1)
    if margin is not None:
        axes.axvspan(-margin, margin, color="#009E73", alpha=0.12, lw=0)
    for place, row in enumerate(rows.to_dict("records")):
        colour = COLOURS.get(row["verdict"], "#666666")
        axes.plot([row["low"], row["high"]], [place, place], color=colour, lw=1.6)
        marker = MARKERS.get(row["verdict"], "o")
        axes.plot([row["difference"]], [place], color=colour, marker=marker, ms=6.5, ls="")


def _alt(rows: pd.DataFrame) -> str:
    first = rows[rows["class"] == classes_in(rows)[0]].head(MOST_ROWS)
    told = zip(first["name"].str.replace("\n", " "), first["difference"], first["verdict"], strict=True)
    return ", ".join(f"{name} {difference:+.3f} ({verdict})" for name, difference, verdict in told)
