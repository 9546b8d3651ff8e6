"""Results as `results.csv` has them: trials with given scores, and the study's own."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ablation.record.results import NAMED, PATIENTS, RESULTS
from ablation.record.selection import select
from ablation.report.study.paper import corrected
from t1t2core.evaluation.scores import METRICS
from t1t2core.settings.classes import STUDY_CLASSES
from tests.builders.tables import frame_of

Score = float | Mapping[str, float]
COUNTS = {"tp": 200, "fp": 100, "fn": 200, "patients": 3}
COST = {"epochs": 20, "seconds_per_epoch": 2.0, "standalone_seconds": 50.0, "stop_reason": "max_steps"}
STUDY_NAMES = {"no_augmentation": "no_fine_tuning", "t2_augmentation": "augmented", "all": ""}


def trial(
    strategy: str,
    layers: str = "",
    fusion: str = "",
    *,
    test: Score,
    validation: Score | None = None,
    fold: int = 1,
    seed: int | None = 0,
    size: int | None = 8,
    rate: float | None = 1e-4,
    sequence: str = "T2",
    **changes: Any,
) -> list[dict[str, Any]]:
    """Rows of one trial; a score is that of every metric, for all classes or by class."""
    factors: dict[str, Any] = {
        "strategy": strategy,
        "tuned_layers": layers,
        "fusion": fusion,
        "t2_train_size": size,
    }
    factors |= {"learning_rate": rate, "fold": fold, "seed": seed}
    what = {"sequence": sequence, "trial_key": str(factors), **COUNTS, **COST, **changes}
    parts = {("test", "best"): test, ("test", "last"): 0.99}
    parts["validation", "best"] = test if validation is None else validation
    return [
        {**factors, **what, "split": split, "weights": weights, "class": name}
        | dict.fromkeys(METRICS, score[name] if isinstance(score, Mapping) else score)
        for (split, weights), score in parts.items()
        for name in STUDY_CLASSES.scored
        if not isinstance(score, Mapping) or name in score
    ]


def untuned(test: Score, **changes: Any) -> list[dict[str, Any]]:
    return trial("no_fine_tuning", test=test, seed=None, size=None, rate=None, **changes)


def results_of(*trials: list[dict[str, Any]]) -> pd.DataFrame:
    """`results.csv` of these trials."""
    return frame_of([row for rows in trials for row in rows], RESULTS)


def patients_of(results: pd.DataFrame, number: int = 14, *, noise: float = 0.001) -> pd.DataFrame:
    """`patients.csv` of these trials: test patients who differ by 0.1 and, between arms, by noise."""
    rng = np.random.default_rng(number)
    offsets = rng.normal(0, 0.1, size=number)
    rows = select(results, split="test")
    single = [
        rows.assign(patient=f"p{place:02}", **{metric: rows[metric] + offset + wobble for metric in METRICS})
        for place, (offset, wobble) in enumerate(
            zip(offsets, rng.normal(0, noise, size=(number, len(rows))), strict=True)
        )
    ]
    return pd.concat(single, ignore_index=True).reindex(columns=[*PATIENTS, *NAMED])


def study_results() -> pd.DataFrame:
    """What would be recorded if the study's single folds (Tables 3 to 5, 9) were ours."""
    cells = corrected().query(
        "table in (3, 4, 5, 9) and fold != 'avg' and strategy != 'difference_percentage'"
    )
    cells = cells.replace(STUDY_NAMES)
    keys = ["strategy", "tuned_layers", "fusion", "fold", "test_sequence"]
    trials = []
    # Table 9 repeats what Table 3 has with more digits.
    for factors, rows in cells.drop_duplicates([*keys, "class", "metric"]).groupby(keys, sort=False):
        strategy, layers, fusion, fold, sequence = map(str, factors)
        make = untuned if strategy == "no_fine_tuning" else trial
        names: dict[str, Any] = {"strategy": strategy, "layers": layers, "fusion": fusion}
        given = {} if make is untuned else names
        scores = {(row["class"], row["metric"]): row["corrected"] for row in rows.to_dict("records")}
        rows_of_trial = make(test=0.0, fold=int(fold or 1), sequence=sequence, **given)
        for row in rows_of_trial:
            row |= {metric: scores.get((row["class"], metric), float("nan")) for metric in METRICS}
        trials.append(rows_of_trial)
    return results_of(*trials)
