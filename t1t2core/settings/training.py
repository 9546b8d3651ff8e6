"""How a network is trained."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from t1t2core.settings.types import (
    STRICT,
    Augmentations,
    Finite,
    NotNegative,
    Positive,
    PositiveFloat,
    Shape,
    added,
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
    micro_batch: Positive | None = added(
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
    match: Literal["none", "steps", "seconds"] = added(
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
    layer_decay: Annotated[Finite, Field(gt=0, le=1)] = added(
        1.0,
        "learning rate of a stage of the network as a share of that of the next one towards the output; 1: "
        "one rate for all (ours; Howard & Ruder 2018 have 1/2.6)",
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
    augmentation: Augmentations = added(
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
    deterministic: bool = added(
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
