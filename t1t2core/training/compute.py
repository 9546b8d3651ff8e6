"""Where and in what arithmetic a network is computed."""

from dataclasses import dataclass
from typing import Literal

import torch

from t1t2core.settings import Precision


@dataclass(frozen=True, kw_only=True)
class Compute:
    """The machine's side of a computation.

    Args:
        precision: arithmetic of the network; losses and scores are always float32.
        device: `cpu` or `cuda`.
        cache_bytes: memory that features of frozen stages may fill.
    """

    precision: Precision
    device: str = "cpu"
    cache_bytes: int = 0

    def autocast(self) -> torch.autocast:
        """The context in which the network runs."""
        return torch.autocast(self.device, torch.bfloat16, enabled=self.precision == "bfloat16")


def resolve_precision(wanted: Literal["auto", "float32", "bfloat16"], device: str) -> Precision:
    """bfloat16 for `auto` where the device computes in it, else float32."""
    if wanted != "auto":
        return wanted
    if device == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bfloat16" if native else "float32"
