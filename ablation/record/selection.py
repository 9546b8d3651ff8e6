"""Selection of rows of recorded scores; without MLflow, so that what draws a report needs none."""

from collections.abc import Collection

import pandas as pd

from t1t2core.settings.classes import INTERNAL_AIR


def in_box(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the box that training takes, which all comparisons are made of.

    Args:
        frame: as `results.csv` or `patients.csv`, which have the whole scan of test patients too.
    """
    return frame[frame["region"].eq("box")].drop(columns="region")


def classes_in(frame: pd.DataFrame) -> list[str]:
    """Return the classes that are scored, in the order of tables; `internal_air` is a part of one.

    Args:
        frame: as `results.csv` or `patients.csv`, or any of its rows.
    """
    return [name for name in scored_in(frame) if name != INTERNAL_AIR]


def scored_in(frame: pd.DataFrame) -> list[str]:
    """Return all that is scored, in the order of tables: the classes, and `internal_air` where it is."""
    return [] if frame.empty else [str(name) for name in frame["class"].unique()]


def title_of(name: str) -> str:
    """Return what readers call a class: `Soft tissue`."""
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]


def select(
    frame: pd.DataFrame,
    *,
    split: str,
    weights: str = "best",
    sequence: str | None = None,
    tissue: str | Collection[str] | None = None,
) -> pd.DataFrame:
    """Return the rows of one split and one set of weights, of one sequence or all, of some classes or all.

    Args:
        frame: as `results.csv` or `patients.csv`, with more columns or fewer.
        split: `validation` or `test`.
        weights: `best` or `last`.
        sequence: `SOURCE` or `TARGET`.
        tissue: a class, or several.
    """
    wanted = frame["split"].eq(split) & frame["weights"].eq(weights)
    if sequence is not None:
        wanted &= frame["sequence"].eq(sequence)
    if tissue is not None:
        wanted &= frame["class"].isin([tissue] if isinstance(tissue, str) else list(tissue))
    return frame[wanted]
