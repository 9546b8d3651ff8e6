"""Random changes of the patches of a training step, as `TrainingSettings.augmentation` names them.

What is random about one follows from the seed, its name, the step and the patch, and from nothing else: a
training that was resumed, and one by several processes, sees what a single process sees that went through.

Geometry comes first, then contrast, intensity and noise, in which order they arise in a scanner.

MONAI takes seconds to import, so this module is imported where patches are augmented.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from monai.networks.layers import AffineTransform
from monai.transforms import (
    RandBiasField,
    RandGaussianNoise,
    RandHistogramShift,
    RandomizableTransform,
    RandScaleIntensity,
)
from monai.transforms.utils import create_rotate, create_scale
from monai.utils import convert_to_tensor
from torch import Tensor

from t1t2core.seeds import generator
from t1t2core.settings import AugmentationName
from t1t2core.settings.classes import IGNORED
from t1t2core.training.patch_set import PatchSet

CHANCE = 0.5
"""That a patch is changed in one of these ways. Of flips it is everybody's; of the others nnU-Net (Isensee et
al., Nat. Methods 2021) has 0.1 to 0.3, in 250,000 steps (ours)."""
LEFT_RIGHT = -3
"""Axis of flips. A head that is mirrored left to right is a head; no scanner gives one upside down."""
DEGREES, SCALE = 10.0, 0.1
"""Largest turn about each axis, and change of size along it: those of TorchIO's RandomAffine (Perez-Garcia et
al., 2021). With nnU-Net's 30 degrees much of a flat patch would come from outside it."""
BENDS = 10
"""Control points of the curve of contrast: those of MONAI's RandHistogramShift."""
BRIGHTNESS = 0.25
"""Largest change of the factor 1 of the intensities: nnU-Net's."""
BIAS = 0.1
"""Largest coefficient of the bias field, a polynomial of degree 3: that of MONAI's RandBiasField."""
NOISE = 0.1
"""Largest standard deviation of noise, where a head's is about 1: that of MONAI's RandGaussianNoise."""


@dataclass(frozen=True)
class AugmentedPatches:
    """Patches as a step of a training sees them.

    Args:
        patches: as they are.
        names: of what is done to them.
        seed: of the training.
        step: how many steps came before.
    """

    patches: PatchSet
    names: tuple[AugmentationName, ...]
    seed: int
    step: int

    def image(self, number: int) -> Tensor:
        """Patch `number` as (1, 1, x, y, z); 0, as outside a scan, where it comes from outside the patch."""
        image = self._move(number, self.patches.image(number)[0], "bilinear")
        for name, change in CHANGES.items():
            if random := self._draw(name, number):
                image = change(image, np.random.RandomState(random.bit_generator))
        return image[None]

    def label(self, number: int) -> Tensor:
        """Its labels as (1, x, y, z), int64; unknown where they come from outside the patch."""
        # Resampling gives 0 for what is outside: meanwhile that stands for unknown.
        shifted = self.patches.label(number) - IGNORED
        return self._move(number, shifted.float(), "nearest").long() + IGNORED

    def _move(self, number: int, volume: Tensor, mode: Literal["bilinear", "nearest"]) -> Tensor:
        """(1, x, y, z) as the geometry drawn for the patch has it."""
        if self._draw("flips", number):
            volume = volume.flip(LEFT_RIGHT)
        if random := self._draw("affine", number):
            voxel_mm = self.patches.voxel_mm[self.patches.starts[number][0]]
            matrix = draw_matrix(volume.shape[1:], voxel_mm, random).to(volume.device)
            resample = AffineTransform(normalized=True, mode=mode, padding_mode="zeros", align_corners=False)
            volume = resample(volume[None], matrix)[0]
        return volume

    def _draw(self, name: AugmentationName, number: int) -> np.random.Generator | None:
        """Return the random numbers of one augmentation of a patch; None where it is not to be done."""
        if name not in self.names:
            return None
        random = generator(self.seed, f"augmentation: {name}", self.step, number)
        return random if random.random() < CHANCE else None


def draw_matrix(
    shape: Sequence[int], voxel_mm: tuple[float, float, float], random: np.random.Generator
) -> Tensor:
    """A turn and a change of size about the middle, (4, 4), with the patch from -1 to 1 along each axis.

    Right angles stay right in mm, whatever the shape of a voxel.
    """
    turn = create_rotate(3, list(np.deg2rad(random.uniform(-DEGREES, DEGREES, 3))))
    size = create_scale(3, list(random.uniform(1 - SCALE, 1 + SCALE, 3)))
    to_mm = np.diag([*(np.array(shape) * voxel_mm / 2), 1.0])
    return torch.from_numpy(np.linalg.inv(to_mm) @ turn @ size @ to_mm).float()


def _change_contrast(image: Tensor, random: np.random.RandomState) -> Tensor:
    """Map intensities by a random curve, in half of the patches dark to bright; mean and spread stay.

    The curve as in Models Genesis (Zhou et al., MICCAI 2019): T2w has dark what T1w has bright.
    """
    spread = image.std()
    if spread == 0:
        return image
    bent = _apply(RandHistogramShift(BENDS, prob=1), image, random)
    if random.uniform() < CHANCE:
        bent = -bent
    return (bent - bent.mean()) * (spread / bent.std()) + image.mean()


def _change_intensity(image: Tensor, random: np.random.RandomState) -> Tensor:
    """Multiply by a factor and by a smooth field."""
    scaled = _apply(RandScaleIntensity(BRIGHTNESS, prob=1), image, random)
    return _apply(RandBiasField(coeff_range=(-BIAS, BIAS), prob=1), scaled, random)


def _add_noise(image: Tensor, random: np.random.RandomState) -> Tensor:
    """Add Gaussian noise of a random standard deviation."""
    return _apply(RandGaussianNoise(std=NOISE, prob=1), image, random)


def _apply(transform: RandomizableTransform, image: Tensor, random: np.random.RandomState) -> Tensor:
    """Return what MONAI makes of an image with these random numbers, as an ordinary tensor."""
    transform.set_random_state(state=random)
    changed: Tensor = convert_to_tensor(transform(image), track_meta=False)
    return changed


CHANGES: dict[AugmentationName, Callable[[Tensor, np.random.RandomState], Tensor]] = {
    "contrast": _change_contrast,
    "intensity": _change_intensity,
    "noise": _add_noise,
}
"""Those of intensities, in their order: each from an image (1, x, y, z) to another."""
