"""A user asks how long it will take before it starts."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from mlflow.entities import Metric, Param, Run, RunData, RunInfo

from ablation.plan.plan import PlannedTrial
from ablation.plan.study import Study
from ablation.record.settings import as_params
from ablation.space.points import Point
from ablation.sweep.estimate import Estimator
from t1t2core.cohort.roles import FoldSplit, Roles
from t1t2core.network.block import Block
from t1t2core.settings import NetworkSettings, PreparationSettings, Settings, TrainingSettings
from t1t2core.strategies.step_time import MEASURED, PatchSeconds, time_patch
from t1t2core.training.compute import Device

SMALL = TrainingSettings(patch=(16, 16, 16), stride=(16, 16, 16), max_epochs=100)
SETTINGS = Settings(
    preparation=PreparationSettings(grid=(32, 16, 16)),
    network=NetworkSettings(width=2),
    training=SMALL,
    pretraining=SMALL,
)
SPLIT = FoldSplit(1, t1=Roles(("a",), ("b",), ("c",)), t2=Roles(("a",), ("b",), ("c",)))


def trial(strategy: str = "conservative", settings: Settings = SETTINGS, **factors: Any) -> PlannedTrial:
    given = {"tuned_layers": 9, "t2_train_size": 2, "learning_rate": 1e-3, "fold": 1, "seed": 0} | factors
    return PlannedTrial(Point.canonical(strategy=strategy, **given), SPLIT, settings, "float32", None)


def study(settings: Settings = SETTINGS) -> Study:
    device = Device(kind="cpu", bfloat16=False)
    return Study(settings=settings, device=device, cohort_fingerprint="heads", splits=(SPLIT,))


def recorded(of: PlannedTrial, seconds: float, settings: Settings = SETTINGS) -> Run:
    """A finished trial in the record."""
    factors = {name: str(value) for name, value in of.factors.items() if value is not None}
    params = [Param(name, value) for name, value in {**factors, **as_params(settings)}.items()]
    info = RunInfo("run", "experiment", "user", "FINISHED", 0, 1, "active")
    return Run(info, RunData(metrics=[Metric("time/total_seconds", seconds, 0, 0)], params=params))


def estimate(of: PlannedTrial, *records: Run, settings: Settings = SETTINGS) -> float:
    of = replace(of, settings=settings)
    return Estimator(study(settings), records).seconds(of, of.point.t2_train_size or 0)


def test_trials_that_ran_before_tell_how_long_their_like_takes() -> None:
    records = [recorded(trial(fold=fold), seconds) for fold, seconds in ((1, 10.0), (2, 30.0), (3, 11.0))]
    assert estimate(trial(seed=7, learning_rate=1e-4), *records) == 11.0


@pytest.mark.parametrize(
    "other",
    [
        recorded(trial(), 1e6, replace(SETTINGS, network=NetworkSettings(width=64))),
        recorded(trial(), 1e6, replace(SETTINGS, training=replace(SMALL, max_epochs=9000))),
    ],
    ids=["network", "epochs"],
)
def test_trials_that_cost_something_else_tell_nothing(other: Run) -> None:
    assert estimate(trial(), other) < 1e5


def test_what_ran_elsewhere_tells_nothing() -> None:
    here, there = recorded(trial(), 10.0), recorded(trial(), 1e6)
    for run, machine in ((here, "mine"), (there, "theirs")):
        run.data.tags["hardware"] = machine
    assert Estimator(study(), [here, there, there], machine="mine").seconds(trial(), 2) == 10


def test_the_same_learning_rate_tells_more_than_another() -> None:
    records = [recorded(trial(learning_rate=rate), seconds) for rate, seconds in ((1e-3, 10.0), (1e-4, 20.0))]
    assert estimate(trial(seed=1), *records, records[1]) == 10
    assert estimate(trial(learning_rate=1e-2), *records, records[1]) == 20


@pytest.mark.parametrize("other", [trial(tuned_layers="fc"), trial("open"), trial(t2_train_size=8)])
def test_other_arms_tell_how_much_longer_trials_take_than_their_steps(other: PlannedTrial) -> None:
    """Steps are measured anew each time, so not to the digit."""
    short, long = (estimate(trial(), recorded(other, seconds)) for seconds in (10.0, 1000.0))
    assert long > 10 * short


def test_what_passes_between_trials_comes_to_each() -> None:
    run = recorded(trial(), 10.0)
    lasting = Run(
        RunInfo("run", "experiment", "user", "FINISHED", 1000, 13_000, "active"),
        RunData(
            metrics=[Metric(name, value, 0, 0) for name, value in run.data.metrics.items()],
            params=[Param(name, value) for name, value in run.data.params.items()],
        ),
    )
    assert estimate(trial(seed=1), lasting) == 12


def test_a_trial_that_never_ran_is_measured() -> None:
    assert estimate(trial()) > 0


def test_more_steps_take_longer() -> None:
    longer = replace(SETTINGS, training=replace(SMALL, max_epochs=100_000))
    assert estimate(trial(), settings=longer) > 10 * estimate(trial())


def test_a_budget_in_steps_does_not_depend_on_the_patients() -> None:
    steps = replace(SETTINGS, training=replace(SMALL, max_epochs=None, max_steps=50))
    estimator = Estimator(study(steps), [])
    assert estimator.seconds(trial(settings=steps, t2_train_size=2), 2) == estimator.seconds(
        trial(settings=steps, t2_train_size=8), 8
    )


def test_a_budget_of_all_arms_is_none_of_the_pretrained_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ablation.sweep.estimate.time_patch", lambda *_: PatchSeconds(1.0, 1.0))
    own = replace(SMALL, max_epochs=None, max_steps=1)
    alone = replace(SETTINGS, pretraining=replace(own, max_steps=100), training=own)
    matched = replace(alone, training=replace(own, match="steps"))
    seconds = [
        Estimator(study(it), []).network_seconds(study(it).recipe(1, 0, it)) for it in (alone, matched)
    ]
    assert seconds[0] == seconds[1]


def test_a_budget_in_epochs_does() -> None:
    epochs = replace(SETTINGS, training=replace(SMALL, max_epochs=10_000))
    estimator = Estimator(study(epochs), [])
    two, eight = (estimator.seconds(trial(settings=epochs, t2_train_size=size), size) for size in (2, 8))
    assert eight > 2 * two


def test_what_is_only_scored_costs_little() -> None:
    estimator = Estimator(study(), [])
    assert estimator.seconds(trial("no_fine_tuning"), 0) < estimator.seconds(trial("open"), 8)


def test_what_is_frozen_whole_is_computed_to_be_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[torch.Size] = []
    forward = Block.forward

    def watched(block: Block, x: torch.Tensor) -> torch.Tensor:
        measured.append(x.shape)
        return forward(block, x)

    monkeypatch.setattr(Block, "forward", watched)
    Estimator(study(), []).seconds(trial("no_fine_tuning"), 0)
    assert len(measured) == 7 * (MEASURED + 1)  # all blocks each time


def test_what_is_measured_on_the_gpu_tells_how_much_faster_all_is_there() -> None:
    arms = [trial(), trial("open", tuned_layers=None)]
    estimator = Estimator(study(), [])
    here = [estimator.seconds(arm, 2) for arm in arms]
    measured = time_patch(arms[0].point, SETTINGS, "float32")
    estimator.learn_speed(arms[0], measured.times(1 / 200))
    there = [estimator.seconds(arm, 2) for arm in arms]
    for slow, fast in zip(here, there, strict=True):
        # A measurement beside other work may be off by a few times, not by a hundred.
        assert 20 < slow / fast < 2000
