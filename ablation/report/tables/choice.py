"""The one rule by which the tuned factors of an arm are chosen, wherever a table or figure shows the arm."""

import pandas as pd

from ablation.names import EPOCHS, PEAK_MEMORY, SECONDS_PER_EPOCH, STANDALONE_SECONDS, TOTAL_SECONDS
from ablation.record.selection import select
from ablation.space.factors import SAMPLED
from ablation.space.naming import EXTERNAL
from ablation.space.objectives import MEAN_DICE, classes_of, goes_up, in_words
from t1t2core.settings import TARGET

COLUMNS = {
    TOTAL_SECONDS: "total_seconds",
    STANDALONE_SECONDS: "standalone_seconds",
    SECONDS_PER_EPOCH: "seconds_per_epoch",
    EPOCHS: "epochs",
    PEAK_MEMORY: "peak_memory_mb",
}
"""Of `results.csv`, by the objective that they hold."""
CHOICE = ["arm", "chosen_in", "choice"]


def rule_of(results: pd.DataFrame) -> str:
    """Return the objective by which tuned values are chosen."""
    return MEAN_DICE if results.empty else str(results["chosen_by"].iloc[0])


def is_in_folds(results: pd.DataFrame) -> bool:
    """Return whether each fold chooses its own values, by its own validation patients."""
    return bool((results["chosen_in"] != 0).any())


def as_chosen(results: pd.DataFrame) -> str:
    """Return what captions say of the arms, such as `as chosen on validation by mean Dice`."""
    where = " inside each fold" if is_in_folds(results) else ""
    return f"as chosen {in_words(rule_of(results))}{where}"


def by_fold(results: pd.DataFrame) -> str:
    """Return what a table says of cells that are empty because folds chose different values."""
    if not is_in_folds(results):
        return ""
    return " Empty where folds chose different values, which learning_rates has."


def score_name(results: pd.DataFrame) -> str:
    """Return the name of the score that chooses, as a column: `mean`, `CLASS`, `CLASS_jsc`, `epochs`."""
    rule = rule_of(results)
    if not goes_up(rule):
        return COLUMNS[rule]
    _, name, metric = rule.split("/")
    return name if metric == "dsc" else f"{name}_{metric}"


def scored(results: pd.DataFrame) -> pd.DataFrame:
    """Return rows of trials with a column `score`, of which more is better; several of a trial are averaged.

    It is that of the target validation patients with the best weights, a row a class; an undefined one counts
    as 0. Test scores play no part (Sec. 3.5 names neither).
    """
    rule = rule_of(results)
    if goes_up(rule):
        rows = select(results, split="validation", sequence=TARGET, tissue=classes_of(rule))
        return rows.assign(score=rows[rule.rpartition("/")[2]].fillna(0))
    rows = results.drop_duplicates("trial_key")
    return rows.assign(score=-rows[COLUMNS[rule]].astype("float64"))


def choice_scores(results: pd.DataFrame) -> pd.DataFrame:
    """Return `CHOICE` and `score`, the mean over classes, folds and seeds at each choice of an arm."""
    return scored(results).groupby(CHOICE)["score"].mean().reset_index()


def rows_chosen(results: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of each arm at the best values of its tuned factors, in each fold where it chooses.

    An external arm has nothing to choose, and no validation scores.
    """
    best = choice_scores(results).sort_values("score", ascending=False, kind="stable")
    kept = [best.drop_duplicates(["arm", "chosen_in"])[CHOICE]]
    if (others := results[results["strategy"].str.endswith(EXTERNAL)]).size:
        kept = [kept[0][~kept[0]["arm"].isin(others["arm"])], others[CHOICE].drop_duplicates()]
    return results.merge(pd.concat(kept), on=CHOICE, how="inner")


def chosen(results: pd.DataFrame) -> pd.DataFrame:
    """As `rows_chosen`, with what an arm has different values of in different folds left empty.

    So that an arm is one wherever rows are grouped by factors; `learning_rates` has the values of each fold.
    """
    rows = rows_chosen(results)
    if not is_in_folds(rows):
        return rows
    for name in [*SAMPLED, *varied_settings(rows)]:
        several = rows.groupby("arm")[name].transform("nunique") > 1
        empty = "" if pd.api.types.is_string_dtype(rows[name]) else None
        rows[name] = rows[name].mask(several, empty) if several.any() else rows[name]
    return rows


def varied_settings(frame: pd.DataFrame) -> list[str]:
    """Return the columns of settings that the space varies."""
    return [str(name) for name in frame.columns if "." in str(name)]
