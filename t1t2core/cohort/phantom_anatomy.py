"""The anatomy of a digital head: solids painted one over the other into T1w, T2w and CT values.

Head coordinates are mm, x to the right, y forward, z up, with the origin in the middle of the brain.
Every surface is painted with the share of the voxel that it covers, so edges have partial volume.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from t1t2core.cohort.phantom_shapes import (
    Arch,
    Array,
    Capsule,
    Ellipsoid,
    Point,
    Solid,
    band_noise,
    smooth_noise,
    smooth_union,
)
from t1t2core.cohort.phantom_signal import CLASS_OF, CLASSES

Values = tuple[float, ...]
Box = tuple[slice, ...]

LOW_CORNER, HIGH_CORNER = (-96.0, -114.0, -130.0), (96.0, 128.0, 106.0)
DEFORMATION_WAVELENGTH_MM = 130.0
BOX_MARGIN_MM = 14.0
SKIN_MM, GALEA_MM = 2.0, 2.0

BRAIN = Ellipsoid((0, -2, 5), (68, 84, 72))
CEREBRUM = Ellipsoid((0, 0, 8), (66, 82, 69))
TEMPORAL_LOBES = Ellipsoid((36, 4, -26), (25, 38, 21))
CEREBELLUM = Ellipsoid((0, -46, -36), (51, 36, 25))
BRAINSTEM: tuple[Solid, ...] = (
    Capsule((0, -13, -4), (0, -27, -62), 8.5),
    Ellipsoid((0, -8, -27), (17, 12, 14)),
)
SPINAL_CORD = Capsule((0, -27, -62), (0, -32, -140), 5.0)
CALLOSAL_REGION = Ellipsoid((0, -6, 0), (30, 42, 26))
OUTER_HEAD = (
    Ellipsoid((0, 44, -38), (64, 54, 56)),
    Ellipsoid((0, 46, -94), (46, 42, 34)),
    Ellipsoid((0, -24, -130), (57, 60, 98)),
    Ellipsoid((66, 16, -14), (13, 26, 28)),
    Capsule((0, 93, -18), (0, 104, -40), 8.5),
    Capsule((0, 89, 3), (30, 80, 2), 11.0),
)
EARS = Ellipsoid((71, -20, -26), (6, 15, 25))

FACE_BONES: tuple[Solid, ...] = (
    Ellipsoid((0, 66, -54), (31, 22, 24)),
    Capsule((46, 68, -38), (63, 44, -36), 5.5),
    Capsule((63, 44, -36), (70, -6, -34), 3.0),
    Capsule((50, 70, 6), (52, 62, -34), 4.5),
    Capsule((0, 88, -4), (0, 98, -24), 4.0),
    Arch(42, (43, 43), 5.5, (-112, -86), 26),
    Arch(46, (26, 40), 5.0, (-94, -58), 48),
    Capsule((46, 30, -98), (52, 10, -44), 5.5),
    Capsule((0, 8, -26), (0, -14, -58), 9.0),
    Ellipsoid((0, -6, -100), (13, 9, 15)),
    Ellipsoid((0, -8, -74), (7, 6, 14)),
    Ellipsoid((21, -18, -76), (9, 9, 9)),
)
DENSE_BONES: tuple[Solid, ...] = (
    Capsule((20, -4, -34), (52, -22, -36), 8.5),
    Ellipsoid((55, -32, -42), (12, 17, 19)),
)
TEETH = Arch(48, (25, 39), 3.2, (-84, -68), 52)
ORBITS = Ellipsoid((32, 61, -13), (18, 23, 17))
EYES = Ellipsoid((32, 68, -12), (12, 12, 12))
LENSES = Ellipsoid((32, 76.5, -12), (4.8, 2.4, 4.8))
EYE_MUSCLES: tuple[Solid, ...] = (
    Capsule((44.5, 66, -12), (22, 40, -10), 2.2),
    Capsule((19.5, 66, -12), (19, 40, -10), 2.0),
    Capsule((32, 66, 1), (21, 40, -6), 2.2),
    Capsule((32, 66, -26), (21, 40, -14), 2.2),
)
OPTIC_NERVES = Capsule((31, 57, -12), (19, 38, -9), 1.9)

MASTOID_CELLS = Ellipsoid((56, -32, -44), (10, 15, 17))
ETHMOID = Ellipsoid((0, 58, -15), (12, 24, 12))
SINUSES = {
    "frontal": Ellipsoid((11, 87, 5), (10, 6.5, 13)),
    "maxillary": Ellipsoid((26, 60, -42), (12, 16, 16)),
    "sphenoid": Ellipsoid((0, 24, -22), (13, 12, 9)),
}
SINUS_WALL_MM = 1.5
NASAL_CAVITY = Ellipsoid((0, 72, -41), (13, 30, 19))
TURBINATES: tuple[Solid, ...] = (
    Ellipsoid((7, 68, -48), (3.4, 24, 5)),
    Ellipsoid((7, 66, -36), (2.8, 19, 4)),
    Ellipsoid((0, 72, -41), (1.3, 34, 20)),
)
PHARYNX: tuple[Solid, ...] = (
    Ellipsoid((0, 30, -52), (12, 14, 13)),
    Capsule((0, 18, -62), (0, 12, -130), 7.0),
    Capsule((6, 92, -46), (7, 108, -52), 4.0),
    Ellipsoid((0, 58, -71), (17, 24, 2.2)),
)
EAR_CANALS: tuple[Solid, ...] = (
    Capsule((50, -15, -37), (86, -17, -34), 3.3),
    Ellipsoid((46, -16, -37), (5, 4, 6)),
)

VENTRICLES: tuple[Solid, ...] = (
    Ellipsoid((10, 18, 14), (6, 18, 9)),
    Capsule((9, 4, 19), (15, -26, 17), 5.0),
    Capsule((15, -26, 17), (26, -46, 2), 5.5),
    Capsule((27, -36, -2), (33, -4, -22), 2.5),
    Ellipsoid((0, -6, -2), (2.2, 13, 11)),
    Ellipsoid((0, -32, -34), (7, 4.5, 11)),
)
DEEP_GREY: tuple[Solid, ...] = (
    Ellipsoid((12, -12, 3), (9, 14, 9)),
    Ellipsoid((26, 4, 2), (6.5, 19, 11)),
    Capsule((13, 22, 8), (17, -6, 20), 4.0),
)


HU_CHANNEL = 2


@dataclass(frozen=True, kw_only=True)
class Build:
    """What makes one head differ from the next; lengths in mm, the others factors."""

    scale: Point
    deformation: float
    skull: float
    tables: float
    fat: float
    sinuses: float
    ventricles: float
    csf_gap: float
    cortex: float
    diploe_hu_spread: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Build":
        """A head within the usual range of adults."""
        return cls(
            scale=tuple(rng.uniform(0.95, 1.04, 3).tolist()),
            deformation=rng.uniform(1.2, 2.6),
            skull=rng.uniform(6.0, 8.2),
            tables=rng.uniform(1.5, 2.1),
            fat=rng.uniform(2.5, 5.0),
            sinuses=rng.uniform(0.75, 1.2),
            ventricles=rng.uniform(0.75, 1.5),
            csf_gap=rng.uniform(2.0, 4.5),
            cortex=rng.uniform(2.5, 3.1),
            diploe_hu_spread=rng.uniform(90, 160),
        )


@dataclass(frozen=True, kw_only=True)
class Anatomy:
    """A painted head.

    Args:
        images: (3, X, Y, Z) float32; T1w and T2w in units of white matter, CT in HU; (4, X, Y, Z) with FLAIR.
        labels: (X, Y, Z) uint8, places in `phantom_signal.CLASSES`; None where they are not wanted.
        affine: 4x4, voxel indices to head coordinates, mm.
    """

    images: Array
    affine: Array
    labels: Array | None = None


def draw_anatomy(
    rng: np.random.Generator, voxel_mm: float, values: Mapping[str, Values], *, labelled: bool = False
) -> Anatomy:
    """One head at random, on a grid of `voxel_mm`, with the (T1w, T2w, HU, FLAIR) `values` of tissues."""
    canvas = _Canvas(rng, voxel_mm, Build.draw(rng), values, labelled=labelled)
    _paint_soft_tissue(canvas)
    _paint_bones(canvas)
    _paint_orbits(canvas)
    _paint_airways(canvas)
    _paint_brain(canvas)
    affine = np.diag([voxel_mm, voxel_mm, voxel_mm, 1.0])
    affine[:3, 3] = LOW_CORNER
    return Anatomy(images=canvas.images, affine=affine, labels=canvas.labels)


class _Canvas:
    """The images, the head coordinates of their voxels (bent for this head) and its main surfaces."""

    def __init__(
        self,
        rng: np.random.Generator,
        voxel_mm: float,
        build: Build,
        values: Mapping[str, Values],
        *,
        labelled: bool,
    ) -> None:
        self.rng, self.voxel_mm, self.build, self.values = rng, voxel_mm, build, values
        extent = np.subtract(HIGH_CORNER, LOW_CORNER)
        self.shape: tuple[int, ...] = tuple(int(size) for size in np.ceil(extent / voxel_mm))
        self.x, self.y, self.z = self._bent_coordinates()
        channels = 4 if labelled else 3
        self.images = np.empty((channels, *self.shape), np.float32)
        self.labels = np.zeros(self.shape, np.uint8) if labelled else None
        for image, value in zip(self.images, values["air"][:channels], strict=True):
            image[:] = value
        self.skull_thickness = self._skull_thickness()
        self.cerebrum, self.hindbrain = self._brain_surfaces()
        self.cavity = smooth_union(self.cerebrum, self.hindbrain, 8)
        self.head = self._head_surface()

    def noise(self, wavelength_mm: float) -> Array:
        """A smooth random field over the whole canvas."""
        return smooth_noise(self.rng, self.shape, self.voxel_mm, wavelength_mm)

    def box(self, solid: Solid) -> Box:
        """The part of the canvas that can hold `solid`, on both sides of the midline."""
        (_, *low), (x_high, *high) = solid.bounds()
        corners = ((-x_high, *low), (x_high, *high))
        first = np.floor((np.subtract(corners[0], LOW_CORNER) - BOX_MARGIN_MM) / self.voxel_mm)
        last = np.ceil((np.subtract(corners[1], LOW_CORNER) + BOX_MARGIN_MM) / self.voxel_mm)
        return tuple(slice(max(0, int(a)), max(0, int(b))) for a, b in zip(first, last, strict=True))

    def distance(self, solid: Solid, box: Box = ()) -> Array:
        """Signed distance to `solid` in `box`, mm."""
        return solid.distance(self.x[box], self.y[box], self.z[box])

    def paint(self, tissue: str, distance: Array, box: Box = ()) -> None:
        """Lay `tissue` where `distance` is negative."""
        share = distance * np.float32(-1 / self.voxel_mm)
        share += np.float32(0.5)
        np.clip(share, 0, 1, out=share)
        if self.labels is not None:
            name = CLASS_OF.get(tissue, "soft_tissue")
            np.copyto(self.labels[box], np.uint8(CLASSES.index(name)), where=share >= 0.5)
        for image, value in zip(self.images, self.values[tissue][: len(self.images)], strict=True):
            change = np.float32(value) - image[box]
            change *= share
            image[box] += change

    def paint_solids(
        self, tissue: str, solids: Iterable[Solid], *, grown_mm: float = 0.0, inside: Array | None = None
    ) -> None:
        """Lay `tissue` into `solids`, which spare the brain cavity's wall; `inside` limits them further."""
        for solid in solids:
            box = self.box(solid)
            distance = np.maximum(self.distance(solid, box) - np.float32(grown_mm), 2.5 - self.cavity[box])
            self.paint(tissue, distance if inside is None else np.maximum(distance, inside[box]), box)

    def paint_within(self, tissue: str, solids: Iterable[Solid], *, grown_mm: float = 0.0) -> None:
        """Lay `tissue` into `solids`, inside the brain cavity only."""
        for solid in solids:
            box = self.box(solid)
            distance = self.distance(solid, box) - np.float32(grown_mm)
            self.paint(tissue, np.maximum(distance, self.cavity[box] + 0.5), box)

    def _bent_coordinates(self) -> tuple[Array, Array, Array]:
        axes = [low + self.voxel_mm * np.arange(n) for low, n in zip(LOW_CORNER, self.shape, strict=True)]
        grids = np.meshgrid(*(axis.astype(np.float32) for axis in axes), indexing="ij", sparse=True)
        bent = [
            grid * np.float32(1 / scale)
            + np.float32(self.build.deformation) * self.noise(DEFORMATION_WAVELENGTH_MM)
            for grid, scale in zip(grids, self.build.scale, strict=True)
        ]
        return np.abs(bent[0]), bent[1], bent[2]

    def _skull_thickness(self) -> Array:
        thickness = np.float32(self.build.skull) + 0.9 * self.noise(45)
        thickness += np.float32(2.5) * np.clip((-self.y - 55) / 30, 0, 1)
        temporal = np.clip((self.x - 45) / 15, 0, 1) * np.clip((22 - self.z) / 25, 0, 1)
        thickness -= np.float32(3.0) * temporal
        return np.maximum(thickness, 2.8)

    def _head_surface(self) -> Array:
        head = self.cavity - self.skull_thickness - np.float32(SKIN_MM + self.build.fat + GALEA_MM)
        for solid in OUTER_HEAD:
            self._merge(head, solid, 12)
        return head

    def _merge(self, surface: Array, solid: Solid, width_mm: float) -> None:
        box = self.box(solid)
        surface[box] = smooth_union(surface[box], self.distance(solid, box), width_mm)

    def _brain_surfaces(self) -> tuple[Array, Array]:
        floor = (np.float32(0.257) * self.y - self.z - 13) * np.float32(0.968)
        cerebrum = -smooth_union(-self.distance(CEREBRUM), -floor, 8)
        self._merge(cerebrum, TEMPORAL_LOBES, 8)
        hindbrain = self.distance(CEREBELLUM)
        for solid in BRAINSTEM:
            self._merge(hindbrain, solid, 8)
        canal = self.box(SPINAL_CORD)
        hindbrain[canal] = smooth_union(hindbrain[canal], self.distance(SPINAL_CORD, canal) - 4, 8)
        return cerebrum, hindbrain


