"""All settings of a run."""

from typing import Self

from pydantic import model_validator
from pydantic.dataclasses import dataclass

from t1t2core.settings.cohort import CohortSettings
from t1t2core.settings.evaluation import EvaluationSettings
from t1t2core.settings.network import NetworkSettings
from t1t2core.settings.preparation import PreparationSettings
from t1t2core.settings.training import TrainingSettings
from t1t2core.settings.types import STRICT


@dataclass(kw_only=True, frozen=True, config=STRICT)
class Settings:
    """All settings of a run."""

    cohort: CohortSettings = CohortSettings()
    preparation: PreparationSettings = PreparationSettings()
    network: NetworkSettings = NetworkSettings()
    pretraining: TrainingSettings = TrainingSettings()
    training: TrainingSettings = TrainingSettings()
    evaluation: EvaluationSettings = EvaluationSettings()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        has_batch_norm = self.network.architecture == "excitation" and self.network.normalisation == "batch"
        for name, group in (("training", self.training), ("pretraining", self.pretraining)):
            is_split = group.micro_batch is not None and group.micro_batch < group.batch_size
            if is_split and has_batch_norm:
                raise ValueError(
                    f"{name}.micro_batch: {group.micro_batch} splits a step of {group.batch_size} patches, "
                    "and batch norm goes by all of them: set network.normalisation to instance or group, or "
                    "micro_batch to null"
                )
        return self

    @property
    def shares_frozen_features(self) -> bool:
        """Return whether frozen layers see the same patches in each step and trial, and so compute once."""
        return not self.training.augmentation and self.preparation.slices == "fixed"
