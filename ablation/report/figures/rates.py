"""How each arm's learning rate was chosen, on validation."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ablation.report.figures.arm import largest, look
from ablation.report.figures.drawn import WIDE, Drawn, Layout, make_panels, styled
from ablation.report.tables.summary import learning_rates

GROUPS = {"conservative": "Conservative", "hybrid": "Hybrid", "": "Whole networks"}
"""Panels by strategy; the last has all others."""
MOST_TICKS = 6


@styled
def draw_rates(results: pd.DataFrame, layout: Layout = WIDE) -> Drawn | None:
    """Validation Dice against the learning rate, a line an arm. None where no arm had a choice."""
    rates = learning_rates(results) if not results.empty else pd.DataFrame()
    if rates.empty:
        return None
    rates = largest(rates)
    choices = rates.groupby("arm")["learning_rate"].transform("nunique")
    rates = rates[choices > 1].assign(group=lambda rows: _groups(rows["strategy"]))
    if rates.empty:
        return None
    groups = [name for name in GROUPS if name in set(rates["group"])]
    figure, panels = make_panels(layout, len(groups), 4.6)
    for axes, group in zip(panels, groups, strict=True):
        part = rates[rates["group"] == group]
        _lines(axes, part, _order(results, part))
        axes.set(title=GROUPS[group], xlabel="learning rate", ylabel="mean validation DSC")
    return Drawn(
        figure=figure,
        title="Choice of the learning rate",
        caption="Validation DSC, mean of bone, soft tissue and air over folds and seeds, at each learning "
        "rate tried, with the largest T2 training set. Ringed: the rate chosen, which all tables use. Test "
        "scores play no part in it.",
        alt="Line charts of validation Dice against the learning rate. Chosen: " + _choice(rates),
    )


def _groups(strategies: pd.Series) -> pd.Series:
    return strategies.where(strategies.isin(list(GROUPS)), "")


def _order(results: pd.DataFrame, rates: pd.DataFrame) -> list[str]:
    """Arms as they stand in the results."""
    arms = set(rates["arm"])
    return [arm for arm in results["arm"].drop_duplicates() if arm in arms]


def _lines(axes: Axes, rates: pd.DataFrame, arms: list[str]) -> None:
    for place, arm in enumerate(arms):
        style, rows = look(place), rates[rates["arm"] == arm].sort_values("learning_rate")
        axes.plot(
            rows["learning_rate"],
            rows["mean"],
            color=style.colour,
            ls=style.line,
            marker=style.marker,
            ms=5,
            lw=1.5,
            label=arm,
        )
        best = rows[rows["chosen"].astype(bool)]
        ring: dict[str, Any] = {
            "ls": "",
            "marker": "o",
            "ms": 13,
            "mfc": "none",
            "mec": style.colour,
            "mew": 1.6,
        }
        axes.plot(best["learning_rate"], best["mean"], label="_chosen", **ring)
    values = sorted(rates["learning_rate"].unique())
    axes.set_xscale("log")
    if len(values) <= MOST_TICKS:
        axes.xaxis.set_major_locator(FixedLocator(values))
        axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.margins(x=0.15, y=0.1)
    handles = [*axes.get_lines()[::2], Line2D([], [], ls="", marker="o", ms=11, mfc="none", mec="#444444")]
    axes.legend(handles, [*arms, "chosen"], loc="upper center", bbox_to_anchor=(0.5, -0.17), handlelength=3)


def _choice(rates: pd.DataFrame) -> str:
    best = rates[rates["chosen"].astype(bool)]
    return (
        ", ".join(f"{arm} {rate:g}" for arm, rate in zip(best["arm"], best["learning_rate"], strict=True))
        + "."
    )
