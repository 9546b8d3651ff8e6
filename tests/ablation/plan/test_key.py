"""Keys and digests as they are in records: a change of one would run what is recorded again.

Where a value here has to change, results have changed, and `SCIENCE_VERSION` is raised with it.
"""

import pytest

from ablation.plan.key import Keys
from ablation.plan.study import Study
from ablation.space.points import Point
from t1t2core.cohort.roles import FoldSplit, Roles
from t1t2core.settings import Settings, TrainingSettings
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
    "no_fine_tuning": "04383b0c998088a7078998ccf6eaeb79e1cffce49c10ba5a9dba02f36c6e39e3",
    "open": "76d3c3496e12132338575315825f903ddf21507f23e76d3a9e6e6b0259c3b2b8",
    "conservative": "802fcce98367f2efb942433c09f77c1c3e90145cf0641c38775de7dd738c61f7",
    "hybrid": "82ba673bd0767f0be30ce9cb4736e5feb0e5beb66e13017ba3b12610f4431404",
    "augmented": "fcb9bc41658b5b84b7e42c89cf6b880fac7bc139be8df08ac5a8d6b91968bd9f",
    "scratch": "65851e361c9df5725e15d88bc6887cc72e4fa91885229d25db188d4e4b8c3050",
    "norm_adaptation": "09ab5536617bc3c6c246758ee7a433873d7d3958a365e8c8cfd8d751453f2a91",
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


def test_every_strategy_has_a_key_here() -> None:
    assert KEYS.keys() == STRATEGIES.keys()


def test_a_t1_network_keeps_the_recipe_that_it_was_published_under() -> None:
    assert STUDY.recipe(1).digest == "62bda2d934800aa57b372fb4f42f0e640fbe447a39be682ebea15af797400065"
