"""The study's claims, judged by its own numbers and by ours."""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

import pandas as pd

from ablation.report.study.evidence import Evidence, our_evidence, strategy_of, study_evidence
from ablation.report.study.layouts import DIFFERENCE
from ablation.report.tables.arm_scores import DEPTHS, FUSIONS
from ablation.report.tables.summary import TISSUES
from ablation.report.tables.training_size import ALL
from t1t2core.strategies import STRATEGIES, StrategyName

TUNED = [depth for depth in DEPTHS if depth]
CONSERVATIVES = [f"conservative {depth}" for depth in TUNED]
HYBRIDS = [f"hybrid {fusion}" for fusion in FUSIONS if fusion]
VERDICTS = {True: "holds", False: "does not hold", None: "cannot be tested here"}
TRANSFERS: tuple[StrategyName, ...] = ("no_fine_tuning", "open", "conservative", "hybrid")
"""The strategies of the study's Tables 6 to 8."""
UNCHANGED_PERCENT = 1.0
"""A Dice that differs by no more counts as unchanged; ours, the study names no bound."""
FEW_PATIENTS = 6
"""Fewer give no interval over patients."""


@dataclass(frozen=True)
class Finding:
    """What numbers say about a claim; `holds` is None where they cannot tell."""

    text: str
    holds: bool | None


@dataclass(frozen=True)
class Claim:
    """One claim of the study.

    Args:
        name: C1 to C9.
        statement: in a sentence.
        where: section of the study.
        judge: compares means.
        note: what the study's own tables say besides.
    """

    name: str
    statement: str
    where: str
    judge: Callable[[Evidence], Finding]
    note: str


def claims(results: pd.DataFrame) -> pd.DataFrame:
    """A row a claim: what the study's own numbers say about it, and what ours say.

    Columns: `claim`, `statement`, `where`, `paper` and `paper_verdict` (corrected values), `ours` and
    `our_verdict`, `note`. A verdict is `holds`, `does not hold` or `cannot be tested here`, and compares
    means only; no number of ours can establish a claim on few patients, and the text says so.
    """
    study, ours = study_evidence(), our_evidence(results)
    return pd.DataFrame([_row(claim, study, ours) for claim in CLAIMS])


def _row(claim: Claim, study: Evidence, ours: Evidence) -> dict[str, str]:
    theirs, found = claim.judge(study), claim.judge(ours)
    caution = "" if found.holds is None else _caution(ours.test_patients)
    return {
        "claim": claim.name,
        "statement": claim.statement,
        "where": claim.where,
        "paper": theirs.text,
        "paper_verdict": VERDICTS[theirs.holds],
        "ours": found.text + caution,
        "our_verdict": VERDICTS[found.holds],
        "note": claim.note,
    }


def _caution(patients: int) -> str:
    if patients < FEW_PATIENTS:
        return f". Means compared, nothing more: {patients} test patients a fold cannot establish it"
    return f". Means of {patients} test patients a fold compared, nothing more: see the paired tests"


# Comparisons


def _leads(
    evidence: Evidence, leader: str, arms: Collection[str], tissue: str, metric: str = "dsc"
) -> Finding:
    """Find whether an arm has the highest mean score on T2 among `arms`, which may not all be there.

    A defined score that is as high refutes it; a rival that is missing or undefined leaves it open.
    """
    scores = {arm: evidence.scores.get((arm, "T2", tissue, metric), math.nan) for arm in arms}
    defined = {arm: score for arm, score in scores.items() if not math.isnan(score)}
    ranked = sorted(defined, key=lambda arm: -defined[arm])
    parts = [f"{arm} {defined[arm]:.4f}" for arm in ranked]
    for arm in (arm for arm in scores if arm not in defined):
        there = (arm, "T2", tissue, metric) in evidence.scores
        parts.append(f"{arm} {'undefined' if there else 'not there'}")
    title = f"{_words(tissue)} {'DSC' if metric == 'dsc' else metric}"
    text = f"{title}: {', '.join(parts)}"
    if leader not in defined:
        return Finding(text, None)
    beaten = any(defined[arm] >= defined[leader] for arm in defined if arm != leader)
    return Finding(text, False if beaten else True if len(defined) == len(scores) else None)


