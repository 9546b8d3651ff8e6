"""One training step of a trial, to see whether a worker can do it and how much memory it takes."""

from dataclasses import replace

import torch

from ablation.plan.plan import PlannedTrial
from ablation.worker.trial import CACHE_BYTES, Shared, experiment_of, quiet_read_only_volumes
from t1t2core.experiment import Experiment
from t1t2core.network.segmenter import Segmenter
from t1t2core.settings import TrainingSettings
from t1t2core.training.feature_store import FeatureStore


def take_first_step(trial: PlannedTrial, shared: Shared) -> tuple[int, int]:
    """Return the bytes that the step took on the GPU, and those that the GPU has; 0 on a CPU."""
    torch.set_num_threads(shared.threads)
    quiet_read_only_volumes()
    settings = replace(
        trial.settings,
        # Stages one after the other need no more than both at once.
        network=replace(trial.settings.network, hybrid_training="joint"),
        training=_one_step(trial.settings.training),
        pretraining=_one_step(trial.settings.pretraining),
    )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    # The trial's own T1 network may not be trained yet; memory is the same with any weights.
    pretrained = Segmenter(settings.network, seed=0).state_dict() if trial.recipe else None
    experiment = experiment_of(trial, shared, settings, device, FeatureStore(), pretrained)
    assert isinstance(experiment, Experiment)
    assert experiment.fit is not None
    if device == "cpu":
        experiment.fit.run_epoch()
        return 0, 0
    # With validation, which takes memory of its own; what torch has taken at the peak it keeps.
    experiment.run_epoch()
    free, there = torch.cuda.mem_get_info()
    return there - free + CACHE_BYTES, there


def _one_step(training: TrainingSettings) -> TrainingSettings:
    return replace(training, max_epochs=1, max_steps=1, steps_per_epoch=1)
