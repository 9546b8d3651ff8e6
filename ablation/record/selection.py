"""Selection of rows of recorded scores; without MLflow, so that what draws a report needs none."""

from collections.abc import Collection

import pandas as pd


def in_box(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the box that training takes, which all comparisons are made of.

    Args:
        frame: as `results.csv` or `patients.csv`, which have the whole scan of test patients too.
    """
    return frame[frame["region"].eq("box")].drop(columns="region")


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
        sequence: `T1` or `T2`.
        tissue: a class, or several.
    """
    wanted = frame["split"].eq(split) & frame["weights"].eq(weights)
    if sequence is not None:
        wanted &= frame["sequence"].eq(sequence)
    if tissue is not None:
        wanted &= frame["class"].isin([tissue] if isinstance(tissue, str) else list(tissue))
    return frame[wanted]
