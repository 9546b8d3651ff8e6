"""On a GPU nothing is computed elsewhere; torch's device of tensors without values stands in for one."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import pytest
import torch

from t1t2core.evaluation.inference import likeliest
from t1t2core.experiment import Experiment
from t1t2core.network.attention import Attention
from t1t2core.network.segmenter import Segmenter
from t1t2core.settings import NetworkSettings, Settings
from t1t2core.strategies.factors import Factors
from t1t2core.training.compute import Compute
from t1t2core.training.norms import PLAIN_BATCHES
from t1t2core.trial import make_experiment
from tests.builders.experiments import SPLIT
from tests.builders.heads import TINY, make_subjects, make_training

TUNED = {"t2_train_size": 2, "learning_rate": 1e-2, "seed": 0}
ARMS = {
    "open": Factors(strategy="open", **TUNED),
    "9 convolutions": Factors(strategy="conservative", tuned_layers=9, **TUNED),
    "fc": Factors(strategy="conservative", tuned_layers="fc", **TUNED),
    "concatenation": Factors(strategy="hybrid", fusion="concatenation", **TUNED),
    "maximum": Factors(strategy="hybrid", fusion="maximum", **TUNED),
    "augmented": Factors(strategy="augmented", **TUNED),
    "scratch": Factors(strategy="scratch", **TUNED),
}
GPU = "meta"
ORDERS = ["channel_spatial", "spatial_channel", "concurrent_max", "concurrent_add"]


class PretendedGpu(Compute):
    """Computes on a device where tensors of others are refused."""

    def autocast(self) -> AbstractContextManager[None]:  # type: ignore[override]
        """It knows no other arithmetic."""
        return nullcontext()


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("loss", ["cross_entropy_dice", "weighted_cross_entropy"])
def test_a_training_step_and_the_labels_of_a_volume_stay_on_the_gpu(
    arm: str, loss: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(torch.optim.Adam, "step", lambda _: None)  # not there for tensors without values
    training = make_training(loss=loss)
    settings = Settings(network=TINY, training=training, pretraining=training)
    experiment = make_experiment(
        ARMS[arm],
        SPLIT,
        make_subjects(6),
        settings,
        pretrained=Segmenter(TINY, seed=0).state_dict(),
        compute=PretendedGpu(precision="float32", device=GPU),
    )
    assert isinstance(experiment, Experiment)
    assert experiment.fit is not None
    experiment.fit.steps = PLAIN_BATCHES + 1  # before, a GPU is waited for
    figures = experiment.fit._step([0, 1])
    trained = [p for p in experiment.network.parameters() if p.requires_grad]
    labels = [likeliest(probabilities) for probabilities in experiment._validator.probabilities()]
    places = [*figures, *labels, *experiment.network.state_dict().values(), *(p.grad for p in trained)]
    assert {tensor.device.type for tensor in places if tensor is not None} == {GPU}


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

    def start(settings: Settings) -> tuple[bool, ...]:
        make_experiment(ARMS["scratch"], SPLIT, make_subjects(6), settings, pretrained=None, compute=compute)
        cudnn = torch.backends.cudnn
        return cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32, cudnn.benchmark, cudnn.deterministic

    settings = replace(settings, pretraining=make_training())
    assert start(settings) == (False, False, False, True)
    faster = make_training(deterministic=False)
    assert start(replace(settings, pretraining=faster)) == (False, False, False, False)
