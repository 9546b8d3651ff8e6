"""The arithmetic of the network."""

from typing import Literal

import torch

from t1t2core.settings import Precision


def resolve_precision(wanted: Literal["auto", "float32", "bfloat16"], device: str) -> Precision:
    """bfloat16 for `auto` where the device computes in it, else float32."""
    if wanted != "auto":
        return wanted
    if device == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bfloat16" if native else "float32"


def autocast(precision: Precision, device: str) -> torch.autocast:
    """The context in which the network runs; losses and scores are computed outside it, in float32."""
    return torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16")
