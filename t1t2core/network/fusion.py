"""Joining the outputs of two encoders (Sec. 3.3.3, Fig. 4)."""

from typing import Literal

import torch

from t1t2core.network.stage import Features
from t1t2core.settings import Fusion


def fuse(
    adapted: Features, dedicated: Features, operator: Fusion, indices: Literal["adapted", "dedicated"]
) -> Features:
    """Join both into one input for one decoder.

    All operators but concatenation are element-wise and keep (B, C, X, Y, Z); concatenation gives
    (B, 2 C, X, Y, Z), the adapted encoder's channels first.

    Args:
        operator: Table 5.
        indices: whose pooling indices the decoder unpools with, and whose skip connections it has. With
            concatenation each half of the channels has its own indices at the first unpooling; those after
            it have too few channels for both.
    """
    a, d = adapted.values, dedicated.values
    source = adapted if indices == "adapted" else dedicated
    match operator:
        case "concatenation":
            places = source.indices
            if places:  # networks that do not unpool have none
                both = torch.cat([adapted.indices[-1], dedicated.indices[-1]], dim=1)
                places = (*places[:-1], both)
            return Features(torch.cat([a, d], dim=1), places, source.skips)
        case "multiplication":
            return Features(a * d, source.indices, source.skips)
        case "average":
            return Features((a + d) / 2, source.indices, source.skips)
        case "maximum":
            return Features(torch.maximum(a, d), source.indices, source.skips)
