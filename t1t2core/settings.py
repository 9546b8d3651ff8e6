"""Every choice a run makes, typed and named: what the study states and what it leaves open.

"Sec." and "Table" point into Mecheter et al., CAAI Trans. Intell. Technol. 9(1), 26-39 (2024).
Where the study is silent the description says "ours".
"""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

Sequence = Literal["T1", "T2"]
Precision = Literal["float32", "bfloat16"]
BoxPlace = Literal["most_head", "crown"]
Fusion = Literal["concatenation", "multiplication", "average", "maximum"]
"""How a hybrid joins its two encoders (Table 5)."""


def _no_switch(given: object) -> object:
    """Refuse true and false, which pydantic takes for 1 and 0."""
    if isinstance(given, bool):
        raise ValueError("Input should be a number")
    return given


Whole = Annotated[int, BeforeValidator(_no_switch)]
Finite = Annotated[float, BeforeValidator(_no_switch), Field(allow_inf_nan=False)]
Positive = Annotated[Whole, Field(gt=0)]
PositiveFloat = Annotated[Finite, Field(gt=0)]
NotNegative = Annotated[Finite, Field(ge=0)]
Shape = tuple[Positive, Positive, Positive]

ScanKind = Literal["T1w", "T2w", "ct"]
Selection = Mapping[ScanKind, Mapping[str, str | None]]

STRICT = ConfigDict(extra="forbid")


def _as_names(given: object) -> object:
    """Make a list of one name, and an empty one of nothing."""
    if isinstance(given, str):
        return (given,)
    return () if given is None else given


Names = Annotated[tuple[str, ...], BeforeValidator(_as_names)]

ChoiceName = Literal["mean", "bone", "soft_tissue", "air", "internal_air"]
AugmentationName = Literal["flips", "affine", "intensity", "noise", "contrast"]


def _as_augmentations(given: object) -> object:
    """Make a list of one augmentation, and an empty one of `none`."""
    return () if given == "none" else _as_names(given)


def _in_one_order(given: tuple[AugmentationName, ...]) -> tuple[AugmentationName, ...]:
    """Return each once, in the order of their names above: another order is the same augmentation."""
    return tuple(name for name in get_args(AugmentationName) if name in given)


Augmentations = Annotated[
    tuple[AugmentationName, ...], BeforeValidator(_as_augmentations), AfterValidator(_in_one_order)
]


def _added(default: Any, description: str) -> Any:
    """Declare a setting that results were recorded without; its default means what was done then.

    At its default it has no part in `identity`, so those results keep their keys.
    """
    return Field(default=default, description=description, json_schema_extra={"added": True})


def identity(group: Any) -> dict[str, Any]:
    """Return what tells one group of settings from another: value by name, as `dataclasses.asdict` has it.

    Settings that were added later are left out where they are at their default.
    """
    declared: dict[str, Any] = {setting.name: setting.default for setting in fields(group)}
    return {
        name: value
        for name, value in asdict(group).items()
        if not declared[name].json_schema_extra or value != declared[name].default
    }


@dataclass(kw_only=True, frozen=True, config=STRICT)
class CohortSettings:
    """Patients that take part, and their roles."""

    exclude: Names = Field(default=(), description="subjects to leave out, by name")
    session: str | None = Field(default=None, description="BIDS session to use where a subject has several")
    run: str | None = Field(default=None, description="BIDS run to use where a scan has several")
    select: Selection = Field(
        default_factory=dict,
        description="BIDS entities of the scan to use where a subject has several of a kind, such as "
        "{T1w: {acquisition: mprage}, ct: {session: ct}}; null: without that entity",
    )
    split_file: str | None = Field(
        default=None, description="CSV with subject,fold,sequence,role in place of the drawn split"
    )
    split_seed: Whole = Field(default=0, description="seed of the draw of patients into roles (ours)")
    overlap: Literal["test_disjoint", "strict", "as_published"] = Field(
        default="test_disjoint",
        description="may a patient have different roles in T1 and T2? test_disjoint: T2 test patients "
        "have no other T1 role; strict: one role in both; as_published: no guard (ours; Sec. 3.1)",
    )
    test_patients: Literal["fixed", "rotated"] = Field(
        default="fixed",
        description="fixed: one test set for all folds (as the study's own numbers show); rotated: each "
        "fold tests other patients and has an encoder that never saw them (ours)",
    )
    leave_one_out: str | None = _added(
        None,
        "column of participants.tsv, or of the cohort's table, such as site: each fold tests the patients of "
        "one of its values, and neither they nor anybody with that value trains or validates, T1 or T2; in "
        "place of test_patients (ours)",
    )
    phantom_subjects: Positive = Field(default=20, description="digital heads in the built-in phantom cohort")
    phantom_t2w: Positive = Field(default=14, description="how many of them have a T2w scan")
    phantom_voxel_mm: PositiveFloat = Field(default=2.0, description="MR voxel size of the phantom, mm")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.leave_one_out is None:
            return self
        others = {
            "test_patients: rotated": self.test_patients == "rotated",
            "split_file": self.split_file is not None,
            "overlap: as_published": self.overlap == "as_published",
        }
        if given := [name for name, is_given in others.items() if is_given]:
            raise ValueError(f"leave_one_out settles who is tested: it goes with no {' or '.join(given)}")
        return self


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


