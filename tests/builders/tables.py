"""Sweeps that were never run: the tables that a report reads, with scores that a test chooses."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ablation.record.results import NUMBERS, PATIENTS, RESULTS, TEXTS, with_arms
from ablation.space.design import STUDY, Design
from ablation.space.objectives import MEAN_DICE

CLASSES = ("bone", "soft_tissue", "air")


def trial(
    strategy: str = "open",
    layers: str | None = None,
    fusion: str | None = None,
    *,
    test: Sequence[float] | Mapping[str, float],
    validation: float | Mapping[str, float] = 0.5,
    size: int | None = 8,
    rate: float | None = 1e-3,
    fold: int = 1,
    seed: int | None = 0,
    sequence: str = "T2",
    seconds: float = 10.0,
    network: int | None = None,
    settings: Mapping[str, str] | None = None,
    surface: Mapping[str, Sequence[float]] | None = None,
) -> dict[str, Any]:
    """A trial whose three classes score the same; `test` a patient (`p0`, `p1`, ... or by name).

    Args:
        validation: Dice of all classes, or of each.
        surface: values a patient of metrics of surfaces.
        network: seed of its pretrained network.
        settings: that the space varies, by dotted name.
    """
    scores = test if isinstance(test, Mapping) else {f"p{i}": score for i, score in enumerate(test)}
    factors = {
        "strategy": strategy,
        "tuned_layers": layers,
        "fusion": fusion,
        "t2_train_size": size,
        "learning_rate": rate,
        "fold": fold,
        "seed": seed,
        "pretraining_seed": network,
        **(settings or {}),
    }
    return {
        "factors": factors | {"trial_key": " ".join(str(value) for value in factors.values())},
        "test": scores,
        "validation": validation,
        "sequence": sequence,
        "seconds": seconds,
        "surface": surface or {},
    }


def sweep(
    *trials: dict[str, Any], design: Design = STUDY, chosen_by: str = MEAN_DICE, in_folds: bool = False
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`results.csv` and `patients.csv` of these trials; a pooled score is the mean of its patients.

    Args:
        chosen_by: objective by which tuned values are chosen.
        in_folds: each fold chooses its own, as where test patients rotate.
    """
    pooled, single = [], []
    for given in trials:
        for name in CLASSES:
            row = given["factors"] | {
                "class": name,
                "standalone_seconds": given["seconds"],
                "weights": "best",
            }
            test = row | {"split": "test", "sequence": given["sequence"]}
            mean = pd.Series(given["test"], dtype=float).mean()
            validation = given["validation"]
            dice = validation[name] if isinstance(validation, Mapping) else validation
            pooled.append(row | {"split": "validation", "sequence": "T2", "dsc": dice})
            pooled.append(test | {"dsc": mean})
            for place, (patient, dsc) in enumerate(given["test"].items()):
                measured = {metric: values[place] for metric, values in given["surface"].items()}
                single.append(test | measured | {"patient": patient, "dsc": dsc})
    results = frame_of(pooled, RESULTS, design, chosen_by, in_folds=in_folds)
    return results, frame_of(single, PATIENTS, design)


def frame_of(
    rows: list[dict[str, Any]],
    columns: list[str],
    design: Design = STUDY,
    chosen_by: str = MEAN_DICE,
    *,
    in_folds: bool = False,
) -> pd.DataFrame:
    """With the columns and types of the file, and the names of the arms."""
    frame = pd.DataFrame(rows, columns=[*columns, *design.settings]).astype(NUMBERS)
    texts = [*TEXTS, *design.settings]
    frame = frame.assign(**{name: frame[name].fillna("").astype("str") for name in texts})
    return with_arms(frame, design, chosen_by, in_folds=in_folds)


def of_class(frame: pd.DataFrame, name: str, values: Sequence[float] | float) -> pd.DataFrame:
    """The frame with other Dice scores for one class."""
    changed = frame.copy()
    changed.loc[changed["class"] == name, "dsc"] = values
    return changed
