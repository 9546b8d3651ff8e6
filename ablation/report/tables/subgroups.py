"""Scores in groups of test patients: by sex, age, site, and whatever else is known of them."""

import io
from collections.abc import Mapping

import numpy as np
import pandas as pd

from ablation.names import SUBJECTS_FILE
from ablation.plan.tables import PARTICIPANT
from ablation.record.selection import scored_in, select
from ablation.report.tables.summary import chosen
from t1t2core.cohort.participants import MOST_GROUPS, is_number
from t1t2core.settings import TARGET

FEWEST_GROUPS = 2
NOT_KNOWN = "not known"
SUBGROUPS = ["known_of_patients", "group", "patients", "arm", "note"]
"""Columns, beside those of the classes, which stand before the note."""
ALONE = "one patient: no mean"


def read_known(files: Mapping[str, bytes]) -> pd.DataFrame:
    """Return what else is known of the patients, as text: a row a patient by name, a column each.

    Args:
        files: of a plan, with `subjects.csv` among them if it is recorded.
    """
    content = files.get(SUBJECTS_FILE)
    if content is None:
        return pd.DataFrame()
    frame = pd.read_csv(io.BytesIO(content), dtype=str).set_index("subject")
    columns = [name for name in frame if str(name).startswith(PARTICIPANT)]
    return frame[columns].rename(columns=lambda name: str(name).removeprefix(PARTICIPANT))


def subgroups(results: pd.DataFrame, patients: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Return the test Dice of each arm in each group of target test patients.

    Args:
        results, patients: as in `results.csv` and `patients.csv`.
        known: as from `read_known`.

    Returns:
        `SUBGROUPS`: means over the patients of a group, folds, seeds and pretrained networks of each averaged
        first; `patients` is their number. A group of one is shown without a mean, since that would be one
        person's score. Numbers are split at the median of the test patients. Columns with fewer than 2 groups
        or more than 8 are left out. There are no tests: groups are small, and nobody stated beforehand which
        to ask about.
    """
    scores = _scores(results, patients)
    names = scores.index.get_level_values("patient").unique()
    tables = [
        _of_column(scores, str(column), groups)
        for column in known
        if (groups := _groups(known[column].reindex(names))) is not None
    ]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=SUBGROUPS)


def _scores(results: pd.DataFrame, patients: pd.DataFrame) -> pd.DataFrame:
    """Mean test Dice by arm and patient, a column a class; undefined where any of them is."""
    keys = chosen(results)["trial_key"]
    part = select(patients[patients["trial_key"].isin(keys)], split="test", sequence=TARGET)
    means = part.groupby(["arm", "patient", "class"], sort=False)["dsc"].mean(skipna=False)
    return means.unstack("class").reindex(columns=scored_in(part))


def _groups(values: pd.Series) -> pd.Series | None:
    """Return the group of each patient; None where there are too few or too many."""
    found = values.dropna()
    counts = found.value_counts()
    if found.map(is_number).all() and not (len(counts) <= MOST_GROUPS and (counts > 1).all()):
        numbers = found.astype(float)
        median = float(numbers.median())
        found = numbers.le(median).map({True: f"up to {median:g}", False: f"above {median:g}"})
    if not FEWEST_GROUPS <= found.nunique() <= MOST_GROUPS:
        return None
    return found.reindex(values.index).fillna(NOT_KNOWN)


def _of_column(scores: pd.DataFrame, column: str, groups: pd.Series) -> pd.DataFrame:
    arms = scores.index.get_level_values("arm").unique()
    sizes = groups.value_counts()
    order = sorted(sizes.index, key=lambda name: (name == NOT_KNOWN, name.startswith("above "), name))
    by_group = scores.groupby(
        [scores.index.get_level_values("patient").map(groups.to_dict()), "arm"], sort=False
    )
    table = by_group.mean(skipna=False)
    counts = by_group.size()
    table = table.where(counts > 1, np.nan, axis=0).assign(patients=counts)
    table.index.names = ["group", "arm"]
    rows = table.reindex(pd.MultiIndex.from_product([order, arms], names=["group", "arm"])).dropna(how="all")
    rows = rows.reset_index().assign(known_of_patients=column)
    notes = rows["patients"].eq(1).map({True: ALONE, False: ""})
    return rows.assign(note=notes).astype({"patients": "int64"})[[*SUBGROUPS[:-1], *scores.columns, "note"]]
