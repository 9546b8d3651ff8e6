"""What would narrow the intervals most: more pretrained networks, more patients, or more folds."""

from collections.abc import Sequence
from dataclasses import astuple

import numpy as np
import pandas as pd
from scipy import stats

from ablation.report.statistics.bootstrap import FEWEST_PATIENTS, LEVEL
from ablation.report.statistics.components import Components, variance_components
from ablation.report.statistics.crossed import standard_error
from ablation.report.statistics.network_scores import NetworkScores, network_scores
from ablation.report.statistics.verdicts import BETTER
from t1t2core.settings import TARGET

SHARES = ["patient", "network", "fold_and_seed", "rest"]
NUMBERS = ["patients", "networks", "folds_and_seeds"]
TWICE = ["twice_patients", "twice_networks", "twice_folds"]
WHAT_TO_ADD = ["class", "first", "arms", *SHARES, *NUMBERS, "half_width", *TWICE, "meaning"]
ADDED = {
    "twice_patients": "test patients",
    "twice_networks": "pretrained networks",
    "twice_folds": "folds or seeds",
}
SAME = 0.95
"""Of the half width: what narrows it by less is not worth its cost (ours)."""


def what_to_add(results: pd.DataFrame, patients: pd.DataFrame, against: pd.DataFrame) -> pd.DataFrame:
    """Return for each class where the variance of a difference lies, and what twice as many would give.

    Args:
        results, patients: as for `network_scores`.
        against: as of `comparisons(pairs="best")`.

    Returns:
        `WHAT_TO_ADD`: shares of the variance of a single difference between the best arm and another that
        is not excluded (`arms` is their number; all others where every one is excluded), components averaged
        over these pairs; how many patients, networks (of rotated test patients: folds), and folds and seeds
        of each network there are; `half_width` of the 95 % interval that these components give, and that
        with twice as many of one, empty where the design does not tell; `meaning` says it in words.

    Components from few networks are poorly known, so that this is a guide and no promise. Trainings that
    start from one network count as independent of each other.
    """
    scores = network_scores(results, patients)
    rows = [
        row
        for tissue in scores.classes
        if (row := _of_class(scores, tissue, against[against["class"] == tissue])) is not None
    ]
    return pd.DataFrame(rows, columns=WHAT_TO_ADD)


def _of_class(scores: NetworkScores, tissue: str, against: pd.DataFrame) -> dict[str, object] | None:
    left = against[against["verdict"] != BETTER]
    asked = against if left.empty else left
    if asked.empty:
        return None
    best, others = str(asked["first"].iloc[0]), asked["second"].tolist()
    components, numbers = pooled_components(scores, tissue, best, others)
    if min(numbers) == 0:
        return None
    row: dict[str, object] = {"class": tissue, "first": best, "arms": len(others), **components.shares}
    row |= dict(zip(NUMBERS, numbers, strict=True))
    widths = _widths(scores, components, numbers)
    return row | widths | {"meaning": _meaning(scores, widths, numbers)}


def pooled_components(
    scores: NetworkScores, tissue: str, best: str, others: Sequence[str]
) -> tuple[Components, tuple[int, int, int]]:
    """Return the components averaged over pairs, and the numbers of patients, networks and replicates."""
    if scores.kind == "rotated":
        return _of_folds(scores, tissue, best, others)
    tables = [scores.replicates(TARGET, tissue, (best, other)) for other in others]
    found = [one for table in tables if np.isfinite(astuple(one := variance_components(table))).any()]
    if not found:
        return Components(np.nan, np.nan, np.nan, np.nan), (0, 0, 0)
    shape = np.max([table.shape for table in tables if table.size], axis=0)
    return Components(*_mean([astuple(one) for one in found])), (int(shape[0]), int(shape[1]), int(shape[2]))


