"""The shape that a scan may have: one volume of three axes."""

import math
from collections.abc import Sequence

MOST_VOXELS = 2**30
"""Of a scan: 4 GB as float32. A header that promises more is damaged, or the scan too large to be used."""


def shape_defect(size: Sequence[int]) -> str | None:
    """Find what is wrong with the lengths of a scan's axes, voxels; further axes may have length 1."""
    listed = " x ".join(map(str, size))
    if min(size, default=0) < 1:
        return f"its header gives a size of {list(size)} voxels"
    if math.prod(size) > MOST_VOXELS:
        return f"its header gives a size of {listed} voxels; at most {MOST_VOXELS:,}"
    if len(size) < 3 or any(length > 1 for length in size[3:]):
        return f"{len(size)}D ({listed} voxels), where one 3D volume is expected"
    return None
