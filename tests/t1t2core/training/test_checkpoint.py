"""A training that is broken off goes on from its checkpoint as if nothing had happened."""

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from t1t2core.experiment import Outcome
from t1t2core.settings import EvaluationSettings, Settings, TrainingSettings
from t1t2core.strategies import STRATEGIES, Factors
from t1t2core.strategies.staged import AnyExperiment
from t1t2core.training.checkpoint import CheckpointError, pack_state, unpack_state
from t1t2core.trial import make_experiment
from tests.builders.experiments import SPLIT, run
from tests.builders.heads import (
    FLOAT32,
    PLENTY,
    TINY,
    different,
    make_subjects,
    make_training,
    pretrained_state,
)

SUBJECTS = make_subjects(6)
PRETRAINED = pretrained_state()
ONE_CYCLE = make_training(max_epochs=4, schedule="one_cycle", validate_every=2)
PLATEAU = make_training(
    max_epochs=4, schedule="plateau", plateau_patience=1, plateau_factor=0.5, min_delta=0.9, stop_patience=3
)
LEARNT: dict[str, Any] = {"t2_train_size": 2, "learning_rate": 1e-2, "seed": 0}
TRIALS = {
    "open": Factors(strategy="open", **LEARNT),
    "conservative": Factors(strategy="conservative", tuned_layers=9, **LEARNT),
    "fc": Factors(strategy="conservative", tuned_layers="fc", **LEARNT),
    "hybrid": Factors(strategy="hybrid", fusion="concatenation", **LEARNT),
    "scratch": Factors(strategy="scratch", **LEARNT),
    "augmented": Factors(strategy="augmented", **LEARNT),
    "low_rank": Factors(strategy="low_rank", **LEARNT),
    "gradual": Factors(strategy="gradual", **LEARNT),
    "first_layers": Factors(strategy="first_layers", tuned_layers=6, **LEARNT),
}


def settings_of(training: TrainingSettings, **network: Any) -> Settings:
    return Settings(
        network=replace(TINY, **network),
        training=training,
        pretraining=training,
        evaluation=EvaluationSettings(surface_distances=False),
    )


def start(factors: Factors, settings: Settings) -> AnyExperiment:
    compute = PLENTY if STRATEGIES[factors.strategy].freezes else FLOAT32
    return make_experiment(factors, SPLIT, SUBJECTS, settings, pretrained=PRETRAINED, compute=compute)


def run_with_breaks(factors: Factors, settings: Settings) -> Outcome:
    """Every epoch in an experiment of its own, which knows of the former only what its checkpoint says."""
    experiment = start(factors, settings)
    while not experiment.finished:
        experiment.run_epoch()
        content = pack_state(experiment.state())
        experiment = start(factors, settings)
        experiment.restore(unpack_state(content))
    return experiment.score()


def assert_same(one: Outcome, other: Outcome) -> None:
    assert one.scores == other.scores
    assert (one.stop_reason, one.epochs) == (other.stop_reason, other.epochs)
    assert different(one.weights, other.weights) == set()
    assert all(np.array_equal(labels, other.predictions[who]) for who, labels in one.predictions.items())


@pytest.mark.parametrize("training", [ONE_CYCLE, PLATEAU], ids=["one_cycle", "plateau"])
@pytest.mark.parametrize("factors", TRIALS.values(), ids=TRIALS.keys())
def test_a_trial_broken_off_after_every_epoch_ends_bit_for_bit_as_one_that_ran_through(
    factors: Factors, training: TrainingSettings
) -> None:
    settings = settings_of(training)
    assert_same(run_with_breaks(factors, settings), run(start(factors, settings)))


def test_a_staged_hybrid_goes_on_in_the_stage_where_it_was() -> None:
    settings = settings_of(ONE_CYCLE, hybrid_training="staged")
    assert_same(run_with_breaks(TRIALS["hybrid"], settings), run(start(TRIALS["hybrid"], settings)))


def test_epochs_after_a_break_say_what_they_would_have_said_without_one() -> None:
    settings, factors = settings_of(PLATEAU), TRIALS["open"]
    through, broken = start(factors, settings), start(factors, settings)
    through.run_epoch()
    broken.restore(unpack_state(pack_state(through.state())))
    one, other = through.run_epoch(), broken.run_epoch()
    assert replace(one.report, seconds=0) == replace(other.report, seconds=0)
    assert one.validation == other.validation


def test_a_checkpoint_holds_what_is_trained_and_nothing_of_what_is_frozen() -> None:
    """So that it stays small where little is tuned."""
    settings = settings_of(ONE_CYCLE)
    sizes = {}
    for name in ("fc", "open"):
        experiment = start(TRIALS[name], settings)
        experiment.run_epoch()
        sizes[name] = len(pack_state(experiment.state()))
    assert sizes["fc"] < sizes["open"] / 10


def test_values_come_back_exactly() -> None:
    state = {
        "tensors": [torch.tensor([0.1, float("nan")]), {"inside": torch.arange(3)}],
        "values": {"float": 0.1 + 0.2, "infinite": float("-inf"), "none": None, "text": "é", "empty": []},
    }
    back = unpack_state(pack_state(state))
    assert back["values"] == state["values"]
    assert torch.equal(back["tensors"][1]["inside"], torch.arange(3))
    assert back["tensors"][0].numpy().tobytes() == torch.tensor([0.1, float("nan")]).numpy().tobytes()


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: b"",
        lambda content: b"something else entirely",
        lambda content: pickle.dumps({"state": 1}),
        lambda content: content.replace(b'"format": 1', b'"format": 9'),
    ],
    ids=["cut", "empty", "text", "pickle", "other format"],
)
def test_what_is_no_whole_checkpoint_is_refused(damage: Any) -> None:
    with pytest.raises(CheckpointError):
        unpack_state(damage(pack_state({"tensor": torch.ones(3)})))