def _paint_soft_tissue(canvas: _Canvas) -> None:
    head = canvas.head
    canvas.paint("skin", head)
    fat_depth = np.float32(canvas.build.fat) * (1 + np.float32(0.25) * canvas.noise(50))
    canvas.paint("fat", head + SKIN_MM)
    muscle = head + SKIN_MM + np.maximum(fat_depth, 1)
    canvas.paint("muscle", muscle)
    planes = np.abs(band_noise(canvas.rng, canvas.shape, canvas.voxel_mm, 34)) * 7 - 0.8
    canvas.paint("fat", np.maximum(planes, muscle + 3))
    canvas.paint_solids("skin", [EARS])
    canvas.paint_solids("cartilage", [EARS], grown_mm=-1.8)


def _paint_bones(canvas: _Canvas) -> None:
    texture = canvas.noise(9)
    canvas.paint_solids("cortical_bone", FACE_BONES, inside=canvas.head + 3)
    canvas.paint_solids("diploe", FACE_BONES, grown_mm=-2.2, inside=canvas.head + 5)
    canvas.paint_solids("tooth", [TEETH], inside=np.abs(texture) - 1.6)
    table = np.float32(canvas.build.tables)
    thickness = canvas.skull_thickness
    canvas.paint("cortical_bone", canvas.cavity - thickness)
    canvas.paint("diploe", np.maximum(canvas.cavity - thickness + table, table * 0.85 - canvas.cavity))
    canvas.paint_solids("petrous_bone", DENSE_BONES, inside=canvas.head + 5)
    _vary_diploe(canvas, texture)


