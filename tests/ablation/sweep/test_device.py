"""What a GPU computes stays on it, and nothing makes it wait.

torch's `meta` device stands in for a GPU. It has shapes and no values: an operation that meets tensors of two
devices fails on it, and so does whatever asks for a value, for which a GPU would have to finish first.
"""

from contextlib import nullcontext

import pytest
import torch
from torch import Tensor

from t1t2core.cohort.roles import FoldSplit, Roles
from t1t2core.experiment import Experiment
from t1t2core.settings import Settings
from t1t2core.strategies import Factors
from t1t2core.training import fit as fit_module
from t1t2core.training.compute import Compute
from t1t2core.training.norms import PLAIN_BATCHES
from t1t2core.trial import make_experiment
from tests.builders.heads import TINY, make_subjects, make_training, pretrained_state

ELSEWHERE = Compute(precision="float32", device="meta")
SPLIT = FoldSplit(
    1, t1=Roles(("P01", "P02"), ("P05",), ("P06",)), t2=Roles(("P03", "P02"), ("P04",), ("P06",))
)
SUBJECTS = make_subjects(6)


@pytest.fixture(autouse=True)
def meta_as_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """What torch does not offer on `meta`, and what is done once before the first step."""
    monkeypatch.setattr(Compute, "autocast", lambda self: nullcontext())
    monkeypatch.setattr(fit_module, "class_shares", lambda labels: torch.ones(3, device=labels[0].device))
    monkeypatch.setattr(
        fit_module, "Adam", lambda groups, fused, **options: torch.optim.Adam(groups, **options)
    )


def start(factors: Factors, **training: object) -> Experiment:
    settings = Settings(
        network=TINY, training=make_training(**training), pretraining=make_training(**training)
    )
    experiment = make_experiment(
        factors, SPLIT, SUBJECTS, settings, pretrained=pretrained_state(), compute=ELSEWHERE
    )
    assert isinstance(experiment, Experiment)
    return experiment


ARMS = {
    "open": Factors(strategy="open", t2_train_size=2, learning_rate=1e-2, seed=0),
    "conservative": Factors(
        strategy="conservative", tuned_layers=9, t2_train_size=2, learning_rate=1e-2, seed=0
    ),
    "hybrid": Factors(strategy="hybrid", fusion="concatenation", t2_train_size=2, learning_rate=1e-2, seed=0),
    "augmented": Factors(strategy="augmented", t2_train_size=2, learning_rate=1e-2, seed=0),
}


@pytest.mark.parametrize("loss", ["cross_entropy", "weighted_cross_entropy", "cross_entropy_dice"])
@pytest.mark.parametrize("arm", ARMS)
def test_a_training_step_asks_for_no_value_and_brings_nothing_over(arm: str, loss: str):
    fit = start(ARMS[arm], loss=loss, gradient_clip=1.0).fit
    assert fit is not None
    fit.steps = PLAIN_BATCHES + 1  # until then fresh batch norms tell how much they have seen
    for found in (fit._step([0, 1]), fit._step([1, 0])):
        assert {tensor.device.type for tensor in found} == {"meta"}
        assert not any(tensor.requires_grad for tensor in found)


@pytest.mark.parametrize("arm", ["no_fine_tuning", "norm_adaptation", "hybrid"])
def test_a_volume_comes_back_in_one_piece(arm: str, monkeypatch: pytest.MonkeyPatch):
    # Estimating statistics anew, torch's batch norm asks how many batches there were.
    monkeypatch.setattr(Tensor, "__float__", lambda number: 1.0)
    factors = ARMS.get(arm) or Factors(strategy=arm, t2_train_size=2)  # type: ignore[arg-type]
    experiment = start(factors)
    brought: list[torch.Size] = []

    def cpu(tensor: Tensor) -> Tensor:
        brought.append(tensor.shape)
        return tensor

    monkeypatch.setattr(Tensor, "cpu", cpu)
    experiment._validator.probabilities()
    assert brought == [(3, *scan.image.shape) for _, _, scan in experiment.validated]
