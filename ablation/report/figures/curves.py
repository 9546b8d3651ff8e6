"""Learning curves: training loss, and validation Dice of each class, by epoch."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ablation.names import TRAIN_LOSS
from ablation.report.figures.arm import Look, largest, look, pick, scored_rows, titles_of
from ablation.report.figures.drawn import WIDE, Drawn, Layout, add_legend, make_panels, styled
from ablation.report.tables.choice import as_chosen


def metrics_of(results: pd.DataFrame) -> dict[str, str]:
    """What is drawn: names in the record, and titles."""
    scores = {
        f"validation/{name}/dsc": f"{title}, validation DSC" for name, title in titles_of(results).items()
    }
    return {TRAIN_LOSS: "Training loss", **scores}


@styled
def draw_curves(results: pd.DataFrame, curves: pd.DataFrame, layout: Layout = WIDE) -> Drawn | None:
    """A panel for the loss and one a class, a line an arm. None without values.

    Args:
        results: as `results.csv`, for the arms and their chosen learning rate.
        curves: columns `trial_key`, `metric` (of `metrics_of`), `step` (epoch) and `value`.
    """
    rows = scored_rows(results)
    if rows.empty or curves.empty:
        return None
    trials = largest(rows)[["trial_key", "arm"]].drop_duplicates()
    metrics = metrics_of(results)
    values = curves[curves["metric"].isin(list(metrics))].merge(trials, on="trial_key")
    arms = pick(arm for arm in trials["arm"] if arm in set(values["arm"]))
    if not arms:
        return None
    figure, panels = make_panels(
        Layout(width=layout.width, columns=min(2, layout.columns)), len(metrics), 2.7
    )
    handles = {}
    for axes, (metric, title) in zip(panels, metrics.items(), strict=True):
        part = values[values["metric"] == metric]
        for place, arm in enumerate(arms):
            handles[arm] = _line(axes, part[part["arm"] == arm], look(place))
        axes.set(title=title, xlabel="epoch", xlim=(0, None))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    add_legend(figure, handles, layout)
    return Drawn(
        figure=figure,
        title="Learning curves",
        caption=f"Training loss and validation DSC by epoch, each arm {as_chosen(results)}, at the "
        "largest training set: means over folds and seeds as far as all of them were trained; thin: "
        "single trials." + _left_out(arms, values),
        alt="Line charts of training loss and validation Dice by epoch. "
        f"Last mean of {list(metrics.values())[1]}: "
        + _last(values[values["metric"] == list(metrics)[1]], arms),
    )


def _line(axes: Axes, rows: pd.DataFrame, style: Look) -> object:
    for _, trial in rows.groupby("trial_key"):
        ordered = trial.sort_values("step")
        axes.plot(ordered["step"], ordered["value"], color=style.colour, lw=0.7, alpha=0.35, label="_trial")
    means = _means(rows)
    (line,) = axes.plot(
        means.index,
        means,
        color=style.colour,
        ls=style.line,
        marker=style.marker,
        markevery=max(1, len(means) // 6),
        ms=5,
        lw=1.6,
    )
    return line


def _means(rows: pd.DataFrame) -> pd.Series:
    """Means by epoch, where all trials have a value."""
    steps = rows.groupby("step")["value"]
    return steps.mean()[steps.count() == rows["trial_key"].nunique()]


def _left_out(arms: list[str], values: pd.DataFrame) -> str:
    others = [arm for arm in dict.fromkeys(values["arm"]) if arm not in arms]
    return f" Not drawn, for room: {', '.join(others)}." if others else ""


def _last(values: pd.DataFrame, arms: list[str]) -> str:
    means = {arm: _means(values[values["arm"] == arm]) for arm in arms}
    found = [f"{arm} {mean.iloc[-1]:.3f}" for arm, mean in means.items() if len(mean)]
    return (", ".join(found) or "none measured") + "."
