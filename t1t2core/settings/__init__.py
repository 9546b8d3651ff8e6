"""Every choice of a run, typed and named: what the study states and what it leaves open; a file a group.

"Sec." and "Table" point into Mecheter et al., CAAI Trans. Intell. Technol. 9(1), 26-39 (2024).
Where the study is silent the description says "ours".
"""

from t1t2core.settings.cohort import CohortSettings
from t1t2core.settings.evaluation import EvaluationSettings
from t1t2core.settings.network import NetworkSettings
from t1t2core.settings.preparation import PreparationSettings
from t1t2core.settings.settings import Settings
from t1t2core.settings.training import TrainingSettings
from t1t2core.settings.types import (
    SOURCE,
    TARGET,
    AugmentationName,
    BoxPlace,
    Fusion,
    Precision,
    Selection,
    Sequence,
    Shape,
    identity,
)

__all__ = [
    "SOURCE",
    "TARGET",
    "AugmentationName",
    "BoxPlace",
    "CohortSettings",
    "EvaluationSettings",
    "Fusion",
    "NetworkSettings",
    "Precision",
    "PreparationSettings",
    "Selection",
    "Sequence",
    "Settings",
    "Shape",
    "TrainingSettings",
    "identity",
]
