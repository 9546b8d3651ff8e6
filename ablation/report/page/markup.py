"""Tables as text: CSV to calculate with, Markdown and LaTeX to read."""

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import pandas as pd

from ablation.report.statistics.contrasts import REFERENCE
from ablation.report.study.layouts import DIFFERENCE, INTERVAL
from ablation.space.factors import FACTORS, PRETRAINING_SEED
from t1t2core.evaluation.scores import METRICS

UNDEFINED = "undefined"
NONE = "–"  # noqa: RUF001
"""A factor that the row does not have, or what a reference has no change of."""
DECIMALS = 4
"""As the study prints scores."""
DECIMALS_OF = {"epochs": 1, "seconds_per_epoch": 2, "standalone_seconds": 1, "seconds": 1}
PERCENT_DECIMALS = 2
"""As the study prints the differences of Table 9."""
SHORT = dict(zip(METRICS, ("PRE", "REC", "DSC", "JSC"), strict=True))
"""Heads of the study's tables."""
LATEX_OF = {"±": r"$\pm$", NONE: "--", "…": r"\ldots{}"}
"""What pandas does not escape: needs no package and no encoding."""


def to_csv(table: pd.DataFrame) -> str:
    """Unrounded; what is undefined or does not apply is an empty cell."""
    return table.to_csv(index=False, lineterminator="\n")


def to_markdown(table: pd.DataFrame) -> str:
    """Return a pipe table, as GitHub shows it: rounded, numbers to the right, intervals behind their scores.

    Without the spaces by which pandas aligns columns: they would take MLflow's note over its limit.
    """
    cells = as_text(table).map(lambda text: text.replace("|", r"\|").replace("\n", " "))
    heads = [" ".join(part for part in pair if part) for pair in headings_of(cells.columns)]
    rules = ["---" if _is_text(table[name]) else "---:" for name in cells.columns]
    rows = [heads, rules, *cells.to_numpy().tolist()]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def to_latex(table: pd.DataFrame, caption: str) -> str:
    """A table for the package booktabs: classes over their metrics, text escaped, cells as in Markdown."""
    cells = as_text(table)
    format_of_columns = "".join("l" if _is_text(table[name]) else "r" for name in cells.columns)
    headings = headings_of(cells.columns)
    if any(group for group, _ in headings):
        cells.columns = pd.MultiIndex.from_tuples(headings)
    else:
        cells.columns = pd.Index([label for _, label in headings])
    escaped = cells.rename(columns=_escape).map(_escape)
    return escaped.to_latex(
        index=False,
        escape=False,
        caption=_escape(caption),
        column_format=format_of_columns,
        multicolumn_format="c",
        position="htbp",
    )


def headings_of(columns: Iterable[str]) -> list[tuple[str, str]]:
    """Class and label of each column: ("Soft tissue", "DSC") of `soft_tissue_dsc`, ("", "Arm") of `arm`."""
    names = list(columns)
    ends = [f"_{metric}" for metric in (*METRICS, "box")]
    classes = {name.removesuffix(end) for name in names for end in ends if name.endswith(end)}
    return [_heading(name, sorted(classes, key=len, reverse=True)) for name in names]


def _heading(column: str, classes: list[str]) -> tuple[str, str]:
    for name in classes:
        if column.startswith(f"{name}_"):
            return _words(name), SHORT.get(rest := column.removeprefix(f"{name}_"), rest.replace("_", " "))
    return "", SHORT.get(column, _words(column))


def as_text(table: pd.DataFrame) -> pd.DataFrame:
    """Every cell as readers see it; a score and its voxel interval in one cell, `0.5393 ± 0.0007`."""
    shown = [name for name in table.columns if not name.endswith(INTERVAL)]
    rows = table.to_dict("records")
    return pd.DataFrame([[_cell(row, name) for name in shown] for row in rows], columns=shown, dtype="str")


def _cell(row: Mapping[Hashable, Any], name: str) -> str:
    value, half = row[name], row.get(f"{name}_{INTERVAL}")
    if pd.isna(value):
        is_factor = name in (*FACTORS, PRETRAINING_SEED) or "." in name
        return NONE if is_factor or row.get("change") == REFERENCE else UNDEFINED
    if name == "learning_rate":
        return f"{value:g}"
    if not isinstance(value, float):
        return str(value)
    decimals = PERCENT_DECIMALS if row.get("row") == DIFFERENCE else DECIMALS_OF.get(name, DECIMALS)
    text = f"{value:.{decimals}f}"
    return text if half is None or pd.isna(half) else f"{text} ± {half:.{decimals}f}"


def _is_text(column: pd.Series) -> bool:
    return not pd.api.types.is_numeric_dtype(column)


def _words(name: str) -> str:
    """`learning_rate` -> `Learning rate`."""
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]


def _escape(text: str) -> str:
    """For LaTeX."""
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    special |= {character: f"\\{character}" for character in "&%$#_{}"} | LATEX_OF
    return "".join(special.get(character, character) for character in text)
