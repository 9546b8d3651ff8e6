"""Names of arms, and of trials that show only what differs between them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ablation.space.design import LEARNING_RATE, STUDY, Design
from ablation.space.factors import ARM, LABELS
from ablation.space.points import Point
from ablation.space.variation import shown

SIZE = "t2_train_size"
EXTERNAL = " (external)"
SIZE_IN_NAME = r" \(\d+ patients\)$"
"""Pattern of what names of arms say of the training size."""


def external_strategy(name: str) -> str:
    """Return what stands in the place of a strategy for label maps that something else made."""
    return f"{name}{EXTERNAL}"


def is_external(strategy: str) -> bool:
    """Return whether what stands in the place of a strategy is something else's label maps."""
    return strategy.endswith(EXTERNAL)


def arm_name(strategy: str, tuned_layers: object, fusion: object) -> str:
    """`conservative 9`, `hybrid average`, `open`."""
    return " ".join(str(part) for part in (strategy, tuned_layers, fusion) if part not in (None, ""))


def arm_names(frame: pd.DataFrame, design: Design) -> pd.Series:
    """Return the name of each row's arm: `conservative 9`, `open attention=none`, `open (4 patients)`.

    A setting is named where it is not the reference's, and the training size where it is not the largest.

    Args:
        frame: rows of trials, with a column for each factor and each varied setting.
    """
    columns = [name for name in design.compared if name in frame]
    arms = frame[columns].drop_duplicates()
    most = arms[SIZE].max()
    names = [_name({str(k): v for k, v in row.items()}, design, most) for row in arms.to_dict("records")]
    named = frame[columns].merge(arms.assign(arm=names), on=columns, how="left")["arm"]
    return named.set_axis(frame.index)


def setting_labels(settings: Sequence[str]) -> dict[str, str]:
    """Return what names of arms call these settings: the last part of each that no other shares."""
    last = Counter(name.rpartition(".")[2] for name in settings)
    return {name: part if last[part := name.rpartition(".")[2]] == 1 else name for name in settings}


def trial_names(points: Sequence[Point], design: Design = STUDY) -> list[str]:
    """A name for each point: its arm, and the other factors that have several values among them."""
    several = varying(points)
    return [trial_name(point, several, design) for point in points]


def varying(points: Sequence[Point]) -> list[str]:
    """The factors beside the arm's that have several values among these points."""
    return [name for name in LABELS if len({getattr(p, name) for p in points} - {None}) > 1]


def trial_name(point: Point, shown_factors: Sequence[str], design: Design = STUDY) -> str:
    """Its arm, and these factors."""
    factors = [(LABELS[name], getattr(point, name)) for name in shown_factors]
    others = [f"{label}={_short(value)}" for label, value in factors if value is not None]
    labels, values = setting_labels(design.settings), {name: shown(value) for name, value in point.settings}
    settings = [
        f"{labels[name]}={value}" for name, value in values.items() if design.reference.get(name) != value
    ]
    return " ".join([arm_name(point.strategy, point.tuned_layers, point.fusion), *settings, *others])


def _name(row: Mapping[str, Any], design: Design, most: Any) -> str:
    """Return an arm's name, with its training size where that is not `most`."""
    given = {name: value for name, value in row.items() if not pd.isna(value) and value != ""}
    named = arm_name(*(given.get(name, "") for name in ARM if name != SIZE))
    parts = []
    for name, label in setting_labels(design.settings).items():
        if name in given and given[name] != design.reference.get(name):
            parts.append(f"{label}={given[name]}")
    if LEARNING_RATE in given:
        parts.append(f"{LABELS[LEARNING_RATE]}={_short(given[LEARNING_RATE])}")
    if SIZE in given and given[SIZE] != most:
        parts.append(f"({given[SIZE]} patients)")
    return " ".join([named, *parts])


def _short(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:g}"
