"""What a GPU computes stays on it, and nothing makes it wait.

torch's `meta` device stands in for a GPU. It has shapes and no values: an operation that meets tensors of two
devices fails on it, and so does whatever asks for a value, for which a GPU would have to finish first.
"""

from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from t1t2core.cohort.roles import FoldSplit, Roles
from t1t2core.evaluation.inference import likeliest
from t1t2core.experiment import Experiment
from t1t2core.network.attention import Attention
from t1t2core.settings import NetworkSettings, Settings
from t1t2core.strategies import Factors
from t1t2core.training import optimiser as optimiser_module
from t1t2core.training.compute import Compute
from t1t2core.training.norms import PLAIN_BATCHES
from t1t2core.trial import make_experiment
from tests.builders.heads import TINY, make_subjects, make_training, pretrained_state

ELSEWHERE = Compute(precision="float32", device="meta")
SPLIT = FoldSplit(
    1, t1=Roles(("P01", "P02"), ("P05",), ("P06",)), t2=Roles(("P03", "P02"), ("P04",), ("P06",))
)
SUBJECTS = make_subjects(6)
ORDERS = ["channel_spatial", "spatial_channel", "concurrent_max", "concurrent_add"]


@pytest.fixture(autouse=True)
def meta_as_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """What torch does not offer on `meta`, and what is done once before the first step."""
    monkeypatch.setattr(Compute, "autocast", lambda self: nullcontext())
    monkeypatch.setattr(
        optimiser_module, "Adam", lambda groups, fused, **options: torch.optim.Adam(groups, **options)
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
def test_a_volume_is_labelled_where_it_is(arm: str, monkeypatch: pytest.MonkeyPatch):
    # Estimating statistics anew, torch's batch norm asks how many batches there were.
    monkeypatch.setattr(Tensor, "__float__", lambda number: 1.0)
    factors = ARMS.get(arm) or Factors(strategy=arm, t2_train_size=2)  # type: ignore[arg-type]
    experiment = start(factors)
    monkeypatch.setattr(Tensor, "cpu", None)  # nothing is brought over
    for probabilities, (_, _, scan) in zip(
        experiment._validator.probabilities(), experiment.validated, strict=True
    ):
        labels = likeliest(probabilities)
        assert (labels.device.type, labels.shape) == ("meta", scan.image.shape)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", ["channel_spatial", "channel", "spatial"])
def test_attention_by_sums_is_attention_by_products(order: str, kind: str, monkeypatch: pytest.MonkeyPatch):
    """On a GPU it is computed otherwise: by sums over an axis."""
    torch.manual_seed(0)
    settings = NetworkSettings(width=4, attention=kind, attention_order=order)  # type: ignore[arg-type]
    attention = Attention(4, settings).double()
    image = torch.rand((2, 4, 6, 5, 4), dtype=torch.float64)

    def run() -> list[torch.Tensor]:
        x = image.clone().requires_grad_()
        y = attention(x)
        attention.zero_grad()
        (y * torch.arange(y.numel(), dtype=y.dtype).view_as(y)).mean().backward()
        assert x.grad is not None
        return [y, x.grad, *(p.grad for p in attention.parameters() if p.grad is not None)]

    products = run()
    monkeypatch.setattr("t1t2core.network.attention.sums_up", lambda _: True)
    for one, other in zip(products, run(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_float32_is_float32_and_bits_are_the_same_each_time_unless_asked_otherwise(
    monkeypatch: pytest.MonkeyPatch,
):
    """By default cuDNN rounds factors to TF32."""
    for name, value in (("allow_tf32", True), ("deterministic", False), ("benchmark", True)):
        monkeypatch.setattr(torch.backends.cudnn, name, value)
    torch.backends.cuda.matmul.allow_tf32 = True
    settings = Settings(network=TINY, training=make_training())
    compute = Compute(precision="float32")

    def switches(settings: Settings) -> tuple[bool, ...]:
        make_experiment(
            ARMS["open"], SPLIT, SUBJECTS, settings, pretrained=pretrained_state(), compute=compute
        )
        cudnn = torch.backends.cudnn
        return cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32, cudnn.benchmark, cudnn.deterministic

    assert switches(settings) == (False, False, False, True)
    faster = make_training(deterministic=False)
    assert switches(replace(settings, training=faster)) == (False, False, False, False)
