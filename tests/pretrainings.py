"""A tiny T1 network's recipe and heads that tests share."""

from dataclasses import replace

from ablation.plan.recipe import EncoderRecipe
from t1t2core.settings import PreparationSettings
from tests.heads import TINY, make_subjects, make_training

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


def recipe_of(**changes: object) -> EncoderRecipe:
    """The recipe with other settings of its training."""
    return replace(RECIPE, pretraining=make_training(**changes))
