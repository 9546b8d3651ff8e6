"""Keys and digests as they are in records: a change of one would run what is recorded again.

Where a value here has to change, results have changed, and `SCIENCE_VERSION` is raised with it.
"""

from dataclasses import replace

import pytest

from ablation.plan.key import Keys
from ablation.plan.study import Study
from ablation.space.points import Point
from t1t2core.cohort.roles import FoldSplit, Roles
from t1t2core.settings import NetworkSettings, Settings, TrainingSettings
from t1t2core.strategies import STRATEGIES
from t1t2core.training.compute import Device

SPLIT = FoldSplit(
    1,
    t1=Roles(training=("a", "b", "c"), validation=("d",), test=("x", "y")),
    t2=Roles(training=("a", "b", "c"), validation=("d",), test=("x",)),
)
STUDY = Study(
    settings=Settings(training=TrainingSettings(max_steps=100)),
    device=Device(kind="cpu", bfloat16=False),
    cohort_fingerprint="cohort",
    splits=(SPLIT,),
)
KEYS = {
    "no_fine_tuning": "acf70234f2ec443cc71dcdf1f0aca3be51bbf3315fb9a89bba4b4b3035950182",
    "open": "e7d9196192290b9f8a3cbd6b38b0680b3cb1b537638619e24ae51f9e5154de50",
    "conservative": "81f8a6a9415d9852e231b5993f271301cd3f6d8bb1f99bf064c50dcdbb05994d",
    "hybrid": "dfb2622fbf86500d56c5d936ca113d008ac5e895d313d4d56902af7a93631618",
    "augmented": "38636f5b2296a4f6926d6cc16a72dcf2c3f1c78789252c2f4f59c470fc76d020",
    "scratch": "7d10946c3f6bd58a950acdda04e245ee583f1a8f261bfc96556e10d7a8079d42",
    "norm_adaptation": "e30be3003f2596f63b80e1801def8a43dc315590b31c52eac4033555b8129fcf",
    "low_rank": "fe96a90c75108f2beea843811a2b1299f2e0412e07c6ae950e80cd1ee992edce",
    "gradual": "d89a0c6abff26c7e34d1f91b753e8dee52b1a557f53c2311ff32295549ed482f",
    "first_layers": "bf723f1f55a58b87b372611229e42cd824255942786c1a134059a53a5451281c",
    "contrast_randomised": "46131aedc2d571107d315537c60ed04fb7f3a30d78e825453bf5d9f169cc95e9",
}


@pytest.mark.parametrize(("strategy", "key"), KEYS.items())
def test_a_trial_keeps_the_key_that_it_was_recorded_under(strategy: str, key: str) -> None:
    point = Point.canonical(
        strategy=strategy,
        fold=1,
        tuned_layers=9,
        fusion="average",
        t2_train_size=2,
        learning_rate=1e-3,
        seed=0,
    )
    encoder = "encoder" if STRATEGIES[point.strategy].starts_pretrained else None
    assert Keys(STUDY).of(point, SPLIT, encoder) == key


def test_the_key_of_a_depth_does_not_depend_on_the_depths_beside_it() -> None:
    """Where all have the seconds of open fine-tuning, each depth has another number of steps."""
    training = TrainingSettings(max_steps=100, match="seconds", patch=(16, 16, 16))
    study = replace(STUDY, settings=Settings(network=NetworkSettings(width=2), training=training))
    deep, shallow = (
        Point.canonical(
            strategy="conservative", fold=1, tuned_layers=layers, t2_train_size=2, learning_rate=1e-3, seed=0
        )
        for layers in (18, "fc")
    )
    together, alone = Keys(study), Keys(study)
    together.of(deep, SPLIT, "encoder")
    assert together.of(shallow, SPLIT, "encoder") == alone.of(shallow, SPLIT, "encoder")


def test_every_strategy_has_a_key_here() -> None:
    assert KEYS.keys() == STRATEGIES.keys()


def test_a_t1_network_keeps_the_recipe_that_it_was_published_under() -> None:
    assert STUDY.recipe(1).digest == "cb7818b8335bbc05eac5ace7c66c0e25942ba18a88e242cdede37bdde09b5119"
