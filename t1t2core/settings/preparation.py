"""The way from raw scans to the volumes that a network takes."""

from typing import Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from t1t2core.settings.types import STRICT, BoxPlace, Finite, PositiveFloat, Shape


@dataclass(kw_only=True, frozen=True, config=STRICT)
class PreparationSettings:
    """The way from raw scans to the network's grid (Sec. 3.2)."""

    registration: Literal["rigid", "none"] = Field(
        default="rigid",
        description="rigid: CT onto each MR scan by mutual information; none: already aligned",
    )
    grid: Shape = Field(
        default=(256, 256, 48), description="voxels of the network's volume: left-right, back-front, up"
    )
    voxel_mm: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = Field(
        default=(0.86, 0.86, 3.0),
        description="voxel size of that grid, mm (in-plane Sec. 3.1; slice distance ours)",
    )
    box: BoxPlace = Field(
        default="most_head",
        description="where that grid, the box, lies upwards: most_head: where its slices have the largest "
        "sum of head area; crown: from the top of the head down (ours)",
    )
    slices: Literal["fixed", "sliding"] = Field(
        default="fixed",
        description="heights of the patches of each training step: fixed: those of the box; sliding: random "
        "ones of the whole scan (ours)",
    )
    normalisation: Literal["local_contrast", "z_score"] = Field(
        default="local_contrast",
        description="MR intensities of a scan, before any network sees them: local contrast normalisation "
        "(Sec. 3.2) or z-score",
    )
    normalisation_sigma_mm: PositiveFloat = Field(
        default=10.0, description="standard deviation of the Gaussian window of local_contrast, mm (ours)"
    )
    bone_above_hu: Finite = Field(default=600.0, description="CT above this is bone, HU (Sec. 3.2)")
    air_below_hu: Finite = Field(default=-500.0, description="CT below this is air, HU (Sec. 3.2)")
    label_resampling: Literal["threshold", "nearest"] = Field(
        default="threshold",
        description="threshold: resample the CT without smoothing (thin skull keeps its volume, within "
        "5 % at 3 mm), then threshold; nearest: threshold, then nearest voxel (ours)",
    )
    outside_ct: Literal["ignore", "air"] = Field(
        default="ignore",
        description="voxels that the CT never saw: left out of training and scores, or air (ours)",
    )
