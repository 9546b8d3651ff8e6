"""Dice by the depth of tuning and the size of the training set (Fig. 5)."""

import pandas as pd
from matplotlib.axes import Axes

from ablation.report.figures.arm import look, scored_rows, titles_of
from ablation.report.figures.drawn import WIDE, Drawn, Layout, add_legend, make_panels, styled
from ablation.report.tables.arm_scores import DEPTHS
from ablation.report.tables.choice import as_chosen
from ablation.report.tables.training_size import ALL, DEPTH_STRATEGIES, on_equal_terms

SPREAD = 0.36
"""Of the lines' dots around their depth, in steps of the axis."""


@styled
def draw_depth(results: pd.DataFrame, layout: Layout = WIDE) -> Drawn | None:
    """A panel a class, a line a training size. None with fewer than two depths."""
    tuned = results[results["strategy"].isin(DEPTH_STRATEGIES)]
    rows = _with_depth(scored_rows(on_equal_terms(tuned)))
    if rows["depth"].nunique() < 2:
        return None
    depths = [depth for depth in (*DEPTHS, ALL) if depth in set(rows["depth"])]
    sizes = sorted(rows["t2_train_size"].unique())
    tested = scored_rows(results)
    untuned = tested[tested["strategy"] == "no_fine_tuning"].groupby("class")["dsc"].mean()
    titles = titles_of(rows)
    figure, panels = make_panels(layout, len(titles), 3.4)
    handles = {}
    for axes, (name, title) in zip(panels, titles.items(), strict=True):
        part = rows[rows["class"] == name]
        for place, size in enumerate(sizes):
            shift = SPREAD * ((place + 0.5) / len(sizes) - 0.5)
            label = f"{size} patient{'s' if size > 1 else ''}"
            handles[label] = _line(axes, part[part["t2_train_size"] == size], depths, place, shift)
        if name in untuned.index:
            handles["no_fine_tuning"] = axes.axhline(untuned[name], color="#666666", lw=1.2, ls=(0, (2, 2)))
        axes.set(title=title, xlabel="convolutions tuned", ylabel="test DSC")
        axes.set_xticks(range(len(depths)), depths)
    add_legend(figure, handles, layout)
    return Drawn(
        figure=figure,
        title="Dice by layers tuned and size of the training set",
        caption="Test DSC of conservative fine-tuning by the number of convolutions tuned, counted from the "
        "output (fc: the last layer alone; all: open fine-tuning). Lines: means over "
        f"folds and seeds at the learning rate {as_chosen(results).removeprefix('as ')} among those that "
        "every size was trained with; small dots: single trials. The scales of the panels differ.",
        alt=_alt(rows, sizes[-1]),
    )


def _with_depth(rows: pd.DataFrame) -> pd.DataFrame:
    if rows.empty:
        return rows.assign(depth=[])
    return rows.assign(depth=rows["tuned_layers"].where(rows["strategy"] == "conservative", ALL))


def _line(axes: Axes, rows: pd.DataFrame, depths: list[str], place: int, shift: float) -> object:
    style, means = look(place), rows.groupby("depth")["dsc"].mean().reindex(depths).dropna()
    at = [depths.index(depth) + shift for depth in rows["depth"]]
    axes.plot(at, rows["dsc"], ls="", marker=".", ms=4, alpha=0.55, color=style.colour, label="_trials")
    (line,) = axes.plot(
        [depths.index(str(depth)) + shift for depth in means.index],
        means,
        color=style.colour,
        marker=style.marker,
        ls=style.line,
        ms=6,
        lw=1.6,
    )
    return line


def _alt(rows: pd.DataFrame, size: int) -> str:
    means = rows[rows["t2_train_size"] == size].groupby(["class", "depth"])["dsc"].mean().dropna()
    best = [
        f"{title} {means[name].max():.3f} at {means[name].idxmax()}"
        for name, title in titles_of(rows).items()
        if name in means.index.get_level_values("class")
    ]
    return (
        f"Line charts of test Dice against the convolutions tuned, a line a training size. "
        f"Highest mean with {size} patients: {', '.join(best)}."
    )