def _vary_diploe(canvas: _Canvas, texture: Array) -> None:
    """Denser trabeculae have more calcium and less marrow: HU up, MR signal down."""
    hu = canvas.images[HU_CHANNEL]
    spongy = np.clip((hu - 200) / 150, 0, 1) * np.clip((900 - hu) / 300, 0, 1)
    change = spongy * texture
    hu += np.float32(canvas.build.diploe_hu_spread) * change
    for image in (*canvas.images[:HU_CHANNEL], *canvas.images[HU_CHANNEL + 1 :]):
        image *= 1 - np.float32(0.12) * change


def _paint_orbits(canvas: _Canvas) -> None:
    canvas.paint_solids(
        "cortical_bone", [ORBITS], grown_mm=1.5, inside=np.maximum(canvas.y - 74, canvas.head + 4)
    )
    canvas.paint_solids("fat", [ORBITS], inside=np.maximum(canvas.y - 78, canvas.head + 2))
    canvas.paint_solids("muscle", EYE_MUSCLES)
    canvas.paint_solids("white_matter", [OPTIC_NERVES])
    canvas.paint_solids("muscle", [EYES])
    canvas.paint_solids("vitreous", [EYES], grown_mm=-1.0)
    canvas.paint_solids("muscle", [LENSES])


