"""What a report opens with: which arms may be the best for each class, at what cost, and how sure that is."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ablation.record.selection import select
from ablation.report.statistics.agreement import PAIRS, Agreement, agreement, led_on_test, led_on_validation
from ablation.report.statistics.bootstrap import FEWEST_PATIENTS, count_patients
from ablation.report.statistics.comparisons import comparisons
from ablation.report.statistics.intervals import intervals
from ablation.report.statistics.network_scores import NetworkScores, network_scores
from ablation.report.statistics.surfaces import surfaces
from ablation.report.statistics.verdicts import BETTER, EQUAL, WORSE
from ablation.report.statistics.what_to_add import what_to_add
from ablation.report.tables.arms import best_arms, validation_scores
from ablation.report.tables.choice import chosen
from t1t2core.settings import TARGET

SIGNIFICANT = 0.05
NO_TEST = "No test can exclude an arm"
IN_WORDS = {
    BETTER: "Shown to be worse",
    WORSE: "Shown to be better, though validation did not choose it",
    EQUAL: "Practically equal",
}
"""Of the other arms, by the verdict of the best arm against them."""
ONE_NETWORK = "That holds for this one pretrained network: with another the arms could come in another order."
MOST_NAMED = 5
"""Arms named in a sentence; of more the number is given."""
MINUTE, HOUR = 60, 3600


@dataclass(frozen=True)
class Evidence:
    """All that the sentences are made from."""

    results: pd.DataFrame
    rows: pd.DataFrame
    scores: NetworkScores
    means: pd.DataFrame
    against: pd.DataFrame
    to_add: pd.DataFrame
    surfaces: pd.DataFrame


def conclusions(results: pd.DataFrame, patients: pd.DataFrame, margin: float | None = None) -> list[str]:
    """A paragraph of plain English for each class, and one for all where they agree.

    It opens with the arms that may be the best: the one with the best validation Dice, and each that the 95 %
    interval of their difference does not exclude (`comparisons(pairs="best")`), cheapest first. Then comes
    which of them tests show to be worse, after Holm's correction within the class. Below six patients it
    counts the pairs in which the best scores higher. Where so few patients were tested that no p can be
    small, it says so in place of a verdict.

    Args:
        results, patients: as for `network_scores`.
        margin: a difference in Dice that does not matter; None where none is stated.
    """
    best = best_arms(results)
    if not best:
        return ["No arm has been validated yet, so there is no answer."]
    against = comparisons(results, patients, pairs="best", margin=margin)
    found = Evidence(
        results,
        chosen(results),
        network_scores(results, patients),
        intervals(results, patients),
        against,
        what_to_add(results, patients, against),
        surfaces(results, patients),
    )
    certainty = {tissue: _others(_part(against, tissue), found.scores) for tissue in best}
    # That no test can tell is said once, at the end, where it holds for every class alike.
    first = {sentences[0] for sentences in certainty.values()}
    same = len(best) > 1 and len(first) == 1 and next(iter(first)).startswith(NO_TEST)
    paragraphs = [
        " ".join(
            [
                _candidates(found, tissue, arm),
                *certainty[tissue][int(same) :],
                _best(found, tissue, arm),
                *_agreement(found, tissue),
                *_over_patients(found, tissue, arm),
                *_part(found.to_add, tissue)["meaning"],
            ]
        )
        for tissue, arm in best.items()
    ]
    return [*paragraphs, *(first if same else [])]


def _candidates(found: Evidence, tissue: str, arm: str) -> str:
    """Name the arms that the interval of their difference from the best does not exclude, cheapest first."""
    against = _part(found.against, tissue)
    seconds = found.rows.drop_duplicates("trial_key").groupby("arm")["standalone_seconds"].mean()
    title = tissue.replace("_", " ").capitalize()
    if against.empty:
        return f"{title}: {arm}, the only arm that was tested."
    excluded = against["low"] > 0
    by_count = _is_too_few(against) and against["patients"].max() > 0
    if by_count:
        excluded = pd.Series([_count(found, row).is_unanimous for row in against.to_dict("records")])
    # Nothing is known of what external arms cost: they stand last.
    costs = seconds.fillna(math.inf)
    left = sorted([arm, *against["second"][~excluded.to_numpy()]], key=lambda name: float(costs[name]))
    first = f"{title}: {'by count, not by test, ' if by_count else ''}{len(left)} of {len(against) + 1} arms "
    why = ""
    if excluded.any():
        lower = f"The others score lower in all {PAIRS[found.scores.kind]}"
        why = f". {lower if by_count else 'The 95 % interval of the difference excludes the others'}"
    order = ", cheapest first" if len(left) > 1 and seconds[left].notna().all() else ""
    return f"{first}may be the best{order}: {shortened(left)}{why}."


def _best(found: Evidence, tissue: str, arm: str) -> str:
    """Tell of the arm that is best on validation."""
    rows = found.rows[found.rows["arm"] == arm]
    scores = validation_scores(found.results).set_index(["class", "arm"])["validation"]
    test = select(rows, split="test", sequence=TARGET, tissue=tissue)["dsc"].mean()
    seconds = rows.drop_duplicates("trial_key")["standalone_seconds"].mean()
    shown = "undefined" if pd.isna(test) else f"{test:.3f}"
    cost = "" if pd.isna(seconds) else f" A trial of it takes {_duration(seconds)}, computed alone."
    return (
        f"{arm} is best on validation (DSC {scores[tissue, arm]:.3f}{_spread(rows, tissue)})"
        f"{_led(found, tissue, arm)}; its test DSC is {shown}{_surface(found, tissue, arm)}.{cost}"
    )


def _surface(found: Evidence, tissue: str, arm: str) -> str:
    """The surface Dice and distance of the best arm on the test, beside its Dice."""
    rows = _part(found.surfaces, tissue)
    rows = rows[(rows["arm"] == arm) & (rows["sequence"] == TARGET)]
    if rows.empty or rows["nsd_2_mm"].isna().all():
        return ""
    row = rows.iloc[0]
    distance = row["hausdorff_95_mm"]
    far = "" if pd.isna(distance) else f", 95th percentile of surface distances {distance:.1f} mm"
    return f", surface Dice within 2 mm {row['nsd_2_mm']:.3f}{far}"


def _led(found: Evidence, tissue: str, arm: str) -> str:
    """With how many of the pretrained networks, or in how many folds, the best arm leads."""
    (validated, of), (tested, of_tested) = (
        led_on_validation(found.results, found.scores, tissue, arm),
        led_on_test(found.scores, tissue, arm),
    )
    if min(of, of_tested) < 2:
        return ""
    word = "folds" if found.scores.kind == "rotated" else "pretrained networks"
    joint = "in" if found.scores.kind == "rotated" else "with"
    return f", {joint} {validated} of {of} {word}, and on the test {joint} {tested} of {of_tested}"


def _spread(rows: pd.DataFrame, tissue: str) -> str:
    """How much the best arm's validation Dice differs between folds and seeds."""
    part = select(rows, split="validation", sequence=TARGET, tissue=tissue)
    if len(part) < 2:
        return ""
    return f", standard deviation {part['dsc'].fillna(0).std():.3f} over {len(part)} folds and seeds"


