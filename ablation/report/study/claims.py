"""The study's claims, judged by its own numbers and by ours."""

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from itertools import pairwise

import pandas as pd

from ablation.report.study.differences import student
from ablation.report.study.evidence import Evidence, our_evidence, sized_arm, strategy_of, study_evidence
from ablation.report.study.judgement import Finding, Part, together
from ablation.report.study.layouts import DIFFERENCE
from ablation.report.tables.arm_scores import DEPTHS, FUSIONS, STUDY_DEPTHS
from ablation.report.tables.training_size import ALL
from t1t2core.settings import SOURCE, TARGET
from t1t2core.settings.classes import STUDY_CLASSES
from t1t2core.strategies import STRATEGIES, StrategyName

TUNED = list(STUDY_DEPTHS)
CONSERVATIVES = [f"conservative {depth}" for depth in TUNED]
HYBRIDS = [f"hybrid {fusion}" for fusion in FUSIONS if fusion]
TRANSFERS: tuple[StrategyName, ...] = ("no_fine_tuning", "open", "conservative", "hybrid")
"""The strategies of the study's Tables 6 to 8."""
UNCHANGED_PERCENT = 1.0
"""A Dice that differs by no more counts as unchanged; ours, the study names no bound."""
SAME_STEPS = 1.05
"""Ratio of numbers of training steps up to which budgets count as equal; ours."""


@dataclass(frozen=True)
class Claim:
    """One claim of the study.

    Args:
        name: C1 to C9.
        statement: in a sentence.
        where: section of the study.
        judge: compares arms.
        note: what the study's own tables say besides.
    """

    name: str
    statement: str
    where: str
    judge: Callable[[Evidence], Finding]
    note: str


def claims(results: pd.DataFrame, patients: pd.DataFrame, margin: float | None = None) -> pd.DataFrame:
    """A row a claim: what the study's own numbers say about it, and what ours say.

    Args:
        results, patients: as in `results.csv` and `patients.csv`.
        margin: the smallest difference in a score that counts; None takes `evidence.MARGIN`.

    Columns: `claim`, `statement`, `where`; of the study, by its corrected values, `paper` (means),
    `paper_difference`, `paper_low`, `paper_high`, `paper_verdict`; of ours `ours` (means), `our_pair` (the
    difference that decides), `our_difference`, `our_low`, `our_high`, `margin`, `our_verdict`, `our_interval`
    (how it was made); `note`. A verdict is one of `judgement`'s six. The means are pooled over voxels, as
    the study's are; differences are paired over patients and pretrained networks, those of the study over its
    folds.
    """
    study, ours = study_evidence(margin), our_evidence(results, patients, margin)
    return pd.DataFrame([_row(claim, study, ours) for claim in CLAIMS])


def _row(claim: Claim, study: Evidence, ours: Evidence) -> dict[str, str | float]:
    theirs, found = claim.judge(study), claim.judge(ours)
    return {
        "claim": claim.name,
        "statement": claim.statement,
        "where": claim.where,
        "paper": theirs.text,
        **_numbers(theirs, "paper"),
        "paper_verdict": theirs.verdict,
        "ours": found.text + (f"; {found.budgets}" if found.budgets else ""),
        "our_pair": found.decisive.what if found.decisive else "",
        **_numbers(found, "our"),
        "margin": found.decisive.margin if found.decisive else math.nan,
        "our_verdict": found.verdict,
        "our_interval": _how(found),
        "note": claim.note,
    }


def _numbers(finding: Finding, side: str) -> dict[str, float]:
    """The difference that decides, with its interval."""
    found = finding.decisive.difference if finding.decisive else None
    names = ("difference", "low", "high")
    values = (math.nan,) * 3 if found is None else (found.mean, found.low, found.high)
    return {f"{side}_{name}": value for name, value in zip(names, values, strict=True)}


def _how(finding: Finding) -> str:
    found = finding.decisive.difference if finding.decisive else None
    return "" if found is None else found.interval


# Comparisons


