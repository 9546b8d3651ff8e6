"""Effects of changing a factor: one at a time from a reference, or on average over all else of a grid."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import numpy as np
import pandas as pd

from ablation.report.statistics.equivalence import equivalence
from ablation.report.statistics.multiple_testing import holm
from ablation.report.statistics.network_scores import NetworkScores, network_scores
from ablation.report.statistics.verdicts import verdicts
from ablation.report.tables.choice import chosen
from ablation.space.design import ONE_AT_A_TIME, Design
from t1t2core.settings import TARGET

REFERENCE = "reference"
COSTS = {"parameters": "parameters", "standalone_seconds": "seconds", "peak_memory_mb": "memory_mb"}
SURFACES = {"nsd": "nsd_2_mm", "hd95": "hausdorff_95_mm"}
"""Measures of surfaces beside Dice, by the names that columns have for them."""
EFFECTS = ["factor", "change", "class", "difference", "low", "high", "p_holm", "verdict", "arms", "interval"]
Weights = Mapping[str, float]
"""Of arms by name: a contrast is the weighted sum of their scores."""


@dataclass(frozen=True)
class Contrast:
    """A change, as a weighted sum of arms.

    Args:
        factor: that is changed; of an interaction both.
        change: from which value to which.
        weights: sum 0.
    """

    factor: str
    change: str
    weights: Weights


def levels_of(results: pd.DataFrame, design: Design) -> pd.DataFrame:
    """Return the values of the compared factors of each arm as text, by its name; empty where it has none."""
    columns = [name for name in design.compared if name in results]
    levels = results.drop_duplicates("arm").set_index("arm")[columns].astype(object)
    return levels.where(levels.notna(), "").astype(str)


def changes(levels: pd.DataFrame, design: Design) -> dict[str, list[Contrast]]:
    """Return what each arm changes against the reference, by the reference's name; most spaces have one.

    A strategy has a reference of its own: the arm all of whose values are the first ones.
    """
    found: dict[str, list[Contrast]] = {}
    for _, arms in levels.groupby("strategy", sort=False):
        differing = {
            str(arm): [
                name
                for name, value in row.items()
                if value and design.reference.get(str(name), value) != value
            ]
            for arm, row in arms.iterrows()
        }
        reference = next((arm for arm, names in differing.items() if not names), None)
        if reference is not None:
            changed = {arm: str(names[0]) for arm, names in differing.items() if len(names) == 1}
            found[reference] = [_change(arms, reference, arm, factor) for arm, factor in changed.items()]
    return found


def ablation_table(results: pd.DataFrame, patients: pd.DataFrame, design: Design) -> pd.DataFrame:
    """Return what each change of a one-at-a-time design did, the reference first, then the largest effects.

    Columns: `reference`, `change`, for each class `CLASS_dsc` (of the reference its mean Dice, of a change
    the difference), `CLASS_low`, `CLASS_high`, `CLASS_p_holm`, `CLASS_verdict`, `CLASS_nsd` and
    `CLASS_hd95` (differences of the surface Dice within 2 mm, and of the 95th percentile of surface
    distances, mm), then `parameters`, `seconds` and `memory_mb`,
    differences likewise.
    """
    if design.method != ONE_AT_A_TIME or results.empty:
        return pd.DataFrame()
    scores = network_scores(results, patients)
    surfaces = {name: network_scores(results, patients, metric=one) for name, one in SURFACES.items()}
    costs = (
        chosen(results).drop_duplicates("trial_key").groupby("arm")[list(COSTS)].mean().rename(columns=COSTS)
    )
    tables = [
        _of_reference(reference, contrasts, scores, surfaces, costs, margin_of(design))
        for reference, contrasts in changes(levels_of(results, design), design).items()
    ]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _of_reference(
    reference: str,
    contrasts: Sequence[Contrast],
    scores: NetworkScores,
    surfaces: Mapping[str, NetworkScores],
    costs: pd.DataFrame,
    margin: float | None,
) -> pd.DataFrame:
    """Return the rows of one reference: its own, then those of its changes."""
    names = [f"{contrast.factor}: {contrast.change}" for contrast in contrasts]
    table = pd.DataFrame({"reference": reference, "change": names})
    first: dict[str, Any] = {"reference": reference, "change": REFERENCE}
    for tissue in scores.classes:
        effects = effects_of(scores, tissue, contrasts, margin)
        table[f"{tissue}_dsc"] = effects["difference"]
        for name in ("low", "high", "p_holm", "verdict"):
            table[f"{tissue}_{name}"] = effects[name]
        first[f"{tissue}_dsc"] = _mean_of(scores, tissue, reference)
        for name, measured in surfaces.items():
            table[f"{tissue}_{name}"] = effects_of(measured, tissue, contrasts, None)["difference"]
            first[f"{tissue}_{name}"] = _mean_of(measured, tissue, reference)
    for cost in COSTS.values():
        of_arms = costs[cost].to_dict()
        table[cost] = [sum(w * of_arms[arm] for arm, w in c.weights.items()) for c in contrasts]
        first[cost] = of_arms[reference]
    size = table[[f"{tissue}_dsc" for tissue in scores.classes]].abs().mean(axis=1)
    ordered = table.loc[size.sort_values(ascending=False, kind="stable").index]
    # As columns of the changes are, class by class; the reference has no interval and no verdict.
    return pd.concat([pd.DataFrame([first]), ordered], ignore_index=True)[list(table.columns)]


def main_effects(results: pd.DataFrame, patients: pd.DataFrame, design: Design) -> pd.DataFrame:
    """Return the effects of the compared factors of a grid, and the interactions of two.

    A main effect is the difference between two values of a factor, paired over all arms that are alike in
    every other factor, and averaged over them. An interaction is by how much that difference differs between
    two values of another factor. Holm's correction counts all rows of a class.

    Returns:
        `EFFECTS`: `arms` is the number of arms that a row rests on.
    """
    if design.method == ONE_AT_A_TIME or results.empty or not set(design.compared) & set(design.settings):
        return pd.DataFrame(columns=EFFECTS)
    levels = levels_of(results, design)
    contrasts = [*_main(levels), *_interactions(levels)]
    if not contrasts:
        return pd.DataFrame(columns=EFFECTS)
    scores = network_scores(results, patients)
    tables = [
        effects_of(scores, tissue, contrasts, margin_of(design)).assign(
            factor=[c.factor for c in contrasts],
            change=[c.change for c in contrasts],
            arms=[len(c.weights) for c in contrasts],
            **{"class": tissue},
        )
        for tissue in scores.classes
    ]
    return pd.concat(tables, ignore_index=True)[EFFECTS]


def _change(levels: pd.DataFrame, reference: str, arm: str, factor: str) -> Contrast:
    values = levels[factor]
    return Contrast(factor, f"{values[reference]} to {values[arm]}", {arm: 1, reference: -1})


def margin_of(design: Design) -> float | None:
    """Return the difference in Dice that does not matter, if the space states one."""
    return None if design.equivalence is None else design.equivalence.dsc


def effects_of(
    scores: NetworkScores, tissue: str, contrasts: Sequence[Contrast], margin: float | None
) -> pd.DataFrame:
    """Return difference, interval, p and verdict of each contrast on the target test patients, a row each."""
    cube = scores.of(TARGET, tissue)
    place = {arm: index for index, arm in enumerate(cube.arms)}
    empty = np.full(cube.values.shape[1:], np.nan)
    sums = [
        sum(weight * cube.values[place[arm]] for arm, weight in contrast.weights.items())
        if set(contrast.weights) <= set(place)
        else empty
        for contrast in contrasts
    ]
    estimates = cube.estimate(np.stack([np.asarray(one) for one in sums]))
    corrected = holm(estimates.p)
    equal = equivalence(estimates, margin)
    return pd.DataFrame(
        {
            "difference": estimates.mean,
            "low": estimates.low,
            "high": estimates.high,
            "p_holm": corrected,
            "verdict": verdicts(estimates.mean, corrected, equal),
            "interval": estimates.methods,
        }
    )


def _mean_of(scores: NetworkScores, tissue: str, arm: str) -> float:
    cube = scores.of(TARGET, tissue)
    if arm not in cube.arms:
        return float("nan")
    return float(cube.estimate(cube.values[[cube.arms.index(arm)]]).mean[0])


def _values(levels: pd.DataFrame, factor: str) -> list[str]:
    return [value for value in levels[factor].unique() if value]


def _main(levels: pd.DataFrame) -> Iterator[Contrast]:
    """Each value of a factor against its first one."""
    for factor in map(str, levels.columns):
        first, *others = _values(levels, factor) or [""]
        for other in others:
            if pairs := _alike(levels, {factor: (first, other)}):
                yield Contrast(factor, f"{first} to {other}", _weights(pairs, (-1, 1)))


def _interactions(levels: pd.DataFrame) -> Iterator[Contrast]:
    """Each pair of values of one factor against each pair of another."""
    factors = [str(name) for name in levels.columns if len(_values(levels, str(name))) > 1]
    for one, other in combinations(factors, 2):
        a, *more_a = _values(levels, one)
        b, *more_b = _values(levels, other)
        for x in more_a:
            for y in more_b:
                if squares := _alike(levels, {one: (a, x), other: (b, y)}):
                    change = f"{a} to {x} where {y} in place of {b}"
                    yield Contrast(f"{one} x {other}", change, _weights(squares, (1, -1, -1, 1)))


def _alike(levels: pd.DataFrame, wanted: Mapping[str, tuple[str, str]]) -> list[list[str]]:
    """Return the arms that have these values and are alike in all else, in groups with every combination."""
    others = [name for name in levels.columns if name not in wanted]
    groups: dict[tuple[str, ...], dict[tuple[str, ...], str]] = {}
    for arm, row in levels.iterrows():
        own = tuple(row[name] for name in wanted)
        if all(value in values for value, values in zip(own, wanted.values(), strict=True)):
            groups.setdefault(tuple(row[others]), {})[own] = str(arm)
    keys = list(product(*wanted.values()))
    return [[group[key] for key in keys] for group in groups.values() if set(keys) <= set(group)]


def _weights(groups: Sequence[Sequence[str]], signs: Sequence[int]) -> dict[str, float]:
    """Return the mean over groups of their arms with these signs."""
    weights: dict[str, float] = {}
    for group in groups:
        for arm, sign in zip(group, signs, strict=True):
            weights[arm] = weights.get(arm, 0.0) + sign / len(groups)
    return weights