def _together(findings: Sequence[Finding]) -> Finding:
    """A claim of several parts holds if each does, and fails if one fails."""
    verdicts = {finding.holds for finding in findings}
    holds = False if False in verdicts else None if None in verdicts else True
    return Finding("; ".join(finding.text for finding in findings), holds)


def _best(evidence: Evidence, tissue: str) -> dict[StrategyName, str]:
    """Each transfer strategy's arm in Tables 6 to 8; its own name where it has none."""
    arms = {strategy_of(arm): arm for arm in evidence.best[tissue]}
    return {strategy: arms.get(strategy, strategy) for strategy in TRANSFERS}


def _words(tissue: str) -> str:
    return tissue.replace("_", " ")


# The claims


def _hybrid_best_for_bone(evidence: Evidence) -> Finding:
    best = _best(evidence, "bone")
    finding = _leads(evidence, best["hybrid"], best.values(), "bone")
    augmented = evidence.scores.get(("augmented", "T2", "bone", "dsc"))
    beside = "" if augmented is None else f" (augmented, which the claim leaves out: {augmented:.4f})"
    return Finding(finding.text + beside, finding.holds)


def _multiplication_best_for_bone(evidence: Evidence) -> Finding:
    return _leads(evidence, "hybrid multiplication", HYBRIDS, "bone")


def _concatenation_best_for_the_rest(evidence: Evidence) -> Finding:
    leader = "hybrid concatenation"
    return _together([_leads(evidence, leader, HYBRIDS, tissue) for tissue in ("soft_tissue", "air")])


def _eighteen_most_precise(evidence: Evidence) -> Finding:
    arms = _best(evidence, "bone") | {"conservative": "conservative 18"}
    return _leads(evidence, arms["conservative"], arms.values(), "bone", "precision")


def _untuned_best_for_the_rest(evidence: Evidence) -> Finding:
    leader = "no_fine_tuning"
    return _together(
        [
            _leads(evidence, leader, _best(evidence, tissue).values(), tissue)
            for tissue in ("soft_tissue", "air")
        ]
    )


def _bone_rises_with_depth(evidence: Evidence) -> Finding:
    scores = [evidence.scores.get((arm, "T2", "bone", "dsc"), math.nan) for arm in CONSERVATIVES]
    defined = [score for score in scores if not math.isnan(score)]
    falls = any(deep <= shallow for shallow, deep in pairwise(defined))
    text = "bone DSC by depth: " + ", ".join(
        f"{depth} {'undefined or not there' if math.isnan(score) else f'{score:.4f}'}"
        for depth, score in zip(TUNED, scores, strict=True)
    )
    rises = Finding(text, False if falls else True if len(defined) == len(scores) else None)
    return _together([rises, _leads(evidence, "conservative 6", CONSERVATIVES, "air")])


def _more_patients_help_deep_tuning(evidence: Evidence) -> Finding:
    if evidence.sizes is None:
        return Finding("printed as a figure only", None)
    bone = evidence.sizes.pivot(index="tuned_layers", columns="t2_train_size", values="bone")
    bone = bone.reindex([depth for depth in (*DEPTHS, ALL) if depth in bone.index]).dropna(axis=1)
    if bone.shape[1] < 2 or "fc" not in bone.index or len(bone) < 2:
        return Finding("needs two training sizes at `fc` and at a greater depth", None)
    few, many, deepest = bone.columns.min(), bone.columns.max(), bone.index[-1]
    gains = bone[many] - bone[few]
    best_with = {size: bone[size].idxmax() for size in (few, many)}
    text = (
        f"bone DSC from {few} to {many} patients: {gains[deepest]:+.4f} at depth {deepest}, "
        f"{gains['fc']:+.4f} at fc; "
        f"the best depth is {best_with[few]} with {few} and {best_with[many]} with {many}"
    )
    order = list(bone.index)
    shallower = order.index(best_with[few]) < order.index(best_with[many])
    return Finding(text, bool(gains[deepest] > abs(gains["fc"]) and shallower))