def _leads(
    evidence: Evidence, leader: str, arms: Collection[str], tissue: str, metric: str = "dsc"
) -> Finding:
    """Compare an arm with each other of `arms` on T2; one that is missing leaves the claim open."""
    scores = {arm: evidence.scores.get((arm, TARGET, tissue, metric), math.nan) for arm in arms}
    defined = {arm: score for arm, score in scores.items() if not math.isnan(score)}
    told = [f"{arm} {defined[arm]:.4f}" for arm in sorted(defined, key=lambda arm: -defined[arm])]
    for arm in (arm for arm in scores if arm not in defined):
        there = (arm, TARGET, tissue, metric) in evidence.scores
        told.append(f"{arm} {'undefined' if there else 'not there'}")
    title = f"{_words(tissue)} {'DSC' if metric == 'dsc' else metric}"
    rivals = [arm for arm in scores if arm != leader]
    parts = [_lead(evidence, leader, rival, title, tissue, metric) for rival in rivals]
    return Finding(f"{title}: {', '.join(told)}", parts)


def _lead(evidence: Evidence, first: str, second: str, title: str, tissue: str, metric: str = "dsc") -> Part:
    found = evidence.difference({first: 1, second: -1}, TARGET, tissue, metric)
    return Part(f"{title}: {first} - {second}", found, evidence.margin)


def _budgets(steps: Mapping[str, float], arms: Collection[str]) -> str:
    """Tell the numbers of training steps of arms where they differ."""
    known = {arm: steps[arm] for arm in arms if arm in steps}
    if not known or max(known.values()) <= SAME_STEPS * min(known.values()):
        return ""
    return "training steps (or epochs times patients): " + ", ".join(
        f"{arm} {number:g}" for arm, number in known.items()
    )


def _best(evidence: Evidence, tissue: str) -> dict[StrategyName, str]:
    """Each transfer strategy's arm in Tables 6 to 8; its own name where it has none."""
    arms = {strategy_of(arm): arm for arm in evidence.best[tissue]}
    return {strategy: arms.get(strategy, strategy) for strategy in TRANSFERS}


def _trained(arms: Mapping[StrategyName, str]) -> list[str]:
    return [arm for strategy, arm in arms.items() if STRATEGIES[strategy].trains]


def _words(tissue: str) -> str:
    return tissue.replace("_", " ")


# The claims


def _hybrid_best_for_bone(evidence: Evidence) -> Finding:
    best = _best(evidence, "bone")
    finding = _leads(evidence, best["hybrid"], best.values(), "bone")
    augmented = evidence.scores.get(("augmented", TARGET, "bone", "dsc"))
    beside = "" if augmented is None else f" (augmented, which the claim leaves out: {augmented:.4f})"
    return Finding(finding.text + beside, finding.parts, _budgets(evidence.steps, _trained(best)))


def _multiplication_best_for_bone(evidence: Evidence) -> Finding:
    return _leads(evidence, "hybrid multiplication", HYBRIDS, "bone")


def _concatenation_best_for_the_rest(evidence: Evidence) -> Finding:
    leader = "hybrid concatenation"
    return together([_leads(evidence, leader, HYBRIDS, tissue) for tissue in ("soft_tissue", "air")])


def _eighteen_most_precise(evidence: Evidence) -> Finding:
    arms = _best(evidence, "bone") | {"conservative": "conservative 18"}
    finding = _leads(evidence, arms["conservative"], arms.values(), "bone", "precision")
    return Finding(finding.text, finding.parts, _budgets(evidence.steps, _trained(arms)))


def _untuned_best_for_the_rest(evidence: Evidence) -> Finding:
    leader = "no_fine_tuning"
    return together(
        [
            _leads(evidence, leader, _best(evidence, tissue).values(), tissue)
            for tissue in ("soft_tissue", "air")
        ]
    )


def _bone_rises_with_depth(evidence: Evidence) -> Finding:
    scores = [evidence.scores.get((arm, TARGET, "bone", "dsc"), math.nan) for arm in CONSERVATIVES]
    text = "bone DSC by depth: " + ", ".join(
        f"{depth} {'undefined or not there' if math.isnan(score) else f'{score:.4f}'}"
        for depth, score in zip(TUNED, scores, strict=True)
    )
    rises = [_lead(evidence, deep, shallow, "bone DSC", "bone") for shallow, deep in pairwise(CONSERVATIVES)]
    return together([Finding(text, rises), _leads(evidence, "conservative 6", CONSERVATIVES, "air")])