def _paint_airways(canvas: _Canvas) -> None:
    sinuses = [
        Ellipsoid(s.centre, tuple(a * canvas.build.sinuses for a in s.axes))  # type: ignore[arg-type]
        for s in SINUSES.values()
    ]
    canvas.paint_solids(
        "cortical_bone", [*sinuses, ETHMOID], grown_mm=SINUS_WALL_MM, inside=canvas.head + 5.5
    )
    canvas.paint_solids("mucosa", [*sinuses, ETHMOID], inside=canvas.head + 7)
    canvas.paint_solids("air", sinuses, grown_mm=-1.0, inside=canvas.head + 8)
    cells = 1.1 - 2.6 * np.abs(canvas.noise(13))
    canvas.paint_solids("air", [ETHMOID], grown_mm=-0.5, inside=cells)
    canvas.paint_solids("air", [MASTOID_CELLS], inside=np.maximum(cells, canvas.head + 7))
    canvas.paint_solids("mucosa", [NASAL_CAVITY], grown_mm=1.5)
    canvas.paint_solids("air", [NASAL_CAVITY])
    canvas.paint_solids("mucosa", TURBINATES)
    canvas.paint_solids("air", [*PHARYNX, *EAR_CANALS])


def _paint_brain(canvas: _Canvas) -> None:
    for box in (canvas.box(CEREBRUM), canvas.box(SPINAL_CORD)):
        canvas.paint("csf", canvas.cavity[box], box)
    canvas.paint_within("white_matter", [SPINAL_CORD])
    box = canvas.box(BRAIN)
    depth = _depth_of_cortex(canvas, box)
    canvas.paint("grey_matter", -depth, box)
    canvas.paint("white_matter", np.float32(canvas.build.cortex) - depth, box)
    canvas.paint_within("white_matter", BRAINSTEM)
    canvas.paint_within("grey_matter", DEEP_GREY)
    canvas.paint_within("csf", VENTRICLES, grown_mm=max(4 * (canvas.build.ventricles - 1), -1.2))


