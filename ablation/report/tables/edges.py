"""Tuned factors that were chosen at the edge of what was tried."""

import pandas as pd

from ablation.report.tables.choice import rows_chosen
from ablation.space.design import Design

EDGES = ["arm", "factor", "value", "edge"]
LOWEST, HIGHEST = "lowest", "highest"


def edges(results: pd.DataFrame, design: Design) -> pd.DataFrame:
    """Return the choices for which the best value may lie outside of what was tried.

    Args:
        results: as in `results.csv`.
        design: says which factors are tuned.

    Returns:
        `EDGES`, a row an arm and factor whose chosen value is the lowest or the highest of those that were
        tried for the arm, in any fold where each chooses for itself. Factors whose values are no numbers
        have no edge; nor has one with a single value, which was not chosen.
    """
    if results.empty:
        return pd.DataFrame(columns=EDGES)
    best = rows_chosen(results)
    rows = []
    for name in (name for name in design.tuned if name in results):
        numbers = pd.to_numeric(results[name], errors="coerce")
        for arm, tried in numbers.dropna().groupby(results["arm"], sort=False):
            if tried.nunique() < 2:
                continue
            ends = {float(tried.min()): LOWEST, float(tried.max()): HIGHEST}
            rows += [
                {"arm": arm, "factor": name, "value": value, "edge": ends[value]}
                for value in pd.to_numeric(best.loc[best["arm"] == arm, name]).unique().tolist()
                if value in ends
            ]
    return pd.DataFrame(rows, columns=EDGES)