def _over_patients(found: Evidence, tissue: str, arm: str) -> list[str]:
    """The best arm's interval where there is one, and whose mean is highest if not its own."""
    means = _part(found.means, tissue)
    tested = means[means["sequence"] == TARGET].set_index("arm")
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


def _others(against: pd.DataFrame, scores: NetworkScores) -> list[str]:
    """How sure: of one class, the best arm against each other."""
    if against.empty:
        return ["There is no other arm to compare it with."]
    most = int(against["patients"].max())
    if most == 0:
        return ["No patient has a defined score under two arms, so nothing can be compared."]
    if _is_too_few(against):
        return [_too_few(against, scores)]
    told = {verdict: against[against["verdict"] == verdict] for verdict in IN_WORDS}
    parts = [f"{IN_WORDS[verdict]}: {_names(rows)}" for verdict, rows in told.items() if not rows.empty]
    is_one = scores.kind == "one"
    test = "Wilcoxon" if is_one else f"t test, {against['interval'].mode()[0]}"
    number = f"the {len(against)} comparisons" if len(against) > 1 else "one comparison"
    none = f"Corrected for {number} no arm is shown to be worse"
    verdict = f"{'. '.join(parts) or none} ({test}, p < 0.05 after Holm)."
    return [verdict, *([ONE_NETWORK] if is_one else [])]


def _is_too_few(against: pd.DataFrame) -> bool:
    """Whether no test of one class could find anything, whatever the scores."""
    floor = against["smallest_p"].min()
    return bool(against["p"].isna().all() or floor * len(against) > SIGNIFICANT)


def _too_few(against: pd.DataFrame, scores: NetworkScores) -> str:
    if scores.kind != "one":
        return f"{NO_TEST}: {against['interval'].mode()[0].removeprefix('none: ')}."
    patients, floor = int(against["patients"].max()), float(against["smallest_p"].min())
    after = "" if floor > SIGNIFICANT else f", and none of {len(against)} comparisons below 0.05 after Holm"
    return (
        f"{NO_TEST}: with {count_patients(patients)} and one pretrained network no signed-rank test can give "
        f"p below {floor:.2g}{after}. Counts and means that all agree are no test."
    )


def _agreement(found: Evidence, tissue: str) -> list[str]:
    """Count the pairs in which the best arm scores higher, where patients are too few for much of a test.

    Arms that a test excludes are not counted.
    """
    against = _part(found.against, tissue)
    if against.empty or not 0 < against["patients"].max() < FEWEST_PATIENTS:
        return []
    left = against[against["verdict"] != BETTER]
    ordered = left.loc[left["difference"].abs().sort_values(kind="stable").index]
    parts = []
    for row in ordered.head(MOST_NAMED).to_dict("records"):
        count = _count(found, row)
        parts.append(f"{row['second']} in {count.higher} of {count.pairs} ({row['difference']:+.3f})")
    if not parts:
        return []
    more = f"; the tables have {len(ordered) - MOST_NAMED} more" if len(ordered) > MOST_NAMED else ""
    return [f"Of the {PAIRS[found.scores.kind]} it scores higher than {', '.join(parts)}{more}."]


def _count(found: Evidence, row: Mapping[Hashable, Any]) -> Agreement:
    return agreement(found.scores, str(row["class"]), str(row["first"]), str(row["second"]))


def _names(against: pd.DataFrame) -> str:
    """The arms that come closest first."""
    order = against["difference"].abs().sort_values(kind="stable").index
    return shortened(against.loc[order, "second"].tolist())


def shortened(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    shown = ", ".join(names[:MOST_NAMED])
    return shown if len(names) <= MOST_NAMED else f"{shown} and {len(names) - MOST_NAMED} more"


def _part(table: pd.DataFrame, tissue: str) -> pd.DataFrame:
    return table[table["class"] == tissue]


def _duration(seconds: float) -> str:
    if seconds < MINUTE:
        return f"{seconds:.1f} s"
    return f"{seconds / MINUTE:.1f} min" if seconds < HOUR else f"{seconds / HOUR:.1f} h"