def _hybrid_takes_least_time(evidence: Evidence) -> Finding:
    if evidence.times is None:
        return Finding("printed as a figure only", None)
    best = _best(evidence, "bone")
    arms = [arm for strategy, arm in best.items() if STRATEGIES[strategy].trains]
    times = evidence.times[evidence.times["arm"].isin(arms)].set_index("arm")
    if len(times) < len(arms):
        return Finding("needs hybrid, conservative and open fine-tuning", None)
    seconds = times["standalone_seconds"].sort_values()
    text = "seconds alone: " + ", ".join(f"{arm} {value:.1f}" for arm, value in seconds.items())
    reasons = {reason for found in times["stop_reasons"] for reason in found.split(", ")}
    if "converged" not in reasons or reasons - {"converged", "max_epochs"}:
        stops = ", ".join(sorted(reasons))
        return Finding(f"{text}; the claim is about training to convergence, these stopped by {stops}", None)
    return Finding(text, bool((seconds.drop(best["hybrid"]) > seconds[best["hybrid"]]).all()))


def _augmentation_spares_t1_and_lifts_t2(evidence: Evidence) -> Finding:
    differences = {
        (sequence, tissue): evidence.scores.get((DIFFERENCE, sequence, tissue, "dsc"), math.nan)
        for sequence, tissue in [*(("T1", tissue) for tissue in TISSUES), ("T2", "bone")]
    }
    if any(map(math.isnan, differences.values())):
        return Finding("needs no fine-tuning and augmentation, both tested on T1 and T2", None)
    text = "difference of the DSC in %: " + ", ".join(
        f"{sequence} {_words(tissue)} {value:+.2f}" for (sequence, tissue), value in differences.items()
    )
    lifted = differences.pop(("T2", "bone")) > 0
    unchanged = all(abs(value) <= UNCHANGED_PERCENT for value in differences.values())
    return Finding(f"{text}; unchanged means within {UNCHANGED_PERCENT:g} %", bool(lifted and unchanged))


CLAIMS = (
    Claim(
        "C1",
        "Hybrid transfer segments bone best.",
        "abstract, 4.4, 5",
        _hybrid_best_for_bone,
        "In the study hybrid is below open in fold 2; paired t over its 3 folds: p = 0.41.",
    ),
    Claim(
        "C2",
        "Multiplication is the best fusion for bone.",
        "4.3",
        _multiplication_best_for_bone,
        "In the study it leads average by 0.0038; paired t over its 3 folds: p = 0.90.",
    ),
    Claim(
        "C3",
        "Concatenation is the best fusion for soft tissue and air.",
        "4.3",
        _concatenation_best_for_the_rest,
        "In the study it leads soft tissue only by a misprint, 0.8415 for 0.8103.",
    ),
    Claim(
        "C4",
        "Tuning 18 convolutions gives the most precise bone.",
        "4.4",
        _eighteen_most_precise,
        "Compared with the best arm of each other strategy (Table 6). The study's augmentation has 0.72.",
    ),
    Claim(
        "C5",
        "No fine-tuning segments soft tissue and air best.",
        "4.1, 4.4, 5",
        _untuned_best_for_the_rest,
        "In the study this row's class shares differ from those of the tuned rows: not the same voxels. Its "
        "augmentation exceeds both.",
    ),
    Claim(
        "C6",
        "Bone improves with every further tuned block; air is best with 6 convolutions.",
        "4.2",
        _bone_rises_with_depth,
        "Section 4.2 also calls 3 convolutions best for air.",
    ),
    Claim(
        "C7",
        "More T2 training patients help deep tuning, not the last layer alone; with few, tune few layers.",
        "4.2",
        _more_patients_help_deep_tuning,
        "Deep is the deepest arm there is; the last layer is flat if it changes by less than that gains.",
    ),
    Claim(
        "C8",
        "Hybrid transfer takes the least total time until convergence.",
        "4.5, 5",
        _hybrid_takes_least_time,
        "Pretraining on T1 is left out, as presumably in the study.",
    ),
    Claim(
        "C9",
        "Training on T1 and T2 leaves T1 unchanged and lifts bone on T2.",
        "4.6",
        _augmentation_spares_t1_and_lifts_t2,
        "",
    ),
)
"""Sections are those of the study (see `ablation.report.study.paper.SOURCE`)."""
