"""The trial that needs the most is tried for one step before any is started."""

from dataclasses import replace
from typing import Any

import pytest
import ray

from ablation.plan.plan import Trial
from ablation.plan.recipe import digest_of_preparation
from ablation.plan.resources import TrialResources
from ablation.plan.study import Study
from ablation.space.points import Point
from ablation.sweep.cluster import connect
from ablation.sweep.preflight import FirstStep, largest
from ablation.worker.first_step import FirstStepReport, Stepper, take_first_step
from ablation.worker.gpu import GpuMemory
from ablation.worker.trial import Shared
from t1t2core.cohort.roles import FoldSplit, Roles
from t1t2core.errors import InputError
from t1t2core.settings import Settings
from t1t2core.training.compute import Device
from tests.builders.heads import TINY, clone, different, make_subjects, make_training

GB = 10**9
RESOURCES = TrialResources(cpus=1.0, gpus=0.0)
SETTINGS = Settings(
    network=replace(TINY, hybrid_training="staged"),
    training=make_training(max_epochs=1000),
    pretraining=make_training(max_epochs=1000),
)


def trial(strategy: str, settings: Settings = SETTINGS, **factors: Any) -> Trial:
    given = {"t2_train_size": 2, "learning_rate": 1e-2, "seed": 0, **factors}
    split = FoldSplit(
        1, t1=Roles(("P01", "P02"), ("P05",), ("P06",)), t2=Roles(("P03", "P02"), ("P04",), ("P06",))
    )
    point = Point.canonical(strategy=strategy, fold=1, **given)
    return Trial(
        point=point, split=split, settings=settings, precision="float32", recipe=None, encoder=None, key="k"
    )


def test_the_largest_is_found_by_what_a_step_needs() -> None:
    ordered = [
        trial("no_fine_tuning"),
        trial("conservative", tuned_layers="fc"),
        trial("conservative", tuned_layers=3),
        trial("conservative", tuned_layers=18),
        trial("open"),
        trial("hybrid", fusion="average"),
        trial("hybrid", fusion="concatenation"),
    ]
    for number, expected in enumerate(ordered[1:], start=2):
        assert largest(ordered[:number]) == [expected]
        assert largest(ordered[number - 1 :: -1]) == [expected]
    assert largest(ordered[:1]) == [], "it does not train"
    assert largest([ordered[3], trial("augmented")]) == [trial("augmented")], "a whole network"


def test_where_batches_differ_each_size_has_a_largest() -> None:
    """The study's hybrid by concatenation takes one patch at a time, all others two (Sec. 4.3)."""
    paper = replace(SETTINGS, training=replace(SETTINGS.training, batch_size_of_concatenation=1))
    trials = [trial("hybrid", paper, fusion=fusion) for fusion in ("concatenation", "average")]
    assert largest([trial("open", paper), *trials]) == [trials[1], trials[0]]


def share() -> Shared:
    """What these trials read."""
    subjects = {name: ray.put(subject) for name, subject in make_subjects(6).items()}
    return Shared(
        study=Study(
            settings=SETTINGS,
            device=Device(kind="cpu", bfloat16=False),
            cohort_fingerprint="heads",
            splits=(trial("open").split,),
        ),
        subjects={digest_of_preparation(SETTINGS.preparation): subjects},
        storage="",
        threads=1,
        checkpoint_seconds=None,
    )


def test_a_network_that_thaws_by_and_by_is_tried_as_it_is_in_the_end() -> None:
    """When its step needs the most memory."""
    with connect("local"):
        shared = share()
        stepper = Stepper(replace(trial("gradual"), recipe=shared.study.recipe(1)), shared, gpus=0.0)
        network = stepper._fit.network
        before = clone(network.state_dict())
        stepper.warm_up()
        assert different(network.state_dict(), before) == before.keys()


def test_where_networks_differ_each_has_a_largest() -> None:
    unet = replace(SETTINGS, network=replace(SETTINGS.network, architecture="unet"))
    trials = [trial("open"), trial("open", unet), trial("conservative", unet, tuned_layers=9)]
    assert largest(trials) == trials[:2]


def test_one_step_is_done_and_an_error_in_it_is_one_message() -> None:
    with connect("local"):
        shared = share()
        report = FirstStep(trial("scratch"), shared, RESOURCES).report()  # not a thousand epochs
        assert report == FirstStepReport(), "on a processor there is no memory to share"
        broken = replace(shared, subjects={key: {} for key in shared.subjects})
        expected = r"one step of the largest trial \(strategy scratch, .*\) fails: KeyError: 'P0"
        with pytest.raises(InputError, match=expected):
            FirstStep(trial("scratch"), broken, RESOURCES).report()


def test_a_gpu_that_torch_cannot_use_is_one_message() -> None:
    with connect("local"):
        step = FirstStep.__new__(FirstStep)
        step.trial = trial("scratch")
        # What the worker of a cluster finds, which has a GPU while this machine has none.
        step._taken = ray.remote(take_first_step).remote(step.trial, None, 1.0)
        with pytest.raises(InputError, match=r"^PyTorch .* cannot use the GPU of this machine: .*gpus: 0"):
            step.report()


def test_a_gpu_that_others_fill_is_one_message() -> None:
    step = FirstStep.__new__(FirstStep)
    step.trial = trial("scratch")
    with connect("local"):
        full = GpuMemory(step=5 * GB, usable=5 * GB, total=16 * GB)
        step._taken = ray.put(FirstStepReport(full))
        expected = (
            r"takes 5\.0 GB of a GPU's memory, and of its 16\.0 GB only 5\.0 GB are free: stop what else"
        )
        with pytest.raises(InputError, match=expected):
            step.report()
        enough = FirstStepReport(replace(full, usable=6 * GB))
        step._taken = ray.put(enough)
        assert step.report() == enough