def _depth_of_cortex(canvas: _Canvas, box: Box) -> Array:
    """Distance to the nearest pial surface in `box` (outside, sulci, fissures), mm, positive in the brain."""
    gap = np.float32(canvas.build.csf_gap)
    below = -canvas.cerebrum[box] - gap * (
        1 + np.float32(0.3) * smooth_noise(canvas.rng, canvas.x[box].shape, canvas.voxel_mm, 40)
    )
    sulci = np.maximum(_fold_distance(canvas, 25.0, box) - np.float32(0.15 * gap), below - 15)
    fissure = np.maximum(canvas.x[box] - np.float32(0.8), -canvas.distance(CALLOSAL_REGION, box))
    cerebrum = np.minimum(np.minimum(below, sulci), np.minimum(fissure, canvas.hindbrain[box] - 1))
    cerebellum = -canvas.distance(CEREBELLUM, box) - gap * np.float32(0.5)
    folia = np.maximum(_fold_distance(canvas, 11.0, box) - np.float32(0.3), cerebellum - 12)
    return np.maximum(cerebrum, np.minimum(cerebellum, folia))


def _fold_distance(canvas: _Canvas, wavelength_mm: float, box: Box) -> Array:
    """Distance to the zero surfaces of a random field in `box`, mm."""
    shape = canvas.x[box].shape
    field = band_noise(canvas.rng, shape, canvas.voxel_mm, wavelength_mm)
    slopes = np.gradient(field, canvas.voxel_mm)
    steepness = np.sqrt(slopes[0] ** 2 + slopes[1] ** 2 + slopes[2] ** 2)
    return np.abs(field) / np.maximum(steepness, np.float32(0.5 / wavelength_mm))
