"""How a network is scored."""

from pydantic import Field
from pydantic.dataclasses import dataclass

from t1t2core.settings.types import STRICT, NotNegative, Whole, added


@dataclass(kw_only=True, frozen=True, config=STRICT)
class EvaluationSettings:
    """Scores (Sec. 3.6)."""

    surface_distances: bool = Field(
        default=True,
        description="Hausdorff (95th percentile) and mean surface distance, and surface Dice, a test patient",
    )
    whole_scan: bool = Field(
        default=True,
        description="score test patients on all that was scanned (region whole) beside the box (ours)",
    )
    internal_air_rim_mm: NotNegative = Field(
        default=6.0,
        description="depth under the surface of the head, mm, from which air counts as internal air; nearer "
        "to it, only where it has no way to the air outside; 0: all air in the head's hull (ours)",
    )
    choose_by: str = added(
        "mean",
        "validation Dice that chooses best weights and tuned values: mean, of all classes but background, "
        "or that of one class (ours)",
    )
    pictures: Whole = Field(default=2, ge=0, description="test patients drawn into the record of each trial")
