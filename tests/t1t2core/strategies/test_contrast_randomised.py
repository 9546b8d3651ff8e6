"""A pretrained network that saw random contrasts, as it is."""

from dataclasses import replace

import pytest

from t1t2core.settings import EvaluationSettings, Settings
from t1t2core.strategies import STRATEGIES, Factors
from t1t2core.trial import pretrain, run_trial
from tests.builders.experiments import SPLIT
from tests.builders.heads import TINY, different, make_subjects, make_training

STRATEGY = STRATEGIES["contrast_randomised"]
SETTINGS = Settings(
    network=TINY,
    training=make_training(),
    pretraining=make_training(),
    evaluation=EvaluationSettings(surface_distances=False),
)


@pytest.mark.parametrize(
    ("given", "becomes"),
    [((), ("contrast",)), (("flips",), ("flips", "contrast")), (("flips", "contrast"), None)],
)
def test_its_t1_network_sees_random_contrasts_beside_what_else_it_is_to_see(
    given: tuple[str, ...], becomes: tuple[str, ...] | None
) -> None:
    settings = Settings(pretraining=make_training(augmentation=given))
    imposed = () if becomes is None else (("pretraining.augmentation", becomes),)
    assert STRATEGY.imposed(settings) == imposed


def test_the_others_start_from_the_t1_network_that_the_settings_ask_for() -> None:
    imposing = [name for name, strategy in STRATEGIES.items() if strategy.imposed(SETTINGS)]
    assert imposing == ["contrast_randomised"]


def test_it_is_scored_on_both_sequences_with_nothing_trained() -> None:
    subjects = make_subjects(6)
    randomised = replace(SETTINGS, pretraining=make_training(augmentation="contrast"))
    pretrained = pretrain(SPLIT, subjects, randomised)
    assert different(pretrained, pretrain(SPLIT, subjects, SETTINGS)), "it is another pretrained network"
    outcome = run_trial(
        Factors(strategy="contrast_randomised"), SPLIT, subjects, SETTINGS, pretrained=pretrained
    )
    untuned = run_trial(Factors(strategy="no_fine_tuning"), SPLIT, subjects, SETTINGS, pretrained=pretrained)
    assert outcome.scores == untuned.scores
    assert {score.sequence for score in outcome.scores} == {"T1", "T2"}
    assert outcome.weights == {}