def _more_patients_help_deep_tuning(evidence: Evidence) -> Finding:
    if evidence.sizes is None or evidence.size_difference is None:
        return Finding("printed as a figure only")
    bone = evidence.sizes.pivot(index="tuned_layers", columns="t2_train_size", values="bone")
    bone = bone.reindex([depth for depth in (*DEPTHS, ALL) if depth in bone.index]).dropna(axis=1)
    if bone.shape[1] < 2 or "fc" not in bone.index or len(bone) < 2:
        return Finding("needs two training sizes at `fc` and at a greater depth")
    few, many, deepest = bone.columns.min(), bone.columns.max(), bone.index[-1]
    gains = bone[many] - bone[few]
    shallow = bone[few].drop(deepest).idxmax()
    text = (
        f"bone DSC from {few} to {many} patients: {gains[deepest]:+.4f} at depth {deepest}, "
        f"{gains['fc']:+.4f} at fc; the best depth is {bone[few].idxmax()} with {few} and "
        f"{bone[many].idxmax()} with {many}"
    )
    deep_many, deep_few = sized_arm(deepest, many), sized_arm(deepest, few)
    fc_many, fc_few = sized_arm("fc", many), sized_arm("fc", few)
    wanted = {
        f"gain at depth {deepest}": {deep_many: 1, deep_few: -1},
        f"gain at depth {deepest} - gain at fc": {deep_many: 1, deep_few: -1, fc_many: -1, fc_few: 1},
        f"depth {shallow} - depth {deepest} with {few}": {sized_arm(shallow, few): 1, deep_few: -1},
    }
    parts = [
        Part(f"bone DSC: {what}", evidence.size_difference(weights, TARGET, "bone", "dsc"), evidence.margin)
        for what, weights in wanted.items()
    ]
    return Finding(text, parts, _budgets(evidence.size_steps, [deep_few, deep_many, fc_few, fc_many]))


def _hybrid_takes_least_time(evidence: Evidence) -> Finding:
    if evidence.times is None or evidence.seconds is None:
        return Finding("printed as a figure only")
    best = _best(evidence, "bone")
    arms = _trained(best)
    known = evidence.times.dropna(subset=["standalone_seconds"])
    times = known[known["arm"].isin(arms)].set_index("arm")
    if len(times) < len(arms):
        return Finding("needs hybrid, conservative and open fine-tuning")
    seconds = times["standalone_seconds"].sort_values()
    text = "seconds alone: " + ", ".join(f"{arm} {value:.1f}" for arm, value in seconds.items())
    reasons = {reason for found in times["stop_reasons"] for reason in found.split(", ")}
    if "converged" not in reasons or reasons - {"converged", "max_epochs"}:
        stops = ", ".join(sorted(reasons))
        return Finding(f"{text}; the claim is about training to convergence, these stopped by {stops}")
    saved = evidence.seconds[arms].sub(evidence.seconds[best["hybrid"]], axis=0)
    parts = [
        Part(
            f"seconds: {arm} - {best['hybrid']}",
            student(saved[arm].dropna().to_numpy(), "over folds; holds for this machine"),
            0.0,
        )
        for arm in arms
        if arm != best["hybrid"]
    ]
    return Finding(text, parts)


def _augmentation_spares_t1_and_lifts_t2(evidence: Evidence) -> Finding:
    differences = {
        (sequence, tissue): evidence.scores.get((DIFFERENCE, sequence, tissue, "dsc"), math.nan)
        for sequence, tissue in [*((SOURCE, tissue) for tissue in STUDY_CLASSES.order), (TARGET, "bone")]
    }
    if any(map(math.isnan, differences.values())):
        return Finding("needs no fine-tuning and augmentation, both tested on T1 and T2")
    text = "difference of the DSC in %: " + ", ".join(
        f"{sequence} {_words(tissue)} {value:+.2f}" for (sequence, tissue), value in differences.items()
    )
    weights = {"augmented": 1, "no_fine_tuning": -1}
    pair = "augmented - no_fine_tuning"
    spared = [
        Part(
            f"T1 {_words(tissue)} DSC: {pair}",
            evidence.difference(weights, SOURCE, tissue, "dsc"),
            UNCHANGED_PERCENT / 100 * evidence.scores["no_fine_tuning", SOURCE, tissue, "dsc"],
            "unchanged",
        )
        for tissue in STUDY_CLASSES.order
    ]
    lifted = Part(
        f"T2 bone DSC: {pair}", evidence.difference(weights, TARGET, "bone", "dsc"), evidence.margin
    )
    return Finding(f"{text}; unchanged means within {UNCHANGED_PERCENT:g} %", [*spared, lifted])


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
