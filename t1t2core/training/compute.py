"""Where and in what arithmetic a network is computed."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import torch

from t1t2core.errors import InputError
from t1t2core.settings import Precision
from t1t2core.training.feature_store import FeatureStore
from t1t2core.training.team import ALONE, Team


@dataclass(frozen=True, kw_only=True)
class Compute:
    """The machine's side of a computation.

    Args:
        precision: arithmetic of the network; losses and scores are always float32.
        device: `cpu` or `cuda`.
        features: where those of frozen stages are kept.
        team: the processes that train the network together, of which this is one.
    """

    precision: Precision
    device: str = "cpu"
    features: FeatureStore = field(default_factory=FeatureStore)
    team: Team = ALONE

    def autocast(self) -> torch.autocast:
        """The context in which the network runs."""
        return torch.autocast(self.device, torch.bfloat16, enabled=self.precision == "bfloat16")

    def finish(self) -> None:
        """Waits until the device has done what it was given, so that it can be timed."""
        if self.device == "cuda":
            torch.cuda.synchronize()

    def settle(self, *, deterministic: bool = True) -> None:
        """Set torch's switches for a GPU's arithmetic; they hold for the whole process.

        Convolutions of float32 are computed as such: by default cuDNN rounds their factors to TF32, with 10
        bits of mantissa (https://docs.pytorch.org/docs/stable/notes/cuda.html).

        Args:
            deterministic: take cuDNN's algorithms that give the same bits each time.
        """
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.deterministic = deterministic
        # It would choose algorithms by their time, which differs from run to run.
        torch.backends.cudnn.benchmark = False


SMALLEST_BFLOAT16_SIDE = 24
"""Voxels along a patch's first axis. With 8 or 16 a convolution meets two voxels there, and oneDNN 3.12's
bfloat16 weight gradient (avx512_core_bf16) is then garbage: different in every run, up to infinity."""


@dataclass(frozen=True, kw_only=True)
class Device:
    """What a network is computed on.

    Args:
        kind: `cpu` or `cuda`, as torch calls it.
        bfloat16: whether it computes in bfloat16 itself.
    """

    kind: Literal["cpu", "cuda"]
    bfloat16: bool


def device_here(kind: Literal["cpu", "cuda"] | None = None) -> Device:
    """Return this machine's device: the GPU where there is one, unless `kind` says which."""
    if (kind or ("cuda" if torch.cuda.is_available() else "cpu")) == "cuda":
        return Device(kind="cuda", bfloat16=torch.cuda.is_bf16_supported(including_emulation=False))
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return Device(kind="cpu", bfloat16=native)


def resolve_precision(
    wanted: Literal["auto", "float32", "bfloat16"], device: Device, patches: Iterable[tuple[int, int, int]]
) -> Precision:
    """bfloat16 for `auto` where the device computes in it, else float32.

    Args:
        patches: sizes that will be trained on.

    Raises:
        InputError: bfloat16 is asked for on a CPU with a patch that it cannot train on.
    """
    small = device.kind == "cpu" and any(patch[0] < SMALLEST_BFLOAT16_SIDE for patch in patches)
    if wanted == "bfloat16" and small:
        raise InputError(
            "training.precision: bfloat16 on a CPU needs patches of at least "
            f"{SMALLEST_BFLOAT16_SIDE} voxels along their first axis; use float32 or auto"
        )
    if wanted != "auto":
        return wanted
    return "bfloat16" if device.bfloat16 and not small else "float32"
