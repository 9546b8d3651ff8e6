"""A recorded sweep of one arm on heads whose voxels are the network's."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from ablation.record.ledger import Ledger
from ablation.store.storage import Storage
from ablation.store.volumes import prepare_cohort
from t1t2core.cohort.read import read_cohort
from t1t2core.cohort.roles import FoldSplit
from t1t2core.cohort.split import draw_splits
from t1t2core.strategies import Factors
from t1t2core.trial import make_experiment
from tests.builders.experiments import run
from tests.builders.heads import FLOAT32, make_training
from tests.builders.parts import OWN_VOXELS, PARTS, SHAPE, write_parts
from tests.builders.records import SMALL, record_trial

TRAINING = make_training(patch=SHAPE, stride=SHAPE)
SETTINGS = replace(SMALL, cohort=PARTS, preparation=OWN_VOXELS, training=TRAINING, pretraining=TRAINING)
SPACE = "small"


@dataclass(frozen=True)
class PartsSweep:
    """The output folder, the heads, the fold that was run, and the labels of its test patients.

    Args:
        predictions: values of the label maps, by patient.
    """

    output: Path
    heads: Path
    split: FoldSplit
    predictions: dict[str, np.ndarray]

    @property
    def space(self) -> Path:
        """File of the search space."""
        return self.output.parent / f"{SPACE}.yaml"

    def truth(self, name: str) -> Path:
        """The label map of a patient's target scan."""
        return self.heads / name / "anat" / f"{name}_space-T2w_dseg.nii.gz"


def record_parts_sweep(folder: Path, ledger: Ledger) -> PartsSweep:
    """Train a trial from scratch and record it as a sweep does; its volumes are in storage."""
    heads = write_parts(folder / "heads")
    cohort = read_cohort(heads, PARTS)
    storage = Storage(str(folder / "runs" / "store"))
    prepared = prepare_cohort(cohort, OWN_VOXELS, storage, lambda *_: None)
    split = draw_splits(cohort, PARTS)[0]
    factors = Factors(strategy="scratch", t2_train_size=2, learning_rate=1e-2, seed=0)
    experiment = make_experiment(factors, split, prepared, SETTINGS, pretrained=None, compute=FLOAT32)
    outcome = run(experiment)
    record_trial(
        ledger,
        experiment.network,
        space=SPACE,
        strategy="scratch",
        tuned_layers=None,
        settings=SETTINGS,
        fingerprint=cohort.fingerprint,
        command=f"python -m ablation.run --space small.yaml --cohort {heads}",
        scores=[asdict(score) for score in outcome.scores],
        size=2,
    )
    values = np.array(cohort.classes.values, np.uint8)
    predictions = {name: values[labels] for (_, name), labels in outcome.predictions.items()}
    sweep = PartsSweep(folder / "runs", heads, split, predictions)
    sweep.space.write_text(f"name: {SPACE}\narms:\n  - strategy: scratch\n", encoding="utf-8")
    return sweep
