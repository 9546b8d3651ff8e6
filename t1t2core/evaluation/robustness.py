"""A test patient's scan, changed as another scanner might have seen the head, and how a network labels it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from t1t2core.cohort.scan import read_scan
from t1t2core.cohort.subject import Subject
from t1t2core.evaluation.counting import TrueLabels, deep_part
from t1t2core.evaluation.inference import Predictor, likeliest
from t1t2core.evaluation.scores import Counts
from t1t2core.network.base import Network
from t1t2core.preparation.alignment import Alignment, transform_of
from t1t2core.preparation.anatomy import mr_anatomy
from t1t2core.preparation.prepare import PreparedScan, label_image, prepare_image
from t1t2core.preparation.threads import one_thread
from t1t2core.preparation.truth import Truth, read_source
from t1t2core.settings import SOURCE, EvaluationSettings, PreparationSettings, Sequence, TrainingSettings
from t1t2core.training.compute import Compute
from t1t2core.training.patch_set import PatchSet


@dataclass(frozen=True)
class TestScan:
    """A prepared scan to be labelled and scored.

    Args:
        deep: part of the head under its skin, bool (X, Y, Z).
    """

    __test__ = False  # no test of pytest's

    scan: PreparedScan
    deep: np.ndarray

    def count(self, network: Network, training: TrainingSettings, compute: Compute) -> dict[str, Counts]:
        """Label the box as a trial labels its test scans, and count the voxels of each class."""
        patches = PatchSet.cut([self.scan], training, compute.device)
        (probabilities,) = Predictor(network.to(compute.device), patches, compute).probabilities()
        truth = TrueLabels(
            self.scan.labels, self.scan.hull, self.deep, compute.device, self.scan.whole.classes
        )
        return truth.count(likeliest(probabilities))


class TestPatient:
    """A patient's scan and truth, from which changed scans are made.

    The truth is of the patient, not of the changed scan: CT and MR keep the alignment that was recorded, and
    where their outlines differ is told from the scan as it is.

    Args:
        alignment: of CT or label map with the sequence, as it was recorded.

    Raises:
        InputError: a scan cannot be read.
    """

    __test__ = False

    @one_thread()
    def __init__(
        self,
        subject: Subject,
        sequence: Sequence,
        alignment: Alignment,
        preparation: PreparationSettings,
        evaluation: EvaluationSettings,
        *,
        seed: int = 0,
    ) -> None:
        path = subject.t1w if sequence == SOURCE else subject.t2w
        assert path is not None, "who is tested has the sequence"
        self._name, self._seed = subject.name, seed
        self._preparation, self._evaluation = preparation, evaluation
        self._mr = mr_anatomy(read_scan(path))
        source = read_source(subject, sequence, self._mr)
        self._truth = Truth.of(self._mr, source, transform_of(alignment.to_ct))

    def scan(self, kind: str, level: int) -> TestScan | None:
        """Return the scan changed as `perturb` does and prepared anew; None where that does not apply."""
        # It takes seconds to import.
        from t1t2core.evaluation.perturbations import perturb

        changed = perturb(self._mr, kind, level, seed=self._seed, patient=self._name)
        return None if changed is None else self._prepare(changed)

    def _prepare(self, scan: sitk.Image) -> TestScan:
        image = prepare_image(scan, self._preparation)
        prepared = label_image(image, scan, self._truth, self._preparation)
        rim_mm = self._evaluation.internal_air_rim_mm
        return TestScan(prepared, deep_part(prepared.hull, prepared.voxel_mm, rim_mm))


Scale = Mapping[str, tuple[str, tuple[float, ...]]]
"""Unit and values of each kind of change; level 0, of which there is no value, is the scan as it is."""


def scale() -> Scale:
    """Return the changes that are made."""
    from t1t2core.evaluation.perturbations import PERTURBATIONS

    return {kind: (one.unit, one.values) for kind, one in PERTURBATIONS.items()}
