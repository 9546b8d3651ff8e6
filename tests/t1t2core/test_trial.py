"""A trial of every strategy on tiny heads, as a researcher in a notebook would run it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import t1t2core
from t1t2core.errors import InputError
from t1t2core.experiment import Experiment, Scans
from t1t2core.settings import EvaluationSettings, NetworkSettings, Sequence, Settings
from t1t2core.strategies import STRATEGIES, Factors, StrategyName
from t1t2core.strategies.staged import AnyExperiment, StagedExperiment
from t1t2core.training.compute import Compute
from t1t2core.training.feature_store import FeatureStore
from t1t2core.trial import (
    make_experiment,
    pretrain,
    pretraining_experiment,
    run_trial,
    trained_network,
)
from tests.builders.experiments import SPLIT, run
from tests.builders.heads import FLOAT32, TINY, make_subjects, make_training, pretrained_state

SUBJECTS = make_subjects(6)
SETTINGS = Settings(
    network=TINY,
    training=make_training(max_epochs=2),
    pretraining=make_training(max_epochs=3),
    evaluation=EvaluationSettings(surface_distances=False),
)


def start(factors: Factors, settings: Settings = SETTINGS, compute: Compute = FLOAT32) -> AnyExperiment:
    return make_experiment(factors, SPLIT, SUBJECTS, settings, pretrained=pretrained_state(), compute=compute)


def scans_of(factors: Factors) -> dict[Sequence, Scans]:
    return STRATEGIES[factors.strategy].scans(factors, SPLIT, SUBJECTS)


@pytest.mark.parametrize(
    ("factors", "epochs", "stop_reason"),
    [
        (Factors(strategy="no_fine_tuning"), 0, "not_trained"),
        (Factors(strategy="norm_adaptation", t2_train_size=2), 0, "not_trained"),
        (Factors(strategy="open", t2_train_size=1, learning_rate=1e-2, seed=0), 2, "max_epochs"),
        (
            Factors(strategy="conservative", tuned_layers=9, t2_train_size=2, learning_rate=1e-2, seed=0),
            2,
            "max_epochs",
        ),
        (
            Factors(strategy="hybrid", fusion="average", t2_train_size=2, learning_rate=1e-2, seed=0),
            2,
            "max_epochs",
        ),
        (Factors(strategy="scratch", t2_train_size=2, learning_rate=1e-2, seed=0), 3, "max_epochs"),
        (Factors(strategy="augmented", t2_train_size=2, learning_rate=1e-2, seed=0), 3, "max_epochs"),
        (Factors(strategy="low_rank", t2_train_size=2, learning_rate=1e-2, seed=0), 2, "max_epochs"),
        (Factors(strategy="gradual", t2_train_size=2, learning_rate=1e-2, seed=0), 2, "max_epochs"),
        (
            Factors(strategy="first_layers", tuned_layers=9, t2_train_size=2, learning_rate=1e-2, seed=0),
            2,
            "max_epochs",
        ),
        (Factors(strategy="contrast_randomised"), 0, "not_trained"),
    ],
    ids=lambda value: value.strategy if isinstance(value, Factors) else None,
)
def test_every_strategy_ends_with_scores_of_the_same_test_patients(
    factors: Factors, epochs: int, stop_reason: str
) -> None:
    outcome = run(start(factors))
    assert (outcome.epochs, outcome.stop_reason) == (epochs, stop_reason)
    tested = {(s.sequence, s.patient) for s in outcome.scores if s.split == "test"}
    on_t1 = {("T1", "P06")} if STRATEGIES[factors.strategy].scored_on_t1 else set()
    assert tested == {("T2", "P06")} | on_t1
    assert set(outcome.predictions) == tested


def test_augmented_learns_from_both_sequences_and_nobody_else_trains_on_t1() -> None:
    both = scans_of(Factors(strategy="augmented", t2_train_size=1))
    assert (set(both["T1"].training), set(both["T2"].training)) == ({"P01", "P02"}, {"P03"})
    assert set(scans_of(Factors(strategy="open", t2_train_size=2))) == {"T2"}
    assert not scans_of(Factors(strategy="no_fine_tuning"))["T1"].training


def test_norm_adaptation_differs_from_the_plain_t1_network_only_by_its_statistics() -> None:
    plain, adapted = (
        start(Factors(strategy="no_fine_tuning")),
        start(Factors(strategy="norm_adaptation", t2_train_size=2)),
    )
    assert isinstance(adapted, Experiment)
    outcome = run(adapted)
    assert all("running" in name or "num_batches" in name for name in outcome.weights)
    assert not np.array_equal(run(plain).predictions["T2", "P06"], outcome.predictions["T2", "P06"])


@pytest.mark.parametrize(
    "factors",
    [
        Factors(strategy="open", t2_train_size=2),
        Factors(strategy="conservative", tuned_layers=9, t2_train_size=2),
        Factors(strategy="hybrid", fusion="concatenation", t2_train_size=2),
        Factors(strategy="augmented", t2_train_size=2),
        Factors(strategy="low_rank", t2_train_size=2),
        Factors(strategy="gradual", t2_train_size=2),
        Factors(strategy="first_layers", tuned_layers=6, t2_train_size=2),
    ],
    ids=lambda factors: factors.strategy,
)
def test_a_network_of_other_parts_is_trained_on_changed_patches_and_labels_as_it_was_scored(
    factors: Factors,
) -> None:
    network = NetworkSettings(width=2, attention="channel", normalisation="group")
    training = make_training(augmentation=["flips", "affine", "intensity", "noise", "contrast"])
    settings = replace(SETTINGS, network=network, training=training, pretraining=training)
    pretrained = pretrain(SPLIT, SUBJECTS, settings)
    outcome = run_trial(factors, SPLIT, SUBJECTS, settings, pretrained=pretrained)
    again = trained_network(factors, outcome, settings, pretrained=pretrained).eval()
    with torch.no_grad():
        labels = again(torch.from_numpy(SUBJECTS["P06"].t2.image)[None, None])[0].argmax(0)
    np.testing.assert_array_equal(labels.numpy(), outcome.predictions["T2", "P06"])


def test_a_strategy_that_needs_batch_norm_is_refused_without_it() -> None:
    settings = replace(SETTINGS, network=replace(TINY, normalisation="instance"))
    with pytest.raises(InputError, match="norm_adaptation estimates the statistics that batch norm keeps"):
        start(Factors(strategy="norm_adaptation", t2_train_size=2), settings)


def test_concatenation_may_have_a_batch_of_its_own() -> None:
    settings = replace(SETTINGS, training=replace(SETTINGS.training, batch_size_of_concatenation=1))
    factors = Factors(strategy="hybrid", fusion="concatenation", t2_train_size=2, learning_rate=1e-2, seed=0)
    experiment = start(factors, settings)
    assert isinstance(experiment, Experiment)
    assert experiment.training.batch_size == 1
    other = start(replace(factors, fusion="average"), settings)
    assert isinstance(other, Experiment)
    assert other.training.batch_size == 2


def test_staged_hybrid_trains_its_t2_encoder_first_and_counts_both_stages() -> None:
    settings = replace(SETTINGS, network=replace(TINY, hybrid_training="staged"))
    factors = Factors(strategy="hybrid", fusion="average", t2_train_size=2, learning_rate=1e-2, seed=0)
    experiment = start(factors, settings)
    assert isinstance(experiment, StagedExperiment)
    epochs = []
    while not experiment.finished:
        epochs.append(experiment.run_epoch().report.epoch)
    assert epochs == [1, 2, 3, 4]
    outcome = experiment.score()
    assert (outcome.epochs, len(outcome.epoch_seconds)) == (4, 4)
    alone = run(start(Factors(strategy="scratch", t2_train_size=2, learning_rate=1e-2, seed=0)))
    first = "stages.0.block.convolutions.0.weight"
    assert torch.equal(outcome.weights[f"dedicated.{first}"], alone.weights[f"encoder.{first}"])


def test_pretraining_takes_the_t1_scans_of_the_roles_it_is_given() -> None:
    experiment = pretraining_experiment(["P01", "P02"], ["P05"], SUBJECTS, SETTINGS, seed=0, compute=FLOAT32)
    outcome = run(experiment)
    assert outcome.epochs == 3
    assert {(s.sequence, s.split, s.patient) for s in outcome.scores} == {("T1", "validation", "P05")}


def test_trials_after_one_another_in_one_worker_score_as_each_alone() -> None:
    settings = replace(SETTINGS, network=replace(TINY, hybrid_training="staged"))
    common = {"t2_train_size": 2, "learning_rate": 1e-2, "seed": 0}
    trials = [
        Factors(strategy="no_fine_tuning"),
        *(Factors(strategy="conservative", tuned_layers=n, **common) for n in (18, 9, "fc")),  # type: ignore[arg-type]
        *(Factors(strategy="hybrid", fusion=f, **common) for f in ("average", "maximum")),  # type: ignore[arg-type]
    ]
    together = Compute(precision="float32", features=FeatureStore(2**28))
    for factors in trials:
        together.features.begin_trial()
        one = run(start(factors, settings, together))
        alone = run(start(factors, settings))
        assert one.scores == alone.scores
        assert all(torch.equal(tensor, alone.weights[name]) for name, tensor in one.weights.items())
        borrows = factors.strategy == "hybrid" or factors.tuned_layers in (9, "fc")
        assert (together.features.borrowed_seconds > 0) == borrows


@pytest.mark.parametrize("strategy", ["conservative", "norm_adaptation", "hybrid"])
def test_a_notebook_gets_the_outcome_of_the_same_trial_and_its_network(strategy: StrategyName) -> None:
    factors = Factors(
        strategy=strategy,
        tuned_layers=9 if strategy == "conservative" else None,
        fusion="average" if strategy == "hybrid" else None,
        t2_train_size=2,
        learning_rate=1e-2,
    )
    pretrained = pretrained_state()
    outcome = run_trial(factors, SPLIT, SUBJECTS, SETTINGS, pretrained=pretrained)
    assert outcome.scores == run(start(factors)).scores
    network = trained_network(factors, outcome, SETTINGS, pretrained=pretrained)
    scan = SUBJECTS["P06"].scan("T2")
    with torch.no_grad():
        labels = network.eval()(torch.from_numpy(scan.image[None, None])).argmax(dim=1)[0]
    np.testing.assert_array_equal(labels.numpy(), outcome.predictions["T2", "P06"])


def test_a_notebook_trains_the_t1_network_of_a_fold() -> None:
    weights = pretrain(SPLIT, SUBJECTS, SETTINGS, seed=3)
    experiment = pretraining_experiment(["P01", "P02"], ["P05"], SUBJECTS, SETTINGS, seed=3, compute=FLOAT32)
    expected = run(experiment).weights
    assert all(torch.equal(tensor, expected[name]) for name, tensor in weights.items())
    assert weights.keys() == pretrained_state().keys()


def test_the_package_has_what_a_notebook_needs() -> None:
    assert all(getattr(t1t2core, name) is not None for name in t1t2core.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        t1t2core.nothing  # noqa: B018
