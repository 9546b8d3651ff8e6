"""A worker's GPU: what it may have of it, and whether it can be computed on."""

from dataclasses import dataclass

import torch
from torch.nn import functional

from ablation.plan.resources import DeviceKind
from ablation.store.storage import first_line
from t1t2core.settings import Precision

CONTEXT_BYTES = 750_000_000
"""Of a GPU's memory that CUDA and cuDNN take in each process, beside what torch counts."""
MARGIN = 0.1
"""Share of a GPU's memory that is left free: what a step needs differs a little from patch to patch."""
CACHE_BYTES = 1 << 30
"""Memory that a worker may fill with features of frozen stages, where more is not known to be free."""
MOST_CACHE_BYTES = 16 << 30
"""At the paper preset, features of all layers but the last, the most that is kept, take 5 GB."""
MOST_APART = 0.05
"""Largest difference of a convolution in bfloat16 from float32, in parts of the largest value: rounding makes
0.01 of it, a wrong algorithm any number."""
SOUND_CUDNN = 91500
"""cuDNN 9.15: before it, 3-D convolutions in bfloat16 take several times the memory, since torch goes round
cuDNN's, some of which were wrong (https://github.com/pytorch/pytorch/issues/166643 and 163539)."""


@dataclass(frozen=True)
class GpuMemory:
    """Memory of a GPU, and what the largest trial takes of it.

    Args:
        step: bytes that a process takes in which a training step has been made.
        usable: bytes that the GPU has for trials: without what other programs had taken.
        total: bytes that it has.
    """

    step: int
    usable: int
    total: int

    @property
    def fitting(self) -> int:
        """How many trials fit beside each other, each with features to keep; 0 where not even one does."""
        room = self.usable * (1 - MARGIN)
        return max(int(room // (self.step + CACHE_BYTES)), int(room >= self.step))

    def cache(self, share: float) -> int:
        """Return the bytes that a trial with this share of the GPU may fill with features."""
        free = int(self.usable * (1 - MARGIN) * min(share, 1)) - self.step
        return min(MOST_CACHE_BYTES, max(0, free))

    def limit(self, share: float) -> float:
        """Return the part of the whole GPU that torch may take for a trial with this share of it."""
        return min(1.0, max(0.0, self.usable * min(share, 1) - CONTEXT_BYTES) / self.total)


def cache_bytes(memory: GpuMemory | None, share: float) -> int:
    """Return the bytes that a worker may fill with features of frozen stages.

    Args:
        memory: of its GPU, as far as it is known.
        share: of the GPU that it has; 0 on a CPU.
    """
    return CACHE_BYTES if memory is None or not share else memory.cache(share)


def hold_to_share(memory: GpuMemory | None, share: float) -> None:
    """Let this process take no more of its GPU's memory than its share: its neighbours have the rest."""
    if memory is not None and 0 < share < 1:
        torch.cuda.set_per_process_memory_fraction(memory.limit(share))


def make_room(device: DeviceKind) -> None:
    """Give back the memory of what is over, which torch keeps in pieces of the sizes that it had."""
    if device == "cuda":
        torch.cuda.empty_cache()


def measure_memory() -> GpuMemory:
    """Return the memory of this process's GPU after a step of the largest trial."""
    free, total = torch.cuda.mem_get_info()
    own = torch.cuda.max_memory_reserved() + CONTEXT_BYTES
    others = max(0, total - free - torch.cuda.memory_reserved() - CONTEXT_BYTES)
    return GpuMemory(step=own, usable=total - others, total=total)


def why_unusable() -> str:
    """Return why torch cannot use this machine's GPU, and what to do; empty where it can."""
    if torch.cuda.is_available():
        return ""
    return (
        f"PyTorch {torch.__version__} cannot use the GPU of this machine: its build is for processors alone, "
        "or the driver is too old for it; install the build for the driver's CUDA (https://pytorch.org), or "
        "set `resources: {gpus: 0}`"
    )


def why_wrong(precision: Precision) -> str:
    """Return why what this machine's GPU computes cannot be used, and what to do; empty where it can.

    Args:
        precision: of the trials.
    """
    name = torch.cuda.get_device_name()
    try:
        apart = bfloat16_apart("cuda") if precision == "bfloat16" else 0.0
    except RuntimeError as error:
        return (
            f"PyTorch {torch.__version__} cannot compute on {name}: {first_line(error)}; use another GPU, or "
            "set `resources: {gpus: 0}`"
        )
    if apart <= MOST_APART:
        return ""
    return (
        f"3-D convolutions in bfloat16 are wrong on {name} with cuDNN {torch.backends.cudnn.version()}: they "
        f"differ from float32 by {apart:.2g} of the largest value; install a newer cuDNN, or set "
        "`training.precision: float32`"
    )


def why_weak(cudnn: int | None) -> str:
    """Return what speaks against a cuDNN for trials in bfloat16; empty if nothing does.

    Args:
        cudnn: its version as torch tells it, None where there is none.
    """
    if cudnn is None or cudnn >= SOUND_CUDNN:
        return ""
    return (
        f"cuDNN {dotted(cudnn)} is no good at 3-D convolutions in bfloat16: they take more memory, or are "
        "wrong; install nvidia-cudnn-cu13 (or -cu12, as torch has it) 9.15 or newer, or set precision to "
        "float32"
    )


def dotted(cudnn: int) -> str:
    """Return a version of cuDNN as people write it."""
    return f"{cudnn // 10_000}.{cudnn // 100 % 100}"


def bfloat16_apart(device: str) -> float:
    """Return how far a convolution in bfloat16 is from float32, in parts of the largest value."""
    generator = torch.Generator().manual_seed(0)
    shapes, order = ((2, 32, 24, 24, 24), (32, 32, 3, 3, 3)), torch.channels_last_3d
    image, kernel = (
        (torch.rand(shape, generator=generator) - 0.5).to(device).contiguous(memory_format=order)
        for shape in shapes
    )
    exact = functional.conv3d(image, kernel, padding=1)
    rounded = functional.conv3d(image.bfloat16(), kernel.bfloat16(), padding=1).float()
    return float((exact - rounded).abs().max() / exact.abs().max())
