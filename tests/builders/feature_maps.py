"""Feature maps for tests of what is computed with them."""

import torch
from torch import Tensor


def draw(
    channels: int = 8,
    grid: tuple[int, int, int] = (32, 32, 16),
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
) -> Tensor:
    """(2, channels, *grid), channels last in memory, far from 0 and from each other; no two seeds alike."""
    noise = torch.randn((2, channels, *grid), generator=torch.Generator().manual_seed(seed))
    centres = torch.linspace(-5, 5, channels)[:, None, None, None] + seed
    return (centres + 3 * noise).to(dtype, memory_format=torch.channels_last_3d)
