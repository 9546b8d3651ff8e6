"""A tiny pretrained network: its recipe, heads, weights and results."""

from dataclasses import replace

from torch import Tensor

from ablation.plan.recipe import EncoderRecipe
from t1t2core.network.segmenter import Segmenter
from t1t2core.settings import NetworkSettings, PreparationSettings
from tests.builders.heads import TINY, make_subjects, make_training

SUBJECTS = make_subjects(5)
RECIPE = EncoderRecipe(
    cohort_fingerprint="cohort",
    training=("P01", "P02", "P03"),
    validation=("P04", "P05"),
    preparation=PreparationSettings(),
    network=TINY,
    pretraining=make_training(max_epochs=4),
    precision="float32",
    preparation_version=1,
    science=1,
)
RESULTS = {"scores": {"best_validation_T1/bone/dsc": 0.5}, "epochs": 3, "total_seconds": 1.5}


def recipe_of(**changes: object) -> EncoderRecipe:
    """The recipe with other settings of its training."""
    return replace(RECIPE, pretraining=make_training(**changes))


def weights_of(seed: int, network: NetworkSettings = TINY) -> dict[str, Tensor]:
    """Weights of an untrained network."""
    return Segmenter(network, seed=seed).state_dict()
