"""What a report opens with: which arm is best for each class, at what cost, and how sure that is."""

import pandas as pd

from ablation.record.selection import select
from ablation.report.statistics.bootstrap import count_patients
from ablation.report.statistics.comparisons import comparisons
from ablation.report.statistics.intervals import intervals
from ablation.report.statistics.verdicts import BETTER, EQUAL, UNKNOWN, WORSE
from ablation.report.tables.arms import best_arms, validation_scores
from ablation.report.tables.summary import chosen

SIGNIFICANT = 0.05
LITTLE = "Little can be concluded"
IN_WORDS = {
    BETTER: "better than",
    WORSE: "worse than",
    EQUAL: "practically equal to",
    UNKNOWN: "not to be told apart from",
}
ONE_NETWORK = "That holds for this one T1 network: with another the arms could come in another order."
MOST_NAMED = 5
"""Arms named in a sentence; of more the number is given."""
MINUTE, HOUR = 60, 3600


def conclusions(results: pd.DataFrame, patients: pd.DataFrame, margin: float | None = None) -> list[str]:
    """A paragraph of plain English for each of bone, soft tissue and air, and one for all where they agree.

    The best arm is that of the best validation Dice; its test Dice is reported, and each other arm is
    compared with it (`comparisons(pairs="best")`, Holm's correction within the class). Where so few
    patients were tested that no p can be small, it says so instead of naming winners.

    Args:
        results, patients: as for `network_scores`.
        margin: a difference in Dice that does not matter; None where none is stated.
    """
    best = best_arms(results)
    if not best:
        return ["No arm has been validated on T2 yet, so there is no answer."]
    rows = chosen(results)
    validation = validation_scores(results).set_index(["class", "arm"])["validation"]
    means = intervals(results, patients)
    against = comparisons(results, patients, pairs="best", margin=margin)
    certainty = {tissue: _others(_part(against, tissue)) for tissue in best}
    # That little can be concluded is said once, at the end, where it holds for every class alike.
    first = {sentences[0] for sentences in certainty.values()}
    same = len(best) > 1 and len(first) == 1 and next(iter(first)).startswith(LITTLE)
    paragraphs = []
    for tissue, arm in best.items():
        sentences = [
            _best(rows[rows["arm"] == arm], tissue, float(validation[tissue, arm])),
            *_over_patients(_part(means, tissue), arm),
            *certainty[tissue][int(same) :],
        ]
        paragraphs.append(" ".join(sentences))
    return [*paragraphs, *(first if same else [])]


def _best(rows: pd.DataFrame, tissue: str, validation: float) -> str:
    """Tell of the best arm, from its rows of `results.csv`."""
    test = select(rows, split="test", sequence="T2", tissue=tissue)["dsc"].mean()
    seconds = rows.drop_duplicates("trial_key")["standalone_seconds"].mean()
    shown = "undefined" if pd.isna(test) else f"{test:.3f}"
    return (
        f"{tissue.replace('_', ' ').capitalize()}: {rows['arm'].iloc[0]} is best on validation "
        f"(DSC {validation:.3f}{_spread(rows, tissue)}); its test DSC is {shown} "
        "(pooled over patients, mean over folds and seeds). "
        f"A trial of it takes {_duration(seconds)}, computed alone."
    )


def _spread(rows: pd.DataFrame, tissue: str) -> str:
    """How much the best arm's validation Dice differs between folds and seeds."""
    part = select(rows, split="validation", sequence="T2", tissue=tissue)
    if len(part) < 2:
        return ""
    return f", standard deviation {part['dsc'].fillna(0).std():.3f} over {len(part)} folds and seeds"


def _over_patients(means: pd.DataFrame, arm: str) -> list[str]:
    """The best arm's interval where there is one, and whose mean is highest if not its own."""
    tested = means[means["sequence"] == "T2"].set_index("arm")
    if arm not in tested.index or tested["mean"].isna().all():
        return []
    own, top = tested.loc[arm], tested.sort_values("mean", ascending=False, kind="stable").iloc[0]
    sentences = []
    if pd.notna(own["low"]):
        sentences.append(
            f"The mean over {own['patients']} test patients is {own['mean']:.3f}, "
            f"95 % interval {own['low']:.3f} to {own['high']:.3f}."
        )
    highest, mean = f"{top['mean']:.3f}", f"{own['mean']:.3f}"
    if highest != mean:
        sentences.append(
            f"On the test patients {top.name} has the highest mean ({highest}, against {mean}), "
            "but the test does not choose."
        )
    return sentences


def _others(against: pd.DataFrame) -> list[str]:
    """How sure: of one class, the best arm against each other."""
    if against.empty:
        return ["There is no other arm to compare it with."]
    most = int(against["patients"].max())
    if most == 0:
        return ["No patient has a defined score under two arms, so nothing can be compared."]
    floor = float(against["smallest_p"].min())
    if floor * len(against) > SIGNIFICANT:
        return [_too_few(most, len(against), floor), *_detectable(against)]
    told = {verdict: against[against["verdict"] == verdict] for verdict in IN_WORDS}
    parts = [f"{IN_WORDS[verdict]} {_names(rows)}" for verdict, rows in told.items() if not rows.empty]
    crossed = against["networks"].max() > 1
    test = f"t test, {against['interval'].mode()[0]}" if crossed else "Wilcoxon"
    verdict = f"By the test patients it is {'; '.join(parts)} ({test}, p < 0.05 after Holm)."
    return [verdict, *([] if crossed else [ONE_NETWORK]), *_detectable(against)]


def _too_few(patients: int, pairs: int, floor: float) -> str:
    others = "the other arm" if pairs == 1 else f"any of the {pairs} other arms"
    after = "" if floor > SIGNIFICANT else f", and none of {pairs} comparisons below 0.05 after Holm"
    limit = f"with {count_patients(patients)} no signed-rank test can give p below {floor:.2g}{after}"
    return f"{LITTLE}: {limit}; the best cannot be told apart from {others}."


def _detectable(against: pd.DataFrame) -> list[str]:
    typical = against["detectable"].median()
    if pd.isna(typical):
        return []
    return [
        f"A difference in DSC under about {typical:.3f} could hardly have been shown with this many "
        f"{'patients and T1 networks' if against['networks'].max() > 1 else 'patients'} (median over the "
        "pairs, 80 % power, one paired t test alone)."
    ]


def _names(against: pd.DataFrame) -> str:
    """The arms that come closest first."""
    order = against["difference"].abs().sort_values(kind="stable").index
    names = against.loc[order, "second"].tolist()
    shown = ", ".join(names[:MOST_NAMED])
    return shown if len(names) <= MOST_NAMED else f"{shown} and {len(names) - MOST_NAMED} more"


def _part(table: pd.DataFrame, tissue: str) -> pd.DataFrame:
    return table[table["class"] == tissue]


def _duration(seconds: float) -> str:
    if seconds < MINUTE:
        return f"{seconds:.1f} s"
    return f"{seconds / MINUTE:.1f} min" if seconds < HOUR else f"{seconds / HOUR:.1f} h"
