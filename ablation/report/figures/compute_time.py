"""Compute time of each arm, split into epochs and time an epoch (Fig. 7)."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ablation.report.figures.arm import largest, look_of, scored_rows, unit_of
from ablation.report.figures.drawn import WIDE, Drawn, Layout, height_of, make_panels, name_rows, styled
from ablation.report.tables.choice import as_chosen

BAR = 0.27
"""Inches of height an arm takes."""
TIMES = "\N{MULTIPLICATION SIGN}"
BUDGETS = ("max_steps", "max_epochs", "budget", "pruned")


@styled
def draw_compute_time(results: pd.DataFrame, layout: Layout = WIDE) -> Drawn | None:
    """Panels of epochs, time an epoch and total time, a bar an arm. None without trials of a known time."""
    rows = scored_rows(results).dropna(subset=["standalone_seconds"])
    if rows.empty:
        return None
    trials = largest(rows).drop_duplicates("trial_key")
    means = _means(trials)
    figure, panels = make_panels(layout, 3, height_of(list(means.index), BAR) + 1.2, sharey=True)
    divisor, unit = unit_of(list(means["total"]))
    _bars(panels[0], means, means["epochs"], trials, trials["epochs"])
    _bars(panels[1], means, means["epoch"], trials, trials["seconds_per_epoch"])
    _bars(panels[2], means, means["trained"] / divisor, None, None)
    panels[2].barh(
        means.index,
        means["rest"] / divisor,
        left=means["trained"] / divisor,
        color="white",
        edgecolor="#444444",
        hatch="////",
        height=0.7,
    )
    _dots(panels[2], trials, trials["standalone_seconds"] / divisor)
    titles = ("Epochs", f"{TIMES} time an epoch", "= training; rest hatched")
    for axes, title, label in zip(panels, titles, ("epochs", "seconds", unit), strict=True):
        axes.set(title=title, xlabel=label, xlim=(0, None))
        axes.grid(axis="y", visible=False)
        axes.margins(y=0.01)
    panels[0].xaxis.set_major_locator(MaxNLocator(integer=True))
    name_rows(panels, list(means.index), layout)
    return Drawn(
        figure=figure,
        title="Compute time by strategy",
        caption="Time that a trial would take alone, with nothing shared (standalone_seconds), mean over "
        f"folds and seeds, each arm {as_chosen(results)}, at the largest training set; dots: single "
        "trials. The rest is what is not training epochs: start, scoring, and whatever else a trial does. "
        "The time to pretrain the network and to choose what is tuned is not in it." + _budget(trials),
        alt=_alt(means, divisor, unit),
    )


def _means(trials: pd.DataFrame) -> pd.DataFrame:
    total, product = trials["standalone_seconds"], trials["epochs"] * trials["seconds_per_epoch"]
    trained = product.clip(upper=total)
    parts = trials.assign(
        total=total, trained=trained, rest=total - trained, epoch=trials["seconds_per_epoch"]
    )
    columns = ["epochs", "epoch", "trained", "rest", "total"]
    strategy = parts.groupby("arm", sort=False)["strategy"].first()
    return parts.groupby("arm", sort=False)[columns].mean().assign(strategy=strategy)


def _bars(
    axes: Axes, means: pd.DataFrame, values: pd.Series, trials: pd.DataFrame | None, single: pd.Series | None
) -> None:
    colours = [look_of(strategy).colour for strategy in means["strategy"]]
    axes.barh(means.index, values, color=colours, height=0.7)
    if trials is not None and single is not None:
        _dots(axes, trials, single)


def _dots(axes: Axes, trials: pd.DataFrame, values: pd.Series) -> None:
    axes.plot(values, trials["arm"], ls="", marker="o", ms=3.5, mfc="white", mec="black", mew=0.8)


def _budget(trials: pd.DataFrame) -> str:
    stopped = int(trials["stop_reason"].isin(BUDGETS).sum())
    if not stopped:
        return ""
    return (
        f" {stopped} of {len(trials)} trials ended with their budget, not by convergence: "
        "their epochs say nothing of the time to convergence."
    )


def _alt(means: pd.DataFrame, divisor: float, unit: str) -> str:
    values = [f"{arm} {total / divisor:.3g}" for arm, total in means["total"].items()]
    return f"Bar charts of epochs, time an epoch and total time. Total in {unit}: {', '.join(values)}."
