"""The trial that needs the most is tried for one step before any is started."""

from dataclasses import replace
from typing import Any

import pytest
import ray

from ablation.cluster import connect
from ablation.plan import Trial
from ablation.preflight import check_step, largest
from ablation.space import Point
from ablation.trial import Shared
from t1t2core.cohort.roles import FoldSplit, Roles
from t1t2core.errors import InputError
from t1t2core.settings import Settings
from tests.heads import TINY, make_subjects, make_training

REQUEST = {"cpu": 1.0, "gpu": 0.0}
SETTINGS = Settings(
    network=replace(TINY, hybrid_training="staged"),
    training=make_training(max_epochs=1000),
    pretraining=make_training(max_epochs=1000),
)


def trial(strategy: str, **factors: Any) -> Trial:
    given = {"t2_train_size": 2, "learning_rate": 1e-2, "seed": 0, **factors}
    split = FoldSplit(
        1, t1=Roles(("P01", "P02"), ("P05",), ("P06",)), t2=Roles(("P03", "P02"), ("P04",), ("P06",))
    )
    point = Point.canonical(strategy=strategy, fold=1, **given)
    return Trial(point=point, split=split, recipe=None, encoder=None, key="k")


def test_the_largest_is_found_by_what_a_step_needs() -> None:
    ordered = [
        trial("no_fine_tuning"),
        trial("conservative", tuned_layers="fc"),
        trial("conservative", tuned_layers=3),
        trial("conservative", tuned_layers=18),
        trial("augmented"),
        trial("open"),
        trial("hybrid", fusion="average"),
        trial("hybrid", fusion="concatenation"),
    ]
    for number, expected in enumerate(ordered[1:], start=2):
        assert largest(ordered[:number]) is expected
        assert largest(ordered[number - 1 :: -1]) is expected
    assert largest(ordered[:1]) is None, "it does not train"


def test_one_step_is_done_and_an_error_in_it_is_one_message() -> None:
    with connect("local"):
        subjects = {name: ray.put(subject) for name, subject in make_subjects(6).items()}
        shared = Shared(
            trials={},
            subjects=subjects,
            encoders={},
            settings=SETTINGS,
            precision="float32",
            storage="",
            threads=1,
            checkpoint_seconds=None,
        )
        check_step(trial("scratch"), shared, REQUEST)  # not a thousand epochs
        broken = replace(shared, subjects={})
        expected = r"one step of the largest trial \(strategy scratch, .*\) fails: KeyError: 'P0"
        with pytest.raises(InputError, match=expected):
            check_step(trial("scratch"), broken, REQUEST)
