"""The first layers tuned, the last ones kept."""

import pytest
import torch
from torch import Tensor, nn

from t1t2core.errors import InputError
from t1t2core.settings import Settings
from t1t2core.strategies import STRATEGIES, Factors
from t1t2core.training.fit import Fit
from t1t2core.trial import make_experiment
from tests.builders.experiments import SPLIT
from tests.builders.heads import (
    FLOAT32,
    TINY,
    clone,
    different,
    make_fit,
    make_scan,
    make_subjects,
    make_training,
    pretrained_state,
)

STAGES = [f"network.encoder.stages.{n}." for n in range(4)] + [
    f"network.decoder.stages.{n}." for n in range(4)
]


@pytest.fixture(scope="module")
def pretrained() -> dict[str, Tensor]:
    return pretrained_state()


def start(pretrained: dict[str, Tensor], tuned: int) -> Fit:
    network = STRATEGIES["first_layers"].build(
        Factors(strategy="first_layers", tuned_layers=tuned), TINY, pretrained=clone(pretrained)
    )
    return make_fit(network, [make_scan(1, "T2"), make_scan(2, "T2")], make_training())


@pytest.mark.parametrize(("tuned", "stages"), [(3, 1), (9, 3), (12, 4), (21, 7)])
def test_the_first_convolutions_change_and_the_others_are_bit_for_bit_what_was_loaded(
    pretrained: dict[str, Tensor], tuned: int, stages: int
) -> None:
    fit = start(pretrained, tuned)
    before = clone(fit.network.state_dict())
    for _ in range(3):
        fit.run_epoch()
        fit.network.eval()
    after = fit.network.state_dict()
    expected = {name for name in after if name.startswith(tuple(STAGES[:stages]))}
    assert different(after, before) == expected
    assert fit.network.trained_state().keys() == expected
    assert not any(name.startswith(STAGES[7]) for name in expected), "the classifier stays"
    again = start(pretrained, tuned).network
    again.load_state_dict(fit.network.trained_state(), strict=False)
    assert different(again.state_dict(), after) == set()


def test_batch_norm_of_frozen_stages_stays_in_evaluation_mode(pretrained: dict[str, Tensor]) -> None:
    network = start(pretrained, 6).network.eval().train()
    for number, stage in enumerate(network.stages[:-1]):
        assert {part.training for part in stage.modules() if isinstance(part, nn.BatchNorm3d)} == {number < 2}


def test_the_last_layer_is_none_of_the_first() -> None:
    factors = Factors(strategy="first_layers", tuned_layers="fc", t2_train_size=2)
    settings = Settings(network=TINY, training=make_training())
    with pytest.raises(InputError, match=r"fc is the last layer, .* allowed: 3, 6"):
        make_experiment(
            factors, SPLIT, make_subjects(6), settings, pretrained={"any": torch.zeros(1)}, compute=FLOAT32
        )
