"""How each arm's learning rate, and what else is tuned, was chosen on validation."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ablation.record.selection import classes_in
from ablation.report.figures.arm import largest, look
from ablation.report.figures.drawn import LETTER, WIDE, Drawn, Layout, fold, make_panels, styled
from ablation.report.tables.choice import as_chosen, rule_of, score_name
from ablation.report.tables.summary import learning_rates
from ablation.space.design import LEARNING_RATE
from ablation.space.objectives import goes_up, in_words

GROUPS = {"conservative": "Conservative", "hybrid": "Hybrid", "": "Whole networks"}
"""Panels by strategy; the last has all others."""
MOST_TICKS = 6
PLOT, LEAST, LEGEND_LINE, KEY = 2.8, 4.6, 0.23, 0.9
"""Inches: height of a panel without its legend, least height with it, a line of that, and the width of a key
with its margins."""


@styled
def draw_rates(results: pd.DataFrame, layout: Layout = WIDE, *, factor: str = LEARNING_RATE) -> Drawn | None:
    """Validation Dice against a tuned factor of numbers, a line an arm. None where no arm had a choice.

    Of other tuned factors each point has the values that are best there.
    """
    rates = learning_rates(results) if not results.empty else pd.DataFrame()
    if rates.empty:
        return None
    score, rule, choice = score_name(results), rule_of(results), as_chosen(results).removeprefix("as ")
    rates = _best_at_each_value(
        _over_folds(largest(rates), score, results), factor, score, falls=not goes_up(rule)
    )
    choices = rates.groupby("arm")["value"].transform("nunique")
    rates = rates[choices > 1].assign(group=lambda rows: _groups(rows["strategy"]))
    if rates.empty:
        return None
    label = factor.rpartition(".")[2].replace("_", " ")
    groups = [name for name in GROUPS if name in set(rates["group"])]
    parts = {group: rates[rates["group"] == group] for group in groups}
    letters = int((layout.width / min(layout.columns, len(groups)) - KEY) / LETTER)
    names = {group: {arm: fold(arm, letters) for arm in _order(results, parts[group])} for group in groups}
    lines = max(sum(name.count("\n") + 1 for name in of_group.values()) for of_group in names.values())
    figure, panels = make_panels(layout, len(groups), max(LEAST, PLOT + LEGEND_LINE * (lines + 1)))
    for axes, group in zip(panels, groups, strict=True):
        _lines(axes, parts[group], names[group], score)
        axes.set(title=GROUPS[group], xlabel=label, ylabel=_score_in_words(rule))
    return Drawn(
        figure=figure,
        title=f"Choice of the {label}",
        caption=f"{_score_in_words(rule).capitalize()}, mean over folds and seeds, at each {label} tried, "
        f"with the largest training set. Ringed: the value {choice}, which all tables use. Test scores "
        "play no part in it.",
        alt=f"Line charts of {_score_in_words(rule)} against the {label}. Chosen: {_choice(rates)}",
    )


def _score_in_words(rule: str) -> str:
    """Return `validation, mean Dice`, or `total time`."""
    return in_words(rule).replace("on validation by", "validation,").removeprefix("by the least ")


def _over_folds(rates: pd.DataFrame, score: str, results: pd.DataFrame) -> pd.DataFrame:
    """Return means over folds, and whether any fold chose the values, where each chooses for itself."""
    if "fold" not in rates:
        return rates
    keys = [
        name for name in rates.columns if name not in {"fold", "chosen", "mean", score, *classes_in(results)}
    ]
    groups = rates.groupby(keys, dropna=False, sort=False)
    return groups.agg(**{score: (score, "mean"), "chosen": ("chosen", "any")}).reset_index()


def _best_at_each_value(rates: pd.DataFrame, factor: str, score: str, *, falls: bool) -> pd.DataFrame:
    """Return the best row of each arm at each value of a factor, its `value` a number."""
    numbers = rates.assign(value=pd.to_numeric(rates[factor], errors="coerce")).dropna(subset=["value"])
    best = numbers.sort_values(score, ascending=falls, kind="stable").drop_duplicates(["arm", "value"])
    return best.sort_index()


def _groups(strategies: pd.Series) -> pd.Series:
    return strategies.where(strategies.isin(list(GROUPS)), "")


def _order(results: pd.DataFrame, rates: pd.DataFrame) -> list[str]:
    """Arms as they stand in the results."""
    arms = set(rates["arm"])
    return [arm for arm in results["arm"].drop_duplicates() if arm in arms]


def _lines(axes: Axes, rates: pd.DataFrame, arms: dict[str, str], score: str) -> None:
    for place, arm in enumerate(arms):
        style, rows = look(place), rates[rates["arm"] == arm].sort_values("value")
        axes.plot(
            rows["value"],
            rows[score],
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
        axes.plot(best["value"], best[score], label="_chosen", **ring)
    values = sorted(rates["value"].unique())
    if values[0] > 0:
        axes.set_xscale("log")
    if len(values) <= MOST_TICKS:
        axes.xaxis.set_major_locator(FixedLocator(values))
        axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.margins(x=0.15, y=0.1)
    handles = [*axes.get_lines()[::2], Line2D([], [], ls="", marker="o", ms=11, mfc="none", mec="#444444")]
    axes.legend(
        handles, [*arms.values(), "chosen"], loc="upper center", bbox_to_anchor=(0.5, -0.17), handlelength=3
    )


def _choice(rates: pd.DataFrame) -> str:
    best = rates[rates["chosen"].astype(bool)]
    return ", ".join(f"{arm} {rate:g}" for arm, rate in zip(best["arm"], best["value"], strict=True)) + "."
