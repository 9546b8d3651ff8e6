"""Names of arms, and of trials that show only what differs between them."""

from collections.abc import Sequence

from ablation.space.factors import LABELS
from ablation.space.points import Point


def arm_name(strategy: str, tuned_layers: object, fusion: object) -> str:
    """`conservative 9`, `hybrid average`, `open`."""
    return " ".join(str(part) for part in (strategy, tuned_layers, fusion) if part not in (None, ""))


def trial_names(points: Sequence[Point]) -> list[str]:
    """A name for each point: its arm, and the other factors that have several values among them."""
    several = varying(points)
    return [trial_name(point, several) for point in points]


def varying(points: Sequence[Point]) -> list[str]:
    """The factors beside the arm's that have several values among these points."""
    return [name for name in LABELS if len({getattr(p, name) for p in points} - {None}) > 1]


def trial_name(point: Point, shown_factors: Sequence[str]) -> str:
    """Its arm, and these factors."""
    factors = [(LABELS[name], getattr(point, name)) for name in shown_factors]
    shown = [f"{label}={_short(value)}" for label, value in factors if value is not None]
    return " ".join([arm_name(point.strategy, point.tuned_layers, point.fusion), *shown])


def _short(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:g}"
