"""Arms as figures show them: which rows of `results.csv`, under what name, and how they look."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from ablation.record.selection import classes_in, select, title_of
from ablation.report.tables.choice import chosen
from ablation.space.naming import SIZE_IN_NAME
from t1t2core.settings import TARGET
from t1t2core.strategies import STRATEGIES

STUDYS_CHOICE = (
    "no_fine_tuning",
    "open",
    "conservative 6",
    "conservative 18",
    "hybrid multiplication",
    "hybrid concatenation",
)
"""The arms of the study's Fig. 6: shown first where not all can be."""
MOST_ARMS = 6


@dataclass(frozen=True)
class Look:
    """How a line, point or bar is told from others, also without its colour."""

    colour: str
    marker: str
    line: str
    hatch: str


LOOKS = (
    Look("#0072B2", "o", "-", ""),
    Look("#D55E00", "s", "--", "///"),
    Look("#009E73", "^", "-.", "..."),
    Look("#CC79A7", "D", ":", "xxx"),
    Look("#000000", "v", (0, (5, 1, 1, 1, 1, 1)), "\\\\\\"),  # type: ignore[arg-type]
    Look("#56B4E9", "P", (0, (1, 1)), "+++"),  # type: ignore[arg-type]
    Look("#E69F00", "X", (0, (8, 2)), "ooo"),  # type: ignore[arg-type]
)
"""Okabe & Ito's palette without its yellow, which is too pale for lines on white."""
STUDYS_ORDER = (
    "open",
    "conservative",
    "hybrid",
    "augmented",
    "no_fine_tuning",
    "norm_adaptation",
    "scratch",
)
"""Of the strategies in a legend; others come after them."""


def look(place: int) -> Look:
    """The look of the line in this place of a legend."""
    return LOOKS[place % len(LOOKS)]


def look_of(strategy: str) -> Look:
    """The look of a strategy's arms, the same in every figure."""
    places = list(dict.fromkeys((*STUDYS_ORDER, *STRATEGIES)))
    place = places.index(strategy) if strategy in places else len(places)
    # Where colours come again, all else is that of another look.
    return replace(look(place + place // len(LOOKS)), colour=look(place).colour)


def largest(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of each arm at its largest training size; arms that differ in nothing else are one here."""
    sizes = rows["t2_train_size"].fillna(0)
    same = rows["arm"].str.replace(SIZE_IN_NAME, "", regex=True)
    return rows[sizes == sizes.groupby(same).transform("max")]


def scored_rows(results: pd.DataFrame, sequence: str = TARGET) -> pd.DataFrame:
    """Test scores of the classes at each arm's chosen learning rate, weights `best`, any size."""
    if results.empty:
        return results
    return select(chosen(results), split="test", sequence=sequence, tissue=classes_in(results))


def titles_of(rows: pd.DataFrame) -> dict[str, str]:
    """What readers call the classes of these rows, by name."""
    return {name: title_of(name) for name in classes_in(rows)}


def pick(arms: Iterable[str], most: int = MOST_ARMS) -> list[str]:
    """At most `most` of the arms, those of the study's Fig. 6 first, in their own order."""
    there = list(dict.fromkeys(arms))
    preferred = [arm for arm in STUDYS_CHOICE if arm in there]
    picked = [*preferred, *(arm for arm in there if arm not in preferred)][:most]
    return [arm for arm in there if arm in picked]


def unit_of(seconds: Sequence[float]) -> tuple[float, str]:
    """Seconds in the unit, and its name, in which the longest of these reads best."""
    longest = max(seconds, default=0.0)
    return (3600.0, "hours") if longest >= 7200 else (60.0, "minutes") if longest >= 120 else (1.0, "seconds")
