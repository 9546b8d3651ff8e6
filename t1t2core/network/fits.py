"""Whether a network can be built and trained as the settings say; asked before anything is spent."""

import math
from functools import cache
from itertools import product

from t1t2core.errors import InputError
from t1t2core.network.architecture import Architecture
from t1t2core.network.architectures import ARCHITECTURES, architecture_of, keeps_statistics
from t1t2core.settings import NetworkSettings, Settings

Voxel = tuple[int, int, int]


def check_network(settings: Settings) -> None:
    """Refuse a network that the width or the patches do not fit.

    Raises:
        InputError: a line for each, with what would fit.
    """
    name, width = settings.network.architecture, settings.network.width
    known = architecture_of(name)
    findings = [] if name in ARCHITECTURES else _own_breaches(name, width)
    if width % known.width_divisor:
        nearest = max(1, round(width / known.width_divisor)) * known.width_divisor
        findings.append(
            f"network.width: {width}; it must be divisible by {known.width_divisor}, such as {nearest}"
        )
    for group, training in (("training", settings.training), ("pretraining", settings.pretraining)):
        if not _fits(training.patch, known):
            found = _nearest(training.patch, settings.preparation.grid, known)
            nearest_patch = "none fits the grid" if found is None else f"the nearest is {_shown(found)}"
            findings.append(
                f"{group}.patch: {_shown(training.patch)}; its sides must be divisible by {known.divisor}, "
                f"and its coarsest grid have {known.fewest_voxels} voxels or more: {nearest_patch}"
            )
        is_split = training.micro_batch is not None and training.micro_batch < training.batch_size
        if is_split and keeps_statistics(settings.network):
            findings.append(
                f"{group}.micro_batch: {name} has batch norm, which goes by all patches of a step"
            )
    if findings:
        raise InputError.collect(f"network.architecture: {name} does not fit:", findings)


@cache
def _own_breaches(name: str, width: int) -> list[str]:
    from t1t2core.network.contract import breaches

    return breaches(NetworkSettings(architecture=name, width=width))


def _fits(patch: Voxel, known: Architecture) -> bool:
    voxels = math.prod(side // known.divisor for side in patch)
    return not any(side % known.divisor for side in patch) and voxels >= known.fewest_voxels


def _nearest(patch: Voxel, grid: Voxel, known: Architecture) -> Voxel | None:
    """Return the patch that fits whose sides are most like those asked for, if the grid has any."""
    x, y, z = (range(known.divisor, size + 1, known.divisor) for size in grid)
    fitting = (found for found in product(x, y, z) if _fits(found, known))
    return min(fitting, key=lambda found: _distance(found, patch), default=None)


def _distance(one: Voxel, other: Voxel) -> float:
    return sum(abs(math.log(a / b)) for a, b in zip(one, other, strict=True))


def _shown(patch: Voxel) -> str:
    return " x ".join(map(str, patch))
