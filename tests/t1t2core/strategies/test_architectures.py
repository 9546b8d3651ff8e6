"""Strategies with other networks than the study's: what is tuned, what is frozen, what is refused."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from t1t2core.errors import InputError
from t1t2core.network.architectures import ARCHITECTURES, stages_before
from t1t2core.network.build import build_network
from t1t2core.network.fits import check_network
from t1t2core.presets import PRESETS
from t1t2core.settings import NetworkSettings, Settings
from t1t2core.strategies import STRATEGIES, Factors, StrategyName, TunedLayers
from t1t2core.trial import make_experiment
from tests.builders.experiments import SPLIT
from tests.builders.heads import FLOAT32, PLENTY, clone, different, make_subjects, make_training

WHOLE = "tests.t1t2core.network.test_contract:Whole"
DEMO = PRESETS["demo"]


def with_network(architecture: str, width: int = 4, settings: Settings | None = None) -> Settings:
    network = NetworkSettings(architecture=architecture, width=width)
    training = make_training(max_epochs=1)
    return replace(settings or Settings(training=training, pretraining=training), network=network)


@pytest.mark.parametrize("architecture", ["unet", "dynunet", "segresnet"])
@pytest.mark.parametrize("tuned", ["fc", 9])
def test_the_frozen_part_is_computed_once_and_changes_no_bit(architecture: str, tuned: TunedLayers) -> None:
    settings, subjects = with_network(architecture), make_subjects(6)
    pretrained = build_network(settings.network, seed=3).state_dict()
    factors = Factors(strategy="conservative", tuned_layers=tuned, t2_train_size=2, seed=0)
    trained: list[dict[str, Tensor]] = []
    labels = []
    for compute in (FLOAT32, PLENTY):
        experiment = make_experiment(
            factors, SPLIT, subjects, settings, pretrained=clone(pretrained), compute=compute
        )
        while not experiment.finished:
            experiment.run_epoch()
        outcome = experiment.score()
        trained.append(outcome.weights)
        labels.append({name: torch.from_numpy(found) for name, found in outcome.predictions.items()})
    assert different(*trained) == set()
    assert all(labels[0][name].equal(labels[1][name]) for name in labels[0])
    stages = stages_before(0 if tuned == "fc" else tuned, architecture)
    frozen = [
        f"encoder.stages.{number}." for number in range(min(stages, ARCHITECTURES[architecture].encoder))
    ]
    assert not any(name.startswith(tuple(frozen)) for name in trained[0])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_number_that_is_allowed_tunes_so_many_convolutions(architecture: str) -> None:
    known = ARCHITECTURES[architecture]
    for number in known.tunable:
        assert sum(known.convolutions[stages_before(number, architecture) :]) == number
    assert stages_before(0, architecture) == len(known.convolutions) - 1


@pytest.mark.parametrize(
    ("architecture", "tuned", "told"),
    [
        ("excitation", 5, "it falls inside a stage of excitation; allowed: fc, 3, 6, 9, 12, 15, 18, and 21"),
        ("unet", 9, None),
        ("unet", 6, "it falls inside a stage of unet; allowed: fc, 1, 3, 5, 7, 9, 11, and 13, which is"),
        ("unet", 15, "unet has 13 convolutions; allowed: fc, 1,"),
        (WHOLE, "fc", "has no stages"),
    ],
)
def test_a_number_between_two_stages_is_refused(
    architecture: str, tuned: TunedLayers, told: str | None
) -> None:
    refused = STRATEGIES["conservative"].refusal(tuned, architecture)
    assert (told is None and refused is None) or (told or "") in (refused or "")


def test_the_first_layers_are_counted_from_the_image() -> None:
    strategy, network = STRATEGIES["first_layers"], NetworkSettings(architecture="segresnet", width=4)
    pretrained = build_network(network, seed=0).state_dict()
    factors = Factors(strategy="first_layers", tuned_layers=8)
    built = strategy.build(factors, network, pretrained=pretrained)
    trained = {name.split(".stages.")[1].split(".")[0] for name in built.trained_state()}
    assert trained == {"0", "1", "2"}
    assert "no first stages of segresnet have so many" in (strategy.refusal(7, "segresnet") or "")


@pytest.mark.parametrize("strategy", ["conservative", "first_layers", "gradual", "low_rank", "hybrid"])
def test_a_network_without_stages_is_trained_whole(strategy: StrategyName) -> None:
    settings = with_network(WHOLE)
    refused = STRATEGIES[strategy].misfit(settings)
    assert refused is not None
    assert strategy in refused
    assert WHOLE in refused
    assert STRATEGIES["open"].misfit(settings) is None
    pretrained = build_network(settings.network, seed=0).state_dict()
    built = STRATEGIES["open"].build(Factors(strategy="open"), settings.network, pretrained=pretrained)
    assert built.trained_state().keys() == pretrained.keys()


def test_only_what_has_an_encoder_is_doubled() -> None:
    refused = STRATEGIES["hybrid"].misfit(with_network("swin_unetr", 12))
    assert refused == (
        "hybrid: network.architecture: swin_unetr has no encoder to double; allowed: excitation, unet, "
        "dynunet, segresnet"
    )


def test_only_batch_norm_keeps_statistics() -> None:
    settings = with_network("unet")
    assert "network.architecture: unet keeps none" in (STRATEGIES["norm_adaptation"].misfit(settings) or "")
    adapted = replace(settings, network=replace(settings.network, frozen_norm="adapted"))
    assert "network.architecture: unet keeps none" in (STRATEGIES["conservative"].misfit(adapted) or "")


def test_what_does_not_fit_a_network_is_told_with_what_does() -> None:
    with pytest.raises(InputError) as refused:
        check_network(with_network("swin_unetr", 8, DEMO))
    told = str(refused.value)
    assert "network.width: 8; it must be divisible by 12, such as 12" in told
    assert "training.patch: 32 x 40 x 24; its sides must be divisible by 32" in told
    assert "the nearest is 32 x 64 x 32" in told
    small = replace(DEMO, training=replace(DEMO.training, patch=(8, 8, 8), stride=(8, 8, 8)))
    check_network(with_network("segresnet", 8, small))
    with pytest.raises(InputError, match="coarsest grid have 2 voxels or more: the nearest is"):
        check_network(with_network("dynunet", 8, small))


def test_a_class_that_breaks_the_contract_is_refused_before_it_is_trained() -> None:
    with pytest.raises(InputError, match=r"does not fit:\n.*gradient: none reaches stage 0"):
        check_network(with_network("tests.t1t2core.network.test_contract:LearnsNothing"))


def test_a_step_may_be_split_where_no_layer_goes_by_all_of_it() -> None:
    training = make_training(micro_batch=1)
    assert with_network(
        "unet", settings=Settings(network=NetworkSettings(normalisation="group"), training=training)
    )
    with pytest.raises(ValueError, match="batch norm goes by all of them"):
        Settings(training=training)