@dataclass(kw_only=True, frozen=True, config=STRICT)
class NetworkSettings:
    """The 21-convolution encoder-decoder with attention blocks (Sec. 3.3, Fig. 1)."""

    width: Positive = Field(
        default=32, description="channels of the first block; then 2, 4 and 4 times that (ours)"
    )
    attention: Literal["channel_spatial", "channel", "spatial", "none"] = _added(
        "channel_spatial",
        "excitations at the end of a block: channel (cSE), spatial (sSE), both (Sec. 3.3), none",
    )
    attention_order: Literal["channel_spatial", "spatial_channel", "concurrent_max", "concurrent_add"] = (
        Field(
            default="channel_spatial",
            description="how channel (cSE) and spatial (sSE) excitation are combined, where attention has "
            "both (ours; Sec. 3.3)",
        )
    )
    attention_reduction: Positive = Field(
        default=2, description="reduction ratio of the channel excitation, where there is one (ours)"
    )
    normalisation: Literal["batch", "instance", "group"] = _added(
        "batch",
        "layer after each convolution: batch, instance or group norm, the last with 8 groups, or fewer of 2 "
        "channels; that of the scans' intensities is preparation.normalisation (ours)",
    )
    skip_connections: Literal["none", "concatenation"] = Field(
        default="none",
        description="what an encoder block gives beside what is unpooled: nothing, or its output (ours; the "
        "study mentions none)",
    )
    frozen_norm: Literal["stored", "adapted"] = Field(
        default="stored",
        description="batch norm of conservative's frozen layers: keeps the T1 network's statistics, or goes "
        "by those of the T2 patches in training (ours; Sec. 3.3.2)",
    )
    hybrid_decoder: Literal["random", "pretrained"] = Field(
        default="random", description="start of the hybrid's decoder (ours; Sec. 3.3.3)"
    )
    hybrid_indices: Literal["dedicated", "adapted"] = Field(
        default="dedicated",
        description="encoder whose indices the hybrid unpools with, and whose skip connections it has, where "
        "there are any (ours)",
    )
    hybrid_training: Literal["joint", "staged"] = Field(
        default="joint",
        description="the hybrid's dedicated encoder is trained with the decoder, or beforehand as part of a "
        "T2-only network and then frozen (ours; Sec. 3.3.3)",
    )
    unpooling: Literal["indices", "nearest"] = Field(
        default="indices", description="max-unpooling with the encoder's indices, or nearest neighbour (ours)"
    )