def _of_folds(
    scores: NetworkScores, tissue: str, best: str, others: Sequence[str]
) -> tuple[Components, tuple[int, int, int]]:
    """Return the same where each patient is tested in one fold: the rest is part of the patients' share."""
    cube = scores.of(TARGET, tissue)
    own = cube.values[cube.arms.index(best)]
    found = cube.estimate(own - cube.values[[cube.arms.index(other) for other in others]])
    of_patients, of_folds = _mean(np.column_stack([found.patient_variance, found.network_variance]))
    numbers = (int(found.patients.max()), int(found.networks.max()), 1)
    return Components(of_patients, of_folds, np.nan, np.nan), numbers


def _mean(rows: Sequence[Sequence[float]] | np.ndarray) -> list[float]:
    """Mean of each column over the rows that have it."""
    return pd.DataFrame(np.asarray(rows)).mean().tolist()


def _widths(scores: NetworkScores, components: Components, numbers: tuple[int, int, int]) -> dict[str, float]:
    """Half widths as it is, and with twice as many patients, networks, or folds and seeds."""
    width = _nested_width if scores.kind == "rotated" else _crossed_width
    widths = {"half_width": width(components, *numbers)}
    for place, name in enumerate(TWICE):
        more = [*numbers]
        more[place] *= 2
        widths[name] = width(components, *more)
    # What one alone would be among others is not known; nor what folds add that have a network each.
    if numbers[1] == 1:
        widths["twice_networks"] = np.nan
        few = {"half_width": numbers[0], "twice_patients": 2 * numbers[0]}
        widths |= {name: np.nan for name, number in few.items() if number < FEWEST_PATIENTS}
    if scores.kind != "seeds" or numbers[2] == 1:
        widths["twice_folds"] = np.nan
    return widths


def _crossed_width(components: Components, patients: int, networks: int, replicates: int) -> float:
    return _half(*crossed_error(components, patients, networks, replicates))


def _nested_width(components: Components, patients: int, folds: int, _: int) -> float:
    return _half(*nested_error(components, patients, folds))


def crossed_error(
    components: Components, patients: int, networks: int, replicates: int
) -> tuple[float, float]:
    """Return the standard error that these components give, and its degrees of freedom."""
    of_patient, of_network, of_replicate, rest = np.nan_to_num(astuple(components))
    left = rest / replicates
    by_patient = left + networks * of_patient if patients > 1 else np.nan
    by_network = left + patients * (of_network + of_replicate / replicates) if networks > 1 else np.nan
    error, freedom = standard_error(
        *(np.array([square]) for square in (by_patient, by_network, left, patients, networks))
    )
    return float(error[0]), float(freedom[0])


def nested_error(components: Components, patients: int, folds: int) -> tuple[float, float]:
    """Return the same where each patient is tested in one fold, with its network."""
    if folds < 2:
        return float(np.sqrt(components.patient / patients)), patients - 1
    variance = components.network / folds + components.patient / patients
    return float(np.sqrt(variance)), folds - 1


def _half(error: float, freedom: float) -> float:
    return float(stats.t.ppf((1 + LEVEL) / 2, freedom) * error)


def _meaning(scores: NetworkScores, widths: dict[str, float], numbers: tuple[int, int, int]) -> str:
    now = widths["half_width"]
    added = ADDED | ({"twice_networks": "folds"} if scores.kind == "rotated" else {})
    known = {name: widths[name] for name in TWICE if np.isfinite(widths[name])}
    gains = "; ".join(
        f"{2 * numbers[TWICE.index(name)]} {added[name]} give ±{width:.3f}"
        for name, width in sorted(known.items(), key=lambda item: item[1])
    )
    told = f" ({gains})" if gains else ""
    if numbers[1] == 1:
        there = np.isfinite(now)
        about = f"is about ±{now:.3f} for this one pretrained network" if there else "is not there yet"
        return (
            f"The 95 % interval of a difference {about}: add pretrained networks first, since one says "
            f"nothing of others{told}."
        )
    if not np.isfinite(now):
        return "There are too few patients to say what would narrow the intervals."
    best = min(known, key=lambda name: known[name])
    advice = f"add {added[best]} first" if known[best] < SAME * now else "twice as many of one help little"
    return f"The 95 % interval of a difference is about ±{now:.3f}: {advice}{told}."
