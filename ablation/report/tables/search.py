"""The candidates of a search, and the one that validation over folds and seeds chooses."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import cast

import pandas as pd

from ablation.plan.trial_result import TrialResult
from ablation.record.plan_record import PlanRecord
from ablation.record.settings import setting_text
from ablation.record.trials import Record
from ablation.search.candidates import SAMPLED, Candidate
from ablation.search.record import read_candidates, read_given_up
from ablation.space.naming import arm_name
from ablation.space.objectives import goes_up
from ablation.space.points import ARCHITECTURE, Point
from ablation.space.variation import shown
from t1t2core.strategies import STRATEGIES, StrategyName

WHOLE, PRUNED, UNFINISHED = "whole", "pruned", "unfinished"
CHOSEN, FRONT = "chosen", "on the front"


@dataclass(frozen=True)
class Scored:
    """A candidate and what is recorded of it.

    Args:
        state: `WHOLE`, `PRUNED` or `UNFINISHED`.
        why: it was given up; '' if it was not.
        means, spreads: of each objective over folds and seeds; a spread is a standard deviation.
    """

    number: int
    candidate: Candidate
    state: str
    why: str
    trials: int
    means: tuple[float, ...]
    spreads: tuple[float, ...]

    @property
    def name(self) -> str:
        """The arm and its factors."""
        one = self.candidate
        size = f", {one.t2_train_size} patients" if one.t2_train_size else ""
        rate = f", learning rate {one.learning_rate:g}" if one.learning_rate else ""
        settings = "".join(f", {name} {shown(value)}" for name, value in one.settings)
        return arm_name(one.strategy, one.tuned_layers, one.fusion) + size + rate + settings


def scored_candidates(record: PlanRecord) -> list[Scored]:
    """The candidates of a search in the order of sampling."""
    objectives, given_up = record.objectives, read_given_up(record.tags)
    varied = record.design.settings
    whole, partial = _by_factors(record.records, varied), _by_factors(record.partial, varied)
    found = []
    for number, candidate in read_candidates(record.tags).items():
        factors = _factors(candidate, varied)
        runs = whole.get(factors) or partial.get(factors, [])
        state = WHOLE if factors in whole else PRUNED if number in given_up else UNFINISHED
        values = [[TrialResult(run.metrics, ()).value(one) for run in runs] for one in objectives]
        why = given_up[number].reason if state == PRUNED else ""
        means = tuple(fmean(each) if each else float("nan") for each in values)
        spreads = tuple(stdev(each) if len(each) > 1 else float("nan") for each in values)
        found.append(Scored(number, candidate, state, why, len(runs), means, spreads))
    return found


def choose(scored: Sequence[Scored], objectives: Sequence[str]) -> list[Scored]:
    """The whole candidates that no other whole one beats: the best, or for several objectives the front.

    Of equals the one that was sampled first.
    """
    whole = [one for one in scored if one.state == WHOLE]
    signs = [1 if goes_up(one) else -1 for one in objectives]

    def gains(one: Scored) -> tuple[float, ...]:
        return tuple(sign * mean for sign, mean in zip(signs, one.means, strict=True))

    def is_beaten(one: Scored) -> bool:
        return any(
            all(a >= b for a, b in zip(gains(other), gains(one), strict=True))
            and (gains(other) != gains(one) or other.number < one.number)
            for other in whole
            if other is not one
        )

    return sorted((one for one in whole if not is_beaten(one)), key=lambda one: -gains(one)[0])


def choice_sentences(record: PlanRecord) -> list[str]:
    """Tell what the search chose and how many candidates it gave up; nothing for a grid."""
    objectives = record.objectives
    if not objectives:
        return []
    scored = scored_candidates(record)
    best = choose(scored, objectives)
    if not best:
        return ["No candidate of the search is whole yet, so nothing is chosen."]
    counts = f"{len(scored)} candidates, {sum(one.state == PRUNED for one in scored)} of them given up early"
    if len(objectives) == 1:
        return [f"Chosen by {objectives[0]} of {counts}: {_told(best[0], objectives)}."]
    front = "; ".join(_told(one, objectives) for one in best)
    return [f"Pareto front of {' and '.join(objectives)} of {counts}: {front}."]


def search_table(record: PlanRecord) -> pd.DataFrame:
    """A row a candidate, in the order of sampling; empty for a grid."""
    objectives, scored = record.objectives, scored_candidates(record)
    best = choose(scored, objectives)
    mark = CHOSEN if len(objectives) == 1 else FRONT
    rows = []
    for one in scored:
        row = {
            "candidate": one.number,
            "arm": arm_name(*(getattr(one.candidate, n) for n in ("strategy", *SAMPLED[:2]))),
        }
        row |= {name: getattr(one.candidate, name) for name in SAMPLED[2:]}
        row |= {name: shown(value) for name, value in one.candidate.settings}
        for name, mean, spread in zip(objectives, one.means, one.spreads, strict=True):
            row |= {name: mean, f"{name} spread": spread}
        row |= {
            "trials": one.trials,
            "state": one.state,
            "choice": mark if one in best else "",
            "why": one.why,
        }
        rows.append(row)
    return pd.DataFrame(rows)


def _told(one: Scored, objectives: Sequence[str]) -> str:
    spread = "" if one.trials < 2 else f", standard deviation {one.spreads[0]:.3f}"
    values = ", ".join(
        f"{mean:.3f}" if goes_up(name) else f"{name} {mean:.1f}"
        for name, mean in zip(objectives, one.means, strict=True)
    )
    trials = "one trial" if one.trials == 1 else f"mean of {one.trials} trials"
    return f"{one.name}: {values} ({trials}{spread})"


def _by_factors(
    records: Sequence[Record], varied: Sequence[str]
) -> dict[tuple[str | None, ...], list[Record]]:
    found: dict[tuple[str | None, ...], list[Record]] = {}
    for record in records:
        strategy = STRATEGIES[cast(StrategyName, record.params["strategy"])]
        architecture = setting_text(record.params, ARCHITECTURE)
        factors = (
            *(record.params.get(name) for name in ("strategy", *SAMPLED)),
            *(
                setting_text(record.params, name) if strategy.counts(name, architecture) else None
                for name in varied
            ),
        )
        found.setdefault(factors, []).append(record)
    return found


def _factors(candidate: Candidate, varied: Sequence[str]) -> tuple[str | None, ...]:
    """Factors and varied settings of a candidate, as text like the record's."""
    given = {name: getattr(candidate, name) for name in ("strategy", *SAMPLED)}
    point = Point.canonical(**given, settings=dict(candidate.settings), fold=1, seed=0)
    values = [getattr(point, name) for name in ("strategy", *SAMPLED)]
    settings = {name: shown(value) for name, value in point.settings}
    return (*(None if value is None else str(value) for value in values), *map(settings.get, varied))
