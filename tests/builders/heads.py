"""Tiny heads and networks that tests share: nested ellipsoids with noise, and networks of few channels."""

import numpy as np
import torch
from torch import Tensor

from t1t2core.evaluation.counting import TrueLabels, deep_part
from t1t2core.evaluation.scores import Counts
from t1t2core.network.base import Network
from t1t2core.network.segmenter import Segmenter
from t1t2core.preparation.alignment import Alignment
from t1t2core.preparation.prepare import PreparedScan, PreparedSubject, WholeScan
from t1t2core.settings import EvaluationSettings, NetworkSettings, Sequence, TrainingSettings
from t1t2core.training.compute import Compute
from t1t2core.training.feature_store import FeatureStore
from t1t2core.training.fit import Fit
from t1t2core.training.patch_set import PatchSet

Shape = tuple[int, int, int]

GRID: Shape = (16, 16, 16)
VOXEL_MM = (2.0, 2.5, 3.0)
AIR, SOFT_TISSUE, BONE, IGNORED = 0, 1, 2, 255
INTENSITIES = {
    "T1": {AIR: -1.5, SOFT_TISSUE: 1.0, BONE: -0.3},
    "T2": {AIR: -1.5, SOFT_TISSUE: -0.3, BONE: 1.0},
}
TYPICAL_HU = np.array([-1000, 40, 1200], np.int16)
NOISE = 0.2
TINY = NetworkSettings(width=4)
FLOAT32 = Compute(precision="float32")
PLENTY = Compute(precision="float32", features=FeatureStore(2**28))


def make_scan(seed: int, sequence: Sequence = "T1", *, shape: Shape = GRID, ignored: int = 0) -> PreparedScan:
    """One head: scalp, skull, brain and a sinus; the first `ignored` slices along z have no label."""
    # One anatomy a seed, whatever the sequence.
    semi_axes = np.random.default_rng([seed, 0]).uniform(0.8, 0.95, 3)
    noise = np.random.default_rng([seed, 1 if sequence == "T1" else 2]).normal(0, NOISE, shape)
    axes = [np.linspace(-1, 1, n) for n in shape]
    place = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    radius = np.linalg.norm(place / semi_axes, axis=-1)
    sinus = np.linalg.norm((place - [0, 0.25, 0]) / 0.25, axis=-1) < 1
    labels = np.full(shape, AIR, np.uint8)
    labels[radius < 1] = SOFT_TISSUE
    labels[(radius > 0.6) & (radius < 0.85)] = BONE
    labels[sinus] = AIR
    image = np.vectorize(INTENSITIES[sequence].get)(labels) + noise
    labels[:, :, :ignored] = IGNORED
    return scan_of(image.astype(np.float32), labels, radius < 1, np.diag([*VOXEL_MM, 1.0]))


def scan_of(image: np.ndarray, labels: np.ndarray, hull: np.ndarray, affine: np.ndarray) -> PreparedScan:
    """Return a scan whose box is all of it, with a CT that has the typical HU of each label."""
    hu = TYPICAL_HU[np.where(labels == IGNORED, AIR, labels)]
    whole = WholeScan(image=image, labels=labels, hull=hull, head=hull, affine=affine, start=(0, 0, 0), hu=hu)
    return PreparedScan.of(whole, shape_of(image))


def shape_of(volume: np.ndarray) -> Shape:
    x, y, z = volume.shape
    return x, y, z


def deep_of(scan: PreparedScan) -> np.ndarray:
    """What lies deep in a head, as experiments see it by default."""
    return deep_part(scan.hull, scan.voxel_mm, EvaluationSettings().internal_air_rim_mm)


def count_classes(
    prediction: np.ndarray, truth: np.ndarray, hull: np.ndarray, deep: np.ndarray
) -> dict[str, Counts]:
    """Counts of labels against the true ones, all (X, Y, Z)."""
    return TrueLabels(truth, hull, deep).count(torch.from_numpy(prediction.astype(np.uint8)))


def make_subjects(count: int, *, first_seed: int = 0, shape: Shape = GRID) -> dict[str, PreparedSubject]:
    """Subjects P01, P02, ... with both sequences, each with a head of another shape."""
    aligned = Alignment(method="none", ok=True, reason="", to_ct=np.eye(4).tolist(), measures={})
    return {
        (name := f"P{number + 1:02d}"): PreparedSubject(
            name=name,
            t1=make_scan(first_seed + number, "T1", shape=shape),
            t2=make_scan(first_seed + number, "T2", shape=shape),
            alignment={"T1": aligned, "T2": aligned},
            volumes_ml={},
        )
        for number in range(count)
    }


def make_training(**changes: object) -> TrainingSettings:
    """Settings that end after a few steps of two patches each."""
    settings: dict[str, object] = {
        "patch": GRID,
        "stride": GRID,
        "max_epochs": 2,
        "stop_patience": None,
        "precision": "float32",
        "loss": "cross_entropy_dice",
        "learning_rate": 1e-2,
    }
    return TrainingSettings(**(settings | changes))  # type: ignore[arg-type]


def make_fit(
    network: Network,
    scans: list[PreparedScan],
    settings: TrainingSettings,
    *,
    seed: int = 0,
    compute: Compute = FLOAT32,
    learning_rate: float = 1e-2,
) -> Fit:
    """The network in training on all patches of the scans."""
    patches = PatchSet.cut(scans, settings)
    return Fit(network, patches, settings, learning_rate=learning_rate, seed=seed, compute=compute)


def pretrained_state(network: NetworkSettings = TINY, *, seed: int = 5) -> dict[str, Tensor]:
    """Weights of a network that learnt a little from two T1w heads, batch-norm statistics included."""
    segmenter = Segmenter(network, seed=seed)
    fit = make_fit(segmenter, [make_scan(100), make_scan(101)], make_training())
    for _ in range(3):
        fit.run_epoch()
    # A channel excitation whose hidden units are all off has no gradient: such a network would hide
    # whether they are trained.
    for name, parameter in segmenter.named_parameters():
        if name.endswith("channel.squeeze.bias"):
            parameter.data.fill_(1.0)
    return clone(segmenter.state_dict())


def clone(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A copy that training does not touch."""
    return {name: tensor.detach().clone() for name, tensor in state.items()}


def different(one: dict[str, Tensor], other: dict[str, Tensor]) -> set[str]:
    """Names of the tensors that are not equal bit for bit."""
    assert one.keys() == other.keys()
    return {name for name in one if not torch.equal(one[name], other[name])}
