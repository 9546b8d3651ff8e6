"""What the study printed (Tables 2 to 9), and where its own numbers disagree.

Source: I. Mecheter et al., CAAI Trans. Intell. Technol. 9(1) 26-39 (2024), doi 10.1049/cit2.12270.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

SOURCE = "Mecheter et al. 2024, CAAI Trans. Intell. Technol. 9(1) 26-39, doi 10.1049/cit2.12270"
ROW = ["table", "strategy", "tuned_layers", "fusion", "fold", "train_sequences", "test_sequence", "class"]
CELL = [*ROW, "metric"]
MEAN = "avg"
"""What the study calls the mean of the three folds."""
FOLDS = ("1", "2", "3")
FOLD_TABLE = {"no_fine_tuning": 3, "open": 3, "conservative": 4, "hybrid": 5}
"""Where the values stand that Tables 6 to 8 repeat."""
ROUNDING_SLACK = 1e-9
"""Of binary fractions: two decimals that touch count as equal."""


@dataclass(frozen=True)
class Identity:
    """What must hold among printed cells.

    Args:
        name: as reports show it.
        targets: mask of the cells that it speaks of.
        operands: the cells that each target follows from: what to change in its place, an item an operand.
        expected: the target's value from those of the operands; monotonic in each.
    """

    name: str
    targets: Callable[[pd.DataFrame], pd.Series]
    operands: Callable[[pd.DataFrame], list[dict[str, Any]]]
    expected: Callable[..., pd.Series]


def printed() -> pd.DataFrame:
    """A row a printed cell: `table`, the row's factors, `class`, `metric`, `value`, `ci95`, `decimals`.

    Factors that a row lacks are empty texts; `fold` is "1" to "3" or "avg"; `ci95` is the half width that
    Tables 6 to 9 give, NaN elsewhere; `decimals` says to how many digits the value is printed.
    """
    return _read().copy()


def corrected() -> pd.DataFrame:
    """`printed()` with two more columns: `corrected`, and `why`, the identity that asked for it, or empty.

    A cell is corrected where no rounding of what it follows from gives it. Dice comes from precision and
    recall, Jaccard from Dice, a mean from its folds, a repeated value from its first place, each from
    values that are corrected already.
    """
    return _check()[0].copy()


def identity_failures() -> pd.DataFrame:
    """The cells that disagree with what they follow from, a row each.

    Columns: those that name the cell, `identity`, `printed`, `expected` (not rounded) and `difference`
    (printed - expected). Jaccard and Dice are checked in single folds only: a mean of folds need not
    fulfil them.
    """
    return _check()[1].copy()


@cache
def _read() -> pd.DataFrame:
    with (files("ablation.report.study") / "paper_tables.csv").open(encoding="utf-8") as stream:
        cells = pd.read_csv(stream, comment="#", dtype="str", keep_default_na=False)
    decimals = cells["value"].str.partition(".")[2].str.len()
    numbers = {name: pd.to_numeric(cells[name]) for name in ("table", "value", "ci95")}
    return cells.assign(**numbers, decimals=decimals)


@cache
def _check() -> tuple[pd.DataFrame, pd.DataFrame]:
    cells = _read().assign(corrected=lambda frame: frame["value"], why="")
    failures = []
    for identity in IDENTITIES:
        wrong = _disagreeing(cells, identity)
        cells.loc[wrong.index, "corrected"] = [
            round(value, decimals)
            for value, decimals in zip(wrong["expected"], cells.loc[wrong.index, "decimals"], strict=True)
        ]
        cells.loc[wrong.index, "why"] = identity.name
        failures.append(wrong)
    found = pd.concat(failures)
    return cells, found.assign(difference=found["printed"] - found["expected"]).reset_index(drop=True)


def _disagreeing(cells: pd.DataFrame, identity: Identity) -> pd.DataFrame:
    """The targets that no values within the rounding of their operands give."""
    targets = cells[identity.targets(cells)]
    operands = [_look_up(cells, targets, changes) for changes in identity.operands(targets)]
    corners = [
        identity.expected(*(value + sign * half for sign, (value, half) in zip(signs, operands, strict=True)))
        for signs in product((-1, 1), repeat=len(operands))
    ]
    value, half = targets["corrected"], _half_unit(targets["decimals"]) + ROUNDING_SLACK
    wrong = (np.min(corners, axis=0) > value + half) | (np.max(corners, axis=0) < value - half)
    expected = identity.expected(*(value for value, _ in operands))
    named = targets[CELL].assign(identity=identity.name, printed=targets["value"], expected=expected)
    return named[wrong]


def _look_up(
    cells: pd.DataFrame, targets: pd.DataFrame, changes: dict[str, Any]
) -> tuple[pd.Series, pd.Series]:
    """Value of another cell for each target, and half a unit of its last digit."""
    places = pd.MultiIndex.from_frame(targets[CELL].assign(**changes))
    other = cells.set_index(CELL).loc[places].set_index(targets.index)
    return other["corrected"], _half_unit(other["decimals"])


def _half_unit(decimals: pd.Series) -> pd.Series:
    return 0.5 * 10.0**-decimals


def _single(cells: pd.DataFrame, metric: str) -> pd.Series:
    """Scores of one run: not means of folds, not percentages."""
    apart = cells["fold"].eq(MEAN) | cells["strategy"].eq("difference_percentage")
    return cells["metric"].eq(metric) & ~apart


def _repeated(cells: pd.DataFrame) -> pd.Series:
    untuned_again = cells["strategy"].eq("no_augmentation") & cells["test_sequence"].eq("T2")
    return cells["table"].isin([6, 7, 8]) | untuned_again


def _first_place(targets: pd.DataFrame) -> list[dict[str, Any]]:
    strategy = targets["strategy"].replace("no_augmentation", "no_fine_tuning")
    return [{"strategy": strategy, "table": strategy.map(FOLD_TABLE)}]


def _sides(targets: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {"strategy": "t2_augmentation", "train_sequences": "T1+T2"},
        {"strategy": "no_augmentation", "train_sequences": "T1"},
    ]


IDENTITIES = (
    Identity(
        "DSC = 2 PRE REC / (PRE + REC)",
        lambda cells: _single(cells, "dsc"),
        lambda targets: [{"metric": "precision"}, {"metric": "recall"}],
        lambda precision, recall: 2 * precision * recall / (precision + recall),
    ),
    Identity(
        "JSC = DSC / (2 - DSC)",
        lambda cells: _single(cells, "jsc"),
        lambda targets: [{"metric": "dsc"}],
        lambda dsc: dsc / (2 - dsc),
    ),
    Identity(
        "mean of the folds",
        lambda cells: cells["fold"].eq(MEAN) & cells["table"].isin([3, 4, 5]),
        lambda targets: [{"fold": fold} for fold in FOLDS],
        lambda *folds: sum(folds) / len(folds),
    ),
    Identity("repeats an earlier table", _repeated, _first_place, lambda first: first),
    Identity(
        "difference = 100 (with - without) / without",
        lambda cells: cells["strategy"].eq("difference_percentage"),
        _sides,
        lambda with_t2, without: 100 * (with_t2 - without) / without,
    ),
)
"""In the order of what follows from what: an error is listed where it arose and where it spread to."""
