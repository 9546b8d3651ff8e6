"""What the page says of the comparison that a study was made for."""

import json
import time

import pandas as pd

from ablation.names import PRIMARY
from ablation.record.plan_record import PlanRecord
from ablation.report.statistics.comparisons import comparisons
from ablation.report.statistics.contrasts import margin_of
from ablation.space.design import Primary


def primary_answer(record: PlanRecord, results: pd.DataFrame, patients: pd.DataFrame) -> list[str]:
    """Return what the primary comparison came to, without correction; nothing where none was stated."""
    stated = record.tags.get(PRIMARY)
    if stated is None:
        return []
    told = json.loads(stated)
    primary = Primary.model_validate(told["primary"])
    about = f"{_when(told)}: {primary.arm} against {primary.against}, {primary.tissue.replace('_', ' ')}"
    table = comparisons(
        results,
        patients,
        pairs=[(primary.arm, primary.against)],
        margin=margin_of(record.design),
        tissues=[primary.tissue],
    )
    if table.empty:
        return [f"{about}: not both of them are tested yet."]
    (row,) = table.to_dict("records")
    numbers = f"difference in test DSC {row['difference']:+.3f}"
    if pd.notna(row["low"]):
        numbers += f", 95 % interval {row['low']:+.3f} to {row['high']:+.3f} ({row['interval']})"
    p = "no p" if pd.isna(row["p"]) else f"p = {row['p']:.2g} without correction"
    return [f"{about}: {numbers}, {p}: {row['verdict']}."]


def counted(record: PlanRecord, against: pd.DataFrame) -> list[str]:
    """Say which class is the primary one, and what Holm's correction counts.

    Args:
        against: as of `comparisons(pairs="best")`.
    """
    if against.empty:
        return []
    primary = record.design.primary
    classes = record.classes.order
    # Where the space states no primary comparison: the first in tables, of the study the one it is about.
    tissue = classes[0] if primary is None else primary.tissue
    others = [name.replace("_", " ") for name in classes if name != tissue]
    pairs = int(against.groupby("class").size().max())
    comparisons_of = f"{pairs} comparisons" if pairs > 1 else "1 comparison"
    return [
        f"The primary class is {tissue.replace('_', ' ')}; {_listed(others)} secondary. Holm's "
        f"correction counts the {comparisons_of} of a class with its best arm, and nothing across classes."
    ]


def _listed(names: list[str]) -> str:
    """Return the names as a subject, with its verb."""
    *others, last = names
    return f"{', '.join(others)} and {last} are" if others else f"{last} is"


def exploratory(record: PlanRecord) -> str:
    """Return what tables of comparisons say of themselves."""
    if record.design.primary is None:
        return "Exploratory: no primary comparison was stated."
    return "Exploratory, beside the primary comparison."


def _when(told: dict[str, object]) -> str:
    day = time.strftime("%Y-%m-%d %H:%M", time.gmtime(float(str(told["at"])))) + " UTC"
    if told["finished"]:
        return (
            f"Primary comparison, but stated on {day} when {told['finished']} trials had finished, which "
            "makes it exploratory too"
        )
    return f"Primary comparison, stated on {day} before the first trial"
