"""The table that a run ends with: a row an arm, its learning rate chosen on validation."""

import pandas as pd
from rich.table import Table

from ablation.record.selection import classes_in, scored_in, select
from ablation.report.tables.choice import (
    CHOICE,
    choice_scores,
    chosen,
    is_in_folds,
    rows_chosen,
    rule_of,
    score_name,
    varied_settings,
)
from ablation.space.factors import ARM, FACTORS
from ablation.space.objectives import goes_up
from t1t2core.cohort.subject import STUDY_SEQUENCES, Sequences
from t1t2core.settings import TARGET


def summarise(results: pd.DataFrame) -> pd.DataFrame:
    """Means over folds and seeds of the chosen rows, an arm a row: test Dice of each class, and time.

    Undefined where a fold is. Where the pretrained network was scored on the source sequence as well, that is
    a row of its own.
    """
    rows = select(chosen(results), split="test")
    keys = ["arm", *ARM, "learning_rate", *varied_settings(rows), "sequence"]
    groups = rows.groupby(keys, dropna=False, sort=False)
    # An undefined fold leaves the mean undefined: the mean of the others would be of other patients.
    by_class = rows.groupby([*keys, "class"], dropna=False, sort=False)["dsc"]
    dice = by_class.mean(skipna=False).unstack("class")
    table = dice.reindex(columns=scored_in(results)).dropna(how="all")
    table["seconds"] = groups["standalone_seconds"].mean()
    table["folds"] = groups["fold"].nunique()
    return table.reset_index()


def learning_rates(results: pd.DataFrame) -> pd.DataFrame:
    """How each arm's tuned factors were chosen: its validation Dice at each of their values, and the choice.

    A row an arm and learning rate (and values of the other tuned factors): Dice of each class and their
    mean, over folds and seeds, and the score that chooses if that is none of these; `chosen` is true once an
    arm. Where each fold chooses for itself, `fold` has its number, and an arm is there once a fold.
    """
    validation = select(results, split="validation", sequence=TARGET, tissue=classes_in(results))
    trained = validation[validation["learning_rate"].notna()]
    keys = [*CHOICE, *ARM, "learning_rate", *varied_settings(results)]
    dice = trained.assign(dsc=trained["dsc"].fillna(0))
    table = dice.pivot_table(index=keys, columns="class", values="dsc", aggfunc="mean", dropna=False)
    table = table.reindex(columns=classes_in(results)).dropna(how="all")
    table["mean"] = table.mean(axis=1)
    table = table.reset_index()
    if (name := score_name(results)) not in table:
        sign = 1 if goes_up(rule_of(results)) else -1
        scores = choice_scores(results)
        table = table.merge(scores.assign(**{name: sign * scores["score"]})[[*CHOICE, name]], on=CHOICE)
    best = rows_chosen(results)[keys].drop_duplicates().assign(chosen=True)
    table = table.merge(best, on=keys, how="left").fillna({"chosen": False}).drop(columns="choice")
    folds = {"chosen_in": "fold"} if is_in_folds(results) else {}
    return table.rename(columns=folds).drop(columns="chosen_in", errors="ignore")


def render(summary: pd.DataFrame, title: str, sequences: Sequences = STUDY_SEQUENCES) -> Table:
    """For the terminal."""
    table = Table(title=title, title_justify="left")
    columns = list(summary.columns)
    classes = columns[columns.index("sequence") + 1 : columns.index("seconds")]
    for name in ("arm", "tested on", "patients", "learning rate", *classes, "seconds", "folds"):
        table.add_column(name.replace("_", " "), justify="left" if name in ("arm", "tested on") else "right")
    for row in summary.to_dict("records"):
        dice = ["undefined" if pd.isna(row[name]) else f"{row[name]:.3f}" for name in classes]
        size = "" if pd.isna(row["t2_train_size"]) else str(row["t2_train_size"])
        seconds = "" if pd.isna(row["seconds"]) else f"{row['seconds']:.1f}"
        rate = "" if pd.isna(row["learning_rate"]) else f"{row['learning_rate']:g}"
        tested_on = sequences.suffix(row["sequence"])
        table.add_row(row["arm"], tested_on, size, rate, *dice, seconds, str(row["folds"]))
    return table


def never_predicted(results: pd.DataFrame) -> list[str]:
    """A sentence for each trial and class of which no test voxel was predicted."""
    rows = select(results, split="test", sequence=TARGET, tissue=classes_in(results))
    factors = [*FACTORS, *varied_settings(rows)]
    silent = rows[rows["tp"] + rows["fp"] == 0]
    return [
        f"{row['class']} is never predicted by "
        + ", ".join(f"{k} {row[k]}" for k in factors if not pd.isna(row[k]) and row[k] != "")
        for row in silent.to_dict("records")
    ]
