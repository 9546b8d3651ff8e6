"""The network."""

from typing import Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from t1t2core.settings.types import STRICT, Architecture, Positive, added


@dataclass(kw_only=True, frozen=True, config=STRICT)
class NetworkSettings:
    """The 21-convolution encoder-decoder with attention blocks (Sec. 3.3, Fig. 1), or another network."""

    architecture: Architecture = added(
        "excitation",
        "excitation, the study's network (Sec. 3.3); unet, dynunet, segresnet or swin_unetr of MONAI; or a "
        "class of your own, PACKAGE.MODULE:CLASS. Attention, normalisation, skip connections and unpooling "
        "below are settings of excitation alone (ours)",
    )
    width: Positive = Field(
        default=32,
        description="channels of the first block; then 2, 4 and 4 times that, or as the architecture has it "
        "(ours)",
    )
    attention: Literal["channel_spatial", "channel", "spatial", "none"] = added(
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
    normalisation: Literal["batch", "instance", "group"] = added(
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
        description="batch norm of conservative's frozen layers: keeps the pretrained network's statistics, "
        "or goes by those of the T2 patches in training (ours; Sec. 3.3.2)",
    )
    gradual_epochs: Positive = added(
        1, "epochs of gradual from the thawing of one stage to that of the next (Howard & Ruder 2018)"
    )
    lora_rank: Positive = added(
        1, "rank of what low_rank adds to each kernel and matrix (ours; Hu et al. 2021 have 1 to 64)"
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