@dataclass(kw_only=True, frozen=True, config=STRICT)
class TrainingSettings:
    """Optimisation (Sec. 3.5)."""

    patch: Shape = Field(default=(128, 128, 48), description="patch size, voxels (Sec. 3.4)")
    stride: Shape = Field(
        default=(64, 64, 48), description="distance of neighbouring patches, voxels (ours; Sec. 3.4)"
    )
    batch_size: Positive = Field(default=2, description="patches a step (Sec. 3.5)")
    batch_size_of_concatenation: Positive | None = Field(
        default=None,
        description="patches a step where encoders are concatenated (Sec. 4.3); null: batch_size",
    )
    hybrid_steps_factor: Positive = Field(
        default=1,
        description="max_steps of a hybrid, as a multiple: its decoder and second encoder start from "
        "scratch (ours)",
    )
    micro_batch: Positive | None = _added(
        None,
        "patches of a step that are computed at once, whose gradients are summed: less memory, and the same "
        "result but for rounding; needs network.normalisation instance or group; null: all (ours)",
    )
    max_epochs: Positive | None = Field(
        default=200, description="most epochs (Sec. 3.5); null where max_steps counts"
    )
    max_steps: Positive | None = Field(
        default=None, description="most optimiser steps, whatever the training size (ours)"
    )
    match: Literal["none", "steps", "seconds"] = _added(
        "none",
        "budgets of the arms: none: each has that of its strategy (what starts from scratch: pretraining's); "
        "steps: every arm trains for max_steps of training, without an early stop; seconds: for as many "
        "steps as take the operations of max_steps of open fine-tuning, which are counted (ours)",
    )
    steps_per_epoch: Positive | None = Field(
        default=None,
        description="optimiser steps of an epoch; null: one pass over the training patches (ours)",
    )
    learning_rate: PositiveFloat = Field(
        default=1e-4, description="initial rate where no factor sets it (Sec. 3.5)"
    )
    beta1: Annotated[Finite, Field(ge=0, lt=1)] = Field(
        default=0.9, description="Adam's first decay ('momentum decay', Sec. 3.5)"
    )
    weight_decay: NotNegative = Field(default=5e-4, description="L2 on convolution kernels (Sec. 3.5)")
    gradient_clip: PositiveFloat | None = Field(
        default=None,
        description="longest gradient of a step: a longer one is shortened to it; null: any (ours; the study "
        "names none)",
    )
    schedule: Literal["plateau", "one_cycle"] = Field(
        default="plateau",
        description="plateau: as the study; one_cycle: up to learning_rate, down to 0 (ours)",
    )
    monitor: Literal["training_accuracy", "validation_loss"] = Field(
        default="training_accuracy", description="what plateau and stop look at (Sec. 3.5 as written; ours)"
    )
    min_delta: NotNegative = Field(
        default=1e-4, description="a change of the monitor that counts as one (ours)"
    )
    plateau_patience: Positive = Field(
        default=5, description="epochs without improvement before the rate falls (Sec. 3.5)"
    )
    plateau_factor: Annotated[Finite, Field(gt=0, lt=1)] = Field(
        default=0.75, description="factor of that fall (Sec. 3.5)"
    )
    stop_patience: Positive | None = Field(
        default=10, description="epochs without improvement before the stop (Sec. 3.5)"
    )
    loss: Literal["cross_entropy", "weighted_cross_entropy", "dice", "cross_entropy_dice"] = Field(
        default="cross_entropy", description="unweighted cross-entropy (ours; the study names none)"
    )
    initial_bias: Literal["class_shares", "zeros"] = Field(
        default="class_shares",
        description="of a fresh classifier: logarithm of the training labels' class shares, or 0 (ours; with "
        "0, hundreds of steps go into learning the shares, and the attention may close for good)",
    )
    augmentation: Augmentations = _added(
        (),
        "random changes of the patches of each step: none, or any of flips (left-right), affine (turned and "
        "scaled), intensity (scaled, with a bias field), noise, contrast (bent and turned around) (ours)",
    )
    validate_every: Positive = Field(
        default=1, description="epochs between measurements on the validation patients (ours)"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto",
        description="arithmetic of the network; auto: bfloat16 where what trials run on has it (ours)",
    )
    deterministic: bool = _added(
        True,
        "on a GPU, only algorithms of cuDNN that give the same bits each time, as a CPU does anyhow (ours)",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.max_epochs is None and self.max_steps is None:
            raise ValueError("max_epochs and max_steps are both null: training would never end")
        if self.monitor == "validation_loss" and self.validate_every != 1:
            raise ValueError("monitor: validation_loss needs validate_every: 1")
        if self.match != "none" and self.max_steps is None:
            raise ValueError(f"match: {self.match} needs max_steps")
        return self


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
    choose_by: ChoiceName = _added(
        "mean",
        "validation Dice that chooses best weights and tuned values: mean of bone, soft tissue and air, or "
        "that of one class (ours)",
    )
    pictures: Whole = Field(default=2, ge=0, description="test patients drawn into the record of each trial")


@dataclass(kw_only=True, frozen=True, config=STRICT)
class Settings:
    """All settings of a run."""

    cohort: CohortSettings = CohortSettings()
    preparation: PreparationSettings = PreparationSettings()
    network: NetworkSettings = NetworkSettings()
    pretraining: TrainingSettings = TrainingSettings()
    training: TrainingSettings = TrainingSettings()
    evaluation: EvaluationSettings = EvaluationSettings()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name, group in (("training", self.training), ("pretraining", self.pretraining)):
            is_split = group.micro_batch is not None and group.micro_batch < group.batch_size
            if is_split and self.network.normalisation == "batch":
                raise ValueError(
                    f"{name}.micro_batch: {group.micro_batch} splits a step of {group.batch_size} patches, "
                    "and batch norm goes by all of them: set network.normalisation to instance or group, or "
                    "micro_batch to null"
                )
        return self

    @property
    def shares_frozen_features(self) -> bool:
        """Return whether frozen layers see the same patches in each step and trial, and so compute once."""
        return not self.training.augmentation and self.preparation.slices == "fixed"
