"""All settings of a run."""

from difflib import get_close_matches
from typing import Self

from pydantic import model_validator
from pydantic.dataclasses import dataclass

from t1t2core.settings.classes import MEAN, Classes
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

    @property
    def classes(self) -> Classes:
        """Return the classes of the study."""
        return self.cohort.told_apart

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        self._check_classes()
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

    def _check_classes(self) -> None:
        """Refuse a choice by what is no class, and limits of the study's classes where there are others."""
        scored = (MEAN, *self.classes.scored)
        chooses = self.evaluation.choose_by
        if chooses not in scored:
            near = get_close_matches(chooses, scored, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"evaluation.choose_by: found {chooses!r}; allowed: {', '.join(scored)}{hint}")
        usual = PreparationSettings()
        for name in ("bone_above_hu", "air_below_hu"):
            if self.cohort.classes is not None and getattr(self.preparation, name) != getattr(usual, name):
                raise ValueError(f"preparation.{name}: cohort.classes has the ranges; set it there")

    @property
    def shares_frozen_features(self) -> bool:
        """Return whether frozen layers see the same patches in each step and trial, and so compute once."""
        return not self.training.augmentation and self.preparation.slices == "fixed"
